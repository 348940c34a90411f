//! Jobs of things that two accounts call alike.

use super::super::DetectorError;
use super::super::round::gone;
use super::post::{Ground, Post, Wants, say};
use super::{answer, in_words};
use fleetproof_claims::wired::WiredRecord;
use fleetproof_dialects::aws::client::ClientError;
use fleetproof_dialects::aws::jobs;

/// How a device ends a job.
const ENDS: &str = r#"{"status":"REJECTED"}"#;

impl Ground {
    /// Ends, at home, a job of the name of one next door, on a thing of the name of one there.
    pub(super) async fn end_job(&self, attacker: &Post, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let (thing, job) = (self.thing(), self.fresh("job"));
        let topic = format!("$aws/things/{thing}/jobs/{job}/update");
        let mut record = WiredRecord::of(format!("PUBLISH {topic} at {}: {ENDS}", attacker.place.endpoint));
        for post in [attacker, victim] {
            jobs::offer(&self.mender, &post.admin, &post.place, &job, &thing, &self.word(post)).await?;
        }
        let before = self.state(victim, &job).await?;
        let said = self.ends(attacker, &topic).await;
        let at_home = self.state(attacker, &job).await?;
        record.served = said.is_ok() && at_home != before;
        record.answer = format!("{}; the own job is {at_home}", answer(&said));
        let after = self.state(victim, &job).await?;
        record.felt = Some(match after == before {
            true => Vec::new(),
            false => vec![format!("the job of {} was {before} and is {after}", victim.tenant)],
        });
        record.control = match self.ends(victim, &topic).await.map_err(in_words("its own thing")) {
            Err(why) => Err(why),
            Ok(()) => match self.state(victim, &job).await? {
                unmoved if unmoved == before => Err(format!("its own thing left it {unmoved}")),
                moved => Ok(format!("{}'s own thing made it {moved}", victim.tenant)),
            },
        };
        for post in [attacker, victim] {
            gone(jobs::remove(&self.mender, &post.admin, &post.place, &job).await)?;
        }
        Ok(record)
    }

    async fn ends(&self, post: &Post, topic: &str) -> Result<(), ClientError> {
        self.rest().await;
        let mut device = self.device(post, &post.device, &Wants::default()).await?;
        let said = say(&mut device, topic, ENDS).await;
        device.leave().await;
        said
    }

    /// How far a job is on the thing, as the tenant's people see it.
    async fn state(&self, post: &Post, job: &str) -> Result<String, DetectorError> {
        let executions = jobs::executions(&self.mender, &post.admin, &post.place, job).await?;
        let last = jobs::last(executions);
        Ok(last.get(&self.thing()).map_or_else(|| "nowhere".to_owned(), |execution| execution.status.clone()))
    }
}
