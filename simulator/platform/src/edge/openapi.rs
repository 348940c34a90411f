//! The interface as a document: what the handlers say of themselves, and what is true of all of them.

use crate::Platform;
use axum::Json;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The operation that shows the document.
pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_document))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "x_fleetproof Show Document", tag = "document",
    responses((status = 200, description = "This document.", body = Value)))]
async fn show_document() -> Json<&'static Value> {
    Json(document())
}

/// How operations say who may call them: names of security schemes.
const SCHEMES: &[(&str, &str)] = &[
    ("user", "A user's token, from login, switch or settings/tokens."),
    ("device", "A device's token, from auth_requests."),
    ("operator", "The token of the operator's door, which is a listener of its own."),
];

/// All operations of all listeners. Operations without `security` are public.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| written(super::gateway_operations().merge(super::operator_operations())));
    &DOCUMENT
}

/// The document of these operations.
pub(crate) fn written(router: OpenApiRouter<Platform>) -> Value {
    described(
        router,
        "fleetproof reference platform",
        "A device-fleet platform with a provider and its tenants, for test harnesses.",
    )
}

/// The operations of organisation and onboarding: an interface of their own, at the same gateway.
pub(crate) fn organisation_document() -> Value {
    let about =
        "An account for every tenant of a provider: units, controls, blueprints, onboarding, trust, the central log.";
    described(crate::organisation::operations(), "fleetproof reference platform: organisation", about)
}

/// The operations of the Device Lobby: an interface of their own, at the same gateway.
pub(crate) fn lobby_document() -> Value {
    let about =
        "Where devices from a factory come to be claimed: claims, releases, migrations, and who runs the lobby.";
    let title = "fleetproof reference platform: the Device Lobby";
    let mut document = described(crate::lobby::operations(), title, about);
    document["components"]["schemas"]["Error"]["properties"]["code"] =
        json!({ "type": "string", "description": "The name of it, e.g. DeviceBoundException." });
    document["components"]["schemas"]["Error"]["properties"]["message"] = json!({ "type": "string" });
    document
}

fn described(router: OpenApiRouter<Platform>, title: &str, about: &str) -> Value {
    let mut document = serde_json::to_value(router.into_openapi()).unwrap_or_default();
    document["info"] = json!({
        "title": title,
        "description": about,
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    for (name, description) in SCHEMES {
        document["components"]["securitySchemes"][name] =
            json!({ "type": "http", "scheme": "bearer", "description": description });
    }
    document["components"]["schemas"]["Error"] = json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": { "type": "string" }, "request_id": { "type": "string" } },
    });
    let paths = document["paths"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut) {
        if operation.get("operationId").is_some() {
            complete(operation);
        }
    }
    document
}

/// Adds the refusals that any operation of its kind may give, and a body to every refusal.
fn complete(operation: &mut Value) {
    let is_public = operation.get("security").is_none();
    let takes_body = operation.get("requestBody").is_some();
    let takes_query = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    let mut common = vec![("500", "Internal Server Error.")];
    if takes_body || takes_query {
        common.push(("400", "Invalid Request."));
    }
    if takes_body {
        common.push(("413", "The body has more than 1 MiB."));
    }
    if !is_public {
        common.push(("401", "Unauthorized."));
    }
    let is_throttled = |needs: &Vec<Value>| needs.iter().any(|need| need.get("operator").is_none());
    let knocks = operation["operationId"] == "DeviceAuth Authenticate Device";
    if knocks || operation["security"].as_array().is_some_and(is_throttled) {
        common.push(("429", "Client has made too many requests."));
    }
    let needs = operation["security"].as_array();
    if needs.is_some_and(|needs| needs.iter().any(|need| need.get("user").is_some())) {
        common.push(("403", "The caller's role does not allow it."));
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description) in common {
        responses.entry(status).or_insert_with(|| json!({ "description": description }));
    }
    for (status, response) in responses {
        if status == "429" {
            response["headers"] = json!({ "Retry-After": {
                "description": "Number of seconds until the client may retry.", "schema": { "type": "integer" },
            } });
        }
        if status.starts_with(['4', '5']) && response.get("content").is_none() {
            response["content"] = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
        }
    }
}
