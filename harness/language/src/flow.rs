//! Steps that hold steps: `while`, `parallel`, `repeat` (`sweep` is in `sweep.rs`); and the walk over all of them.

use crate::claim::Class;
use crate::diagnostic::Diagnostic;
use crate::fault::Fault;
use crate::grammar::Presence::Required;
use crate::grammar::{Block, Shape, block};
use crate::reader::{At, Content, Reader, first_key};
use crate::source::{Located, Span};
use crate::step::Step;
use crate::strain::Load;
use crate::tree::Node;
use std::time::Duration;

block! {
    /// Several lists of steps at once. Between branches there is no order; when one fails, the others finish their current step and stop.
    pub struct Parallel {
        /// The lists of steps, two or more.
        pub branches: Vec<Located<Vec<Located<Step>>>> = Shape::Branches, Required("two or more lists of steps: `branches: [[{ … }], [{ … }]]`");
    }
}

block! {
    /// Steps that are carried out several times, one round after another. What they declare is known inside only.
    pub struct Repeat {
        /// How many rounds.
        pub times: Located<u32> = Shape::Number(1, 1000), Required("how many rounds: `times: 3`");
        /// What happens in each round.
        pub steps: Vec<Located<Step>> = Shape::Steps { closed: true }, Required("what happens in each round: `steps: [{ … }]`");
    }
}

block! {
    /// Steps during which something is held. It is proven to be on before the first of them, and to be off after the last.
    pub struct While {
        /// What is held, started in this order and stopped in reverse.
        pub background: Vec<Located<Background>> = Shape::List(&Shape::Choice(Background::BLOCK), 1), Required("what is held: `background: [{ fault: { … } }]`");
        /// What happens meanwhile.
        pub steps: Vec<Located<Step>> = Shape::Steps { closed: false }, Required("what happens meanwhile: `steps: [{ … }]`");
    }
}

/// Defines what `background` takes: verbs of which each takes one of several kinds.
macro_rules! held {
    ($($(#[doc = $doc:literal])+ $variant:ident($type:ident) = $word:literal,)*) => {
        /// What can be held while other steps run.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Background {
            $($(#[doc = $doc])+ $variant(Located<$type>),)*
        }

        impl Background {
            pub(crate) const BLOCK: &'static Block = &Block {
                name: "Background",
                about: &["What can be held while other steps run."],
                keys: &[$(crate::grammar::Key {
                    word: $word,
                    about: &[$($doc),+],
                    shape: Shape::Choice($type::BLOCK),
                    presence: crate::grammar::Presence::Optional,
                }),*],
                partly: false,
                also: None,
            };

            /// The verb, as it is written.
            #[must_use]
            pub const fn verb(&self) -> &'static str {
                match *self { $(Self::$variant(_) => $word),* }
            }
        }

        impl Content for Background {
            fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let (_entry, at) = reader.kind(node, at, Self::BLOCK)?;
                match at.word {
                    $($word => crate::reader::located(&_entry.value, &at, reader).map(Self::$variant),)*
                    _ => None,
                }
            }

            fn span(node: &Node) -> Span {
                first_key(node)
            }
        }
    };
}

// A kind is added here, with its own `for` left out: the `while` ends it. What it does stands in the engine's `background`.
held! {
    /// The platform is strained.
    Load(Load) = "load",
    /// Something goes wrong between two ends.
    Fault(Fault) = "fault",
}

impl Background {
    /// The time that it says for itself: the `while` gives it one.
    pub(crate) const fn time(&self) -> Option<&Located<Duration>> {
        match self {
            Self::Load(it) => it.value.time(),
            Self::Fault(it) => it.value.held_for(),
        }
    }
}

impl Step {
    /// The lists of steps that stand inside this one: one, or one per branch; none for most.
    #[must_use]
    pub fn inside(&self) -> Vec<&[Located<Self>]> {
        match self {
            Self::Repeat(it) => vec![&it.steps],
            Self::Use(it) => vec![&it.steps],
            Self::While(it) => vec![&it.steps],
            Self::Sweep(it) => vec![&it.steps, it.expect.steps()],
            Self::Parallel(it) => it.branches.iter().map(|branch| branch.value.as_slice()).collect(),
            _ => Vec::new(),
        }
    }
}

/// All steps in the order of the file, those inside others after the one they stand in.
pub(crate) fn walk(steps: &[Located<Step>]) -> Vec<&Located<Step>> {
    let mut all = Vec::new();
    for step in steps {
        all.push(step);
        for inner in step.inside() {
            all.extend(walk(inner));
        }
    }
    all
}

/// What cannot stand where it stands among other steps.
pub(crate) fn check(steps: &[Located<Step>]) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for step in walk(steps) {
        if let Step::Parallel(it) = &step.value {
            for inner in it.branches.iter().flat_map(|branch| walk(branch)) {
                alone(inner, &mut mistakes);
            }
        }
    }
    mistakes
}

/// A claim that makes attempts holds what it finds afterwards against what it found before: nobody may change it meanwhile.
fn alone(step: &Located<Step>, mistakes: &mut Vec<Diagnostic>) {
    let Step::Expect(expect) = &step.value else { return };
    for claim in expect.claims.iter().filter(|claim| claim.kind() == Class::Active) {
        let message = format!("`{}` makes attempts, and the other branches change what it looks at", claim.name());
        mistakes.push(
            Diagnostic::new("not-alone", claim.span, message)
                .label("beside other branches")
                .help("move it below the `parallel`"),
        );
    }
}
