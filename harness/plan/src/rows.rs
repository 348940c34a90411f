//! A plan for every combination of a scenario's matrix: each with the values that its seed draws.

use crate::{ClockKind, Plan, named_seeds, plan};
use fleetproof_claims::model::Surfaces;
use fleetproof_language::{Diagnostic, MatrixRow, Need, Scalar, Script, Sources, Var};
use fleetproof_world::Seeds;
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all plans of a command have in common.
#[derive(Clone, Debug)]
pub struct Orders<'a> {
    /// What the platform can do.
    pub capabilities: &'a [&'a str],
    /// Its operations.
    pub surfaces: Arc<Surfaces>,
    /// The seed, where a combination has none of its own.
    pub seed: u64,
    /// The seed was asked for: combinations with another one are skipped.
    pub seed_given: bool,
    /// The form in which the platform is brought up.
    pub stack: &'a str,
    /// The clock.
    pub clock: ClockKind,
}

/// The plans of a scenario, one per combination of its matrix, in the order of the file.
///
/// # Errors
/// What is wrong with the scenario with just these values.
pub fn plans(script: &Script, sources: &Sources, orders: &Orders<'_>) -> Result<Vec<Plan>, Vec<Diagnostic>> {
    let (mut plans, mut mistakes) = (Vec::new(), Vec::new());
    for row in script.rows() {
        match one(script, sources, row, orders) {
            Ok(plan) => plans.push(plan),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty() { Ok(plans) } else { Err(mistakes) }
}

fn one(script: &Script, sources: &Sources, row: &MatrixRow, orders: &Orders<'_>) -> Result<Plan, Vec<Diagnostic>> {
    let seed = row.seed().unwrap_or(orders.seed);
    let vars = &script.scenario().vars;
    let seeds = named_seeds(&script.name(row), seed).child("vars");
    let drawn: BTreeMap<String, Scalar> =
        vars.iter().filter_map(|(name, var)| Some((name.value.clone(), draw(&var.value, name, &seeds)?))).collect();
    let (scenario, wording) = script.fill(sources, row, seed, &drawn)?;
    let mut plan = plan(Arc::new(scenario), orders.capabilities, orders.surfaces.clone(), seed, orders.clock);
    plan.skipped = passed_over(row, orders).or(plan.skipped);
    plan.wording = wording;
    plan.row = row.0.iter().map(|(axis, value)| (axis.clone(), value.text.clone())).collect();
    plan.drawn = drawn.into_iter().map(|(name, value)| (name, value.text)).collect();
    Ok(plan)
}

/// What a seed draws for a variable: each name has a stream of its own.
fn draw(var: &Var, name: &str, seeds: &Seeds) -> Option<Scalar> {
    let mut stream = seeds.stream(name);
    match var {
        Var::Range(ends) => {
            let (from, to) = (ends.first()?.value, ends.last()?.value);
            Some(Scalar { text: stream.gen_range(from..=to).to_string(), plain: true })
        }
        Var::OneOf(values) => Some(values.get(stream.gen_range(0..values.len().max(1)))?.value.clone()),
        Var::Value(_) | Var::Secret(_) => None,
    }
}

/// Why a combination is not run by this command.
fn passed_over(row: &MatrixRow, orders: &Orders<'_>) -> Option<String> {
    if let Some(seed) = row.seed().filter(|seed| orders.seed_given && *seed != orders.seed) {
        return Some(format!("`--seed {}` asks for another combination than seed {seed}", orders.seed));
    }
    let stack = row.value("stack").filter(|stack| *stack != orders.stack)?;
    Some(format!("this command brings the platform up as `{}`, this combination asks for `{stack}`", orders.stack))
}

/// The first of a scenario's `needs` that is not there.
pub(crate) fn unmet(needs: impl Iterator<Item = Need>, capabilities: &[&str], clock: ClockKind) -> Option<String> {
    let is_there = |need: Need| match need {
        Need::VirtualTime => clock == ClockKind::Virtual,
        Need::RealTime => clock == ClockKind::Real,
        need => capabilities.contains(&need.word()),
    };
    let need = { needs }.find(|need| !is_there(*need))?;
    Some(match need {
        Need::VirtualTime => "it needs virtual time, and the clock of this run is real (`virtual_time`)".to_owned(),
        Need::RealTime => "it needs real time, and the clock of this run jumps (`real_time`)".to_owned(),
        need => format!("it needs `{need}`, which is not there"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_language::check;

    const TEXT: &str = r#"scenario: Fleets
matrix: { fleet: [10, 20], seed: [1, 2] }
vars:
  boot: { range: [1, 9] }
  poll: { one_of: [2s, 3s, 4s] }
  runs: { value: "1.0" }
platform: { tenants: { acme: { device_limit: 100, admin: ada@acme.test } } }
devices:
  vans: { tenant: acme, simulated: "{{ matrix.fleet }}", speaks: mender, runs: "{{ runs }}", poll: "{{ poll }}", boot_time: "{{ boot }}s" }
steps:
  - enroll: { devices: [vans] }
  - expect: { within: 60s, online: { devices: [vans] } }
"#;

    fn made(text: &str, seed_given: bool) -> Vec<Plan> {
        let mut sources = Sources::new();
        let file = sources.add("fleets.yaml", text.to_owned());
        let (scripts, mistakes) = check(&sources, &[file]);
        assert!(mistakes.is_empty(), "{}", mistakes[0].render(&sources));
        let orders = Orders {
            capabilities: &["provider", "audit"],
            surfaces: Arc::default(),
            seed: 2,
            seed_given,
            stack: "embedded",
            clock: ClockKind::Virtual,
        };
        plans(&scripts[0], &sources, &orders).unwrap_or_else(|mistakes| panic!("{}", mistakes[0].render(&sources)))
    }

    #[test]
    fn every_combination_is_a_run_of_its_own() {
        let plans = made(TEXT, false);
        let names: Vec<&str> = plans.iter().map(|plan| plan.scenario.scenario.as_str()).collect();
        let due = ["fleet=10, seed=1", "fleet=10, seed=2", "fleet=20, seed=1", "fleet=20, seed=2"];
        assert_eq!(names, due.map(|row| format!("Fleets [{row}]")));
        let sizes: Vec<(usize, u64)> = plans.iter().map(|plan| (plan.population.devices.len(), plan.seed)).collect();
        assert_eq!(sizes, [(10, 1), (10, 2), (20, 1), (20, 2)]);
        assert!(plans.iter().all(|plan| plan.skipped.is_none()));
    }

    #[test]
    fn a_seed_narrows_the_matrix() {
        let skipped: Vec<bool> = made(TEXT, true).iter().map(|plan| plan.skipped.is_some()).collect();
        assert_eq!(skipped, [true, false, true, false]);
    }

    #[test]
    fn another_variable_redraws_nothing() {
        let more = TEXT.replace("vars:\n", "vars:\n  aside: { range: [1, 1000] }\n");
        for (few, more) in made(TEXT, false).iter().zip(made(&more, false)) {
            assert_eq!(few.drawn["boot"], more.drawn["boot"]);
            assert_eq!(few.drawn["poll"], more.drawn["poll"]);
            let boot: u64 = few.drawn["boot"].parse().unwrap_or(0);
            assert!((1..=9).contains(&boot));
            assert_eq!(few.population.devices[0].boot_time.as_secs(), boot);
        }
    }

    #[test]
    fn what_is_needed_and_not_there_skips() {
        let with = |needs: &str| made(&TEXT.replace("vars:\n", &format!("needs: [{needs}]\nvars:\n")), false);
        assert_eq!(with("audit, virtual_time")[0].skipped, None);
        assert_eq!(with("audit, containers")[0].skipped.as_deref(), Some("it needs `containers`, which is not there"));
        assert!(with("real_time")[0].skipped.as_ref().is_some_and(|reason| reason.contains("real time")));
    }

    #[test]
    fn a_stack_of_its_own_skips_where_another_is_brought_up() {
        let plans = made(&TEXT.replace("seed: [1, 2]", "stack: [embedded, containers]"), false);
        let skipped: Vec<bool> = plans.iter().map(|plan| plan.skipped.is_some()).collect();
        assert_eq!(skipped, [false, true, false, true]);
    }
}
