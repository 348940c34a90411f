//! `report`: a report of a recorded run.

use crate::args::Report as Arguments;
use crate::error::{CliError, Result};
use fleetproof_journal::{JournalError, RunFolder};
use fleetproof_reports::{Colour, Report, json, junit, terminal};
use std::io::ErrorKind;
use std::path::Path;

/// Prints it; the exit code says whether that could be done, not what the run came to.
pub(crate) fn report(arguments: &Arguments) -> Result<u8> {
    let folder =
        RunFolder::find(Path::new("."), &arguments.run).map_err(|error| CliError::Invalid(error.to_string()))?;
    let report = Report::read(&folder.read_journal()?)?;
    if arguments.junit {
        anstream::println!("{}", junit(&report));
    } else if arguments.json {
        let facts = match folder.read_facts() {
            Ok(facts) => Some(facts),
            // A journal alone can be reported too: only when it was, and on which machine, is not known then.
            Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let text = serde_json::to_string_pretty(&json(&report, facts.as_ref()))
            .map_err(|error| CliError::Broken(error.to_string()))?;
        anstream::println!("{text}");
    } else {
        anstream::print!("{}", terminal(&report, Colour::Always));
    }
    Ok(0)
}
