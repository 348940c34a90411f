//! The report for a person at a terminal or in a CI log.

use crate::report::{Claim, Covered, Report, Scenario, Step, Try};
use crate::words::{clean, count, duration, is_dirty, plural, short};
use fleetproof_journal::{Place, Verdict};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whether words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI colours.
    Always,
    /// Plain text.
    Never,
}

/// Pieces of evidence, details and attempts that a failure shows before it says how many more.
const SHOWN: usize = 8;
const SHOWN_IN_FULL: usize = 3;
/// Details of a judgement: whoever judged has summed up what goes past a handful already.
const DETAILS: usize = 16;
/// Characters of a stranger's text.
const WIDTH: usize = 240;

/// The whole report: what is not passed in full, then a line per scenario, then the sum.
#[must_use]
pub fn terminal(report: &Report, colour: Colour) -> String {
    let mut page = Page { text: String::new(), colour };
    for scenario in &report.scenarios {
        for (number, earlier) in (1..).zip(&scenario.earlier) {
            page.line(&format!("run {number} of {}:", scenario.earlier.len() + 1));
            page.troubles(earlier);
        }
        page.troubles(scenario);
    }
    page.table(&report.scenarios);
    page.sum(report);
    page.text
}

struct Page {
    text: String,
    colour: Colour,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn verdict(&self, verdict: Verdict, width: usize) -> String {
        let word = format!("{:width$}", verdict.word());
        if self.colour == Colour::Never {
            return word;
        }
        let code = match verdict {
            Verdict::Passed => 32,
            Verdict::Skipped => 36,
            Verdict::Flaky | Verdict::Inconclusive => 33,
            Verdict::Failed | Verdict::Invalid | Verdict::Broken | Verdict::Interrupted => 31,
        };
        format!("\u{1b}[1;{code}m{word}\u{1b}[0m")
    }

    /// A label and its text; further lines of the text stand under the first.
    fn labelled(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        for (index, line) in lines.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.line(&format!("  {label:<15} {line}"));
        }
    }

    fn troubles(&mut self, scenario: &Scenario) {
        let claims = scenario.claims.iter().filter(|claim| is_trouble(claim.judged.verdict));
        let mut steps: Vec<(&Step, Verdict)> =
            scenario.troubled().filter(|(_, verdict)| is_trouble(*verdict)).collect();
        let claims: Vec<&Claim> = claims.collect();
        // A step of claims fails because its claims do: they say more.
        if !claims.is_empty() {
            steps.retain(|(step, _)| step.verb != "expect");
        }
        for (step, verdict) in steps {
            self.heading(verdict, &format!("{}: step {} {}", scenario.name, step.index, step.verb));
            self.caret(step.place.as_ref());
            self.labelled("actual", [short(&step.detail, WIDTH)]);
            self.again(scenario);
        }
        for claim in claims {
            self.claim(scenario, claim);
        }
        if let Some(because) = scenario.because.as_ref().filter(|_| is_trouble(scenario.verdict)) {
            self.heading(scenario.verdict, &scenario.name);
            self.labelled("because", [short(because, WIDTH)]);
            let first = scenario.watched.iter().take(SHOWN);
            let watched: Vec<String> = first.map(|(seq, text)| format!("#{seq} {}", short(text, WIDTH))).collect();
            self.labelled("always watched", watched);
            let unfinished = scenario.steps.iter().filter(|step| step.verdict.is_none());
            let unfinished: Vec<String> = unfinished.map(|step| format!("step {} {}", step.index, step.verb)).collect();
            self.labelled("unfinished", unfinished);
            self.again(scenario);
        }
    }

    fn heading(&mut self, verdict: Verdict, title: &str) {
        let line = format!("{} {}", self.verdict(verdict, 0), clean(title));
        self.line(&line);
    }

    fn claim(&mut self, scenario: &Scenario, claim: &Claim) {
        let judged = &claim.judged;
        let rows = if judged.rows.is_empty() { String::new() } else { format!(" ({})", judged.rows.join(", ")) };
        self.heading(judged.verdict, &format!("{}: {}{rows}", scenario.name, judged.claim));
        self.caret(claim.place.as_ref());
        self.labelled("expected", [short(&judged.expected, WIDTH)]);
        self.labelled("actual", [short(&judged.actual, WIDTH)]);
        let details = judged.details.iter().take(DETAILS).map(|detail| short(detail, WIDTH));
        let more = rest(judged.details.len(), DETAILS);
        self.labelled("in detail", details.chain(more).collect::<Vec<_>>());
        let anomaly = |seq: &u64| Some(*seq) == judged.first_anomaly;
        let (first, evidence): (Vec<_>, Vec<_>) = claim.evidence.iter().partition(|(seq, _)| anomaly(seq));
        self.labelled("first anomaly", first.into_iter().map(|(seq, text)| format!("#{seq} {text}")));
        let shown = evidence.iter().take(SHOWN).map(|(seq, text)| format!("#{seq} {text}"));
        self.labelled("evidence", shown.chain(rest(evidence.len(), SHOWN)).collect::<Vec<_>>());
        if let Some(covered) = &claim.covered {
            self.covered(covered);
        }
        self.tries(&claim.tries);
        self.again(scenario);
    }

    fn covered(&mut self, covered: &Covered) {
        let told = format!(
            "{} of {} operations attempted, {} exempt, {} uncovered",
            covered.attempted,
            covered.operations,
            covered.exempt.len(),
            covered.uncovered.len()
        );
        self.labelled("covered", [told]);
        let uncovered = covered.uncovered.iter().take(SHOWN).map(|name| short(name, WIDTH));
        self.labelled("uncovered", uncovered.chain(rest(covered.uncovered.len(), SHOWN)).collect::<Vec<_>>());
    }

    /// The worst attempts first, and of those one per operation before any second one; the first
    /// few in full.
    fn tries(&mut self, tries: &[Try]) {
        let mut of_operation: BTreeMap<&str, u32> = BTreeMap::new();
        let mut bad: Vec<(u32, &Try)> = Vec::new();
        for tried in tries.iter().filter(|tried| is_trouble(tried.attempted.verdict)) {
            let so_far = of_operation.entry(&tried.attempted.operation).or_insert(0);
            bad.push((*so_far, tried));
            *so_far += 1;
        }
        if bad.is_empty() {
            return;
        }
        bad.sort_by_key(|(rank, tried)| (Reverse(tried.attempted.verdict.severity()), *rank, tried.seq));
        let bad: Vec<&Try> = bad.into_iter().map(|(_, tried)| tried).collect();
        self.labelled(
            "attempts",
            [format!(
                "{} of {} did not pass, on {}",
                count(bad.len() as u64),
                count(tries.len() as u64),
                plural(of_operation.len() as u64, "operation")
            )],
        );
        for tried in bad.iter().take(SHOWN_IN_FULL) {
            self.in_full(tried);
        }
        let others: Vec<String> = bad
            .iter()
            .skip(SHOWN_IN_FULL)
            .take(SHOWN)
            .map(|tried| format!("#{} {} {}", tried.seq, tried.attempted.verdict, short(&tried.attempted.id, WIDTH)))
            .collect();
        self.labelled("also", others.into_iter().chain(rest(bad.len(), SHOWN_IN_FULL + SHOWN)).collect::<Vec<_>>());
    }

    fn in_full(&mut self, tried: &Try) {
        let told = &tried.attempted;
        let head = format!("#{} {} {}", tried.seq, self.verdict(told.verdict, 0), short(&told.id, WIDTH));
        self.labelled("attempt", [head]);
        let mut say = |label: &str, text: &str| {
            let line = format!("    {label:<13} {}", short(text, WIDTH));
            self.line(&line);
        };
        say("operation", &format!("{} ({})", told.operation, told.tool));
        say("asked by", &format!("{}, for a thing of {}", told.actor, told.victim));
        say("request", &told.request);
        say("came back", &told.answer);
        say("expected", &told.expected);
        if let Some(answer) = &told.never_existed {
            say("never existed", answer);
        }
        say("control", told.control.as_deref().unwrap_or("none"));
        if let Some(lost) = &told.lost {
            say("lost", lost);
        }
    }

    fn again(&mut self, scenario: &Scenario) {
        self.labelled("reproduce", [clean(&scenario.reproduce()).into_owned()]);
        self.labelled("not replayable", scenario.not_replayable().map(str::to_owned));
        self.line("");
    }

    /// The line of the scenario with a caret under the words in question.
    fn caret(&mut self, place: Option<&Place>) {
        let Some(place) = place else { return };
        let (number, gutter) = (place.line.to_string(), place.line.to_string().len());
        let line = clean_line(&place.text);
        let before = place.column.saturating_sub(1) as usize;
        let under = (place.length as usize).clamp(1, line.chars().count().saturating_sub(before).max(1));
        let at = format!("  {:gutter$}--> {}:{}:{}", "", clean(&place.file), place.line, place.column);
        self.line(&at);
        self.line(&format!("  {:gutter$} |", ""));
        self.line(&format!("  {number} | {line}"));
        self.line(&format!("  {:gutter$} | {}{}", "", " ".repeat(before), "^".repeat(under)));
    }

    fn table(&mut self, scenarios: &[Scenario]) {
        let took = |scenario: &Scenario| format!("{} {}", scenario.clock, duration(scenario.took));
        let width = scenarios.iter().map(|scenario| took(scenario).chars().count()).max().unwrap_or(0);
        for scenario in scenarios {
            let tries = scenario.tries().count() as u64;
            let row = format!(
                "{} {:>13} {:>15} {:>10}  {:<width$}  {} (seed {})",
                self.verdict(scenario.verdict, 12),
                plural(u64::from(scenario.devices), "device"),
                plural(tries, "attempt"),
                plural(scenario.claims.len() as u64, "claim"),
                took(scenario),
                clean(&scenario.name),
                scenario.seed,
            );
            self.line(&row);
            for claim in &scenario.claims {
                let Some(covered) = &claim.covered else { continue };
                let told = format!(
                    "{:13}{}: {} on {} of {} operations, {} exempt, {} uncovered",
                    "",
                    claim.judged.claim,
                    plural(claim.tries.len() as u64, "attempt"),
                    covered.attempted,
                    covered.operations,
                    covered.exempt.len(),
                    covered.uncovered.len()
                );
                self.line(&told);
            }
            if let Some(because) = scenario.because.as_ref().filter(|_| !is_trouble(scenario.verdict)) {
                self.line(&format!("{:13}{}", "", short(because, WIDTH)));
            }
        }
    }

    fn sum(&mut self, report: &Report) {
        let Some(worst) = report.verdict() else {
            self.line("no scenario ran");
            return;
        };
        let of = |verdict: Verdict| report.scenarios.iter().filter(|scenario| scenario.verdict == verdict).count();
        let mut parts = Vec::new();
        for verdict in Verdict::ALL {
            if of(verdict) > 0 {
                parts.push(format!("{} {verdict}", of(verdict)));
            }
        }
        let total = plural(report.scenarios.len() as u64, "scenario");
        let mut sum = String::new();
        let _ = write!(sum, "{total}: {}; {}", parts.join(", "), self.verdict(worst, 0));
        self.line(&sum);
    }
}

fn is_trouble(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Passed | Verdict::Skipped)
}

/// `and 3 more in run.jsonl`, if there are more than are shown.
fn rest(total: usize, shown: usize) -> Option<String> {
    (total > shown).then(|| format!("and {} more in run.jsonl", count((total - shown) as u64)))
}

/// The line of the scenario, a blank for what may not be shown: the caret must not move.
fn clean_line(line: &str) -> String {
    line.chars().map(|c| if is_dirty(c) { ' ' } else { c }).collect()
}
