//! Messages: what devices publish and subscribe to, and what could never be said about it.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::flow::{Background, walk};
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form as _, Key, Named, Refers, Shape, block};
use crate::live::{Live, Piece};
use crate::population::{First, Population};
use crate::reader::{At, Content, Reader, located};
use crate::scenario::{Devices, Scenario};
use crate::source::{Located, Span};
use crate::step::{Outcome, Step, kinds, verbs};
use crate::strain::Load;
use crate::suggest::short;
use crate::tree::Node;
use crate::words::{Protocol, Surface};
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest topic of MQTT, in bytes.
const LONGEST_TOPIC: usize = 65_535;

block! {
    /// What devices say by themselves, each at its own times.
    pub struct Publishes {
        /// Published below the device's own prefix: `readings` is `app/<thing>/readings`.
        pub topic: Located<String> = Shape::Text, Required("where, below their own prefix: `topic: readings`");
        /// How often.
        pub every: Located<Duration> = Shape::Duration(1), Required("how often: `every: 1s`");
        /// How large a message is; larger, where who, which one and when cannot be said in so few bytes.
        pub size: Located<u64> = Shape::Size, Required("how large a message is: `size: 200 B`");
        /// `1`: sent again until it is acknowledged; `0`: sent once.
        pub qos: Option<Located<u32>> = Shape::Number(0, 1), Otherwise("1");
    }
}

kinds! {
    /// What devices do with topics of one's own choice.
    pub enum Mqtt {
        /// Each publishes a message once.
        Publish(MqttPublish) = "publish",
        /// Each subscribes, and keeps what comes.
        Subscribe(MqttSubscribe) = "subscribe",
    }
}

block! {
    /// Each publishes a message once.
    pub struct MqttPublish with outcome: Outcome {
        /// The devices: groups and selections. They speak `mqtt`.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("as whom: `devices: [sensors]`");
        /// The whole topic: nothing is put in front of it.
        pub topic: Located<Live> = Shape::Live, Required("where: `topic: app/sensors-1/readings`");
        /// What it says.
        pub text: Located<Live> = Shape::Live, Required("what it says: `text: hello`");
        /// `1`: sent again until it is acknowledged; `0`: sent once.
        pub qos: Option<Located<u32>> = Shape::Number(0, 1), Otherwise("1");
        /// Kept for later subscribers.
        pub retain: bool = Shape::YesNo, Otherwise("false");
    }
}

block! {
    /// Each subscribes, and keeps what comes.
    pub struct MqttSubscribe with outcome: Outcome {
        /// The devices: groups and selections. They speak `mqtt`.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("as whom: `devices: [sensors]`");
        /// The whole filter, `+` and `#` included: nothing is put in front of it.
        pub topic: Located<Live> = Shape::Live, Required("to what: `topic: app/sensors-1/#`");
        /// The name that `received` refers to.
        pub name: Located<String> = Shape::Declares(Named::Subscription), Required("claims refer to it: `name: overheard`");
    }
}

impl Mqtt {
    /// What is due.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        match self {
            Self::Publish(it) => &it.value.outcome,
            Self::Subscribe(it) => &it.value.outcome,
        }
    }

    /// As whom.
    #[must_use]
    pub fn devices(&self) -> &[Located<String>] {
        match self {
            Self::Publish(it) => &it.value.devices,
            Self::Subscribe(it) => &it.value.devices,
        }
    }
}

/// What could never be published, or never prove anything about what is.
pub(crate) fn check(scenario: &Scenario, population: &Population<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let steps = walk(&scenario.steps);
    let loud: BTreeSet<&str> = loads(&steps)
        .filter(|load| matches!(load, Load::Publish(_)))
        .flat_map(|load| load.devices().iter().map(|name| name.value.as_str()))
        .collect();
    let loud: BTreeSet<&str> =
        loud.into_iter().flat_map(|name| population.counts(name)).map(|(group, _)| group).collect();
    let mut unknown = First::new(population, |_, group| group.speaks.value == Protocol::Mqtt && group.runs.is_none());
    let mut silent = First::new(population, |name, group| group.publishes.is_none() && !loud.contains(name));
    let mut idle = First::new(population, |name, group| {
        group.speaks.value == Protocol::Mqtt && group.publishes.is_none() && !loud.contains(name)
    });
    let mut asking = First::new(population, |_, group| group.speaks.value == Protocol::Mender);
    for (name, group) in scenario.devices.iter() {
        mistakes.extend(protocol(name, group));
        if let Some(publishes) = &group.publishes {
            mistakes.extend(topic(&publishes.topic));
        }
    }
    let mut unspoken = |devices: &[Located<String>], word: &str, mistakes: &mut Vec<Diagnostic>| {
        for name in devices {
            let Some(group) = asking.among(name) else { continue };
            let message = format!("`{group}` speak `mender`, in which nobody can `{word}`");
            let help = "name devices that speak `mqtt`";
            mistakes.push(mistake("not-spoken", name.span, message, "not in this protocol", help));
        }
    };
    for load in loads(&steps) {
        match load {
            Load::Publish(it) => {
                mistakes.extend(topic(&it.topic));
                unspoken(&it.devices, "publish", &mut mistakes);
            }
            Load::Reconnect(it) => unspoken(&it.devices, "reconnect", &mut mistakes),
            Load::Knock(_) | Load::Call(_) => {}
        }
    }
    for step in steps {
        match &step.value {
            Step::Deploy(it) => {
                for name in &it.devices {
                    mistakes.extend(unknown.among(name).map(|group| version(name, group)));
                }
            }
            Step::Measure(it) => {
                for name in &it.devices {
                    mistakes.extend(idle.among(name).map(|group| evidence(name, group, "measure")));
                }
            }
            Step::Mqtt(it) => {
                let (word, whole) = match &it.value {
                    Mqtt::Publish(it) => ("publish", whole_topic(&it.topic)),
                    Mqtt::Subscribe(it) => ("subscribe", filter(&it.topic)),
                };
                unspoken(it.value.devices(), word, &mut mistakes);
                // What is no topic may stand where that is the test.
                let outcome = it.value.outcome();
                mistakes.extend(whole.filter(|_| outcome.refused.is_none() && !outcome.may_fail));
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    match &claim.value {
                        Claim::Delivery { devices, .. } => {
                            for name in devices {
                                mistakes.extend(silent.among(name).map(|group| evidence(name, group, "delivery")));
                            }
                        }
                        Claim::Isolation { surfaces, .. } => mistakes.extend(speechless(surfaces, scenario)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    mistakes
}

/// All loads: steps of their own, and what is held beside steps.
fn loads<'s>(steps: &[&'s Located<Step>]) -> impl Iterator<Item = &'s Load> {
    let held = |step: &&'s Located<Step>| -> Vec<&'s Load> {
        match &step.value {
            Step::Load(it) => vec![&it.value],
            Step::While(it) => {
                let load = |held: &'s Located<Background>| match &held.value {
                    Background::Load(it) => Some(&it.value),
                    Background::Fault(_) => None,
                };
                it.background.iter().filter_map(load).collect()
            }
            _ => Vec::new(),
        }
    };
    steps.iter().flat_map(held).collect::<Vec<_>>().into_iter()
}

/// At a broker where nobody is nothing can be tried.
fn speechless(surfaces: &[Located<Surface>], scenario: &Scenario) -> Option<Diagnostic> {
    let surface = surfaces.iter().find(|surface| surface.value == Surface::Mqtt)?;
    if scenario.devices.iter().any(|(_, group)| group.speaks.value == Protocol::Mqtt) {
        return None;
    }
    let message = "no devices here speak `mqtt`, so there is nothing to try".to_owned();
    let help = "let some of each tenant `speaks: mqtt`, or leave the surface out";
    Some(mistake("no-evidence", surface.span, message, "nobody is there", help))
}

fn mistake(code: &str, span: Span, message: String, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(code, span, message).label(label).help(help)
}

/// What devices of one protocol do, those of another do not.
fn protocol(name: &Located<String>, group: &Devices) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    match group.speaks.value {
        Protocol::Mender => {
            if let Some(publishes) = &group.publishes {
                let message = format!("`{}` speak `mender`, in which nothing is published", name.value);
                let help = "leave `publishes` out, or let them speak `mqtt`";
                mistakes.push(mistake("not-spoken", publishes.span, message, "not in this protocol", help));
            }
            if group.runs.is_none() {
                let message = format!("`{}` needs `runs`", name.value);
                let help = "the version at the start, which they ask with: `runs: \"1.0\"`";
                mistakes.push(mistake("missing-key", name.span, message, "has no `runs`", help));
            }
        }
        Protocol::Mqtt => {
            if let Some(poll) = &group.poll {
                let message = format!("`{}` speak `mqtt`, in which nobody polls", name.value);
                let help = "leave `poll` out: they are told of what there is for them";
                mistakes.push(mistake("not-spoken", poll.span, message, "not in this protocol", help));
            }
        }
    }
    mistakes
}

/// An update is one from a version to another.
fn version(name: &Located<String>, group: &str) -> Diagnostic {
    let message = format!("`{group}` run nobody knows what");
    let help = "say what they run before it: `runs: \"1.0\"`";
    mistake("missing-key", name.span, message, "have no `runs`", help)
}

/// A topic below a device's own prefix.
fn topic(topic: &Located<String>) -> Option<Diagnostic> {
    if topic.starts_with('/') || topic.ends_with('/') || topic.contains("//") {
        return Some(bad_topic(topic, topic.span, "has an empty level", "an empty level"));
    }
    bad_text(topic, topic.span, topic.contains(['+', '#']))
}

/// A topic that is written whole. Of one that is known only while running nothing is said.
fn whole_topic(topic: &Located<Live>) -> Option<Diagnostic> {
    let text = written(topic)?;
    bad_text(&text, topic.span, text.contains(['+', '#']))
}

/// A filter: `+` stands for a level, `#` for all that follow.
fn filter(topic: &Located<Live>) -> Option<Diagnostic> {
    let text = written(topic)?;
    let levels: Vec<&str> = text.split('/').collect();
    let is_alone = |(at, level): (usize, &&str)| match *level {
        "#" => at + 1 == levels.len(),
        "+" => true,
        level => !level.contains(['+', '#']),
    };
    if !levels.iter().enumerate().all(is_alone) {
        let message = format!("`{}` is no filter: `+` is a whole level, `#` the last one", short(&text));
        let help = "`app/+/readings`, `app/#`";
        return Some(mistake("bad-topic", topic.span, message, "not a filter", help));
    }
    bad_text(&text, topic.span, false)
}

/// A text without gaps.
fn written(text: &Live) -> Option<String> {
    text.0.iter().all(|piece| matches!(piece, Piece::Text(_))).then(|| text.written())
}

fn bad_text(text: &str, span: Span, has_wildcard: bool) -> Option<Diagnostic> {
    let (reason, label) = if has_wildcard {
        ("holds a wildcard, which only subscriptions have", "a wildcard")
    } else if text.contains(char::is_control) {
        ("holds a control character", "a control character")
    } else if text.len() > LONGEST_TOPIC {
        ("is longer than MQTT allows", "too long")
    } else {
        return None;
    };
    Some(bad_topic(text, span, reason, label))
}

fn bad_topic(text: &str, span: Span, reason: &str, label: &str) -> Diagnostic {
    let message = format!("`{}` {reason}", short(text));
    mistake("bad-topic", span, message, label, "names with `/` between them: `readings/room`")
}

/// Who publishes nothing loses nothing, and has no latency.
fn evidence(name: &Located<String>, silent: &str, what: &str) -> Diagnostic {
    let message = format!("`{silent}` publish nothing, so `{what}` has nothing to judge");
    let help = "give them `publishes`: `{ topic: readings, every: 1s, size: 200 B }`";
    let label = if what == "delivery" { "nothing could be lost" } else { "nothing happens" };
    mistake("no-evidence", name.span, message, label, help)
}
