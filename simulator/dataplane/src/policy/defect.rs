//! Faults that an evaluator can be given, so that it is known whether a test would notice them.

/// A way to get policies wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// What is allowed is allowed, whatever denies it.
    DenyDoesNotWin,
    /// `*` and `?` in the value of a variable act as wildcards: a client called `*` is everybody.
    ValueIsWildcard,
    /// A variable without a value is an empty text instead of nothing.
    UnknownIsEmpty,
    /// The region and the account in a resource's name are not compared.
    HomeIgnored,
    /// `${iot:ClientId}` is the name of the thing.
    ClientIdIsThing,
    /// `+` and `#` in the value of a variable pass into a subscription: a client called `#` hears everybody.
    FilterFromValue,
    /// Sessions that outlive the connection, and wills, need no grant.
    AttributesFree,
    /// Conditions are not asked.
    ConditionsIgnored,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DenyDoesNotWin,
        Self::ValueIsWildcard,
        Self::UnknownIsEmpty,
        Self::HomeIgnored,
        Self::ClientIdIsThing,
        Self::FilterFromValue,
        Self::AttributesFree,
        Self::ConditionsIgnored,
    ];
}
