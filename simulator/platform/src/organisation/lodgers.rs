//! What the Device Lobby asks of the organisation that it belongs to.

use super::governance::account_of;
use super::landing::{Organisation, find};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use fleetproof_dataplane::lobby::AccountFacts;
use fleetproof_dataplane::organisation::AccountKind;

/// The organisation that a lobby belongs to, as far as the lobby asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landlord {
    /// The number of the lobby's account.
    pub(crate) lobby: String,
    /// The role that the lobby acts as.
    pub(crate) role: String,
}

/// The lobby's landlord; 404 for a provider without an organisation.
pub(crate) async fn landlord(tx: &mut Transaction, provider: &str) -> Answer<Landlord> {
    let none = || Refusal::not_found("AWSOrganizationsNotInUseException: set the organisation up first");
    let Organisation { lobby: role, .. } = find(tx, provider).await?.ok_or_else(none)?;
    let sql = "select id from org_accounts where provider_id = $1 and kind = $2 order by id";
    let row = tx.first(sql, args![provider, AccountKind::Lobby.name()]).await?.ok_or_else(none)?;
    Ok(Landlord { lobby: row.text("id")?, role })
}

/// The provider whose organisation a tenant's account is in.
pub(crate) async fn provider_of(tx: &mut Transaction, tenant: &str) -> Result<Option<String>, StoreError> {
    account_of(tx, tenant).await?.map(|row| row.text("provider_id")).transpose()
}

/// An open account of an organisation, and whether it lets the lobby in in this region.
pub(crate) async fn account_facts(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    account: &str,
    region: &str,
) -> Answer<Option<AccountFacts>> {
    let Some(organisation) = find(tx, provider).await? else { return Ok(None) };
    let sql = "select a.tenant_id from org_accounts a join tenants t on t.id = a.tenant_id \
               where a.provider_id = $1 and a.id = $2 and a.state = 'ACTIVE' and t.status = 'active' order by a.id";
    let Some(row) = tx.first(sql, args![provider, account]).await? else { return Ok(None) };
    let mut facts = AccountFacts { tenant: row.text("tenant_id")?, regions: Vec::new(), trusts: false };
    let sql = "select region, trusts, external_id from org_regions where account_id = $1 and endpoint is not null order by region";
    for row in tx.query(sql, args![account]).await? {
        let name = row.text("region")?;
        if !organisation.governed.contains(&name) {
            continue;
        }
        let withdrawn = row.maybe_text("external_id")?.is_some() && app.defect(DefectId::RevokedTrustStillGood);
        let trusts = row.maybe_text("trusts")?.as_deref() == Some(organisation.lobby.as_str());
        facts.trusts |= name == region && (trusts || withdrawn);
        facts.regions.push(name);
    }
    Ok(Some(facts))
}

/// What the lobby has to show to an account in a region, as it was told when the account was made.
pub(crate) async fn external_id(
    tx: &mut Transaction,
    account: &str,
    region: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "select external_id from org_regions where account_id = $1 and region = $2 order by region";
    let row = tx.first(sql, args![account, region]).await?;
    Ok(row.map(|row| row.maybe_text("external_id")).transpose()?.flatten())
}
