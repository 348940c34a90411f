//! `reject`: devices are turned down.

use super::{WITHIN, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Barred, Result, Run, Stop};
use fleetproof_journal::What;
use fleetproof_language::{ByDevices, Located};

/// Rejects what each device showed, whether it waits or is in, and looks whether the platform lists it as that.
pub(crate) async fn reject(run: &Run, step: &Located<ByDevices>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let mut parts = Vec::new();
    for (tenant, devices) in run.by_tenant(&devices) {
        let admin = run.people.admin(&tenant).await?;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(&tenant)).await?;
        for device in devices {
            let name = run.name_of(device);
            let known =
                || Stop::Failed(format!("the platform never knew `{name}`: it has to knock before it is rejected"));
            let id = run.id_of(device).ok_or_else(known)?;
            let before = run.mender.device(&admin, &id).await?;
            let mut result = Ok(());
            for set in &before.auth_sets {
                if let Err(error) = run.mender.reject(&by, &id, &set.id).await {
                    result = Err(refusals::read(error)?);
                    break;
                }
            }
            let status = run.mender.device(&admin, &id).await?.status;
            match &mut result {
                Ok(()) if status == "rejected" => {
                    let text = format!("`{name}` rejected by `{}`", by.who());
                    let seq = run.shared.emit("engine", None, What::Note { text });
                    run.let_go(&tenant, device);
                    run.barred.insert(device, Barred { since: run.shared.now(), seq });
                }
                Ok(()) => {
                    return Ok(Ending::failed(format!(
                        "`{}` asked `DeviceAuth Management Set Authentication Status` for `{name}`, the platform said yes, \
                         and lists it as `{status}`",
                        by.who()
                    )));
                }
                Err(no) if status == "rejected" && before.status != status => {
                    no.done_anyway = Some("it is listed as rejected".to_owned())
                }
                Err(_) => {}
            }
            parts.push(Part { name, result });
        }
    }
    if run.shared.now() > deadline {
        return Ok(Ending::failed("the devices were not rejected in time"));
    }
    refusals::note(run, "reject", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "devices rejected"))
}
