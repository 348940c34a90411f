//! What the broker tells its owner.

use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{MessageProperties, Qos, code};
use std::sync::Arc;

/// One tenant's endpoint in one region. Never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub(super) u32);

/// A stream of bytes with a client at its end. The owner chooses it and uses it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Why a connection ended (`disconnectReason` of a lifecycle event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The client was not or is no longer allowed to do what it did.
    AuthError,
    /// The client said goodbye.
    ClientInitiatedDisconnect,
    /// The client broke the protocol or a limit.
    ClientError,
    /// The stream ended.
    ConnectionLost,
    /// Another connection took the client id.
    DuplicateClientId,
    /// The client's certificate is not active any more.
    ForbiddenAccess,
    /// Nothing was heard for 1.5 times the keep-alive.
    KeepAliveTimeout,
    /// The server failed.
    ServerError,
    /// The server wanted it.
    ServerInitiatedDisconnect,
    /// Somebody with the right to do so wanted it.
    ApiInitiatedDisconnect,
    /// It used too much.
    Throttled,
}

impl Reason {
    /// As events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthError => "AUTH_ERROR",
            Self::ClientInitiatedDisconnect => "CLIENT_INITIATED_DISCONNECT",
            Self::ClientError => "CLIENT_ERROR",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::DuplicateClientId => "DUPLICATE_CLIENTID",
            Self::ForbiddenAccess => "FORBIDDEN_ACCESS",
            Self::KeepAliveTimeout => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::ServerError => "SERVER_ERROR",
            Self::ServerInitiatedDisconnect => "SERVER_INITIATED_DISCONNECT",
            Self::ApiInitiatedDisconnect => "API_INITIATED_DISCONNECT",
            Self::Throttled => "THROTTLED",
        }
    }

    /// Whether the client's will is said.
    #[must_use]
    pub const fn says_will(self) -> bool {
        !matches!(self, Self::ClientInitiatedDisconnect)
    }
}

/// A connection is to be closed, after what [`Broker::take`](super::Broker::take) still has for it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub connection: ConnectionId,
    /// Why.
    pub reason: Reason,
    /// The reason code that the client is told, if its version has one.
    pub code: u8,
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// In which account.
    pub account: AccountId,
    /// On which connection. None: by HTTPS, or as a will.
    pub connection: Option<ConnectionId>,
    /// As which client. Empty by HTTPS.
    pub client_id: Arc<str>,
    /// With which certificate.
    pub principal: Arc<str>,
    /// The thing that the certificate is attached to.
    pub thing: Option<Arc<str>>,
}

/// What reserved topics belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `$aws/things/<thing>/jobs/…`
    Jobs,
    /// `$aws/things/<thing>/shadow/…`
    Shadow,
    /// `$aws/things/<thing>/streams/…`
    Streams,
    /// `$aws/certificates/…`
    Certificates,
    /// `$aws/provisioning-templates/…`
    Provisioning,
}

/// Something that others than clients want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A request to a service. Nobody else got it.
    Request {
        /// To which.
        service: Service,
        /// Whose.
        origin: Origin,
        /// Where it was said.
        topic: Arc<str>,
        /// What was said.
        payload: Bytes,
        /// How surely.
        qos: Qos,
        /// What version 5 said about it.
        properties: MessageProperties,
    },
    /// A message to a rule (Basic Ingest). Nobody else got it.
    Ingest {
        /// The rule.
        rule: Arc<str>,
        /// Whose.
        origin: Origin,
        /// Where it was said: the whole topic.
        topic: Arc<str>,
        /// What was said.
        payload: Bytes,
    },
    /// A client came or went.
    Presence(Presence),
    /// A client's subscriptions changed.
    Subscriptions {
        /// In which account.
        account: AccountId,
        /// Whose.
        client_id: Arc<str>,
        /// With which certificate.
        principal: Arc<str>,
        /// Whether there are more or fewer.
        subscribed: bool,
        /// Which.
        filters: Vec<Arc<str>>,
        /// µs.
        at: u64,
    },
    /// A client was not let in.
    Refused {
        /// Where.
        account: AccountId,
        /// As which client.
        client_id: Arc<str>,
        /// With which certificate, which the account need not know.
        principal: Arc<str>,
        /// Reason code of version 5.
        code: u8,
        /// µs.
        at: u64,
    },
}

/// A client came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// In which account.
    pub account: AccountId,
    /// Who.
    pub client_id: Arc<str>,
    /// With which certificate.
    pub principal: Arc<str>,
    /// Of which connection, in the form of a UUID.
    pub session_identifier: Arc<str>,
    /// The same for the coming and the going of one connection; greater for the next one.
    pub version: u64,
    /// Why it went. None: it came.
    pub gone: Option<Reason>,
    /// From where.
    pub source: Option<Arc<str>>,
    /// µs.
    pub at: u64,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A policy does not allow it, or the topic is nobody's to write to.
    NotAuthorized,
    /// A quota is used up.
    QuotaExceeded,
    /// The topic is not a name, or beyond a quota.
    TopicNameInvalid,
    /// The payload is larger than the quota.
    TooLarge,
    /// There is no such account.
    NoSuchAccount,
}

impl Refusal {
    /// The reason code of version 5.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::NotAuthorized | Self::NoSuchAccount => code::NOT_AUTHORIZED,
            Self::QuotaExceeded | Self::TooLarge => code::QUOTA_EXCEEDED,
            Self::TopicNameInvalid => code::TOPIC_NAME_INVALID,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAuthorized => "the message is not allowed there; ask for a policy that allows it",
            Self::QuotaExceeded => "the account's quota is used up; try again later",
            Self::TopicNameInvalid => "the topic is not a name, too long or too deep",
            Self::TooLarge => "the payload is larger than the account's quota; send less",
            Self::NoSuchAccount => "there is no such account",
        })
    }
}

impl std::error::Error for Refusal {}
