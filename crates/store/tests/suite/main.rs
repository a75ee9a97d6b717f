//! The store's contract, run on every back end that is at hand.

mod backup;
mod contract;
mod crash;
mod endpoints;
mod schema;
mod trouble;
