//! What came of an attempt: the worst decides, and without its control it proves nothing.

use crate::difference::difference;
use crate::model::{Attempt, Control, Oracle, Refusal};

/// What was seen of one attempt. Answers are canonical texts ([`crate::canonical`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Status of the answer.
    pub status: u16,
    /// The answer.
    pub answer: String,
    /// Which refusal the dialect reads in it.
    pub refusal: Option<Refusal>,
    /// The answer to the same for what never existed.
    pub never_existed: Option<String>,
    /// The answer to the same without the bend, or before the victim made more objects.
    pub without: Option<String>,
    /// What the victim saw of its side before.
    pub before: Option<String>,
    /// And after.
    pub after: Option<String>,
    /// The victim's words that were in the answer.
    pub leaked: Vec<String>,
    /// Which of the actor's own secrets were in the answer: what they are, not what they say. Absent: nobody looked.
    pub secrets: Option<Vec<String>>,
    /// In how many entries of the answer the name stands that was given right before, or why they cannot be read.
    pub entries: Option<Result<usize, String>>,
    /// Status of the control's answer; absent: it was not made.
    pub control: Option<u16>,
    /// Statuses that count as the control's success; empty: the attempt's own.
    pub control_ok: Vec<u16>,
    /// Why something could not be made.
    pub prevented: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ruling {
    /// It was repelled (or, where it was due, served), and the control shows that this means something.
    Passed,
    /// Nothing was lost, and nothing is proven.
    Inconclusive,
    /// The platform broke its promise.
    Failed,
}

/// A ruling with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The ruling.
    pub ruling: Ruling,
    /// What should have come.
    pub expected: String,
    /// Why it is so: one sentence per oracle that did not hold, or what is missing.
    pub why: Vec<String>,
    /// What the victim lost, or the attacker saw.
    pub lost: Option<String>,
}

/// Judges one attempt.
#[must_use]
pub fn judge(attempt: &Attempt, record: &Record) -> Outcome {
    let mut broken = Vec::new();
    let mut missing = Vec::new();
    let mut lost = Vec::new();
    let mut unserved = None;
    for oracle in &attempt.oracles {
        match check(oracle, attempt, record) {
            Finding::Holds => {}
            Finding::Unserved(why) => unserved = Some(why),
            Finding::Missing(what) => missing.push(what),
            Finding::Broken { why, loss } => {
                broken.push(why);
                lost.extend(loss);
            }
        }
    }
    let control = control(attempt, record);
    if let Some(why) = unserved {
        match (&control, attempt.control) {
            (Ok(()), control) if control != Control::Itself => broken.push(why),
            _ => missing.push(why),
        }
    }
    if let Err(why) = control {
        missing.push(why);
    }
    missing.extend(record.prevented.clone());
    let ruling = match (broken.is_empty(), missing.is_empty()) {
        (false, _) => Ruling::Failed,
        (true, false) => Ruling::Inconclusive,
        (true, true) => Ruling::Passed,
    };
    lost.dedup();
    let lost = (!lost.is_empty()).then(|| lost.join("; "));
    broken.append(&mut missing);
    Outcome { ruling, expected: expected(attempt), why: broken, lost }
}

enum Finding {
    Holds,
    /// No success where one was due: the attempt's fault, or the platform's; the control tells.
    Unserved(String),
    Missing(String),
    Broken {
        why: String,
        loss: Option<String>,
    },
}

fn check(oracle: &Oracle, attempt: &Attempt, record: &Record) -> Finding {
    let compared = |other: &Option<String>, what: &str| match other {
        None => Finding::Missing(format!("{what} was not seen")),
        Some(other) => match difference(other, &record.answer) {
            None => Finding::Holds,
            Some(how) => Finding::Broken { why: format!("the answer differs from {what}: {how}"), loss: None },
        },
    };
    match oracle {
        Oracle::Kind(kind) if record.refusal == Some(*kind) => Finding::Holds,
        Oracle::Kind(kind) => Finding::Broken {
            why: match record.refusal {
                Some(other) => format!("refused as {other}, not as {kind}"),
                None if (200..300).contains(&record.status) => format!("not refused ({kind}): {}", record.status),
                None => format!("{} is no refusal of the kind {kind} here", record.status),
            },
            loss: (200..300).contains(&record.status).then(|| format!("{} was served", attempt.actor)),
        },
        Oracle::Status(ok) if ok.contains(&record.status) => Finding::Holds,
        Oracle::Status(_) => Finding::Unserved(format!("not served: {}", record.status)),
        Oracle::AsNeverExisted => compared(&record.never_existed, "that for what never existed"),
        Oracle::OwnOnly => compared(&record.without, "that without the bend"),
        Oracle::SameTotal => match &record.without {
            None => Finding::Missing("the answer before the victim made more objects was not seen".into()),
            Some(other) => match difference(other, &record.answer) {
                None => Finding::Holds,
                Some(how) => Finding::Broken {
                    why: format!("the answer changed when {} made more objects: {how}", attempt.victim),
                    loss: Some(format!("{} sees what {} makes", attempt.actor, attempt.victim)),
                },
            },
        },
        Oracle::NoSuccess if (200..300).contains(&record.status) => Finding::Broken {
            why: format!("succeeded: {}", record.status),
            loss: Some(format!("{} was served", attempt.actor)),
        },
        Oracle::NoSuccess => Finding::Holds,
        Oracle::Unchanged => match (&record.before, &record.after) {
            (Some(before), Some(after)) => match difference(before, after) {
                None => Finding::Holds,
                Some(how) => Finding::Broken {
                    why: format!("what {} has was changed", attempt.victim),
                    loss: Some(format!("{}'s {how}", attempt.victim)),
                },
            },
            _ => Finding::Missing(format!("what {} had was not seen before and after", attempt.victim)),
        },
        Oracle::NoSecret => match &record.secrets {
            None => Finding::Missing("nobody looked for secrets".into()),
            Some(told) if told.is_empty() => Finding::Holds,
            Some(told) => Finding::Broken {
                why: "the answer holds secrets".into(),
                loss: Some(format!("whoever reads it has {}", told.join(", "))),
            },
        },
        Oracle::OneEntry => match &record.entries {
            None => Finding::Missing("the entries were not counted".into()),
            Some(Ok(1)) => Finding::Holds,
            Some(Ok(0)) => Finding::Missing("the change that was made right before is not told".into()),
            Some(Ok(times)) => Finding::Broken {
                why: format!("one change makes {times} entries"),
                loss: Some(format!("{} writes entries as it likes", attempt.actor)),
            },
            Some(Err(why)) => Finding::Broken {
                why: format!("the entries are not whole: {why}"),
                loss: Some(format!("{} breaks the log for its readers", attempt.actor)),
            },
        },
        Oracle::NoCanary if record.leaked.is_empty() => Finding::Holds,
        Oracle::NoCanary => Finding::Broken {
            why: format!("the answer holds what is {}'s", attempt.victim),
            loss: Some(format!("{} saw {}", attempt.actor, record.leaked.join(", "))),
        },
    }
}

fn control(attempt: &Attempt, record: &Record) -> Result<(), String> {
    let ok = if record.control_ok.is_empty() { &attempt.ok } else { &record.control_ok };
    let status = if attempt.control == Control::Itself { Some(record.status) } else { record.control };
    match status {
        Some(status) if ok.contains(&status) => Ok(()),
        Some(status) => Err(format!("the control ({}) failed as well: {status}", who(attempt))),
        None => Err(format!("the control ({}) was not made", who(attempt))),
    }
}

fn who(attempt: &Attempt) -> String {
    match attempt.control {
        Control::Victim => format!("the same by {} itself", attempt.victim),
        Control::Actor => format!("the same by {}, unbent", attempt.actor.tenant),
        Control::Admin => format!("the same by the admin of {}", attempt.actor.tenant),
        Control::Operator => "the same by the platform's operator".to_owned(),
        Control::Provider => "the same by the provider's admin".to_owned(),
        Control::Itself => "the attempt itself".to_owned(),
        Control::Before => format!("the same by {}, while it was there", attempt.victim),
    }
}

/// What should come of an attempt, in words.
#[must_use]
pub fn expected(attempt: &Attempt) -> String {
    let victim = &attempt.victim;
    attempt
        .oracles
        .iter()
        .map(|oracle| match oracle {
            Oracle::Kind(kind) => format!("refused as {kind}"),
            Oracle::Status(ok) => {
                format!("served ({})", ok.iter().map(u16::to_string).collect::<Vec<_>>().join(" or "))
            }
            Oracle::AsNeverExisted => "answered as for what never existed".to_owned(),
            Oracle::Unchanged => format!("nothing of {victim} changed"),
            Oracle::NoCanary => format!("nothing of {victim} in the answer"),
            Oracle::OwnOnly => "answered as without the bend".to_owned(),
            Oracle::SameTotal => format!("the same answer whatever {victim} has"),
            Oracle::NoSuccess => "no success".to_owned(),
            Oracle::NoSecret => format!("no secret of {} in the answer", attempt.actor.tenant),
            Oracle::OneEntry => "one change, one entry".to_owned(),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
