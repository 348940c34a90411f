//! The central log: every onboarding, claim, move and change of trust stands in it once, with its actor; it tells what the logs of
//! tenants tell, no more and no less; and tenants neither read nor alter it.

use crate::accounts::{Deed, Told};
use crate::record::Seq;
use crate::run::{Result, Run};
use fleetproof_dialects::aws::central_log::{self, Event, METHODS};
use fleetproof_dialects::mender::logs::AuditRow;
use fleetproof_language::Located;
use fleetproof_world::rfc3339;
use std::collections::BTreeMap;

/// The log as who runs the organisation reads it.
pub(super) struct Central {
    events: Vec<Event>,
    /// What was written from here on, RFC 3339, may stand in it or not.
    until: String,
}

/// What it shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What is not as it should be, a line each.
    pub(super) wrong: Vec<String>,
    /// What could not be seen.
    pub(super) hidden: Vec<String>,
    /// The events of what it must tell.
    pub(super) subject: Vec<Seq>,
    /// Those of which it tells something else.
    pub(super) culprits: Vec<Seq>,
}

/// Reads it. That the provider's admin is served is the control of every tenant's refusal.
pub(super) async fn read(run: &Run) -> Result<Central> {
    let by = run.people.admin(Run::PROVIDER).await?;
    let until = rfc3339(run.world.clock.unix_ms_at(run.shared.now()));
    Ok(Central { events: central_log::read(&run.mender, &by).await?, until })
}

/// Holds it against what was done and against the logs of tenants, by tenant id; and has the tenants try it.
pub(super) async fn look(
    run: &Run,
    tenants: &[Located<String>],
    central: &Central,
    rows: &BTreeMap<String, Vec<AuditRow>>,
) -> Result<Shown> {
    let mut shown = Shown::default();
    if central.events.is_empty() {
        shown.hidden.push("there is nothing in the central log".to_owned());
        return Ok(shown);
    }
    let mut deeds: BTreeMap<(String, String, Deed), Vec<Told>> = BTreeMap::new();
    for told in run.accounts.told().into_iter().filter(|told| tenants.iter().any(|name| *name.value == told.tenant)) {
        deeds.entry((told.tenant.clone(), told.by.clone(), told.what.clone())).or_default().push(told);
    }
    for ((tenant, by, deed), told) in &deeds {
        let certain = told.iter().filter(|told| told.is_certain).count();
        let found = central.events.iter().filter(|event| tells(event, tenant, by, deed)).count();
        shown.subject.extend(told.iter().map(|told| told.seq));
        if !(certain..=told.len()).contains(&found) {
            shown.culprits.extend(told.iter().map(|told| told.seq));
            let what = named(tenant, by, deed);
            shown.wrong.push(format!("{what}; the central log tells it {found} times, due {certain}"));
        }
    }
    let own = tenants.iter().map(|name| name.value.as_str()).chain([Run::PROVIDER]);
    for name in own {
        let Some(tenant) = run.people.tenant(name) else { continue };
        if let Some(log) = rows.get(&*tenant.at.id) {
            shown.wrong.extend(differences(name, &tenant.at.id, log, central));
        }
    }
    for tenant in tenants {
        attempts(run, tenant, central, &mut shown).await?;
    }
    Ok(shown)
}

/// Whether an entry tells of something that was done.
fn tells(event: &Event, tenant: &str, by: &str, deed: &Deed) -> bool {
    if event.actor_email != by {
        return false;
    }
    let of_device = |certificate: &str, word: &str| {
        let is_lobbys = event.object_type == "lobby_device" && event.object == certificate;
        // The lobby's own log has all of them; the tenant's has the same.
        is_lobbys && is_of_lobby(event) && event.change.lines().next() == Some(word)
    };
    match deed {
        Deed::Onboarded(account) => {
            let made = format!("account: {account}");
            event.action == "create" && event.object_name == tenant && event.change.lines().any(|line| line == made)
        }
        Deed::Undone => {
            let is_its = event.action == "delete" && event.object_type == "tenant" && event.object_name == tenant;
            is_its && event.change.starts_with("failed: ")
        }
        Deed::Trust { account, region, on } => {
            let verb = if *on { "granted" } else { "revoked" };
            event.action == "update" && event.change == format!("{verb} trust of account {account} in {region}")
        }
        Deed::Claimed(certificate) => of_device(certificate, "claim"),
        Deed::Released(certificate) => of_device(certificate, "release"),
        Deed::Moved(certificate) => of_device(certificate, "migrate"),
        Deed::Evacuated(certificate) => of_device(certificate, "evacuate"),
    }
}

/// Whether an entry stands in the log of the lobby that it is about, not in that of a tenant.
fn is_of_lobby(event: &Event) -> bool {
    event.account == event.object_account
}

/// What was done, for people.
fn named(tenant: &str, by: &str, deed: &Deed) -> String {
    let what = match deed {
        Deed::Onboarded(account) => format!("had `{tenant}` onboarded as account {account}"),
        Deed::Undone => format!("had `{tenant}` onboarded, which came to nothing"),
        Deed::Trust { region, on, .. } => {
            let may = if *on { "may act" } else { "may not act" };
            format!("said that the lobby {may} in `{tenant}` in {region}")
        }
        Deed::Claimed(certificate) => format!("claimed {} for `{tenant}`", short(certificate)),
        Deed::Released(certificate) => format!("released {} of `{tenant}`", short(certificate)),
        Deed::Moved(certificate) => format!("sent {} of `{tenant}` away", short(certificate)),
        Deed::Evacuated(certificate) => format!("had {} of `{tenant}` go to another region", short(certificate)),
    };
    format!("{by} {what}")
}

/// The first digits of a certificate.
fn short(certificate: &str) -> &str {
    certificate.get(..8).unwrap_or(certificate)
}

/// What one of the two logs tells and the other does not. Compared is what both had time for: from the first entry of the tenant
/// that was ever shipped until the central log was read.
fn differences(name: &str, id: &str, log: &[AuditRow], central: &Central) -> Vec<String> {
    type Key = (String, String, String, String, String, String);
    let mut counts: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
    let shipped: Vec<&Event> = central.events.iter().filter(|event| event.tenant == id).collect();
    let from = shipped.first().map(|event| event.time.clone()).unwrap_or_default();
    let is_due = |time: &str| *time >= *from && *time < *central.until;
    for row in log.iter().filter(|row| is_due(&row.time)) {
        let row = row.clone();
        let key = (row.time, row.actor, row.action, row.object_type, row.object, row.change);
        counts.entry(key).or_default().0 += 1;
    }
    for event in shipped.into_iter().filter(|event| is_due(&event.time)) {
        let event = event.clone();
        let key = (event.time, event.actor, event.action, event.object_type, event.object, event.change);
        counts.entry(key).or_default().1 += 1;
    }
    let differ = counts.into_iter().filter(|(_, (own, central))| own != central);
    differ
        .map(|((time, actor, action, kind, object, _), (own, central))| {
            let object = if kind == "lobby_device" { short(&object) } else { object.as_str() };
            format!("`{action} {kind} {object}` by {actor} at {time}: {own} times in the log of `{name}`, {central} times in the central one")
        })
        .collect()
}

/// A tenant's admin tries to read the central log, all of it and an entry, and to alter it: each is refused, nothing changes.
async fn attempts(run: &Run, tenant: &str, central: &Central, shown: &mut Shown) -> Result<()> {
    let (admin, by) = (run.people.admin(tenant).await?, run.people.admin(Run::PROVIDER).await?);
    let own = run.people.tenant(tenant).map(|tenant| tenant.at.id);
    let entry = central.events.iter().find(|event| own.as_ref().is_some_and(|id| event.tenant == **id));
    let number = entry.or_else(|| central.events.first()).map(|event| event.number.clone());
    for number in [None, number.as_deref()] {
        for method in METHODS {
            let answer = central_log::attempt(&run.mender, &admin, method, number).await?;
            if answer.is_success() {
                let which = if number.is_some() { "an entry of the central log" } else { "the central log" };
                shown
                    .wrong
                    .push(format!("{} of `{tenant}` asks {method} of {which} and is served: {answer}", admin.who()));
            }
        }
    }
    let after = central_log::read(&run.mender, &by).await?;
    if after.get(..central.events.len()) != Some(&central.events[..]) {
        shown.wrong.push(format!("what stood in the central log is another thing after `{tenant}` tried to alter it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(change: &str) -> Event {
        Event {
            time: "2026-11-22T05:27:00.000Z".to_owned(),
            account: "1".to_owned(),
            object_account: "1".to_owned(),
            tenant: "t1".to_owned(),
            action: "update".to_owned(),
            actor: "u1".to_owned(),
            actor_email: "ada@acme.test".to_owned(),
            object: "ab".to_owned(),
            object_type: "lobby_device".to_owned(),
            change: change.to_owned(),
            ..Event::default()
        }
    }

    fn row(time: &str) -> AuditRow {
        AuditRow {
            actor: "u1".to_owned(),
            actor_email: "ada@acme.test".to_owned(),
            actor_type: "user".to_owned(),
            action: "update".to_owned(),
            object: "ab".to_owned(),
            object_type: "lobby_device".to_owned(),
            object_name: String::new(),
            time: time.to_owned(),
            change: "claim".to_owned(),
            raw: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_claim_is_told_by_its_own_entry_in_the_lobbys_log_only() {
        let claimed = Deed::Claimed("ab".to_owned());
        let told = |event: &Event, by: &str, deed: &Deed| tells(event, "acme", by, deed);
        assert!(told(&event("claim\nstate: inlobby -> claimed"), "ada@acme.test", &claimed));
        assert!(!told(&event("claim\nstate: inlobby -> claimed"), "gus@globex.test", &claimed));
        assert!(!told(&event("claim by pairing"), "ada@acme.test", &claimed));
        assert!(!told(&event("claim"), "ada@acme.test", &Deed::Released("ab".to_owned())));
        let in_tenants = Event { account: "2".to_owned(), ..event("claim") };
        assert!(!told(&in_tenants, "ada@acme.test", &claimed));
    }

    #[test]
    fn what_one_log_tells_the_other_tells_as_often() {
        let central = |events: Vec<Event>| Central { events, until: "2026-11-22T05:28:00.000Z".to_owned() };
        let (own, later) = (row("2026-11-22T05:27:00.000Z"), row("2026-11-22T05:29:00.000Z"));
        let differ = |log: &[AuditRow], events: Vec<Event>| differences("acme", "t1", log, &central(events)).join("\n");
        assert_eq!(differ(&[own.clone(), later], vec![event("claim")]), "", "what came later may stand in it or not");
        insta::assert_snapshot!(differ(std::slice::from_ref(&own), vec![event("claim"), event("claim")]), @"`update lobby_device ab` by u1 at 2026-11-22T05:27:00.000Z: 1 times in the log of `acme`, 2 times in the central one");
        insta::assert_snapshot!(differ(&[own.clone(), own], vec![event("claim")]), @"`update lobby_device ab` by u1 at 2026-11-22T05:27:00.000Z: 2 times in the log of `acme`, 1 times in the central one");
    }
}
