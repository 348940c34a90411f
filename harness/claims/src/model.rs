//! The words in which a platform's interface and the attempts upon it are described.
//!
//! A dialect gives [`Surface`]s (one per operation of the platform's document), this crate compiles them into
//! [`Attempt`]s, the engine makes them and hands what came back to the judge. Everything here is plain data.

pub use crate::attempt::*;
use serde::Serialize;
use std::fmt;

/// Every operation of a platform's document, joined with what the dialect knows about each.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Surfaces {
    /// Operations about which the dialect knows what it must, in the order of its table.
    pub known: Vec<Surface>,
    /// Ids (or `METHOD path`) of operations that stand in the document and that nobody can say anything about.
    pub unknown: Vec<String>,
    /// The same of the account's document. Among `known` its operations stand behind all of the management's.
    pub unknown_of_account: Vec<String>,
    /// The same of the lobby's document. Among `known` its operations stand last.
    pub unknown_of_lobby: Vec<String>,
}

impl Surfaces {
    /// These with those of the account that each tenant is.
    #[must_use]
    pub fn and_account(mut self, account: Self) -> Self {
        self.known.extend(account.known);
        self.unknown_of_account.extend(account.unknown);
        self
    }

    /// These, with the account's, and those of the lobby.
    #[must_use]
    pub fn and_lobby(mut self, lobby: Self) -> Self {
        self.known.extend(lobby.known);
        self.unknown_of_lobby.extend(lobby.unknown);
        self
    }

    /// What a claim is compiled against: with the account's interface where the scenario uses it, and with the lobby's where
    /// there is one, which brings devices into accounts. A surface has the same index in all of them.
    #[must_use]
    pub fn in_play(&self, account: bool, lobby: bool) -> Self {
        let mut all = self.clone();
        let of_account = (Family::Account, std::mem::take(&mut all.unknown_of_account), account || lobby);
        let of_lobby = (Family::Lobby, std::mem::take(&mut all.unknown_of_lobby), lobby);
        for (family, unknown, is_there) in [of_account, of_lobby] {
            if is_there {
                all.unknown.extend(unknown);
            } else {
                all.known.retain(|surface| surface.family != family);
            }
        }
        all
    }
}

/// One operation, as a place where a stranger can try.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surface {
    /// The operation's id in the platform's document.
    pub operation: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its parameters in braces: `/api/…/devices/{device_id}`.
    pub path: String,
    /// The family in which claims name it: [`Family::Audit`] for those of the audit log, HTTP for all others.
    pub family: Family,
    /// Which identity it is meant for.
    pub audience: Audience,
    /// The kind of object that it is about.
    pub object: Kind,
    /// What it does with it.
    pub does: Does,
    /// Every place of the request that names an object.
    pub slots: Vec<Slot>,
    /// Query parameters that the document declares and that name nothing (`page`, `per_page`, `sort`, …).
    pub parameters: Vec<String>,
    /// Who may use it inside the tenant.
    pub role: RoleRule,
    /// What a stranger gets; the first rule whose `slot` is the attacked one counts, then the one without `slot`.
    pub stranger: Vec<StrangerRule>,
    /// Status codes of success.
    pub ok: Vec<u16>,
    /// The smallest body with which it succeeds.
    pub body: Option<BodyTemplate>,
    /// It uses up or alters its object: the attempt needs a throw-away one.
    pub disposable: bool,
    /// A change that stands in an audit log.
    pub audited: bool,
}

/// Groups of surfaces, as `isolation: { surfaces: […] }` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The HTTP interface.
    Http,
    /// Signed links to stored objects. No operation is one; those that give links are attacked there too.
    Storage,
    /// The audit log.
    Audit,
    /// The endpoints at which devices speak MQTT. No operation is one: what is tried there is of [`crate::wired`].
    Mqtt,
    /// The account that a tenant is: things, certificates, policies, jobs.
    Account,
    /// The lobby: devices that are somebody's, or nobody's yet.
    Lobby,
}

/// For whom an operation is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// People with a session.
    User,
    /// Devices with their token.
    Device,
    /// The operator of the platform, at a door of its own.
    Operator,
    /// Everybody (logging in).
    Public,
}

/// What an operation does with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// Makes one.
    Create,
    /// Shows one.
    Read,
    /// Shows many.
    List,
    /// Shows those that match.
    Search,
    /// Shows how many.
    Count,
    /// Alters one.
    Change,
    /// Removes one.
    Delete,
    /// Something else that has an effect (abort, assign, log out).
    Act,
    /// Gives a credential.
    Login,
}

impl Does {
    /// Whether a 2xx leaves the platform as it was.
    #[must_use]
    pub fn only_looks(self) -> bool {
        matches!(self, Self::Read | Self::List | Self::Search | Self::Count)
    }

    /// Whether its answer holds many objects (or their number), of which none may be a stranger's.
    #[must_use]
    pub fn shows_many(self) -> bool {
        matches!(self, Self::List | Self::Search | Self::Count)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A kind of object, or of a name that stands for one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All kinds, in the order of their words' declaration.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// The word for it in tables.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    /// A device as its tenant knows it.
    Device = "device",
    /// An authentication set of a device.
    Auth = "auth",
    /// The credential of a device, by its id.
    DeviceToken = "device_token",
    /// What a device shows of itself when it knocks.
    Identity = "identity",
    /// A file that can be deployed.
    Artifact = "artifact",
    /// The name under which artifacts are deployed.
    Release = "release",
    /// A deployment.
    Deployment = "deployment",
    /// A person.
    User = "user",
    /// A person's address.
    Email = "email",
    /// A named set of permissions.
    Role = "role",
    /// The building blocks of roles.
    PermissionSet = "permission_set",
    /// A personal access token.
    Token = "token",
    /// A session of a person.
    Session = "session",
    /// A tenant, by its id.
    Tenant = "tenant",
    /// What a device shows to say whose it is.
    TenantToken = "tenant_token",
    /// A limit of a tenant.
    Limit = "limit",
    /// A named group of devices.
    Group = "group",
    /// A saved search.
    Filter = "filter",
    /// What a device says of itself.
    Attribute = "attribute",
    /// What a person says of a device.
    Tag = "tag",
    /// Settings of a tenant or a person.
    Settings = "settings",
    /// An entry of an audit log.
    Audit = "audit",
    /// A thing of an account, by its name.
    Thing = "thing",
    /// A thing, by its ARN.
    ThingArn = "thing_arn",
    /// A search that finds one thing.
    Query = "query",
    /// A group of things.
    ThingGroup = "thing_group",
    /// A group of things in which another one stands.
    ParentGroup = "parent_group",
    /// A certificate of an account, by its id.
    Certificate = "certificate",
    /// A certificate, by its ARN.
    Principal = "principal",
    /// A certificate itself, whoever signed it.
    Pem = "pem",
    /// A certificate itself, signed by an authority of the account.
    Signed = "signed",
    /// A certificate that another account offers to this one.
    Offer = "offer",
    /// A certificate that this account offers to another.
    Transfer = "transfer",
    /// An authority of an account, by its id.
    Authority = "authority",
    /// The certificate of an authority.
    AuthorityPem = "authority_pem",
    /// A policy.
    Policy = "policy",
    /// The number of a version of a policy.
    PolicyVersion = "policy_version",
    /// A job.
    Job = "job",
    /// A template by which devices are provisioned.
    Template = "template",
    /// A client that is connected.
    Client = "client",
    /// Which events an account is told of.
    Events = "events",
    /// The account itself.
    Account = "account",
    /// An account in which a device shall live, by its number.
    TargetAccount = "target_account",
    /// A device that the lobby knows as a tenant's, by its fingerprint.
    LobbyDevice = "lobby_device",
    /// What stands on such a device, and proves a claim.
    Label = "label",
    /// A device of the lobby that is nobody's, by its fingerprint.
    Unbound = "unbound_device",
    /// A device that was turned down, by its fingerprint.
    TurnedDown = "turned_down_device",
    /// An authority that the lobby trusts, by its id.
    LobbyAuthority = "lobby_authority",
    /// A region that was given up.
    LostRegion = "lost_region",
    /// The lobby itself.
    Lobby = "lobby",
    /// What a tenant was told of devices.
    Notice = "notice",
    /// A region that a device may live in: nobody's.
    Region = "region",
    /// Of every kind.
    Any = "any",
    /// Nobody's: a fixed word.
    Word = "word",
}

impl Kind {
    /// The kind that a table's word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where in a request an object is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A parameter of the path; the slot's name is the one in braces.
    Path,
    /// A query parameter.
    Query,
    /// A header.
    Header,
    /// A value in the body; the slot's name is `a.b[].c`, `[]` is each element (at the start: the body is a list).
    Body,
    /// The predicate of a search; the slot's name is its kind's word.
    Filter,
}

/// One place of a request that names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Slot {
    /// Where.
    pub place: Place,
    /// Its name there (see [`Place`]).
    pub name: String,
    /// What it names.
    pub kind: Kind,
    /// It may be left out, and the smallest body does without it.
    pub optional: bool,
}

impl Surface {
    /// Whether it gives a signed link to a stored object.
    #[must_use]
    pub fn gives_link(&self) -> bool {
        matches!(self.audience, Audience::User | Audience::Device)
            && self.object == Kind::Artifact
            && self.does == Does::Read
            && self.path.ends_with("/download")
    }

    /// The slots without which there is no request, or none that means the same.
    pub fn required(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.optional).filter(|slot| match slot.place {
            Place::Path | Place::Body => true,
            Place::Query => !self.does.shows_many() || self.audience == Audience::Device,
            // Who asks is no object.
            Place::Header => !slot.says_who_asks(),
            Place::Filter => false,
        })
    }

    /// Whether a slot says what the new thing is called, or is: what stands there in one account is free in every other.
    #[must_use]
    pub fn names_the_new(&self, slot: &Slot) -> bool {
        let kinds = [Kind::Thing, Kind::ThingGroup, Kind::Policy, Kind::Job, Kind::Template];
        let is_new = kinds.contains(&slot.kind) && slot.kind == self.object;
        self.does == Does::Create && !slot.optional && (is_new || matches!(slot.kind, Kind::Pem | Kind::AuthorityPem))
    }

    /// Whether it ends or alters the asker's own session or account: to be asked by somebody made for that.
    #[must_use]
    pub fn hurts_the_asker(&self) -> bool {
        self.disposable
            && (matches!(self.object, Kind::User | Kind::Session) || self.path.ends_with("/me"))
            && self.slots.iter().all(|slot| matches!(slot.kind, Kind::Word | Kind::TenantToken))
    }
}

impl Slot {
    /// Whether it is the name under which somebody logs in.
    #[must_use]
    pub fn says_who_asks(&self) -> bool {
        self.place == Place::Header && self.kind == Kind::Email
    }

    /// How fills refer to it: `path:device_id`, `body:devices[]`. Unique within a surface.
    #[must_use]
    pub fn key(&self) -> String {
        let place = match self.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
            Place::Body => "body",
            Place::Filter => "filter",
        };
        format!("{place}:{}", self.name)
    }
}

/// A role inside a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do all in the tenant.
    Admin,
    /// Artifacts, deployments, groups; reads.
    Operator,
    /// Accepts and removes devices; reads devices.
    Installer,
    /// Reads.
    Viewer,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Operator, Self::Installer, Self::Viewer];

    /// Its word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Installer => "installer",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The least that one must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Least {
    /// Every user of the tenant.
    Any,
    /// A viewer (operators and admins are).
    Viewer,
    /// An installer (admins are).
    Installer,
    /// An operator (admins are).
    Operator,
    /// An admin.
    Admin,
    /// An admin of a tenant that has children.
    ProviderAdmin,
    /// The device itself.
    Device,
    /// Only the operator of the platform, at a door of its own.
    OperatorDoor,
}

/// Who may use an operation: any of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RoleRule(pub Vec<Least>);

impl RoleRule {
    /// Reads `viewer|installer`, `provider-admin`, `operator-door`, …
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split('|')
            .map(|word| match word {
                "any" => Some(Least::Any),
                "viewer" => Some(Least::Viewer),
                "installer" => Some(Least::Installer),
                "operator" => Some(Least::Operator),
                "admin" => Some(Least::Admin),
                "provider-admin" => Some(Least::ProviderAdmin),
                "device" => Some(Least::Device),
                "operator-door" => Some(Least::OperatorDoor),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// Whether a user with `role` may; `provider`: in a tenant that has children.
    #[must_use]
    pub fn allows(&self, role: Role, provider: bool) -> bool {
        self.0.iter().any(|least| match least {
            Least::Any => true,
            Least::Viewer => matches!(role, Role::Viewer | Role::Operator | Role::Admin),
            Least::Installer => matches!(role, Role::Installer | Role::Admin),
            Least::Operator => matches!(role, Role::Operator | Role::Admin),
            Least::Admin => role == Role::Admin,
            Least::ProviderAdmin => role == Role::Admin && provider,
            Least::Device | Least::OperatorDoor => false,
        })
    }
}

/// How a request is refused: the words of the scenario language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// As for a thing that never existed.
    Unseen,
    /// Known, but may not.
    Forbidden,
    /// Credential not accepted.
    Unauthenticated,
    /// A count is full.
    OverLimit,
    /// Too fast.
    Throttled,
    /// Exists already, or belongs to another.
    Conflict,
    /// Malformed, or not possible now.
    Invalid,
    /// The tenant grants the lobby nothing.
    Untrusted,
}

impl Refusal {
    /// All kinds, with their words.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Unseen, "unseen"),
        (Self::Forbidden, "forbidden"),
        (Self::Unauthenticated, "unauthenticated"),
        (Self::OverLimit, "over_limit"),
        (Self::Throttled, "throttled"),
        (Self::Conflict, "conflict"),
        (Self::Invalid, "invalid"),
        (Self::Untrusted, "untrusted"),
    ];

    /// Its word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// The kind that a word of the language (or of a table) stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a stranger is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// A refusal of this kind. `Unseen` may well be a 2xx that does nothing.
    Refused(Refusal),
    /// What is his own, as if the other were not there.
    OwnOnly,
    /// It is meant to work.
    Allowed,
}

/// What a stranger gets when he names another tenant's object in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StrangerRule {
    /// The kind of the attacked slot. Absent: all that no other rule names.
    pub slot: Option<Kind>,
    /// The status.
    pub status: u16,
    /// And what it means.
    pub due: Due,
}

/// The smallest body with which an operation succeeds. Texts that begin with `$` stand for values: `$device`, `$name`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyTemplate {
    /// A JSON document.
    Json(serde_json::Value),
    /// Parts of a form in their order: name and value.
    Multipart(Vec<(String, String)>),
}
