//! The events a run consists of.

use crate::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number of the event in its scenario, from 1, without gaps. Evidence refers to it.
    pub seq: u64,
    /// When, on the run's clock: µs since the scenario began.
    pub at: u64,
    /// Who noticed: `engine`, `detector`, `device`, a component's name.
    pub source: String,
    /// The scenario's line that this is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it was.
    pub what: What,
}

/// A piece of a scenario file, with the text of its line: enough to draw a caret without the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// How many characters.
    pub length: u32,
    /// The whole line, without its end.
    pub text: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A scenario begins. The first event of every scenario, and of nothing else.
    Scenario {
        /// Its name, unique in the run.
        name: String,
        /// What its author says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
        /// The seed of every choice in it.
        seed: u64,
        /// `virtual` or `real`.
        clock: String,
        /// How many devices take part.
        devices: u32,
        /// The tenants, by name, provider included.
        tenants: Vec<String>,
        /// The rows it covers (`P3`).
        covers: Vec<String>,
        /// The seeded defect the platform was started with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        defect: Option<String>,
        /// The combination of its matrix: axis and value.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        matrix: BTreeMap<String, String>,
    },
    /// A step begins.
    Step {
        /// Its number: `4`; of a step inside others `4.2.1`, with the branch or the round between.
        index: String,
        /// Its verb, as in the language.
        verb: String,
    },
    /// A step ended.
    StepDone {
        /// Its number.
        index: String,
        /// How.
        verdict: Verdict,
        /// What it came to, in a few words: `650 devices`.
        detail: String,
    },
    /// A person asked the platform for something outside the attempts.
    Asked {
        /// User's name in the scenario.
        by: String,
        /// Tenant whose session was used.
        tenant: String,
        /// Operation id.
        operation: String,
        /// `METHOD path`.
        request: String,
        /// HTTP status of the answer.
        status: u16,
    },
    /// A device did or saw something that may be evidence.
    Device {
        /// The device's name.
        device: String,
        /// What, snake_case: `rolled_back`.
        what: String,
        /// What belongs to it.
        #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
        detail: serde_json::Map<String, serde_json::Value>,
    },
    /// Routine polls since the last such event, counted instead of listed.
    Polls {
        /// How many devices polled.
        devices: u32,
        /// How often in all.
        polls: u64,
    },
    /// How much of a claim's surface its attempts cover.
    Coverage {
        /// The claim.
        claim: String,
        /// Operations the platform declares.
        operations: u32,
        /// Operations with at least one attempt.
        attempted: u32,
        /// Operations exempted in writing: id and reason.
        exempt: Vec<(String, String)>,
        /// Operations with neither. Not empty means inconclusive.
        uncovered: Vec<String>,
        /// Attempts in all.
        attempts: u32,
    },
    /// One attempt of a claim, with its control.
    Attempted(Attempted),
    /// The verdict on one claim.
    Judged(Judged),
    /// Something that is always watched was seen broken or could not be watched.
    Watched {
        /// What is watched: `legal_states`.
        what: String,
        /// What was seen.
        detail: String,
    },
    /// A remark for people.
    Note {
        /// The remark.
        text: String,
    },
    /// The scenario ended. The last event of every scenario that was not killed.
    Ended {
        /// The worst of its verdicts.
        verdict: Verdict,
        /// Claims judged.
        claims: u32,
        /// Attempts made.
        attempts: u32,
    },
}

impl What {
    /// The names of all kinds, as they stand in a journal.
    pub const KINDS: [&'static str; 12] = [
        "scenario",
        "step",
        "step_done",
        "asked",
        "device",
        "polls",
        "coverage",
        "attempted",
        "judged",
        "watched",
        "note",
        "ended",
    ];
}

/// An attempt: what one identity tried on another's things, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// Unique in the scenario and the same in every run of it.
    pub id: String,
    /// The tool of the catalogue: `h1-foreign-id`.
    pub tool: String,
    /// Operation id of the surface.
    pub operation: String,
    /// Who asked: `acme/admin`.
    pub actor: String,
    /// Whose it was: `globex`.
    pub victim: String,
    /// `METHOD path`, shortened body.
    pub request: String,
    /// Status and shortened body.
    pub answer: String,
    /// What should have come back.
    pub expected: String,
    /// What came back for a thing that never existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_existed: Option<String>,
    /// What the rightful owner got for the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// What the victim lost or the attacker saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
}

/// The verdict on a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The claim's word: `rolled_back`.
    pub claim: String,
    /// The rows it speaks for.
    pub rows: Vec<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// What should be, in the words of the domain.
    pub expected: String,
    /// What is.
    pub actual: String,
    /// Numbers of the events that prove it.
    pub evidence: Vec<u64>,
    /// Number of the first event that was out of order, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_anomaly: Option<u64>,
    /// More, a line each: per device or per attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}
