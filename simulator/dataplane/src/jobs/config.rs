//! The configuration of a job: how fast, when it stops by itself, how long, how often, from when to when. Each part is read
//! from the JSON of CreateJob, checked whole, and written as DescribeJob shows it.

use super::calendar::{Cron, parse_moment};
use super::error::JobError;
use super::fields::Fields;
use crate::pacing::RetryOn;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Minutes of a week, the longest timer.
const WEEK_MINUTES: i64 = 10_080;

/// How far ahead a start must be, in µs.
const AHEAD_US: u64 = 30 * 60_000_000;

/// The farthest that a start may be ahead, in µs: a year.
const FARTHEST_US: u64 = 366 * 86_400_000_000;

/// Windows that a job may have.
const MOST_WINDOWS: usize = 10;

/// Which ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureType {
    /// Those that devices call failed.
    Failed,
    /// Those that devices would not do.
    Rejected,
    /// Those that took too long.
    TimedOut,
    /// All of these (for a retry: failed and timed out).
    All,
}

impl FailureType {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::All => "ALL",
        }
    }

    /// The same for a retry; what was rejected is never tried again.
    #[must_use]
    pub const fn retries_on(self) -> Option<RetryOn> {
        match self {
            Self::Failed => Some(RetryOn::Failed),
            Self::TimedOut => Some(RetryOn::TimedOut),
            Self::All => Some(RetryOn::All),
            Self::Rejected => None,
        }
    }
}

/// `jobExecutionsRolloutConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutConfig {
    /// Executions a minute, at most: also of a rate that grows, or begins, beyond it.
    pub maximum_per_minute: Option<u32>,
    /// How the rate grows.
    pub exponential: Option<ExponentialRate>,
}

/// `exponentialRate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExponentialRate {
    /// Executions a minute, to begin with.
    pub base_per_minute: u32,
    /// What the rate is multiplied with, in tenths.
    pub factor_tenths: u32,
    /// After so many things each.
    pub per: u32,
    /// Those that succeeded count; else those that were notified.
    pub counts_succeeded: bool,
}

impl RolloutConfig {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, JobError> {
        let maximum_per_minute = small(fields.whole("maximumPerMinute", 1..=i64::from(u32::MAX))?);
        let exponential = fields.object("exponentialRate")?.map(|rate| ExponentialRate::read(&rate)).transpose()?;
        Ok(Self { maximum_per_minute, exponential })
    }

    fn write(&self) -> Option<Value> {
        let mut map = Map::new();
        if let Some(most) = self.maximum_per_minute {
            map.insert("maximumPerMinute".to_owned(), json!(most));
        }
        if let Some(rate) = &self.exponential {
            let counting = if rate.counts_succeeded { "numberOfSucceededThings" } else { "numberOfNotifiedThings" };
            map.insert(
                "exponentialRate".to_owned(),
                json!({"baseRatePerMinute": rate.base_per_minute, "incrementFactor": f64::from(rate.factor_tenths) / 10.0,
                    "rateIncreaseCriteria": {counting: rate.per}}),
            );
        }
        (!map.is_empty()).then_some(Value::Object(map))
    }
}

impl ExponentialRate {
    fn read(fields: &Fields<'_>) -> Result<Self, JobError> {
        let base = small(fields.whole("baseRatePerMinute", 1..=1_000)?);
        let factor =
            fields.scaled("incrementFactor", 10, 11..=50, "a number from 1.1 to 5 with one decimal at most")?;
        let criteria = fields.object("rateIncreaseCriteria")?;
        let criteria = fields.need("rateIncreaseCriteria", criteria)?;
        let most = 1..=i64::from(u32::MAX);
        let notified = small(criteria.whole("numberOfNotifiedThings", most.clone())?);
        let succeeded = small(criteria.whole("numberOfSucceededThings", most)?);
        let (per, counts_succeeded) = match (notified, succeeded) {
            (Some(notified), None) => (notified, false),
            (None, Some(succeeded)) => (succeeded, true),
            _ => {
                return Err(fields.refuse(
                    "rateIncreaseCriteria",
                    "an object with one of numberOfNotifiedThings and numberOfSucceededThings",
                ));
            }
        };
        Ok(Self {
            base_per_minute: fields.need("baseRatePerMinute", base)?,
            factor_tenths: fields.need("incrementFactor", factor)?,
            per,
            counts_succeeded,
        })
    }
}

/// A criterion of `abortConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortCriterion {
    /// Which ends count.
    pub failure: FailureType,
    /// At this share of those that have ended, in hundredths of a percent.
    pub threshold: u32,
    /// Not before so many have ended.
    pub after: u32,
}

impl AbortCriterion {
    fn read(fields: &Fields<'_>) -> Result<Self, JobError> {
        let kinds = [FailureType::Failed, FailureType::Rejected, FailureType::TimedOut, FailureType::All];
        let failure = fields.word("failureType", &kinds.map(|kind| (kind.name(), kind)))?;
        fields.need("action", fields.word("action", &[("CANCEL", ())])?)?;
        let bound = "a number from 0 to 100 with two decimals at most";
        let threshold = fields.scaled("thresholdPercentage", 100, 0..=10_000, bound)?;
        let after = small(fields.whole("minNumberOfExecutedThings", 1..=i64::from(u32::MAX))?);
        Ok(Self {
            failure: fields.need("failureType", failure)?,
            threshold: fields.need("thresholdPercentage", threshold)?,
            after: fields.need("minNumberOfExecutedThings", after)?,
        })
    }

    fn write(&self) -> Value {
        json!({"failureType": self.failure.name(), "action": "CANCEL",
            "thresholdPercentage": f64::from(self.threshold) / 100.0, "minNumberOfExecutedThings": self.after})
    }
}

/// A criterion of `jobExecutionsRetryConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryCriterion {
    /// Which ends are tried again: FAILED, TIMED_OUT or ALL.
    pub failure: FailureType,
    /// How often.
    pub retries: u8,
}

/// The most retries, of all criteria together.
const MOST_RETRIES: u8 = 10;

impl RetryCriterion {
    fn read(fields: &Fields<'_>) -> Result<Self, JobError> {
        let kinds = [FailureType::Failed, FailureType::TimedOut, FailureType::All];
        let failure = fields.word("failureType", &kinds.map(|kind| (kind.name(), kind)))?;
        let retries = fields.whole("numberOfRetries", 0..=i64::from(MOST_RETRIES))?.and_then(|n| u8::try_from(n).ok());
        Ok(Self { failure: fields.need("failureType", failure)?, retries: fields.need("numberOfRetries", retries)? })
    }

    fn read_all(fields: &Fields<'_>) -> Result<Vec<Self>, JobError> {
        let list = fields.objects("criteriaList", 1..=2)?;
        if list.is_empty() {
            return Err(fields.refuse("criteriaList", "a list of 1 to 2 entries"));
        }
        let rules = list.iter().map(Self::read).collect::<Result<Vec<_>, _>>()?;
        if let [first, second] = rules[..] {
            let is_once =
                first.failure != second.failure && ![first.failure, second.failure].contains(&FailureType::All);
            if !is_once {
                let given = format!("{} and {}", first.failure.name(), second.failure.name());
                return Err(JobError::invalid(
                    fields.path("criteriaList"),
                    "FAILED and TIMED_OUT, or ALL alone",
                    given,
                ));
            }
            let sum = first.retries + second.retries;
            if sum > MOST_RETRIES {
                let bound = format!("at most {MOST_RETRIES} retries together");
                return Err(JobError::invalid(fields.path("criteriaList"), bound, sum));
            }
        }
        Ok(rules)
    }
}

/// What becomes of a job at the end of its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndBehavior {
    /// No further execution is made; those there are go on.
    StopRollout,
    /// Queued executions are canceled.
    Cancel,
    /// All executions are canceled.
    ForceCancel,
}

impl EndBehavior {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StopRollout => "STOP_ROLLOUT",
            Self::Cancel => "CANCEL",
            Self::ForceCancel => "FORCE_CANCEL",
        }
    }
}

/// `schedulingConfig`. Times keep the text they were written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// When the rollout begins, and as it was written.
    pub start: Option<(u64, String)>,
    /// When it ends, as it was written, and what happens then.
    pub end: Option<(u64, String, EndBehavior)>,
    /// When it may go on: cron expressions and minutes.
    pub windows: Vec<(String, u16)>,
}

impl Scheduling {
    fn read(fields: &Fields<'_>, now_us: u64) -> Result<Self, JobError> {
        let time = |name: &str| -> Result<Option<(u64, String)>, JobError> {
            let Some(text) = fields.text(name, 64)? else { return Ok(None) };
            let at = parse_moment(text).ok_or_else(|| fields.refuse(name, "a time in UTC as YYYY-MM-DDTHH:MM"))?;
            Ok(Some((at, text.to_owned())))
        };
        let start = time("startTime")?;
        let from = now_us.saturating_add(AHEAD_US);
        if let Some((at, text)) = &start
            && !(from..=now_us.saturating_add(FARTHEST_US)).contains(at)
        {
            return Err(JobError::invalid(fields.path("startTime"), "30 minutes to 1 year ahead", text));
        }
        let end = time("endTime")?;
        let begins = start.as_ref().map_or(now_us, |(at, _)| *at);
        if let Some((at, text)) = &end
            && *at < begins.saturating_add(AHEAD_US)
        {
            return Err(JobError::invalid(fields.path("endTime"), "at least 30 minutes after the start", text));
        }
        let behaviors = [EndBehavior::StopRollout, EndBehavior::Cancel, EndBehavior::ForceCancel];
        let behavior = fields.word("endBehavior", &behaviors.map(|one| (one.name(), one)))?;
        let end = match (end, behavior) {
            (Some((at, text)), behavior) => Some((at, text, behavior.unwrap_or(EndBehavior::StopRollout))),
            (None, None) => None,
            (None, Some(_)) => return Err(fields.refuse("endBehavior", "absent without endTime")),
        };
        let mut windows = Vec::new();
        for window in fields.objects("maintenanceWindows", 0..=MOST_WINDOWS)? {
            let cron = window.text("startTime", 256)?;
            let cron = window.need("startTime", cron)?;
            Cron::parse(&window.path("startTime"), cron)?;
            let minutes = window.whole("durationInMinutes", 1..=1_430)?.and_then(|n| u16::try_from(n).ok());
            windows.push((cron.to_owned(), window.need("durationInMinutes", minutes)?));
        }
        Ok(Self { start, end, windows })
    }

    fn write(&self) -> Value {
        let mut map = Map::new();
        if let Some((_, text)) = &self.start {
            map.insert("startTime".to_owned(), json!(text));
        }
        if let Some((_, text, behavior)) = &self.end {
            map.insert("endTime".to_owned(), json!(text));
            map.insert("endBehavior".to_owned(), json!(behavior.name()));
        }
        if !self.windows.is_empty() {
            let windows: Vec<_> = self
                .windows
                .iter()
                .map(|(cron, minutes)| json!({"startTime": cron, "durationInMinutes": minutes}))
                .collect();
            map.insert("maintenanceWindows".to_owned(), json!(windows));
        }
        Value::Object(map)
    }
}

/// `presignedUrlConfig`: how the placeholders of a document become links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresignedUrl {
    /// In whose name.
    pub role_arn: String,
    /// How long a link is good, in seconds.
    pub expires_sec: u16,
}

impl PresignedUrl {
    fn read(fields: &Fields<'_>) -> Result<Self, JobError> {
        let role = fields.text("roleArn", 2_048)?.filter(|role| role.len() >= 20);
        let Some(role) = role else { return Err(fields.refuse("roleArn", "an ARN of 20 to 2048 characters")) };
        let expires = fields.whole("expiresInSec", 60..=3_600)?.and_then(|sec| u16::try_from(sec).ok());
        Ok(Self { role_arn: role.to_owned(), expires_sec: expires.unwrap_or(3_600) })
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// How fast.
    pub rollout: RolloutConfig,
    /// When it stops by itself.
    pub abort: Vec<AbortCriterion>,
    /// How long an attempt may take, in minutes.
    pub in_progress_minutes: Option<u16>,
    /// How often it is tried again.
    pub retries: Vec<RetryCriterion>,
    /// From when to when.
    pub scheduling: Option<Scheduling>,
    /// How links are made.
    pub presigned_url: Option<PresignedUrl>,
}

impl Config {
    pub(super) fn read(fields: &Fields<'_>, now_us: u64) -> Result<Self, JobError> {
        let mut config = Self::default();
        if let Some(part) = fields.object("jobExecutionsRolloutConfig")? {
            config.rollout = RolloutConfig::read(&part)?;
        }
        if let Some(part) = fields.object("abortConfig")? {
            let list = part.objects("criteriaList", 1..=10)?;
            if list.is_empty() {
                return Err(part.refuse("criteriaList", "a list of 1 to 10 entries"));
            }
            config.abort = list.iter().map(AbortCriterion::read).collect::<Result<_, _>>()?;
        }
        if let Some(part) = fields.object("timeoutConfig")? {
            let minutes = part.whole("inProgressTimeoutInMinutes", 1..=WEEK_MINUTES)?;
            config.in_progress_minutes = minutes.and_then(|minutes| u16::try_from(minutes).ok());
        }
        if let Some(part) = fields.object("jobExecutionsRetryConfig")? {
            config.retries = RetryCriterion::read_all(&part)?;
        }
        if let Some(part) = fields.object("schedulingConfig")? {
            config.scheduling = Some(Scheduling::read(&part, now_us)?);
        }
        if let Some(part) = fields.object("presignedUrlConfig")? {
            config.presigned_url = Some(PresignedUrl::read(&part)?);
        }
        Ok(config)
    }

    pub(super) fn write(&self, map: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        put("jobExecutionsRolloutConfig", self.rollout.write());
        let abort: Vec<_> = self.abort.iter().map(AbortCriterion::write).collect();
        put("abortConfig", (!abort.is_empty()).then(|| json!({ "criteriaList": abort })));
        put("timeoutConfig", self.in_progress_minutes.map(|minutes| json!({"inProgressTimeoutInMinutes": minutes})));
        let retry =
            |rule: &RetryCriterion| json!({"failureType": rule.failure.name(), "numberOfRetries": rule.retries});
        let retries: Vec<_> = self.retries.iter().map(retry).collect();
        put("jobExecutionsRetryConfig", (!retries.is_empty()).then(|| json!({ "criteriaList": retries })));
        put("schedulingConfig", self.scheduling.as_ref().map(Scheduling::write));
        let link = |url: &PresignedUrl| json!({"roleArn": url.role_arn, "expiresInSec": url.expires_sec});
        put("presignedUrlConfig", self.presigned_url.as_ref().map(link));
    }
}

/// `stepTimeoutInMinutes` of a request: 1 to 10080, or -1.
pub(super) fn read_step(fields: &Fields<'_>) -> Result<Option<super::execution::StepTimer>, JobError> {
    use super::execution::StepTimer;
    let name = "stepTimeoutInMinutes";
    match fields.whole(name, -1..=WEEK_MINUTES) {
        Ok(None) => Ok(None),
        Ok(Some(-1)) => Ok(Some(StepTimer::Discard)),
        Ok(Some(minutes @ 1..)) => Ok(u16::try_from(minutes).ok().map(StepTimer::Minutes)),
        _ => Err(fields.refuse(name, format!("a whole number from 1 to {WEEK_MINUTES}, or -1"))),
    }
}

fn small(number: Option<i64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}
