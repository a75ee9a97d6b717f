//! The store's contract, run on every back end that is at hand.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helper that cannot go on should stop the test; the hammered child talks to its parent by lines"
)]

mod backup;
mod contract;
mod crash;
mod endpoints;
mod lists;
mod schema;
mod trouble;
