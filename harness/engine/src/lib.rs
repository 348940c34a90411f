//! Runs a plan: brings the platform up, starts the population, carries out the steps, judges the claims, releases.
//!
//! [`run`] is the way in. It reads top to bottom in `dispatch`: one owner of all state, which steps (`steps/`, one file
//! per verb) and claims (`expectations/`, one per claim) share; branches that run side by side take turns at awaits. Everything that happens is an event in
//! the journal; verdicts are drawn from the record and from what the platform shows, never from what a step hoped for.

mod accounts;
mod actors;
mod background;
mod calls;
pub mod detector;
mod dispatch;
mod expectations;
mod faults;
mod fleet;
mod kept;
mod lookups;
mod outcome;
mod people;
mod proof;
mod record;
mod refusals;
mod release;
mod rollouts;
mod run;
pub mod serve;
mod setup;
mod shared;
mod steps;
mod strain;
mod taps;
mod texts;
mod things;
mod walk;
mod watch;

use fleetproof_journal::{Journal, Secret, Secrets, Verdict, What};
use fleetproof_language::Sources;
use fleetproof_plan::{ClockKind, Plan};
use fleetproof_world::Runtime;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How a plan is run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The seeded defect that the platform is started with, by name.
    pub defect: Option<String>,
    /// The values of variables that the environment holds, by the variable's name.
    pub secrets: BTreeMap<String, Secret>,
    /// Cancelled by a signal: the run ends its step, releases everything, and is `interrupted`.
    pub stop: CancellationToken,
    /// Cancelled by the watchdog of the wall clock: the run releases everything, and is `broken`.
    pub overdue: CancellationToken,
}

/// Runs one scenario to its end, on this thread, in a runtime and a world of its own. Everything it does is in
/// `journal`, where nothing that `secrets` holds can appear. A panic of the harness is `broken`, never a lost run.
#[must_use]
pub fn run(plan: Arc<Plan>, sources: Arc<Sources>, journal: Journal, secrets: Secrets, settings: &Settings) -> Verdict {
    let runtime = match plan.clock {
        ClockKind::Virtual => Runtime::virtual_time(),
        ClockKind::Real => Runtime::real_time(),
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(reason) => return gave_up(&journal, &format!("no runtime could be made: {reason}")),
    };
    let work = dispatch::dispatch(plan, sources, journal.clone(), secrets, settings.clone());
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(work))) {
        Ok(verdict) => verdict,
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            gave_up(
                &journal,
                &format!("the harness itself failed: {}", said.unwrap_or_else(|| "no reason given".to_owned())),
            )
        }
    }
}

fn gave_up(journal: &Journal, reason: &str) -> Verdict {
    journal.emit(0, "engine", None, What::Note { text: reason.to_owned() });
    journal.emit(0, "engine", None, What::Ended { verdict: Verdict::Broken, claims: 0, attempts: 0 });
    Verdict::Broken
}
