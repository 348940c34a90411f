//! The steps of a scenario in their order: one after another, in rounds, side by side, or while something else is going on; and, in
//! `sweep.rs` and `connections.rs`, again for each point at which they can be interrupted.

mod connections;
mod sweep;

use crate::background::{self, Background};
use crate::outcome::Ending;
use crate::run::{Run, Stop};
use crate::texts::Gaps;
use crate::{expectations, steps};
use fleetproof_journal::{Verdict, What};
use fleetproof_language::{Located, Parallel, Repeat, Step, While};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future of this thread.
type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A step that ended.
pub(crate) struct Ended {
    /// Its number: `4.2.1`.
    number: String,
    verb: &'static str,
    ending: Ending,
}

impl Ended {
    /// How it ended.
    pub(crate) fn verdict(&self) -> Verdict {
        self.ending.verdict
    }
}

/// A list of steps, and the lists that it stands in.
struct List<'a> {
    outer: Option<&'a List<'a>>,
    /// What stands before the numbers of its steps: `4.2.`.
    under: String,
    round: Option<u32>,
    /// A step of it, or of a branch beside it, did not pass.
    failed: &'a Cell<bool>,
    /// Its steps may fail: something else judges what they came to.
    may_fail: bool,
}

impl List<'_> {
    /// Whether no further step begins.
    fn is_over(&self) -> bool {
        self.failed.get() || self.outer.is_some_and(List::is_over)
    }

    /// Whether steps may fail, here or in a list around it.
    fn forgives(&self) -> bool {
        self.may_fail || self.outer.is_some_and(List::forgives)
    }
}

/// The way through the steps of one run.
pub(crate) struct Walk<'r> {
    run: &'r Run,
    /// Polls of devices that the journal was told of.
    polls: Cell<u64>,
}

impl<'r> Walk<'r> {
    /// Carries all steps of the scenario out. After the first that does not pass, only claims on the record are still judged.
    pub(crate) async fn through(run: &'r Run) -> Vec<Verdict> {
        let walk = Self { run, polls: Cell::new(0) };
        let plan = run.plan.clone();
        let failed = Cell::new(false);
        let list = List { outer: None, under: String::new(), round: None, failed: &failed, may_fail: false };
        let (ended, rest) = walk.list(&plan.scenario.steps, &list).await;
        ended.iter().map(Ended::verdict).chain(rest).collect()
    }

    /// Carries a list out: the steps that ended, then the verdicts of what was judged on the record after a failure.
    fn list<'a>(&'a self, steps: &'a [Located<Step>], list: &'a List<'a>) -> Local<'a, (Vec<Ended>, Vec<Verdict>)> {
        Box::pin(async move {
            let (mut ended, mut rest) = (Vec::new(), Vec::new());
            for (number, step) in (1..).zip(steps) {
                if list.is_over() {
                    rest.extend(self.not_run(step).await);
                    continue;
                }
                let (one, more) = self.step(step, format!("{}{number}", list.under), list).await;
                if one.verdict() != Verdict::Passed {
                    list.failed.set(true);
                }
                ended.push(one);
                rest.extend(more);
            }
            (ended, rest)
        })
    }

    /// What is still judged of a step that is not run.
    fn not_run<'a>(&'a self, step: &'a Located<Step>) -> Local<'a, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = Vec::new();
            if let Step::Expect(expect) = &step.value {
                match expectations::after_a_failure(self.run, expect).await {
                    Ok(judged) => verdicts.extend(judged.iter().map(|judged| judged.verdict)),
                    Err(stop) => verdicts.push(stop.verdict()),
                }
            }
            for inner in step.inside().into_iter().flatten() {
                verdicts.extend(self.not_run(inner).await);
            }
            verdicts
        })
    }

    async fn step(&self, step: &Located<Step>, number: String, list: &List<'_>) -> (Ended, Vec<Verdict>) {
        let run = self.run;
        let place = run.place(step.span);
        run.shared.emit("engine", place.clone(), What::Step { index: number.clone(), verb: step.verb().to_owned() });
        let (ending, rest) = match &step.value {
            Step::Parallel(it) => self.parallel(it, &number, list).await,
            Step::Repeat(it) => self.repeat(it, &number, list).await,
            Step::Sweep(it) if it.interrupt.component().is_none() => {
                Box::pin(self.sweep_connections(it, &number, list)).await
            }
            Step::Sweep(it) => self.sweep(it, &number, list).await,
            Step::Use(it) => self.inner(&it.steps, &number, list).await,
            Step::While(it) => self.while_on(it, &number, list).await,
            Step::Expect(expect) => (self.timed(expectations::expect(run, expect).await), Vec::new()),
            _ => {
                let gaps = Gaps { run, round: list.round };
                (self.timed(steps::carry_out(run, step, &gaps).await), Vec::new())
            }
        };
        let ending = match ending.verdict {
            Verdict::Failed if list.forgives() => Ending::passed(format!("it may fail, and did: {}", ending.detail)),
            _ => ending,
        };
        self.count_polls();
        run.shared.emit("engine", place, ending.event(&number));
        run.shared.journal().flush();
        (Ended { number, verb: step.verb(), ending }, rest)
    }

    /// What failed because the budget was used up is not proven wrong.
    fn timed(&self, ended: crate::run::Result<Ending>) -> Ending {
        let ending = ended.unwrap_or_else(|stop: Stop| Ending { verdict: stop.verdict(), detail: stop.reason() });
        if ending.verdict == Verdict::Failed && self.run.shared.now() >= self.run.budget() {
            let budget = self.run.plan.scenario.budget().as_secs_f64();
            let detail = format!("the budget of {budget} s was used up here: {}", ending.detail);
            return Ending { verdict: Verdict::Inconclusive, detail };
        }
        ending
    }

    /// The steps inside another, one after another.
    async fn inner(&self, steps: &[Located<Step>], number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let failed = Cell::new(false);
        let under = format!("{number}.");
        let list = List { outer: Some(outer), under, round: outer.round, failed: &failed, may_fail: false };
        let (ended, rest) = self.list(steps, &list).await;
        let done = format!("{} steps", ended.len());
        (whole(&ended, steps.len(), &done), rest)
    }

    /// Round after round. A round that does not pass is the last.
    async fn repeat(&self, it: &Repeat, number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let failed = Cell::new(false);
        let (mut ended, mut rest) = (Vec::new(), Vec::new());
        for round in 1..=it.times.value {
            let under = format!("{number}.{round}.");
            let list = List { outer: Some(outer), under, round: Some(round), failed: &failed, may_fail: false };
            let (inner, more) = self.list(&it.steps, &list).await;
            ended.extend(inner);
            rest.extend(more);
            if list.is_over() {
                break;
            }
        }
        let due = it.steps.len() * it.times.value as usize;
        (whole(&ended, due, &format!("{} rounds", it.times.value)), rest)
    }

    /// All branches at once. When one fails, the others finish their current step and stop.
    async fn parallel(&self, it: &Parallel, number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let failed = Cell::new(false);
        let branch = |branch: usize| List {
            outer: Some(outer),
            under: format!("{number}.{branch}."),
            round: outer.round,
            failed: &failed,
            may_fail: false,
        };
        let lists: Vec<List<'_>> = (1..=it.branches.len()).map(branch).collect();
        let both = it.branches.iter().zip(&lists);
        let results = side_by_side(both.map(|(steps, list)| self.list(steps, list)).collect()).await;
        let (mut ended, mut rest) = (Vec::new(), Vec::new());
        for (inner, more) in results {
            ended.extend(inner);
            rest.extend(more);
        }
        let due = it.branches.iter().map(|branch| branch.len()).sum();
        (whole(&ended, due, &format!("{} branches", it.branches.len())), rest)
    }

    /// Starts everything of the background in the order of the file, carries the steps out, and stops it in reverse order.
    async fn while_on(&self, it: &While, number: &str, outer: &List<'_>) -> (Ending, Vec<Verdict>) {
        let mut on: Vec<(String, &Located<fleetproof_language::Background>, Box<dyn Background>)> = Vec::new();
        let mut refused = None;
        for (position, what) in (1..).zip(&it.background) {
            let index = format!("{number}.0.{position}");
            let verb = what.verb().to_owned();
            self.run.shared.emit("engine", self.run.place(what.span), What::Step { index: index.clone(), verb });
            match background::start(self.run, what).await {
                Ok(held) => on.push((index, what, held)),
                Err(stop) => {
                    let ending = self.timed(Err(stop));
                    self.run.shared.emit("engine", self.run.place(what.span), ending.event(&index));
                    refused = Some(Ended { number: index, verb: what.verb(), ending });
                    break;
                }
            }
        }
        let failed = Cell::new(refused.is_some());
        let under = format!("{number}.");
        let list = List { outer: Some(outer), under, round: outer.round, failed: &failed, may_fail: false };
        let (mut ended, rest) = self.list(&it.steps, &list).await;
        ended.extend(refused);
        let due = it.steps.len() + on.len();
        for (index, what, held) in on.into_iter().rev() {
            let ending = self.timed(held.stop(self.run).await);
            self.run.shared.emit("engine", self.run.place(what.span), ending.event(&index));
            ended.push(Ended { number: index, verb: what.verb(), ending });
        }
        let done = format!("{} steps", it.steps.len());
        (whole(&ended, due, &done), rest)
    }

    /// Tells the journal how many polls there were since it was last told.
    fn count_polls(&self) {
        let (polls, devices) = self
            .run
            .shared
            .record(|record| (record.polls, record.devices.iter().filter(|device| device.served.is_some()).count()));
        let before = self.polls.replace(polls);
        if polls > before {
            let devices = u32::try_from(devices).unwrap_or(u32::MAX);
            self.run.shared.emit("engine", None, What::Polls { devices, polls: polls - before });
        }
    }
}

/// How a step ended that holds others: as the worst of them. What was stopped before its end because another branch failed
/// proves nothing.
fn whole(ended: &[Ended], due: usize, done: &str) -> Ending {
    let worst = Verdict::worst(ended.iter().map(Ended::verdict)).unwrap_or(Verdict::Inconclusive);
    match ended.iter().find(|one| one.verdict() == worst) {
        Some(first) if worst != Verdict::Passed => Ending {
            verdict: worst,
            detail: format!("step {} {} {worst}: {}", first.number, first.verb, first.ending.detail),
        },
        _ if ended.len() < due => {
            let detail = format!("stopped after {} of {due} steps: another branch did not pass", ended.len());
            Ending { verdict: Verdict::Inconclusive, detail }
        }
        _ => Ending::passed(done),
    }
}

/// Waits for all; whenever one can go on, each is asked in the same order, so that a run is the same every time.
async fn side_by_side<T>(futures: Vec<Local<'_, T>>) -> Vec<T> {
    let mut open: Vec<(Option<T>, Local<'_, T>)> = futures.into_iter().map(|future| (None, future)).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (result, future) in open.iter_mut().filter(|(result, _)| result.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    open.into_iter().filter_map(|(result, _)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(number: &str, verdict: Verdict) -> Ended {
        Ended { number: number.to_owned(), verb: "claim", ending: Ending { verdict, detail: "so it was".to_owned() } }
    }

    #[test]
    fn a_step_that_holds_others_ends_as_the_worst_of_them() {
        let all =
            [ended("4.1.1", Verdict::Passed), ended("4.2.1", Verdict::Failed), ended("4.2.2", Verdict::Inconclusive)];
        assert_eq!(whole(&all, 3, "2 branches"), Ending::failed("step 4.2.1 claim failed: so it was"));
        assert_eq!(whole(&all[..1], 1, "2 branches"), Ending::passed("2 branches"));
    }

    #[test]
    fn what_was_stopped_before_its_end_did_not_pass() {
        let ending = whole(&[ended("4.1.1", Verdict::Passed)], 3, "3 rounds");
        assert_eq!(ending.verdict, Verdict::Inconclusive);
        assert_eq!(whole(&[], 3, "3 rounds").verdict, Verdict::Inconclusive);
    }

    #[tokio::test(start_paused = true)]
    async fn results_come_in_the_order_of_the_branches() {
        let sleep = |ms: u64| -> Local<'static, u64> {
            Box::pin(async move {
                tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
                ms
            })
        };
        assert_eq!(side_by_side(vec![sleep(30), sleep(10), sleep(20)]).await, [30, 10, 20]);
        assert_eq!(side_by_side(Vec::<Local<'_, u64>>::new()).await, Vec::<u64>::new());
    }
}
