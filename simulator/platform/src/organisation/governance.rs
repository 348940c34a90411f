//! Which controls hold for an account, and whether they let something happen.

use super::landing::{Organisation, of};
use super::units;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction};
use fleetproof_dataplane::organisation::controls::{self, Action, Actor, Denied, Governance};

/// The account that a tenant is, with its row.
pub(super) async fn account_of(tx: &mut Transaction, tenant: &str) -> Result<Option<Row>, StoreError> {
    tx.first("select * from org_accounts where tenant_id = $1 order by id", args![tenant]).await
}

/// What decides about actions in an account.
pub(super) async fn governance(
    app: &Platform,
    tx: &mut Transaction,
    organisation: &Organisation,
    account: &Row,
) -> Answer<Governance> {
    let forgets_new = app.defect(DefectId::ControlsForgetNewAccounts);
    let since = if forgets_new { account.int("created_at")? } else { 0 };
    let units = units::load(tx, &organisation.provider, since).await?;
    Ok(Governance { in_force: units.in_force(&account.text("unit_id")?), governed: organisation.governed.clone() })
}

/// Whether the controls of a tenant's account let something happen: 403 when not. A tenant that is in no organisation has
/// no controls. They only take away: whether the caller has the right is asked elsewhere.
pub(crate) async fn allows(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    actor: Actor,
    action: Action,
    region: Option<&str>,
) -> Answer<()> {
    let Some(account) = account_of(tx, tenant).await? else { return Ok(()) };
    let organisation = of(tx, &account.text("provider_id")?).await?;
    let governance = governance(app, tx, &organisation, &account).await?;
    controls::allows(&governance, actor, action, region).map_err(refused)
}

/// A control's no as a 403.
pub(super) fn refused(denied: Denied) -> Refusal {
    Refusal::forbidden_since(format!("AccessDeniedException: {denied}"))
}
