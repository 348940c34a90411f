//! What the platform says of devices: their versions, and what became of deployments on them.

use crate::run::{Result, Run};
use crate::things::by_tongue;
use fleetproof_devices::VERSION_PROVIDE;
use fleetproof_dialects::aws;
use fleetproof_dialects::mender::devices::InventoryRow;
use std::collections::BTreeMap;

/// Device → version, as the devices' tenants are shown it: from inventories, and from shadows.
pub(super) async fn versions(run: &Run, devices: &[u32]) -> Result<BTreeMap<u32, String>> {
    let mut versions = BTreeMap::new();
    let (polling, things) = by_tongue(run, devices);
    for (tenant, devices) in run.by_tenant(&things) {
        let (admin, place) = (run.people.admin(&tenant).await?, run.things.place(run, &tenant).await?);
        let rows = aws::things::search(&run.mender, &admin, &place, "*").await?;
        let told: BTreeMap<String, String> =
            rows.into_iter().filter_map(|row| Some((row.name, row.version?))).collect();
        for device in devices {
            if let Some(version) = told.get(&run.name_of(device)) {
                versions.insert(device, version.clone());
            }
        }
    }
    for (tenant, devices) in run.by_tenant(&polling) {
        let admin = run.people.admin(&tenant).await?;
        let by_id: BTreeMap<String, InventoryRow> =
            run.mender.inventories(&admin).await?.into_iter().map(|row| (row.id.clone(), row)).collect();
        for device in devices {
            if let Some(row) = run.id_of(device).and_then(|id| by_id.get(&id))
                && let Some(version) = version(row)
            {
                versions.insert(device, version);
            }
        }
    }
    Ok(versions)
}

/// The version in an inventory: what the running artifact provides, else its name, which for a device that was never
/// updated is `factory-<version>`.
fn version(row: &InventoryRow) -> Option<String> {
    let text = |name: &str| {
        let found = row.attributes.iter().find(|attribute| attribute.scope == "inventory" && attribute.name == name)?;
        found.value.as_str().map(str::to_owned)
    };
    text(VERSION_PROVIDE).or_else(|| {
        let name = text("artifact_name")?;
        Some(name.strip_prefix("factory-").map_or(name.clone(), str::to_owned))
    })
}

/// Device → status in the deployment called `name`, as the platform lists it for each tenant.
pub(super) async fn statuses(run: &Run, name: &str) -> Result<BTreeMap<u32, String>> {
    let mut statuses = BTreeMap::new();
    let Some(deployed) = run.deployments.get(name) else { return Ok(statuses) };
    for (whose, id) in &deployed.ids {
        let admin = run.people.admin(&whose.tenant).await?;
        let parts = whose.parts(run, &admin, id, &deployed.devices).await?;
        statuses.extend(parts.into_iter().map(|(device, part)| (device, part.status)));
    }
    Ok(statuses)
}
