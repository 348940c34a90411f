//! A deployment to devices that speak MQTT: a job of their account.

use crate::run::{Result, Run, Stop};
use fleetproof_claims::rollout::Rules;
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::jobs::{self, JobFile, JobSpec, MOST_TARGETS};
use fleetproof_dialects::aws::things;
use fleetproof_dialects::mender::Session;
use fleetproof_language::{Deploy, RetryOn, Target};

/// µs.
const MINUTE: u64 = 60_000_000;

/// Makes the job: its id is `name`, what the deployment is called there. The platform's no is the inner error.
pub(super) async fn make(
    run: &Run,
    (step, name): (&Deploy, &str),
    by: &Session,
    members: &[u32],
    group: Option<&str>,
    (artifact, version): (&str, &str),
    rules: &Rules,
) -> Result<std::result::Result<String, DialectError>> {
    let tenant = run.tenant_of(members.first().copied().unwrap_or_default());
    let (admin, place) = (run.people.admin(&tenant).await?, run.things.place(run, &tenant).await?);
    let id = name.to_owned();
    let link = run.mender.download_link(&admin, artifact).await?;
    let bytes = link.uri.split('?').next().unwrap_or_default().to_owned();
    let names: Vec<String> = members.iter().map(|device| run.name_of(*device)).collect();
    let targets = match group {
        Some(group) => vec![place.arn(&format!("thinggroup/{group}"))],
        None if names.len() <= MOST_TARGETS => names.iter().map(|name| place.arn(&format!("thing/{name}"))).collect(),
        None => {
            let group = format!("whom-{id}-is-for");
            things::group(&run.mender, &admin, &place, &group, &names).await?;
            vec![place.arn(&format!("thinggroup/{group}"))]
        }
    };
    let file = Some(JobFile { place: bytes, version: version.to_owned() });
    let spec = JobSpec { targets, file, ..paced(step, rules)? };
    Ok(jobs::create(&run.mender, by, &place, &id, &spec).await.map(|()| id))
}

/// What a step asks of the pace, in the words of a job.
fn paced(step: &Deploy, rules: &Rules) -> Result<JobSpec> {
    let not_spoken = |what: &str| {
        Stop::Failed(format!(
            "`{}` asks for {what}, which a job of AWS's does not have: its devices speak mqtt, only those that speak mender \
             can have that",
            step.name.value
        ))
    };
    if !rules.phases.is_empty() {
        return Err(not_spoken("`phases`"));
    }
    if step.target.as_ref().is_some_and(|target| target.value == Target::Continuous) {
        return Err(not_spoken("`target: continuous`"));
    }
    if rules.step_timeout.is_some() {
        return Err(not_spoken("a `step_timeout` that the platform sets"));
    }
    if rules.timeout.is_some_and(|timeout| !timeout.is_multiple_of(MINUTE)) {
        return Err(not_spoken("a `timeout` that is no number of minutes"));
    }
    let rate = rules.rate.map(|rate| u64::from(rate.devices) * (MINUTE / rate.per.max(1)));
    let on = match step.retry_on.as_ref().map_or(RetryOn::All, |on| on.value) {
        RetryOn::Failed => "FAILED",
        RetryOn::TimedOut => "TIMED_OUT",
        RetryOn::All => "ALL",
    };
    Ok(JobSpec {
        rate,
        grows: step
            .grows
            .as_ref()
            .map(|grows| (f64::from(grows.factor.value) / 1_000.0, grows.per.value, grows.counting.value.word())),
        retries: (rules.retries > 0).then_some((rules.retries, on)),
        timeout: rules.timeout.map(|timeout| timeout / MINUTE),
        abort: rules.threshold.map(|threshold| {
            let after = u32::try_from(threshold.after).unwrap_or(u32::MAX);
            (f64::from(threshold.above) / 10_000.0, after)
        }),
        ..JobSpec::default()
    })
}
