//! The reference platform: a device-fleet platform with a provider and its tenants, that speaks the Mender API.
//!
//! [`Platform::open`] makes one (SQLite in memory), [`Platform::open_in`] one that lasts (in a [`DataFolder`]),
//! [`Platform::gateway`] is what users and devices reach,
//! [`Platform::operator_door`] what only its operator reaches, [`Platform::serve`] answers on a network of
//! [`fleetproof_world`], [`Platform::document`] is its interface as an OpenAPI document.
//!
//! [`Platform::account_document`] is the interface of the account that every tenant is: the [`registry`] of its things,
//! certificates and policies, as AWS IoT Core has it.
//!
//! [`Platform::open_lobby`] opens the Device Lobby of an organisation, where devices from a factory come to be claimed.
//!
//! Inside: `tenancy`, `fleet` and `registry` hold the operations, one file per kind of object; `edge` is what stands between them
//! and HTTP (who asks, how a refusal is written); `organisation` makes an account of every tenant of a provider;
//! `lobby` is where devices come that are nobody's yet; `endpoint` is where devices connect by MQTT; `service` is how much is worked on at once, who is next, and how often
//! a tenant may call; [`store`] is the database; [`rights`] what a role
//! allows; [`defects`] what can be broken on purpose.
//!
//! A change is one transaction: limit counter, rows and audit entry together. Other requests come between
//! transactions, never into one.

mod audit;
pub mod broker_defects;
mod data;
pub mod defects;
mod edge;
mod endpoint;
mod fleet;
mod ids;
pub mod job_defects;
mod jobs;
mod lobby;
mod organisation;
mod passwords;
mod platform;
mod proven;
mod refusal;
pub mod registry;
pub mod registry_defects;
mod residency;
pub mod rights;
mod service;
mod shadows;
pub mod store;
mod tenancy;
mod tokens;

pub use data::DataFolder;
pub use endpoint::Clients;
pub use fleetproof_dataplane::lobby::{Step as CommissioningStep, Undo as LobbyUndo};
pub use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step as OnboardingStep};
use fleetproof_dataplane::pacing;
pub use lobby::{LobbyAccount, LobbyHalt, LobbyPlan, Trusted};
pub use organisation::{AssumedRole, RoleAsked};
pub use passwords::PasswordCost;
pub use platform::{Founded, NewTenant, Platform, PlatformError, Settings};
pub use service::Service;
