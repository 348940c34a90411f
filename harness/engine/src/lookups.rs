//! Where a device can be found on the platform: looked up before it goes, and again afterwards.

use crate::run::{Result, Run};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::Session;
use std::collections::BTreeSet;

/// The places in which `tenant`'s admin finds a device by its id, and whether its token opened anything.
pub(crate) async fn found(run: &Run, admin: &Session, device: u32, id: &str) -> Result<BTreeSet<&'static str>> {
    let mut places = BTreeSet::new();
    if exists(run.mender.device(admin, id).await)?.is_some() {
        places.insert("devices");
    }
    if exists(run.mender.inventory(admin, id).await)?.is_some_and(|attributes| !attributes.is_empty()) {
        places.insert("inventory");
    }
    if run.mender.devices(admin, None).await?.iter().any(|row| row.id == id) {
        places.insert("device list");
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

/// A place as a failure tells of it: who was asked what, and what came back.
pub(crate) fn told(place: &str, admin: &Session) -> String {
    let who = admin.who();
    match place {
        "devices" => format!("`{who}` asks `DeviceAuth Management Get Device` and is shown it"),
        "inventory" => format!("`{who}` asks `Get Device Inventory` and is shown it"),
        "device list" => format!("`{who}` asks `DeviceAuth Management List Devices` and it stands there"),
        _ => "its token is served when it polls for updates, where 401 is due".to_owned(),
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
