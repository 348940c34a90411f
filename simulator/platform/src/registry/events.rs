//! Which events of the registry an account wants to be told of, per region. Kept for whoever tells them.

use super::desk::Asked;
use super::refusals::invalid;
use crate::Platform;
use crate::args;
use crate::edge::{Body, need};
use crate::refusal::Answer;
use crate::store::Tx;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What can be told (AWS: EventType).
const KINDS: &[&str] = &[
    "CA_CERTIFICATE",
    "CERTIFICATE",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "THING",
    "THING_GROUP",
    "THING_GROUP_HIERARCHY",
    "THING_GROUP_MEMBERSHIP",
    "THING_TYPE",
    "THING_TYPE_ASSOCIATION",
];

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(describe, update))
}

/// Whether a kind of event is told.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
struct Told {
    #[serde(rename = "Enabled", default)]
    enabled: bool,
}

/// Kinds of events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Configurations {
    #[schema(value_type = Value)]
    event_configurations: BTreeMap<String, Told>,
}

/// What is told.
#[utoipa::path(get, path = "/api/management/v1/iot/event-configurations", operation_id = "DescribeEventConfigurations",
    tag = "events",
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`eventConfigurations`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeEventConfigurations").await?;
    let kept = kept(&mut desk).await?;
    desk.commit().await?;
    let all: BTreeMap<&str, Told> =
        KINDS.iter().map(|kind| (*kind, kept.get(*kind).copied().unwrap_or_default())).collect();
    Ok(Json(json!({ "eventConfigurations": all })))
}

async fn kept(desk: &mut super::desk::Desk) -> Answer<BTreeMap<String, Told>> {
    let sql = "select events from account_regions where tenant_id = $1 and region = $2 order by seq";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region]).await?;
    Ok(row.map(|row| row.json("events")).transpose()?.unwrap_or_default())
}

/// Change what is told. Kinds that are not named stay as they are.
#[utoipa::path(patch, path = "/api/management/v1/iot/event-configurations", operation_id = "UpdateEventConfigurations",
    tag = "events", request_body = Configurations,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Done.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<Configurations>,
) -> Answer<Json<Value>> {
    if let Some(unknown) = new.event_configurations.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(invalid(format!("{unknown:?} is no kind of event: {}", KINDS.join(", "))));
    }
    let mut desk = asked.desk(&app, "UpdateEventConfigurations").await?;
    let mut all = kept(&mut desk).await?;
    all.extend(new.event_configurations);
    let text = json!(all).to_string();
    let sql = "update account_regions set events = $3 where tenant_id = $1 and region = $2";
    let (tenant, region, account) = (desk.place.tenant.clone(), desk.place.region.clone(), desk.place.account.clone());
    desk.tx.execute(sql, args![tenant, region, &text]).await?;
    desk.audit("update", "account", &account, Some(format!("events: {text}"))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}
