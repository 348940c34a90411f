//! Device limits, and the pool that a provider's children are carved out of.
//!
//! A provider's `lim` is what its own devices may use: its reserve. What it gives to a child moves from `lim` to
//! `carved` in one conditional update, so that reserve and children always add up to the pool.

use crate::args;
use crate::refusal::Refusal;
use crate::store::{Row, StoreError, Transaction, Tx};

/// No limit.
pub(super) const UNLIMITED: i64 = -1;

/// What a limit takes from a pool.
fn weight(limit: i64) -> i64 {
    limit.max(0)
}

/// 400 for what is no limit.
pub(crate) fn check_limit(limit: i64) -> Result<i64, Refusal> {
    if (UNLIMITED..=1 << 40).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::bad_request("limit: must be -1 (none) or more"))
    }
}

/// Takes what a child's limit needs beyond `before` from its provider's reserve, or gives it back.
/// 422 when the reserve has not that much.
pub(crate) async fn carve(tx: &mut Transaction, provider: &str, before: i64, limit: i64) -> Result<(), Refusal> {
    let more = weight(limit) - weight(before);
    let carved = tx
        .execute(
            "update tenants set lim = case when lim = -1 then lim else lim - $2 end, carved = carved + $2 \
             where id = $1 and (lim = -1 or ($3 = 0 and ($2 <= 0 or lim - devices_accepted >= $2)))",
            args![provider, more, limit == UNLIMITED],
        )
        .await?;
    if carved == 1 { Ok(()) } else { Err(exhausted()) }
}

/// What the pool says when it is empty.
pub(super) fn exhausted() -> Refusal {
    Refusal::unprocessable("Device limit for children tenants exhausted.")
}

/// Sets a tenant's limit: a child's comes out of its provider's pool, a provider's is its whole pool.
pub(crate) async fn set_limit(tx: &mut Transaction, tenant: &Row, limit: i64) -> Result<(), Refusal> {
    let (id, before) = (tenant.text("id")?, tenant.int("lim")?);
    let lim = if let Some(parent) = tenant.maybe_text("parent_id")? {
        carve(tx, &parent, before, limit).await?;
        limit
    } else if limit == UNLIMITED {
        limit
    } else {
        let reserve = limit - tenant.int("carved")?;
        if reserve < 0 {
            return Err(Refusal::unprocessable("The children have more than that."));
        }
        reserve
    };
    let set = tx.execute("update tenants set lim = $2 where id = $1 and lim = $3", args![&id, lim, before]).await?;
    if set == 1 { Ok(()) } else { Err(Refusal::conflict("the limit was changed meanwhile")) }
}

/// The limit that is shown: a provider's is its pool.
pub(super) fn shown_limit(tenant: &Row) -> Result<i64, StoreError> {
    let lim = tenant.int("lim")?;
    Ok(if lim == UNLIMITED { lim } else { lim + tenant.int("carved")? })
}
