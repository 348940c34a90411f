//! Connections of an account's clients: ended by who may change its devices (AWS: DeleteConnection).

use super::desk::Asked;
use super::refusals::{invalid, unknown};
use super::things::WHOSE;
use crate::Platform;
use crate::edge::{At, need};
use crate::refusal::Answer;
use crate::registry_defects::RegistryDefect;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The longest client id, in bytes (AWS: 128).
const LONGEST: usize = 128;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(delete))
}

/// End a client's connection; it may come again. 404 for a client that is not connected.
#[utoipa::path(delete, path = "/api/management/v1/iot/connections/{clientId}", operation_id = "DeleteConnection",
    tag = "connections", params(("clientId" = String, Path, description = "The client."),
        ("cleanSession" = Option<bool>, Query, description = "End its session too, with all that waits in it."),
        ("preventWillMessage" = Option<bool>, Query, description = "Its will is not said."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is ended.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(client): At<String>,
) -> Answer<Json<Value>> {
    let truth =
        |name: &str| Ok::<_, crate::refusal::Refusal>(asked.params.choice(name, &["true", "false"])? == Some("true"));
    let (clean_session, prevent_will) = (truth("cleanSession")?, truth("preventWillMessage")?);
    if client.is_empty() || client.len() > LONGEST {
        return Err(invalid(format!("clientId has 1 to {LONGEST} bytes")));
    }
    let mut desk = asked.desk(&app, "DeleteConnection").await?;
    desk.stray(RegistryDefect::ConnectionEndedAnywhere, WHOSE, &client).await?;
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if !app.data_plane().is_connected(&tenant, &region, &client) {
        return Err(unknown());
    }
    let change = Some(format!("session ended: {clean_session}, will said: {}", !prevent_will));
    desk.audit("delete", "connection", &client, change).await?;
    // The entry first: whoever was thrown out stands in the log.
    desk.commit().await?;
    app.data_plane().disconnect(&app, (&tenant, &region), &client, clean_session, prevent_will);
    Ok(Json(json!({})))
}
