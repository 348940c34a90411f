//! A change to an account under way: what was asked for, and how far it is.

use crate::args;
use crate::refusal::Answer;
use crate::store::{Row, StoreError, Transaction, Tx};
use fleetproof_dataplane::organisation::onboarding::{FailureReason, RecordState, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An account is made.
pub(super) const PROVISION: &str = "PROVISION_PRODUCT";

/// A version of a blueprint is put onto an account.
pub(super) const UPDATE: &str = "UPDATE_PROVISIONED_PRODUCT";

/// What was asked for, checked. Kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// As it was given: whether it will do is told by the account's state, as at AWS.
    pub(super) email: String,
    pub(super) unit: String,
    pub(super) regions: BTreeSet<String>,
    pub(super) tier: String,
    /// Instead of the tier's.
    pub(super) device_limit: Option<i64>,
    pub(super) first_user: FirstUser,
}

/// Somebody who shall be the tenant's admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FirstUser {
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    /// Never the password itself.
    pub(super) sealed: String,
}

/// A row of `org_records`.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) provider: String,
    pub(super) is_update: bool,
    pub(super) product: String,
    pub(super) version: String,
    pub(super) creation: String,
    pub(super) wanted: Wanted,
    pub(super) state: RecordState,
    pub(super) reason: Option<FailureReason>,
    pub(super) why: Option<String>,
    pub(super) step: Step,
    pub(super) tries: i64,
    pub(super) due_at: Option<i64>,
    pub(super) roll: Option<String>,
    pub(super) account: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) actor_id: String,
    pub(super) actor_email: String,
    pub(super) created_at: u64,
    pub(super) updated_at: u64,
}

impl Change {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let strange = |column: &str| StoreError::new(format!("column `{column}` of a change names nothing known"));
        let reason = row.maybe_text("reason")?;
        Ok(Self {
            id: row.text("id")?,
            provider: row.text("provider_id")?,
            is_update: row.text("kind")? == UPDATE,
            product: row.text("product_id")?,
            version: row.text("version_id")?,
            creation: row.text("creation")?,
            wanted: row.json("wanted")?,
            state: RecordState::find(&row.text("state")?).ok_or_else(|| strange("state"))?,
            reason: reason
                .as_deref()
                .map(|name| FailureReason::find(name).ok_or_else(|| strange("reason")))
                .transpose()?,
            why: row.maybe_text("why")?,
            step: Step::find(&row.text("step")?).ok_or_else(|| strange("step"))?,
            tries: row.int("tries")?,
            due_at: row.maybe_int("due_at")?,
            roll: row.maybe_text("roll")?,
            account: row.maybe_text("account_id")?,
            tenant: row.maybe_text("tenant_id")?,
            actor_id: row.text("actor_id")?,
            actor_email: row.text("actor_email")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
        })
    }

    /// The steps after this one.
    pub(super) fn step_after(&self) -> Option<Step> {
        if !self.is_update {
            return self.step.next();
        }
        let steps = fleetproof_dataplane::organisation::onboarding::UPDATE;
        let at = steps.iter().position(|step| *step == self.step)?;
        steps.get(at + 1).copied()
    }

    /// Takes what is due of this change into hand; false when somebody else did.
    pub(super) async fn claim(&self, tx: &mut Transaction, now: u64) -> Result<bool, StoreError> {
        let sql = "update org_records set updated_at = $6 \
                   where id = $1 and state = $2 and step = $3 and tries = $4 and due_at = $5";
        let args = args![&self.id, self.state.name(), self.step.name(), self.tries, self.due_at, now];
        Ok(tx.execute(sql, args).await? == 1)
    }

    /// Writes where the change is now: its state, the step that is next, how often that has failed, and when it is due.
    pub(super) async fn set(
        &self,
        tx: &mut Transaction,
        state: RecordState,
        step: Step,
        tries: i64,
        due_at: Option<i64>,
    ) -> Result<(), StoreError> {
        debug_assert!(state == self.state || self.state.may_become(state), "{:?} -> {state:?}", self.state);
        let sql = "update org_records set state = $2, step = $3, tries = $4, due_at = $5 where id = $1";
        tx.execute(sql, args![&self.id, state.name(), step.name(), tries, due_at]).await?;
        Ok(())
    }

    /// Writes why it failed.
    pub(super) async fn blame(&self, tx: &mut Transaction, reason: FailureReason, why: &str) -> Result<(), StoreError> {
        let sql = "update org_records set reason = $2, why = $3 where id = $1";
        tx.execute(sql, args![&self.id, reason.name(), why]).await?;
        Ok(())
    }

    /// Ends it as a failure, now, whatever it was at.
    pub(super) async fn fail(&self, tx: &mut Transaction, reason: FailureReason, why: &str, now: u64) -> Answer<()> {
        self.blame(tx, reason, why).await?;
        let sql = "update org_records set state = $2, due_at = null, updated_at = $3 where id = $1";
        tx.execute(sql, args![&self.id, RecordState::Failed.name(), now]).await?;
        Ok(())
    }
}
