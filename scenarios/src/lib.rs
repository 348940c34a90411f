//! The scenario library and its tests
