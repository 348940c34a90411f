//! How often a tenant may call, and how long it waits while another one asks for everything.

use crate::common::{Caller, Stage, with_platform, with_service};
use fleetproof_platform::Service;
use fleetproof_platform::defects::DefectId;
use serde_json::{Value, json};
use std::time::Duration;

const ME: &str = "/api/management/v2/tenantadm/tenants/me";
const SETTINGS: &str = "/api/management/v1/useradm/settings/me";

/// A tenant whose people may call so often, and its admin.
async fn limited(stage: &Stage, name: &str, calls: u64, seconds: u64) -> (String, Caller) {
    let tenant = stage.tenant(name, 10).await.tenant_id;
    let admin = stage.login(&format!("admin@{name}.example")).await;
    assert_eq!(limit(stage, &tenant, calls, seconds).await, 202);
    (tenant, admin)
}

async fn limit(stage: &Stage, tenant: &str, calls: u64, seconds: u64) -> u16 {
    let quota = json!({ "max_calls": calls, "interval_sec": seconds });
    let put = json!({ "api_limits": { "management": { "quota": quota } } });
    stage.operator().put(&format!("/api/internal/v1/tenantadm/tenants/{tenant}"), &put).await.status
}

/// How many of so many calls get through, and what the last refusal says about when to come again.
async fn burst(caller: &Caller, calls: usize) -> (usize, Option<u64>) {
    let (mut through, mut wait) = (0, None);
    for _ in 0..calls {
        let told = caller.get(ME).await;
        match told.status {
            200 => through += 1,
            429 => wait = told.headers.get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap()),
            other => panic!("{other}: {}", told.text()),
        }
    }
    (through, wait)
}

#[test]
fn exactly_the_quota_gets_through_and_who_waits_as_told_gets_in() {
    with_platform(None, async |stage| {
        let (_, ada) = limited(&stage, "acme", 20, 60).await;
        let (_, gus) = limited(&stage, "globex", 20, 60).await;
        assert_eq!(burst(&ada, 30).await, (20, Some(3)));
        assert_eq!(gus.get(ME).await.status, 200, "another tenant does not pay");
        stage.world.clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(burst(&ada, 5).await, (1, Some(3)));
        stage.world.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(burst(&ada, 30).await.0, 20, "no more than a whole bucket is saved up");
    });
}

#[test]
fn a_quota_is_in_force_at_once_and_what_was_used_is_used() {
    with_platform(None, async |stage| {
        let (acme, ada) = limited(&stage, "acme", 20, 60).await;
        assert_eq!(burst(&ada, 15).await.0, 15);
        assert_eq!(limit(&stage, &acme, 25, 60).await, 202);
        assert_eq!(burst(&ada, 30).await.0, 10);
        assert_eq!(limit(&stage, &acme, 0, 60).await, 202);
        assert_eq!(burst(&ada, 100).await.0, 100, "0 is no limit");
        let none = json!({ "api_limits": { "devices": { "quota": { "max_calls": 5, "interval_sec": 0 } } } });
        let told = stage.operator().put(&format!("/api/internal/v1/tenantadm/tenants/{acme}"), &none).await;
        assert_eq!(told.status, 400, "{}", told.text());
    });
}

#[test]
fn who_is_not_let_in_spends_nothing() {
    with_platform(None, async |stage| {
        let (_, ada) = limited(&stage, "acme", 5, 60).await;
        let out = Caller::new(&stage.gateway, ada.token.clone());
        let again = stage.login("admin@acme.example").await;
        assert_eq!(out.post("/api/management/v1/useradm/auth/logout", &Value::Null).await.status, 202);
        for _ in 0..50 {
            assert_eq!(out.get(ME).await.status, 401);
        }
        assert_eq!(burst(&again, 10).await.0, 4, "the logout was one");
    });
}

/// What each defect shows.
#[cfg(feature = "seeded-defects")]
mod planted {
    use super::*;

    fn shows(defect: DefectId, sees: impl AsyncFn(&Stage) -> bool) {
        for planted in [None, Some(defect)] {
            with_platform(planted, async |stage| {
                assert_eq!(sees(&stage).await, planted.is_some(), "{planted:?}");
            });
        }
    }

    #[test]
    fn call_rate_shared_by_tenants() {
        shows(DefectId::CallRateSharedByTenants, async |stage| {
            let (_, ada) = limited(stage, "acme", 20, 60).await;
            let (_, gus) = limited(stage, "globex", 20, 60).await;
            burst(&ada, 30).await;
            gus.get(ME).await.status == 429
        });
    }

    #[test]
    fn call_rate_counts_refused() {
        shows(DefectId::CallRateCountsRefused, async |stage| {
            let (_, ada) = limited(stage, "acme", 20, 60).await;
            let (_, wait) = burst(&ada, 30).await;
            let first = Caller::clone(&ada);
            let told = wait.unwrap().min(3);
            stage.world.clock.sleep(Duration::from_secs(told)).await;
            first.get(ME).await.status == 429
        });
    }

    #[test]
    fn call_rate_off_by_one() {
        shows(DefectId::CallRateOffByOne, async |stage| {
            let (_, ada) = limited(stage, "acme", 20, 60).await;
            burst(&ada, 30).await.0 == 21
        });
    }

    #[test]
    fn call_rate_raised_for_all() {
        shows(DefectId::CallRateRaisedForAll, async |stage| {
            let (acme, _) = limited(stage, "acme", 20, 60).await;
            let (_, gus) = limited(stage, "globex", 20, 60).await;
            assert_eq!(limit(stage, &acme, 40, 60).await, 202);
            burst(&gus, 50).await.0 == 40
        });
    }

    #[test]
    fn throttled_call_executed() {
        shows(DefectId::ThrottledCallExecuted, async |stage| {
            let (_, ada) = limited(stage, "acme", 20, 60).await;
            burst(&ada, 20).await;
            assert_eq!(ada.post(SETTINGS, &json!({ "colour": "red" })).await.status, 429);
            stage.world.clock.sleep(Duration::from_secs(60)).await;
            ada.get(SETTINGS).await.text().contains("red")
        });
    }

    #[test]
    fn throttled_without_retry_after() {
        shows(DefectId::ThrottledWithoutRetryAfter, async |stage| {
            let (_, ada) = limited(stage, "acme", 20, 60).await;
            burst(&ada, 30).await.1.is_none()
        });
    }
}

/// The largest of the quiet tenant's modelled times in ms, alone and while the loud one asks for lists all the time.
fn slowest(defect: Option<DefectId>) -> (f64, f64) {
    let mut slowest = (0.0, 0.0);
    with_service(Service::Modelled, defect, async |stage| {
        stage.tenant("loud", 10).await;
        stage.tenant("quiet", 10).await;
        let (lou, quin) = (stage.login("admin@loud.example").await, stage.login("admin@quiet.example").await);
        let took = async || {
            let told = quin.get(ME).await;
            let timing = told.headers["server-timing"].to_str().unwrap().to_owned();
            timing.strip_prefix("modelled;dur=").unwrap().parse::<f64>().unwrap()
        };
        for _ in 0..20 {
            slowest.0 = took().await.max(slowest.0);
        }
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let lou = lou.clone();
            storm.spawn(async move { lou.get("/api/management/v1/useradm/users").await.status });
        }
        for _ in 0..20 {
            slowest.1 = took().await.max(slowest.1);
        }
        assert!(storm.try_join_next().is_some(), "the storm went on meanwhile");
        while let Some(status) = storm.join_next().await {
            assert_eq!(status.unwrap(), 200);
        }
    });
    slowest
}

#[test]
fn a_crowd_of_one_tenant_is_no_wait_for_another() {
    let (alone, beside) = slowest(None);
    assert!(beside < alone * 1.2, "{alone} ms alone, {beside} ms beside a crowd");
    #[cfg(feature = "seeded-defects")]
    {
        let (alone, beside) = slowest(Some(DefectId::OneLineForAll));
        assert!(beside > alone * 3.0, "{alone} ms alone, {beside} ms beside a crowd");
    }
}
