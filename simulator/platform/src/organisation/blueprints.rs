//! Blueprints: products of the catalogue, and their versions, which AWS calls provisioning artifacts.

use super::landing::of;
use super::names;
use super::units::note;
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use crate::tenancy::check_name;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::blueprint::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(describe))
        .routes(routes!(create_version))
        .routes(routes!(update_version))
}

/// The most blueprints of an organisation, and versions of a blueprint.
const MOST: i64 = 200;

/// The parts of a version.
pub(super) async fn parts_of(tx: &mut Transaction, version: &str) -> Result<Parts, StoreError> {
    let row = tx.first("select parts from org_versions where id = $1 order by id", args![version]).await?;
    row.ok_or_else(|| StoreError::new("a version of a blueprint is gone"))?.json("parts")
}

/// A version of a blueprint of the organisation, as it was asked for; 404 for everything else.
pub(super) async fn version(tx: &mut Transaction, provider: &str, product: &str, version: &str) -> Answer<Row> {
    let sql = "select * from org_versions where provider_id = $1 and blueprint_id = $2 and id = $3 order by id";
    let none = || Refusal::not_found("ResourceNotFoundException: there is no such version of this product");
    tx.first(sql, args![provider, product, version]).await?.ok_or_else(none)
}

/// A blueprint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Product {
    product_id: String,
    name: String,
    provisioning_artifacts: Vec<Artifact>,
}

/// A version of a blueprint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Artifact {
    id: String,
    name: String,
    /// Whether accounts may be made from it.
    active: bool,
    /// What an account gets.
    #[schema(value_type = Object)]
    parts: Value,
}

impl Artifact {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let (id, name) = (row.text("id")?, row.text("name")?);
        Ok(Self { id, name, active: row.truth("active")?, parts: row.json("parts")? })
    }
}

/// Blueprints, as AWS wraps them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Products {
    products: Vec<Product>,
}

async fn shown(tx: &mut Transaction, row: &Row) -> Answer<Product> {
    let product_id = row.text("id")?;
    let sql = "select * from org_versions where blueprint_id = $1 order by created_at, id";
    let versions = tx.query(sql, args![&product_id]).await?;
    let provisioning_artifacts = versions.iter().map(Artifact::read).collect::<Result<_, _>>()?;
    Ok(Product { product_id, name: row.text("name")?, provisioning_artifacts })
}

async fn known(tx: &mut Transaction, provider: &str, id: &str) -> Answer<Row> {
    let sql = "select * from org_blueprints where provider_id = $1 and id = $2 order by id";
    let none = || Refusal::not_found("ResourceNotFoundException: there is no such product");
    tx.first(sql, args![provider, id]).await?.ok_or_else(none)
}

/// A blueprint to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewProduct {
    name: String,
}

/// Register a blueprint. Accounts are made from its versions.
#[utoipa::path(post, path = "/api/management/v1/organization/products", operation_id = "CreateProduct",
    tag = "organization", request_body = NewProduct,
    responses((status = 201, description = "It is registered.", body = Product), (status = 404, description = "No organisation."),
        (status = 409, description = "The name is taken."), (status = 422, description = "Too many.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(new): Body<NewProduct>,
) -> Answer<(StatusCode, Json<Product>)> {
    check_name(&new.name)?;
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    let many = "select count(*) as n from org_blueprints where provider_id = $1";
    if tx.number(many, args![&user.tenant]).await? >= MOST {
        return Err(Refusal::unprocessable("LimitExceededException: there are as many products as there may be"));
    }
    let id = names::draw(&app, "prod");
    let sql = "insert into org_blueprints (id, provider_id, name, created_at) values ($1, $2, $3, $4) \
               on conflict do nothing";
    if tx.execute(sql, args![&id, &user.tenant, &new.name, app.now_ms()]).await? == 0 {
        return Err(Refusal::conflict("DuplicateResourceException: there is a product of this name"));
    }
    note(&app, &mut tx, &user, "create", format!("product {id}: {}", new.name)).await?;
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, Json(Product { product_id: id, name: new.name, provisioning_artifacts: Vec::new() })))
}

/// All blueprints with their versions.
#[utoipa::path(get, path = "/api/management/v1/organization/products", operation_id = "SearchProducts",
    tag = "organization", responses((status = 200, description = "The blueprints.", body = Products)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::Children>) -> Answer<Json<Products>> {
    let mut tx = app.begin().await?;
    let sql = "select * from org_blueprints where provider_id = $1 order by created_at, id";
    let rows = tx.query(sql, args![&user.tenant]).await?;
    let mut products = Vec::with_capacity(rows.len());
    for row in &rows {
        products.push(shown(&mut tx, row).await?);
    }
    app.commit(tx).await?;
    Ok(Json(Products { products }))
}

/// A blueprint with its versions.
#[utoipa::path(get, path = "/api/management/v1/organization/products/{id}", operation_id = "DescribeProduct",
    tag = "organization", params(("id" = String, Path, description = "The product.")),
    responses((status = 200, description = "The blueprint.", body = Product), (status = 404, description = "No such product.")),
    security(("user" = [])))]
async fn describe(State(app): State<Platform>, user: Can<need::Children>, At(id): At<String>) -> Answer<Json<Product>> {
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &user.tenant, &id).await?;
    let product = shown(&mut tx, &row).await?;
    app.commit(tx).await?;
    Ok(Json(product))
}

/// A version to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewVersion {
    name: String,
    /// `DeviceEndpoint`, `DefaultDevicePolicy`, `TrustRole`, `AuditTrail`, `Tiers`, `Application`: all of them.
    #[schema(value_type = Object)]
    parts: Value,
}

/// Register a version. It must have all the parts that an account needs.
#[utoipa::path(post, path = "/api/management/v1/organization/products/{id}/provisioning-artifacts",
    operation_id = "CreateProvisioningArtifact", tag = "organization",
    params(("id" = String, Path, description = "The product.")), request_body = NewVersion,
    responses((status = 201, description = "It is registered.", body = Artifact), (status = 400, description = "A part is missing."),
        (status = 404, description = "No such product."), (status = 409, description = "The name is taken."),
        (status = 422, description = "Too many.")),
    security(("user" = [])))]
async fn create_version(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(new): Body<NewVersion>,
) -> Answer<(StatusCode, Json<Artifact>)> {
    check_name(&new.name)?;
    let parts: Parts = serde_json::from_value(new.parts)
        .map_err(|error| Refusal::bad_request(format!("InvalidParametersException: Parts: {error}")))?;
    parts.check().map_err(|lacking| Refusal::bad_request(format!("InvalidParametersException: {lacking}")))?;
    let mut tx = app.begin().await?;
    known(&mut tx, &user.tenant, &id).await?;
    let many = "select count(*) as n from org_versions where blueprint_id = $1";
    if tx.number(many, args![&id]).await? >= MOST {
        return Err(Refusal::unprocessable("LimitExceededException: there are as many versions as there may be"));
    }
    let version = names::draw(&app, "pa");
    let kept = serde_json::to_value(&parts).map_err(Refusal::internal)?;
    let sql = "insert into org_versions (id, provider_id, blueprint_id, name, parts, active, created_at) \
               values ($1, $2, $3, $4, $5, 1, $6) on conflict do nothing";
    let args = args![&version, &user.tenant, &id, &new.name, kept.to_string(), app.now_ms()];
    if tx.execute(sql, args).await? == 0 {
        return Err(Refusal::conflict("DuplicateResourceException: the product has a version of this name"));
    }
    note(&app, &mut tx, &user, "create", format!("version {version} of product {id}: {}", new.name)).await?;
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, Json(Artifact { id: version, name: new.name, active: true, parts: kept })))
}

/// What shall be different about a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct VersionUpdate {
    /// False withdraws it: no account is made from it any more, what was made goes on.
    active: bool,
}

/// Withdraw a version, or put it up again.
#[utoipa::path(put, path = "/api/management/v1/organization/products/{id}/provisioning-artifacts/{artifact}",
    operation_id = "UpdateProvisioningArtifact", tag = "organization",
    params(("id" = String, Path, description = "The product."), ("artifact" = String, Path, description = "The version.")),
    request_body = VersionUpdate,
    responses((status = 200, description = "Done.", body = Artifact), (status = 404, description = "No such version.")),
    security(("user" = [])))]
async fn update_version(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At((id, artifact)): At<(String, String)>,
    Body(update): Body<VersionUpdate>,
) -> Answer<Json<Artifact>> {
    let mut tx = app.begin().await?;
    version(&mut tx, &user.tenant, &id, &artifact).await?;
    tx.execute("update org_versions set active = $2 where id = $1", args![&artifact, update.active]).await?;
    let what = if update.active { "put up" } else { "withdrawn" };
    note(&app, &mut tx, &user, "update", format!("version {artifact} of product {id}: {what}")).await?;
    let shown = Artifact::read(&version(&mut tx, &user.tenant, &id, &artifact).await?)?;
    app.commit(tx).await?;
    Ok(Json(shown))
}
