//! Slots: how many devices a tenant may have accepted. One conditional update decides who gets the last one.

use super::device_status::{Status, of_device};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::Refusal;
use crate::store::{StoreError, Transaction, Tx};

/// Takes a slot of `tenant`; whether there was one.
pub(super) async fn take(app: &Platform, tx: Transaction, tenant: &str) -> Result<(Transaction, bool), Refusal> {
    if app.defect(DefectId::DeviceLimitCheckThenAct) {
        return look_then_take(app, tx, tenant).await;
    }
    let mut tx = tx;
    let sql = if app.defect(DefectId::DeviceLimitOffByOne) {
        "update tenants set devices_accepted = devices_accepted + 1 \
         where id = $1 and (lim = -1 or devices_accepted <= lim)"
    } else {
        "update tenants set devices_accepted = devices_accepted + 1 \
         where id = $1 and (lim = -1 or devices_accepted < lim)"
    };
    let taken = tx.execute(sql, args![tenant]).await?;
    Ok((tx, taken == 1))
}

/// The defect: whether there is a slot is asked in one transaction, it is taken in the next.
async fn look_then_take(app: &Platform, mut tx: Transaction, tenant: &str) -> Result<(Transaction, bool), Refusal> {
    let room = tx
        .number(
            "select count(*) as n from tenants where id = $1 and (lim = -1 or devices_accepted < lim)",
            args![tenant],
        )
        .await?;
    app.commit(tx).await?;
    let mut tx = app.begin().await?;
    if room == 1 {
        tx.execute("update tenants set devices_accepted = devices_accepted + 1 where id = $1", args![tenant]).await?;
    }
    Ok((tx, room == 1))
}

/// Gives `count` slots back.
pub(super) async fn give_back(tx: &mut Transaction, tenant: &str, count: i64) -> Result<(), StoreError> {
    let less = "update tenants set devices_accepted = devices_accepted - $2 where id = $1";
    tx.execute(less, args![tenant, count]).await?;
    Ok(())
}

/// Makes a device's status follow from its authentication sets after they changed: writes it, gives the slot back
/// that it does not hold any more, and kills the tokens of sets that are not accepted. The slot of a device that is
/// accepted now was taken before. The new status.
pub(super) async fn settle(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    device: &str,
    before: Status,
) -> Result<Status, StoreError> {
    let sets = tx.query("select status from auth_sets where device_id = $1 order by id", args![device]).await?;
    let mut all = Vec::with_capacity(sets.len());
    for set in &sets {
        all.extend(Status::named(&set.text("status")?));
    }
    let now = of_device(all);
    tx.execute(
        "update devices set status = $2, updated_at = $3 where id = $1",
        args![device, now.name(), app.now_ms()],
    )
    .await?;
    if !app.defect(DefectId::RejectedTokenGood) {
        tx.execute(
            "delete from device_tokens where tenant_id = $1 and device_id = $2 \
             and jti not in (select id from auth_sets where device_id = $2 and status = 'accepted')",
            args![tenant, device],
        )
        .await?;
    }
    if before == Status::Accepted && now != Status::Accepted {
        give_back(tx, tenant, 1).await?;
    }
    Ok(now)
}
