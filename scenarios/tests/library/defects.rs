//! Which planted defect turns which scenario red: the catalogue as the binary prints it, and `scenarios/detects.txt`.

use crate::runs::{self, Result, root};
use std::collections::BTreeSet;

/// A line of `scenarios/detects.txt`: a defect, and a scenario that has to go red for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Detects {
    pub(crate) defect: String,
    pub(crate) scenario: String,
}

/// A defect of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Defect {
    pub(crate) name: String,
    pub(crate) row: String,
    pub(crate) caught_by: String,
}

/// The table, sorted.
pub(crate) fn table() -> Vec<Detects> {
    let text = std::fs::read_to_string(root().join("scenarios/detects.txt")).unwrap_or_default();
    let mut table = parse(&text);
    table.sort();
    table
}

fn parse(text: &str) -> Vec<Detects> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(char::is_whitespace));
    pairs
        .map(|(defect, scenario)| Detects { defect: defect.to_owned(), scenario: scenario.trim().to_owned() })
        .collect()
}

/// The catalogue of `fleetproof defects`.
pub(crate) fn catalogue() -> Result<Vec<Defect>> {
    let text = runs::told(&["defects"])?;
    let lines: Vec<&str> = text.lines().collect();
    let read = |record: &[&str]| {
        let [name, breaks, caught] = record else { return Err(format!("not a defect: {record:?}")) };
        let row = breaks.split_whitespace().next().unwrap_or_default();
        let claim = caught.split('`').nth(1).ok_or_else(|| format!("no claim in {caught:?}"))?;
        Ok(Defect { name: (*name).to_owned(), row: row.to_owned(), caught_by: claim.to_owned() })
    };
    lines.chunks(3).map(read).collect()
}

/// Every defect of the catalogue stands in the table, and the table has nothing else.
pub(crate) fn complete(scenarios: &[String]) -> Result<()> {
    let catalogue: BTreeSet<String> = catalogue()?.into_iter().map(|defect| defect.name).collect();
    let table = table();
    let named: BTreeSet<String> = table.iter().map(|line| line.defect.clone()).collect();
    let mut wrong: Vec<String> =
        catalogue.difference(&named).map(|defect| format!("nothing detects `{defect}`")).collect();
    wrong.extend(named.difference(&catalogue).map(|defect| format!("there is no defect `{defect}`")));
    let strange = table.iter().filter(|line| !scenarios.contains(&line.scenario));
    wrong.extend(strange.map(|line| format!("there is no scenario {}", line.scenario)));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The scenario goes red for the defect, by the claim that the catalogue names.
pub(crate) fn detects(line: &Detects) -> Result<()> {
    let known = catalogue()?;
    let defect = known.iter().find(|defect| defect.name == line.defect);
    let due = &defect.ok_or_else(|| format!("there is no defect `{}`", line.defect))?.caught_by;
    let run = runs::run(&line.scenario, &line.defect, &["--seed", "1", "--seeded-defect", &line.defect])?;
    run.ends_with(1)?;
    let failed = run.failed()?;
    if !failed.contains(due) {
        return Err(format!("`{due}` must catch it; what failed is {}", failed.join(", ")));
    }
    tells(&run, due)?;
    run.forget();
    Ok(())
}

/// What a person is shown of a failure: which claim or step, and either the attempt (on which operation, by whom, what came
/// back, what the victim lost, and its control) or what should be, what is, and the events that prove it.
fn tells(run: &runs::Run, due: &str) -> Result<()> {
    let printed = run.printed();
    let heads = |line: &&str| line.starts_with("failed ") && line.contains(due);
    let Some((_, told)) = printed.lines().find(heads).and_then(|head| printed.split_once(head)) else {
        return Err(format!("no failure is headed `{due}`:\n{printed}"));
    };
    let is_failed = |attempted: &serde_json::Value| attempted["verdict"] == "failed";
    let claims = run.all("judged")?.iter().any(|judged| judged["claim"] == due && judged["verdict"] == "failed");
    let labels: &[&str] = if told.contains("\n  attempts ") && run.all("attempted")?.iter().any(is_failed) {
        &["expected", "actual", "operation", "asked by", "request", "came back", "control", "lost", "reproduce"]
    } else if claims {
        &["expected", "actual", "in detail", "evidence", "reproduce"]
    } else {
        &["actual", "reproduce"]
    };
    let says = |label: &&&str| {
        let text = |line: &str| line.trim_start().strip_prefix(**label).is_some_and(|text| !text.trim().is_empty());
        // One piece of evidence that is out of order stands alone.
        told.lines().any(text) || **label == "evidence" && told.contains("\n  first anomaly ")
    };
    let silent: Vec<&&str> = labels.iter().filter(|label| !says(label)).collect();
    if silent.is_empty() { Ok(()) } else { Err(format!("the failure does not say {silent:?}:\n{printed}")) }
}

/// Each row that a scenario covers has at least two defects for which it goes red.
pub(crate) fn covers(scenario: &str) -> Result<()> {
    const ENOUGH: usize = 2;
    let known = catalogue()?;
    let caught: BTreeSet<String> =
        table().into_iter().filter(|line| line.scenario == scenario).map(|line| line.defect).collect();
    let text = std::fs::read_to_string(root().join(scenario)).map_err(|error| format!("{scenario}: {error}"))?;
    let mut wrong = Vec::new();
    for row in covered_rows(&text) {
        let of_row: Vec<&Defect> = known.iter().filter(|defect| defect.row == row).collect();
        let red = of_row.iter().filter(|defect| caught.contains(&defect.name)).count();
        if red < ENOUGH {
            let names: Vec<&str> = of_row.iter().map(|defect| defect.name.as_str()).collect();
            wrong.push(format!(
                "{row} needs {ENOUGH} defects that turn it red, detects.txt has {red} of {}",
                names.join(", ")
            ));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The rows that the library proves: each is covered by a scenario, and [`covers`] holds what that means. Of P12 and P13
/// no scenario says anything yet.
pub(crate) fn rows(scenarios: &[String]) -> Result<()> {
    const PROVEN: [&str; 21] = [
        "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "A1", "A2", "A3", "A4", "A5", "A6", "A7",
        "A8", "A9", "A10",
    ];
    let mut covered = BTreeSet::new();
    for scenario in scenarios {
        let text = std::fs::read_to_string(root().join(scenario)).map_err(|error| format!("{scenario}: {error}"))?;
        covered.extend(covered_rows(&text));
    }
    let missing: Vec<&str> = PROVEN.into_iter().filter(|row| !covered.contains(*row)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no scenario covers {}", missing.join(", "))) }
}

/// The rows of `covers: [P1, P3]`, the one shape in which the library writes it.
fn covered_rows(text: &str) -> Vec<String> {
    let list = text.lines().find_map(|line| line.strip_prefix("covers:")).unwrap_or_default();
    let rows = list.split(|c: char| !c.is_ascii_alphanumeric()).filter(|row| !row.is_empty());
    rows.map(str::to_owned).collect()
}
