//! `decommission`: devices go for good.

use super::{WITHIN, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Gone, Result, Run, Stop};
use crate::things::is_thing;
use fleetproof_dialects::aws;
use fleetproof_journal::What;
use fleetproof_language::{ByDevices, Located};
use std::collections::BTreeSet;

/// Looks each device up, lets it go, and tells it so: its last poll shows whether its token is dead.
pub(crate) async fn decommission(run: &Run, step: &Located<ByDevices>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let (mut parts, mut gone) = (Vec::new(), Vec::new());
    for (tenant, devices) in run.by_tenant(&devices) {
        let admin = run.people.admin(&tenant).await?;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(&tenant)).await?;
        for device in devices {
            let name = run.name_of(device);
            let id = if is_thing(run, device) { run.things.certificate(device) } else { run.id_of(device) };
            let Some(id) = id else {
                return Err(Stop::Failed(format!(
                    "the platform never knew `{name}`: there is nothing to decommission"
                )));
            };
            let found = crate::lookups::found(run, &admin, &tenant, device, &id).await?;
            let answer = if is_thing(run, device) {
                let place = run.things.place(run, &tenant).await?;
                aws::things::forget(&run.mender, &by, &place, &name, &id).await
            } else {
                run.mender.decommission(&by, &id).await
            };
            let result = match answer {
                Ok(()) => {
                    let text = format!("`{name}` decommissioned; before, it was found in {}", list(&found));
                    let seq = run.shared.emit("engine", None, What::Note { text });
                    run.let_go(&tenant, device);
                    run.things.forget(device);
                    let before = Gone { tenant: tenant.clone(), id, found, seq };
                    run.gone.change(|gone| gone.entry(device).or_default().push(before));
                    run.fleet.retire(device);
                    gone.push(device);
                    Ok(())
                }
                Err(error) => Err(refusals::read(error)?),
            };
            parts.push(Part { name, result });
        }
    }
    loop {
        let waiting =
            run.shared.record(|record| gone.iter().any(|device| record.devices[*device as usize].retired.is_none()));
        if !waiting || run.shared.now() >= deadline {
            break;
        }
        run.breathe(deadline).await?;
    }
    for device in &gone {
        run.call(*device, None);
    }
    refusals::note(run, "decommission", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "devices decommissioned"))
}

fn list(words: &BTreeSet<&'static str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}
