//! `counts`: the platform's counters are the ledger's, as the tenant reads them and as its provider does.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_journal::What;

/// The numbers that are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) accepted: u64,
    pub(super) pending: Option<u64>,
    pub(super) limit: Option<i64>,
}

/// Reads the counters on both sides, and counts the lists too: a counter that agrees with no list counts nothing.
pub(super) async fn look(run: &Run, tenant: &str, due: Due) -> Result<Seen> {
    let at = run.tenant(tenant)?;
    let admin = run.people.admin(tenant).await?;
    let (counts, limit) = (run.mender.counts(&admin).await?, run.mender.limit(&admin).await?);
    let listed = run.mender.devices(&admin, Some("accepted")).await?.len() as u64;
    let own = run.mender.tenant_info(&admin).await?;
    let ledger = run.inside(tenant).len() as u64;
    let accepted = i64::try_from(due.accepted).unwrap_or(i64::MAX);
    let mut numbers = vec![
        ("accepted, as the tenant counts", i64::try_from(counts.accepted).unwrap_or(i64::MAX), accepted),
        ("accepted, in the tenant's list", i64::try_from(listed).unwrap_or(i64::MAX), accepted),
        ("accepted, as the tenant's own page says", own.row.device_count, accepted),
        ("accepted, in the harness's ledger", i64::try_from(ledger).unwrap_or(i64::MAX), accepted),
    ];
    if let Some(pending) = due.pending {
        let seen = i64::try_from(counts.pending).unwrap_or(i64::MAX);
        numbers.push(("pending, as the tenant counts", seen, i64::try_from(pending).unwrap_or(i64::MAX)));
    }
    let limit_due = due.limit.or_else(|| run.limits.get(tenant));
    if let Some(due) = limit_due {
        numbers.push(("limit, as the tenant reads it", limit, due));
    }
    if tenant != Run::PROVIDER && run.people.tenant(Run::PROVIDER).is_some() {
        let provider = run.people.admin(Run::PROVIDER).await?;
        let rows = run.mender.tenants(&provider).await?;
        if let Some(row) = rows.iter().find(|row| *row.id == *at.id) {
            numbers.push(("accepted, as the provider reads it", row.device_count, accepted));
            if let Some(due) = limit_due {
                numbers.push(("limit, as the provider reads it", row.device_limit, due));
            }
        } else {
            numbers.push(("times in the provider's list", 0, 1));
        }
    }
    let wrong: Vec<String> = numbers
        .iter()
        .filter(|(_, seen, due)| seen != due)
        .map(|(what, seen, due)| format!("{what}: {seen}, due {due}"))
        .collect();
    let text = format!("`{tenant}` counts {} accepted of {limit}, {} pending", counts.accepted, counts.pending);
    let seq = run.shared.emit("engine", None, What::Note { text });
    let proof = Proof::of(format!("`{tenant}` has {} accepted devices in every count", due.accepted)).evidence([seq]);
    Ok(Seen::of(proof, numbers.len(), wrong, "counts agree"))
}
