//! `configure`: a tenant's limits are changed, those of its endpoints too.

use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run};
use crate::setup;
use fleetproof_language::{Configure, Located};

/// Asks for the new limit, and reads back what the tenant itself is told.
pub(crate) async fn configure(run: &Run, step: &Located<Configure>) -> Result<Ending> {
    let tenant = run.tenant(&step.tenant)?;
    if let Some(quotas) = &step.quotas {
        setup::set_quotas(run, &step.tenant, quotas).await?;
        let admin = run.people.admin(&step.tenant).await?;
        let told = run.mender.call_rate(&admin).await?;
        let due = run.call_rates.get(&step.tenant.value).map(|rate| (u64::from(rate.count), rate.per.as_secs()));
        if told != due {
            let tenant = &step.tenant.value;
            return Ok(Ending::failed(format!(
                "the platform said yes to other quotas, and `{tenant}` is told {told:?}, due {due:?}"
            )));
        }
        if let Some(due) = run.storage_limits.get(&step.tenant.value) {
            let (_, told) = run.mender.storage(&admin).await?;
            if told != due {
                let tenant = &step.tenant.value;
                return Ok(Ending::failed(format!(
                    "the platform said yes to other quotas, and `{tenant}` is told {told} bytes of storage, due {due}"
                )));
            }
        }
        for (limit, due) in run.client_limits.get(&step.tenant.value).unwrap_or_default() {
            let told = run.mender.client_limit(&tenant.id, limit).await?;
            if told != Some(due) {
                let tenant = &step.tenant.value;
                return Ok(Ending::failed(format!(
                    "the platform said yes to other quotas, and says {told:?} for {limit:?} of `{tenant}`, due {due}"
                )));
            }
        }
    }
    let Some(limit) = step.device_limit.as_ref().map(|limit| i64::from(limit.value)) else {
        return Ok(Ending::passed("quotas changed"));
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
