//! What stands between the operations and HTTP.

mod drain;
mod envelope;
mod extract;
mod openapi;
mod paging;
mod principals;
mod server;

pub(crate) use extract::{At, Body, LIMIT, Origin, Params, collect};
pub(crate) use openapi::{document, lobby_document, organisation_document, written};
pub(crate) use paging::Page;
pub(crate) use principals::{Can, Device, Operator, User, claims_of, need, rights_in};
pub(crate) use server::serve;

use crate::Platform;
use crate::{fleet, lobby, organisation, registry, tenancy};
use axum::Router;
use utoipa_axum::router::OpenApiRouter;

/// The operations that users and devices reach.
pub(crate) fn gateway_operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(openapi::operations()).merge(tenancy::gateway()).merge(fleet::gateway())
}

/// The operations at the operator's door.
pub(crate) fn operator_operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(tenancy::operator_door()).merge(fleet::operator_door())
}

pub(crate) fn gateway(app: &Platform) -> Router {
    let all = gateway_operations()
        .merge(registry::gateway())
        .merge(organisation::operations())
        .merge(lobby::gateway())
        .merge(fleet::links());
    envelope::around(all.split_for_parts().0, app)
}

/// The gateway, for those who come in with TLS.
pub(crate) fn secure_gateway(app: &Platform) -> Router {
    gateway(app).layer(axum::Extension(extract::Secure))
}

pub(crate) fn operator_door(app: &Platform) -> Router {
    envelope::around(operator_operations().split_for_parts().0, app)
}
