//! A first message: an application of the tenant connects at the endpoint in each region, says something and hears it.

use crate::run::{Result, Run};
use fleetproof_dialects::aws::accounts::AccountRow;
use fleetproof_dialects::aws::client::{Client, ClientError, Qos, at_least_once};
use fleetproof_dialects::aws::things;
use fleetproof_journal::What;
use fleetproof_world::Stamp;
use std::time::Duration;

/// Where it is said.
const TOPIC: &str = "fleetproof/first";

/// How long it may be on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The endpoints at which no message is heard, and why. How long the first took since the account was asked for is told once.
pub(super) async fn greet(run: &Run, tenant: &str, account: &AccountRow) -> Result<Vec<String>> {
    let mut silent = Vec::new();
    for row in &account.regions {
        if run.accounts.greeted(tenant, &row.endpoint).is_some() {
            continue;
        }
        let admin = run.people.admin(tenant).await?;
        let place = match things::place(&run.mender, &admin, Some(&row.region)).await {
            Ok(place) => place,
            Err(error) if error.status().is_some() => {
                silent.push(format!("its admin is shown no endpoint in {}: {error}", row.region));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if (&place.account, &place.endpoint) != (&account.id, &row.endpoint) {
            silent.push(format!(
                "its admin is shown {} of account {}, the organisation {} of {}",
                place.endpoint, place.account, row.endpoint, account.id
            ));
            continue;
        }
        let client = run.listeners.client_at(run, tenant, &place, "first").await?;
        let text = format!("the first message of {tenant} in {}", row.region);
        match said_and_heard(client, &text, run.shared.now().after(PATIENCE)).await {
            Ok(true) => {
                let since = run.accounts.since(tenant).unwrap_or_default();
                let took = run.shared.now().since(since).as_secs_f64();
                let text = format!(
                    "`{tenant}` was asked for, and {took:.1} s later a first message was heard at {}",
                    place.endpoint
                );
                let seq = run.shared.emit("application", None, What::Note { text });
                run.accounts.greet(tenant, &place.endpoint, seq);
            }
            Ok(false) => silent.push(format!("what is said at {} is not heard", place.endpoint)),
            Err(error) => silent.push(format!("its application does not get through at {}: {error}", place.endpoint)),
        }
    }
    Ok(silent)
}

async fn said_and_heard(
    client: std::result::Result<Client, ClientError>,
    text: &str,
    until: Stamp,
) -> std::result::Result<bool, ClientError> {
    let mut client = client?;
    client.subscribe(vec![at_least_once(TOPIC)]).await?;
    client.publish(TOPIC, text.to_owned().into(), Qos::AtLeastOnce, false).await?;
    while let Some(heard) = client.message(until).await? {
        if heard.payload == text.as_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}
