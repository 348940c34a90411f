//! Rules about what goes wrong: faults, devices that lose their network, artifacts that nobody may install, tokens that end.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::fault::Fault;
use crate::flow::{Background, walk};
use crate::population::Population;
use crate::scenario::Scenario;
use crate::source::{Located, Span};
use crate::step::Step;
use crate::words::{Misbehaviour, Protocol};
use std::collections::BTreeSet;

/// The end that is not among the names of a file.
const PLATFORM: &str = "platform";

/// All of it.
const WHOLE: u32 = 1_000_000;

pub(crate) fn check(scenario: &Scenario, population: &Population<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    signatures(scenario, &mut mistakes);
    networks(scenario, &mut mistakes);
    let mut revoked = BTreeSet::new();
    for step in walk(&scenario.steps) {
        match &step.value {
            Step::Fault(fault) => {
                if fault.is_held() && fault.held_for().is_none() {
                    let message = format!("`{}` is held, and nothing says how long", fault.kind());
                    let help = "`for: 5s`, or move it into `while: { background, steps }`";
                    report(&mut mistakes, "hold-without-for", step.span, message, "until when?", help);
                }
                check_fault(step.span, fault, scenario, population, &mut mistakes);
            }
            Step::While(it) => {
                for held in &it.background {
                    let Background::Fault(fault) = &held.value else { continue };
                    if !fault.is_held() {
                        let message = format!("`{}` happens once: there is nothing to hold", fault.kind());
                        let help = "make it a step of its own, among those of the `while`";
                        report(&mut mistakes, "not-held", held.span, message, "not held", help);
                    }
                    check_fault(held.span, fault, scenario, population, &mut mistakes);
                }
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    barred(claim, &revoked, population, &mut mistakes);
                }
            }
            other => revoke(other, population, &mut revoked),
        }
    }
    mistakes
}

fn report(
    mistakes: &mut Vec<Diagnostic>,
    code: &str,
    span: Span,
    message: String,
    label: &str,
    help: impl Into<String>,
) {
    mistakes.push(Diagnostic::new(code, span, message).label(label).help(help));
}

/// A wrong signature is one of an artifact that is signed.
fn signatures(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) {
    for (name, artifact) in scenario.artifacts.iter() {
        if let Some(way) = artifact.misbehaves.as_ref().filter(|way| way.value == Misbehaviour::BadSignature)
            && !artifact.signed
        {
            let message = format!("`{}` has no signature that could be bad", name.value);
            report(mistakes, "not-signed", way.span, message, "of what?", "sign it: `signed: true`");
        }
    }
}

/// Devices that are never, or always, without network are not flaky.
fn networks(scenario: &Scenario, mistakes: &mut Vec<Diagnostic>) {
    for (name, group) in scenario.devices.iter() {
        let Some(flaky) = &group.flaky else { continue };
        let offline = &flaky.offline;
        if offline.value == 0 || offline.value == WHOLE {
            let how = if offline.value == 0 { "never" } else { "always" };
            let message = format!("`{}` would be {how} without network", name.value);
            report(mistakes, "out-of-range", offline.span, message, "out of range", "`offline` is from `1%` to `99%`");
        }
    }
}

fn check_fault(
    verb: Span,
    fault: &Fault,
    scenario: &Scenario,
    population: &Population<'_>,
    mistakes: &mut Vec<Diagnostic>,
) {
    let known = |name: &Located<String>| {
        let is_tenant = scenario.platform.tenants.get(&name.value).is_some();
        is_tenant || name.value == PLATFORM || population.counts(&name.value).next().is_some()
    };
    if fault.between().iter().all(known) {
        ends(fault.between(), mistakes);
    }
    if let Fault::Slow(slow) = fault {
        if slow.latency.is_none() && slow.spread.is_none() && slow.loss.is_none() && slow.bandwidth.is_none() {
            let message = "this `slow` slows nothing".to_owned();
            let help = "say how: `latency: 200ms`, `spread: 50ms`, `loss: 2%` or `bandwidth: 32 KiB/s`";
            report(mistakes, "missing-key", verb, message, "how slow?", help);
        }
        if let Some(loss) = slow.loss.as_ref().filter(|loss| loss.value == WHOLE) {
            let message = "a link that loses everything is no slow one".to_owned();
            let help = "`loss` is at most `99%`; `partition` lets nothing through";
            report(mistakes, "out-of-range", loss.span, message, "out of range", help);
        }
    }
}

/// A fault has two ends, and something goes between them.
fn ends(between: &[Located<String>], mistakes: &mut Vec<Diagnostic>) {
    if let Some(third) = between.get(2) {
        let message = format!("`between` has two ends, this one has {}", between.len());
        let help = "what belongs together is one end: make a selection of it";
        report(mistakes, "two-ends", third.span, message, "a third one", help);
        return;
    }
    if let [first, second] = between
        && first.value != PLATFORM
        && second.value != PLATFORM
    {
        let message = format!("nothing goes between `{}` and `{}`", first.value, second.value);
        let help = format!("devices and people talk to the platform: `between: [{}, platform]`", first.value);
        report(mistakes, "no-link", second.span, message, "no way from one to the other", help);
    }
}

/// Which groups had their tokens ended, and were not turned down beside. Where they speak `mqtt` it is their certificates, and
/// nobody gets a new one by asking.
fn revoke<'s>(step: &'s Step, population: &Population<'s>, revoked: &mut BTreeSet<&'s str>) {
    let groups = |names: &'s [Located<String>]| -> Vec<&'s str> {
        names.iter().flat_map(|name| population.counts(&name.value)).map(|(group, _)| group).collect()
    };
    match step {
        Step::Revoke(it) => {
            let asks_anew = |group: &&str| population.speaks(group) == Some(Protocol::Mender);
            revoked.extend(groups(&it.devices).into_iter().filter(asks_anew));
        }
        Step::Reject(it) | Step::Decommission(it) => {
            for group in groups(&it.devices) {
                revoked.remove(group);
            }
        }
        Step::Suspend(it) | Step::Remove(it) => {
            revoked.retain(|group| {
                population.tenant(group).is_none_or(|tenant| it.tenants.iter().all(|name| name.value != tenant))
            });
        }
        _ => {}
    }
}

/// A device whose token was ended is still accepted: it gets in anew.
fn barred(
    claim: &Located<Claim>,
    revoked: &BTreeSet<&str>,
    population: &Population<'_>,
    mistakes: &mut Vec<Diagnostic>,
) {
    let Claim::Barred { devices, .. } = &claim.value else { return };
    for name in devices {
        if population.counts(&name.value).any(|(group, _)| revoked.contains(group)) {
            let message =
                format!("`{}` were revoked, not turned down: each is still accepted and gets in anew", name.value);
            let help = "`revoke` ends the token in hand and shows by itself that it is dead; `reject` or `decommission` keeps them out";
            report(mistakes, "revoked-before", name.span, message, "not barred by that", help);
        }
    }
}
