//! Where a device belongs: at the lobby until it is told its endpoint, there from then on, and back at the lobby when that
//! endpoint does not let it in. Pure: an agent dials where this says and tells what came of it.

use super::topic::LobbyMessage;
use fleetproof_world::{Name, Stamp};
use serde_json::json;
use std::time::Duration;

/// Where a device stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    lobby: Name,
    /// The endpoint that it was told; kept across a loss of power.
    home: Option<Name>,
    at: Place,
    /// How long an endpoint may refuse it before it asks elsewhere.
    patience: Duration,
    /// Since when it has not been let in where it is.
    outside: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Lobby,
    Home,
}

/// What a message of the lobby, or being refused, means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Nothing changes.
    Stay,
    /// It belongs to this endpoint from now on.
    Home(Name),
    /// It forgets its endpoint and goes to the lobby.
    Forget,
    /// Its endpoint did not let it in for too long: to the lobby, without forgetting.
    TurnBack(Name),
    /// Nor did the lobby: to the endpoint once more.
    TryHome(Name),
}

impl Whereabouts {
    /// A device that kept `home`, or nothing.
    pub fn new(lobby: Name, home: Option<Name>, patience: Duration) -> Self {
        let at = if home.is_some() { Place::Home } else { Place::Lobby };
        Self { lobby, home, at, patience, outside: None }
    }

    /// Whom to dial.
    pub fn endpoint(&self) -> &Name {
        match (&self.at, &self.home) {
            (Place::Home, Some(home)) => home,
            _ => &self.lobby,
        }
    }

    pub fn is_at_lobby(&self) -> bool {
        self.at == Place::Lobby
    }

    /// What is kept across a loss of power.
    pub const fn home(&self) -> Option<&Name> {
        self.home.as_ref()
    }

    /// It was let in.
    pub const fn let_in(&mut self) {
        self.outside = None;
    }

    /// It was not: refused, unreachable, or thrown out at once.
    pub fn not_let_in(&mut self, now: Stamp) -> Move {
        let since = *self.outside.get_or_insert(now);
        let Some(home) = self.home.clone().filter(|_| now.since(since) >= self.patience) else { return Move::Stay };
        self.outside = None;
        match self.at {
            Place::Home => {
                self.at = Place::Lobby;
                Move::TurnBack(home)
            }
            Place::Lobby => {
                self.at = Place::Home;
                Move::TryHome(home)
            }
        }
    }

    /// The lobby's topic said something, at the lobby or at home.
    pub fn told(&mut self, message: LobbyMessage) -> Move {
        match message {
            LobbyMessage::FactoryReset if self.home.is_none() => Move::Stay,
            LobbyMessage::FactoryReset => {
                self.home = None;
                self.at = Place::Lobby;
                self.outside = None;
                Move::Forget
            }
            LobbyMessage::Endpoint(endpoint) => {
                let is_there = self.at == Place::Home && self.home.as_ref() == Some(&endpoint);
                // A lobby that names itself would make the device run in circles.
                if is_there || endpoint == self.lobby {
                    return Move::Stay;
                }
                self.home = Some(endpoint.clone());
                self.at = Place::Home;
                self.outside = None;
                Move::Home(endpoint)
            }
        }
    }

    /// The word for why it is at the lobby.
    pub const fn state(&self) -> &'static str {
        if self.home.is_some() { "refused" } else { "factory default" }
    }

    /// What it announces at the lobby: the endpoint it uses, or the one that refused it.
    pub fn announcement(&self) -> String {
        let endpoint = self.home.as_ref().unwrap_or(&self.lobby);
        json!({ "state": self.state(), "iotep": &**endpoint, "config": "default" }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(home: Option<&str>) -> Whereabouts {
        Whereabouts::new("lobby".into(), home.map(Into::into), Duration::from_secs(60))
    }

    fn at(seconds: u64) -> Stamp {
        Stamp::from_micros(seconds * 1_000_000)
    }

    fn endpoint(name: &str) -> LobbyMessage {
        LobbyMessage::Endpoint(name.into())
    }

    #[test]
    fn from_the_factory_to_a_tenant_to_another_and_back() {
        let mut device = device(None);
        assert_eq!(&**device.endpoint(), "lobby");
        assert_eq!(device.announcement(), r#"{"config":"default","iotep":"lobby","state":"factory default"}"#);
        assert_eq!(device.told(LobbyMessage::FactoryReset), Move::Stay, "there is nothing to forget");
        assert_eq!(device.told(endpoint("a")), Move::Home("a".into()));
        assert_eq!((&**device.endpoint(), device.home().map(|home| &**home)), ("a", Some("a")));
        assert_eq!(device.told(endpoint("a")), Move::Stay);
        assert_eq!(device.told(endpoint("b")), Move::Home("b".into()));
        assert_eq!(device.told(LobbyMessage::FactoryReset), Move::Forget);
        assert_eq!((&**device.endpoint(), device.home()), ("lobby", None));
    }

    #[test]
    fn who_is_refused_for_too_long_turns_back_and_says_by_whom() {
        let mut device = device(Some("a"));
        assert_eq!(device.not_let_in(at(10)), Move::Stay);
        assert_eq!(device.not_let_in(at(69)), Move::Stay);
        device.let_in();
        assert_eq!(device.not_let_in(at(100)), Move::Stay, "it had been let in meanwhile");
        assert_eq!(device.not_let_in(at(160)), Move::TurnBack("a".into()));
        assert_eq!(&**device.endpoint(), "lobby");
        assert_eq!(device.announcement(), r#"{"config":"default","iotep":"a","state":"refused"}"#);
        // A lobby that is down does not keep it from its home.
        assert_eq!(device.not_let_in(at(170)), Move::Stay);
        assert_eq!(device.not_let_in(at(230)), Move::TryHome("a".into()));
        assert_eq!(&**device.endpoint(), "a");
        assert_eq!(device.not_let_in(at(240)), Move::Stay);
        assert_eq!(device.not_let_in(at(300)), Move::TurnBack("a".into()));
        assert_eq!(device.told(endpoint("a")), Move::Home("a".into()), "told the same again it goes there again");
    }

    #[test]
    fn a_device_that_was_never_told_waits_at_the_lobby_for_ever() {
        let mut device = device(None);
        assert!((0..10_000).all(|second| device.not_let_in(at(second)) == Move::Stay));
    }

    #[test]
    fn a_lobby_that_names_itself_is_not_believed() {
        assert_eq!(device(Some("a")).told(endpoint("lobby")), Move::Stay);
        assert_eq!(device(None).told(endpoint("lobby")), Move::Stay);
    }

    proptest! {
        /// It always has somewhere to dial, and forgets its home only when told to.
        #[test]
        fn nobody_gets_lost(what in proptest::collection::vec((0..5_u8, 0..100_u64), 0..60)) {
            let (mut device, mut now, mut home) = (device(None), 0, None);
            for (what, later) in what {
                now += later;
                match what {
                    0 => { device.told(LobbyMessage::FactoryReset); home = None; }
                    1 => { device.told(endpoint("a")); home = Some("a"); }
                    2 => { device.told(endpoint("b")); home = Some("b"); }
                    3 => device.let_in(),
                    _ => { device.not_let_in(at(now)); }
                }
                prop_assert_eq!(device.home().map(|home| &**home), home);
                prop_assert!(device.is_at_lobby() == (&**device.endpoint() == "lobby"));
                prop_assert!(home.is_some() || device.is_at_lobby());
            }
        }
    }
}
