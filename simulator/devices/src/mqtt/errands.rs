//! What a thing does beside its plan when it is told to: strain its endpoint, say something once, listen to something.
//!
//! None of it is in the ledger of what it says by itself: messages of a load have no numbers, and whoever sent a thing on an
//! errand is told what came of it.

use super::agent::Thing;
use super::outbox::Parcel;
use crate::body::Body;
use crate::event::{Delivery, Witness};
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{Packet, Publish, Qos, Subscribe, Subscription};
use fleetproof_world::Stamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Messages that things say beside what their plan says, to strain whoever takes them. They are of QoS 1, so that it is known
/// what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Where; `{thing}` stands for its name.
    pub topic: String,
    /// How often. At least 1 ms.
    pub every: Duration,
    /// Bytes of each payload.
    pub size: usize,
}

/// A load on a thing.
#[derive(Clone, Debug)]
pub(super) struct Strain {
    topic: Arc<str>,
    every: Duration,
    payload: Bytes,
    pub next: Stamp,
}

/// Something to do once, on the thing's own connection.
#[derive(Clone, Debug)]
pub struct Errand {
    /// What.
    pub what: Doing,
    /// Who sent it is told what came of it. Dropped without a word: it never came to it.
    pub told: UnboundedSender<Answered>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// A message.
    Say {
        /// The whole topic.
        topic: String,
        /// The payload.
        text: String,
        /// Whether an acknowledgement is wanted.
        at_least_once: bool,
        /// Whether it is to stay there.
        retain: bool,
    },
    /// A subscription, which goes on.
    Listen {
        /// The whole filter.
        filter: String,
    },
}

/// What came of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The code of PUBACK or SUBACK; 0 for what is not acknowledged and did not end the connection.
    Code(u8),
    /// The connection ended first, and why.
    Ended(String),
}

/// Errands, those that wait for a connection and those that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Errands {
    waiting: VecDeque<Errand>,
    /// By packet id.
    under_way: Vec<(u16, Errand)>,
    /// Answered by the next PINGRESP: what is not acknowledged.
    unacknowledged: Vec<Errand>,
    /// What it listens to since it was sent to.
    pub filters: Vec<Subscription>,
}

impl Errands {
    /// The connection is gone: what waited for an answer never gets one.
    pub fn lost(&mut self, why: &str) {
        let under_way = self.under_way.drain(..).map(|(_, errand)| errand);
        for errand in under_way.chain(self.unacknowledged.drain(..)) {
            // Who does not wait any more does not want to know.
            let _gone = errand.told.send(Answered::Ended(why.to_owned()));
        }
    }

    /// A round trip is over: whatever was said before has been dealt with.
    pub fn dealt_with(&mut self) {
        for errand in self.unacknowledged.drain(..) {
            let _gone = errand.told.send(Answered::Code(0));
        }
    }

    /// The answer to what was sent under this id.
    pub fn answered(&mut self, id: u16, code: u8) {
        let Some(at) = self.under_way.iter().position(|(sent, _)| *sent == id) else { return };
        let (_, errand) = self.under_way.remove(at);
        if let (Doing::Listen { filter }, true) = (&errand.what, code < 0x80) {
            self.filters.push(Subscription::new(filter, Qos::AtLeastOnce));
        }
        let _gone = errand.told.send(Answered::Code(code));
    }
}

impl Strain {
    /// How many were due by now and not said; the next one is after now.
    fn pass(&mut self, now: Stamp) -> u64 {
        let mut due = 0;
        while self.next <= now {
            self.next = self.next.after(self.every.max(Duration::from_millis(1)));
            due += 1;
        }
        due
    }
}

impl<B: Body, W: Witness> Thing<B, W> {
    /// From now on it says what the load says, the first time after `first`; `None`: no more.
    pub(super) fn strain(&mut self, load: Option<(Arc<Load>, Duration)>) {
        let now = self.world.clock.now();
        if let Some(mut before) = self.strain.take() {
            let held = before.pass(now);
            self.held_back(held);
        }
        self.strain = load.map(|(load, first)| {
            let topic = super::topic::fill(&load.topic, &self.config.name).into();
            Box::new(Strain { topic, every: load.every, payload: vec![b'x'; load.size].into(), next: now.after(first) })
        });
    }

    /// Says what is due of a load. What was due while it could not be said is held back.
    pub(super) fn say_strain(&mut self, now: Stamp) -> Result<(), String> {
        let Some(strain) = &mut self.strain else { return Ok(()) };
        let due = strain.pass(now);
        if due == 0 {
            return Ok(());
        }
        let (topic, payload) = (strain.topic.clone(), strain.payload.clone());
        self.held_back(due - 1);
        match self.outbox.add(Parcel::Strain, now, self.config.plan.in_flight) {
            None => {
                self.held_back(1);
                Ok(())
            }
            Some(id) => {
                self.delivered(Delivery::Strained);
                let mut publish = Publish::new("", payload, Qos::AtLeastOnce);
                (publish.topic, publish.packet_id) = (topic, id);
                self.push(&Packet::Publish(publish))
            }
        }
    }

    fn held_back(&mut self, messages: u64) {
        for _ in 0..messages {
            self.delivered(Delivery::StrainHeldBack);
        }
    }

    /// Takes an errand: it is done at once where there is a connection, else as soon as there is one.
    pub(super) async fn send_on(&mut self, errand: Errand) {
        self.errands.waiting.push_back(errand);
        self.catch_up().await;
    }

    /// Does what waits, where it can.
    pub(super) async fn catch_up(&mut self) {
        if self.line.is_some() && self.says() {
            let mut done = self.do_errands();
            if done.is_ok() {
                done = self.flush().await;
            }
            if let Err(why) = done {
                self.lost(&why).await;
            }
        }
    }

    /// Does all errands that wait.
    pub(super) fn do_errands(&mut self) -> Result<(), String> {
        while let Some(errand) = self.errands.waiting.pop_front() {
            let now = self.world.clock.now();
            match errand.what.clone() {
                Doing::Say { topic, text, at_least_once, retain } => {
                    let qos = if at_least_once { Qos::AtLeastOnce } else { Qos::AtMostOnce };
                    let mut publish = Publish::new(&topic, text, qos);
                    publish.retain = retain;
                    if at_least_once {
                        let id = self.outbox.add(Parcel::Errand, now, usize::MAX).ok_or("all packet ids are taken")?;
                        publish.packet_id = id;
                        self.errands.under_way.push((id, errand));
                        self.push(&Packet::Publish(publish))?;
                    } else {
                        self.push(&Packet::Publish(publish))?;
                        self.push(&Packet::PingReq)?;
                        self.times.pinged.get_or_insert(now);
                        self.errands.unacknowledged.push(errand);
                    }
                }
                Doing::Listen { filter } => {
                    let id = self.outbox.add(Parcel::Errand, now, usize::MAX).ok_or("all packet ids are taken")?;
                    let filters = vec![Subscription::new(&filter, Qos::AtLeastOnce)];
                    self.errands.under_way.push((id, errand));
                    let subscribe = Subscribe { packet_id: id, filters, identifier: None, user_properties: Vec::new() };
                    self.push(&Packet::Subscribe(subscribe))?;
                }
            }
        }
        Ok(())
    }

    /// Drops the connection, where there is one, and dials again at once.
    pub(super) async fn reconnect(&mut self) {
        if self.line.is_some() {
            self.leave().await;
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_due_while_nothing_could_be_said_is_counted() {
        let at = |ms: u64| Stamp::from_micros(ms * 1_000);
        let mut strain =
            Strain { topic: "t".into(), every: Duration::from_millis(100), payload: Bytes::new(), next: at(50) };
        assert_eq!((strain.pass(at(49)), strain.pass(at(50)), strain.pass(at(149))), (0, 1, 0));
        assert_eq!((strain.pass(at(450)), strain.next), (4, at(550)));
    }

    #[test]
    fn who_waits_is_told_once() {
        let mut errands = Errands::default();
        let mut told = Vec::new();
        for id in 1..=2 {
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            let filter = format!("f/{id}");
            errands.under_way.push((id, Errand { what: Doing::Listen { filter }, told: sender }));
            told.push(receiver);
        }
        errands.answered(2, 0x87);
        errands.answered(9, 0);
        errands.lost("gone");
        assert_eq!(told[1].try_recv(), Ok(Answered::Code(0x87)));
        assert_eq!(told[0].try_recv(), Ok(Answered::Ended("gone".to_owned())));
        assert!(errands.filters.is_empty(), "what was refused is not asked for again");
    }
}
