//! `removed`: a tenant's endpoints refuse, what belonged to it is gone, and its provider's log has kept that it was.

use crate::proof::{Proof, Seen};
use crate::run::{Removed, Result, Run};
use fleetproof_dialects::DialectError;
use fleetproof_language::Located;

/// Tries everything that opened the tenant before.
pub(super) async fn look(run: &Run, tenants: &[Located<String>]) -> Result<Seen> {
    let (mut wrong, mut unknown, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for tenant in tenants {
        let Some(removed) = run.removed.get(&tenant.value) else {
            wrong.push(format!("`{}` was never removed", tenant.value));
            continue;
        };
        evidence.push(removed.seq);
        if run.people.former_of(tenant).is_empty() {
            unknown.push(format!(
                "nobody was seen to get into `{}` before: that nobody does now proves nothing",
                tenant.value
            ));
        }
        wrong.extend(doors(run, tenant, &removed).await?);
        wrong.extend(lists(run, tenant, &removed).await?);
        let (open, silent) = devices(run, &removed, &mut evidence);
        wrong.extend(open);
        unknown.extend(silent);
    }
    let expected = "nobody and nothing gets in, files and lists have forgotten it, the provider's log has not";
    let proof = Proof::of(expected).evidence(evidence);
    if wrong.is_empty() && !unknown.is_empty() {
        return Ok(Seen::Hidden(proof.actual("not everything was seen that would show it").details(unknown)));
    }
    Ok(Seen::of(proof, tenants.len(), wrong, "tenants are gone"))
}

/// Doors that are still open: of its admin, of whoever had a session there, of links to its files.
async fn doors(run: &Run, tenant: &str, removed: &Removed) -> Result<Vec<String>> {
    let mut open = Vec::new();
    match run.mender.login(&removed.admin, &run.people.password(&removed.admin), Some(&removed.at)).await {
        Ok(session) if session.tenant_id().is_none_or(|id| **id == *removed.at.id) => {
            open.push(format!("`{}` logs in to `{tenant}`", removed.admin));
        }
        // She belongs elsewhere too.
        Ok(_) => {}
        Err(error) if error.status() == Some(401) => {}
        Err(error) => return Err(error.into()),
    }
    for (person, session) in run.people.former_of(tenant) {
        match run.mender.tenant_info(&session).await {
            Ok(_) => {
                open.push(format!("`{person}` asks `Tenant Info` in the session she had in `{tenant}` and is served"))
            }
            Err(error) if error.status() == Some(401) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((link, who)) = &removed.link {
        let answer = run.mender.follow(who, link).await?;
        if answer.is_success() {
            open.push(format!(
                "`{}` follows the link to a file of `{tenant}` and gets {} bytes of it ({})",
                who.who(),
                answer.body.len(),
                answer.status
            ));
        }
    }
    Ok(open)
}

/// Lists that still have it, and the log that should.
async fn lists(run: &Run, tenant: &str, removed: &Removed) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    match run.mender.operator_tenant(&removed.at.id).await {
        Ok(_) => wrong.push(format!("the operator is shown `{tenant}`")),
        Err(error) if error.status() == Some(404) => {}
        // Without an operator's door nobody can look there.
        Err(DialectError::NoOperator) => {}
        Err(error) => return Err(error.into()),
    }
    if run.people.tenant(Run::PROVIDER).is_none() {
        return Ok(wrong);
    }
    let provider = run.people.admin(Run::PROVIDER).await?;
    if run.mender.tenants(&provider).await?.iter().any(|row| row.id == *removed.at.id) {
        wrong.push(format!("`{}` still finds `{tenant}` among the children", provider.who()));
    }
    let log = run.mender.audit_log(&provider).await?;
    for action in ["create", "delete"] {
        let is_kept = |row: &fleetproof_dialects::mender::logs::AuditRow| {
            row.object == *removed.at.id && row.object_type == "tenant" && row.action == action
        };
        if !log.iter().any(is_kept) {
            wrong.push(format!("the log of `{}` does not have `{action} tenant {tenant}`", Run::PROVIDER));
        }
    }
    Ok(wrong)
}

/// Its devices: those that were served since, and those that have not tried.
fn devices(run: &Run, removed: &Removed, evidence: &mut Vec<u64>) -> (Vec<String>, Vec<String>) {
    let (mut open, mut silent) = (Vec::new(), Vec::new());
    run.shared.record(|record| {
        for device in &removed.devices {
            let (name, seen) = (run.name_of(*device), &record.devices[*device as usize]);
            if seen.served.is_some_and(|at| at > removed.since) {
                open.push(format!("`{name}` polls for an update and is served"));
                continue;
            }
            match seen.knocked {
                Some((at, 401, seq)) if at > removed.since => evidence.push(seq),
                Some((at, status, _)) if at > removed.since => {
                    open.push(format!("`{name}` knocks and is answered {status}, due 401"));
                }
                _ => silent.push(format!("`{name}` has not tried since")),
            }
        }
    });
    (open, silent)
}
