//! `isolation` where devices speak MQTT: what the clients of one account try on another's.
//!
//! Both accounts have things, topics, shared groups, jobs and sessions of the same names. Most of what is tried is therefore
//! the attacker's right at its own endpoint, and is granted there: whether it was felt next door only the victim can tell. So
//! each attempt says what must be true on the victim's side, and what the victim does itself, as the control, to show that the
//! same would have been felt.

use crate::feints::Feint;
use crate::isolation::{Options, Party};
use crate::judge::{Outcome, Ruling};
use crate::model::{Compiled, Family};
use crate::tools;
use serde::Serialize;
use std::collections::BTreeSet;

/// What somebody shows who knocks at another account's endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The certificate of its own thing.
    Device,
    /// The certificate of its own application, whose policy allows everything and names no account.
    Application,
    /// The certificate of its own thing, and no name of a host in the handshake.
    NoHost,
    /// A certificate of an authority that nobody knows, with the name of the victim's thing.
    Namesake,
    /// No certificate.
    Nothing,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// With QoS 0.
    AtMostOnce,
    /// With QoS 1.
    AtLeastOnce,
}

/// What becomes of what a thing of the victim's holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lapse {
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate is made inactive.
    Inactive,
    /// Its policy is taken from its certificate.
    Narrowed,
}

/// What a thing tries that its policy does not give it, upon another thing of its own tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stray {
    /// Subscribes to what the other says.
    Listen,
    /// The same, behind a filter of its own in one request.
    ListenBehindOwn,
    /// Says something as if it were the other.
    Say,
    /// Writes into the other's shadow.
    Report,
    /// Leaves a will that the other would have said.
    Will,
    /// Says on its own topics what only the platform says there: that its shadow was accepted.
    Answer,
}

/// One thing that is tried. In topics and filters `{thing}` is the thing that both accounts have, `{job}` the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Connects at the victim's endpoint.
    Knock(Shown),
    /// Connects at its own endpoint under the name of a client that the victim has too.
    TakeOver,
    /// Takes up a session that the victim has too: what waits in it is drained, or with `wipe` thrown away.
    Resume {
        /// A clean start.
        wipe: bool,
    },
    /// Subscribes to what the victim says and hears.
    Subscribe(&'static str),
    /// Says something where the victim's clients listen.
    Publish(&'static str, Sent),
    /// Asks what is retained on the victim's topic.
    ReadRetained,
    /// Retains something on the victim's topic, or with `clear` takes away what is there.
    Retain {
        /// An empty message.
        clear: bool,
    },
    /// Leaves a will for the victim's topic, and is cut off.
    Will,
    /// Joins a shared group that the victim has too.
    Share,
    /// Ends a job that the victim's thing has too.
    EndJob,
    /// Goes on with a connection that is there, after the lapse.
    GoOn(Lapse),
    /// Goes on to hear with a connection that is there, after the lapse.
    HearOn(Lapse),
    /// Connects again after the lapse.
    Return(Lapse),
    /// Leaves a will behind when the lapse ends its connection.
    WillAfter(Lapse),
    /// A thing does what is another's of its own tenant.
    Stray(Stray),
    /// What is tried at the lobby: see [`crate::feints`].
    AtLobby(Feint),
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It is refused, and the victim does not feel it.
    Refused,
    /// It is the attacker's right; the attacker gets nothing of the victim's, and the victim does not feel it.
    Unfelt,
}

/// One attempt upon an account's endpoint, or at the lobby.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WiredAttempt {
    /// Unique in a run and the same in every run: `m4-subscribe/all/globex>acme`.
    pub id: String,
    /// The tool's id in the catalogue.
    pub tool: &'static str,
    /// What of the protocol is used, as it stands in reports.
    pub operation: &'static str,
    /// The tenant whose clients try.
    pub attacker: String,
    /// The tenant that must not be hurt; the attacker itself where something of its own has lapsed.
    pub victim: String,
    /// What is done.
    pub deed: Deed,
    /// What must come of it.
    pub expected: Expected,
}

/// A row of a list of deeds: tool, operation, variant, what is done, what must come of it.
pub(crate) struct Row(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) Deed,
    pub(crate) Expected,
);

const CONNECT: &str = "MQTT CONNECT";
const SESSION: &str = "MQTT session";
const SUBSCRIBE: &str = "MQTT SUBSCRIBE";
const PUBLISH: &str = "MQTT PUBLISH";
const RETAINED: &str = "MQTT retained message";
const WILL: &str = "MQTT will";
const SHARED: &str = "MQTT shared subscription";
const JOBS: &str = "MQTT jobs";
const SHADOWS: &str = "MQTT shadow";
const EVENTS: &str = "MQTT events";

/// What one account's clients do to another's, in the order in which it is done. Those of one tool stand together.
const ACROSS: &[Row] = &[
    Row(tools::MQTT_KNOCK, CONNECT, "device", Deed::Knock(Shown::Device), Expected::Refused),
    Row(tools::MQTT_KNOCK, CONNECT, "application", Deed::Knock(Shown::Application), Expected::Refused),
    Row(tools::MQTT_KNOCK, CONNECT, "no-host", Deed::Knock(Shown::NoHost), Expected::Refused),
    Row(tools::MQTT_KNOCK, CONNECT, "namesake", Deed::Knock(Shown::Namesake), Expected::Refused),
    Row(tools::MQTT_KNOCK, CONNECT, "nothing", Deed::Knock(Shown::Nothing), Expected::Refused),
    Row(tools::MQTT_TAKE_OVER, CONNECT, "", Deed::TakeOver, Expected::Unfelt),
    Row(tools::MQTT_SESSION, SESSION, "drain", Deed::Resume { wipe: false }, Expected::Unfelt),
    Row(tools::MQTT_SESSION, SESSION, "wipe", Deed::Resume { wipe: true }, Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SUBSCRIBE, "all", Deed::Subscribe("#"), Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SUBSCRIBE, "any-first-level", Deed::Subscribe("+/#"), Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SUBSCRIBE, "any-thing", Deed::Subscribe("app/+/telemetry"), Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SUBSCRIBE, "that-thing", Deed::Subscribe("app/{thing}/telemetry"), Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SUBSCRIBE, "lobby", Deed::Subscribe("lobby/{thing}"), Expected::Unfelt),
    Row(tools::MQTT_SUBSCRIBE, SHADOWS, "shadows", Deed::Subscribe("$aws/things/+/shadow/#"), Expected::Unfelt),
    Row(
        tools::MQTT_SUBSCRIBE,
        SHADOWS,
        "that-shadow",
        Deed::Subscribe("$aws/things/{thing}/shadow/#"),
        Expected::Unfelt,
    ),
    Row(tools::MQTT_SUBSCRIBE, JOBS, "jobs", Deed::Subscribe("$aws/things/{thing}/jobs/#"), Expected::Unfelt),
    Row(tools::MQTT_EVENTS, EVENTS, "presence", Deed::Subscribe("$aws/events/presence/#"), Expected::Unfelt),
    Row(tools::MQTT_EVENTS, EVENTS, "subscriptions", Deed::Subscribe("$aws/events/subscriptions/#"), Expected::Unfelt),
    Row(
        tools::MQTT_PUBLISH,
        PUBLISH,
        "at-most-once",
        Deed::Publish("app/{thing}/telemetry", Sent::AtMostOnce),
        Expected::Unfelt,
    ),
    Row(
        tools::MQTT_PUBLISH,
        PUBLISH,
        "at-least-once",
        Deed::Publish("app/{thing}/telemetry", Sent::AtLeastOnce),
        Expected::Unfelt,
    ),
    Row(tools::MQTT_PUBLISH, PUBLISH, "lobby", Deed::Publish("lobby/{thing}", Sent::AtLeastOnce), Expected::Unfelt),
    Row(
        tools::MQTT_PUBLISH,
        SHADOWS,
        "shadow",
        Deed::Publish("$aws/things/{thing}/shadow/update", Sent::AtLeastOnce),
        Expected::Unfelt,
    ),
    Row(tools::MQTT_RETAINED, RETAINED, "read", Deed::ReadRetained, Expected::Unfelt),
    Row(tools::MQTT_RETAINED, RETAINED, "set", Deed::Retain { clear: false }, Expected::Unfelt),
    Row(tools::MQTT_RETAINED, RETAINED, "clear", Deed::Retain { clear: true }, Expected::Unfelt),
    Row(tools::MQTT_WILL, WILL, "", Deed::Will, Expected::Unfelt),
    Row(tools::MQTT_SHARE, SHARED, "", Deed::Share, Expected::Unfelt),
    Row(tools::MQTT_JOBS, JOBS, "", Deed::EndJob, Expected::Unfelt),
];

/// What a tenant's own things try that lost their right to be there.
const LAPSED: &[Row] = &[
    Row(tools::MQTT_LAPSED, CONNECT, "revoked", Deed::Return(Lapse::Revoked), Expected::Refused),
    Row(tools::MQTT_LAPSED, PUBLISH, "revoked", Deed::GoOn(Lapse::Revoked), Expected::Refused),
    Row(tools::MQTT_LAPSED, SUBSCRIBE, "revoked", Deed::HearOn(Lapse::Revoked), Expected::Refused),
    Row(tools::MQTT_LAPSED, WILL, "revoked", Deed::WillAfter(Lapse::Revoked), Expected::Refused),
    Row(tools::MQTT_LAPSED, CONNECT, "inactive", Deed::Return(Lapse::Inactive), Expected::Refused),
    Row(tools::MQTT_LAPSED, PUBLISH, "inactive", Deed::GoOn(Lapse::Inactive), Expected::Refused),
    Row(tools::MQTT_LAPSED, SUBSCRIBE, "inactive", Deed::HearOn(Lapse::Inactive), Expected::Refused),
    Row(tools::MQTT_LAPSED, CONNECT, "narrowed", Deed::Return(Lapse::Narrowed), Expected::Refused),
    Row(tools::MQTT_LAPSED, PUBLISH, "narrowed", Deed::GoOn(Lapse::Narrowed), Expected::Refused),
    Row(tools::MQTT_LAPSED, SUBSCRIBE, "narrowed", Deed::HearOn(Lapse::Narrowed), Expected::Refused),
];

/// What a tenant's own things try upon each other.
const WITHIN: &[Row] = &[
    Row(tools::MQTT_STRAY, SUBSCRIBE, "listen", Deed::Stray(Stray::Listen), Expected::Refused),
    Row(tools::MQTT_STRAY, SUBSCRIBE, "behind-own", Deed::Stray(Stray::ListenBehindOwn), Expected::Refused),
    Row(tools::MQTT_STRAY, PUBLISH, "say", Deed::Stray(Stray::Say), Expected::Refused),
    Row(tools::MQTT_STRAY, SHADOWS, "report", Deed::Stray(Stray::Report), Expected::Refused),
    Row(tools::MQTT_STRAY, WILL, "say", Deed::Stray(Stray::Will), Expected::Refused),
    Row(tools::MQTT_STRAY, SHADOWS, "answer", Deed::Stray(Stray::Answer), Expected::Refused),
];

impl WiredAttempt {
    /// Who tries.
    #[must_use]
    pub fn actor(&self) -> String {
        let attacker = &self.attacker;
        match self.deed {
            Deed::Knock(Shown::Nothing) => "who shows no certificate".to_owned(),
            Deed::Knock(Shown::Namesake) => format!("a namesake of {}'s thing", self.victim),
            Deed::Knock(Shown::Device | Shown::NoHost) | Deed::TakeOver | Deed::EndJob => {
                format!("device of {attacker}")
            }
            Deed::GoOn(lapse) | Deed::HearOn(lapse) | Deed::Return(lapse) | Deed::WillAfter(lapse) => {
                let lapsed = match lapse {
                    Lapse::Revoked => "whose certificate was revoked",
                    Lapse::Inactive => "whose certificate is inactive",
                    Lapse::Narrowed => "whose policy was taken away",
                };
                format!("device of {attacker} {lapsed}")
            }
            Deed::Stray(_) => format!("another device of {attacker}"),
            Deed::AtLobby(feint) => feint.actor(attacker),
            _ => format!("application of {attacker}"),
        }
    }

    /// What should come of it, in words.
    #[must_use]
    pub fn expects(&self) -> String {
        let victim = &self.victim;
        match self.expected {
            Expected::Refused => format!("refused, and nothing of it felt by {victim}"),
            Expected::Unfelt => format!("nothing of {victim} heard, and nothing felt by {victim}"),
        }
    }
}

/// Adds what is tried at endpoints to what is tried elsewhere.
pub fn add_wired(compiled: &mut Compiled, between: &[Party], options: &Options) {
    let mut pairs = Vec::new();
    for attacker in between.iter().map(|party| party.name.as_str()) {
        for victim in between.iter().map(|party| party.name.as_str()).filter(|victim| *victim != attacker) {
            pairs.extend(ACROSS.iter().map(|row| (row, attacker, victim)));
        }
        pairs.extend(LAPSED.iter().chain(WITHIN).map(|row| (row, attacker, attacker)));
    }
    add_rows(compiled, &pairs, options);
}

/// Adds deeds, each with who does it to whom, but those that are left out.
pub(crate) fn add_rows(compiled: &mut Compiled, pairs: &[(&Row, &str, &str)], options: &Options) {
    let operations: BTreeSet<&str> = pairs.iter().map(|(row, ..)| row.1).collect();
    let mut left_out = Vec::new();
    let mut made: Vec<WiredAttempt> =
        pairs.iter().map(|(row, attacker, victim)| attempt(row, attacker, victim)).collect();
    made.retain(|attempt| match options.skip.iter().find(|(start, _)| attempt.id.starts_with(start.as_str())) {
        Some((_, because)) => {
            left_out.push((attempt.operation, format!("left out: {because}")));
            false
        }
        None => true,
    });
    compiled.operations += operations.len();
    for operation in operations {
        if made.iter().any(|attempt| attempt.operation == operation) {
            continue;
        }
        match left_out.iter().find(|(other, _)| *other == operation) {
            Some((_, because)) => compiled.exempt.push((operation.to_owned(), because.clone())),
            None => compiled.uncovered.push(operation.to_owned()),
        }
    }
    compiled.wired.append(&mut made);
}

/// Whether this claim tries anything at endpoints: `present` where some device or the lobby is there.
#[must_use]
pub fn wants_wired(options: &Options, present: bool) -> bool {
    if options.families.is_empty() { present } else { options.families.contains(&Family::Mqtt) }
}

fn attempt(row: &Row, attacker: &str, victim: &str) -> WiredAttempt {
    let Row(tool, operation, variant, deed, expected) = row;
    let word = operation.trim_start_matches("MQTT ").to_lowercase().replace(' ', "-");
    let mut id = format!("{tool}/{word}");
    if !variant.is_empty() {
        id.push_str(&format!("/{variant}"));
    }
    id.push_str(&if attacker == victim { format!("/{victim}") } else { format!("/{attacker}>{victim}") });
    WiredAttempt {
        id,
        tool,
        operation,
        attacker: attacker.to_owned(),
        victim: victim.to_owned(),
        deed: *deed,
        expected: *expected,
    }
}

/// What was seen of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WiredRecord {
    /// What was done, as it is told.
    pub request: String,
    /// What the attacker was answered, in words.
    pub answer: String,
    /// The attacker was served.
    pub served: bool,
    /// What of the victim's the attacker got.
    pub leaked: Vec<String>,
    /// What the victim felt of it; `None`: nobody looked.
    pub felt: Option<Vec<String>>,
    /// What the same, done by the rightful, came to; an error: it came to nothing.
    pub control: Result<String, String>,
}

impl WiredRecord {
    /// Nothing is known yet.
    #[must_use]
    pub fn of(request: impl Into<String>) -> Self {
        Self {
            request: request.into(),
            answer: String::new(),
            served: false,
            leaked: Vec::new(),
            felt: None,
            control: Err("it was not made".to_owned()),
        }
    }
}

/// Judges one attempt.
#[must_use]
pub fn judge_wired(attempt: &WiredAttempt, record: &WiredRecord) -> Outcome {
    let (mut broken, mut missing, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    match (attempt.expected, record.served) {
        (Expected::Refused, true) => {
            broken.push(format!("not refused: {}", record.answer));
            lost.push(format!("{} was served", attempt.actor()));
        }
        // What the attacker may do at home was refused: nothing was tried.
        (Expected::Unfelt, false) => missing.push(format!("it was not made: {}", record.answer)),
        (Expected::Refused, false) | (Expected::Unfelt, true) => {}
    }
    if !record.leaked.is_empty() {
        broken.push(format!("what came back holds what is {}'s", attempt.victim));
        lost.push(format!("{} got {}", attempt.actor(), record.leaked.join(", ")));
    }
    match &record.felt {
        None => missing.push(format!("{}'s side was not looked at", attempt.victim)),
        Some(felt) if felt.is_empty() => {}
        Some(felt) => {
            broken.push(format!("{} felt it", attempt.victim));
            lost.push(felt.join("; "));
        }
    }
    if let Err(why) = &record.control {
        missing.push(format!("the control (the same by {} itself) failed: {why}", attempt.victim));
    }
    let ruling = match (broken.is_empty(), missing.is_empty()) {
        (false, _) => Ruling::Failed,
        (true, false) => Ruling::Inconclusive,
        (true, true) => Ruling::Passed,
    };
    broken.append(&mut missing);
    let lost = (!lost.is_empty()).then(|| lost.join("; "));
    Outcome { ruling, expected: attempt.expects(), why: broken, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party { name: name.into(), provider: false, parent: None }
    }

    fn compiled(options: &Options) -> Compiled {
        let mut compiled = Compiled::default();
        add_wired(&mut compiled, &[party("acme"), party("globex")], options);
        compiled
    }

    #[test]
    fn everything_is_tried_both_ways_and_nothing_twice() {
        let compiled = compiled(&Options::default());
        let ids: BTreeSet<&str> = compiled.wired.iter().map(|attempt| attempt.id.as_str()).collect();
        assert_eq!(ids.len(), compiled.wired.len());
        assert_eq!(compiled.wired.len(), 2 * (ACROSS.len() + LAPSED.len() + WITHIN.len()));
        assert!(ids.contains("m4-subscribe/subscribe/all/acme>globex"), "{ids:?}");
        assert_eq!((compiled.operations, compiled.uncovered.len()), (10, 0));
    }

    #[test]
    fn what_is_left_out_says_why() {
        let left_out = ["m6-will", "m9-lapsed/will", "m5-stray/will"];
        let skip = left_out.map(|start| (start.to_owned(), "no wills here".to_owned())).to_vec();
        let compiled = compiled(&Options { skip, ..Options::default() });
        assert_eq!(compiled.exempt, [("MQTT will".to_owned(), "left out: no wills here".to_owned())]);
    }

    fn ruled(deed: Deed, expected: Expected, change: impl Fn(&mut WiredRecord)) -> Outcome {
        let attempt = attempt(&Row(tools::MQTT_WILL, WILL, "", deed, expected), "acme", "globex");
        let mut record = WiredRecord::of("CONNECT");
        record.served = expected == Expected::Unfelt;
        record.felt = Some(Vec::new());
        record.control = Ok("heard".to_owned());
        change(&mut record);
        judge_wired(&attempt, &record)
    }

    #[test]
    fn the_victim_decides_and_without_its_control_nothing_is_proven() {
        let refused =
            |change: &dyn Fn(&mut WiredRecord)| ruled(Deed::Knock(Shown::Device), Expected::Refused, change).ruling;
        let unfelt = |change: &dyn Fn(&mut WiredRecord)| ruled(Deed::Will, Expected::Unfelt, change).ruling;
        assert_eq!((refused(&|_| {}), unfelt(&|_| {})), (Ruling::Passed, Ruling::Passed));
        assert_eq!(refused(&|record| record.served = true), Ruling::Failed);
        assert_eq!(unfelt(&|record| record.served = false), Ruling::Inconclusive, "nothing was tried");
        for of in [&refused as &dyn Fn(&dyn Fn(&mut WiredRecord)) -> Ruling, &unfelt] {
            assert_eq!(of(&|record| record.leaked = vec!["it".into()]), Ruling::Failed);
            assert_eq!(of(&|record| record.felt = Some(vec!["it".into()])), Ruling::Failed);
            assert_eq!(of(&|record| record.felt = None), Ruling::Inconclusive);
            assert_eq!(of(&|record| record.control = Err("no".into())), Ruling::Inconclusive);
        }
    }

    #[test]
    fn a_loss_is_told_with_who_caused_it() {
        let outcome =
            ruled(Deed::Will, Expected::Unfelt, |record| record.felt = Some(vec!["globex heard a will".into()]));
        assert_eq!(outcome.lost.as_deref(), Some("globex heard a will"));
        assert_eq!(outcome.expected, "nothing of globex heard, and nothing felt by globex");
    }
}
