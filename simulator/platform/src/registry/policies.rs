//! Policies: a name, up to five versions of a document, one of them the default. What is attached is the default.

use super::desk::{Asked, Desk, Place, check_name};
use super::listing::Listing;
use super::refusals::{exists, in_use, malformed_policy, unknown, versions_limit};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, need};
use crate::refusal::Answer;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::policy::Document;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What stands in names of policies beside letters and digits.
const NAME: &str = "_+=,.@-";

/// How many versions a policy may have.
const MOST_VERSIONS: i64 = 5;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(create, show, delete))
        .routes(routes!(list))
        .routes(routes!(create_version, list_versions))
        .routes(routes!(show_version, set_default, delete_version))
}

/// A document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewDocument {
    /// JSON as text.
    policy_document: String,
}

/// 400 for what is no policy that the data plane understands.
fn check_document(text: &str) -> Answer<()> {
    Document::parse(text).map(drop).map_err(malformed_policy)
}

/// Sees to it that there is a policy of this name; one that is there stays as it is.
pub(super) async fn ensure(
    tx: &mut Transaction,
    place: &Place,
    name: &str,
    document: &str,
    now: u64,
) -> Result<(), StoreError> {
    let sql = "insert into policies (tenant_id, region, name, default_version, last_version, created_at, updated_at) \
               values ($1, $2, $3, 1, 1, $4, $4) on conflict do nothing";
    if tx.execute(sql, args![&place.tenant, &place.region, name, now]).await? == 1 {
        let sql = "insert into policy_versions (tenant_id, region, name, version, document, created_at) \
                   values ($1, $2, $3, 1, $4, $5)";
        tx.execute(sql, args![&place.tenant, &place.region, name, document, now]).await?;
    }
    Ok(())
}

/// The row of a policy here.
pub(super) async fn find(desk: &mut Desk, name: &str) -> Answer<Row> {
    let sql = "select * from policies where tenant_id = $1 and region = $2 and name = $3 order by name";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, name]).await?;
    row.ok_or_else(unknown)
}

/// The same; others who want to change it or its versions wait until this operation has ended.
async fn hold(desk: &mut Desk, name: &str) -> Answer<Row> {
    let sql = "update policies set last_version = last_version where tenant_id = $1 and region = $2 and name = $3";
    desk.tx.execute(sql, args![&desk.place.tenant, &desk.place.region, name]).await?;
    find(desk, name).await
}

async fn insert_version(desk: &mut Desk, name: &str, version: i64, document: &str) -> Result<(), StoreError> {
    let sql = "insert into policy_versions (tenant_id, region, name, version, document, created_at) \
               values ($1, $2, $3, $4, $5, $6)";
    let now = desk.now();
    desk.tx.execute(sql, args![&desk.place.tenant, &desk.place.region, name, version, document, now]).await?;
    Ok(())
}

async fn find_version(desk: &mut Desk, name: &str, version: &str) -> Answer<Row> {
    let version: i64 = version.parse().map_err(|_| unknown())?;
    let sql = "select * from policy_versions where tenant_id = $1 and region = $2 and name = $3 and version = $4 \
               order by version";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, name, version]).await?;
    row.ok_or_else(unknown)
}

async fn set_default_version(desk: &mut Desk, name: &str, version: i64) -> Result<(), StoreError> {
    let sql =
        "update policies set default_version = $4, updated_at = $5 where tenant_id = $1 and region = $2 and name = $3";
    let now = desk.now();
    desk.tx.execute(sql, args![&desk.place.tenant, &desk.place.region, name, version, now]).await?;
    desk.touch_policy(name).await
}

/// Create a policy.
#[utoipa::path(post, path = "/api/management/v1/iot/policies/{policyName}", operation_id = "CreatePolicy", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = NewDocument,
    responses((status = 200, description = "`policyName`, `policyArn`, `policyDocument`, `policyVersionId`.", body = Value),
        (status = 400, description = "MalformedPolicyException."), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "ResourceAlreadyExistsException.")), security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(new): Body<NewDocument>,
) -> Answer<Json<Value>> {
    check_name("policyName", &name, NAME)?;
    check_document(&new.policy_document)?;
    let mut desk = asked.desk(&app, "CreatePolicy").await?;
    let sql = "insert into policies (tenant_id, region, name, default_version, last_version, created_at, updated_at) \
               values ($1, $2, $3, 1, 1, $4, $4) on conflict do nothing";
    let (tenant, region, now) = (desk.place.tenant.clone(), desk.place.region.clone(), desk.now());
    if desk.tx.execute(sql, args![tenant, region, &name, now]).await? == 0 {
        return Err(exists("policy"));
    }
    insert_version(&mut desk, &name, 1, &new.policy_document).await?;
    desk.audit("create", "policy", &name, Some(new.policy_document.clone())).await?;
    let answer = json!({
        "policyName": name,
        "policyArn": desk.arn("policy", &name),
        "policyDocument": new.policy_document,
        "policyVersionId": "1",
    });
    desk.commit().await?;
    Ok(Json(answer))
}

/// A policy, with its default document.
#[utoipa::path(get, path = "/api/management/v1/iot/policies/{policyName}", operation_id = "GetPolicy", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Its name, default document and version.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn show(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "GetPolicy").await?;
    let policy = find(&mut desk, &name).await?;
    let default = policy.int("default_version")?.to_string();
    let version = find_version(&mut desk, &name, &default).await?;
    let answer = json!({
        "policyName": name,
        "policyArn": desk.arn("policy", &name),
        "policyDocument": version.text("document")?,
        "defaultVersionId": default,
        "creationDate": policy.time("created_at")? / 1_000,
        "lastModifiedDate": policy.time("updated_at")? / 1_000,
    });
    desk.commit().await?;
    Ok(Json(answer))
}

/// Delete a policy that is attached to nothing and has one version only.
#[utoipa::path(delete, path = "/api/management/v1/iot/policies/{policyName}", operation_id = "DeletePolicy", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is gone.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "DeleteConflictException: it is attached, or has other versions.")), security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DeletePolicy").await?;
    hold(&mut desk, &name).await?;
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let attached = "select count(*) as n from policy_attachments where tenant_id = $1 and region = $2 and policy = $3";
    if desk.tx.number(attached, args![&tenant, &region, &name]).await? > 0 {
        return Err(in_use("The policy is attached to certificates: detach it first."));
    }
    if versions(&mut desk, &name).await? > 1 {
        return Err(in_use("The policy has versions beside its default: delete them first."));
    }
    let sql = "delete from policies where tenant_id = $1 and region = $2 and name = $3";
    desk.tx.execute(sql, args![&tenant, &region, &name]).await?;
    desk.audit("delete", "policy", &name, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

async fn versions(desk: &mut Desk, name: &str) -> Result<i64, StoreError> {
    let sql = "select count(*) as n from policy_versions where tenant_id = $1 and region = $2 and name = $3";
    desk.tx.number(sql, args![&desk.place.tenant, &desk.place.region, name]).await
}

/// Policies, by name.
#[utoipa::path(get, path = "/api/management/v1/iot/policies", operation_id = "ListPolicies", tag = "policies",
    params(("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`policies`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListPolicies").await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, "policies".to_owned())?;
    let sql = "select name from policies where tenant_id = $1 and region = $2 and name > $3 order by name limit $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &listing.after, listing.rows()]).await?;
    let answer = listing.answer(&app, &desk.place, ("policies", "nextMarker"), named(&desk, &rows)?);
    desk.commit().await?;
    Ok(Json(answer))
}

/// Policies as lists show them.
pub(super) fn named(desk: &Desk, rows: &[Row]) -> Result<Vec<(String, Value)>, StoreError> {
    let entry = |row: &Row| {
        let name = row.text("name")?;
        let shown = json!({ "policyName": name, "policyArn": desk.arn("policy", &name) });
        Ok((name, shown))
    };
    rows.iter().map(entry).collect()
}

/// Add a version of a policy.
#[utoipa::path(post, path = "/api/management/v1/iot/policies/{policyName}/version", operation_id = "CreatePolicyVersion",
    tag = "policies", request_body = NewDocument,
    params(("policyName" = String, Path, description = "Its name."),
        ("setAsDefault" = Option<bool>, Query, description = "Whether it is the default at once."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`policyArn`, `policyDocument`, `policyVersionId`, `isDefaultVersion`.", body = Value),
        (status = 400, description = "MalformedPolicyException."), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "VersionsLimitExceededException.")), security(("user" = [])))]
async fn create_version(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(new): Body<NewDocument>,
) -> Answer<Json<Value>> {
    check_document(&new.policy_document)?;
    let is_default = asked.params.choice("setAsDefault", &["true", "false"])? == Some("true");
    let mut desk = asked.desk(&app, "CreatePolicyVersion").await?;
    let version = hold(&mut desk, &name).await?.int("last_version")? + 1;
    if versions(&mut desk, &name).await? >= MOST_VERSIONS {
        return Err(versions_limit());
    }
    let sql = "update policies set last_version = $4 where tenant_id = $1 and region = $2 and name = $3";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    desk.tx.execute(sql, args![tenant, region, &name, version]).await?;
    insert_version(&mut desk, &name, version, &new.policy_document).await?;
    if is_default {
        set_default_version(&mut desk, &name, version).await?;
    }
    let told = if is_default { ", the default" } else { "" };
    desk.audit("update", "policy", &name, Some(format!("version {version}{told}: {}", new.policy_document))).await?;
    let answer = json!({
        "policyArn": desk.arn("policy", &name),
        "policyDocument": new.policy_document,
        "policyVersionId": version.to_string(),
        "isDefaultVersion": is_default,
    });
    desk.commit().await?;
    Ok(Json(answer))
}

/// The versions of a policy.
#[utoipa::path(get, path = "/api/management/v1/iot/policies/{policyName}/version", operation_id = "ListPolicyVersions",
    tag = "policies", params(("policyName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`policyVersions`: at most five.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_versions(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListPolicyVersions").await?;
    let default = find(&mut desk, &name).await?.int("default_version")?;
    let sql = "select version, created_at from policy_versions where tenant_id = $1 and region = $2 and name = $3 \
               order by version desc";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &name]).await?;
    let entry = |row: &Row| {
        let version = row.int("version")?;
        Ok(json!({
            "versionId": version.to_string(),
            "isDefaultVersion": version == default,
            "createDate": row.time("created_at")? / 1_000,
        }))
    };
    let entries = rows.iter().map(entry).collect::<Result<Vec<_>, StoreError>>()?;
    desk.commit().await?;
    Ok(Json(json!({ "policyVersions": entries })))
}

/// A version of a policy.
#[utoipa::path(get, path = "/api/management/v1/iot/policies/{policyName}/version/{policyVersionId}",
    operation_id = "GetPolicyVersion", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."), ("policyVersionId" = String, Path, description = "The version."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Its document.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn show_version(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At((name, version)): At<(String, String)>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "GetPolicyVersion").await?;
    let policy = find(&mut desk, &name).await?;
    let row = find_version(&mut desk, &name, &version).await?;
    let answer = json!({
        "policyName": name,
        "policyArn": desk.arn("policy", &name),
        "policyDocument": row.text("document")?,
        "policyVersionId": row.int("version")?.to_string(),
        "isDefaultVersion": row.int("version")? == policy.int("default_version")?,
        "creationDate": row.time("created_at")? / 1_000,
    });
    desk.commit().await?;
    Ok(Json(answer))
}

/// Make a version the default: it holds at once wherever the policy is attached.
#[utoipa::path(patch, path = "/api/management/v1/iot/policies/{policyName}/version/{policyVersionId}",
    operation_id = "SetDefaultPolicyVersion", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."), ("policyVersionId" = String, Path, description = "The version."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Done.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn set_default(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At((name, version)): At<(String, String)>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "SetDefaultPolicyVersion").await?;
    hold(&mut desk, &name).await?;
    let version = find_version(&mut desk, &name, &version).await?.int("version")?;
    set_default_version(&mut desk, &name, version).await?;
    desk.audit("update", "policy", &name, Some(format!("default version: {version}"))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Delete a version that is not the default.
#[utoipa::path(delete, path = "/api/management/v1/iot/policies/{policyName}/version/{policyVersionId}",
    operation_id = "DeletePolicyVersion", tag = "policies",
    params(("policyName" = String, Path, description = "Its name."), ("policyVersionId" = String, Path, description = "The version."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is gone.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "DeleteConflictException: it is the default.")), security(("user" = [])))]
async fn delete_version(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At((name, version)): At<(String, String)>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DeletePolicyVersion").await?;
    let policy = hold(&mut desk, &name).await?;
    let version = find_version(&mut desk, &name, &version).await?.int("version")?;
    if version == policy.int("default_version")? {
        return Err(in_use("The version is the policy's default: make another one the default, or delete the policy."));
    }
    let sql = "delete from policy_versions where tenant_id = $1 and region = $2 and name = $3 and version = $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    desk.tx.execute(sql, args![tenant, region, &name, version]).await?;
    desk.audit("update", "policy", &name, Some(format!("version {version} deleted"))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}
