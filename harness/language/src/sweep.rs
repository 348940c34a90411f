//! `sweep`: steps again for each point at which something of theirs can be interrupted; and which sweeps could show nothing.

use crate::diagnostic::Diagnostic;
use crate::fault::{FailedCalls, Fault};
use crate::flow::walk;
use crate::grammar::Presence::{Optional, Required};
use crate::grammar::{Block, Form as _, Key, Refers, Shape, block};
use crate::population::Population;
use crate::reader::{At, Content, Reader, Value, located};
use crate::scenario::Scenario;
use crate::source::Located;

use crate::step::{Deploy, Expect, Step, kinds, verbs};
use crate::tree::Node;
use crate::words::{Component, Points};
use std::collections::BTreeSet;
use std::time::Duration;

block! {
    /// Steps again for each point at which something of theirs can be interrupted. The first round is left alone: it is the control, and must pass. In the others steps may fail, only `expect` judges; what a round acquired is undone before the next.
    pub struct Sweep {
        /// What is interrupted.
        pub interrupt: Located<Interrupt> = Shape::Choice(Interrupt::BLOCK), Required("what is interrupted: `interrupt: { fail_calls: { component: accounts } }`");
        /// At which points.
        pub points: Located<Points> = Shape::Word(Points::WORDS), Required("at which points: `points: every`");
        /// How many of them the seed draws, with `points: drawn`.
        pub draws: Option<Located<u32>> = Shape::Number(1, 1000), Optional;
        /// What happens in each round.
        pub steps: Vec<Located<Step>> = Shape::Steps { closed: false }, Required("what happens in each round: `steps: [{ … }]`");
        /// What must hold after each.
        pub expect: Judged = Shape::Block(Expect::BLOCK), Required("what must hold after each round: `expect: { … }`");
    }
}

kinds! {
    /// What is interrupted. A sweep that does not meet each of its points is inconclusive.
    pub enum Interrupt {
        /// Each call of a component fails, in a round of its own: once in a way that is tried again, and once for good.
        FailCalls(InterruptedCalls) = "fail_calls",
        /// The connection of a device ends before each packet of an update: a control packet of MQTT, a request or an answer of HTTP.
        Connection(InterruptedConnections) = "connection",
    }
}

block! {
    /// Each call of a component fails, in a round of its own: once in a way that is tried again, and once for good.
    pub struct InterruptedCalls {
        /// The component.
        pub component: Located<Component> = Shape::Word(Component::WORDS), Required("whose calls: `component: accounts`");
    }
}

block! {
    /// The connection of a device ends before each packet of an update: a control packet of MQTT, a request or an answer of HTTP. All that was sent before arrives, nothing of it and after it does. The points are dealt out, one per device and round; one device of each round is left alone.
    pub struct InterruptedConnections {
        /// Whose connections. Before each round they are flashed with what they ran before.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("whose connections: `devices: [hvac]`");
    }
}

impl Interrupt {
    /// The word of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FailCalls(_) => "fail_calls",
            Self::Connection(_) => "connection",
        }
    }

    /// Whose calls fail, where calls do.
    #[must_use]
    pub const fn component(&self) -> Option<Component> {
        match self {
            Self::FailCalls(it) => Some(it.value.component.value),
            Self::Connection(_) => None,
        }
    }

    /// Whose connections end, where connections do.
    #[must_use]
    pub fn devices(&self) -> &[Located<String>] {
        match self {
            Self::FailCalls(_) => &[],
            Self::Connection(it) => &it.value.devices,
        }
    }
}

/// What must hold after each round: an `expect`, as a step of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged(Vec<Located<Step>>);

impl Judged {
    /// The step; a list, as steps stand inside others.
    #[must_use]
    pub fn steps(&self) -> &[Located<Step>] {
        &self.0
    }

    /// Until when eventual claims may become true, counted from its beginning.
    #[must_use]
    pub fn within(&self) -> Option<Duration> {
        self.0.iter().find_map(|step| match &step.value {
            Step::Expect(it) => it.within.as_ref().map(|within| within.value),
            _ => None,
        })
    }
}

impl Content for Judged {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let expect = located::<Expect>(node, at, reader)?;
        reader.seen.wording.keep(at.opener, node, |word| Step::is_apart(Expect::VERB, word));
        Some(Self(vec![Located { value: Step::Expect(expect), span: at.opener }]))
    }
}

impl Value for Judged {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Content::read(node, at, reader)
    }

    fn absent() -> Option<Self> {
        None
    }
}

/// What could show nothing: points that nobody draws, calls that nobody makes, connections over which no update goes.
pub(crate) fn check(scenario: &Scenario, population: &Population<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for step in walk(&scenario.steps) {
        match &step.value {
            Step::Sweep(it) => {
                sweep(it, &mut mistakes);
                connections(it, scenario, population, &mut mistakes);
            }
            Step::Fault(fault) => {
                if let Fault::FailCalls(it) = &fault.value {
                    nothing_fails(it, &mut mistakes);
                }
            }
            _ => {}
        }
    }
    mistakes
}

fn sweep(it: &Located<Sweep>, mistakes: &mut Vec<Diagnostic>) {
    match (&it.draws, it.points.value) {
        (None, Points::Drawn) => mistakes.push(
            Diagnostic::new("missing-key", it.points.span, "`points: drawn` needs `draws`")
                .label("how many?")
                .help("how many the seed draws: `draws: 5`"),
        ),
        (Some(draws), Points::Every) => mistakes.push(
            Diagnostic::new(
                "nothing-drawn",
                draws.span,
                "`draws` says how many points are drawn, and here every one is",
            )
            .label("of no use")
            .help("leave it out, or `points: drawn`"),
        ),
        _ => {}
    }
    let Some(component) = it.interrupt.component() else { return };
    let steps = walk(&it.steps);
    let (is_called, help) = match component {
        Component::Accounts => (
            steps.iter().any(|step| matches!(step.value, Step::Onboard(_))),
            "have a tenant onboarded in its `steps`: `onboard: { tenants: [acme] }`",
        ),
        Component::Lobby => (
            steps.iter().any(|step| matches!(step.value, Step::Claim(_))),
            "have devices claimed in its `steps`: `claim: { devices: [hvac], tenant: acme }`",
        ),
    };
    if !is_called {
        mistakes.push(
            Diagnostic::new("never-called", it.interrupt.span, format!("no step of this sweep calls `{component}`"))
                .label("nothing to interrupt")
                .help(help),
        );
    }
}

/// Connections are interrupted during an update: each of the devices must get one, and the one that is left alone must keep it.
fn connections(it: &Sweep, scenario: &Scenario, population: &Population<'_>, mistakes: &mut Vec<Diagnostic>) {
    let deploys: Vec<&Located<Deploy>> = walk(&it.steps)
        .into_iter()
        .filter_map(|step| match &step.value {
            Step::Deploy(it) => Some(it),
            _ => None,
        })
        .collect();
    let goes_to = |deploy: &Deploy, name: &Located<String>| {
        let groups: BTreeSet<&str> =
            deploy.devices.iter().flat_map(|to| population.counts(to)).map(|(group, _)| group).collect();
        deploy.devices.iter().any(|to| to.value == name.value)
            || population.counts(name).all(|(group, _)| groups.contains(group))
    };
    for name in it.interrupt.devices() {
        let mut here = deploys.iter().filter(|deploy| goes_to(deploy, name)).peekable();
        if here.peek().is_none() {
            let message = format!("no step of this sweep updates `{}`", name.value);
            mistakes.push(Diagnostic::new("never-updated", name.span, message).label("no packets to interrupt").help(
                format!(
                    "deploy to them in its `steps`: `deploy: {{ artifact: v2, devices: [{}], name: update }}`",
                    name.value
                ),
            ));
        }
        for deploy in here {
            let artifact = scenario.artifacts.get(&deploy.artifact);
            let Some(way) = artifact.and_then(|artifact| artifact.misbehaves.as_ref()) else { continue };
            let message =
                format!("`{}` misbehaves: the device that is left alone could not end updated", deploy.artifact.value);
            mistakes.push(
                Diagnostic::new("never-updated", deploy.artifact.span, message)
                    .label(format!("`{}`", way.value.word()))
                    .help("a round shows something only where an update that nobody interrupts succeeds: deploy an artifact that is good"),
            );
        }
    }
}

fn nothing_fails(it: &Located<FailedCalls>, mistakes: &mut Vec<Diagnostic>) {
    let share = &it.share;
    if share.value == 0 {
        mistakes.push(
            Diagnostic::new("out-of-range", share.span, "calls of which none fails are no fault")
                .label("out of range")
                .help("`share` is from `1%` to `100%`"),
        );
    }
}
