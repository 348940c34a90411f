//! How a deployment goes round: who may begin, how attempts end, what time alone ends. The rules are those of
//! [`crate::pacing`]; here they meet the clock and the rows.
//!
//! Whoever reads or changes a deployment calls [`settle`] first, in the same transaction: what the rules say is over is
//! over for every reader, although nobody polled when it was. Whoever changes one holds it first: changes of one
//! deployment come one after the other, on every database.

use super::deployment_status::Progress;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::pacing::{Miss, Pacing, Ruling, Tally};
use crate::store::{Row, StoreError, Transaction, Tx};

/// A deployment as far as its pace goes.
#[derive(Debug)]
pub(super) struct Rollout {
    pub(super) pacing: Pacing,
    pub(super) tally: Tally,
    pub(super) is_paused: bool,
    /// It has begun, but for its first phase.
    pub(super) is_scheduled: bool,
    pub(super) finished_at: Option<u64>,
    /// `user` or `threshold`.
    pub(super) aborted_by: Option<String>,
    devices: u64,
}

/// What a rollout does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Scheduled,
    Running,
    Paused,
    Aborted,
    Finished,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Aborted => "aborted",
            Self::Finished => "finished",
        }
    }
}

/// Who stopped a deployment before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopper {
    User,
    Threshold,
}

impl Rollout {
    /// Of a row of `deployments`, after it was settled.
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let time = |at: Option<i64>| at.and_then(|at| u64::try_from(at).ok());
        Ok(Self {
            pacing: row.json("pacing")?,
            tally: Tally {
                notified: row.time("notified")?,
                ended: row.time("ended")?,
                succeeded: row.time("succeeded")?,
                failed: row.time("failed")?,
                next_us: row.time("next_us")?,
            },
            is_paused: row.truth("paused")?,
            is_scheduled: row.text("status")? == "scheduled",
            finished_at: time(row.maybe_int("finished_at")?),
            aborted_by: row.maybe_text("aborted_by")?,
            devices: row.time("device_count")?,
        })
    }

    pub(super) fn state(&self) -> State {
        match (&self.aborted_by, self.finished_at) {
            (Some(_), _) => State::Aborted,
            (None, Some(_)) => State::Finished,
            _ if self.is_paused => State::Paused,
            _ if self.is_scheduled => State::Scheduled,
            _ => State::Running,
        }
    }

    /// Whether a device may begin an attempt, and when the next one may then; `again`: it has made one.
    fn may_begin(&self, app: &Platform, now: u64, again: bool) -> Option<u64> {
        if self.is_paused && !app.defect(DefectId::PauseStillOffers) {
            return None;
        }
        let counted = if app.defect(DefectId::RateGrowsWithAnybody) {
            Tally { succeeded: self.tally.notified, ..self.tally }
        } else {
            self.tally
        };
        let is_counted = again || app.defect(DefectId::PhaseStartsEarly);
        match self.pacing.may_begin(&counted, now, is_counted) {
            Ruling::Now { next_us } => Some(next_us),
            Ruling::Rate if app.defect(DefectId::RateNotObeyed) => Some(self.tally.next_us),
            Ruling::Phase | Ruling::Rate => None,
        }
    }

    fn must_abort(&self, app: &Platform) -> bool {
        if app.defect(DefectId::ThresholdCountsAll) {
            return self.pacing.must_abort(&Tally { ended: self.devices, ..self.tally });
        }
        self.pacing.must_abort(&self.tally)
    }

    fn is_tried_again(&self, app: &Platform, miss: Miss, attempts: u32) -> bool {
        let attempts = match attempts {
            _ if app.defect(DefectId::RetryForgotten) => return false,
            attempts if app.defect(DefectId::RetryOnceTooOften) && self.pacing.retries > 0 => attempts - 1,
            attempts => attempts,
        };
        self.pacing.is_tried_again(miss, attempts)
    }

    /// When an attempt is over by time alone.
    fn due(&self, app: &Platform, began: u64, told: u64) -> Option<u64> {
        if app.defect(DefectId::TimeoutNever) {
            return None;
        }
        self.pacing.due(began, if app.defect(DefectId::StepTimeoutNotReset) { began } else { told })
    }
}

/// Whether a device that asks could begin now, as far as that is known without holding the deployment.
pub(super) fn might_begin(app: &Platform, row: &Row, again: bool) -> Result<bool, StoreError> {
    Ok(Rollout::read(row)?.may_begin(app, app.now_ms(), again).is_some())
}

/// Nobody else changes the deployment until this transaction ends.
pub(super) async fn hold(tx: &mut Transaction, deployment: &str) -> Result<(), StoreError> {
    tx.execute("update deployments set notified = notified where id = $1", args![deployment]).await.map(drop)
}

async fn find(tx: &mut Transaction, deployment: &str) -> Result<Option<Rollout>, StoreError> {
    let row = tx.first("select * from deployments where id = $1 order by id", args![deployment]).await?;
    row.map(|row| Rollout::read(&row)).transpose()
}

/// Something may change by time alone then.
async fn due_by(tx: &mut Transaction, deployment: &str, due: Option<u64>) -> Result<(), StoreError> {
    let Some(due) = due else { return Ok(()) };
    let sql = "update deployments set due_at = $2 where id = $1 and (due_at is null or due_at > $2)";
    tx.execute(sql, args![deployment, due]).await.map(drop)
}

/// Lets a device begin an attempt, if the rollout may tell it now. The deployment is held.
pub(super) async fn begin(
    app: &Platform,
    tx: &mut Transaction,
    deployment: &str,
    device: &str,
) -> Result<bool, StoreError> {
    let Some(rollout) = find(tx, deployment).await? else { return Ok(false) };
    let sql = "select attempts from device_deployments where deployment_id = $1 and device_id = $2 and open = 1 \
               and began_at is null order by device_id";
    let Some(part) = tx.first(sql, args![deployment, device]).await? else { return Ok(false) };
    let again = part.int("attempts")? > 0;
    let now = app.now_ms();
    let Some(next_us) = rollout.may_begin(app, now, again) else { return Ok(false) };
    let phase = if again { None } else { rollout.pacing.phases.of(rollout.tally.notified) };
    tx.execute(
        "update device_deployments set attempts = attempts + 1, began_at = $3, told_at = $3, \
         phase = coalesce(phase, $4) where deployment_id = $1 and device_id = $2",
        args![deployment, device, now, phase],
    )
    .await?;
    tx.execute(
        "update deployments set notified = notified + $2, next_us = $3 where id = $1",
        args![deployment, !again, next_us],
    )
    .await?;
    due_by(tx, deployment, rollout.due(app, now, now)).await?;
    Ok(true)
}

/// Ends what time alone has ended in the deployments of a tenant.
pub(super) async fn settle(app: &Platform, tx: &mut Transaction, tenant: &str) -> Result<(), StoreError> {
    let sql = "select id from deployments where tenant_id = $1 and due_at <= $2 and finished_at is null \
               order by due_at, id";
    for row in tx.query(sql, args![tenant, app.now_ms()]).await? {
        settle_one(app, tx, &row.text("id")?).await?;
    }
    Ok(())
}

async fn settle_one(app: &Platform, tx: &mut Transaction, deployment: &str) -> Result<(), StoreError> {
    hold(tx, deployment).await?;
    let now = app.now_ms();
    let begun = "update deployments set status = 'pending' where id = $1 and status = 'scheduled'";
    let Some(rollout) = find(tx, deployment).await? else { return Ok(()) };
    if rollout.pacing.phases.first_start().is_some_and(|start| start <= now) {
        tx.execute(begun, args![deployment]).await?;
    }
    let sql = "select device_id, began_at, told_at from device_deployments \
               where deployment_id = $1 and began_at is not null order by device_id";
    let (mut over, mut next) = (Vec::new(), rollout.pacing.phases.next_start(now).filter(|_| rollout.is_scheduled));
    for row in tx.query(sql, args![deployment]).await? {
        match rollout.due(app, row.time("began_at")?, row.time("told_at")?) {
            Some(due) if due <= now => over.push((due, row.text("device_id")?)),
            due => next = next.into_iter().chain(due).min(),
        }
    }
    // In the order in which they would have been seen, had somebody looked all the time.
    over.sort_unstable();
    for (due, device) in over {
        miss(app, tx, deployment, &device, Miss::TimedOut, due).await?;
    }
    tx.execute("update deployments set due_at = $2 where id = $1", args![deployment, next]).await.map(drop)
}

/// An attempt did not succeed: the device may try again, or has ended. The deployment is held.
pub(super) async fn miss(
    app: &Platform,
    tx: &mut Transaction,
    deployment: &str,
    device: &str,
    miss: Miss,
    at: u64,
) -> Result<(), StoreError> {
    let Some(rollout) = find(tx, deployment).await? else { return Ok(()) };
    let sql = "select attempts from device_deployments where deployment_id = $1 and device_id = $2 and open = 1 \
               order by device_id";
    let Some(part) = tx.first(sql, args![deployment, device]).await? else { return Ok(()) };
    let attempts = u32::try_from(part.int("attempts")?).unwrap_or(u32::MAX);
    let (how, substate) = match miss {
        Miss::Failed => ("failed", None),
        Miss::TimedOut => ("timed_out", Some("timed out")),
    };
    let sql = "update device_deployments set missed = $3, substate = coalesce(cast($4 as text), substate) \
               where deployment_id = $1 and device_id = $2";
    tx.execute(sql, args![deployment, device, how, substate]).await?;
    if !rollout.is_tried_again(app, miss, attempts) {
        return end(app, tx, deployment, device, Progress::Failure, at).await;
    }
    let sql = "update device_deployments set status = 'pending', substate = null, began_at = null, told_at = null \
               where deployment_id = $1 and device_id = $2";
    tx.execute(sql, args![deployment, device]).await.map(drop)
}

/// Ends a device's part in a deployment; the deployment with the last device, or when too many have failed. It is held.
pub(super) async fn end(
    app: &Platform,
    tx: &mut Transaction,
    deployment: &str,
    device: &str,
    how: Progress,
    at: u64,
) -> Result<(), StoreError> {
    let ended = tx
        .execute(
            "update device_deployments set status = $3, open = 0, finished_at = $4, began_at = null, told_at = null \
             where deployment_id = $1 and device_id = $2 and open = 1",
            args![deployment, device, how.name(), at],
        )
        .await?;
    if ended == 0 {
        return Ok(());
    }
    let counts = !matches!(how, Progress::Aborted | Progress::Decommissioned);
    tx.execute(
        "update deployments set unfinished = unfinished - 1, status = 'inprogress', ended = ended + $2, \
         succeeded = succeeded + $3, failed = failed + $4 where id = $1 and finished_at is null",
        args![deployment, counts, how == Progress::Success, how == Progress::Failure],
    )
    .await?;
    tx.execute(
        "update deployments set status = 'finished', finished_at = $2 where id = $1 and finished_at is null \
         and unfinished = 0 and (dynamic = 0 or (max_devices is not null and device_count >= max_devices))",
        args![deployment, at],
    )
    .await?;
    if app.defect(DefectId::PauseLost) {
        tx.execute("update deployments set paused = 0 where id = $1", args![deployment]).await?;
    }
    match find(tx, deployment).await? {
        Some(rollout) if rollout.finished_at.is_none() && rollout.must_abort(app) => {
            stop(app, tx, deployment, Stopper::Threshold, at).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// Stops a deployment before its time: who has ended keeps that, everybody else has been aborted. False when it had
/// ended. It is held.
pub(super) async fn stop(
    app: &Platform,
    tx: &mut Transaction,
    deployment: &str,
    by: Stopper,
    at: u64,
) -> Result<bool, StoreError> {
    let name = if by == Stopper::User { "user" } else { "threshold" };
    let stopped = tx
        .execute(
            "update deployments set status = 'finished', finished_at = $2, unfinished = 0, aborted_by = $3 \
             where id = $1 and finished_at is null",
            args![deployment, at, name],
        )
        .await?;
    if stopped == 0 {
        return Ok(false);
    }
    let sql = if by == Stopper::User && app.defect(DefectId::AbortMissesRunning) {
        "update device_deployments set status = 'aborted', open = 0, finished_at = $2 \
         where deployment_id = $1 and open = 1 and status = 'pending'"
    } else if by == Stopper::Threshold && app.defect(DefectId::AbortedRolloutGoesOn) {
        "update device_deployments set status = 'aborted', open = 0, finished_at = $2, began_at = null \
         where deployment_id = $1 and open = 1 and status <> 'pending'"
    } else {
        "update device_deployments set status = 'aborted', open = 0, finished_at = $2, began_at = null \
         where deployment_id = $1 and open = 1"
    };
    tx.execute(sql, args![deployment, at]).await?;
    Ok(true)
}

/// Ends all that a device has not ended; how many that were.
pub(super) async fn end_all(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    how: Progress,
) -> Result<usize, StoreError> {
    settle(app, tx, tenant).await?;
    let sql = "select deployment_id from device_deployments \
               where device_id = $1 and open = 1 and tenant_id = $2 order by seq, deployment_id";
    let open = tx.query(sql, args![device, tenant]).await?;
    for row in &open {
        let deployment = row.text("deployment_id")?;
        hold(tx, &deployment).await?;
        end(app, tx, &deployment, device, how, app.now_ms()).await?;
    }
    Ok(open.len())
}
