//! The attempts of one device: begun when it was offered the artifact, ended by what it reported or by time.

use super::{Device, Finding, GRAIN, Offer, Report, Rollout, When};
use crate::states::first_illegal;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Succeeded,
    Failed,
    TimedOut,
}

/// A device's way through a rollout.
#[derive(Debug)]
pub(super) struct History<'d> {
    pub(super) device: &'d Device,
    /// When each attempt began, and the event that tells of it.
    pub(super) began: Vec<(When, u64)>,
    /// How and when the last attempt ended; `None`: it has not, or there is none.
    pub(super) over: Option<(How, When)>,
    /// It may make another attempt.
    pub(super) is_tried_again: bool,
    /// The platform told it, in its last attempt, that the update is over.
    pub(super) was_cut_off: bool,
    /// It cannot be told whether the last attempt was over when it was offered the artifact again.
    pub(super) is_unclear: bool,
}

impl History<'_> {
    /// When it ended the rollout for good, and whether it failed.
    pub(super) fn end(&self) -> Option<(When, bool)> {
        let (how, when) = self.over?;
        (!self.is_tried_again).then_some((when, how != How::Succeeded))
    }
}

/// An attempt under way.
struct Attempt {
    began: When,
    told: When,
}

impl Attempt {
    /// When it is over by time alone.
    fn due(&self, rollout: &Rollout) -> Option<When> {
        let whole = rollout.rules.timeout.map(|timeout| self.began.after_by(timeout));
        let step = rollout.rules.step_timeout.map(|timeout| self.told.after_by(timeout));
        let earliest = |one: When, other: When| When { from: one.from.min(other.from), to: one.to.min(other.to) };
        let due = whole.into_iter().chain(step).reduce(earliest)?;
        // A platform's clock has ms: it may have begun in the same ms a little earlier.
        Some(When { from: due.from.saturating_sub(GRAIN), to: due.to })
    }
}

/// Follows a device through its offers.
pub(super) fn follow<'d>(rollout: &Rollout, device: &'d Device, finding: &mut Finding) -> History<'d> {
    let mut history =
        History { device, began: Vec::new(), over: None, is_tried_again: false, was_cut_off: false, is_unclear: false };
    let mut open: Option<Attempt> = None;
    for offer in &device.offers {
        let again = open.as_ref().and_then(|attempt| attempt.due(rollout));
        match &open {
            // What it is in is offered again.
            Some(_) if again.is_none_or(|due| offer.at.before(due)) => {}
            Some(_) if again.is_some_and(|due| due.before(offer.at)) => {
                end(rollout, &mut history, How::TimedOut, again.unwrap_or_default());
                open = None;
            }
            Some(_) => history.is_unclear = true,
            None => {}
        }
        if open.is_none() {
            begin(rollout, &mut history, offer, finding);
            open = Some(Attempt { began: offer.at, told: offer.at });
        }
        legal(device, offer, finding);
        for report in &offer.reports {
            open = take(rollout, &mut history, open, report, finding);
        }
    }
    if let Some(due) = open.as_ref().and_then(|attempt| attempt.due(rollout))
        && due.before(rollout.shown.at)
        && rollout.stopped.is_none_or(|stopped| due.before(stopped))
    {
        end(rollout, &mut history, How::TimedOut, due);
    }
    history
}

fn begin(rollout: &Rollout, history: &mut History<'_>, offer: &Offer, finding: &mut Finding) {
    let made = history.began.len();
    if made > 0 && !history.is_tried_again && !history.is_unclear {
        let name = &history.device.name;
        let may = match history.over {
            Some((How::Succeeded, _)) => "had succeeded and was offered it again".to_owned(),
            _ => format!("began attempt {}, and may make {}", made + 1, rollout.rules.retries + 1),
        };
        finding.breach(Some(offer.event), format!("`{name}` {may}"));
    }
    history.began.push((offer.at, offer.event));
    (history.over, history.is_tried_again, history.was_cut_off) = (None, false, false);
}

fn end(rollout: &Rollout, history: &mut History<'_>, how: How, when: When) {
    let counts = match how {
        How::Succeeded => false,
        How::Failed => rollout.rules.retry_failed,
        How::TimedOut => rollout.rules.retry_timed_out,
    };
    history.over = Some((how, when));
    history.is_tried_again = counts && history.began.len() <= rollout.rules.retries as usize;
}

/// Whether the rollout may have been stopped by then.
fn may_be_stopped(rollout: &Rollout, at: When) -> bool {
    let by_threshold = rollout.rules.threshold.is_some() && rollout.shown.state == "aborted";
    by_threshold || rollout.stopped.is_some_and(|stopped| !at.before(stopped))
}

fn take(
    rollout: &Rollout,
    history: &mut History<'_>,
    open: Option<Attempt>,
    report: &Report,
    finding: &mut Finding,
) -> Option<Attempt> {
    let name = &history.device.name;
    let Some(mut attempt) = open else {
        // What it says of an attempt that it has ended itself is the same once more.
        let timed_out = matches!(history.over, Some((How::TimedOut, _)));
        history.was_cut_off |= report.is_over();
        if timed_out && report.is_taken() {
            let what = format!("`{name}` had run out of time, and its `{}` was still taken note of", report.status);
            finding.breach(Some(report.event), what);
        }
        return None;
    };
    let due = attempt.due(rollout);
    if due.is_some_and(|due| due.before(report.at)) {
        end(rollout, history, How::TimedOut, due.unwrap_or_default());
        return take(rollout, history, None, report, finding);
    }
    if report.is_over() {
        history.was_cut_off = true;
        if due.is_none_or(|due| report.at.before(due)) && !may_be_stopped(rollout, report.at) && !history.is_unclear {
            let what = format!("`{name}` was told at `{}` that its update is over, before its time was", report.status);
            finding.breach(Some(report.event), what);
        }
        // Over, by time or by a stop; which, the platform must show.
        if let Some(due) = due.filter(|due| !report.at.before(*due)) {
            end(rollout, history, How::TimedOut, due);
            return None;
        }
        return Some(attempt);
    }
    if !report.is_taken() {
        return Some(attempt);
    }
    match report.status.as_str() {
        "success" | "already-installed" => {
            end(rollout, history, How::Succeeded, report.at);
            None
        }
        "failure" => {
            end(rollout, history, How::Failed, report.at);
            None
        }
        _ => {
            attempt.told = report.at;
            Some(attempt)
        }
    }
}

/// The states of one attempt, as the platform took note of them.
fn legal(device: &Device, offer: &Offer, finding: &mut Finding) {
    let taken: Vec<&Report> = offer.reports.iter().filter(|report| report.is_taken()).collect();
    if let Some((at, why)) = first_illegal(taken.iter().map(|report| report.status.as_str())) {
        let event = taken.get(at).map(|report| report.event);
        finding.breach(event, format!("`{}`: the platform took note of {why}", device.name));
    }
}
