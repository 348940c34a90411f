//! Getting in, and getting out: dial, TLS, CONNECT, the subscriptions.

use super::agent::Thing;
use super::line::Line;
use super::outbox::Parcel;
use super::topic::{fill, of_lobby, of_thing};
use crate::body::Body;
use crate::event::{Asked, Delivery, DeviceEvent, Witness};
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{
    Connect, Disconnect, MessageProperties, Packet, Qos, Subscribe, Subscription, Version, Will,
};
use rand::Rng;
use std::time::Duration;

/// Filters of one SUBSCRIBE at the most: AWS takes no more.
const FILTERS: usize = 8;

/// How often one SUBSCRIBE is sent on a connection.
pub(super) const SUBSCRIBE_TRIES: u8 = 3;

/// SUBACK: the account subscribes too often just now, or has too many subscriptions (version 5, section 3.9.3).
const QUOTA_EXCEEDED: u8 = 0x97;

/// How long it waits at the least until it asks again for what was refused for that.
const AGAIN: Duration = Duration::from_secs(1);

/// Why it was not let in.
pub(super) enum Refusal {
    /// CONNACK said so.
    Code(u8),
    /// It did not get so far.
    Unreachable(String),
}

impl<B: Body, W: Witness> Thing<B, W> {
    /// One attempt to be let in, and all that follows it at once: what waits is sent again, filters are asked for.
    pub async fn dial(&mut self) {
        self.tokens = self.tokens.wrapping_add(1);
        let endpoint = self.whereabouts.endpoint().clone();
        match self.open().await {
            Ok(session_present) => {
                self.saw(DeviceEvent::Connected { endpoint: endpoint.to_string(), session_present });
                if let Err(why) = self.settle_in(session_present).await {
                    self.lost(&why).await;
                }
            }
            Err(refusal) => {
                match refusal {
                    Refusal::Code(code) => self.saw(DeviceEvent::Refused { endpoint: endpoint.to_string(), code }),
                    Refusal::Unreachable(error) => self.saw(DeviceEvent::Unreachable { error }),
                }
                self.failed().await;
            }
        }
    }

    /// Messages of a load that wait for an answer never get one.
    fn forget_strain(&mut self) {
        for _ in 0..self.outbox.strained() {
            self.delivered(Delivery::StrainLost);
        }
    }

    /// A dial failed, or a connection did not hold.
    async fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let next = self.whereabouts.not_let_in(self.world.clock.now());
        self.go(next).await;
    }

    /// The connection is gone. Requests are waited for no more; what is numbered stays, and is sent again.
    pub async fn lost(&mut self, why: &str) {
        let now = self.world.clock.now();
        let endpoint = self.line.take().map_or_else(String::new, |line| line.endpoint.to_string());
        self.forget_strain();
        self.errands.lost(why);
        self.outbox.forget_requests();
        self.heard.subscribing = 0;
        self.times.pinged = None;
        self.times.subscribe_again = None;
        self.times.announce = None;
        self.saw(DeviceEvent::Disconnected { endpoint, why: why.to_owned() });
        if now.since(self.times.connected) >= self.config.plan.backoff.steady {
            self.failures = 0;
        }
        self.failed().await;
    }

    /// Says goodbye, where there is anybody to say it to.
    pub async fn leave(&mut self) {
        if let Some(mut line) = self.line.take() {
            let said = async {
                line.push(&Packet::Disconnect(Disconnect::default()))?;
                line.flush().await
            };
            // It leaves anyway.
            let _heard = self.world.clock.until(self.world.clock.now().after(self.config.plan.patience), said).await;
            self.saw(DeviceEvent::Disconnected { endpoint: line.endpoint.to_string(), why: "it left".into() });
            self.forget_strain();
            self.errands.lost("it left");
            self.outbox.forget_requests();
        }
        self.heard.subscribing = 0;
        self.times.pinged = None;
        self.times.subscribe_again = None;
        self.times.announce = None;
    }

    /// Dials, shakes hands, and shows who it is. Whether the server had kept its session.
    pub async fn open(&mut self) -> Result<bool, Refusal> {
        let asked = self.world.clock.now();
        let opened = self.world.clock.until(asked.after(self.config.plan.patience), self.shake()).await;
        let opened = opened.unwrap_or_else(|| Err("no answer in time".to_owned()));
        let now = self.world.clock.now();
        let took = now.since(asked).as_micros().try_into().unwrap_or(u64::MAX);
        let (mut line, answer) = opened.map_err(|error| {
            self.asked(Asked { status: None, took, modelled: false });
            Refusal::Unreachable(error)
        })?;
        let status = if answer.code == 0 { 200 } else { 401 };
        self.asked(Asked { status: Some(status), took, modelled: false });
        if answer.code != 0 {
            return Err(Refusal::Code(answer.code));
        }
        if let Some(limit) = answer.properties.maximum_packet_size {
            line.limit(limit);
        }
        let keep_alive = answer.properties.server_keep_alive.unwrap_or(self.config.plan.keep_alive);
        self.times.keep_alive_ms = u32::from(keep_alive) * 1_000;
        self.times.connected = now;
        self.times.sent = now;
        self.times.pinged = None;
        self.line = Some(Box::new(line));
        Ok(answer.session_present)
    }

    fn shake(
        &self,
    ) -> impl Future<Output = Result<(Line, fleetproof_wire::mqtt::packet::ConnAck), String>> + Send + use<B, W> {
        let (net, has_network, tls) = (self.world.net.clone(), self.body.has_network(), self.config.tls.clone());
        let (name, endpoint) = (self.config.name.clone(), self.whereabouts.endpoint().clone());
        let (connect, version) = (self.introduction(), self.config.plan.speaks);
        let tap = self.config.nature.tap.clone();
        let to = self.config.plan.dials.clone().unwrap_or_else(|| endpoint.clone());
        async move {
            if !has_network {
                return Err("the network is unreachable".to_owned());
            }
            let mut stream = net.connect(&name, &to).await.map_err(|error| error.to_string())?;
            if let Some(tls) = tls {
                stream = tls.connect(stream, &endpoint).await.map_err(|error| error.to_string())?;
            }
            let mut line = Line::new(stream, endpoint, version, tap);
            line.push(&Packet::Connect(Box::new(connect)))?;
            line.flush().await?;
            match line.next().await? {
                Packet::ConnAck(answer) => Ok((line, *answer)),
                _ => Err("the server's first packet was no CONNACK".to_owned()),
            }
        }
    }

    fn introduction(&self) -> Connect {
        let plan = &self.config.plan;
        let keeps = plan.session.is_some() && !self.whereabouts.is_at_lobby();
        let mut connect = Connect::new(plan.speaks, &self.config.name);
        connect.clean_start = !keeps;
        connect.keep_alive = plan.keep_alive;
        if keeps && plan.speaks == Version::V5 {
            connect.session_expiry = plan.session;
        }
        if let Some((topic, text)) = plan.will.as_ref().filter(|_| !self.whereabouts.is_at_lobby()) {
            connect.will = Some(Will {
                topic: fill(topic, &self.config.name).into(),
                payload: Bytes::copy_from_slice(text.as_bytes()),
                qos: Qos::AtLeastOnce,
                retain: false,
                delay: None,
                properties: MessageProperties::default(),
            });
        }
        connect
    }

    async fn settle_in(&mut self, session_present: bool) -> Result<(), String> {
        let again = self.outbox.reconnected(session_present);
        if session_present {
            self.is_in();
        } else {
            for part in 0..self.filters().chunks(FILTERS).len() {
                self.subscribe(u8::try_from(part).unwrap_or(u8::MAX), 1)?;
            }
            self.heard.subscribing = u8::try_from(self.filters().chunks(FILTERS).len()).unwrap_or(u8::MAX);
        }
        for pending in again {
            let id = session_present.then_some(pending.id);
            self.send_again(pending, id)?;
        }
        self.flush().await
    }

    /// All it subscribed to is granted, or it is refused for good: it can be spoken to as far as it ever will.
    pub fn is_in(&mut self) {
        self.whereabouts.let_in();
        if self.whereabouts.is_at_lobby() {
            self.times.announce = Some(self.world.clock.now());
            return;
        }
        if !std::mem::replace(&mut self.was_home, true) {
            self.saw(DeviceEvent::Authenticated);
        }
        self.heard.job = self.config.plan.jobs;
        self.heard.report = self.config.plan.shadow;
        self.heard.errands = true;
    }

    /// All that it subscribes to where it is.
    fn filters(&self) -> Vec<Subscription> {
        let (thing, plan) = (&*self.config.name, &self.config.plan);
        let once = |filter: String| Subscription::new(&filter, Qos::AtLeastOnce);
        let mut filters = vec![once(of_lobby(thing))];
        if self.whereabouts.is_at_lobby() {
            return filters;
        }
        if plan.jobs {
            let jobs = ["jobs/notify-next", "jobs/start-next/+", "jobs/+/get/+", "jobs/+/update/+"];
            filters.extend(jobs.map(|rest| once(of_thing(thing, rest))));
        }
        if plan.shadow {
            let shadow = ["get/+", "update/accepted", "update/rejected", "update/delta"];
            filters.extend(shadow.map(|rest| once(of_thing(thing, &["shadow/", rest].concat()))));
        }
        filters.extend(self.errands.filters.iter().cloned());
        filters.extend(plan.listens.iter().map(|(filter, qos)| Subscription::new(&fill(filter, thing), *qos)));
        filters
    }

    /// Asks for one part of its filters, for the first time or again.
    pub fn subscribe(&mut self, part: u8, tries: u8) -> Result<(), String> {
        let filters = self.filters();
        let Some(filters) = filters.chunks(FILTERS).nth(usize::from(part)) else { return Ok(()) };
        let now = self.world.clock.now();
        let parcel = Parcel::Filters { part, tries };
        let packet_id = self.outbox.add(parcel, now, usize::MAX).ok_or("all packet ids are taken")?;
        let subscribe =
            Subscribe { packet_id, filters: filters.to_vec(), identifier: None, user_properties: Vec::new() };
        self.push(&Packet::Subscribe(subscribe))
    }

    /// SUBACK for a part: what was refused is told.
    pub fn subscribed(&mut self, part: u8, codes: &[u8]) {
        let refused: Vec<(String, u8)> = self
            .filters()
            .chunks(FILTERS)
            .nth(usize::from(part))
            .unwrap_or_default()
            .iter()
            .zip(codes)
            .filter(|(_, code)| **code >= 0x80)
            .map(|(subscription, code)| (subscription.filter.clone(), *code))
            .collect();
        let comes_again = refused.iter().any(|(_, code)| *code == QUOTA_EXCEEDED);
        for (filter, code) in refused {
            self.saw(DeviceEvent::SubscriptionRefused { filter, code });
        }
        if comes_again {
            // Too many asked at once: it asks again, at another time than the others, and is not in until then.
            let wait = AGAIN.mul_f64(1.0 + self.draws().gen_range(0.0..4.0));
            let (at, parts) = self.times.subscribe_again.unwrap_or((self.world.clock.now().after(wait), 0));
            self.times.subscribe_again = Some((at, parts | 1_u32.checked_shl(part.into()).unwrap_or_default()));
            return;
        }
        self.heard.subscribing = self.heard.subscribing.saturating_sub(1);
        if self.heard.subscribing == 0 {
            self.is_in();
        }
    }

    pub fn push(&mut self, packet: &Packet) -> Result<(), String> {
        self.times.sent = self.world.clock.now();
        self.line.as_mut().ok_or("there is no connection")?.push(packet)
    }

    /// Sends what is written down; a server that takes nothing for too long is gone.
    pub async fn flush(&mut self) -> Result<(), String> {
        let until = self.world.clock.now().after(self.config.plan.patience.max(Duration::from_millis(1)));
        let line = self.line.as_mut().ok_or("there is no connection")?;
        self.world.clock.until(until, line.flush()).await.unwrap_or_else(|| Err("the server takes nothing".into()))
    }
}
