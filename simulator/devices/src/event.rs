//! What a device saw and did: the evidence of a run, told to whoever watches.

use fleetproof_wire::http::Response;
use fleetproof_world::Stamp;
use serde::Serialize;

/// One thing that a device saw or did. Versions are those of images: what really runs, whatever the
/// platform believes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEvent {
    /// It showed its identity; the answer to an auth request.
    Knocked {
        /// The status code.
        status: u16,
    },
    /// It has a token, after not having had one.
    Authenticated,
    /// It asked for an update (routine).
    Polled {
        /// The status code of the last answer: 200 an update, 204 none.
        status: u16,
        /// Since when it had asked, in µs on the world's clock: what the platform answered it decided no earlier.
        asked: u64,
    },
    /// What it said was answered (MQTT; routine): a round trip.
    Answered {
        /// Since when it had asked, in µs on the world's clock.
        asked: u64,
    },
    /// The token that it had is not taken any more; it shows its identity again.
    TokenRefused,
    /// It could not reach the platform.
    Unreachable {
        /// What the network said.
        error: String,
    },
    /// The platform offered an update.
    Offered {
        /// The deployment's id.
        deployment: String,
        /// The artifact's name.
        artifact: String,
        /// Since when it had asked, in µs on the world's clock.
        asked: u64,
    },
    /// It began to download.
    DownloadStarted {
        /// The deployment's id.
        deployment: String,
    },
    /// It has the whole artifact, verified.
    Downloaded {
        /// The deployment's id.
        deployment: String,
        /// The artifact's length in bytes.
        bytes: u64,
    },
    /// It began to install: from here on only a commit or a rollback ends the update.
    InstallStarted {
        /// The deployment's id.
        deployment: String,
    },
    /// It told the platform where the update stands.
    Reported {
        /// The deployment's id.
        deployment: String,
        /// The status as it stands in the request, e.g. `installing`.
        status: String,
        /// The answer's status code.
        answer: u16,
        /// Since when it had tried to tell, in µs on the world's clock.
        asked: u64,
    },
    /// It started an image.
    Booted {
        /// The image's version.
        version: String,
        /// Whether the image came up. When it did not, either another boot follows or nothing ever does.
        healthy: bool,
        /// Whether the bootloader starts it on trial: it reverts unless the update is committed.
        trial: bool,
    },
    /// The update is final: a later power loss boots it again.
    Committed {
        /// The deployment's id.
        deployment: String,
        /// The version that is final now.
        version: String,
    },
    /// The update was undone.
    RolledBack {
        /// The deployment's id.
        deployment: String,
        /// The version that runs again.
        version: String,
    },
    /// The update is over, and the platform has been told or could not be.
    Finished {
        /// The deployment's id.
        deployment: String,
        /// How the device sees it.
        success: bool,
        /// The version that runs now.
        version: String,
        /// The update could be neither finished nor undone; the artifact's name carries `_INCONSISTENT`.
        inconsistent: bool,
    },
    /// What it is was saved.
    Saved,
    /// It was flashed with what was saved; it boots next.
    Restored,
    /// It sent its inventory.
    InventorySent {
        /// The answer's status code.
        status: u16,
        /// The artifact name in it: `factory-<version>` before the first update.
        version: String,
    },
    /// It did not come up, and nothing can save it: it is silent from now on.
    Died {
        /// The version that it died of; empty when there was nothing to boot.
        version: String,
    },
    /// A server let it in (MQTT).
    Connected {
        /// Whom it dialled.
        endpoint: String,
        /// Whether the server had kept its session.
        session_present: bool,
    },
    /// A server answered that it may not come in (MQTT).
    Refused {
        /// Whom it dialled.
        endpoint: String,
        /// The code of CONNACK.
        code: u8,
    },
    /// A connection ended (MQTT).
    Disconnected {
        /// Whom it had dialled.
        endpoint: String,
        /// Why, as far as the device knows.
        why: String,
    },
    /// It was refused what it subscribed to (MQTT).
    SubscriptionRefused {
        /// The filter.
        filter: String,
        /// The code of SUBACK.
        code: u8,
    },
    /// It announced itself at the lobby.
    Announced {
        /// Whom it had dialled.
        endpoint: String,
        /// `factory default`, or `refused`.
        state: String,
    },
    /// It was told where it belongs.
    Routed {
        /// There.
        endpoint: String,
    },
    /// It was told to forget where it belongs.
    FactoryReset,
    /// Where it belongs it was not let in for too long; it asks at the lobby.
    TurnedBack {
        /// Where it belongs.
        endpoint: String,
    },
    /// It did what its shadow wants.
    ShadowApplied {
        /// The shadow's version.
        version: u64,
    },
    /// It polled a last time and is silent from now on.
    Retired {
        /// The answer's status code: evidence that the token is dead, or is not.
        status: u16,
    },
}

/// One request of a device, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The answer's status code; `None`: there was none.
    pub status: Option<u16>,
    /// µs from the question to the head of the answer.
    pub took: u64,
    /// The platform only reckons with time: `took` is what it reckoned, not what passed on the clock.
    pub modelled: bool,
}

impl Asked {
    /// A request that was asked and answered then.
    #[must_use]
    pub fn between(asked: Stamp, answered: Stamp, answer: Option<&Response>) -> Self {
        let passed = answered.micros().saturating_sub(asked.micros());
        let modelled = answer.and_then(Response::modelled);
        let status = answer.map(|answer| answer.status);
        Self { status, took: modelled.unwrap_or(passed), modelled: modelled.is_some() }
    }
}

/// What became of one numbered message of a device (MQTT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent.
    Sent {
        /// Counted per device, from 1.
        number: u64,
        /// It had been sent before, and was not acknowledged.
        again: bool,
    },
    /// The server acknowledged it.
    Acknowledged {
        /// Counted per device.
        number: u64,
        /// µs since it was sent first.
        took: u64,
    },
    /// The server acknowledged that it does not take it (version 5).
    Refused {
        /// Counted per device.
        number: u64,
        /// The code of PUBACK.
        code: u8,
    },
    /// It was not sent: too many wait for their acknowledgement.
    HeldBack {
        /// Counted per device; it is never sent.
        number: u64,
    },
    /// A message of a load was sent.
    Strained,
    /// A message of a load was due and not sent.
    StrainHeldBack,
    /// The server answered a message of a load.
    StrainAnswered {
        /// The code of PUBACK.
        code: u8,
        /// µs since it was sent.
        took: u64,
    },
    /// A message of a load was never answered.
    StrainLost,
    /// Another's message arrived.
    Received {
        /// Its number, if it has one.
        number: Option<u64>,
        /// The server says that it may have come before.
        dup: bool,
    },
}

/// Who is told. A witness is called in the device's own task and must not wait.
pub trait Witness: Send + 'static {
    /// `device` (its index in the fleet) saw or did `what` at `at`.
    fn saw(&mut self, at: Stamp, device: u32, what: DeviceEvent);

    /// `device` asked the platform something, and that came of it at `at`. Who does not measure is not interested.
    fn asked(&mut self, at: Stamp, device: u32, asked: Asked) {
        let _not_measured = (at, device, asked);
    }

    /// That became of a message of `device` at `at`. Who does not count is not interested.
    fn delivered(&mut self, at: Stamp, device: u32, what: Delivery) {
        let _not_counted = (at, device, what);
    }

    /// `device` listens to something since it was told to, and heard that at `at`. Who does not listen is not interested.
    fn heard(&mut self, at: Stamp, device: u32, topic: &str, payload: &[u8]) {
        let _not_listened = (at, device, topic, payload);
    }
}

impl<F: FnMut(Stamp, u32, DeviceEvent) + Send + 'static> Witness for F {
    fn saw(&mut self, at: Stamp, device: u32, what: DeviceEvent) {
        self(at, device, what);
    }
}
