//! Rules about the project itself: which crate may depend on which, and how large a file may grow.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking; the helpers here are outside #[test] functions"
)]

mod dependency_rule;
mod file_sizes;
