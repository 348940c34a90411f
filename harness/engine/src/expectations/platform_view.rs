//! What the platform says of devices: their versions, and what became of deployments on them.

use crate::run::{Result, Run};
use fleetproof_devices::VERSION_PROVIDE;
use fleetproof_dialects::mender::devices::InventoryRow;
use std::collections::BTreeMap;

/// Device → version, as the inventories of the devices' tenants have it.
pub(super) async fn versions(run: &Run, devices: &[u32]) -> Result<BTreeMap<u32, String>> {
    let mut versions = BTreeMap::new();
    for (tenant, devices) in run.by_tenant(devices) {
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
    for (tenant, id) in &deployed.ids {
        let admin = run.people.admin(tenant).await?;
        let by_id: BTreeMap<String, String> = run
            .mender
            .deployment_devices(&admin, id)
            .await?
            .into_iter()
            .map(|row| (row.device_id, row.status))
            .collect();
        for device in deployed.devices.iter() {
            if let Some(status) = run.id_of(*device).and_then(|id| by_id.get(&id)) {
                statuses.insert(*device, status.clone());
            }
        }
    }
    Ok(statuses)
}
