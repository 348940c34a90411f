//! Each defect that a fleet can have: seen when it is planted, not seen when it is not.

use crate::common::{Caller, Stage, with_platform};
use crate::gear::{Gear, accepted};
use crate::updates::{bring, deploy, next, report, version};
use fleetproof_platform::defects::DefectId;
use serde_json::{Value, json};

const DEVICES: &str = "/api/management/v2/devauth/devices";
const DEPLOYMENTS: &str = "/api/management/v1/deployments/deployments";

/// Two tenants that have nothing to do with each other, one device each, both in a group called beta.
struct Neighbours {
    acme: Caller,
    /// Id and itself.
    ours: (String, Caller),
    globex: Caller,
    theirs: (String, Caller),
}

async fn neighbours(stage: &Stage) -> Neighbours {
    let mut sides = Vec::new();
    for name in ["acme", "globex"] {
        let tenant = stage.tenant(name, 10).await;
        let admin = stage.login(&format!("admin@{name}.example")).await;
        let device = Gear::new(&tenant.tenant_token, 1).enroll(stage, &admin).await;
        let path = format!("/api/management/v1/inventory/devices/{}/group", device.0);
        assert_eq!(admin.put(&path, &json!({ "group": "beta" })).await.status, 204);
        sides.push((admin, device));
    }
    let (globex, theirs) = sides.pop().unwrap();
    let (acme, ours) = sides.pop().unwrap();
    Neighbours { acme, ours, globex, theirs }
}

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Neighbours) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let neighbours = neighbours(&stage).await;
            assert_eq!(sees(&stage, &neighbours).await, planted.is_some(), "{planted:?}");
        });
    }
}

/// How many entries a list has.
async fn length(by: &Caller, path: &str) -> usize {
    by.get(path).await.json().as_array().unwrap().len()
}

#[test]
fn device_list_forgets_tenant() {
    shows(DefectId::DeviceListForgetsTenant, async |_, both| {
        assert_eq!(length(&both.acme, DEVICES).await, 1);
        length(&both.acme, &format!("{DEVICES}?status=accepted")).await == 2
    });
}

#[test]
fn device_count_forgets_tenant() {
    shows(DefectId::DeviceCountForgetsTenant, async |_, both| accepted(&both.acme).await == 2);
}

#[test]
fn inventory_search_forgets_tenant() {
    shows(DefectId::InventorySearchForgetsTenant, async |_, both| {
        let search = json!({ "device_ids": [both.theirs.0] });
        both.acme.post("/api/management/v2/inventory/filters/search", &search).await.json() != json!([])
    });
}

#[test]
fn download_forgets_tenant() {
    shows(DefectId::DownloadForgetsTenant, async |stage, both| {
        let artifact = bring(stage, &both.globex, &version("v2")).await;
        let path = format!("/api/management/v1/deployments/artifacts/{artifact}/download");
        both.acme.get(&path).await.status == 200
    });
}

#[test]
fn link_seals_expiry_only() {
    shows(DefectId::LinkSealsExpiryOnly, async |stage, both| {
        let mine = bring(stage, &both.acme, &version("v2")).await;
        let victim = bring(stage, &both.globex, &version("secret")).await;
        let link = async |by: &Caller, id: &str| {
            let told = by.get(&format!("/api/management/v1/deployments/artifacts/{id}/download")).await.json();
            told["uri"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned()
        };
        let (mine, victim) = (link(&both.acme, &mine).await, link(&both.globex, &victim).await);
        let bent = format!("{}?{}", victim.split_once('?').unwrap().0, mine.split_once('?').unwrap().1);
        Caller::new(&stage.gateway, None).get(&bent).await.status == 200
    });
}

#[test]
fn foreign_device_forbidden() {
    shows(DefectId::ForeignDeviceForbidden, async |_, both| {
        assert_eq!(both.acme.get(&format!("{DEVICES}/never")).await.status, 404);
        both.acme.get(&format!("{DEVICES}/{}", both.theirs.0)).await.status == 403
    });
}

#[test]
fn device_token_opens_management() {
    shows(DefectId::DeviceTokenOpensManagement, async |_, both| both.ours.1.get(DEVICES).await.status == 200);
}

/// The slots taken after the device was decommissioned, as the next acceptances find them.
async fn slots_left(stage: &Stage, both: &Neighbours) -> usize {
    assert_eq!(both.acme.delete(&format!("{DEVICES}/{}", both.ours.0)).await.status, 204);
    let token = both.acme.get("/api/management/v1/tenantadm/user/tenant").await.json();
    let token = token["tenant_token"].as_str().unwrap().to_owned();
    let mut got_in = 0;
    for number in 10..25 {
        let gear = Gear::new(&token, number);
        assert_eq!(gear.knock(stage).await.status, 401);
        let (id, set) = gear.ids(&both.acme).await;
        let accept = json!({ "status": "accepted" });
        got_in += usize::from(both.acme.put(&crate::gear::status_path(&id, &set), &accept).await.status == 204);
    }
    got_in
}

#[test]
fn decommission_keeps_slot() {
    shows(DefectId::DecommissionKeepsSlot, async |stage, both| slots_left(stage, both).await == 9);
}

#[test]
fn decommission_frees_twice() {
    shows(DefectId::DecommissionFreesTwice, async |stage, both| slots_left(stage, both).await == 11);
}

#[test]
fn decommissioned_token_good() {
    shows(DefectId::DecommissionedTokenGood, async |_, both| {
        assert_eq!(both.acme.delete(&format!("{DEVICES}/{}", both.ours.0)).await.status, 204);
        next(&both.ours.1, "v1").await.status == 204
    });
}

#[test]
fn decommission_audit_lost() {
    shows(DefectId::DecommissionAuditLost, async |_, both| {
        assert_eq!(both.acme.delete(&format!("{DEVICES}/{}", both.ours.0)).await.status, 204);
        !crate::family::log(&both.acme, 0).await.contains(&"decommission/device".to_owned())
    });
}

#[test]
fn abort_misses_running() {
    shows(DefectId::AbortMissesRunning, async |stage, both| {
        bring(stage, &both.acme, &version("v2")).await;
        let deployment = deploy(&both.acme, "v2", &[&both.ours.0]).await;
        assert_eq!(report(&both.ours.1, &deployment, "downloading").await.status, 204);
        let aborted = json!({ "status": "aborted" });
        assert_eq!(both.acme.put(&format!("{DEPLOYMENTS}/{deployment}/status"), &aborted).await.status, 204);
        report(&both.ours.1, &deployment, "installing").await.status == 204
    });
}

#[test]
fn terminal_status_rewritable() {
    shows(DefectId::TerminalStatusRewritable, async |stage, both| {
        bring(stage, &both.acme, &version("v2")).await;
        let deployment = deploy(&both.acme, "v2", &[&both.ours.0]).await;
        assert_eq!(report(&both.ours.1, &deployment, "failure").await.status, 204);
        report(&both.ours.1, &deployment, "success").await.status == 204
    });
}

/// What a deployment of acme to its group beta is for.
async fn group_deployment(stage: &Stage, both: &Neighbours) -> Value {
    bring(stage, &both.acme, &version("v2")).await;
    let plan = json!({ "name": "d", "artifact_name": "v2" });
    let told = both.acme.post(&format!("{DEPLOYMENTS}/group/beta"), &plan).await;
    assert_eq!(told.status, 201);
    let id = crate::updates::id_in(&told);
    both.acme.get(&format!("{DEPLOYMENTS}/{id}/device_list")).await.json()
}

#[test]
fn group_deployment_goes_to_all() {
    shows(DefectId::GroupDeploymentGoesToAll, async |stage, both| {
        let token = both.acme.get("/api/management/v1/tenantadm/user/tenant").await.json();
        let gear = Gear::new(token["tenant_token"].as_str().unwrap(), 2);
        let (outside, device) = gear.enroll(stage, &both.acme).await;
        let reached = group_deployment(stage, both).await.as_array().unwrap().contains(&json!(outside));
        assert_eq!(next(&device, "v1").await.status == 200, reached);
        reached
    });
}

#[test]
fn group_deployment_crosses_tenants() {
    shows(DefectId::GroupDeploymentCrossesTenants, async |stage, both| {
        group_deployment(stage, both).await;
        assert_eq!(next(&both.ours.1, "v1").await.status, 200);
        next(&both.theirs.1, "v1").await.status == 200
    });
}

#[test]
fn deployment_log_forgets_tenant() {
    shows(DefectId::DeploymentLogForgetsTenant, async |stage, both| {
        bring(stage, &both.globex, &version("v2")).await;
        let (id, device) = &both.theirs;
        let deployment = deploy(&both.globex, "v2", &[id]).await;
        let log = json!({ "messages": [{ "timestamp": "t", "level": "error", "message": "secret" }] });
        let path = format!("/api/devices/v1/deployments/device/deployments/{deployment}/log");
        assert_eq!(device.put(&path, &log).await.status, 204);
        both.acme.get(&format!("{DEPLOYMENTS}/{deployment}/devices/{id}/log")).await.status == 200
    });
}

#[test]
fn deployment_reaches_foreign_device() {
    shows(DefectId::DeploymentReachesForeignDevice, async |stage, both| {
        bring(stage, &both.acme, &version("v2")).await;
        deploy(&both.acme, "v2", &[&both.theirs.0]).await;
        next(&both.theirs.1, "v1").await.status == 200
    });
}
