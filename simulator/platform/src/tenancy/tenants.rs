//! Tenants: what one sees of one's own, and what a provider does with its children.

use super::founding::{Draft, check_email, check_name, insert_account, insert_tenant, join, seal};
use super::limits::{UNLIMITED, carve, check_limit, exhausted, set_limit, shown_limit};
use super::removal::remove_tenant;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, User, need};
use crate::ids::hex;
use crate::organisation;
use crate::refusal::{Answer, Refusal};
use crate::rights::{PERMIT_ALL, built_in};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(tenant_info))
        .routes(routes!(my_tenant))
        .routes(routes!(list_children, create_child))
        .routes(routes!(delete_child))
        .routes(routes!(update_child))
        .routes(routes!(start_removal))
        .routes(routes!(activate_child))
}

/// A limit and what of it is used.
#[derive(Debug, Serialize, ToSchema)]
struct LimitShown {
    name: &'static str,
    current_value: i64,
    value: i64,
}

/// The limits of a tenant.
#[derive(Debug, Serialize, ToSchema)]
struct LimitsShown {
    /// For a provider: what its own devices may use, its reserve.
    max_devices: LimitShown,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantShown {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_token: Option<String>,
    status: String,
    plan: &'static str,
    trial: bool,
    addons: Vec<Value>,
    service_provider: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_tenant_id: Option<String>,
    api_limits: Value,
    created_at: String,
    updated_at: String,
    /// Devices that are accepted.
    device_count: i64,
    /// How many may be; -1 without limit. For a provider: its whole pool.
    device_limit: i64,
    device_limits: LimitsShown,
}

impl TenantShown {
    /// Reads a whole row of `tenants`; the token stays out.
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let used = row.int("devices_accepted")?;
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            tenant_token: None,
            status: row.text("status")?,
            plan: "enterprise",
            trial: false,
            addons: Vec::new(),
            service_provider: row.truth("provider")?,
            parent_tenant_id: row.maybe_text("parent_id")?,
            api_limits: row.json("api_limits")?,
            created_at: rfc3339(row.time("created_at")?),
            updated_at: rfc3339(row.time("updated_at")?),
            device_count: used,
            device_limit: shown_limit(row)?,
            device_limits: LimitsShown {
                max_devices: LimitShown { name: "max_devices", current_value: used, value: row.int("lim")? },
            },
        })
    }
}

/// The row of a tenant.
pub(super) async fn tenant_row(tx: &mut Transaction, id: &str) -> Result<Option<Row>, StoreError> {
    tx.first("select * from tenants where id = $1 order by id", args![id]).await
}

async fn own_tenant(app: &Platform, user: &User) -> Answer<Row> {
    let mut tx = app.begin().await?;
    let row = tenant_row(&mut tx, &user.tenant).await?;
    app.commit(tx).await?;
    row.ok_or_else(|| Refusal::not_found("tenant not found"))
}

/// The caller's own tenant, with the token that its devices show.
#[utoipa::path(get, path = "/api/management/v1/tenantadm/user/tenant", operation_id = "Tenant Info",
    tag = "tenantadm", params(("tiers" = Option<bool>, Query, description = "Show the limits of each tier.")),
    responses((status = 200, description = "The tenant.", body = TenantShown)), security(("user" = [])))]
async fn tenant_info(State(app): State<Platform>, user: User) -> Answer<Json<TenantShown>> {
    let row = own_tenant(&app, &user).await?;
    let mut shown = TenantShown::read(&row)?;
    shown.tenant_token = Some(row.text("token")?);
    Ok(Json(shown))
}

/// The caller's own tenant.
#[utoipa::path(get, path = "/api/management/v2/tenantadm/tenants/me", operation_id = "My Tenant",
    tag = "tenantadm", params(("tiers" = Option<bool>, Query, description = "Show the limits of each tier.")),
    responses((status = 200, description = "The tenant.", body = TenantShown)), security(("user" = [])))]
async fn my_tenant(State(app): State<Platform>, user: User) -> Answer<Json<TenantShown>> {
    Ok(Json(TenantShown::read(&own_tenant(&app, &user).await?)?))
}

/// The provider's children.
#[utoipa::path(get, path = "/api/management/v2/tenantadm/tenants", operation_id = "List Tenants v2",
    tag = "tenantadm",
    params(("tiers" = Option<String>, Query, description = "Show the limits of each tier."),
        ("page" = Option<i64>, Query, description = "From 1."), ("per_page" = Option<i64>, Query, description = "Up to 500.")),
    responses((status = 200, description = "The children.", body = Vec<TenantShown>)), security(("user" = [])))]
async fn list_children(State(app): State<Platform>, user: Can<need::Children>, page: Page<10>) -> Answer {
    let mut tx = organisation::up_to_date(&app, app.begin().await?).await?;
    let total = tx.number("select count(*) as n from tenants where parent_id = $1", args![&user.tenant]).await?;
    let rows = tx
        .query(
            "select * from tenants where parent_id = $1 order by created_at, id limit $2 offset $3",
            args![&user.tenant, page.size, page.offset()],
        )
        .await?;
    let mut children = rows.iter().map(TenantShown::read).collect::<Result<Vec<_>, _>>()?;
    for child in children.iter_mut().filter(|_| app.defect(DefectId::ProviderCountsWaiting)) {
        let sql = "select count(*) as n from devices where tenant_id = $1";
        child.device_count = tx.number(sql, args![&child.id]).await?;
    }
    app.commit(tx).await?;
    Ok(page.answer(&children, total))
}

/// The first admin of a child to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewAdmin {
    email: String,
    /// At least eight characters.
    password: Option<String>,
    /// Single sign-on; then there is no password.
    login: Option<Value>,
    /// A mail instead of a password; the platform sends none.
    #[serde(default)]
    send_reset_password: bool,
}

/// Somebody of the provider who shall be a user of the child too.
#[derive(Debug, Deserialize, ToSchema)]
struct NewMember {
    email: String,
    role: Option<String>,
}

/// A limit.
#[derive(Debug, Deserialize, ToSchema)]
struct LimitPut {
    value: i64,
}

/// The limits of a child; the platform has one tier.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct LimitsPut {
    max_devices: Option<LimitPut>,
}

/// A child to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewChild {
    name: String,
    admin: NewAdmin,
    #[serde(default)]
    users: Vec<NewMember>,
    /// Required here or in `device_limits`.
    device_limit: Option<i64>,
    #[serde(default)]
    device_limits: Option<LimitsPut>,
}

fn wanted_limit(limit: Option<i64>, limits: Option<LimitsPut>) -> Answer<Option<i64>> {
    let limit = limit.or_else(|| limits.and_then(|limits| limits.max_devices).map(|limit| limit.value));
    limit.map(check_limit).transpose()
}

/// Create a child.
#[utoipa::path(post, path = "/api/management/v2/tenantadm/tenants", operation_id = "Create new Tenant",
    tag = "tenantadm", request_body = NewChild,
    responses((status = 202, description = "The tenant will be there."), (status = 403, description = "Not a provider."),
        (status = 409, description = "The name or the e-mail is taken."),
        (status = 422, description = "The provider's pool is exhausted, or no limit was given.")),
    security(("user" = [])))]
async fn create_child(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(new): Body<NewChild>,
) -> Answer<StatusCode> {
    check_name(&new.name)?;
    let email = check_email(&new.admin.email)?;
    let no_password = new.admin.login.is_some() || new.admin.send_reset_password;
    let sealed = match &new.admin.password {
        Some(password) => seal(&app, password)?,
        None if no_password => seal(&app, &hex(&app.ids().bytes::<24>()))?,
        None => return Err(Refusal::bad_request("admin.password: cannot be blank")),
    };
    let limit = wanted_limit(new.device_limit, new.device_limits)?;
    let limit = limit.ok_or_else(|| Refusal::unprocessable("device_limit: a child needs one"))?;
    for member in &new.users {
        if member.role.as_deref().is_some_and(|role| built_in(role).is_none()) {
            return Err(Refusal::bad_request("users.role: unknown role"));
        }
    }
    let checked = app.defect(DefectId::PoolCheckThenAct);
    if checked {
        look_at_pool(&app, &user.tenant, limit).await?;
    }
    let mut tx = app.begin().await?;
    if checked {
        let unchecked = "update tenants set lim = lim - $2, carved = carved + $2 where id = $1 and lim <> -1";
        tx.execute(unchecked, args![&user.tenant, limit.max(0)]).await?;
    } else if !app.defect(DefectId::CarveForgotten) {
        carve(&mut tx, &user.tenant, 0, limit).await?;
    }
    let draft = Draft { name: &new.name, limit, provider: false, parent: Some(&user.tenant) };
    let (child, _) = insert_tenant(&app, &mut tx, &draft).await?;
    organisation::adopt(&app, &mut tx, &user.tenant, &child, &new.name, &email).await?;
    let admin = insert_account(&app, &mut tx, &email, &sealed).await?.ok_or_else(duplicated)?;
    join(&app, &mut tx, &child, &admin, &[PERMIT_ALL.to_owned()]).await?;
    for member in &new.users {
        let known = "select u.id from users u join memberships m on m.user_id = u.id \
                     where u.email = $1 and m.tenant_id = $2 order by u.id";
        let known = tx.first(known, args![member.email.to_lowercase(), &user.tenant]).await?;
        let known = known.ok_or_else(duplicated)?.text("id")?;
        let role = member.role.as_deref().unwrap_or(OBSERVER).to_owned();
        join(&app, &mut tx, &child, &known, &[role]).await?;
    }
    audit_child(&app, &mut tx, &user, "create", &child, &new.name, Some(format!("device_limit: {limit}"))).await?;
    app.commit(tx).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The role that an assignment gives unless it says otherwise.
pub(super) const OBSERVER: &str = "RBAC_ROLE_OBSERVER";

fn duplicated() -> Refusal {
    Refusal::conflict("tenant or admin user is duplicated")
}

/// Whether the pool has `limit` left, at this moment.
async fn look_at_pool(app: &Platform, provider: &str, limit: i64) -> Answer<()> {
    let mut tx = app.begin().await?;
    let row = tenant_row(&mut tx, provider).await?.ok_or_else(Refusal::forbidden)?;
    app.commit(tx).await?;
    let (lim, used) = (row.int("lim")?, row.int("devices_accepted")?);
    if lim == UNLIMITED || limit != UNLIMITED && lim - used >= limit { Ok(()) } else { Err(exhausted()) }
}

/// A child of the caller's; 403 for everything else, also for what never existed.
async fn child_of(tx: &mut Transaction, user: &User, id: &str) -> Answer<Row> {
    let row =
        tx.first("select * from tenants where id = $1 and parent_id = $2 order by id", args![id, &user.tenant]).await?;
    row.ok_or_else(|| Refusal::forbidden_since("User token does not provide access to tenant with given Id."))
}

/// Writes into the provider's log what happened to a child.
async fn audit_child(
    app: &Platform,
    tx: &mut Transaction,
    user: &User,
    action: &'static str,
    child: &str,
    name: &str,
    change: Option<String>,
) -> Result<(), StoreError> {
    let log = if app.defect(DefectId::AuditInChildsLog) { child } else { &user.tenant };
    app.audit(tx, log, user, action, Object::child(child, name, &user.tenant), change).await
}

/// What shall be different about a child.
#[derive(Debug, Deserialize, ToSchema)]
struct ChildUpdate {
    name: Option<String>,
    device_limit: Option<i64>,
    #[serde(default)]
    device_limits: Option<LimitsPut>,
}

/// Rename a child, or change its limit.
#[utoipa::path(put, path = "/api/management/v2/tenantadm/tenants/{id}/child", operation_id = "Update Child Tenant",
    tag = "tenantadm", params(("id" = String, Path, description = "The child.")), request_body = ChildUpdate,
    responses((status = 204, description = "Done."), (status = 403, description = "Not a child of the caller's."),
        (status = 409, description = "Another child has the name."), (status = 422, description = "The provider's pool is exhausted.")),
    security(("user" = [])))]
async fn update_child(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(update): Body<ChildUpdate>,
) -> Answer<StatusCode> {
    let limit = wanted_limit(update.device_limit, update.device_limits)?;
    let checked = app.defect(DefectId::RaiseCheckThenAct);
    if checked && let Some(limit) = limit {
        let mut tx = app.begin().await?;
        let has = child_of(&mut tx, &user, &id).await?.int("lim")?;
        app.commit(tx).await?;
        look_at_pool(&app, &user.tenant, limit - has).await?;
    }
    let mut tx = app.begin().await?;
    let child = child_of(&mut tx, &user, &id).await?;
    let mut change = Vec::new();
    let name = update.name.unwrap_or(child.text("name")?);
    check_name(&name)?;
    let taken = "select count(*) as n from tenants where parent_id = $1 and name = $2 and id <> $3";
    if tx.number(taken, args![&user.tenant, &name, &id]).await? > 0 {
        return Err(Refusal::conflict("another tenant has this name"));
    }
    if name != child.text("name")? {
        change.push(format!("name: {name}"));
    }
    if let Some(limit) = limit {
        if checked {
            let unchecked = "update tenants set lim = lim - $2, carved = carved + $2 where id = $1 and lim <> -1";
            tx.execute(unchecked, args![&user.tenant, limit - child.int("lim")?]).await?;
            tx.execute("update tenants set lim = $2 where id = $1", args![&id, limit]).await?;
        } else {
            set_limit(&mut tx, &child, limit).await?;
        }
        change.push(format!("device_limit: {} -> {limit}", child.int("lim")?));
    }
    let set = "update tenants set name = $2, updated_at = $3 where id = $1";
    tx.execute(set, args![&id, &name, app.now_ms()]).await?;
    audit_child(&app, &mut tx, &user, "update", &id, &name, Some(change.join("\n"))).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a child, whatever its state.
#[utoipa::path(post, path = "/api/management/v2/tenantadm/tenants/{id}/remove/start", operation_id = "Init Tenant Removal",
    tag = "tenantadm", params(("id" = String, Path, description = "The child.")),
    responses((status = 202, description = "The tenant will be gone."), (status = 403, description = "Not a child of the caller's.")),
    security(("user" = [])))]
async fn start_removal(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let child = child_of(&mut tx, &user, &id).await?;
    let files = remove_tenant(&app, &mut tx, &child).await?;
    audit_child(&app, &mut tx, &user, "delete", &id, &child.text("name")?, None).await?;
    files.commit_without(&app, tx).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Remove a child that is suspended.
#[utoipa::path(delete, path = "/api/management/v2/tenantadm/tenants/{id}", operation_id = "Delete Inactive Account",
    tag = "tenantadm", params(("id" = String, Path, description = "The child.")),
    responses((status = 204, description = "Gone."), (status = 403, description = "Not a child of the caller's."),
        (status = 405, description = "It is active.")),
    security(("user" = [])))]
async fn delete_child(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let child = child_of(&mut tx, &user, &id).await?;
    if child.text("status")? == "active" {
        return Err(Refusal::not_allowed("The tenant cannot be removed. Only inactive tenant can be removed."));
    }
    let files = remove_tenant(&app, &mut tx, &child).await?;
    audit_child(&app, &mut tx, &user, "delete", &id, &child.text("name")?, None).await?;
    files.commit_without(&app, tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A state that a tenant shall be in.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct StatusPut {
    /// `active` or `suspended`.
    pub(super) status: String,
}

/// Activate a child. A suspended one only the operator resumes.
#[utoipa::path(put, path = "/api/management/v2/tenantadm/tenants/{id}/status", operation_id = "Activate Account",
    tag = "tenantadm", params(("id" = String, Path, description = "The child.")), request_body = StatusPut,
    responses((status = 202, description = "It will be active."), (status = 403, description = "Not a child of the caller's."),
        (status = 409, description = "It was suspended.")),
    security(("user" = [])))]
async fn activate_child(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(put): Body<StatusPut>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let child = child_of(&mut tx, &user, &id).await?;
    if put.status != "active" {
        return Err(Refusal::bad_request("status: must be active"));
    }
    if child.text("status")? != "active" {
        return Err(Refusal::conflict("The tenant was suspended."));
    }
    let change = Some(json!({ "status": "active" }).to_string());
    audit_child(&app, &mut tx, &user, "update", &id, &child.text("name")?, change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::ACCEPTED)
}
