//! Devices between tenants: given back, sent to another one, or with their whole region; and whether the lobby may act.

use super::{WITHIN, WITHIN_SLOW, within};
use crate::accounts::Deed;
use crate::actors::{self, Default};
use crate::lookups;
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Gone, Result, Run, Stop};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::Place;
use fleetproof_dialects::aws::lobby::{self, Target};
use fleetproof_dialects::aws::organisation;
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_journal::What;
use fleetproof_language::{ByDevices, ByTenants, Evacuate, Located, Migrate, Outcome};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// How many devices one person sends away at the same time.
const LANES: usize = 8;

/// Gives devices back to the lobby, by their owner. It ends when the lobby's ledger has them as nobody's.
pub(crate) async fn release(run: &Run, step: &Located<ByDevices>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let parts = leave(run, &devices, &step.outcome, None, deadline).await?;
    refusals::note(run, "release", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "devices released"))
}

/// Gives those of these devices that a tenant has back to the lobby, as if nobody had claimed them.
///
/// # Errors
/// Inconclusive when one does not go.
pub(crate) async fn give_back(run: &Run, devices: &[u32]) -> Result<()> {
    let owned: Vec<u32> = devices.iter().copied().filter(|device| run.lobby.owner(*device).is_some()).collect();
    let parts = leave(run, &owned, &Outcome::default(), None, run.deadline(WITHIN_SLOW)).await?;
    match parts.iter().find(|part| part.result.is_err()) {
        Some(part) => Err(Stop::Inconclusive(format!("`{}` does not go back to the lobby", part.name))),
        None => Ok(()),
    }
}

/// Sends devices to another tenant. It ends when the lobby's ledger has each as a device of that one.
pub(crate) async fn migrate(run: &Run, step: &Located<Migrate>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let deadline = run.deadline(within(&step.outcome, WITHIN_SLOW));
    let parts = leave(run, &devices, &step.outcome, Some(&step.tenant), deadline).await?;
    refusals::note(run, "migrate", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "devices migrated"))
}

/// Devices leave their tenants, for another one or for nobody.
async fn leave(run: &Run, devices: &[u32], outcome: &Outcome, to: Option<&str>, deadline: Stamp) -> Result<Vec<Part>> {
    let target = match to {
        Some(tenant) => {
            run.listeners.hear(run, tenant, devices).await?;
            Some(run.things.place(run, tenant).await?)
        }
        None => None,
    };
    let (mut parts, mut left) = (Vec::new(), Vec::new());
    for (tenant, devices) in run.by_tenant(devices) {
        let admin = run.people.admin(&tenant).await?;
        let by = actors::acting(run, outcome, Default::AdminOf(&tenant)).await?;
        for lane in devices.chunks(LANES) {
            let (mut before, mut calls) = (Vec::new(), Vec::new());
            for device in lane {
                let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
                before.push(lookups::found(run, &admin, &tenant, *device, &certificate).await?);
                calls.push(sent(run.mender.clone(), by.clone(), certificate, target.clone()));
            }
            let answers = actors::together(calls).await;
            for ((device, found), answer) in lane.iter().zip(before).zip(answers) {
                let name = run.name_of(*device);
                let result = match answer {
                    Ok(()) => {
                        let whom = to.map_or_else(|| "nobody".to_owned(), |tenant| format!("`{tenant}`"));
                        let places: Vec<&str> = found.iter().copied().collect();
                        let text = format!(
                            "`{name}` leaves `{tenant}` for {whom}; before, it was found in {}",
                            places.join(", ")
                        );
                        let seq = run.shared.emit("engine", None, What::Note { text });
                        let id = run.things.certificate(*device).unwrap_or_default();
                        let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
                        let what = if to.is_some() { Deed::Moved(certificate) } else { Deed::Released(certificate) };
                        run.accounts.tell(seq, &by, &tenant, what);
                        let gone = Gone { tenant: tenant.clone(), id, found, seq };
                        run.gone.change(|all| all.entry(*device).or_default().push(gone));
                        left.push(*device);
                        Ok(())
                    }
                    Err(error) => Err(refusals::read(error)?),
                };
                parts.push(Part { name, result });
            }
        }
    }
    arrived(run, &left, target.as_ref(), deadline).await?;
    stayed(run, devices, &mut parts).await?;
    Ok(parts)
}

/// One request to let a device go.
async fn sent(
    mender: Mender,
    by: Session,
    certificate: String,
    target: Option<Place>,
) -> std::result::Result<(), DialectError> {
    match target {
        Some(place) => {
            let target = Target { account: &place.account, region: &place.region };
            lobby::migrate(&mender, &by, &certificate, target).await
        }
        None => lobby::release(&mender, &by, &certificate).await.map(drop),
    }
}

/// Waits until the lobby's ledger has devices where they were sent.
async fn arrived(run: &Run, devices: &[u32], target: Option<&Place>, deadline: Stamp) -> Result<()> {
    devices.iter().for_each(|device| run.lobby.let_go(*device));
    loop {
        let rows = run.lobby.take_note(run, devices).await?;
        let missing = devices.iter().find(|device| {
            let row = rows.get(device);
            !row.is_some_and(|row| match target {
                Some(place) => {
                    row.state == "commissioned" && row.account == place.account && row.region == place.region
                }
                None => row.account.is_empty(),
            })
        });
        let Some(device) = missing else { return Ok(()) };
        if run.shared.now() >= deadline {
            let state = rows.get(device).map_or("unknown", |row| row.state.as_str());
            return Err(Stop::Failed(format!(
                "`{}` was sent away, and the lobby has it as {state}",
                run.name_of(*device)
            )));
        }
        run.glance(deadline).await?;
    }
}

/// Devices that were not let go must be where they were.
async fn stayed(run: &Run, devices: &[u32], parts: &mut [Part]) -> Result<()> {
    if parts.iter().all(|part| part.result.is_ok()) {
        return Ok(());
    }
    let by_name: BTreeMap<String, u32> = devices.iter().map(|device| (run.name_of(*device), *device)).collect();
    for part in parts {
        let (Err(no), Some(device)) = (&mut part.result, by_name.get(&part.name)) else { continue };
        let before = run.tenant_of(*device);
        run.lobby.take_note(run, &[*device]).await?;
        let now = run.tenant_of(*device);
        if now != before {
            no.done_anyway = Some(format!("the lobby has it as a device of `{now}`"));
        }
    }
    Ok(())
}

/// All devices of a region go to another one, tenant by tenant.
pub(crate) async fn evacuate(run: &Run, step: &Located<Evacuate>) -> Result<Ending> {
    let deadline = run.deadline(within(&step.outcome, WITHIN_SLOW));
    let by = actors::acting(run, &step.outcome, Default::ProvidersAdmin(Run::PROVIDER)).await?;
    let mut tenants = Vec::new();
    for tenant in run.open_accounts() {
        if run.things.place(run, &tenant).await?.region == step.region.value {
            tenants.push(tenant);
        }
    }
    let result = match lobby::evacuate(&run.mender, &by, &step.region, &step.into).await {
        Ok((_, left)) if !left.is_empty() => {
            let (certificate, why) = &left[0];
            return Ok(Ending::failed(format!(
                "{} devices were left behind in {}, {certificate} for one: {why}",
                left.len(),
                step.region.value
            )));
        }
        Ok((moved, _)) => {
            let text = format!("{moved} devices of {} go to {}", step.region.value, step.into.value);
            let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
            for tenant in &tenants {
                let devices: Vec<u32> = run.things.inside(run, tenant).into_iter().collect();
                for device in &devices {
                    let what = Deed::Evacuated(run.things.identities.of(run, *device)?.identity.fingerprint());
                    // Which of them the lobby put there, it knows.
                    run.accounts.tell_perhaps(seq, &by, tenant, what);
                }
                run.things.moves(tenant, &step.into);
                run.listeners.hear(run, tenant, &devices).await?;
                let place = run.things.place(run, tenant).await?;
                arrived(run, &devices, Some(&place), deadline).await?;
            }
            Ok(())
        }
        Err(error) => Err(refusals::read(error)?),
    };
    let parts = [Part { name: step.region.value.clone(), result }];
    refusals::note(run, "evacuate", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "regions evacuated"))
}

/// The lobby may act in tenants from now on.
pub(crate) async fn grant_trust(run: &Run, step: &Located<ByTenants>) -> Result<Ending> {
    trust(run, step, true).await
}

/// The lobby may act in tenants no longer.
pub(crate) async fn revoke_trust(run: &Run, step: &Located<ByTenants>) -> Result<Ending> {
    trust(run, step, false).await
}

async fn trust(run: &Run, step: &Located<ByTenants>, on: bool) -> Result<Ending> {
    let (verb, done) =
        if on { ("grant_trust", "tenants trust the lobby") } else { ("revoke_trust", "tenants trust it not") };
    let provider = run.people.admin(Run::PROVIDER).await?;
    let by = actors::acting(run, &step.outcome, Default::ProvidersAdmin(Run::PROVIDER)).await?;
    let mut parts = Vec::new();
    for tenant in &step.tenants {
        let (admin, place) = (run.people.admin(tenant).await?, run.things.place(run, tenant).await?);
        let account = organisation::own_account(&run.mender, &admin).await?;
        let before = organisation::trust(&run.mender, &provider, &account, &place.region).await?;
        let answer = organisation::set_trust(&run.mender, &by, &account, &place.region, on).await;
        let now = organisation::trust(&run.mender, &provider, &account, &place.region).await?;
        let result = match answer {
            Ok(()) if now != on => {
                return Ok(Ending::failed(format!(
                    "`{}` asked for the trust of `{}`, the platform said yes, and nothing changed",
                    by.who(),
                    tenant.value
                )));
            }
            Ok(()) => {
                run.accounts.trust(tenant, &place.region, on);
                let may = if on { "lets the lobby act" } else { "does not let the lobby act any more" };
                let text = format!("`{}` {may} in {}", tenant.value, place.region);
                let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
                let what = Deed::Trust { account, region: place.region.clone(), on };
                run.accounts.tell(seq, &by, tenant, what);
                Ok(())
            }
            Err(error) => {
                let mut no = refusals::read(error)?;
                no.done_anyway = (before != now).then(|| "the organisation shows it as changed".to_owned());
                Err(no)
            }
        };
        parts.push(Part { name: tenant.value.clone(), result });
    }
    refusals::note(run, verb, &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, done))
}
