//! What is always watched, without a word in the scenario. It can fail a scenario, never pass it.

use crate::run::{Result, Run};
use crate::steps::http;
use fleetproof_claims::first_illegal;
use fleetproof_dialects::aws;
use fleetproof_journal::{Verdict, What};
use std::collections::BTreeMap;

/// Looks once more at the end. Returns the verdicts that are not a pass; nothing when all is well.
pub(crate) async fn at_the_end(run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    illegal_states(run);
    match two_owners(run).await {
        Ok(()) => {}
        Err(stop) => {
            let detail = format!("could not be watched: {}", stop.reason());
            run.shared.emit("engine", None, What::Watched { what: "one_owner".to_owned(), detail });
        }
    }
    if run.shared.watched_broken() > 0 {
        verdicts.push(Verdict::Failed);
    }
    verdicts.extend(uncontrolled(run));
    verdicts.extend(http::uncontrolled(run));
    verdicts
}

/// Device states that the platform took note of, in an order that is not theirs.
fn illegal_states(run: &Run) {
    let found: Vec<(u32, String)> = run.shared.record(|record| {
        let mut found = Vec::new();
        for (device, seen) in (0..).zip(&record.devices) {
            for update in &seen.updates {
                let accepted = update.reports.iter().filter(|(_, answer, _)| (200..300).contains(answer));
                if let Some((_, why)) = first_illegal(accepted.map(|(status, _, _)| status.as_str())) {
                    found.push((device, why));
                }
            }
        }
        found
    });
    for (device, why) in found {
        let detail = format!("`{}`: the platform took note of {why}", run.name_of(device));
        run.shared.broken("legal_states", detail);
    }
}

/// Devices that two tenants hold as theirs.
async fn two_owners(run: &Run) -> Result<()> {
    let tenants: Vec<String> = run.people.open_tenants().into_iter().map(|tenant| tenant.at.name.to_string()).collect();
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tenant in tenants {
        let admin = run.people.admin(&tenant).await?;
        for row in run.mender.devices(&admin, Some("accepted")).await? {
            if let Some(mac) = row.identity.get("mac") {
                owners.entry(mac.clone()).or_default().push(tenant.clone());
            }
        }
    }
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tenant in run.people.open_tenants().into_iter().map(|tenant| tenant.at.name.to_string()) {
        if run.things.inside(run, &tenant).is_empty() {
            continue;
        }
        let (admin, place) = (run.people.admin(&tenant).await?, run.things.place(run, &tenant).await?);
        for row in aws::things::certificates(&run.mender, &admin, &place).await? {
            if row.status == "ACTIVE" {
                holders.entry(row.id).or_default().push(tenant.clone());
            }
        }
    }
    for (certificate, tenants) in holders.into_iter().filter(|(_, tenants)| tenants.len() > 1) {
        let detail = format!("the certificate {certificate} is active in {}", tenants.join(" and in "));
        run.shared.broken("one_owner", detail);
    }
    for (mac, tenants) in owners.into_iter().filter(|(_, tenants)| tenants.len() > 1) {
        run.shared.broken("one_owner", format!("the device {mac} is accepted in {}", tenants.join(" and in ")));
    }
    Ok(())
}

/// Refusals whose control was never seen: nobody entitled carried the same out in this run.
fn uncontrolled(run: &Run) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (verb, span) in run.uncontrolled.read(Vec::clone) {
        if !run.carried_out.contains(verb) {
            let text = format!("this refusal proves nothing: nobody entitled carried out `{verb}` in this run");
            run.shared.emit("engine", run.place(span), What::Note { text });
            verdicts.push(Verdict::Inconclusive);
        }
    }
    verdicts
}
