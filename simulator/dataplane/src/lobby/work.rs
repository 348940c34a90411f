//! What follows from a change: messages, the work of commissioning, the work of cleaning up.

use super::{Binding, Defect, Entry, Facts, Issuer, LobbyError, Row, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A step of commissioning, in order (contract of the original's commissioner). Each may be done again: what exists already
/// and is as it should be is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum Step {
    RegisterCertificate,
    CreatePolicy,
    AttachPolicy,
    CreateThing,
    AttachThing,
    ActivateCertificate,
    DescribeEndpoint,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::RegisterCertificate,
        Self::CreatePolicy,
        Self::AttachPolicy,
        Self::CreateThing,
        Self::AttachThing,
        Self::ActivateCertificate,
        Self::DescribeEndpoint,
    ];

    /// The call.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegisterCertificate => "RegisterCertificateWithoutCA",
            Self::CreatePolicy => "CreatePolicy",
            Self::AttachPolicy => "AttachPrincipalPolicy",
            Self::CreateThing => "CreateThing",
            Self::AttachThing => "AttachThingPrincipal",
            Self::ActivateCertificate => "UpdateCertificate",
            Self::DescribeEndpoint => "DescribeEndpoint",
        }
    }
}

/// Something to clean up in a former home, in order: first nothing new can come, then what is there goes. Each may be done
/// again: what is gone already is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Undo {
    /// The certificate is switched off, detached and deleted.
    Certificate,
    /// The connection is ended, the session and its queue dropped.
    Session,
    /// Job executions are removed; one in progress ends as REMOVED.
    Jobs,
    /// Retained messages of the thing's topics are dropped.
    Retained,
    /// All shadows are deleted, with what remembers their versions.
    Shadow,
    /// The thing is deleted.
    Thing,
    /// The policy is deleted.
    Policy,
}

impl Undo {
    /// Everything, in order.
    pub const ALL: [Self; 7] =
        [Self::Certificate, Self::Session, Self::Jobs, Self::Retained, Self::Shadow, Self::Thing, Self::Policy];

    /// For the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Session => "session",
            Self::Jobs => "jobs",
            Self::Retained => "retained messages",
            Self::Shadow => "shadows",
            Self::Thing => "thing",
            Self::Policy => "policy",
        }
    }
}

/// Steps to be done in an account. The owner assumes the role with the tenant's own external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Where.
    pub account: String,
    /// In which region.
    pub region: String,
    /// The role to assume.
    pub role: String,
    /// What the thing is called.
    pub thing: String,
    /// What the policy is called: thing and certificate together, so that two certificates never share one.
    pub policy: String,
    /// What is left, in order.
    pub steps: Vec<Step>,
}

/// Things to be undone in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoWork {
    /// Where.
    pub binding: Binding,
    /// What is left, in order.
    pub undos: Vec<Undo>,
}

/// Through which endpoint a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The lobby's, in a region.
    Lobby(String),
    /// A tenant's.
    Tenant {
        /// The account.
        account: String,
        /// The region.
        region: String,
    },
}

/// A message to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Through which endpoint.
    pub via: Via,
    /// `lobby/<thing>`.
    pub topic: String,
    /// What (JSON).
    pub payload: Value,
}

/// Something that a tenant is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whom.
    pub tenant: String,
    /// What.
    pub text: String,
}

/// What follows from an event. Write the row and the entries in one transaction, then do the rest; messages before undoing, for
/// a device that is to leave a home must still be reachable there. One that hears nothing finds its home closed and comes to the
/// lobby by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The version that the stored row must have; 0: there must be none.
    pub expected: u64,
    /// The row from now on.
    pub row: Row,
    /// For the audit logs.
    pub entries: Vec<Entry>,
    /// To the device.
    pub messages: Vec<Message>,
    /// Steps to begin with, or to go on with.
    pub work: Option<Work>,
    /// Things to undo.
    pub undo: Vec<UndoWork>,
    /// To tenants.
    pub notices: Vec<Notice>,
    /// To the claimer alone: the code to type into the device.
    pub pairing: Option<String>,
    /// To the releasing owner alone: the text of the next owner's label.
    pub label: Option<String>,
}

impl Change {
    /// A change that begins as none at all.
    pub(super) fn of(row: &Row) -> Self {
        Self {
            expected: row.version,
            row: row.clone(),
            entries: Vec::new(),
            messages: Vec::new(),
            work: None,
            undo: Vec::new(),
            notices: Vec::new(),
            pairing: None,
            label: None,
        }
    }

    pub(super) fn tell(&mut self, tenant: &str, text: &str) {
        self.notices.push(Notice { tenant: tenant.to_owned(), text: text.to_owned() });
    }
}

/// What is still to be done for a row: the steps that are left, and what is left to undo. Asked after a restart, and by
/// whoever retries.
#[must_use]
pub fn outstanding(row: &Row) -> (Option<Work>, Vec<UndoWork>) {
    let thing = row.devicename.clone().unwrap_or_default();
    let work = row.owner.as_ref().filter(|_| row.state == State::Commissioning).map(|owner| Work {
        account: owner.account.clone(),
        region: owner.region.clone(),
        role: format!("arn:aws:iam::{}:role/lobby_commissioner_role", owner.account),
        policy: format!("{thing}{}", row.certid),
        thing,
        steps: Step::ALL.into_iter().filter(|step| !row.steps.contains(step)).collect(),
    });
    let undo = row
        .cleanups
        .iter()
        .map(|cleanup| UndoWork { binding: cleanup.binding.clone(), undos: cleanup.left.iter().copied().collect() });
    (work, undo.collect())
}

/// What a commissioned device is told.
pub(super) fn told(row: &Row, iotep: &str) -> Option<Message> {
    let name = row.devicename.as_ref()?;
    Some(Message {
        via: Via::Lobby(row.heard_in.clone()),
        topic: format!("lobby/{name}"),
        payload: json!({ "iotep": iotep, "config": row.config }),
    })
}

/// What a device is told in its old home, while it still listens there.
pub(super) fn reset(row: &Row, home: &Binding) -> Option<Message> {
    let name = row.devicename.as_ref()?;
    home.iotep.as_ref()?;
    Some(Message {
        via: Via::Tenant { account: home.account.clone(), region: home.region.clone() },
        topic: format!("lobby/{name}"),
        payload: json!({ "config": "factory reset" }),
    })
}

/// Whether `account` may send `{"config":"factory reset"}` to the device: only the home it has, or one that it is leaving.
/// The lobby itself never sends it.
///
/// # Errors
/// [`LobbyError::Unknown`], as if there were no such device.
pub fn may_reset(row: &Row, account: &str, facts: &Facts<'_>) -> Result<(), LobbyError> {
    let homes = row.owner.iter().chain(row.cleanups.iter().map(|cleanup| &cleanup.binding));
    let known = homes.into_iter().any(|home| home.account == account);
    if known || facts.has(Defect::ResetByAnyone) { Ok(()) } else { Err(LobbyError::Unknown) }
}

/// The policy that a device gets in its home: its own name, its own topics, nothing with a wildcard over things.
#[must_use]
pub fn device_policy(region: &str, account: &str, thing: &str) -> Value {
    let arn = |rest: &str| format!("arn:aws:iot:{region}:{account}:{rest}");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "iot:Connect", "Resource": arn(&format!("client/{thing}")) },
            { "Effect": "Allow", "Action": "iot:Publish", "Resource": [
                arn(&format!("topic/app/{thing}")), arn(&format!("topic/app/{thing}/*")), arn(&format!("topic/$aws/things/{thing}/*")) ] },
            { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": [
                arn(&format!("topicfilter/lobby/{thing}")), arn(&format!("topicfilter/$aws/things/{thing}/*")) ] },
            { "Effect": "Allow", "Action": "iot:Receive", "Resource": [
                arn(&format!("topic/lobby/{thing}")), arn(&format!("topic/$aws/things/{thing}/*")) ] },
        ],
    })
}

/// Whether a tenant may own a device of this issuer.
pub(super) fn may_own(facts: &Facts<'_>, issuer: Option<&Issuer>, tenant: &str) -> bool {
    match issuer {
        Some(Issuer::Tenant(own)) => own == tenant || facts.has(Defect::AuthorityIgnored),
        Some(Issuer::Platform) | None => true,
    }
}
