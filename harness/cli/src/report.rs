//! `report`: a report of a recorded run, or of one from its shards.

use crate::args::Report as Arguments;
use crate::error::{CliError, Result};
use fleetproof_journal::{JournalError, RunFacts, RunFolder};
use fleetproof_reports::{Colour, Report, json, junit, markdown, terminal};
use std::io::ErrorKind;
use std::path::Path;

/// Prints it; the exit code says whether that could be done, not what the run came to.
pub(crate) fn report(arguments: &Arguments) -> Result<u8> {
    let mut report = Report { scenarios: Vec::new() };
    let mut facts = None;
    for run in &arguments.runs {
        let folder = RunFolder::find(Path::new("."), run).map_err(|error| CliError::Invalid(error.to_string()))?;
        for scenario in Report::read(&folder.read_journal()?)?.scenarios {
            if report.scenarios.iter().any(|other| other.name == scenario.name) {
                let name = &scenario.name;
                return Err(CliError::Invalid(format!("`{name}` is in two of these runs: they are no shards of one")));
            }
            report.scenarios.push(scenario);
        }
        facts = facts_of(&folder)?;
    }
    report.scenarios.sort_by(|one, other| one.name.cmp(&other.name));
    // What is unique to a run is not to be had of several.
    let facts = facts.filter(|_| arguments.runs.len() == 1);
    if arguments.junit {
        anstream::println!("{}", junit(&report));
    } else if arguments.markdown {
        anstream::print!("{}", markdown(&report));
    } else if arguments.json {
        let text = serde_json::to_string_pretty(&json(&report, facts.as_ref()))
            .map_err(|error| CliError::Broken(error.to_string()))?;
        anstream::println!("{text}");
    } else {
        anstream::print!("{}", terminal(&report, Colour::Always));
    }
    Ok(0)
}

/// A journal alone can be reported too: only when it was, and on which machine, is not known then.
fn facts_of(folder: &RunFolder) -> Result<Option<RunFacts>> {
    match folder.read_facts() {
        Ok(facts) => Ok(Some(facts)),
        Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
