//! Roles: built-in ones, which every tenant has, and its own.

use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, User, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::{BUILT_IN, Grant, PermissionSet, built_in};
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
        .routes(routes!(list_roles, create_role))
        .routes(routes!(show_role, update_role, delete_role))
        .routes(routes!(list_permission_sets))
}

/// A role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Role {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    permission_sets_with_scope: Vec<Grant>,
}

impl Role {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.text("name")?,
            description: row.text("description")?,
            permission_sets_with_scope: row.json("permission_sets")?,
        })
    }

    fn check(&self) -> Result<(), Refusal> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~ ".contains(c);
        let good = (1..=128).contains(&self.name.len()) && self.name.chars().all(plain);
        if good { Ok(()) } else { Err(Refusal::bad_request("name: 1 to 128 letters, digits, -_.~ or spaces")) }
    }

    fn grants(&self) -> String {
        serde_json::json!(self.permission_sets_with_scope).to_string()
    }
}

/// Why `roles` cannot be given in `tenant`: one of them is neither built in nor its own.
pub(super) async fn check_roles(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    roles: &[String],
) -> Result<(), &'static str> {
    for name in roles.iter().filter(|name| built_in(name).is_none()) {
        let own = "select count(*) as n from roles where name = $2 and (tenant_id = $1 or $3 = 1)";
        let anywhere = app.defect(DefectId::ForeignRoleTaken);
        let known = tx.number(own, args![tenant, name, anywhere]).await;
        if known.map_err(|_| "roles: cannot be looked up")? == 0 {
            return Err("roles: unknown role");
        }
    }
    Ok(())
}

async fn own_role(tx: &mut Transaction, tenant: &str, name: &str) -> Result<Option<Row>, StoreError> {
    tx.first(
        "select name, description, permission_sets from roles where tenant_id = $1 and name = $2 order by name",
        args![tenant, name],
    )
    .await
}

/// Writes into the log what happened to a role.
async fn audit_role(app: &Platform, tx: &mut Transaction, user: &User, change: String) -> Result<(), StoreError> {
    let object = Object::tenant(&user.tenant, &user.tenant_name);
    app.audit(tx, &user.tenant, user, "update", object, Some(change)).await
}

/// The roles of the tenant.
#[utoipa::path(get, path = "/api/management/v2/useradm/roles", operation_id = "List Roles", tag = "useradm",
    params(("page" = Option<i64>, Query, description = "From 1."), ("per_page" = Option<i64>, Query, description = "Up to 500.")),
    responses((status = 200, description = "The roles.", body = Vec<Role>)), security(("user" = [])))]
async fn list_roles(State(app): State<Platform>, user: Can<need::SeeUsers>, page: Page) -> Answer<Response> {
    let mut roles: Vec<Role> = BUILT_IN
        .iter()
        .map(|role| Role {
            name: role.name.to_owned(),
            description: role.description.to_owned(),
            permission_sets_with_scope: role.grants(),
        })
        .collect();
    let mut tx = app.begin().await?;
    let own = "select name, description, permission_sets from roles where tenant_id = $1 order by name";
    for row in tx.query(own, args![&user.tenant]).await? {
        roles.push(Role::read(&row)?);
    }
    app.commit(tx).await?;
    let total = i64::try_from(roles.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(roles), total))
}

/// Create a role.
#[utoipa::path(post, path = "/api/management/v2/useradm/roles", operation_id = "Create Role", tag = "useradm",
    request_body = Role,
    responses((status = 201, description = "Created."), (status = 409, description = "The name is taken.")),
    security(("user" = [])))]
async fn create_role(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    Body(role): Body<Role>,
) -> Answer<StatusCode> {
    role.check()?;
    let mut tx = app.begin().await?;
    let written = tx
        .execute(
            "insert into roles (tenant_id, name, description, permission_sets) values ($1, $2, $3, $4) \
             on conflict do nothing",
            args![&user.tenant, &role.name, &role.description, role.grants()],
        )
        .await?;
    if written == 0 || built_in(&role.name).is_some() {
        return Err(Refusal::conflict("role with the same name already exists"));
    }
    audit_role(&app, &mut tx, &user, format!("Created role {}: {}", role.name, role.grants())).await?;
    app.commit(tx).await?;
    Ok(StatusCode::CREATED)
}

fn no_such_role() -> Refusal {
    Refusal::not_found("role not found")
}

/// A role.
#[utoipa::path(get, path = "/api/management/v2/useradm/roles/{id}", operation_id = "Show Role", tag = "useradm",
    params(("id" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The role.", body = Role), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show_role(State(app): State<Platform>, user: Can<need::SeeUsers>, At(name): At<String>) -> Answer<Json<Role>> {
    if let Some(role) = built_in(&name) {
        let description = role.description.to_owned();
        return Ok(Json(Role { name, description, permission_sets_with_scope: role.grants() }));
    }
    let mut tx = app.begin().await?;
    let row = own_role(&mut tx, &user.tenant, &name).await?;
    app.commit(tx).await?;
    Ok(Json(Role::read(&row.ok_or_else(no_such_role)?)?))
}

/// Change what a role grants; its name stays.
#[utoipa::path(put, path = "/api/management/v2/useradm/roles/{id}", operation_id = "Update Role", tag = "useradm",
    params(("id" = String, Path, description = "Its name.")), request_body = Role,
    responses((status = 200, description = "Done."), (status = 404, description = "No such role, or the body names another."),
        (status = 422, description = "Built in.")),
    security(("user" = [])))]
async fn update_role(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(name): At<String>,
    Body(role): Body<Role>,
) -> Answer<StatusCode> {
    if built_in(&name).is_some() {
        return Err(Refusal::unprocessable("a built-in role cannot be changed"));
    }
    if role.name != name {
        return Err(no_such_role());
    }
    let mut tx = app.begin().await?;
    let set = "update roles set description = $3, permission_sets = $4 where tenant_id = $1 and name = $2";
    let touched = tx.execute(set, args![&user.tenant, &name, &role.description, role.grants()]).await?;
    if touched == 0 {
        return Err(no_such_role());
    }
    if !app.defect(DefectId::AuditEntryLost) {
        audit_role(&app, &mut tx, &user, format!("Updated role {name}: {}", role.grants())).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::OK)
}

/// Delete a role: who had it may no longer what it granted. What is not there is gone already.
#[utoipa::path(delete, path = "/api/management/v2/useradm/roles/{id}", operation_id = "Delete Role", tag = "useradm",
    params(("id" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Gone."), (status = 422, description = "Built in.")), security(("user" = [])))]
async fn delete_role(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(name): At<String>,
) -> Answer<StatusCode> {
    if built_in(&name).is_some() {
        return Err(Refusal::unprocessable("a built-in role cannot be deleted"));
    }
    let mut tx = app.begin().await?;
    let gone = "delete from roles where tenant_id = $1 and name = $2";
    if tx.execute(gone, args![&user.tenant, &name]).await? > 0 {
        audit_role(&app, &mut tx, &user, format!("Deleted role {name}")).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A permission that a set holds.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionShown {
    action: &'static str,
    object: PermissionObject,
}

/// What a permission is about.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionObject {
    #[serde(rename = "type")]
    kind: &'static str,
    value: PermissionSet,
}

/// A permission set.
#[derive(Debug, Serialize, ToSchema)]
struct PermissionSetShown {
    name: PermissionSet,
    description: &'static str,
    permissions: Vec<PermissionShown>,
    supported_scope_types: Vec<&'static str>,
}

/// The permission sets that roles are made of.
#[utoipa::path(get, path = "/api/management/v2/useradm/permission_sets", operation_id = "List Permission Sets",
    tag = "useradm",
    params(("page" = Option<i64>, Query, description = "From 1."), ("per_page" = Option<i64>, Query, description = "Up to 500.")),
    responses((status = 200, description = "The sets.", body = Vec<PermissionSetShown>)), security(("user" = [])))]
async fn list_permission_sets(_: Can<need::SeeUsers>, page: Page) -> Response {
    let sets = PermissionSet::ALL.map(|name| PermissionSetShown {
        name,
        description: name.description(),
        permissions: vec![PermissionShown {
            action: "http",
            object: PermissionObject { kind: "operations", value: name },
        }],
        supported_scope_types: if name.has_device_scope() { vec!["DeviceGroups"] } else { Vec::new() },
    });
    let total = sets.len() as i64;
    page.answer(&page.cut(sets.into()), total)
}
