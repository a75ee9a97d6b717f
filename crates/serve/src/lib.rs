//!
//! The server's composition root starts one [`Serving`]: it brings every deployment recorded in the store to life, keeps it
//! alive, and answers `/endpoints/{endpoint}/score` from memory alone. Nothing here is durable; a restart builds it again.

mod embedded;
mod frames;
mod launch;
pub mod logs;
pub mod pool;
mod slot;
mod worker;
