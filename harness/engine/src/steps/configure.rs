//! `configure`: a tenant's limits are changed.

use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run};
use fleetproof_language::{Configure, Located};

/// Asks for the new limit, and reads back what the tenant itself is told.
pub(crate) async fn configure(run: &Run, step: &Located<Configure>) -> Result<Ending> {
    let tenant = run.tenant(&step.tenant)?;
    let Some(limit) = step.device_limit.as_ref().map(|limit| i64::from(limit.value)) else {
        return Ok(Ending::passed("nothing to change"));
    };
    let by = actors::acting(run, &step.outcome, Default::ProvidersAdmin(Run::PROVIDER)).await?;
    let admin = run.people.admin(&step.tenant).await?;
    let before = run.mender.limit(&admin).await?;
    let answer = run.mender.configure_tenant(&by, &tenant.id, limit).await;
    let after = run.mender.limit(&admin).await?;
    let result = match answer {
        Ok(()) if after == limit => {
            run.limits.insert(step.tenant.value.clone(), limit);
            Ok(())
        }
        Ok(()) => {
            return Ok(Ending::failed(format!(
                "the platform said yes to a limit of {limit}, and `{}` is told {after}",
                step.tenant.value
            )));
        }
        Err(error) => {
            let mut no = refusals::read(error)?;
            if after != before {
                no.done_anyway = Some(format!("the limit was {before} and is {after}"));
            }
            Err(no)
        }
    };
    let parts = [Part { name: step.tenant.value.clone(), result }];
    refusals::note(run, "configure", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants configured"))
}
