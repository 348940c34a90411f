//! `schema`, `claims`, `defects`: what there is.

use crate::args::Defects;
use crate::error::{CliError, Result};
use fleetproof_language::Claim;
use fleetproof_platform::{broker_defects, defects, job_defects, registry_defects};

/// The JSON Schema of scenario files.
pub(crate) fn schema() -> Result<u8> {
    let text = serde_json::to_string_pretty(&fleetproof_language::schema())
        .map_err(|error| CliError::Broken(error.to_string()))?;
    anstream::println!("{text}");
    Ok(0)
}

/// Every claim, and every family of attempts behind it.
pub(crate) fn claims() -> Result<u8> {
    for (name, class, acts, rows) in Claim::CATALOGUE {
        let rows: Vec<&str> = rows.iter().map(|row| row.word()).collect();
        let rows = if rows.is_empty() { "-".to_owned() } else { rows.join(" ") };
        let attempts = if *acts { ", makes attempts" } else { "" };
        anstream::println!("{name}: {class:?}{attempts}; proves {rows}");
        for tool in fleetproof_claims::catalogue().iter().filter(|tool| tool.claim == *name) {
            anstream::println!("  {} ({})", tool.id, tool.family);
            anstream::println!("      proves   {}", tool.proves);
            anstream::println!("      control  {}", tool.control);
            anstream::println!("      oracle   {}", tool.oracle);
        }
        for absent in fleetproof_claims::absent().iter().filter(|_| *name == "isolation") {
            anstream::println!("  not tried ({}): {}", absent.family, absent.because);
        }
    }
    Ok(0)
}

/// Every defect that the reference platform can be started with.
pub(crate) fn defects(arguments: &Defects) -> Result<u8> {
    let of_the_data_plane = broker_defects::all();
    let of_accounts = defects::found().chain(job_defects::jobs()).chain(registry_defects::registry());
    for defect in defects::catalogue().iter().chain(of_the_data_plane).chain(of_accounts) {
        if arguments.names {
            anstream::println!("{}", defect.name);
        } else {
            anstream::println!(
                "{}\n    {} {}\n    caught by `{}`",
                defect.name,
                defect.row,
                defect.breaks,
                defect.caught_by
            );
        }
    }
    Ok(0)
}
