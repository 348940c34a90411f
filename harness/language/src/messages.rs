//! Messages: what devices publish, and what could never be said about it.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::flow::walk;
use crate::grammar::Presence::{Default as Otherwise, Required};
use crate::grammar::{Shape, block};
use crate::population::{First, Population};
use crate::scenario::{Devices, Scenario};
use crate::source::{Located, Span};
use crate::step::Step;
use crate::suggest::short;
use crate::words::Protocol;
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

/// What could never be published, or never prove anything about what is.
pub(crate) fn check(scenario: &Scenario, population: &Population<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut unknown = First::new(population, |_, group| group.speaks.value == Protocol::Mqtt && group.runs.is_none());
    let mut silent = First::new(population, |_, group| group.publishes.is_none());
    for (name, group) in scenario.devices.iter() {
        mistakes.extend(protocol(name, group));
        if let Some(publishes) = &group.publishes {
            mistakes.extend(topic(&publishes.topic));
        }
    }
    for step in walk(&scenario.steps) {
        match &step.value {
            Step::Deploy(it) => {
                for name in &it.devices {
                    mistakes.extend(unknown.among(name).map(|group| version(name, group)));
                }
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    let Claim::Delivery { devices, .. } = &claim.value else { continue };
                    for name in devices {
                        mistakes.extend(silent.among(name).map(|group| evidence(name, group)));
                    }
                }
            }
            _ => {}
        }
    }
    mistakes
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

/// A topic that a message can have.
fn topic(topic: &Located<String>) -> Option<Diagnostic> {
    let (reason, label) = if topic.contains(['+', '#']) {
        ("holds a wildcard, which only subscriptions have", "a wildcard")
    } else if topic.starts_with('/') || topic.ends_with('/') || topic.contains("//") {
        ("has an empty level", "an empty level")
    } else if topic.contains(char::is_control) {
        ("holds a control character", "a control character")
    } else if topic.len() > LONGEST_TOPIC {
        ("is longer than MQTT allows", "too long")
    } else {
        return None;
    };
    let message = format!("`{}` {reason}", short(topic));
    Some(mistake("bad-topic", topic.span, message, label, "names with `/` between them: `readings/room`"))
}

/// Who publishes nothing loses nothing.
fn evidence(name: &Located<String>, silent: &str) -> Diagnostic {
    let message = format!("`{silent}` publish nothing, so `delivery` has nothing to judge");
    let help = "give them `publishes`: `{ topic: readings, every: 1s, size: 200 B }`";
    mistake("no-evidence", name.span, message, "nothing could be lost", help)
}
