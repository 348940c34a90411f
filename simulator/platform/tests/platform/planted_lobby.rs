//! Each defect that the Device Lobby can have: seen when it is planted, not seen when it is not.

use crate::common::Stage;
use crate::landing::{HOME, ORG, text};
use crate::lobby_site::{LOBBY, Site, with_site};
use fleetproof_platform::defects::{self, DefectId};
use fleetproof_world::tls::Authority;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs `sees` on a healthy lobby, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Site) -> bool) {
    for planted in [None, Some(defect)] {
        with_site(planted, async |stage, site| {
            assert_eq!(sees(&stage, &site).await, planted.is_some(), "{planted:?}");
        });
    }
}

#[test]
fn they_are_in_a_list_of_their_own() {
    let names: BTreeSet<_> = defects::lobby().iter().map(|defect| defect.name).collect();
    assert_eq!(names.len(), 17);
    assert!(defects::catalogue().iter().all(|defect| !names.contains(defect.name)));
}

/// A device of acme's, at home; its fingerprint and its label.
async fn owned(site: &Site, name: &str) -> (String, String) {
    let identity = site.identity(name);
    site.knock(&identity, name).await;
    let label = site.label(&identity);
    assert_eq!(site.acme.claim(&label).await.status, 202);
    (identity.fingerprint(), label)
}

#[test]
fn second_claim_wins() {
    shows(DefectId::LobbySecondClaimWins, async |_, site| {
        let (certid, label) = owned(site, "hvac-7").await;
        let told = site.globex.claim(&label).await;
        assert_eq!(told.status == 202, site.globex.devices().await == [certid]);
        told.status == 202
    });
}

#[test]
fn claim_without_proof() {
    shows(DefectId::LobbyClaimWithoutProof, async |_, site| {
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        let told = site.globex.claim(&identity.fingerprint()).await;
        assert_eq!(told.status, 202);
        site.globex.has(&identity.fingerprint(), "hvac-7", HOME).await == (200, 200)
    });
}

#[test]
fn release_by_stranger() {
    shows(DefectId::LobbyReleaseByStranger, async |_, site| {
        let (certid, _) = owned(site, "hvac-7").await;
        let told = site.globex.does("release", &certid, &Value::Null).await;
        site.wait(10).await;
        assert_eq!(told.status == 202, site.state(&certid).await != "commissioned");
        told.status == 202
    });
}

#[test]
fn announce_overrides_certid() {
    shows(DefectId::LobbyAnnounceOverridesCertid, async |_, site| {
        site.open().await;
        let (victim, _) = owned(site, "hvac-7").await;
        let liar = site.identity("liar");
        site.knock(&liar, "liar").await;
        let mut line = site.line(&liar, "liar", site.lobby_host(0)).await;
        line.announce(&json!({ "state": "factory default", "certid": victim, "devicename": "hvac-7" })).await;
        site.wait(5).await;
        site.state(&victim).await != "commissioned"
    });
}

#[test]
fn authority_ignored() {
    shows(DefectId::LobbyAuthorityIgnored, async |_, site| {
        let own = Authority::new("Acme", &mut site.seeds("acme"));
        site.trust_own(&own, &site.acme.tenant).await;
        let identity = site.identity_for(&own, "hvac-7", (0, 300));
        site.knock(&identity, "hvac-7").await;
        site.globex.claim(&site.label(&identity)).await.status == 202
    });
}

#[test]
fn old_tenant_not_cleaned() {
    shows(DefectId::LobbyOldTenantNotCleaned, async |_, site| {
        site.keep();
        let (certid, _) = owned(site, "hvac-7").await;
        assert_eq!(site.acme.does("release", &certid, &Value::Null).await.status, 202);
        site.wait(10).await;
        assert_eq!(site.state(&certid).await, "released");
        site.acme.has(&certid, "hvac-7", HOME).await != (404, 404)
    });
}

#[test]
fn retry_forgotten() {
    shows(DefectId::LobbyRetryForgotten, async |_, site| {
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        assert_eq!(site.acme.trust(&site.pia, HOME, false).await, 204);
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 424);
        assert_eq!(site.acme.trust(&site.pia, HOME, true).await, 200);
        site.state(&identity.fingerprint()).await != "commissioned"
    });
}

#[test]
fn stale_endpoint_told() {
    shows(DefectId::LobbyStaleEndpointTold, async |stage, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        let certid = identity.fingerprint();
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
        site.knock(&identity, "hvac-7").await;
        assert_eq!(site.state(&certid).await, "commissioned");
        let next = text(&site.acme.does("release", &certid, &Value::Null).await.json()["label"]);
        site.wait(10).await;
        // Its new home is half made when it asks.
        let half = fleetproof_platform::LobbyHalt::Step(fleetproof_dataplane::lobby::Step::CreateThing);
        stage.platform.halt_lobby(Some(half));
        assert_eq!(site.globex.claim(&next).await.status, 202);
        let mut line = site.line(&identity, "hvac-7", site.lobby_host(0)).await;
        line.announce(&json!({ "state": "factory default" })).await;
        line.hears().await.is_some()
    });
}

#[test]
fn fingerprint_to_everyone() {
    shows(DefectId::LobbyFingerprintToEveryone, async |_, site| {
        let (certid, _) = owned(site, "hvac-7").await;
        let listed = site.globex.devices().await;
        let shown = site.globex.by.get(&format!("{LOBBY}/devices/{certid}")).await.status == 200;
        assert_eq!(listed.is_empty(), !shown);
        shown
    });
}

#[test]
fn compare_and_set_lost() {
    shows(DefectId::LobbyCompareAndSetLost, async |_, site| {
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        let label = site.label(&identity);
        let (one, two) = tokio::join!(site.acme.claim(&label), site.globex.claim(&label));
        assert!(one.status == 202 || two.status == 202);
        one.status == 202 && two.status == 202
    });
}

#[test]
fn label_never_spent() {
    shows(DefectId::LobbyLabelNeverSpent, async |_, site| {
        site.keep();
        let (certid, label) = owned(site, "hvac-7").await;
        assert_eq!(site.acme.does("release", &certid, &Value::Null).await.status, 202);
        site.wait(10).await;
        site.globex.claim(&label).await.status == 202
    });
}

#[test]
fn reset_by_anyone() {
    shows(DefectId::LobbyResetByAnyone, async |_, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
        let device = site.switch_on(&identity, "hvac-7");
        site.wait(40).await;
        let told = site.globex.does("reset", &identity.fingerprint(), &Value::Null).await;
        site.wait(10).await;
        assert_eq!(told.status == 202, device.told().contains(&"-".to_owned()));
        told.status == 202
    });
}

#[test]
fn loser_not_told() {
    shows(DefectId::LobbyLoserNotTold, async |_, site| {
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        assert_eq!(site.globex.claim(&identity.fingerprint()).await.status, 202);
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
        let notices = site.globex.by.get(&format!("{LOBBY}/notices")).await.json();
        notices["notices"].as_array().unwrap().is_empty()
    });
}

#[test]
fn trusts_anybody() {
    shows(DefectId::LobbyTrustsAnybody, async |_, site| {
        let stranger = Authority::new("Factory", &mut site.seeds("stranger"));
        let identity = site.identity_for(&stranger, "hvac-7", (0, 300));
        site.knock(&identity, "hvac-7").await;
        site.state(&identity.fingerprint()).await == "knocking"
    });
}

#[test]
fn lets_expired_in() {
    shows(DefectId::LobbyLetsExpiredIn, async |_, site| {
        let identity = site.identity_for(&site.factory, "hvac-7", (-20, -1));
        site.knock(&identity, "hvac-7").await;
        site.state(&identity.fingerprint()).await == "knocking"
    });
}

#[test]
fn topics_for_all() {
    shows(DefectId::LobbyTopicsForAll, async |_, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        let mut line = site.line(&identity, "hvac-7", site.lobby_host(0)).await;
        assert_eq!(line.subscribe("lobby/hvac-7").await, 1);
        line.subscribe("lobby/hvac-70").await < 0x80
    });
}

/// One of the organisation's, whose log it is.
#[test]
fn central_log_forgets_claims() {
    shows(DefectId::CentralLogForgetsClaims, async |_, site| {
        let (certid, _) = owned(site, "hvac-7").await;
        let is_claim = |event: &&Value| {
            event["Resource"]["id"] == certid.as_str()
                && event["Change"].as_str().is_some_and(|change| change.starts_with("claim"))
        };
        let log = site.pia.get(&format!("{ORG}/log?MaxResults=500")).await.json();
        !log["Events"].as_array().unwrap().iter().any(|event| is_claim(&event))
    });
}
