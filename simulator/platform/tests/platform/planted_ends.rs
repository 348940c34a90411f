//! Each defect of how things end (a rejection, a suspension, a removal): seen when it is planted, not seen when it is not.

use crate::common::{Caller, Stage, with_platform};
use crate::family::{Family, TENANTS, V1, family, log, new_child};
use crate::gear::{Gear, is_let_in, status_path};
use crate::updates::{bring, version};
use fleetproof_platform::defects::DefectId;
use serde_json::json;

/// A provider with two children; the first has a device that is in.
struct House {
    family: Family,
    gear: Gear,
    device: (String, Caller),
}

async fn house(stage: &Stage) -> House {
    let family = family(stage).await;
    let own = family.ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
    let gear = Gear::new(own["tenant_token"].as_str().unwrap(), 1);
    let device = gear.enroll(stage, &family.ada).await;
    House { family, gear, device }
}

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &House) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let house = house(&stage).await;
            assert_eq!(sees(&stage, &house).await, planted.is_some(), "{planted:?}");
        });
    }
}

async fn set_status(stage: &Stage, tenant: &str, status: &str) {
    let path = format!("/api/internal/v1/tenantadm/tenants/{tenant}/status");
    assert_eq!(stage.operator().put(&path, &json!({ "status": status })).await.status, 200);
}

async fn remove(house: &House) {
    let path = format!("{TENANTS}/{}/remove/start", house.family.acme);
    assert_eq!(house.family.pia.post(&path, &json!({})).await.status, 202);
}

#[test]
fn rejected_token_good() {
    shows(DefectId::RejectedTokenGood, async |_, house| {
        let (id, device) = &house.device;
        let (_, set) = house.gear.ids(&house.family.ada).await;
        let told = house.family.ada.put(&status_path(id, &set), &json!({ "status": "rejected" })).await;
        assert_eq!(told.status, 204);
        is_let_in(device).await
    });
}

#[test]
fn suspended_devices_served() {
    shows(DefectId::SuspendedDevicesServed, async |stage, house| {
        set_status(stage, &house.family.acme, "suspended").await;
        assert_eq!(house.family.ada.get(&format!("{V1}/users/me")).await.status, 401, "its users are out either way");
        assert_eq!(house.gear.knock(stage).await.status, 401, "and so is who shows the identity");
        is_let_in(&house.device.1).await
    });
}

#[test]
fn suspended_users_served() {
    shows(DefectId::SuspendedUsersServed, async |stage, house| {
        set_status(stage, &house.family.acme, "suspended").await;
        assert!(!is_let_in(&house.device.1).await, "its devices are out either way");
        house.family.ada.get(&format!("{V1}/users/me")).await.status == 200
    });
}

#[test]
fn resume_forgets_devices() {
    shows(DefectId::ResumeForgetsDevices, async |stage, house| {
        set_status(stage, &house.family.acme, "suspended").await;
        set_status(stage, &house.family.acme, "active").await;
        house.gear.knock(stage).await.status == 401
    });
}

#[test]
fn removed_tenant_keeps_files() {
    shows(DefectId::RemovedTenantKeepsFiles, async |stage, house| {
        let artifact = bring(stage, &house.family.ada, &version("v2")).await;
        let link = house.family.ada.get(&format!("/api/management/v1/deployments/artifacts/{artifact}/download")).await;
        let uri = link.json()["uri"].as_str().unwrap().to_owned();
        let path = uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned())).unwrap();
        let nobody = Caller::new(&stage.gateway, None);
        assert_eq!(nobody.get(&path).await.status, 200, "the link was good");
        remove(house).await;
        nobody.get(&path).await.status == 200
    });
}

#[test]
fn removed_tenant_keeps_limit() {
    shows(DefectId::RemovedTenantKeepsLimit, async |_, house| {
        remove(house).await;
        // 1000 less the 500 of the other child.
        house.family.pia.post(TENANTS, &new_child("north", 500)).await.status != 202
    });
}

#[test]
fn removed_tenant_forgotten_in_log() {
    shows(DefectId::RemovedTenantForgottenInLog, async |_, house| {
        remove(house).await;
        let kept = log(&house.family.pia, 0).await;
        assert_eq!(kept.last().map(String::as_str), Some("delete/tenant"));
        // Both children were made, one is gone.
        kept.iter().filter(|line| *line == "create/tenant").count() != 2
    });
}
