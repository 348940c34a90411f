//! What is known beside a row when an event about it is decided.

use super::house::House;
use super::{Lobbies, drawn};
use crate::args;
use crate::defects::DefectId;
use crate::organisation;
use crate::platform::Platform;
use crate::refusal::Answer;
use crate::store::Transaction;
use fleetproof_dataplane::lobby::{AccountFacts, Defect, Event, Facts, Fingerprint, Issuer, Proof, Row};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that the rules ask.
#[derive(Debug)]
pub(super) struct Known {
    label_key: [u8; 32],
    accounts: BTreeMap<String, AccountFacts>,
    pairing_code: String,
    open_preclaims: u32,
    name_taken: bool,
    lobby_region: String,
    defect: Option<Defect>,
}

impl Known {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            label_key: &self.label_key,
            accounts: &self.accounts,
            pairing_code: &self.pairing_code,
            open_preclaims: self.open_preclaims,
            name_taken: self.name_taken,
            lobby_region: &self.lobby_region,
            defect: self.defect,
        }
    }

    /// What is known where nothing but the row counts: who sees it.
    pub(super) fn nothing(app: &Platform) -> Self {
        Self {
            label_key: [0; 32],
            accounts: BTreeMap::new(),
            pairing_code: String::new(),
            open_preclaims: 0,
            name_taken: false,
            lobby_region: String::new(),
            defect: planted(app),
        }
    }

    /// Looks up what is to be known for `event`, which happens in a region of the lobby.
    pub(super) async fn gather(
        app: &Platform,
        tx: &mut Transaction,
        house: &House,
        (certid, row): (&Fingerprint, Option<&Row>),
        event: &Event,
        region: &str,
    ) -> Answer<Self> {
        let lobbies: &Lobbies = app.lobbies();
        let homes = homes(row, event);
        let mut known = Self {
            label_key: lobbies.label_key(&house.provider),
            lobby_region: region.to_owned(),
            ..Self::nothing(app)
        };
        for (account, region) in &homes {
            // The first that names an account counts: it is where the device goes next.
            if !known.accounts.contains_key(account)
                && let Some(facts) = organisation::account_facts(app, tx, &house.provider, account, region).await?
            {
                known.accounts.insert(account.clone(), facts);
            }
        }
        if let Event::Claim { proof: Proof::None, by, .. } = event {
            known.pairing_code = drawn::<4>(app);
            let sql = "select count(*) as n from lobby_waits w join lobby_devices d \
                       on d.provider_id = w.provider_id and d.certid = w.certid \
                       where w.provider_id = $1 and w.tenant_id = $2 and d.name is null";
            let open = tx.number(sql, args![&house.provider, by.tenant.as_deref().unwrap_or_default()]).await?;
            known.open_preclaims = u32::try_from(open).unwrap_or(u32::MAX);
        }
        let name = match event {
            Event::Registered { devicename, .. } => Some(devicename),
            _ => row.and_then(|row| row.devicename.as_ref()),
        };
        if let (Some(name), Some((account, region))) = (name, homes.first()) {
            known.name_taken = is_taken(tx, (account, region), name, certid).await?;
        }
        Ok(known)
    }
}

/// The homes that an event may be about, the one where the device goes next first.
fn homes(row: Option<&Row>, event: &Event) -> Vec<(String, String)> {
    let mut homes = Vec::new();
    let row_homes = |row: &Row| {
        let bindings = row.next.iter().chain(row.owner.iter());
        bindings.map(|home| (home.account.clone(), home.region.clone())).collect::<Vec<_>>()
    };
    match event {
        Event::Claim { account, region, .. } | Event::Migrate { account, region, .. } => {
            homes.push((account.clone(), region.clone()));
        }
        Event::Evacuate { to, .. } => {
            homes.extend(row.map(row_homes).into_iter().flatten().map(|(account, _)| (account, to.clone())));
        }
        Event::Announce { payload, .. } => {
            let said: Option<Value> = serde_json::from_slice(payload).ok();
            let code = said.as_ref().and_then(|said| said.get("pairing")).and_then(Value::as_str).unwrap_or_default();
            let pending = row.and_then(|row| row.pending.iter().find(|waits| waits.code == code));
            homes.extend(pending.map(|waits| (waits.binding.account.clone(), waits.binding.region.clone())));
        }
        Event::Registered { issuer: Issuer::Tenant(own), .. } => {
            let pending = row.and_then(|row| row.pending.iter().find(|waits| waits.binding.tenant == *own));
            homes.extend(pending.map(|waits| (waits.binding.account.clone(), waits.binding.region.clone())));
        }
        _ => {}
    }
    homes.extend(row.map(row_homes).into_iter().flatten());
    homes
}

/// Whether another certificate has this name in an account and region, or is to have it.
async fn is_taken(
    tx: &mut Transaction,
    (account, region): (&str, &str),
    name: &str,
    certid: &Fingerprint,
) -> Answer<bool> {
    let there = "select count(*) as n from thing_principals p join accounts a on a.tenant_id = p.tenant_id \
                 where a.account_id = $1 and p.region = $2 and p.thing = $3 and p.certificate_id <> $4";
    let coming = "select count(*) as n from lobby_devices \
                  where owner_account = $1 and owner_region = $2 and name = $3 and certid <> $4";
    let asked = args![account, region, name, certid.as_str()];
    Ok(tx.number(there, asked).await? > 0 || tx.number(coming, asked).await? > 0)
}

/// The planted defect, where it is one of the rules'.
fn planted(app: &Platform) -> Option<Defect> {
    let all = [
        (DefectId::LobbySecondClaimWins, Defect::SecondClaimWins),
        (DefectId::LobbyClaimWithoutProof, Defect::ClaimWithoutProof),
        (DefectId::LobbyReleaseByStranger, Defect::ReleaseByStranger),
        (DefectId::LobbyAnnounceOverridesCertid, Defect::AnnounceOverridesCertid),
        (DefectId::LobbyAuthorityIgnored, Defect::AuthorityIgnored),
        (DefectId::LobbyOldTenantNotCleaned, Defect::OldTenantNotCleaned),
        (DefectId::LobbyRetryForgotten, Defect::RetryForgotten),
        (DefectId::LobbyStaleEndpointTold, Defect::StaleEndpointTold),
        (DefectId::LobbyFingerprintToEveryone, Defect::FingerprintToEveryone),
        (DefectId::LobbyCompareAndSetLost, Defect::CompareAndSetLost),
        (DefectId::LobbyLabelNeverSpent, Defect::LabelNeverSpent),
        (DefectId::LobbyResetByAnyone, Defect::ResetByAnyone),
        (DefectId::LobbyLoserNotTold, Defect::LoserNotTold),
    ];
    all.into_iter().find(|(id, _)| app.defect(*id)).map(|(_, rule)| rule)
}
