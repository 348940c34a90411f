//! `audit`: each change once, with its actor, in the right log, in no other.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use crate::shared::Change;
use fleetproof_claims::{Change as Owed, Entry, Finding, reconcile};
use fleetproof_dialects::AuditDue;
use fleetproof_dialects::mender::logs::AuditRow;
use fleetproof_language::Located;
use std::collections::{BTreeMap, BTreeSet};

/// Holds the logs of all tenants against the ledger of changes; what is wrong in a named tenant's log, or belongs there,
/// counts.
pub(super) async fn look(run: &mut Run, tenants: &[Located<String>]) -> Result<Seen> {
    let expected = "every change stands once, with its actor, in the right log and in no other";
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rows: BTreeMap<String, Vec<AuditRow>> = BTreeMap::new();
    let all: Vec<_> = run.people.tenants().map(|tenant| tenant.at.clone()).collect();
    for at in all {
        let admin = run.people.admin(&at.name).await?;
        rows.insert(at.id.to_string(), run.mender.audit_log(&admin).await?);
        names.insert(at.id.to_string(), at.name.to_string());
    }
    let changes: Vec<Change> = run.shared.changes();
    let (mut due, mut explained) = (Vec::new(), BTreeMap::new());
    let mut matched = Matched::new();
    for change in &changes {
        let at = Owed { log: change.due.tenant.to_string(), entry: entry_due(&change.due, &rows, &mut matched) };
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

    let wanted: BTreeSet<String> =
        tenants.iter().filter_map(|name| run.people.tenant(name).map(|tenant| tenant.at.id.to_string())).collect();
    let concerns = |finding: &Finding| match finding {
        Finding::Missing(change) | Finding::Unexplained(change) => wanted.contains(&change.log),
        Finding::Doubled { change, .. } => wanted.contains(&change.log),
        Finding::Misplaced { change, found_in } => wanted.contains(&change.log) || wanted.contains(found_in),
    };
    let wrong: Vec<String> =
        findings.iter().filter(|finding| concerns(finding)).map(|finding| told(finding, &names)).collect();
    let subject: Vec<&Change> = changes.iter().filter(|change| wanted.contains(&*change.due.tenant)).collect();
    let anomaly =
        findings.iter().filter(|finding| concerns(finding)).find_map(|finding| first_event(finding, &subject));
    let mut proof = Proof::of(expected).evidence(subject.iter().map(|change| change.seq));
    proof.anomaly = anomaly;
    Ok(Seen::of(proof, subject.len(), wrong, "changes stand where they belong"))
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

/// A finding with the scenario's names of tenants in place of the platform's ids.
fn told(finding: &Finding, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(finding.to_string(), |text, (id, name)| text.replace(id.as_str(), &format!("`{name}`")))
}

/// The event of the change that a finding is about.
fn first_event(finding: &Finding, changes: &[&Change]) -> Option<u64> {
    let (Finding::Missing(about)
    | Finding::Unexplained(about)
    | Finding::Doubled { change: about, .. }
    | Finding::Misplaced { change: about, .. }) = finding;
    let same = |change: &&&Change| {
        *change.due.action == *about.entry.action
            && *change.due.actor == *about.entry.actor
            && change.due.object_id.as_deref().is_none_or(|id| id == about.entry.object)
    };
    changes.iter().find(same).map(|change| change.seq)
}
