//! `sweep`: steps again for each point at which something of theirs can be interrupted; and which sweeps could show nothing.

use crate::diagnostic::Diagnostic;
use crate::fault::{FailedCalls, Fault};
use crate::flow::walk;
use crate::grammar::Presence::{Optional, Required};
use crate::grammar::{Block, Form as _, Key, Shape, block};
use crate::reader::{At, Content, Reader, Value, located};
use crate::scenario::Scenario;
use crate::source::Located;
use crate::step::{Expect, Step, kinds, verbs};
use crate::tree::Node;
use crate::words::{Component, Points};

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
    }
}

block! {
    /// Each call of a component fails, in a round of its own: once in a way that is tried again, and once for good.
    pub struct InterruptedCalls {
        /// The component.
        pub component: Located<Component> = Shape::Word(Component::WORDS), Required("whose calls: `component: accounts`");
    }
}

impl Interrupt {
    /// The word of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FailCalls(_) => "fail_calls",
        }
    }

    /// Whose calls fail.
    #[must_use]
    pub const fn component(&self) -> Component {
        match self {
            Self::FailCalls(it) => it.value.component.value,
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

/// What could show nothing: points that nobody draws, calls that nobody makes.
pub(crate) fn check(scenario: &Scenario) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for step in walk(&scenario.steps) {
        match &step.value {
            Step::Sweep(it) => sweep(it, &mut mistakes),
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
    let is_called = walk(&it.steps).iter().any(|step| matches!(step.value, Step::Onboard(_)));
    if !is_called {
        let component = it.interrupt.component();
        mistakes.push(
            Diagnostic::new("never-called", it.interrupt.span, format!("no step of this sweep calls `{component}`"))
                .label("nothing to interrupt")
                .help("have a tenant onboarded in its `steps`: `onboard: { tenants: [acme] }`"),
        );
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
