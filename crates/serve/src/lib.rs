//! Online scoring: model workers, the gateway in front of them, and the reconciler that makes deployments real.
//!
//! The server's composition root starts one [`Serving`]: it brings every deployment recorded in the store to life, keeps it
//! alive, and answers `/endpoints/{endpoint}/score` from memory alone. Nothing here is durable; a restart builds it again.
//!
//! ```text
//! core (wishes) --event--> reconciler --> attempt: environment, files, pool --> table
//! caller --> gateway: key, share, limit --> pool --> worker process
//! ```

mod answers;
mod attempt;
mod counters;
mod embedded;
mod frames;
mod gateway;
mod launch;
pub mod logs;
mod materialise;
pub mod pool;
mod reconciler;
mod runtime;
mod slot;
mod table;
mod worker;

pub use gateway::{MAX_BODY, router, routes};
pub use reconciler::Serving;
