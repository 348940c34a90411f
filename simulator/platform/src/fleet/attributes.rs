//! What is known about a device, as attributes of five scopes; and how a device tells of itself.

use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{Body, Device};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Tx};
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(assign, replace))
}

/// The most attributes that a device may have.
const MOST: usize = 100;

/// Where an attribute comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AttributeScope {
    /// The platform: when the device came, its group.
    System,
    /// The identity it knocked with, and its status.
    Identity,
    /// The device itself.
    Inventory,
    /// Monitoring; the platform has none.
    Monitor,
    /// People.
    Tags,
}

/// One thing known about a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Attribute {
    pub(super) name: String,
    #[schema(inline)]
    pub(super) scope: AttributeScope,
    /// A text, a number, a truth value, or a list of texts or numbers.
    pub(super) value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
}

impl Attribute {
    pub(super) fn new(scope: AttributeScope, name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), scope, value, description: None, timestamp: None }
    }
}

/// Everything known about the device in a row of `devices`.
pub(super) fn all(row: &Row) -> Result<Vec<Attribute>, StoreError> {
    let mut all = Vec::new();
    let identity: BTreeMap<String, Value> = row.json("identity")?;
    all.extend(identity.into_iter().map(|(name, value)| Attribute::new(AttributeScope::Identity, &name, value)));
    all.push(Attribute::new(AttributeScope::Identity, "status", row.text("status")?.into()));
    all.extend(row.json::<Vec<Attribute>>("attributes")?);
    all.extend(row.json::<Vec<Attribute>>("tags")?);
    for (name, column) in [("created_ts", "created_at"), ("updated_ts", "updated_at")] {
        all.push(Attribute::new(AttributeScope::System, name, rfc3339(row.time(column)?).into()));
    }
    if let Some(group) = row.maybe_text("group_name")? {
        all.push(Attribute::new(AttributeScope::System, "group", group.into()));
    }
    Ok(all)
}

/// What a device says of itself.
#[derive(Debug, Deserialize, ToSchema)]
struct NewAttribute {
    name: String,
    #[serde(default)]
    description: Option<String>,
    /// A text, a number, or a list of texts or numbers.
    value: Value,
}

/// Whether a device may say this.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Number(_) => true,
        Value::Array(list) => list.iter().all(Value::is_string) || list.iter().all(Value::is_number),
        Value::Null | Value::Bool(_) | Value::Object(_) => false,
    }
}

/// `old` with `new` laid over it; 400 when that is too much, or not what attributes are.
fn merge(old: Vec<Attribute>, new: Vec<NewAttribute>, now: &str) -> Result<Vec<Attribute>, Refusal> {
    let mut all: BTreeMap<String, Attribute> = old.into_iter().map(|one| (one.name.clone(), one)).collect();
    for NewAttribute { name, description, value } in new {
        if name.is_empty() || name.len() > 1024 || !is_plain(&value) {
            return Err(Refusal::bad_request("an attribute has a name, and a text, a number or a list as value"));
        }
        let timestamp = Some(now.to_owned());
        let attribute =
            Attribute { name: name.clone(), scope: AttributeScope::Inventory, value, description, timestamp };
        all.insert(name, attribute);
    }
    if all.len() > MOST {
        return Err(Refusal::bad_request(format!("a device has at most {MOST} attributes")));
    }
    Ok(all.into_values().collect())
}

async fn write(app: &Platform, device: &Device, new: Vec<NewAttribute>, keep: bool) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let mut old = Vec::new();
    if keep {
        let sql = "select attributes from devices where id = $1 and tenant_id = $2 order by id";
        if let Some(row) = tx.first(sql, args![&device.id, &device.tenant]).await? {
            old = row.json("attributes")?;
        }
    }
    let now = app.now_ms();
    let all = merge(old, new, &rfc3339(now))?;
    let sql = if app.defect(DefectId::InventoryWrittenOnce) {
        "update devices set attributes = $3, updated_at = $4, in_inventory = 1 \
         where id = $1 and tenant_id = $2 and in_inventory = 0"
    } else {
        "update devices set attributes = $3, updated_at = $4, in_inventory = 1 where id = $1 and tenant_id = $2"
    };
    tx.execute(sql, args![&device.id, &device.tenant, json!(all).to_string(), now]).await?;
    app.commit(tx).await?;
    Ok(StatusCode::OK)
}

/// Add to what the device says of itself.
#[utoipa::path(patch, path = "/api/devices/v1/inventory/device/attributes", operation_id = "Assign Attributes",
    tag = "inventory", request_body = Vec<NewAttribute>,
    responses((status = 200, description = "They are known.")), security(("device" = [])))]
async fn assign(State(app): State<Platform>, device: Device, Body(new): Body<Vec<NewAttribute>>) -> Answer<StatusCode> {
    write(&app, &device, new, true).await
}

/// Say everything anew: what is not said is forgotten.
#[utoipa::path(put, path = "/api/devices/v1/inventory/device/attributes", operation_id = "Replace Attributes",
    tag = "inventory", request_body = Vec<NewAttribute>,
    responses((status = 200, description = "They are known.")), security(("device" = [])))]
async fn replace(
    State(app): State<Platform>,
    device: Device,
    Body(new): Body<Vec<NewAttribute>>,
) -> Answer<StatusCode> {
    write(&app, &device, new, false).await
}
