//! A row of the ledger, who may see it, and how it is written.

use super::{Change, Defect, Facts, Fingerprint, LobbyError, Step, Undo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// It has knocked and not announced itself yet; without a certificate: somebody waits for it. Out: announce, claim, reject.
    Knocking,
    /// It announces itself and is nobody's. Out: claim, reject.
    InLobby,
    /// It is somebody's and has not knocked yet. Out: the first knock, release.
    Claimed,
    /// Its home is being made. Out: the last step, a refusal of trust, release.
    Commissioning,
    /// It has been told its home. Out: release, migration, evacuation, a refusing endpoint.
    Commissioned,
    /// Its old home is being cleaned up; it still is its old owner's. Out: the last undoing, evacuation.
    Releasing,
    /// It is nobody's again. Out: announce, claim, reject.
    Released,
    /// It was turned down. Out: reinstatement.
    Rejected,
    /// It is somebody's who does not let the lobby in. Out: trust, release.
    RefusedTrust,
    /// Its certificate is void. Out: reinstatement.
    Revoked,
}

impl State {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::Knocking,
        Self::InLobby,
        Self::Claimed,
        Self::Commissioning,
        Self::Commissioned,
        Self::Releasing,
        Self::Released,
        Self::Rejected,
        Self::RefusedTrust,
        Self::Revoked,
    ];

    /// As the ledger's `devstate` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Knocking => "knocking",
            Self::InLobby => "inlobby",
            Self::Claimed => "claimed",
            Self::Commissioning => "commissioning",
            Self::Commissioned => "commissioned",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::RefusedTrust => "refused trust",
            Self::Revoked => "revoked",
        }
    }
}

/// Whose authority issued a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Issuer {
    /// The platform's, or a maker's that it admits.
    Platform,
    /// This tenant's own.
    Tenant(String),
}

/// Whose a device is, and where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The tenant.
    pub tenant: String,
    /// Its account, twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The endpoint's host, once it is known.
    pub iotep: Option<String>,
}

impl Binding {
    pub(super) fn is_at(&self, account: &str, region: &str) -> bool {
        self.account == account && self.region == region
    }
}

/// A former home that is not clean yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleanup {
    /// Which.
    pub binding: Binding,
    /// What is left to do there.
    pub left: BTreeSet<Undo>,
}

/// A claim that waits for its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What is wanted.
    pub binding: Binding,
    /// Who wants it.
    pub actor: String,
    /// What the device must announce.
    pub code: String,
    /// Until when (µs since 1970).
    pub until: u64,
}

/// A row. An owner keeps it as it is serialized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key.
    pub certid: Fingerprint,
    /// Rises by one with each write.
    pub version: u64,
    /// Where the device stands.
    pub state: State,
    /// The certificate (PEM), once it has knocked.
    pub devicecert: Option<String>,
    /// Its common name.
    pub devicename: Option<String>,
    /// Whose authority issued it.
    pub issuer: Option<Issuer>,
    /// What the device is told beside its endpoint.
    pub config: String,
    /// When it was last heard (µs since 1970); the contract's `ts` in seconds.
    pub heard_at: u64,
    /// The lobby region that heard it, where an answer finds it.
    pub heard_in: String,
    /// How often it was heard.
    pub doormancount: u64,
    /// Whose it is. While it is released: whose it was.
    pub owner: Option<Binding>,
    /// Which ownership this is, or the next one will be: 0 is the first.
    pub ownership: u32,
    /// The steps of commissioning that are done.
    pub steps: BTreeSet<Step>,
    /// Something was made in the owner's home, so that leaving it takes work there.
    pub used_home: bool,
    /// Where it goes when the old home is clean.
    pub next: Option<Binding>,
    /// Former homes that are not clean yet.
    pub cleanups: Vec<Cleanup>,
    /// Claims that wait for a proof.
    pub pending: Vec<Pending>,
    /// When it was last commissioned again because its endpoint refused it (µs since 1970).
    pub renewed_at: Option<u64>,
    /// When it may announce at full pace again (µs since 1970).
    pub pace: u64,
    /// The endpoint it was told last.
    pub told: Option<String>,
}

impl Row {
    /// A row for a certificate that nothing is known of.
    pub(super) fn new(certid: Fingerprint) -> Self {
        Self {
            certid,
            version: 0,
            state: State::Knocking,
            devicecert: None,
            devicename: None,
            issuer: None,
            config: "default config".to_owned(),
            heard_at: 0,
            heard_in: String::new(),
            doormancount: 0,
            owner: None,
            ownership: 0,
            steps: BTreeSet::new(),
            used_home: false,
            next: None,
            cleanups: Vec::new(),
            pending: Vec::new(),
            renewed_at: None,
            pace: 0,
            told: None,
        }
    }

    /// Whether `tenant` owns it.
    #[must_use]
    pub fn is_of(&self, tenant: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.tenant == tenant)
    }
}

/// Writes a change over the row as it is stored now.
///
/// # Errors
/// [`LobbyError::Stale`]: the row is not the one that the change was decided on.
pub fn commit(stored: Option<&Row>, change: &Change, facts: &Facts<'_>) -> Result<Row, LobbyError> {
    let version = stored.map_or(0, |row| row.version);
    if version != change.expected && !facts.has(Defect::CompareAndSetLost) {
        return Err(LobbyError::Stale);
    }
    Ok(change.row.clone())
}

/// Who looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The lobby's operator.
    Operator,
    /// Somebody of a tenant.
    Tenant(String),
}

/// What is shown of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The fingerprint.
    pub certid: Fingerprint,
    /// The name; only to operator and owner.
    pub devicename: Option<String>,
    /// Where it stands.
    pub state: State,
    /// The home; only to operator and owner.
    pub home: Option<Binding>,
}

/// What `viewer` sees of a row: the operator everything, a tenant what it owns, and of what it waits for just that it waits.
/// An unbound device is shown to no tenant: its fingerprint is half of a claim.
#[must_use]
pub fn shown(row: &Row, viewer: &Viewer, facts: &Facts<'_>) -> Option<View> {
    let whole = View {
        certid: row.certid.clone(),
        devicename: row.devicename.clone(),
        state: row.state,
        home: row.owner.clone(),
    };
    match viewer {
        Viewer::Operator => Some(whole),
        Viewer::Tenant(tenant) if row.is_of(tenant) || facts.has(Defect::FingerprintToEveryone) => Some(whole),
        Viewer::Tenant(tenant) => row.pending.iter().any(|waits| waits.binding.tenant == *tenant).then(|| View {
            certid: row.certid.clone(),
            devicename: None,
            state: State::Knocking,
            home: None,
        }),
    }
}
