//! The organisation itself: set up once, with the accounts that every organisation has.

use super::accounts::{NewAccount, adopt_into, insert};
use super::{names, policies, reconciler, units};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::Control;
use fleetproof_dataplane::organisation::{AccountKind, is_region};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(describe, create)).routes(routes!(list_roots))
}

/// The most regions that an organisation governs.
const MOST_REGIONS: usize = 32;

/// The most accounts that an organisation may be allowed.
const MOST_ACCOUNTS: i64 = 100_000;

/// The unit of the accounts that keep and read the log.
const SECURITY: &str = "Security";

/// An organisation, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Organisation {
    pub(super) provider: String,
    pub(super) id: String,
    pub(super) root: String,
    pub(super) home: String,
    pub(super) governed: BTreeSet<String>,
    pub(super) limit: i64,
    pub(super) used: i64,
    /// Who may assume the role that blueprints grant.
    pub(super) lobby: String,
}

/// The organisation of a provider, if it has one.
pub(super) async fn find(tx: &mut Transaction, provider: &str) -> Answer<Option<Organisation>> {
    let sql = "select * from organisations where provider_id = $1 order by provider_id";
    let Some(row) = tx.first(sql, args![provider]).await? else { return Ok(None) };
    Ok(Some(Organisation {
        provider: row.text("provider_id")?,
        id: row.text("id")?,
        root: row.text("root_id")?,
        home: row.text("home")?,
        governed: row.json("governed")?,
        limit: row.int("account_limit")?,
        used: row.int("accounts_used")?,
        lobby: row.text("lobby")?,
    }))
}

/// The organisation of a provider; 404 when it has none.
pub(super) async fn of(tx: &mut Transaction, provider: &str) -> Answer<Organisation> {
    let none = || Refusal::not_found("AWSOrganizationsNotInUseException: set the organisation up first");
    find(tx, provider).await?.ok_or_else(none)
}

/// An organisation to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct CreateOrganization {
    /// Where an account is unless it says otherwise.
    home_region: String,
    /// All regions that are governed; the home region is one in any case.
    #[serde(default)]
    governed_regions: BTreeSet<String>,
    /// The most accounts that are not closed, with the four of the organisation itself.
    account_limit: i64,
}

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct OrganizationShown {
    id: String,
    root_id: String,
    home_region: String,
    governed_regions: BTreeSet<String>,
    account_limit: i64,
    account_count: i64,
    /// Who may assume the role that blueprints grant.
    lobby_role_arn: String,
    accounts: Vec<FixedAccount>,
}

/// One of the accounts that every organisation has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct FixedAccount {
    id: String,
    kind: String,
}

async fn shown(tx: &mut Transaction, organisation: Organisation) -> Answer<OrganizationShown> {
    let sql = "select id, kind from org_accounts where provider_id = $1 and kind <> 'TENANT' order by kind";
    let rows = tx.query(sql, args![&organisation.provider]).await?;
    let mut accounts = Vec::with_capacity(rows.len());
    for row in rows {
        accounts.push(FixedAccount { id: row.text("id")?, kind: row.text("kind")? });
    }
    Ok(OrganizationShown {
        id: organisation.id,
        root_id: organisation.root,
        home_region: organisation.home,
        governed_regions: organisation.governed,
        account_limit: organisation.limit,
        account_count: organisation.used,
        lobby_role_arn: organisation.lobby,
        accounts,
    })
}

/// Set the organisation up: management, log archive, audit and lobby account, root and security unit, all controls at
/// the root. Children that are there become accounts.
#[utoipa::path(post, path = "/api/management/v1/organization", operation_id = "CreateOrganization", tag = "organization",
    request_body = CreateOrganization,
    responses((status = 201, description = "It is there.", body = OrganizationShown),
        (status = 400, description = "A region or the limit will not do."), (status = 409, description = "There is one.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(new): Body<CreateOrganization>,
) -> Answer<(StatusCode, Json<OrganizationShown>)> {
    let mut governed = new.governed_regions;
    governed.insert(new.home_region.clone());
    if governed.len() > MOST_REGIONS || !governed.iter().all(|region| is_region(region)) {
        return Err(Refusal::bad_request(format!("GovernedRegions: give at most {MOST_REGIONS} like eu-central-1")));
    }
    let mut tx = app.begin().await?;
    let sql = "select id, name from tenants where parent_id = $1 order by created_at, id";
    let children = tx.query(sql, args![&user.tenant]).await?;
    let used = i64::try_from(children.len()).unwrap_or(i64::MAX).saturating_add(4);
    if !(used..=MOST_ACCOUNTS).contains(&new.account_limit) {
        return Err(Refusal::bad_request(format!("AccountLimit: must be a number from {used} to {MOST_ACCOUNTS}")));
    }
    let root = names::draw(&app, "r");
    let id = names::draw(&app, "o");
    let governed_text = serde_json::json!(governed).to_string();
    // The lobby's role is named by the lobby's account, whose row needs the organisation: it is filled in below.
    let written = tx
        .execute(
            "insert into organisations (provider_id, id, root_id, home, governed, account_limit, accounts_used, lobby, \
             created_at) values ($1, $2, $3, $4, $5, $6, $7, '', $8) on conflict do nothing",
            args![&user.tenant, &id, &root, &new.home_region, &governed_text, new.account_limit, used, app.now_ms()],
        )
        .await?;
    if written == 0 {
        return Err(Refusal::conflict("AlreadyInOrganizationException: the provider has an organisation"));
    }
    units::insert(&app, &mut tx, &user.tenant, &root, None, "Root").await?;
    let security = units::new_id(&app, &root);
    units::insert(&app, &mut tx, &user.tenant, &security, Some(&root), SECURITY).await?;
    for control in Control::ALL {
        policies::attach_to(&app, &mut tx, &user.tenant, &root, control).await?;
    }
    let mut lobby = String::new();
    for kind in AccountKind::ALL {
        let (name, unit) = match kind {
            AccountKind::Management => (user.tenant_name.as_str(), &root),
            AccountKind::LogArchive => ("Log archive", &security),
            AccountKind::Audit => ("Audit", &security),
            AccountKind::Lobby => ("Lobby", &root),
            AccountKind::Tenant => continue,
        };
        let management = kind == AccountKind::Management;
        let own = format!("{}@{id}.invalid", kind.name().to_lowercase().replace('_', "-"));
        let email = if management { &user.email } else { &own };
        let new = NewAccount {
            provider: &user.tenant,
            tenant: management.then_some(user.tenant.as_str()),
            kind,
            name,
            email,
            unit,
            state: "ACTIVE",
            joined: if management { "INVITED" } else { "CREATED" },
        };
        let account = insert(&app, &mut tx, &new).await?;
        tx.execute("update org_accounts set audit_on = 1 where id = $1", args![&account]).await?;
        tx.execute("insert into org_emails (provider_id, email) values ($1, $2)", args![&user.tenant, email]).await?;
        if kind == AccountKind::Lobby {
            lobby = names::lobby_role(&account);
        }
    }
    let named = "update organisations set lobby = $2 where provider_id = $1";
    tx.execute(named, args![&user.tenant, &lobby]).await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    for child in children {
        let (tenant, name) = (child.text("id")?, child.text("name")?);
        adopt_into(&app, &mut tx, &organisation, &tenant, &name, None).await?;
    }
    let change = Some(format!("organization: {id}\ngoverned: {governed_text}\naccount_limit: {}", new.account_limit));
    app.audit(&mut tx, &user.tenant, &*user, "create", Object::tenant(&user.tenant, &user.tenant_name), change).await?;
    let shown = shown(&mut tx, organisation).await?;
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The organisation.
#[utoipa::path(get, path = "/api/management/v1/organization", operation_id = "DescribeOrganization", tag = "organization",
    responses((status = 200, description = "The organisation.", body = OrganizationShown),
        (status = 404, description = "There is none.")),
    security(("user" = [])))]
async fn describe(State(app): State<Platform>, user: Can<need::Children>) -> Answer<Json<OrganizationShown>> {
    reconciler::advance(&app).await?;
    let mut tx = app.begin().await?;
    let organisation = of(&mut tx, &user.tenant).await?;
    let shown = shown(&mut tx, organisation).await?;
    app.commit(tx).await?;
    Ok(Json(shown))
}

/// A root.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Root {
    id: String,
    name: &'static str,
}

/// The roots: there is one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Roots {
    roots: Vec<Root>,
}

/// The root, above all units.
#[utoipa::path(get, path = "/api/management/v1/organization/roots", operation_id = "ListRoots", tag = "organization",
    responses((status = 200, description = "The root.", body = Roots), (status = 404, description = "No organisation.")),
    security(("user" = [])))]
async fn list_roots(State(app): State<Platform>, user: Can<need::Children>) -> Answer<Json<Roots>> {
    let mut tx = app.begin().await?;
    let root = of(&mut tx, &user.tenant).await?.root;
    app.commit(tx).await?;
    Ok(Json(Roots { roots: vec![Root { id: root, name: "Root" }] }))
}
