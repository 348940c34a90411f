//! Deployments that go round at a pace: phases, rate, retries, timeouts, threshold, pause and continue.

use crate::common::{Caller, Stage, Told, on_every_database, with_platform};
use crate::gear::Gear;
use crate::updates::{bring, id_in, next, report, version};
use fleetproof_world::rfc3339;
use serde_json::{Value, json};
use std::time::Duration;

const DEPLOYMENTS: &str = "/api/management/v1/deployments/deployments";

/// A tenant with so many devices and version v2.
pub struct Fleet {
    pub admin: Caller,
    /// Id and itself.
    pub devices: Vec<(String, Caller)>,
}

impl Fleet {
    pub async fn of(stage: &Stage, devices: u32) -> Self {
        let acme = stage.tenant("acme", 1_000).await;
        let admin = stage.login("admin@acme.example").await;
        bring(stage, &admin, &version("v2")).await;
        let mut all = Vec::new();
        for number in 0..devices {
            all.push(Gear::new(&acme.tenant_token, number).enroll(stage, &admin).await);
        }
        Self { admin, devices: all }
    }

    /// Asks for a deployment to all devices with this in its body.
    pub async fn ask(&self, pace: &Value) -> Told {
        let mut body = json!({ "name": "d", "artifact_name": "v2", "all_devices": true });
        body.as_object_mut().unwrap().extend(pace.as_object().unwrap().clone());
        self.admin.post(DEPLOYMENTS, &body).await
    }

    pub async fn deploy(&self, pace: &Value) -> String {
        let told = self.ask(pace).await;
        assert_eq!(told.status, 201, "{}", told.text());
        id_in(&told)
    }

    /// Which devices are told when all ask, one after another.
    pub async fn told(&self) -> Vec<usize> {
        let mut told = Vec::new();
        for (number, (_, device)) in self.devices.iter().enumerate() {
            match next(device, "v1").await.status {
                200 => told.push(number),
                status => assert_eq!(status, 204),
            }
        }
        told
    }

    pub async fn report(&self, device: usize, deployment: &str, status: &str) -> u16 {
        report(&self.devices[device].1, deployment, status).await.status
    }

    pub async fn show(&self, deployment: &str) -> Value {
        self.admin.get(&format!("{DEPLOYMENTS}/{deployment}")).await.json()
    }

    pub async fn pace(&self, deployment: &str) -> Value {
        self.admin.get(&format!("{DEPLOYMENTS}/{deployment}/pace")).await.json()
    }

    pub async fn state(&self, deployment: &str) -> String {
        self.pace(deployment).await["state"].as_str().unwrap().to_owned()
    }

    pub async fn set(&self, deployment: &str, state: &str) -> u16 {
        self.admin.put(&format!("{DEPLOYMENTS}/{deployment}/pace"), &json!({ "state": state })).await.status
    }

    /// Status and attempts of a device.
    pub async fn part(&self, deployment: &str, device: usize) -> (String, i64) {
        let parts = self.admin.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list?per_page=500")).await.json();
        let part = parts.as_array().unwrap().iter().find(|part| part["id"] == json!(self.devices[device].0)).unwrap();
        (part["status"].as_str().unwrap().to_owned(), part["attempts"].as_i64().unwrap())
    }
}

/// Lets time pass.
pub async fn wait(stage: &Stage, ms: u64) {
    stage.world.clock.sleep(Duration::from_millis(ms)).await;
}

/// A moment in so many ms.
pub fn later(stage: &Stage, ms: u64) -> String {
    rfc3339(stage.world.clock.unix_ms() + ms)
}

#[test]
fn phases_begin_at_their_time_and_take_their_share() {
    on_every_database(async |stage| {
        let fleet = Fleet::of(&stage, 10).await;
        let (second, third) = (later(&stage, 2_000), later(&stage, 4_000));
        let phases = json!([{ "batch_size": 20 }, { "batch_size": 30, "start_ts": second }, { "start_ts": third }]);
        let deployment = fleet.deploy(&json!({ "phases": phases })).await;
        let counts = async || {
            let shown = fleet.show(&deployment).await;
            shown["phases"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["device_count"].as_u64().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(fleet.told().await, [0, 1]);
        assert_eq!(fleet.told().await, [0, 1], "who was told is told again");
        assert_eq!(counts().await, [2, 0, 0]);
        wait(&stage, 2_100).await;
        assert_eq!(fleet.told().await, [0, 1, 2, 3, 4]);
        wait(&stage, 2_100).await;
        assert_eq!(fleet.told().await.len(), 10);
        assert_eq!(counts().await, [2, 3, 5]);
        let shown = fleet.show(&deployment).await;
        assert_eq!(shown["phases"][1]["batch_size"], 30);
        assert_eq!((&shown["phases"][1]["start_ts"], &shown["phases"][2].get("batch_size")), (&json!(second), &None));
        let parts = fleet.admin.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list")).await.json();
        let phase = parts.as_array().unwrap().iter().find(|part| part["id"] == json!(fleet.devices[9].0)).unwrap();
        assert_eq!(phase["phase_id"], shown["phases"][2]["id"]);
    });
}

#[test]
fn a_first_phase_that_begins_later_is_a_schedule() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 2).await;
        let deployment = fleet.deploy(&json!({ "phases": [{ "start_ts": later(&stage, 5_000) }] })).await;
        assert_eq!((fleet.state(&deployment).await.as_str(), fleet.told().await.len()), ("scheduled", 0));
        let listed = async |status: &str| {
            let path = format!("{DEPLOYMENTS}?status={status}");
            fleet.admin.get(&path).await.json().as_array().unwrap().len()
        };
        assert_eq!((listed("scheduled").await, listed("pending").await), (1, 0));
        wait(&stage, 5_000).await;
        assert_eq!((listed("scheduled").await, listed("pending").await), (0, 1), "though nobody asked meanwhile");
        assert_eq!((fleet.state(&deployment).await.as_str(), fleet.told().await.len()), ("running", 2));
    });
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 11).await;
        let now = later(&stage, 0);
        let x = |pace: Value| json!({ "x_fleetproof": pace });
        let bad = [
            json!({ "phases": [{ "batch_size": 5 }, { "start_ts": now }] }),
            json!({ "phases": [{ "batch_size": 50, "batch_size_devices": 3 }, { "start_ts": now }] }),
            json!({ "phases": [{ "batch_size": 50 }, {}] }),
            json!({ "phases": [{ "start_ts": "tomorrow" }] }),
            json!({ "retries": -1 }),
            x(json!({ "rate": 0 })),
            x(json!({ "rates": 5 })),
            x(json!({ "grows": { "factor": 2, "per": 5, "counting": "notified" } })),
            x(json!({ "rate": 5, "grows": { "factor": 0.5, "per": 5, "counting": "notified" } })),
            x(json!({ "rate": 5, "grows": { "factor": 2, "per": 0, "counting": "notified" } })),
            x(json!({ "rate": 5, "grows": { "factor": 2, "per": 5, "counting": "all" } })),
            x(json!({ "timeout": 0 })),
            x(json!({ "step_timeout": -3 })),
            x(json!({ "abort_above": 101 })),
            x(json!({ "abort_after": 3 })),
            x(json!({ "abort_above": 10, "abort_after": 0 })),
            x(json!({ "retry_on": "never" })),
        ];
        let mut reasons = Vec::new();
        for pace in bad {
            let told = fleet.ask(&pace).await;
            assert_eq!(told.status, 400, "{pace}: {}", told.text());
            reasons.push(told.json()["error"].as_str().unwrap().to_owned());
        }
        insta::assert_snapshot!(reasons.join("\n"));
        assert_eq!(fleet.admin.get(DEPLOYMENTS).await.json(), json!([]));
    });
}

/// The last that is taken, and the first that is not.
#[test]
fn edges_are_where_they_are_said_to_be() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 1).await;
        let grows = |factor: f64| json!({ "rate": 5, "grows": { "factor": factor, "per": 1, "counting": "notified" } });
        let x = |pace: Value| json!({ "x_fleetproof": pace });
        let year = 365.0 * 86_400.0;
        for (good, bad) in [
            (json!({ "retries": 1000 }), json!({ "retries": 1001 })),
            (x(json!({ "abort_above": 100 })), x(json!({ "abort_above": 100.0001 }))),
            (x(json!({ "abort_above": 0 })), x(json!({ "abort_above": -0.0001 }))),
            (x(json!({ "abort_above": 1, "abort_after": 1 })), x(json!({ "abort_above": 1, "abort_after": 0 }))),
            (x(json!({ "timeout": year })), x(json!({ "timeout": year + 0.001 }))),
            (x(json!({ "step_timeout": 0.001 })), x(json!({ "step_timeout": 0.0001 }))),
            (x(json!({ "rate": 1 })), x(json!({ "rate": 0 }))),
            (x(grows(1.0)), x(grows(0.999))),
            (x(grows(1000.0)), x(grows(1000.001))),
        ] {
            assert_eq!(fleet.ask(&bad).await.status, 400, "{bad}");
            // The same is not deployed twice at a time.
            let deployment = fleet.deploy(&good).await;
            let status = format!("{DEPLOYMENTS}/{deployment}/status");
            assert_eq!(fleet.admin.put(&status, &json!({ "status": "aborted" })).await.status, 204, "{good}");
        }
    });
}

#[test]
fn what_was_asked_for_is_shown() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 1).await;
        let pace = json!({ "rate": 600, "grows": { "factor": 1.5, "per": 10, "counting": "succeeded" }, "timeout": 30.0,
            "step_timeout": 2.5, "abort_above": 25.0, "abort_after": 10, "retry_on": "failed" });
        let deployment = fleet.deploy(&json!({ "retries": 3, "x_fleetproof": pace })).await;
        let shown = fleet.show(&deployment).await;
        assert_eq!((&shown["retries"], &shown["x_fleetproof"]), (&json!(3), &pace));
        let plain = json!({ "name": "plain", "artifact_name": "v2", "all_devices": true });
        let plain = fleet.show(&id_in(&fleet.admin.post(DEPLOYMENTS, &plain).await)).await;
        assert_eq!((&plain["retries"], plain.get("x_fleetproof"), plain.get("phases")), (&json!(0), None, None));
    });
}

#[test]
fn a_rate_is_even_and_grows() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 6).await;
        let grows = json!({ "factor": 2, "per": 2, "counting": "succeeded" });
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "rate": 60, "grows": grows } })).await;
        assert_eq!(fleet.told().await, [0]);
        wait(&stage, 999).await;
        assert_eq!(fleet.told().await, [0]);
        wait(&stage, 1).await;
        assert_eq!(fleet.told().await, [0, 1]);
        assert_eq!(fleet.pace(&deployment).await["rate"], 60.0);
        for device in [0, 1] {
            assert_eq!(fleet.report(device, &deployment, "success").await, 204);
        }
        assert_eq!(fleet.pace(&deployment).await["rate"], 120.0);
        wait(&stage, 1_000).await;
        assert_eq!(fleet.told().await, [2]);
        wait(&stage, 500).await;
        assert_eq!(fleet.told().await, [2, 3]);
    });
}

/// A phase counts devices, not attempts: who tries again takes no place of another, and needs none.
#[test]
fn who_tries_again_was_counted_already() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 4).await;
        let later = later(&stage, 3_600_000);
        let phases = json!([{ "batch_size": 50 }, { "start_ts": later }]);
        let deployment = fleet.deploy(&json!({ "phases": phases, "retries": 3 })).await;
        assert_eq!(fleet.told().await, [0, 1]);
        for _ in 0..3 {
            assert_eq!(fleet.report(0, &deployment, "failure").await, 204);
            assert_eq!(fleet.told().await, [0, 1], "one tries again, the other is in its attempt");
        }
        wait(&stage, 3_600_000).await;
        assert_eq!(fleet.told().await, [0, 1, 2, 3]);
    });
}

#[test]
fn who_failed_tries_again_as_often_as_it_may() {
    on_every_database(async |stage| {
        let fleet = Fleet::of(&stage, 1).await;
        let deployment = fleet.deploy(&json!({ "retries": 2 })).await;
        for attempt in 1..=3 {
            assert_eq!(fleet.told().await, [0], "attempt {attempt}");
            assert_eq!(fleet.report(0, &deployment, "installing").await, 204);
            assert_eq!(fleet.part(&deployment, 0).await, ("installing".into(), attempt));
            assert_eq!(fleet.report(0, &deployment, "failure").await, 204);
            let status = if attempt == 3 { "failure" } else { "pending" };
            assert_eq!(fleet.part(&deployment, 0).await, (status.into(), attempt));
            assert_eq!(fleet.report(0, &deployment, "failure").await, 204, "said twice");
            assert_eq!(fleet.part(&deployment, 0).await, (status.into(), attempt));
            let late = fleet.report(0, &deployment, "installing").await;
            assert_eq!(late, if attempt == 3 { 400 } else { 409 }, "no attempt is under way");
        }
        assert_eq!(fleet.told().await, [0; 0]);
        assert_eq!(fleet.state(&deployment).await, "finished");
        assert_eq!(fleet.pace(&deployment).await["failed"], 1);
    });
}

#[test]
fn an_attempt_that_takes_too_long_is_over_for_every_reader() {
    on_every_database(async |stage| {
        let fleet = Fleet::of(&stage, 3).await;
        let pace = json!({ "timeout": 3, "step_timeout": 2 });
        let deployment = fleet.deploy(&json!({ "x_fleetproof": pace })).await;
        assert_eq!(fleet.told().await.len(), 3);
        wait(&stage, 1_500).await;
        assert_eq!(fleet.report(0, &deployment, "downloading").await, 204);
        assert_eq!(fleet.report(1, &deployment, "success").await, 204);
        wait(&stage, 700).await;
        // The third said nothing for two seconds, the first for one.
        let statistics = fleet.admin.get(&format!("{DEPLOYMENTS}/{deployment}/statistics")).await.json();
        assert_eq!((&statistics["failure"], &statistics["downloading"]), (&json!(1), &json!(1)));
        wait(&stage, 1_000).await;
        assert_eq!(fleet.state(&deployment).await, "finished", "three seconds are over");
        assert_eq!(fleet.part(&deployment, 0).await, ("failure".into(), 1));
        assert_eq!(fleet.report(0, &deployment, "success").await, 409);
        assert_eq!(fleet.part(&deployment, 0).await, ("failure".into(), 1));
        let parts = fleet.admin.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list?status=failure")).await.json();
        assert!(parts.as_array().unwrap().iter().all(|part| part["substate"] == "timed out"), "{parts}");
    });
}

#[test]
fn what_is_over_by_time_is_over_before_anything_else_is_looked_at() {
    // Whoever looks first: each of these, on a platform of its own, sees the deployment ended.
    for look in 0..8 {
        with_platform(None, async |stage| {
            let fleet = Fleet::of(&stage, 1).await;
            let deployment = fleet.deploy(&json!({ "x_fleetproof": { "timeout": 2 } })).await;
            fleet.told().await;
            wait(&stage, 2_000).await;
            let (path, device) = (format!("{DEPLOYMENTS}/{deployment}"), &fleet.devices[0]);
            let over = match look {
                0 => fleet.show(&deployment).await["status"] == "finished",
                1 => {
                    fleet.admin.get(&format!("{DEPLOYMENTS}?status=finished")).await.json()[0]["id"]
                        == json!(deployment)
                }
                2 => fleet.admin.get(&format!("{path}/statistics")).await.json()["failure"] == 1,
                3 => {
                    let history = format!("{DEPLOYMENTS}/devices/{}", device.0);
                    fleet.admin.get(&history).await.json()[0]["device"]["status"] == "failure"
                }
                4 => fleet.admin.put(&format!("{path}/status"), &json!({ "status": "aborted" })).await.status == 422,
                5 => next(&device.1, "v1").await.status == 204,
                6 => fleet.set(&deployment, "paused").await == 422,
                _ => {
                    fleet
                        .admin
                        .post(DEPLOYMENTS, &json!({ "name": "d", "artifact_name": "v2", "all_devices": true }))
                        .await
                        .status
                        == 201
                }
            };
            assert!(over, "look {look}");
        });
    }
}

#[test]
fn timeouts_are_tried_again_where_they_count() {
    for (retry_on, again) in [("timed_out", true), ("all", true), ("failed", false)] {
        with_platform(None, async |stage| {
            let fleet = Fleet::of(&stage, 1).await;
            let pace = json!({ "timeout": 2, "retry_on": retry_on });
            let deployment = fleet.deploy(&json!({ "retries": 1, "x_fleetproof": pace })).await;
            fleet.told().await;
            wait(&stage, 2_000).await;
            assert_eq!(fleet.report(0, &deployment, "installing").await, 409, "its time is over");
            assert_eq!(!fleet.told().await.is_empty(), again, "{retry_on}");
            assert_eq!(fleet.part(&deployment, 0).await.1, if again { 2 } else { 1 });
            if again {
                assert_eq!(fleet.report(0, &deployment, "success").await, 204);
                assert_eq!(fleet.pace(&deployment).await["succeeded"], 1);
            }
        });
    }
}

#[test]
fn too_many_failures_stop_it() {
    on_every_database(async |stage| {
        let fleet = Fleet::of(&stage, 8).await;
        let pace = json!({ "abort_above": 50, "abort_after": 3 });
        let deployment = fleet.deploy(&json!({ "x_fleetproof": pace })).await;
        assert_eq!(fleet.told().await.len(), 8);
        for (device, status) in [(0, "failure"), (1, "failure"), (2, "success"), (3, "success")] {
            assert_eq!(fleet.state(&deployment).await, "running");
            assert_eq!(fleet.report(device, &deployment, status).await, 204);
            if device == 2 {
                // Two of three: that is above.
                break;
            }
        }
        let pace = fleet.pace(&deployment).await;
        assert_eq!((&pace["state"], &pace["aborted_by"]), (&json!("aborted"), &json!("threshold")));
        assert_eq!(fleet.part(&deployment, 3).await.0, "aborted");
        assert_eq!(fleet.report(3, &deployment, "success").await, 409);
        assert_eq!(fleet.told().await, [0; 0]);
        assert_eq!(fleet.set(&deployment, "running").await, 422);
    });
}

/// The second failure comes with time, and with it the end for everybody else, at that time.
#[test]
fn a_threshold_is_crossed_by_time_too() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 3).await;
        let pace = json!({ "timeout": 5, "abort_above": 50, "abort_after": 2, "rate": 120 });
        let deployment = fleet.deploy(&json!({ "x_fleetproof": pace })).await;
        for _ in 0..2 {
            fleet.told().await;
            wait(&stage, 1_000).await;
        }
        let began = stage.world.clock.unix_ms();
        wait(&stage, 20_000).await;
        let shown = fleet.show(&deployment).await;
        assert_eq!((&shown["status"], fleet.state(&deployment).await.as_str()), (&json!("finished"), "aborted"));
        assert_eq!(shown["finished"], json!(rfc3339(began + 4_000)), "when the second one's time was over");
        assert_eq!(fleet.part(&deployment, 2).await, ("aborted".into(), 0));
    });
}

#[test]
fn a_pause_holds_back_and_is_told_of_once() {
    on_every_database(async |stage| {
        let fleet = Fleet::of(&stage, 4).await;
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "rate": 60_000 } })).await;
        let begun = next(&fleet.devices[0].1, "v1").await.status;
        assert_eq!((begun, fleet.set(&deployment, "paused").await), (200, 204));
        assert_eq!(fleet.set(&deployment, "paused").await, 204, "as it is");
        assert_eq!((fleet.told().await, fleet.state(&deployment).await.as_str()), (vec![0], "paused"));
        assert_eq!(fleet.report(1, &deployment, "downloading").await, 409, "nobody begins by saying so");
        assert_eq!(fleet.report(0, &deployment, "success").await, 204, "who is under way goes on");
        assert_eq!(fleet.state(&deployment).await, "paused");
        assert_eq!(fleet.set(&deployment, "running").await, 204);
        wait(&stage, 10).await;
        assert_eq!(next(&fleet.devices[1].1, "v1").await.status, 200);
        let log = fleet.admin.get("/api/management/v1/auditlogs/logs?object_type=deployment&sort=asc").await.json();
        let told: Vec<_> =
            log.as_array().unwrap().iter().map(|it| (it["action"].clone(), it["change"].clone())).collect();
        let entry = |action: &str, change: Value| (json!(action), change);
        assert_eq!(
            told,
            [entry("create", Value::Null), entry("update", json!("paused")), entry("update", json!("continued"))]
        );
        assert_eq!(fleet.set(&deployment, "stopped").await, 400);
        assert_eq!(fleet.set("no-such-deployment", "paused").await, 404);
    });
}

#[test]
fn who_waits_for_one_deployment_gets_the_next() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 1).await;
        let first = fleet.deploy(&json!({})).await;
        assert_eq!(fleet.set(&first, "paused").await, 204);
        let second = json!({ "name": "second", "artifact_name": "v2", "all_devices": true });
        let second = id_in(&fleet.admin.post(DEPLOYMENTS, &second).await);
        assert_eq!(next(&fleet.devices[0].1, "v1").await.json()["id"], json!(second));
    });
}

#[test]
fn whoever_matches_later_is_paced_too() {
    with_platform(None, async |stage| {
        let fleet = Fleet::of(&stage, 4).await;
        let terms = json!([{ "scope": "identity", "attribute": "status", "type": "$eq", "value": "accepted" }]);
        let filter = json!({ "name": "all", "terms": terms });
        let filter = id_in(&fleet.admin.post("/api/management/v2/inventory/filters", &filter).await);
        let phases = json!([{ "batch_size": 50 }, { "start_ts": later(&stage, 5_000) }]);
        let body = json!({ "name": "d", "artifact_name": "v2", "filter_id": filter, "phases": phases });
        let told = fleet.admin.post("/api/management/v2/deployments/deployments", &body).await;
        assert_eq!(told.status, 201, "{}", told.text());
        assert_eq!(fleet.told().await.len(), 2);
        wait(&stage, 5_000).await;
        assert_eq!(fleet.told().await.len(), 4);
        assert_eq!(fleet.show(&id_in(&told)).await["initial_device_count"], 4);
    });
}
