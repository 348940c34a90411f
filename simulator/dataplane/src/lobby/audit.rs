//! What is written down of each change: who, what, before, after.

use super::{Actor, Fingerprint, LobbyError, Row, State};

/// In whose log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Log {
    /// The lobby's own: everything.
    Lobby,
    /// A tenant's: what concerns it, without a word about another tenant.
    Tenant(String),
}

/// A row in short. What is another tenant's is blank in a tenant's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The state; absent: there was no row.
    pub state: Option<State>,
    /// The owner.
    pub tenant: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Which ownership.
    pub ownership: u32,
    /// Steps of commissioning that are done.
    pub steps: usize,
    /// Undoings that are left.
    pub undoings: usize,
    /// Claims that wait for a proof; the lobby's log only.
    pub pending: usize,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When (µs since 1970).
    pub at: u64,
    /// Who: a person, `device`, or `lobby`.
    pub actor: String,
    /// What.
    pub action: String,
    /// Which device.
    pub certid: Fingerprint,
    /// In whose log.
    pub log: Log,
    /// Before.
    pub before: Summary,
    /// After.
    pub after: Summary,
}

fn summary(row: Option<&Row>, log: &Log) -> Summary {
    let Some(row) = row else { return Summary::default() };
    let whole = Summary {
        state: Some(row.state),
        tenant: row.owner.as_ref().map(|owner| owner.tenant.clone()),
        account: row.owner.as_ref().map(|owner| owner.account.clone()),
        region: row.owner.as_ref().map(|owner| owner.region.clone()),
        ownership: row.ownership,
        steps: row.steps.len(),
        undoings: row.cleanups.iter().map(|cleanup| cleanup.left.len()).sum(),
        pending: row.pending.len(),
    };
    match log {
        Log::Lobby => whole,
        Log::Tenant(tenant) if row.is_of(tenant) => Summary { pending: 0, ..whole },
        Log::Tenant(_) => Summary::default(),
    }
}

/// The entries for a change; none where nothing but the time of the last announce differs.
pub(super) fn entries(now: u64, actor: &str, action: &str, before: Option<&Row>, after: &Row) -> Vec<Entry> {
    let tenant = |row: &Row| row.owner.as_ref().map(|owner| owner.tenant.clone());
    let (from, to) = (before.and_then(tenant), tenant(after));
    let second = to.filter(|to| from.as_ref() != Some(to));
    [Some(Log::Lobby), from.map(Log::Tenant), second.map(Log::Tenant)]
        .into_iter()
        .flatten()
        .filter_map(|log| {
            let (before, after_row) = (summary(before, &log), summary(Some(after), &log));
            (before != after_row).then(|| Entry {
                at: now,
                actor: actor.to_owned(),
                action: action.to_owned(),
                certid: after.certid.clone(),
                log,
                before,
                after: after_row,
            })
        })
        .collect()
}

/// The entry for an attempt that was refused: in the log of whoever tried, never in the victim's.
#[must_use]
pub fn attempt(now: u64, by: &Actor, what: &str, certid: &Fingerprint, refused: &LobbyError) -> Entry {
    Entry {
        at: now,
        actor: by.name.clone(),
        action: format!("{what} refused: {refused}"),
        certid: certid.clone(),
        log: by.tenant.clone().map_or(Log::Lobby, Log::Tenant),
        before: Summary::default(),
        after: Summary::default(),
    }
}
