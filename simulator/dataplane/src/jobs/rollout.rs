//! How a job goes round: which thing gets its execution when, when the job stops by itself, when it is complete.
//!
//! It stands on [`pacing`](crate::pacing): the rate, its growth and its ceiling, and the share at which a rollout stops. Executions
//! are made one by one, evenly: whoever owns the rows asks [`step`], makes one if it may, keeps [`Progress::next_us`], and asks again
//! when it is told to.

use super::calendar::{Cron, Window};
use super::config::{AbortCriterion, Config, EndBehavior, FailureType};
use super::defect::Defect;
use super::execution::{Execution, Moment, Status};
use super::job::{Counts, Job, JobStatus};
use super::limits::Limits;
use crate::pacing::{Counting, Growth, Rate, Tally, Threshold};

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where its things are.
    pub counts: Counts,
    /// Things that an execution was made for, each once.
    pub notified: u64,
    /// Things of its targets that have none yet.
    pub waiting: u64,
    /// When the next may be made, in µs since 1970. Kept from [`Step::Create`].
    pub next_us: u64,
}

impl Progress {
    /// The same for the pace. Canceled and removed things have not ended it.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let count = |status| self.counts.get(status);
        let failed = count(Status::Failed) + count(Status::TimedOut) + count(Status::Rejected);
        let succeeded = count(Status::Succeeded);
        Tally { notified: self.notified, ended: succeeded + failed, succeeded, failed, next_us: self.next_us }
    }
}

/// Why a thing is to get an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was a target when the job was made.
    First,
    /// It has joined a group of a continuous job since: it is not held back by the rate.
    Joined,
}

/// What the pace says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One execution may be made.
    Create {
        /// To be kept as [`Progress::next_us`].
        next_us: u64,
    },
    /// Not before then, in µs since 1970; `None`: not until something else happens.
    Wait {
        /// When to ask again.
        until_us: Option<u64>,
    },
}

/// The rate of a job.
#[must_use]
pub fn rate(config: &Config, limits: &Limits) -> Rate {
    let most = config.rollout.maximum_per_minute.unwrap_or(u32::MAX).min(limits.per_minute);
    match config.rollout.exponential {
        None => Rate { per_minute: most, growth: None, ceiling: Some(most) },
        Some(grows) => {
            let counting = if grows.counts_succeeded { Counting::Succeeded } else { Counting::Notified };
            let growth =
                Growth { factor: grows.factor_tenths.saturating_mul(100), per: u64::from(grows.per), counting };
            Rate { per_minute: grows.base_per_minute, growth: Some(growth), ceiling: Some(most) }
        }
    }
}

/// Whether an execution of a job may be made now.
#[must_use]
pub fn step(job: &Job, progress: &Progress, arrival: Arrival, moment: &Moment, limits: &Limits) -> Step {
    if job.status == JobStatus::Scheduled {
        return Step::Wait { until_us: start_us(job) };
    }
    if job.status != JobStatus::InProgress || job.is_rollout_over {
        return Step::Wait { until_us: None };
    }
    if let Some(until_us) = closed_until(&job.config, moment.now_us) {
        return Step::Wait { until_us };
    }
    if arrival == Arrival::Joined {
        return Step::Create { next_us: progress.next_us };
    }
    let (rate, mut tally) = (rate(&job.config, limits), progress.tally());
    if moment.has(Defect::RateGrowsEarly) {
        let early = rate.growth.map_or(0, |growth| growth.per);
        tally = Tally { notified: tally.notified + early, succeeded: tally.succeeded + early, ..tally };
    }
    match rate.admit_us(&tally, moment.now_us) {
        Some(next_us) => Step::Create { next_us },
        None => Step::Wait { until_us: Some(progress.next_us) },
    }
}

fn start_us(job: &Job) -> Option<u64> {
    Some(job.config.scheduling.as_ref()?.start.as_ref()?.0)
}

fn end(job: &Job) -> Option<(u64, EndBehavior)> {
    job.config.scheduling.as_ref()?.end.as_ref().map(|(at, _, behavior)| (*at, *behavior))
}

/// Until when all maintenance windows are closed; `None`: one is open, or there are none.
fn closed_until(config: &Config, now_us: u64) -> Option<Option<u64>> {
    let windows = &config.scheduling.as_ref()?.windows;
    let mut opens: Option<u64> = None;
    for (cron, minutes) in windows {
        // What was read once is read again.
        match Cron::parse("startTime", cron).ok()?.window(*minutes, now_us) {
            Window::Open => return None,
            Window::Opens { at_us } => opens = Some(opens.map_or(at_us, |first| first.min(at_us))),
            Window::Never => {}
        }
    }
    (!windows.is_empty()).then_some(opens)
}

/// Which executions are canceled with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An abort: those that are queued. What devices have begun goes on.
    Abort,
    /// Somebody, or the schedule: those that are queued.
    Cancel,
    /// With force: all that have not ended.
    Force,
}

/// What has become of a job by time and by the ends of its executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The job as it is now.
    pub job: Job,
    /// Its executions to be handed to [`stopped`].
    pub stop: Option<Stop>,
}

/// What becomes of a job now; `None`: nothing. To be asked until nothing does.
#[must_use]
pub fn advance(job: &Job, progress: &Progress, moment: &Moment) -> Option<Advance> {
    let now_us = moment.now_us;
    let canceled = |reason: &str, comment: String, stop: Stop| {
        let job = job.cancel(now_us, Some(reason), Some(&comment), stop == Stop::Force).ok()?;
        Some(Advance { job, stop: Some(stop) })
    };
    let only = |job: Job| Some(Advance { job: Job { updated_us: now_us, ..job }, stop: None });
    if !job.status.is_open() {
        return None;
    }
    if let Some((at, behavior)) = end(job).filter(|(at, _)| *at <= now_us && !job.is_rollout_over) {
        let comment = format!("the schedule ended, {} µs since 1970", at);
        match behavior {
            EndBehavior::StopRollout => {
                return only(Job { is_rollout_over: true, status: JobStatus::InProgress, ..job.clone() });
            }
            EndBehavior::Cancel => return canceled("SCHEDULE_ENDED", comment, Stop::Cancel),
            EndBehavior::ForceCancel => return canceled("SCHEDULE_ENDED", comment, Stop::Force),
        }
    }
    if job.status == JobStatus::Scheduled {
        let begins = start_us(job).is_none_or(|at| at <= now_us);
        return if begins { only(Job { status: JobStatus::InProgress, ..job.clone() }) } else { None };
    }
    if let Some(criterion) = must_abort(&job.config, progress, moment.defect) {
        let (kind, percent) = (criterion.failure.name(), f64::from(criterion.threshold) / 100.0);
        return canceled("ABORTED", format!("{percent} % of those that ended are {kind}"), Stop::Abort);
    }
    let is_all = job.is_rollout_over || (!job.is_continuous && progress.waiting == 0);
    if is_all && progress.counts.pending() == 0 {
        return only(Job { status: JobStatus::Completed, completed_us: Some(now_us), ..job.clone() });
    }
    None
}

/// When time alone changes the job next: its start or its end.
#[must_use]
pub fn due_us(job: &Job) -> Option<u64> {
    match job.status {
        JobStatus::Scheduled => start_us(job).into_iter().chain(end(job).map(|(at, _)| at)).min(),
        JobStatus::InProgress if !job.is_rollout_over => end(job).map(|(at, _)| at),
        _ => None,
    }
}

/// The criterion of the abort rule that is met. What ended counts, and of it what ended so: things that wait for a retry
/// have not ended.
#[must_use]
pub fn must_abort(config: &Config, progress: &Progress, defect: Option<Defect>) -> Option<AbortCriterion> {
    let count = |status| progress.counts.get(status);
    let tally = progress.tally();
    config.abort.iter().copied().find(|criterion| {
        let missed = match criterion.failure {
            _ if defect == Some(Defect::AbortCountsFailedOnly) => count(Status::Failed),
            FailureType::Failed => count(Status::Failed),
            FailureType::Rejected => count(Status::Rejected),
            FailureType::TimedOut => count(Status::TimedOut),
            FailureType::All => tally.failed,
        };
        // Hundredths of a percent are hundreds of millionths.
        let threshold = Threshold { above: criterion.threshold.saturating_mul(100), after: u64::from(criterion.after) };
        threshold.is_reached(tally.ended, missed)
    })
}

/// The executions that are canceled with their job, as they are then. Their things are to be told:
/// [`Desk::pushes`](super::Desk::pushes) says what.
#[must_use]
pub fn stopped(job: &Job, stop: Stop, executions: &[Execution], moment: &Moment) -> Vec<Execution> {
    let force = stop == Stop::Force || (stop == Stop::Abort && moment.has(Defect::AbortKillsRunning));
    let of_job = executions.iter().filter(|one| one.job_id == job.id);
    of_job.filter_map(|one| one.cancel(moment, job, force).ok()).collect()
}
