//! Claims compiled into attempts, each with its control and its oracle; and the judges of what came of them.
//!
//! Start with [`model`]: a [`model::Surface`] is an operation of a platform, an [`model::Attempt`] is one attack on it.

pub mod model;
