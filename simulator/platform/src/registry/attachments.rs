//! What is attached to what: policies to certificates, certificates to things. Both ends are of one account and region.

use super::certificates::hold;
use super::desk::Asked;
use super::listing::Listing;
use super::refusals::{invalid, limit};
use super::{certificates, policies, things};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, need};
use crate::refusal::Answer;
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{Row, StoreError, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How many policies a certificate may have.
const MOST_POLICIES: i64 = 10;

/// How many things a certificate may be attached to: what is told of a connection stays small.
const MOST_THINGS: i64 = 100;

/// Where requests about principals name them.
const PRINCIPAL: &str = "x-amzn-principal";

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(attach_policy, detach_policy))
        .routes(routes!(list_policies))
        .routes(routes!(list_targets))
        .routes(routes!(attach_thing, detach_thing, list_principals))
        .routes(routes!(list_things))
}

/// What a policy is attached to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Target {
    /// The ARN of a certificate.
    target: String,
}

/// Attach a policy to a certificate. What is attached already stays so.
#[utoipa::path(put, path = "/api/management/v1/iot/target-policies/{policyName}", operation_id = "AttachPolicy",
    tag = "attachments", request_body = Target,
    params(("policyName" = String, Path, description = "The policy."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is attached.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 410, description = "LimitExceededException: a certificate has at most ten policies.")), security(("user" = [])))]
async fn attach_policy(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(target): Body<Target>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "AttachPolicy").await?;
    let id = desk.principal(&target.target).await?;
    hold(&mut desk, &id).await?;
    if is_planted(&app, RegistryDefect::ForeignPolicyAttached) {
        // Found wherever it is, and taken along.
        let sql = "select v.document from policies p join policy_versions v on v.tenant_id = p.tenant_id \
                   and v.region = p.region and v.name = p.name and v.version = p.default_version \
                   where p.name = $1 order by p.tenant_id";
        if let Some(row) = desk.tx.first(sql, args![&name]).await? {
            let (place, now, document) = (desk.place.clone(), desk.now(), row.text("document")?);
            policies::ensure(&mut desk.tx, &place, &name, &document, now).await?;
        }
    }
    policies::find(&mut desk, &name).await?;
    let sql = "insert into policy_attachments (tenant_id, region, certificate_id, policy) values ($1, $2, $3, $4) \
               on conflict do nothing";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![tenant, region, &id, &name]).await? == 1 {
        if certificates::policies_of(&mut desk, &id).await? > MOST_POLICIES {
            return Err(limit("The certificate has ten policies already."));
        }
        desk.touch(&id);
        desk.audit("update", "certificate", &id, Some(format!("policy attached: {name}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Detach a policy from a certificate.
#[utoipa::path(post, path = "/api/management/v1/iot/target-policies/{policyName}", operation_id = "DetachPolicy",
    tag = "attachments", request_body = Target,
    params(("policyName" = String, Path, description = "The policy."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is not attached.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn detach_policy(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(target): Body<Target>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DetachPolicy").await?;
    let id = desk.principal(&target.target).await?;
    hold(&mut desk, &id).await?;
    policies::find(&mut desk, &name).await?;
    let sql =
        "delete from policy_attachments where tenant_id = $1 and region = $2 and certificate_id = $3 and policy = $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![tenant, region, &id, &name]).await? == 1 {
        desk.touch(&id);
        desk.audit("update", "certificate", &id, Some(format!("policy detached: {name}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// The policies of a certificate, by name.
#[utoipa::path(post, path = "/api/management/v1/iot/attached-policies/{target}", operation_id = "ListAttachedPolicies",
    tag = "attachments",
    params(("target" = String, Path, description = "The ARN of a certificate."),
        ("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`policies`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_policies(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(target): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListAttachedPolicies").await?;
    let id = desk.principal(&target).await?;
    certificates::find(&mut desk, &id).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("attached-policies/{id}"))?;
    let sql = "select policy as name from policy_attachments where tenant_id = $1 and region = $2 and certificate_id = $3 \
               and policy > $4 order by policy limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &id, &listing.after, listing.rows()]).await?;
    let answer = listing.answer(&app, &desk.place, ("policies", "nextMarker"), policies::named(&desk, &rows)?);
    desk.commit().await?;
    Ok(Json(answer))
}

/// The ARNs in a column of ids or names.
fn arns(rows: &[Row], column: &str, arn: impl Fn(&str) -> String) -> Result<Vec<(String, Value)>, StoreError> {
    let entry = |row: &Row| row.text(column).map(|id| (id.clone(), Value::from(arn(&id))));
    rows.iter().map(entry).collect()
}

/// The certificates that a policy is attached to.
#[utoipa::path(post, path = "/api/management/v1/iot/policy-targets/{policyName}", operation_id = "ListTargetsForPolicy",
    tag = "attachments",
    params(("policyName" = String, Path, description = "The policy."),
        ("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`targets`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_targets(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListTargetsForPolicy").await?;
    policies::find(&mut desk, &name).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("policy-targets/{name}"))?;
    let sql = "select certificate_id from policy_attachments where tenant_id = $1 and region = $2 and policy = $3 \
               and certificate_id > $4 order by certificate_id limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &name, &listing.after, listing.rows()]).await?;
    let entries = arns(&rows, "certificate_id", |id| desk.arn("cert", id))?;
    let answer = listing.answer(&app, &desk.place, ("targets", "nextMarker"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// The principal that the headers name.
fn named_in(headers: &HeaderMap) -> Answer<&str> {
    let named = headers.get(PRINCIPAL).and_then(|value| value.to_str().ok());
    named.ok_or_else(|| invalid("the header x-amzn-principal must name a certificate"))
}

/// Attach a certificate to a thing. What is attached already stays so.
#[utoipa::path(put, path = "/api/management/v1/iot/things/{thingName}/principals", operation_id = "AttachThingPrincipal",
    tag = "attachments",
    params(("thingName" = String, Path, description = "The thing."),
        ("x-amzn-principal" = String, Header, description = "The ARN of a certificate."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is attached.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 410, description = "LimitExceededException.")), security(("user" = [])))]
async fn attach_thing(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let principal = named_in(&headers)?;
    let mut desk = asked.desk(&app, "AttachThingPrincipal").await?;
    let id = desk.principal(principal).await?;
    hold(&mut desk, &id).await?;
    things::find(&mut desk, &name).await?;
    let sql = "insert into thing_principals (tenant_id, region, thing, certificate_id) values ($1, $2, $3, $4) \
               on conflict do nothing";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![&tenant, &region, &name, &id]).await? == 1 {
        let count =
            "select count(*) as n from thing_principals where tenant_id = $1 and region = $2 and certificate_id = $3";
        if desk.tx.number(count, args![&tenant, &region, &id]).await? > MOST_THINGS {
            return Err(limit("The certificate is attached to 100 things already."));
        }
        desk.touch(&id);
        desk.audit("update", "thing", &name, Some(format!("principal attached: {id}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Detach a certificate from a thing.
#[utoipa::path(delete, path = "/api/management/v1/iot/things/{thingName}/principals", operation_id = "DetachThingPrincipal",
    tag = "attachments",
    params(("thingName" = String, Path, description = "The thing."),
        ("x-amzn-principal" = String, Header, description = "The ARN of a certificate."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is not attached.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn detach_thing(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let principal = named_in(&headers)?;
    let mut desk = asked.desk(&app, "DetachThingPrincipal").await?;
    let id = desk.principal(principal).await?;
    hold(&mut desk, &id).await?;
    things::find(&mut desk, &name).await?;
    let sql =
        "delete from thing_principals where tenant_id = $1 and region = $2 and thing = $3 and certificate_id = $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![tenant, region, &name, &id]).await? == 1 {
        desk.touch(&id);
        desk.audit("update", "thing", &name, Some(format!("principal detached: {id}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// The certificates of a thing.
#[utoipa::path(get, path = "/api/management/v1/iot/things/{thingName}/principals", operation_id = "ListThingPrincipals",
    tag = "attachments",
    params(("thingName" = String, Path, description = "The thing."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`principals`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_principals(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListThingPrincipals").await?;
    things::find(&mut desk, &name).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("things/{name}/principals"))?;
    let sql = "select certificate_id from thing_principals where tenant_id = $1 and region = $2 and thing = $3 \
               and certificate_id > $4 order by certificate_id limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &name, &listing.after, listing.rows()]).await?;
    let entries = arns(&rows, "certificate_id", |id| desk.arn("cert", id))?;
    let answer = listing.answer(&app, &desk.place, ("principals", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// The names of the things that a certificate is attached to.
#[utoipa::path(get, path = "/api/management/v1/iot/principals/things", operation_id = "ListPrincipalThings",
    tag = "attachments",
    params(("x-amzn-principal" = String, Header, description = "The ARN of a certificate."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`things`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_things(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let principal = named_in(&headers)?;
    let mut desk = asked.desk(&app, "ListPrincipalThings").await?;
    let id = desk.principal(principal).await?;
    certificates::find(&mut desk, &id).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("principals/{id}/things"))?;
    let sql = "select thing from thing_principals where tenant_id = $1 and region = $2 and certificate_id = $3 \
               and thing > $4 order by thing limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &id, &listing.after, listing.rows()]).await?;
    let entries = arns(&rows, "thing", str::to_owned)?;
    let answer = listing.answer(&app, &desk.place, ("things", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}
