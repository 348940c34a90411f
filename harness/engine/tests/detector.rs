//! The detector against the reference platform, clean and with each defect that it must catch.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_claims::model::{Compiled, Surfaces};
use fleetproof_claims::{Options, Party, isolation};
use fleetproof_dialects::mender::{Mender, Session, TenantRef};
use fleetproof_dialects::{Token, Unwatched};
use fleetproof_engine::detector::{Detection, DetectorContext, Seat, run_isolation};
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_stacks::{Embedded, Founding, Tenancy};
use fleetproof_world::{Runtime, World};
use std::collections::BTreeMap;
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery staple";

/// A provider with two children, each with a first admin.
pub struct Stage {
    pub mender: Mender,
    pub surfaces: Surfaces,
    pub seats: BTreeMap<&'static str, Seat>,
}

impl Stage {
    async fn new(seed: u64, defect: Option<&str>) -> (Self, fleetproof_stacks::Running) {
        let world = World::simulated(seed);
        let stack = Embedded { defect: defect.map(str::to_owned), ..Embedded::default() };
        let provider = Tenancy {
            name: "provider".into(),
            is_provider: true,
            device_limit: 100,
            admin_email: "pia@provider.test".into(),
            admin_password: PASSWORD.into(),
        };
        let running = stack.up(&world, &Founding { tenants: vec![provider] }).await.unwrap();
        let operator = Some((running.operator.clone(), Token::new(&running.operator_token)));
        let mender = Mender::new(world, running.gateway.clone(), operator, Arc::new(Unwatched));
        let mut surfaces = Mender::surfaces(&Embedded::document()).unwrap();
        if std::env::var("DT_TENANCY").is_ok() {
            surfaces.known.retain(|s| ["useradm", "tenantadm", "auditlogs"].iter().any(|word| s.path.contains(word)));
        }
        let at = TenantRef::new("provider", &running.founded[0].1.tenant_id);
        mender.know_tenant(&at, None);
        let pia = mender.login("pia@provider.test", PASSWORD, Some(&at)).await.unwrap();
        let mut seats = BTreeMap::from([("provider", Seat { at: at.clone(), admin: pia.clone(), provider: true })]);
        for (name, email) in [("acme", "ada@acme.test"), ("globex", "gus@globex.test")] {
            let id = mender.create_tenant(&pia, name, email, PASSWORD, Some(40)).await.unwrap();
            let child = TenantRef::new(name, &id);
            mender.know_tenant(&child, Some(&at.id));
            let admin = mender.login(email, PASSWORD, Some(&child)).await.unwrap();
            seats.insert(name, Seat { at: child, admin, provider: false });
        }
        (Self { mender, surfaces, seats }, running)
    }

    fn party(name: &str) -> Party {
        Party {
            name: name.into(),
            provider: name == "provider",
            parent: (name != "provider").then(|| "provider".into()),
        }
    }

    fn compiled(&self, between: &[&str]) -> Compiled {
        let parties: Vec<Party> = between.iter().map(|name| Self::party(name)).collect();
        isolation(&self.surfaces, &parties, &Options { provider: Some("provider".into()), ..Options::default() })
    }

    async fn isolation(&self, compiled: &Compiled) -> (Detection, Vec<Attempted>) {
        let mut all = Vec::new();
        let mut emit = |what: What| {
            if let What::Attempted(attempted) = what {
                all.push(attempted);
            }
        };
        let mut ctx = DetectorContext {
            mender: self.mender.clone(),
            surfaces: &self.surfaces,
            seats: self.seats.values().cloned().collect(),
            label: "t1".into(),
            people: BTreeMap::<String, Session>::new(),
            emit: &mut emit,
        };
        let detection = run_isolation(&mut ctx, compiled).await.unwrap();
        (detection, all)
    }
}

fn on_stage<T>(
    defect: Option<&str>,
    between: &'static [&'static str],
    then: impl AsyncFnOnce(&Stage, Compiled) -> T,
) -> T {
    Runtime::virtual_time().unwrap().block_on(async {
        let (stage, running) = Stage::new(7, defect).await;
        let compiled = stage.compiled(between);
        let result = then(&stage, compiled).await;
        running.down().await;
        result
    })
}

fn told(attempted: &Attempted) -> String {
    let mut text = format!(
        "{} {:?}\n  {} asked {}\n  answer: {}\n  expected: {}\n",
        attempted.id, attempted.verdict, attempted.actor, attempted.request, attempted.answer, attempted.expected
    );
    for (what, value) in
        [("never existed", &attempted.never_existed), ("control", &attempted.control), ("lost", &attempted.lost)]
    {
        if let Some(value) = value {
            text.push_str(&format!("  {what}: {value}\n"));
        }
    }
    text
}

#[test]
fn a_clean_platform_repels_everything_between_two_children() {
    on_stage(None, &["acme", "globex"], async |stage, compiled| {
        let (detection, all) = stage.isolation(&compiled).await;
        eprintln!(
            "{} attempts on {} operations; not made: {:?}",
            detection.attempts, detection.operations, detection.not_made
        );
        let text: Vec<String> = detection.findings.iter().map(told).collect();
        assert!(text.is_empty(), "{}", text.join("\n"));
        assert_eq!(detection.uncovered, Vec::<String>::new());
        assert_eq!(detection.verdict, Verdict::Passed);
        assert_eq!(all.len(), compiled.attempts.len());
    });
}
