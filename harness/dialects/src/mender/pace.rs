//! Verbs about how fast a deployment goes round: what is asked for, pause and continue, how far it is.

use super::session::Session;
use super::{Call, Mender, text};
use crate::answer::Result;
use fleetproof_world::rfc3339;
use serde_json::{Map, Value, json};

/// A phase that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSpec {
    /// Whole percent of the devices; the last takes the rest.
    pub percent: Option<u32>,
    /// When it begins, ms since 1970; the first may begin at once.
    pub start_ms: Option<u64>,
}

/// How a rate grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthSpec {
    /// Thousandths.
    pub factor: u32,
    /// After each so many devices.
    pub per: u32,
    /// `notified` or `succeeded`.
    pub counting: &'static str,
}

/// The pace of a deployment as a scenario declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaceSpec {
    /// In this order; none: everybody at once.
    pub phases: Vec<PhaseSpec>,
    /// Devices a minute.
    pub rate: Option<u64>,
    /// How it grows.
    pub grows: Option<GrowthSpec>,
    /// How often a device may try again.
    pub retries: u32,
    /// `failed`, `timed_out` or `all`.
    pub retry_on: Option<&'static str>,
    /// ms that an attempt may take.
    pub timeout: Option<u64>,
    /// ms that a device may report nothing in an attempt.
    pub step_timeout: Option<u64>,
    /// Millionths of those that ended.
    pub abort_above: Option<u32>,
    /// Not before so many have ended.
    pub abort_after: Option<u32>,
}

#[expect(clippy::cast_precision_loss, reason = "times of at most a year, in ms")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

impl PaceSpec {
    /// What stands in the body of a new deployment; nothing for all at once.
    #[must_use]
    pub fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let phase = |phase: &PhaseSpec| {
            let mut shown = Map::new();
            shown.extend(phase.percent.map(|percent| ("batch_size".to_owned(), json!(percent))));
            shown.extend(phase.start_ms.map(|start| ("start_ts".to_owned(), json!(rfc3339(start)))));
            Value::Object(shown)
        };
        if !self.phases.is_empty() {
            body.insert("phases".to_owned(), self.phases.iter().map(phase).collect());
        }
        if self.retries > 0 {
            body.insert("retries".to_owned(), json!(self.retries));
        }
        let grows = self.grows.as_ref().map(
            |grows| json!({ "factor": f64::from(grows.factor) / 1e3, "per": grows.per, "counting": grows.counting }),
        );
        let ours = [
            ("rate", self.rate.map(|rate| json!(rate))),
            ("grows", grows),
            ("timeout", self.timeout.map(|ms| json!(seconds(ms)))),
            ("step_timeout", self.step_timeout.map(|ms| json!(seconds(ms)))),
            ("abort_above", self.abort_above.map(|share| json!(f64::from(share) / 1e4))),
            ("abort_after", self.abort_after.map(|after| json!(after))),
            ("retry_on", self.retry_on.map(|on| json!(on))),
        ];
        let ours: Map<_, _> = ours.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        if !ours.is_empty() {
            body.insert("x_fleetproof".to_owned(), Value::Object(ours));
        }
        body
    }
}

/// How far a deployment is, as the platform tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct PaceRow {
    /// `scheduled`, `running`, `paused`, `aborted`, `finished`.
    pub state: String,
    /// `user` or `threshold`, once it is aborted.
    pub aborted_by: Option<String>,
    /// The whole document.
    pub raw: Value,
}

impl Mender {
    /// How far a deployment is, and how fast it goes.
    ///
    /// # Errors
    /// Refused with 404 when there is none.
    pub async fn pace(&self, by: &Session, id: &str) -> Result<PaceRow> {
        let raw = self.fetch(by, Call::new("x_fleetproof Show Pace").path(&[("deployment_id", id)])).await?;
        let aborted_by = raw.get("aborted_by").and_then(Value::as_str).map(str::to_owned);
        Ok(PaceRow { state: text(&raw, "state"), aborted_by, raw })
    }

    /// Pauses a deployment, or lets it go on.
    ///
    /// # Errors
    /// Refused with 404 when there is none, 422 when it has ended.
    pub async fn set_pace(&self, by: &Session, id: &str, paused: bool) -> Result<()> {
        let body = json!({ "state": if paused { "paused" } else { "running" } });
        let call = Call::new("x_fleetproof Set Pace").path(&[("deployment_id", id)]).json(body);
        self.call(by, call).await.map(drop)
    }

    /// Keeps a search for these devices, whether they are in yet or come in later, and returns its id. `attribute` is
    /// one of their identity.
    ///
    /// # Errors
    /// Refused with 409 when the name is taken.
    pub async fn save_search(&self, by: &Session, name: &str, attribute: &str, values: &[String]) -> Result<String> {
        let term = json!({ "scope": "identity", "attribute": attribute, "type": "$in", "value": values });
        let call = Call::new("Create Filter").json(json!({ "name": name, "terms": [term] }));
        super::created(&self.call(by, call).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_what_the_platform_takes() {
        assert_eq!(PaceSpec::default().body(), Map::new());
        let spec = PaceSpec {
            phases: vec![
                PhaseSpec { percent: Some(20), start_ms: None },
                PhaseSpec { percent: None, start_ms: Some(1_795_325_220_123) },
            ],
            rate: Some(600),
            grows: Some(GrowthSpec { factor: 1_500, per: 10, counting: "succeeded" }),
            retries: 2,
            retry_on: Some("failed"),
            timeout: Some(30_000),
            step_timeout: Some(2_500),
            abort_above: Some(250_000),
            abort_after: Some(10),
        };
        let due = json!({
            "phases": [{ "batch_size": 20 }, { "start_ts": "2026-11-22T05:27:00.123Z" }],
            "retries": 2,
            "x_fleetproof": {
                "rate": 600, "grows": { "factor": 1.5, "per": 10, "counting": "succeeded" }, "timeout": 30.0,
                "step_timeout": 2.5, "abort_above": 25.0, "abort_after": 10, "retry_on": "failed",
            },
        });
        assert_eq!(Value::Object(spec.body()), due);
    }
}
