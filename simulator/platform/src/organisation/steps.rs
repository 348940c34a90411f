//! What each step of an onboarding does, and how all of them are undone.
//!
//! Done twice, a step does what it did once. Refusals of the platform become AWS's reasons here.

use super::accounts::{NewAccount, forget, insert, take_email, take_place};
use super::blueprints::parts_of;
use super::change::Change;
use super::landing::{Organisation, of};
use super::{ONBOARDING, drift, governance, names, units};
use crate::Platform;
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::rights::PERMIT_ALL;
use crate::store::{Row, StoreError, Transaction, Tx};
use crate::tenancy::{Draft, Files, carve, check_email, insert_account, insert_tenant, join, remove_tenant, set_limit};
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::AccountKind;
use fleetproof_dataplane::organisation::blueprint::{Parts, Tier};
use fleetproof_dataplane::organisation::controls::{self, Action, Actor as Hand};
use fleetproof_dataplane::organisation::onboarding::{FailureReason, ProductState, Step};
use serde_json::{Value, json};

/// Why a step did not come about.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was refused or broke: the onboarding fails, perhaps.
    Failed(FailureReason, String),
    /// The database broke: nothing is known, and nothing noted.
    Database(Refusal),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        if refusal.status == StatusCode::INTERNAL_SERVER_ERROR {
            return Self::Database(refusal);
        }
        Self::Failed(FailureReason::ConcurrentAccountModification, refusal.message.into_owned())
    }
}

fn failed<T>(reason: FailureReason, why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Failed(reason, why.into()))
}

/// Does the step that the change is at.
pub(super) async fn perform(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let organisation = of(tx, &change.provider).await?;
    match change.step {
        Step::Reserve => reserve(app, tx, change).await,
        Step::Tenant => make_tenant(app, tx, change).await,
        Step::Endpoint => make_endpoints(app, tx, change).await,
        Step::DevicePolicy => {
            let policy = parts_of(tx, &change.version).await?.default_device_policy.to_string();
            let sql = "update org_accounts set device_policy = $2 where id = $1";
            tx.execute(sql, args![account(change)?, policy]).await?;
            Ok(())
        }
        Step::Trust => grant_trust(app, tx, change, &organisation).await,
        Step::AuditTrail => {
            tx.execute("update org_accounts set audit_on = 1 where id = $1", args![account(change)?]).await?;
            Ok(())
        }
        Step::Quotas => set_quotas(app, tx, change, &change.version).await,
        Step::Application => {
            let application = parts_of(tx, &change.version).await?.application;
            let text = serde_json::to_string(&application).map_err(Refusal::internal)?;
            let sql = "update org_accounts set application = $2 where id = $1";
            tx.execute(sql, args![account(change)?, text]).await?;
            Ok(())
        }
        Step::FirstUser => first_user(app, tx, change).await,
        Step::Open => open(app, tx, change, &organisation).await,
    }
}

/// The account that the change is about; there is one after the first step.
fn account(change: &Change) -> Result<&str, Trouble> {
    let none = || Trouble::Failed(FailureReason::InternalFailure, "the account has no id".to_owned());
    change.account.as_deref().ok_or_else(none)
}

fn tenant(change: &Change) -> Result<&str, Trouble> {
    let none = || Trouble::Failed(FailureReason::InternalFailure, "the account has no tenant".to_owned());
    change.tenant.as_deref().ok_or_else(none)
}

async fn reserve(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let (wanted, provider) = (&change.wanted, change.provider.as_str());
    let Ok(email) = check_email(&wanted.email) else {
        return failed(FailureReason::InvalidEmail, "the account's e-mail must be a valid address");
    };
    let active = "select count(*) as n from org_versions where id = $1 and provider_id = $2 and active = 1";
    if tx.number(active, args![&change.version, provider]).await? == 0
        && !app.defect(DefectId::WithdrawnBlueprintAccepted)
    {
        return failed(FailureReason::ConcurrentAccountModification, "the blueprint was withdrawn meanwhile");
    }
    units::known(tx, provider, &wanted.unit).await?;
    // With the seeded defect it was looked at when it was asked for, and no more.
    if !take_email(tx, provider, &email).await? && !app.defect(DefectId::AccountEmailCheckThenAct) {
        return failed(FailureReason::EmailAlreadyExists, "the e-mail is an account's, perhaps a closed one's");
    }
    if !take_place(tx, provider).await? {
        return failed(FailureReason::AccountLimitExceeded, "the organisation has as many accounts as it may");
    }
    let new = NewAccount {
        provider,
        tenant: None,
        kind: AccountKind::Tenant,
        name: &wanted.name,
        email: &email,
        unit: &wanted.unit,
        state: "PENDING_ACTIVATION",
        joined: "CREATED",
    };
    let id = insert(app, tx, &new).await?;
    let tier = "update org_accounts set tier = $2, blueprint = $3 where id = $1";
    tx.execute(tier, args![&id, &wanted.tier, &change.version]).await?;
    tx.execute("update org_records set account_id = $2 where id = $1", args![&change.id, &id]).await?;
    tx.execute("update org_products set account_id = $2 where id = $1", args![&change.product, &id]).await?;
    Ok(())
}

/// The tenant is made by the code that makes every tenant, and shut in the same transaction.
async fn make_tenant(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let account = account(change)?;
    let parts = parts_of(tx, &change.version).await?;
    let limit = limit_of(app, &parts, change)?;
    if let Err(refusal) = carve(tx, &change.provider, 0, limit).await {
        if refusal.status == StatusCode::INTERNAL_SERVER_ERROR {
            return Err(Trouble::Database(refusal));
        }
        return failed(FailureReason::AccountLimitExceeded, refusal.message);
    }
    let draft = Draft { name: &change.wanted.name, limit, provider: false, parent: Some(&change.provider) };
    let (tenant, _) = insert_tenant(app, tx, &draft).await?;
    let regions: Vec<&str> = change.wanted.regions.iter().map(String::as_str).collect();
    registry::settle_account(tx, &tenant, account, &regions).await?;
    if app.defect(DefectId::HalfMadeAccountAnswers) {
        tx.execute("update org_accounts set state = 'ACTIVE' where id = $1", args![account]).await?;
    } else {
        tx.execute("update tenants set status = $2 where id = $1", args![&tenant, ONBOARDING]).await?;
    }
    tx.execute("update org_accounts set tenant_id = $2 where id = $1", args![account, &tenant]).await?;
    tx.execute("update org_records set tenant_id = $2 where id = $1", args![&change.id, &tenant]).await?;
    Ok(())
}

/// Which tier's quotas the account gets.
fn tier_of<'a>(app: &Platform, parts: &'a Parts, change: &Change) -> Result<&'a Tier, Trouble> {
    let wanted = change.wanted.tier.as_str();
    if app.defect(DefectId::QuotasOfAnotherTier)
        && let Some(other) = parts.tiers.iter().find(|tier| tier.name != wanted)
    {
        return Ok(other);
    }
    let none = || Trouble::Failed(FailureReason::ConcurrentAccountModification, format!("there is no tier {wanted}"));
    parts.tier(wanted).ok_or_else(none)
}

fn limit_of(app: &Platform, parts: &Parts, change: &Change) -> Result<i64, Trouble> {
    let tier = tier_of(app, parts, change)?;
    Ok(change.wanted.device_limit.unwrap_or(tier.device_limit))
}

async fn make_endpoints(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let account = account(change)?;
    for region in &change.wanted.regions {
        let is_last = change.wanted.regions.last() == Some(region);
        let owner = "select tenant_id from org_accounts where id = $1 order by id";
        let owner =
            tx.first(owner, args![account]).await?.map(|row| row.maybe_text("tenant_id")).transpose()?.flatten();
        let endpoint = match owner {
            Some(_) if is_last && app.defect(DefectId::EndpointForgotten) => None,
            Some(tenant) => registry::host_in(app, tx, &tenant, region).await?,
            None => None,
        };
        let sql = "insert into org_regions (account_id, region, endpoint) values ($1, $2, $3) on conflict do nothing";
        tx.execute(sql, args![account, region, endpoint]).await?;
    }
    Ok(())
}

async fn grant_trust(
    app: &Platform,
    tx: &mut Transaction,
    change: &Change,
    organisation: &Organisation,
) -> Result<(), Trouble> {
    let account = account(change)?;
    let sql = "select region, external_id from org_regions where account_id = $1 order by region";
    for row in tx.query(sql, args![account]).await? {
        let shared = app.defect(DefectId::ExternalIdShared);
        let drawn = if shared { "123ABC".to_owned() } else { names::external_id(app) };
        let external_id = row.maybe_text("external_id")?.unwrap_or(drawn);
        let sql = "update org_regions set trusts = $3, external_id = $4 where account_id = $1 and region = $2";
        tx.execute(sql, args![account, row.text("region")?, &organisation.lobby, external_id]).await?;
    }
    Ok(())
}

/// The calls that a tier allows, as a tenant's `api_limits`.
pub(super) fn api_limits(tier: &Tier) -> Value {
    let quota = |calls| json!({ "quota": { "max_calls": calls, "interval_sec": tier.interval_seconds } });
    json!({ "management": quota(tier.management_calls), "devices": quota(tier.device_calls) })
}

async fn set_quotas(app: &Platform, tx: &mut Transaction, change: &Change, version: &str) -> Result<(), Trouble> {
    let parts = parts_of(tx, version).await?;
    let tier = tier_of(app, &parts, change)?;
    let tenant_id = tenant(change)?;
    let row = tenant_row(tx, tenant_id).await?;
    let limit = limit_of(app, &parts, change)?;
    if row.int("lim")? != limit {
        set_limit(tx, &row, limit).await?;
    }
    let sql = "update tenants set api_limits = $2, updated_at = $3 where id = $1";
    tx.execute(sql, args![tenant_id, api_limits(tier).to_string(), app.now_ms()]).await?;
    Ok(())
}

async fn tenant_row(tx: &mut Transaction, tenant: &str) -> Result<Row, Trouble> {
    let none = || Trouble::Failed(FailureReason::ConcurrentAccountModification, "the tenant is gone".to_owned());
    tx.first("select * from tenants where id = $1 order by id", args![tenant]).await?.ok_or_else(none)
}

async fn first_user(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let (user, tenant) = (&change.wanted.first_user, tenant(change)?);
    let known = "select u.id from users u join memberships m on m.user_id = u.id \
                 where u.email = $1 and m.tenant_id = $2 order by u.id";
    if tx.first(known, args![&user.email, tenant]).await?.is_some() {
        return Ok(());
    }
    let Some(id) = insert_account(app, tx, &user.email, &user.sealed).await? else {
        return failed(FailureReason::EmailAlreadyExists, "the first user's e-mail has a login already");
    };
    join(app, tx, tenant, &id, &[PERMIT_ALL.to_owned()]).await?;
    Ok(())
}

/// Looks at everything once more, and lets people and devices in.
async fn open(
    app: &Platform,
    tx: &mut Transaction,
    change: &Change,
    organisation: &Organisation,
) -> Result<(), Trouble> {
    let (account, tenant) = (account(change)?, tenant(change)?);
    let row = tx.first("select * from org_accounts where id = $1 order by id", args![account]).await?;
    let row = row.ok_or_else(|| Refusal::not_found("the account is gone"))?;
    let governance = governance::governance(app, tx, organisation, &row).await?;
    for region in &change.wanted.regions {
        let used = controls::allows(&governance, Hand::Management, Action::UseRegion, Some(region));
        used.map_err(governance::refused)?;
    }
    let found = drift::of_account(app, tx, organisation, &row).await?;
    // The seeded defects are to be found from outside.
    let blind = [DefectId::QuotasOfAnotherTier, DefectId::ControlsForgetNewAccounts, DefectId::EndpointForgotten];
    let blind = blind.into_iter().any(|defect| app.defect(defect));
    if let Some(first) = found.first().filter(|_| !blind) {
        return failed(FailureReason::InternalFailure, format!("it is not as its blueprint says: {first}"));
    }
    tx.execute("update org_accounts set state = 'ACTIVE' where id = $1", args![account]).await?;
    let sql = "update tenants set status = 'active', updated_at = $2 where id = $1";
    tx.execute(sql, args![tenant, app.now_ms()]).await?;
    Ok(())
}

/// The last step was done: what serves, and the entry in the log.
pub(super) async fn succeed(app: &Platform, tx: &mut Transaction, change: &Change) -> Answer<()> {
    let sql = "update org_products set status = $2, version_id = $3, last_record = $4 where id = $1";
    let status = ProductState::Available.name();
    tx.execute(sql, args![&change.product, status, &change.version, &change.id]).await?;
    let sql = "update org_accounts set blueprint = $2 where id = $1";
    tx.execute(sql, args![change.account.as_deref(), &change.version]).await?;
    let action = if change.is_update { "update" } else { "create" };
    let told = format!("account: {}\nblueprint: {}", change.account.as_deref().unwrap_or_default(), change.version);
    note(app, tx, change, action, told).await?;
    Ok(())
}

async fn note(
    app: &Platform,
    tx: &mut Transaction,
    change: &Change,
    action: &'static str,
    told: String,
) -> Result<(), StoreError> {
    let actor = Actor { id: change.actor_id.clone(), email: change.actor_email.clone() };
    let id = change.tenant.as_deref().unwrap_or(&change.creation);
    let object = Object::child(id, &change.wanted.name, &change.provider);
    app.audit(tx, &change.provider, actor, action, object, Some(told)).await
}

/// What is left to do once an undoing is committed.
#[derive(Debug)]
pub(super) struct Undone {
    /// The files of the tenant.
    pub(super) files: Option<Files>,
}

/// Undoes a change: an account that was being made is gone, one that was being updated is as it was.
pub(super) async fn undo(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<Undone, Trouble> {
    let reason = change.reason.map_or("", FailureReason::name);
    let told = format!("failed: {reason}: {}", change.why.as_deref().unwrap_or_default());
    if change.is_update {
        restore(app, tx, change).await?;
        note(app, tx, change, "update", told).await?;
        return Ok(Undone { files: None });
    }
    if let Some(account) = &change.account {
        let sql = "select email from org_accounts where id = $1 order by id";
        if let Some(row) = tx.first(sql, args![account]).await? {
            forget(tx, &change.provider, account, &row.text("email")?).await?;
        }
    }
    let tenant = match &change.tenant {
        Some(tenant) => tx.first("select * from tenants where id = $1 order by id", args![tenant]).await?,
        None => None,
    };
    let files = match tenant {
        Some(row) => Some(remove_tenant(app, tx, &row).await?),
        None => None,
    };
    note(app, tx, change, "delete", told).await?;
    Ok(Undone { files })
}

/// Puts the version back that served before.
async fn restore(app: &Platform, tx: &mut Transaction, change: &Change) -> Result<(), Trouble> {
    let account = account(change)?;
    let sql = "select version_id from org_products where id = $1 order by id";
    let Some(product) = tx.first(sql, args![&change.product]).await? else { return Ok(()) };
    let before = product.text("version_id")?;
    let parts = parts_of(tx, &before).await?;
    let application = serde_json::to_string(&parts.application).map_err(Refusal::internal)?;
    let sql = "update org_accounts set device_policy = $2, application = $3 where id = $1";
    tx.execute(sql, args![account, parts.default_device_policy.to_string(), application]).await?;
    set_quotas(app, tx, change, &before).await
}
