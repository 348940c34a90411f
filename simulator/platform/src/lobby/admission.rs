//! Who comes into the lobby (contract 1.3, 1.6): whoever shows a certificate that is good today and leads to an authority that the
//! lobby trusts. A first connection registers the certificate and is closed (JITR); the bouncer then makes a row of the ledger of it
//! and lets it in, so that the second one succeeds.

use super::commissioner::work_through;
use super::house::{self, House};
use super::turn::Happening;
use crate::defects::DefectId;
use crate::platform::Platform;
use crate::refusal::{Answer, Refusal};
use crate::registry::{Endpoint, JustInTime, Lodging, principals_changed};
use fleetproof_dataplane::lobby::{Event, Fingerprint, Issuer};
use fleetproof_world::tls::{Certificate, Peer};
use serde_json::{Value, json};

/// What stands in a policy for the name of the device that shows it.
const OWN: &str = "${iot:Connection.Thing.ThingName}";

/// The policy of whoever is let in.
const POLICY: &str = "lobby";

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The endpoint is no lobby's.
    Elsewhere,
    /// The broker is to judge this certificate; empty: nobody's.
    Judge(String),
    /// It ends here, because the certificate was registered only now; or is not let in yet.
    TurnedAway(Option<JustInTime>),
}

/// Looks at who comes to an endpoint, if it is a lobby's.
pub(crate) async fn admit(app: &Platform, endpoint: &Endpoint, peer: &Peer) -> Answer<Admission> {
    let Some(house) = house::behind(app, &endpoint.tenant).await? else { return Ok(Admission::Elsewhere) };
    let read: Option<Vec<Certificate>> = peer.certificates.iter().map(|der| Certificate::read(der).ok()).collect();
    let read = read.unwrap_or_default();
    let Some((leaf, above)) = read.split_first() else { return Ok(Admission::Judge(String::new())) };
    let Some((authority, issuer)) = vouched_for(app, &house, leaf, above).await? else {
        return Ok(Admission::Judge(String::new()));
    };
    let fingerprint = leaf.fingerprint();
    let mut tx = app.begin().await?;
    let name = leaf.common_name().unwrap_or_default();
    let place = (endpoint.tenant.as_str(), endpoint.region.as_str());
    let door = Lodging::find(app, &mut tx, place, (&fingerprint, name, POLICY)).await?;
    let status = door.status(&mut tx).await?;
    app.commit(tx).await?;
    match status.as_deref() {
        None => {
            let registered = app.register_in_lobby(place, leaf.der(), &authority).await.map_err(Refusal::internal)?;
            bounce(app, &house, endpoint, leaf, issuer).await?;
            Ok(Admission::TurnedAway(registered))
        }
        // Whoever began with it came to its end too early.
        Some("PENDING_ACTIVATION") => {
            bounce(app, &house, endpoint, leaf, issuer).await?;
            Ok(Admission::TurnedAway(None))
        }
        Some(_) => Ok(Admission::Judge(fingerprint)),
    }
}

/// The authority that a certificate leads to, and whose it is; `None`: nobody who is trusted answers for it today.
async fn vouched_for(
    app: &Platform,
    house: &House,
    leaf: &Certificate,
    above: &[Certificate],
) -> Answer<Option<(String, Issuer)>> {
    let mut tx = app.begin().await?;
    let trusted = house::trusted(&mut tx, &house.provider).await?;
    app.commit(tx).await?;
    let roots: Vec<Certificate> = trusted.iter().map(|(authority, _)| authority.clone()).collect();
    let now = app.now_ms();
    // The seeded defect asks whether it was ever good.
    let ever = |ms: i64| u64::try_from(ms).unwrap_or(0);
    let then = if app.defect(DefectId::LobbyLetsExpiredIn) { now.min(ever(leaf.until_ms())) } else { now };
    match leaf.leads_to(above, &roots, then) {
        Ok(root) => {
            let root = root.fingerprint();
            let whose = trusted.into_iter().find(|(authority, _)| authority.fingerprint() == root);
            Ok(whose.map(|(_, issuer)| (root, issuer)))
        }
        Err(_) if app.defect(DefectId::LobbyTrustsAnybody) => Ok(Some((leaf.fingerprint(), Issuer::Platform))),
        Err(_) => Ok(None),
    }
}

/// The bouncer: a row of the ledger, and, unless the rules turn the device away, what lets it in: a thing of its name and the policy of
/// the lobby.
async fn bounce(app: &Platform, house: &House, endpoint: &Endpoint, leaf: &Certificate, issuer: Issuer) -> Answer<()> {
    let certid = Fingerprint::read(&leaf.fingerprint()).map_err(Refusal::internal)?;
    let name = leaf.common_name().unwrap_or_default();
    let event = Event::Registered { pem: leaf.pem(), devicename: name.to_owned(), issuer };
    let happening = Happening { house, region: &endpoint.region, certid: &certid, event: &event, who: None };
    if happening.come_about(app).await?.is_err() {
        return Ok(());
    }
    let now = app.now_ms();
    let mut tx = app.begin().await?;
    let place = (endpoint.tenant.as_str(), endpoint.region.as_str());
    let door = Lodging::find(app, &mut tx, place, (certid.as_str(), name, POLICY)).await?;
    let topics = if app.defect(DefectId::LobbyTopicsForAll) { "*" } else { OWN };
    door.create_policy(&mut tx, &policy(endpoint, topics), now).await?;
    door.attach_policy(&mut tx).await?;
    door.create_thing(app, &mut tx).await?;
    door.attach_thing(&mut tx).await?;
    door.activate(&mut tx, now).await?;
    app.commit(tx).await?;
    principals_changed(app, [door.change()]);
    work_through(app).await
}

/// What whoever is let in may do: announce itself, and hear what is said to it (contract 1.5). `topics`: to whom it is said. In a
/// fault those of everybody, to be said there too.
fn policy(endpoint: &Endpoint, topics: &str) -> Value {
    let (region, account) = (&endpoint.region, &endpoint.account);
    let allow = |action: &str, rest: &str| {
        let resource = format!("arn:aws:iot:{region}:{account}:{rest}");
        json!({ "Effect": "Allow", "Action": action, "Resource": resource })
    };
    let mut statement = vec![
        allow("iot:Connect", &format!("client/{OWN}")),
        allow("iot:Publish", "topic/$aws/rules/lobby"),
        allow("iot:Subscribe", &format!("topicfilter/lobby/{topics}")),
        allow("iot:Receive", &format!("topic/lobby/{topics}")),
    ];
    if topics != OWN {
        statement.push(allow("iot:Publish", &format!("topic/lobby/{topics}")));
    }
    json!({ "Version": "2012-10-17", "Statement": statement })
}
