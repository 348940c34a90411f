//! Each defect that a rollout can have: seen when it is planted, not seen when it is not.

use crate::common::{Stage, with_platform};
use crate::pace::{Fleet, later, wait};
use crate::updates::next;
use fleetproof_platform::defects::DefectId;
use serde_json::json;

/// Runs `sees` on a healthy platform, where it must see nothing, and on one with `defect`, where it must see it.
fn shows(defect: DefectId, devices: u32, sees: impl AsyncFn(&Stage, &Fleet) -> bool) {
    for planted in [None, Some(defect)] {
        with_platform(planted, async |stage| {
            let fleet = Fleet::of(&stage, devices).await;
            assert_eq!(sees(&stage, &fleet).await, planted.is_some(), "{planted:?}");
        });
    }
}

#[test]
fn a_phase_starts_early() {
    shows(DefectId::PhaseStartsEarly, 4, async |stage, fleet| {
        fleet.deploy(&json!({ "phases": [{ "batch_size": 50 }, { "start_ts": later(stage, 9_000) }] })).await;
        fleet.told().await.len() > 2
    });
}

#[test]
fn a_rate_is_not_obeyed() {
    shows(DefectId::RateNotObeyed, 3, async |_, fleet| {
        fleet.deploy(&json!({ "x_fleetproof": { "rate": 60 } })).await;
        fleet.told().await.len() > 1
    });
}

#[test]
fn a_rate_grows_with_anybody() {
    shows(DefectId::RateGrowsWithAnybody, 3, async |stage, fleet| {
        let grows = json!({ "factor": 10, "per": 1, "counting": "succeeded" });
        fleet.deploy(&json!({ "x_fleetproof": { "rate": 60, "grows": grows } })).await;
        fleet.told().await;
        wait(stage, 1_000).await;
        fleet.told().await;
        wait(stage, 500).await;
        fleet.told().await.len() > 2
    });
}

#[test]
fn a_threshold_counts_all() {
    shows(DefectId::ThresholdCountsAll, 4, async |_, fleet| {
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "abort_above": 50 } })).await;
        fleet.told().await;
        fleet.report(0, &deployment, "failure").await;
        fleet.state(&deployment).await == "running"
    });
}

#[test]
fn a_pause_still_offers() {
    shows(DefectId::PauseStillOffers, 1, async |_, fleet| {
        let deployment = fleet.deploy(&json!({})).await;
        assert_eq!(fleet.set(&deployment, "paused").await, 204);
        !fleet.told().await.is_empty()
    });
}

#[test]
fn a_pause_is_lost() {
    shows(DefectId::PauseLost, 2, async |_, fleet| {
        let deployment = fleet.deploy(&json!({})).await;
        assert_eq!(next(&fleet.devices[0].1, "v1").await.status, 200);
        assert_eq!(fleet.set(&deployment, "paused").await, 204);
        fleet.report(0, &deployment, "success").await;
        !fleet.told().await.is_empty()
    });
}

/// How often a device that always fails tries when it may try twice.
async fn attempts(fleet: &Fleet) -> usize {
    let deployment = fleet.deploy(&json!({ "retries": 1 })).await;
    for attempts in 0..5 {
        if fleet.told().await.is_empty() {
            return attempts;
        }
        assert_eq!(fleet.report(0, &deployment, "failure").await, 204);
    }
    5
}

#[test]
fn a_retry_once_too_often() {
    shows(DefectId::RetryOnceTooOften, 1, async |_, fleet| attempts(fleet).await > 2);
}

#[test]
fn a_retry_is_forgotten() {
    shows(DefectId::RetryForgotten, 1, async |_, fleet| attempts(fleet).await < 2);
}

#[test]
fn a_timeout_never_comes() {
    shows(DefectId::TimeoutNever, 1, async |stage, fleet| {
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "timeout": 2 } })).await;
        fleet.told().await;
        wait(stage, 9_000).await;
        fleet.part(&deployment, 0).await.0 == "pending"
    });
}

#[test]
fn the_time_for_a_step_is_not_reset() {
    shows(DefectId::StepTimeoutNotReset, 1, async |stage, fleet| {
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "step_timeout": 2 } })).await;
        fleet.told().await;
        wait(stage, 1_500).await;
        fleet.report(0, &deployment, "downloading").await;
        wait(stage, 1_500).await;
        fleet.part(&deployment, 0).await.0 == "failure"
    });
}

#[test]
fn a_late_report_is_taken() {
    shows(DefectId::LateReportTaken, 1, async |stage, fleet| {
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "timeout": 2 } })).await;
        fleet.told().await;
        wait(stage, 2_500).await;
        fleet.report(0, &deployment, "success").await == 204
    });
}

#[test]
fn an_aborted_rollout_goes_on() {
    shows(DefectId::AbortedRolloutGoesOn, 2, async |_, fleet| {
        let deployment = fleet.deploy(&json!({ "x_fleetproof": { "abort_above": 50 } })).await;
        assert_eq!(next(&fleet.devices[0].1, "v1").await.status, 200);
        fleet.report(0, &deployment, "failure").await;
        assert_eq!(fleet.state(&deployment).await, "aborted");
        !fleet.told().await.is_empty()
    });
}
