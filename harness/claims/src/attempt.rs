//! The words in which attempts are described: who asks, what is bent, what must come of it. Read them as part of
//! [`model`](crate::model).

use crate::model::{Kind, Refusal, Role};
pub use crate::spelling::Spelling;
use crate::wired::WiredAttempt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// As whom a request is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// A user with this role.
    User(Role),
    /// The scenario's own user of this name, with the session that he has in the tenant.
    Person(String),
    /// An accepted device.
    Device,
    /// Nobody: no credential at all.
    Nobody,
    /// The true credential of the one inside, bent.
    Forged(Box<Identity>, Forgery),
    /// The operator of the platform (only in controls).
    Operator,
    /// The admin of a tenant that is made again under the name of one that was removed.
    Again,
    /// Whoever still holds something of the one that was removed.
    Former(Held),
}

/// What one still holds of a tenant that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The session of its admin.
    Session,
    /// A personal access token.
    AccessToken,
    /// The token of a device that was in.
    Device,
    /// What its devices show to say whose they are.
    TenantToken,
    /// A signed link to one of its files.
    Link,
}

impl Held {
    /// How it is told.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::Session => "a session",
            Self::AccessToken => "an access token",
            Self::Device => "a device's token",
            Self::TenantToken => "the tenant's token",
            Self::Link => "a download link",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(role) => write!(f, "{role}"),
            Self::Person(name) => f.write_str(name),
            Self::Device => f.write_str("device"),
            Self::Nobody => f.write_str("nobody"),
            Self::Forged(whose, forgery) => write!(f, "{whose}, {}", forgery.says()),
            Self::Operator => f.write_str("the platform's operator"),
            Self::Again => f.write_str("the admin"),
            Self::Former(held) => write!(f, "who holds {} of the former one, at the door", held.says()),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Actor {
    /// The tenant to which the credential belongs, by its name in the scenario.
    pub tenant: String,
    /// As whom.
    pub identity: Identity,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.identity, self.tenant)
    }
}

/// How a token is bent before it is shown. Every one of them must be refused as unauthenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// Header `alg: none`, signature left out.
    AlgNone,
    /// The victim's tenant in the tenant claim, the old signature.
    OtherTenant,
    /// The tenant claim left out, the old signature.
    NoTenant,
    /// Two tenant claims, the own one first, the old signature.
    TwoTenants,
    /// The victim's subject, the old signature.
    OtherSubject,
    /// Header `alg: HS256`, signed with the platform's public key (or, when it is not published, with a guess).
    PublicKeyAsSecret,
    /// Header `kid` that walks out of its directory, signed with an empty key.
    KeyIdPath,
    /// Headers `jku` and `x5u` that point at the attacker, signed with the attacker's key.
    ForeignKeySet,
    /// Lifetime prolonged, the old signature.
    Prolonged,
    /// The last bytes of the signature left out.
    CutSignature,
    /// No token at all in a well-formed header.
    Garbage,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AlgNone,
        Self::OtherTenant,
        Self::NoTenant,
        Self::TwoTenants,
        Self::OtherSubject,
        Self::PublicKeyAsSecret,
        Self::KeyIdPath,
        Self::ForeignKeySet,
        Self::Prolonged,
        Self::CutSignature,
        Self::Garbage,
    ];

    /// Its word in attempts' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AlgNone => "alg-none",
            Self::OtherTenant => "other-tenant",
            Self::NoTenant => "no-tenant",
            Self::TwoTenants => "two-tenants",
            Self::OtherSubject => "other-subject",
            Self::PublicKeyAsSecret => "public-key-as-secret",
            Self::KeyIdPath => "key-id-path",
            Self::ForeignKeySet => "foreign-key-set",
            Self::Prolonged => "prolonged",
            Self::CutSignature => "cut-signature",
            Self::Garbage => "garbage",
        }
    }

    /// How it is told.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::AlgNone => "token with alg none",
            Self::OtherTenant => "token with the victim's tenant written in",
            Self::NoTenant => "token without a tenant",
            Self::TwoTenants => "token with two tenants",
            Self::OtherSubject => "token with the victim's subject written in",
            Self::PublicKeyAsSecret => "token signed with the public key as a secret",
            Self::KeyIdPath => "token whose key id is a path",
            Self::ForeignKeySet => "token that brings its own key set",
            Self::Prolonged => "token prolonged",
            Self::CutSignature => "token with a cut signature",
            Self::Garbage => "no token but letters",
        }
    }
}

/// What stands in a slot of an attempt's request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The actor's own object of the slot's kind.
    Own,
    /// The victim's.
    Victims,
    /// A well-formed name that nothing has.
    NeverExisted,
    /// A new one that nobody has yet (names, addresses).
    Fresh,
    /// Both, the actor's own first (lists in bodies, repeated query parameters).
    OwnThenVictims,
    /// Both, the victim's first.
    VictimsThenOwn,
    /// The actor's own, whose name another of the same kind has at the victim's.
    Twin,
    /// This text.
    Text(String),
}

/// How a request is bent beyond its slots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tamper {
    /// A header more.
    Header {
        /// Its name.
        name: String,
        /// Its value: `Victims` is the victim's tenant id.
        value: Fill,
    },
    /// A query parameter more.
    Query {
        /// Its name.
        name: String,
        /// Its value; what `Victims` means says `kind`.
        value: Fill,
        /// The kind of the value.
        kind: Kind,
    },
    /// Another `Host`: the victim's tenant id before the own host.
    Host,
    /// A field more in the body (of objects).
    Field {
        /// Its name at the top of the body.
        name: String,
        /// Its value, as JSON text in which `$victim` is the victim's tenant id, `$own` the actor's.
        value: String,
    },
    /// The slot with this key is written otherwise (an id is still the same id, or it is none).
    Spelled(String, Spelling),
    /// What stands in the path's slot with this key stands also in query, header and body, where it is another one's.
    Elsewhere {
        /// The slot's key.
        slot: String,
        /// Whose object is named there.
        value: Fill,
    },
    /// In the slot with this key stands something else than the text that is due.
    Odd(String, Odd),
    /// The victim's user is first made a member of the actor's tenant, where that is allowed.
    Joined,
    /// Another method than the declared one.
    Method(String),
    /// The operation gives a signed link to the actor's own artifact; that link is bent, and followed by nobody.
    Link(LinkBend),
    /// The operation gives the victim a signed link to an artifact of its own; whoever got hold of it uses it like this.
    LinkUse(LinkUse),
    /// What is made is called like something of that kind at the victim's; for what never existed: like nothing.
    NamedAlike,
    /// A user with a password and an access token are made right before.
    Secrets,
    /// Right before, something is made whose name holds a line break, quotes and commas.
    Injected,
}

/// What stands where a text is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// An operator that databases know: everything that is not nothing.
    Operator,
    /// A list with the text in it.
    List,
}

impl Odd {
    /// Its word in attempts' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::List => "list",
        }
    }
}

/// How a signed link is bent. The link is the actor's own, for an artifact of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkBend {
    /// The victim's artifact in the path, signature and all else as it was.
    OtherObject,
    /// The victim's tenant in the path.
    OtherTenant,
    /// The victim's tenant and artifact.
    OtherTenantAndObject,
    /// The same, without the signature.
    NoSignature,
    /// The same, without any query.
    NoQuery,
    /// The own link with a later expiry.
    Prolonged,
    /// A path that walks from the own file to the victim's.
    Dots,
    /// The victim's tenant and artifact, and only a part of the file is asked for.
    Part,
}

/// How a true link is used by who should not have it, or when it should not be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkUse {
    /// To write what it is made to read.
    Put,
    /// To remove it.
    Delete,
    /// To read it when the artifact is removed.
    Removed,
    /// To read it when the link has ended.
    Ended,
}

impl LinkUse {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Put, Self::Delete, Self::Removed, Self::Ended];

    /// Its word in attempts' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Removed => "removed",
            Self::Ended => "ended",
        }
    }
}

impl LinkBend {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OtherObject,
        Self::OtherTenant,
        Self::OtherTenantAndObject,
        Self::NoSignature,
        Self::NoQuery,
        Self::Prolonged,
        Self::Dots,
        Self::Part,
    ];

    /// Its word in attempts' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OtherObject => "other-object",
            Self::OtherTenant => "other-tenant",
            Self::OtherTenantAndObject => "other-tenant-and-object",
            Self::NoSignature => "no-signature",
            Self::NoQuery => "no-query",
            Self::Prolonged => "prolonged",
            Self::Dots => "dots",
            Self::Part => "part",
        }
    }
}

/// The same request where it is due: without its success a refusal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The victim's own admin (or device) sends it for the same object, and succeeds.
    Victim,
    /// The actor sends it for an object of its own, and succeeds.
    Actor,
    /// The admin of the actor's tenant sends it for the same object, and succeeds.
    Admin,
    /// The operator of the platform sends it at the operator's door, and succeeds.
    Operator,
    /// The admin of the tenant that has children sends it for the same throw-away child, and succeeds.
    Provider,
    /// The attempt itself must succeed: it is its own control.
    Itself,
    /// The victim did the same while it was there, and succeeded.
    Before,
}

/// What must be true after an attempt. The worst decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Oracle {
    /// The answer is a refusal of this kind.
    Kind(Refusal),
    /// The answer has one of these statuses.
    Status(Vec<u16>),
    /// The answer, but for ids and times, is that for a thing that never existed.
    AsNeverExisted,
    /// What the victim sees of its objects is the same as before.
    Unchanged,
    /// No byte of the victim's canaries is in the answer.
    NoCanary,
    /// The answer, but for ids and times, is that to the same request without the bend.
    OwnOnly,
    /// The answer, its totals included, is that which the actor had before the victim made more objects.
    SameTotal,
    /// The answer is no success.
    NoSuccess,
    /// No password, token or link's signature of the actor's own tenant is in the answer.
    NoSecret,
    /// The answer tells of the one change that was made right before exactly once, in an entry that is whole.
    OneEntry,
}

/// One attack, with what proves that it was one and what must come of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Unique in a run and the same in every run: `h1-foreign-id/Show Artifact/path:id/globex>acme/viewer`.
    pub id: String,
    /// The tool's id in the catalogue.
    pub tool: &'static str,
    /// Where its surface stands in [`Surfaces::known`].
    pub surface: usize,
    /// The surface's operation.
    pub operation: String,
    /// Who asks.
    pub actor: Actor,
    /// The tenant that must not be hurt.
    pub victim: String,
    /// What stands in each slot, by key. Slots that are not named: `Own`; optional ones and queries: nothing.
    pub fills: BTreeMap<String, Fill>,
    /// The keys that are filled with something that never existed when the answer for that is needed.
    pub attacked: Vec<String>,
    /// What else is bent.
    pub tamper: Vec<Tamper>,
    /// A success would use up or alter the attacked object: it is a throw-away one.
    pub throw_away: bool,
    /// The proof that it could have worked.
    pub control: Control,
    /// What must be true.
    pub oracles: Vec<Oracle>,
    /// The statuses of success of the operation.
    pub ok: Vec<u16>,
}

/// A claim's attempts, and what none covers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Compiled {
    /// In the order in which they are made.
    pub attempts: Vec<Attempt>,
    /// What is tried where devices speak MQTT, in the order in which it is made.
    pub wired: Vec<WiredAttempt>,
    /// Operations that nobody needs to try, and why.
    pub exempt: Vec<(String, String)>,
    /// Operations that no attempt covers: the claim cannot pass.
    pub uncovered: Vec<String>,
    /// How many operations there are in all.
    pub operations: usize,
}
