//! Ways from one account into another. A sound broker has none: each belongs to a planted defect, and nothing else makes one.

use super::Broker;
use super::account::Turn;
use super::defects::Defect;
use super::outcomes::{AccountId, Reason};
use super::session::Message;
use fleetproof_wire::mqtt::packet::code;
use std::sync::Arc;

/// What reaches other accounts.
#[derive(Debug)]
pub(super) enum Crossing {
    /// The client id was taken.
    Takeover(Arc<str>),
    /// The message is retained there too.
    Retained(Arc<Message>),
    /// The message is said there too.
    Message(Arc<Message>),
    /// The message is for the group of that name there. Where there is none it comes back.
    Group(Box<str>, Arc<Message>),
    /// So many inbound messages are counted there too.
    Spent(u32),
}

impl Broker {
    /// Does what a planted defect left behind.
    pub(super) fn cross(&mut self, now: u64, from: AccountId) {
        for crossing in std::mem::take(&mut self.effects.crossings) {
            let others: Vec<AccountId> = self.accounts.keys().copied().filter(|id| *id != from).collect();
            let mut taken = false;
            for id in others {
                let Some(account) = self.accounts.get_mut(&id) else { continue };
                let mut turn = Turn { now, account: id, effects: &mut self.effects, defect: self.defect };
                match &crossing {
                    Crossing::Takeover(client_id) => {
                        account.end_client(&mut turn, client_id, Reason::DuplicateClientId, code::SESSION_TAKEN_OVER);
                    }
                    Crossing::Retained(message) => {
                        account.retained.set(message, &account.quotas, now);
                    }
                    Crossing::Message(message) => account.route(&mut turn, message),
                    Crossing::Group(group, message) => {
                        taken = taken || account.route_to_group(&mut turn, group, message)
                    }
                    Crossing::Spent(units) => account.rates.inbound.owe(account.quotas.inbound, now, *units as usize),
                }
            }
            if let (Crossing::Group(group, message), false) = (&crossing, taken)
                && let Some(account) = self.accounts.get_mut(&from)
            {
                let mut turn = Turn { now, account: from, effects: &mut self.effects, defect: self.defect };
                account.route_to_group(&mut turn, group, message);
            }
        }
        debug_assert!(self.defect.is_some_and(Defect::crosses) || self.effects.crossings.is_empty());
        self.effects.crossings.clear();
    }
}
