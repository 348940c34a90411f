//! The lobby of a scenario: where it is, who claimed what, and whose each device is by its ledger.

use crate::accounts::Deed;
use crate::actors;
use crate::kept::Kept;
use crate::outcome::Part;
use crate::record::Seq;
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::aws::lobby::{self, LobbyRow, Target};
use fleetproof_dialects::mender::Session;
use fleetproof_journal::What;
use fleetproof_language::Refusal;
use std::collections::{BTreeMap, BTreeSet};

/// How many devices one person claims at the same time.
const LANES: usize = 8;

/// What is known of the lobby.
#[derive(Default)]
pub(crate) struct LobbyDesk {
    /// Region and host of each endpoint, the first region first.
    hosts: Kept<Vec<(String, String)>>,
    /// What stands on each device.
    labels: Kept<BTreeMap<u32, String>>,
    /// Whose each device is, by the lobby's ledger.
    owners: Kept<BTreeMap<u32, String>>,
    /// Devices and tenants that a claim stands for since the device was last nobody's.
    asked: Kept<BTreeSet<(u32, String)>>,
    /// Every claim on each device, and what came of it.
    claims: Kept<BTreeMap<u32, Vec<Claimed>>>,
}

/// A claim, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) tenant: String,
    /// `None`: it was taken.
    pub(crate) refused: Option<Option<Refusal>>,
    /// The event that tells it.
    pub(crate) seq: Seq,
}

impl LobbyDesk {
    /// Opens the lobby that the scenario describes.
    pub(crate) async fn open(&self, run: &Run) -> Result<()> {
        let platform = &run.plan.scenario.platform;
        let Some(declared) = &platform.lobby else { return Ok(()) };
        let regions: Vec<String> = declared.regions.iter().map(|region| region.value.clone()).collect();
        let mut authorities = Vec::new();
        for name in &declared.trusts {
            authorities.push((run.things.identities.trusted(name)?, None));
        }
        for (tenant, said) in platform.tenants.iter() {
            for name in said.trusts.iter().filter(|name| !declared.trusts.contains(name)) {
                let Ok(at) = run.tenant(tenant) else { continue };
                authorities.push((run.things.identities.trusted(name)?, Some(at.id.to_string())));
            }
        }
        let by = run.people.admin(Run::PROVIDER).await?;
        let hosts = lobby::open(&run.mender, &by, &regions, &authorities).await?;
        self.hosts.change(|known| *known = hosts);
        Ok(())
    }

    /// The host of its first endpoint.
    pub(crate) fn host(&self) -> Result<String> {
        let host = self.hosts.read(|hosts| hosts.first().map(|(_, host)| host.clone()));
        host.ok_or_else(|| Stop::Broken("the lobby has no endpoint".to_owned()))
    }

    /// Whose a device is, where the lobby has a say in that.
    pub(crate) fn owner(&self, device: u32) -> Option<String> {
        self.owners.get(&device)
    }

    /// The claims on a device so far.
    pub(crate) fn claims(&self, device: u32) -> Vec<Claimed> {
        self.claims.get(&device).unwrap_or_default()
    }

    /// A device belongs to nobody, and has no label that anybody knows.
    pub(crate) fn let_go(&self, device: u32) {
        self.owners.remove(&device);
        self.labels.remove(&device);
        self.asked.change(|asked| asked.retain(|(of, _)| *of != device));
    }

    /// The lobby's ledger as who runs it is shown it, by certificate.
    pub(crate) async fn ledger(&self, run: &Run) -> Result<BTreeMap<String, LobbyRow>> {
        let by = run.people.admin(Run::PROVIDER).await?;
        let rows = lobby::devices(&run.mender, &by).await?;
        Ok(rows.into_iter().map(|row| (row.certificate.clone(), row)).collect())
    }

    /// Takes note of whose devices are by the lobby's ledger.
    pub(crate) async fn take_note(&self, run: &Run, devices: &[u32]) -> Result<BTreeMap<u32, LobbyRow>> {
        let mut accounts = BTreeMap::new();
        for tenant in run.open_accounts() {
            let place = run.things.place(run, &tenant).await?;
            accounts.insert(place.account, tenant);
        }
        let ledger = self.ledger(run).await?;
        let mut rows = BTreeMap::new();
        for device in devices {
            let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
            let Some(row) = ledger.get(&certificate) else { continue };
            match accounts.get(&row.account) {
                Some(tenant) => {
                    self.owners.insert(*device, tenant.clone());
                    run.things.know(*device, certificate);
                }
                None => drop(self.owners.remove(device)),
            }
            rows.insert(*device, row.clone());
        }
        Ok(rows)
    }

    /// What stands on a device, as its factory prints it.
    async fn label(&self, run: &Run, device: u32) -> Result<String> {
        if let Some(label) = self.labels.get(&device) {
            return Ok(label);
        }
        let by = run.people.admin(Run::PROVIDER).await?;
        let certificate = run.things.identities.of(run, device)?.identity.fingerprint();
        let label = lobby::label(&run.mender, &by, &certificate).await?;
        self.labels.insert(device, label.clone());
        Ok(label)
    }

    /// "These are ours", for `tenant`. Parts are in the order of `devices`.
    pub(crate) async fn claim(&self, run: &Run, by: &Session, tenant: &str, devices: &[u32]) -> Result<Vec<Part>> {
        run.listeners.hear(run, tenant, devices).await?;
        let place = run.things.place(run, tenant).await?;
        let mut parts = Vec::new();
        for lane in devices.chunks(LANES) {
            let mut calls = Vec::new();
            for device in lane {
                let label = self.label(run, *device).await?;
                let (mender, by, place) = (run.mender.clone(), by.clone(), place.clone());
                calls.push(async move {
                    let target = Target { account: &place.account, region: &place.region };
                    lobby::claim(&mender, &by, &label, target).await
                });
            }
            for (device, answer) in lane.iter().zip(actors::together(calls).await) {
                let result = match answer {
                    Ok(()) => Ok(()),
                    Err(error) => Err(refusals::read(error)?),
                };
                parts.push(Part { name: run.name_of(*device), result });
            }
        }
        let rows = self.take_note(run, devices).await?;
        for (device, part) in devices.iter().zip(&mut parts) {
            let is_theirs = rows.get(device).is_some_and(|row| row.account == place.account);
            // A claim that waits for trust stands in the ledger: nothing has been done for it.
            let is_kept = rows.get(device).is_some_and(|row| row.state == "commissioned");
            if let Err(no) = &mut part.result
                && is_theirs
                && is_kept
                && self.won_before(*device, tenant).is_none()
            {
                no.done_anyway = Some(format!("the lobby's ledger has it as a device of `{tenant}`"));
            }
            let refused = part.result.as_ref().err().map(|no| no.kind);
            let came = match &refused {
                None => "was taken".to_owned(),
                Some(kind) => format!("was refused{}", kind.map_or_else(String::new, |kind| format!(" as `{kind}`"))),
            };
            let text = format!("`{}` claimed for `{tenant}` by `{}`: it {came}", part.name, by.who());
            let seq = run.shared.emit("engine", None, What::Note { text });
            // A claim that waits for trust stands, too; one of who claimed before changes nothing.
            let stands = matches!(refused, None | Some(Some(Refusal::Untrusted)));
            if stands {
                let what = Deed::Claimed(run.things.identities.of(run, *device)?.identity.fingerprint());
                let is_first = self.asked.change(|asked| asked.insert((*device, tenant.to_owned())));
                match is_first {
                    true => run.accounts.tell(seq, by, tenant, what),
                    false => run.accounts.tell_perhaps(seq, by, tenant, what),
                }
            }
            let claimed = Claimed { tenant: tenant.to_owned(), refused, seq };
            self.claims.change(|all| all.entry(*device).or_default().push(claimed));
        }
        Ok(parts)
    }

    /// The claim by which a tenant has a device already.
    fn won_before(&self, device: u32, tenant: &str) -> Option<Seq> {
        self.claims(device)
            .iter()
            .find(|claim| claim.tenant == tenant && claim.refused.is_none())
            .map(|claim| claim.seq)
    }
}

/// Whether a device belongs to nobody at the start.
pub(crate) fn is_unbound(run: &Run, device: u32) -> bool {
    run.planned(device).is_ok_and(|planned| planned.tenant == NOBODY)
}

/// The tenant of devices that belong to nobody.
pub(crate) const NOBODY: &str = "none";
