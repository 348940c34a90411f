//! What people ask of the Device Lobby: on every database, without waits. Devices do no more than knock.

use crate::common::{Stage, on_every_database};
use crate::family::add_user;
use crate::landing::{HOME, ORG, text};
use crate::lobby_site::{LOBBY, Site, remove};
use fleetproof_dataplane::lobby::Step;
use fleetproof_platform::store::Database;
use fleetproof_platform::{LobbyHalt, Platform, Settings};
use fleetproof_world::{Runtime, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A fingerprint of a device that nobody ever saw.
fn unseen(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

#[test]
fn a_label_gets_a_device_once_and_the_second_is_told() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let pump = site.identity("pump");
        let certid = pump.fingerprint();
        site.knock(&pump, "pump").await;
        assert_eq!(site.state(&certid).await, "knocking");
        let label = site.label(&pump);
        assert_eq!(site.acme.claim(&label).await.status, 202);
        let again = site.acme.claim(&label).await;
        assert_eq!((again.status, text(&again.json()["device"]["devstate"])), (202, "commissioned".to_owned()));
        let second = site.globex.claim(&label).await;
        assert_eq!((second.status, text(&second.json()["code"])), (409, "DeviceBoundException".to_owned()));
        assert_eq!(site.acme.devices().await, [certid.as_str()]);
        assert!(site.globex.devices().await.is_empty());
        assert_eq!(site.acme.has(&certid, "pump", HOME).await, (200, 200));
        assert_eq!(site.globex.has(&certid, "pump", HOME).await, (404, 404));
        // The attempt stands in the log of who tried, and in nobody else's tenant's.
        let denied = |log: &Value| log.as_array().unwrap().iter().filter(|entry| entry["action"] == "deny").count();
        let logs = "/api/management/v1/auditlogs/logs?per_page=500&object_type=lobby_device";
        assert_eq!(denied(&site.globex.by.get(logs).await.json()), 1);
        assert_eq!(denied(&site.acme.by.get(logs).await.json()), 0);
    });
}

#[test]
fn of_two_who_claim_at_once_exactly_one_wins() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        for number in 0..4 {
            let name = format!("pump-{number}");
            let pump = site.identity(&name);
            site.knock(&pump, &name).await;
            let label = site.label(&pump);
            let (one, two) = tokio::join!(site.acme.claim(&label), site.globex.claim(&label));
            assert_eq!(BTreeSet::from([one.status, two.status]), [202, 409].into(), "{} {}", one.text(), two.text());
            let (winner, loser) =
                if one.status == 202 { (&site.acme, &site.globex) } else { (&site.globex, &site.acme) };
            assert_eq!(winner.has(&pump.fingerprint(), &name, HOME).await, (200, 200));
            assert_eq!(loser.has(&pump.fingerprint(), &name, HOME).await, (404, 404));
        }
    });
}

#[test]
fn what_is_no_label_and_what_is_no_proof_is_refused_by_name() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let pump = site.identity("pump");
        site.knock(&pump, "pump").await;
        let (certid, label) = (pump.fingerprint(), site.label(&pump));
        let claim = async |body: Value| {
            let told = site.acme.by.post(&format!("{LOBBY}/devices"), &body).await;
            (told.status, told.json()["code"].as_str().unwrap_or_default().to_owned())
        };
        let no = |status: u16, name: &str| (status, name.to_owned());
        let upper = certid.to_uppercase();
        let other = site.label(&site.identity("fan"));
        for text in ["", "0x", &certid[..63], &upper, &format!("0x{certid}"), &label[..label.len() - 1]] {
            assert_eq!(claim(json!({ "label": text })).await, no(400, "InvalidLabelException"), "{text}");
        }
        assert_eq!(claim(json!({})).await, no(400, "InvalidRequestException"));
        // The code of another device, for this one; also where nobody has seen the device.
        let code = other.split(':').nth(4).unwrap();
        for fingerprint in [&certid, &unseen(1)] {
            let body = json!({ "certid": fingerprint, "code": code });
            assert_eq!(claim(body).await, no(403, "WrongProofException"));
        }
        // A fingerprint alone waits for a code that somebody at the device types in, seen or not.
        for fingerprint in [&certid, &unseen(2)] {
            let told = site.globex.by.post(&format!("{LOBBY}/devices"), &json!({ "certid": fingerprint })).await;
            assert_eq!((told.status, text(&told.json()["pairing"]).len()), (202, 8), "{}", told.text());
            assert_eq!(told.json()["device"]["devstate"], "knocking");
            assert_eq!(told.json()["device"].get("devicename"), None, "a name is no business of who only waits");
        }
        assert_eq!(site.globex.devices().await.len(), 2);
        // Who has the label gets it; who waited is told.
        assert_eq!(claim(json!({ "label": label })).await.0, 202);
        let notices = site.globex.by.get(&format!("{LOBBY}/notices")).await.json();
        assert_eq!(notices["notices"][0]["message"], "The device was claimed by somebody else.");
        assert_eq!(site.globex.devices().await, [unseen(2)]);
        // Accounts that are not the claimer's are answered as those that never were.
        for account in [site.globex.account.as_str(), "123456789012"] {
            let body = json!({ "label": other, "targetaccount": account, "targetregion": HOME });
            assert_eq!(claim(body).await, no(404, "AccountNotFoundException"));
        }
        let body = json!({ "label": other, "targetregion": "eu-north-1" });
        assert_eq!(claim(body).await, no(422, "UngovernedRegionException"));
    });
}

#[test]
fn a_device_is_claimed_before_it_was_ever_switched_on() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let pump = site.identity("pump");
        let certid = pump.fingerprint();
        let told = site.acme.claim(&site.label(&pump)).await;
        assert_eq!((told.status, text(&told.json()["device"]["devstate"])), (202, "claimed".to_owned()));
        assert_eq!(site.globex.claim(&site.label(&pump)).await.status, 409);
        assert_eq!(site.acme.has(&certid, "pump", HOME).await, (404, 404));
        site.knock(&pump, "pump").await;
        assert_eq!(site.acme.device(&certid).await["devstate"], "commissioned");
        assert_eq!(site.acme.has(&certid, "pump", HOME).await, (200, 200));
    });
}

#[test]
fn who_does_not_own_a_device_is_answered_as_if_there_were_none() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let pump = site.identity("pump");
        let certid = pump.fingerprint();
        site.knock(&pump, "pump").await;
        assert_eq!(site.acme.claim(&site.label(&pump)).await.status, 202);
        for (what, body) in [
            ("release", Value::Null),
            ("migrate", json!({ "targetregion": HOME })),
            ("reset", Value::Null),
            ("revoke", Value::Null),
        ] {
            let (his, never) =
                (site.globex.does(what, &certid, &body).await, site.globex.does(what, &unseen(3), &body).await);
            assert_eq!((his.status, never.status), (404, 404), "{what}: {}", his.text());
            let told = |told: &Value| (told["error"].clone(), told["code"].clone());
            assert_eq!(told(&his.json()), told(&never.json()), "{what}");
        }
        for path in ["", "/history"] {
            let told = site.globex.by.get(&format!("{LOBBY}/devices/{certid}{path}")).await;
            assert_eq!(told.status, 404);
        }
        for what in ["reject", "reinstate"] {
            assert_eq!(site.globex.does(what, &certid, &Value::Null).await.status, 403);
            assert_eq!(site.acme.does(what, &certid, &Value::Null).await.status, 403);
        }
        assert_eq!(site.acme.device(&certid).await["devstate"], "commissioned");
        // Somebody who may only look.
        add_user(&site.acme.by, "viewer@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        let viewer = stage.login("viewer@acme.example").await;
        assert_eq!(viewer.get(&format!("{LOBBY}/devices/{certid}")).await.status, 200);
        assert_eq!(viewer.post(&format!("{LOBBY}/devices/{certid}/release"), &Value::Null).await.status, 403);
        let label = json!({ "label": site.label(&site.identity("fan")) });
        assert_eq!(viewer.post(&format!("{LOBBY}/devices"), &label).await.status, 403);
        assert_eq!(viewer.put(LOBBY, &json!({ "regions": [HOME] })).await.status, 403);
    });
}

#[test]
fn the_operator_sees_who_is_nobodys_and_turns_one_down() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let (pump, fan) = (site.identity("pump"), site.identity("fan"));
        site.knock(&pump, "pump").await;
        site.knock(&fan, "fan").await;
        let listed = site.pia.get(&format!("{LOBBY}/devices?devstate=knocking")).await.json();
        let found: BTreeSet<String> =
            listed["devices"].as_array().unwrap().iter().map(|one| text(&one["certid"])).collect();
        assert_eq!(found, [pump.fingerprint(), fan.fingerprint()].into());
        let certid = pump.fingerprint();
        let path = |what: &str| format!("{LOBBY}/devices/{certid}/{what}");
        assert_eq!(site.pia.post(&path("reject"), &Value::Null).await.status, 204);
        let told = site.acme.claim(&site.label(&pump)).await;
        assert_eq!((told.status, text(&told.json()["code"])), (409, "WrongStateException".to_owned()));
        let lobby = stage.platform.principal(&site.lobby.tenant, HOME, &certid).await.unwrap().unwrap();
        assert_eq!(lobby.status, "INACTIVE", "it is not let into the lobby either");
        assert_eq!(site.pia.post(&path("reinstate"), &Value::Null).await.status, 204);
        let lobby = stage.platform.principal(&site.lobby.tenant, HOME, &certid).await.unwrap().unwrap();
        assert_eq!(lobby.status, "ACTIVE");
        assert_eq!(site.acme.claim(&site.label(&pump)).await.status, 202);
        assert_eq!(site.pia.post(&path("reject"), &Value::Null).await.status, 409, "it is somebody's");
        let history = site.pia.get(&path("history")).await.json();
        let entries: Vec<String> =
            history["entries"].as_array().unwrap().iter().map(|one| text(&one["change"])).collect();
        assert!(entries.iter().any(|change| change.starts_with("reject\nstate: knocking -> rejected")), "{entries:?}");
    });
}

#[test]
fn a_claim_is_kept_until_its_account_trusts_the_lobby() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let (pump, fan) = (site.identity("pump"), site.identity("fan"));
        assert_eq!(site.acme.trust(&site.pia, HOME, false).await, 204);
        site.knock(&pump, "pump").await;
        for identity in [&pump, &fan] {
            let told = site.acme.claim(&site.label(identity)).await;
            assert_eq!((told.status, text(&told.json()["code"])), (424, "AccountNotTrustedException".to_owned()));
        }
        assert_eq!(site.acme.device(&pump.fingerprint()).await["devstate"], "refused trust");
        assert_eq!(site.globex.claim(&site.label(&pump)).await.status, 409, "the claim holds");
        assert_eq!(site.acme.has(&pump.fingerprint(), "pump", HOME).await, (404, 404));
        assert_eq!(site.acme.trust(&site.pia, HOME, true).await, 200);
        assert_eq!(site.acme.device(&pump.fingerprint()).await["devstate"], "commissioned");
        assert_eq!(site.acme.has(&pump.fingerprint(), "pump", HOME).await, (200, 200));
        site.knock(&fan, "fan").await;
        assert_eq!(site.acme.device(&fan.fingerprint()).await["devstate"], "commissioned");
    });
}

#[test]
fn a_tenants_own_authority_vouches_for_its_devices_and_for_nobody_elses() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let own = fleetproof_world::tls::Authority::new("Acme", &mut stage.world.seeds.stream("acme"));
        let pem = own.certificate(stage.world.clock.unix_ms()).unwrap();
        let pump = site.identity_for(&own, "pump", (0, 300));
        let new = json!({ "certificate_pem": pem, "tenant_id": site.acme.tenant });
        let authorities = format!("{LOBBY}/authorities");
        assert_eq!(site.acme.by.post(&authorities, &new).await.status, 403);
        let told = site.pia.post(&authorities, &new).await;
        assert_eq!(told.status, 201, "{}", told.text());
        site.knock(&pump, "pump").await;
        let label = site.label(&pump);
        let told = site.globex.claim(&label).await;
        assert_eq!((told.status, text(&told.json()["code"])), (403, "ForeignAuthorityException".to_owned()));
        // Its own tenant needs no label.
        let told = site.acme.by.post(&format!("{LOBBY}/devices"), &json!({ "label": pump.fingerprint() })).await;
        assert_eq!((told.status, told.json().get("pairing")), (202, None), "{}", told.text());
        assert_eq!(site.acme.device(&pump.fingerprint()).await["devstate"], "commissioned");
        let listed = site.pia.get(&authorities).await.json();
        assert_eq!(listed["authorities"].as_array().unwrap().len(), 2);
        let id =
            listed["authorities"].as_array().unwrap().iter().find(|one| one["name"] == "Acme").unwrap()["id"].clone();
        assert_eq!(site.pia.delete(&format!("{authorities}/{}", text(&id))).await.status, 204);
        let late = site.identity_for(&own, "late", (0, 300));
        site.knock(&late, "late").await;
        assert_eq!(site.state(&late.fingerprint()).await, "", "it does not come in any more");
    });
}

#[test]
fn a_tenant_that_goes_gives_its_devices_back() {
    on_every_database(async |stage| {
        let site = Site::found(&stage, &[HOME]).await;
        let pump = site.identity("pump");
        let certid = pump.fingerprint();
        site.knock(&pump, "pump").await;
        assert_eq!(site.acme.claim(&site.label(&pump)).await.status, 202);
        remove(&site.pia, &site.acme.tenant).await;
        assert_eq!(site.state(&certid).await, "released");
        let spent = site.globex.claim(&site.label(&pump)).await;
        assert_eq!((spent.status, text(&spent.json()["code"])), (403, "SpentProofException".to_owned()));
        let printed = site.pia.post(&format!("{LOBBY}/labels"), &json!({ "certid": certid })).await.json();
        assert_eq!(site.globex.claim(&text(&printed["label"])).await.status, 202);
    });
}

#[test]
fn without_an_organisation_or_a_lobby_there_is_none() {
    on_every_database(async |stage| {
        stage.tenant("alone", 10).await;
        let alone = stage.login("admin@alone.example").await;
        let told = alone.get(&format!("{LOBBY}/devices")).await;
        assert_eq!((told.status, text(&told.json()["code"])), (404, "LobbyNotFoundException".to_owned()));
        stage.provider("bare", 10).await;
        let bare = stage.login("admin@bare.example").await;
        assert_eq!(bare.put(LOBBY, &json!({ "regions": [HOME] })).await.status, 404);
        assert_eq!(bare.get(LOBBY).await.status, 404);
        let site = Site::found(&stage, &[HOME]).await;
        let shown = site.acme.by.get(LOBBY).await.json();
        assert_eq!(shown["account_id"], site.lobby.account);
        assert_eq!(shown["endpoints"][0]["host"], site.lobby_host(0));
        // Opened again it is the same, and its account the organisation's.
        let told = site.pia.put(LOBBY, &json!({ "regions": [HOME] })).await;
        assert_eq!((told.status, told.json()), (200, shown));
        let accounts = site.pia.get(&format!("{ORG}/accounts?MaxResults=500")).await.json();
        let lobby = accounts["Accounts"].as_array().unwrap().iter().find(|one| one["Kind"] == "LOBBY").unwrap().clone();
        assert_eq!(lobby["Id"], site.lobby.account);
        for (body, status) in [
            (json!({ "regions": [] }), 400),
            (json!({ "regions": ["eu-north-1"] }), 400),
            (json!({ "regions": [HOME], "authorities": [{ "certificate_pem": "x" }] }), 400),
        ] {
            assert_eq!(site.pia.put(LOBBY, &body).await.status, status, "{body}");
        }
    });
}

#[test]
fn the_lobbys_operations_are_in_a_document_of_their_own() {
    let (document, rest) = (Platform::lobby_document(), Platform::document());
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with(LOBBY) && rest["paths"].get(path).is_none(), "{path}");
        for operation in methods.as_object().unwrap().values() {
            operations.insert(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(operations.len(), 20, "{operations:?}");
}

#[test]
fn whoever_opens_the_same_database_again_finishes_what_was_begun() {
    for step in Step::ALL {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(7);
            let database = Database::in_memory().unwrap();
            let settings = Settings::free(world.clone(), None);
            let platform = Platform::open_on(settings.clone(), database.clone()).await.unwrap();
            let (gateway, door) = (platform.gateway(), platform.operator_door());
            let stage = Stage { world, platform, gateway, door };
            let site = Site::found(&stage, &[HOME]).await;
            let pump = site.identity("pump");
            let certid = pump.fingerprint();
            site.knock(&pump, "pump").await;
            stage.platform.halt_lobby(Some(LobbyHalt::Step(step)));
            let claimed = site.acme.claim(&site.label(&pump)).await;
            assert_eq!(claimed.status, 202, "{}", claimed.text());
            // Another process, which knows nothing but the tables.
            let other = Platform::open_on(settings, database).await.unwrap();
            other.advance_lobby().await.unwrap();
            assert_eq!(other.lobby(&site.provider).await.unwrap().as_ref(), Some(&site.lobby));
            assert_eq!(site.state(&certid).await, "commissioned", "{step:?}");
            assert_eq!(site.acme.has(&certid, "pump", HOME).await, (200, 200));
            assert_eq!(site.acme.history(&certid).await.len(), 8, "each step once");
            // Its labels are the same too.
            let label = other.factory_label(&site.provider, &certid).unwrap();
            assert_eq!(label, site.label(&pump));
        });
    }
}
