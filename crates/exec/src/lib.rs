//! Where jobs run: environments, the runner beside each job, and the executors that start runners.
//!
//! [`environments`] turns definitions into Python environments; [`runner`] is the small process that prepares, runs, watches and
//! reports one job; [`local`] starts runners on this machine; [`webhooks`] reaches those who want to be told of changes. The scheduler knows only the ports in `core`; the binary puts the
//! parts together.

pub mod environments;
mod files;
pub mod local;
mod lock;
pub mod runner;
mod session;
pub mod webhooks;
