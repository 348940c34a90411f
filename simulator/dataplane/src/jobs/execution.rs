//! An execution: one attempt of one job on one thing. Its states, its version, its timers.

use super::defect::Defect;
use super::error::JobError;
use super::job::Job;
use crate::pacing::{Miss, Retry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A minute, in µs.
pub(super) const MINUTE_US: u64 = 60_000_000;

/// Where an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It waits for its thing.
    Queued,
    /// Its thing has begun.
    InProgress,
    /// The thing says that it worked.
    Succeeded,
    /// The thing says that it did not work.
    Failed,
    /// A timer ran out.
    TimedOut,
    /// The thing would not do it.
    Rejected,
    /// The thing is no target any more.
    Removed,
    /// Somebody, or the abort rule, stopped it.
    Canceled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Removed,
        Self::Canceled,
    ];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The one that is written so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }

    /// Whether a device may ask for it; the others are the service's.
    #[must_use]
    pub const fn is_devices(self) -> bool {
        matches!(self, Self::InProgress | Self::Succeeded | Self::Failed | Self::Rejected)
    }

    /// Whether one leads to the other. IN_PROGRESS leads to itself: a device reports how far it is.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (_, Self::Queued) => false,
            // Only what has begun can take too long.
            (Self::Queued, Self::TimedOut) => false,
            (Self::Queued | Self::InProgress, _) => true,
            _ => false,
        }
    }
}

/// What a device does to the step timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepTimer {
    /// It ends so many minutes from now.
    Minutes(u16),
    /// There is none any more (-1).
    Discard,
}

/// What is known when an execution is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// µs since 1970.
    pub now_us: u64,
    /// The mistake that is planted.
    pub defect: Option<Defect>,
}

impl Moment {
    /// Whether this mistake is planted.
    #[must_use]
    pub fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

/// One attempt of one job on one thing. A retry is another one, with the next number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Of which job.
    pub job_id: String,
    /// For which thing.
    pub thing: String,
    /// Which attempt, from 1.
    pub number: u64,
    /// Where it is.
    pub status: Status,
    /// What the device has said about it.
    pub details: BTreeMap<String, String>,
    /// From 1; one more at every change.
    pub version: u64,
    /// When it was made, in µs since 1970.
    pub queued_us: u64,
    /// When it was begun.
    pub started_us: Option<u64>,
    /// When it was last changed.
    pub updated_us: u64,
    /// When its in-progress timer ends.
    pub in_progress_due_us: Option<u64>,
    /// When its step timer ends.
    pub step_due_us: Option<u64>,
    /// Attempts before this one that failed.
    pub failed_before: u32,
    /// Attempts before this one that took too long.
    pub timed_out_before: u32,
    /// It was in progress when it was canceled.
    #[serde(default)]
    pub force_canceled: bool,
}

impl Execution {
    /// The first attempt of a job on a thing.
    #[must_use]
    pub fn new(job_id: impl Into<String>, thing: impl Into<String>, now_us: u64) -> Self {
        Self {
            job_id: job_id.into(),
            thing: thing.into(),
            number: 1,
            status: Status::Queued,
            details: BTreeMap::new(),
            version: 1,
            queued_us: now_us,
            started_us: None,
            updated_us: now_us,
            in_progress_due_us: None,
            step_due_us: None,
            failed_before: 0,
            timed_out_before: 0,
            force_canceled: false,
        }
    }

    /// The first attempt after its thing has come back to the targets: the next number, and no miss counts any more.
    #[must_use]
    pub fn rejoin(&self, now_us: u64) -> Self {
        let fresh = Self::new(self.job_id.as_str(), self.thing.as_str(), now_us);
        Self { number: self.number.saturating_add(1), ..fresh }
    }

    /// Whether it is on the list of its thing.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        !self.status.is_terminal()
    }

    /// By what executions of a thing are told apart.
    #[must_use]
    pub fn key(&self) -> (&str, u64) {
        (&self.job_id, self.number)
    }

    /// The order in which a thing is handed its executions: those in progress first, then as they were made.
    #[must_use]
    pub fn turn(&self) -> (bool, u64, &str, u64) {
        (self.status == Status::Queued, self.queued_us, &self.job_id, self.number)
    }

    /// When time alone ends it: at the first end of its two timers.
    #[must_use]
    pub fn due_us(&self, defect: Option<Defect>) -> Option<u64> {
        if self.status != Status::InProgress {
            return None;
        }
        if defect == Some(Defect::StepOutlivesInProgress) && self.step_due_us.is_some() {
            return self.step_due_us;
        }
        self.in_progress_due_us.into_iter().chain(self.step_due_us).min()
    }

    /// `approximateSecondsBeforeTimedOut`: rounded up, and 0 when it is over.
    #[must_use]
    pub fn seconds_left(&self, moment: &Moment) -> Option<u64> {
        self.due_us(moment.defect).map(|due| due.saturating_sub(moment.now_us).div_ceil(1_000_000))
    }

    /// What it becomes. Timers begin with IN_PROGRESS and end with it; the step timer is set by `step`, and stays as it
    /// is without one.
    ///
    /// # Errors
    /// The status does not lead there.
    pub fn change(
        &self,
        moment: &Moment,
        job: &Job,
        to: Status,
        details: Option<&BTreeMap<String, String>>,
        step: Option<StepTimer>,
    ) -> Result<Self, JobError> {
        let is_rewritten = moment.has(Defect::TerminalRewritable) && to.is_devices();
        if !self.status.may_become(to) && !is_rewritten {
            return Err(JobError::no_transition(self, to));
        }
        let mut changed = self.clone();
        changed.status = to;
        changed.version = self.version.saturating_add(1);
        changed.updated_us = moment.now_us.max(self.updated_us);
        if let Some(details) = details {
            changed.details.clone_from(details);
        }
        if to != Status::InProgress {
            (changed.in_progress_due_us, changed.step_due_us) = (None, None);
            return Ok(changed);
        }
        if self.started_us.is_none() {
            changed.started_us = Some(moment.now_us);
            changed.in_progress_due_us =
                job.config.in_progress_minutes.map(|minutes| moment.now_us.saturating_add(minutes_us(minutes)));
        }
        match step {
            None => {}
            Some(StepTimer::Discard) => changed.step_due_us = None,
            Some(StepTimer::Minutes(minutes)) => {
                changed.step_due_us = Some(moment.now_us.saturating_add(minutes_us(minutes)));
            }
        }
        Ok(changed)
    }

    /// It, ended by time alone, if its time is over. It ended when its timer did, whenever that is noticed.
    #[must_use]
    pub fn settle(&self, moment: &Moment, job: &Job) -> Option<Self> {
        let due = self.due_us(moment.defect).filter(|due| *due <= moment.now_us)?;
        if moment.has(Defect::TimeoutForgotten) {
            return None;
        }
        self.change(&Moment { now_us: due, ..*moment }, job, Status::TimedOut, None, None).ok()
    }

    /// The next attempt after this one, if it ended in a way that is tried again, is the job's rule not used up, and the
    /// job not canceled.
    #[must_use]
    pub fn retry(&self, moment: &Moment, job: &Job) -> Option<Self> {
        let miss = self.miss()?;
        if !job.status.is_open() {
            return None;
        }
        let mut next = Self::new(self.job_id.as_str(), self.thing.as_str(), self.updated_us);
        next.number = self.number.saturating_add(1);
        (next.failed_before, next.timed_out_before) = self.missed();
        let is_tried_again = self.rules(job, miss).any(|(rule, used)| {
            rule.is_tried_again(miss, used) || (moment.has(Defect::RetryEndless) && rule.retries > 0)
        });
        is_tried_again.then_some(next)
    }

    /// The rules for such an end, with the attempts that count against each.
    fn rules(&self, job: &Job, miss: Miss) -> impl Iterator<Item = (Retry, u32)> {
        let (failed, timed_out) = self.missed();
        job.config.retries.iter().filter_map(|rule| Some((rule.retries, rule.failure.retries_on()?))).filter_map(
            move |(retries, on)| {
                let count = |kind: Miss, attempts: u32| if on.covers(kind) { attempts } else { 0 };
                let used = count(Miss::Failed, failed).saturating_add(count(Miss::TimedOut, timed_out));
                on.covers(miss).then_some((Retry { retries: u32::from(retries), on }, used))
            },
        )
    }

    /// How it ended, if in a way that may be tried again.
    const fn miss(&self) -> Option<Miss> {
        match self.status {
            Status::Failed => Some(Miss::Failed),
            Status::TimedOut => Some(Miss::TimedOut),
            _ => None,
        }
    }

    /// Attempts that failed and that took too long, with this one.
    fn missed(&self) -> (u32, u32) {
        let (failed, timed_out) = (self.status == Status::Failed, self.status == Status::TimedOut);
        (
            self.failed_before.saturating_add(u32::from(failed)),
            self.timed_out_before.saturating_add(u32::from(timed_out)),
        )
    }

    /// Attempts that may follow this one: after the end it had, or, while it has none, after the end that allows most.
    #[must_use]
    pub fn retries_left(&self, job: &Job) -> u32 {
        let ended = u32::from(self.miss().is_some());
        let left =
            |miss| self.rules(job, miss).map(|(rule, used)| rule.retries.saturating_add(ended).saturating_sub(used));
        match self.miss() {
            Some(miss) => left(miss).max().unwrap_or(0),
            None if self.status.is_terminal() => 0,
            None => left(Miss::Failed).chain(left(Miss::TimedOut)).max().unwrap_or(0),
        }
    }

    /// It, canceled. What is in progress only by force.
    ///
    /// # Errors
    /// It has ended, or is in progress and `force` is not given.
    pub fn cancel(&self, moment: &Moment, job: &Job, force: bool) -> Result<Self, JobError> {
        if self.status == Status::InProgress && !force {
            return Err(JobError::no_transition(self, Status::Canceled));
        }
        let mut canceled = self.change(moment, job, Status::Canceled, None, None)?;
        canceled.force_canceled = self.status == Status::InProgress;
        Ok(canceled)
    }

    /// It, after its thing has left the targets.
    ///
    /// # Errors
    /// It has ended.
    pub fn remove(&self, moment: &Moment, job: &Job) -> Result<Self, JobError> {
        self.change(moment, job, Status::Removed, None, None)
    }
}

fn minutes_us(minutes: u16) -> u64 {
    u64::from(minutes) * MINUTE_US
}

/// What a thing is handed next, of its executions.
pub fn next_of<'a>(executions: impl IntoIterator<Item = &'a Execution>) -> Option<&'a Execution> {
    executions.into_iter().filter(|one| one.is_pending()).min_by(|a, b| a.turn().cmp(&b.turn()))
}
