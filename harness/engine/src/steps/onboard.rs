//! `onboard`: tenants come into being.

use super::{WITHIN_SLOW, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run};
use crate::setup;
use fleetproof_language::{Located, Onboard};

/// Asks for every tenant, together or one by one, and lets the first admin of each that came about in.
pub(crate) async fn onboard(run: &Run, step: &Located<Onboard>) -> Result<Ending> {
    let deadline = run.deadline(within(&step.outcome, WITHIN_SLOW));
    let by = actors::acting(run, &step.outcome, Default::ProvidersAdmin(Run::PROVIDER)).await?;
    let mut answers = Vec::new();
    if step.at_once {
        let calls = step.tenants.iter().map(|name| {
            let (mender, by) = (run.mender.clone(), by.clone());
            let asked = setup::asked_for(run, name, true);
            async move { asked.ask(&mender, &by).await }
        });
        answers = actors::together(calls).await;
    } else {
        for name in &step.tenants {
            answers.push(setup::asked_for(run, name, true).ask(&run.mender, &by).await);
        }
    }
    let mut parts = Vec::new();
    for (name, answer) in step.tenants.iter().zip(answers) {
        let result = match setup::taken_note(run, name, &by, answer) {
            Ok(_) => {
                setup::welcome(run, name).await?;
                let quotas = run.plan.scenario.platform.tenants.get(name).and_then(|tenant| tenant.quotas.clone());
                if let Some(quotas) = quotas {
                    setup::set_quotas(run, name, &quotas).await?;
                }
                run.removed.remove(&name.value);
                let users = run.plan.scenario.platform.tenants.get(name).map(|tenant| tenant.users.0.clone());
                setup::users(run, name, &users.unwrap_or_default()).await?;
                Ok(())
            }
            Err(error) => Err(refusals::read(error)?),
        };
        parts.push(Part { name: name.value.clone(), result });
    }
    if run.people.tenant(Run::PROVIDER).is_some() {
        let admin = run.people.admin(Run::PROVIDER).await?;
        let listed = run.mender.tenants(&admin).await?;
        for part in &mut parts {
            if let Err(no) = &mut part.result
                && listed.iter().any(|row| row.name == part.name)
            {
                no.done_anyway = Some("the provider's list has it".to_owned());
            }
        }
    }
    if run.shared.now() > deadline {
        return Ok(Ending::failed("the tenants were not there in time"));
    }
    refusals::note(run, "onboard", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants onboarded"))
}
