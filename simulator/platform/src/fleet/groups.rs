//! Groups: names that devices carry, at most one each. A group lives while it has devices.

use super::devices;
use super::reach::Reach;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, Page, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(show_of_device, assign))
        .routes(routes!(clear))
        .routes(routes!(list))
        .routes(routes!(remove))
        .routes(routes!(list_devices, add_devices, remove_devices))
}

/// The group of a device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Group {
    #[serde(default)]
    group: String,
}

/// How many devices were changed.
#[derive(Debug, Serialize, ToSchema)]
struct Changed {
    updated_count: u64,
}

/// How many devices were changed, and how many there are.
#[derive(Debug, Serialize, ToSchema)]
struct Matched {
    updated_count: u64,
    matched_count: u64,
}

/// 400 for what is no group's name.
fn check(name: &str) -> Result<(), Refusal> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 1024 || !name.chars().all(good) {
        return Err(Refusal::bad_request(
            "Group name can only contain: upper/lowercase alphanum, -(dash), _(underscore)",
        ));
    }
    Ok(())
}

/// Puts a device of the tenant into a group, or into none; whether that was a change.
async fn put(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    group: Option<&str>,
) -> Result<bool, Refusal> {
    let changed = tx
        .execute(
            "update devices set group_name = $3, updated_at = $4, in_inventory = 1 where tenant_id = $1 and id = $2 \
             and coalesce(group_name, '') <> coalesce(cast($3 as text), '')",
            args![tenant, device, group, app.now_ms()],
        )
        .await?;
    Ok(changed == 1)
}

/// The group of a device; empty when it is in none.
#[utoipa::path(get, path = "/api/management/v1/inventory/devices/{id}/group", operation_id = "Get Device Group",
    tag = "inventory", params(("id" = String, Path, description = "The device.")),
    responses((status = 200, description = "The group.", body = Group), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show_of_device(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    At(id): At<String>,
) -> Answer<Json<Group>> {
    let mut tx = app.begin().await?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    app.commit(tx).await?;
    Reach::to_see(&user).demand(device.group.as_deref())?;
    Ok(Json(Group { group: device.group.unwrap_or_default() }))
}

/// Put a device into a group.
#[utoipa::path(put, path = "/api/management/v1/inventory/devices/{id}/group", operation_id = "Assign Group",
    tag = "inventory", request_body = Group, params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "It is in."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn assign(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(id): At<String>,
    Body(Group { group }): Body<Group>,
) -> Answer<StatusCode> {
    check(&group)?;
    let reach = Reach::to(&app, &user, PermissionSet::DeployToDevices);
    let mut tx = app.begin().await?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    // Whoever could put devices into groups of others could reach them by that, and the other way round.
    reach.demand(device.group.as_deref())?;
    reach.demand(Some(&group))?;
    put(&app, &mut tx, &user.tenant, &id, Some(&group)).await?;
    let change = Some(format!("group: {} -> {group}", device.group.as_deref().unwrap_or("none")));
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &device.identity), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a device out of its group.
#[utoipa::path(delete, path = "/api/management/v1/inventory/devices/{id}/group/{name}", operation_id = "Clear Group",
    tag = "inventory",
    params(("id" = String, Path, description = "The device."), ("name" = String, Path, description = "The group.")),
    responses((status = 204, description = "It is out."), (status = 404, description = "It was not in.")),
    security(("user" = [])))]
async fn clear(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At((id, group)): At<(String, String)>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    Reach::to(&app, &user, PermissionSet::DeployToDevices).demand(device.group.as_deref())?;
    if device.group.as_deref() != Some(group.as_str()) {
        return Err(devices::unknown());
    }
    put(&app, &mut tx, &user.tenant, &id, None).await?;
    let change = Some(format!("group: {group} -> none"));
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &device.identity), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The groups of the tenant.
#[utoipa::path(get, path = "/api/management/v1/inventory/groups", operation_id = "List Groups", tag = "inventory",
    params(("status" = Option<String>, Query, description = "Only groups of devices with this status.")),
    responses((status = 200, description = "Their names.", body = Vec<String>)), security(("user" = [])))]
async fn list(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    params: crate::edge::Params,
) -> Answer<Json<Vec<String>>> {
    let sql = "select group_name from devices \
               where tenant_id = $1 and group_name is not null and ($2 = '' or status = $2) \
               group by group_name order by group_name";
    let mut tx = app.begin().await?;
    let rows = tx.query(sql, args![&user.tenant, params.one("status").unwrap_or_default()]).await?;
    app.commit(tx).await?;
    let reach = Reach::to_see(&user);
    let mut groups = Vec::with_capacity(rows.len());
    for row in rows {
        let group = row.text("group_name")?;
        if reach.holds(Some(&group)) {
            groups.push(group);
        }
    }
    Ok(Json(groups))
}

/// The tenant, as the object of an entry about a group.
fn object(user: &Can<need::SortDevices>) -> Object {
    Object::tenant(&user.tenant, &user.tenant_name)
}

/// Dissolve a group: its devices are in none.
#[utoipa::path(delete, path = "/api/management/v1/inventory/groups/{name}", operation_id = "Remove a Group",
    tag = "inventory", params(("name" = String, Path, description = "The group.")),
    responses((status = 200, description = "How many devices were in.", body = Changed)), security(("user" = [])))]
async fn remove(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(group): At<String>,
) -> Answer<Json<Changed>> {
    Reach::to(&app, &user, PermissionSet::DeployToDevices).demand(Some(&group))?;
    let mut tx = app.begin().await?;
    let sql = "update devices set group_name = null, updated_at = $3 where tenant_id = $1 and group_name = $2";
    let updated_count = tx.execute(sql, args![&user.tenant, &group, app.now_ms()]).await?;
    if updated_count > 0 {
        let change = Some(format!("group {group} dissolved"));
        app.audit(&mut tx, &user.tenant, &*user, "update", object(&user), change).await?;
    }
    app.commit(tx).await?;
    Ok(Json(Changed { updated_count }))
}

/// The ids of the devices in a group.
#[utoipa::path(get, path = "/api/management/v1/inventory/groups/{name}/devices", operation_id = "Get Devices in Group",
    tag = "inventory",
    params(("name" = String, Path, description = "The group."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "Their ids.", body = Vec<String>),
        (status = 404, description = "No device is in it.")), security(("user" = [])))]
async fn list_devices(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    At(group): At<String>,
    page: Page,
) -> Answer {
    let mut tx = app.begin().await?;
    let sql = "select id from devices where tenant_id = $1 and group_name = $2 order by created_at, id";
    let rows = tx.query(sql, args![&user.tenant, &group]).await?;
    app.commit(tx).await?;
    if rows.is_empty() {
        return Err(Refusal::not_found("group not found"));
    }
    Reach::to_see(&user).demand(Some(&group))?;
    let ids = rows.iter().map(|row| row.text("id")).collect::<Result<Vec<_>, _>>()?;
    let total = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(ids), total))
}

/// Put devices into a group. Who is not there is not counted.
#[utoipa::path(patch, path = "/api/management/v1/inventory/groups/{name}/devices",
    operation_id = "Add Devices to Group", tag = "inventory", request_body = Vec<String>,
    params(("name" = String, Path, description = "The group.")),
    responses((status = 200, description = "How many.", body = Matched)), security(("user" = [])))]
async fn add_devices(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(group): At<String>,
    Body(ids): Body<Vec<String>>,
) -> Answer<Json<Matched>> {
    check(&group)?;
    let (updated_count, matched_count) = move_devices(&app, &user, &group, ids, true).await?;
    Ok(Json(Matched { updated_count, matched_count }))
}

/// Take devices out of a group. Who is not in it is not counted.
#[utoipa::path(delete, path = "/api/management/v1/inventory/groups/{name}/devices",
    operation_id = "Remove Devices from Group", tag = "inventory", request_body = Vec<String>,
    params(("name" = String, Path, description = "The group.")),
    responses((status = 200, description = "How many.", body = Changed)), security(("user" = [])))]
async fn remove_devices(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(group): At<String>,
    Body(ids): Body<Vec<String>>,
) -> Answer<Json<Changed>> {
    let (updated_count, _) = move_devices(&app, &user, &group, ids, false).await?;
    Ok(Json(Changed { updated_count }))
}

/// Moves devices into a group or out of it; how many were changed, how many there are.
async fn move_devices(
    app: &Platform,
    user: &Can<need::SortDevices>,
    group: &str,
    ids: Vec<String>,
    into: bool,
) -> Result<(u64, u64), Refusal> {
    let reach = Reach::to(app, user, PermissionSet::DeployToDevices);
    reach.demand(Some(group))?;
    let (mut updated, mut matched) = (0, 0);
    let mut tx = app.begin().await?;
    for id in ids {
        let device = match devices::find(&mut tx, &user.tenant, &id).await {
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => continue,
            found => found?,
        };
        if !into && device.group.as_deref() != Some(group) {
            continue;
        }
        reach.demand(device.group.as_deref())?;
        matched += 1;
        updated += u64::from(put(app, &mut tx, &user.tenant, &id, into.then_some(group)).await?);
    }
    if updated > 0 {
        let way = if into { "into" } else { "out of" };
        let change = Some(format!("{updated} devices {way} group {group}"));
        app.audit(&mut tx, &user.tenant, &**user, "update", object(user), change).await?;
    }
    app.commit(tx).await?;
    Ok((updated, matched))
}
