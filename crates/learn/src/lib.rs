//! Pure algorithms without I/O: what the server computes about data, written once and tested against its definition.
//!
//! Nothing here reads a clock, a file or a random source; a caller passes numbers in and gets numbers back.

pub mod quantiles;
