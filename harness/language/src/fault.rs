//! Faults: what goes wrong between the parties, and for how long.

use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Block, Form as _, Key, Refers, Shape, block};
use crate::reader::{At, Content, Reader, located};
use crate::source::Located;
use crate::step::{kinds, verbs};
use crate::tree::Node;
use crate::words::Component;
use std::time::Duration;

kinds! {
    /// What goes wrong. It is put on, held, lifted, and its effect is proven: one that met nothing is inconclusive.
    pub enum Fault {
        /// Nothing gets through between two ends.
        Partition(Partition) = "partition",
        /// Everything between two ends takes longer.
        Slow(Slow) = "slow",
        /// Each open connection between two ends is reset once.
        Reset(Reset) = "reset",
        /// Calls of a component fail, in a way that is tried again.
        FailCalls(FailedCalls) = "fail_calls",
    }
}

block! {
    /// Nothing gets through: what is sent is held, and arrives when its sender tries again after the fault.
    pub struct Partition {
        /// Two ends: groups, selections, tenants, `platform`.
        pub between: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::End), 2), Required("between whom: `between: [hvac, platform]`");
        /// Only from the first end to the second.
        pub one_way: bool = Shape::YesNo, Otherwise("false");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Optional;
    }
}

block! {
    /// Everything takes longer.
    pub struct Slow {
        /// Two ends: groups, selections, tenants, `platform`.
        pub between: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::End), 2), Required("between whom: `between: [hvac, platform]`");
        /// How much longer, each way.
        pub latency: Option<Located<Duration>> = Shape::Duration(1), Otherwise("0s");
        /// Up to how much longer than that, drawn for every packet.
        pub spread: Option<Located<Duration>> = Shape::Duration(1), Otherwise("0s");
        /// How many packets are lost: their sender sends them again after 200ms, then after twice as long each time (in the types: millionths).
        pub loss: Option<Located<u32>> = Shape::Share, Otherwise("0%");
        /// How much each device or person can send, and receive (in the types: bytes per second).
        pub bandwidth: Option<Located<u64>> = Shape::Bandwidth, Otherwise("unlimited");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Optional;
    }
}

block! {
    /// Each open connection is reset once.
    pub struct Reset {
        /// Two ends: groups, selections, tenants, `platform`.
        pub between: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::End), 2), Required("between whom: `between: [hvac, platform]`");
    }
}

block! {
    /// Calls of a component fail, in a way that is tried again.
    pub struct FailedCalls {
        /// The component.
        pub component: Located<Component> = Shape::Word(Component::WORDS), Required("whose calls: `component: accounts`");
        /// How many of them (in the types: millionths). The seed draws which.
        pub share: Located<u32> = Shape::Share, Required("how many of them: `share: 20%`");
        /// How long.
        pub r#for: Option<Located<Duration>> = Shape::Duration(1), Optional;
    }
}

impl Fault {
    /// The word of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::Slow(_) => "slow",
            Self::Reset(_) => "reset",
            Self::FailCalls(_) => "fail_calls",
        }
    }

    /// Its two ends; none where it is in the platform.
    #[must_use]
    pub fn between(&self) -> &[Located<String>] {
        match self {
            Self::Partition(it) => &it.value.between,
            Self::Slow(it) => &it.value.between,
            Self::Reset(it) => &it.value.between,
            Self::FailCalls(_) => &[],
        }
    }

    /// Whether it is held for a time: then it says for how long, or a `while` ends it.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        !matches!(self, Self::Reset(_))
    }

    /// For how long it is held, where it says so.
    #[must_use]
    pub const fn held_for(&self) -> Option<&Located<Duration>> {
        match self {
            Self::Partition(it) => it.value.r#for.as_ref(),
            Self::Slow(it) => it.value.r#for.as_ref(),
            Self::FailCalls(it) => it.value.r#for.as_ref(),
            Self::Reset(_) => None,
        }
    }
}
