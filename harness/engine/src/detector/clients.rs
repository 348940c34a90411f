//! Clients that are connected so that somebody can try to end their connections.

use super::{DetectorError, Field};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::client::{Client, ClientError, Dial};
use fleetproof_dialects::aws::{papers, things};
use fleetproof_dialects::mender::Session;
use fleetproof_world::Name;
use fleetproof_world::tls::TlsClient;
use tokio::sync::Mutex;

/// Where all endpoints for MQTT are.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Their door on the network.
    pub door: Name,
    /// Who vouches for them, as PEM.
    pub trusted: String,
}

/// A client that was let in.
#[derive(Debug)]
pub(super) struct Connected(Mutex<Option<Client>>);

impl Connected {
    /// Whether the server still answers it.
    pub(super) async fn stands(&self) -> bool {
        match self.0.lock().await.as_mut() {
            Some(client) => client.ping().await.is_ok(),
            None => false,
        }
    }

    /// It says goodbye; if it was thrown out, nobody hears it.
    pub(super) async fn leave(&self) {
        if let Some(client) = self.0.lock().await.take() {
            client.leave().await;
        }
    }
}

impl Field {
    /// Connects as the client `name`, with the certificate that the account of `by` knows it by. `None`: there is no endpoint,
    /// or it does not let it in.
    pub(super) async fn connect(&self, by: &Session, name: &str) -> Result<Option<Connected>, DetectorError> {
        let Some(Endpoints { door, trusted }) = self.endpoints.clone() else { return Ok(None) };
        let broken = |error: std::io::Error| DialectError::Unreadable {
            operation: "a client of the harness".to_owned(),
            reason: error.to_string(),
        };
        let world = self.mender.world();
        let place = things::place(&self.mender, by, None).await?;
        let identity = papers::identity(&self.mender, name)?;
        let tls = TlsClient::trusting(&trusted, &world.clock).and_then(|tls| tls.presenting(&identity));
        let dial = Dial { from: name.into(), door, host: place.endpoint, tls: tls.map_err(broken)? };
        match Client::connect(world, &dial, name).await {
            Ok(client) => Ok(Some(Connected(Mutex::new(Some(client))))),
            Err(ClientError::Lost(reason)) => {
                Err(DialectError::Unreachable { request: format!("CONNECT as {name}"), reason }.into())
            }
            Err(_) => Ok(None),
        }
    }
}
