//! What a device's standing may be, and what it follows from. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The standing of an authentication set, or of the device it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It has knocked; nobody has decided.
    Pending,
    /// It may have a token.
    Accepted,
    /// It may not.
    Rejected,
    /// It will be accepted when it knocks, if there is room.
    Preauthorized,
    /// A device without an authentication set; no set is ever this.
    Noauth,
}

impl Status {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Accepted, Self::Rejected, Self::Preauthorized, Self::Noauth];

    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Preauthorized => "preauthorized",
            Self::Noauth => "noauth",
        }
    }

    /// What is written `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether a person may turn an authentication set from this to `to`. Staying is no change, and allowed.
    pub(crate) const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Noauth, _) | (_, Self::Noauth) => false,
            (_, Self::Accepted | Self::Rejected) => true,
            (from, Self::Pending) => !matches!(from, Self::Preauthorized),
            (from, Self::Preauthorized) => matches!(from, Self::Preauthorized),
        }
    }
}

/// The standing of a device with these authentication sets: the best of theirs.
pub(crate) fn of_device(sets: impl IntoIterator<Item = Status>) -> Status {
    let rank = |status: &Status| match status {
        Status::Accepted => 4,
        Status::Preauthorized => 3,
        Status::Pending => 2,
        Status::Rejected => 1,
        Status::Noauth => 0,
    };
    sets.into_iter().max_by_key(rank).unwrap_or(Status::Noauth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status() -> impl Strategy<Value = Status> {
        proptest::sample::select(Status::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn a_device_is_accepted_exactly_when_one_of_its_sets_is(sets in proptest::collection::vec(status(), 0..6)) {
            prop_assert_eq!(of_device(sets.clone()) == Status::Accepted, sets.contains(&Status::Accepted));
            prop_assert_eq!(of_device(sets.clone()) == Status::Noauth, sets.iter().all(|set| *set == Status::Noauth));
        }

        #[test]
        fn nobody_makes_a_preauthorized_set_of_one_that_has_knocked(from in status()) {
            let allowed = from.may_become(Status::Preauthorized);
            prop_assert_eq!(allowed, from == Status::Preauthorized);
            prop_assert!(!from.may_become(Status::Noauth));
            prop_assert_eq!(Status::named(from.name()), Some(from));
        }
    }
}
