//! The report as markdown: for a pull request, an issue or a job's summary.

use crate::report::{Claim, Report, Scenario};
use crate::words::{clean, count, duration, short};
use fleetproof_journal::{Place, Verdict};
use std::fmt::Write as _;

/// Lines of evidence and attempts that a trouble shows before it says how many more.
const SHOWN: usize = 6;
/// Characters of a stranger's text.
const WIDTH: usize = 200;

/// A table of all scenarios, then a section for each claim and step that did not pass.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    let worst = report.verdict().map_or("no scenario ran", Verdict::word);
    // Writing to a string cannot fail.
    let _ = writeln!(page, "# fleetproof: {worst}\n");
    page.push_str("| verdict | scenario | devices | attempts | claims | took | seed |\n");
    page.push_str("| --- | --- | ---: | ---: | ---: | --- | ---: |\n");
    for scenario in &report.scenarios {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} {} | {} |",
            bold(scenario.verdict),
            text(&scenario.name),
            count(u64::from(scenario.devices)),
            count(scenario.tries().count() as u64),
            scenario.claims.len(),
            text(&scenario.clock),
            duration(scenario.took),
            scenario.seed
        );
    }
    for scenario in &report.scenarios {
        for (number, earlier) in (1..).zip(&scenario.earlier) {
            let title = format!("{}, run {number} of {}", scenario.name, scenario.earlier.len() + 1);
            troubles(&mut page, earlier, &title);
        }
        troubles(&mut page, scenario, &scenario.name);
    }
    page
}

fn troubles(page: &mut String, scenario: &Scenario, title: &str) {
    let is_trouble = |verdict: Verdict| !matches!(verdict, Verdict::Passed | Verdict::Skipped);
    let claims: Vec<&Claim> = scenario.claims.iter().filter(|claim| is_trouble(claim.judged.verdict)).collect();
    for step in &scenario.steps {
        let Some(verdict) = step.verdict.filter(|verdict| is_trouble(*verdict)) else { continue };
        // A step of claims fails because its claims do: they say more.
        if step.verb == "expect" && !claims.is_empty() {
            continue;
        }
        heading(page, verdict, title, &format!("step {} {}", step.index, step.verb), step.place.as_ref());
        item(page, "actual", &step.detail);
        again(page, scenario);
    }
    for claim in claims {
        let judged = &claim.judged;
        let rows = if judged.rows.is_empty() { String::new() } else { format!(" ({})", judged.rows.join(", ")) };
        heading(page, judged.verdict, title, &format!("{}{rows}", judged.claim), claim.place.as_ref());
        item(page, "expected", &judged.expected);
        item(page, "actual", &judged.actual);
        items(page, "in detail", judged.details.iter().map(String::as_str), judged.details.len());
        let evidence: Vec<String> = claim.evidence.iter().map(|(seq, told)| format!("#{seq} {told}")).collect();
        items(page, "evidence", evidence.iter().map(String::as_str), evidence.len());
        let bad = claim.tries.iter().filter(|tried| is_trouble(tried.attempted.verdict));
        let bad: Vec<String> = bad
            .map(|tried| {
                let told = &tried.attempted;
                format!("#{} {} by {}: {} → {}", tried.seq, told.operation, told.actor, told.request, told.answer)
            })
            .collect();
        items(page, "attempts", bad.iter().map(String::as_str), bad.len());
        again(page, scenario);
    }
    if let Some(because) = scenario.because.as_ref().filter(|_| is_trouble(scenario.verdict)) {
        heading(page, scenario.verdict, title, "", None);
        item(page, "because", because);
        again(page, scenario);
    }
}

fn heading(page: &mut String, verdict: Verdict, title: &str, what: &str, place: Option<&Place>) {
    let colon = if what.is_empty() { "" } else { ": " };
    let _ = writeln!(page, "\n## {verdict}: {}{colon}{}\n", text(title), text(what));
    if let Some(place) = place {
        let _ = writeln!(page, "{}\n", code(&format!("{}:{}:{}", place.file, place.line, place.column)));
        let before = " ".repeat(place.column.saturating_sub(1) as usize);
        let under = "^".repeat((place.length as usize).max(1));
        let _ = writeln!(page, "{}", fenced(&format!("{}\n{before}{under}", clean(&place.text)), "yaml"));
    }
}

fn item(page: &mut String, label: &str, told: &str) {
    let _ = writeln!(page, "- **{label}** {}", text(&short(told, WIDTH)));
}

fn items<'a>(page: &mut String, label: &str, told: impl Iterator<Item = &'a str>, total: usize) {
    if total == 0 {
        return;
    }
    let _ = writeln!(page, "- **{label}**");
    for one in told.take(SHOWN) {
        let _ = writeln!(page, "  - {}", text(&short(one, WIDTH)));
    }
    if total > SHOWN {
        let _ = writeln!(page, "  - and {} more in run.jsonl", count((total - SHOWN) as u64));
    }
}

fn again(page: &mut String, scenario: &Scenario) {
    let _ = writeln!(page, "\n{}", fenced(&clean(&scenario.reproduce()), "sh"));
    if let Some(not) = scenario.not_replayable() {
        let _ = writeln!(page, "Not replayable: {not}.\n");
    }
}

fn bold(verdict: Verdict) -> String {
    if verdict == Verdict::Passed { verdict.to_string() } else { format!("**{verdict}**") }
}

/// A stranger's text on one line, in which nothing is markup.
fn text(told: &str) -> String {
    let mut plain = String::new();
    for c in clean(told).chars() {
        if "\\`*_{}[]<>#|~&!".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// Code in a line, whatever is in it.
fn code(told: &str) -> String {
    let told = clean(told);
    let ticks = "`".repeat(longest_run(&told) + 1);
    format!("{ticks} {told} {ticks}")
}

/// Code in lines of its own, whatever is in it.
fn fenced(told: &str, language: &str) -> String {
    let fence = "`".repeat(longest_run(told).max(2) + 1);
    format!("{fence}{language}\n{told}\n{fence}\n")
}

/// Backticks in a row.
fn longest_run(told: &str) -> usize {
    told.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_stranger_says_is_markup() {
        assert_eq!(text("a | <b> *c* `d`\n# e"), "a \\| \\<b\\> \\*c\\* \\`d\\` \\# e");
        assert_eq!(code("a ``b`` c"), "``` a ``b`` c ```");
        assert_eq!(fenced("x ``` y", "sh"), "````sh\nx ``` y\n````\n");
    }
}
