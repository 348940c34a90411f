//! A real client takes updates from the platform. In every state of its update module the platform is asked what it knows, so that a
//! test is a table: states of the device on the left, what the platform has recorded by then on the right.

use crate::bench::{Bench, referee};
use crate::client::{Client, DEVICE_TYPE, FACTORY, MODULE};
use crate::server::{Person, Server};
use bytes::Bytes;
use fleetproof_wire::artifact::{Spec, write};
use fleetproof_wire::http::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEPLOYMENTS: &str = "/api/management/v1/deployments/deployments";
const DEVICES: &str = "/api/management/v2/devauth/devices";

/// Statuses after which nothing may change any more.
const TERMINAL: &[&str] = &["success", "failure", "already-installed", "noartifact", "aborted", "decommissioned"];

/// A server, somebody who uses it, and a device that it has accepted.
struct Fleet<'a> {
    bench: &'a Bench,
    server: Server,
    admin: Person,
    client: Client<'a>,
    device: String,
}

/// What happens to the update while it goes on.
enum Meanwhile {
    Nothing,
    /// The power is cut in that state of the update module, and comes back.
    PowerCut(&'static str),
    /// Somebody aborts the deployment in that state.
    Abort(&'static str),
}

/// How an update went: `state status` in each state of the module, and `status` at the end.
struct Course {
    deployment: String,
    lines: Vec<String>,
}

impl<'a> Fleet<'a> {
    /// A new device asks to be let in, and is accepted.
    async fn enrolled(bench: &'a Bench) -> Self {
        let server = Server::start(bench);
        let client = Client::new(bench, &server, "02:00:00:00:00:01");
        Self::with(bench, server, client).await
    }

    async fn with(bench: &'a Bench, server: Server, mut client: Client<'a>) -> Self {
        let admin = server.login().await;
        client.start();
        let pending = bench.wait("the device asks to be let in", async || {
            admin.get(&format!("{DEVICES}?status=pending")).await.unwrap().get(0).cloned()
        });
        let pending = pending.await;
        assert_eq!(pending["identity_data"]["mac"], client.mac());
        let device = pending["id"].as_str().unwrap().to_owned();
        let auth_set = pending["auth_sets"][0]["id"].as_str().unwrap();
        let accept = format!("{DEVICES}/{device}/auth/{auth_set}/status");
        admin.say("PUT", &accept, &json!({ "status": "accepted" }), 204).await;
        let fleet = Self { bench, server, admin, client, device };
        fleet.inventory_says(FACTORY).await;
        fleet
    }

    /// An attribute that the device has sent, or that the platform knows.
    async fn attribute(&self, name: &str) -> Option<Value> {
        let path = format!("/api/management/v1/inventory/devices/{}", self.device);
        let device = self.admin.get(&path).await.ok()?;
        let attributes = device["attributes"].as_array()?;
        attributes.iter().find(|attribute| attribute["name"] == name).map(|attribute| attribute["value"].clone())
    }

    async fn inventory_says(&self, artifact_name: &str) {
        let what = format!("the inventory says {artifact_name}");
        let look = async || self.attribute("artifact_name").await.filter(|value| *value == artifact_name);
        self.bench.wait(&what, look).await;
    }

    /// Uploads an update whose payload has these wishes for the update module.
    async fn release(&self, name: &str, wishes: &[&str]) -> String {
        self.admin.upload(&update(name, MODULE, DEVICE_TYPE, wishes)).await
    }

    /// What the platform has recorded for the device.
    async fn record(&self, deployment: &str) -> Value {
        let path = format!("{DEPLOYMENTS}/{deployment}/devices/list");
        let list = self.admin.get(&path).await.unwrap();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        assert_eq!(list[0]["id"], self.device.as_str());
        list[0].clone()
    }

    async fn status(&self, deployment: &str) -> String {
        self.record(deployment).await["status"].as_str().unwrap().to_owned()
    }

    /// Deploys and follows the update to its end, state by state.
    async fn update(&mut self, artifact_name: &str, meanwhile: Meanwhile) -> Course {
        let deployment = self.admin.deploy(artifact_name, &self.device).await;
        let before = self.client.states().len();
        let mut lines = Vec::new();
        loop {
            let number = before + lines.len();
            let next = self.bench.wait("the update goes on", async || {
                let states = self.client.states();
                if let Some(state) = states.get(number) {
                    return Some(Some(state.clone()));
                }
                // The client cleans up first and reports then; if the module was never called, there is nothing to clean.
                let cleaned = number == before || states.last().is_some_and(|state| state == "Cleanup");
                (cleaned && TERMINAL.contains(&self.status(&deployment).await.as_str())).then_some(None)
            });
            let Some(state) = next.await else { break };
            lines.push(format!("{state} {}", self.status(&deployment).await));
            match meanwhile {
                Meanwhile::PowerCut(when) if when == state => {
                    self.client.cut_power();
                    self.client.start();
                    continue;
                }
                Meanwhile::Abort(when) if when == state => {
                    let path = format!("{DEPLOYMENTS}/{deployment}/status");
                    self.admin.say("PUT", &path, &json!({ "status": "aborted" }), 204).await;
                }
                Meanwhile::Nothing | Meanwhile::PowerCut(_) | Meanwhile::Abort(_) => {}
            }
            self.client.go(number + 1);
        }
        lines.push(self.status(&deployment).await);
        Course { deployment, lines }
    }

    /// The deployment's counters that are not zero.
    async fn statistics(&self, deployment: &str) -> BTreeMap<String, u64> {
        let path = format!("{DEPLOYMENTS}/{deployment}/statistics");
        let counters = self.admin.get(&path).await.unwrap();
        let counters = counters.as_object().unwrap().iter();
        counters.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).filter(|(_, count)| *count > 0).collect()
    }

    /// The log that the device has sent for the deployment, if it has.
    async fn log(&self, deployment: &str) -> Option<String> {
        let path = format!("{DEPLOYMENTS}/{deployment}/devices/{}/log", self.device);
        let answer = self.admin.ask(Request::new("GET", path)).await;
        match answer.status {
            200 => {
                assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
                Some(answer.text())
            }
            404 => None,
            other => panic!("a log: {other} {}", answer.text()),
        }
    }

    /// The update failed: counted as that, its log is there, and inventory and device agree on `artifact_name`.
    async fn failed(self, course: &Course, artifact_name: &str) {
        assert_eq!(self.statistics(&course.deployment).await, BTreeMap::from([("failure".to_owned(), 1)]));
        let log = self.bench.wait("the device sends its log", async || self.log(&course.deployment).await).await;
        assert!(!log.is_empty());
        assert_eq!(self.record(&course.deployment).await["log"], true);
        self.runs(artifact_name).await;
    }

    /// Inventory and device agree on `artifact_name`; everything ends cleanly.
    async fn runs(self, artifact_name: &str) {
        self.inventory_says(artifact_name).await;
        assert_eq!(self.client.end(), artifact_name);
        self.server.end();
    }
}

/// An update with wishes for the update module in its payload.
fn update(name: &str, module: &str, device_type: &str, wishes: &[&str]) -> Bytes {
    let wishes: String = wishes.iter().map(|wish| format!("{wish}\n")).collect();
    let spec = Spec {
        name: name.to_owned(),
        device_types: vec![device_type.to_owned()],
        payload_type: module.to_owned(),
        files: vec![("wishes".to_owned(), Bytes::from(wishes))],
        provides: BTreeMap::from([(format!("rootfs-image.{module}.version"), name.to_owned())]),
        clears_provides: vec![format!("rootfs-image.{module}.*")],
        ..Spec::default()
    };
    write(&spec).unwrap()
}

/// The steps of a course, written one per line.
fn steps(course: &str) -> Vec<&str> {
    course.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// One update on a new device, from `factory-1` to `release-2`: its course, and what the device runs afterwards.
fn fails(name: &str, wishes: &[&str], meanwhile: Meanwhile, course: &str, runs_then: &str) {
    referee(name, &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        fleet.release("release-2", wishes).await;
        let went = fleet.update("release-2", meanwhile).await;
        assert_eq!(went.lines, steps(course));
        fleet.failed(&went, runs_then).await;
    });
}

/// A device that was never seen is let in and takes an update; what was recorded on the way. Whatever the server told it to
/// download came from where it had come from itself.
pub async fn update_over(bench: &Bench, server: Server, client: Client<'_>) -> Vec<String> {
    let mut fleet = Fleet::with(bench, server, client).await;
    fleet.release("release-2", &[]).await;
    let course = fleet.update("release-2", Meanwhile::Nothing).await;
    fleet.inventory_says("release-2").await;
    assert_eq!(fleet.client.end(), "release-2");
    fleet.server.end();
    course.lines
}

#[test]
fn referee_mender_client_enrols_and_updates() {
    referee("mender_client_updates", &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        assert_eq!(fleet.attribute("device_type").await, Some(json!(DEVICE_TYPE)));
        assert_eq!(fleet.attribute("mac").await, Some(json!(fleet.client.mac())));
        assert_eq!(fleet.attribute("mender_client_version").await.map(|value| value.is_string()), Some(true));
        assert_eq!(fleet.admin.get(&format!("{DEVICES}?status=accepted")).await.unwrap()[0]["id"], *fleet.device);

        fleet.release("release-2", &[]).await;
        let went = fleet.update("release-2", Meanwhile::Nothing).await;
        let course = "
            Download downloading
            SupportsRollback downloading
            ArtifactInstall installing
            NeedsArtifactReboot installing
            ArtifactCommit installing
            Cleanup installing
            success
        ";
        assert_eq!(went.lines, steps(course));
        assert_eq!(fleet.statistics(&went.deployment).await, BTreeMap::from([("success".to_owned(), 1)]));
        fleet.inventory_says("release-2").await;
        let provides = fleet.client.shows("show-provides");
        let version = format!("rootfs-image.{MODULE}.version=release-2");
        assert!(provides.lines().any(|line| line == version), "{provides}");
        // Inventory follows the last report: what has not been sent by now never is.
        assert_eq!(fleet.log(&went.deployment).await, None);
        assert_eq!(fleet.record(&went.deployment).await["log"], false);
        let deployment = fleet.admin.get(&format!("{DEPLOYMENTS}/{}", went.deployment)).await.unwrap();
        assert_eq!(deployment["status"], "finished");

        // The same name again: the platform sees from the question that there is nothing to do.
        let again = fleet.update("release-2", Meanwhile::Nothing).await;
        assert_eq!(again.lines, ["already-installed"]);
        assert_eq!(fleet.statistics(&again.deployment).await, BTreeMap::from([("already-installed".to_owned(), 1)]));
        fleet.runs("release-2").await;
    });
}

/// An update that restarts the device, and succeeds.
fn reboots(name: &str, meanwhile: Meanwhile) {
    referee(name, &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        fleet.release("release-2", &["reboot"]).await;
        let went = fleet.update("release-2", meanwhile).await;
        let course = "
            Download downloading
            SupportsRollback downloading
            ArtifactInstall installing
            NeedsArtifactReboot installing
            ArtifactReboot rebooting
            ArtifactVerifyReboot rebooting
            ArtifactCommit installing
            Cleanup installing
            success
        ";
        assert_eq!(went.lines, steps(course));
        fleet.runs("release-2").await;
    });
}

#[test]
fn referee_mender_client_updates_with_a_reboot() {
    reboots("mender_client_reboots", Meanwhile::Nothing);
}

#[test]
fn referee_mender_client_loses_power_in_the_reboot_and_goes_on() {
    reboots("mender_client_power_success", Meanwhile::PowerCut("ArtifactReboot"));
}

#[test]
fn referee_mender_client_fails_to_install_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        ArtifactRollback installing
        NeedsArtifactReboot installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    fails("mender_client_install", &["fail ArtifactInstall"], Meanwhile::Nothing, course, FACTORY);
}

#[test]
fn referee_mender_client_fails_to_commit_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        NeedsArtifactReboot installing
        ArtifactCommit installing
        ArtifactRollback installing
        NeedsArtifactReboot installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    fails("mender_client_commit", &["fail ArtifactCommit"], Meanwhile::Nothing, course, FACTORY);
}

#[test]
fn referee_mender_client_fails_after_the_reboot_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        NeedsArtifactReboot installing
        ArtifactReboot rebooting
        ArtifactVerifyReboot rebooting
        ArtifactRollback rebooting
        ArtifactRollbackReboot rebooting
        ArtifactVerifyRollbackReboot rebooting
        ArtifactFailure rebooting
        Cleanup rebooting
        failure
    ";
    fails("mender_client_verify", &["reboot", "fail ArtifactVerifyReboot"], Meanwhile::Nothing, course, FACTORY);
}

#[test]
fn referee_mender_client_cannot_roll_back_and_says_so() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    let wishes = ["no rollback", "fail ArtifactInstall"];
    fails("mender_client_inconsistent", &wishes, Meanwhile::Nothing, course, "release-2_INCONSISTENT");
}

#[test]
fn referee_mender_client_loses_power_while_it_installs_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        ArtifactRollback installing
        NeedsArtifactReboot installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    fails("mender_client_power", &[], Meanwhile::PowerCut("ArtifactInstall"), course, FACTORY);
}

#[test]
fn referee_mender_client_loses_power_while_it_installs_and_reboots_to_roll_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        ArtifactRollback installing
        NeedsArtifactReboot installing
        ArtifactRollbackReboot installing
        ArtifactVerifyRollbackReboot installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    fails("mender_client_power_reboot", &["reboot"], Meanwhile::PowerCut("ArtifactInstall"), course, FACTORY);
}

#[test]
fn referee_mender_client_loses_power_while_it_commits_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        NeedsArtifactReboot installing
        ArtifactCommit installing
        ArtifactRollback installing
        NeedsArtifactReboot installing
        ArtifactFailure installing
        Cleanup installing
        failure
    ";
    fails("mender_client_power_commit", &[], Meanwhile::PowerCut("ArtifactCommit"), course, FACTORY);
}

/// An aborted deployment stays aborted, whatever the device still sends.
fn is_aborted(name: &str, when: &'static str, course: &str) {
    referee(name, &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        fleet.release("release-2", &[]).await;
        let went = fleet.update("release-2", Meanwhile::Abort(when)).await;
        assert_eq!(went.lines, steps(course));
        let log = std::fs::read_to_string(bench.path("client.log")).unwrap();
        assert!(log.contains("Deployment aborted"), "the client was not told why its report was refused");
        fleet.inventory_says(FACTORY).await;
        assert_eq!(fleet.statistics(&went.deployment).await, BTreeMap::from([("aborted".to_owned(), 1)]));
        fleet.runs(FACTORY).await;
    });
}

#[test]
fn referee_mender_client_is_aborted_while_it_downloads_and_installs_nothing() {
    let course = "
        Download downloading
        SupportsRollback aborted
        ArtifactFailure aborted
        Cleanup aborted
        aborted
    ";
    is_aborted("mender_client_abort_early", "Download", course);
}

#[test]
fn referee_mender_client_is_aborted_while_it_installs_and_rolls_back() {
    let course = "
        Download downloading
        SupportsRollback downloading
        ArtifactInstall installing
        NeedsArtifactReboot aborted
        ArtifactRollback aborted
        NeedsArtifactReboot aborted
        ArtifactFailure aborted
        Cleanup aborted
        aborted
    ";
    is_aborted("mender_client_abort_late", "ArtifactInstall", course);
}

#[test]
fn referee_mender_client_lacks_the_module_and_fails() {
    referee("mender_client_module", &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        fleet.admin.upload(&update("release-2", "nobody-has-this", DEVICE_TYPE, &[])).await;
        let went = fleet.update("release-2", Meanwhile::Nothing).await;
        assert_eq!(went.lines, ["failure"]);
        fleet.failed(&went, FACTORY).await;
    });
}

#[test]
fn referee_mender_client_is_offered_nothing_for_another_type() {
    referee("mender_client_type", &["mender"], async |bench| {
        let mut fleet = Fleet::enrolled(bench).await;
        fleet.admin.upload(&update("release-2", MODULE, "another-type", &[])).await;
        let went = fleet.update("release-2", Meanwhile::Nothing).await;
        assert_eq!(went.lines, ["noartifact"]);
        assert_eq!(fleet.statistics(&went.deployment).await, BTreeMap::from([("noartifact".to_owned(), 1)]));
        fleet.runs(FACTORY).await;
    });
}
