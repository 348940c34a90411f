//! Tenants and people: what each may see and do, and what everybody else is told.

use crate::common::{Caller, PASSWORD, on_every_database, with_platform};
use crate::family::{TENANTS, V1, V2, add_user, child, family, log, me, new_child};
use crate::gear::{Gear, status_path};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn a_provider_has_children_and_a_child_has_none() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let children = family.pia.get(TENANTS).await;
        assert_eq!(children.headers["x-total-count"], "2");
        let shown = children.json();
        assert_eq!(shown[0]["parent_tenant_id"], family.provider.tenant_id);
        assert!(shown.as_array().unwrap().iter().all(|child| child.get("tenant_token").is_none()));
        let own = family.ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
        assert_eq!((&own["id"], own["tenant_token"].is_string()), (&json!(family.acme), true));
        assert_eq!(own["device_limit"], 300);
        for told in [
            family.ada.get(TENANTS).await,
            family.ada.post(TENANTS, &new_child("third", 1)).await,
            family.ada.put(&format!("{TENANTS}/{}/child", family.acme), &json!({ "device_limit": 1 })).await,
            family.ada.post(&format!("{TENANTS}/{}/remove/start", family.globex), &Value::Null).await,
            family.ada.get(&format!("{V1}/users/exists?email=x@y.example")).await,
        ] {
            assert_eq!((told.status, told.json()["error"].as_str()), (403, Some("forbidden")));
        }
    });
}

#[test]
fn limits_come_out_of_the_pool() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let reserve = async || {
            let own = family.pia.get(&format!("{TENANTS}/me")).await.json();
            assert_eq!(own["device_limit"], 1000);
            own["device_limits"]["max_devices"]["value"].as_i64().unwrap()
        };
        let set = async |child: &str, limit: i64| {
            family.pia.put(&format!("{TENANTS}/{child}/child"), &json!({ "device_limit": limit })).await.status
        };
        assert_eq!(reserve().await, 200);
        assert_eq!(family.pia.post(TENANTS, &new_child("north", 201)).await.status, 422);
        assert_eq!(family.pia.post(TENANTS, &new_child("north", -1)).await.status, 422);
        assert_eq!(family.pia.post(TENANTS, &new_child("north", -2)).await.status, 400);
        let mut without = new_child("north", 1);
        without.as_object_mut().unwrap().remove("device_limit");
        assert_eq!(family.pia.post(TENANTS, &without).await.status, 422);
        assert_eq!(set(&family.acme, 501).await, 422);
        assert_eq!(set(&family.acme, 500).await, 204);
        assert_eq!(reserve().await, 0);
        assert_eq!(set(&family.acme, 0).await, 204);
        assert_eq!(reserve().await, 500);
        let north = child(&family.pia, "north", 500).await;
        assert_eq!(reserve().await, 0);
        let removed = family.pia.post(&format!("{TENANTS}/{north}/remove/start"), &Value::Null).await;
        assert_eq!(removed.status, 202);
        assert_eq!(reserve().await, 500);
        let limit = format!("/api/internal/v1/devauth/tenant/{}/limits/max_devices", family.acme);
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 501 })).await.status, 422);
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 100 })).await.status, 204);
        assert_eq!(stage.operator().get(&limit).await.json(), json!({ "limit": 100 }));
        assert_eq!(reserve().await, 400);
        assert_eq!(stage.operator().delete(&limit).await.status, 204);
        assert_eq!(reserve().await, 500);
    });
}

#[test]
fn the_operator_finds_tenants() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let list = async |query: &str| {
            let told = stage.operator().get(&format!("/api/internal/v1/tenantadm/tenants?{query}")).await;
            let names =
                told.json().as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            (names, told.headers["x-total-count"].to_str().unwrap().to_owned())
        };
        let found = |names: &[&str], total: &str| {
            (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), total.to_owned())
        };
        assert_eq!(list("per_page=2").await, found(&["provider", "acme"], "3"));
        assert_eq!(list("per_page=2&page=2").await, found(&["globex"], "3"));
        assert_eq!(
            list(&format!("parent_tenant_id={}", family.provider.tenant_id)).await,
            found(&["acme", "globex"], "2")
        );
        assert_eq!(list(&format!("id={}&id={}", family.globex, family.acme)).await, found(&["acme", "globex"], "2"));
        assert_eq!(list("q=cm").await, found(&["acme"], "1"));
        assert_eq!(list("plan=os").await, found(&[], "0"));
        let only = stage.operator().get("/api/internal/v1/tenantadm/tenants?q=acme&field=name").await.json();
        assert_eq!(only, json!([{ "name": "acme" }]));
        let tenant = format!("/api/internal/v1/tenantadm/tenants/{}", family.acme);
        let limits = json!({ "api_limits": { "management": { "quota": { "interval_sec": 60, "max_calls": 100 } } } });
        assert_eq!(stage.operator().put(&tenant, &limits).await.status, 202);
        assert_eq!(stage.operator().get(&tenant).await.json()["api_limits"], limits["api_limits"]);
        assert_eq!(stage.operator().put(&tenant, &json!({ "service_provider": true })).await.status, 409);
        let storage = format!("/api/internal/v1/deployments/tenants/{}/limits/storage", family.acme);
        assert_eq!(stage.operator().put(&storage, &json!({ "limit": 1_048_576 })).await.status, 204);
        assert_eq!(stage.operator().get(&storage).await.json()["limit"], 1_048_576);
        let tokens = format!("/api/internal/v1/useradm/tokens?tenant_id={}", family.acme);
        assert_eq!(stage.operator().delete(&tokens).await.status, 204);
        assert_eq!(family.ada.get(&format!("{V1}/users/me")).await.status, 401);
        assert_eq!(stage.operator().delete("/api/internal/v1/useradm/tokens").await.status, 400);
        // What is not there is told so, and everything that was changed stands in the provider's log.
        for path in [&tenant, &storage] {
            assert_eq!(stage.operator().get(&path.replace(&family.acme, "never")).await.status, 404);
        }
        assert_eq!(log(&family.pia, 2).await, ["update/tenant", "update/tenant"]);
        let last = family.pia.get("/api/management/v1/auditlogs/logs?per_page=1").await.json();
        assert_eq!((&last[0]["actor"]["id"], &last[0]["actor"]["type"]), (&json!("operator"), &json!("user")));
    });
}

#[test]
fn the_providers_own_devices_come_out_of_its_reserve() {
    on_every_database(async |stage| {
        let provider = stage.provider("provider", 10).await;
        let pia = stage.login("admin@provider.example").await;
        for number in 0..2 {
            Gear::new(&provider.tenant_token, number).enroll(&stage, &pia).await;
        }
        assert_eq!(pia.post(TENANTS, &new_child("acme", 9)).await.status, 422, "two of the ten are in use");
        child(&pia, "acme", 8).await;
        let third = Gear::new(&provider.tenant_token, 3);
        assert_eq!(third.knock(&stage).await.status, 401);
        let (id, set) = third.ids(&pia).await;
        let accept = async || pia.put(&status_path(&id, &set), &json!({ "status": "accepted" })).await.status;
        assert_eq!(accept().await, 422, "the reserve is used up");
        let limit = format!("/api/internal/v1/devauth/tenant/{}/limits/max_devices", provider.tenant_id);
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 7 })).await.status, 422, "the child has eight");
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 11 })).await.status, 204);
        assert_eq!(accept().await, 204);
        let own = pia.get(&format!("{TENANTS}/me")).await.json();
        assert_eq!((&own["device_limit"], &own["device_count"]), (&json!(11), &json!(3)));
    });
}

#[test]
fn a_limit_below_use_revokes_nobody_and_a_removed_tenant_leaves_nothing() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let own = family.ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
        let token = own["tenant_token"].as_str().unwrap();
        let (_, device) = Gear::new(token, 1).enroll(&stage, &family.ada).await;
        let (_, other) = Gear::new(token, 2).enroll(&stage, &family.ada).await;
        let lower = json!({ "device_limit": 1 });
        assert_eq!(family.pia.put(&format!("{TENANTS}/{}/child", family.acme), &lower).await.status, 204);
        let next = "/api/devices/v1/deployments/device/deployments/next?artifact_name=a&device_type=b";
        for device in [&device, &other] {
            assert_eq!(device.get(next).await.status, 204);
        }
        let shown = family.pia.get(TENANTS).await.json();
        assert_eq!((&shown[0]["device_count"], &shown[0]["device_limit"]), (&json!(2), &json!(1)));
        let removed = family.pia.post(&format!("{TENANTS}/{}/remove/start", family.acme), &Value::Null).await;
        assert_eq!(removed.status, 202);
        assert_eq!(device.get(next).await.status, 401);
        assert_eq!(Gear::new(token, 1).knock(&stage).await.status, 401);
        assert_eq!(family.ada.get(&format!("{V1}/users/me")).await.status, 401);
        // The same name and the same people again: a tenant with nothing in it.
        child(&family.pia, "acme", 300).await;
        let ada = stage.login("admin@acme.example").await;
        assert_eq!(ada.get("/api/management/v2/devauth/devices").await.json(), json!([]));
        assert_eq!(log(&ada, 0).await, [""; 0]);
    });
}

#[test]
fn names_and_people_are_taken_once() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let mut same_name = new_child("acme", 1);
        same_name["admin"]["email"] = json!("other@acme.example");
        let mut same_admin = new_child("other", 1);
        same_admin["admin"]["email"] = json!("Admin@Acme.example");
        for body in [same_name, same_admin] {
            let told = family.pia.post(TENANTS, &body).await;
            assert_eq!((told.status, told.json()["error"].as_str()), (409, Some("tenant or admin user is duplicated")));
        }
        let reserve = family.pia.get(&format!("{TENANTS}/me")).await.json();
        assert_eq!(reserve["device_limits"]["max_devices"]["value"], 200, "what failed has carved nothing");
        assert_eq!(family.pia.get(TENANTS).await.headers["x-total-count"], "2");
        assert_eq!(log(&family.pia, 0).await, ["create/tenant", "create/tenant"]);
        let taken = json!({ "email": "admin@globex.example", "password": PASSWORD });
        assert_eq!(family.ada.post(&format!("{V1}/users"), &taken).await.status, 422);
    });
}

#[test]
fn the_providers_admin_is_a_stranger_in_a_child_until_she_adds_herself() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let pia_id = me(&family.pia).await["id"].as_str().unwrap().to_owned();
        let ada_id = me(&family.ada).await["id"].as_str().unwrap().to_owned();
        let switch = |tenant: &str| format!("{V1}/users/tenants/{tenant}/token");
        assert_eq!(family.pia.get(&format!("{V1}/users/{ada_id}")).await.status, 404);
        let (member_not, never) = (family.pia.get(&switch(&family.acme)).await, family.pia.get(&switch("x")).await);
        assert_eq!((member_not.status, never.status), (401, 401));
        assert_eq!(member_not.json()["error"], never.json()["error"]);
        let assign = format!("{V1}/users/{pia_id}/assign");
        let into = |tenant: &str| json!({ "tenant_ids": [tenant], "role": "RBAC_ROLE_OBSERVER" });
        assert_eq!(family.pia.post(&assign, &into(&family.acme)).await.status, 200);
        let inside = Caller::new(&stage.gateway, Some(family.pia.get(&switch(&family.acme)).await.text()));
        assert_eq!(me(&inside).await["roles"], json!(["RBAC_ROLE_OBSERVER"]));
        assert_eq!(me(&inside).await["tenant_ids"], json!([family.provider.tenant_id, family.acme]));
        assert_eq!(inside.get(&format!("{V1}/users")).await.status, 403);
        // Her entry is in the child's log, with her as the actor; the provider's own log has none of it.
        let entries = family.ada.get("/api/management/v1/auditlogs/logs").await.json();
        assert_eq!((&entries[0]["actor"]["id"], &entries[0]["action"]), (&json!(pia_id), &json!("update")));
        assert_eq!(log(&family.pia, 2).await, [""; 0]);
        // Removed, she is a stranger again, and at once.
        assert_eq!(family.ada.delete(&format!("{V1}/users/{pia_id}")).await.status, 204);
        assert_eq!(inside.get(&format!("{V1}/users/me")).await.status, 401);
        assert_eq!(family.pia.get(&switch(&family.acme)).await.status, 401);
        assert_eq!(me(&family.pia).await["tenant_ids"], json!([family.provider.tenant_id]));
        // Nobody else's children, nobody else's users into hers.
        stage.provider("rival", 10).await;
        let rita = stage.login("admin@rival.example").await;
        let rita_id = me(&rita).await["id"].as_str().unwrap().to_owned();
        let (theirs, never) = (into(&family.acme), into("5f0000000000000000000000"));
        for told in
            [rita.post(&format!("{V1}/users/{rita_id}/assign"), &theirs).await, rita.post(&assign, &never).await]
        {
            assert_eq!((told.status, told.json()["error"].as_str()), (403, Some("forbidden")));
        }
        assert_eq!(family.pia.post(&format!("{V1}/users/{rita_id}/assign"), &theirs).await.status, 404);
        for (method, path, body) in [
            ("PUT", "/child", json!({ "device_limit": 1 })),
            ("POST", "/remove/start", Value::Null),
            ("PUT", "/status", json!({ "status": "active" })),
            ("DELETE", "", Value::Null),
        ] {
            let foreign = rita.send(method, &format!("{TENANTS}/{}{path}", family.acme), Some(&body)).await;
            let unknown = rita.send(method, &format!("{TENANTS}/5f0000000000000000000000{path}"), Some(&body)).await;
            assert_eq!((foreign.status, unknown.status), (403, 403), "{method} {path}");
            assert_eq!(foreign.json()["error"], unknown.json()["error"], "{method} {path}");
        }
        assert_eq!(family.gus.post(&format!("{V1}/users/{ada_id}/assign"), &theirs).await.status, 403);
    });
}

#[test]
fn a_person_wears_two_hats() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let gus_id = me(&family.gus).await["id"].as_str().unwrap().to_owned();
        let assign = json!({ "tenant_ids": [family.acme], "role": "RBAC_ROLE_PERMIT_ALL" });
        assert_eq!(family.ada.post(&format!("{V1}/users/{gus_id}/assign"), &assign).await.status, 200);
        let token = family.gus.get(&format!("{V1}/users/tenants/{}/token", family.acme)).await.text();
        let in_acme = Caller::new(&stage.gateway, Some(token));
        let users = async |caller: &Caller| caller.get(&format!("{V1}/users")).await.json().as_array().unwrap().len();
        assert_eq!((users(&in_acme).await, users(&family.gus).await), (2, 1));
        // The account is hers alone: who took her in cannot take her over.
        for change in [json!({ "password": "a new password" }), json!({ "email": "mine@acme.example" })] {
            assert_eq!(family.ada.put(&format!("{V1}/users/{gus_id}"), &change).await.status, 422);
        }
        let roles = json!({ "roles": ["RBAC_ROLE_OBSERVER"] });
        assert_eq!(family.ada.put(&format!("{V1}/users/{gus_id}"), &roles).await.status, 204);
        assert_eq!(in_acme.get(&format!("{V1}/users")).await.status, 403, "rights are those of now");
        assert_eq!(users(&family.gus).await, 1, "her hat at home is as it was");
        assert_eq!(family.ada.delete(&format!("{V1}/users/{gus_id}")).await.status, 204);
        assert_eq!(in_acme.get(&format!("{V1}/users/me")).await.status, 401);
        assert_eq!(users(&family.gus).await, 1);
    });
}

#[test]
fn strangers_are_told_what_never_existed_would_tell_them() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let victim = add_user(&family.gus, "vic@globex.example", &["RBAC_ROLE_OBSERVER"]).await;
        let role = json!({ "name": "installers", "permission_sets_with_scope": [{ "name": "ReadDevices" }] });
        assert_eq!(family.gus.post(&format!("{V2}/roles"), &role).await.status, 201);
        let never = "0193f1f0-0000-7000-8000-000000000000";
        let update = json!({ "email": "new@acme.example" });
        for (method, path, body, status) in [
            ("GET", format!("{V1}/users/ID"), Value::Null, 404),
            ("PUT", format!("{V1}/users/ID"), update, 404),
            ("DELETE", format!("{V1}/users/ID"), Value::Null, 204),
            ("GET", format!("{V1}/users?id=ID"), Value::Null, 200),
            ("GET", "/api/management/v1/auditlogs/logs?object_id=ID".to_owned(), Value::Null, 200),
        ] {
            let foreign = family.ada.send(method, &path.replace("ID", &victim), Some(&body)).await;
            let unknown = family.ada.send(method, &path.replace("ID", never), Some(&body)).await;
            assert_eq!((foreign.status, unknown.status), (status, status), "{method} {path}");
            if status != 204 {
                assert_eq!(foreign.json().get("error"), unknown.json().get("error"), "{method} {path}");
                assert_eq!(foreign.json().as_array(), unknown.json().as_array(), "{method} {path}");
            }
        }
        for (method, status) in [("GET", 404), ("PUT", 404), ("DELETE", 204)] {
            let told = family.ada.send(method, &format!("{V2}/roles/installers"), Some(&role)).await;
            assert_eq!(told.status, status, "{method}");
        }
        let given = json!({ "email": "new@acme.example", "password": PASSWORD, "roles": ["installers"] });
        assert_eq!(family.ada.post(&format!("{V1}/users"), &given).await.status, 422);
        assert_eq!(family.gus.get(&format!("{V1}/users/{victim}")).await.json()["email"], "vic@globex.example");
        assert_eq!(family.gus.get(&format!("{V2}/roles/installers")).await.status, 200);
        assert_eq!(stage.try_login("vic@globex.example", PASSWORD).await.status, 200);
    });
}

#[test]
fn a_role_too_low_is_forbidden() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        add_user(&family.ada, "vera@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        add_user(&family.ada, "nobody@acme.example", &[]).await;
        for email in ["vera@acme.example", "nobody@acme.example"] {
            let low = stage.login(email).await;
            for (method, path) in [
                ("GET", format!("{V1}/users")),
                ("POST", format!("{V1}/users")),
                ("GET", format!("{V1}/users/x")),
                ("PUT", format!("{V1}/users/x")),
                ("DELETE", format!("{V1}/users/x")),
                ("POST", format!("{V1}/users/x/assign")),
                ("GET", format!("{V2}/roles")),
                ("POST", format!("{V2}/roles")),
                ("GET", format!("{V2}/roles/x")),
                ("PUT", format!("{V2}/roles/x")),
                ("DELETE", format!("{V2}/roles/x")),
                ("GET", format!("{V2}/permission_sets")),
                ("POST", format!("{V1}/settings")),
                ("GET", "/api/management/v1/auditlogs/logs".to_owned()),
                ("GET", "/api/management/v1/auditlogs/logs/export".to_owned()),
            ] {
                assert_eq!(low.send(method, &path, None).await.status, 403, "{email}: {method} {path}");
            }
            assert_eq!(low.get(&format!("{V1}/settings")).await.status, 200);
            assert_eq!(low.get("/api/management/v1/tenantadm/user/tenant").await.status, 200);
        }
    });
}

#[test]
fn suspension_reaches_every_token_and_ends_with_a_new_login() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let pat = json!({ "name": "ci", "expires_in": 3600 });
        let pat = family.ada.post(&format!("{V1}/settings/tokens"), &pat).await.text();
        let program = Caller::new(&stage.gateway, Some(pat));
        assert_eq!(program.get(&format!("{V1}/users/me")).await.status, 200);
        let status = format!("/api/internal/v1/tenantadm/tenants/{}/status", family.acme);
        assert_eq!(stage.operator().put(&status, &json!({ "status": "suspended" })).await.status, 200);
        for caller in [&family.ada, &program] {
            assert_eq!(caller.get(&format!("{V1}/users/me")).await.status, 401);
        }
        assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
        assert_eq!(family.gus.get(&format!("{V1}/users/me")).await.status, 200);
        let activate = format!("{TENANTS}/{}/status", family.acme);
        assert_eq!(family.pia.put(&activate, &json!({ "status": "active" })).await.status, 409);
        assert_eq!(stage.operator().put(&status, &json!({ "status": "active" })).await.status, 200);
        stage.login("admin@acme.example").await;
        assert_eq!(family.ada.get(&format!("{V1}/users/me")).await.status, 401, "what died stays dead");
        // Both entries are the provider's; a suspended child can be deleted, an active one cannot.
        assert_eq!(log(&family.pia, 2).await, ["update/tenant", "update/tenant"]);
        let globex = format!("{TENANTS}/{}", family.globex);
        assert_eq!(family.pia.delete(&globex).await.status, 405);
        let status = status.replace(&family.acme, &family.globex);
        assert_eq!(stage.operator().put(&status, &json!({ "status": "suspended" })).await.status, 200);
        assert_eq!(family.pia.delete(&globex).await.status, 204);
        let (gone, never) = (family.pia.delete(&globex).await, family.pia.delete(&format!("{TENANTS}/x")).await);
        assert_eq!((gone.status, gone.json()["error"].clone()), (403, never.json()["error"].clone()));
        assert_eq!(stage.try_login("admin@globex.example", PASSWORD).await.status, 401);
        child(&family.pia, "globex", 500).await;
        stage.login("admin@globex.example").await;
    });
}

#[test]
fn each_change_stands_once_in_the_right_log() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        assert_eq!(log(&family.ada, 0).await, [""; 0], "a child's log begins empty");
        let vera = add_user(&family.ada, "vera@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        let update = json!({ "roles": ["RBAC_ROLE_CI"] });
        family.ada.put(&format!("{V1}/users/{vera}"), &update).await;
        let role = json!({ "name": "r", "permission_sets_with_scope": [] });
        family.ada.post(&format!("{V2}/roles"), &role).await;
        family.ada.put(&format!("{V2}/roles/r"), &role).await;
        family.ada.delete(&format!("{V2}/roles/r")).await;
        family.ada.delete(&format!("{V2}/roles/r")).await;
        family.ada.post(&format!("{V1}/settings"), &json!({ "2fa": "disabled" })).await;
        family.ada.post(&format!("{V1}/settings/me"), &json!({ "2fa": "disabled" })).await;
        family.ada.post(&format!("{V1}/settings/tokens"), &json!({ "name": "t" })).await;
        let tokens = family.ada.get(&format!("{V1}/settings/tokens")).await.json();
        family.ada.delete(&format!("{V1}/settings/tokens/{}", tokens[0]["id"].as_str().unwrap())).await;
        let password = json!({ "password": "another password", "current_password": PASSWORD });
        family.ada.put(&format!("{V2}/users/me"), &password).await;
        family.ada.delete(&format!("{V1}/users/{vera}")).await;
        family.ada.delete(&format!("{V1}/users/{vera}")).await;
        let told = log(&family.ada, 0).await.join(" ");
        assert_eq!(
            told,
            "create/user update/user update/tenant update/tenant update/tenant update/tenant \
             update/user update/user update/user password_change/user delete/user"
        );
        family.pia.put(&format!("{TENANTS}/{}/child", family.acme), &json!({ "name": "acme2" })).await;
        family.pia.put(&format!("{TENANTS}/{}/status", family.acme), &json!({ "status": "active" })).await;
        family.pia.post(&format!("{TENANTS}/{}/remove/start", family.globex), &Value::Null).await;
        assert_eq!(log(&family.pia, 2).await, ["update/tenant", "update/tenant", "delete/tenant"]);
        assert_eq!(log(&family.ada, 0).await.len(), 11);
        let entry = family.pia.get("/api/management/v1/auditlogs/logs?per_page=1").await;
        assert_eq!(entry.headers["x-total-count"], "5");
        assert!(entry.headers["link"].to_str().unwrap().contains("rel=\"next\""));
        assert_eq!(entry.json()[0]["object"]["tenant"]["parent"], family.provider.tenant_id);
        assert_eq!(entry.json()[0]["actor"]["email"], "admin@provider.example");
        let found = family.ada.get(&format!("/api/management/v1/auditlogs/logs?object_id={vera}")).await.json();
        assert_eq!(found.as_array().unwrap().len(), 3);
        let none = family.ada.get("/api/management/v1/auditlogs/logs?created_before=5").await.json();
        assert_eq!(none, json!([]));
        let csv = family.ada.get("/api/management/v1/auditlogs/logs/export").await;
        assert_eq!(
            (csv.headers["content-type"].to_str().unwrap(), csv.text().matches("\r\n").count()),
            ("text/csv", 12)
        );
    });
}

#[test]
fn bad_requests_are_told_as_json() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let users = format!("{V1}/users");
        let user = |email: &str, password: &str| json!({ "email": email, "password": password });
        for (body, status) in [
            (Value::Null, 400),
            (json!([]), 400),
            (user("no address", PASSWORD), 400),
            (user("short@acme.example", "short"), 422),
            (json!({ "email": "a@acme.example", "password": PASSWORD, "roles": ["no such role"] }), 422),
        ] {
            let told = family.ada.post(&users, &body).await;
            assert_eq!(told.status, status, "{body}");
            assert!(told.json()["error"].is_string());
        }
        let huge = json!({ "email": "x".repeat(1 << 20) });
        assert_eq!(family.ada.post(&users, &huge).await.status, 413);
        for query in ["page=0", "page=x", "per_page=501", "per_page=0", "sort=up", "object_type=x", "created_after=x"] {
            let told = family.ada.get(&format!("/api/management/v1/auditlogs/logs?{query}")).await;
            assert_eq!(told.status, 400, "{query}");
        }
        assert_eq!(family.ada.send("PATCH", &users, None).await.status, 405);
        assert_eq!(family.ada.get("/api/management/v1/nothing").await.status, 404);
        let settings = format!("{V1}/settings");
        assert_eq!(family.ada.post(&settings, &json!({ "2fa": "maybe" })).await.status, 400);
    });
}

#[test]
fn settings_are_replaced_by_who_has_seen_them() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        for path in [format!("{V1}/settings"), format!("{V1}/settings/me")] {
            let before = family.ada.get(&path).await;
            let mark = json!({ "2fa": "disabled", "x_fleetproof": { "mark": "canary" } });
            assert_eq!(family.ada.post(&path, &mark).await.status, 201);
            assert_eq!(family.ada.get(&path).await.json(), mark);
            let request = http::Request::post(&path)
                .header("authorization", format!("Bearer {}", family.ada.token.clone().unwrap()))
                .header("if-match", before.headers["etag"].clone())
                .body(axum::body::Body::from("{}"))
                .unwrap();
            assert_eq!(crate::common::ask(&stage.gateway, request).await.status, 412);
            assert_eq!(family.gus.get(&path).await.json(), json!({}));
        }
    });
}

#[test]
fn a_password_changed_ends_the_other_sessions() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let other = stage.login("admin@acme.example").await;
        let wrong = json!({ "password": "another password", "current_password": "wrong" });
        assert_eq!(family.ada.put(&format!("{V2}/users/me"), &wrong).await.status, 422);
        let right = json!({ "password": "another password", "current_password": PASSWORD });
        assert_eq!(family.ada.put(&format!("{V2}/users/me"), &right).await.status, 204);
        assert_eq!(family.ada.get(&format!("{V1}/users/me")).await.status, 200);
        assert_eq!(other.get(&format!("{V1}/users/me")).await.status, 401);
        assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
        assert_eq!(stage.try_login("ADMIN@acme.example", "another password").await.status, 200);
    });
}

#[test]
fn tokens_end_with_their_time() {
    with_platform(None, async |stage| {
        let family = family(&stage).await;
        let short = json!({ "name": "short", "expires_in": 60 });
        let short = family.ada.post(&format!("{V1}/settings/tokens"), &short).await;
        assert_eq!(short.headers["content-type"], "application/jwt");
        let program = Caller::new(&stage.gateway, Some(short.text()));
        assert_eq!(family.ada.post(&format!("{V1}/settings/tokens"), &json!({ "name": "short" })).await.status, 409);
        let wait = async |seconds| stage.world.clock.sleep(std::time::Duration::from_secs(seconds)).await;
        wait(59).await;
        assert_eq!(program.get(&format!("{V1}/users/me")).await.status, 200);
        wait(1).await;
        assert_eq!(program.get(&format!("{V1}/users/me")).await.status, 401);
        wait(7 * 86_400).await;
        assert_eq!(family.ada.get(&format!("{V1}/users/me")).await.status, 401);
    });
}

#[test]
fn callers_at_once_never_get_more_than_the_pool() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let one = async |name: &'static str, limit| family.pia.post(TENANTS, &new_child(name, limit)).await.status;
        let told = tokio::join!(one("a", 90), one("b", 90), one("c", 90), one("d", 90), one("e", 20), one("f", 1));
        let told = [told.0, told.1, told.2, told.3, told.4, told.5];
        assert!(told.iter().all(|status| [202, 422].contains(status)), "{told:?}");
        let children = family.pia.get(&format!("{TENANTS}?per_page=500")).await.json();
        let limits = children.as_array().unwrap().iter().map(|child| child["device_limit"].as_i64().unwrap());
        let own = family.pia.get(&format!("{TENANTS}/me")).await.json();
        let reserve = own["device_limits"]["max_devices"]["value"].as_i64().unwrap();
        assert_eq!(limits.sum::<i64>() + reserve, 1000);
        assert!((0..90).contains(&reserve), "the last units were given: {reserve}");
    });
}

/// Something that happens to a pool.
#[derive(Clone, Debug)]
enum Event {
    Create(i64),
    Limit(usize, i64),
    Remove(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (-1_i64..60).prop_map(Event::Create),
        (0_usize..4, -1_i64..60).prop_map(|(child, limit)| Event::Limit(child, limit)),
        (0_usize..4).prop_map(Event::Remove),
    ];
    proptest::collection::vec(event, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens, children and reserve add up to the pool, and what is refused changes nothing.
    #[test]
    fn a_pool_adds_up(events in events()) {
        with_platform(None, async |stage| {
            stage.provider("provider", 100).await;
            let pia = stage.login("admin@provider.example").await;
            let (mut children, mut made) = (Vec::<(String, i64)>::new(), 0);
            for event in events {
                let given: i64 = children.iter().map(|(_, limit)| limit).sum();
                match event {
                    Event::Create(limit) => {
                        made += 1;
                        let name = format!("child-{made}");
                        let told = pia.post(TENANTS, &new_child(&name, limit)).await.status;
                        assert_eq!(told == 202, limit >= 0 && given + limit <= 100, "{event:?}: {told}");
                        if told == 202 {
                            let all = pia.get(&format!("{TENANTS}?per_page=500")).await.json();
                            let new = all.as_array().unwrap().iter().find(|child| child["name"] == name).unwrap();
                            children.push((new["id"].as_str().unwrap().to_owned(), limit));
                        }
                    }
                    Event::Limit(at, limit) => {
                        let Some((id, before)) = children.get_mut(at) else { continue };
                        let path = format!("{TENANTS}/{id}/child");
                        let told = pia.put(&path, &json!({ "device_limit": limit })).await.status;
                        assert_eq!(told == 204, limit >= 0 && given - *before + limit <= 100, "{event:?}: {told}");
                        if told == 204 {
                            *before = limit;
                        }
                    }
                    Event::Remove(at) => {
                        if at < children.len() {
                            let (id, _) = children.remove(at);
                            let told = pia.post(&format!("{TENANTS}/{id}/remove/start"), &Value::Null).await;
                            assert_eq!(told.status, 202);
                        }
                    }
                }
                let own = pia.get(&format!("{TENANTS}/me")).await.json();
                let reserve = own["device_limits"]["max_devices"]["value"].as_i64().unwrap();
                assert_eq!(reserve + children.iter().map(|(_, limit)| limit).sum::<i64>(), 100);
            }
        });
    }
}
