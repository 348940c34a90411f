//! Each part of what an organisation makes of a tenant: its account in its unit, made from the blueprint, an endpoint in each
//! region, the lobby's role, the audit trail, the controls, and that it serves.

use super::{Signs, controls, greeting};
use crate::run::{Result, Run};
use fleetproof_dialects::aws::accounts::{self, AccountRow, Drift};
use fleetproof_dialects::aws::organisation::TIER;
use fleetproof_dialects::mender::Session;
use std::collections::BTreeSet;

/// Looks through the organisation's own interface, and, where somebody gets in, through the account's.
pub(super) async fn look(run: &Run, tenant: &str, admin: Option<&Session>, signs: &mut Signs) -> Result<()> {
    let by = run.people.admin(Run::PROVIDER).await?;
    let (all, estate) = (accounts::all(&run.mender, &by).await?, accounts::estate(&run.mender, &by).await?);
    let mut own = all.iter().filter(|row| row.name == tenant && row.is_there());
    let (account, another) = (own.next(), own.next());
    if another.is_some() {
        signs.wrong.push("it has more than one account".to_owned());
    }
    let there = all.iter().filter(|row| row.is_there()).count();
    if u64::try_from(there) != Ok(estate.counted) {
        signs.wrong.push(format!("the organisation counts {} accounts and lists {there}", estate.counted));
    }
    let seen = run.accounts.seen(tenant);
    if seen.was_early {
        signs.wrong.push("its account was open before it was whole".to_owned());
    }
    if seen.was_doubled {
        signs.wrong.push("its request, made again with its token, was taken for another one".to_owned());
    }
    signs.push(("an account", account.is_some()));
    signs.push(("open", account.is_some_and(|account| account.state == "ACTIVE")));
    signs.push(("in its unit", account.is_some_and(|account| account.unit == estate.root)));
    let version = run.accounts.organisation.read(|known| known.as_ref().map(|known| known.product.1.clone()));
    let is_made_so = |account: &AccountRow| Some(&account.blueprint) == version.as_ref() && account.tier == TIER;
    signs.push(("made from the blueprint", account.is_some_and(is_made_so)));
    signs.push(("an audit trail", account.is_some_and(|account| account.is_audited)));
    regions(run, tenant, account, signs);
    let Some(account) = account else {
        for what in ["as the scan wants it", "the controls hold", "a first message"] {
            signs.push((what, false));
        }
        return Ok(());
    };
    let drift = accounts::drift(&run.mender, &by).await?;
    // Where the lobby is not to act, the scan misses its role, and should.
    let is_meant = |drift: &&Drift| drift.kind == "TRUST_MISSING" && is_withheld(run, tenant, account);
    let drift: Vec<&Drift> = drift.iter().filter(|one| one.account == account.id && !is_meant(one)).collect();
    signs.push(("as the scan wants it", drift.is_empty()));
    signs.wrong.extend(drift.into_iter().map(|drift| drift.told.clone()));
    signs.wrong.extend(shared_ids(run, &by, account, &all).await?);
    let Some(admin) = admin.filter(|_| signs.are_there()) else {
        signs.push(("the controls hold", false));
        signs.push(("a first message", false));
        return Ok(());
    };
    let loose = controls::try_out(run, &by, admin, account).await?;
    signs.push(("the controls hold", loose.is_empty()));
    signs.wrong.extend(loose);
    let silent = greeting::greet(run, tenant, account).await?;
    signs.push(("a first message", silent.is_empty()));
    signs.wrong.extend(silent);
    Ok(())
}

/// Whether the lobby may act in a tenant and a region, as the scenario says.
fn is_trusting(run: &Run, tenant: &str, region: &str) -> bool {
    let declared = run.plan.scenario.platform.tenants.get(tenant).map(|tenant| tenant.trusts_lobby());
    run.accounts.trusts(tenant, region).or(declared).unwrap_or(true)
}

/// Whether the lobby may not act somewhere in an account.
fn is_withheld(run: &Run, tenant: &str, account: &AccountRow) -> bool {
    account.regions.iter().any(|row| !is_trusting(run, tenant, &row.region))
}

/// An endpoint in each region that was asked for and in no other, with the lobby's role as it was declared.
fn regions(run: &Run, tenant: &str, account: Option<&AccountRow>, signs: &mut Signs) {
    let platform = &run.plan.scenario.platform;
    let declared = platform.tenants.get(tenant);
    let mut asked: Vec<String> =
        declared.into_iter().flat_map(|tenant| &tenant.regions).map(|region| region.value.clone()).collect();
    if asked.is_empty() {
        asked.extend(run.accounts.organisation.read(|known| known.as_ref().map(|known| known.home.clone())));
    }
    for name in &asked {
        let row = account.and_then(|account| account.regions.iter().find(|row| row.region == *name));
        signs.push((format!("an endpoint in {name}"), row.is_some_and(|row| !row.endpoint.is_empty())));
        let due = is_trusting(run, tenant, name);
        let word = if due { "the lobby's role" } else { "no role of the lobby's" };
        signs.push((format!("{word} in {name}"), row.is_some_and(|row| row.is_trusting == due)));
    }
    let others = account.into_iter().flat_map(|account| &account.regions);
    let others = others.filter(|row| !asked.contains(&row.region));
    signs.wrong.extend(others.map(|row| format!("it is in {}, which nobody asked for", row.region)));
}

/// What the lobby shows must be another thing in each account: with one that all share, it could be sent to any of them.
async fn shared_ids(run: &Run, by: &Session, account: &AccountRow, all: &[AccountRow]) -> Result<Vec<String>> {
    let mut own = BTreeSet::new();
    for row in &account.regions {
        own.extend(accounts::external_id(&run.mender, by, &account.id, &row.region).await?);
    }
    let mut wrong = Vec::new();
    for other in all.iter().filter(|other| other.id != account.id && other.state == "ACTIVE") {
        for row in &other.regions {
            let Some(id) = accounts::external_id(&run.mender, by, &other.id, &row.region).await? else { continue };
            if own.contains(&id) {
                wrong.push(format!("the lobby shows it the external id that it shows `{}`", other.name));
            }
        }
    }
    Ok(wrong)
}
