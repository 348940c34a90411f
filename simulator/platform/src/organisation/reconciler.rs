//! Who finishes or undoes: whoever looks does first what is due, step by step, each in a transaction of its own.
//!
//! A step's work and the note that it is done are one transaction, so a process that ends anywhere leaves whole steps only, and the
//! next one to look goes on from there. When a step was due decides when the next is, not when somebody looked.

use super::change::Change;
use super::steps::{self, Trouble};
use super::{rolls, steps::Undone};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::refusal::Answer;
use crate::store::{StoreError, Transaction};
use fleetproof_dataplane::organisation::onboarding::{Cure, FailureReason, ProductState, RecordState, UNDO_MS, cure};

/// Does all that is due. Ends: every change has so many steps and tries.
pub(crate) async fn advance(app: &Platform) -> Answer<()> {
    loop {
        if app.organisation_faults().halted() {
            return Ok(());
        }
        let mut tx = app.begin().await?;
        let sql = "select * from org_records where due_at is not null and due_at <= $1 order by due_at, seq limit 1";
        let due = tx.first(sql, args![app.now_ms()]).await?;
        let Some(row) = due else { return Ok(app.commit(tx).await?) };
        let change = Change::read(&row)?;
        if !change.claim(&mut tx, app.now_ms()).await? {
            continue;
        }
        match change.state {
            RecordState::InProgressInError => undo(app, tx, &change).await?,
            _ => go_on(app, tx, &change).await?,
        }
    }
}

/// The same for who has a transaction open: where something is due it is dropped, and another given.
pub(crate) async fn up_to_date(app: &Platform, mut tx: Transaction) -> Answer<Transaction> {
    let sql = "select count(*) as n from org_records where due_at is not null and due_at <= $1";
    if tx.number(sql, args![app.now_ms()]).await? == 0 || app.organisation_faults().halted() {
        return Ok(tx);
    }
    drop(tx);
    advance(app).await?;
    Ok(app.begin().await?)
}

/// Does the step that is due, and notes it; or notes that it failed.
async fn go_on(app: &Platform, mut tx: Transaction, change: &Change) -> Answer<()> {
    let trouble = match steps::perform(app, &mut tx, change).await {
        Ok(()) => match app.organisation_faults().strike(change.step) {
            None => return done(app, tx, change).await,
            Some(reason) => Trouble::Failed(reason, format!("the step {} broke", change.step.name())),
        },
        Err(trouble) => trouble,
    };
    drop(tx);
    let (reason, why) = match trouble {
        Trouble::Failed(reason, why) => (reason, why),
        Trouble::Database(refusal) => return Err(refusal),
    };
    let mut tx = app.begin().await?;
    if !change.claim(&mut tx, app.now_ms()).await? {
        return Ok(());
    }
    // A change that was not begun was not in progress either, until now.
    if change.state == RecordState::Created {
        change.set(&mut tx, RecordState::InProgress, change.step, change.tries, change.due_at).await?;
    }
    let change = &Change { state: RecordState::InProgress, ..change.clone() };
    let tries = change.tries + 1;
    match cure(reason, tries) {
        Cure::Retry(after) => change.set(&mut tx, change.state, change.step, tries, later(change, after)).await?,
        Cure::Undo(after) => {
            change.blame(&mut tx, reason, &why).await?;
            let forgotten = app.defect(DefectId::HalfFailedNeverUndone);
            let due_at = if forgotten { None } else { later(change, after) };
            change.set(&mut tx, RecordState::InProgressInError, change.step, tries, due_at).await?;
        }
    }
    Ok(app.commit(tx).await?)
}

/// So many ms after the change was due.
fn later(change: &Change, after: u64) -> Option<i64> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    change.due_at.map(|due| due.saturating_add(after))
}

/// Notes that the step is done. After the last the change is over.
async fn done(app: &Platform, mut tx: Transaction, change: &Change) -> Answer<()> {
    match change.step_after() {
        Some(next) => change.set(&mut tx, RecordState::InProgress, next, 0, later(change, next.takes_ms())).await?,
        None => {
            // A change of one step only would come here without having been begun.
            let begun = Change { state: RecordState::InProgress, ..change.clone() };
            begun.set(&mut tx, RecordState::Succeeded, change.step, 0, None).await?;
            steps::succeed(app, &mut tx, change).await?;
            next_in_roll(&mut tx, change).await?;
        }
    }
    app.commit(tx).await?;
    app.organisation_faults().done(change.step);
    Ok(())
}

async fn next_in_roll(tx: &mut Transaction, change: &Change) -> Result<(), StoreError> {
    match &change.roll {
        Some(roll) => rolls::begin_next(tx, roll, change.due_at.unwrap_or_default()).await,
        None => Ok(()),
    }
}

/// Undoes what was done, all of it in one transaction: it is done or it is not.
async fn undo(app: &Platform, mut tx: Transaction, change: &Change) -> Answer<()> {
    let Undone { files } = match steps::undo(app, &mut tx, change).await {
        Ok(undone) => undone,
        Err(Trouble::Database(refusal)) => return Err(refusal),
        Err(Trouble::Failed(_, why)) => {
            // What cannot be undone today is tried again: nothing is ever left half.
            drop(tx);
            eprintln!("platform: {} cannot be undone yet: {why}", change.id);
            let mut tx = app.begin().await?;
            change.set(&mut tx, change.state, change.step, change.tries, later(change, UNDO_MS)).await?;
            return Ok(app.commit(tx).await?);
        }
    };
    change.set(&mut tx, RecordState::Failed, change.step, change.tries, None).await?;
    let status = if change.is_update { ProductState::Tainted } else { ProductState::Error };
    let sql = "update org_products set status = $2 where id = $1";
    crate::store::Tx::execute(&mut tx, sql, args![&change.product, status.name()]).await?;
    if let Some(roll) = &change.roll {
        let why = "the account before it in the roll-out failed";
        rolls::stop(&mut tx, roll, FailureReason::InternalFailure, why, app.now_ms()).await?;
    }
    match files {
        Some(files) => files.commit_without(app, tx).await,
        None => Ok(app.commit(tx).await?),
    }
}
