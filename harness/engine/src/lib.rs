//! Runs a plan
