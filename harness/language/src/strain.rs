//! Strain: `load` puts it on, `measure` looks what it does to others, `quotas` bound it.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::flow::{Background, walk};
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form, Key, Named, Refers, Shape, block};
use crate::quantity::Rate;
use crate::reader::{At, Content, Reader, located};
use crate::scenario::Scenario;
use crate::source::{Located, Span};
use crate::step::{Configure, Step, kinds, verbs};
use crate::tree::Node;
use crate::words::Limit;
use std::collections::BTreeSet;
use std::time::Duration;

/// The most that a load may ask for: a thousand million in a second.
pub(crate) const FASTEST: u32 = 1_000_000_000;

block! {
    /// Limits of a tenant beside its `device_limit`. What is not written stays as the platform has it.
    #[derive(Default)]
    pub struct Quotas {
        /// How often its people may call, all of them together. What its devices ask is not counted.
        pub call_rate: Option<Located<Rate>> = Shape::Rate, Optional;
        /// How many of its devices may be connected at a time.
        pub connections: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// How often its devices may connect, all of them together.
        pub connect_rate: Option<Located<Rate>> = Shape::Rate, Optional;
        /// How often one device may connect.
        pub connects_per_client: Option<Located<Rate>> = Shape::Rate, Optional;
        /// How much one connection carries, each way; what is beyond is delayed (in the types: bytes per second).
        pub connection_bandwidth: Option<Located<u64>> = Shape::Bandwidth, Optional;
        /// How often its devices may publish, all of them together.
        pub publish_rate: Option<Located<Rate>> = Shape::Rate, Optional;
        /// How often one device may publish.
        pub device_publish_rate: Option<Located<Rate>> = Shape::Rate, Optional;
        /// How large a message may be.
        pub payload: Option<Located<u64>> = Shape::Size, Optional;
        /// How many messages of one device may wait to be acknowledged, each way.
        pub in_flight: Option<Located<u32>> = Shape::Number(1, 65_535), Optional;
        /// How many subscriptions one device may have at a time.
        pub subscriptions: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// How many filters may stand in one request to subscribe.
        pub filters: Option<Located<u32>> = Shape::Number(1, u32::MAX), Optional;
        /// How many levels a topic may have: `a/b` has two.
        pub topic_levels: Option<Located<u32>> = Shape::Number(1, 65_535), Optional;
        /// How many messages may be kept for later subscribers.
        pub retained: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// How many messages may wait for one device while it is away.
        pub queued: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// How many of its jobs may be open at a time, in each of its regions.
        pub jobs: Option<Located<u32>> = Shape::Number(0, u32::MAX), Optional;
        /// How many bytes of artifacts it may keep; `0 B`: as many as it likes.
        pub storage: Option<Located<u64>> = Shape::Size, Optional;
        /// How long a session may outlive its connection.
        pub session_expiry: Option<Located<Duration>> = Shape::Duration(0), Optional;
    }
}

kinds! {
    /// What the platform is strained with.
    pub enum Load {
        /// Devices show their identity again and again.
        Knock(KnockLoad) = "knock",
        /// Devices publish, each again and again.
        Publish(PublishLoad) = "publish",
        /// Devices drop their connections and connect again.
        Reconnect(ReconnectLoad) = "reconnect",
        /// A person asks for the same thing again and again.
        Call(CallLoad) = "call",
    }
}

block! {
    /// Devices show their identity again and again, one after another.
    pub struct KnockLoad {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        /// How often, all of them together.
        pub rate: Located<Rate> = Shape::Rate, Required("how often: `rate: 200/s`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// Devices publish, each again and again, beside what they publish anyway.
    pub struct PublishLoad {
        /// The devices: groups and selections. They speak `mqtt`.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
        /// Published below the device's own prefix: `roar` is `app/<thing>/roar`.
        pub topic: Located<String> = Shape::Text, Required("where, below their own prefix: `topic: roar`");
        /// How often, each of them.
        pub every: Located<Duration> = Shape::Duration(1), Required("how often: `every: 500ms`");
        /// How large a message is; larger, where who, which one and when cannot be said in so few bytes.
        pub size: Located<u64> = Shape::Size, Required("how large a message is: `size: 200 B`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// Devices drop their connections and connect again, one after another.
    pub struct ReconnectLoad {
        /// The devices: groups and selections. They speak `mqtt`.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
        /// How often, all of them together.
        pub rate: Located<Rate> = Shape::Rate, Required("how often: `rate: 200/s`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// A person asks for the same thing again and again, whether the answers come or not.
    pub struct CallLoad {
        /// Who asks.
        pub by: Located<String> = Shape::Refers(Refers::User), Required("who asks: `by: lou@loud.test`");
        /// What is asked for: an operation of the platform's interface document that names no object.
        pub operation: Located<String> = Shape::Text, Required("what for: `operation: List Artifacts`");
        /// How often.
        pub rate: Located<Rate> = Shape::Rate, Required("how often: `rate: 200/s`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// Latency, loss and errors of what devices ask, or publish, anyway.
    pub struct Measure {
        /// The name that claims refer to.
        pub name: Located<String> = Shape::Declares(Named::Measure), Required("claims refer to it: `name: calm`");
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("whose: `devices: [hvac]`");
        /// How long.
        pub r#for: Located<Duration> = Shape::Duration(1), Required("how long: `for: 20s`");
    }
}

impl Load {
    /// How long it is on; `None`: as long as the steps beside it take.
    #[must_use]
    pub const fn time(&self) -> Option<&Located<Duration>> {
        match self {
            Self::Knock(it) => it.value.r#for.as_ref(),
            Self::Publish(it) => it.value.r#for.as_ref(),
            Self::Reconnect(it) => it.value.r#for.as_ref(),
            Self::Call(it) => it.value.r#for.as_ref(),
        }
    }

    /// How often something is asked, by all together; `None`: each of the devices at its own times.
    #[must_use]
    pub const fn rate(&self) -> Option<Rate> {
        match self {
            Self::Knock(it) => Some(it.value.rate.value),
            Self::Reconnect(it) => Some(it.value.rate.value),
            Self::Call(it) => Some(it.value.rate.value),
            Self::Publish(_) => None,
        }
    }

    /// The devices that it takes; none where a person asks.
    #[must_use]
    pub fn devices(&self) -> &[Located<String>] {
        match self {
            Self::Knock(it) => &it.value.devices,
            Self::Publish(it) => &it.value.devices,
            Self::Reconnect(it) => &it.value.devices,
            Self::Call(_) => &[],
        }
    }
}

/// What could never prove anything about strain.
pub(crate) fn check(scenario: &Scenario) -> Vec<Diagnostic> {
    let steps = walk(&scenario.steps);
    let mut mistakes = Vec::new();
    let mistake = |code, span: Span, message: String, label: &str, help: &str| {
        Diagnostic::new(code, span, message).label(label).help(help)
    };
    let mut limited: BTreeSet<(&str, Limit)> = BTreeSet::new();
    for (name, tenant) in scenario.platform.tenants.iter() {
        limited.extend(tenant.quotas.iter().flat_map(|it| it.limits()).map(|limit| (name.as_str(), limit)));
    }
    let strains = steps.iter().any(|step| strains(step));
    for step in &steps {
        match &step.value {
            Step::Load(it) if it.value.time().is_none() => {
                let message = "a load that stands by itself needs `for`".to_owned();
                let help = "`for: 30s`, or move it into `while: { background, steps }`";
                mistakes.push(mistake("hold-without-for", it.span, message, "until when?", help));
            }
            Step::While(it) => {
                for held in &it.background {
                    if let Some(time) = held.time() {
                        let message = "what is held beside steps lasts as long as they do".to_owned();
                        let help = "leave `for` out, or make it a step of its own";
                        mistakes.push(mistake("hold-with-for", time.span, message, "has its end", help));
                    }
                }
            }
            Step::Configure(it) => {
                limited.extend(it.quotas.iter().flat_map(|it| it.limits()).map(|limit| (it.tenant.as_str(), limit)));
                mistakes.extend(operators_work(it));
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    mistakes.extend(match &claim.value {
                        Claim::Quota { tenants, limits, .. } => {
                            let mut all = tenants.iter().flat_map(|name| limits.iter().map(move |it| (name, it.value)));
                            let free = all.find(|(name, limit)| {
                                *limit != Limit::DeviceLimit && !limited.contains(&(name.as_str(), *limit))
                            });
                            free.map(|(name, limit)| {
                                let message = format!("`{}` has no `{limit}` that could be held", name.value);
                                let help = format!("give it one: `quotas: {{ {limit}: {} }}`", example(limit));
                                let label = match limit {
                                    Limit::CallRate => "may call as often as it likes",
                                    _ => "nothing here limits it",
                                };
                                mistake("no-limit", name.span, message, label, &help)
                            })
                        }
                        Claim::Neighbour { measure, baseline, .. } if measure.value == baseline.value => {
                            let message = format!("`{}` is held against itself", measure.value);
                            let help = "measure once before the load and once while it is on";
                            Some(mistake("no-control", baseline.span, message, "the same measurement", help))
                        }
                        Claim::Neighbour { .. } if !strains => {
                            let message = "nothing strains the platform, so nobody could be hurt".to_owned();
                            let help = "put a `load` on while you measure";
                            Some(mistake("no-load", claim.span, message, "without any `load`", help))
                        }
                        _ => None,
                    });
                }
            }
            _ => {}
        }
    }
    mistakes
}

/// Quotas are the operator's business: nobody else can be asked for them.
fn operators_work(it: &Configure) -> Option<Diagnostic> {
    let (by, _) = (it.outcome.by.as_ref()?, it.quotas.as_ref()?);
    let message = format!("`{}` cannot change `quotas`: only the platform's operator can", by.value);
    let help = "leave `by` out, or change `device_limit` in a step of its own";
    Some(Diagnostic::new("operator-only", by.span, message).label("not the operator").help(help))
}

impl Quotas {
    /// What is limited.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let set = [
            (Limit::CallRate, self.call_rate.is_some()),
            (Limit::Connections, self.connections.is_some()),
            (Limit::ConnectRate, self.connect_rate.is_some()),
            (Limit::ConnectsPerClient, self.connects_per_client.is_some()),
            (Limit::ConnectionBandwidth, self.connection_bandwidth.is_some()),
            (Limit::PublishRate, self.publish_rate.is_some()),
            (Limit::DevicePublishRate, self.device_publish_rate.is_some()),
            (Limit::Payload, self.payload.is_some()),
            (Limit::InFlight, self.in_flight.is_some()),
            (Limit::Subscriptions, self.subscriptions.is_some()),
            (Limit::Filters, self.filters.is_some()),
            (Limit::TopicLevels, self.topic_levels.is_some()),
            (Limit::Retained, self.retained.is_some()),
            (Limit::Queued, self.queued.is_some()),
            (Limit::Jobs, self.jobs.is_some()),
            (Limit::Storage, self.storage.is_some()),
            (Limit::SessionExpiry, self.session_expiry.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(limit, _)| limit).collect()
    }
}

/// How a limit is written.
const fn example(limit: Limit) -> &'static str {
    match limit {
        Limit::CallRate => "60/min",
        Limit::ConnectRate => "100/s",
        Limit::ConnectsPerClient => "1/s",
        Limit::PublishRate => "1000/s",
        Limit::DevicePublishRate => "100/s",
        Limit::ConnectionBandwidth => "512 KiB/s",
        Limit::Payload => "128 KiB",
        Limit::SessionExpiry => "1h",
        Limit::Storage => "1 MiB",
        Limit::Filters | Limit::TopicLevels => "8",
        Limit::Subscriptions | Limit::Queued => "50",
        Limit::Jobs => "10",
        Limit::DeviceLimit | Limit::Connections | Limit::InFlight | Limit::Retained => "100",
    }
}

/// Whether a step strains the platform.
fn strains(step: &Located<Step>) -> bool {
    match &step.value {
        Step::Load(_) => true,
        Step::While(it) => it.background.iter().any(|held| matches!(held.value, Background::Load(_))),
        _ => false,
    }
}

impl Scenario {
    /// Whether it asks how long things take: then work takes time on a platform that only reckons with it.
    #[must_use]
    pub fn measures(&self) -> bool {
        walk(&self.steps).into_iter().any(|step| strains(step) || matches!(step.value, Step::Measure(_)))
    }
}
