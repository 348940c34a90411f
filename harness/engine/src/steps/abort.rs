//! `abort`: a deployment is stopped.

use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_journal::What;
use fleetproof_language::{Abort, Located};

/// Stops it in every tenant that has a part of it.
pub(crate) async fn abort(run: &Run, step: &Located<Abort>) -> Result<Ending> {
    let name = &step.deployment.value;
    let deployed = run.deployments.get(name);
    let deployed = deployed.ok_or_else(|| Stop::Failed(format!("`{name}` was never deployed")))?;
    let mut parts = Vec::new();
    for (whose, id) in &deployed.ids {
        let tenant = &whose.tenant;
        let admin = run.people.admin(tenant).await?;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(tenant)).await?;
        let asked = run.shared.now();
        let answer = whose.abort(run, &by, id).await?;
        let when = run.since(asked);
        let shown = whose.parts(run, &admin, id, &deployed.devices).await?;
        let moving = shown.iter().find(|(_, part)| !is_terminal(&part.status));
        let result = match (answer, moving) {
            (Ok(()), None) => {
                run.deployments.change(|all| {
                    if let Some(pace) = all.get_mut(name).and_then(|deployed| deployed.paces.get_mut(whose)) {
                        pace.stopped = Some(when);
                    }
                });
                Ok(())
            }
            (Ok(()), Some((device, part))) => {
                return Ok(Ending::failed(format!(
                    "`{}` asked for `{name}` to be aborted in `{tenant}`, the platform said yes, and `{}` is still `{}`",
                    by.who(),
                    run.name_of(*device),
                    part.status
                )));
            }
            (Err(error), _) => Err(refusals::read(error)?),
        };
        parts.push(Part { name: tenant.clone(), result });
    }
    if parts.iter().any(|part| part.result.is_ok()) {
        let text = format!("`{name}` is aborted: nothing that a device reports of it from here on is taken note of");
        let (seq, now) = (run.shared.emit("engine", None, What::Note { text }), run.shared.now());
        run.deployments.change(|all| {
            if let Some(deployed) = all.get_mut(name) {
                (deployed.abort_seq, deployed.aborted) = (Some(seq), Some(now));
            }
        });
    }
    refusals::note(run, "abort", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "deployments aborted"))
}

/// Whether a device's part of a deployment is over.
pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(status, "success" | "failure" | "aborted" | "already-installed" | "noartifact" | "decommissioned")
}
