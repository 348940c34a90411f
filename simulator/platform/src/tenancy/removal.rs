//! How a tenant or a membership ends: nothing of it is left but the log.

use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::fleet;
use crate::organisation;
use crate::refusal::Refusal;
use crate::registry;
use crate::store::{Row, StoreError, Transaction, Tx};

/// What a tenant leaves behind, in an order that no reference minds. Its log stays.
const LEFT_BEHIND: &[&str] = &[
    "delete from device_tokens where tenant_id = $1",
    "delete from sessions where tenant_id = $1",
    "delete from memberships where tenant_id = $1",
    "delete from roles where tenant_id = $1",
];

/// What is to be removed once the rows are: keys of the object store.
#[derive(Debug)]
#[must_use = "the files of a tenant outlive its rows"]
pub(crate) struct Files {
    tenant: String,
    keys: Vec<String>,
}

impl Files {
    /// Commits, and removes them; in this order, since objects know no transaction.
    pub(crate) async fn commit_without(self, app: &Platform, tx: Transaction) -> Result<(), Refusal> {
        let is_kept = app.defect(DefectId::RemovedTenantKeepsFiles);
        app.commit_without(tx, if is_kept { &[] } else { &self.keys }).await?;
        registry::account_changed(app, &self.tenant);
        Ok(())
    }
}

/// Removes a tenant and gives its limit back to the provider's reserve.
pub(crate) async fn remove_tenant(app: &Platform, tx: &mut Transaction, tenant: &Row) -> Result<Files, Refusal> {
    let id = tenant.text("id")?;
    let files = Files { keys: fleet::files_of(tx, &id).await?, tenant: id.clone() };
    organisation::left(app, tx, &id).await?;
    let people = tx.query("select user_id from memberships where tenant_id = $1 order by user_id", args![&id]).await?;
    for statement in LEFT_BEHIND {
        tx.execute(statement, args![&id]).await?;
    }
    if app.defect(DefectId::RemovedTenantForgottenInLog) {
        tx.execute("delete from audit where object_id = $1", args![&id]).await?;
    }
    if let Some(parent) = tenant.maybe_text("parent_id")?.filter(|_| !app.defect(DefectId::RemovedTenantKeepsLimit)) {
        super::limits::carve(tx, &parent, tenant.int("lim")?, 0).await?;
    }
    registry::close_account(app, tx, &id).await?;
    tx.execute("delete from tenants where id = $1", args![&id]).await?;
    for person in people {
        forget_stranger(tx, &person.text("user_id")?).await?;
    }
    Ok(files)
}

/// Removes the account of who is a member nowhere any more: the e-mail is free again.
pub(super) async fn forget_stranger(tx: &mut Transaction, user: &str) -> Result<(), StoreError> {
    tx.execute(
        "delete from users where id = $1 and not exists (select 1 from memberships where user_id = $1)",
        args![user],
    )
    .await?;
    Ok(())
}
