//! `replay`: a recorded run once more, from the copies of the scenarios that it kept.

use crate::args::Replay as Arguments;
use crate::error::{CliError, Result};
use crate::run::{self, Job, Orders};
use crate::{files, signals, survey};
use fleetproof_journal::{Event, RunFolder, Verdict, What, chapters};
use fleetproof_language::{Diagnostic, Sources};
use fleetproof_plan::{ClockKind, Orders as Wanted, plans};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a run recorded of one scenario.
struct Recorded {
    name: String,
    seed: u64,
    clock: ClockKind,
    defect: Option<String>,
    /// The file as the user named it then.
    file: String,
    verdict: Option<Verdict>,
    journal: Vec<u8>,
}

/// Runs every scenario of a run again. In virtual time the journals must be equal; in real time the verdicts.
pub(crate) fn replay(arguments: &Arguments) -> Result<u8> {
    let folder =
        RunFolder::find(Path::new("."), &arguments.run).map_err(|error| CliError::Invalid(error.to_string()))?;
    let recorded = recorded(&folder)?;
    let stop = signals::first_cancels()?;
    let survey = survey::embedded()?;
    let mut differs = false;
    for then in &recorded {
        let copy = folder.scenario(&then.name)?.join("scenario.yaml");
        let text = std::fs::read(&copy).map_err(|error| CliError::Broken(format!("{}: {error}", copy.display())))?;
        let mut sources = Sources::new();
        let file = sources.add_bytes(&then.file, text);
        let kept = |path: &str| std::fs::read(folder.fragment(&then.name, path).ok()?).ok();
        files::add_fragments(&mut sources, file, &mut BTreeMap::new(), &kept);
        let wrong = |mistakes: Vec<Diagnostic>| {
            let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
            CliError::Invalid(format!("the recorded scenario has mistakes in this version\n{}", shown.join("\n")))
        };
        let script = fleetproof_language::read(&sources, file).map_err(wrong)?;
        let wanted = Wanted {
            capabilities: survey.capabilities,
            surfaces: survey.surfaces.clone(),
            seed: then.seed,
            seed_given: false,
            stack: "embedded",
            clock: then.clock,
        };
        let planned = plans(&script, &sources, &wanted).map_err(wrong)?;
        let plan = planned.into_iter().find(|plan| plan.scenario.scenario.value == then.name);
        let plan = plan.ok_or_else(|| CliError::Broken(format!("no combination of its matrix is `{}`", then.name)))?;
        let orders = Orders {
            defect: then.defect.clone(),
            wall_limit: Duration::from_secs(12 * 60),
            jobs: 1,
            keep_going: true,
            retries: 0,
            first_run_only: false,
            stop: stop.clone(),
        };
        let job = Job::new(plan, file);
        let ended = run::run_all(&Arc::new(sources), vec![job], &orders, None)?;
        let Some(now) = ended.get(&then.name) else { return Ok(Verdict::Interrupted.exit_code()) };
        let (same, what) = match then.clock {
            ClockKind::Virtual => (now.journal == then.journal, "journals"),
            ClockKind::Real => (Some(now.verdict) == then.verdict, "verdicts"),
        };
        if same {
            anstream::println!("{}: the {what} are the same", then.name);
        } else {
            differs = true;
            anstream::println!("{}: the {what} differ{}", then.name, first_difference(&then.journal, &now.journal));
        }
    }
    Ok(if differs { Verdict::Broken.exit_code() } else { Verdict::Passed.exit_code() })
}

/// The first event that is not the same.
fn first_difference(then: &[u8], now: &[u8]) -> String {
    let (then, now) = (String::from_utf8_lossy(then), String::from_utf8_lossy(now));
    let mut both = then.lines().zip(now.lines());
    match both.find(|(a, b)| a != b) {
        Some((a, b)) => format!("\n  then: {a}\n  now:  {b}"),
        None => format!(" in length: {} and {} lines", then.lines().count(), now.lines().count()),
    }
}

fn recorded(folder: &RunFolder) -> Result<Vec<Recorded>> {
    let text = folder.read_journal()?;
    let events = fleetproof_journal::read(&text)?;
    let mut recorded = Vec::new();
    for chapter in chapters(&events) {
        let Some(Event { what: What::Scenario { name, seed, clock, defect, .. }, .. }) = chapter.first() else {
            continue;
        };
        let own = folder.scenario(name)?.join("run.jsonl");
        let journal = std::fs::read(&own).map_err(|error| CliError::Broken(format!("{}: {error}", own.display())))?;
        let file = chapter.iter().find_map(|event| event.place.as_ref()).map_or("scenario.yaml", |place| &place.file);
        let verdict = chapter.iter().rev().find_map(|event| match event.what {
            What::Ended { verdict, .. } => Some(verdict),
            _ => None,
        });
        // Of several runs of one scenario the last is the one whose journal stands there.
        recorded.retain(|other: &Recorded| other.name != *name);
        recorded.push(Recorded {
            name: name.clone(),
            seed: *seed,
            clock: if clock == "virtual" { ClockKind::Virtual } else { ClockKind::Real },
            defect: defect.clone(),
            file: file.to_owned(),
            verdict,
            journal,
        });
    }
    if recorded.is_empty() {
        return Err(CliError::Invalid("this run recorded no scenario".to_owned()));
    }
    Ok(recorded)
}
