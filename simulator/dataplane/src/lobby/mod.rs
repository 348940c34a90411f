//! The Device Lobby: a device with a factory identity knocks, is claimed, and is told where it lives.
//!
//! One row of the ledger stands for one certificate. [`decide`] takes a row as it was read and an event, and says
//! what the row becomes and what follows; [`commit`] writes it only if nobody wrote in between. **Nothing that follows
//! (messages, work) may be done before the commit**: so a lobby region that read an old row tells no device an old endpoint, and
//! of two claims one is told that it lost. After a crash [`outstanding`] says again what is still to be done.
//!
//! Rules that the original lacks:
//! * A fingerprint is no secret, so a claim wants a proof: the code on the label ([`Label`]), or a pairing code that somebody
//!   at the device types in and the device announces, or a certificate of the tenant's own authority. A device of a tenant's
//!   own authority can be claimed by that tenant only.
//! * A label's code is good for one ownership. Who releases a device is given the label for the next one.
//! * Ownership ends only by the owner's word. A device that its endpoint refuses is commissioned again for the same owner.
//! * The old tenant is cleaned up before the next one begins; only a region that is lost is left for later ([`Row::cleanups`]).
//! * What a device says of itself in an announce (`certid`, `devicename`) is not read; its connection says it.

mod audit;
mod claim;
mod decide;
mod label;
mod ledger;
mod refusal;
mod rotate;
mod work;

pub use audit::{Entry, Log, Summary, attempt};
pub use decide::decide;
pub use label::{Fingerprint, Label, LabelError, Proof};
pub use ledger::{Binding, Cleanup, Issuer, Pending, Row, State, View, Viewer, commit, shown};
pub use refusal::LobbyError;
pub use rotate::rotate;
pub use work::{Change, Message, Notice, Step, Undo, UndoWork, Via, Work, device_policy, may_reset, outstanding};

use std::collections::BTreeMap;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The name that the audit log shows.
    pub name: String,
    /// For which tenant; absent: for the lobby itself.
    pub tenant: Option<String>,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The certificate was registered by a first connection (JITR).
    Registered {
        /// The certificate (PEM).
        pem: String,
        /// Its common name: the thing's name.
        devicename: String,
        /// Whose authority issued it.
        issuer: Issuer,
    },
    /// A message on `$aws/rules/lobby`; the row is that of the connection's certificate.
    Announce {
        /// The connection's client id.
        client_id: String,
        /// The payload as it came.
        payload: Vec<u8>,
    },
    /// Somebody wants the device.
    Claim {
        /// Who; the tenant is the one that gets it.
        by: Actor,
        /// The account it shall live in.
        account: String,
        /// The region.
        region: String,
        /// Why one should believe that the device is theirs.
        proof: Proof,
    },
    /// A step of commissioning is done, for the first time or again.
    StepDone {
        /// In which account.
        account: String,
        /// In which region.
        region: String,
        /// Which.
        step: Step,
        /// What the last step found: the endpoint's host.
        iotep: Option<String>,
    },
    /// A step of commissioning failed.
    StepFailed {
        /// In which account.
        account: String,
        /// In which region.
        region: String,
        /// Which.
        step: Step,
        /// The tenant's role could not be assumed; otherwise trying again may help.
        no_trust: bool,
    },
    /// A tenant's account lets the lobby in (again).
    TrustGranted {
        /// Which account.
        account: String,
    },
    /// The owner gives the device back.
    Release {
        /// Who.
        by: Actor,
    },
    /// The owner moves the device, to another region, account or tenant.
    Migrate {
        /// Who.
        by: Actor,
        /// The receiving tenant.
        tenant: String,
        /// Its account.
        account: String,
        /// The region.
        region: String,
        /// Whoever took it in the receiving tenant; needed where that is another one.
        accepted_by: Option<String>,
    },
    /// A region is lost: what lives there lives in another one from now on.
    Evacuate {
        /// Who: the lobby's operator, or the owner.
        by: Actor,
        /// The lost region.
        from: String,
        /// The other one.
        to: String,
    },
    /// Something of a former home is cleaned up, for the first time or again.
    Undone {
        /// In which account.
        account: String,
        /// In which region.
        region: String,
        /// What.
        undo: Undo,
    },
    /// The operator turns an unbound device down.
    Reject {
        /// Who.
        by: Actor,
    },
    /// The certificate is good for nothing any more; the operator or the owner says so.
    Revoke {
        /// Who.
        by: Actor,
    },
    /// The operator takes back a rejection or a revocation.
    Reinstate {
        /// Who.
        by: Actor,
    },
}

/// An account, as the organisation knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Whose it is.
    pub tenant: String,
    /// Its governed regions.
    pub regions: Vec<String>,
    /// It lets the lobby in.
    pub trusts: bool,
}

/// What the owner of the ledger knows beside the row.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The secret that labels are made with.
    pub label_key: &'a [u8; 32],
    /// The organisation's accounts; at least those that the row and the event name.
    pub accounts: &'a BTreeMap<String, AccountFacts>,
    /// A fresh random code, for a claim without a proof.
    pub pairing_code: &'a str,
    /// Rows that the claiming tenant waits for without a device having knocked.
    pub open_preclaims: u32,
    /// Another certificate has the device's name in the account that it is to live in.
    pub name_taken: bool,
    /// The lobby's region that decides.
    pub lobby_region: &'a str,
    /// A planted fault.
    pub defect: Option<Defect>,
}

impl Facts<'_> {
    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

/// Faults that can be planted, each a mistake that such lobbies have had or that their design invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// A claim of a bound device moves it.
    SecondClaimWins,
    /// The fingerprint alone is proof enough.
    ClaimWithoutProof,
    /// Anybody can release a device.
    ReleaseByStranger,
    /// `certid` in an announce says whose row is written.
    AnnounceOverridesCertid,
    /// A device of one tenant's authority can be claimed by another tenant.
    AuthorityIgnored,
    /// A release leaves everything in the old tenant as it was.
    OldTenantNotCleaned,
    /// A device that waits for trust waits for ever.
    RetryForgotten,
    /// A device that was claimed again is told its old endpoint until the new one is known.
    StaleEndpointTold,
    /// Every tenant sees every row, fingerprints included.
    FingerprintToEveryone,
    /// The version is not compared at the commit: of two claims the later one wins, and the first is told it won.
    CompareAndSetLost,
    /// A label's code is good for every later ownership too.
    LabelNeverSpent,
    /// Any account can send a device back to the lobby.
    ResetByAnyone,
    /// Who waited for a device that another got is not told.
    LoserNotTold,
}

impl Defect {
    /// Every one of them.
    pub const ALL: [Self; 13] = [
        Self::SecondClaimWins,
        Self::ClaimWithoutProof,
        Self::ReleaseByStranger,
        Self::AnnounceOverridesCertid,
        Self::AuthorityIgnored,
        Self::OldTenantNotCleaned,
        Self::RetryForgotten,
        Self::StaleEndpointTold,
        Self::FingerprintToEveryone,
        Self::CompareAndSetLost,
        Self::LabelNeverSpent,
        Self::ResetByAnyone,
        Self::LoserNotTold,
    ];
}

#[cfg(test)]
mod tests;
