//! What a scenario file says, typed. Field names are the words of the language.

use crate::flow;
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Named, Refers, Shape, block};
use crate::lobby::{Identity, Lobby};
use crate::messages::Publishes;
use crate::script::Var;
use crate::source::{Located, Table};
use crate::step::Step;
use crate::strain::Quotas;
use crate::template::Scalar;
use crate::words::{LobbyTrust, Misbehaviour, Need, Protocol, Role, Row, Starts};
use std::time::Duration;

/// How long a scenario may take that does not say.
const BUDGET: Duration = Duration::from_secs(5 * 60);

/// The most devices of a group.
const MANY: u32 = 1_000_000;

block! {
    /// A scenario file, checked: every name in it is declared, every quantity has its unit.
    pub struct Scenario, partly {
        /// Its name, unique among the files of a run.
        pub scenario: Located<String> = Shape::Declares(Named::Scenario), Required("`scenario: A bad update stays in its building`");
        /// What it is about, for people.
        pub about: Option<Located<String>> = Shape::Text, Optional;
        /// Labels for `--tag`.
        pub tags: Vec<Located<String>> = Shape::List(&Shape::Text, 1), Otherwise("none");
        /// The rows (`P1`…) that it proves. Each needs a claim that can prove it.
        pub covers: Vec<Located<Row>> = Shape::List(&Shape::Word(Row::WORDS), 1), Otherwise("none");
        /// What it needs beyond what its words imply. Where that is not there it is skipped, with the reason.
        pub needs: Vec<Located<Need>> = Shape::List(&Shape::Word(Need::WORDS), 1), Otherwise("nothing more");
        /// How long it may take, without start and clean-up of the platform.
        pub budget: Option<Located<Duration>> = Shape::Duration(1), Otherwise("5m");
        /// A run per combination: lists of values, filled in as `{{ matrix.<name> }}`. `seed` and `stack` set the run's own.
        pub matrix: Table<Vec<Located<Scalar>>> = Shape::Map(Named::Axis, &Shape::List(&Shape::Scalar, 1)), Otherwise("one run");
        /// Values filled in as `{{ <name> }}`: given, taken from the environment, or drawn by the seed.
        pub vars: Table<Var> = Shape::Map(Named::Variable, &Shape::Choice(Var::BLOCK)), Otherwise("none");
        /// What exists before the first step.
        pub platform: Platform = Shape::Block(Platform::BLOCK), Optional;
        /// What can be deployed.
        pub artifacts: Table<Artifact> = Shape::Table(Named::Artifact, Artifact::BLOCK), Otherwise("none");
        /// The device groups.
        pub devices: Table<Devices> = Shape::Table(Named::Devices, Devices::BLOCK), Otherwise("none");
        /// Parts of device groups.
        pub selections: Table<Selection> = Shape::Table(Named::Selection, Selection::BLOCK), Otherwise("none");
        /// What happens, in order; at least one claim among it.
        pub steps: Vec<Located<Step>> = Shape::Steps { closed: false }, Required("what happens, in order: `steps: [{ enroll: { devices: [hvac] } }]`");
    }
}

impl Scenario {
    /// All steps in the order of the file, those inside others after the one they stand in.
    #[must_use]
    pub fn all_steps(&self) -> Vec<&Located<Step>> {
        flow::walk(&self.steps)
    }

    /// How long it may take.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget.as_ref().map_or(BUDGET, |budget| budget.value)
    }
}

block! {
    /// Provider, lobby, tenants, and where they are.
    #[derive(Default)]
    pub struct Platform, partly {
        /// The tenant above the tenants. Absent: they have no parent.
        pub provider: Option<Located<Provider>> = Shape::Block(Provider::BLOCK), Optional;
        /// The regions, the first being that of whoever names none.
        pub regions: Vec<Located<String>> = Shape::List(&Shape::Declares(Named::Region), 1), Otherwise("one");
        /// The authorities that sign what devices show of themselves.
        pub certificate_authorities: Vec<Located<String>> = Shape::List(&Shape::Declares(Named::Authority), 1), Otherwise("one that everybody trusts");
        /// Where devices that belong to nobody wait.
        pub lobby: Option<Located<Lobby>> = Shape::Block(Lobby::BLOCK), Optional;
        /// People who have an account and belong to no tenant at the start.
        pub people: Vec<Located<String>> = Shape::List(&Shape::Declares(Named::User), 1), Otherwise("none");
        /// The tenants.
        pub tenants: Table<Tenant> = Shape::Table(Named::Tenant, Tenant::BLOCK), Otherwise("none");
    }
}

block! {
    /// The provider's own tenant.
    pub struct Provider {
        /// The pool that all limits of its children are carved from.
        pub device_limit: Located<u32> = Shape::Number(0, u32::MAX), Required("the pool that its tenants share: `device_limit: 1000`");
        /// Its first admin.
        pub admin: Located<String> = Shape::Declares(Named::User), Required("somebody must own it: `admin: pia@provider.test`");
    }
}

block! {
    /// A tenant (a child of the provider, if there is one).
    pub struct Tenant {
        /// Its first admin.
        pub admin: Located<String> = Shape::Declares(Named::User), Required("somebody must own it: `admin: ada@acme.test`");
        /// How many devices it may have accepted. Absent: what the platform gives; under a provider it is required.
        pub device_limit: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// What else is limited.
        pub quotas: Option<Located<Quotas>> = Shape::Block(Quotas::BLOCK), Otherwise("the platform's own");
        /// Where it has an endpoint, and its data.
        pub regions: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Region), 1), Otherwise("the platform's first");
        /// The authorities whose devices it admits by itself, beside those that the lobby binds to it.
        pub trusts: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Authority), 1), Otherwise("none");
        /// Whether the lobby may act in it.
        pub lobby_trust: Option<Located<LobbyTrust>> = Shape::Word(LobbyTrust::WORDS), Otherwise("granted");
        /// Its other users.
        pub users: Table<User> = Shape::Table(Named::User, User::BLOCK), Otherwise("none");
        /// `absent`: a step onboards it.
        pub starts: Starts = Shape::Word(Starts::WORDS), Otherwise("ready");
    }
}

block! {
    /// A user inside a tenant.
    #[derive(Default)]
    pub struct User {
        /// What the user may do there.
        pub role: Option<Located<Role>> = Shape::Word(Role::GIVEN), Otherwise("admin");
        /// Selections that are groups, to which the role is narrowed.
        pub only: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Groups), 1), Otherwise("all devices");
    }
}

block! {
    /// An artifact made for simulated devices.
    pub struct Artifact {
        /// The version that a device runs once it took it.
        pub version: Located<String> = Shape::Version, Required("what devices run afterwards: `version: \"2.0\"`");
        /// Bytes of payload.
        pub size: Located<u64> = Shape::Size, Required("the size of the payload: `size: 64 KiB`");
        /// What goes wrong on a device that takes it.
        pub misbehaves: Option<Located<Misbehaviour>> = Shape::Word(Misbehaviour::WORDS), Otherwise("nothing");
        /// It bears the signature of a key whose other half all devices have. As soon as one artifact does, devices install nothing that does not.
        pub signed: bool = Shape::YesNo, Otherwise("false");
        /// On how many of the devices it goes wrong, drawn by the seed (in the types: millionths).
        pub affects: Option<Located<u32>> = Shape::Share, Otherwise("100%");
    }
}

block! {
    /// A group of devices.
    pub struct Devices {
        /// Whose they are; `none`: nobody's, for the lobby.
        pub tenant: Located<String> = Shape::Refers(Refers::TenantOrNone), Required("whose they are: `tenant: acme`");
        /// How many, simulated.
        pub simulated: Located<u32> = Shape::Number(1, MANY), Required("how many there are: `simulated: 250`");
        /// Which protocol they speak.
        pub speaks: Located<Protocol> = Shape::Word(Protocol::WORDS), Required("how they talk to the platform: `speaks: mender`");
        /// What they show when they are asked who they are; only where they speak `mqtt`.
        pub identity: Option<Located<Identity>> = Shape::Block(Identity::BLOCK), Otherwise("a sound one");
        /// The version at the start. Who speaks `mender` needs it, and who gets a deployment.
        pub runs: Option<Located<String>> = Shape::Version, Optional;
        /// How often they ask for updates; not where they speak `mqtt`.
        pub poll: Option<Located<Duration>> = Shape::Duration(1), Otherwise("5s");
        /// What they say by themselves; only where they speak `mqtt`.
        pub publishes: Option<Located<Publishes>> = Shape::Block(Publishes::BLOCK), Otherwise("nothing");
        /// By how much each of these periods is longer or shorter than that, drawn anew for each (in the types: millionths).
        pub jitter: Option<Located<u32>> = Shape::Share, Otherwise("0%");
        /// How long they take to boot.
        pub boot_time: Option<Located<Duration>> = Shape::Duration(1), Otherwise("1s");
        /// By how much their clocks are ahead or behind at the most, drawn for each: it stands in what they write down, and a link that has expired by their clock they do not follow.
        pub clock_skew: Option<Located<Duration>> = Shape::Duration(1), Otherwise("0s");
        /// They lose their network from time to time, each at its own times.
        pub flaky: Option<Located<Flaky>> = Shape::Block(Flaky::BLOCK), Otherwise("never");
        /// How much each can send, and receive (in the types: bytes per second).
        pub bandwidth: Option<Located<u64>> = Shape::Bandwidth, Otherwise("unlimited");
        /// Labels, for selections.
        pub tags: Vec<Located<String>> = Shape::List(&Shape::Declares(Named::Tag), 1), Otherwise("none");
    }
}

block! {
    /// How devices lose their network.
    pub struct Flaky {
        /// The share of the time without network (in the types: millionths).
        pub offline: Located<u32> = Shape::Share, Required("the share of the time without network: `offline: 10%`");
        /// How long they are without it each time.
        pub r#for: Located<Duration> = Shape::Duration(1), Required("how long each time: `for: 5s`");
    }
}

block! {
    /// A part of the devices, the same ones in every step: `from`, minus `except`, only those `tagged`, then the
    /// `first` so many or a `share`.
    pub struct Selection {
        /// Groups and selections to begin with.
        pub from: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("what it is a part of: `from: [hvac]`");
        /// Minus these.
        pub except: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Otherwise("none");
        /// Only those whose group bears all of these labels.
        pub tagged: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Tag), 1), Otherwise("any");
        /// The first so many by index.
        pub first: Option<Located<u32>> = Shape::Number(1, MANY), Otherwise("all");
        /// A share of them, drawn once by the seed (in the types: millionths, 50% = 500 000).
        pub share: Option<Located<u32>> = Shape::Share, Otherwise("all");
        /// A group on the platform too: deployments go to the group.
        pub group: Option<Located<bool>> = Shape::YesNo, Otherwise("false");
    }
}
