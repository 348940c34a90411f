//! The reference platform
