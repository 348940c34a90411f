//! What the things of a fleet have in common, and what makes one of them the one it is.

use super::backoff::Backoff;
use super::publishes::Publishes;
use crate::config::Nature;
use crate::shelf::Shelf;
use fleetproof_wire::mqtt::packet::{Qos, Version};
use fleetproof_world::Name;
use fleetproof_world::tls::TlsClient;
use std::sync::Arc;
use std::time::Duration;

/// What all things of a kind have in common; shared by them.
#[derive(Clone, Debug)]
pub struct ThingPlan {
    /// Where a device from the factory dials.
    pub lobby: Name,
    /// The names that its things may be told to dial: a flaky or a narrow line lies between a thing and these, and the lobby.
    pub endpoints: Vec<Name>,
    /// Whom it dials, whatever endpoint it asks for: where one server answers to all of them (SNI). `None`: the endpoint.
    pub dials: Option<Name>,
    /// The version of MQTT it speaks.
    pub speaks: Version,
    /// Seconds; 0: none.
    pub keep_alive: u16,
    /// Seconds that its session shall outlive a connection; `None`: every session is clean. Version 3.1.1 has no number for it.
    pub session: Option<u32>,
    /// What the server says when the device is lost: a topic, in which `{thing}` stands for its name, and a text.
    pub will: Option<(String, String)>,
    /// What it says by itself once it is at home.
    pub publishes: Vec<Publishes>,
    /// What else it subscribes to at home; `{thing}` stands for its name.
    pub listens: Vec<(String, Qos)>,
    /// Whether it does jobs.
    pub jobs: bool,
    /// Whether it has a shadow.
    pub shadow: bool,
    /// How many messages of QoS 1 may wait for their acknowledgement; what is due beyond that is not said.
    pub in_flight: usize,
    /// How long anything that must be answered is waited for: CONNACK, SUBACK, PUBACK, PINGRESP, jobs and shadow.
    pub patience: Duration,
    /// How it waits between two dials.
    pub backoff: Backoff,
    /// For how long its endpoint may refuse it, or be out of reach, before it asks at the lobby.
    pub refused_for: Duration,
    /// How often it announces itself at the lobby.
    pub announce: Duration,
    /// How long it takes to start anew after it was told where it belongs.
    pub settle: Duration,
    /// How long a boot takes.
    pub boot_time: Duration,
    /// The time between two attempts to tell what must be known, and how many there are.
    pub retry: (Duration, u32),
    /// Where files of jobs are fetched, whatever host their link names. `None`: from the link's host.
    pub storage: Option<Name>,
    /// It installs older versions too: a device that was built without that guard.
    pub takes_older: bool,
    /// Where the devices of a run share what all of them download.
    pub shelf: Shelf,
}

impl ThingPlan {
    /// Jobs and a shadow, nothing said by itself, times as the vendors' samples have them.
    #[must_use]
    pub fn new(lobby: &str) -> Self {
        Self {
            lobby: lobby.into(),
            endpoints: Vec::new(),
            dials: None,
            speaks: Version::V311,
            keep_alive: 30,
            session: None,
            will: None,
            publishes: Vec::new(),
            listens: Vec::new(),
            jobs: true,
            shadow: true,
            in_flight: 100,
            patience: Duration::from_secs(10),
            backoff: Backoff::default(),
            refused_for: Duration::from_secs(300),
            announce: Duration::from_secs(5),
            settle: Duration::from_secs(5),
            boot_time: Duration::from_secs(3),
            retry: (Duration::from_secs(10), 6),
            storage: None,
            takes_older: false,
            shelf: Shelf::default(),
        }
    }
}

/// What makes a thing the one it is.
#[derive(Clone, Debug)]
pub struct ThingConfig {
    /// Its number in the fleet, as witnesses are told.
    pub index: u32,
    /// Its name: the thing's, the client id, its address on the network, and what draws whether an image misbehaves on it.
    pub name: Name,
    /// What it has in common with others.
    pub plan: Arc<ThingPlan>,
    /// Whom it trusts and the identity from the factory that it shows
    /// ([`TlsClient::presenting`]); `None`: no TLS. It asks for its endpoint (SNI).
    pub tls: Option<TlsClient>,
    /// The version it was made with.
    pub version: String,
    /// The endpoint that it was made for, until it is told another. `None`: the lobby tells it.
    pub home: Option<Name>,
    /// How long after the order to knock it begins.
    pub phase: Duration,
    /// What is peculiar to it.
    pub nature: Nature,
}
