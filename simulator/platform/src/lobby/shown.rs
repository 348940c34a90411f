//! What people are shown of devices, and how the lobby says no to them.

use crate::refusal::Refusal;
use axum::http::StatusCode;
use fleetproof_dataplane::lobby::{LabelError, LobbyError, Row, State, View};
use fleetproof_world::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

/// What a rule refuses, with a name that stays (`code` in the body, `x-amzn-errortype`).
pub(super) fn refused(error: &LobbyError) -> Refusal {
    let say = |build: fn(String) -> Refusal, name| build(error.to_string()).named(name);
    match error {
        LobbyError::Unknown => say(Refusal::not_found, "ResourceNotFoundException"),
        LobbyError::Conflict => say(Refusal::conflict, "DeviceBoundException"),
        LobbyError::BoundElsewhere => say(Refusal::conflict, "DeviceBoundElsewhereException"),
        LobbyError::ForeignAuthority => say(Refusal::forbidden_since, "ForeignAuthorityException"),
        LobbyError::WrongProof => say(Refusal::forbidden_since, "WrongProofException"),
        LobbyError::SpentProof => say(Refusal::forbidden_since, "SpentProofException"),
        LobbyError::TooManyPending => say(Refusal::unprocessable, "TooManyPendingException"),
        LobbyError::UnknownAccount(_) => say(Refusal::not_found, "AccountNotFoundException"),
        LobbyError::UngovernedRegion(_) => say(Refusal::unprocessable, "UngovernedRegionException"),
        LobbyError::NameTaken(_) => say(Refusal::conflict, "NameTakenException"),
        LobbyError::Forbidden => say(Refusal::forbidden_since, "AccessDeniedException"),
        LobbyError::NotAccepted => say(Refusal::forbidden_since, "NotAcceptedException"),
        LobbyError::WrongState(_) => say(Refusal::conflict, "WrongStateException"),
        LobbyError::TooManyCleanups => say(Refusal::conflict, "TooManyCleanupsException"),
        LobbyError::Stale => say(Refusal::conflict, "StaleException"),
        LobbyError::NotItsHome
        | LobbyError::StepTooEarly(_)
        | LobbyError::InvalidEndpoint
        | LobbyError::InvalidName
        | LobbyError::NotItsName
        | LobbyError::InvalidAnnounce
        | LobbyError::Throttled(_) => say(Refusal::bad_request, "InvalidRequestException"),
    }
}

/// What is no label.
pub(super) fn no_label(error: &LabelError) -> Refusal {
    Refusal::bad_request(error.to_string()).named("InvalidLabelException")
}

/// A claim or a migration that is kept, and goes on when the account lets the lobby in.
pub(super) fn untrusted(account: &str, region: &str) -> Refusal {
    let told = format!(
        "Account {account} grants the lobby no role in {region}: have the trust granted. What was asked for is kept, and \
         goes on by itself then."
    );
    let mut refusal = Refusal::conflict(told).named("AccountNotTrustedException");
    refusal.status = StatusCode::FAILED_DEPENDENCY;
    refusal
}

/// A device of the ledger, in the words of the contract (1.2).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Device {
    /// SHA-256 of its certificate: 64 hexadecimal digits.
    certid: String,
    /// `knocking`, `inlobby`, `claimed`, `commissioning`, `commissioned`, `releasing`, `released`, `rejected`,
    /// `refused trust`, `revoked`.
    devstate: &'static str,
    /// The common name of its certificate, and the name of its thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    devicename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targetaccount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targetregion: Option<String>,
    /// The endpoint that it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    iotep: Option<String>,
    /// What it is told beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    /// When it was last heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    /// How often it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    doormancount: Option<u64>,
    /// Which ownership this is; 0 is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    ownership: Option<u32>,
    /// The steps of commissioning that are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<&'static str>>,
    /// What of former homes is not cleaned up; to the operator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<usize>,
}

impl Device {
    /// What may be seen of a row. `for_operator`: everything.
    pub(super) fn of(row: &Row, view: View, for_operator: bool) -> Self {
        let is_whole = for_operator || view.home.is_some();
        let heard = is_whole && row.heard_at > 0;
        let left = row.cleanups.iter().map(|cleanup| cleanup.left.len()).sum();
        Self {
            certid: view.certid.to_string(),
            devstate: view.state.name(),
            devicename: view.devicename,
            targetaccount: view.home.as_ref().map(|home| home.account.clone()),
            targetregion: view.home.as_ref().map(|home| home.region.clone()),
            iotep: view.home.and_then(|home| home.iotep),
            config: is_whole.then(|| row.config.clone()),
            ts: heard.then(|| rfc3339(row.heard_at / 1_000)),
            doormancount: is_whole.then_some(row.doormancount),
            ownership: is_whole.then_some(row.ownership),
            steps: is_whole.then(|| row.steps.iter().map(|step| step.name()).collect()),
            left: for_operator.then_some(left),
        }
    }

    pub(super) fn certid(&self) -> String {
        self.certid.clone()
    }
}

/// The state that is called so.
pub(super) fn state(name: &str) -> Result<State, Refusal> {
    let known = State::ALL.into_iter().find(|state| state.name() == name);
    known.ok_or_else(|| {
        let names = State::ALL.map(State::name).join(", ");
        Refusal::bad_request(format!("devstate must be one of {names}"))
    })
}
