//! `acknowledged`: all that the platform answered with yes is there, read back by its owner.

use crate::proof::{Proof, Seen};
use crate::record::Seq;
use crate::run::{Result, Run};
use crate::shared::Change;
use fleetproof_dialects::aws;
use fleetproof_language::Located;
use std::collections::{BTreeMap, BTreeSet};

/// What the owner must find of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    There,
    Gone,
}

/// A kind of thing and its id.
type Thing = (String, String);

/// What is owed of all things of a tenant: the last acknowledged change of each decides, with the event that says so. What
/// the platform may have done or not (no answer came, or one that does not tell) is owed neither way.
fn owed<'c>(changes: impl Iterator<Item = &'c Change>) -> BTreeMap<Thing, (Owed, Seq)> {
    let mut owed = BTreeMap::new();
    for change in changes {
        let due = &change.due;
        let Some(id) = &due.object_id else { continue };
        let thing = (due.object_type.to_string(), id.to_string());
        if !due.demanded {
            owed.remove(&thing);
            continue;
        }
        let is_over = matches!(&*due.action, "delete" | "decommission");
        owed.insert(thing, (if is_over { Owed::Gone } else { Owed::There }, change.seq));
    }
    owed
}

/// What of it is not so. Kinds that were not read back are no evidence.
fn lost(
    owed: &BTreeMap<Thing, (Owed, Seq)>,
    found: &BTreeMap<String, BTreeSet<String>>,
) -> (Vec<(Seq, String)>, Vec<Seq>) {
    let (mut lost, mut kept) = (Vec::new(), Vec::new());
    for ((kind, id), (owed, seq)) in owed {
        let Some(known) = found.get(kind) else { continue };
        match (owed, known.contains(id)) {
            (Owed::There, false) => lost.push((*seq, format!("the {kind} {id} is not there"))),
            (Owed::Gone, true) => lost.push((*seq, format!("the {kind} {id} is there again"))),
            _ => kept.push(*seq),
        }
    }
    (lost, kept)
}

/// How far a status is; none of those that end it is further than another.
fn stage(status: &str) -> u8 {
    match status {
        "scheduled" | "pending" => 0,
        "downloading" | "pause_before_installing" => 1,
        "installing" | "pause_before_rebooting" | "rebooting" | "pause_before_committing" => 2,
        _ => 3,
    }
}

/// Whether what the platform shows is, or comes after, what it took note of.
fn is_kept(reported: &str, shown: &str) -> bool {
    match stage(reported) {
        3 => reported == shown,
        told => stage(shown) >= told,
    }
}

/// Reads everything back, tenant by tenant.
pub(super) async fn attempt(run: &Run, tenants: &[Located<String>], may_be_lost: u32) -> Result<Seen> {
    let proof = Proof::of(match may_be_lost {
        0 => "all that the platform answered with yes is there".to_owned(),
        some => format!("of all that the platform answered with yes at most {some} are lost"),
    });
    let (faults, last_fault) = run.shared.faults();
    if faults > 0 {
        return Ok(Seen::Hidden(proof.actual("a fault is still on: it is read back after the last one")));
    }
    let changes = run.shared.changes();
    let (mut gone, mut kept): (Vec<(Seq, String)>, Vec<Seq>) = (Vec::new(), Vec::new());
    for name in tenants {
        let tenant = run.tenant(name)?;
        let owed = owed(changes.iter().filter(|change| *change.due.tenant == *tenant.id));
        let found = found(run, name).await?;
        let (lost, right) = lost(&owed, &found);
        gone.extend(lost.into_iter().map(|(seq, what)| (seq, format!("`{name}`: {what}", name = name.value))));
        kept.extend(right);
        devices(run, name, &mut gone, &mut kept).await?;
        files(run, name, &owed, &mut gone).await?;
    }
    gone.sort();
    let all = gone.len() + kept.len();
    if kept.is_empty() && gone.is_empty() {
        return Ok(Seen::Hidden(proof.actual("nothing was answered with yes")));
    }
    let anomaly = gone.first().map(|(seq, _)| *seq);
    let mut proof = proof.evidence(kept).evidence(last_fault);
    let told = format!("{} of {all} are lost", gone.len());
    let few = gone.len() <= may_be_lost as usize;
    proof = proof.evidence(gone.iter().map(|(seq, _)| *seq)).actual(told);
    proof = proof.details(gone.into_iter().map(|(seq, what)| format!("{what} (#{seq})")).collect());
    if few {
        return Ok(Seen::Holds(proof));
    }
    proof.anomaly = anomaly;
    Ok(Seen::Broken(proof))
}

/// All that the owner finds, by kind.
async fn found(run: &Run, tenant: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let admin = run.people.admin(tenant).await?;
    let users = run.mender.users(&admin).await?.into_iter().map(|user| user.id).collect();
    let devices = run.mender.devices(&admin, None).await?.into_iter().map(|device| device.id).collect();
    let artifacts = run.mender.artifacts(&admin).await?.into_iter().collect();
    let deployments = run.mender.deployments(&admin).await?.into_iter().map(|deployment| deployment.id).collect();
    let mut found = BTreeMap::from([
        ("user".to_owned(), users),
        ("device".to_owned(), devices),
        ("artifact".to_owned(), artifacts),
        ("deployment".to_owned(), deployments),
    ]);
    if tenant == Run::PROVIDER {
        let children = run.mender.tenants(&admin).await?.into_iter().map(|child| child.id);
        let own = run.tenant(tenant)?.id.to_string();
        found.insert("tenant".to_owned(), children.chain([own]).collect());
    }
    Ok(found)
}

/// What was uploaded is what its owner is told: the same files with the same checksums.
async fn files(
    run: &Run,
    tenant: &str,
    owed: &BTreeMap<Thing, (Owed, Seq)>,
    gone: &mut Vec<(Seq, String)>,
) -> Result<()> {
    for ((_, name), id) in run.uploaded.all().into_iter().filter(|((owner, _), _)| owner == tenant) {
        let Some((Owed::There, seq)) = owed.get(&("artifact".to_owned(), id.clone())) else { continue };
        let admin = run.people.admin(tenant).await?;
        let Ok(shown) = run.mender.artifact_files(&admin, &id).await else { continue };
        let due = crate::steps::artifact(run, &name)?.files();
        if shown != due {
            let told = |files: &BTreeMap<String, String>| {
                files
                    .iter()
                    .map(|(file, sum)| format!("{file} {}…", &sum[..sum.len().min(8)]))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            gone.push((*seq, format!("`{name}` holds {}, the platform shows {}", told(&due), told(&shown))));
        }
    }
    Ok(())
}

/// What was answered to the devices: those that were let in are in, and what they reported was kept.
async fn devices(run: &Run, tenant: &str, gone: &mut Vec<(Seq, String)>, kept: &mut Vec<Seq>) -> Result<()> {
    let admin = run.people.admin(tenant).await?;
    let accepted: BTreeSet<String> =
        run.mender.devices(&admin, Some("accepted")).await?.into_iter().map(|device| device.id).collect();
    for device in run.inside(tenant) {
        let (Some(id), name) = (run.id_of(device), run.name_of(device)) else { continue };
        let seq = run.shared.record(|record| record.devices[device as usize].authenticated.map(|(_, seq)| seq));
        match (accepted.contains(&id), seq) {
            (true, seq) => kept.extend(seq),
            (false, seq) => gone.push((seq.unwrap_or(0), format!("`{name}` was let in, and is not in any more"))),
        }
    }
    things(run, tenant, gone, kept).await?;
    for (name, deployed) in run.deployments.all() {
        for (whose, id) in deployed.ids.iter().filter(|(whose, _)| whose.tenant == tenant) {
            for (device, part) in whose.parts(run, &admin, id, &deployed.devices).await? {
                let told = run.shared.record(|record| {
                    let update = record.devices[device as usize].heard_of(id)?;
                    let noted = update.reports.iter().rev().find(|(_, answer, _)| (200..300).contains(answer))?;
                    Some((noted.0.clone(), noted.2))
                });
                let Some((status, seq)) = told else { continue };
                if is_kept(&status, &part.status) {
                    kept.push(seq);
                    continue;
                }
                let (device, shown) = (run.name_of(device), part.status);
                let text = format!("`{device}` reported `{status}` of `{name}`, the platform shows `{shown}`");
                gone.push((seq, text));
            }
        }
    }
    Ok(())
}

/// Devices that speak MQTT: the certificates that were registered are there, and let them in.
async fn things(run: &Run, tenant: &str, gone: &mut Vec<(Seq, String)>, kept: &mut Vec<Seq>) -> Result<()> {
    let inside = run.things.inside(run, tenant);
    if inside.is_empty() {
        return Ok(());
    }
    let (admin, place) = (run.people.admin(tenant).await?, run.things.place(run, tenant).await?);
    let rows = aws::things::certificates(&run.mender, &admin, &place).await?;
    let active: BTreeSet<String> = rows.into_iter().filter(|row| row.status == "ACTIVE").map(|row| row.id).collect();
    for device in inside {
        let seq = run.shared.record(|record| record.devices[device as usize].authenticated.map(|(_, seq)| seq));
        let is_there = run.things.certificate(device).is_some_and(|certificate| active.contains(&certificate));
        match (is_there || run.barred.contains_key(&device), seq) {
            (true, seq) => kept.extend(seq),
            (false, seq) => {
                let text =
                    format!("`{}` was let in, and its certificate does not let it in any more", run.name_of(device));
                gone.push((seq.unwrap_or(0), text));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_dialects::AuditDue;

    fn change(seq: Seq, action: &str, kind: &str, id: Option<&str>, demanded: bool) -> Change {
        let due = AuditDue {
            tenant: "t".into(),
            actor: "u".into(),
            actor_email: None,
            action: action.into(),
            object_type: kind.into(),
            object_id: id.map(Into::into),
            object_name: None,
            demanded,
        };
        Change { seq, by: "ada@acme.test".into(), operation: "x".into(), between: (0, 0), due }
    }

    fn judged(changes: &[Change], users: &[&str]) -> (Vec<String>, Vec<Seq>) {
        let users = users.iter().map(|id| (*id).to_owned()).collect();
        let (lost, kept) = lost(&owed(changes.iter()), &BTreeMap::from([("user".to_owned(), users)]));
        (lost.into_iter().map(|(_, what)| what).collect(), kept)
    }

    #[test]
    fn the_last_word_counts() {
        let both = [change(1, "create", "user", Some("a"), true), change(2, "delete", "user", Some("a"), true)];
        assert_eq!(judged(&both[..1], &["a"]), (vec![], vec![1]));
        assert_eq!(judged(&both[..1], &[]), (vec!["the user a is not there".to_owned()], vec![]));
        assert_eq!(judged(&both, &[]), (vec![], vec![2]));
        assert_eq!(judged(&both, &["a"]), (vec!["the user a is there again".to_owned()], vec![]));
    }

    #[test]
    fn what_may_have_happened_is_owed_neither_way() {
        let perhaps = [change(1, "create", "user", Some("a"), true), change(2, "delete", "user", Some("a"), false)];
        assert_eq!(judged(&perhaps, &[]), (vec![], vec![]));
        assert_eq!(judged(&perhaps, &["a"]), (vec![], vec![]));
        let untold = [change(1, "create", "user", None, true), change(2, "create", "role", Some("r"), true)];
        assert_eq!(judged(&untold, &[]), (vec![], vec![]), "what was not read back is no evidence");
    }

    #[test]
    fn a_report_is_kept_when_it_shows_or_what_comes_after_it() {
        for (reported, shown) in [
            ("downloading", "installing"),
            ("installing", "rebooting"),
            ("rebooting", "installing"),
            ("success", "success"),
            ("installing", "aborted"),
        ] {
            assert!(is_kept(reported, shown), "{reported} {shown}");
        }
        for (reported, shown) in [
            ("downloading", "pending"),
            ("installing", "downloading"),
            ("success", "failure"),
            ("failure", "installing"),
        ] {
            assert!(!is_kept(reported, shown), "{reported} {shown}");
        }
    }
}
