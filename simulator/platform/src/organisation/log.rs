//! The central log: what was written into any member's log stands here too. Whoever reads for the audit account reads it, nobody
//! changes it: no statement of the platform changes or removes a row.

use super::landing::of;
use super::listing::Window;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{Can, Params, User, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_world::rfc3339;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(lookup))
}

/// An entry of a tenant's log, as it was written.
#[derive(Debug)]
pub(crate) struct Shipped<'a> {
    pub(crate) tenant: &'a str,
    /// ms since 1970.
    pub(crate) time: u64,
    /// JSON, as it is shown.
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    /// JSON, as it is shown.
    pub(crate) object: &'a str,
    pub(crate) change: Option<&'a str>,
}

/// Copies an entry into the central log, in the transaction that wrote it: nothing, where the tenant is no member or its
/// audit trail is off.
pub(crate) async fn ship(app: &Platform, tx: &mut Transaction, entry: &Shipped<'_>) -> Result<(), StoreError> {
    let is_claim = entry.object.contains("\"lobby_device\"") && entry.change.is_some_and(|it| it.starts_with("claim"));
    if is_claim && app.defect(DefectId::CentralLogForgetsClaims) {
        return Ok(());
    }
    let sql = "insert into org_log (provider_id, account_id, tenant_id, time, actor, action, object, change) \
               select provider_id, id, tenant_id, cast($2 as bigint), cast($3 as text), cast($4 as text), \
               cast($5 as text), cast($6 as text) from org_accounts where tenant_id = $1 and audit_on = 1";
    let args = args![entry.tenant, entry.time, entry.actor, entry.action, entry.object, entry.change];
    tx.execute(sql, args).await?;
    let is_account = entry.action == "create" && entry.change.is_some_and(|it| it.starts_with("account:"));
    if is_account && app.defect(DefectId::CentralLogTellsTwice) {
        tx.execute(sql, args).await?;
    }
    Ok(())
}

/// An entry of the central log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_id: String,
    event_time: String,
    /// Whose log it stands in.
    recipient_account_id: String,
    tenant_id: String,
    event_name: String,
    #[schema(value_type = Object)]
    user_identity: Value,
    #[schema(value_type = Object)]
    resource: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
}

/// Entries, as AWS wraps them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Events {
    events: Vec<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Whose central log a reader may see: the management account's readers see their organisation's.
async fn readable(app: &Platform, tx: &mut Transaction, user: &User) -> Answer<String> {
    if user.in_provider {
        return Ok(of(tx, &user.tenant).await?.provider);
    }
    if app.defect(DefectId::CentralLogReadByTenants) {
        let sql = "select provider_id from org_accounts where tenant_id = $1 order by id";
        if let Some(row) = tx.first(sql, args![&user.tenant]).await? {
            return Ok(row.text("provider_id")?);
        }
    }
    Err(Refusal::forbidden())
}

/// The central log, oldest first. For the provider's people whose role reads audit logs.
#[utoipa::path(get, path = "/api/management/v1/organization/log", operation_id = "LookupEvents", tag = "organization",
    params(("AccountId" = Option<String>, Query, description = "Only of this account."),
        ("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The entries.", body = Events), (status = 404, description = "No organisation.")),
    security(("user" = [])))]
async fn lookup(State(app): State<Platform>, user: Can<need::SeeAudit>, params: Params) -> Answer<Json<Events>> {
    let window = Window::read(&params)?;
    let after = match window.after.as_str() {
        "" => 0,
        token => token.parse::<i64>().map_err(|_| Refusal::bad_request("NextToken must be from an answer before"))?,
    };
    let account = params.one("AccountId").unwrap_or_default().to_owned();
    let mut tx = app.begin().await?;
    let provider = readable(&app, &mut tx, &user).await?;
    let sql = "select * from org_log where provider_id = $1 and ($2 = '' or account_id = $2) and seq > $3 \
               order by seq limit $4";
    let rows = tx.query(sql, args![provider, account, after, window.limit()]).await?;
    app.commit(tx).await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        events.push(Event {
            event_id: row.int("seq")?.to_string(),
            event_time: rfc3339(row.time("time")?),
            recipient_account_id: row.text("account_id")?,
            tenant_id: row.text("tenant_id")?,
            event_name: row.text("action")?,
            user_identity: row.json("actor")?,
            resource: row.json("object")?,
            change: row.maybe_text("change")?,
        });
    }
    let (events, next_token) = window.cut(events, |event| event.event_id.clone());
    Ok(Json(Events { events, next_token }))
}
