//! The scenario library as tests. Every `*.yaml` under `scenarios/` is four of them:
//!
//! - `<path>::holds`: with seed 1 it passes, and comes to what its golden says;
//! - `<path>::replays`: the same seed gives the same journal byte for byte, on an idle machine and beside a loaded core;
//!   another seed gives another journal and the same verdict;
//! - `<path>::real_clock`: over loopback sockets, on the real clock, the verdict is the same; one that needs virtual time is
//!   skipped there;
//! - `<path>::covers`: each row that it covers has at least two planted defects for which it goes red.
//!
//! `detects::<defect>::<path>` runs a scenario on a platform with that defect: it goes red, by the claim that the
//! catalogue names. Which does is written down in `scenarios/detects.txt`.
//!
//! `readme::shows_what_is_printed`: the output in the project's README is that of today's binary.
//!
//! With the tag `long` (more than a minute of the run's clock) `real_clock` is left to `--run-ignored all`, with `large` (thousands
//! of devices) `replays` too.
//!
//! Names are listed without running anything: a process per test, as nextest has it, lists them every time.

mod defects;
mod golden;
mod readme;
mod runs;

use libtest_mimic::{Arguments, Trial};
use runs::{Result, run};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    let scenarios = scenarios();
    let mut trials = vec![
        trial("library::has_scenarios", scenarios.clone(), |scenarios| {
            if scenarios.len() < 3 { Err(format!("too few scenarios to believe: {scenarios:?}")) } else { Ok(()) }
        }),
        trial("readme::shows_what_is_printed", (), |()| readme::shows_what_is_printed()),
        trial("library::covers_every_row", scenarios.clone(), |scenarios| defects::rows(scenarios)),
        trial("detects::every_defect", scenarios.clone(), |scenarios| defects::complete(scenarios)),
    ];
    for scenario in scenarios {
        let name = |what: &str| format!("{scenario}::{what}");
        trials.push(trial(&name("holds"), scenario.clone(), |scenario| holds(scenario)));
        let is_long = says(&scenario, "tags:", "long");
        let is_large = says(&scenario, "tags:", "large");
        let replays = trial(&name("replays"), scenario.clone(), |scenario| replays(scenario));
        trials.push(replays.with_ignored_flag(is_large));
        let real_clock = trial(&name("real_clock"), scenario.clone(), |scenario| real_clock(scenario));
        trials.push(real_clock.with_ignored_flag(is_long || is_large));
        trials.push(trial(&name("covers"), scenario.clone(), |scenario| defects::covers(scenario)));
    }
    for line in defects::table() {
        trials.push(trial(&format!("detects::{}::{}", line.defect, line.scenario), line, defects::detects));
    }
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial<T: Send + 'static>(name: &str, about: T, test: impl FnOnce(&T) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test(&about).map_err(Into::into))
}

/// Every scenario, by its path from the top of the repository, sorted. A fragment is tested by the scenarios that use it.
fn scenarios() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![runs::root().join("scenarios")]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is = |name: &str| path.extension().is_some_and(|extension| extension == name);
            if path.is_dir() && !path.ends_with("scenarios/tests") {
                folders.push(path);
            } else if is("yaml") && !path.to_string_lossy().ends_with(".fragment.yaml") {
                let shown = path.strip_prefix(runs::root()).unwrap_or(Path::new("")).display().to_string();
                found.push(shown.replace(std::path::MAIN_SEPARATOR, "/"));
            }
        }
    }
    found.sort();
    found
}

fn holds(scenario: &str) -> Result<()> {
    let run = run(scenario, "holds", &["--seed", "1"])?;
    run.ends_with(0)?;
    golden::compare(scenario, &run)?;
    run.forget();
    Ok(())
}

fn replays(scenario: &str) -> Result<()> {
    let first = run(scenario, "first", &["--seed", "1"])?;
    first.ends_with(0)?;
    let (again, other) =
        beside_a_loaded_core(|| (run(scenario, "again", &["--seed", "1"]), run(scenario, "other", &["--seed", "2"])));
    let (again, other) = (again?, other?);
    if let Some((line, (then, now))) =
        (1..).zip(first.journal.lines().zip(again.journal.lines())).find(|(_, (then, now))| then != now)
    {
        return Err(format!("the same seed gave two journals; line {line}\n- {then}\n+ {now}"));
    }
    if first.journal != again.journal {
        return Err("the same seed gave two journals: one goes on after the end of the other".to_owned());
    }
    if first.without_seed() == other.without_seed() {
        return Err("another seed changed nothing but its own number".to_owned());
    }
    other.ends_with(0)?;
    if first.verdict()? != other.verdict()? {
        return Err(format!("another seed gave another verdict: {}, not {}", other.verdict()?, first.verdict()?));
    }
    for run in [first, again, other] {
        run.forget();
    }
    Ok(())
}

/// Does something while another thread does nothing but count.
fn beside_a_loaded_core<T>(work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0_u64;
            while !done.load(Ordering::Relaxed) {
                count = std::hint::black_box(count.wrapping_add(1));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Whether a line of a scenario that begins with `key` has `word`.
fn says(scenario: &str, key: &str, word: &str) -> bool {
    let text = std::fs::read_to_string(runs::root().join(scenario)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix(key))
        .any(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word))
}

fn real_clock(scenario: &str) -> Result<()> {
    let run = run(scenario, "real", &["--seed", "1", "--clock", "real"])?;
    // Nothing is left to be run then, and a run of nothing is not green.
    run.ends_with(if says(scenario, "needs:", "virtual_time") { 4 } else { 0 })?;
    run.forget();
    Ok(())
}
