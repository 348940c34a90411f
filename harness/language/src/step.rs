//! Steps: what happens, in order.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::fault::Fault;
use crate::flow::{Parallel, Repeat, While};
use crate::fragment::Use;
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form, Key, Named, Refers, Shape, block};
use crate::http::Http;
use crate::live::Live;
use crate::lobby::{Claiming, Evacuate, Migrate};
use crate::messages::Mqtt;
use crate::quantity::Rate;
use crate::reader::{At, Content, Reader, located};
use crate::rollout::{Growth, Phase};
use crate::source::Located;
use crate::strain::{Load, Measure, Quotas};
use crate::sweep::Sweep;
use crate::tree::{Kind, Node};
use crate::words::{Refusal, RetryOn, Role, RolloutState, Target};
use std::time::Duration;

macro_rules! verbs {
    ($(#[doc = $about:literal])+ pub enum Step { $(
        $(#[doc = $doc:literal])+ $variant:ident($type:ident) = $word:literal $($choice:ident)?,
    )* }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Step {
            $($(#[doc = $doc])+ $variant(Located<$type>),)*
        }

        impl Step {
            pub(crate) const BLOCK: &'static Block = &Block {
                name: "Step",
                about: &[$($about),+],
                keys: &[$(Key {
                    word: $word, about: &[$($doc),+], shape: verbs!(@shape $type $($choice)?), presence: Optional,
                }),*],
                partly: false,
                also: None,
            };

            /// The verb, as it is written.
            #[must_use]
            pub const fn verb(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word),* }
            }

            /// Whether what stands under this word of a step is told by lines of its own: steps and claims.
            pub(crate) fn is_apart(verb: &str, word: &str) -> bool {
                matches!(word, "steps" | "branches") || verb == "sweep" && word == "expect" || verb == "expect" && Claim::BLOCK.key(word).is_some()
            }

            /// Where its parameters stand.
            #[must_use]
            pub const fn parameters(&self) -> crate::source::Span {
                match self { $(Self::$variant(it) => it.span),* }
            }
        }

        /// A step is read by its one verb. Its span, where it is `Located`, is the verb's word.
        impl Content for Step {
            fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let mut steps: Vec<Option<Self>> = Vec::new();
                for (entry, at) in reader.choice(node, at, Step::BLOCK) {
                    // What a round of a sweep declares, what judges the round knows, and nobody else.
                    let rounds = (at.word == "sweep").then(|| reader.begin_rounds());
                    steps.push(match at.word {
                        $($word => located(&entry.value, &at, reader).map(Self::$variant),)*
                        _ => None,
                    });
                    if let Some(scope) = rounds {
                        reader.end_rounds(scope, entry.key_span);
                    }
                }
                let mut step = None;
                if let Kind::Block(entries) = &node.kind
                    && let [entry] = entries.as_slice()
                {
                    let is_apart = |word: &str| Step::is_apart(&entry.key, word);
                    reader.seen.wording.keep(entry.key_span, &entry.value, is_apart);
                    step = steps.pop().flatten();
                }
                reader.seen.broken_steps |= step.is_none();
                step
            }

            fn span(node: &Node) -> crate::source::Span {
                crate::reader::first_key(node)
            }
        }
    };
    (@shape $type:ident choice) => { Shape::Choice($type::BLOCK) };
    (@shape $type:ident) => { Shape::Block($type::BLOCK) };
}

/// Defines an enum whose value in the file is a block with exactly one key, its kind.
macro_rules! kinds {
    ($(#[doc = $about:literal])+ pub enum $name:ident { $(
        $(#[doc = $doc:literal])+ $variant:ident($type:ident) = $word:literal $($choice:ident)?,
    )* }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant(Located<$type>),)*
        }

        impl $name {
            pub(crate) const BLOCK: &'static Block = &Block {
                name: stringify!($name),
                about: &[$($about),+],
                keys: &[$(Key {
                    word: $word, about: &[$($doc),+], shape: verbs!(@shape $type $($choice)?), presence: Optional,
                }),*],
                partly: false,
                also: None,
            };
        }

        impl Content for $name {
            fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let (entry, at) = reader.kind(node, at, $name::BLOCK)?;
                match at.word {
                    $($word => located(&entry.value, &at, reader).map(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use {kinds, verbs};

verbs! {
    /// One step: exactly one verb.
    pub enum Step {
        /// Devices knock, are claimed by their tenant, and get a first authenticated answer.
        Enroll(AtTheDoor) = "enroll",
        /// Devices show their identity and wait.
        Knock(AtTheDoor) = "knock",
        /// "These are ours", before or after they knock.
        Claim(Claiming) = "claim",
        /// Devices are turned down.
        Reject(ByDevices) = "reject",
        /// Devices go back to the lobby, and belong to nobody.
        Release(ByDevices) = "release",
        /// Devices go to another tenant, and are told its endpoint. Without `by` the admin of the tenant that they leave does it.
        Migrate(Migrate) = "migrate",
        /// All tenants of a region go to another one, with their devices. Without `by` the provider's admin does it, without provider the platform's operator.
        Evacuate(Evacuate) = "evacuate",
        /// The tokens of devices are ended, in the middle of whatever they do. They are still accepted: each gets in anew. Of those that speak `mqtt` it is the certificate that ends, and their sessions with it: they stay out.
        Revoke(ByDevices) = "revoke",
        /// Devices are gone for good.
        Decommission(ByDevices) = "decommission",
        /// Tenants come into being.
        Onboard(Onboard) = "onboard",
        /// Tenants are shut: nobody and nothing of theirs is let in, and nothing of theirs is lost. Without `by` the platform's operator does it.
        Suspend(ByTenants) = "suspend",
        /// Suspended tenants are opened again. Without `by` the platform's operator does it.
        Resume(ByTenants) = "resume",
        /// Tenants are gone for good, with all that is theirs but the logs.
        Remove(ByTenants) = "remove",
        /// A tenant's limits are changed.
        Configure(Configure) = "configure",
        /// The lobby may act in tenants from now on. Without `by` the provider's admin does it, without provider the platform's operator.
        GrantTrust(ByTenants) = "grant_trust",
        /// The lobby may no longer act in tenants; what it did stays. Without `by` the provider's admin does it, without provider the platform's operator.
        RevokeTrust(ByTenants) = "revoke_trust",
        /// A person becomes a user of a tenant.
        AddUser(AddUser) = "add_user",
        /// A person is no longer a user of a tenant.
        RemoveUser(UserAt) = "remove_user",
        /// A person goes into another tenant without a new login; later steps use the session of the tenant they act on.
        Switch(UserAt) = "switch",
        /// An artifact is brought to tenants. `deploy` does it by itself.
        Upload(Upload) = "upload",
        /// An update is rolled out: one deployment per tenant of `devices`, all under `name`.
        Deploy(Deploy) = "deploy",
        /// A deployment is stopped.
        Abort(Abort) = "abort",
        /// Something goes wrong between the parties, and is put right again.
        Fault(Fault) = "fault" choice,
        /// A deployment is paused: nobody else begins, who has begun goes on.
        Pause(ByDeployment) = "pause",
        /// A paused deployment goes on.
        Continue(ByDeployment) = "continue",
        /// The only waiting there is, beside the `within` of an `expect`.
        WaitUntil(WaitUntil) = "wait_until" choice,
        /// Steps during which something is held.
        While(While) = "while",
        /// Several lists of steps at once.
        Parallel(Parallel) = "parallel",
        /// Steps that are carried out several times.
        Repeat(Repeat) = "repeat",
        /// Steps again for each point at which something of theirs can be interrupted. In the first round nothing is: that is the control, and its steps must pass. In the others they may fail, only `expect` judges. Before each, what the round before acquired is undone.
        Sweep(Sweep) = "sweep",
        /// The steps of a fragment.
        Use(Use) = "use",
        /// A request of one's own.
        Http(Http) = "http",
        /// Devices publish or subscribe, with topics of one's own.
        Mqtt(Mqtt) = "mqtt" choice,
        /// The platform is strained.
        Load(Load) = "load" choice,
        /// Latency, loss and errors of what devices ask, or publish, anyway. In virtual time service times are modelled.
        Measure(Measure) = "measure",
        /// A remark in the journal and the report.
        Log(Log) = "log",
        /// What must hold.
        Expect(Expect) = "expect",
    }
}

block! {
    /// What steps on devices, tenants, people, updates and topics take beside their own parameters. At most one of `refused` and `may_fail`; with neither it must succeed.
    #[derive(Default)]
    pub struct Outcome {
        /// Who acts.
        pub by: Option<Located<String>> = Shape::Refers(Refers::User), Otherwise("the tenant's admin; for steps on tenants, trust and regions the provider's, or without provider the platform's operator");
        /// Until when.
        pub within: Option<Located<Duration>> = Shape::Duration(1), Otherwise("30s; `enroll`, `onboard`, `migrate` and `evacuate` 60s");
        /// The kind of refusal that is due.
        pub refused: Option<Located<Refusal>> = Shape::Word(Refusal::WORDS), Optional;
        /// How many exactly get through, beside `refused`.
        pub accepted: Option<Located<u32>> = Shape::Number(0, u32::MAX), Otherwise("0");
        /// Not judged here; a later `expect` must name the same things.
        pub may_fail: bool = Shape::YesNo, Otherwise("false");
    }
}

block! {
    /// `enroll`, `knock`.
    pub struct AtTheDoor with outcome: Outcome {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        /// How many of them come to the door in a time, one after another.
        pub rate: Option<Located<Rate>> = Shape::Rate, Otherwise("all at once");
    }
}

block! {
    /// `reject`, `release`, `revoke`, `decommission`.
    pub struct ByDevices with outcome: Outcome {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
    }
}

block! {
    /// Tenants come into being.
    pub struct Onboard with outcome: Outcome {
        /// The tenants.
        pub tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("which tenants: `tenants: [acme]`");
        /// Together, not one by one.
        pub at_once: bool = Shape::YesNo, Otherwise("false");
    }
}

block! {
    /// `suspend`, `resume`, `remove`, `grant_trust`, `revoke_trust`.
    pub struct ByTenants with outcome: Outcome {
        /// The tenants.
        pub tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("which tenants: `tenants: [acme]`");
    }
}

block! {
    /// A tenant's limits are changed.
    pub struct Configure with outcome: Outcome {
        /// The tenant.
        pub tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("whose limits: `tenant: acme`");
        /// The new limit.
        pub device_limit: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// What else is limited from now on. The platform's operator does it.
        pub quotas: Option<Located<Quotas>> = Shape::Block(Quotas::BLOCK), Optional;
    }
}

block! {
    /// A person becomes a user of a tenant.
    pub struct AddUser with outcome: Outcome {
        /// The person.
        pub user: Located<String> = Shape::Refers(Refers::User), Required("who: `user: ada@acme.test`");
        /// The tenant in which.
        pub tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("where: `tenant: acme`");
        /// What they may do there.
        pub role: Located<Role> = Shape::Word(Role::GIVEN), Required("what they may do there: `role: viewer`");
        /// Narrowed to these selections that are groups.
        pub only: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Groups), 1), Otherwise("all devices");
    }
}

block! {
    /// `remove_user`, `switch`.
    pub struct UserAt with outcome: Outcome {
        /// The person.
        pub user: Located<String> = Shape::Refers(Refers::User), Required("who: `user: ada@acme.test`");
        /// The tenant in which, or into which.
        pub tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("where: `tenant: acme`");
    }
}

block! {
    /// An artifact is brought to tenants.
    pub struct Upload with outcome: Outcome {
        /// The artifact.
        pub artifact: Located<String> = Shape::Refers(Refers::Artifact), Required("what: `artifact: v2`");
        /// The tenants.
        pub tenants: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tenant), 1), Required("to which tenants: `tenants: [acme]`");
    }
}

block! {
    /// One deployment per tenant of `devices`, all under `name`.
    pub struct Deploy with outcome: Outcome {
        /// The artifact.
        pub artifact: Located<String> = Shape::Refers(Refers::Artifact), Required("what: `artifact: v2`");
        /// Those who get it: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("to which devices: `devices: [hvac]`");
        /// The name that claims refer to.
        pub name: Located<String> = Shape::Declares(Named::Deployment), Required("claims refer to it: `name: first-rollout`");
        /// In which batches it begins.
        pub phases: Vec<Located<Phase>> = Shape::List(&Shape::Block(Phase::BLOCK), 1), Otherwise("everybody at once");
        /// How many devices begin in which time at most, evenly: 600/min is one every 100ms.
        pub rate: Option<Located<Rate>> = Shape::Rate, Otherwise("unlimited");
        /// How the rate grows.
        pub grows: Option<Located<Growth>> = Shape::Block(Growth::BLOCK), Otherwise("never");
        /// Whom it takes in.
        pub target: Option<Located<Target>> = Shape::Word(Target::WORDS), Otherwise("snapshot");
        /// How often a device that failed tries again.
        pub retries: Option<Located<u32>> = Shape::Number(0, 1000), Otherwise("0");
        /// After which failures.
        pub retry_on: Option<Located<RetryOn>> = Shape::Word(RetryOn::WORDS), Otherwise("all");
        /// How long an attempt of a device may take; then it has failed.
        pub timeout: Option<Located<Duration>> = Shape::Duration(1), Otherwise("none");
        /// How long a device may report nothing during an attempt; then it has failed.
        pub step_timeout: Option<Located<Duration>> = Shape::Duration(1), Otherwise("none");
        /// When more of those that have ended it failed, the platform aborts it.
        pub abort_above: Option<Located<u32>> = Shape::Share, Otherwise("never");
        /// Not before so many have ended it.
        pub abort_after: Option<Located<u32>> = Shape::Number(1, u32::MAX), Otherwise("1");
    }
}

block! {
    /// A deployment is stopped.
    pub struct Abort with outcome: Outcome {
        /// The deployment, by its name.
        pub deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("which one: `deployment: first-rollout`");
    }
}

block! {
    /// `pause`, `continue`.
    pub struct ByDeployment with outcome: Outcome {
        /// The deployment, by its name.
        pub deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("which one: `deployment: first-rollout`");
    }
}

kinds! {
    /// What is waited for.
    pub enum WaitUntil {
        /// A share of a deployment's devices has ended it, in whichever way.
        Progress(Progress) = "progress",
        /// A deployment is in a state, in every tenant that has a part of it.
        State(InState) = "state",
        /// A time has passed.
        Elapsed(Elapsed) = "elapsed",
    }
}

block! {
    /// A share of a deployment's devices has ended it, in whichever way.
    pub struct Progress {
        /// The deployment, by its name.
        pub deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("which one: `deployment: first-rollout`");
        /// How much of it.
        pub at_least: Located<u32> = Shape::Share, Required("how much of it: `at_least: 50%`");
        /// Until when.
        pub within: Option<Located<Duration>> = Shape::Duration(1), Otherwise("30s");
    }
}

block! {
    /// A deployment is in a state, in every tenant that has a part of it.
    pub struct InState {
        /// The deployment, by its name.
        pub deployment: Located<String> = Shape::Refers(Refers::Deployment), Required("which one: `deployment: first-rollout`");
        /// The state.
        pub is: Located<RolloutState> = Shape::Word(RolloutState::WORDS), Required("which state: `is: paused`");
        /// Until when.
        pub within: Option<Located<Duration>> = Shape::Duration(1), Otherwise("30s");
    }
}

block! {
    /// A time has passed.
    pub struct Elapsed {
        /// How long.
        pub r#for: Located<Duration> = Shape::Duration(1), Required("how long: `for: 30s`");
    }
}

block! {
    /// A remark in the journal and the report.
    pub struct Log {
        /// The remark.
        pub text: Located<Live> = Shape::Live, Required("what it says: `text: the second wave begins`");
    }
}

impl Step {
    /// Who acts and what is due; `fault`, `wait_until`, `log`, `expect` and what holds other steps have none.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Enroll(it) | Self::Knock(it) => Some(&it.value.outcome),
            Self::Claim(it) => Some(&it.value.outcome),
            Self::Reject(it) | Self::Release(it) | Self::Revoke(it) | Self::Decommission(it) => Some(&it.value.outcome),
            Self::Migrate(it) => Some(&it.value.outcome),
            Self::Evacuate(it) => Some(&it.value.outcome),
            Self::Onboard(it) => Some(&it.value.outcome),
            Self::Suspend(it) | Self::Resume(it) | Self::Remove(it) | Self::GrantTrust(it) | Self::RevokeTrust(it) => {
                Some(&it.value.outcome)
            }
            Self::Configure(it) => Some(&it.value.outcome),
            Self::AddUser(it) => Some(&it.value.outcome),
            Self::RemoveUser(it) | Self::Switch(it) => Some(&it.value.outcome),
            Self::Upload(it) => Some(&it.value.outcome),
            Self::Deploy(it) => Some(&it.value.outcome),
            Self::Abort(it) => Some(&it.value.outcome),
            Self::Pause(it) | Self::Continue(it) => Some(&it.value.outcome),
            Self::Mqtt(it) => Some(it.value.outcome()),
            Self::WaitUntil(_)
            | Self::Fault(_)
            | Self::While(_)
            | Self::Parallel(_)
            | Self::Repeat(_)
            | Self::Sweep(_)
            | Self::Use(_)
            | Self::Http(_)
            | Self::Load(_)
            | Self::Measure(_)
            | Self::Log(_)
            | Self::Expect(_) => None,
        }
    }
}

/// Claims, each at most once, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Until when eventual claims may become true.
    pub within: Option<Located<Duration>>,
    /// How long they must stay true.
    pub stays: Option<Located<Duration>>,
    /// What is claimed. The span of each is its word.
    pub claims: Vec<Located<Claim>>,
}

impl Expect {
    /// Its verb.
    pub(crate) const VERB: &'static str = "expect";

    pub(crate) const BLOCK: &'static Block = &Block {
        name: "Expect",
        about: &["What must hold: claims, each at most once."],
        keys: &[
            Key {
                word: "within",
                about: &["Until when eventual claims may become true; they need it."],
                shape: Shape::Duration(1),
                presence: Otherwise("none"),
            },
            Key {
                word: "stays",
                about: &["How long eventual claims must stay true."],
                shape: Shape::Duration(0),
                presence: Otherwise("0s"),
            },
        ],
        partly: false,
        also: Some(Claim::BLOCK),
    };
}

impl Content for Expect {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, at, Self::BLOCK)?;
        let within = entries.field(reader, "within");
        let stays = entries.field(reader, "stays");
        let claims = Claim::read_all(&entries, reader);
        if entries.list.iter().all(|(word, _)| matches!(*word, "within" | "stays")) {
            reader.mistakes.push(
                Diagnostic::new("nothing-claimed", at.opener, "this `expect` claims nothing")
                    .label("no claim in it")
                    .help("add a claim: `expect: { within: 20s, online: { devices: [hvac] } }`"),
            );
        }
        Some(Self { within: within?, stays: stays?, claims })
    }
}
