//! The Device Lobby as devices live it: real devices over TLS and MQTT, in virtual time.

use crate::common::Caller;
use crate::family::{V1, add_user};
use crate::landing::{HOME, OTHER, text};
use crate::lobby_site::{Gadget, LOBBY, Owner, Site, with_site};
use fleetproof_dataplane::lobby::{Step, Undo};
use fleetproof_devices::{Body, DeviceEvent, SimulatedBody};
use fleetproof_platform::LobbyHalt;
use fleetproof_world::tls::{Authority, Identity};
use serde_json::{Value, json};

#[test]
fn a_device_knocks_is_claimed_and_lives_at_home() {
    with_site(None, async |stage, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        let certid = identity.fingerprint();
        let device = site.switch_on(&identity, "hvac-7");
        site.wait(30).await;
        assert_eq!(site.state(&certid).await, "inlobby");
        // The first dial registered its certificate and was closed; since then it announces itself.
        assert_eq!(device.connected(site.lobby_host(0)), 1);
        assert!((4..=6).contains(&device.announced()), "{}", device.announced());
        assert!(site.acme.devices().await.is_empty() && site.globex.devices().await.is_empty());

        let claimed = site.acme.claim(&site.label(&identity)).await;
        assert_eq!(claimed.status, 202, "{}", claimed.text());
        assert_eq!(text(&claimed.json()["device"]["devstate"]), "commissioned");
        let home = site.endpoint(&site.acme, HOME).await.host;
        assert_eq!(text(&claimed.json()["device"]["iotep"]), home);
        site.wait(60).await;
        assert_eq!(device.told(), [home.as_str()]);
        assert_eq!(device.connected(&home), 1);
        assert!(device.acknowledged() >= 5, "{}", device.acknowledged());

        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (200, 200));
        assert_eq!(site.globex.has(&certid, "hvac-7", HOME).await, (404, 404));
        let principal = stage.platform.principal(&site.acme.tenant, HOME, &certid).await.unwrap().unwrap();
        assert_eq!((principal.status.as_str(), principal.things.len(), principal.policies.len()), ("ACTIVE", 1, 1));
        assert!(principal.policies.contains_key(&format!("hvac-7{certid}")));

        assert_eq!(site.acme.devices().await, [certid.as_str()]);
        assert!(site.globex.devices().await.is_empty());
        let stranger = site.globex.by.get(&format!("{LOBBY}/devices/{certid}")).await;
        assert_eq!(stranger.status, 404);
        let history = site.acme.history(&certid).await;
        assert_eq!(history.len(), 8, "{history:?}");
        assert_eq!((history[0].as_str(), history[7].as_str()), ("claim", "commission: DescribeEndpoint"));
        // The organisation's central log has them too, and those of the lobby's own account.
        let log = site.pia.get("/api/management/v1/organization/log?MaxResults=500").await.json();
        let of = |account: &str| {
            let about =
                |event: &&Value| event["RecipientAccountId"] == account && event["Resource"]["id"] == certid.as_str();
            log["Events"].as_array().unwrap().iter().filter(about).count()
        };
        assert_eq!(of(&site.acme.account), 8);
        assert!(of(&site.lobby.account) >= 10);
        assert_eq!(of(&site.globex.account), 0);
    });
}

/// A device of this tenant that is at home.
async fn at_home(site: &Site, owner: &Owner, name: &str) -> (Identity, Gadget) {
    let identity = site.identity(name);
    assert_eq!(owner.claim(&site.label(&identity)).await.status, 202);
    let device = site.switch_on(&identity, name);
    site.wait(40).await;
    let home = site.endpoint(owner, HOME).await.host;
    assert_eq!(device.told(), [home.as_str()]);
    assert_eq!(device.connected(&home), 1);
    (identity, device)
}

#[test]
fn a_device_that_was_claimed_in_advance_goes_home_at_once() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        // It announced itself once, and was told.
        assert_eq!(device.announced(), 1);
        assert!(device.acknowledged() > 0);
        assert_eq!(site.acme.device(&identity.fingerprint()).await["devstate"], "commissioned");
    });
}

#[test]
fn a_released_device_comes_back_and_its_old_home_is_clean() {
    with_site(None, async |stage, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        let iot = "/api/management/v1/iot";
        // A job is under way, and something is retained and kept in its shadow.
        let home = site.endpoint(&site.acme, HOME).await;
        let arn = format!("arn:aws:iot:{HOME}:{}:thing/hvac-7", site.acme.account);
        let job = json!({ "targets": [arn], "document": "{}" });
        assert_eq!(site.acme.by.put(&format!("{iot}/jobs/j"), &job).await.status, 200);
        let released = site.acme.does("release", &certid, &Value::Null).await;
        assert_eq!(released.status, 202, "{}", released.text());
        assert_eq!(text(&released.json()["device"]["devstate"]), "releasing");
        let next = text(&released.json()["label"]);
        site.wait(60).await;
        assert_eq!(device.told(), [home.host.clone(), "-".to_owned()]);
        assert_eq!(site.state(&certid).await, "inlobby");
        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (404, 404));
        assert_eq!(stage.platform.principal(&site.acme.tenant, HOME, &certid).await.unwrap(), None);
        let policy = site.acme.by.get(&format!("{iot}/policies/hvac-7{certid}")).await;
        assert_eq!(policy.status, 404);
        let told = site.acme.by.get(&format!("{iot}/jobs/j")).await.json();
        assert_eq!(told["job"]["status"], "COMPLETED", "it goes on without the thing: {told}");
        assert_eq!(stage.platform.client_usage(&home).await.unwrap().unwrap().sessions, 0);
        assert!(site.acme.devices().await.is_empty());

        // The old label is spent, the new one is good; the new owner sees nothing of the old one.
        let spent = site.globex.claim(&site.label(&identity)).await;
        assert_eq!((spent.status, text(&spent.json()["code"])), (403, "SpentProofException".to_owned()));
        assert_eq!(site.globex.claim(&next).await.status, 202);
        site.wait(40).await;
        let other = site.endpoint(&site.globex, HOME).await.host;
        assert_eq!(device.told(), [home.host, "-".to_owned(), other.clone()]);
        assert_eq!(device.connected(&other), 1);
        assert_eq!(site.globex.history(&certid).await[1], "claim", "after the attempt with the old label");
        let log = site.globex.by.get("/api/management/v1/auditlogs/logs?per_page=500").await.text();
        assert!(!log.contains(&site.acme.account) && !log.contains(&site.acme.tenant));
    });
}

#[test]
fn a_device_moves_to_another_region_while_it_speaks() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        let told = site.acme.does("migrate", &certid, &json!({ "targetregion": OTHER })).await;
        assert_eq!(told.status, 202, "{}", told.text());
        // What it says while it has not left is still taken.
        let before = device.acknowledged();
        site.wait(60).await;
        let (old, new) = (site.endpoint(&site.acme, HOME).await.host, site.endpoint(&site.acme, OTHER).await.host);
        assert_eq!(device.told(), [old, "-".to_owned(), new.clone()]);
        assert_eq!(device.connected(&new), 1);
        assert!(device.acknowledged() > before);
        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (404, 404));
        assert_eq!(site.acme.has(&certid, "hvac-7", OTHER).await, (200, 200));
        assert_eq!(site.acme.device(&certid).await["targetregion"], OTHER);
    });
}

#[test]
fn a_device_moves_to_another_tenant_with_who_is_of_both() {
    with_site(None, async |stage, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        let to = json!({ "targetaccount": site.globex.account, "targetregion": HOME });
        // Whoever is not of the other tenant is answered as if there were no such account.
        let told = site.acme.does("migrate", &certid, &to).await;
        let never =
            site.acme.does("migrate", &certid, &json!({ "targetaccount": "123456789012", "targetregion": HOME })).await;
        assert_eq!((told.status, text(&told.json()["code"])), (404, "AccountNotFoundException".to_owned()));
        assert_eq!(never.status, 404);
        // Somebody of the provider's is made an admin of both.
        let both = add_user(&site.pia, "both@provider.example", &["RBAC_ROLE_OBSERVER"]).await;
        let to_both = json!({ "tenant_ids": [site.acme.tenant, site.globex.tenant], "role": "RBAC_ROLE_PERMIT_ALL" });
        assert_eq!(site.pia.post(&format!("{V1}/users/{both}/assign"), &to_both).await.status, 200);
        let login = stage.login("both@provider.example").await;
        let token = login.get(&format!("{V1}/users/tenants/{}/token", site.acme.tenant)).await;
        assert_eq!(token.status, 200, "{}", token.text());
        let by = Caller::new(&stage.gateway, Some(token.text()));
        let told = by.post(&format!("{LOBBY}/devices/{certid}/migrate"), &to).await;
        assert_eq!(told.status, 202, "{}", told.text());
        site.wait(60).await;
        let (old, new) = (site.endpoint(&site.acme, HOME).await.host, site.endpoint(&site.globex, HOME).await.host);
        assert_eq!(device.told(), [old, "-".to_owned(), new.clone()]);
        assert_eq!(device.connected(&new), 1);
        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (404, 404));
        assert_eq!(site.globex.has(&certid, "hvac-7", HOME).await, (200, 200));
        assert!(site.acme.devices().await.is_empty());
        assert_eq!(site.globex.devices().await, [certid]);
    });
}

#[test]
fn a_device_that_hears_nothing_finds_its_home_closed_and_asks() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        device.switch_off();
        site.wait(5).await;
        assert_eq!(site.acme.does("migrate", &certid, &json!({ "targetregion": OTHER })).await.status, 202);
        site.wait(10).await;
        assert_eq!(site.acme.device(&certid).await["devstate"], "commissioned");
        // Switched on again it goes to the home that it remembers, is refused there, and asks at the lobby.
        let (old, new) = (site.endpoint(&site.acme, HOME).await.host, site.endpoint(&site.acme, OTHER).await.host);
        let mut body = SimulatedBody::new("hvac-7".into(), "v1");
        let record = json!({ "home": old, "record": { "artifact": "factory-v1" } });
        body.keep(record.to_string().into_bytes()).unwrap();
        let again = site.switch_on_at(&identity, "hvac-7", site.lobby_host(0), body);
        site.wait(200).await;
        assert!(again.events().contains(&DeviceEvent::TurnedBack { endpoint: old }));
        assert_eq!(again.told(), [new.as_str()]);
        assert_eq!(again.connected(&new), 1);
    });
}

#[test]
fn trust_that_is_withheld_holds_a_device_at_the_lobby_until_it_is_granted() {
    with_site(None, async |_, site| {
        site.open().await;
        assert_eq!(site.acme.trust(&site.pia, HOME, false).await, 204);
        let identity = site.identity("hvac-7");
        let device = site.switch_on(&identity, "hvac-7");
        site.wait(20).await;
        let told = site.acme.claim(&site.label(&identity)).await;
        assert_eq!((told.status, text(&told.json()["code"])), (424, "AccountNotTrustedException".to_owned()));
        site.wait(60).await;
        assert!(device.told().is_empty() && device.announced() > 10);
        assert_eq!(site.acme.trust(&site.pia, HOME, true).await, 200);
        site.wait(30).await;
        assert_eq!(device.told(), [site.endpoint(&site.acme, HOME).await.host]);
    });
}

#[test]
fn what_stops_after_any_step_is_finished_by_who_looks_next() {
    for step in Step::ALL {
        with_site(None, async |stage, site| {
            site.open().await;
            let identity = site.identity("hvac-7");
            let certid = identity.fingerprint();
            let device = site.switch_on(&identity, "hvac-7");
            site.wait(20).await;
            stage.platform.halt_lobby(Some(LobbyHalt::Step(step)));
            assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
            site.wait(20).await;
            let is_last = step == Step::DescribeEndpoint;
            assert_eq!(device.told().is_empty(), !is_last, "{step:?}");
            let done = site.acme.device(&certid).await["steps"].as_array().unwrap().len();
            assert_eq!(done, Step::ALL.iter().position(|one| *one == step).unwrap() + 1);
            stage.platform.halt_lobby(None);
            site.wait(20).await;
            assert_eq!(device.told(), [site.endpoint(&site.acme, HOME).await.host], "{step:?}");
            let history = site.acme.history(&certid).await;
            assert_eq!(history.len(), 8, "each step once: {history:?}");
        });
    }
}

#[test]
fn what_breaks_before_it_is_noted_is_done_again() {
    for step in Step::ALL {
        with_site(None, async |stage, site| {
            site.open().await;
            let identity = site.identity("hvac-7");
            let device = site.switch_on(&identity, "hvac-7");
            site.wait(20).await;
            stage.platform.break_lobby(LobbyHalt::Step(step), 1);
            assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
            site.wait(30).await;
            assert!(device.told().is_empty(), "{step:?}");
            site.wait(60).await;
            assert_eq!(device.told(), [site.endpoint(&site.acme, HOME).await.host], "{step:?}");
        });
    }
}

#[test]
fn cleaning_up_that_stops_anywhere_is_finished_and_nobody_gets_the_device_before() {
    for undo in Undo::ALL {
        with_site(None, async |stage, site| {
            site.open().await;
            let (identity, _device) = at_home(&site, &site.acme, "hvac-7").await;
            let certid = identity.fingerprint();
            stage.platform.halt_lobby(Some(LobbyHalt::Undo(undo)));
            let next = text(&site.acme.does("release", &certid, &Value::Null).await.json()["label"]);
            site.wait(30).await;
            let is_last = undo == Undo::Policy;
            let early = site.globex.claim(&next).await;
            assert_eq!(early.status == 409, !is_last, "{undo:?}: {}", early.text());
            stage.platform.halt_lobby(None);
            site.wait(30).await;
            assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (404, 404));
            assert_eq!(site.globex.claim(&next).await.status, 202, "{undo:?}");
        });
    }
}

#[test]
fn another_lobby_region_takes_over_with_the_same_ledger() {
    with_site(None, async |_, site| {
        let first = site.open_door(&site.lobby.endpoints[0]).await;
        site.open_door(&site.lobby.endpoints[1]).await;
        let home = site.endpoint(&site.acme, HOME).await;
        site.open_door(&home).await;
        site.keep();
        let identity = site.identity("hvac-7");
        let device = site.switch_on(&identity, "hvac-7");
        site.wait(20).await;
        assert_eq!(site.state(&identity.fingerprint()).await, "inlobby");
        // The region is gone before anybody claims the device, which then knocks at the other one.
        first.cancel();
        device.switch_off();
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
        let body = SimulatedBody::new("hvac-7".into(), "v1");
        let again = site.switch_on_at(&identity, "hvac-7", site.lobby_host(1), body);
        site.wait(40).await;
        assert_eq!(again.told(), [home.host.as_str()]);
        assert_eq!(again.connected(&home.host), 1);
    });
}

#[test]
fn a_region_that_is_lost_is_left_and_cleaned_up_when_it_is_back() {
    with_site(None, async |_, site| {
        site.open_door(&site.lobby.endpoints[0]).await;
        let (old, new) = (site.endpoint(&site.acme, HOME).await, site.endpoint(&site.acme, OTHER).await);
        let lost = site.open_door(&old).await;
        site.open_door(&new).await;
        site.keep();
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        lost.cancel();
        let told = site.pia.post(&format!("{LOBBY}/evacuations"), &json!({ "from": HOME, "to": OTHER })).await;
        assert_eq!((told.status, told.json()["moved"].as_u64()), (200, Some(1)), "{}", told.text());
        site.wait(200).await;
        assert_eq!(device.told(), [old.host, new.host.clone()]);
        assert_eq!(device.connected(&new.host), 1);
        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (200, 200), "nothing can be done there");
        assert_eq!(site.pia.delete(&format!("{LOBBY}/evacuations/{HOME}")).await.status, 204);
        site.wait(5).await;
        assert_eq!(site.acme.has(&certid, "hvac-7", HOME).await, (404, 404));
        assert_eq!(site.acme.has(&certid, "hvac-7", OTHER).await, (200, 200));
        assert_eq!(device.connected(&new.host), 1);
    });
}

#[test]
fn who_nobody_trusts_who_has_expired_and_who_was_turned_down_stays_out() {
    with_site(None, async |_, site| {
        site.open().await;
        let stranger = Authority::with_intermediate("Factory Root", "Factory", &mut site.seeds("stranger"));
        let identities = [
            ("unknown", site.identity_for(&stranger, "unknown", (-1, 300))),
            ("expired", site.identity_for(&site.factory, "expired", (-20, -1))),
            ("early", site.identity_for(&site.factory, "early", (2, 300))),
        ];
        let mut devices = Vec::new();
        for (name, identity) in &identities {
            devices.push(site.switch_on(identity, name));
        }
        let turned_down = site.identity("turned-down");
        let device = site.switch_on(&turned_down, "turned-down");
        site.wait(30).await;
        for ((name, identity), device) in identities.iter().zip(&devices) {
            assert_eq!(device.connected(site.lobby_host(0)), 0, "{name}");
            assert_eq!(site.state(&identity.fingerprint()).await, "", "{name}");
        }
        assert_eq!(device.connected(site.lobby_host(0)), 1);
        let path = format!("{LOBBY}/devices/{}/reject", turned_down.fingerprint());
        assert_eq!(site.pia.post(&path, &Value::Null).await.status, 204);
        let before = device.announced();
        site.wait(60).await;
        assert!(device.announced() <= before + 1 && device.connected(site.lobby_host(0)) == 1);
        assert_eq!(site.state(&turned_down.fingerprint()).await, "rejected");
    });
}

#[test]
fn of_two_devices_of_one_name_each_is_told_its_own() {
    with_site(None, async |_, site| {
        site.open().await;
        let other = Authority::new("Other Factory", &mut site.seeds("other"));
        site.trust(&other).await;
        let (one, two) = (site.identity("hvac-7"), site.identity_for(&other, "hvac-7", (0, 300)));
        assert_eq!(site.acme.claim(&site.label(&one)).await.status, 202);
        assert_eq!(site.globex.claim(&site.label(&two)).await.status, 202);
        let (first, second) = (site.switch_on(&one, "hvac-7"), site.switch_on(&two, "hvac-7"));
        site.wait(120).await;
        assert_eq!(first.told(), [site.endpoint(&site.acme, HOME).await.host]);
        assert_eq!(second.told(), [site.endpoint(&site.globex, HOME).await.host]);
    });
}

#[test]
fn a_code_that_the_device_announces_is_a_proof_too() {
    with_site(None, async |_, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        site.knock(&identity, "hvac-7").await;
        let told = site.acme.claim(&identity.fingerprint()).await.json();
        let code = text(&told["pairing"]);
        // Asked again it is the same code; another tenant gets another one.
        assert_eq!(site.acme.claim(&identity.fingerprint()).await.json()["pairing"], code.as_str());
        assert_ne!(site.globex.claim(&identity.fingerprint()).await.json()["pairing"], code.as_str());
        let mut line = site.line(&identity, "hvac-7", site.lobby_host(0)).await;
        line.announce(&json!({ "state": "factory default", "pairing": "00000000" })).await;
        assert_eq!(line.hears().await, None);
        line.announce(&json!({ "state": "factory default", "pairing": code })).await;
        let told = line.hears().await.unwrap();
        assert_eq!(told["iotep"], site.endpoint(&site.acme, HOME).await.host);
        assert_eq!(told["config"], "default config");
        let notices = site.globex.by.get(&format!("{LOBBY}/notices")).await.json();
        assert_eq!(notices["notices"][0]["message"], "The device was claimed by somebody else.");
        assert_eq!(site.acme.history(&identity.fingerprint()).await[0], "claim by pairing");
    });
}

#[test]
fn in_the_lobby_a_device_can_do_nothing_but_announce_itself() {
    with_site(None, async |_, site| {
        site.open().await;
        let (one, two) = (site.identity("hvac-7"), site.identity("hvac-70"));
        site.knock(&one, "hvac-7").await;
        site.knock(&two, "hvac-70").await;
        let mut line = site.line(&one, "hvac-7", site.lobby_host(0)).await;
        assert_eq!(line.subscribe("lobby/hvac-7").await, 1);
        for filter in ["lobby/hvac-70", "lobby/+", "lobby/#", "#", "app/hvac-7", "$aws/things/hvac-7/jobs/#"] {
            assert!(line.subscribe(filter).await >= 0x80, "{filter}");
        }
        // Another's name is not its own, and a tenant's endpoint does not know it.
        assert_eq!(site.knock_as(&one, "hvac-70", &site.lobby.endpoints[0]).await, Some(7));
        assert_eq!(site.knock_as(&one, "hvac-7", &site.endpoint(&site.acme, HOME).await).await, Some(7));
    });
}

#[test]
fn what_a_device_kept_in_its_home_is_gone_when_it_comes_back() {
    with_site(None, async |stage, site| {
        site.open().await;
        let identity = site.identity("hvac-7");
        let certid = identity.fingerprint();
        assert_eq!(site.acme.claim(&site.label(&identity)).await.status, 202);
        site.knock(&identity, "hvac-7").await;
        // Its tenant lets it do more than the lobby does.
        let iot = "/api/management/v1/iot";
        let all = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }] });
        let policy = json!({ "policyDocument": all.to_string() });
        assert_eq!(site.acme.by.post(&format!("{iot}/policies/all"), &policy).await.status, 200);
        let target = json!({ "target": format!("arn:aws:iot:{HOME}:{}:cert/{certid}", site.acme.account) });
        assert_eq!(site.acme.by.put(&format!("{iot}/target-policies/all"), &target).await.status, 200);
        let home = site.endpoint(&site.acme, HOME).await;
        let mut line = site.line(&identity, "hvac-7", &home.host).await;
        assert_eq!(line.subscribe("$aws/things/hvac-7/shadow/get/+").await, 1);
        line.retain("app/hvac-7", "mine").await;
        line.retain("app/hvac-7/deeper", "mine").await;
        line.retain("app/hvac-70", "another's").await;
        line.publish("$aws/things/hvac-7/shadow/update", r#"{"state":{"reported":{"on":true}}}"#).await;
        line.publish("$aws/things/hvac-7/shadow/get", "").await;
        assert_eq!(line.hears().await.unwrap()["state"]["reported"]["on"], true);
        assert_eq!(stage.platform.client_usage(&home).await.unwrap().unwrap().retained, 3);

        let next = text(&site.acme.does("release", &certid, &Value::Null).await.json()["label"]);
        site.wait(10).await;
        assert_eq!(stage.platform.client_usage(&home).await.unwrap().unwrap().retained, 1, "what is another's stays");
        assert_eq!(site.acme.claim(&next).await.status, 202);
        assert_eq!(site.acme.by.put(&format!("{iot}/target-policies/all"), &target).await.status, 200);
        let mut line = site.line(&identity, "hvac-7", &home.host).await;
        assert_eq!(line.subscribe("$aws/things/hvac-7/shadow/get/+").await, 1);
        line.publish("$aws/things/hvac-7/shadow/get", "").await;
        assert_eq!(line.hears().await.unwrap()["code"], 404);
    });
}

#[test]
fn a_device_that_is_sent_to_the_lobby_is_told_its_home_again() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        assert_eq!(site.acme.does("reset", &certid, &Value::Null).await.status, 202);
        site.wait(60).await;
        let home = site.endpoint(&site.acme, HOME).await.host;
        assert_eq!(device.told(), [home.clone(), "-".to_owned(), home]);
        assert_eq!(site.acme.device(&certid).await["devstate"], "commissioned");
    });
}

#[test]
fn a_void_certificate_opens_no_door_until_it_is_taken_back() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let certid = identity.fingerprint();
        let home = site.endpoint(&site.acme, HOME).await.host;
        assert_eq!(site.acme.does("revoke", &certid, &Value::Null).await.status, 202);
        let before = device.acknowledged();
        site.wait(300).await;
        assert_eq!((device.connected(&home), device.acknowledged()), (1, before), "it is out at once, and stays out");
        assert_eq!(device.connected(site.lobby_host(0)), 1);
        assert_eq!(site.acme.device(&certid).await["devstate"], "revoked", "it stays its owner's");
        let path = format!("{LOBBY}/devices/{certid}/reinstate");
        assert_eq!(site.pia.post(&path, &Value::Null).await.status, 204);
        site.wait(300).await;
        assert!(device.connected(&home) >= 2);
        assert_eq!(site.acme.device(&certid).await["devstate"], "commissioned");
    });
}

#[test]
fn a_device_with_a_new_certificate_stays_its_owners() {
    with_site(None, async |_, site| {
        site.open().await;
        let (identity, device) = at_home(&site, &site.acme, "hvac-7").await;
        let old = identity.fingerprint();
        let renewed = site.identity_for(&site.factory, "hvac-7", (-1, 600));
        let new = renewed.fingerprint();
        device.switch_off();
        // A new certificate is nobody's at first; it is not known at home, and its name is no claim.
        let again = site.switch_on(&renewed, "hvac-7");
        site.wait(30).await;
        assert!(again.told().is_empty());
        let body = json!({ "certid": new });
        let never = json!({ "certid": "ab".repeat(32) });
        for (owner, body) in [(&site.globex, &body), (&site.acme, &never)] {
            assert_eq!(owner.does("renew", &old, body).await.status, 404);
        }
        let told = site.acme.does("renew", &old, &body).await;
        assert_eq!(
            (told.status, text(&told.json()["device"]["devstate"])),
            (202, "commissioned".to_owned()),
            "{}",
            told.text()
        );
        site.wait(30).await;
        assert_eq!(again.told(), [site.endpoint(&site.acme, HOME).await.host]);
        assert!(again.acknowledged() > 0);
        assert_eq!(site.acme.has(&old, "hvac-7", HOME).await, (404, 200), "the thing stays");
        assert_eq!(site.acme.has(&new, "hvac-7", HOME).await, (200, 200));
        assert_eq!(site.state(&old).await, "revoked");
    });
}
