//! Bring a platform up, take it down
