//! `upload`: an artifact is brought to tenants.

use super::deploy::artifact;
use crate::outcome::{Ending, Part, Refused, judge};
use crate::refusals;
use crate::run::{Result, Run};
use fleetproof_language::{Located, Upload};

/// Uploads in the session that whoever acts has inside each tenant, and looks whether the tenant's admin sees it there.
pub(crate) async fn upload(run: &Run, step: &Located<Upload>) -> Result<Ending> {
    let spec = artifact(run, &step.artifact)?;
    let mut parts = Vec::new();
    for tenant in &step.tenants {
        let admin = run.people.admin(tenant).await?;
        let by = match &step.outcome.by {
            Some(by) => run.people.session(by, tenant).await?,
            None => admin.clone(),
        };
        let answer = run.mender.upload(&by, &spec).await;
        let listed = run.mender.has_artifact(&admin, &spec.name).await?;
        let result = match answer {
            Ok(id) if listed => {
                run.uploaded.insert((tenant.value.clone(), step.artifact.value.clone()), id);
                Ok(())
            }
            Ok(_) => {
                return Ok(Ending::failed(format!(
                    "`{}` uploaded `{}` to `{}`, the platform said yes, and `{}` does not find it",
                    by.who(),
                    spec.name,
                    tenant.value,
                    admin.who()
                )));
            }
            Err(error) => {
                let no = refusals::read(error)?;
                let known = run.uploaded.contains_key(&(tenant.value.clone(), step.artifact.value.clone()));
                let done_anyway = (listed && !known).then(|| format!("`{}` finds it", admin.who()));
                Err(Refused { done_anyway, ..no })
            }
        };
        parts.push(Part { name: tenant.value.clone(), result });
    }
    refusals::note(run, "upload", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants have it"))
}
