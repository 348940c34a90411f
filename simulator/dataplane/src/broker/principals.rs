//! Who may connect, and as whom a connection is judged.

use super::outcomes::ConnectionId;
use crate::policy::{Action, CertificateFacts, Facts, Home, Policies, Resource, ThingFacts};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What decides whether somebody may do something: [`Policies`], or what a test puts in its place.
pub trait Rules: fmt::Debug + Send + Sync {
    /// Whether it is allowed.
    fn allow(&self, action: Action, resource: Resource<'_>, home: &Home, facts: &Facts) -> bool;
}

impl Rules for Policies {
    fn allow(&self, action: Action, resource: Resource<'_>, home: &Home, facts: &Facts) -> bool {
        Self::allow(self, action, resource, home, facts)
    }
}

/// The state of a certificate in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may connect.
    Active,
    /// It may not.
    Inactive,
    /// It may not, for ever.
    Revoked,
    /// It was shown and is not yet allowed.
    PendingActivation,
    /// It is on its way to another account.
    PendingTransfer,
}

/// A certificate as an account knows it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Only [`Status::Active`] connects, speaks and is spoken to.
    pub status: Status,
    /// What it may.
    pub rules: Arc<dyn Rules>,
    /// What it says of itself. Its `id` is what connections name it by.
    pub certificate: Arc<CertificateFacts>,
    /// The things that it is attached to.
    pub things: Vec<Arc<ThingFacts>>,
}

impl Principal {
    /// The thing as which it speaks when it calls itself so: the one of that name, else the only one.
    #[must_use]
    pub fn thing(&self, client_id: &str) -> Option<&Arc<ThingFacts>> {
        let named = self.things.iter().find(|thing| &*thing.name == client_id);
        match (named, self.things.as_slice()) {
            (Some(thing), _) => Some(thing),
            (None, [only]) => Some(only),
            _ => None,
        }
    }
}

/// A principal and its live connections.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) principal: Principal,
    pub(super) connections: BTreeSet<ConnectionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_speaks_as_the_thing_of_that_name_or_as_the_only_one() {
        let thing = |name: &str| Arc::new(ThingFacts { name: name.into(), ..ThingFacts::default() });
        let mut principal = Principal {
            status: Status::Active,
            rules: Arc::new(Policies::default()),
            certificate: Arc::default(),
            things: vec![],
        };
        assert_eq!(principal.thing("a"), None);
        principal.things = vec![thing("a")];
        assert_eq!(principal.thing("z"), Some(&thing("a")));
        principal.things = vec![thing("a"), thing("b")];
        assert_eq!(principal.thing("b"), Some(&thing("b")));
        assert_eq!(principal.thing("z"), None);
    }
}
