//! Rules about the project itself: which crate may depend on which, and how large a file may grow.

mod dependency_rule;
mod file_sizes;
