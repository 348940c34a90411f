//! Devices, their inventory, artifacts, deployments: what a tenant's fleet is and what happens to it.

mod artifacts;
mod attributes;
mod auth_sets;
mod authentication;
mod deployment_status;
mod deployments;
mod device_status;
mod devices;
mod filters;
mod groups;
mod inventory;
mod keys;
mod limits;
mod object_files;
mod objects;
mod outcomes;
mod pace;
mod pace_terms;
mod progress;
mod reach;
mod releases;
mod revocation;
mod rollout;
mod slots;
mod storage;
mod targets;
mod terms;
mod upload;

pub(crate) use object_files::{InFolder, private_folder, sync};
pub(crate) use objects::{ObjectStore, Objects};
pub(crate) use storage::{files_of, key, signed, stored_at};

use crate::Platform;
use utoipa_axum::router::OpenApiRouter;

/// What users and devices reach.
pub(crate) fn gateway() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .merge(authentication::operations())
        .merge(devices::operations())
        .merge(auth_sets::operations())
        .merge(limits::operations())
        .merge(revocation::operations())
        .merge(attributes::operations())
        .merge(inventory::operations())
        .merge(groups::operations())
        .merge(filters::operations())
        .merge(artifacts::operations())
        .merge(releases::operations())
        .merge(progress::operations())
        .merge(deployments::operations())
        .merge(outcomes::operations())
        .merge(pace::operations())
}

/// What everybody reaches who has a link. These are no operations of the interface, so they are not in the document.
pub(crate) fn links() -> OpenApiRouter<Platform> {
    storage::operations()
}

/// What the operator reaches.
pub(crate) fn operator_door() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(revocation::operator_operations())
}
