//! The accounts that an organisation makes of tenants: when each was asked for, what was seen of it on its way, whom it must trust,
//! and what was done about it that the organisation's central log must tell.

use crate::kept::Kept;
use crate::record::Seq;
use fleetproof_dialects::aws::organisation::{OnItsWay, Organisation};
use fleetproof_dialects::mender::Session;
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// What is known of them.
#[derive(Default)]
pub(crate) struct Accounts {
    /// The organisation that makes them.
    pub(crate) organisation: Kept<Option<Organisation>>,
    known: Kept<BTreeMap<String, Known>>,
    /// Tenant and region → whether the lobby may act there, where a step said so.
    trusts: Kept<BTreeMap<(String, String), bool>>,
    told: Kept<Vec<Told>>,
}

/// What is known of the account of one tenant.
#[derive(Clone, Debug, Default)]
struct Known {
    /// How often it was asked for.
    requests: u32,
    /// Accounts of it that were closed: their addresses stay taken.
    closed: u32,
    /// When it was last asked for.
    since: Option<Stamp>,
    seen: OnItsWay,
    /// The endpoints at which a first message was heard, since it was last asked for.
    greeted: BTreeMap<String, Seq>,
}

/// Something that the organisation did, and that its central log must tell once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The event that says so.
    pub(crate) seq: Seq,
    /// Who asked for it, by e-mail.
    pub(crate) by: String,
    /// Whom it concerns.
    pub(crate) tenant: String,
    /// What.
    pub(crate) what: Deed,
    /// It may have changed nothing, and then nothing is told.
    pub(crate) is_certain: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// An account was made, by its twelve digits.
    Onboarded(String),
    /// An account was asked for, and came to nothing.
    Undone,
    /// The lobby may act in an account and a region, or not any more.
    Trust { account: String, region: String, on: bool },
    /// A device was claimed, by its certificate.
    Claimed(String),
    /// A device was given back.
    Released(String),
    /// A device was sent to another tenant or region.
    Moved(String),
    /// A device left its region with all others.
    Evacuated(String),
}

impl Accounts {
    /// Whether accounts are made of tenants.
    pub(crate) fn are_made(&self) -> bool {
        self.organisation.read(Option::is_some)
    }

    /// An account is asked for, now: its address, and what makes the request this one.
    pub(crate) fn ask(&self, tenant: &str, now: Stamp) -> (String, String) {
        self.known.change(|known| {
            let known = known.entry(tenant.to_owned()).or_default();
            known.requests += 1;
            (known.since, known.seen) = (Some(now), OnItsWay::default());
            known.greeted.clear();
            let email = match known.closed {
                0 => format!("account-{tenant}@fleetproof.test"),
                closed => format!("account-{tenant}-{}@fleetproof.test", closed + 1),
            };
            let token = match known.requests {
                1 => format!("onboard {tenant}"),
                requests => format!("onboard {tenant} {requests}"),
            };
            (email, token)
        })
    }

    /// What was seen of an account on its way.
    pub(crate) fn saw(&self, tenant: &str, seen: OnItsWay) {
        self.known.change(|known| known.entry(tenant.to_owned()).or_default().seen = seen);
    }

    /// What was seen of it on its way, since it was last asked for.
    pub(crate) fn seen(&self, tenant: &str) -> OnItsWay {
        self.known.get(tenant).unwrap_or_default().seen
    }

    /// When it was last asked for.
    pub(crate) fn since(&self, tenant: &str) -> Option<Stamp> {
        self.known.get(tenant)?.since
    }

    /// The events that tell what came of asking for a tenant's account.
    pub(crate) fn made(&self, tenant: &str) -> Vec<Seq> {
        let is_made = |told: &&Told| told.tenant == tenant && matches!(told.what, Deed::Onboarded(_) | Deed::Undone);
        self.told.read(|all| all.iter().rev().find(is_made).map(|told| told.seq).into_iter().collect())
    }

    /// An account was closed.
    pub(crate) fn closed(&self, tenant: &str) {
        self.known.change(|known| known.entry(tenant.to_owned()).or_default().closed += 1);
        self.trusts.change(|trusts| trusts.retain(|(of, _), _| of != tenant));
    }

    /// The event that tells of a first message at an endpoint, if there was one.
    pub(crate) fn greeted(&self, tenant: &str, host: &str) -> Option<Seq> {
        self.known.read(|known| known.get(tenant)?.greeted.get(host).copied())
    }

    /// A first message was heard at an endpoint.
    pub(crate) fn greet(&self, tenant: &str, host: &str, seq: Seq) {
        self.known.change(|known| known.entry(tenant.to_owned()).or_default().greeted.insert(host.to_owned(), seq));
    }

    /// The lobby may act in a tenant and a region, or not, because a step said so.
    pub(crate) fn trust(&self, tenant: &str, region: &str, on: bool) {
        self.trusts.insert((tenant.to_owned(), region.to_owned()), on);
    }

    /// Whether the lobby may act there, where a step said so.
    pub(crate) fn trusts(&self, tenant: &str, region: &str) -> Option<bool> {
        self.trusts.get(&(tenant.to_owned(), region.to_owned()))
    }

    /// Takes note of something that the central log must tell.
    pub(crate) fn tell(&self, seq: Seq, by: &Session, tenant: &str, what: Deed) {
        self.note(seq, by, tenant, what, true);
    }

    /// Takes note of something that the central log must tell if it changed anything.
    pub(crate) fn tell_perhaps(&self, seq: Seq, by: &Session, tenant: &str, what: Deed) {
        self.note(seq, by, tenant, what, false);
    }

    fn note(&self, seq: Seq, by: &Session, tenant: &str, what: Deed, is_certain: bool) {
        let by = by.email().map(|email| email.to_string()).unwrap_or_default();
        self.told.change(|all| all.push(Told { seq, by, tenant: tenant.to_owned(), what, is_certain }));
    }

    /// Everything that the central log must tell, in order.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.read(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_until_an_account_with_it_was_closed_and_a_token_once() {
        let accounts = Accounts::default();
        let now = Stamp::default();
        let first = accounts.ask("acme", now);
        assert_eq!(first, ("account-acme@fleetproof.test".to_owned(), "onboard acme".to_owned()));
        // It came to nothing: the address is free.
        assert_eq!(accounts.ask("acme", now), (first.0, "onboard acme 2".to_owned()));
        accounts.trust("acme", "eu-west", false);
        accounts.closed("acme");
        assert_eq!(accounts.trusts("acme", "eu-west"), None);
        assert_eq!(accounts.ask("acme", now).0, "account-acme-2@fleetproof.test");
    }

    #[test]
    fn what_was_seen_on_the_way_is_forgotten_when_it_is_asked_for_again() {
        let accounts = Accounts::default();
        accounts.ask("acme", Stamp::default());
        accounts.saw("acme", OnItsWay { was_early: true, was_doubled: true });
        accounts.greet("acme", "a.example", 7);
        assert!(accounts.seen("acme").was_early);
        assert_eq!(accounts.greeted("acme", "a.example"), Some(7));
        accounts.ask("acme", Stamp::default());
        assert_eq!(accounts.seen("acme"), OnItsWay::default());
        assert_eq!(accounts.greeted("acme", "a.example"), None);
    }
}
