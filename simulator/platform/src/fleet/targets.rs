//! Whom a deployment is for.

use super::attributes;
use super::terms::{Filter, Term};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::Refusal;
use crate::store::{StoreError, Transaction, Tx};

/// Whom a deployment is for.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// These, whoever they are: an unknown or foreign id is taken and reaches nobody.
    Devices(&'a [String]),
    /// All accepted devices of today.
    All,
    /// The accepted devices of today in a group.
    Group(&'a str),
}

/// A device that a deployment is for.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) id: String,
    pub(super) tenant: String,
}

/// The devices that a deployment of `tenant` is for, each once.
pub(super) async fn resolve(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    target: &Target<'_>,
) -> Result<Vec<Reached>, StoreError> {
    let all = "select id, tenant_id from devices where tenant_id = $1 and status = 'accepted' order by created_at, id";
    let rows = match target {
        Target::Devices(_) if app.defect(DefectId::DeploymentForgetsDevices) => {
            let sql = "select id, tenant_id from devices where status = 'accepted' order by created_at, id";
            tx.query(sql, args![]).await?
        }
        Target::Devices(ids) => {
            let mut once = std::collections::BTreeSet::new();
            let fresh = ids.iter().filter(|id| once.insert(id.as_str()));
            return Ok(fresh.map(|id| Reached { id: id.clone(), tenant: tenant.to_owned() }).collect());
        }
        Target::All => tx.query(all, args![tenant]).await?,
        Target::Group(_) if app.defect(DefectId::GroupDeploymentGoesToAll) => tx.query(all, args![tenant]).await?,
        Target::Group(group) if app.defect(DefectId::GroupDeploymentCrossesTenants) => {
            let sql = "select id, tenant_id from devices where group_name = $1 and status = 'accepted' \
                       order by created_at, id";
            tx.query(sql, args![*group]).await?
        }
        Target::Group(group) => {
            let sql = "select id, tenant_id from devices where tenant_id = $1 and group_name = $2 \
                       and status = 'accepted' order by created_at, id";
            tx.query(sql, args![tenant, *group]).await?
        }
    };
    rows.iter().map(|row| Ok(Reached { id: row.text("id")?, tenant: row.text("tenant_id")? })).collect()
}

/// Puts a device into a deployment; false when it is in already.
pub(super) async fn put_into(
    app: &Platform,
    tx: &mut Transaction,
    deployment: &str,
    seq: u64,
    device: &Reached,
) -> Result<bool, StoreError> {
    let put = tx
        .execute(
            "insert into device_deployments (deployment_id, device_id, tenant_id, seq, status, open, created_at, \
             hidden) values ($1, $2, $3, $4, 'pending', 1, $5, 0) on conflict do nothing",
            args![deployment, &device.id, &device.tenant, seq, app.now_ms()],
        )
        .await?;
    Ok(put == 1)
}

/// Lets a device that asks take part in the oldest dynamic deployment that it matches and has not been in; whether
/// there was one.
pub(super) async fn join_dynamic(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
) -> Result<bool, Refusal> {
    let sql = "select id, seq, filter from deployments \
               where tenant_id = $1 and dynamic = 1 and finished_at is null order by seq, id";
    let deployments = tx.query(sql, args![tenant]).await?;
    if deployments.is_empty() {
        return Ok(false);
    }
    let row = "select * from devices where tenant_id = $1 and id = $2 order by id";
    let Some(row) = tx.first(row, args![tenant, device]).await? else { return Ok(false) };
    let known = attributes::all(&row)?;
    let reached = Reached { id: device.to_owned(), tenant: tenant.to_owned() };
    for deployment in deployments {
        let id = deployment.text("id")?;
        let filter: super::deployments::UsedFilter = deployment.json("filter")?;
        if !Filter::new(filter.terms)?.holds(device, &known) {
            continue;
        }
        if !put_into(app, tx, &id, deployment.time("seq")?, &reached).await? {
            continue;
        }
        // The count is the limit: one conditional update, and whoever finds it full is taken out again.
        let counted = tx
            .execute(
                "update deployments set device_count = device_count + 1, unfinished = unfinished + 1 \
                 where id = $1 and finished_at is null and (max_devices is null or device_count < max_devices)",
                args![&id],
            )
            .await?;
        if counted == 1 {
            return Ok(true);
        }
        let out = "delete from device_deployments where deployment_id = $1 and device_id = $2";
        tx.execute(out, args![&id, device]).await?;
    }
    Ok(false)
}

/// The accepted devices of the tenant that meet these terms, today.
pub(super) async fn matching(tx: &mut Transaction, tenant: &str, terms: Vec<Term>) -> Result<i64, Refusal> {
    let filter = Filter::new(terms)?;
    let sql = "select * from devices where tenant_id = $1 and status = 'accepted' order by created_at, id";
    let mut count = 0;
    for row in tx.query(sql, args![tenant]).await? {
        if filter.holds(&row.text("id")?, &attributes::all(&row)?) {
            count += 1;
        }
    }
    Ok(count)
}
