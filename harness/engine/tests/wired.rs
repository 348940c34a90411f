//! What is tried where devices speak MQTT, against the reference platform: clean, and with each defect of its broker that it
//! must catch.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_claims::Party;
use fleetproof_claims::model::{Compiled, Family, Surfaces};
use fleetproof_claims::wired::add_wired;
use fleetproof_claims::{Options, masked};
use fleetproof_dialects::mender::{Mender, TenantRef};
use fleetproof_dialects::{Token, Unwatched};
use fleetproof_engine::detector::{Detection, DetectorContext, Endpoints, Seat, run_isolation};
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_platform::broker_defects;
use fleetproof_stacks::{Embedded, Founding, Tenancy};
use fleetproof_world::{Runtime, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery staple";

const TENANTS: [(&str, &str); 2] = [("acme", "ada@acme.test"), ("globex", "gus@globex.test")];

fn compiled() -> Compiled {
    let party = |(name, _): &(&str, &str)| Party { name: (*name).to_owned(), provider: false, parent: None };
    let between: Vec<Party> = TENANTS.iter().map(party).collect();
    let mut compiled = Compiled::default();
    add_wired(&mut compiled, &between, &Options { families: vec![Family::Mqtt], ..Options::default() });
    compiled
}

/// Makes all attempts on a platform with that defect.
async fn tried(seed: u64, defect: Option<&str>) -> (Detection, Vec<Attempted>) {
    let world = World::simulated(seed);
    let stack = Embedded { defect: defect.map(str::to_owned), ..Embedded::default() };
    let tenancy = |(name, email): &(&str, &str)| Tenancy {
        name: (*name).to_owned(),
        is_provider: false,
        device_limit: 10,
        admin_email: (*email).to_owned(),
        admin_password: PASSWORD.into(),
    };
    let founding =
        Founding { tenants: TENANTS.iter().map(tenancy).collect(), speaks_mqtt: true, ..Founding::default() };
    let running = stack.up(&world, &founding).await.unwrap();
    let mender = Mender::new(
        world.clone(),
        running.gateway.clone(),
        Some((running.operator.clone(), Token::new(&running.operator_token))),
        Arc::new(Unwatched),
    );
    let mut seats = Vec::new();
    for ((_, email), (name, founded)) in TENANTS.iter().zip(&running.founded) {
        let at = TenantRef::new(name, &founded.tenant_id);
        mender.know_tenant(&at, None);
        let admin = mender.login(email, PASSWORD, Some(&at)).await.unwrap();
        seats.push(Seat { at, admin, provider: false });
    }
    let (door, trusted) = running.shared_door().unwrap();
    let mut all = Vec::new();
    let mut emit = |what: What| {
        if let What::Attempted(attempted) = what {
            all.push(attempted);
        }
    };
    let detection = {
        let mut context = DetectorContext {
            mender: mender.clone(),
            surfaces: &Surfaces::default(),
            seats,
            deadline: world.clock.now().after(Duration::from_secs(30)),
            label: "t1".into(),
            endpoints: Some(Endpoints { door, trusted: trusted.to_owned() }),
            people: BTreeMap::new(),
            emit: &mut emit,
        };
        run_isolation(&mut context, &compiled()).await.unwrap()
    };
    running.down().await;
    (detection, all)
}

fn lines(attempted: &[Attempted]) -> String {
    let line = |one: &Attempted| {
        format!(
            "{:?} {}\n    {}\n    -> {}\n    control: {}\n    lost: {}",
            one.verdict,
            one.id,
            one.request,
            one.answer,
            one.control.as_deref().unwrap_or("-"),
            one.lost.as_deref().unwrap_or("-")
        )
    };
    attempted.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_clean_platform_repels_everything_with_every_control() {
    Runtime::virtual_time().unwrap().block_on(async {
        let (detection, all) = tried(1, None).await;
        let told = lines(&all);
        assert!(all.iter().all(|one| one.verdict == Verdict::Passed), "{told}");
        assert_eq!((detection.verdict, detection.uncovered.len()), (Verdict::Passed, 0), "{told}");
        assert_eq!(all.len(), compiled().wired.len());
    });
}

/// Every defect that stands under `isolation`, and three that other claims catch first.
#[test]
fn every_defect_of_the_broker_that_reaches_others_is_caught() {
    let others = ["retained-crosses", "takeover-crosses", "thing-topics-unchecked"];
    let names = broker_defects::attacked().iter().map(|defect| defect.name).chain(others);
    let missed: Vec<&str> = Runtime::virtual_time().unwrap().block_on(async {
        let mut missed = Vec::new();
        for name in names {
            let (detection, all) = tried(1, Some(name)).await;
            if detection.verdict != Verdict::Failed {
                println!("{name}: {:?}\n{}", detection.verdict, lines(&all));
                missed.push(name);
            }
        }
        missed
    });
    assert_eq!(missed, [""; 0]);
}

/// What a person reads of each attempt that was not repelled.
#[test]
fn a_finding_says_who_lost_what() {
    Runtime::virtual_time().unwrap().block_on(async {
        for name in ["shared-group-crosses", "policy-remembered", "retained-crosses", "will-unchecked"] {
            let (_, all) = tried(1, Some(name)).await;
            let found: Vec<Attempted> = all.into_iter().filter(|one| one.verdict != Verdict::Passed).collect();
            let first = lines(&found[..found.len() / 2]);
            insta::assert_snapshot!(name, masked(&first, &[]));
        }
    });
}
