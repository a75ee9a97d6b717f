//! The words of Lazuli: plain types, validation and grammars shared by every layer. No I/O.
//!
//! One noun, one module; the same name is used by the file in `store`, `core`, `api` and `cli`.
