//! Whether the organisation's controls hold for an account: its own admin tries what each forbids, and what it does not.

use crate::accounts::Deed;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::accounts::{self, AccountRow};
use fleetproof_dialects::aws::organisation;
use fleetproof_dialects::mender::Session;
use fleetproof_journal::What;

/// A region that no organisation of a scenario governs.
const UNGOVERNED: &str = "ungoverned-1";

/// What an account has no say in, and could be had all the same. The control of each refusal is the same request where it is due.
pub(super) async fn try_out(run: &Run, by: &Session, admin: &Session, account: &AccountRow) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mender = &run.mender;
    let in_force = accounts::controls(mender, by, &account.unit).await?;
    if in_force.is_empty() {
        wrong.push("no control is in force in its unit".to_owned());
    }
    accounts::switch_trail(mender, admin, true).await.map_err(|error| untold("switch its audit trail on", &error))?;
    let off = accounts::switch_trail(mender, admin, false).await;
    if held("switches its audit trail off", off, &mut wrong)? {
        // What comes next must be told.
        accounts::switch_trail(mender, admin, true).await?;
    }
    let Some(home) = account.regions.first() else { return Ok(wrong) };
    let again = accounts::enable_region(mender, admin, &home.region).await;
    again.map_err(|error| untold("enable the region that it is in", &error))?;
    held(
        "goes to a region that is not governed",
        accounts::enable_region(mender, admin, UNGOVERNED).await,
        &mut wrong,
    )?;
    if home.is_trusting {
        organisation::set_trust(mender, by, &account.id, &home.region, true).await?;
        let tenant = account.name.as_str();
        let text = format!("`{tenant}` lets the lobby act in {}, as before", home.region);
        let seq = run.shared.emit("engine", None, What::Note { text });
        let (account, region) = (account.id.clone(), home.region.clone());
        run.accounts.tell(seq, by, tenant, Deed::Trust { account, region, on: true });
        let altered = accounts::alter_trust(mender, admin, &home.region, "arn:aws:iam::000000000000:role/mine").await;
        held("says itself whom it trusts", altered, &mut wrong)?;
    }
    Ok(wrong)
}

/// Whether something that a control forbids was done all the same.
fn held(what: &str, answer: std::result::Result<(), DialectError>, wrong: &mut Vec<String>) -> Result<bool> {
    match answer {
        Ok(()) => {
            wrong.push(format!("its admin {what} and is served"));
            Ok(true)
        }
        Err(error) if error.status() == Some(403) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Without its control a refusal proves nothing.
fn untold(what: &str, error: &DialectError) -> Stop {
    Stop::Inconclusive(format!("that controls hold is not seen: its admin may not even {what}: {error}"))
}
