//! `deploy`: one deployment per tenant, all under one name.

use super::{job, pace};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::release;
use crate::rollouts::Whose;
use crate::run::{Deployed, Pace, Result, Run, Stop};
use fleetproof_dialects::aws::jobs;
use fleetproof_dialects::mender::updates::{ArtifactSpec, Image, Target};
use fleetproof_journal::What;
use fleetproof_language::{Deploy, Located, Protocol, Target as Continuous};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Uploads the artifact where it is not yet, and asks for the deployment. Each `round` has one of its own.
pub(crate) async fn deploy(run: &Run, step: &Located<Deploy>, round: Option<u32>) -> Result<Ending> {
    let name = &*named(&step.name, round);
    let devices = run.devices(&step.devices);
    let spec = artifact(run, &step.artifact)?;
    let version = spec.image.version.clone();
    let group = match step.devices.as_slice() {
        [only] if run.plan.population.groups.contains(&only.value) => Some(only.value.clone()),
        _ => None,
    };
    let (mut parts, mut ids, mut reached) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let (rules, mut paces) = (Arc::new(pace::rules(step, run.shared.now())), BTreeMap::new());
    let body = pace::body(step, &rules, &run.world.clock);
    let is_continuous = step.target.as_ref().is_some_and(|target| target.value == Continuous::Continuous);
    if pace::is_paced(&rules) {
        run.shared.keep_polls_in_vain();
    }
    for (whose, members) in Whose::sort(run, &devices) {
        let tenant = &whose.tenant;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(tenant)).await?;
        let place = (tenant.clone(), step.artifact.value.clone());
        if !run.uploaded.contains_key(&place) {
            let admin = run.people.admin(tenant).await?;
            let id = run.mender.upload(&admin, &spec).await?;
            run.uploaded.insert(place, id);
        }
        run.taps.open(&members);
        let asked = run.shared.now();
        let made = if whose.speaks == Protocol::Mqtt {
            let file = run.uploaded.get(&(tenant.clone(), step.artifact.value.clone())).unwrap_or_default();
            job::make(run, (step, name), &by, &members, group.as_deref(), (&file, &version), &rules).await?
        } else {
            let target = match &group {
                _ if is_continuous => Target::Filter(pace::search(run, &by, name, &members).await?),
                Some(group) => Target::Group(group.clone()),
                None => Target::Devices(members.iter().map(|device| known(run, *device)).collect::<Result<_>>()?),
            };
            run.mender.deploy(&by, name, &spec.name, &target, &body).await
        };
        let result = match made {
            Ok(id) => {
                let first = members.iter().filter(|device| is_in(run, &whose, **device)).count() as u64;
                let pace = Pace { made: run.since(asked), first, ..Pace::default() };
                reached.extend(members);
                paces.insert(whose.clone(), pace);
                ids.insert(whose.clone(), id);
                Ok(())
            }
            Err(error) => {
                let mut no = refusals::read(error)?;
                if is_listed(run, name, &whose).await? {
                    no.done_anyway = Some("the deployment is listed".to_owned());
                }
                Err(no)
            }
        };
        parts.push(Part { name: tenant.clone(), result });
    }
    let text = format!("`{}` brings {version} to {} devices", step.name.value, reached.len());
    let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
    let ran = run.shared.record(|record| record.devices.iter().map(|device| device.running.clone()).collect());
    let deployed = Deployed {
        ids,
        devices: Arc::new(reached),
        artifact: step.artifact.value.clone(),
        rules,
        paces,
        aborted: None,
        abort_seq: None,
        ran,
        seq,
    };
    run.deployments.insert(step.name.value.clone(), deployed);
    refusals::note(run, "deploy", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "deployments made"))
}

/// What a deployment is called on the platform: as in the file, and in rounds with the round's number, since a platform may take
/// no name twice.
fn named(name: &str, round: Option<u32>) -> Cow<'_, str> {
    let Some(round) = round else { return name.into() };
    let (end, kept) = (format!("-r{round}"), name.len().min(LONGEST));
    format!("{}{end}", &name[..kept.min(LONGEST - end.len())]).into()
}

/// Characters of a name that every platform takes: of the id of a job.
const LONGEST: usize = 64;

/// Whether the platform has let a device in.
fn is_in(run: &Run, whose: &Whose, device: u32) -> bool {
    match whose.speaks {
        Protocol::Mender => run.inside(&whose.tenant).contains(&device),
        Protocol::Mqtt => run.things.certificate(device).is_some(),
    }
}

/// Whether the tenant's admin finds the deployment that was refused.
async fn is_listed(run: &Run, name: &str, whose: &Whose) -> Result<bool> {
    let admin = run.people.admin(&whose.tenant).await?;
    if whose.speaks == Protocol::Mqtt {
        let place = run.things.place(run, &whose.tenant).await?;
        return Ok(jobs::is_there(&run.mender, &admin, &place, name).await?);
    }
    Ok(run.mender.deployments(&admin).await?.iter().any(|row| row.name == name))
}

/// The file behind an artifact of the scenario: named as declared there, so that reports can speak of it.
pub(crate) fn artifact(run: &Run, name: &str) -> Result<ArtifactSpec> {
    let declared = run.plan.scenario.artifacts.get(name);
    let declared = declared.ok_or_else(|| Stop::Broken(format!("no artifact is called `{name}`")))?;
    let image = Image {
        version: declared.version.value.clone(),
        misbehaves: declared.misbehaves.as_ref().map(|way| way.word().to_owned()),
        seed: run.plan.seed,
        affects: declared.affects.as_ref().map_or(1_000_000, |affects| affects.value),
    };
    let signed_by = release::key(&run.plan, &run.world.seeds).filter(|_| declared.signed);
    Ok(ArtifactSpec { name: name.to_owned(), image, size: declared.size.value, signed_by })
}

fn known(run: &Run, device: u32) -> Result<String> {
    let id = run.id_of(device);
    id.ok_or_else(|| {
        Stop::Failed(format!("the platform does not know `{}`: nothing can be deployed to it", run.name_of(device)))
    })
}
