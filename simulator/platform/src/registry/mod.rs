//! The registry of an account: things, thing groups, certificates, authorities, policies, and what is attached to what
//! (AWS IoT Core's control plane). A tenant is an account: the same people, the same rights, the same log.
//!
//! Everything carries the tenant and a region; a request names the region with `region`, or means the home. What is
//! another's, in another region, or in a region where the account is not, is answered as what never existed.
//!
//! A broker in the same process asks [`Platform::principals`], and learns with [`Platform::changes`] of each change that
//! was committed.

mod accounts;
mod attachments;
mod authorities;
mod certificates;
mod connections;
mod desk;
mod events;
mod feed;
mod issuing;
mod jobs;
mod listing;
mod lodging;
mod policies;
mod principals;
mod provisioning;
mod rates;
mod refusals;
mod search;
mod thing_groups;
mod things;
mod transfers;
mod x509;

pub use accounts::{Account, Endpoint, Regions};
pub use certificates::JustInTime;
pub use feed::{Change, Changes};
pub use principals::{Principal, PrincipalThing};

pub(crate) use accounts::{close_account, host_in, is_taken, number_of, open_account, settle_account, tenant_of};
pub(crate) use lodging::{Lodging, principals_changed};
pub(crate) use provisioning::hear as hear_provisioning;

use crate::Platform;
use crate::edge;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use feed::Feed;
use fleetproof_world::Seeds;
use issuing::Issuer;
use listing::Seal;
use rates::Rates;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What entries of the log can be about, beside what the rest of the platform has.
pub(crate) const KINDS: &[&str] = &[
    "account",
    "thing",
    "thing_group",
    "certificate",
    "ca_certificate",
    "policy",
    "job",
    "connection",
    "provisioning_template",
];

/// What the registry keeps beside the database.
#[derive(Debug)]
pub(crate) struct Registry {
    issuer: Issuer,
    seal: Seal,
    feed: Feed,
    rates: Rates,
}

impl Registry {
    /// `keys` are the platform's: what is sealed or signed with them stays good after a start.
    pub(crate) fn new(keys: &Seeds) -> Self {
        Self { issuer: Issuer::new(keys), seal: Seal::new(keys), feed: Feed::default(), rates: Rates::default() }
    }
}

/// Tells who listens that an account opened, closed, or lets nobody in.
pub(crate) fn account_changed(app: &Platform, tenant: &str) {
    app.registry().feed.tell([Change::Account { tenant: tenant.to_owned() }]);
}

/// The operations of an account.
fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(show_document))
        .merge(accounts::operations())
        .merge(things::operations())
        .merge(search::operations())
        .merge(thing_groups::operations())
        .merge(certificates::operations())
        .merge(connections::operations())
        .merge(transfers::operations())
        .merge(authorities::operations())
        .merge(policies::operations())
        .merge(attachments::operations())
        .merge(provisioning::operations())
        .merge(events::operations())
        .merge(jobs::operations())
}

/// What users reach.
pub(crate) fn gateway() -> OpenApiRouter<Platform> {
    operations().layer(from_fn(named))
}

/// This document.
#[utoipa::path(get, path = "/api/management/v1/iot/openapi.json", operation_id = "x_fleetproof Show Account Document",
    tag = "document", responses((status = 200, description = "This document.", body = Value)))]
async fn show_document() -> Json<&'static Value> {
    Json(document())
}

/// The account's interface; the rest of the platform has a document of its own.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = edge::written(operations());
        document["info"]["title"] = "fleetproof reference platform: the account".into();
        document["info"]["description"] =
            "The registry of the account that a tenant is, as AWS IoT Core has it, for test harnesses.".into();
        document["components"]["schemas"]["Error"]["properties"]["code"] =
            serde_json::json!({ "type": "string", "description": "AWS's name of it, e.g. ResourceNotFoundException." });
        document["components"]["schemas"]["Error"]["properties"]["message"] = serde_json::json!({ "type": "string" });
        document
    });
    &DOCUMENT
}

/// Gives refusals that came before the operation began (who asks, what a body says) AWS's names too.
async fn named(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().get_mut::<Refusal>()
        && refusal.name.is_none()
    {
        refusal.name = Some(match refusal.status {
            StatusCode::UNAUTHORIZED => "UnauthorizedException",
            StatusCode::FORBIDDEN => "AccessDeniedException",
            StatusCode::NOT_FOUND => "ResourceNotFoundException",
            StatusCode::TOO_MANY_REQUESTS => "ThrottlingException",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalFailureException",
            _ => "InvalidRequestException",
        });
    }
    response
}
