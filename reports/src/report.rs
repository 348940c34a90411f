//! The journal as a tree.

use crate::words::sentence;
use fleetproof_journal::{
    Attempted, Event, JournalError, Judged, Lenience, Place, Verdict, What, chapters, exit_code, read,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run: its scenarios, in the journal's order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
}

/// One scenario of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What its author says of it.
    pub about: Option<String>,
    /// The file as the user named it, where the journal tells.
    pub file: Option<String>,
    /// The worst of all its verdicts.
    pub verdict: Verdict,
    /// Why, where no claim and no step says so.
    pub because: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// `virtual` or `real`.
    pub clock: String,
    /// How many devices took part.
    pub devices: u32,
    /// Its tenants.
    pub tenants: Vec<String>,
    /// The rows it covers.
    pub covers: Vec<String>,
    /// The seeded defect the platform was started with.
    pub defect: Option<String>,
    /// The combination of its matrix: axis and value.
    pub matrix: BTreeMap<String, String>,
    /// How long it took on its own clock, µs.
    pub took: u64,
    /// Routine polls of the devices, all together.
    pub polls: u64,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Its claims.
    pub claims: Vec<Claim>,
    /// What is always watched and was seen broken, as `what: detail`, with the event's number.
    pub watched: Vec<(u64, String)>,
    /// Remarks.
    pub notes: Vec<String>,
    /// Earlier runs of it in the same run, the first one first, where it was run again because it did not pass.
    pub earlier: Vec<Self>,
}

/// A step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number: `4`; of a step inside others `4.2.1`, with the branch or the round between.
    pub index: String,
    /// Its verb.
    pub verb: String,
    /// Its line.
    pub place: Option<Place>,
    /// How it ended; `None` if it did not.
    pub verdict: Option<Verdict>,
    /// What it came to.
    pub detail: String,
    /// How long it took, µs.
    pub took: u64,
}

/// A claim that was judged, with the attempts it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The verdict and its reasons.
    pub judged: Judged,
    /// Its line.
    pub place: Option<Place>,
    /// When it was judged, µs.
    pub at: u64,
    /// The events it rests on, the first anomaly first, as sentences with their numbers.
    pub evidence: Vec<(u64, String)>,
    /// How much of the surface its attempts cover.
    pub covered: Option<Covered>,
    /// Its attempts.
    pub tries: Vec<Try>,
}

/// How much of a claim's surface its attempts cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Operations the platform declares.
    pub operations: u32,
    /// Operations with an attempt.
    pub attempted: u32,
    /// Operations exempted, with the reason.
    pub exempt: Vec<(String, String)>,
    /// Operations with neither.
    pub uncovered: Vec<String>,
}

/// An attempt, with the number of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Try {
    /// The event's number.
    pub seq: u64,
    /// The attempt.
    pub attempted: Attempted,
}

impl Step {
    /// Whether it is carried out as a part of another.
    fn is_inside(&self, other: &Self) -> bool {
        self.index.strip_prefix(&other.index).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl Report {
    /// The report on a journal's text, of one scenario or of a whole run.
    ///
    /// # Errors
    /// When the text is no journal that this version reads.
    pub fn read(text: &str) -> Result<Self, JournalError> {
        Ok(Self::of(&read(text)?))
    }

    /// The report on these events.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut scenarios: Vec<Scenario> = Vec::new();
        for scenario in chapters(events).into_iter().filter_map(Scenario::of) {
            match scenarios.last_mut() {
                Some(last) if last.name == scenario.name => last.run_again(scenario),
                _ => scenarios.push(scenario),
            }
        }
        Self { scenarios }
    }

    /// The worst verdict; `None` if there is no scenario.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        Verdict::worst(self.scenarios.iter().map(|scenario| scenario.verdict))
    }

    /// The exit code of the run.
    #[must_use]
    pub fn exit_code(&self, lenience: Lenience) -> u8 {
        exit_code(self.scenarios.iter().map(|scenario| scenario.verdict), lenience)
    }
}

impl Scenario {
    /// The same scenario's next run takes the place of this one, which becomes an earlier run of it.
    fn run_again(&mut self, next: Self) {
        let mut earlier = std::mem::take(&mut self.earlier);
        let before = std::mem::replace(self, next);
        earlier.push(before);
        let verdicts: Vec<Verdict> = earlier.iter().chain([&*self]).map(|run| run.verdict).collect();
        self.verdict = Verdict::of_retries(&verdicts).unwrap_or(self.verdict);
        if self.verdict == Verdict::Flaky {
            let number = earlier.len() + 1;
            self.because = Some(format!("did not pass at first, and passed as run {number} of the same thing"));
        }
        self.earlier = earlier;
    }

    fn of(events: &[Event]) -> Option<Self> {
        let first = events.first()?;
        let What::Scenario { name, about, seed, clock, devices, tenants, covers, defect, matrix } = &first.what else {
            return None;
        };
        let mut scenario = Self {
            name: name.clone(),
            about: about.clone(),
            file: events.iter().find_map(|event| event.place.as_ref()).map(|place| place.file.clone()),
            // Until the end says otherwise: a journal that stops in the middle is a killed run.
            verdict: Verdict::Broken,
            because: None,
            seed: *seed,
            clock: clock.clone(),
            devices: *devices,
            tenants: tenants.clone(),
            covers: covers.clone(),
            defect: defect.clone(),
            matrix: matrix.clone(),
            took: events.iter().map(|event| event.at).max().unwrap_or(0),
            polls: 0,
            steps: Vec::new(),
            claims: Vec::new(),
            watched: Vec::new(),
            notes: Vec::new(),
            earlier: Vec::new(),
        };
        let ended = scenario.gather(events);
        scenario.decide(ended);
        Some(scenario)
    }

    /// Walks the events; gives the verdict of the end if there is one.
    fn gather(&mut self, events: &[Event]) -> Option<Verdict> {
        let mut tries = Vec::new();
        let mut covered: Option<(String, Covered)> = None;
        let mut begun: BTreeMap<&String, u64> = BTreeMap::new();
        let mut ended = None;
        for event in events {
            match &event.what {
                What::Step { index, verb } => {
                    begun.insert(index, event.at);
                    self.steps.push(Step {
                        index: index.clone(),
                        verb: verb.clone(),
                        place: event.place.clone(),
                        verdict: None,
                        detail: String::new(),
                        took: 0,
                    });
                }
                What::StepDone { index, verdict, detail } => {
                    if let Some(step) = self.steps.iter_mut().rfind(|step| step.index == *index) {
                        step.verdict = Some(*verdict);
                        step.detail.clone_from(detail);
                        step.took = event.at.saturating_sub(begun.get(index).copied().unwrap_or(event.at));
                    }
                }
                What::Polls { polls, .. } => self.polls += polls,
                What::Attempted(attempted) => tries.push(Try { seq: event.seq, attempted: attempted.clone() }),
                What::Coverage { claim, operations, attempted, exempt, uncovered, attempts: _ } => {
                    let told = Covered {
                        operations: *operations,
                        attempted: *attempted,
                        exempt: exempt.clone(),
                        uncovered: uncovered.clone(),
                    };
                    covered = Some((claim.clone(), told));
                }
                What::Judged(judged) => {
                    let own = covered.take_if(|(claim, _)| *claim == judged.claim).map(|(_, covered)| covered);
                    let cites = |tried: &Try| judged.evidence.contains(&tried.seq);
                    // Attempts belong to the claim whose coverage was told with them, or that cites them.
                    let behind = own.is_some() || tries.iter().any(cites);
                    let tries = if behind { std::mem::take(&mut tries) } else { Vec::new() };
                    let evidence = cited(judged, &tries, events);
                    let (judged, place) = (judged.clone(), event.place.clone());
                    self.claims.push(Claim { judged, place, at: event.at, evidence, covered: own, tries });
                }
                What::Watched { what, detail } => self.watched.push((event.seq, format!("{what}: {detail}"))),
                What::Note { text } => self.notes.push(text.clone()),
                What::Ended { verdict, .. } => ended = Some(*verdict),
                What::Scenario { .. } | What::Asked { .. } | What::Device { .. } => {}
            }
        }
        ended
    }

    /// The worst of all verdicts, and the reason where no claim and no step gives it.
    fn decide(&mut self, ended: Option<Verdict>) {
        let claims = self.claims.iter().map(|claim| claim.judged.verdict);
        let steps = self.steps.iter().filter_map(|step| step.verdict);
        let worst = Verdict::worst(claims.chain(steps).chain(ended));
        let explained = |verdict: Verdict| {
            self.claims.iter().any(|claim| claim.judged.verdict == verdict)
                || self.steps.iter().any(|step| step.verdict == Some(verdict))
        };
        (self.verdict, self.because) = match (ended, worst) {
            (None, Some(worst @ (Verdict::Failed | Verdict::Interrupted))) => (worst, None),
            (None, _) => (Verdict::Broken, Some("the journal stops before the scenario ends".to_owned())),
            (Some(_), Some(Verdict::Passed)) if self.claims.is_empty() => {
                (Verdict::Inconclusive, Some("no claim was judged".to_owned()))
            }
            (Some(ended), worst) => {
                let verdict = worst.unwrap_or(ended);
                let because = (verdict != Verdict::Passed && !explained(verdict)).then(|| self.reason());
                (verdict, because)
            }
        };
    }

    fn reason(&self) -> String {
        if let [(_, first), rest @ ..] = self.watched.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            return format!("{first}{more}");
        }
        self.notes.last().cloned().unwrap_or_else(|| "the journal does not say why".to_owned())
    }

    /// The steps that did not pass, each with how it ended. A step that holds others did not pass because one of them did
    /// not: that one says more.
    pub fn troubled(&self) -> impl Iterator<Item = (&Step, Verdict)> {
        let ended = |step: &Step| step.verdict.filter(|verdict| *verdict != Verdict::Passed);
        let speaks = move |step: &&Step| {
            !self
                .steps
                .iter()
                .any(|other| other.is_inside(step) && ended(other).is_some_and(|how| Some(how) == step.verdict))
        };
        self.steps.iter().filter(speaks).filter_map(move |step| Some((step, ended(step)?)))
    }

    /// Attempts of all claims.
    pub fn tries(&self) -> impl Iterator<Item = &Try> {
        self.claims.iter().flat_map(|claim| &claim.tries)
    }

    /// The command that runs this scenario again with the same choices.
    #[must_use]
    pub fn reproduce(&self) -> String {
        let file = self.file.as_deref().unwrap_or(&self.name);
        let mut command = format!("fleetproof run {} --seed {}", shell(file), self.seed);
        if self.clock == "real" {
            command.push_str(" --clock real");
        }
        if let Some(defect) = &self.defect {
            command.push_str(&format!(" --seeded-defect {}", shell(defect)));
        }
        command
    }

    /// What running it again with the seed does not bring back; `None` if everything comes back.
    #[must_use]
    pub fn not_replayable(&self) -> Option<&'static str> {
        (self.clock != "virtual")
            .then_some("timing and the order of what happens at once: the clock was real; names, choices and requests are the seed's")
    }
}

/// The events a judgement cites, as sentences; those that are attempts are told as attempts.
fn cited(judged: &Judged, tries: &[Try], events: &[Event]) -> Vec<(u64, String)> {
    let numbers = judged.first_anomaly.iter().chain(&judged.evidence);
    let mut told: Vec<(u64, String)> = Vec::new();
    for number in numbers {
        if told.iter().any(|(seq, _)| seq == number) || tries.iter().any(|tried| tried.seq == *number) {
            continue;
        }
        if let Ok(index) = events.binary_search_by_key(number, |event| event.seq) {
            told.push((*number, sentence(&events[index])));
        }
    }
    told
}

/// The word as a shell takes it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
