//! Each defect that tenancy can have: seen when it is planted, not seen when it is not.

use crate::common::{Caller, PASSWORD, Stage, ask, with_platform};
use crate::family::{Family, TENANTS, V1, V2, add_user, family, log, me, new_child};
use fleetproof_platform::defects::DefectId;
use serde_json::{Value, json};

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Family) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let family = family(&stage).await;
            assert_eq!(sees(&stage, &family).await, planted.is_some(), "{planted:?}");
        });
    }
}

/// The reserve that the provider sees.
async fn reserve(pia: &Caller) -> i64 {
    let own = pia.get(&format!("{TENANTS}/me")).await.json();
    own["device_limits"]["max_devices"]["value"].as_i64().unwrap()
}

/// Switches to a tenant, if one may.
async fn switched(stage: &Stage, caller: &Caller, tenant: &str) -> Option<Caller> {
    let told = caller.get(&format!("{V1}/users/tenants/{tenant}/token")).await;
    (told.status == 200).then(|| Caller::new(&stage.gateway, Some(told.text())))
}

/// Gus of globex, made a viewer in acme by Ada: his id, and he in acme.
async fn gus_in_acme(stage: &Stage, family: &Family) -> (String, Caller) {
    let id = me(&family.gus).await["id"].as_str().unwrap().to_owned();
    let assign = json!({ "tenant_ids": [family.acme] });
    assert_eq!(family.ada.post(&format!("{V1}/users/{id}/assign"), &assign).await.status, 200);
    (id, switched(stage, &family.gus, &family.acme).await.unwrap())
}

#[test]
fn pool_check_then_act() {
    shows(DefectId::PoolCheckThenAct, async |_, family| {
        // Three callers at once want 150 of the 200 that are left.
        let [a, b, c] = ["a", "b", "c"].map(|name| (family.pia.clone(), new_child(name, 150)));
        let one = async |(pia, body): (Caller, Value)| pia.post(TENANTS, &body).await.status;
        let (a, b, c) = tokio::join!(one(a), one(b), one(c));
        let created = [a, b, c].iter().filter(|status| **status == 202).count();
        assert!(created >= 1);
        created > 1 && reserve(&family.pia).await < 0
    });
}

#[test]
fn raise_check_then_act() {
    shows(DefectId::RaiseCheckThenAct, async |_, family| {
        // Two children at once want 150 more of the 200 that are left.
        let raise = async |child: &str, limit: u32| {
            let path = format!("{TENANTS}/{child}/child");
            family.pia.put(&path, &json!({ "device_limit": limit })).await.status
        };
        let (acme, globex) = tokio::join!(raise(&family.acme, 450), raise(&family.globex, 650));
        assert!(acme == 204 || globex == 204);
        acme == 204 && globex == 204 && reserve(&family.pia).await < 0
    });
}

#[test]
fn carve_forgotten() {
    shows(DefectId::CarveForgotten, async |_, family| reserve(&family.pia).await != 200);
}

#[test]
fn removed_user_keeps_token() {
    shows(DefectId::RemovedUserKeepsToken, async |stage, family| {
        let (id, inside) = gus_in_acme(stage, family).await;
        assert_eq!(family.ada.delete(&format!("{V1}/users/{id}")).await.status, 204);
        inside.get(&format!("{V1}/settings")).await.status == 200
    });
}

#[test]
fn pat_outlives_member() {
    shows(DefectId::PatOutlivesMember, async |stage, family| {
        let (id, inside) = gus_in_acme(stage, family).await;
        let pat = inside.post(&format!("{V1}/settings/tokens"), &json!({ "name": "ci" })).await.text();
        assert_eq!(family.ada.delete(&format!("{V1}/users/{id}")).await.status, 204);
        assert_eq!(inside.get(&format!("{V1}/settings")).await.status, 401, "the session is dead either way");
        Caller::new(&stage.gateway, Some(pat)).get(&format!("{V1}/settings")).await.status == 200
    });
}

#[test]
fn switch_without_membership() {
    shows(DefectId::SwitchWithoutMembership, async |stage, family| {
        match switched(stage, &family.gus, &family.acme).await {
            Some(inside) => inside.get(&format!("{V1}/users")).await.text().contains("admin@acme.example"),
            None => false,
        }
    });
}

#[test]
fn audit_entry_lost() {
    shows(DefectId::AuditEntryLost, async |_, family| {
        let role = json!({ "name": "r", "permission_sets_with_scope": [] });
        family.ada.post(&format!("{V2}/roles"), &role).await;
        family.ada.put(&format!("{V2}/roles/r"), &role).await;
        log(&family.ada, 0).await.len() != 2
    });
}

#[test]
fn audit_entry_doubled() {
    shows(DefectId::AuditEntryDoubled, async |_, family| {
        add_user(&family.ada, "vera@acme.example", &[]).await;
        log(&family.ada, 0).await != ["create/user"]
    });
}

#[test]
fn audit_in_childs_log() {
    shows(DefectId::AuditInChildsLog, async |_, family| {
        family.pia.put(&format!("{TENANTS}/{}/child", family.acme), &json!({ "device_limit": 1 })).await;
        let (above, below) = (log(&family.pia, 0).await.len(), log(&family.ada, 0).await.len());
        assert_eq!(above + below, if below == 0 { 3 } else { 2 }, "{above} {below}");
        below > 0
    });
}

#[test]
fn audit_shows_children() {
    shows(DefectId::AuditShowsChildren, async |_, family| {
        add_user(&family.ada, "vera@acme.example", &[]).await;
        log(&family.pia, 0).await.contains(&"create/user".to_owned())
    });
}

#[test]
fn audit_search_forgets_tenant() {
    shows(DefectId::AuditSearchForgetsTenant, async |_, family| {
        let vera = add_user(&family.ada, "vera@acme.example", &[]).await;
        let path = format!("/api/management/v1/auditlogs/logs?object_id={vera}");
        family.gus.get(&path).await.text().contains("vera")
    });
}

#[test]
fn viewer_may_write() {
    shows(DefectId::ViewerMayWrite, async |stage, family| {
        add_user(&family.ada, "vera@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        add_user(&family.ada, "nobody@acme.example", &[]).await;
        let settings = json!({ "2fa": "disabled" });
        let may = async |email: &str| stage.login(email).await.post(&format!("{V1}/settings"), &settings).await.status;
        assert_eq!(may("nobody@acme.example").await, 403);
        may("vera@acme.example").await == 201
    });
}

#[test]
fn provider_sees_into_child() {
    shows(DefectId::ProviderSeesIntoChild, async |_, family| {
        let ada = me(&family.ada).await["id"].as_str().unwrap().to_owned();
        assert_eq!(family.gus.get(&format!("{V1}/users/{ada}")).await.status, 404);
        family.pia.get(&format!("{V1}/users/{ada}")).await.status == 200
    });
}

#[test]
fn user_list_forgets_tenant() {
    shows(DefectId::UserListForgetsTenant, async |_, family| {
        let all = family.gus.get(&format!("{V1}/users")).await.json();
        assert_eq!(all.as_array().unwrap().len(), 1);
        family.gus.get(&format!("{V1}/users?email=admin@acme.example")).await.json() != json!([])
    });
}

#[test]
fn foreign_user_forbidden() {
    shows(DefectId::ForeignUserForbidden, async |_, family| {
        let ada = me(&family.ada).await["id"].as_str().unwrap().to_owned();
        assert_eq!(family.gus.get(&format!("{V1}/users/never")).await.status, 404);
        family.gus.get(&format!("{V1}/users/{ada}")).await.status == 403
    });
}

#[test]
fn foreign_role_taken() {
    shows(DefectId::ForeignRoleTaken, async |_, family| {
        let role = json!({ "name": "acmes-own", "permission_sets_with_scope": [] });
        assert_eq!(family.ada.post(&format!("{V2}/roles"), &role).await.status, 201);
        let user =
            |role: &str| json!({ "email": format!("{role}@globex.example"), "password": PASSWORD, "roles": [role] });
        assert_eq!(family.gus.post(&format!("{V1}/users"), &user("nobodys")).await.status, 422);
        family.gus.post(&format!("{V1}/users"), &user("acmes-own")).await.status == 201
    });
}

#[test]
fn tenant_from_body() {
    shows(DefectId::TenantFromBody, async |_, family| {
        let user = json!({ "email": "mole@globex.example", "password": PASSWORD, "tenant_id": family.acme });
        assert_eq!(family.gus.post(&format!("{V1}/users"), &user).await.status, 201);
        family.ada.get(&format!("{V1}/users")).await.text().contains("mole")
    });
}

#[test]
fn account_taken_over() {
    shows(DefectId::AccountTakenOver, async |stage, family| {
        let (id, _) = gus_in_acme(stage, family).await;
        let change = json!({ "password": "known to ada now" });
        family.ada.put(&format!("{V1}/users/{id}"), &change).await;
        stage.try_login("admin@globex.example", "known to ada now").await.status == 200
    });
}

#[test]
fn tenant_from_header() {
    shows(DefectId::TenantFromHeader, async |stage, family| {
        let request = http::Request::get(format!("{V1}/users"))
            .header("authorization", format!("Bearer {}", family.gus.token.as_deref().unwrap()))
            .header("x-tenant-id", &family.acme)
            .body(axum::body::Body::empty())
            .unwrap();
        let told = ask(&stage.gateway, request).await;
        assert_eq!(told.status, 200);
        told.text().contains("admin@acme.example")
    });
}
