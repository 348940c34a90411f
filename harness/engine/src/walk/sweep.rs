//! `sweep`: steps again for each point at which something of theirs can be interrupted, and what must hold after each.

use super::{Ended, List, Walk, whole};
use crate::calls;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::steps::{lobby, tenants};
use fleetproof_journal::{Verdict, What};
use fleetproof_language::{ByTenants, Component, Located, Outcome, Points, Step, Sweep};
use fleetproof_stacks::{Caller, FailingCall};
use rand::seq::SliceRandom;
use std::cell::Cell;

impl Walk<'_> {
    /// A round that is left alone, then one for each point. A round after which something does not hold is the last.
    pub(super) async fn sweep(&self, it: &Sweep, number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let points: Vec<Option<FailingCall>> = std::iter::once(None).chain(points(self.run, it).map(Some)).collect();
        let (mut ended, mut rest, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for (round, point) in (0..).zip(&points) {
            let told = match point {
                None => "nothing fails: the control".to_owned(),
                Some(call) => call.to_string(),
            };
            self.note(&format!("round {round} of {}: {told}", points.len() - 1));
            let (judged, more, met) = self.round(it, number, round, *point, outer).await;
            let is_over = judged.iter().any(|one| one.verdict() != Verdict::Passed) || judged.is_empty();
            ended.extend(judged);
            rest.extend(more);
            if point.is_some() {
                self.note(&format!("round {round}: {met} calls failed"));
                if met == 0 {
                    missed.push(told);
                }
            }
            if is_over || outer.is_over() {
                break;
            }
            if let Err(stop) = restore(self.run, it).await {
                return (Ending { verdict: stop.verdict(), detail: stop.reason() }, rest);
            }
        }
        // The control has its steps, and each round its `expect`.
        let due = it.steps.len() + points.len();
        let ending = whole(&ended, due, &format!("{} points, and a round that was left alone", points.len() - 1));
        match missed.first() {
            Some(first) if ending.verdict == Verdict::Passed => {
                let detail = format!("{} of {} points were never met: {first}", missed.len(), points.len() - 1);
                (Ending { verdict: Verdict::Inconclusive, detail }, rest)
            }
            _ => (ending, rest),
        }
    }

    /// One round: what judges it, and how many calls failed in it. Where nothing is interrupted the steps must pass, too.
    async fn round(
        &self,
        it: &Sweep,
        number: &str,
        round: u32,
        point: Option<FailingCall>,
        outer: &List<'_>,
    ) -> (Vec<Ended>, Vec<Verdict>, u64) {
        let of = it.interrupt.component().map_or(Caller::Accounts, calls::caller);
        let (failed, before) = (Cell::new(false), self.run.calls.failed(of));
        let under = format!("{number}.{round}.");
        let list = List { outer: Some(outer), under, round: Some(round), failed: &failed, may_fail: point.is_some() };
        let broken = Broken(self.run, of);
        if let Some(call) = point {
            self.run.calls.fail(call);
        }
        let (mut ended, mut rest) = self.list(&it.steps, &list).await;
        drop(broken);
        let met = self.run.calls.failed(of) - before;
        // What a step came to that may fail is judged below; whatever else stopped one stops the sweep.
        if point.is_some() {
            ended.retain(|one| one.verdict() != Verdict::Passed);
        }
        if !list.is_over() {
            let place = format!("{}{}", list.under, it.steps.len() + 1);
            let strict =
                List { outer: Some(outer), under: String::new(), round: Some(round), failed: &failed, may_fail: false };
            for step in it.expect.steps() {
                let (one, more) = Box::pin(self.step(step, place.clone(), &strict)).await;
                ended.push(one);
                rest.extend(more);
            }
        }
        (ended, rest, met)
    }

    pub(super) fn note(&self, text: &str) {
        self.run.shared.emit("engine", None, What::Note { text: text.to_owned() });
    }
}

/// Calls that fail, until it is dropped.
struct Broken<'r>(&'r Run, Caller);

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        self.0.calls.mend(self.1);
    }
}

/// The points of a sweep, in the order of the calls; which of them are drawn, the seed says.
fn points(run: &Run, it: &Sweep) -> impl Iterator<Item = FailingCall> {
    let calls = match it.interrupt.component() {
        Some(Component::Lobby) => {
            let leaves = |step: &Step| matches!(step, Step::Release(_) | Step::Migrate(_));
            FailingCall::of_lobby(all_of(&it.steps).into_iter().any(leaves))
        }
        Some(Component::Accounts) | None => FailingCall::of_accounts(),
    };
    let mut all: Vec<(usize, FailingCall)> = calls.into_iter().enumerate().collect();
    if it.points.value == Points::Drawn {
        let draws = it.draws.as_ref().map_or(all.len(), |draws| draws.value as usize);
        let word = it.interrupt.component().map_or("", Component::word);
        let mut stream = run.world.seeds.child("sweeps").child(it.interrupt.kind()).stream(word);
        all.shuffle(&mut stream);
        all.truncate(draws);
        all.sort_by_key(|(position, _)| *position);
    }
    all.into_iter().map(|(_, call)| call)
}

/// Undoes what a round acquired: devices that it claimed go back to the lobby, and tenants that it onboarded are removed.
async fn restore(run: &Run, it: &Sweep) -> Result<()> {
    for step in all_of(&it.steps) {
        match step {
            Step::Claim(claim) => lobby::give_back(run, &run.devices(&claim.devices)).await?,
            Step::Onboard(onboard) => remove(run, &onboard.tenants).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn remove(run: &Run, tenants: &[Located<String>]) -> Result<()> {
    let tenants: Vec<Located<String>> =
        tenants.iter().filter(|name| run.people.tenant(name).is_some()).cloned().collect();
    let Some(span) = tenants.first().map(|tenant| tenant.span) else { return Ok(()) };
    let undone = ByTenants { tenants, outcome: Outcome::default() };
    let ending = tenants::remove(run, &Located { value: undone, span }).await?;
    if ending.verdict != Verdict::Passed {
        let detail = ending.detail;
        return Err(Stop::Inconclusive(format!("what a round acquired cannot be undone: {detail}")));
    }
    Ok(())
}

/// Every step among these, and in them.
fn all_of(steps: &[Located<Step>]) -> Vec<&Step> {
    steps
        .iter()
        .flat_map(|step| std::iter::once(&step.value).chain(step.inside().into_iter().flat_map(all_of)))
        .collect()
}
