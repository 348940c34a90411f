//! What only the operator does: the few `/api/internal` operations about tenants and their users.

use super::founding::check_name;
use super::limits::{UNLIMITED, check_limit, set_limit, shown_limit};
use super::tenants::{StatusPut, TenantShown, tenant_row};
use crate::Platform;
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::edge::{At, Body, Operator, Page, Params};
use crate::organisation;
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::service::ApiLimits;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list_tenants))
        .routes(routes!(show_tenant, update_tenant))
        .routes(routes!(set_status))
        .routes(routes!(revoke_user_tokens))
        .routes(routes!(show_device_limit, set_device_limit, clear_device_limit))
        .routes(routes!(show_storage_limit, set_storage_limit))
}

pub(super) async fn known(tx: &mut Transaction, id: &str) -> Answer<Row> {
    tenant_row(tx, id).await?.ok_or_else(|| Refusal::not_found("tenant not found"))
}

/// Writes what the operator did to a tenant into the log of its provider, or into its own when it has none.
pub(super) async fn audit(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &Row,
    change: String,
) -> Result<(), StoreError> {
    let (id, name, parent) = (tenant.text("id")?, tenant.text("name")?, tenant.maybe_text("parent_id")?);
    let object = match &parent {
        Some(parent) => Object::child(&id, &name, parent),
        None => Object::tenant(&id, &name),
    };
    let log = parent.filter(|_| !app.defect(DefectId::AuditInChildsLog)).unwrap_or(id);
    app.audit(tx, &log, Actor::operator(), "update", object, Some(change)).await
}

/// All tenants.
#[utoipa::path(get, path = "/api/internal/v1/tenantadm/tenants", operation_id = "List Tenants", tag = "tenantadm",
    params(("id" = Option<Vec<String>>, Query, description = "These."),
        ("plan" = Option<String>, Query, description = "With this plan; all have `enterprise`."),
        ("trial" = Option<bool>, Query, description = "On trial; none is."),
        ("q" = Option<String>, Query, description = "With this in the name."),
        ("parent_tenant_id" = Option<String>, Query, description = "Children of this one."),
        ("field" = Option<Vec<String>>, Query, description = "Only these fields."),
        ("page" = Option<i64>, Query, description = "From 1."), ("per_page" = Option<i64>, Query, description = "Up to 500.")),
    responses((status = 200, description = "The tenants.", body = Vec<TenantShown>)), security(("operator" = [])))]
async fn list_tenants(State(app): State<Platform>, _: Operator, page: Page<10>, params: Params) -> Answer<Response> {
    let mut tx = app.begin().await?;
    let rows = tx.query("select * from tenants order by created_at, id", &[]).await?;
    app.commit(tx).await?;
    let (ids, fields) = (params.all("id"), params.all("field"));
    let none = params.one("plan").is_some_and(|plan| plan != "enterprise") || params.one("trial") == Some("true");
    let mut shown = Vec::new();
    for row in rows {
        let parent = row.maybe_text("parent_id")?;
        let wanted = (ids.is_empty() || ids.contains(&row.text("id")?.as_str()))
            && params.one("parent_tenant_id").is_none_or(|wanted| parent.as_deref() == Some(wanted))
            && params.one("q").map_or(Ok(true), |q| row.text("name").map(|name| name.contains(q)))?;
        if wanted && !none {
            let mut tenant = serde_json::to_value(TenantShown::read(&row)?).map_err(Refusal::internal)?;
            if let Some(all) = tenant.as_object_mut().filter(|_| !fields.is_empty()) {
                all.retain(|name, _| fields.contains(&name.as_str()));
            }
            shown.push(tenant);
        }
    }
    let total = i64::try_from(shown.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(shown), total))
}

/// A tenant.
#[utoipa::path(get, path = "/api/internal/v1/tenantadm/tenants/{tenant_id}", operation_id = "Show Tenant",
    tag = "tenantadm",
    params(("tenant_id" = String, Path, description = "The tenant."),
        ("include_children" = Option<bool>, Query, description = "Not served: list by parent_tenant_id.")),
    responses((status = 200, description = "The tenant.", body = TenantShown), (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn show_tenant(State(app): State<Platform>, _: Operator, At(id): At<String>) -> Answer<Json<TenantShown>> {
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &id).await?;
    app.commit(tx).await?;
    Ok(Json(TenantShown::read(&row)?))
}

/// What shall be different about a tenant.
#[derive(Debug, Deserialize, ToSchema)]
struct TenantUpdate {
    name: Option<String>,
    /// How often its people and its devices may call; in force at once.
    api_limits: Option<ApiLimits>,
    /// A tenant is founded as a provider or it is none.
    service_provider: Option<bool>,
}

/// Change a tenant.
#[utoipa::path(put, path = "/api/internal/v1/tenantadm/tenants/{tenant_id}", operation_id = "Update Tenant",
    tag = "tenantadm", params(("tenant_id" = String, Path, description = "The tenant.")), request_body = TenantUpdate,
    responses((status = 202, description = "Done."), (status = 404, description = "Not Found."),
        (status = 400, description = "A quota that is none."),
        (status = 409, description = "It would become, or cease to be, a provider; or the name is taken.")),
    security(("operator" = [])))]
async fn update_tenant(
    State(app): State<Platform>,
    _: Operator,
    At(id): At<String>,
    Body(update): Body<TenantUpdate>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &id).await?;
    let is_provider = row.truth("provider")?;
    if update.service_provider.is_some_and(|provider| provider != is_provider) {
        return Err(Refusal::conflict("a tenant is founded as a provider or it is none"));
    }
    let name = update.name.unwrap_or(row.text("name")?);
    check_name(&name)?;
    let taken = "select count(*) as n from tenants where parent_id = $1 and name = $2 and id <> $3";
    if tx.number(taken, args![row.maybe_text("parent_id")?, &name, &id]).await? > 0 {
        return Err(Refusal::conflict("another tenant has this name"));
    }
    let limits = match &update.api_limits {
        Some(limits) => {
            limits.check()?;
            serde_json::to_string(limits).map_err(Refusal::internal)?
        }
        None => row.text("api_limits")?,
    };
    let set = "update tenants set name = $2, api_limits = $3, updated_at = $4 where id = $1";
    tx.execute(set, args![&id, &name, &limits, app.now_ms()]).await?;
    if update.api_limits.is_some() && app.defect(DefectId::CallRateRaisedForAll) {
        let others = "update tenants set api_limits = $2 where id <> $1 and api_limits <> '{}'";
        tx.execute(others, args![&id, &limits]).await?;
    }
    let row = known(&mut tx, &id).await?;
    audit(&app, &mut tx, &row, format!("name: {name}\napi_limits: {limits}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Suspend or resume a tenant. Nobody of a suspended tenant gets in, whatever token they hold.
#[utoipa::path(put, path = "/api/internal/v1/tenantadm/tenants/{id}/status", operation_id = "Set Account Status",
    tag = "tenantadm", params(("id" = String, Path, description = "The tenant.")), request_body = StatusPut,
    responses((status = 200, description = "Done."), (status = 404, description = "Not Found."),
        (status = 409, description = "It is being made.")),
    security(("operator" = [])))]
async fn set_status(
    State(app): State<Platform>,
    _: Operator,
    At(id): At<String>,
    Body(put): Body<StatusPut>,
) -> Answer<StatusCode> {
    if !["active", "suspended"].contains(&put.status.as_str()) {
        return Err(Refusal::bad_request("status: must be active or suspended"));
    }
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &id).await?;
    if row.text("status")? == organisation::ONBOARDING {
        return Err(Refusal::conflict("the tenant is being made: nothing half-made is opened"));
    }
    let set = "update tenants set status = $2, updated_at = $3 where id = $1";
    tx.execute(set, args![&id, &put.status, app.now_ms()]).await?;
    if put.status == "suspended" {
        shut(&app, &mut tx, &id).await?;
    }
    audit(&app, &mut tx, &row, format!("status: {}", put.status)).await?;
    app.commit(tx).await?;
    registry::account_changed(&app, &id);
    Ok(StatusCode::OK)
}

/// Nobody and nothing of the tenant stays in.
async fn shut(app: &Platform, tx: &mut Transaction, tenant: &str) -> Result<(), StoreError> {
    if !app.defect(DefectId::SuspendedUsersServed) {
        tx.execute("delete from sessions where tenant_id = $1", args![tenant]).await?;
    }
    if !app.defect(DefectId::SuspendedDevicesServed) {
        tx.execute("delete from device_tokens where tenant_id = $1", args![tenant]).await?;
    }
    if app.defect(DefectId::ResumeForgetsDevices) {
        tx.execute("update auth_sets set status = 'rejected' where tenant_id = $1", args![tenant]).await?;
        tx.execute("update devices set status = 'rejected' where tenant_id = $1", args![tenant]).await?;
    }
    Ok(())
}

/// End the sessions of a tenant's users, or of one of them.
#[utoipa::path(delete, path = "/api/internal/v1/useradm/tokens", operation_id = "Revoke User Tokens", tag = "useradm",
    params(("tenant_id" = String, Query, description = "The tenant."), ("user_id" = Option<String>, Query, description = "The user.")),
    responses((status = 204, description = "Done."), (status = 400, description = "No tenant named.")),
    security(("operator" = [])))]
async fn revoke_user_tokens(State(app): State<Platform>, _: Operator, params: Params) -> Answer<StatusCode> {
    let tenant = params.one("tenant_id").ok_or_else(|| Refusal::bad_request("tenant_id: cannot be blank"))?;
    let mut tx = app.begin().await?;
    let gone = "delete from sessions where tenant_id = $1 and ($2 = '' or user_id = $2)";
    tx.execute(gone, args![tenant, params.one("user_id").unwrap_or_default()]).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A limit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Limit {
    /// -1: none.
    limit: i64,
}

/// 400 for a limit that devices do not have.
fn check_tier(name: &str) -> Answer<()> {
    if name == "max_devices" {
        Ok(())
    } else {
        Err(Refusal::bad_request("unsupported limit: only max_devices is served"))
    }
}

/// How many devices a tenant may accept; for a provider its whole pool.
#[utoipa::path(get, path = "/api/internal/v1/devauth/tenant/{tenant_id}/limits/{name}",
    operation_id = "DeviceAuth Internal Get Device Limit", tag = "devauth",
    params(("tenant_id" = String, Path, description = "The tenant."), ("name" = String, Path, description = "`max_devices`.")),
    responses((status = 200, description = "The limit.", body = Limit), (status = 400, description = "No such limit."),
        (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn show_device_limit(
    State(app): State<Platform>,
    _: Operator,
    At((tenant, name)): At<(String, String)>,
) -> Answer<Json<Limit>> {
    check_tier(&name)?;
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &tenant).await?;
    app.commit(tx).await?;
    Ok(Json(Limit { limit: shown_limit(&row)? }))
}

/// Set how many devices a tenant may accept. A child's limit comes out of its provider's pool.
#[utoipa::path(put, path = "/api/internal/v1/devauth/tenant/{tenant_id}/limits/{name}",
    operation_id = "DeviceAuth Internal Update Device Limit", tag = "devauth", request_body = Limit,
    params(("tenant_id" = String, Path, description = "The tenant."), ("name" = String, Path, description = "`max_devices`.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found."),
        (status = 422, description = "The provider's pool is exhausted.")),
    security(("operator" = [])))]
async fn set_device_limit(
    State(app): State<Platform>,
    _: Operator,
    At((tenant, name)): At<(String, String)>,
    Body(put): Body<Limit>,
) -> Answer<StatusCode> {
    check_tier(&name)?;
    limit_devices(&app, &tenant, Some(put.limit)).await
}

/// Clear a limit: a tenant on its own may accept any number then, a child none, since what it had goes back to the pool.
#[utoipa::path(delete, path = "/api/internal/v1/devauth/tenant/{tenant_id}/limits/{name}",
    operation_id = "DeviceAuth Internal Clear Device Limit", tag = "devauth",
    params(("tenant_id" = String, Path, description = "The tenant."), ("name" = String, Path, description = "`max_devices`.")),
    responses((status = 204, description = "Done."), (status = 400, description = "No such limit."),
        (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn clear_device_limit(
    State(app): State<Platform>,
    _: Operator,
    At((tenant, name)): At<(String, String)>,
) -> Answer<StatusCode> {
    check_tier(&name)?;
    limit_devices(&app, &tenant, None).await
}

async fn limit_devices(app: &Platform, tenant: &str, limit: Option<i64>) -> Answer<StatusCode> {
    let limit = limit.map(check_limit).transpose()?;
    let mut tx = app.begin().await?;
    let row = known(&mut tx, tenant).await?;
    let is_child = row.maybe_text("parent_id")?.is_some();
    let limit = limit.unwrap_or(if is_child { 0 } else { UNLIMITED });
    set_limit(&mut tx, &row, limit).await?;
    audit(app, &mut tx, &row, format!("device_limit: {} -> {limit}", shown_limit(&row)?)).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A limit of storage, in bytes.
#[derive(Debug, Serialize, ToSchema)]
struct StorageLimit {
    tenant_id: String,
    current_value: i64,
    /// 0: none.
    limit: i64,
}

/// 400 for a limit that storage does not have.
fn check_storage(name: &str) -> Answer<()> {
    if name == "storage" { Ok(()) } else { Err(Refusal::bad_request("unsupported limit: only storage is served")) }
}

/// How many bytes of artifacts a tenant may keep.
#[utoipa::path(get, path = "/api/internal/v1/deployments/tenants/{id}/limits/{name}",
    operation_id = "Deployments Internal Get Tenant Limit", tag = "deployments",
    params(("id" = String, Path, description = "The tenant."), ("name" = String, Path, description = "`storage`.")),
    responses((status = 200, description = "The limit.", body = StorageLimit), (status = 400, description = "No such limit."),
        (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn show_storage_limit(
    State(app): State<Platform>,
    _: Operator,
    At((tenant, name)): At<(String, String)>,
) -> Answer<Json<StorageLimit>> {
    check_storage(&name)?;
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &tenant).await?;
    app.commit(tx).await?;
    let (current_value, limit) = (row.int("storage_used")?, row.int("storage_limit")?);
    Ok(Json(StorageLimit { tenant_id: tenant, current_value, limit }))
}

/// Set how many bytes of artifacts a tenant may keep; 0 for any.
#[utoipa::path(put, path = "/api/internal/v1/deployments/tenants/{id}/limits/{name}",
    operation_id = "Set Tenant Limit", tag = "deployments", request_body = Limit,
    params(("id" = String, Path, description = "The tenant."), ("name" = String, Path, description = "`storage`.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn set_storage_limit(
    State(app): State<Platform>,
    _: Operator,
    At((tenant, name)): At<(String, String)>,
    Body(put): Body<Limit>,
) -> Answer<StatusCode> {
    check_storage(&name)?;
    if put.limit < 0 {
        return Err(Refusal::bad_request("limit: must be 0 (none) or more"));
    }
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &tenant).await?;
    let set = "update tenants set storage_limit = $2, updated_at = $3 where id = $1";
    tx.execute(set, args![&tenant, put.limit, app.now_ms()]).await?;
    audit(&app, &mut tx, &row, format!("storage: {} -> {}", row.int("storage_limit")?, put.limit)).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
