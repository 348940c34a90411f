//! The update state machine.
