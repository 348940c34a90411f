#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The dialect against the reference platform, in virtual time.

mod audit;
mod common;
mod objects;
mod people;
mod surfaces;
mod tenants;
mod updates;
