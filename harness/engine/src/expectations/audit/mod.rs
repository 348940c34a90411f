//! `audit`: each change once, with its actor, in the right log, in no other. Where an organisation has a central log, what that must
//! tell stands in `central.rs`.

mod central;

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use crate::shared::Change;
use fleetproof_claims::{Change as Owed, Entry, Finding, reconcile};
use fleetproof_dialects::AuditDue;
use fleetproof_dialects::mender::logs::AuditRow;
use fleetproof_language::Located;
use fleetproof_world::rfc3339;
use std::collections::{BTreeMap, BTreeSet};

/// What is true of changes that stand where they should.
const SUMMARY: &str = "changes stand where they belong";

/// Holds the logs of all tenants against the ledger of changes; what is wrong in a named tenant's log, or belongs there,
/// counts.
pub(super) async fn look(run: &Run, tenants: &[Located<String>]) -> Result<Seen> {
    let expected = "every change stands once, with its actor, in the right log and in no other";
    if let Some(shut) = tenants.iter().find(|name| run.people.is_suspended(name)) {
        let text = format!("`{}` is suspended: nobody can read its log", shut.value);
        return Ok(Seen::Hidden(Proof::of(expected).actual(text)));
    }
    let is_central = run.accounts.are_made();
    // Whatever it tells stands in a tenant's log that is read later.
    let central = if is_central { Some(central::read(run).await?) } else { None };
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rows: BTreeMap<String, Vec<AuditRow>> = BTreeMap::new();
    let all: Vec<_> = run.people.open_tenants().into_iter().map(|tenant| tenant.at).collect();
    for at in all {
        let admin = run.people.admin(&at.name).await?;
        rows.insert(at.id.to_string(), run.mender.audit_log(&admin).await?);
        names.insert(at.id.to_string(), at.name.to_string());
    }
    let changes: Vec<Change> = run.shared.changes();
    let (mut due, mut explained) = (Vec::new(), BTreeMap::new());
    let mut causes: BTreeMap<Owed, Vec<&Change>> = BTreeMap::new();
    let mut matched = Matched::new();
    for change in &changes {
        let at = Owed { log: change.due.tenant.to_string(), entry: entry_due(&change.due, &rows, &mut matched) };
        causes.entry(at.clone()).or_default().push(change);
        if change.due.demanded {
            due.push(at);
        } else {
            *explained.entry((at.log, at.entry)).or_insert(0_usize) += 1;
        }
    }
    let logs: BTreeMap<String, Vec<Entry>> =
        rows.iter().map(|(tenant, rows)| (tenant.clone(), rows.iter().map(entry_seen).collect())).collect();
    let allowed = |log: &str, entry: &Entry| explained.get(&(log.to_owned(), entry.clone())).copied().unwrap_or(0);
    let mut findings = reconcile(&due, &logs, |log, entry| allowed(log, entry) > 0);
    // The same change may be due once and allowed another time.
    findings.retain(|finding| match finding {
        Finding::Doubled { change, times: (seen, due) } => seen - due > allowed(&change.log, &change.entry),
        _ => true,
    });

    // What things, the lobby and the organisation do in an account is in nobody's table: the central log is held against it.
    findings.retain(|finding| !is_central || !matches!(finding, Finding::Unexplained(_)));

    let wanted: BTreeSet<String> =
        tenants.iter().filter_map(|name| run.people.tenant(name).map(|tenant| tenant.at.id.to_string())).collect();
    let concerns = |finding: &Finding| match finding {
        Finding::Missing(change) | Finding::Unexplained(change) => wanted.contains(&change.log),
        Finding::Doubled { change, .. } => wanted.contains(&change.log),
        Finding::Misplaced { change, found_in } => wanted.contains(&change.log) || wanted.contains(found_in),
    };
    let mut wrong: BTreeMap<&Finding, usize> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| concerns(finding)) {
        *wrong.entry(finding).or_default() += 1;
    }
    let subject = changes.iter().filter(|change| wanted.contains(&*change.due.tenant));
    let mut subject: Vec<u64> = subject.map(|change| change.seq).collect();
    let behind = |finding: &Finding| {
        let rows = rows.get(&finding.about().log).map_or(&[][..], Vec::as_slice);
        behind(finding, causes.get(finding.about()).map_or(&[][..], Vec::as_slice), rows)
    };
    let mut culprits: BTreeSet<u64> =
        wrong.keys().flat_map(|finding| behind(finding)).map(|change| change.seq).collect();
    let mut told: Vec<String> =
        wrong.iter().map(|(finding, times)| told(finding, *times, &behind(finding), &names)).collect();
    let mut amiss = wrong.values().sum::<usize>();
    if let Some(central) = central {
        let seen = central::look(run, tenants, &central, &rows).await?;
        amiss += seen.wrong.len();
        subject.extend(seen.subject);
        culprits.extend(seen.culprits);
        told.extend(seen.wrong);
        if amiss == 0 && !seen.hidden.is_empty() {
            let proof = Proof::of(expected).actual("not everything was seen that would show it");
            return Ok(Seen::Hidden(proof.details(seen.hidden)));
        }
    }
    let mut proof = Proof::of(expected);
    proof.anomaly = culprits.first().copied();
    // A failure rests on what is wrong, a pass on all changes.
    proof.evidence = if culprits.is_empty() { subject.clone() } else { culprits.into_iter().collect() };
    let right = subject.len().saturating_sub(amiss);
    if amiss == 0 {
        return Ok(Seen::of(proof, subject.len(), told, SUMMARY));
    }
    Ok(Seen::Broken(proof.actual(format!("{right} of {} {SUMMARY}", subject.len())).details(told)))
}

fn entry_seen(row: &AuditRow) -> Entry {
    Entry {
        actor: row.actor.clone(),
        action: row.action.clone(),
        object_type: row.object_type.clone(),
        object: row.object.clone(),
    }
}

/// How many changes of one kind upon one name were matched with the log so far.
type Matched = BTreeMap<(String, String, String, String), usize>;

/// The entry that a change calls for. Where the answer did not tell the object's id, the log may: the first such change upon
/// a name goes with the first such entry about that name, the second with the second.
fn entry_due(due: &AuditDue, rows: &BTreeMap<String, Vec<AuditRow>>, matched: &mut Matched) -> Entry {
    let object = match (&due.object_id, &due.object_name) {
        (Some(id), _) => id.to_string(),
        (None, None) => "?".to_owned(),
        (None, Some(name)) => {
            let same = |row: &&AuditRow| {
                row.object_name == **name
                    && row.action == *due.action
                    && row.object_type == *due.object_type
                    && row.actor == *due.actor
            };
            let key = (due.tenant.to_string(), due.action.to_string(), due.object_type.to_string(), name.to_string());
            let nth = matched.entry(key).or_insert(0);
            let found = rows.get(&*due.tenant).into_iter().flatten().filter(same).nth(*nth);
            *nth += 1;
            found.map_or_else(|| name.to_string(), |row| row.object.clone())
        }
    };
    Entry {
        actor: due.actor.to_string(),
        action: due.action.to_string(),
        object_type: due.object_type.to_string(),
        object,
    }
}

/// The changes behind a finding. Of several that call for equal entries (every change of a role is an update of the
/// tenant) those are missing that no entry was written for while they were asked; all of them where the times do not tell.
fn behind<'a>(finding: &Finding, equal: &[&'a Change], log: &[AuditRow]) -> Vec<&'a Change> {
    if !matches!(finding, Finding::Missing(_)) {
        return equal.to_vec();
    }
    // To the millisecond: `2026-11-22T05:27:00.123`.
    let moment = |text: &str| text.get(..23).unwrap_or(text).to_owned();
    let entries = log.iter().filter(|row| entry_seen(row) == finding.about().entry);
    let mut written: Vec<String> = entries.map(|row| moment(&row.time)).collect();
    let mut lost = Vec::new();
    for change in equal {
        let (asked, answered) = (moment(&rfc3339(change.between.0)), moment(&rfc3339(change.between.1)));
        match written.iter().position(|time| asked <= *time && *time <= answered) {
            Some(entry) => drop(written.remove(entry)),
            None => lost.push(*change),
        }
    }
    if written.is_empty() { lost } else { equal.to_vec() }
}

/// A finding: who asked for what, what of it stands where; with the scenario's names of tenants in place of ids.
fn told(finding: &Finding, times: usize, behind: &[&Change], names: &BTreeMap<String, String>) -> String {
    let mut asked: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for change in behind {
        *asked.entry(&change.by).or_default().entry(&change.operation).or_default() += 1;
    }
    let asked = asked.iter().map(|(by, operations)| {
        let times = |count: &usize| if *count > 1 { format!(" {count} times") } else { String::new() };
        let operations = operations.iter().map(|(operation, count)| format!("`{operation}`{}", times(count)));
        format!("{by} asked {}; ", operations.collect::<Vec<_>>().join(", "))
    });
    let times = if times > 1 { format!(" {times} times") } else { String::new() };
    let text = format!("{}{finding}{times}", asked.collect::<String>());
    names.iter().fold(text, |text, (id, name)| text.replace(id.as_str(), &format!("`{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(seq: u64, operation: &str, between: (u64, u64)) -> Change {
        let due = AuditDue {
            tenant: "t1".into(),
            actor: "u1".into(),
            actor_email: None,
            action: "update".into(),
            object_type: "tenant".into(),
            object_id: Some("t1".into()),
            object_name: None,
            demanded: true,
        };
        Change { seq, by: "ada@acme.test".into(), operation: operation.into(), between, due }
    }

    fn row(ms: u64) -> AuditRow {
        let word = str::to_owned;
        AuditRow {
            actor: word("u1"),
            actor_email: word(""),
            actor_type: word("user"),
            action: word("update"),
            object: word("t1"),
            object_type: word("tenant"),
            object_name: word(""),
            time: rfc3339(ms),
            change: word(""),
            raw: serde_json::Value::Null,
        }
    }

    fn missing() -> Finding {
        Finding::Missing(Owed { log: "t1".to_owned(), entry: entry_seen(&row(0)) })
    }

    #[test]
    fn of_equal_changes_the_one_is_named_that_no_entry_was_written_for() {
        let changes = [
            change(1, "Create Filter", (10, 12)),
            change(2, "Create Role", (20, 22)),
            change(3, "Delete Role", (30, 32)),
        ];
        let all: Vec<&Change> = changes.iter().collect();
        let lost = behind(&missing(), &all, &[row(11), row(32)]);
        assert_eq!(lost.iter().map(|change| change.seq).collect::<Vec<_>>(), [2]);
        let names = BTreeMap::from([("t1".to_owned(), "acme".to_owned())]);
        insta::assert_snapshot!(told(&missing(), 1, &lost, &names), @"ada@acme.test asked `Create Role`; `update tenant `acme` by u1` is not in the log of `acme`");
    }

    #[test]
    fn where_the_times_do_not_tell_all_equal_changes_are_named() {
        let changes = [
            change(1, "Create Filter", (10, 12)),
            change(2, "Create Role", (20, 22)),
            change(3, "Create Role", (30, 32)),
        ];
        let all: Vec<&Change> = changes.iter().collect();
        let lost = behind(&missing(), &all, &[row(500), row(11)]);
        assert_eq!(lost.len(), 3);
        insta::assert_snapshot!(told(&missing(), 2, &lost, &BTreeMap::new()), @"ada@acme.test asked `Create Filter`, `Create Role` 2 times; `update tenant t1 by u1` is not in the log of t1 2 times");
    }
}
