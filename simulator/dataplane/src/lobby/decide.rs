//! What an event makes of a row.

use super::audit::entries;
use super::claim::{begin, bind, claim, drop_pending, home, knocked, paired};
use super::work::{may_own, outstanding, reset, told};
use super::{
    Actor, Binding, Change, Cleanup, Defect, Event, Facts, Fingerprint, Label, LobbyError, Row, State, Step, Undo,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Between two announces at full pace (µs): the original's devices take five seconds.
const ANNOUNCE_US: u64 = 2_000_000;
/// Announces that may come at once.
const BURST: u64 = 5;
const ANNOUNCE_BYTES: usize = 4096;
/// A device that its endpoint refuses is commissioned again at most this often (µs); in between it is told the same again.
const RENEW_US: u64 = 60_000_000;
/// Former homes that may wait for their region.
const CLEANUPS: usize = 4;

/// Decides `event` for the certificate `certid`, whose row was read as `row`, at `now` (µs since 1970).
///
/// # Errors
/// The event is refused; nothing changes.
pub fn decide(
    certid: &Fingerprint,
    row: Option<&Row>,
    event: &Event,
    facts: &Facts<'_>,
    now: u64,
) -> Result<Change, LobbyError> {
    let fresh;
    let start = match (row, event) {
        (Some(row), _) => row,
        (None, Event::Registered { .. } | Event::Claim { .. }) => {
            fresh = Row::new(certid.clone());
            &fresh
        }
        (None, _) => return Err(LobbyError::Unknown),
    };
    let mut change = Change::of(start);
    let (actor, action) = apply(&mut change, event, facts, now)?;
    if row != Some(&change.row) {
        change.row.version = change.expected.saturating_add(1);
        change.entries = entries(now, &actor, &action, row, &change.row);
    }
    Ok(change)
}

/// Does it, and says who did what.
fn apply(change: &mut Change, event: &Event, facts: &Facts<'_>, now: u64) -> Result<(String, String), LobbyError> {
    let said = |actor: &str, action: &str| Ok((actor.to_owned(), action.to_owned()));
    match event {
        Event::Registered { pem, devicename, issuer } => {
            if matches!(change.row.state, State::Rejected | State::Revoked) {
                return Err(LobbyError::WrongState(change.row.state));
            }
            if !thing_name(devicename) {
                return Err(LobbyError::InvalidName);
            }
            // A certificate does not change; the event may come twice.
            if change.row.devicecert.is_none() {
                change.row.devicecert = Some(pem.clone());
                change.row.devicename = Some(devicename.clone());
                change.row.issuer = Some(issuer.clone());
                change.row.heard_at = now;
                change.row.heard_in = facts.lobby_region.to_owned();
                knocked(change, facts, now);
            }
            said("device", "knock")
        }
        Event::Announce { client_id, payload } => {
            let paired_by = announce(change, facts, now, client_id, payload)?;
            match paired_by {
                Some(actor) => said(&actor, "claim by pairing"),
                None => said("device", "announce"),
            }
        }
        Event::Claim { by, account, region, proof } => {
            claim(change, facts, now, by, (account, region), proof)?;
            said(&by.name, "claim")
        }
        Event::StepDone { account, region, step, iotep } => {
            step_done(change, account, region, *step, iotep.as_deref())?;
            said("lobby", &format!("commission: {}", step.name()))
        }
        Event::StepFailed { account, region, step, no_trust } => {
            let owner = owner_at(&change.row, account, region)?;
            if change.row.state == State::Commissioning {
                if *no_trust {
                    change.row.state = State::RefusedTrust;
                    change.tell(&owner.tenant, "The lobby may not act in the account; grant it the trust role.");
                }
                change.work = outstanding(&change.row).0;
            }
            said("lobby", &format!("commission: {} failed", step.name()))
        }
        Event::TrustGranted { account } => {
            let waits = change.row.owner.as_ref().is_some_and(|owner| owner.account == *account);
            if waits && change.row.state == State::RefusedTrust && !facts.has(Defect::RetryForgotten) {
                change.row.state = State::Commissioning;
            }
            (change.work, change.undo) = outstanding(&change.row);
            said("lobby", "trust granted")
        }
        Event::Release { by } => {
            let owner = owned_by(change, facts, by)?;
            release(change, facts, &owner)?;
            said(&by.name, "release")
        }
        Event::Migrate { by, tenant, account, region, accepted_by } => {
            let owner = owned_by(change, facts, by)?;
            let to = home(facts, tenant, account, region)?;
            migrate(change, facts, &owner, to, accepted_by.is_some())?;
            said(&by.name, "migrate")
        }
        Event::Evacuate { by, from, to } => {
            if let Some(tenant) = &by.tenant
                && !change.row.is_of(tenant)
            {
                return Err(LobbyError::Unknown);
            }
            evacuate(change, facts, from, to)?;
            said(&by.name, "evacuate")
        }
        Event::Undone { account, region, undo } => {
            undone(change, facts, account, region, *undo);
            said("lobby", &format!("clean up: {}", undo.name()))
        }
        Event::Reject { by } => {
            operator(by)?;
            match change.row.state {
                State::Knocking | State::InLobby | State::Released => {
                    drop_pending(change, facts, None, "The device was turned down by the lobby.");
                    change.row.state = State::Rejected;
                }
                State::Rejected => {}
                state => return Err(LobbyError::WrongState(state)),
            }
            said(&by.name, "reject")
        }
        Event::Revoke { by } => {
            match &by.tenant {
                Some(tenant) if !change.row.is_of(tenant) => return Err(LobbyError::Unknown),
                _ => revoke(change, facts)?,
            }
            said(&by.name, "revoke")
        }
        Event::Reinstate { by } => {
            operator(by)?;
            reinstate(change, facts)?;
            said(&by.name, "reinstate")
        }
    }
}

/// An announce; who claimed the device, if it brought a pairing code.
fn announce(
    change: &mut Change,
    facts: &Facts<'_>,
    now: u64,
    client_id: &str,
    payload: &[u8],
) -> Result<Option<String>, LobbyError> {
    let row = &mut change.row;
    if matches!(row.state, State::Rejected | State::Revoked) {
        return Err(LobbyError::WrongState(row.state));
    }
    let Some(name) = &row.devicename else { return Err(LobbyError::Unknown) };
    if name != client_id {
        return Err(LobbyError::NotItsName);
    }
    // A row that is read from an older time must not throttle less, so this comes before the payload is looked at.
    let pace = row.pace.max(now).saturating_add(ANNOUNCE_US);
    let most = now.saturating_add(BURST * ANNOUNCE_US);
    if pace > most {
        return Err(LobbyError::Throttled(pace - most));
    }
    if payload.len() > ANNOUNCE_BYTES {
        return Err(LobbyError::InvalidAnnounce);
    }
    let fields: Map<String, Value> = serde_json::from_slice(payload).map_err(|_| LobbyError::InvalidAnnounce)?;
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();

    row.pace = pace;
    row.heard_at = now;
    facts.lobby_region.clone_into(&mut row.heard_in);
    row.doormancount = row.doormancount.saturating_add(1);
    row.pending.retain(|waits| waits.until > now);
    if facts.has(Defect::AnnounceOverridesCertid)
        && let Ok(forged) = Fingerprint::read(field("certid"))
    {
        row.certid = forged;
    }
    if matches!(row.state, State::Knocking | State::Released) {
        row.state = State::InLobby;
    }
    let stale = row.told.clone().filter(|_| facts.has(Defect::StaleEndpointTold));
    match row.state {
        State::InLobby => return Ok(paired(change, facts, now, field("pairing"))),
        State::Commissioned => answer(change, facts, now, (field("state"), field("iotep"))),
        State::Commissioning => change.messages.extend(stale.and_then(|iotep| told(&change.row, &iotep))),
        _ => {}
    }
    Ok(None)
}

/// A bound device is back: it is told its home again, or its home is made again because it was refused there.
fn answer(change: &mut Change, facts: &Facts<'_>, now: u64, (state, used): (&str, &str)) {
    let row = &mut change.row;
    let Some(iotep) = row.owner.as_ref().and_then(|owner| owner.iotep.clone()) else { return };
    let lately = row.renewed_at.is_some_and(|at| now.saturating_sub(at) < RENEW_US);
    if state == "refused" && used == iotep && !lately {
        row.renewed_at = Some(now);
        row.steps.clear();
        begin(change, facts);
        return;
    }
    row.told = Some(iotep.clone());
    change.messages.extend(told(&change.row, &iotep));
}

fn owner_at(row: &Row, account: &str, region: &str) -> Result<Binding, LobbyError> {
    row.owner.clone().filter(|owner| owner.is_at(account, region)).ok_or(LobbyError::NotItsHome)
}

/// A step is done. What was done for a home that the device is leaving is to be undone again; for one it has left, the
/// commissioner hears [`LobbyError::NotItsHome`] and undoes it itself.
fn step_done(
    change: &mut Change,
    account: &str,
    region: &str,
    step: Step,
    iotep: Option<&str>,
) -> Result<(), LobbyError> {
    let mut owner = owner_at(&change.row, account, region)?;
    let row = &mut change.row;
    match row.state {
        State::Commissioning | State::RefusedTrust => {}
        State::Commissioned => return Ok(()),
        State::Releasing => {
            let again = match step {
                Step::RegisterCertificate | Step::ActivateCertificate => Undo::Certificate,
                Step::CreatePolicy | Step::AttachPolicy => Undo::Policy,
                Step::CreateThing | Step::AttachThing => Undo::Thing,
                Step::DescribeEndpoint => return Ok(()),
            };
            if let Some(cleanup) = row.cleanups.iter_mut().find(|found| found.binding.is_at(account, region)) {
                cleanup.left.insert(again);
            }
            change.undo = outstanding(row).1;
            return Ok(());
        }
        state => return Err(LobbyError::WrongState(state)),
    }
    if let Some(missing) = Step::ALL.into_iter().find(|before| *before < step && !row.steps.contains(before)) {
        return Err(LobbyError::StepTooEarly(missing));
    }
    row.used_home = true;
    if step == Step::DescribeEndpoint {
        let host = iotep.filter(|host| host_name(host)).ok_or(LobbyError::InvalidEndpoint)?;
        owner.iotep = Some(host.to_owned());
        row.owner = Some(owner);
        row.steps.insert(step);
        row.state = State::Commissioned;
        row.told = Some(host.to_owned());
        change.messages.extend(told(&change.row, host));
    } else {
        row.steps.insert(step);
        change.work = outstanding(row).0;
    }
    Ok(())
}

/// The owner, if the actor speaks for it. A stranger hears what would be said of no device at all.
fn owned_by(change: &Change, facts: &Facts<'_>, by: &Actor) -> Result<Binding, LobbyError> {
    let owner = change.row.owner.clone().ok_or(LobbyError::Unknown)?;
    let theirs = by.tenant.as_ref().is_some_and(|tenant| *tenant == owner.tenant);
    if theirs || facts.has(Defect::ReleaseByStranger) { Ok(owner) } else { Err(LobbyError::Unknown) }
}

fn operator(by: &Actor) -> Result<(), LobbyError> {
    if by.tenant.is_none() { Ok(()) } else { Err(LobbyError::Forbidden) }
}

/// Everything in a home is to be undone.
fn leave(row: &mut Row, home: &Binding) -> Result<(), LobbyError> {
    let left: BTreeSet<Undo> = Undo::ALL.into();
    if let Some(known) = row.cleanups.iter_mut().find(|known| known.binding.is_at(&home.account, &home.region)) {
        known.left = left;
    } else if row.cleanups.len() >= CLEANUPS {
        return Err(LobbyError::TooManyCleanups);
    } else {
        row.cleanups.push(Cleanup { binding: home.clone(), left });
    }
    Ok(())
}

fn release(change: &mut Change, facts: &Facts<'_>, owner: &Binding) -> Result<(), LobbyError> {
    let next = Label::new(facts.label_key, change.row.certid.clone(), change.row.ownership.saturating_add(1));
    change.label = Some(next.to_string());
    change.row.next = None;
    depart(change, facts, owner)
}

/// The device leaves its home: at once where nothing is there, else when the home is clean.
fn depart(change: &mut Change, facts: &Facts<'_>, owner: &Binding) -> Result<(), LobbyError> {
    let row = &mut change.row;
    match row.state {
        State::Claimed => gone(change, facts),
        State::Releasing => change.undo = outstanding(row).1,
        State::Commissioning | State::Commissioned | State::RefusedTrust => {
            if facts.has(Defect::OldTenantNotCleaned) {
                gone(change, facts);
                return Ok(());
            }
            leave(row, owner)?;
            // Where the lobby was never let in nothing was made; a last look there must not hold the device.
            if row.state == State::RefusedTrust && !row.used_home {
                gone(change, facts);
            } else {
                row.state = State::Releasing;
                change.messages.extend(reset(row, owner));
            }
            change.undo = outstanding(&change.row).1;
        }
        state => return Err(LobbyError::WrongState(state)),
    }
    Ok(())
}

/// The ownership is over; the next one begins, if there is one.
fn gone(change: &mut Change, facts: &Facts<'_>) {
    let row = &mut change.row;
    let next = row.next.take();
    let tenant = row.owner.take().map(|owner| owner.tenant);
    if next.as_ref().map(|next| &next.tenant) != tenant.as_ref() {
        row.ownership = row.ownership.saturating_add(1);
    }
    row.steps.clear();
    row.used_home = false;
    row.renewed_at = None;
    row.state = if row.devicecert.is_some() { State::Released } else { State::Knocking };
    if let Some(next) = next {
        bind(change, facts, next);
    }
}

fn migrate(
    change: &mut Change,
    facts: &Facts<'_>,
    owner: &Binding,
    to: Binding,
    accepted: bool,
) -> Result<(), LobbyError> {
    if to.tenant != owner.tenant {
        if !accepted {
            return Err(LobbyError::NotAccepted);
        }
        if !may_own(facts, change.row.issuer.as_ref(), &to.tenant) {
            return Err(LobbyError::ForeignAuthority);
        }
    }
    if change.row.state == State::Releasing {
        // Asked again while it is under way; what was asked first holds.
        return if change.row.next.as_ref() == Some(&to) {
            Ok(())
        } else {
            Err(LobbyError::WrongState(State::Releasing))
        };
    }
    if owner.is_at(&to.account, &to.region) {
        return Ok(());
    }
    if let (true, Some(name)) = (facts.name_taken, &change.row.devicename) {
        return Err(LobbyError::NameTaken(name.clone()));
    }
    change.row.next = Some(to);
    depart(change, facts, owner)
}

/// A lost region: nothing there can be waited for.
fn evacuate(change: &mut Change, facts: &Facts<'_>, from: &str, to: &str) -> Result<(), LobbyError> {
    let row = &mut change.row;
    if let Some(next) = row.next.clone().filter(|next| next.region == from) {
        row.next = Some(home(facts, &next.tenant, &next.account, to)?);
    }
    let Some(owner) = row.owner.clone().filter(|owner| owner.region == from && from != to) else { return Ok(()) };
    match row.state {
        State::Claimed => row.owner = Some(home(facts, &owner.tenant, &owner.account, to)?),
        State::Commissioning | State::Commissioned | State::RefusedTrust => {
            let new = home(facts, &owner.tenant, &owner.account, to)?;
            leave(row, &owner)?;
            bind(change, facts, new);
        }
        State::Releasing => gone(change, facts),
        _ => {}
    }
    change.undo = outstanding(&change.row).1;
    Ok(())
}

fn undone(change: &mut Change, facts: &Facts<'_>, account: &str, region: &str, undo: Undo) {
    let row = &mut change.row;
    let Some(at) = row.cleanups.iter().position(|cleanup| cleanup.binding.is_at(account, region)) else { return };
    if let Some(cleanup) = row.cleanups.get_mut(at) {
        cleanup.left.remove(&undo);
        if cleanup.left.is_empty() {
            row.cleanups.remove(at);
            let leaves = row.owner.as_ref().is_some_and(|owner| owner.is_at(account, region));
            if row.state == State::Releasing && leaves {
                gone(change, facts);
            }
        }
    }
    change.undo = outstanding(&change.row).1;
}

/// The certificate is void everywhere. Ownership stays, so that the device is not anybody's if the revocation was a mistake.
fn revoke(change: &mut Change, facts: &Facts<'_>) -> Result<(), LobbyError> {
    drop_pending(change, facts, None, "The device's certificate was revoked.");
    let row = &mut change.row;
    match (row.state, row.owner.clone()) {
        (State::Releasing, _) => {
            row.next = None;
            gone(change, facts);
        }
        (State::Commissioning | State::Commissioned | State::RefusedTrust, Some(owner)) => leave(row, &owner)?,
        _ => {}
    }
    change.row.steps.clear();
    change.row.state = State::Revoked;
    change.undo = outstanding(&change.row).1;
    Ok(())
}

fn reinstate(change: &mut Change, facts: &Facts<'_>) -> Result<(), LobbyError> {
    let row = &mut change.row;
    match (row.state, row.owner.clone()) {
        (State::Revoked, Some(owner)) => bind(change, facts, Binding { iotep: None, ..owner }),
        (State::Revoked | State::Rejected, _) => {
            row.state = if row.devicecert.is_some() { State::InLobby } else { State::Knocking };
        }
        (state, _) => return Err(LobbyError::WrongState(state)),
    }
    Ok(())
}

/// `[a-zA-Z0-9:_-]{1,128}`: what a thing can be called, and what means nothing in a topic.
fn thing_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'))
}

fn host_name(host: &str) -> bool {
    host.len() <= 253
        && host.contains('.')
        && host
            .split('.')
            .all(|part| (1..=63).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}
