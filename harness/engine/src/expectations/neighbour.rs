//! `neighbour` and `measured`: what was measured is fast enough, and nothing of it was refused or lost.

use crate::proof::{Proof, Seen};
use crate::run::Run;
use crate::strain::load::Record;
use crate::strain::meter::{ENOUGH, Figures, Measurement, ms};

/// µs: what is on the clock where nothing takes any time.
const NOTHING: u64 = 1;

/// What is due of a neighbour.
pub(super) struct Due {
    /// Thousandths: how much longer the slowest hundredth may take.
    pub(super) p99: u32,
    pub(super) lost: u32,
    /// Millionths.
    pub(super) errors: u32,
}

/// Judged on two measurements. Evidence is that both have enough answers, that somebody else's load was on during all of
/// the one, and none during the other.
pub(super) fn neighbour(run: &Run, measure: &str, baseline: &str, due: &Due) -> Seen {
    let times = f64::from(due.p99) / 1_000.0;
    let proof = Proof::of(format!("under load the slowest hundredth takes at most {times} times as long as without"));
    let (Some(under), Some(without)) = (run.measured.get(measure), run.measured.get(baseline)) else {
        return Seen::Hidden(proof.actual(format!("`{measure}` and `{baseline}` were not both measured")));
    };
    let loads = run.loads.read(Clone::clone);
    judge((measure, &under), (baseline, &without), &loads, due, proof)
}

fn judge(
    (measure, under): (&str, &Measurement),
    (baseline, without): (&str, &Measurement),
    loads: &[Record],
    due: &Due,
    proof: Proof,
) -> Seen {
    let of_others = |load: &&Record| load.tenants.iter().any(|tenant| !under.tenants.contains(tenant));
    let (from, until) = under.between;
    let on: Vec<&Record> = loads.iter().filter(of_others).filter(|load| load.told.was_on(from, until)).collect();
    let proof = proof.evidence([under.seq, without.seq]).evidence(on.iter().map(|load| load.seq));
    let few = [(measure, under), (baseline, without)].into_iter().find(|(_, it)| it.figures.answers < ENOUGH);
    if let Some((name, few)) = few {
        let text = format!("`{name}` has {} answers, a slowest hundredth needs {ENOUGH}", few.figures.answers);
        return Seen::Hidden(proof.actual(text));
    }
    if on.is_empty() {
        let weak = loads.iter().map(|load| format!("{}: {}", load.what, load.told)).collect();
        let text = format!("no load of another tenant was on during all of `{measure}`");
        return Seen::Hidden(proof.actual(text).details(weak));
    }
    let (from, until) = without.between;
    if let Some(load) = loads.iter().find(|load| load.told.from < until && load.told.until > from) {
        let text = format!("`{baseline}` was measured while a load was on: {}", load.what);
        return Seen::Hidden(proof.actual(text));
    }
    if under.figures.modelled != without.figures.modelled {
        return Seen::Hidden(proof.actual("one was measured on the clock, the other is modelled"));
    }
    if !under.figures.modelled && under.figures.p99.max(without.figures.p99) <= NOTHING {
        return Seen::Hidden(proof.actual("nothing takes any time here, so nobody could wait for anybody"));
    }
    let mut wrong = too_bad(&under.figures, due.lost, due.errors);
    // µs times thousandths.
    let most = u128::from(without.figures.p99) * u128::from(due.p99);
    if u128::from(under.figures.p99) * 1_000 > most {
        wrong.push(format!(
            "p99 was {} and is {}, {} times as long",
            ms(without.figures.p99),
            ms(under.figures.p99),
            ratio(&under.figures, &without.figures)
        ));
    }
    let actual = format!(
        "p99 {} under load, {} without: {} times as long{}",
        ms(under.figures.p99),
        ms(without.figures.p99),
        ratio(&under.figures, &without.figures),
        if under.figures.modelled { " (modelled)" } else { "" }
    );
    let told = on.iter().map(|load| format!("{}: {}", load.what, load.told));
    if wrong.is_empty() {
        return Seen::Holds(proof.actual(actual));
    }
    Seen::Broken(proof.actual(actual).details(wrong.into_iter().chain(told).collect()))
}

/// How much longer, to two digits behind the point.
fn ratio(under: &Figures, without: &Figures) -> String {
    let hundredths = u128::from(under.p99) * 100 / u128::from(without.p99.max(1));
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What was lost, or refused.
fn too_bad(figures: &Figures, lost: u32, errors: u32) -> Vec<String> {
    let mut wrong = Vec::new();
    if figures.lost > u64::from(lost) {
        wrong.push(format!("{} requests had no answer, at most {lost} may", figures.lost));
    }
    if figures.error_share() > u64::from(errors) {
        wrong.push(format!(
            "{} of {} answers refuse or fail, at most {}% may",
            figures.errors,
            figures.answers,
            errors / 10_000
        ));
    }
    wrong
}

/// `measured`: what was measured is within these bounds.
pub(super) fn measured(run: &Run, measure: &str, latency: u64, errors: u32, lost: u32) -> Seen {
    let proof = Proof::of(format!("all but the slowest hundredth take at most {}", ms(latency)));
    let Some(seen) = run.measured.get(measure) else {
        return Seen::Hidden(proof.actual(format!("`{measure}` was not measured")));
    };
    let proof = proof.evidence([seen.seq]);
    if seen.figures.answers < ENOUGH {
        let text = format!("{} answers, a slowest hundredth needs {ENOUGH}", seen.figures.answers);
        return Seen::Hidden(proof.actual(text));
    }
    let mut wrong = too_bad(&seen.figures, lost, errors);
    if seen.figures.p99 > latency {
        wrong.push(format!("p99 is {}", ms(seen.figures.p99)));
    }
    let proof = proof.actual(seen.figures.to_string());
    if wrong.is_empty() { Seen::Holds(proof) } else { Seen::Broken(proof.details(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strain::load::Told;
    use fleetproof_world::Stamp;

    fn measurement(from: u64, until: u64, seq: u64, p99: u64) -> Measurement {
        let figures = Figures { answers: 1_000, p99, modelled: true, ..Figures::default() };
        let between = (Stamp::from_micros(from), Stamp::from_micros(until));
        Measurement { between, tenants: ["quiet".to_owned()].into(), seq, figures }
    }

    fn load(tenant: &str, from: u64, until: u64) -> Record {
        let (from, until) = (Stamp::from_micros(from), Stamp::from_micros(until));
        let told = Told { from, until, due: 10, asked: 10, served: 10, ..Told::default() };
        Record { what: "storm".to_owned(), tenants: [tenant.to_owned()].into(), seq: 7, told }
    }

    /// What is said of a storm with this p99, in which these loads were on.
    fn said(under: &Measurement, loads: &[Record]) -> (&'static str, String) {
        let calm = measurement(0, 100, 1, 1_000);
        let due = Due { p99: 1_200, lost: 0, errors: 0 };
        match judge(("storm", under), ("calm", &calm), loads, &due, Proof::of("fair")) {
            Seen::Holds(proof) => ("holds", proof.actual),
            Seen::Broken(proof) => ("broken", proof.details.join("; ")),
            Seen::Hidden(proof) => ("hidden", proof.actual),
        }
    }

    #[test]
    fn a_neighbour_is_judged_only_while_somebody_elses_load_was_on() {
        let storm = measurement(200, 300, 2, 1_200);
        let loud = load("loud", 150, 350);
        let mut cases = vec![
            said(&storm, std::slice::from_ref(&loud)),
            said(&measurement(200, 300, 2, 1_201), std::slice::from_ref(&loud)),
            said(&storm, &[]),
            said(&storm, &[load("quiet", 150, 350)]),
            said(&storm, &[load("loud", 250, 350)]),
            said(&storm, &[loud.clone(), load("loud", 50, 150)]),
        ];
        let on_the_clock = |p99| {
            let figures = Figures { p99, modelled: false, ..storm.figures };
            let calm = Measurement { figures, ..measurement(0, 100, 1, p99) };
            let under = Measurement { figures, ..storm.clone() };
            let due = Due { p99: 1_200, lost: 0, errors: 0 };
            judge(("storm", &under), ("calm", &calm), std::slice::from_ref(&loud), &due, Proof::of("fair"))
        };
        assert!(matches!(on_the_clock(1), Seen::Hidden(_)), "no time passes: nothing is proven");
        assert!(matches!(on_the_clock(2_000), Seen::Holds(_)));
        for (answers, errors, lost) in [(99, 0, 0), (1_000, 1, 0), (1_000, 0, 1)] {
            let figures = Figures { answers, errors, lost, ..storm.figures };
            cases.push(said(&Measurement { figures, ..storm.clone() }, std::slice::from_ref(&loud)));
        }
        let told: Vec<String> = cases.iter().map(|(verdict, text)| format!("{verdict}: {text}")).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
