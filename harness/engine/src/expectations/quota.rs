//! `quota`: exactly the limit gets through, the rest is refused as documented, no other tenant pays.
//!
//! Throw-away devices really knock, more than there is room for, and are all accepted at once; each then tries its
//! credential. They are gone afterwards.

use super::call_rate::{self, Found};
use super::client_limits;
use super::storage;
use crate::actors;
use crate::proof::{Proof, Seen};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::mender::devices::DeviceRow;
use fleetproof_dialects::mender::{Key, TenantRef, identity_text};
use fleetproof_journal::What;
use fleetproof_language::{Limit, Located, Refusal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A device made for this claim.
struct Stranger {
    name: String,
    identity: String,
    key: Key,
}

/// What became of the devices at one tenant's door.
struct Rush {
    /// Accepted by the platform's answer.
    accepted: usize,
    /// Refused as over the limit.
    refused: usize,
    /// Whatever else was answered.
    odd: Vec<String>,
    /// Let in with their credential.
    entered: usize,
    /// The platform's count afterwards.
    counted: i64,
}

/// Tries the limits of each tenant in turn.
pub(super) async fn attempt(run: &Run, tenants: &[Located<String>], limits: &[Limit], over_by: u32) -> Result<Seen> {
    let mut found = Found::default();
    if limits.contains(&Limit::DeviceLimit) {
        devices(run, tenants, over_by, &mut found).await?;
    }
    if limits.contains(&Limit::CallRate) {
        for tenant in tenants {
            let rate = call_rate::attempt(run, tenant, over_by).await?;
            found.wrong.extend(rate.wrong);
            found.hidden.extend(rate.hidden);
            found.evidence.extend(rate.evidence);
        }
    }
    if limits.contains(&Limit::Storage) {
        for tenant in tenants {
            let kept = storage::attempt(run, tenant).await?;
            found.wrong.extend(kept.wrong);
            found.hidden.extend(kept.hidden);
            found.evidence.extend(kept.evidence);
        }
    }
    for limit in limits.iter().filter(|limit| client_limits::of_clients(**limit).is_some()) {
        for tenant in tenants {
            let clients = client_limits::attempt(run, tenant, *limit, over_by).await?;
            found.wrong.extend(clients.wrong);
            found.hidden.extend(clients.hidden);
            found.evidence.extend(clients.evidence);
        }
    }
    let expected = match limits {
        [Limit::CallRate] => "exactly as many calls get through as the limit says, and no other tenant pays",
        [Limit::DeviceLimit] => "exactly as many devices get in as the limit says, and no other tenant pays",
        _ => "exactly as much gets through as the limits say, and no other tenant pays",
    };
    let proof = Proof::of(expected).evidence(found.evidence);
    if found.wrong.is_empty() && !found.hidden.is_empty() {
        return Ok(Seen::Hidden(proof.actual("there is no control").details(found.hidden)));
    }
    Ok(Seen::of(proof, tenants.len() * limits.len(), found.wrong, "limits held exactly"))
}

/// Rushes the door of each tenant in turn.
async fn devices(run: &Run, tenants: &[Located<String>], over_by: u32, found: &mut Found) -> Result<()> {
    let Found { wrong, hidden, evidence } = found;
    for tenant in tenants {
        let others = counts_of_others(run, tenant).await?;
        let admin = run.people.admin(tenant).await?;
        let limit = run.mender.limit(&admin).await?;
        if limit < 0 {
            hidden.push(format!("`{}` has no limit", tenant.value));
            continue;
        }
        if let Some(due) = run.limits.get(&tenant.value).filter(|due| *due != limit) {
            wrong.push(format!("`{}` is told a limit of {limit}, due {due}", tenant.value));
        }
        let before = counted(run, tenant).await?;
        let free = usize::try_from((limit - before).max(0)).unwrap_or(0);
        let rush = rush(run, tenant, free + over_by as usize).await?;
        let text = format!(
            "{} devices at the door of `{}`, which takes {limit} and has {before}; {} asked \
             `DeviceAuth Management Set Authentication Status` for all at once: {} accepted, {} refused, {} entered, {} counted",
            free + over_by as usize,
            tenant.value,
            admin.who(),
            rush.accepted,
            rush.refused,
            rush.entered,
            rush.counted
        );
        evidence.push(run.shared.emit("engine", run.place(tenant.span), What::Note { text }));
        let say = |what: &str, seen: usize, due: usize| format!("`{}`: {what} {seen}, due {due}", tenant.value);
        if rush.accepted != free {
            wrong.push(say("accepted beside those it had:", rush.accepted, free));
        }
        if rush.refused != over_by as usize {
            wrong.push(say("refused as over the limit:", rush.refused, over_by as usize));
        }
        if rush.entered != rush.accepted {
            wrong.push(say("let in with their credential:", rush.entered, rush.accepted));
        }
        if rush.counted != before.max(limit) {
            wrong.push(format!("`{}` counts {} devices, due {}", tenant.value, rush.counted, before.max(limit)));
        }
        wrong.extend(rush.odd);
        if free == 0 && !run.carried_out.contains("claim") {
            hidden.push(format!("`{}` was full before: nothing shows that one below the limit gets in", tenant.value));
        }
        if counted(run, tenant).await? != before {
            wrong.push(format!("`{}` does not count {before} again once the strangers are gone", tenant.value));
        }
        for (other, (was, is)) in both(others, counts_of_others(run, tenant).await?) {
            if was != is {
                wrong.push(format!(
                    "`{other}` counted {was} devices before the rush on `{}`, and {is} after",
                    tenant.value
                ));
            }
        }
    }
    Ok(())
}

async fn rush(run: &Run, tenant: &str, strangers: usize) -> Result<Rush> {
    let known = run.people.tenant(tenant);
    let known = known.ok_or_else(|| Stop::Failed(format!("`{tenant}` is not on the platform")))?;
    let admin = run.people.admin(tenant).await?;
    let seeds = run.world.seeds.child("quota").child(tenant);
    let round = run.shared.now().micros();
    let devices: Vec<Arc<Stranger>> = (0..strangers)
        .map(|number| {
            let name = format!("stranger-{round}-{number}");
            let identity = identity_text(&[("mac", &name)]);
            Arc::new(Stranger { identity, key: Key::from_stream(&mut seeds.stream(&name)), name })
        })
        .collect();
    let knock = |device: &Arc<Stranger>| {
        let (mender, device, token) = (run.mender.clone(), device.clone(), known.token.clone());
        async move { mender.knock(&device.name, &device.identity, &device.key, &token).await }
    };
    for answer in actors::together(devices.iter().map(knock)).await {
        answer?;
    }
    let rows: BTreeMap<String, DeviceRow> = run
        .mender
        .devices(&admin, None)
        .await?
        .into_iter()
        .filter_map(|row| Some((row.identity.get("mac")?.clone(), row)))
        .collect();
    let mine: Vec<DeviceRow> = devices.iter().filter_map(|device| rows.get(&device.name).cloned()).collect();
    if mine.len() != devices.len() {
        return Err(Stop::Failed(format!("{} of {} knocks at `{tenant}` are listed", mine.len(), devices.len())));
    }
    let accepts = mine.iter().map(|row| {
        let set = row.auth_sets.last().map(|set| set.id.clone()).unwrap_or_default();
        let (mender, by, id) = (run.mender.clone(), admin.clone(), row.id.clone());
        async move { mender.accept(&by, &id, &set).await }
    });
    let mut rush = Rush { accepted: 0, refused: 0, odd: Vec::new(), entered: 0, counted: 0 };
    for answer in actors::together(accepts).await {
        match answer {
            Ok(()) => rush.accepted += 1,
            Err(error) => {
                let no = refusals::read(error)?;
                if no.kind == Some(Refusal::OverLimit) {
                    rush.refused += 1;
                } else {
                    rush.odd.push(format!("`{tenant}` refused a device in another way: {}", no.answer));
                }
            }
        }
    }
    let enter = |device: &Arc<Stranger>| {
        let (mender, device, token, at) = (run.mender.clone(), device.clone(), known.token.clone(), known.at.clone());
        async move { mender.enter(&device.name, &device.identity, &device.key, &at, &token).await }
    };
    let mut tokens = Vec::new();
    for answer in actors::together(devices.iter().map(enter)).await {
        match answer {
            Ok(session) => tokens.push(session),
            Err(error) if error.status() == Some(401) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rush.entered = tokens.len();
    rush.counted = counted(run, tenant).await?;
    for row in &mine {
        run.mender.decommission(&admin, &row.id).await?;
    }
    Ok(rush)
}

/// How many devices a tenant has accepted, as it counts itself.
async fn counted(run: &Run, tenant: &str) -> Result<i64> {
    let admin = run.people.admin(tenant).await?;
    Ok(i64::try_from(run.mender.counts(&admin).await?.accepted).unwrap_or(i64::MAX))
}

async fn counts_of_others(run: &Run, tenant: &str) -> Result<BTreeMap<String, i64>> {
    let others: Vec<TenantRef> =
        run.people.open_tenants().into_iter().map(|tenant| tenant.at).filter(|at| *at.name != *tenant).collect();
    let mut counts = BTreeMap::new();
    for other in others {
        counts.insert(other.name.to_string(), counted(run, &other.name).await?);
    }
    Ok(counts)
}

fn both(before: BTreeMap<String, i64>, after: BTreeMap<String, i64>) -> Vec<(String, (i64, i64))> {
    before.into_iter().map(|(name, was)| (name.clone(), (was, after.get(&name).copied().unwrap_or(-1)))).collect()
}
