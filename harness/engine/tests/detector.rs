//! The detector against the reference platform, clean and with each defect that it must catch.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_claims::model::{Compiled, Role, Surfaces};
use fleetproof_claims::{Options, Party, Subject, access, isolation, masked};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::{Mender, Session, TenantRef};
use fleetproof_dialects::{Token, Unwatched};
use fleetproof_engine::detector::{Detection, DetectorContext, Seat, run_access, run_isolation};
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_platform::defects;
use fleetproof_stacks::{Embedded, Founding, Tenancy};
use fleetproof_world::{Runtime, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery staple";

/// A provider with two children, each with a first admin.
struct Stage {
    mender: Mender,
    surfaces: Surfaces,
    seats: BTreeMap<&'static str, Seat>,
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
        let running = stack.up(&world, &Founding { tenants: vec![provider], ..Founding::default() }).await.unwrap();
        let operator = Some((running.operator.clone(), Token::new(&running.operator_token)));
        let mender = Mender::new(world, running.gateway.clone(), operator, Arc::new(Unwatched));
        let surfaces = Mender::surfaces(&Embedded::document()).unwrap();
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
        isolation(
            &self.surfaces,
            &parties,
            &Options { provider: Some("provider".into()), patience: Duration::from_secs(86_400), ..Options::default() },
        )
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
            deadline: self.mender.world().clock.now().after(Duration::from_secs(86_400)),
            label: "t1".into(),
            endpoints: None,
            people: BTreeMap::<String, Session>::new(),
            emit: &mut emit,
        };
        let detection = run_isolation(&mut ctx, compiled).await.unwrap();
        (detection, all)
    }

    async fn access(&self, compiled: &Compiled, people: BTreeMap<String, Session>) -> Detection {
        let mut ctx = DetectorContext {
            mender: self.mender.clone(),
            surfaces: &self.surfaces,
            seats: self.seats.values().cloned().collect(),
            deadline: self.mender.world().clock.now().after(Duration::from_secs(86_400)),
            label: format!("a{}", self.mender.world().clock.now().micros()),
            endpoints: None,
            people,
            emit: &mut |_| {},
        };
        run_access(&mut ctx, compiled).await.unwrap()
    }

    /// A user with this role in a tenant.
    async fn member(&self, tenant: &str, role: Role) -> (Subject, BTreeMap<String, Session>) {
        let email = format!("ivy-{role}@acme.test");
        let seat = &self.seats[tenant];
        self.mender.create_user(&seat.admin, &email, PASSWORD, role, &[]).await.unwrap();
        let session = self.mender.login(&email, PASSWORD, Some(&seat.at)).await.unwrap();
        let tenant = Self::party(tenant);
        let subject = Subject {
            user: email.clone(),
            tenant,
            role: Some(role),
            narrowed: false,
            home: None,
            provider: Some("provider".into()),
        };
        (subject, BTreeMap::from([(email, session)]))
    }

    /// The provider's admin, who is no member of acme.
    fn outsider(&self) -> (Subject, BTreeMap<String, Session>) {
        let pia = "pia@provider.test".to_owned();
        let home = Some((Self::party("provider"), Role::Admin));
        let tenant = Self::party("acme");
        let subject =
            Subject { user: pia.clone(), tenant, role: None, narrowed: false, home, provider: Some("provider".into()) };
        (subject, BTreeMap::from([(pia, self.seats["provider"].admin.clone())]))
    }

    /// Everything that lives in the tenants: nothing that was made may be among it afterwards.
    async fn living(&self) -> String {
        let mut all = Vec::new();
        for (name, seat) in &self.seats {
            let (mender, by) = (&self.mender, &seat.admin);
            all.push(format!("{name}: {:?} {:?}", mender.counts(by).await.unwrap(), mender.groups(by).await.unwrap()));
            all.extend(mender.users(by).await.unwrap().into_iter().map(|user| format!("  user {}", user.email)));
            let roles = mender.roles(by).await.unwrap();
            // The roles of the language are made once and stay.
            all.extend(
                roles.into_iter().filter(|role| !role.starts_with("fleetproof-")).map(|role| format!("  role {role}")),
            );
            all.push(format!("  {}", mender.look_at_limits(by).await.unwrap()));
            for operation in ["List Artifacts", "List Filters", "Show User Settings"] {
                let surface = self.surfaces.known.iter().find(|s| s.operation == operation).unwrap();
                let request = build(surface, &Fills::default()).unwrap();
                let listed = mender.send(by, Mender::door(&surface.path), request).await.unwrap();
                all.push(format!("  {operation}: {}", listed.text()));
            }
            if seat.provider {
                let children = mender.tenants(by).await.unwrap();
                all.extend(
                    children
                        .into_iter()
                        .map(|child| format!("  child {} {} {}", child.name, child.status, child.device_limit)),
                );
            }
        }
        all.join("\n")
    }
}

fn on_stage<T>(defect: Option<&str>, then: impl AsyncFnOnce(&Stage) -> T) -> T {
    Runtime::virtual_time().unwrap().block_on(async {
        let (stage, running) = Stage::new(7, defect).await;
        let result = then(&stage).await;
        running.down().await;
        result
    })
}

fn told(attempted: &Attempted) -> String {
    let mut text = format!(
        "{}: {:?}\n  {} asked {}\n  answer: {}\n  expected: {}\n",
        attempted.id, attempted.verdict, attempted.actor, attempted.request, attempted.answer, attempted.expected
    );
    let more =
        [("never existed", &attempted.never_existed), ("control", &attempted.control), ("lost", &attempted.lost)];
    for (what, value) in more {
        if let Some(value) = value {
            text.push_str(&format!("  {what}: {value}\n"));
        }
    }
    text
}

/// Ids and times are the seed's, and how many names were given before is of no interest.
fn findings(detection: &Detection) -> String {
    let all: Vec<String> = detection.findings.iter().map(|finding| masked(&told(finding), &[])).collect();
    let text = all.join("\n");
    let mut parts = text.split("-t1-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        format!("{text}-t1-{}{}", if digits > 0 { "N" } else { "" }, &part[digits..])
    })
}

fn passes(detection: &Detection) {
    assert!(detection.findings.is_empty(), "{}", findings(detection));
    assert_eq!(detection.uncovered, Vec::<String>::new());
    assert_eq!(detection.not_made, BTreeMap::new());
    assert_eq!(detection.verdict, Verdict::Passed);
}

const CHILDREN: &[&str] = &["acme", "globex"];
const ALL: &[&str] = &["acme", "globex", "provider"];

#[test]
fn a_clean_platform_repels_everything_in_all_directions_and_is_left_as_found() {
    on_stage(None, async |stage| {
        let before = stage.living().await;
        let compiled = stage.compiled(ALL);
        let (detection, all) = stage.isolation(&compiled).await;
        passes(&detection);
        assert_eq!(all.len(), compiled.attempts.len());
        assert!(all.len() > 12_000, "{}", all.len());
        assert_eq!(
            detection.operations + u32::try_from(detection.exempt.len()).unwrap(),
            u32::try_from(compiled.operations).unwrap()
        );
        assert_eq!(stage.living().await, before);
    });
}

#[test]
fn two_runs_with_one_seed_make_the_same_attempts_with_the_same_answers() {
    let run = || {
        on_stage(None, async |stage| {
            let (_, all) = stage.isolation(&stage.compiled(CHILDREN)).await;
            all.iter().map(told).collect::<Vec<_>>()
        })
    };
    let (one, two) = (run(), run());
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one, two);
    }
}

#[test]
fn a_child_without_a_place_for_a_device_has_its_device_attempts_listed_as_not_made() {
    on_stage(None, async |stage| {
        stage.mender.configure_tenant(&stage.seats["provider"].admin, &stage.seats["acme"].at.id, 0).await.unwrap();
        let (detection, _) = stage.isolation(&stage.compiled(CHILDREN)).await;
        assert!(detection.findings.is_empty(), "{}", findings(&detection));
        assert_eq!(detection.not_made.keys().collect::<Vec<_>>(), ["acme has no place for another device"]);
    });
}

/// Plants a defect and makes the attempts: first between two children, then with their provider.
fn caught(name: &'static str) {
    let defect = defects::find(name).unwrap();
    let attack = |between: &'static [&'static str]| {
        on_stage(Some(name), async |stage| {
            let before = stage.living().await;
            let (detection, _) = stage.isolation(&stage.compiled(between)).await;
            assert_eq!(stage.living().await, before, "left as found, whatever was let in");
            detection
        })
    };
    let mut detection = attack(CHILDREN);
    if detection.verdict != Verdict::Failed {
        detection = attack(ALL);
    }
    assert_eq!(detection.verdict, Verdict::Failed, "{name} was missed");
    detection.findings.retain(|finding| finding.verdict == Verdict::Failed);
    let tools: BTreeSet<&str> = detection.findings.iter().map(|finding| finding.tool.as_str()).collect();
    let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
    detection.findings.truncate(2);
    let text = format!("{}\ncaught by: {tools}\n\n{}", defect.breaks, findings(&detection));
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

macro_rules! must_be_caught {
    ($($test:ident = $name:literal,)*) => {
        const CAUGHT: &[&str] = &[$($name,)*];
        $(#[test] fn $test() { caught($name); })*
    };
}

must_be_caught! {
    audit_shows_children = "audit-shows-children",
    audit_search_forgets_tenant = "audit-search-forgets-tenant",
    provider_sees_into_child = "provider-sees-into-child",
    user_list_forgets_tenant = "user-list-forgets-tenant",
    foreign_user_forbidden = "foreign-user-forbidden",
    foreign_role_taken = "foreign-role-taken",
    tenant_from_body = "tenant-from-body",
    account_taken_over = "account-taken-over",
    tenant_from_header = "tenant-from-header",
    group_deployment_crosses_tenants = "group-deployment-crosses-tenants",
    deployment_reaches_foreign_device = "deployment-reaches-foreign-device",
    device_list_forgets_tenant = "device-list-forgets-tenant",
    inventory_search_forgets_tenant = "inventory-search-forgets-tenant",
    download_forgets_tenant = "download-forgets-tenant",
    link_seals_expiry_only = "link-seals-expiry-only",
    foreign_device_forbidden = "foreign-device-forbidden",
    device_token_opens_management = "device-token-opens-management",
    deployment_log_forgets_tenant = "deployment-log-forgets-tenant",
    query_checks_path_shows = "query-checks-path-shows",
    spelled_id_forgets_tenant = "spelled-id-forgets-tenant",
    operator_forgets_tenant = "operator-forgets-tenant",
    part_needs_no_seal = "part-needs-no-seal",
    link_removes = "link-removes",
    link_never_ends = "link-never-ends",
    removed_artifact_keeps_file = "removed-artifact-keeps-file",
    search_term_forgets_tenant = "search-term-forgets-tenant",
    filter_name_taken_everywhere = "filter-name-taken-everywhere",
    token_in_audit_log = "token-in-audit-log",
    export_unquoted = "export-unquoted",
    tenant_id_from_name = "tenant-id-from-name",
    tenant_token_from_name = "tenant-token-from-name",
}

#[test]
fn every_defect_that_isolation_must_catch_has_a_test() {
    let due: BTreeSet<&str> = defects::catalogue()
        .iter()
        .filter(|defect| defect.caught_by == "isolation")
        .map(|defect| defect.name)
        .collect();
    let tested: BTreeSet<&str> = CAUGHT.iter().copied().collect();
    assert_eq!(due.difference(&tested).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn a_clean_platform_gives_every_role_what_it_may_and_no_more() {
    on_stage(None, async |stage| {
        for role in Role::ALL {
            let (subject, people) = stage.member("acme", role).await;
            let compiled = access(&stage.surfaces, &subject);
            let detection = stage.access(&compiled, people).await;
            passes(&detection);
        }
    });
}

/// A user with this role in acme, narrowed to a group in which no canary is.
async fn narrowed(stage: &Stage, role: Role) -> Detection {
    let (email, seat) = (format!("ned-{role}@acme.test"), &stage.seats["acme"]);
    stage.mender.create_user(&seat.admin, &email, PASSWORD, role, &["lab".to_owned()]).await.unwrap();
    let session = stage.mender.login(&email, PASSWORD, Some(&seat.at)).await.unwrap();
    let tenant = Stage::party("acme");
    let provider = Some("provider".to_owned());
    let subject = Subject { user: email.clone(), tenant, role: Some(role), narrowed: true, home: None, provider };
    stage.access(&access(&stage.surfaces, &subject), BTreeMap::from([(email, session)])).await
}

#[test]
fn a_clean_platform_keeps_a_narrowed_role_to_its_groups() {
    on_stage(None, async |stage| {
        for role in [Role::Operator, Role::Installer, Role::Viewer] {
            passes(&narrowed(stage, role).await);
        }
    });
}

#[test]
fn access_catches_a_narrowed_role_that_reaches_all() {
    let mut operator = on_stage(Some("narrowed-role-reaches-all"), async |stage| narrowed(stage, Role::Operator).await);
    assert_eq!(operator.verdict, Verdict::Failed);
    operator.findings.truncate(2);
    insta::assert_snapshot!("narrowed_role_reaches_all", findings(&operator));
}

#[test]
fn a_clean_platform_refuses_the_provider_whatever_is_inside_a_child() {
    on_stage(None, async |stage| {
        let (subject, people) = stage.outsider();
        let detection = stage.access(&access(&stage.surfaces, &subject), people).await;
        passes(&detection);
    });
}

#[test]
fn access_catches_a_viewer_who_may_write_and_a_switch_without_membership() {
    let viewer = on_stage(Some("viewer-may-write"), async |stage| {
        let (subject, people) = stage.member("acme", Role::Viewer).await;
        stage.access(&access(&stage.surfaces, &subject), people).await
    });
    assert_eq!(viewer.verdict, Verdict::Failed);
    let mut first = viewer;
    first.findings.truncate(2);
    insta::assert_snapshot!("viewer_may_write", findings(&first));
    let outsider = on_stage(Some("switch-without-membership"), async |stage| {
        let (subject, people) = stage.outsider();
        stage.access(&access(&stage.surfaces, &subject), people).await
    });
    assert_eq!(outsider.verdict, Verdict::Failed);
    let mut first = outsider;
    first.findings.truncate(2);
    insta::assert_snapshot!("switch_without_membership", findings(&first));
}
