//! `revoke`: the tokens or certificates of devices are ended, in the middle of whatever they do.

use super::{WITHIN, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, Refused, judge};
use crate::record::DeviceRecord;
use crate::refusals;
use crate::run::{Barred, Result, Run, Stop};
use crate::things::is_thing;
use fleetproof_dialects::aws;
use fleetproof_dialects::mender::Session;
use fleetproof_journal::What;
use fleetproof_language::{ByDevices, Located};
use fleetproof_world::Stamp;

/// A device that was asked about: what became of that, and what had been seen of the device by then.
struct Asked {
    device: u32,
    result: std::result::Result<(), Refused>,
    since: Stamp,
    served: u64,
    /// It speaks MQTT: without its certificate it stays out.
    is_thing: bool,
}

/// Ends the token of each device. What counts is what the devices see: the token in hand is refused, and each, still being
/// accepted, gets in anew; one whose certificate was ended stays out. Where that was refused, each is served on as before.
pub(crate) async fn revoke(run: &Run, step: &Located<ByDevices>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let mut asked = Vec::new();
    for (tenant, devices) in run.by_tenant(&devices) {
        let admin = run.people.admin(&tenant).await?;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(&tenant)).await?;
        for device in devices {
            let name = run.name_of(device);
            if is_thing(run, device) {
                asked.push(revoke_certificate(run, &by, &tenant, device).await?);
                continue;
            }
            let id = run.id_of(device);
            let never = || Stop::Failed(format!("the platform never let `{name}` in: there is no token to end"));
            let row = run.mender.device(&admin, &id.ok_or_else(never)?).await?;
            let token = row.auth("accepted").map(|set| set.id.clone()).ok_or_else(never)?;
            let result = match run.mender.revoke_device(&by, &token).await {
                Ok(()) => Ok(()),
                Err(error) => Err(refusals::read(error)?),
            };
            let (since, served) = (run.shared.now(), run.shared.record(|record| record.devices[device as usize].polls));
            if result.is_ok() {
                let text = format!("the token of `{name}` was ended by `{}`", by.who());
                run.shared.emit("engine", None, What::Note { text });
            }
            asked.push(Asked { device, result, since, served, is_thing: false });
        }
    }
    loop {
        for asked in asked.iter().filter(|asked| asked.result.is_err()) {
            run.ask_for_signs([&asked.device], asked.since);
        }
        let waiting = run.shared.record(|record| {
            asked.iter().find_map(|asked| Some((asked.device, missing(&record.devices[asked.device as usize], asked)?)))
        });
        let Some((device, missing)) = waiting else { break };
        if missing.is_final || run.shared.now() >= deadline {
            return Ok(Ending::failed(format!("`{}` {}", run.name_of(device), missing.text)));
        }
        run.breathe(deadline).await?;
    }
    let mut parts = Vec::new();
    for Asked { device, mut result, since, .. } in asked {
        let ended =
            run.shared.record(|record| record.devices[device as usize].token_refused.is_some_and(|at| at > since));
        if let Err(no) = &mut result
            && ended
        {
            no.done_anyway = Some("its token is not taken any more".to_owned());
        }
        parts.push(Part { name: run.name_of(device), result });
    }
    refusals::note(run, "revoke", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tokens ended"))
}

/// Ends the certificate of a device, and with it the connection that it has.
async fn revoke_certificate(run: &Run, by: &Session, tenant: &str, device: u32) -> Result<Asked> {
    let name = run.name_of(device);
    let certificate = run.things.certificate(device);
    let certificate = certificate
        .ok_or_else(|| Stop::Failed(format!("the platform never knew `{name}`: there is no certificate to end")))?;
    let place = run.things.place(run, tenant).await?;
    let result = match aws::things::revoke(&run.mender, by, &place, &certificate).await {
        Ok(()) => Ok(()),
        Err(error) => Err(refusals::read(error)?),
    };
    let (since, served) = (run.shared.now(), run.shared.record(|record| record.devices[device as usize].polls));
    if result.is_ok() {
        let text = format!("the certificate of `{name}` was revoked by `{}`", by.who());
        let seq = run.shared.emit("engine", None, What::Note { text });
        run.things.revoked(device);
        run.barred.insert(device, Barred { since, seq });
    }
    Ok(Asked { device, result, since, served, is_thing: true })
}

/// What is still to be seen of a device.
struct Missing {
    text: &'static str,
    /// It will not be seen any more.
    is_final: bool,
}

fn missing(seen: &DeviceRecord, asked: &Asked) -> Option<Missing> {
    let not_yet = |text| Some(Missing { text, is_final: false });
    // Of two polls that were answered the second was asked after the token was ended.
    let polls = seen.polls.saturating_sub(asked.served);
    let refused = seen.token_refused.filter(|at| *at > asked.since);
    match (&asked.result, refused) {
        (Ok(()), None) if polls >= 2 && !asked.is_thing => {
            Some(Missing { text: "is served with the token that was ended", is_final: true })
        }
        (Ok(()), None) => not_yet("has not asked since its token was ended"),
        (Ok(()), Some(_)) if asked.is_thing => None,
        (Ok(()), Some(at)) => match seen.knocked {
            Some((knocked, 200, _)) if knocked >= at => None,
            _ => not_yet("has not got in again since its token was ended"),
        },
        (Err(_), Some(_)) => None,
        (Err(_), None) if polls >= 2 || asked.is_thing && polls >= 1 => None,
        (Err(_), None) => not_yet("has not asked since its token was to be ended"),
    }
}
