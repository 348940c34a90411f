#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The platform from outside: requests at its doors, in virtual time.

mod admission;
mod common;
mod endpoint;
mod family;
mod foundation;
mod gear;
mod jobs;
mod landing;
mod lobby;
mod lobby_claims;
mod lobby_site;
mod neighbour;
mod onboarding;
mod operations;
mod organisation;
#[cfg(feature = "seeded-defects")]
mod pace;
mod papers;
mod planted;
#[cfg(feature = "seeded-defects")]
mod planted_ends;
#[cfg(feature = "seeded-defects")]
mod planted_fleet;
#[cfg(feature = "seeded-defects")]
mod planted_lobby;
mod planted_network;
#[cfg(feature = "seeded-defects")]
mod planted_organisation;
#[cfg(feature = "seeded-defects")]
mod planted_pace;
#[cfg(feature = "seeded-defects")]
mod planted_registry;
mod provisioning;
mod registry;
mod registry_strangers;
mod stock;
mod strangers;
mod tenancy;
mod throttle;
mod updates;
