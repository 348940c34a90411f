//! Organisational units: a tree that groups accounts, and that controls are attached to.

use super::landing::{Organisation, of};
use super::listing::Window;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, Params, User, need};
use crate::ids::hex;
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use crate::tenancy::check_name;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::{Control, Units};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(describe, remove)).routes(routes!(list_for_parent))
}

/// How deep units may be below the root, as at AWS.
const DEEPEST: usize = 5;

/// The most units of an organisation.
const MOST: i64 = 1_000;

/// The id of a unit to be, below this root.
pub(super) fn new_id(app: &Platform, root: &str) -> String {
    let root = root.strip_prefix("r-").unwrap_or(root);
    format!("ou-{root}-{}", hex(&app.ids().bytes::<8>()))
}

/// Writes a unit; 409 when its parent has one of this name.
pub(super) async fn insert(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    id: &str,
    parent: Option<&str>,
    name: &str,
) -> Answer<()> {
    let written = tx
        .execute(
            "insert into org_units (id, provider_id, parent_id, name, created_at) values ($1, $2, $3, $4, $5) \
             on conflict do nothing",
            args![id, provider, parent, name, app.now_ms()],
        )
        .await?;
    let taken = || Refusal::conflict("DuplicateOrganizationalUnitException: the parent has a unit of this name");
    if written == 1 { Ok(()) } else { Err(taken()) }
}

/// The whole tree, with the controls that were attached at `since` (ms) or later.
pub(super) async fn load(tx: &mut Transaction, provider: &str, since: i64) -> Result<Units, StoreError> {
    let mut units = Units::default();
    let sql = "select id, parent_id from org_units where provider_id = $1 order by id";
    for row in tx.query(sql, args![provider]).await? {
        units.add(&row.text("id")?, row.maybe_text("parent_id")?.as_deref());
    }
    let sql = "select unit_id, control from org_controls where provider_id = $1 and attached_at >= $2 \
               order by unit_id, control";
    for row in tx.query(sql, args![provider, since]).await? {
        if let Some(control) = Control::find(&row.text("control")?) {
            units.attach(&row.text("unit_id")?, control);
        }
    }
    Ok(units)
}

/// 404 for what is no unit of the organisation, also for what never existed.
pub(super) async fn known(tx: &mut Transaction, provider: &str, id: &str) -> Answer<()> {
    let sql = "select count(*) as n from org_units where provider_id = $1 and id = $2";
    if tx.number(sql, args![provider, id]).await? == 1 { Ok(()) } else { Err(unknown()) }
}

pub(super) fn unknown() -> Refusal {
    Refusal::not_found("OrganizationalUnitNotFoundException: there is no such unit")
}

/// Writes into the provider's log what changed about its organisation.
pub(super) async fn note(
    app: &Platform,
    tx: &mut Transaction,
    user: &User,
    action: &'static str,
    change: String,
) -> Result<(), StoreError> {
    let object = Object::tenant(&user.tenant, &user.tenant_name);
    app.audit(tx, &user.tenant, user, action, object, Some(change)).await
}

/// A unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Unit {
    id: String,
    name: String,
    /// None: it is the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
}

/// A unit, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OneUnit {
    organizational_unit: Unit,
}

/// Units, as AWS wraps them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct UnitList {
    organizational_units: Vec<Unit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// A unit to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewUnit {
    parent_id: String,
    name: String,
}

/// Create a unit.
#[utoipa::path(post, path = "/api/management/v1/organization/organizational-units",
    operation_id = "CreateOrganizationalUnit", tag = "organization", request_body = NewUnit,
    responses((status = 201, description = "It is there.", body = OneUnit), (status = 404, description = "No such parent."),
        (status = 409, description = "The name is taken."), (status = 422, description = "Too deep, or too many.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(new): Body<NewUnit>,
) -> Answer<(StatusCode, Json<OneUnit>)> {
    check_name(&new.name)?;
    let mut tx = app.begin().await?;
    let Organisation { root, .. } = of(&mut tx, &user.tenant).await?;
    let units = load(&mut tx, &user.tenant, 0).await?;
    if !units.has(&new.parent_id) {
        return Err(unknown());
    }
    if units.depth(&new.parent_id) >= DEEPEST {
        return Err(Refusal::unprocessable("ConstraintViolationException: OU_DEPTH_LIMIT_EXCEEDED"));
    }
    let sql = "select count(*) as n from org_units where provider_id = $1";
    if tx.number(sql, args![&user.tenant]).await? >= MOST {
        return Err(Refusal::unprocessable("ConstraintViolationException: OU_NUMBER_LIMIT_EXCEEDED"));
    }
    let id = new_id(&app, &root);
    insert(&app, &mut tx, &user.tenant, &id, Some(&new.parent_id), &new.name).await?;
    note(&app, &mut tx, &user, "create", format!("organizational unit {id}: {}", new.name)).await?;
    app.commit(tx).await?;
    let unit = Unit { id, name: new.name, parent_id: Some(new.parent_id) };
    Ok((StatusCode::CREATED, Json(OneUnit { organizational_unit: unit })))
}

/// A unit.
#[utoipa::path(get, path = "/api/management/v1/organization/organizational-units/{id}",
    operation_id = "DescribeOrganizationalUnit", tag = "organization",
    params(("id" = String, Path, description = "The unit.")),
    responses((status = 200, description = "The unit.", body = OneUnit), (status = 404, description = "No such unit.")),
    security(("user" = [])))]
async fn describe(State(app): State<Platform>, user: Can<need::Children>, At(id): At<String>) -> Answer<Json<OneUnit>> {
    let mut tx = app.begin().await?;
    let sql = "select name, parent_id from org_units where provider_id = $1 and id = $2 order by id";
    let row = tx.first(sql, args![&user.tenant, &id]).await?.ok_or_else(unknown)?;
    app.commit(tx).await?;
    let unit = Unit { id, name: row.text("name")?, parent_id: row.maybe_text("parent_id")? };
    Ok(Json(OneUnit { organizational_unit: unit }))
}

/// Remove a unit that is empty.
#[utoipa::path(delete, path = "/api/management/v1/organization/organizational-units/{id}",
    operation_id = "DeleteOrganizationalUnit", tag = "organization",
    params(("id" = String, Path, description = "The unit.")),
    responses((status = 204, description = "Gone."), (status = 404, description = "No such unit."),
        (status = 409, description = "It is the root, or something is in it.")),
    security(("user" = [])))]
async fn remove(State(app): State<Platform>, user: Can<need::Children>, At(id): At<String>) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    known(&mut tx, &user.tenant, &id).await?;
    let inside = "select (select count(*) from org_units where parent_id = $1) + \
                  (select count(*) from org_accounts where unit_id = $1) as n";
    if id == organisation.root || tx.number(inside, args![&id]).await? > 0 {
        return Err(Refusal::conflict("OrganizationalUnitNotEmptyException: move out what is in it"));
    }
    tx.execute("delete from org_controls where unit_id = $1", args![&id]).await?;
    tx.execute("delete from org_units where id = $1", args![&id]).await?;
    note(&app, &mut tx, &user, "delete", format!("organizational unit {id}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The units right below a unit.
#[utoipa::path(get, path = "/api/management/v1/organization/parents/{id}/organizational-units",
    operation_id = "ListOrganizationalUnitsForParent", tag = "organization",
    params(("id" = String, Path, description = "The unit, or the root."),
        ("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The units.", body = UnitList), (status = 404, description = "No such unit.")),
    security(("user" = [])))]
async fn list_for_parent(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    params: Params,
) -> Answer<Json<UnitList>> {
    let window = Window::read(&params)?;
    let mut tx = app.begin().await?;
    known(&mut tx, &user.tenant, &id).await?;
    let sql =
        "select id, name from org_units where provider_id = $1 and parent_id = $2 and id > $3 order by id limit $4";
    let rows = tx.query(sql, args![&user.tenant, &id, &window.after, window.limit()]).await?;
    app.commit(tx).await?;
    let mut units = Vec::with_capacity(rows.len());
    for row in rows {
        units.push(Unit { id: row.text("id")?, name: row.text("name")?, parent_id: Some(id.clone()) });
    }
    let (organizational_units, next_token) = window.cut(units, |unit| unit.id.clone());
    Ok(Json(UnitList { organizational_units, next_token }))
}
