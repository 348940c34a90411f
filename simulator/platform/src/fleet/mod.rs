//! Devices, their inventory, artifacts, deployments: what a tenant's fleet is and what happens to it.

mod auth_sets;
mod authentication;
mod device_status;
mod devices;
mod keys;
mod limits;
mod reach;
mod revocation;
mod slots;

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
}

/// What the operator reaches.
pub(crate) fn operator_door() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(revocation::operator_operations())
}
