//! The scenario language: text to typed scenarios, diagnostics, schema.

mod scenario;
mod source;

pub use scenario::*;
pub use source::*;
