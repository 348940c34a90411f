//! The one loop on a connection: packets in, what is due out.

use super::agent::{End, Thing};
use super::connect::SUBSCRIBE_TRIES;
use super::outbox::{Parcel, Pending};
use super::payload::Message;
use super::topic::{ANNOUNCE, Arrival, LobbyMessage};
use crate::body::Body;
use crate::config::Order;
use crate::event::{Delivery, DeviceEvent, Witness};
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{Ack, Packet, Publish, Qos};
use fleetproof_world::Stamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

impl<B: Body, W: Witness> Thing<B, W> {
    /// Runs the connection until there is something to do, an order, or no connection any more.
    pub async fn serve(&mut self) -> Result<(), End> {
        while self.line.is_some() && !self.heard.is_something() {
            if let Some(order) = self.turn(None, self.is_commanded).await {
                self.ordered(order).await?;
            }
        }
        Ok(())
    }

    /// Runs the connection until `until`, or until the answer that is waited for is here, or it is lost.
    pub async fn run_until(&mut self, until: Stamp) {
        let is_answered = |thing: &Self| thing.heard.answer.as_ref().is_some_and(|answer| answer.said.is_some());
        while self.line.is_some() && self.world.clock.now() < until && !is_answered(self) {
            self.turn(Some(until), false).await;
        }
    }

    /// Runs the connection until all subscriptions are answered, at most until `until`.
    pub async fn run_until_subscribed(&mut self, until: Stamp) {
        while self.line.is_some() && self.heard.subscribing > 0 && self.world.clock.now() < until {
            self.turn(Some(until), false).await;
        }
    }

    /// One turn while something else goes on beside it.
    pub async fn turn_once(&mut self) {
        self.turn(None, false).await;
    }

    /// One packet, or what is due. An order is handed out.
    async fn turn(&mut self, until: Option<Stamp>, hears_orders: bool) -> Option<Option<Order>> {
        let due = self.due().into_iter().chain(until).min();
        let line = self.line.as_mut()?;
        let mut done = tokio::select! {
            biased;
            order = self.orders.recv(), if hears_orders => return Some(order),
            packet = line.next() => packet.and_then(|packet| self.take(packet)),
            () = self.world.clock.sleep_until(due.unwrap_or_default()), if due.is_some() => self.do_what_is_due(),
        };
        if done.is_ok() && self.line.as_ref().is_some_and(|line| line.is_full()) {
            done = self.flush().await;
        }
        if let Err(why) = done {
            Box::pin(self.lost(&why)).await;
        }
        None
    }

    /// When something must be done next.
    fn due(&self) -> Option<Stamp> {
        let patience = self.config.plan.patience;
        let keep_alive = match self.times.pinged {
            Some(pinged) => Some(pinged.after(patience)),
            None if self.times.keep_alive_ms == 0 => None,
            None => Some(self.times.sent.after(Duration::from_millis(self.times.keep_alive_ms.into()))),
        };
        let waits = self.outbox.oldest().map(|pending| pending.sent.after(patience));
        let says = self.says().then(|| self.schedules.iter().map(|schedule| schedule.next).min()).flatten();
        let again = self.times.subscribe_again.map(|(at, _)| at);
        let strains = self.strain.as_ref().filter(|_| self.says()).map(|strain| strain.next);
        [keep_alive, waits, says, strains, again, self.times.announce].into_iter().flatten().min()
    }

    /// Gives a sign of life now, where it is at home and none is on its way.
    pub async fn ping(&mut self) {
        if self.line.is_none() || !self.says() || self.times.pinged.is_some() {
            return;
        }
        let mut done = self.push(&Packet::PingReq);
        self.times.pinged = Some(self.world.clock.now());
        if done.is_ok() {
            done = self.flush().await;
        }
        if let Err(why) = done {
            self.lost(&why).await;
        }
    }

    /// Whether it says what its plan says: at home, once it has been let in.
    pub fn says(&self) -> bool {
        !self.whereabouts.is_at_lobby() && self.heard.subscribing == 0
    }

    fn do_what_is_due(&mut self) -> Result<(), String> {
        let now = self.world.clock.now();
        let patience = self.config.plan.patience;
        if self.times.pinged.is_some_and(|pinged| pinged.after(patience) <= now) {
            return Err("no PINGRESP".into());
        }
        if let Some(pending) = self.outbox.oldest().filter(|pending| pending.sent.after(patience) <= now) {
            match pending.parcel {
                Parcel::Filters { part, tries } if tries < SUBSCRIBE_TRIES => {
                    let id = pending.id;
                    self.outbox.take(id, true);
                    self.subscribe(part, tries + 1)?;
                }
                Parcel::Filters { .. } => return Err("no SUBACK".into()),
                Parcel::Errand => return Err("no answer".into()),
                _ => return Err("no PUBACK".into()),
            }
        }
        if let Some((_, parts)) = self.times.subscribe_again.take_if(|(at, _)| *at <= now) {
            for part in (0..32).filter(|part| parts & (1 << part) != 0) {
                self.subscribe(part, 1)?;
            }
        }
        if self.times.announce.is_some_and(|at| at <= now) {
            self.times.announce = Some(now.after(self.config.plan.announce.max(Duration::from_millis(1))));
            let announcement = self.whereabouts.announcement();
            let endpoint = self.whereabouts.endpoint().to_string();
            self.saw(DeviceEvent::Announced { endpoint, state: self.whereabouts.state().to_owned() });
            self.publish(ANNOUNCE.into(), announcement.into())?;
        }
        if self.says() {
            for slot in 0..self.schedules.len() {
                if self.schedules[slot].next <= now {
                    self.schedules[slot].pass(now);
                    self.say(slot)?;
                }
            }
            self.say_strain(now)?;
        }
        let keep_alive = Duration::from_millis(self.times.keep_alive_ms.into());
        if !keep_alive.is_zero() && self.times.pinged.is_none() && self.times.sent.after(keep_alive) <= now {
            self.push(&Packet::PingReq)?;
            self.times.pinged = Some(now);
        }
        Ok(())
    }

    /// One numbered message.
    fn say(&mut self, slot: usize) -> Result<(), String> {
        let plan = self.config.plan.clone();
        let Some(publishes) = plan.publishes.get(slot) else { return Ok(()) };
        let slot = u8::try_from(slot).unwrap_or(u8::MAX);
        let (mut packet_id, time) = (0, self.now_ms());
        let (number, keeps) = self.numbering.next();
        if keeps && !self.keep() {
            return Err("power was lost".into());
        }
        if publishes.qos != Qos::AtMostOnce {
            let parcel = Parcel::Numbered { slot, number, time };
            match self.outbox.add(parcel, self.world.clock.now(), plan.in_flight) {
                Some(id) => packet_id = id,
                None => {
                    self.delivered(Delivery::HeldBack { number });
                    return Ok(());
                }
            }
        }
        self.delivered(Delivery::Sent { number, again: false });
        self.push(&self.numbered(slot, number, time, packet_id, false))
    }

    fn numbered(&self, slot: u8, number: u64, time: u64, packet_id: u16, dup: bool) -> Packet {
        let publishes = &self.config.plan.publishes[usize::from(slot)];
        let message = Message { device: (&*self.config.name).into(), number, time };
        let mut publish = Publish::new("", message.write(publishes.format, publishes.size), publishes.qos);
        publish.topic = self.schedules[usize::from(slot)].topic.clone();
        (publish.packet_id, publish.dup) = (packet_id, dup);
        Packet::Publish(publish)
    }

    /// Any other message, of QoS 1.
    pub fn publish(&mut self, topic: Arc<str>, payload: Bytes) -> Result<(), String> {
        let parcel = Parcel::Message { topic: topic.clone(), payload: payload.clone() };
        let packet_id =
            self.outbox.add(parcel, self.world.clock.now(), usize::MAX).ok_or("all packet ids are taken")?;
        let mut publish = Publish::new("", payload, Qos::AtLeastOnce);
        (publish.topic, publish.packet_id) = (topic, packet_id);
        self.push(&Packet::Publish(publish))
    }

    /// What waits for its acknowledgement since an earlier connection: as it was (`id`), or as something new.
    pub fn send_again(&mut self, pending: Pending, id: Option<u16>) -> Result<(), String> {
        let now = self.world.clock.now();
        let Parcel::Numbered { slot, number, time } = pending.parcel else { return Ok(()) };
        let packet_id = match id {
            Some(id) => {
                self.outbox.sent_again(id, now);
                id
            }
            None => self.outbox.add(pending.parcel, now, usize::MAX).ok_or("all packet ids are taken")?,
        };
        self.delivered(Delivery::Sent { number, again: true });
        self.push(&self.numbered(slot, number, time, packet_id, id.is_some()))
    }

    /// A packet of the server.
    fn take(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::PubAck(ack) => {
                self.acknowledged(&ack);
                Ok(())
            }
            Packet::Publish(publish) => {
                let (qos, id) = (publish.qos, publish.packet_id);
                self.arrived(&publish);
                match qos {
                    Qos::AtMostOnce => Ok(()),
                    Qos::AtLeastOnce => self.push(&Packet::PubAck(Ack::of(id))),
                    Qos::ExactlyOnce => Err("the server sent a message of QoS 2, which was not asked for".into()),
                }
            }
            Packet::SubAck(acks) => {
                match self.outbox.take(acks.packet_id, true) {
                    Some(Pending { parcel: Parcel::Filters { part, .. }, .. }) => self.subscribed(part, &acks.codes),
                    Some(Pending { parcel: Parcel::Errand, id, .. }) => {
                        self.errands.answered(id, acks.codes.first().copied().unwrap_or(0x80));
                    }
                    _ => {}
                }
                Ok(())
            }
            Packet::PingResp => {
                self.errands.dealt_with();
                if let Some(asked) = self.times.pinged.take() {
                    self.saw(DeviceEvent::Answered { asked: asked.micros() });
                }
                Ok(())
            }
            Packet::Disconnect(why) => Err(format!("the server ended it: 0x{:02X}", why.code)),
            _ => Err("the server sent what a client does not get".into()),
        }
    }

    fn acknowledged(&mut self, ack: &Ack) {
        let Some(pending) = self.outbox.take(ack.packet_id, false) else { return };
        let took = self.world.clock.now().since(pending.first).as_micros().try_into().unwrap_or(u64::MAX);
        if pending.parcel == Parcel::Errand {
            self.errands.answered(ack.packet_id, ack.code);
        } else if pending.parcel == Parcel::Strain {
            self.delivered(Delivery::StrainAnswered { code: ack.code, took });
        } else if let Parcel::Numbered { number, .. } = pending.parcel {
            let what = if ack.code < 0x80 {
                Delivery::Acknowledged { number, took }
            } else {
                Delivery::Refused { number, code: ack.code }
            };
            self.delivered(what);
        }
    }

    fn arrived(&mut self, publish: &Publish) {
        if !self.errands.filters.is_empty() {
            let (now, index) = (self.world.clock.now(), self.config.index);
            self.witness.heard(now, index, &publish.topic, &publish.payload);
        }
        match Arrival::of(&publish.topic, &self.config.name) {
            Arrival::Lobby => {
                if let Some(message) = LobbyMessage::read(&publish.payload) {
                    self.heard.lobby = Some(Box::new(message));
                }
            }
            Arrival::NextJob => self.heard.job |= self.config.plan.jobs,
            Arrival::Delta => self.heard.delta = serde_json::from_slice(&publish.payload).ok().map(Box::new),
            Arrival::Answer { accepted } => {
                let Some(answer) = &mut self.heard.answer else { return };
                let Ok(said) = serde_json::from_slice::<Value>(&publish.payload) else { return };
                if said.get("clientToken").and_then(Value::as_str) == Some(&*answer.token) {
                    answer.said = Some((accepted, said));
                }
            }
            Arrival::Other => {
                let number = Message::read(&publish.payload).map(|message| message.number);
                self.delivered(Delivery::Received { number, dup: publish.dup });
            }
        }
    }
}
