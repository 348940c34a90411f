//! `plan`: what would run.

use crate::args::Plan as Arguments;
use crate::error::Result;
use crate::files::{self, Library};
use crate::run;
use fleetproof_journal::Verdict;
use fleetproof_plan::ClockKind;

/// Prints the plan of every scenario.
pub(crate) fn plan(arguments: &Arguments) -> Result<u8> {
    let library = files::read(&arguments.paths.paths)?;
    if !library.mistakes.is_empty() {
        files::show_mistakes(&library);
        return Ok(Verdict::Invalid.exit_code());
    }
    let (jobs, mistakes) =
        run::plan(&library, &[], (arguments.seed.unwrap_or(1), arguments.seed.is_some()), ClockKind::Virtual)?;
    if !mistakes.is_empty() {
        files::show_mistakes(&Library { mistakes, ..library });
        return Ok(Verdict::Invalid.exit_code());
    }
    for job in &jobs {
        if arguments.choices {
            for (choice, value) in job.plan.choices() {
                anstream::println!("{}\t{choice}\t{value}", job.plan.scenario.scenario.value);
            }
            continue;
        }
        anstream::println!("{}", job.plan.describe());
        if arguments.attempts {
            for attempt in job.plan.attempts.values().flat_map(|compiled| &compiled.attempts) {
                anstream::println!("    {}", attempt.id);
            }
        }
    }
    Ok(Verdict::Passed.exit_code())
}
