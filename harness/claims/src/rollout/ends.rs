//! How it ended: the threshold, what the platform shows of each device, who is left alone.

use super::attempts::{History, How};
use super::{Behaves, End, Finding, Rollout, Threshold, When};
use crate::states::is_over;

/// Whether so many are too many.
fn is_crossed(threshold: &Threshold, ended: u64, failed: u64) -> bool {
    ended >= threshold.after.max(1) && u128::from(failed) * 1_000_000 > u128::from(ended) * u128::from(threshold.above)
}

/// Who has ended it, in that order: when, and whether it failed.
fn in_order(histories: &[History<'_>]) -> Vec<(When, bool)> {
    let mut ends: Vec<(When, bool)> = histories.iter().filter_map(History::end).collect();
    ends.sort_unstable_by_key(|(when, failed)| (when.to, when.from, *failed));
    ends
}

/// The end with which the threshold was crossed, in whichever order those that overlap it came: whatever is not sure to
/// have ended by then is counted as a success.
fn crossing(threshold: &Threshold, ends: &[(When, bool)], quiet: u64) -> Option<When> {
    ends.iter().enumerate().find_map(|(number, (last, _))| {
        let (sure, later) = ends.split_at(number + 1);
        let failed = sure.iter().filter(|(_, failed)| *failed).count() as u64;
        let unsure = quiet + later.iter().filter(|(when, _)| when.from <= last.to).count() as u64;
        let ended = sure.len() as u64;
        (ended >= threshold.after && is_crossed(threshold, ended + unsure, failed)).then_some(*last)
    })
}

/// When it was surely over for everybody who had not ended; nothing if it was stopped by nobody.
pub(super) fn threshold(
    rollout: &Rollout,
    histories: &mut [History<'_>],
    ended: End,
    finding: &mut Finding,
) -> Option<When> {
    let is_aborted = rollout.shown.state == "aborted";
    let Some(threshold) = &rollout.rules.threshold else {
        if is_aborted && rollout.stopped.is_none() {
            finding.breach(None, "it was aborted, and neither a threshold nor anybody asked for that".to_owned());
        }
        return rollout.stopped.filter(|_| is_aborted);
    };
    // Devices that had nothing to do: nobody outside knows when they ended.
    let quiet = rollout.shown.devices.iter().filter(|(name, (status, _))| {
        let is_quiet = matches!(status.as_str(), "already-installed" | "noartifact");
        is_quiet && histories.iter().any(|history| history.device.name == **name && history.began.is_empty())
    });
    let quiet = quiet.count() as u64;
    let crossing = crossing(threshold, &in_order(histories), quiet);
    if let Some(crossing) = crossing.filter(|_| is_aborted) {
        // Whoever was on its way then was aborted, and did not run out of time later.
        for history in histories.iter_mut() {
            if history
                .over
                .is_some_and(|(how, when)| how == How::TimedOut && when != crossing && !when.before(crossing))
            {
                (history.over, history.is_tried_again, history.was_cut_off) = (None, false, true);
            }
        }
    }
    let ends = in_order(histories);
    let failed = ends.iter().filter(|(_, failed)| *failed).count() as u64;
    let told = format!("{failed} of {} that ended had failed", ends.len());
    // Nobody was left to be aborted.
    let all = ends.len() == histories.len();
    if let Some(crossing) = crossing {
        let late = histories.iter().flat_map(|history| &history.began).filter(|(at, _)| crossing.before(*at)).min();
        if let Some((_, event)) = late {
            finding.breach(Some(*event), format!("attempts began after too many had failed ({told})"));
        } else if !all && ends.iter().any(|(when, _)| crossing.before(*when)) {
            finding.breach(None, format!("devices ended it after too many had failed ({told})"));
        } else if !all && rollout.shown.state == "finished" {
            finding.breach(None, format!("it finished, and had to be aborted: {told}"));
        } else if !all && !is_aborted && ended == End::Finished {
            finding.breach(None, format!("it goes on, and had to be aborted: {told}"));
        }
    }
    let by_user = rollout.stopped.is_some() && rollout.shown.stopped_by.as_deref() != Some("threshold");
    if !is_aborted || by_user {
        return rollout.stopped.filter(|_| is_aborted);
    }
    // Nothing ends after an abort: what has ended is what had ended then.
    let is_crossed = |quiet: u64| is_crossed(threshold, ends.len() as u64 + quiet, failed);
    if !(0..=quiet).any(is_crossed) && !histories.iter().any(|history| history.is_unclear) {
        finding.breach(None, format!("it was aborted too soon: {told}"));
    }
    ends.last().map(|(when, _)| *when)
}

/// What the platform shows, and what each device came to.
pub(super) fn shown(rollout: &Rollout, histories: &[History<'_>], ended: End, version: &str, finding: &mut Finding) {
    let due = if ended == End::Finished { "finished" } else { "aborted" };
    let state = rollout.shown.state.as_str();
    if state != due {
        let both = format!("it is {state}");
        if matches!(state, "finished" | "aborted") {
            finding.breach(None, both);
        } else {
            finding.open.push(both);
        }
        return;
    }
    if rollout.shown.devices.is_empty() {
        return;
    }
    for history in histories {
        let name = &history.device.name;
        match rollout.shown.devices.get(name) {
            Some((status, attempts)) => listed(history, due, status, *attempts, finding),
            None if history.began.is_empty() => {}
            None => finding.breach(None, format!("the platform does not show `{name}` in it")),
        }
        came_to(history, version, finding);
    }
}

/// The status of one device.
fn listed(history: &History<'_>, due: &str, status: &str, attempts: Option<u64>, finding: &mut Finding) {
    let name = &history.device.name;
    let event = history.began.last().map(|(_, event)| *event);
    if !is_over(status) {
        finding.breach(event, format!("it has {due}, and `{name}` is shown as `{status}`"));
        return;
    }
    let made = history.began.len() as u64;
    let is_quiet = made == 0 && matches!(status, "already-installed" | "noartifact");
    if let Some(shown) = attempts.filter(|shown| *shown != made && !is_quiet && !history.is_unclear) {
        finding.breach(event, format!("`{name}` made {made} attempts, the platform shows {shown}"));
    }
    let fits = match (history.over, history.is_tried_again) {
        _ if history.is_unclear => true,
        (Some((How::Succeeded, _)), _) => matches!(status, "success" | "already-installed"),
        (Some(_), false) => status == "failure",
        // It waited for its next attempt, or never got to one.
        (Some(_), true) if due == "finished" => {
            let what = format!("`{name}` failed attempt {made}, may try again, and it finished without");
            finding.breach(event, what);
            return;
        }
        (Some(_), true) => status == "aborted",
        (None, _) if made > 0 => status == "aborted" && due == "aborted",
        (None, _) => matches!(status, "aborted" | "already-installed" | "noartifact" | "decommissioned"),
    };
    if !fits {
        let own = match history.over {
            Some((How::Succeeded, _)) => "succeeded",
            Some((How::Failed, _)) => "failed",
            Some((How::TimedOut, _)) => "ran out of time",
            None if made > 0 => "was on its way",
            None => "was never told",
        };
        finding.breach(event, format!("`{name}` {own}, the platform shows `{status}`"));
    }
}

/// What the device itself came to: what the artifact does, unless it was cut off.
fn came_to(history: &History<'_>, version: &str, finding: &mut Finding) {
    let device = history.device;
    let (Some(offer), name) = (device.offers.last(), &device.name) else { return };
    let Some(finished) = &offer.finished else {
        if device.behaves != Behaves::Dies {
            finding.open.push(format!("`{name}` is still busy with it"));
        }
        return;
    };
    let runs = &finished.version;
    let right = match device.behaves {
        _ if history.was_cut_off => runs == version || *runs == device.ran || finished.between,
        Behaves::Well => finished.success && runs == version,
        Behaves::RollsBack => !finished.success && *runs == device.ran && !finished.between,
        Behaves::IsLeftBetween => !finished.success,
        Behaves::Dies => !finished.success || runs == version,
    };
    if right {
        finding.evidence.push(finished.event);
    } else {
        let how = if finished.success { "took it" } else { "did not take it" };
        let what = match device.behaves {
            Behaves::Well => "the artifact is good",
            Behaves::RollsBack => "it must end rolled back",
            Behaves::IsLeftBetween | Behaves::Dies => "nothing can save the device",
        };
        finding.breach(Some(finished.event), format!("`{name}` {how} and runs {runs}; {what}"));
    }
}

/// Whoever was aborted, or has used up its attempts, asks again and gets nothing.
pub(super) fn left_alone(
    rollout: &Rollout,
    histories: &[History<'_>],
    over: Option<When>,
    ended: End,
    finding: &mut Finding,
) {
    if let Some(over) = over {
        let late = histories.iter().flat_map(|history| &history.began).filter(|(at, _)| over.before(*at)).min();
        if let Some((_, event)) = late
            && !finding.breaches.iter().any(|(at, _)| *at == Some(*event))
        {
            finding.breach(Some(*event), "it was aborted, and attempts began after that".to_owned());
        }
        let asked = |history: &&History<'_>| history.device.in_vain.iter().any(|asked| over.before(*asked));
        let open = histories.iter().filter(|history| history.end().is_none());
        if ended == End::Aborted && open.clone().next().is_some() && !open.clone().any(|history| asked(&history)) {
            finding.missing.push("nobody whom it still had to reach asked after it was aborted".to_owned());
        }
    }
    if rollout.rules.retries > 0 && ended == End::Finished {
        let mut spent =
            histories.iter().filter_map(|history| Some((history, history.end().filter(|(_, failed)| *failed)?.0)));
        let asked =
            |(history, end): (&History<'_>, When)| history.device.in_vain.iter().any(|asked| end.before(*asked));
        let dies = |(history, _): &(&History<'_>, When)| history.device.behaves == Behaves::Dies;
        let alive: Vec<_> = spent.by_ref().filter(|one| !dies(one)).collect();
        if !alive.is_empty() && !alive.into_iter().any(asked) {
            finding.missing.push("nobody who had used up its attempts asked again".to_owned());
        }
    }
}
