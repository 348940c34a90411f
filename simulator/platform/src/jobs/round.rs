//! A look at the jobs of a place: what time has done to them, what follows from what devices say, and who is to be told.

use super::books::{Kept, Shelf};
use crate::job_defects;
use crate::platform::Platform;
use crate::store::{StoreError, Transaction};
use bytes::Bytes;
use fleetproof_dataplane::jobs::rollout::{self, Arrival, Progress, Step, Stop};
use fleetproof_dataplane::jobs::{Change, Counts, Defect, Desk, Execution, Job, Jobs, Limits, Message, Moment, Status};
use std::collections::{BTreeMap, BTreeSet};

/// What came of a look, to be passed on once it is committed.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct News {
    pushes: Vec<(String, Bytes)>,
    due_us: Option<u64>,
}

impl News {
    /// Tells whoever listens in this place, and the keeper of the data plane.
    pub(crate) fn tell(self, app: &Platform, shelf: &Shelf) {
        let pushes = self.noted(app);
        app.data_plane().publish(app, &shelf.tenant, &shelf.region, pushes);
    }

    /// These and then those.
    pub(crate) fn and(mut self, later: Self) -> Self {
        self.pushes.extend(later.pushes);
        Self { pushes: self.pushes, due_us: self.due_us.into_iter().chain(later.due_us).min() }
    }

    /// Tells the keeper of the data plane; what is to be told to whoever listens.
    pub(super) fn noted(self, app: &Platform) -> Vec<(String, Bytes)> {
        if app.jobs().note(self.due_us) {
            app.data_plane().stir();
        }
        self.pushes
    }
}

/// Jobs by their ids.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Job>);

impl Jobs for Known {
    fn find(&self, id: &str) -> Option<&Job> {
        self.0.get(id)
    }

    /// Who is shown a document without being its device is shown placeholders as they are.
    fn link(&self, _: &Job, location: &str) -> String {
        location.to_owned()
    }
}

/// A look under way, in one transaction.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    tx: &'a mut Transaction,
    shelf: &'a Shelf,
    now_us: u64,
    limits: Limits,
    news: News,
    /// The mistake that is planted.
    defect: Option<Defect>,
}

/// A job while it is worked on.
struct Under {
    kept: Kept,
    progress: Progress,
}

impl<'a> Round<'a> {
    /// Begins at `now_us`, in µs since 1970.
    pub(crate) fn begin(app: &Platform, tx: &'a mut Transaction, shelf: &'a Shelf, now_us: u64) -> Self {
        let defect = job_defects::of_jobs(app);
        Self { tx, shelf, now_us, limits: Limits::default(), news: News::default(), defect }
    }

    pub(super) const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// What is to be passed on after the commit.
    pub(crate) fn end(self) -> News {
        self.news
    }

    /// Does what time alone has done to the jobs here.
    pub(crate) async fn catch_up(&mut self) -> Result<(), StoreError> {
        while let Some(id) = self.shelf.first_due(self.tx, self.now_us).await? {
            self.turn(&id).await?;
        }
        Ok(())
    }

    /// A job as it is now.
    pub(crate) async fn find(&mut self, id: &str) -> Result<Option<Kept>, StoreError> {
        self.shelf.find(self.tx, id).await
    }

    /// The executions of a thing that have not ended and all of the job that is named, with their jobs.
    pub(super) async fn of_thing(&mut self, thing: &str, job: &str) -> Result<(Vec<Execution>, Known), StoreError> {
        let rows = self.shelf.of_thing(self.tx, thing, job).await?;
        let known = self.known(&rows).await?;
        Ok((rows, known))
    }

    async fn known(&mut self, rows: &[Execution]) -> Result<Known, StoreError> {
        let mut known = Known::default();
        for id in rows.iter().map(|row| row.job_id.as_str()).collect::<BTreeSet<_>>() {
            if let Some(kept) = self.shelf.find(self.tx, id).await? {
                known.0.insert(id.to_owned(), kept.job);
            }
        }
        Ok(known)
    }

    /// Writes what a request has changed, and does what follows from it.
    pub(super) async fn keep(&mut self, changes: &[Change], pushes: Vec<Message>) -> Result<(), StoreError> {
        self.say(pushes);
        let mut touched = BTreeSet::new();
        for change in changes {
            self.shelf.write(self.tx, change).await?;
            let (Change::Update(one) | Change::Insert(one)) = change;
            touched.insert(one.job_id.as_str());
        }
        for id in touched {
            self.turn(id).await?;
        }
        Ok(())
    }

    /// Cancels the executions of a job that was canceled, and keeps it so.
    pub(crate) async fn cancel(&mut self, kept: Kept, force: bool) -> Result<(), StoreError> {
        let stop = if force { Stop::Force } else { Stop::Cancel };
        let moment = self.moment(self.now_us);
        self.stop(&kept.job, stop, &moment).await?;
        let id = kept.job.id.clone();
        self.shelf.save(self.tx, &Kept { step_us: None, ..kept }, None).await?;
        self.turn(&id).await
    }

    /// Takes a job away with its executions.
    pub(crate) async fn delete(&mut self, id: &str) -> Result<(), StoreError> {
        let open = self.shelf.open_of_job(self.tx, id).await?;
        let things: BTreeSet<&str> = open.iter().map(|one| one.thing.as_str()).collect();
        let mut before = Vec::new();
        for thing in &things {
            before.push(self.shelf.pending(self.tx, thing).await?);
        }
        self.shelf.remove(self.tx, id).await?;
        for (thing, before) in things.into_iter().zip(before) {
            self.push(thing, &before).await?;
        }
        Ok(())
    }

    /// A thing goes: no job waits for it any more, what it has not ended is removed, and those jobs go on without it.
    pub(crate) async fn forget_thing(&mut self, thing: &str) -> Result<(), StoreError> {
        let mut touched = self.shelf.drop_targets(self.tx, thing).await?;
        let moment = self.moment(self.now_us);
        for one in self.shelf.pending(self.tx, thing).await? {
            let Some(kept) = self.shelf.find(self.tx, &one.job_id).await? else { continue };
            if let Ok(removed) = one.remove(&moment, &kept.job) {
                self.change(thing, &[Change::Update(removed)]).await?;
            }
            touched.insert(one.job_id);
        }
        for id in touched {
            self.turn(&id).await?;
        }
        Ok(())
    }

    fn say(&mut self, pushes: Vec<Message>) {
        self.news.pushes.extend(pushes.into_iter().map(|push| (push.topic, push.payload)));
    }

    const fn moment(&self, now_us: u64) -> Moment {
        Moment { now_us, defect: self.defect }
    }

    /// Tells a thing how its list differs from what it was.
    async fn push(&mut self, thing: &str, before: &[Execution]) -> Result<(), StoreError> {
        let after = self.shelf.pending(self.tx, thing).await?;
        let known = self.known(&after).await?;
        let limits = self.limits;
        let desk = Desk {
            now_us: self.now_us,
            executions: &[],
            jobs: &known,
            limits: &limits,
            defect: self.defect,
            earlier_token: None,
        };
        let pushes = desk.pushes(thing, before, &after);
        self.say(pushes);
        Ok(())
    }

    /// Writes changes of one thing's executions, and tells it.
    async fn change(&mut self, thing: &str, changes: &[Change]) -> Result<(), StoreError> {
        let before = self.shelf.pending(self.tx, thing).await?;
        for change in changes {
            self.shelf.write(self.tx, change).await?;
        }
        self.push(thing, &before).await
    }

    async fn stop(&mut self, job: &Job, stop: Stop, moment: &Moment) -> Result<(), StoreError> {
        let open = self.shelf.open_of_job(self.tx, &job.id).await?;
        for one in rollout::stopped(job, stop, &open, moment) {
            let thing = one.thing.clone();
            self.change(&thing, &[Change::Update(one)]).await?;
        }
        Ok(())
    }

    /// Does all that is to be done with a job by now: what time has done, each at its time, and what follows from that.
    pub(crate) async fn turn(&mut self, id: &str) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.find(self.tx, id).await? else { return Ok(()) };
        let progress = Progress {
            counts: self.shelf.counts(self.tx, id).await?,
            notified: kept.notified,
            waiting: self.shelf.waiting(self.tx, id).await?,
            next_us: kept.next_us,
        };
        let mut under = Under { kept, progress };
        let due_us = loop {
            let ends = self.shelf.first_to_end(self.tx, id).await?;
            let due_us = under.due_us(ends.as_ref());
            let next = due_us.filter(|due| *due <= self.now_us);
            let moment = self.moment(next.unwrap_or(self.now_us));
            let mut is_other = false;
            if let Some(one) = ends
                && let Some(ended) = one.settle(&moment, &under.kept.job)
            {
                self.end_of_one(&mut under, ended, &moment).await?;
                is_other = true;
            }
            is_other |= self.follow(&mut under, &moment).await?;
            if under.kept.step_us.is_some_and(|at| at <= moment.now_us) {
                self.step(&mut under, &moment).await?;
                is_other = true;
            }
            is_other |= self.follow(&mut under, &moment).await?;
            if !is_other {
                break due_us;
            }
        };
        under.kept.notified = under.progress.notified;
        under.kept.next_us = under.progress.next_us;
        // Whatever was left as it is by a rule is not asked again before time goes on.
        let due_us = due_us.map(|due| due.max(self.now_us + 1));
        self.shelf.save(self.tx, &under.kept, due_us).await?;
        self.news.due_us = self.news.due_us.into_iter().chain(due_us).min();
        Ok(())
    }

    /// An execution has run out of time; it may be tried again.
    async fn end_of_one(&mut self, under: &mut Under, ended: Execution, moment: &Moment) -> Result<(), StoreError> {
        let retry = ended.retry(moment, &under.kept.job);
        let thing = ended.thing.clone();
        let changes: Vec<_> =
            std::iter::once(Change::Update(ended)).chain(retry.into_iter().map(Change::Insert)).collect();
        self.change(&thing, &changes).await?;
        under.progress.counts = self.shelf.counts(self.tx, &under.kept.job.id).await?;
        Ok(())
    }

    /// What follows for the job from where it is; whether anything did.
    async fn follow(&mut self, under: &mut Under, moment: &Moment) -> Result<bool, StoreError> {
        let mut is_other = false;
        while let Some(advance) = rollout::advance(&under.kept.job, &under.progress, moment) {
            is_other = true;
            under.kept.job = advance.job;
            if let Some(stop) = advance.stop {
                self.stop(&under.kept.job, stop, moment).await?;
                under.progress.counts = self.shelf.counts(self.tx, &under.kept.job.id).await?;
            }
        }
        Ok(is_other)
    }

    /// Hands the job to the next thing, if its pace allows that now, and finds out when to ask again.
    async fn step(&mut self, under: &mut Under, moment: &Moment) -> Result<(), StoreError> {
        let (kept, progress) = (&mut under.kept, &mut under.progress);
        let wait = match rollout::step(&kept.job, progress, Arrival::First, moment, &self.limits) {
            Step::Create { next_us } => {
                let Some(thing) = self.shelf.take_target(self.tx, &kept.job.id).await? else {
                    kept.step_us = None;
                    return Ok(());
                };
                let fresh = Execution::new(kept.job.id.as_str(), thing.as_str(), moment.now_us);
                self.change(&thing, &[Change::Insert(fresh)]).await?;
                progress.next_us = next_us;
                progress.notified += 1;
                progress.waiting = progress.waiting.saturating_sub(1);
                progress.counts = with_one_queued(&progress.counts);
                Some(next_us)
            }
            Step::Wait { until_us } => until_us,
        };
        let wait = wait.filter(|_| progress.waiting > 0);
        kept.step_us = wait.map(|wait| wait.max(moment.now_us + 1));
        Ok(())
    }
}

impl Under {
    /// When time alone changes something next.
    fn due_us(&self, ends: Option<&Execution>) -> Option<u64> {
        let ends = ends.and_then(|one| one.due_us(None));
        ends.into_iter().chain(self.kept.step_us).chain(rollout::due_us(&self.kept.job)).min()
    }
}

fn with_one_queued(counts: &Counts) -> Counts {
    Counts::of(Status::ALL.map(|status| (status, counts.get(status) + u64::from(status == Status::Queued))))
}
