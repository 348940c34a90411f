//! How a deployment's pace is asked for and shown: the vendor's `phases` and `retries`, and `x_fleetproof`.

use super::rollout::Rollout;
use crate::pacing::{Batch, BatchSize, Counting, Growth, Pacing, Phases, Rate, RetryOn, Threshold};
use crate::refusal::Refusal;
use fleetproof_world::{read_rfc3339, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A phase of a new deployment: when it begins, and how many devices are in it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewPhase {
    /// Percent of the devices, rounded down to whole ones; only the last may leave it out, and takes the rest.
    #[serde(default)]
    batch_size: Option<u64>,
    /// So many devices, in place of `batch_size`; the same way in every phase.
    #[serde(default)]
    batch_size_devices: Option<u64>,
    /// RFC 3339; only the first may leave it out, and begins at once.
    #[serde(default)]
    #[schema(format = DateTime)]
    start_ts: Option<String>,
}

/// A phase of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownPhase {
    id: String,
    #[schema(format = DateTime)]
    start_ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size_devices: Option<u64>,
    /// Devices that have asked in it.
    device_count: u64,
}

/// What the vendor has no words for: how fast, how long, and when it stops.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pace {
    /// At most so many devices a minute begin an attempt, evenly: 600 are one every 100 ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<u32>,
    /// How the rate grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grows: Option<Grows>,
    /// Seconds that an attempt of a device may take; then it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    /// Seconds that a device may report nothing during an attempt; then it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_timeout: Option<f64>,
    /// Percent: when more of those that ended have failed, the deployment is aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_above: Option<f64>,
    /// Not before so many have ended; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_after: Option<u64>,
    /// After which ends of an attempt there is another one: `failed`, `timed_out`, or `all` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    retry_on: Option<RetryOn>,
}

/// How a rate grows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Grows {
    /// Times so much, at least 1, to three decimals.
    factor: f64,
    /// After each so many devices.
    per: u64,
    /// Devices that were `notified`, or that `succeeded`.
    #[schema(value_type = String)]
    counting: Counting,
}

/// The most that a time may be: a year, in ms.
const YEAR: f64 = 365.0 * 86_400_000.0;

/// A number with decimals as a whole number of its last one.
fn whole(name: &str, value: f64, unit: f64, least: f64, most: f64) -> Result<u64, Refusal> {
    let whole = (value * unit).round();
    if !whole.is_finite() || whole < least || whole > most {
        return Err(Refusal::bad_request(format!("{name}: must be from {} to {}", least / unit, most / unit)));
    }
    // In range: checked above.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(whole as u64)
}

impl Pace {
    fn rate(&self) -> Result<Option<Rate>, Refusal> {
        let growth = match &self.grows {
            None => None,
            Some(_) if self.rate.is_none() => return Err(Refusal::bad_request("grows: needs rate")),
            Some(Grows { per: 0, .. }) => return Err(Refusal::bad_request("grows.per: must be at least 1")),
            Some(grows) => Some(Growth {
                factor: u32::try_from(whole("grows.factor", grows.factor, 1e3, 1e3, 1e6)?).unwrap_or(u32::MAX),
                per: grows.per,
                counting: grows.counting,
            }),
        };
        match self.rate {
            Some(0) => Err(Refusal::bad_request("rate: must be at least 1")),
            rate => Ok(rate.map(|per_minute| Rate { per_minute, growth, ceiling: None })),
        }
    }

    fn threshold(&self) -> Result<Option<Threshold>, Refusal> {
        match (self.abort_above, self.abort_after) {
            (None, Some(_)) => Err(Refusal::bad_request("abort_after: needs abort_above")),
            (Some(_), Some(0)) => Err(Refusal::bad_request("abort_after: must be at least 1")),
            (Some(above), after) => {
                let above = u32::try_from(whole("abort_above", above, 1e4, 0.0, 1e6)?).unwrap_or(u32::MAX);
                Ok(Some(Threshold { above, after: after.unwrap_or(1) }))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The most attempts that are made again.
const MOST_RETRIES: i64 = 1_000;

/// The rules of a deployment, but for its phases, which need the devices.
pub(super) fn rules(retries: i64, pace: Option<&Pace>) -> Result<Pacing, Refusal> {
    let retries = u32::try_from(retries).ok().filter(|retries| i64::from(*retries) <= MOST_RETRIES);
    let retries = retries.ok_or_else(|| Refusal::bad_request(format!("retries: must be from 0 to {MOST_RETRIES}")))?;
    let pace = pace.cloned().unwrap_or_default();
    let time = |name: &str, seconds: Option<f64>| seconds.map(|time| whole(name, time, 1e3, 1.0, YEAR)).transpose();
    Ok(Pacing {
        phases: Phases::default(),
        rate: pace.rate()?,
        retries,
        retry_on: pace.retry_on.unwrap_or_default(),
        timeout: time("timeout", pace.timeout)?,
        step_timeout: time("step_timeout", pace.step_timeout)?,
        threshold: pace.threshold()?,
    })
}

/// The batches that are asked for.
pub(super) fn batches(phases: &[NewPhase]) -> Result<Vec<Batch>, Refusal> {
    let batch = |(number, phase): (usize, &NewPhase)| {
        let size = match (phase.batch_size, phase.batch_size_devices) {
            (Some(_), Some(_)) => {
                let why = format!("phases[{number}]: either batch_size or batch_size_devices");
                return Err(Refusal::bad_request(why));
            }
            (Some(percent), None) => Some(BatchSize::Percent(percent)),
            (None, devices) => devices.map(BatchSize::Devices),
        };
        let start = phase.start_ts.as_deref().map(|start| {
            read_rfc3339(start).ok_or_else(|| {
                Refusal::bad_request(format!("phases[{number}]: start_ts is no time like 2026-11-30T08:00:00Z"))
            })
        });
        Ok(Batch { size, start: start.transpose()? })
    };
    phases.iter().enumerate().map(batch).collect()
}

/// The phases of a deployment, and how many devices have asked in each; `None` when it has none.
pub(super) fn shown_phases(rollout: &Rollout) -> Option<Vec<ShownPhase>> {
    let phases = &rollout.pacing.phases;
    let shown = phases.filled(rollout.tally.notified).map(|(phase, device_count)| ShownPhase {
        id: phase.id.clone(),
        start_ts: rfc3339(phase.start),
        batch_size: phase.asked.and_then(|size| if let BatchSize::Percent(size) = size { Some(size) } else { None }),
        batch_size_devices: phase
            .asked
            .and_then(|size| if let BatchSize::Devices(size) = size { Some(size) } else { None }),
        device_count,
    });
    (!phases.is_empty()).then(|| shown.collect())
}

#[expect(clippy::cast_precision_loss, reason = "at most a year of ms")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// What the vendor has no words for, as it was asked for; `None` when nothing was.
pub(super) fn shown_pace(pacing: &Pacing) -> Option<Pace> {
    let growth = pacing.rate.and_then(|rate| rate.growth);
    let pace = Pace {
        rate: pacing.rate.map(|rate| rate.per_minute),
        grows: growth.map(|growth| Grows {
            factor: f64::from(growth.factor) / 1e3,
            per: growth.per,
            counting: growth.counting,
        }),
        timeout: pacing.timeout.map(seconds),
        step_timeout: pacing.step_timeout.map(seconds),
        abort_above: pacing.threshold.map(|threshold| f64::from(threshold.above) / 1e4),
        abort_after: pacing.threshold.map(|threshold| threshold.after),
        retry_on: (pacing.retries > 0).then_some(pacing.retry_on),
    };
    let is_asked = pace.rate.is_some()
        || pace.timeout.is_some()
        || pace.step_timeout.is_some()
        || pace.abort_above.is_some()
        || pacing.retry_on != RetryOn::All;
    is_asked.then_some(pace)
}
