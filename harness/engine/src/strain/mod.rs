//! Strain on a platform: what loads ask of it, and what it does to the devices that are measured meanwhile.

pub(crate) mod load;
pub(crate) mod meter;
pub(crate) mod pace;
mod things;
