//! The broker from outside: packets in, packets out.

mod behaviour;
mod defects;
mod limits;
#[path = "../support/mod.rs"]
mod support;
