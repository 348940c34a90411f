//! `plan`: what would run.

use crate::args::Plan as Arguments;
use crate::error::Result;
use crate::{files, survey};
use fleetproof_journal::Verdict;
use fleetproof_plan::ClockKind;

/// Prints the plan of every scenario.
pub(crate) fn plan(arguments: &Arguments) -> Result<u8> {
    let library = files::read(&arguments.paths.paths)?;
    if !library.mistakes.is_empty() {
        files::show_mistakes(&library);
        return Ok(Verdict::Invalid.exit_code());
    }
    let survey = survey::embedded()?;
    for (_, scenario) in &library.scenarios {
        let (capabilities, surfaces) = (survey.capabilities, survey.surfaces.clone());
        let plan = fleetproof_plan::plan(scenario.clone(), capabilities, surfaces, arguments.seed, ClockKind::Virtual);
        anstream::println!("{}", plan.describe());
        if arguments.attempts {
            for attempt in plan.attempts.values().flat_map(|compiled| &compiled.attempts) {
                anstream::println!("    {}", attempt.id);
            }
        }
    }
    Ok(Verdict::Passed.exit_code())
}
