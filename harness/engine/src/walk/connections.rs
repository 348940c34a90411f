//! A sweep over connections: the steps again for each packet of an update before which the connection of a device can end.
//!
//! Round 0 is left alone: in it the packets are counted, and every device must end updated. In each round after it one device is
//! left alone and must end updated; each of the others loses its connection before one packet. Then all are judged, what is left of
//! the deployments is aborted, and the devices are flashed with what they ran before.

use super::{Ended, List, Walk, whole};
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::things::is_thing;
use fleetproof_devices::Tapped;
use fleetproof_journal::Verdict;
use fleetproof_language::{Located, Points as Which, Step, Sweep};
use fleetproof_plan::{Points, Round};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long updates may take until each was cut or is over, where the round's `expect` has no `within`.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long devices may take until they are what they were: those that are in the middle of an update give it up before.
const RESTORED: Duration = Duration::from_secs(300);

/// How often a point is dealt out until it was met.
const TRIES: usize = 2;

/// What became of a round.
struct Past {
    /// What judges it.
    judged: Vec<Ended>,
    rest: Vec<Verdict>,
    /// What went past the devices' taps.
    tapped: BTreeMap<u32, Tapped>,
    /// A device that was left alone and did not end updated.
    control: Option<u32>,
}

/// What came of a sweep so far.
#[derive(Default)]
struct Sum {
    ended: Vec<Ended>,
    rest: Vec<Verdict>,
    rounds: u32,
}

impl Sum {
    /// Takes a round in: whether it is the last.
    fn take(&mut self, past: &mut Past) -> bool {
        self.rounds += 1;
        let is_over = past.judged.is_empty() || past.judged.iter().any(|one| one.verdict() != Verdict::Passed);
        self.ended.append(&mut past.judged);
        self.rest.append(&mut past.rest);
        is_over
    }

    /// How the sweep ends, whose round was the last.
    fn end(self, it: &Sweep, done: &str) -> (Ending, Vec<Verdict>) {
        // The control has its steps, and each round its `expect`.
        let due = it.steps.len() + self.rounds as usize;
        (whole(&self.ended, due, done), self.rest)
    }

    /// Something else ends it.
    fn stop(self, stop: &Stop) -> (Ending, Vec<Verdict>) {
        (Ending { verdict: stop.verdict(), detail: stop.reason() }, self.rest)
    }
}

impl Walk<'_> {
    /// A round that is left alone, then as many as it takes until each point was met. A round after which something does not
    /// hold is the last.
    pub(super) async fn sweep_connections(&self, it: &Sweep, number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let run = self.run;
        let _closed = Closed(run);
        let devices = run.devices(it.interrupt.devices());
        let mut sum = Sum::default();
        if let Err(stop) = save(run, &devices).await {
            return sum.stop(&stop);
        }
        self.note("round 0: nothing is interrupted: the control");
        let nobody = Round::default();
        let mut past = self.one(it, (number, 0), &devices, &nobody, outer).await;
        if sum.take(&mut past) || outer.is_over() {
            return sum.end(it, "the control");
        }
        if let Some(device) = past.control {
            return sum.stop(&unproven(run, 0, device));
        }
        if let Err(stop) = restore(run, it, &devices).await {
            return sum.stop(&stop);
        }
        let packets = past.tapped.into_iter().map(|(device, tapped)| (device, tapped.packets)).collect();
        let points = drawn(run, it, Points::of(&packets));
        if points.is_empty() {
            let nothing =
                "no packet of an update was exchanged in the round that was left alone: there is no point".to_owned();
            return sum.stop(&Stop::Inconclusive(nothing));
        }
        let (mut open, mut round) = (points.clone(), 0);
        for _ in 0..TRIES {
            let mut missed = Vec::new();
            let dealt = open.deal();
            let last = round + u32::try_from(dealt.len()).unwrap_or(u32::MAX);
            for it_is in &dealt {
                round += 1;
                self.note(&format!("round {round} of {last}: {}", told(run, &points, it_is)));
                let mut past = self.one(it, (number, round), &devices, it_is, outer).await;
                let unmet: Vec<(u32, usize)> = it_is
                    .cuts
                    .iter()
                    .filter(|(device, _)| past.tapped.get(device).is_none_or(|tapped| !tapped.is_cut))
                    .map(|(device, at)| (*device, *at))
                    .collect();
                let (all, met) = (it_is.cuts.len(), it_is.cuts.len() - unmet.len());
                self.note(&format!("round {round}: {met} of {all} connections ended there"));
                missed.extend(unmet);
                if sum.take(&mut past) || outer.is_over() {
                    return sum.end(it, "rounds");
                }
                if let Some(device) = past.control {
                    return sum.stop(&unproven(run, round, device));
                }
                if let Err(stop) = restore(run, it, &devices).await {
                    return sum.stop(&stop);
                }
            }
            open = points.only(&missed);
            if let Some((device, at)) = missed.first() {
                let first = format!("`{}` before {}", run.name_of(*device), points.tell(*device, *at));
                self.note(&format!("{} points were not met: {first}", open.len()));
            } else {
                break;
            }
        }
        if let Some(first) = open.deal().iter().flat_map(|round| &round.cuts).next() {
            let first = points.tell(*first.0, *first.1);
            let detail = format!("{} of {} points were never met: {first}", open.len(), points.len());
            return sum.stop(&Stop::Inconclusive(detail));
        }
        sum.end(it, &format!("{} points in {round} rounds, and a round that was left alone", points.len()))
    }

    /// One round. In the first, which is the control, the steps must pass, too.
    async fn one(
        &self,
        it: &Sweep,
        (number, round): (&str, u32),
        devices: &[u32],
        it_is: &Round,
        outer: &List<'_>,
    ) -> Past {
        let (run, failed) = (self.run, Cell::new(false));
        run.taps.lay(devices.iter().map(|device| (*device, it_is.cuts.get(device).copied())).collect());
        let is_control = it_is.cuts.is_empty();
        let under = format!("{number}.{round}.");
        let list = List { outer: Some(outer), under, round: Some(round), failed: &failed, may_fail: !is_control };
        let (mut judged, mut rest) = self.list(&it.steps, &list).await;
        // What a step came to that may fail is judged below; whatever else stopped one stops the sweep.
        if !is_control {
            judged.retain(|one| one.verdict() != Verdict::Passed);
        }
        let within = it.expect.within().unwrap_or(PATIENCE);
        if !list.is_over()
            && let Err(stop) = settled(run, devices, it_is, within).await
        {
            let ending = Ending { verdict: stop.verdict(), detail: stop.reason() };
            judged.push(Ended { number: format!("{number}.{round}"), verb: "sweep", ending });
            failed.set(true);
        }
        let tapped = devices.iter().map(|device| (*device, run.taps.tapped(*device))).collect();
        if !list.is_over() {
            let place = format!("{}{}", list.under, it.steps.len() + 1);
            let strict =
                List { outer: Some(outer), under: String::new(), round: Some(round), failed: &failed, may_fail: false };
            for step in it.expect.steps() {
                let (one, more) = Box::pin(self.step(step, place.clone(), &strict)).await;
                judged.push(one);
                rest.extend(more);
            }
        }
        run.taps.close();
        let alone = devices.iter().filter(|device| is_control || Some(**device) == it_is.control);
        let control = alone.copied().find(|device| !is_updated(run, it, *device));
        Past { judged, rest, tapped, control }
    }
}

/// No connection is cut any more once it is dropped: whatever happens to the run, nothing of it stays.
struct Closed<'r>(&'r Run);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.taps.close();
    }
}

fn unproven(run: &Run, round: u32, device: u32) -> Stop {
    let name = run.name_of(device);
    Stop::Inconclusive(format!(
        "round {round}: `{name}`, which was left alone, did not end updated: that shows nothing of the others"
    ))
}

/// Where everybody's connection ends in a round, in words.
fn told(run: &Run, points: &Points, it_is: &Round) -> String {
    let alone = it_is.control.map(|device| format!("`{}` is left alone", run.name_of(device)));
    let cut =
        |(device, at): (&u32, &usize)| format!("`{}` ends before {}", run.name_of(*device), points.tell(*device, *at));
    alone.into_iter().chain(it_is.cuts.iter().map(cut)).collect::<Vec<_>>().join("; ")
}

/// All points, or those that the seed draws.
fn drawn(run: &Run, it: &Sweep, points: Points) -> Points {
    if it.points.value == Which::Every {
        return points;
    }
    let draws = it.draws.as_ref().map_or(points.len(), |draws| draws.value as usize);
    let names: Vec<&str> = it.interrupt.devices().iter().map(|name| name.value.as_str()).collect();
    let mut stream = run.world.seeds.child("sweeps").child(it.interrupt.kind()).stream(&names.join("/"));
    points.draw(draws, &mut stream)
}

/// Waits until the connection of each that is cut has ended there, or its update is over without; the others until theirs is.
async fn settled(run: &Run, devices: &[u32], it_is: &Round, within: Duration) -> Result<()> {
    let deadline = run.deadline(within);
    let is_open = |device: &u32| {
        let tapped = run.taps.tapped(*device);
        if it_is.cuts.contains_key(device) { !tapped.is_cut && !tapped.is_over } else { !tapped.is_over }
    };
    while devices.iter().any(is_open) && run.shared.now() < deadline {
        run.glance(deadline).await?;
    }
    Ok(())
}

/// Whether the last update of a device is one of this sweep's, and came to a good end.
fn is_updated(run: &Run, it: &Sweep, device: u32) -> bool {
    let ids: BTreeSet<String> = deployed(&it.steps)
        .into_iter()
        .filter_map(|name| run.deployments.get(name))
        .flat_map(|deployed| deployed.ids.into_values())
        .collect();
    run.shared.record(|record| {
        let seen = &record.devices[device as usize];
        let last = seen.updates.last().filter(|update| ids.contains(&update.deployment));
        seen.healthy && last.and_then(|update| update.finished.as_ref()).is_some_and(|end| end.success)
    })
}

/// Lets each device keep what it is, so that it can be that again.
async fn save(run: &Run, devices: &[u32]) -> Result<()> {
    let since = run.shared.now();
    devices.iter().for_each(|device| run.fleet.save(*device));
    let is_saved = |device: u32| {
        run.shared.record(|record| record.devices[device as usize].saved.is_some_and(|(at, _)| at >= since))
    };
    until(run, devices, "keeps what it is, so that it could be that again", is_saved).await
}

/// Nothing is left of a round: what is not over of its deployments is aborted, and every device is what it was before.
async fn restore(run: &Run, it: &Sweep, devices: &[u32]) -> Result<()> {
    let names = deployed(&it.steps);
    for name in &names {
        let Some(deployed) = run.deployments.get(*name) else { continue };
        for (whose, id) in &deployed.ids {
            let admin = run.people.admin(&whose.tenant).await?;
            if matches!(&*whose.state(run, &admin, id).await?.state, "finished" | "aborted") {
                continue;
            }
            // It may have ended meanwhile: that it is over is what counts, and is seen when the next one is made.
            if let Err(error) = whose.abort(run, &admin, id).await? {
                let text = format!("`{name}` of `{}` could not be aborted: {error}", whose.tenant);
                run.shared.emit("engine", None, fleetproof_journal::What::Note { text });
            }
        }
    }
    let since = run.shared.now();
    devices.iter().for_each(|device| run.fleet.restore(*device));
    let is_back = |device: u32| {
        run.shared.record(|record| {
            let seen = &record.devices[device as usize];
            let told = seen.told.as_ref().map(|(at, ..)| *at);
            let is_told = seen.restored.is_some_and(|at| at >= since) && told.is_some();
            // It has asked for what comes next, and there is nothing: it is told of the next deployment as of any.
            is_told && (!is_thing(run, device) || seen.served > told)
        })
    };
    until(run, devices, "is what it was before the round", is_back).await?;
    for name in names {
        run.deployments.remove(name);
    }
    Ok(())
}

/// Waits until something is so of each device.
async fn until(run: &Run, devices: &[u32], what: &str, is_so: impl Fn(u32) -> bool) -> Result<()> {
    let deadline = run.deadline(RESTORED);
    while let Some(device) = devices.iter().find(|device| !is_so(**device)) {
        if run.shared.now() >= deadline {
            return Err(Stop::Inconclusive(format!("it cannot be shown that `{}` {what}", run.name_of(*device))));
        }
        run.glance(deadline).await?;
    }
    Ok(())
}

/// The names of all deployments among steps.
fn deployed(steps: &[Located<Step>]) -> Vec<&str> {
    let mut all = Vec::new();
    for step in steps {
        if let Step::Deploy(it) = &step.value {
            all.push(it.name.value.as_str());
        }
        all.extend(step.inside().into_iter().flat_map(deployed));
    }
    all
}
