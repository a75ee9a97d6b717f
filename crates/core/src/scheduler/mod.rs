//! Which job runs where and when: a pure queue and a thin driver.
//!
//! - [`queue`] holds the state machine: plain values in, [`Command`]s out; no clock, no store, no machine. Tests run it as a film
//!   and compare the whole queue in words.
//! - [`job`] holds the rules of one job: what a report, a cancel request or a lost runner makes of it. The request handlers
//!   use the same rules inside their own transactions.
//! - [`driver`] loads the queue from the store, asks it what to do, and does it: rows first, then the [`Executor`].
//!
//! Nothing durable lives here. The driver of the server that holds the lease acts; after a crash it loads the rows, asks the
//! executor what became of each runner, and goes on.
//!
//! [`Executor`]: crate::executor::Executor

pub mod driver;
#[cfg(test)]
mod film;
mod finish;
pub mod job;
mod perform;
pub mod queue;

pub use self::driver::{Options, Scheduler, start};
pub use self::queue::{Cluster, Command, Node, Queue};
