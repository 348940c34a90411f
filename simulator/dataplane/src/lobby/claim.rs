//! Who gets an unbound device.

use super::label::proven;
use super::work::{may_own, outstanding};
use super::{Actor, Binding, Change, Defect, Facts, Issuer, LobbyError, Pending, Proof, Row, State};

/// Claims that may wait for one device's proof; one for each tenant.
const PENDING: usize = 4;
/// Devices that never knocked and that one tenant may wait for.
const PRECLAIMS: u32 = 10_000;
/// How long a pairing code is good for (µs).
const PAIRING_US: u64 = 15 * 60 * 1_000_000;

/// A home in an account of `tenant`, in a region where the account has an endpoint.
pub(super) fn home(facts: &Facts<'_>, tenant: &str, account: &str, region: &str) -> Result<Binding, LobbyError> {
    // Somebody else's account is answered as one that does not exist.
    let known = facts.accounts.get(account).filter(|known| known.tenant == tenant);
    let known = known.ok_or_else(|| LobbyError::UnknownAccount(account.to_owned()))?;
    if !known.regions.iter().any(|governed| governed == region) {
        return Err(LobbyError::UngovernedRegion(region.to_owned()));
    }
    Ok(Binding { tenant: tenant.to_owned(), account: account.to_owned(), region: region.to_owned(), iotep: None })
}

/// A claim.
pub(super) fn claim(
    change: &mut Change,
    facts: &Facts<'_>,
    now: u64,
    by: &Actor,
    (account, region): (&str, &str),
    proof: &Proof,
) -> Result<(), LobbyError> {
    let tenant = by.tenant.as_deref().ok_or(LobbyError::Forbidden)?;
    let wanted = home(facts, tenant, account, region)?;
    let row = &mut change.row;
    if matches!(row.state, State::Rejected | State::Revoked) {
        return Err(LobbyError::WrongState(row.state));
    }
    if let Some(owner) = &row.owner {
        if owner.tenant == tenant {
            return match row.state {
                State::Releasing => Err(LobbyError::WrongState(row.state)),
                _ if owner.is_at(account, region) => Ok(()),
                _ => Err(LobbyError::BoundElsewhere),
            };
        }
        if !facts.has(Defect::SecondClaimWins) {
            return Err(LobbyError::Conflict);
        }
    }
    if !may_own(facts, row.issuer.as_ref(), tenant) {
        return Err(LobbyError::ForeignAuthority);
    }
    let own_authority = matches!(&row.issuer, Some(Issuer::Tenant(own)) if own == tenant);
    if proven(facts, &row.certid, row.ownership, proof)? || own_authority {
        if let (true, Some(name)) = (facts.name_taken, &row.devicename) {
            return Err(LobbyError::NameTaken(name.clone()));
        }
        bind(change, facts, wanted);
        return Ok(());
    }
    wait(change, facts, now, by, wanted)
}

/// A claim without a proof waits. Asking again changes nothing, so that a lost answer can be asked for again.
fn wait(change: &mut Change, facts: &Facts<'_>, now: u64, by: &Actor, wanted: Binding) -> Result<(), LobbyError> {
    let row = &mut change.row;
    row.pending.retain(|waits| waits.until > now);
    if let Some(waits) = row.pending.iter_mut().find(|waits| waits.binding.tenant == wanted.tenant) {
        waits.binding = wanted;
        change.pairing = Some(waits.code.clone());
        return Ok(());
    }
    if row.pending.len() >= PENDING || (row.devicecert.is_none() && facts.open_preclaims >= PRECLAIMS) {
        return Err(LobbyError::TooManyPending);
    }
    let code = facts.pairing_code.to_owned();
    row.pending.push(Pending {
        binding: wanted,
        actor: by.name.clone(),
        code: code.clone(),
        until: now.saturating_add(PAIRING_US),
    });
    change.pairing = Some(code);
    Ok(())
}

/// The device is `binding`'s from now on; who waited for it too is told that it is gone.
pub(super) fn bind(change: &mut Change, facts: &Facts<'_>, binding: Binding) {
    drop_pending(change, facts, Some(&binding.tenant), "The device was claimed by somebody else.");
    let row = &mut change.row;
    // What was still to be cleaned up there is about to be made again.
    let homes = row.cleanups.len();
    row.cleanups.retain(|cleanup| !cleanup.binding.is_at(&binding.account, &binding.region));
    row.used_home = row.cleanups.len() < homes;
    row.steps.clear();
    row.renewed_at = None;
    row.next = None;
    row.owner = Some(binding);
    begin(change, facts);
}

/// All claims that wait are over; who lost is told why.
pub(super) fn drop_pending(change: &mut Change, facts: &Facts<'_>, winner: Option<&str>, why: &str) {
    for waits in std::mem::take(&mut change.row.pending) {
        if winner != Some(&waits.binding.tenant) && !facts.has(Defect::LoserNotTold) {
            change.tell(&waits.binding.tenant, why);
        }
    }
}

/// The home of an owned device is made, as soon as there is a certificate, and trust.
pub(super) fn begin(change: &mut Change, facts: &Facts<'_>) {
    let Some(owner) = change.row.owner.clone() else { return };
    let trusts = facts.accounts.get(&owner.account).is_some_and(|known| known.trusts);
    change.row.state = match (change.row.devicecert.is_some(), trusts) {
        (false, _) => State::Claimed,
        (true, true) => State::Commissioning,
        (true, false) => {
            change.tell(&owner.tenant, "The lobby may not act in the account; grant it the trust role.");
            State::RefusedTrust
        }
    };
    change.work = outstanding(&change.row).0;
}

/// The certificate has come: what was wanted before is looked at again.
pub(super) fn knocked(change: &mut Change, facts: &Facts<'_>, now: u64) {
    let row = &mut change.row;
    if let Some(owner) = row.owner.clone() {
        let foreign = !may_own(facts, row.issuer.as_ref(), &owner.tenant);
        if foreign || facts.name_taken {
            row.owner = None;
            row.state = State::Knocking;
            let why = if foreign {
                "The device that was claimed in advance has a certificate of another tenant's authority."
            } else {
                "The device that was claimed in advance has the name of another one in the account."
            };
            change.tell(&owner.tenant, why);
        } else {
            begin(change, facts);
        }
    } else if let Some(Issuer::Tenant(own)) = row.issuer.clone() {
        let waits = row.pending.iter().find(|waits| waits.binding.tenant == own && waits.until > now).cloned();
        if let Some(waits) = waits.filter(|_| !facts.name_taken) {
            bind(change, facts, waits.binding);
        }
    }
}

/// The device announced a pairing code. A wrong one is no error: the announce counts all the same.
pub(super) fn paired(change: &mut Change, facts: &Facts<'_>, now: u64, code: &str) -> Option<String> {
    let row: &Row = &change.row;
    let waits = row.pending.iter().find(|waits| waits.until > now && waits.code == code && !code.is_empty())?.clone();
    let at = &waits.binding;
    let possible = home(facts, &at.tenant, &at.account, &at.region).is_ok()
        && may_own(facts, row.issuer.as_ref(), &at.tenant)
        && !facts.name_taken;
    if !possible {
        let tenant = at.tenant.clone();
        change.row.pending.retain(|other| other.code != waits.code);
        change.tell(&tenant, "The device was paired, but cannot live in the account and region that were named.");
        return None;
    }
    bind(change, facts, waits.binding);
    Some(waits.actor)
}
