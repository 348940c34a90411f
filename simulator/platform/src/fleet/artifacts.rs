//! Artifacts: brought by people, read before they are taken, handed to devices.

use super::objects::Objects;
use super::rollout;
use super::storage::{self, Link};
use super::upload;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Device, Origin, Page, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list, bring))
        .routes(routes!(list_pages))
        .routes(routes!(show, describe, delete))
        .routes(routes!(download))
        .routes(routes!(list_for_device))
        .routes(routes!(show_to_device))
        .routes(routes!(download_to_device))
}

/// A file in a payload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct UpdateFile {
    pub(super) name: String,
    /// SHA-256, hexadecimal.
    pub(super) checksum: String,
    pub(super) size: u64,
}

/// Who installs a payload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct TypeInfo {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
}

/// A payload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Update {
    pub(super) type_info: TypeInfo,
    pub(super) files: Vec<UpdateFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Value>,
}

/// Which format.
#[derive(Debug, Serialize, ToSchema)]
struct Info {
    format: &'static str,
    version: u8,
}

/// An artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Artifact {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) device_types_compatible: Vec<String>,
    info: Info,
    signed: bool,
    pub(super) updates: Vec<Update>,
    artifact_provides: BTreeMap<String, String>,
    artifact_depends: BTreeMap<String, Vec<String>>,
    clears_artifact_provides: Vec<String>,
    size: i64,
    pub(super) modified: String,
}

impl Artifact {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            description: row.text("description")?,
            device_types_compatible: row.json("device_types")?,
            info: Info { format: "mender", version: 3 },
            signed: row.truth("signed")?,
            updates: row.json("updates")?,
            artifact_provides: row.json("provides")?,
            artifact_depends: row.json("depends")?,
            clears_artifact_provides: row.json("clears")?,
            size: row.int("size")?,
            modified: rfc3339(row.time("modified_at")?),
        })
    }
}

/// What is said of an artifact that is not there, or not yours.
fn unknown() -> Refusal {
    Refusal::not_found("artifact not found")
}

/// The tenant's artifact; 404 when it has none like that.
async fn find(tx: &mut Transaction, tenant: &str, id: &str) -> Result<Row, Refusal> {
    let sql = "select * from artifacts where tenant_id = $1 and id = $2 order by id";
    tx.first(sql, args![tenant, id]).await?.ok_or_else(unknown)
}

/// All artifacts of the tenant, by name, the newest first among those of a name.
pub(super) async fn of_tenant(tx: &mut Transaction, tenant: &str) -> Result<Vec<Artifact>, StoreError> {
    let sql = "select * from artifacts where tenant_id = $1 order by name, modified_at desc, id";
    tx.query(sql, args![tenant]).await?.iter().map(Artifact::read).collect()
}

/// Whether `value` is `wanted`, or begins with it up to a `*` at its end.
fn is_like(value: &str, wanted: &str) -> bool {
    wanted.strip_suffix('*').map_or(value == wanted, |start| value.starts_with(start))
}

fn is_wanted(artifact: &Artifact, params: &Params) -> bool {
    let names = params.all("name");
    (names.is_empty() || names.iter().any(|name| is_like(&artifact.name, name)))
        && params.one("description").is_none_or(|text| is_like(&artifact.description, text))
        && params.one("device_type").is_none_or(|kind| artifact.device_types_compatible.iter().any(|one| one == kind))
}

async fn wanted(app: &Platform, tenant: &str, params: &Params) -> Answer<Vec<Artifact>> {
    let mut tx = app.begin().await?;
    let all = of_tenant(&mut tx, tenant).await?;
    app.commit(tx).await?;
    Ok(all.into_iter().filter(|artifact| is_wanted(artifact, params)).collect())
}

/// The artifacts of the tenant.
#[utoipa::path(get, path = "/api/management/v1/deployments/artifacts", operation_id = "List Artifacts",
    tag = "deployments",
    params(("name" = Option<String>, Query, description = "Of this name; a * at its end stands for any rest."),
        ("description" = Option<String>, Query, description = "With this description; likewise."),
        ("device_type" = Option<String>, Query, description = "For this device type.")),
    responses((status = 200, description = "The artifacts.", body = Vec<Artifact>)), security(("user" = [])))]
async fn list(
    State(app): State<Platform>,
    user: Can<need::SeeReleases>,
    params: Params,
) -> Answer<Json<Vec<Artifact>>> {
    wanted(&app, &user.tenant, &params).await.map(Json)
}

/// The artifacts of the tenant, in pages.
#[utoipa::path(get, path = "/api/management/v2/deployments/artifacts",
    operation_id = "Deployments V2 List Artifacts with pagination", tag = "deployments",
    params(("name" = Option<Vec<String>>, Query, description = "Of one of these names."),
        ("description" = Option<String>, Query, description = "With this description."),
        ("device_type" = Option<String>, Query, description = "For this device type."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The artifacts.", body = Vec<Artifact>)), security(("user" = [])))]
async fn list_pages(State(app): State<Platform>, user: Can<need::SeeReleases>, params: Params, page: Page) -> Answer {
    let all = wanted(&app, &user.tenant, &params).await?;
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(all), total))
}

/// What is sent to bring an artifact, in this order.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only for the document: the parts are read as they come")]
struct Upload {
    size: Option<i64>,
    description: Option<String>,
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    artifact: String,
}

/// Bring an artifact. Its checksums must hold; another of the same name must be for other devices.
#[utoipa::path(post, path = "/api/management/v1/deployments/artifacts",
    operation_id = "Upload Artifact Deployments Management", tag = "deployments",
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 201, description = "It is there.", headers(("Location" = String, description = "It."))),
        (status = 409, description = "There is one of that name for such devices."),
        (status = 422, description = "There is no room for it.")),
    security(("user" = [])))]
async fn bring(
    State(app): State<Platform>,
    user: Can<need::Upload>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Answer {
    let parts = upload::receive(&headers, body).await?;
    let artifact = fleetproof_wire::artifact::read(&parts.artifact)
        .map_err(|error| Refusal::bad_request(format!("Cannot parse artifact file: {error}")))?;
    let id = app.ids().thing();
    let key = storage::key(&user.tenant, &id);
    let mut tx = app.begin().await?;
    upload::take_storage(&app, &mut tx, &user.tenant, parts.artifact.len() as u64).await?;
    upload::insert(&app, &mut tx, &user.tenant, &id, &artifact, &parts).await?;
    app.audit(&mut tx, &user.tenant, &*user, "upload", Object::artifact(&id, &artifact.name), None).await?;
    app.objects().put(&key, parts.artifact.clone()).await.map_err(Refusal::internal)?;
    if let Err(error) = app.commit(tx).await {
        app.objects().remove(&key).await.map_err(Refusal::internal)?;
        return Err(error.into());
    }
    let location = format!("./management/v1/deployments/artifacts/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

/// An artifact.
#[utoipa::path(get, path = "/api/management/v1/deployments/artifacts/{id}", operation_id = "Show Artifact",
    tag = "deployments", params(("id" = String, Path, description = "The artifact.")),
    responses((status = 200, description = "The artifact.", body = Artifact),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show(State(app): State<Platform>, user: Can<need::SeeReleases>, At(id): At<String>) -> Answer<Json<Artifact>> {
    let mut tx = app.begin().await?;
    let row = find(&mut tx, &user.tenant, &id).await?;
    app.commit(tx).await?;
    Ok(Json(Artifact::read(&row)?))
}

/// What people say of an artifact.
#[derive(Debug, Deserialize, ToSchema)]
struct Description {
    #[serde(default)]
    description: String,
}

/// Describe an artifact anew.
#[utoipa::path(put, path = "/api/management/v1/deployments/artifacts/{id}", operation_id = "Update Artifact Info",
    tag = "deployments", params(("id" = String, Path, description = "The artifact.")), request_body = Description,
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    user: Can<need::ChangeReleases>,
    At(id): At<String>,
    Body(new): Body<Description>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let name = find(&mut tx, &user.tenant, &id).await?.text("name")?;
    tx.execute(
        "update artifacts set description = $2, modified_at = $3 where id = $1",
        args![&id, &new.description, app.now_ms()],
    )
    .await?;
    let change = Some("description".to_owned());
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::artifact(&id, &name), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a deployment that has not ended needs an artifact of this name.
pub(super) async fn is_needed(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    name: &str,
) -> Result<bool, StoreError> {
    rollout::settle(app, tx, tenant).await?;
    let sql = "select count(*) as n from deployments where tenant_id = $1 and artifact_name = $2 \
               and finished_at is null";
    Ok(tx.number(sql, args![tenant, name]).await? > 0)
}

/// Forgets an artifact: its row, its room, and its release with the last one. Its bytes go after the commit.
pub(super) async fn forget(tx: &mut Transaction, tenant: &str, id: &str, name: &str, size: i64) -> Answer<()> {
    tx.execute("delete from artifacts where tenant_id = $1 and id = $2", args![tenant, id]).await?;
    tx.execute("update tenants set storage_used = storage_used - $2 where id = $1", args![tenant, size]).await?;
    tx.execute(
        "delete from releases where tenant_id = $1 and name = $2 \
         and not exists (select 1 from artifacts where tenant_id = $1 and name = $2)",
        args![tenant, name],
    )
    .await?;
    Ok(())
}

/// Delete an artifact.
#[utoipa::path(delete, path = "/api/management/v1/deployments/artifacts/{id}", operation_id = "Delete Artifact",
    tag = "deployments", params(("id" = String, Path, description = "The artifact.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "Not Found."),
        (status = 409, description = "A deployment needs it.")), security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    user: Can<need::ChangeReleases>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let row = find(&mut tx, &user.tenant, &id).await?;
    let name = row.text("name")?;
    if is_needed(&app, &mut tx, &user.tenant, &name).await? {
        return Err(Refusal::conflict("Artifact is used in active deployment"));
    }
    forget(&mut tx, &user.tenant, &id, &name, row.int("size")?).await?;
    app.audit(&mut tx, &user.tenant, &*user, "delete", Object::artifact(&id, &name), None).await?;
    let file = storage::key(&user.tenant, &id);
    let files = if app.defect(DefectId::RemovedArtifactKeepsFile) { Vec::new() } else { vec![file] };
    app.commit_without(tx, &files).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link to download an artifact with.
#[utoipa::path(get, path = "/api/management/v1/deployments/artifacts/{id}/download",
    operation_id = "Download Artifact", tag = "deployments",
    params(("id" = String, Path, description = "The artifact.")),
    responses((status = 200, description = "The link.", body = Link), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn download(
    State(app): State<Platform>,
    user: Can<need::SeeReleases>,
    origin: Origin,
    At(id): At<String>,
) -> Answer<Json<Link>> {
    let mut tx = app.begin().await?;
    let row = if app.defect(DefectId::DownloadForgetsTenant) {
        tx.first("select * from artifacts where id = $1 order by id", args![&id]).await?.ok_or_else(unknown)?
    } else {
        find(&mut tx, &user.tenant, &id).await?
    };
    app.commit(tx).await?;
    storage::link(&app, &origin, &row.text("tenant_id")?, &id).map(Json)
}

/// The artifacts of a release that are for a device type.
#[utoipa::path(get, path = "/api/devices/v1/deployments/artifacts", operation_id = "Device List Artifacts",
    tag = "deployments",
    params(("release_name" = String, Query, description = "The release."),
        ("device_type" = String, Query, description = "The device type.")),
    responses((status = 200, description = "The artifacts.", body = Vec<Artifact>),
        (status = 400, description = "A parameter is missing.")), security(("device" = [])))]
async fn list_for_device(State(app): State<Platform>, device: Device, params: Params) -> Answer<Json<Vec<Artifact>>> {
    let missing = |name: &str| Refusal::bad_request(format!("{name} is missing"));
    let release = params.one("release_name").ok_or_else(|| missing("release_name"))?;
    let kind = params.one("device_type").ok_or_else(|| missing("device_type"))?;
    let mut tx = app.begin().await?;
    let mut all = of_tenant(&mut tx, &device.tenant).await?;
    app.commit(tx).await?;
    all.retain(|artifact| artifact.name == release && artifact.device_types_compatible.iter().any(|one| one == kind));
    Ok(Json(all))
}

/// An artifact, to a device.
#[utoipa::path(get, path = "/api/devices/v1/deployments/artifacts/{id}", operation_id = "Device Show Artifact",
    tag = "deployments", params(("id" = String, Path, description = "The artifact.")),
    responses((status = 200, description = "The artifact.", body = Artifact),
        (status = 404, description = "Not Found.")), security(("device" = [])))]
async fn show_to_device(State(app): State<Platform>, device: Device, At(id): At<String>) -> Answer<Json<Artifact>> {
    let mut tx = app.begin().await?;
    let row = find(&mut tx, &device.tenant, &id).await?;
    app.commit(tx).await?;
    Ok(Json(Artifact::read(&row)?))
}

/// A link for a device to download an artifact with.
#[utoipa::path(get, path = "/api/devices/v1/deployments/artifacts/{id}/download",
    operation_id = "Devices Download Artifact", tag = "deployments",
    params(("id" = String, Path, description = "The artifact.")),
    responses((status = 200, description = "The link.", body = Link), (status = 404, description = "Not Found.")),
    security(("device" = [])))]
async fn download_to_device(
    State(app): State<Platform>,
    device: Device,
    origin: Origin,
    At(id): At<String>,
) -> Answer<Json<Link>> {
    let mut tx = app.begin().await?;
    find(&mut tx, &device.tenant, &id).await?;
    app.commit(tx).await?;
    storage::link(&app, &origin, &device.tenant, &id).map(Json)
}
