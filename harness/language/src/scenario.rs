//! What a scenario file says, typed. Field names are the words of the language.

use crate::source::{Located, Table};
use std::time::Duration;

/// A scenario file, checked: every name in it is declared, every quantity has its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name, unique among the files of a run.
    pub scenario: Located<String>,
    /// What it is about, for people.
    pub about: Option<Located<String>>,
    /// Labels for `--tag`.
    pub tags: Vec<Located<String>>,
    /// The rows (`P1`…) that it proves.
    pub covers: Vec<Located<Row>>,
    /// What exists before the first step.
    pub platform: Platform,
    /// What can be deployed.
    pub artifacts: Table<Artifact>,
    /// The device groups.
    pub devices: Table<Devices>,
    /// Parts of device groups.
    pub selections: Table<Selection>,
    /// What happens, in order.
    pub steps: Vec<Located<Step>>,
}

/// Provider and tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// The tenant above the tenants. Absent: they have no parent.
    pub provider: Option<Located<Provider>>,
    /// The tenants.
    pub tenants: Table<Tenant>,
}

/// The provider's own tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The pool that all limits of its children are carved from.
    pub device_limit: Located<u32>,
    /// Its first admin.
    pub admin: Located<String>,
}

/// A tenant (a child of the provider, if there is one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its first admin.
    pub admin: Located<String>,
    /// How many devices it may have accepted.
    pub device_limit: Option<Located<u32>>,
    /// Its other users.
    pub users: Table<User>,
    /// `absent`: a step onboards it.
    pub starts: Starts,
}

/// A user inside a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// What the user may do there. Absent: admin.
    pub role: Option<Located<Role>>,
    /// Selections that are groups, to which the role is narrowed.
    pub only: Vec<Located<String>>,
}

/// An artifact made for simulated devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The version that a device runs once it took it.
    pub version: Located<String>,
    /// Bytes of payload.
    pub size: Located<u64>,
    /// What goes wrong on a device that takes it.
    pub misbehaves: Option<Located<Misbehaviour>>,
}

/// A group of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// Whose they are.
    pub tenant: Located<String>,
    /// How many, simulated.
    pub simulated: Located<u32>,
    /// Which protocol they speak.
    pub speaks: Located<Protocol>,
    /// The version at the start.
    pub runs: Located<String>,
    /// How often they ask for updates. Default 5 s.
    pub poll: Option<Located<Duration>>,
    /// Labels, for selections.
    pub tags: Vec<Located<String>>,
}

/// A part of the devices, the same ones in every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Groups and selections to begin with.
    pub from: Vec<Located<String>>,
    /// Minus these.
    pub except: Vec<Located<String>>,
    /// Only those whose group bears all of these labels.
    pub tagged: Vec<Located<String>>,
    /// The first so many by index…
    pub first: Option<Located<u32>>,
    /// …or a share in millionths (50% = 500 000), drawn once by the seed.
    pub share: Option<Located<u32>>,
    /// A group on the platform too: deployments go to the group.
    pub group: Option<Located<bool>>,
}

/// One step: exactly one verb.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the verb of the same name")]
pub enum Step {
    Enroll(Located<ByDevices>),
    Knock(Located<ByDevices>),
    Claim(Located<ByDevices>),
    Decommission(Located<ByDevices>),
    Onboard(Located<Onboard>),
    Configure(Located<Configure>),
    AddUser(Located<AddUser>),
    RemoveUser(Located<UserAt>),
    Switch(Located<UserAt>),
    Deploy(Located<Deploy>),
    Abort(Located<Abort>),
    Expect(Located<Expect>),
}

/// What every step marked ° takes beside its own parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Who acts. Absent: the default of the verb.
    pub by: Option<Located<String>>,
    /// Until when. Absent: the default of the verb.
    pub within: Option<Located<Duration>>,
    /// The kind of refusal that is due.
    pub refused: Option<Located<Refusal>>,
    /// How many exactly get through, beside `refused`.
    pub accepted: Option<Located<u32>>,
    /// Not judged here; a later `expect` must.
    pub may_fail: bool,
}

/// `enroll`, `knock`, `claim`, `decommission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByDevices {
    /// Groups and selections.
    pub devices: Vec<Located<String>>,
    /// What is due.
    pub outcome: Outcome,
}

/// Tenants come into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onboard {
    /// Which.
    pub tenants: Vec<Located<String>>,
    /// Together, not one by one.
    pub at_once: bool,
    /// What is due.
    pub outcome: Outcome,
}

/// A tenant's limits are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure {
    /// Whose.
    pub tenant: Located<String>,
    /// The new limit.
    pub device_limit: Option<Located<u32>>,
    /// What is due.
    pub outcome: Outcome,
}

/// A person becomes a user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddUser {
    /// Who.
    pub user: Located<String>,
    /// Where.
    pub tenant: Located<String>,
    /// As what.
    pub role: Located<Role>,
    /// Narrowed to these selections that are groups.
    pub only: Vec<Located<String>>,
    /// What is due.
    pub outcome: Outcome,
}

/// `remove_user`, `switch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAt {
    /// Who.
    pub user: Located<String>,
    /// Where (into).
    pub tenant: Located<String>,
    /// What is due.
    pub outcome: Outcome,
}

/// One deployment per tenant of `devices`, all under `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// What.
    pub artifact: Located<String>,
    /// To whom.
    pub devices: Vec<Located<String>>,
    /// The name that claims refer to.
    pub name: Located<String>,
    /// What is due.
    pub outcome: Outcome,
}

/// A deployment is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    /// Which.
    pub deployment: Located<String>,
    /// What is due.
    pub outcome: Outcome,
}

/// Claims, each at most once, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Until when eventual claims may become true.
    pub within: Option<Located<Duration>>,
    /// How long they must stay true.
    pub stays: Option<Located<Duration>>,
    /// What is claimed.
    pub claims: Vec<Located<Claim>>,
}

/// A claim of section 6 of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the parameters of the claim of the same name")]
pub enum Claim {
    Online { devices: Vec<Located<String>> },
    Forgotten { devices: Vec<Located<String>>, tenant: Located<String> },
    Updated { devices: Vec<Located<String>>, version: Located<String> },
    RolledBack { devices: Vec<Located<String>>, deployment: Located<String>, version: Located<String> },
    Untouched { devices: Vec<Located<String>>, deployment: Located<String> },
    Reported { devices: Vec<Located<String>> },
    Isolation { between: Vec<Located<String>>, surfaces: Vec<Located<Surface>>, skip: Vec<Located<Skip>> },
    Access { user: Located<String>, tenant: Located<String>, role: Located<Role> },
    Quota { tenants: Vec<Located<String>>, limits: Vec<Located<Limit>>, over_by: Option<Located<u32>> },
    Pool { over_by: Option<Located<u32>>, callers: Option<Located<u32>> },
    Audit { tenants: Vec<Located<String>> },
    Counts { tenant: Located<String>, accepted: Located<u32>, pending: Option<Located<u32>>, limit: Option<Located<u32>> },
    Onboarded { tenants: Vec<Located<String>>, outcome: Located<OnboardOutcome> },
}

/// An attempt that is left out of `isolation`, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The attempt's id, or its beginning.
    pub attempt: Located<String>,
    /// The reason, printed in the report.
    pub because: Located<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant is the word of the same name")]
        pub enum $name { $($variant),* }

        impl $name {
            /// All words, in the order of the language's page.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as it is written in a file.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The value that `word` stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words!(/// A row of what a platform promises.
    Row { P1 = "P1", P2 = "P2", P3 = "P3", P4 = "P4", P5 = "P5", P6 = "P6", P7 = "P7", P8 = "P8", P9 = "P9", P10 = "P10",
        P11 = "P11", P12 = "P12", P13 = "P13", A1 = "A1", A2 = "A2", A3 = "A3", A4 = "A4", A5 = "A5", A6 = "A6", A7 = "A7",
        A8 = "A8", A9 = "A9", A10 = "A10", B1 = "B1", B2 = "B2", B3 = "B3", B4 = "B4", B5 = "B5", B6 = "B6", B7 = "B7" });
words!(/// What a user may do in a tenant.
    Role { Admin = "admin", Operator = "operator", Installer = "installer", Viewer = "viewer", None = "none" });
words!(/// The protocol a device speaks.
    Protocol { Mender = "mender" });
words!(/// Whether a tenant is there before the first step.
    Starts { Ready = "ready", Absent = "absent" });
words!(/// How a refusal looks (section 5 of the language).
    Refusal { Unseen = "unseen", Forbidden = "forbidden", Unauthenticated = "unauthenticated", OverLimit = "over_limit",
        Conflict = "conflict", Invalid = "invalid", Throttled = "throttled", Untrusted = "untrusted" });
words!(/// What an artifact does wrong on a device.
    Misbehaviour { NeverBoots = "never_boots", Hangs = "hangs", LosesNetwork = "loses_network", FailsInstall = "fails_install",
        FailsCommit = "fails_commit", BadChecksum = "bad_checksum", WrongDeviceType = "wrong_device_type",
        FailsRollback = "fails_rollback", CrashesAfterCommit = "crashes_after_commit", Bricks = "bricks" });
words!(/// A limit that a tenant can have.
    Limit { DeviceLimit = "device_limit" });
words!(/// Where attempts are made.
    Surface { Http = "http", Storage = "storage", Audit = "audit" });
words!(/// What became of an onboarding.
    OnboardOutcome { Whole = "whole", Undone = "undone", WholeOrUndone = "whole_or_undone" });
