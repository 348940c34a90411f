//! Each defect that organisation and onboarding can have: seen when it is planted, not seen when it is not.

use crate::common::{PASSWORD, Stage, with_platform};
use crate::landing::{HOME, Land, ORG, land, text, wait, wait_long};
use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step};
use fleetproof_platform::defects::{self, DefectId};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, sees: impl AsyncFn(&Stage, &Land) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let land = land(&stage).await;
            assert_eq!(sees(&stage, &land).await, planted.is_some(), "{planted:?}");
        });
    }
}

#[test]
fn they_are_in_a_list_of_their_own() {
    let names: BTreeSet<_> = defects::organisation().iter().map(|defect| defect.name).collect();
    assert_eq!(names.len(), 15);
    assert!(defects::catalogue().iter().all(|defect| !names.contains(defect.name)));
}

#[test]
fn half_made_account_answers() {
    shows(DefectId::HalfMadeAccountAnswers, async |stage, land| {
        stage.platform.halt_onboarding(Some(Step::FirstUser));
        land.begin(&land.request("acme")).await;
        wait(stage).await;
        stage.try_login("admin@acme.example", PASSWORD).await.status == 200
    });
}

#[test]
fn withdrawn_blueprint_accepted() {
    shows(DefectId::WithdrawnBlueprintAccepted, async |_, land| {
        let path = format!("{ORG}/products/{}/provisioning-artifacts/{}", land.product, land.version);
        assert_eq!(land.pia.put(&path, &json!({ "Active": false })).await.status, 200);
        land.create(&land.request("acme")).await.status == 202
    });
}

#[test]
fn account_email_check_then_act() {
    shows(DefectId::AccountEmailCheckThenAct, async |stage, land| {
        let mut second = land.request("globex");
        second["Email"] = land.request("acme")["Email"].clone();
        let first = land.request("acme");
        let (one, two) = tokio::join!(land.begin(&first), land.begin(&second));
        wait_long(stage).await;
        let states = [land.status(&one).await, land.status(&two).await];
        assert!(states.iter().any(|status| status["State"] == "SUCCEEDED"));
        states.iter().all(|status| status["State"] == "SUCCEEDED")
    });
}

#[test]
fn closed_account_frees_email() {
    shows(DefectId::ClosedAccountFreesEmail, async |stage, land| {
        let account = text(&land.onboard(stage, &land.request("acme")).await["Id"]);
        assert_eq!(land.pia.post(&format!("{ORG}/accounts/{account}/close"), &Value::Null).await.status, 204);
        let again = land.begin(&land.request("acme")).await;
        wait_long(stage).await;
        land.status(&again).await["State"] == "SUCCEEDED"
    });
}

#[test]
fn idempotency_token_ignored() {
    shows(DefectId::IdempotencyTokenIgnored, async |_, land| {
        let mut request = land.request("acme");
        request["IdempotencyToken"] = json!("once");
        land.begin(&request).await != land.begin(&request).await
    });
}

#[test]
fn half_failed_never_undone() {
    shows(DefectId::HalfFailedNeverUndone, async |stage, land| {
        let before = land.traces().await;
        stage.platform.break_onboarding(Step::Application, FailureReason::InternalFailure, 9);
        let creation = land.begin(&land.request("acme")).await;
        wait_long(stage).await;
        land.status(&creation).await["State"] != "FAILED" && land.traces().await != before
    });
}

#[test]
fn quotas_of_another_tier() {
    shows(DefectId::QuotasOfAnotherTier, async |stage, land| {
        land.onboard(stage, &land.request("acme")).await;
        let own = stage.login("admin@acme.example").await.get("/api/management/v1/tenantadm/user/tenant").await.json();
        own["device_limit"] != 10 && land.drifts().await.iter().any(|drift| drift.ends_with("QUOTAS_DIFFER"))
    });
}

#[test]
fn controls_forget_new_accounts() {
    shows(DefectId::ControlsForgetNewAccounts, async |stage, land| {
        land.onboard(stage, &land.request("acme")).await;
        let ada = stage.login("admin@acme.example").await;
        ada.put(&format!("{ORG}/account/audit-trail"), &json!({ "On": false })).await.status == 204
    });
}

#[test]
fn external_id_shared() {
    shows(DefectId::ExternalIdShared, async |stage, land| {
        let acme = text(&land.onboard(stage, &land.request("acme")).await["Id"]);
        let globex = text(&land.onboard(stage, &land.request("globex")).await["Id"]);
        let foreign = text(&land.trust(&acme, HOME).await["ExternalId"]);
        land.gets_in(&stage.platform, &globex, HOME, Some(&foreign)).await
    });
}

#[test]
fn missing_external_id_accepted() {
    shows(DefectId::MissingExternalIdAccepted, async |stage, land| {
        let acme = text(&land.onboard(stage, &land.request("acme")).await["Id"]);
        land.gets_in(&stage.platform, &acme, HOME, None).await
    });
}

#[test]
fn revoked_trust_still_good() {
    shows(DefectId::RevokedTrustStillGood, async |stage, land| {
        let acme = text(&land.onboard(stage, &land.request("acme")).await["Id"]);
        let external_id = text(&land.trust(&acme, HOME).await["ExternalId"]);
        assert_eq!(land.pia.delete(&format!("{ORG}/accounts/{acme}/trust/{HOME}")).await.status, 204);
        land.gets_in(&stage.platform, &acme, HOME, Some(&external_id)).await
    });
}

#[test]
fn central_log_read_by_tenants() {
    shows(DefectId::CentralLogReadByTenants, async |stage, land| {
        land.onboard(stage, &land.request("acme")).await;
        stage.login("admin@acme.example").await.get(&format!("{ORG}/log")).await.status == 200
    });
}

#[test]
fn central_log_tells_twice() {
    shows(DefectId::CentralLogTellsTwice, async |stage, land| {
        land.onboard(stage, &land.request("acme")).await;
        let is_made = |event: &&Value| event["Change"].as_str().is_some_and(|change| change.starts_with("account:"));
        land.log("").await.iter().filter(is_made).count() == 2
    });
}

#[test]
fn endpoint_forgotten() {
    shows(DefectId::EndpointForgotten, async |stage, land| {
        let account = land.onboard(stage, &land.request("acme")).await;
        account["Regions"].as_array().unwrap().iter().any(|region| region["Endpoint"].is_null())
    });
}
