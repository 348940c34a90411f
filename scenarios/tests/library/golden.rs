//! What a scenario comes to, in a few lines that stand beside it: verdicts and counts, no digest. A digest would be
//! stamped unread; that a run is the same twice is found out by running it twice.

use crate::runs::{Result, Run, root};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `INSTA_UPDATE=always` accepts what the runs came to, as it accepts every other snapshot here.
pub(crate) fn accepts() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|word| word == "always")
}

fn place(scenario: &str) -> PathBuf {
    let inside = scenario.strip_prefix("scenarios/").unwrap_or(scenario);
    root().join("scenarios/goldens").join(inside).with_extension("txt")
}

/// Holds a run against the golden of its scenario.
pub(crate) fn compare(scenario: &str, run: &Run) -> Result<()> {
    let (place, now) = (place(scenario), summary(run)?);
    let then = std::fs::read_to_string(&place).unwrap_or_default();
    if now == then {
        return Ok(());
    }
    if accepts() {
        let folder = place.parent().map_or(Ok(()), std::fs::create_dir_all);
        return folder
            .and_then(|()| std::fs::write(&place, now))
            .map_err(|error| format!("{}: {error}", place.display()));
    }
    let shown = difference(&then, &now);
    let name = place.strip_prefix(root()).unwrap_or(&place).display();
    Err(format!(
        "this is not what {name} says (- is the golden, + is the run); INSTA_UPDATE=always accepts it\n{shown}"
    ))
}

/// Verdict, claims, attempts, what they covered and what they did not.
pub(crate) fn summary(run: &Run) -> Result<String> {
    let mut text = String::new();
    for ended in run.all("ended")? {
        let word = ended["verdict"].as_str().unwrap_or_default();
        writeln!(text, "{word}: {} claims, {} attempts", ended["claims"], ended["attempts"])
            .map_err(|e| e.to_string())?;
    }
    for judged in run.all("judged")? {
        let (claim, verdict) =
            (judged["claim"].as_str().unwrap_or_default(), judged["verdict"].as_str().unwrap_or_default());
        writeln!(text, "  {claim}: {verdict}").map_err(|e| e.to_string())?;
    }
    for coverage in run.all("coverage")? {
        let claim = coverage["claim"].as_str().unwrap_or_default();
        let (whole, tried, made) = (&coverage["operations"], &coverage["attempted"], &coverage["attempts"]);
        writeln!(text, "\n{claim}: {made} attempts on {tried} of {whole} operations").map_err(|e| e.to_string())?;
        for exempt in coverage["exempt"].as_array().into_iter().flatten() {
            let (operation, why) = (exempt[0].as_str().unwrap_or_default(), exempt[1].as_str().unwrap_or_default());
            writeln!(text, "  exempt: {operation}: {why}").map_err(|e| e.to_string())?;
        }
        for operation in coverage["uncovered"].as_array().into_iter().flatten() {
            writeln!(text, "  uncovered: {}", operation.as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
        }
    }
    Ok(text)
}

/// Lines that are in one text only; goldens are short enough to be read without an alignment.
pub(crate) fn difference(then: &str, now: &str) -> String {
    let only = |mark: char, these: &str, those: &str| {
        let those: Vec<&str> = those.lines().collect();
        these.lines().filter(|line| !those.contains(line)).map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    only('-', then, now) + &only('+', now, then)
}
