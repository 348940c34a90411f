//! The scan: which accounts are not as their controls and their blueprint demand.

use super::blueprints::parts_of;
use super::governance::governance;
use super::landing::{Organisation, of};
use super::steps::api_limits;
use super::{change::Change, change::PROVISION, reconciler};
use crate::Platform;
use crate::args;
use crate::edge::{Can, need};
use crate::refusal::Answer;
use crate::store::{Row, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::organisation::drift::{Drift, Facts, RegionFacts, scan};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What is not as it should be about a tenant's account.
pub(super) async fn of_account(
    app: &Platform,
    tx: &mut Transaction,
    organisation: &Organisation,
    account: &Row,
) -> Answer<Vec<Drift>> {
    let id = account.text("id")?;
    let mut facts = Facts { audit_on: account.truth("audit_on")?, ..Facts::default() };
    let sql = "select region, endpoint, trusts from org_regions where account_id = $1 order by region";
    for row in tx.query(sql, args![&id]).await? {
        let here =
            RegionFacts { has_endpoint: row.maybe_text("endpoint")?.is_some(), trusts: row.maybe_text("trusts")? };
        facts.regions.insert(row.text("region")?, here);
    }
    if let (Some(version), Some(tier)) = (account.maybe_text("blueprint")?, account.maybe_text("tier")?) {
        let right = has_quotas(tx, account, &version, &tier).await?;
        facts.quotas = Some((tier, right));
    }
    Ok(scan(&facts, &governance(app, tx, organisation, account).await?, &organisation.lobby))
}

/// Whether the tenant has the quotas that the blueprint says for its tier, or what was asked for instead.
async fn has_quotas(tx: &mut Transaction, account: &Row, version: &str, tier: &str) -> Answer<bool> {
    let parts = parts_of(tx, version).await?;
    let Some(tier) = parts.tier(tier) else { return Ok(false) };
    let sql = "select lim, api_limits from tenants where id = $1 order by id";
    let Some(tenant) = tx.first(sql, args![account.maybe_text("tenant_id")?]).await? else { return Ok(false) };
    let sql = "select * from org_records where account_id = $1 and kind = $2 order by seq limit 1";
    let made = tx.first(sql, args![account.text("id")?, PROVISION]).await?;
    let instead = made.map(|row| Change::read(&row)).transpose()?.and_then(|change| change.wanted.device_limit);
    let limits: serde_json::Value = tenant.json("api_limits")?;
    Ok(tenant.int("lim")? == instead.unwrap_or(tier.device_limit) && limits == api_limits(tier))
}

/// A difference.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Found {
    account_id: String,
    /// Its name, like `AUDIT_OFF`.
    drift: &'static str,
    /// What it is and what to do.
    description: String,
}

/// What the scan found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Report {
    /// How many accounts were looked at.
    accounts_scanned: usize,
    drifts: Vec<Found>,
}

/// Scan all open accounts of tenants for drift.
#[utoipa::path(get, path = "/api/management/v1/organization/drift", operation_id = "x_fleetproof ScanDrift",
    tag = "organization",
    responses((status = 200, description = "What was found.", body = Report), (status = 404, description = "No organisation.")),
    security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::Children>) -> Answer<Json<Report>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    let sql = "select * from org_accounts where provider_id = $1 and kind = 'TENANT' and state = 'ACTIVE' order by id";
    let rows = tx.query(sql, args![&user.tenant]).await?;
    let mut report = Report { accounts_scanned: rows.len(), drifts: Vec::new() };
    for row in &rows {
        let account_id = row.text("id")?;
        for drift in of_account(&app, &mut tx, &organisation, row).await? {
            let (account_id, description) = (account_id.clone(), drift.to_string());
            report.drifts.push(Found { account_id, drift: drift.name(), description });
        }
    }
    app.commit(tx).await?;
    Ok(Json(report))
}
