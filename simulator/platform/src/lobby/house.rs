//! A lobby itself: its account, where it is, and whose certificates come in.

use crate::args;
use crate::audit::{Actor, Object};
use crate::platform::Platform;
use crate::refusal::{Answer, Refusal};
use crate::registry::{self, Endpoint};
use crate::store::{Row, StoreError, Transaction, Tx};
use crate::tenancy::{Draft, insert_tenant};
use crate::{lobby, organisation};
use fleetproof_dataplane::lobby::Issuer;
use fleetproof_world::tls::Certificate;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the tenant that a lobby's account is.
const NAME: &str = "Device Lobby";

/// The most authorities that a lobby trusts: each is tried for each connection.
const MOST_AUTHORITIES: i64 = 64;

/// What a lobby shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LobbyPlan {
    /// The id of the provider whose organisation it belongs to.
    pub provider: String,
    /// Where it has an endpoint.
    pub regions: Vec<String>,
    /// Who signs the certificates that come in; those that are trusted already stay.
    pub trusts: Vec<Trusted>,
}

/// An authority whose certificates come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Its certificate. Authorities that stand between it and a device are shown by the device.
    pub pem: String,
    /// The tenant whose own it is; `None`: the platform's, or a maker's.
    pub tenant: Option<String>,
}

/// A lobby that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LobbyAccount {
    /// The tenant that the account is; nobody logs in there.
    pub tenant: String,
    /// Twelve digits.
    pub account: String,
    /// Where devices connect, the first region first.
    pub endpoints: Vec<Endpoint>,
}

/// A lobby, as other rooms pass it around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct House {
    pub(super) provider: String,
    pub(super) tenant: String,
    pub(super) account: String,
    /// As whom it acts in accounts.
    pub(super) role: String,
}

impl House {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            provider: row.text("provider_id")?,
            tenant: row.text("tenant_id")?,
            account: row.text("account_id")?,
            role: row.text("role")?,
        })
    }

    pub(super) async fn shown(&self, app: &Platform) -> Answer<LobbyAccount> {
        let account = app.account(&self.tenant).await.map_err(Refusal::internal)?;
        let endpoints = account.map(|account| account.endpoints).unwrap_or_default();
        Ok(LobbyAccount { tenant: self.tenant.clone(), account: self.account.clone(), endpoints })
    }

    /// Writes into the lobby's log what somebody changed about it.
    pub(super) async fn note(
        &self,
        app: &Platform,
        tx: &mut Transaction,
        actor: impl Into<Actor>,
        change: String,
    ) -> Result<(), StoreError> {
        app.audit(tx, &self.tenant, actor, "update", Object::tenant(&self.tenant, NAME), Some(change)).await
    }
}

/// The lobby whose account a tenant is. Asked for every connection, so it is remembered.
pub(super) async fn behind(app: &Platform, tenant: &str) -> Answer<Option<House>> {
    let found = |houses: &BTreeMap<String, House>| houses.get(tenant).cloned();
    if let Some(houses) = &app.lobbies().state().houses {
        return Ok(found(houses));
    }
    let mut tx = app.begin().await?;
    let sql = "select l.*, o.lobby as role from lobbies l join organisations o on o.provider_id = l.provider_id \
               order by l.provider_id";
    let rows = tx.query(sql, &[]).await?;
    app.commit(tx).await?;
    let houses = rows.iter().map(|row| Ok((row.text("tenant_id")?, House::read(row)?)));
    let houses = houses.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
    let house = found(&houses);
    app.lobbies().state().houses = Some(houses);
    Ok(house)
}

/// The lobby of a provider's organisation.
pub(super) async fn of_provider(app: &Platform, provider: &str) -> Answer<Option<House>> {
    let mut tx = app.begin().await?;
    let house = find(&mut tx, provider).await?;
    app.commit(tx).await?;
    Ok(house)
}

async fn find(tx: &mut Transaction, provider: &str) -> Result<Option<House>, StoreError> {
    let sql = "select l.*, o.lobby as role from lobbies l join organisations o on o.provider_id = l.provider_id \
               where l.provider_id = $1 order by l.provider_id";
    tx.first(sql, args![provider]).await?.map(|row| House::read(&row)).transpose()
}

/// The lobby where a tenant's people find devices: that of the organisation that the tenant is in.
pub(super) async fn for_tenant(app: &Platform, tenant: &str) -> Answer<Option<House>> {
    let mut tx = app.begin().await?;
    let house = match organisation::provider_of(&mut tx, tenant).await? {
        Some(provider) => find(&mut tx, &provider).await?,
        None => None,
    };
    app.commit(tx).await?;
    Ok(house)
}

/// The certificate of an authority; 400 for what is none.
pub(super) fn authority(pem: &str) -> Answer<Certificate> {
    let told = |why: String| Refusal::bad_request(why).named("CertificateValidationException");
    let read = Certificate::from_pem(pem).map_err(|error| told(error.to_string()))?;
    if read.is_authority() {
        Ok(read)
    } else {
        Err(told("the certificate does not say that it is an authority's: give the one that signs".to_owned()))
    }
}

/// Sees to it that an authority is trusted.
pub(super) async fn trust(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    trusted: &Trusted,
) -> Answer<Certificate> {
    let read = authority(&trusted.pem)?;
    let whose = trusted.tenant.as_deref();
    if let Some(tenant) = whose
        && organisation::provider_of(tx, tenant).await?.as_deref() != Some(provider)
    {
        return Err(Refusal::not_found("no tenant of the organisation has this id").named("ResourceNotFoundException"));
    }
    let sql = "insert into lobby_authorities (provider_id, id, pem, tenant_id, created_at) values ($1, $2, $3, $4, $5) \
               on conflict (provider_id, id) do update set tenant_id = excluded.tenant_id";
    tx.execute(sql, args![provider, read.fingerprint(), &trusted.pem, whose, app.now_ms()]).await?;
    let count = "select count(*) as n from lobby_authorities where provider_id = $1";
    if tx.number(count, args![provider]).await? > MOST_AUTHORITIES {
        let told = format!("a lobby trusts at most {MOST_AUTHORITIES} authorities: remove one first");
        return Err(Refusal::unprocessable(told).named("LimitExceededException"));
    }
    Ok(read)
}

/// Those who are trusted, with whose they are.
pub(super) async fn trusted(tx: &mut Transaction, provider: &str) -> Answer<Vec<(Certificate, Issuer)>> {
    let sql = "select pem, tenant_id from lobby_authorities where provider_id = $1 order by id";
    let mut all = Vec::new();
    for row in tx.query(sql, args![provider]).await? {
        let read = Certificate::from_pem(&row.text("pem")?).map_err(Refusal::internal)?;
        all.push((read, row.maybe_text("tenant_id")?.map_or(Issuer::Platform, Issuer::Tenant)));
    }
    Ok(all)
}

/// The regions that are given up.
pub(super) async fn lost_regions(tx: &mut Transaction, provider: &str) -> Result<BTreeSet<String>, StoreError> {
    let sql = "select region from lobby_lost_regions where provider_id = $1 order by region";
    tx.query(sql, args![provider]).await?.iter().map(|row| row.text("region")).collect()
}

/// Opens a lobby, or changes where it is and whom it trusts.
pub(super) async fn open(app: &Platform, plan: &LobbyPlan) -> Answer<LobbyAccount> {
    let known = app.settings().regions.names();
    let once: BTreeSet<_> = plan.regions.iter().collect();
    if plan.regions.is_empty() || once.len() != plan.regions.len() || !once.iter().all(|name| known.contains(name)) {
        let told = format!("a lobby is in one or more of {}, each once", known.join(", "));
        return Err(Refusal::bad_request(told));
    }
    let regions: Vec<&str> = plan.regions.iter().map(String::as_str).collect();
    let mut tx = app.begin().await?;
    let is_new = find(&mut tx, &plan.provider).await?.is_none();
    if is_new {
        found(app, &mut tx, &plan.provider, &regions).await?;
    }
    for authority in &plan.trusts {
        trust(app, &mut tx, &plan.provider, authority).await?;
    }
    let house = find(&mut tx, &plan.provider).await?.ok_or_else(|| Refusal::internal("a lobby is not there"))?;
    let change = format!("regions: {}\nauthorities: {} given", plan.regions.join(", "), plan.trusts.len());
    house.note(app, &mut tx, Actor::operator(), change).await?;
    app.commit(tx).await?;
    if !is_new {
        app.set_regions(&house.tenant, &regions).await.map_err(Refusal::internal)?;
    }
    lobby::Lobbies::forget_houses(app.lobbies());
    house.shown(app).await
}

/// Makes the tenant that the lobby's account is, in the transaction of who opens it.
async fn found(app: &Platform, tx: &mut Transaction, provider: &str, regions: &[&str]) -> Answer<()> {
    let landlord = organisation::landlord(tx, provider).await?;
    let draft = Draft { name: NAME, limit: 0, provider: false, parent: None };
    let (tenant, _) = insert_tenant(app, tx, &draft).await?;
    registry::settle_account(tx, &tenant, &landlord.lobby, regions).await?;
    // From now on what stands in its log stands in the central log too.
    tx.execute("update org_accounts set tenant_id = $2 where id = $1", args![&landlord.lobby, &tenant]).await?;
    let sql = "insert into lobbies (provider_id, tenant_id, account_id, created_at) values ($1, $2, $3, $4)";
    tx.execute(sql, args![provider, &tenant, &landlord.lobby, app.now_ms()]).await?;
    Ok(())
}

impl lobby::Lobbies {
    /// Which lobbies there are is to be looked up again.
    fn forget_houses(&self) {
        self.state().houses = None;
    }
}
