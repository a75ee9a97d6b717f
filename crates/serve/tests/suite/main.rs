//! Serving, with real Python processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod fixture;
mod gateway;
mod pool;
mod updates;
