//! What a look at a claim came to, and how looks become verdicts. Pure.

use crate::record::Seq;
use fleetproof_journal::{Judged, Verdict};
use std::time::Duration;

/// What is seen of a claim at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It holds.
    Holds(Proof),
    /// It does not (for an eventual claim: not yet).
    Broken(Proof),
    /// It cannot be seen: evidence is missing.
    Hidden(Proof),
}

/// What a verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    /// What should be.
    pub(crate) expected: String,
    /// What is.
    pub(crate) actual: String,
    /// Numbers of the events that prove it.
    pub(crate) evidence: Vec<Seq>,
    /// The first event out of order.
    pub(crate) anomaly: Option<Seq>,
    /// A line per device or attempt that is not as it should be.
    pub(crate) details: Vec<String>,
}

/// How many devices or attempts a failure names before it says how many more there are.
const NAMED: usize = 8;

impl Proof {
    /// What should be, with nothing known yet.
    pub(crate) fn of(expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..Self::default() }
    }

    /// What is.
    pub(crate) fn actual(mut self, actual: impl Into<String>) -> Self {
        self.actual = actual.into();
        self
    }

    /// The events that prove it.
    pub(crate) fn evidence(mut self, evidence: impl IntoIterator<Item = Seq>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// What is wrong, a line each; past a handful only their number is told.
    pub(crate) fn details(mut self, lines: Vec<String>) -> Self {
        let more = lines.len().saturating_sub(NAMED);
        self.details = lines;
        if more > 0 {
            self.details.truncate(NAMED);
            self.details.push(format!("… and {more} more"));
        }
        self
    }
}

impl Seen {
    /// Holds when nothing is wrong and something was seen; an empty set of subjects proves nothing.
    pub(crate) fn of(proof: Proof, subjects: usize, wrong: Vec<String>, summary: &str) -> Self {
        if subjects == 0 {
            return Self::Hidden(proof.actual("there is nothing to look at"));
        }
        if wrong.is_empty() {
            return Self::Holds(proof.actual(format!("all {subjects} {summary}")));
        }
        let right = subjects.saturating_sub(wrong.len());
        Self::Broken(proof.actual(format!("{right} of {subjects} {summary}")).details(wrong))
    }

    /// The time ended before the claim had all of its own: what is not so yet might have become so.
    pub(crate) fn cut_short(self, budget: Duration) -> Self {
        match self {
            Self::Broken(proof) | Self::Holds(proof) => {
                let actual = format!("the budget of {} s was used up here: {}", budget.as_secs_f64(), proof.actual);
                Self::Hidden(proof.actual(actual))
            }
            hidden => hidden,
        }
    }

    /// It rests on this event, too.
    pub(crate) fn with_evidence(self, seq: Seq) -> Self {
        match self {
            Self::Holds(proof) => Self::Holds(proof.evidence([seq])),
            Self::Broken(proof) => Self::Broken(proof.evidence([seq])),
            Self::Hidden(proof) => Self::Hidden(proof.evidence([seq])),
        }
    }

    /// The verdict if this is the last look. Evidence is never empty in a pass: without any it is inconclusive.
    pub(crate) fn judge(self, claim: &str, rows: Vec<String>) -> Judged {
        let (verdict, proof) = match self {
            Self::Holds(proof) if proof.evidence.is_empty() => (Verdict::Inconclusive, proof),
            Self::Holds(proof) => (Verdict::Passed, proof),
            Self::Broken(proof) => (Verdict::Failed, proof),
            Self::Hidden(proof) => (Verdict::Inconclusive, proof),
        };
        let mut evidence = proof.evidence;
        evidence.sort_unstable();
        evidence.dedup();
        Judged {
            claim: claim.to_owned(),
            rows,
            verdict,
            expected: proof.expected,
            actual: proof.actual,
            evidence,
            first_anomaly: proof.anomaly,
            details: proof.details,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_look_at_proves_nothing() {
        let seen = Seen::of(Proof::of("all run 2.0"), 0, vec![], "run 2.0");
        assert_eq!(seen.judge("updated", vec![]).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_pass_needs_evidence() {
        let seen = |evidence| Seen::of(Proof::of("all run 2.0").evidence(evidence), 3, vec![], "run 2.0");
        assert_eq!(seen(vec![]).judge("updated", vec![]).verdict, Verdict::Inconclusive);
        let judged = seen(vec![9, 4, 9]).judge("updated", vec![]);
        assert_eq!((judged.verdict, judged.evidence), (Verdict::Passed, vec![4, 9]));
    }

    #[test]
    fn what_the_budget_cut_short_proves_nothing() {
        let seen = Seen::of(Proof::of("all run 2.0").evidence([1]), 3, vec!["hvac-1 runs 1.0".to_owned()], "run 2.0");
        let judged = seen.cut_short(Duration::from_secs(8)).judge("updated", vec![]);
        assert_eq!(
            (judged.verdict, judged.actual.as_str()),
            (Verdict::Inconclusive, "the budget of 8 s was used up here: 2 of 3 run 2.0")
        );
        assert_eq!(judged.details, ["hvac-1 runs 1.0"]);
    }

    #[test]
    fn a_failure_names_a_handful() {
        let wrong = (0..20).map(|n| format!("hvac-{n}")).collect();
        let judged = Seen::of(Proof::of("all run 2.0").evidence([1]), 30, wrong, "run 2.0").judge("updated", vec![]);
        assert_eq!(judged.verdict, Verdict::Failed);
        assert_eq!(judged.actual, "10 of 30 run 2.0");
        assert_eq!(judged.details.len(), 9);
        assert_eq!(judged.details[8], "… and 12 more");
    }
}
