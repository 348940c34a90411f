//! Each defect that the registry can have: seen when it is planted, not seen when it is not.

use crate::common::{Caller, Stage};
use crate::family::{Family, TENANTS, child, family};
use crate::papers::Authority;
use crate::registry::{HOME, certificate, document, good, iot, text};
use fleetproof_platform::defects::DefectId;
use fleetproof_platform::registry::Regions;
use fleetproof_platform::{Platform, Settings};
use fleetproof_world::{Runtime, World};
use serde_json::{Value, json};
use std::time::Duration;

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Family) -> bool) {
    for planted in [None, Some(defect)] {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(7);
            let regions = Regions::new(&[HOME, "us-east-1"], "fleet.example").unwrap();
            let settings = Settings { regions, ..Settings::free(world.clone(), planted) };
            let platform = Platform::open(settings).await.unwrap();
            let (gateway, door) = (platform.gateway(), platform.operator_door());
            let stage = Stage { world, platform, gateway, door };
            let family = family(&stage).await;
            assert_eq!(sees(&stage, &family).await, planted.is_some(), "{planted:?}");
        });
    }
}

#[test]
fn certificate_forgets_tenant() {
    shows(DefectId::CertificateForgetsTenant, async |_, family| {
        let (id, _) = certificate(&family.ada, "").await;
        iot(&family.gus, "GET", &format!("certificates/{id}"), &Value::Null).await.status == 200
    });
}

#[test]
fn principal_forgets_account() {
    shows(DefectId::PrincipalForgetsAccount, async |stage, family| {
        let (id, arn) = certificate(&family.ada, "").await;
        good(&family.ada, "POST", "policies/all", &document("iot:*")).await;
        let told = iot(&family.gus, "PUT", "target-policies/all", &json!({ "target": arn })).await;
        let principal = stage.platform.principal(&family.acme, HOME, &id).await.unwrap().unwrap();
        assert_eq!(told.status == 200, !principal.policies.is_empty());
        told.status == 200
    });
}

#[test]
fn endpoint_reused() {
    shows(DefectId::EndpointReused, async |stage, family| {
        let host = async |by: &Caller| text(&good(by, "GET", "endpoint", &Value::Null).await["endpointAddress"]);
        let old = host(&family.ada).await;
        family.pia.post(&format!("{TENANTS}/{}/remove/start", family.acme), &json!({})).await;
        let again = child(&family.pia, "acme", 10).await;
        let ada = stage.login("admin@acme.example").await;
        let fresh = host(&ada).await;
        let whose = stage.platform.endpoint(&old).await.unwrap();
        fresh == old && whose.is_some_and(|whose| whose.tenant == again)
    });
}

#[test]
fn revoked_certificate_revived() {
    shows(DefectId::RevokedCertificateRevived, async |_, family| {
        let (id, _) = certificate(&family.ada, "?setAsActive=true").await;
        good(&family.ada, "PUT", &format!("certificates/{id}?newStatus=REVOKED"), &Value::Null).await;
        iot(&family.ada, "PUT", &format!("certificates/{id}?newStatus=ACTIVE"), &Value::Null).await.status == 200
    });
}

#[test]
fn thing_list_forgets_tenant() {
    shows(DefectId::ThingListForgetsTenant, async |_, family| {
        good(&family.ada, "POST", "things/secret", &json!({})).await;
        good(&family.gus, "GET", "things", &Value::Null).await.to_string().contains("secret")
    });
}

#[test]
fn region_not_compared() {
    shows(DefectId::RegionNotCompared, async |_, family| {
        good(&family.ada, "POST", "things/t", &json!({})).await;
        iot(&family.ada, "GET", "things/t?region=us-east-1", &Value::Null).await.status == 200
    });
}

#[test]
fn foreign_thing_forbidden() {
    shows(DefectId::ForeignThingForbidden, async |_, family| {
        good(&family.ada, "POST", "things/t", &json!({})).await;
        iot(&family.gus, "GET", "things/t", &Value::Null).await.status == 403
    });
}

#[test]
fn authority_forgets_tenant() {
    shows(DefectId::AuthorityForgetsTenant, async |_, family| {
        let factory = Authority::new("Factory", 1);
        let ca = json!({ "caCertificate": factory.paper.pem, "certificateMode": "SNI_ONLY" });
        good(&family.ada, "POST", "cacertificate?setAsActive=true", &ca).await;
        let new = json!({ "certificatePem": factory.sign("dev-1", 2).pem });
        iot(&family.gus, "POST", "certificate/register", &new).await.status == 200
    });
}

#[test]
fn transfer_taken_by_anybody() {
    shows(DefectId::TransferTakenByAnybody, async |stage, family| {
        let (id, _) = certificate(&family.ada, "").await;
        let to = stage.platform.account(&family.provider.tenant_id).await.unwrap().unwrap().account;
        good(&family.ada, "PATCH", &format!("transfer-certificate/{id}?targetAwsAccount={to}"), &json!({})).await;
        iot(&family.gus, "PATCH", &format!("accept-certificate-transfer/{id}"), &Value::Null).await.status == 200
    });
}

#[test]
fn change_not_told() {
    shows(DefectId::ChangeNotTold, async |stage, family| {
        let mut changes = stage.platform.changes();
        certificate(&family.ada, "").await;
        tokio::time::timeout(Duration::from_secs(1), changes.next()).await.is_err()
    });
}
