//! Accounts: the number of a tenant, the regions it is in, and where its devices connect in each.

use super::desk::{Asked, Place};
use super::rates;
use super::refusals::invalid;
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::edge::need;
use crate::ids::hex;
use crate::platform::{Platform, PlatformError};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::policy::Home;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How often a number or a host is drawn before one is given up that nobody ever had.
const DRAWS: usize = 64;

/// What hosts are made of.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(describe_endpoint)).routes(routes!(caller_identity))
}

/// Where accounts can be. The first region is home to who is not told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    names: Vec<String>,
    domain: String,
}

impl Default for Regions {
    fn default() -> Self {
        Self { names: vec!["eu-central-1".to_owned()], domain: "fleet.example".to_owned() }
    }
}

impl Regions {
    /// The regions called `names`; endpoints are `<14 characters>-ats.iot.<region>.<domain>`. `None` without a region, with
    /// one twice, or with what can be no part of a host name.
    #[must_use]
    pub fn new(names: &[&str], domain: &str) -> Option<Self> {
        let plain = |label: &str| {
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(good)
        };
        let once: BTreeSet<_> = names.iter().collect();
        let good = !names.is_empty() && once.len() == names.len();
        let good = good && names.iter().all(|name| plain(name)) && domain.len() <= 100 && domain.split('.').all(plain);
        good.then(|| Self { names: names.iter().map(|name| (*name).to_owned()).collect(), domain: domain.to_owned() })
    }

    /// What comes after the first label of every host where devices connect, by region.
    fn client_domains(&self) -> Vec<String> {
        self.names.iter().map(|name| format!("iot.{name}.{}", self.domain)).collect()
    }

    /// Their names, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The account of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The tenant's id.
    pub tenant: String,
    /// Twelve digits.
    pub account: String,
    /// Where its devices connect, home first.
    pub endpoints: Vec<Endpoint>,
}

/// Where devices of an account connect in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The tenant's id.
    pub tenant: String,
    /// Twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The host: what devices name in TLS.
    pub host: String,
}

impl Endpoint {
    /// Whose resources are meant there.
    #[must_use]
    pub fn home(&self) -> Home {
        Home { region: self.region.as_str().into(), account: self.account.as_str().into() }
    }
}

/// Gives a tenant its account in all regions of the platform, if it has none.
pub(crate) async fn open_account(app: &Platform, tx: &mut Transaction, tenant: &str) -> Result<(), Refusal> {
    let code = hex(&app.ids().account_bytes::<32>());
    let insert = "insert into accounts (account_id, tenant_id, registration_code, quotas, created_at) \
                  select $1, id, $3, '{}', $4 from tenants where id = $2 on conflict do nothing";
    let has = "select count(*) as n from accounts where tenant_id = $1";
    for _ in 0..DRAWS {
        let fresh = app.ids().account();
        if tx.execute(insert, args![fresh, tenant, &code, app.now_ms()]).await? == 1
            || tx.number(has, args![tenant]).await? > 0
        {
            break;
        }
    }
    // A tenant that has the id of a closed account, which only a planted defect makes, opens it again.
    let open = "update accounts set closed_at = null where tenant_id = $1 and closed_at is not null";
    tx.execute(open, args![tenant]).await?;
    let names: Vec<&str> = app.settings().regions.names.iter().map(String::as_str).collect();
    put_regions(tx, tenant, &names).await
}

async fn put_regions(tx: &mut Transaction, tenant: &str, names: &[&str]) -> Result<(), Refusal> {
    let insert = "insert into account_regions (tenant_id, region, seq, events) \
                  select id, $2, $3, '{}' from tenants where id = $1 \
                  on conflict (tenant_id, region) do update set seq = excluded.seq";
    for (seq, name) in names.iter().enumerate() {
        tx.execute(insert, args![tenant, *name, seq]).await?;
    }
    Ok(())
}

/// Gives a tenant's account, which nobody has used yet, the number that it was vended with, and its regions, home first.
pub(crate) async fn settle_account(
    tx: &mut Transaction,
    tenant: &str,
    account: &str,
    regions: &[&str],
) -> Result<(), Refusal> {
    tx.execute("update accounts set account_id = $2 where tenant_id = $1", args![tenant, account]).await?;
    tx.execute("delete from account_regions where tenant_id = $1", args![tenant]).await?;
    put_regions(tx, tenant, regions).await
}

/// Whether an account has this number, or had it.
pub(crate) async fn is_taken(tx: &mut Transaction, account: &str) -> Result<bool, StoreError> {
    Ok(tx.number("select count(*) as n from accounts where account_id = $1", args![account]).await? > 0)
}

/// The number of a tenant's account.
pub(crate) async fn number_of(tx: &mut Transaction, tenant: &str) -> Result<Option<String>, StoreError> {
    let sql = "select account_id from accounts where tenant_id = $1 order by account_id";
    tx.first(sql, args![tenant]).await?.map(|row| row.text("account_id")).transpose()
}

/// The tenant of an account that is not closed.
pub(crate) async fn tenant_of(tx: &mut Transaction, account: &str) -> Result<Option<String>, StoreError> {
    let sql = "select tenant_id from accounts where account_id = $1 and closed_at is null order by account_id";
    tx.first(sql, args![account]).await?.map(|row| row.text("tenant_id")).transpose()
}

/// Where devices of a tenant connect in a region: told once and kept.
pub(crate) async fn host_in(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    region: &str,
) -> Result<Option<String>, StoreError> {
    let Some(account) = number_of(tx, tenant).await? else { return Ok(None) };
    let place = Place { tenant: tenant.to_owned(), account, region: region.to_owned() };
    host(app, tx, &place).await.map(Some)
}

/// Closes the account of a tenant that goes. Its number and its endpoints stay taken; all that refers to the tenant goes
/// with the tenant.
pub(crate) async fn close_account(app: &Platform, tx: &mut Transaction, tenant: &str) -> Result<(), Refusal> {
    // These two keep what they refer to; everything else goes by itself.
    tx.execute("delete from policy_attachments where tenant_id = $1", args![tenant]).await?;
    tx.execute("delete from thing_principals where tenant_id = $1", args![tenant]).await?;
    let close = "update accounts set closed_at = $2 where tenant_id = $1 and closed_at is null";
    tx.execute(close, args![tenant, app.now_ms()]).await?;
    Ok(())
}

/// The region of a tenant's account that is called `region`, or its home for an empty name; and its quotas as they are
/// kept. `None` where it is not.
pub(super) async fn place(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    region: &str,
) -> Answer<Option<(Place, String)>> {
    let sql = "select a.account_id, a.quotas, r.region from accounts a join account_regions r on r.tenant_id = a.tenant_id \
               where a.tenant_id = $1 and a.closed_at is null and ($2 = '' or r.region = $2) order by r.seq limit 1";
    let mut row = tx.first(sql, args![tenant, region]).await?;
    if row.is_none() {
        let has = "select count(*) as n from accounts where tenant_id = $1";
        if tx.number(has, args![tenant]).await? > 0 {
            return Ok(None);
        }
        // A tenant from before there were accounts.
        open_account(app, tx, tenant).await?;
        row = tx.first(sql, args![tenant, region]).await?;
    }
    let Some(row) = row else { return Ok(None) };
    let place = Place { tenant: tenant.to_owned(), account: row.text("account_id")?, region: row.text("region")? };
    Ok(Some((place, row.text("quotas")?)))
}

/// Where devices of `place` connect: the same host for ever.
pub(super) async fn host(app: &Platform, tx: &mut Transaction, place: &Place) -> Result<String, StoreError> {
    let known = "select host from endpoints where account_id = $1 and region = $2 order by host";
    if let Some(row) = tx.first(known, args![&place.account, &place.region]).await? {
        return row.text("host");
    }
    if app.defect(DefectId::EndpointReused) {
        return reused(app, tx, place).await;
    }
    let insert = "insert into endpoints (host, account_id, region, created_at) values ($1, $2, $3, $4) \
                  on conflict do nothing";
    for _ in 0..DRAWS {
        let fresh = written(app, place, &app.ids().account_bytes::<13>());
        if tx.execute(insert, args![&fresh, &place.account, &place.region, app.now_ms()]).await? == 1 {
            return Ok(fresh);
        }
        // Somebody else has the host, or gave this place one at the same moment.
        if let Some(row) = tx.first(known, args![&place.account, &place.region]).await? {
            return row.text("host");
        }
    }
    Err(StoreError::new("no host was found that nobody ever had"))
}

/// The seeded defect: hosts are made of the tenant's name, and taken from whoever had them.
async fn reused(app: &Platform, tx: &mut Transaction, place: &Place) -> Result<String, StoreError> {
    let named = tx.first("select name from tenants where id = $1 order by id", args![&place.tenant]).await?;
    let name = named.map(|row| row.text("name")).transpose()?.unwrap_or_default();
    let host = written(app, place, &Sha256::digest(name)[..13]);
    let sql = "insert into endpoints (host, account_id, region, created_at) values ($1, $2, $3, $4) \
               on conflict (host) do update set account_id = excluded.account_id";
    tx.execute(sql, args![&host, &place.account, &place.region, app.now_ms()]).await?;
    Ok(host)
}

/// A host made of 13 bytes. It begins with a letter.
fn written(app: &Platform, place: &Place, bytes: &[u8]) -> String {
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let label: String = std::iter::once('a').chain(bytes.iter().take(13).map(letter)).collect();
    format!("{label}-ats.iot.{}.{}", place.region, app.settings().regions.domain)
}

/// Where devices connect (DescribeEndpoint).
#[utoipa::path(get, path = "/api/management/v1/iot/endpoint", operation_id = "DescribeEndpoint", tag = "account",
    params(("endpointType" = Option<String>, Query, description = "`iot:Data-ATS` (also when absent)."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`endpointAddress`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe_endpoint(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let kind = asked.params.one("endpointType").unwrap_or("iot:Data-ATS");
    if !["iot:Data-ATS", "iot:Data", "iot:Jobs"].contains(&kind) {
        return Err(invalid("endpointType must be one of iot:Data-ATS, iot:Data, iot:Jobs"));
    }
    let mut desk = asked.desk(&app, "DescribeEndpoint").await?;
    let place = desk.place.clone();
    let host = host(&app, &mut desk.tx, &place).await?;
    desk.commit().await?;
    Ok(Json(json!({ "endpointAddress": host })))
}

/// Who asks, in which account (GetCallerIdentity of STS): whoever goes on must know whose account that is.
#[utoipa::path(get, path = "/api/management/v1/iot/caller-identity", operation_id = "GetCallerIdentity", tag = "account",
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`Account`, `Arn`, `UserId`, and the `Region` that is meant.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn caller_identity(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let desk = asked.desk(&app, "GetCallerIdentity").await?;
    let (place, user) = (desk.place.clone(), asked.user_id().to_owned());
    desk.commit().await?;
    Ok(Json(json!({
        "Account": place.account,
        "Arn": format!("arn:aws:iam::{}:user/{user}", place.account),
        "UserId": user,
        "Region": place.region,
    })))
}

/// What the organisation and a broker ask of accounts.
impl Platform {
    /// Where the hosts are at which devices connect: each is one label below one of these.
    #[must_use]
    pub fn client_domains(&self) -> Vec<String> {
        self.settings().regions.client_domains()
    }

    /// The account of a tenant; `None` for who is no tenant.
    ///
    /// # Errors
    /// The database.
    pub async fn account(&self, tenant: &str) -> Result<Option<Account>, PlatformError> {
        let mut tx = self.begin().await?;
        let home = place(self, &mut tx, tenant, "").await.map_err(told)?;
        let Some((home, _)) = home else { return Ok(None) };
        let sql = "select region from account_regions where tenant_id = $1 order by seq";
        let mut endpoints = Vec::new();
        for row in tx.query(sql, args![tenant]).await? {
            let place = Place { region: row.text("region")?, ..home.clone() };
            let host = host(self, &mut tx, &place).await?;
            endpoints.push(Endpoint { tenant: place.tenant, account: place.account, region: place.region, host });
        }
        self.commit(tx).await?;
        Ok(Some(Account { tenant: home.tenant, account: home.account, endpoints }))
    }

    /// Whose endpoint `host` is. `None` for a host that nobody has, and for one of an account that was closed, of a tenant
    /// that is suspended, or of a region that the account has left.
    ///
    /// # Errors
    /// The database.
    pub async fn endpoint(&self, host: &str) -> Result<Option<Endpoint>, PlatformError> {
        let sql = "select a.tenant_id, e.account_id, e.region, e.host from endpoints e \
                   join accounts a on a.account_id = e.account_id join tenants t on t.id = a.tenant_id \
                   join account_regions r on r.tenant_id = a.tenant_id and r.region = e.region \
                   where e.host = $1 and a.closed_at is null and t.status = 'active' order by e.host";
        let mut tx = self.begin().await?;
        let row = tx.first(sql, args![host.to_ascii_lowercase()]).await?;
        self.commit(tx).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Endpoint {
            tenant: row.text("tenant_id")?,
            account: row.text("account_id")?,
            region: row.text("region")?,
            host: row.text("host")?,
        }))
    }

    /// Puts a tenant's account into these regions, home first, and into no other. What it has in a region that it leaves
    /// stays, out of reach, until it comes back. Who listens is told.
    ///
    /// # Errors
    /// [`PlatformError::Founding`] for no region or one that the platform has not, and for who is no tenant; the database.
    pub async fn set_regions(&self, tenant: &str, names: &[&str]) -> Result<(), PlatformError> {
        let known = |name: &&str| self.settings().regions.names.iter().any(|known| known == name);
        let once: BTreeSet<_> = names.iter().collect();
        if names.is_empty() || once.len() != names.len() || !names.iter().all(known) {
            let all = self.settings().regions.names.join(", ");
            return Err(PlatformError::Founding(format!("an account is in one or more of {all}, each once")));
        }
        let mut tx = self.begin().await?;
        let (home, _) = place(self, &mut tx, tenant, "").await.map_err(told)?.ok_or_else(no_tenant)?;
        for row in
            tx.query("select region from account_regions where tenant_id = $1 order by seq", args![tenant]).await?
        {
            let region = row.text("region")?;
            if !names.contains(&region.as_str()) {
                let leave = "delete from account_regions where tenant_id = $1 and region = $2";
                tx.execute(leave, args![tenant, region]).await?;
            }
        }
        put_regions(&mut tx, tenant, names).await.map_err(told)?;
        let change = Some(format!("regions: {}", names.join(", ")));
        let object = Object::registered("account", &home.account, &home.account, names[0]);
        self.audit(&mut tx, tenant, Actor::operator(), "update", object, change).await?;
        self.commit(tx).await?;
        super::account_changed(self, tenant);
        Ok(())
    }

    /// Gives a tenant's account other control-plane quotas: calls per second by the operation, e.g. `CreateThing`.
    /// Operations that are not named have AWS's.
    ///
    /// # Errors
    /// [`PlatformError::Founding`] for an operation without a quota, or for 0 or too many calls, and for who is no tenant;
    /// the database.
    pub async fn set_account_quotas(&self, tenant: &str, quotas: &BTreeMap<String, u64>) -> Result<(), PlatformError> {
        for (operation, calls) in quotas {
            if !rates::is_limited(operation) || !(1..=rates::MOST).contains(calls) {
                return Err(PlatformError::Founding(format!(
                    "{operation}: a quota is 1 to {} calls per second of an operation that has one",
                    rates::MOST
                )));
            }
        }
        let kept = json!(quotas).to_string();
        let mut tx = self.begin().await?;
        let (home, _) = place(self, &mut tx, tenant, "").await.map_err(told)?.ok_or_else(no_tenant)?;
        tx.execute("update accounts set quotas = $2 where tenant_id = $1", args![tenant, &kept]).await?;
        let object = Object::registered("account", &home.account, &home.account, &home.region);
        self.audit(&mut tx, tenant, Actor::operator(), "update", object, Some(format!("quotas: {kept}"))).await?;
        Ok(self.commit(tx).await?)
    }
}

fn no_tenant() -> PlatformError {
    PlatformError::Founding("there is no tenant with this id".to_owned())
}

fn told(refusal: Refusal) -> PlatformError {
    PlatformError::Founding(refusal.message.into_owned())
}
