//! Strain: `load` puts it on, `measure` looks what it does to others, `quotas` bound it.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::flow::{Background, walk};
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form, Key, Named, Refers, Shape, block};
use crate::quantity::Rate;
use crate::reader::{At, Content, Reader, located};
use crate::scenario::Scenario;
use crate::source::{Located, Span};
use crate::step::{Configure, Step, kinds, verbs};
use crate::tree::Node;
use crate::words::Limit;
use std::collections::BTreeSet;
use std::time::Duration;

/// The most that a load may ask for: a thousand million in a second.
pub(crate) const FASTEST: u32 = 1_000_000_000;

block! {
    /// Limits of a tenant beside its `device_limit`. A platform of which nothing else is known has no others.
    #[derive(Default)]
    pub struct Quotas {
        /// How often its people may call, all of them together. What its devices ask is not counted.
        pub call_rate: Option<Located<Rate>> = Shape::Rate, Optional;
    }
}

kinds! {
    /// What the platform is strained with.
    pub enum Load {
        /// Devices show their identity again and again.
        Knock(KnockLoad) = "knock",
        /// A person asks for the same thing again and again.
        Call(CallLoad) = "call",
    }
}

block! {
    /// Devices show their identity again and again, one after another.
    pub struct KnockLoad {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        /// How often, all of them together.
        pub rate: Located<Rate> = Shape::Rate, Required("how often: `rate: 200/s`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// A person asks for the same thing again and again, whether the answers come or not.
    pub struct CallLoad {
        /// Who asks.
        pub by: Located<String> = Shape::Refers(Refers::User), Required("who asks: `by: lou@loud.test`");
        /// What is asked for: an operation of the platform's interface document that names no object.
        pub operation: Located<String> = Shape::Text, Required("what for: `operation: List Artifacts`");
        /// How often.
        pub rate: Located<Rate> = Shape::Rate, Required("how often: `rate: 200/s`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Otherwise("required; beside other steps as long as they take");
    }
}

block! {
    /// Latency, loss and errors of what devices ask anyway.
    pub struct Measure {
        /// The name that claims refer to.
        pub name: Located<String> = Shape::Declares(Named::Measure), Required("claims refer to it: `name: calm`");
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("whose: `devices: [hvac]`");
        /// How long.
        pub r#for: Located<Duration> = Shape::Duration(1), Required("how long: `for: 20s`");
    }
}

impl Load {
    /// How long it is on; `None`: as long as the steps beside it take.
    #[must_use]
    pub const fn time(&self) -> Option<&Located<Duration>> {
        match self {
            Self::Knock(it) => it.value.r#for.as_ref(),
            Self::Call(it) => it.value.r#for.as_ref(),
        }
    }

    /// How often something is asked.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        match self {
            Self::Knock(it) => it.value.rate.value,
            Self::Call(it) => it.value.rate.value,
        }
    }
}

/// What could never prove anything about strain.
pub(crate) fn check(scenario: &Scenario) -> Vec<Diagnostic> {
    let steps = walk(&scenario.steps);
    let mut mistakes = Vec::new();
    let mistake = |code, span: Span, message: String, label: &str, help: &str| {
        Diagnostic::new(code, span, message).label(label).help(help)
    };
    let tenants = scenario.platform.tenants.iter();
    let mut limited: BTreeSet<&str> =
        tenants.filter(|(_, it)| has_rate(it.quotas.as_ref())).map(|(name, _)| name.as_str()).collect();
    let strains = steps.iter().any(|step| strains(step));
    for step in &steps {
        match &step.value {
            Step::Load(it) if it.value.time().is_none() => {
                let message = "a load that stands by itself needs `for`".to_owned();
                let help = "`for: 30s`, or move it into `while: { background, steps }`";
                mistakes.push(mistake("hold-without-for", it.span, message, "until when?", help));
            }
            Step::While(it) => {
                for held in &it.background {
                    if let Some(time) = held.time() {
                        let message = "what is held beside steps lasts as long as they do".to_owned();
                        let help = "leave `for` out, or make it a step of its own";
                        mistakes.push(mistake("hold-with-for", time.span, message, "has its end", help));
                    }
                }
            }
            Step::Configure(it) => {
                if has_rate(it.quotas.as_ref()) {
                    limited.insert(it.tenant.as_str());
                }
                mistakes.extend(operators_work(it));
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    mistakes.extend(match &claim.value {
                        Claim::Quota { tenants, limits, .. } => {
                            let rated = limits.iter().any(|limit| limit.value == Limit::CallRate);
                            let free = tenants.iter().find(|name| rated && !limited.contains(name.as_str()));
                            free.map(|name| {
                                let message = format!("`{}` has no `call_rate` that could be held", name.value);
                                let help = "give it one: `quotas: { call_rate: 60/min }`";
                                mistake("no-limit", name.span, message, "may call as often as it likes", help)
                            })
                        }
                        Claim::Neighbour { measure, baseline, .. } if measure.value == baseline.value => {
                            let message = format!("`{}` is held against itself", measure.value);
                            let help = "measure once before the load and once while it is on";
                            Some(mistake("no-control", baseline.span, message, "the same measurement", help))
                        }
                        Claim::Neighbour { .. } if !strains => {
                            let message = "nothing strains the platform, so nobody could be hurt".to_owned();
                            let help = "put a `load` on while you measure";
                            Some(mistake("no-load", claim.span, message, "without any `load`", help))
                        }
                        _ => None,
                    });
                }
            }
            _ => {}
        }
    }
    mistakes
}

/// Quotas are the operator's business: nobody else can be asked for them.
fn operators_work(it: &Configure) -> Option<Diagnostic> {
    let (by, _) = (it.outcome.by.as_ref()?, it.quotas.as_ref()?);
    let message = format!("`{}` cannot change `quotas`: only the platform's operator can", by.value);
    let help = "leave `by` out, or change `device_limit` in a step of its own";
    Some(Diagnostic::new("operator-only", by.span, message).label("not the operator").help(help))
}

fn has_rate(quotas: Option<&Located<Quotas>>) -> bool {
    quotas.is_some_and(|quotas| quotas.call_rate.is_some())
}

/// Whether a step strains the platform.
fn strains(step: &Located<Step>) -> bool {
    match &step.value {
        Step::Load(_) => true,
        Step::While(it) => it.background.iter().any(|held| matches!(held.value, Background::Load(_))),
        _ => false,
    }
}

impl Scenario {
    /// Whether it asks how long things take: then work takes time on a platform that only reckons with it.
    #[must_use]
    pub fn measures(&self) -> bool {
        walk(&self.steps).into_iter().any(|step| strains(step) || matches!(step.value, Step::Measure(_)))
    }
}
