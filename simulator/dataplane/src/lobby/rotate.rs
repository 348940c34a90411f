//! A device gets a new certificate and stays its owner's.

use super::audit::entries;
use super::claim::bind;
use super::{Actor, Binding, Change, Cleanup, Facts, LobbyError, Row, State, Undo};

/// The certificate of `new` takes the place of the one of `old`: same name, same authority, and the owner or the lobby's
/// operator says so. Both changes are committed in one transaction, or none.
///
/// In the old home only the old certificate and its policy go; thing, shadows and jobs are the device's and stay.
///
/// # Errors
/// [`LobbyError::Unknown`] to a stranger, [`LobbyError::ForeignAuthority`], [`LobbyError::NotItsName`],
/// [`LobbyError::Conflict`] where the new certificate is bound already, [`LobbyError::WrongState`].
pub fn rotate(old: &Row, new: &Row, by: &Actor, facts: &Facts<'_>, now: u64) -> Result<(Change, Change), LobbyError> {
    let owner = old.owner.clone().ok_or(LobbyError::Unknown)?;
    if by.tenant.as_ref().is_some_and(|tenant| *tenant != owner.tenant) || old.certid == new.certid {
        return Err(LobbyError::Unknown);
    }
    if new.devicecert.is_none() || new.devicename != old.devicename {
        return Err(LobbyError::NotItsName);
    }
    if new.issuer != old.issuer {
        return Err(LobbyError::ForeignAuthority);
    }
    if new.owner.is_some() {
        return Err(LobbyError::Conflict);
    }
    if !matches!(old.state, State::Commissioning | State::Commissioned | State::RefusedTrust) {
        return Err(LobbyError::WrongState(old.state));
    }
    if !matches!(new.state, State::Knocking | State::InLobby | State::Released) {
        return Err(LobbyError::WrongState(new.state));
    }

    let mut from = Change::of(old);
    let row = &mut from.row;
    row.owner = None;
    row.state = State::Revoked;
    row.steps.clear();
    row.used_home = false;
    row.ownership = row.ownership.saturating_add(1);
    let left = [Undo::Certificate, Undo::Policy].into();
    row.cleanups.retain(|cleanup| !cleanup.binding.is_at(&owner.account, &owner.region));
    row.cleanups.push(Cleanup { binding: owner.clone(), left });
    from.undo = super::outstanding(row).1;

    let mut to = Change::of(new);
    to.row.config.clone_from(&old.config);
    bind(&mut to, facts, Binding { iotep: None, ..owner });
    for (change, before) in [(&mut from, old), (&mut to, new)] {
        change.row.version = change.expected.saturating_add(1);
        change.entries = entries(now, &by.name, "rotate the certificate", Some(before), &change.row);
    }
    Ok((from, to))
}
