//! Accounts: those that are there, how a tenant becomes one, and how one is closed.

use super::change::Change;
use super::landing::{Organisation, find, of};
use super::listing::Window;
use super::units::{self, note};
use super::{names, reconciler};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::store::{Row, StoreError, Transaction, Tx};
use crate::tenancy::remove_tenant;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::AccountKind;
use fleetproof_dataplane::organisation::onboarding::{FailureReason, ProductState};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_for_parent))
        .routes(routes!(describe))
        .routes(routes!(move_account))
        .routes(routes!(close))
}

/// An account to be.
#[derive(Debug)]
pub(super) struct NewAccount<'a> {
    pub(super) provider: &'a str,
    pub(super) tenant: Option<&'a str>,
    pub(super) kind: AccountKind,
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    pub(super) unit: &'a str,
    pub(super) state: &'a str,
    pub(super) joined: &'a str,
}

/// How often another id is drawn when somebody has it.
const DRAWS: usize = 16;

/// Writes the row of an account; its id.
pub(super) async fn insert(app: &Platform, tx: &mut Transaction, new: &NewAccount<'_>) -> Answer<String> {
    // A tenant has its account's number already.
    let known = match new.tenant {
        Some(tenant) => registry::number_of(tx, tenant).await?,
        None => None,
    };
    for _ in 0..DRAWS {
        let id = known.clone().unwrap_or_else(|| app.ids().account());
        if tx.number("select count(*) as n from org_accounts where id = $1", args![&id]).await? > 0
            || known.is_none() && registry::is_taken(tx, &id).await?
        {
            continue;
        }
        tx.execute(
            "insert into org_accounts (id, provider_id, tenant_id, kind, name, email, unit_id, state, audit_on, \
             joined_method, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
            args![
                &id,
                new.provider,
                new.tenant,
                new.kind.name(),
                new.name,
                new.email,
                new.unit,
                new.state,
                new.joined,
                app.now_ms()
            ],
        )
        .await?;
        return Ok(id);
    }
    Err(Refusal::internal("no free account id was found"))
}

/// Takes a place below the account limit; whether there was one.
pub(super) async fn take_place(tx: &mut Transaction, provider: &str) -> Result<bool, StoreError> {
    let sql = "update organisations set accounts_used = accounts_used + 1 \
               where provider_id = $1 and accounts_used < account_limit";
    Ok(tx.execute(sql, args![provider]).await? == 1)
}

/// Gives a place back.
pub(super) async fn give_place(tx: &mut Transaction, provider: &str) -> Result<(), StoreError> {
    let sql = "update organisations set accounts_used = accounts_used - 1 where provider_id = $1";
    tx.execute(sql, args![provider]).await?;
    Ok(())
}

/// Takes an e-mail; whether it was free.
pub(super) async fn take_email(tx: &mut Transaction, provider: &str, email: &str) -> Result<bool, StoreError> {
    let sql = "insert into org_emails (provider_id, email) values ($1, $2) on conflict do nothing";
    Ok(tx.execute(sql, args![provider, email]).await? == 1)
}

/// A child that was founded as a tenant becomes an account, in the same transaction. 409 when the e-mail is an account's,
/// 422 when there are as many accounts as there may be. Nothing happens where the provider has no organisation.
pub(crate) async fn adopt(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    tenant: &str,
    name: &str,
    email: &str,
) -> Answer<()> {
    let Some(organisation) = find(tx, provider).await? else { return Ok(()) };
    if !take_place(tx, provider).await? {
        let told = "ACCOUNT_LIMIT_EXCEEDED: the organisation has as many accounts as it may";
        return Err(Refusal::unprocessable(told));
    }
    adopt_into(app, tx, &organisation, tenant, name, Some(email)).await
}

/// The same, for a tenant whose place is taken already. Without an e-mail it gets one that nobody has.
pub(super) async fn adopt_into(
    app: &Platform,
    tx: &mut Transaction,
    organisation: &Organisation,
    tenant: &str,
    name: &str,
    email: Option<&str>,
) -> Answer<()> {
    let own = format!("tenant-{tenant}@{}.invalid", organisation.id);
    let email = email.unwrap_or(&own);
    if !take_email(tx, &organisation.provider, email).await? {
        return Err(Refusal::conflict("EMAIL_ALREADY_EXISTS: the e-mail is an account's, perhaps a closed one's"));
    }
    let new = NewAccount {
        provider: &organisation.provider,
        tenant: Some(tenant),
        kind: AccountKind::Tenant,
        name,
        email,
        unit: &organisation.root,
        state: "ACTIVE",
        joined: "INVITED",
    };
    let account = insert(app, tx, &new).await?;
    tx.execute("update org_accounts set audit_on = 1 where id = $1", args![&account]).await?;
    let region = "insert into org_regions (account_id, region, endpoint) values ($1, $2, $3)";
    registry::settle_account(tx, tenant, &account, &[organisation.home.as_str()]).await?;
    let endpoint = registry::host_in(app, tx, tenant, &organisation.home).await?;
    tx.execute(region, args![&account, &organisation.home, endpoint]).await?;
    Ok(())
}

/// A tenant is going: its account is closed, or, half-made, is gone without a trace. In the transaction that removes it.
pub(crate) async fn left(app: &Platform, tx: &mut Transaction, tenant: &str) -> Answer<()> {
    let sql = "select id, provider_id, email, state from org_accounts where tenant_id = $1 order by id";
    let Some(account) = tx.first(sql, args![tenant]).await? else { return Ok(()) };
    let (id, provider) = (account.text("id")?, account.text("provider_id")?);
    let sql = "select * from org_records where account_id = $1 and state not in ('SUCCEEDED', 'FAILED') order by seq";
    for row in tx.query(sql, args![&id]).await? {
        let change = Change::read(&row)?;
        let why = "the account was removed meanwhile";
        change.fail(tx, FailureReason::ConcurrentAccountModification, why, app.now_ms()).await?;
    }
    let error = "update org_products set status = $2 where account_id = $1";
    tx.execute(error, args![&id, ProductState::Error.name()]).await?;
    if account.text("state")? == "PENDING_ACTIVATION" {
        return forget(tx, &provider, &id, &account.text("email")?).await.map_err(Into::into);
    }
    tx.execute("update org_accounts set state = 'CLOSED' where id = $1", args![&id]).await?;
    tx.execute("update org_regions set trusts = null where account_id = $1", args![&id]).await?;
    if app.defect(DefectId::ClosedAccountFreesEmail) {
        let free = "delete from org_emails where provider_id = $1 and email = $2";
        tx.execute(free, args![&provider, account.text("email")?]).await?;
    }
    give_place(tx, &provider).await?;
    Ok(())
}

/// Removes a half-made account: place and e-mail are free again.
pub(super) async fn forget(tx: &mut Transaction, provider: &str, id: &str, email: &str) -> Result<(), StoreError> {
    tx.execute("update org_products set account_id = null where account_id = $1", args![id]).await?;
    tx.execute("update org_records set account_id = null, tenant_id = null where account_id = $1", args![id]).await?;
    tx.execute("delete from org_regions where account_id = $1", args![id]).await?;
    tx.execute("delete from org_accounts where id = $1", args![id]).await?;
    tx.execute("delete from org_emails where provider_id = $1 and email = $2", args![provider, email]).await?;
    give_place(tx, provider).await
}

/// A region of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RegionShown {
    pub(super) region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    /// Whether the lobby's role is granted here.
    pub(super) trusted: bool,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccountShown {
    pub(super) id: String,
    arn: String,
    name: String,
    email: String,
    /// `PENDING_ACTIVATION`, `ACTIVE` or `CLOSED`.
    state: String,
    joined_method: String,
    joined_timestamp: String,
    /// `MANAGEMENT`, `LOG_ARCHIVE`, `AUDIT`, `LOBBY` or `TENANT`.
    kind: String,
    /// The unit, or the root.
    parent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    /// The version of the blueprint that it was made from, or updated to.
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioning_artifact_id: Option<String>,
    audit_trail: bool,
    regions: Vec<RegionShown>,
}

/// An account with its regions; one that is not open tells no endpoint.
pub(super) async fn shown(tx: &mut Transaction, organisation: &Organisation, row: &Row) -> Answer<AccountShown> {
    let (id, state) = (row.text("id")?, row.text("state")?);
    let mut regions = Vec::new();
    let sql = "select region, endpoint, trusts from org_regions where account_id = $1 order by region";
    for region in tx.query(sql, args![&id]).await? {
        let endpoint = region.maybe_text("endpoint")?.filter(|_| state == "ACTIVE");
        let trusted = region.maybe_text("trusts")?.is_some();
        regions.push(RegionShown { region: region.text("region")?, endpoint, trusted });
    }
    Ok(AccountShown {
        arn: names::account_arn(&organisation.provider, &organisation.id, &id),
        name: row.text("name")?,
        email: row.text("email")?,
        state,
        joined_method: row.text("joined_method")?,
        joined_timestamp: rfc3339(row.time("created_at")?),
        kind: row.text("kind")?,
        parent_id: row.text("unit_id")?,
        tenant_id: row.maybe_text("tenant_id")?,
        tier: row.maybe_text("tier")?,
        provisioning_artifact_id: row.maybe_text("blueprint")?,
        audit_trail: row.truth("audit_on")?,
        regions,
        id,
    })
}

/// Accounts, as AWS wraps them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Accounts {
    accounts: Vec<AccountShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// An account, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OneAccount {
    account: AccountShown,
}

/// An account of the caller's organisation; 404 for everything else, also for what never existed.
pub(super) async fn known(tx: &mut Transaction, provider: &str, id: &str) -> Answer<Row> {
    let sql = "select * from org_accounts where provider_id = $1 and id = $2 order by id";
    let none = || Refusal::not_found("AccountNotFoundException: there is no such account in the organisation");
    tx.first(sql, args![provider, id]).await?.ok_or_else(none)
}

async fn listed(app: &Platform, provider: &str, unit: Option<&str>, params: &Params) -> Answer<Json<Accounts>> {
    let window = Window::read(params)?;
    reconciler::advance(app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, provider).await?;
    if let Some(unit) = unit {
        units::known(&mut tx, provider, unit).await?;
    }
    let sql = "select * from org_accounts where provider_id = $1 and ($2 = '' or unit_id = $2) and id > $3 \
               order by id limit $4";
    let rows = tx.query(sql, args![provider, unit.unwrap_or_default(), &window.after, window.limit()]).await?;
    let (rows, next_token) = window.cut(rows, |row| row.text("id").unwrap_or_default());
    let mut accounts = Vec::with_capacity(rows.len());
    for row in &rows {
        accounts.push(shown(&mut tx, &organisation, row).await?);
    }
    app.commit(tx).await?;
    Ok(Json(Accounts { accounts, next_token }))
}

/// The accounts of the organisation, closed ones too.
#[utoipa::path(get, path = "/api/management/v1/organization/accounts", operation_id = "ListAccounts",
    tag = "organization",
    params(("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The accounts.", body = Accounts), (status = 404, description = "No organisation.")),
    security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::Children>, params: Params) -> Answer<Json<Accounts>> {
    listed(&app, &user.tenant, None, &params).await
}

/// The accounts right below a unit.
#[utoipa::path(get, path = "/api/management/v1/organization/parents/{id}/accounts",
    operation_id = "ListAccountsForParent", tag = "organization",
    params(("id" = String, Path, description = "The unit, or the root."),
        ("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The accounts.", body = Accounts), (status = 404, description = "No such unit.")),
    security(("user" = [])))]
async fn list_for_parent(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    params: Params,
) -> Answer<Json<Accounts>> {
    listed(&app, &user.tenant, Some(&id), &params).await
}

/// An account.
#[utoipa::path(get, path = "/api/management/v1/organization/accounts/{id}", operation_id = "DescribeAccount",
    tag = "organization", params(("id" = String, Path, description = "The account.")),
    responses((status = 200, description = "The account.", body = OneAccount), (status = 404, description = "No such account.")),
    security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<Json<OneAccount>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    let row = known(&mut tx, &user.tenant, &id).await?;
    let account = shown(&mut tx, &organisation, &row).await?;
    app.commit(tx).await?;
    Ok(Json(OneAccount { account }))
}

/// From where to where an account moves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Move {
    source_parent_id: String,
    destination_parent_id: String,
}

/// Move an account to another unit. The controls there hold at once.
#[utoipa::path(post, path = "/api/management/v1/organization/accounts/{id}/move", operation_id = "MoveAccount",
    tag = "organization", params(("id" = String, Path, description = "The account.")), request_body = Move,
    responses((status = 204, description = "It is there."), (status = 404, description = "No such account or unit."),
        (status = 409, description = "It is not where it shall be moved from.")),
    security(("user" = [])))]
async fn move_account(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(to): Body<Move>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    known(&mut tx, &user.tenant, &id).await?;
    units::known(&mut tx, &user.tenant, &to.source_parent_id).await?;
    units::known(&mut tx, &user.tenant, &to.destination_parent_id).await?;
    let sql = "update org_accounts set unit_id = $3 where id = $1 and unit_id = $2";
    if tx.execute(sql, args![&id, &to.source_parent_id, &to.destination_parent_id]).await? == 0 {
        return Err(Refusal::conflict("SourceParentNotFoundException: the account is in another unit"));
    }
    let change = format!("moved account {id}: {} -> {}", to.source_parent_id, to.destination_parent_id);
    note(&app, &mut tx, &user, "update", change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Close an account: its people and devices are shut out, its data is gone, its limit goes back to the pool. Its logs stay, and
/// so does its e-mail. Half-made, it is undone.
#[utoipa::path(post, path = "/api/management/v1/organization/accounts/{id}/close", operation_id = "CloseAccount",
    tag = "organization", params(("id" = String, Path, description = "The account.")),
    responses((status = 204, description = "It is closed."), (status = 404, description = "No such account."),
        (status = 409, description = "It is closed already, or the organisation needs it.")),
    security(("user" = [])))]
async fn close(State(app): State<Platform>, user: Can<need::Children>, At(id): At<String>) -> Answer<StatusCode> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    let account = known(&mut tx, &user.tenant, &id).await?;
    if account.text("kind")? != AccountKind::Tenant.name() {
        return Err(Refusal::conflict("ConstraintViolationException: the organisation needs this account"));
    }
    if account.text("state")? == "CLOSED" {
        return Err(Refusal::conflict("AccountAlreadyClosedException: the account is closed"));
    }
    let Some(tenant) = account.maybe_text("tenant_id")? else {
        // Reserved, and no tenant yet: the reconciler is between two steps.
        let busy = "ConcurrentModificationException: the account is being made; ask again when it is ACTIVE";
        return Err(Refusal::conflict(busy));
    };
    let sql = "select * from tenants where id = $1 order by id";
    let row = tx.first(sql, args![&tenant]).await?;
    let row = row.ok_or_else(|| Refusal::internal("an open account has no tenant"))?;
    note(&app, &mut tx, &user, "delete", format!("closed account {id} (tenant {tenant})")).await?;
    let files = remove_tenant(&app, &mut tx, &row).await?;
    files.commit_without(&app, tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
