//! Templates of an account, and the claims that trusted users have made for single devices.

use super::super::certificates::{ACTIVE, Arrival, DEFAULT, insert};
use super::super::desk::{Asked, Place, check_name};
use super::super::listing::Listing;
use super::super::refusals::{exists, invalid, unknown};
use super::super::x509::Certificate;
use super::super::{Lodging, policies};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::provisioning::{Claim, Rules, Template};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(in crate::registry) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(describe, delete)).routes(routes!(create_claim))
}

/// The longest name of a template.
const LONGEST_NAME: usize = 36;

/// The most templates of an account in a region.
const MOST: i64 = 100;

/// A template to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewTemplate {
    template_name: String,
    /// JSON as text.
    template_body: String,
    #[serde(default)]
    description: String,
    /// Whether devices can be made by it.
    #[serde(default)]
    enabled: bool,
    /// Not served: refused.
    #[schema(value_type = Option<Value>)]
    pre_provisioning_hook: Option<Value>,
}

/// The body of a template that is there and enabled.
pub(super) async fn body(tx: &mut Transaction, here: &Place, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "select body from provisioning_templates \
               where tenant_id = $1 and region = $2 and name = $3 and enabled = 1 order by name";
    let row = tx.first(sql, args![&here.tenant, &here.region, name]).await?;
    row.map(|row| row.text("body")).transpose()
}

/// The claim that a certificate is, if a trusted user had it made.
pub(super) async fn claim_of(
    tx: &mut Transaction,
    here: &Place,
    certificate: &str,
) -> Result<Option<Claim>, StoreError> {
    let sql = "select claim from provisioning_claims \
               where tenant_id = $1 and region = $2 and certificate_id = $3 order by certificate_id";
    let row = tx.first(sql, args![&here.tenant, &here.region, certificate]).await?;
    row.map(|row| row.json("claim")).transpose()
}

/// Create a provisioning template.
#[utoipa::path(post, path = "/api/management/v1/iot/provisioning-templates", operation_id = "CreateProvisioningTemplate",
    tag = "provisioning", request_body = NewTemplate,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`templateArn`, `templateName`, `defaultVersionId`.", body = Value),
        (status = 400, description = "InvalidRequestException."), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "ResourceAlreadyExistsException.")), security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<NewTemplate>,
) -> Answer<Json<Value>> {
    let name = &new.template_name;
    check_name("templateName", name, "_-")?;
    if name.len() > LONGEST_NAME {
        return Err(invalid(format!("templateName has at most {LONGEST_NAME} characters")));
    }
    if new.pre_provisioning_hook.is_some() {
        return Err(invalid("preProvisioningHook: hooks are not served, leave it out"));
    }
    Template::read(&new.template_body).map_err(|error| invalid(error.to_string()))?;
    let mut desk = asked.desk(&app, "CreateProvisioningTemplate").await?;
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let count = "select count(*) as n from provisioning_templates where tenant_id = $1 and region = $2";
    if desk.tx.number(count, args![&tenant, &region]).await? >= MOST {
        return Err(super::super::refusals::limit("The account has as many templates as it may."));
    }
    let sql = "insert into provisioning_templates (tenant_id, region, name, description, body, enabled, created_at) \
               values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";
    let row = args![tenant, region, name, &new.description, &new.template_body, new.enabled, app.now_ms()];
    if desk.tx.execute(sql, row).await? == 0 {
        return Err(exists("template"));
    }
    desk.audit("create", "provisioning_template", name, Some(format!("enabled: {}", new.enabled))).await?;
    let arn = desk.arn("provisioningtemplate", name);
    desk.commit().await?;
    Ok(Json(json!({ "templateArn": arn, "templateName": name, "defaultVersionId": 1 })))
}

/// A provisioning template.
#[utoipa::path(get, path = "/api/management/v1/iot/provisioning-templates/{templateName}",
    operation_id = "DescribeProvisioningTemplate", tag = "provisioning",
    params(("templateName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Its name, body and whether it is enabled.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeProvisioningTemplate").await?;
    let sql = "select * from provisioning_templates where tenant_id = $1 and region = $2 and name = $3 order by name";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let row = desk.tx.first(sql, args![tenant, region, &name]).await?.ok_or_else(unknown)?;
    let shown = json!({
        "templateArn": desk.arn("provisioningtemplate", &name),
        "templateName": name,
        "description": row.text("description")?,
        "templateBody": row.text("body")?,
        "enabled": row.truth("enabled")?,
        "creationDate": row.time("created_at")? / 1_000,
        "defaultVersionId": 1,
        "type": "FLEET_PROVISIONING",
    });
    desk.commit().await?;
    Ok(Json(shown))
}

/// Provisioning templates, by name.
#[utoipa::path(get, path = "/api/management/v1/iot/provisioning-templates", operation_id = "ListProvisioningTemplates",
    tag = "provisioning",
    params(("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`templates`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListProvisioningTemplates").await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, "provisioning-templates".to_owned())?;
    let sql = "select * from provisioning_templates where tenant_id = $1 and region = $2 and name > $3 order by name limit $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &listing.after, listing.rows()]).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let name = row.text("name")?;
        let shown = json!({
            "templateArn": desk.arn("provisioningtemplate", &name),
            "templateName": name,
            "description": row.text("description")?,
            "enabled": row.truth("enabled")?,
        });
        entries.push((name, shown));
    }
    let answer = listing.answer(&app, &desk.place, ("templates", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// Delete a provisioning template. What was made by it stays.
#[utoipa::path(delete, path = "/api/management/v1/iot/provisioning-templates/{templateName}",
    operation_id = "DeleteProvisioningTemplate", tag = "provisioning",
    params(("templateName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is gone.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DeleteProvisioningTemplate").await?;
    let sql = "delete from provisioning_templates where tenant_id = $1 and region = $2 and name = $3";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![tenant, region, &name]).await? == 0 {
        return Err(unknown());
    }
    desk.audit("delete", "provisioning_template", &name, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Have a certificate made that opens this template for one device, for five minutes.
#[utoipa::path(post, path = "/api/management/v1/iot/provisioning-templates/{templateName}/provisioning-claim",
    operation_id = "CreateProvisioningClaim", tag = "provisioning",
    params(("templateName" = String, Path, description = "The template."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateId`, `certificatePem`, `keyPair`, `expiration`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn create_claim(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "CreateProvisioningClaim").await?;
    let (here, now) = (desk.place.clone(), app.now_ms());
    body(&mut desk.tx, &here, &name).await?.ok_or_else(unknown)?;
    let identity = app.registry().issuer.issue(app.ids().account_bytes(), now)?;
    let made = Certificate::from_pem(&identity.chain().leaf_pem());
    let made = made.ok_or_else(|| Refusal::internal("what was issued cannot be read"))?;
    let arrival = Arrival { certificate: &made, status: ACTIVE, mode: DEFAULT, ca: None };
    insert(&mut desk.tx, &here, &arrival, now).await?;
    let policy = format!("provisioning-claim-{name}");
    policies::ensure(&mut desk.tx, &here, &policy, &opens(&here, &name).to_string(), now).await?;
    let names = (made.id.as_str(), "", policy.as_str());
    let place = (here.tenant.as_str(), here.region.as_str());
    Lodging::find(&app, &mut desk.tx, place, names).await?.attach_policy(&mut desk.tx).await?;
    let claim = Claim::new(app.now_s(), &Rules::default(), &made.id, &name);
    let sql = "insert into provisioning_claims (tenant_id, region, certificate_id, claim) values ($1, $2, $3, $4)";
    let kept = serde_json::to_string(&claim).map_err(Refusal::internal)?;
    desk.tx.execute(sql, args![&here.tenant, &here.region, &made.id, kept]).await?;
    desk.touch(&made.id);
    desk.audit("create", "certificate", &made.id, Some(format!("claim for template {name}"))).await?;
    desk.commit().await?;
    let keys = json!({ "PublicKey": made.public_key(), "PrivateKey": identity.key_pem().map_err(Refusal::internal)? });
    Ok(Json(json!({
        "certificateId": made.id,
        "certificatePem": made.pem,
        "keyPair": keys,
        "expiration": claim.until,
    })))
}

/// What a claim may do: be provisioned by its template, and nothing else.
fn opens(here: &Place, template: &str) -> Value {
    let Place { region, account, .. } = here;
    let topics =
        ["$aws/certificates/create*".to_owned(), format!("$aws/provisioning-templates/{template}/provision/*")];
    let on = |kind: &str| {
        topics.iter().map(|topic| format!("arn:aws:iot:{region}:{account}:{kind}/{topic}")).collect::<Vec<_>>()
    };
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:Connect", "Resource": "*" },
        { "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": on("topic") },
        { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": on("topicfilter") },
    ] })
}
