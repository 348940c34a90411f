//! What a policy allows (AWS IoT Core policies: actions, resources, variables, conditions; deny wins).
//!
//! A document is read and compiled once ([`Document::parse`]), then asked at every connect, publish, subscribe and delivery
//! ([`Policies::allow`]). Asking allocates nothing. A name that somebody chose for himself (a client id, a thing, a field
//! of a certificate) never acts as a wildcard, wherever it is put.

mod condition;
mod defect;
mod document;
mod error;
mod json;
mod pattern;
mod resource;
mod variable;

pub use defect::Defect;
pub use document::{Document, LONGEST};
pub use error::PolicyError;

use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest name that anything is allowed for, in bytes. Topics of the service have 256.
const LONGEST_NAME: usize = 1024;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the policy language")]
pub enum Action {
    Connect,
    Publish,
    Subscribe,
    Receive,
    RetainPublish,
    GetRetainedMessage,
    ListRetainedMessages,
    GetThingShadow,
    UpdateThingShadow,
    DeleteThingShadow,
    ListNamedShadowsForThing,
    DescribeJobExecution,
    GetPendingJobExecutions,
    StartNextPendingJobExecution,
    UpdateJobExecution,
    DeleteConnection,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Connect,
        Self::Publish,
        Self::Subscribe,
        Self::Receive,
        Self::RetainPublish,
        Self::GetRetainedMessage,
        Self::ListRetainedMessages,
        Self::GetThingShadow,
        Self::UpdateThingShadow,
        Self::DeleteThingShadow,
        Self::ListNamedShadowsForThing,
        Self::DescribeJobExecution,
        Self::GetPendingJobExecutions,
        Self::StartNextPendingJobExecution,
        Self::UpdateJobExecution,
        Self::DeleteConnection,
    ];

    /// What it is called behind `iot:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "Connect",
            Self::Publish => "Publish",
            Self::Subscribe => "Subscribe",
            Self::Receive => "Receive",
            Self::RetainPublish => "RetainPublish",
            Self::GetRetainedMessage => "GetRetainedMessage",
            Self::ListRetainedMessages => "ListRetainedMessages",
            Self::GetThingShadow => "GetThingShadow",
            Self::UpdateThingShadow => "UpdateThingShadow",
            Self::DeleteThingShadow => "DeleteThingShadow",
            Self::ListNamedShadowsForThing => "ListNamedShadowsForThing",
            Self::DescribeJobExecution => "DescribeJobExecution",
            Self::GetPendingJobExecutions => "GetPendingJobExecutions",
            Self::StartNextPendingJobExecution => "StartNextPendingJobExecution",
            Self::UpdateJobExecution => "UpdateJobExecution",
            Self::DeleteConnection => "DeleteConnection",
        }
    }
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// `client/<id>`.
    Client(&'a str),
    /// `topic/<name>`.
    Topic(&'a str),
    /// `topicfilter/<filter>`.
    Filter(&'a str),
    /// `thing/<name>`.
    Thing(&'a str),
}

impl<'a> Resource<'a> {
    /// Its name, without its kind.
    #[must_use]
    pub const fn name(self) -> &'a str {
        match self {
            Self::Client(name) | Self::Topic(name) | Self::Filter(name) | Self::Thing(name) => name,
        }
    }
}

/// Whose the resource is: the parts of its name (`arn:aws:iot:<region>:<account>:…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The region, e.g. `eu-central-1`.
    pub region: Arc<str>,
    /// The account, twelve digits.
    pub account: Arc<str>,
}

/// The thing that a certificate is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThingFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub type_name: Option<Arc<str>>,
    /// Its attributes.
    pub attributes: BTreeMap<Arc<str>, Arc<str>>,
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    pub id: Arc<str>,
    /// `Subject.CommonName`, `Issuer.Organization`, `SerialNumber`, … as in `${iot:Certificate.…}`.
    pub fields: BTreeMap<Arc<str>, Arc<str>>,
}

/// What is known of a connection when it asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its client id.
    pub client_id: Arc<str>,
    /// The thing whose name is the client id and that the certificate is attached to, or the only one it is attached to.
    pub thing: Option<Arc<ThingFacts>>,
    /// Its certificate.
    pub certificate: Arc<CertificateFacts>,
    /// Where it comes from.
    pub source_ip: Option<Arc<str>>,
    /// It asked for a session that outlives the connection.
    pub persistent_connect: bool,
    /// It brought a will.
    pub last_will: bool,
}

/// The policies of one principal. Nothing is allowed that none of them allows.
#[derive(Clone, Debug, Default)]
pub struct Policies(Vec<Arc<Document>>);

/// A statement of some policies: which document, which statement of it, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The document's place among the policies.
    pub document: usize,
    /// The statement's place in the document.
    pub statement: usize,
}

/// What policies say, and which statement of theirs decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed, by this statement first.
    Allowed(Place),
    /// It is denied, by this statement first; whatever allows it does not matter.
    Denied(Place),
    /// No statement allows it.
    NotAllowed,
}

impl Verdict {
    /// Whether it may be done.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// A question, as statements are asked it.
#[derive(Clone, Copy)]
struct Question<'a> {
    action: Action,
    resource: Resource<'a>,
    home: &'a Home,
    facts: &'a Facts,
    defect: Option<Defect>,
}

impl Question<'_> {
    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

impl Policies {
    /// All of these together.
    #[must_use]
    pub const fn new(documents: Vec<Arc<Document>>) -> Self {
        Self(documents)
    }

    /// Whether one of them allows it and none denies it.
    #[must_use]
    pub fn allow(&self, action: Action, resource: Resource<'_>, home: &Home, facts: &Facts) -> bool {
        self.allow_with(None, action, resource, home, facts)
    }

    /// [`allow`](Self::allow), as an evaluator with a defect answers.
    #[must_use]
    pub fn allow_with(
        &self,
        defect: Option<Defect>,
        action: Action,
        resource: Resource<'_>,
        home: &Home,
        facts: &Facts,
    ) -> bool {
        self.decide(&Question { action, resource, home, facts, defect }).is_allowed()
    }

    /// As [`allow`](Self::allow), with the statement that decided.
    #[must_use]
    pub fn explain(&self, action: Action, resource: Resource<'_>, home: &Home, facts: &Facts) -> Verdict {
        self.decide(&Question { action, resource, home, facts, defect: None })
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        // No name of the service is so long, and comparing it costs more than it is worth.
        if question.resource.name().len() > LONGEST_NAME {
            return Verdict::NotAllowed;
        }
        let first = |is_deny| {
            let mut documents = self.0.iter().enumerate();
            documents.find_map(|(document, policy)| {
                policy.first(is_deny, question).map(|statement| Place { document, statement })
            })
        };
        if !question.has(Defect::DenyDoesNotWin)
            && let Some(place) = first(true)
        {
            return Verdict::Denied(place);
        }
        first(false).map_or(Verdict::NotAllowed, Verdict::Allowed)
    }
}
