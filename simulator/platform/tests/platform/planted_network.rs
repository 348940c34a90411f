//! Each defect of what a bad network, or an update that goes wrong, brings to light: seen when planted, not seen when not.

use crate::common::{Caller, Stage, ask, with_platform};
use crate::family::{V1, family};
use crate::gear::{Gear, is_let_in};
use crate::updates::{DEPLOYMENTS, bring, deploy, next, report, version};
use fleetproof_platform::defects::DefectId;
use fleetproof_wire::artifact;
use serde_json::{Value, json};
use std::time::Duration;

/// A tenant with two devices that are in.
struct Pair {
    ada: Caller,
    gear: Gear,
    devices: [(String, Caller); 2],
}

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Pair) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let ada = family(&stage).await.ada;
            let own = ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
            let gear = |number| Gear::new(own["tenant_token"].as_str().unwrap(), number);
            let devices = [gear(1).enroll(&stage, &ada).await, gear(2).enroll(&stage, &ada).await];
            let pair = Pair { ada, gear: gear(1), devices };
            assert_eq!(sees(&stage, &pair).await, planted.is_some(), "{planted:?}");
        });
    }
}

impl Pair {
    /// Deploys to both, and both have begun; the deployment's id.
    async fn begin(&self, stage: &Stage) -> String {
        bring(stage, &self.ada, &version("v2")).await;
        let ids: Vec<&str> = self.devices.iter().map(|(id, _)| id.as_str()).collect();
        let deployment = deploy(&self.ada, "v2", &ids).await;
        for (_, device) in &self.devices {
            assert_eq!(next(device, "v1").await.status, 200);
            assert_eq!(report(device, &deployment, "installing").await.status, 204);
        }
        deployment
    }

    /// How the deployment stands on the devices, as the owner is told.
    async fn statuses(&self, deployment: &str) -> Vec<String> {
        let rows = self.ada.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list")).await.json();
        let status = |row: &Value| row["status"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(status).collect()
    }
}

#[test]
fn repeated_end_is_failure() {
    shows(DefectId::RepeatedEndIsFailure, async |stage, pair| {
        let deployment = pair.begin(stage).await;
        for _ in 0..2 {
            assert_eq!(report(&pair.devices[0].1, &deployment, "success").await.status, 204);
        }
        pair.statuses(&deployment).await.contains(&"failure".to_owned())
    });
}

#[test]
fn report_lost_after_yes() {
    shows(DefectId::ReportLostAfterYes, async |stage, pair| {
        let deployment = pair.begin(stage).await;
        for (_, device) in &pair.devices {
            assert_eq!(report(device, &deployment, "success").await.status, 204);
        }
        pair.statuses(&deployment).await != ["success", "success"]
    });
}

#[test]
fn silent_device_is_success() {
    shows(DefectId::SilentDeviceIsSuccess, async |stage, pair| {
        let deployment = pair.begin(stage).await;
        assert_eq!(pair.statuses(&deployment).await, ["installing", "installing"]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        pair.statuses(&deployment).await.contains(&"success".to_owned())
    });
}

#[test]
fn revoked_token_good() {
    shows(DefectId::RevokedTokenGood, async |_, pair| {
        let (_, set) = pair.gear.ids(&pair.ada).await;
        assert_eq!(pair.ada.delete(&format!("/api/management/v2/devauth/tokens/{set}")).await.status, 204);
        let mut good = 0;
        for (_, device) in &pair.devices {
            good += u32::from(is_let_in(device).await);
        }
        good == 2
    });
}

#[test]
fn user_lost_after_yes() {
    shows(DefectId::UserLostAfterYes, async |_, pair| {
        let ivy = json!({ "email": "ivy@acme.test", "password": "a password of ivy", "roles": [] });
        assert_eq!(pair.ada.post(&format!("{V1}/users"), &ivy).await.status, 201);
        !pair.ada.get(&format!("{V1}/users")).await.text().contains("ivy@acme.test")
    });
}

#[test]
fn part_from_the_start() {
    shows(DefectId::PartFromTheStart, async |stage, pair| {
        let whole = version("v2");
        let id = bring(stage, &pair.ada, &whole).await;
        let link = pair.ada.get(&format!("/api/management/v1/deployments/artifacts/{id}/download")).await.json();
        let uri = link["uri"].as_str().unwrap().to_owned();
        let path = uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned())).unwrap();
        let request = http::Request::get(path).header("Range", "bytes=512-").body(axum::body::Body::empty()).unwrap();
        let told = ask(&stage.gateway, request).await;
        assert_eq!(told.status, 206);
        told.body[..] != whole[512..]
    });
}

#[test]
fn checksum_not_kept() {
    shows(DefectId::ChecksumNotKept, async |stage, pair| {
        let id = bring(stage, &pair.ada, &version("v2")).await;
        let shown = pair.ada.get(&format!("/api/management/v1/deployments/artifacts/{id}")).await.json();
        let due = &artifact::read(&version("v2")).unwrap().payloads[0].files[0].sha256;
        shown["updates"][0]["files"][0]["checksum"] != json!(due)
    });
}
