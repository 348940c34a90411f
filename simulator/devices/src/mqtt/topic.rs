//! The topics of a thing, and what comes in on them.

use fleetproof_world::Name;
use serde_json::Value;

/// Where devices announce themselves at the lobby (Basic Ingest of the rule `lobby`).
pub(crate) const ANNOUNCE: &str = "$aws/rules/lobby";

/// The longest endpoint that is believed: of a host name (RFC 1035, section 2.3.4).
const LONGEST_ENDPOINT: usize = 253;

/// A topic of the thing under `$aws/things/`.
pub(crate) fn of_thing(thing: &str, rest: &str) -> String {
    ["$aws/things/", thing, "/", rest].concat()
}

/// The topic on which the lobby speaks to the thing.
pub(crate) fn of_lobby(thing: &str) -> String {
    ["lobby/", thing].concat()
}

/// A topic of a plan, with `{thing}` filled in.
pub(crate) fn fill(template: &str, thing: &str) -> String {
    template.replace("{thing}", thing)
}

/// What arrived, by its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The lobby, or who took its place at the tenant's endpoint.
    Lobby,
    /// Which job is next has changed.
    NextJob,
    /// A request was accepted, or rejected.
    Answer { accepted: bool },
    /// The shadow wants something else than was reported.
    Delta,
    /// Something of the application's.
    Other,
}

impl Arrival {
    /// What a message on `topic` is to `thing`.
    pub fn of(topic: &str, thing: &str) -> Self {
        if topic.strip_prefix("lobby/") == Some(thing) {
            return Self::Lobby;
        }
        let rest = topic.strip_prefix("$aws/things/").and_then(|rest| rest.strip_prefix(thing)?.strip_prefix('/'));
        match rest {
            Some("jobs/notify-next") => Self::NextJob,
            Some("shadow/update/delta") => Self::Delta,
            Some(rest) if rest.starts_with("jobs/") || rest.starts_with("shadow/") => match rest.rsplit('/').next() {
                Some("accepted") => Self::Answer { accepted: true },
                Some("rejected") => Self::Answer { accepted: false },
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// What is said on a device's lobby topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LobbyMessage {
    /// `{"iotep": "<host>", …}`: there it belongs.
    Endpoint(Name),
    /// `{"config": "factory reset"}`.
    FactoryReset,
}

impl LobbyMessage {
    /// Reads a message; `None` when it says neither, or names what cannot be a host.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message: Value = serde_json::from_slice(bytes).ok()?;
        if message.get("config").and_then(Value::as_str) == Some("factory reset") {
            return Some(Self::FactoryReset);
        }
        let endpoint = message.get("iotep")?.as_str()?;
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let fits = (1..=LONGEST_ENDPOINT).contains(&endpoint.len()) && endpoint.bytes().all(is_host);
        fits.then(|| Self::Endpoint(endpoint.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn anything_can_be_said(bytes: Vec<u8>, topic: String) {
            let _ = LobbyMessage::read(&bytes);
            let _ = Arrival::of(&topic, "t");
        }
    }

    #[test]
    fn what_the_lobby_says() {
        let read = |text: &str| LobbyMessage::read(text.as_bytes());
        let host = "a1b2c3-ats.iot.eu-central-1.amazonaws.com";
        let told = format!(r#"{{"iotep":"{host}","config":"default config"}}"#);
        assert_eq!(read(&told), Some(LobbyMessage::Endpoint(host.into())));
        assert_eq!(read(r#"{"config":"factory reset"}"#), Some(LobbyMessage::FactoryReset));
        let long = format!(r#"{{"iotep":"{}"}}"#, "a".repeat(254));
        for nothing in
            ["", "{}", "[]", r#"{"iotep":""}"#, r#"{"iotep":1}"#, r#"{"iotep":"a/b"}"#, r#"{"iotep":"a b"}"#, &long]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn topics_of_another_thing_say_nothing() {
        let of = |topic| Arrival::of(topic, "hvac-7");
        assert_eq!(of("lobby/hvac-7"), Arrival::Lobby);
        assert_eq!(of("$aws/things/hvac-7/jobs/notify-next"), Arrival::NextJob);
        assert_eq!(of("$aws/things/hvac-7/jobs/start-next/accepted"), Arrival::Answer { accepted: true });
        assert_eq!(of("$aws/things/hvac-7/shadow/update/rejected"), Arrival::Answer { accepted: false });
        assert_eq!(of("$aws/things/hvac-7/shadow/update/delta"), Arrival::Delta);
        for other in [
            "lobby/hvac-70",
            "lobby/hvac-7/x",
            "$aws/things/hvac-70/jobs/notify-next",
            "$aws/things/hvac-7/jobs/notify",
            "$aws/things/hvac-7/tunnels/accepted",
            "app/hvac-7",
        ] {
            assert_eq!(of(other), Arrival::Other, "{other}");
        }
    }
}
