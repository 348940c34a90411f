//! Who was told when: phases, rate, growth, pauses.

use super::attempts::{History, How};
use super::{End, Finding, GRAIN, Growth, Rate, Rollout, When};

/// When each device was told first, the earliest first.
fn first_told(histories: &[History<'_>]) -> Vec<(When, u64)> {
    let mut told: Vec<_> = histories.iter().filter_map(|history| history.began.first().copied()).collect();
    told.sort_unstable();
    told
}

/// Whether the device still had to be told when it asked then.
fn waited(history: &History<'_>, asked: When, again: bool) -> bool {
    let told = if again { history.began.last() } else { history.began.first() };
    told.is_none_or(|(told, _)| asked.before(*told)) && history.end().is_none_or(|(end, _)| asked.before(end))
}

/// How many devices the first phases take, for each of them but the last.
fn rooms(rollout: &Rollout) -> Vec<u64> {
    let all = rollout.first.unwrap_or(rollout.devices.len() as u64);
    let mut sum = 0;
    let mut rooms = Vec::new();
    for phase in &rollout.rules.phases {
        let Some(share) = phase.share else { break };
        sum += all * u64::from(share) / 1_000_000;
        rooms.push(sum);
    }
    rooms
}

/// Before a phase begins nobody is told beyond those before it.
pub(super) fn phases(rollout: &Rollout, histories: &[History<'_>], ended: End, finding: &mut Finding) {
    let told = first_told(histories);
    let rooms: Vec<u64> = std::iter::once(0).chain(rooms(rollout)).collect();
    for (number, (phase, room)) in (1..).zip(rollout.rules.phases.iter().zip(rooms)) {
        let Some(start) = phase.start else { continue };
        let begin = When { from: start, to: start };
        let mut early: Vec<_> = told.iter().filter(|(at, _)| at.before(begin)).collect();
        early.sort_by_key(|(at, _)| at.to);
        if let Some((_, event)) = early.get(usize::try_from(room).unwrap_or(usize::MAX)) {
            let what = format!("{} devices were told before phase {number} began, which leaves {room}", early.len());
            finding.breach(Some(*event), what);
            continue;
        }
        // Full, and somebody who was not in yet asked before the next one began.
        let full = match room.checked_sub(1) {
            None => Some(rollout.made),
            Some(last) => early.get(usize::try_from(last).unwrap_or(usize::MAX)).map(|(at, _)| *at),
        };
        let held = full.and_then(|full| {
            histories.iter().find(|history| {
                history
                    .device
                    .in_vain
                    .iter()
                    .any(|asked| full.before(*asked) && asked.before(begin) && waited(history, *asked, false))
            })
        });
        match held {
            Some(history) => finding.evidence.extend(history.began.first().map(|(_, event)| *event)),
            None if ended == End::Finished => {
                let why = if full.is_none() { "the ones before were never full" } else { "nobody asked before it" };
                finding.missing.push(format!("phase {number} held nobody back: {why}"));
            }
            None => {}
        }
    }
}

/// µs from one device to the next at least, when so many count.
fn interval(rate: &Rate, counted: usize) -> u64 {
    let mut thousandths = u128::from(rate.devices.max(1)) * 1_000;
    if let Some(growth) = &rate.growth {
        for _ in 0..counted / growth.per.max(1) as usize {
            thousandths = thousandths * u128::from(growth.factor) / 1_000;
            if thousandths > u128::from(u64::MAX) {
                break;
            }
        }
    }
    u64::try_from(u128::from(rate.per) * 1_000 / thousandths.max(1)).unwrap_or(u64::MAX)
}

/// How many count by then at most.
fn counted(growth: &Growth, histories: &[History<'_>], by: u64) -> usize {
    let counts = |history: &&History<'_>| {
        if growth.succeeded {
            history.over.is_some_and(|(how, when)| how == How::Succeeded && when.from <= by)
        } else {
            history.began.first().is_some_and(|(told, _)| told.from <= by)
        }
    };
    histories.iter().filter(counts).count()
}

/// In no window of time more are told than fit into it.
pub(super) fn rate(rollout: &Rollout, histories: &[History<'_>], ended: End, finding: &mut Finding) {
    let Some(rate) = &rollout.rules.rate else { return };
    let mut told: Vec<(When, u64)> = histories.iter().flat_map(|history| history.began.iter().copied()).collect();
    told.sort_unstable();
    // Both sums run over the times that must lie between: as the rate may have grown, and as it was.
    let (mut needed, mut slowest) = (0_u64, 0_u64);
    // The earliest beginning of a window, less what must lie before it; and what has to be the end of one.
    let (mut begin, mut right) = (None::<i128>, 0_u64);
    let (mut has_grown, mut slow) = (false, None::<i128>);
    for (number, (at, event)) in told.iter().enumerate() {
        right = right.max(at.to);
        if number > 0 {
            let count = rate.growth.as_ref().map_or(0, |growth| counted(growth, histories, at.to));
            needed += interval(rate, count);
            slowest += interval(&Rate { growth: None, ..*rate }, 0);
        }
        let (start, end) = (i128::from(at.from) - i128::from(needed), i128::from(right) - i128::from(needed));
        if begin.is_some_and(|begin| end + i128::from(GRAIN) < begin) {
            let what = format!("attempt {} began too soon after those before it for the rate", number + 1);
            finding.breach(Some(*event), what);
            return;
        }
        begin = Some(begin.map_or(start, |begin| begin.max(start)));
        // Surely less time than the first rate needs.
        let (first, last) = (i128::from(at.to) - i128::from(slowest), i128::from(at.from) - i128::from(slowest));
        has_grown |= slow.is_some_and(|slow| last + i128::from(GRAIN) < slow);
        slow = Some(slow.map_or(first, |slow| slow.max(first)));
    }
    if rate.growth.is_some() && ended == End::Finished {
        match told.last().filter(|_| has_grown) {
            Some((_, event)) => finding.evidence.push(*event),
            None => finding.missing.push("the rate was never seen to grow".to_owned()),
        }
    }
    // Somebody asked when another had just been told.
    let held = histories.iter().find_map(|history| {
        history.device.in_vain.iter().find_map(|asked| {
            let just = told.iter().find(|(at, _)| {
                at.before(*asked) && asked.to - at.from < interval(rate, 0) && !is_paused(rollout, *asked)
            });
            just.filter(|_| waited(history, *asked, true)).map(|(_, event)| *event)
        })
    });
    match held {
        Some(event) => finding.evidence.push(event),
        None if ended == End::Finished => {
            finding.missing.push("the rate held nobody back: nobody asked when another had just been told".to_owned());
        }
        None => {}
    }
}

/// Whether it may have stood still then.
fn is_paused(rollout: &Rollout, at: When) -> bool {
    rollout.pauses.iter().any(|(began, went_on)| !at.before(*began) && went_on.is_none_or(|end| !end.before(at)))
}

/// While it stands still nobody begins.
pub(super) fn pauses(rollout: &Rollout, histories: &[History<'_>], finding: &mut Finding) {
    for (began, went_on) in &rollout.pauses {
        let end = went_on.unwrap_or(rollout.shown.at);
        let inside = |at: When| began.before(at) && at.before(end);
        let breach = histories.iter().flat_map(|history| &history.began).filter(|(at, _)| inside(*at)).min();
        if let Some((_, event)) = breach {
            let told = histories.iter().flat_map(|history| &history.began).filter(|(at, _)| inside(*at)).count();
            finding.breach(Some(*event), format!("{told} attempts began while it was paused"));
            continue;
        }
        let held = histories
            .iter()
            .find(|history| history.device.in_vain.iter().any(|asked| inside(*asked) && waited(history, *asked, true)));
        match held {
            Some(history) => finding.evidence.extend(history.began.last().map(|(_, event)| *event)),
            None => finding.missing.push("the pause held nobody back: nobody who still had to begin asked".to_owned()),
        }
    }
}
