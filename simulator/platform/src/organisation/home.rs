//! A tenant's own account: what its people see of it, and what they may change as far as the controls let them.

use super::accounts::{AccountShown, shown};
use super::governance::{account_of, allows};
use super::landing::{Organisation, of};
use super::trust;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, User, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::{Action, Actor};
use fleetproof_dataplane::organisation::is_region;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(switch_trail))
        .routes(routes!(enable_region, disable_region))
        .routes(routes!(alter_trust))
}

/// The most regions of an account.
const MOST_REGIONS: i64 = 64;

/// Whose hand a user's is: the provider's own account manages the organisation.
const fn hand(user: &User) -> Actor {
    if user.in_provider { Actor::Management } else { Actor::Tenant }
}

async fn own(tx: &mut Transaction, user: &User) -> Answer<(Organisation, Row)> {
    let none = || Refusal::not_found("AccountNotFoundException: the tenant is in no organisation");
    let account = account_of(tx, &user.tenant).await?.ok_or_else(none)?;
    Ok((of(tx, &account.text("provider_id")?).await?, account))
}

async fn note(app: &Platform, tx: &mut Transaction, user: &User, change: String) -> Result<(), StoreError> {
    let object = Object::tenant(&user.tenant, &user.tenant_name);
    app.audit(tx, &user.tenant, user, "update", object, Some(change)).await
}

/// An account, as AWS wraps it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OwnAccount {
    account: AccountShown,
}

/// The account that the caller's tenant is.
#[utoipa::path(get, path = "/api/management/v1/organization/account", operation_id = "x_fleetproof DescribeOwnAccount",
    tag = "organization",
    responses((status = 200, description = "The account.", body = OwnAccount), (status = 404, description = "The tenant is in no organisation.")),
    security(("user" = [])))]
async fn show(State(app): State<Platform>, user: User) -> Answer<Json<OwnAccount>> {
    let mut tx = app.begin().await?;
    let (organisation, row) = own(&mut tx, &user).await?;
    let account = shown(&mut tx, &organisation, &row).await?;
    app.commit(tx).await?;
    Ok(Json(OwnAccount { account }))
}

/// Whether the audit trail shall be on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Trail {
    on: bool,
}

/// Switch the audit trail of one's own account on or off.
#[utoipa::path(put, path = "/api/management/v1/organization/account/audit-trail",
    operation_id = "x_fleetproof SwitchAuditTrail", tag = "organization", request_body = Trail,
    responses((status = 204, description = "Done."), (status = 403, description = "A control forbids it."),
        (status = 404, description = "The tenant is in no organisation.")),
    security(("user" = [])))]
async fn switch_trail(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    Body(Trail { on }): Body<Trail>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let (_, account) = own(&mut tx, &user).await?;
    if !on {
        allows(&app, &mut tx, &user.tenant, hand(&user), Action::StopAuditTrail, None).await?;
    }
    // The entry that tells of it goes first: it is the last that is shipped.
    note(&app, &mut tx, &user, format!("audit trail: {}", if on { "on" } else { "off" })).await?;
    let sql = "update org_accounts set audit_on = $2 where id = $1";
    tx.execute(sql, args![account.text("id")?, on]).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable a region in one's own account; without endpoint and trust until the account is updated.
#[utoipa::path(put, path = "/api/management/v1/organization/account/regions/{region}", operation_id = "EnableRegion",
    tag = "organization", params(("region" = String, Path, description = "The region.")),
    responses((status = 204, description = "Done."), (status = 400, description = "No region."), (status = 403, description = "A control forbids it."),
        (status = 404, description = "The tenant is in no organisation."), (status = 422, description = "Too many.")),
    security(("user" = [])))]
async fn enable_region(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(region): At<String>,
) -> Answer<StatusCode> {
    if !is_region(&region) {
        return Err(Refusal::bad_request("ValidationException: a region is named like eu-central-1"));
    }
    let mut tx = app.begin().await?;
    let (_, account) = own(&mut tx, &user).await?;
    allows(&app, &mut tx, &user.tenant, hand(&user), Action::UseRegion, Some(&region)).await?;
    let id = account.text("id")?;
    let many = "select count(*) as n from org_regions where account_id = $1";
    if tx.number(many, args![&id]).await? >= MOST_REGIONS {
        return Err(Refusal::unprocessable("LimitExceededException: the account has as many regions as it may"));
    }
    let sql = "insert into org_regions (account_id, region) values ($1, $2) on conflict do nothing";
    tx.execute(sql, args![&id, &region]).await?;
    note(&app, &mut tx, &user, format!("enabled region {region}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Disable a region that nothing was made in.
#[utoipa::path(delete, path = "/api/management/v1/organization/account/regions/{region}", operation_id = "DisableRegion",
    tag = "organization", params(("region" = String, Path, description = "The region.")),
    responses((status = 204, description = "Done."), (status = 404, description = "It is not enabled."),
        (status = 409, description = "It has a device endpoint, which never changes.")),
    security(("user" = [])))]
async fn disable_region(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(region): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let (_, account) = own(&mut tx, &user).await?;
    let id = account.text("id")?;
    let sql = "select endpoint from org_regions where account_id = $1 and region = $2 order by region";
    let row = tx.first(sql, args![&id, &region]).await?;
    let row = row.ok_or_else(|| Refusal::not_found("ResourceNotFoundException: the region is not enabled"))?;
    if row.maybe_text("endpoint")?.is_some() {
        return Err(Refusal::conflict("ConflictException: the region has a device endpoint"));
    }
    tx.execute("delete from org_regions where account_id = $1 and region = $2", args![&id, &region]).await?;
    note(&app, &mut tx, &user, format!("disabled region {region}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who may assume the role that the lobby has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewTrust {
    /// Nobody when absent.
    principal: Option<String>,
}

/// Alter the lobby's role in one's own account.
#[utoipa::path(put, path = "/api/management/v1/organization/account/trust/{region}",
    operation_id = "UpdateAssumeRolePolicy", tag = "organization", request_body = NewTrust,
    params(("region" = String, Path, description = "The region.")),
    responses((status = 204, description = "Done."), (status = 403, description = "A control forbids it."),
        (status = 404, description = "The account does not use the region."), (status = 409, description = "The account is not open.")),
    security(("user" = [])))]
async fn alter_trust(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    At(region): At<String>,
    Body(NewTrust { principal }): Body<NewTrust>,
) -> Answer<StatusCode> {
    if principal.as_ref().is_some_and(|name| name.is_empty() || name.len() > 256) {
        return Err(Refusal::bad_request("ValidationException: Principal must have 1 to 256 characters"));
    }
    let mut tx = app.begin().await?;
    let (organisation, account) = own(&mut tx, &user).await?;
    trust::set(&app, &mut tx, &organisation, &account, &region, hand(&user), principal.as_deref()).await?;
    let who = principal.as_deref().unwrap_or("nobody");
    note(&app, &mut tx, &user, format!("trust in {region}: {who}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
