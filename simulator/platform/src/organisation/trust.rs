//! The lobby's role in an account: granted, withdrawn, assumed.

use super::accounts::known;
use super::governance::{governance, refused};
use super::landing::{Organisation, of};
use super::units::note;
use super::{names, reconciler};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, need};
use crate::lobby;
use crate::refusal::{Answer, Refusal};
use crate::store::{Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::{self, Action, Actor};
use fleetproof_dataplane::organisation::trust::{self as rules, Account, Assumption, Denied, Grant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show, grant, revoke)).routes(routes!(assume_role))
}

/// Somebody who wants to act in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAsked {
    /// Who: the name of the lobby's role, see `LobbyRoleArn` of the organisation.
    pub principal: String,
    /// The account's id, 12 digits.
    pub account: String,
    /// Where.
    pub region: String,
    /// What is shown.
    pub external_id: Option<String>,
}

/// A role that was assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// The account.
    pub account: String,
    /// The tenant that it is.
    pub tenant: String,
    /// The one region where it may act.
    pub region: String,
}

/// Whether somebody may act in an account.
pub(crate) async fn assume(
    app: &Platform,
    tx: &mut Transaction,
    asked: &RoleAsked,
) -> Answer<Result<AssumedRole, Denied>> {
    let sql = "select provider_id from organisations where lobby = $1 order by provider_id";
    let Some(row) = tx.first(sql, args![&asked.principal]).await? else { return Ok(Err(Denied::OutsideOrganisation)) };
    let organisation = of(tx, &row.text("provider_id")?).await?;
    let sql = "select * from org_accounts where provider_id = $1 and id = $2 and tenant_id is not null order by id";
    let Some(account) = tx.first(sql, args![&organisation.provider, &asked.account]).await? else {
        return Ok(Err(Denied::OutsideOrganisation));
    };
    let sql = "select trusts, external_id from org_regions where account_id = $1 and region = $2 order by region";
    let region = tx.first(sql, args![&asked.account, &asked.region]).await?;
    let (trusts, external_id) = match &region {
        Some(region) => (region.maybe_text("trusts")?, region.maybe_text("external_id")?),
        None => (None, None),
    };
    let trusts = trusts.or_else(|| {
        let kept = app.defect(DefectId::RevokedTrustStillGood) && external_id.is_some();
        kept.then(|| organisation.lobby.clone())
    });
    let grant = trusts.as_deref().zip(external_id.as_deref());
    let tenant = account.text("tenant_id")?;
    let stands = tx.first("select status from tenants where id = $1 order by id", args![&tenant]).await?;
    let serves = stands.map(|row| row.text("status")).transpose()?.as_deref() == Some("active");
    let seen = Account {
        id: &asked.account,
        is_open: account.text("state")? == "ACTIVE" && serves,
        is_governed: region.is_some() && organisation.governed.contains(&asked.region),
        grant: grant.map(|(principal, external_id)| Grant { principal, external_id }),
    };
    let believed = app.defect(DefectId::MissingExternalIdAccepted);
    let shown = asked.external_id.as_deref().or(external_id.as_deref().filter(|_| believed));
    let decided = rules::assume(Assumption { principal: &asked.principal, external_id: shown }, Some(seen));
    let governance = governance(app, tx, &organisation, &account).await?;
    let decided = decided.and_then(|()| {
        let used = controls::allows(&governance, Actor::Lobby, Action::UseRegion, Some(&asked.region));
        used.map_err(|_| Denied::UngovernedRegion)
    });
    Ok(decided.map(|()| AssumedRole { account: asked.account.clone(), tenant, region: asked.region.clone() }))
}

/// The lobby's role in a region of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Trust {
    region: String,
    /// Who may assume it; none: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    /// What has to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
}

async fn trust_of(tx: &mut Transaction, account: &str, region: &str) -> Answer<Trust> {
    let sql = "select trusts, external_id from org_regions where account_id = $1 and region = $2 order by region";
    let none = || Refusal::not_found("NoSuchEntityException: the account does not use this region");
    let row = tx.first(sql, args![account, region]).await?.ok_or_else(none)?;
    let (principal, external_id) = (row.maybe_text("trusts")?, row.maybe_text("external_id")?);
    Ok(Trust { region: region.to_owned(), principal, external_id })
}

/// Sets who may assume the role of an account in a region (`None`: nobody), as far as the controls let `hand`.
pub(super) async fn set(
    app: &Platform,
    tx: &mut Transaction,
    organisation: &Organisation,
    account: &crate::store::Row,
    region: &str,
    hand: Actor,
    principal: Option<&str>,
) -> Answer<Trust> {
    let id = account.text("id")?;
    trust_of(tx, &id, region).await?;
    if account.text("state")? != "ACTIVE" {
        return Err(Refusal::conflict("AccountNotOpenException: the account is half-made or closed"));
    }
    let governance = governance(app, tx, organisation, account).await?;
    controls::allows(&governance, hand, Action::AlterTrustRole, Some(region)).map_err(refused)?;
    let sql = "update org_regions set trusts = $3, external_id = coalesce(external_id, $4) \
               where account_id = $1 and region = $2";
    tx.execute(sql, args![&id, region, principal, names::external_id(app)]).await?;
    trust_of(tx, &id, region).await
}

/// The lobby's role in a region of an account.
#[utoipa::path(get, path = "/api/management/v1/organization/accounts/{id}/trust/{region}",
    operation_id = "x_fleetproof GetTrust", tag = "organization",
    params(("id" = String, Path, description = "The account."), ("region" = String, Path, description = "The region.")),
    responses((status = 200, description = "The role.", body = Trust), (status = 404, description = "No such account or region.")),
    security(("user" = [])))]
async fn show(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At((id, region)): At<(String, String)>,
) -> Answer<Json<Trust>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    known(&mut tx, &user.tenant, &id).await?;
    let trust = trust_of(&mut tx, &id, &region).await?;
    app.commit(tx).await?;
    Ok(Json(trust))
}

/// Grant the lobby's role in a region again; the external id stays.
#[utoipa::path(put, path = "/api/management/v1/organization/accounts/{id}/trust/{region}",
    operation_id = "x_fleetproof GrantTrust", tag = "organization",
    params(("id" = String, Path, description = "The account."), ("region" = String, Path, description = "The region.")),
    responses((status = 200, description = "It is granted.", body = Trust), (status = 404, description = "No such account or region."),
        (status = 409, description = "The account is not open.")),
    security(("user" = [])))]
async fn grant(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At((id, region)): At<(String, String)>,
) -> Answer<Json<Trust>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    let account = known(&mut tx, &user.tenant, &id).await?;
    let lobby = Some(organisation.lobby.as_str());
    let trust = set(&app, &mut tx, &organisation, &account, &region, Actor::Management, lobby).await?;
    note(&app, &mut tx, &user, "update", format!("granted trust of account {id} in {region}")).await?;
    app.commit(tx).await?;
    // Devices may have waited for it.
    lobby::advance(&app).await?;
    Ok(Json(trust))
}

/// Withdraw the lobby's role in a region: what was not done yet, the lobby cannot do any more.
#[utoipa::path(delete, path = "/api/management/v1/organization/accounts/{id}/trust/{region}",
    operation_id = "x_fleetproof RevokeTrust", tag = "organization",
    params(("id" = String, Path, description = "The account."), ("region" = String, Path, description = "The region.")),
    responses((status = 204, description = "It is withdrawn."), (status = 404, description = "No such account or region."),
        (status = 409, description = "The account is not open.")),
    security(("user" = [])))]
async fn revoke(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At((id, region)): At<(String, String)>,
) -> Answer<StatusCode> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    let account = known(&mut tx, &user.tenant, &id).await?;
    set(&app, &mut tx, &organisation, &account, &region, Actor::Management, None).await?;
    note(&app, &mut tx, &user, "update", format!("revoked trust of account {id} in {region}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A role to be assumed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct AssumeRole {
    account_id: String,
    region: String,
    external_id: Option<String>,
}

/// A role that was assumed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    account_id: String,
    tenant_id: String,
    region: String,
}

/// Ask, as the lobby, for the role that an account grants. Whoever may not is told the same in every case.
#[utoipa::path(post, path = "/api/management/v1/organization/assume-role", operation_id = "AssumeRole",
    tag = "organization", request_body = AssumeRole,
    responses((status = 200, description = "The role is had.", body = AssumedRoleUser), (status = 403, description = "It is not."),
        (status = 404, description = "No organisation.")),
    security(("user" = [])))]
async fn assume_role(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(asked): Body<AssumeRole>,
) -> Answer<Json<AssumedRoleUser>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let principal = of(&mut tx, &user.tenant).await?.lobby;
    let AssumeRole { account_id: account, region, external_id } = asked;
    let role = assume(&app, &mut tx, &RoleAsked { principal, account, region, external_id }).await?;
    app.commit(tx).await?;
    let role = role.map_err(|denied| Refusal::forbidden_since(denied.told()))?;
    Ok(Json(AssumedRoleUser { account_id: role.account, tenant_id: role.tenant, region: role.region }))
}
