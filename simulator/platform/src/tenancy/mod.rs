//! Tenants, people, what they may, and what they did.

mod access_tokens;
mod accounts;
mod assignment;
mod audit_log;
mod client_limits;
mod founding;
mod limits;
mod operator;
mod preferences;
mod removal;
mod roles;
mod sessions;
mod tenants;

pub(crate) use founding::{Draft, check_email, check_name, found, insert_account, insert_tenant, join, seal};
pub(crate) use limits::{carve, check_limit, set_limit};
pub(crate) use removal::{Files, remove_tenant};

use crate::Platform;
use utoipa_axum::router::OpenApiRouter;

/// What users reach.
pub(crate) fn gateway() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .merge(tenants::operations())
        .merge(sessions::operations())
        .merge(access_tokens::operations())
        .merge(accounts::operations())
        .merge(assignment::operations())
        .merge(roles::operations())
        .merge(preferences::operations())
        .merge(audit_log::operations())
}

/// What the operator reaches.
pub(crate) fn operator_door() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(operator::operations()).merge(client_limits::operations())
}
