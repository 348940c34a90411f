//! Tenants, people, what they may, and what they did.

mod accounts;
mod founding;
mod operator;
mod sessions;

pub(crate) use founding::found;

use crate::Platform;
use utoipa_axum::router::OpenApiRouter;

/// What users reach.
pub(crate) fn gateway() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(sessions::operations()).merge(accounts::operations())
}

/// What the operator reaches.
pub(crate) fn operator_door() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(operator::operations())
}
