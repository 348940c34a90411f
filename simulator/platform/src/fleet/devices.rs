//! Devices as the authentication service knows them.

use super::authentication::{NewDevice, Tier, add_set, canonical};
use super::deployment_status::Progress;
use super::device_status::Status;
use super::keys::PublicKey;
use super::reach::Reach;
use super::rollout;
use super::slots;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list, preauthorize))
        .routes(routes!(search))
        .routes(routes!(count))
        .routes(routes!(show, decommission))
}

/// A key that a device showed.
#[derive(Debug, Serialize, ToSchema)]
struct AuthSet {
    id: String,
    device_id: String,
    #[schema(value_type = Object)]
    identity_data: Value,
    pubkey: String,
    tier: String,
    status: String,
    ts: String,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
struct Device {
    id: String,
    #[schema(value_type = Object)]
    identity_data: Value,
    status: String,
    created_ts: String,
    updated_ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_in_time: Option<String>,
    auth_sets: Vec<AuthSet>,
    decommissioning: bool,
    tier: String,
}

impl Device {
    async fn read(tx: &mut Transaction, row: &Row) -> Result<Self, StoreError> {
        let id = row.text("id")?;
        let identity: Value = row.json("identity")?;
        let sets = tx
            .query(
                "select id, pubkey, tier, status, ts from auth_sets where device_id = $1 order by ts, id",
                args![&id],
            )
            .await?;
        let mut auth_sets = Vec::with_capacity(sets.len());
        for set in &sets {
            auth_sets.push(AuthSet {
                id: set.text("id")?,
                device_id: id.clone(),
                identity_data: identity.clone(),
                pubkey: set.text("pubkey")?,
                tier: set.text("tier")?,
                status: set.text("status")?,
                ts: rfc3339(set.time("ts")?),
            });
        }
        let check_in = row.maybe_int("check_in_at")?.and_then(|ms| u64::try_from(ms).ok());
        Ok(Self {
            id,
            identity_data: identity,
            status: row.text("status")?,
            created_ts: rfc3339(row.time("created_at")?),
            updated_ts: rfc3339(row.time("updated_at")?),
            check_in_time: check_in.map(rfc3339),
            auth_sets,
            decommissioning: false,
            tier: row.text("tier")?,
        })
    }
}

/// What other files need to know of a device.
pub(super) struct Known {
    pub(super) identity: Value,
    pub(super) status: Status,
    pub(super) group: Option<String>,
}

/// The tenant's device; 404 when it has none like that.
pub(super) async fn find(tx: &mut Transaction, tenant: &str, id: &str) -> Result<Known, Refusal> {
    let row = tx
        .first(
            "select identity, status, group_name from devices where id = $1 and tenant_id = $2 order by id",
            args![id, tenant],
        )
        .await?
        .ok_or_else(unknown)?;
    Ok(Known {
        identity: row.json("identity")?,
        status: Status::named(&row.text("status")?).unwrap_or(Status::Noauth),
        group: row.maybe_text("group_name")?,
    })
}

/// What is said of a device that is not there, or not yours.
pub(super) fn unknown() -> Refusal {
    Refusal::not_found("device not found")
}

/// The devices with `status` (any when absent) and among `ids` (any when empty), first come first: as much of them as decides
/// which are on a page.
async fn select(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    statuses: &[Status],
    ids: &[&str],
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    if ids.is_empty() {
        let sql = if app.defect(DefectId::DeviceListForgetsTenant) && !statuses.is_empty() {
            "select id, status, group_name from devices where $1 <> '' order by created_at, id"
        } else {
            "select id, status, group_name from devices where tenant_id = $1 order by created_at, id"
        };
        rows = tx.query(sql, args![tenant]).await?;
    } else {
        for id in ids {
            let sql = "select id, status, group_name from devices where tenant_id = $1 and id = $2 order by id";
            rows.extend(tx.query(sql, args![tenant, *id]).await?);
        }
    }
    if statuses.is_empty() {
        return Ok(rows);
    }
    let mut chosen = Vec::new();
    for row in rows {
        if Status::named(&row.text("status")?).is_some_and(|status| statuses.contains(&status)) {
            chosen.push(row);
        }
    }
    Ok(chosen)
}

/// One page of devices: those chosen that the reader reaches.
async fn page_of<const N: i64>(tx: &mut Transaction, reach: &Reach, page: &Page<N>, rows: Vec<Row>) -> Answer {
    let mut seen = Vec::with_capacity(rows.len());
    for row in rows {
        if reach.holds(row.maybe_text("group_name")?.as_deref()) {
            seen.push(row);
        }
    }
    let total = i64::try_from(seen.len()).unwrap_or(i64::MAX);
    let mut devices = Vec::new();
    for row in page.cut(seen) {
        let row = tx.first("select * from devices where id = $1 order by id", args![row.text("id")?]).await?;
        devices.push(Device::read(tx, &row.ok_or_else(unknown)?).await?);
    }
    Ok(page.answer(&devices, total))
}

const STATUSES: [&str; 5] = ["pending", "accepted", "rejected", "preauthorized", "noauth"];

/// The devices of the tenant.
#[utoipa::path(get, path = "/api/management/v2/devauth/devices",
    operation_id = "DeviceAuth Management List Devices", tag = "devauth",
    params(("status" = Option<String>, Query, description = "Only those with this status."),
        ("id" = Option<Vec<String>>, Query, description = "Only these."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The devices.", body = Vec<Device>)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeDevices>, params: Params, page: Page) -> Answer {
    let status = params.choice("status", &STATUSES)?.and_then(Status::named);
    let statuses: Vec<_> = status.into_iter().collect();
    let mut tx = app.begin().await?;
    let operator = params.pairs().iter().any(|(name, _)| name == "id[$ne]");
    let rows = if operator && app.defect(DefectId::OperatorForgetsTenant) {
        tx.query("select id, status, group_name from devices order by created_at, id", &[]).await?
    } else {
        select(&app, &mut tx, &user.tenant, &statuses, &params.all("id")).await?
    };
    page_of(&mut tx, &Reach::to_see(&user), &page, rows).await
}

/// Which devices are searched for.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Search {
    /// With one of these; any when empty.
    #[serde(default)]
    #[schema(inline)]
    status: Vec<Status>,
    /// Among these; any when empty.
    #[serde(default)]
    id: Vec<String>,
}

/// Search devices.
#[utoipa::path(post, path = "/api/management/v2/devauth/devices/search",
    operation_id = "DeviceAuth Management Search Devices", tag = "devauth", request_body = Search,
    params(("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The devices.", body = Vec<Device>)), security(("user" = [])))]
async fn search(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    page: Page,
    Body(wanted): Body<Option<Search>>,
) -> Answer {
    let wanted = wanted.unwrap_or_default();
    let ids: Vec<_> = wanted.id.iter().map(String::as_str).collect();
    let mut tx = app.begin().await?;
    let rows = select(&app, &mut tx, &user.tenant, &wanted.status, &ids).await?;
    page_of(&mut tx, &Reach::to_see(&user), &page, rows).await
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
struct Count {
    count: i64,
}

/// How many devices the tenant has.
#[utoipa::path(get, path = "/api/management/v2/devauth/devices/count",
    operation_id = "DeviceAuth Management Count Devices", tag = "devauth",
    params(("status" = Option<String>, Query, description = "Only those with this status.")),
    responses((status = 200, description = "How many.", body = Count)), security(("user" = [])))]
async fn count(State(app): State<Platform>, user: Can<need::SeeDevices>, params: Params) -> Answer<Json<Count>> {
    let status = params.choice("status", &STATUSES)?.unwrap_or_default();
    let sql = if app.defect(DefectId::DeviceCountForgetsTenant) {
        "select group_name, count(*) as n from devices where $1 <> '' and ($2 = '' or status = $2) \
         group by group_name order by group_name"
    } else {
        "select group_name, count(*) as n from devices where tenant_id = $1 and ($2 = '' or status = $2) \
         group by group_name order by group_name"
    };
    let mut tx = app.begin().await?;
    let groups = tx.query(sql, args![&user.tenant, status]).await?;
    app.commit(tx).await?;
    let reach = Reach::to_see(&user);
    let mut count = 0;
    for group in &groups {
        if reach.holds(group.maybe_text("group_name")?.as_deref()) {
            count += group.int("n")?;
        }
    }
    Ok(Json(Count { count }))
}

/// A device.
#[utoipa::path(get, path = "/api/management/v2/devauth/devices/{id}",
    operation_id = "DeviceAuth Management Get Device", tag = "devauth",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 200, description = "The device.", body = Device), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show(State(app): State<Platform>, user: Can<need::SeeDevices>, At(id): At<String>) -> Answer<Json<Device>> {
    let mut tx = app.begin().await?;
    let row = tx.first("select * from devices where id = $1 order by id", args![&id]).await?.ok_or_else(unknown)?;
    if row.text("tenant_id")? != user.tenant {
        let forbidden = app.defect(DefectId::ForeignDeviceForbidden);
        return Err(if forbidden { Refusal::forbidden() } else { unknown() });
    }
    Reach::to_see(&user).demand(row.maybe_text("group_name")?.as_deref())?;
    let device = Device::read(&mut tx, &row).await?;
    app.commit(tx).await?;
    Ok(Json(device))
}

/// A device that is known before it knocks.
#[derive(Debug, Deserialize, ToSchema)]
struct Preauthorization {
    #[schema(value_type = Object)]
    identity_data: Map<String, Value>,
    /// PKIX PEM.
    pubkey: String,
    /// Also when the device is known already: it may knock with this key too.
    #[serde(default)]
    force: bool,
    #[serde(default)]
    #[schema(inline)]
    tier: Option<Tier>,
}

/// Preauthorize a device: it is accepted when it knocks, if there is room then.
#[utoipa::path(post, path = "/api/management/v2/devauth/devices",
    operation_id = "DeviceAuth Management Preauthorize", tag = "devauth", request_body = Preauthorization,
    responses((status = 201, description = "It is known.", headers(("Location" = String, description = "The device."))),
        (status = 409, description = "It was known before: the device.", body = Device)),
    security(("user" = [])))]
async fn preauthorize(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    Body(wanted): Body<Preauthorization>,
) -> Answer {
    let identity_data = Value::Object(wanted.identity_data);
    let identity = canonical(&identity_data.to_string());
    let identity = identity.ok_or_else(|| Refusal::bad_request("identity_data: cannot be blank"))?;
    let key = PublicKey::read(&wanted.pubkey).ok_or_else(|| Refusal::bad_request("cannot decode public key"))?;
    // In no group yet, so a role that is narrowed to groups does not reach it.
    Reach::to(&app, &user, PermissionSet::ManageDevices).demand(None)?;
    let tier = wanted.tier.unwrap_or_default();
    let mut tx = app.begin().await?;
    let sql = "select * from devices where tenant_id = $1 and identity = $2 order by id";
    let id = match tx.first(sql, args![&user.tenant, &identity]).await? {
        Some(known) if !wanted.force => return Ok(conflict(&Device::read(&mut tx, &known).await?)),
        Some(known) => {
            let id = known.text("id")?;
            let before = Status::named(&known.text("status")?).unwrap_or(Status::Noauth);
            tx.execute("delete from auth_sets where device_id = $1 and pubkey = $2", args![&id, &key.pem]).await?;
            add_set(&app, &mut tx, &user.tenant, &id, &key.pem, Status::Preauthorized, tier).await?;
            slots::settle(&app, &mut tx, &user.tenant, &id, before).await?;
            id
        }
        None => {
            let new = NewDevice { tenant: &user.tenant, identity: &identity, tier };
            let id = new.insert(&app, &mut tx, Status::Preauthorized).await?;
            add_set(&app, &mut tx, &user.tenant, &id, &key.pem, Status::Preauthorized, tier).await?;
            id
        }
    };
    app.audit(&mut tx, &user.tenant, &*user, "create", Object::device(&id, &identity_data), None).await?;
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("devices/{id}"))]).into_response())
}

fn conflict(device: &Device) -> Response {
    (StatusCode::CONFLICT, Json(device)).into_response()
}

/// Decommission a device: it is forgotten, its token opens nothing, its slot is free.
#[utoipa::path(delete, path = "/api/management/v2/devauth/devices/{id}",
    operation_id = "DeviceAuth Management Decommission device", tag = "devauth",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn decommission(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let device = find(&mut tx, &user.tenant, &id).await?;
    Reach::to(&app, &user, PermissionSet::ManageDevices).demand(device.group.as_deref())?;
    rollout::end_all(&app, &mut tx, &user.tenant, &id, Progress::Decommissioned).await?;
    tx.execute("delete from auth_sets where device_id = $1", args![&id]).await?;
    if !app.defect(DefectId::DecommissionedDeviceListed) {
        tx.execute("delete from devices where id = $1 and tenant_id = $2", args![&id, &user.tenant]).await?;
    }
    if !app.defect(DefectId::DecommissionedTokenGood) {
        let tokens = "delete from device_tokens where tenant_id = $1 and device_id = $2";
        tx.execute(tokens, args![&user.tenant, &id]).await?;
    }
    if device.status == Status::Accepted {
        let freed = if app.defect(DefectId::DecommissionKeepsSlot) {
            0
        } else if app.defect(DefectId::DecommissionFreesTwice) {
            2
        } else {
            1
        };
        slots::give_back(&mut tx, &user.tenant, freed).await?;
    }
    if !app.defect(DefectId::DecommissionAuditLost) {
        let object = Object::device(&id, &device.identity);
        app.audit(&mut tx, &user.tenant, &*user, "decommission", object, None).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
