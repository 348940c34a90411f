//! Claims: what can be said about a platform, and what each proves.

use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form, Key, Refers, Shape, block};
use crate::reader::{Entries, Reader};
use crate::source::Located;
use crate::words::{Limit, OnboardOutcome, Role, RolloutEnd, Row, Surface};
use std::time::Duration;

/// When a claim is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// May become true; needs `within`; holds at the first moment it is true.
    Eventual,
    /// Judged on all that was recorded since its subject began, when the eventual claims hold.
    Safety,
    /// Makes its own attempts, and leaves the platform as found.
    Active,
}

macro_rules! claims {
    ($(#[doc = $about:literal])+ pub enum Claim { $(
        $(#[doc = $doc:literal])+
        $variant:ident = $word:literal, $class:ident $(+ $acts:ident)?, [$($row:ident),*] { $(
            $(#[doc = $field_doc:literal])+
            $field:ident: $type:ty = $shape:expr, $presence:expr;
        )* }
    )* }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Claim { $(
            $(#[doc = $doc])+
            $variant { $($(#[doc = $field_doc])+ $field: $type),* },
        )* }

        impl Claim {
            pub(crate) const BLOCK: &'static Block = &Block {
                name: "Claim",
                about: &[$($about),+],
                keys: &[$(Key {
                    word: $word,
                    about: &[$($doc),+],
                    shape: Shape::Block(&Block {
                        name: stringify!($variant),
                        about: &[$($doc),+],
                        keys: &[$(Key {
                            word: stringify!($field), about: &[$($field_doc),+], shape: $shape, presence: $presence,
                        }),*],
                        partly: false,
                        also: None,
                    }),
                    presence: Optional,
                }),*],
                partly: false,
                also: None,
            };

            /// Every claim's word, class, whether it makes attempts of its own, and the rows it can prove.
            pub const CATALOGUE: &[(&str, Class, bool, &[Row])] =
                &[$(($word, Class::$class, claims!(@acts $class $($acts)?), &[$(Row::$row),*])),*];

            /// Its word, as it is written.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word),* }
            }

            /// When it is judged. A claim that is both eventual and active is eventual here; see [`Claim::acts`].
            #[must_use]
            pub const fn kind(&self) -> Class {
                match self { $(Self::$variant { .. } => Class::$class),* }
            }

            /// Whether it makes attempts of its own.
            #[must_use]
            pub const fn acts(&self) -> bool {
                match self { $(Self::$variant { .. } => claims!(@acts $class $($acts)?)),* }
            }

            /// The rows that it can prove.
            #[must_use]
            pub const fn rows(&self) -> &'static [Row] {
                match self { $(Self::$variant { .. } => &[$(Row::$row),*]),* }
            }

            fn read(word: &str, entries: &Entries<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                match word {
                    $($word => {
                        $(let $field = entries.field::<$type>(reader, stringify!($field));)*
                        Some(Self::$variant { $($field: $field?),* })
                    })*
                    _ => None,
                }
            }
        }
    };
    (@acts Active) => { true };
    (@acts $class:ident Active) => { true };
    (@acts $class:ident) => { false };
}

claims! {
    /// A claim of section 6 of the language.
    pub enum Claim {
        /// Accepted and served.
        Online = "online", Eventual, [] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        }
        /// The lobby lists them, no tenant does.
        InLobby = "in_lobby", Eventual, [A5, A6] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
        }
        /// They were told the tenant's endpoint, and are served there.
        Bound = "bound", Eventual, [A5, A6, A8] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
            /// The tenant that serves them.
            tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("whose they are: `tenant: acme`");
        }
        /// Identity, sessions, deployments and inventory are gone there; credentials are dead.
        Forgotten = "forgotten", Eventual + Active, [P1, A6] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
            /// The tenant that knows nothing of them any more.
            tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("by whom: `tenant: acme`");
        }
        /// Never has one of them two owners, and whoever reached for one in vain was told so.
        OwnedOnce = "owned_once", Safety, [A5, A6, A7] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
            /// The tenants that reach for them.
            among: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 2), Required("who reaches for them: `among: [acme, globex]`");
        }
        /// Not in since they were refused, revoked or suspended; live sessions ended.
        Barred = "barred", Eventual, [P1, A7] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
            /// The group of devices that is let in: the control.
            like: Located<String> = Shape::Refers(Refers::Devices), Required("who gets in meanwhile: `like: lifts`");
        }
        /// Each runs the version, and the platform says so.
        Updated = "updated", Eventual, [P8, P11, A10] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
            /// The version that they run.
            version: Located<String> = Shape::Version, Required("what they run now: `version: \"2.0\"`");
        }
        /// Each tried the deployment and runs the version again, healthy; the platform shows the failure.
        RolledBack = "rolled_back", Eventual, [P11] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
            /// The deployment that they tried.
            deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("after which deployment: `deployment: first-rollout`");
            /// The version that they run.
            version: Located<String> = Shape::Version, Required("what they run again: `version: \"1.0\"`");
        }
        /// Not offered, fetched or written; the version is as before.
        Untouched = "untouched", Safety, [P8] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
            /// The deployment that passed them by.
            deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("by which deployment: `deployment: first-rollout`");
        }
        /// The platform's version and outcome are the devices' own.
        Reported = "reported", Eventual, [P11, A10, B7] {
            /// The devices: groups and selections.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        }
        /// At most so many of their messages are lost, and at most so many arrive more than once: what the devices have sent is held against what arrived.
        Delivery = "delivery", Safety, [A2, A6] {
            /// The devices: groups and selections. They publish by themselves (`publishes`); a `load` is not counted.
            devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("whose messages: `devices: [sensors]`");
            /// How many may be lost.
            lost: Located<u32> = Shape::Number(0, u32::MAX), Required("how many may be lost: `lost: 0`");
            /// How many may arrive more than once.
            duplicated: Located<u32> = Shape::Number(0, u32::MAX), Required("how many may arrive more than once: `duplicated: 0`");
        }
        /// So many messages came through a subscription, no more and no fewer.
        Received = "received", Eventual, [A2] {
            /// The subscription, by its name.
            subscription: Located<String> = Shape::Refers(Refers::Subscription), Required("through which: `subscription: overheard`");
            /// How many each of its devices got; `0`: none.
            count: Located<u32> = Shape::Number(0, u32::MAX), Required("how many: `count: 0`");
            /// Only messages that say this are counted.
            text: Option<Located<String>> = Shape::Text, Otherwise("all are");
        }
        /// It obeyed its phases, rate, retries, timeouts and threshold; states are legal; those it reached ended as the artifact behaves, others are untouched.
        Rollout = "rollout", Eventual, [P11, A10] {
            /// The deployment, by its name.
            deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("which one: `deployment: first-rollout`");
            /// How it ended.
            ended: Located<RolloutEnd> = Shape::Word(RolloutEnd::WORDS), Required("how it ended: `ended: finished`");
        }
        /// Nothing crosses, both ways, on any surface.
        Isolation = "isolation", Active, [P2, P6, P10, A2, A7, A8] {
            /// Tenants, and `provider`.
            between: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::TenantOrProvider), 2), Required("who is kept apart: `between: [acme, globex]`");
            /// Where it is tried.
            surfaces: Vec<Located<Surface>> = Shape::List(&Shape::Word(Surface::WORDS), 1), Otherwise("all; `mqtt` and `account` where devices speak `mqtt`, or there is a lobby; `lobby` where there is one");
            /// Attempts that are left out.
            skip: Vec<Located<Skip>> = Shape::List(&Shape::Block(Skip::BLOCK), 1), Otherwise("none");
        }
        /// The user may do exactly what the role allows there, on every operation.
        Access = "access", Active, [P1, P2, P4, P5, P6] {
            /// The person.
            user: Located<String> = Shape::Refers(Refers::User), Required("who: `user: ada@acme.test`");
            /// The tenant in which.
            tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("where: `tenant: acme`");
            /// What they may do there.
            role: Located<Role> = Shape::Word(Role::WORDS), Required("what they may do there: `role: viewer`");
        }
        /// Exactly the limit gets through, the rest is refused as documented, no other tenant pays.
        Quota = "quota", Active, [P3, A4] {
            /// The tenants whose limits are tried.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("whose limits: `tenants: [acme]`");
            /// The limits.
            limits: Vec<Located<Limit>> = Shape::List(&Shape::Word(Limit::WORDS), 1), Required("which limits: `limits: [device_limit]`");
            /// How many more than the limit are tried.
            over_by: Option<Located<u32>> = Shape::Number(1, 100_000), Otherwise("20");
        }
        /// Latency at most so many times that of the baseline, losses at most so many, while the load was really on.
        Neighbour = "neighbour", Safety, [P9, A4] {
            /// What was measured while the load was on.
            measure: Located<String> = Shape::Refers(Refers::Measure), Required("what was measured under load: `measure: storm`");
            /// What was measured without it.
            baseline: Located<String> = Shape::Refers(Refers::Measure), Required("what it is held against: `baseline: calm`");
            /// How much longer the slowest hundredth may take (in the types: thousandths).
            p99: Located<u32> = Shape::Ratio, Required("how much longer the slowest hundredth may take: `p99: 1.2x`");
            /// How many requests may stay without an answer, and messages without an acknowledgement.
            lost: Located<u32> = Shape::Number(0, u32::MAX), Required("how many may stay without an answer: `lost: 0`");
            /// How many may be refused, or fail (in the types: millionths).
            errors: Option<Located<u32>> = Shape::Share, Otherwise("0%");
        }
        /// Latency, errors and losses at most these.
        Measured = "measured", Safety, [] {
            /// What was measured.
            measure: Located<String> = Shape::Refers(Refers::Measure), Required("what was measured: `measure: calm`");
            /// The slowest hundredth takes longer.
            latency: Located<Duration> = Shape::Duration(1), Required("all but the slowest hundredth take no longer: `latency: 200ms`");
            /// How many may be refused, or fail (in the types: millionths).
            errors: Located<u32> = Shape::Share, Required("how many may be refused: `errors: 0%`");
            /// How many requests may stay without an answer, and messages without an acknowledgement.
            lost: Located<u32> = Shape::Number(0, u32::MAX), Required("how many may stay without an answer: `lost: 0`");
        }
        /// Children and reserve add up to the pool, with `callers` at once.
        Pool = "pool", Active, [P1, P3] {
            /// How many more than the pool are asked for.
            over_by: Option<Located<u32>> = Shape::Number(1, 100_000), Otherwise("20");
            /// How many ask at once.
            callers: Option<Located<u32>> = Shape::Number(1, 1000), Required("how many ask at once: `callers: 8`");
        }
        /// What the tenants say and keep is in no store, log or topic of a region that is not theirs.
        Residency = "residency", Active, [A3] {
            /// The tenants.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("whose data: `tenants: [acme]`");
        }
        /// Each change once, with its actor, in the right log and in no other; no tenant alters it.
        Audit = "audit", Eventual + Active, [P7, A9] {
            /// Whose logs; `provider` too.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::TenantOrProvider), 1), Required("whose logs: `tenants: [acme]`");
        }
        /// All that the platform answered with yes is there, read back by its owner.
        Acknowledged = "acknowledged", Safety + Active, [P7, P11, A6] {
            /// Whose; `provider` too.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::TenantOrProvider), 1), Required("whose: `tenants: [acme]`");
            /// How many of them may be lost.
            lost: Located<u32> = Shape::Number(0, u32::MAX), Required("how many may be lost: `lost: 0`");
        }
        /// These are the platform's counters as the tenant reads them and as its provider does.
        Counts = "counts", Eventual, [P3, P10] {
            /// The tenant.
            tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("whose counters: `tenant: acme`");
            /// Devices that are in.
            accepted: Located<u32> = Shape::Number(0, u32::MAX), Required("how many devices are in: `accepted: 300`");
            /// Devices that wait.
            pending: Option<Located<u32>> = Shape::Number(0, u32::MAX), Otherwise("not looked at");
            /// The limit.
            limit: Option<Located<u32>> = Shape::Number(0, u32::MAX), Otherwise("not looked at");
        }
        /// `whole`: usable, the organisation's controls in force; `undone`: no trace.
        Onboarded = "onboarded", Eventual, [P1, A1] {
            /// The tenants.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("which tenants: `tenants: [acme]`");
            /// What became of them.
            outcome: Located<OnboardOutcome> = Shape::Word(OnboardOutcome::WORDS), Required("what became of them: `outcome: whole`");
        }
        /// Endpoints refuse, what belonged to them is gone, the provider's log has kept it.
        Removed = "removed", Eventual + Active, [P1] {
            /// The tenants.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("which tenants: `tenants: [acme]`");
        }
        /// The owner is served on each surface, devices have round trips, running deployments move.
        Alive = "alive", Eventual, [P9, A6] {
            /// The tenants.
            tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("which tenants: `tenants: [acme]`");
        }
    }
}

block! {
    /// An attempt that is left out of `isolation`, and why.
    pub struct Skip {
        /// The attempt's id, or its beginning.
        pub attempt: Located<String> = Shape::Text, Required("its id as `plan` prints it: `attempt: http/…`");
        /// The reason, printed in the report.
        pub because: Located<String> = Shape::Text, Required("the reason goes into the report: `because: …`");
    }
}

impl Claim {
    /// The claims of an `expect`, in the order of the file; those with mistakes are left out.
    pub(crate) fn read_all(entries: &Entries<'_>, reader: &mut Reader<'_>) -> Vec<Located<Self>> {
        let mut claims = Vec::new();
        for (meant, entry) in &entries.list {
            let Some(Key { word, shape: Shape::Block(block), .. }) = Self::BLOCK.key(meant) else { continue };
            reader.seen.claimed.push(word);
            let at = crate::reader::At::new(word, entry.key_span, Shape::Block(block));
            reader.seen.wording.keep(entry.key_span, &entry.value, |_| false);
            if let Some(parameters) = reader.entries(&entry.value, &at, block)
                && let Some(value) = Self::read(word, &parameters, reader)
            {
                claims.push(Located { value, span: entry.key_span });
            } else {
                reader.seen.broken_steps = true;
            }
        }
        claims
    }
}
