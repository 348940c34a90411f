//! A new version of a blueprint, put onto the accounts that are there, one by one.

use super::blueprints;
use super::change::{Change, PROVISION, UPDATE, Wanted};
use super::landing::of;
use super::names;
use super::reconciler;
use super::requests::{NewChange, insert_change};
use super::units::note;
use crate::Platform;
use crate::args;
use crate::edge::{At, Can, User, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::onboarding::{self, FailureReason, ProductState, Step};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(roll_out))
}

/// The most accounts of one roll-out.
const MOST: i64 = 10_000;

/// The first step of putting a version onto an account.
pub(super) const fn first_step() -> Step {
    onboarding::UPDATE[0]
}

/// A version that shall be put onto an account.
pub(super) struct Update<'a> {
    pub(super) record: &'a str,
    pub(super) version: &'a str,
    pub(super) token: String,
    pub(super) same: &'a str,
    /// None: when the one before it in the roll-out is over.
    pub(super) due_at: Option<u64>,
    pub(super) roll: Option<&'a str>,
}

/// Begins to put a version onto a provisioned product. 409 when it is under change, or there is nothing to put it onto.
pub(super) async fn put_on(
    app: &Platform,
    tx: &mut Transaction,
    user: &User,
    product: &Row,
    update: Update<'_>,
) -> Answer<Change> {
    let id = product.text("id")?;
    let sql = "update org_products set status = $2, last_record = $3 where id = $1 and status in ($4, $5)";
    let (available, tainted) = (ProductState::Available.name(), ProductState::Tainted.name());
    let args = args![&id, ProductState::UnderChange.name(), update.record, available, tainted];
    if tx.execute(sql, args).await? == 0 {
        return Err(Refusal::conflict("InvalidStateException: it is under change, or could not be made"));
    }
    let sql = "select * from org_records where product_id = $1 and kind = $2 order by seq limit 1";
    let made =
        tx.first(sql, args![&id, PROVISION]).await?.ok_or_else(|| Refusal::internal("no record of a product"))?;
    let made = Change::read(&made)?;
    let wanted: &Wanted = &made.wanted;
    let new = NewChange {
        id: update.record,
        kind: UPDATE,
        product: &id,
        version: update.version,
        token: update.token,
        same: update.same,
        wanted,
        step: first_step(),
        due_at: update.due_at,
        roll: update.roll,
        account: made.account.as_deref(),
        tenant: made.tenant.as_deref(),
    };
    insert_change(app, tx, user, &new).await
}

/// Begins the next of a roll-out, now that one is over, at `at` (ms).
pub(super) async fn begin_next(tx: &mut Transaction, roll: &str, at: i64) -> Result<(), StoreError> {
    let sql =
        "select id from org_records where roll = $1 and state = 'CREATED' and due_at is null order by seq limit 1";
    let Some(next) = tx.first(sql, args![roll]).await? else { return Ok(()) };
    let first = i64::try_from(first_step().takes_ms()).unwrap_or(i64::MAX);
    let due = at.saturating_add(first);
    tx.execute("update org_records set due_at = $2 where id = $1", args![next.text("id")?, due]).await?;
    Ok(())
}

/// Ends what waits in a roll-out: the version that serves there goes on to.
pub(super) async fn stop(tx: &mut Transaction, roll: &str, reason: FailureReason, why: &str, now: u64) -> Answer<()> {
    let sql = "select * from org_records where roll = $1 and state = 'CREATED' order by seq";
    for row in tx.query(sql, args![roll]).await? {
        let change = Change::read(&row)?;
        change.fail(tx, reason, why, now).await?;
        let sql = "update org_products set status = $2 where id = $1";
        tx.execute(sql, args![&change.product, ProductState::Available.name()]).await?;
    }
    Ok(())
}

/// What a roll-out has begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct RollOut {
    /// The records, in the order in which the accounts are changed.
    record_ids: Vec<String>,
}

/// Put a version onto every account that has another of the same blueprint, one by one. The first that fails ends it.
#[utoipa::path(post, path = "/api/management/v1/organization/products/{id}/provisioning-artifacts/{artifact}/roll-out",
    operation_id = "x_fleetproof RollOutProvisioningArtifact", tag = "organization",
    params(("id" = String, Path, description = "The product."), ("artifact" = String, Path, description = "The version.")),
    responses((status = 202, description = "It has begun.", body = RollOut), (status = 404, description = "No such version."),
        (status = 409, description = "It was withdrawn."), (status = 422, description = "Too many accounts.")),
    security(("user" = [])))]
async fn roll_out(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At((id, artifact)): At<(String, String)>,
) -> Answer<(StatusCode, Json<RollOut>)> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    let version = blueprints::version(&mut tx, &user.tenant, &id, &artifact).await?;
    if !version.truth("active")? {
        return Err(Refusal::conflict("InvalidStateException: this version of the product was withdrawn"));
    }
    let sql = "select * from org_products where provider_id = $1 and blueprint_id = $2 and version_id <> $3 \
               and status in ($4, $5) order by created_at, id limit $6";
    let (available, tainted) = (ProductState::Available.name(), ProductState::Tainted.name());
    let rows = tx.query(sql, args![&user.tenant, &id, &artifact, available, tainted, MOST + 1]).await?;
    if rows.len() > usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(Refusal::unprocessable("LimitExceededException: too many accounts for one roll-out"));
    }
    let roll = names::draw(&app, "roll");
    let mut record_ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let record = names::draw(&app, "rec");
        let due_at = record_ids.is_empty().then(|| app.now_ms() + first_step().takes_ms());
        let token = format!("none:{record}");
        let update = Update { record: &record, version: &artifact, token, same: "", due_at, roll: Some(&roll) };
        put_on(&app, &mut tx, &user, row, update).await?;
        record_ids.push(record);
    }
    note(&app, &mut tx, &user, "update", format!("rolls {artifact} out to {} accounts", record_ids.len())).await?;
    app.commit(tx).await?;
    Ok((StatusCode::ACCEPTED, Json(RollOut { record_ids })))
}
