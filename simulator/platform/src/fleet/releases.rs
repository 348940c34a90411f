//! Releases: all artifacts of one name, and what people say of them. And the room that artifacts take.

use super::artifacts::{self, Artifact};
use super::storage;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, Page, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list, delete))
        .routes(routes!(show, describe))
        .routes(routes!(tag))
        .routes(routes!(list_tags))
        .routes(routes!(list_types))
        .routes(routes!(show_usage))
}

/// The most tags that a release may have.
const MOST_TAGS: usize = 20;

/// All artifacts of one name.
#[derive(Debug, Serialize, ToSchema)]
struct Release {
    name: String,
    modified: String,
    artifacts: Vec<Artifact>,
    tags: Vec<String>,
    notes: String,
}

impl Release {
    /// The release in a row, with those of the tenant's artifacts that are its.
    async fn read(tx: &mut Transaction, tenant: &str, row: &Row) -> Answer<Self> {
        let name = row.text("name")?;
        let sql = "select * from artifacts where tenant_id = $1 and name = $2 order by modified_at desc, id";
        let artifacts = tx.query(sql, args![tenant, &name]).await?;
        Ok(Self {
            modified: rfc3339(row.time("modified_at")?),
            artifacts: artifacts.iter().map(Artifact::read).collect::<Result<_, _>>()?,
            tags: row.json("tags")?,
            notes: row.text("notes")?,
            name,
        })
    }

    fn types(&self) -> impl Iterator<Item = &str> {
        let updates = self.artifacts.iter().flat_map(|artifact| &artifact.updates);
        updates.filter_map(|update| update.type_info.kind.as_deref())
    }
}

async fn of_tenant(tx: &mut Transaction, tenant: &str) -> Answer<Vec<Release>> {
    let sql = "select * from releases where tenant_id = $1 order by name";
    let mut releases = Vec::new();
    for row in tx.query(sql, args![tenant]).await? {
        releases.push(Release::read(tx, tenant, &row).await?);
    }
    Ok(releases)
}

/// The tenant's release; 404 when it has none like that.
async fn find(tx: &mut Transaction, tenant: &str, name: &str) -> Answer<Release> {
    let sql = "select * from releases where tenant_id = $1 and name = $2 order by name";
    let row = tx.first(sql, args![tenant, name]).await?.ok_or_else(|| Refusal::not_found("release not found"))?;
    Release::read(tx, tenant, &row).await
}

/// The releases of the tenant.
#[utoipa::path(get, path = "/api/management/v2/deployments/deployments/releases",
    operation_id = "Deployments V2 List Releases with pagination", tag = "deployments",
    params(("name" = Option<String>, Query, description = "Whose name begins so."),
        ("tag" = Option<Vec<String>>, Query, description = "With one of these tags."),
        ("update_type" = Option<String>, Query, description = "With a payload of this type."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent."),
        ("sort" = Option<String>, Query, description = "name, modified, tags or artifacts_count, then :asc or :desc.")),
    responses((status = 200, description = "The releases.", body = Vec<Release>)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeReleases>, params: Params, page: Page) -> Answer {
    let mut tx = app.begin().await?;
    let mut releases = of_tenant(&mut tx, &user.tenant).await?;
    app.commit(tx).await?;
    let tags = params.all("tag");
    releases.retain(|release| {
        params.one("name").is_none_or(|name| release.name.starts_with(name.trim_end_matches('*')))
            && (tags.is_empty() || release.tags.iter().any(|tag| tags.contains(&tag.as_str())))
            && params.one("update_type").is_none_or(|kind| release.types().any(|one| one == kind))
    });
    let (by, order) = params.one("sort").unwrap_or("name:asc").split_once(':').unwrap_or(("name", "asc"));
    match by {
        "name" => {}
        "modified" => releases.sort_by(|one, other| one.modified.cmp(&other.modified)),
        "tags" => releases.sort_by(|one, other| one.tags.cmp(&other.tags)),
        "artifacts_count" => releases.sort_by_key(|release| release.artifacts.len()),
        _ => return Err(Refusal::bad_request("sort must be by name, modified, tags or artifacts_count")),
    }
    if order == "desc" {
        releases.reverse();
    }
    let total = i64::try_from(releases.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(releases), total))
}

/// Delete all artifacts of these names.
#[utoipa::path(delete, path = "/api/management/v2/deployments/deployments/releases", operation_id = "Delete Releases",
    tag = "deployments", params(("name" = Vec<String>, Query, description = "The releases.")),
    responses((status = 204, description = "They are gone, or were not there."),
        (status = 400, description = "No name."), (status = 409, description = "A deployment needs one.")),
    security(("user" = [])))]
async fn delete(State(app): State<Platform>, user: Can<need::ChangeReleases>, params: Params) -> Answer<StatusCode> {
    let names: BTreeSet<_> = params.all("name").into_iter().flat_map(|names| names.split(',')).collect();
    if names.is_empty() {
        return Err(Refusal::bad_request("name is missing"));
    }
    let mut tx = app.begin().await?;
    let mut gone = Vec::new();
    for name in names {
        if artifacts::is_needed(&app, &mut tx, &user.tenant, name).await? {
            return Err(Refusal::conflict(format!("release {name} is used in active deployment")));
        }
        let sql = "select id, size from artifacts where tenant_id = $1 and name = $2 order by id";
        for row in tx.query(sql, args![&user.tenant, name]).await? {
            let id = row.text("id")?;
            artifacts::forget(&mut tx, &user.tenant, &id, name, row.int("size")?).await?;
            app.audit(&mut tx, &user.tenant, &*user, "delete", Object::artifact(&id, name), None).await?;
            gone.push(storage::key(&user.tenant, &id));
        }
    }
    app.commit_without(tx, &gone).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A release.
#[utoipa::path(get, path = "/api/management/v2/deployments/deployments/releases/{release_name}",
    operation_id = "Get Release with given name", tag = "deployments",
    params(("release_name" = String, Path, description = "The release.")),
    responses((status = 200, description = "The release.", body = Release),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show(
    State(app): State<Platform>,
    user: Can<need::SeeReleases>,
    At(name): At<String>,
) -> Answer<Json<Release>> {
    let mut tx = app.begin().await?;
    let release = find(&mut tx, &user.tenant, &name).await?;
    app.commit(tx).await?;
    Ok(Json(release))
}

/// What people say of a release.
#[derive(Debug, Deserialize, ToSchema)]
struct Notes {
    #[serde(default)]
    notes: String,
}

/// Tells the log of a change of a release: its artifact's name stands for it.
async fn audit(
    app: &Platform,
    tx: &mut Transaction,
    user: &Can<need::ChangeReleases>,
    release: &Release,
) -> Answer<()> {
    let id = release.artifacts.first().map_or("", |artifact| artifact.id.as_str());
    let object = Object::artifact(id, &release.name);
    let change = Some(format!("release {}", release.name));
    Ok(app.audit(tx, &user.tenant, &**user, "update", object, change).await?)
}

/// Write notes to a release.
#[utoipa::path(patch, path = "/api/management/v2/deployments/deployments/releases/{release_name}",
    operation_id = "Update Release information", tag = "deployments", request_body = Notes,
    params(("release_name" = String, Path, description = "The release.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    user: Can<need::ChangeReleases>,
    At(name): At<String>,
    Body(new): Body<Notes>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let release = find(&mut tx, &user.tenant, &name).await?;
    let sql = "update releases set notes = $3, modified_at = $4 where tenant_id = $1 and name = $2";
    tx.execute(sql, args![&user.tenant, &name, &new.notes, app.now_ms()]).await?;
    audit(&app, &mut tx, &user, &release).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tag a release anew: tags that are not named are gone.
#[utoipa::path(put, path = "/api/management/v2/deployments/deployments/releases/{release_name}/tags",
    operation_id = "Assign Release Tags", tag = "deployments", request_body = Vec<String>,
    params(("release_name" = String, Path, description = "The release.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn tag(
    State(app): State<Platform>,
    user: Can<need::ChangeReleases>,
    At(name): At<String>,
    Body(tags): Body<BTreeSet<String>>,
) -> Answer<StatusCode> {
    let tags: BTreeSet<_> = tags.into_iter().map(|tag| tag.to_lowercase()).collect();
    if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.is_empty() || tag.len() > 1024) {
        return Err(Refusal::bad_request(format!("a release has at most {MOST_TAGS} tags, none of them empty")));
    }
    let mut tx = app.begin().await?;
    let release = find(&mut tx, &user.tenant, &name).await?;
    let sql = "update releases set tags = $3, modified_at = $4 where tenant_id = $1 and name = $2";
    tx.execute(sql, args![&user.tenant, &name, json!(tags).to_string(), app.now_ms()]).await?;
    audit(&app, &mut tx, &user, &release).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tags of the tenant's releases.
#[utoipa::path(get, path = "/api/management/v2/deployments/releases/all/tags", operation_id = "List Release Tags",
    tag = "deployments", responses((status = 200, description = "Each once.", body = Vec<String>)),
    security(("user" = [])))]
async fn list_tags(State(app): State<Platform>, user: Can<need::SeeReleases>) -> Answer<Json<BTreeSet<String>>> {
    let mut tx = app.begin().await?;
    let releases = of_tenant(&mut tx, &user.tenant).await?;
    app.commit(tx).await?;
    Ok(Json(releases.into_iter().flat_map(|release| release.tags).collect()))
}

/// The payload types of the tenant's releases.
#[utoipa::path(get, path = "/api/management/v2/deployments/releases/all/types", operation_id = "List Release Types",
    tag = "deployments", responses((status = 200, description = "Each once.", body = Vec<String>)),
    security(("user" = [])))]
async fn list_types(State(app): State<Platform>, user: Can<need::SeeReleases>) -> Answer<Json<BTreeSet<String>>> {
    let mut tx = app.begin().await?;
    let releases = of_tenant(&mut tx, &user.tenant).await?;
    app.commit(tx).await?;
    Ok(Json(releases.iter().flat_map(Release::types).map(str::to_owned).collect()))
}

/// The room that artifacts take.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    /// Bytes; 0: without limit.
    limit: i64,
    /// Bytes.
    usage: i64,
}

/// The room that the tenant's artifacts take, and may take.
#[utoipa::path(get, path = "/api/management/v1/deployments/limits/storage",
    operation_id = "Deployments Get Storage Usage", tag = "deployments",
    responses((status = 200, description = "The room.", body = Usage)), security(("user" = [])))]
async fn show_usage(State(app): State<Platform>, user: Can<need::SeeReleases>) -> Answer<Json<Usage>> {
    let mut tx = app.begin().await?;
    let sql = "select storage_limit, storage_used from tenants where id = $1 order by id";
    let row = tx.first(sql, args![&user.tenant]).await?.ok_or_else(|| Refusal::not_found("tenant not found"))?;
    app.commit(tx).await?;
    Ok(Json(Usage { limit: row.int("storage_limit")?, usage: row.int("storage_used")? }))
}
