//! The receptionist: what devices say of themselves (Basic Ingest of the rule `lobby`, contract 1.1). Whose row it is about is told by
//! the connection, never by the message.

use super::commissioner::work_through;
use super::house;
use super::turn::Happening;
use crate::platform::Platform;
use crate::refusal::Answer;
use crate::registry::Endpoint;
use fleetproof_dataplane::broker::Origin;
use fleetproof_dataplane::lobby::{Event, Fingerprint};

/// The rule's topic: nothing behind it is listened to.
const TOPIC: &str = "$aws/rules/lobby";

/// Hears a message to a rule of an account. Only a lobby has one.
pub(crate) async fn hear(app: &Platform, endpoint: &Endpoint, origin: &Origin, topic: &str, payload: &[u8]) {
    if topic == TOPIC {
        // Who is not heard announces itself again.
        drop(announced(app, endpoint, origin, payload).await);
    }
}

async fn announced(app: &Platform, endpoint: &Endpoint, origin: &Origin, payload: &[u8]) -> Answer<()> {
    let Some(house) = house::behind(app, &endpoint.tenant).await? else { return Ok(()) };
    let Ok(certid) = Fingerprint::read(&origin.principal) else { return Ok(()) };
    if let Some(connection) = origin.connection {
        app.lobbies().state().heard.insert(certid.clone(), connection);
    }
    let event = Event::Announce { client_id: origin.client_id.to_string(), payload: payload.to_vec() };
    let happening = Happening { house: &house, region: &endpoint.region, certid: &certid, event: &event, who: None };
    if happening.come_about(app).await?.is_ok() {
        // Whoever waits for something else is looked at by people's requests and by the keeper: there are many announces.
        work_through(app).await?;
    }
    Ok(())
}
