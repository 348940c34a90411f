//! Onboarding as it is asked for: an account, or a product whose account is made with it, and how far either is.
//!
//! `CreateAccount` and `ProvisionProduct` begin the same: an account from a blueprint. They differ in their words only. What cannot be
//! right is refused at once and leaves nothing; what only time tells (an e-mail that is taken, the account limit) fails as
//! AWS's asynchronous creation does, with its reason, and leaves nothing but the note that it failed.

use super::blueprints::{self, parts_of};
use super::change::{Change, FirstUser, PROVISION, UPDATE, Wanted};
use super::governance::refused;
use super::landing::of;
use super::{names, reconciler, units};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, User, need};
use crate::ids::hex;
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, Transaction, Tx};
use crate::tenancy::{check_email, check_limit, check_name, seal};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::{self, Action, Actor, Governance};
use fleetproof_dataplane::organisation::onboarding::{ProductState, RecordState, Step};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(create_account))
        .routes(routes!(describe_create_account))
        .routes(routes!(provision))
        .routes(routes!(describe_product, update_product))
        .routes(routes!(describe_record))
}

/// The most onboardings of an organisation that are under way at once.
const MOST_UNDER_WAY: i64 = 1_000;

/// Somebody who shall be the admin of the tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct FirstUserPut {
    email: String,
    first_name: String,
    last_name: String,
    /// At least eight characters; without one nobody can log in until it is reset.
    password: Option<String>,
}

/// An account to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct CreateAccount {
    /// Unique in the organisation, also among closed accounts.
    email: String,
    account_name: String,
    /// The unit that it shall be in; the root unless given.
    parent_id: Option<String>,
    /// Who shall be its admin.
    first_user: FirstUserPut,
    /// The blueprint.
    product_id: String,
    /// Its version.
    provisioning_artifact_id: String,
    /// The home region unless given.
    #[serde(default)]
    regions: BTreeSet<String>,
    /// Whether it shall be in all governed regions.
    #[serde(default)]
    all_governed_regions: bool,
    /// A tier of the blueprint.
    tier: String,
    /// Instead of the tier's.
    device_limit: Option<i64>,
    /// A request that is repeated with it is the same request.
    idempotency_token: Option<String>,
}

/// A name and a value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    key: String,
    value: String,
}

/// A product to be made, in the words of the account factory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct ProvisionProduct {
    product_id: String,
    provisioning_artifact_id: String,
    provisioned_product_name: Option<String>,
    /// `AccountName`, `AccountEmail`, `ManagedOrganizationalUnit` (its id), `SSOUserEmail`, `SSOUserFirstName`,
    /// `SSOUserLastName`, `Tier`; also `Password`, `DeviceLimit`, `Regions` (with commas between, or `all`).
    provisioning_parameters: Vec<Parameter>,
    /// A request that is repeated with it is the same request.
    provision_token: Option<String>,
}

impl ProvisionProduct {
    fn into_account(self) -> Answer<CreateAccount> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for parameter in self.provisioning_parameters {
            if all.insert(parameter.key.clone(), parameter.value).is_some() {
                return Err(invalid(format!("{}: is given twice", parameter.key)));
            }
        }
        let mut need = |key: &str| all.remove(key).ok_or_else(|| invalid(format!("{key}: is missing")));
        let (account_name, email) = (need("AccountName")?, need("AccountEmail")?);
        let first_user = (need("SSOUserEmail")?, need("SSOUserFirstName")?, need("SSOUserLastName")?);
        let tier = need("Tier")?;
        let limit = all.remove("DeviceLimit").map(|text| text.parse());
        let device_limit = limit.transpose().map_err(|_| invalid("DeviceLimit: must be a number"))?;
        let regions = all.remove("Regions").unwrap_or_default();
        let all_governed_regions = regions == "all";
        let listed = regions.split(',').map(str::trim).filter(|region| !region.is_empty() && !all_governed_regions);
        let account = CreateAccount {
            email,
            account_name,
            parent_id: all.remove("ManagedOrganizationalUnit"),
            first_user: FirstUserPut {
                email: first_user.0,
                first_name: first_user.1,
                last_name: first_user.2,
                password: all.remove("Password"),
            },
            product_id: self.product_id,
            provisioning_artifact_id: self.provisioning_artifact_id,
            regions: listed.map(str::to_owned).collect(),
            all_governed_regions,
            tier,
            device_limit,
            idempotency_token: self.provision_token,
        };
        match all.into_keys().next() {
            Some(unknown) => Err(invalid(format!("{unknown}: there is no such parameter"))),
            None => Ok(account),
        }
    }
}

fn invalid(why: impl std::fmt::Display) -> Refusal {
    Refusal::bad_request(format!("InvalidParametersException: {why}"))
}

/// How far the creation of an account is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct CreateAccountStatus {
    id: String,
    account_name: String,
    /// `IN_PROGRESS`, `SUCCEEDED` or `FAILED`.
    state: &'static str,
    requested_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_timestamp: Option<String>,
    /// Once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'static str>,
}

/// The same, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OneCreateAccountStatus {
    create_account_status: CreateAccountStatus,
}

impl OneCreateAccountStatus {
    fn of(change: Change) -> Self {
        let over = change.state.is_over();
        let made = change.state == RecordState::Succeeded;
        Self {
            create_account_status: CreateAccountStatus {
                id: change.creation,
                account_name: change.wanted.name,
                state: change.state.creation().name(),
                requested_timestamp: rfc3339(change.created_at),
                completed_timestamp: over.then(|| rfc3339(change.updated_at)),
                account_id: change.account.filter(|_| made),
                failure_reason: change.reason.filter(|_| over).map(|reason| reason.name()),
            },
        }
    }
}

/// An error of a record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct RecordError {
    code: &'static str,
    description: String,
}

/// A change to a provisioned product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct RecordDetail {
    record_id: String,
    provisioned_product_id: String,
    provisioning_artifact_id: String,
    record_type: &'static str,
    /// `CREATED`, `IN_PROGRESS`, `IN_PROGRESS_IN_ERROR`, `SUCCEEDED` or `FAILED`.
    status: &'static str,
    record_errors: Vec<RecordError>,
    created_time: String,
    updated_time: String,
    /// How the creation of its account is asked about.
    create_account_request_id: String,
    /// The step that is next, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'static str>,
}

/// The same, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OneRecord {
    record_detail: RecordDetail,
}

impl OneRecord {
    fn of(change: Change) -> Self {
        let errors = change
            .reason
            .map(|reason| RecordError { code: reason.name(), description: change.why.clone().unwrap_or_default() });
        Self {
            record_detail: RecordDetail {
                record_id: change.id,
                provisioned_product_id: change.product,
                provisioning_artifact_id: change.version,
                record_type: if change.is_update { UPDATE } else { PROVISION },
                status: change.state.name(),
                record_errors: errors.into_iter().collect(),
                created_time: rfc3339(change.created_at),
                updated_time: rfc3339(change.updated_at),
                create_account_request_id: change.creation,
                next_step: (!change.state.is_over()).then(|| change.step.name()),
            },
        }
    }
}

/// What tells identical requests.
fn sameness(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The request that was made with this token, if there was one; 409 when that was another.
async fn repeated(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    token: Option<&str>,
    same: &str,
) -> Answer<Option<Change>> {
    let Some(token) = token.filter(|_| !app.defect(DefectId::IdempotencyTokenIgnored)) else { return Ok(None) };
    let sql = "select * from org_records where provider_id = $1 and token = $2 order by seq";
    let Some(row) = tx.first(sql, args![provider, token]).await? else { return Ok(None) };
    if row.text("same")? != same {
        return Err(Refusal::conflict("IdempotentParameterMismatchException: the token was used for another request"));
    }
    Ok(Some(Change::read(&row)?))
}

/// A token as it is kept: a request without one is like no other.
fn token_kept(app: &Platform, token: Option<String>, record: &str) -> String {
    token.filter(|_| !app.defect(DefectId::IdempotencyTokenIgnored)).unwrap_or_else(|| format!("none:{record}"))
}

fn check_token(token: Option<&str>) -> Answer<()> {
    let good = |token: &str| (1..=128).contains(&token.len()) && !token.contains(':');
    if token.is_none_or(good) { Ok(()) } else { Err(invalid("the token must have 1 to 128 characters and no colon")) }
}

/// Takes a request for an account on; the record of it.
async fn begin(app: &Platform, user: &User, asked: CreateAccount) -> Answer<Change> {
    check_name(&asked.account_name)?;
    check_token(asked.idempotency_token.as_deref())?;
    let first = &asked.first_user;
    let first_email = check_email(&first.email)?;
    check_name(&first.first_name)?;
    check_name(&first.last_name)?;
    let device_limit = asked.device_limit.map(check_limit).transpose()?;
    if asked.email.len() > 254 || asked.email.chars().any(char::is_control) {
        return Err(invalid("Email: must have at most 254 characters"));
    }
    let password = first.password.clone().unwrap_or_default();
    let regions_text = asked.regions.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let same = sameness(&[
        &asked.email,
        &asked.account_name,
        asked.parent_id.as_deref().unwrap_or_default(),
        &first_email,
        &first.first_name,
        &first.last_name,
        &password,
        &asked.product_id,
        &asked.provisioning_artifact_id,
        &regions_text,
        &asked.all_governed_regions.to_string(),
        &asked.tier,
        &format!("{device_limit:?}"),
    ]);
    let mut tx = app.begin().await?;
    if let Some(change) = repeated(app, &mut tx, &user.tenant, asked.idempotency_token.as_deref(), &same).await? {
        app.commit(tx).await?;
        return Ok(change);
    }
    drop(tx);
    // Sealing is slow on purpose: never inside a transaction.
    let sealed = match &first.password {
        Some(password) => seal(app, password)?,
        None => seal(app, &hex(&app.ids().bytes::<24>()))?,
    };
    let mut tx = app.begin().await?;
    // Somebody may have come between with the same token.
    if let Some(change) = repeated(app, &mut tx, &user.tenant, asked.idempotency_token.as_deref(), &same).await? {
        app.commit(tx).await?;
        return Ok(change);
    }
    let organisation = of(&mut tx, &user.tenant).await?;
    let unit = asked.parent_id.clone().unwrap_or_else(|| organisation.root.clone());
    let tree = units::load(&mut tx, &user.tenant, 0).await?;
    if !tree.has(&unit) {
        return Err(units::unknown());
    }
    let regions = match (asked.all_governed_regions, asked.regions.is_empty()) {
        (true, true) => organisation.governed.clone(),
        (true, false) => return Err(invalid("Regions: give some, or AllGovernedRegions, not both")),
        (false, true) => [organisation.home.clone()].into(),
        (false, false) => asked.regions.clone(),
    };
    let governance = Governance { in_force: tree.in_force(&unit), governed: organisation.governed.clone() };
    for region in &regions {
        if !fleetproof_dataplane::organisation::is_region(region) || regions.len() > 32 {
            return Err(invalid("Regions: give at most 32 like eu-central-1"));
        }
        controls::allows(&governance, Actor::Management, Action::UseRegion, Some(region)).map_err(refused)?;
    }
    let version =
        blueprints::version(&mut tx, &user.tenant, &asked.product_id, &asked.provisioning_artifact_id).await?;
    if !version.truth("active")? && !app.defect(DefectId::WithdrawnBlueprintAccepted) {
        return Err(Refusal::conflict("InvalidStateException: this version of the product was withdrawn"));
    }
    let version = version.text("id")?;
    if parts_of(&mut tx, &version).await?.tier(&asked.tier).is_none() {
        return Err(invalid("Tier: the blueprint has no such tier"));
    }
    let taken = "select count(*) as n from tenants where parent_id = $1 and name = $2";
    if tx.number(taken, args![&user.tenant, &asked.account_name]).await? > 0 {
        return Err(Refusal::conflict("DuplicateAccountException: an account of this name is open"));
    }
    let busy = "select count(*) as n from org_records where provider_id = $1 and due_at is not null";
    if tx.number(busy, args![&user.tenant]).await? >= MOST_UNDER_WAY {
        return Err(Refusal::throttled(Some(60)));
    }
    if app.defect(DefectId::AccountEmailCheckThenAct) {
        let taken = "select count(*) as n from org_emails where provider_id = $1 and email = $2";
        if tx.number(taken, args![&user.tenant, asked.email.to_lowercase()]).await? > 0 {
            return Err(Refusal::conflict("EMAIL_ALREADY_EXISTS: the e-mail is an account's"));
        }
    }
    let wanted = Wanted {
        name: asked.account_name,
        email: asked.email,
        unit,
        regions,
        tier: asked.tier,
        device_limit,
        first_user: FirstUser {
            email: first_email,
            first_name: asked.first_user.first_name,
            last_name: asked.first_user.last_name,
            sealed,
        },
    };
    let (record, product) = (names::draw(app, "rec"), names::draw(app, "pp"));
    let sql = "insert into org_products (id, provider_id, blueprint_id, version_id, name, status, last_record, \
               created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let status = ProductState::UnderChange.name();
    let args = args![&product, &user.tenant, &asked.product_id, &version, &wanted.name, status, &record, app.now_ms()];
    tx.execute(sql, args).await?;
    let new = NewChange {
        id: &record,
        kind: PROVISION,
        product: &product,
        version: &version,
        token: token_kept(app, asked.idempotency_token, &record),
        same: &same,
        wanted: &wanted,
        step: Step::Reserve,
        due_at: Some(app.now_ms() + Step::Reserve.takes_ms()),
        roll: None,
        account: None,
        tenant: None,
    };
    let change = insert_change(app, &mut tx, user, &new).await?;
    app.commit(tx).await?;
    Ok(change)
}

/// A change to be.
pub(super) struct NewChange<'a> {
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) product: &'a str,
    pub(super) version: &'a str,
    pub(super) token: String,
    pub(super) same: &'a str,
    pub(super) wanted: &'a Wanted,
    pub(super) step: Step,
    pub(super) due_at: Option<u64>,
    pub(super) roll: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
}

/// Writes a change that waits for its first step.
pub(super) async fn insert_change(
    app: &Platform,
    tx: &mut Transaction,
    user: &User,
    new: &NewChange<'_>,
) -> Answer<Change> {
    let wanted = serde_json::to_string(new.wanted).map_err(Refusal::internal)?;
    let written = tx.execute(
        "insert into org_records (id, provider_id, kind, product_id, version_id, creation, token, same, wanted, state, \
         step, tries, due_at, roll, account_id, tenant_id, actor_id, actor_email, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14, $15, $16, $17, $18, $18) \
         on conflict do nothing",
        args![
            new.id,
            &user.tenant,
            new.kind,
            new.product,
            new.version,
            names::draw(app, "car"),
            &new.token,
            new.same,
            wanted,
            RecordState::Created.name(),
            new.step.name(),
            new.due_at,
            new.roll,
            new.account,
            new.tenant,
            &user.id,
            &user.email,
            app.now_ms()
        ],
    )
    .await?;
    if written == 0 {
        // On a server somebody with the same token can come between the look and this.
        return Err(Refusal::conflict("ConcurrentModificationException: the same request is being taken; repeat it"));
    }
    record(tx, &user.tenant, new.id).await
}

async fn record(tx: &mut Transaction, provider: &str, id: &str) -> Answer<Change> {
    let sql = "select * from org_records where provider_id = $1 and id = $2 order by seq";
    let none = || Refusal::not_found("ResourceNotFoundException: there is no such record");
    Ok(Change::read(&tx.first(sql, args![provider, id]).await?.ok_or_else(none)?)?)
}

/// Create an account from a blueprint. It is made while you wait elsewhere: ask `DescribeCreateAccountStatus`.
#[utoipa::path(post, path = "/api/management/v1/organization/accounts", operation_id = "CreateAccount",
    tag = "organization", request_body = CreateAccount,
    responses((status = 202, description = "It is being made.", body = OneCreateAccountStatus),
        (status = 403, description = "A region that is not governed."), (status = 404, description = "No such unit or blueprint."),
        (status = 409, description = "The blueprint was withdrawn, the name is taken, or the token is another request's."),
        (status = 422, description = "The password is too short.")),
    security(("user" = [])))]
async fn create_account(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(asked): Body<CreateAccount>,
) -> Answer<(StatusCode, Json<OneCreateAccountStatus>)> {
    reconciler::advance(&app).await?;
    let change = begin(&app, &user, asked).await?;
    Ok((StatusCode::ACCEPTED, Json(OneCreateAccountStatus::of(change))))
}

/// How far the creation of an account is.
#[utoipa::path(get, path = "/api/management/v1/organization/create-account-status/{id}",
    operation_id = "DescribeCreateAccountStatus", tag = "organization",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, description = "How far.", body = OneCreateAccountStatus), (status = 404, description = "No such request.")),
    security(("user" = [])))]
async fn describe_create_account(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<Json<OneCreateAccountStatus>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let sql = "select * from org_records where provider_id = $1 and creation = $2 and kind = $3 order by seq";
    let none = || Refusal::not_found("CreateAccountStatusNotFoundException: there is no such request");
    let row = tx.first(sql, args![&user.tenant, &id, PROVISION]).await?.ok_or_else(none)?;
    app.commit(tx).await?;
    Ok(Json(OneCreateAccountStatus::of(Change::read(&row)?)))
}

/// Make a product of the catalogue: an account, in the words of the account factory.
#[utoipa::path(post, path = "/api/management/v1/organization/provisioned-products", operation_id = "ProvisionProduct",
    tag = "organization", request_body = ProvisionProduct,
    responses((status = 202, description = "It is being made.", body = OneRecord),
        (status = 403, description = "A region that is not governed."), (status = 404, description = "No such unit or blueprint."),
        (status = 409, description = "The blueprint was withdrawn, the name is taken, or the token is another request's."),
        (status = 422, description = "The password is too short.")),
    security(("user" = [])))]
async fn provision(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(asked): Body<ProvisionProduct>,
) -> Answer<(StatusCode, Json<OneRecord>)> {
    reconciler::advance(&app).await?;
    if let Some(name) = &asked.provisioned_product_name {
        check_name(name)?;
    }
    let change = begin(&app, &user, asked.into_account()?).await?;
    Ok((StatusCode::ACCEPTED, Json(OneRecord::of(change))))
}

/// A change to a provisioned product.
#[utoipa::path(get, path = "/api/management/v1/organization/records/{id}", operation_id = "DescribeRecord",
    tag = "organization", params(("id" = String, Path, description = "The record.")),
    responses((status = 200, description = "The record.", body = OneRecord), (status = 404, description = "No such record.")),
    security(("user" = [])))]
async fn describe_record(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<Json<OneRecord>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let change = record(&mut tx, &user.tenant, &id).await?;
    app.commit(tx).await?;
    Ok(Json(OneRecord::of(change)))
}

/// What was made of a blueprint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct ProvisionedProductDetail {
    id: String,
    name: String,
    /// `AVAILABLE`, `UNDER_CHANGE`, `TAINTED` (its last change failed, the version before serves) or `ERROR` (it could not
    /// be made, or its account was closed).
    status: String,
    product_id: String,
    /// The version that serves.
    provisioning_artifact_id: String,
    last_record_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    created_time: String,
}

/// The same, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OneProvisionedProduct {
    provisioned_product_detail: ProvisionedProductDetail,
}

pub(super) async fn product(tx: &mut Transaction, provider: &str, id: &str) -> Answer<Row> {
    let sql = "select * from org_products where provider_id = $1 and id = $2 order by id";
    let none = || Refusal::not_found("ResourceNotFoundException: there is no such provisioned product");
    tx.first(sql, args![provider, id]).await?.ok_or_else(none)
}

/// What was made of a blueprint.
#[utoipa::path(get, path = "/api/management/v1/organization/provisioned-products/{id}",
    operation_id = "DescribeProvisionedProduct", tag = "organization",
    params(("id" = String, Path, description = "The provisioned product.")),
    responses((status = 200, description = "How it is.", body = OneProvisionedProduct), (status = 404, description = "No such product.")),
    security(("user" = [])))]
async fn describe_product(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<Json<OneProvisionedProduct>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let row = product(&mut tx, &user.tenant, &id).await?;
    app.commit(tx).await?;
    let detail = ProvisionedProductDetail {
        id,
        name: row.text("name")?,
        status: row.text("status")?,
        product_id: row.text("blueprint_id")?,
        provisioning_artifact_id: row.text("version_id")?,
        last_record_id: row.text("last_record")?,
        account_id: row.maybe_text("account_id")?,
        created_time: rfc3339(row.time("created_at")?),
    };
    Ok(Json(OneProvisionedProduct { provisioned_product_detail: detail }))
}

/// What shall be different about a provisioned product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct UpdateProvisionedProduct {
    /// The version to put onto it.
    provisioning_artifact_id: String,
    /// A request that is repeated with it is the same request.
    update_token: Option<String>,
}

/// Put another version of its blueprint onto an account.
#[utoipa::path(put, path = "/api/management/v1/organization/provisioned-products/{id}",
    operation_id = "UpdateProvisionedProduct", tag = "organization",
    params(("id" = String, Path, description = "The provisioned product.")), request_body = UpdateProvisionedProduct,
    responses((status = 202, description = "It is under change.", body = OneRecord),
        (status = 404, description = "No such product or version."),
        (status = 409, description = "It is under change, could not be made, the version was withdrawn, or the token is another request's.")),
    security(("user" = [])))]
async fn update_product(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(asked): Body<UpdateProvisionedProduct>,
) -> Answer<(StatusCode, Json<OneRecord>)> {
    check_token(asked.update_token.as_deref())?;
    reconciler::advance(&app).await?;
    let same = sameness(&[&id, &asked.provisioning_artifact_id]);
    let mut tx = app.begin().await?;
    if let Some(change) = repeated(&app, &mut tx, &user.tenant, asked.update_token.as_deref(), &same).await? {
        app.commit(tx).await?;
        return Ok((StatusCode::ACCEPTED, Json(OneRecord::of(change))));
    }
    let row = product(&mut tx, &user.tenant, &id).await?;
    let blueprint = row.text("blueprint_id")?;
    let version = blueprints::version(&mut tx, &user.tenant, &blueprint, &asked.provisioning_artifact_id).await?;
    if !version.truth("active")? && !app.defect(DefectId::WithdrawnBlueprintAccepted) {
        return Err(Refusal::conflict("InvalidStateException: this version of the product was withdrawn"));
    }
    let record = names::draw(&app, "rec");
    let first = super::rolls::first_step();
    let due_at = Some(app.now_ms() + first.takes_ms());
    let token = token_kept(&app, asked.update_token, &record);
    let update =
        super::rolls::Update { record: &record, version: &version.text("id")?, token, same: &same, due_at, roll: None };
    let change = super::rolls::put_on(&app, &mut tx, &user, &row, update).await?;
    app.commit(tx).await?;
    Ok((StatusCode::ACCEPTED, Json(OneRecord::of(change))))
}
