//! Where a device can be found on the platform: looked up before it goes, and again afterwards.

use crate::run::{Result, Run};
use crate::things::is_thing;
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws;
use fleetproof_dialects::aws::client::{Client, Dial};
use fleetproof_dialects::mender::Session;
use std::collections::BTreeSet;

/// The places in which `tenant`'s admin finds a device by its id, and whether its token opened anything.
pub(crate) async fn found(
    run: &Run,
    admin: &Session,
    tenant: &str,
    device: u32,
    id: &str,
) -> Result<BTreeSet<&'static str>> {
    let mut places = BTreeSet::new();
    if is_thing(run, device) {
        registered(run, admin, tenant, device, id, &mut places).await?;
    } else {
        if exists(run.mender.device(admin, id).await)?.is_some() {
            places.insert("devices");
        }
        if exists(run.mender.inventory(admin, id).await)?.is_some_and(|attributes| !attributes.is_empty()) {
            places.insert("inventory");
        }
        if run.mender.devices(admin, None).await?.iter().any(|row| row.id == id) {
            places.insert("device list");
        }
    }
    // Who has come back since is asked by nobody in its place: that would end its connection.
    let is_gone = run.lobby.owner(device).as_deref() != Some(tenant)
        && run.gone.get(&device).is_some_and(|gone| gone.iter().any(|gone| gone.tenant == tenant));
    if is_thing(run, device) && is_gone {
        if still_opens(run, tenant, device).await? {
            places.insert("credentials");
        }
        return Ok(places);
    }
    let (served, refused) = run.shared.record(|record| {
        let record = &record.devices[device as usize];
        (record.served.is_some(), record.retired.is_some_and(|(status, _)| status == 401))
    });
    if served && !refused {
        places.insert("credentials");
    }
    Ok(places)
}

/// The same of a device that speaks MQTT: its certificate, its thing, and the index with its shadow.
async fn registered(
    run: &Run,
    admin: &Session,
    tenant: &str,
    device: u32,
    certificate: &str,
    places: &mut BTreeSet<&'static str>,
) -> Result<()> {
    let (name, place) = (run.name_of(device), run.things.place(run, tenant).await?);
    if aws::things::has_certificate(&run.mender, admin, &place, certificate).await? {
        places.insert("certificate");
    }
    if aws::things::has_thing(&run.mender, admin, &place, &name).await? {
        places.insert("thing");
    }
    let rows = aws::things::search(&run.mender, admin, &place, &format!("thingName:{name}")).await?;
    if rows.iter().any(|row| row.version.is_some()) {
        places.insert("shadow");
    }
    if !rows.is_empty() {
        places.insert("index");
    }
    Ok(())
}

/// Whether what a device shows is taken at the endpoint of a tenant that it has left.
async fn still_opens(run: &Run, tenant: &str, device: u32) -> Result<bool> {
    let (shown, place) = (run.things.identities.of(run, device)?, run.things.place(run, tenant).await?);
    let (door, _) = run.things.door()?;
    let from = format!("{}-once-more", run.name_of(device)).as_str().into();
    let dial = Dial { from, door, host: place.endpoint, tls: run.things.tls(&shown)? };
    match Client::connect(&run.world, &dial, &shown.name).await {
        Ok(client) => {
            client.leave().await;
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

/// A place as a failure tells of it: who was asked what, and what came back.
pub(crate) fn told(place: &str, admin: &Session) -> String {
    let who = admin.who();
    match place {
        "devices" => format!("`{who}` asks `DeviceAuth Management Get Device` and is shown it"),
        "certificate" => format!("`{who}` asks `DescribeCertificate` and is shown it"),
        "thing" => format!("`{who}` asks `DescribeThing` and is shown it"),
        "index" => format!("`{who}` asks `SearchIndex` and it stands there"),
        "shadow" => format!("`{who}` asks `SearchIndex` and its shadow is still there"),
        "inventory" => format!("`{who}` asks `Get Device Inventory` and is shown it"),
        "device list" => format!("`{who}` asks `DeviceAuth Management List Devices` and it stands there"),
        _ => "what it shows is taken when it comes once more, where it is due to be refused".to_owned(),
    }
}

/// What a look-up found; a 404 found nothing.
fn exists<T>(looked: std::result::Result<T, DialectError>) -> Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
