#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Whole files: what the design's examples become, value by value, span by span.

use fleetproof_language::{
    Background, Claim, Class, Component, Defect, Limit, Load, Mqtt, Need, Points, Protocol, Refusal, Role, Row,
    Scenario, Sources, Starts, Step, check,
};
use std::time::Duration;

fn valid(path: &str) -> (Sources, Scenario) {
    let bytes = std::fs::read(format!("{}/tests/valid/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    of(path, &String::from_utf8(bytes).unwrap())
}

fn of(path: &str, text: &str) -> (Sources, Scenario) {
    let mut sources = Sources::new();
    let file = sources.add(path, text.to_owned());
    let (mut scenarios, mistakes) = check(&sources, &[file]);
    let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    (sources, scenarios.pop().unwrap().scenario().clone())
}

#[test]
fn the_quickstart_is_typed() {
    let (sources, it) = valid("quickstart.yaml");
    assert_eq!(it.scenario.value, "A bad update in one building stays in that building");
    assert_eq!(it.covers.iter().map(|row| row.value).collect::<Vec<_>>(), [Row::P2, Row::P3, Row::P8, Row::P11]);
    let provider = it.platform.provider.as_ref().unwrap();
    assert_eq!((provider.device_limit.value, provider.admin.as_str()), (1000, "pia@provider.test"));
    let acme = it.platform.tenants.get("acme").unwrap();
    assert_eq!((acme.device_limit.as_ref().unwrap().value, acme.starts), (300, Starts::Ready));
    let v3 = it.artifacts.get("v3-broken").unwrap();
    assert_eq!((v3.version.as_str(), v3.size.value), ("3.0", 64 * 1024));
    assert_eq!(v3.misbehaves.as_ref().unwrap().word(), "never_boots");
    let hvac = it.devices.get("hvac").unwrap();
    assert_eq!(
        (hvac.simulated.value, hvac.speaks.value, hvac.runs.as_ref().unwrap().as_str()),
        (250, Protocol::Mender, "1.0")
    );
    assert_eq!(hvac.poll.as_ref().unwrap().value, Duration::from_secs(2));
    assert_eq!(it.devices.get("lifts").unwrap().poll, None);

    let verbs: Vec<&str> = it.steps.iter().map(|step| step.verb()).collect();
    assert_eq!(verbs, ["enroll", "expect", "deploy", "expect", "deploy", "expect", "expect"]);
    let Step::Expect(expect) = &it.steps[5].value else { panic!() };
    assert_eq!(expect.within.as_ref().unwrap().value, Duration::from_secs(60));
    let claims: Vec<_> = expect.claims.iter().map(|claim| (claim.name(), claim.kind(), claim.rows())).collect();
    assert_eq!(
        claims,
        [("rolled_back", Class::Eventual, &[Row::P11][..]), ("untouched", Class::Safety, &[Row::P8][..])]
    );

    // A step and a claim stand where their words stand.
    let place = sources.place(it.steps[4].span).unwrap();
    assert_eq!((place.line, place.column, place.length), (27, 5, 6));
    let place = sources.place(expect.claims[1].span).unwrap();
    assert_eq!((place.file.as_str(), place.line, place.column, place.length), ("quickstart.yaml", 31, 7, 9));
    assert_eq!(place.text, "      untouched: { devices: [lifts], deployment: bad-rollout }");
    let Claim::Untouched { devices, deployment } = &expect.claims[1].value else { panic!() };
    assert_eq!((devices[0].as_str(), sources.place(devices[0].span).unwrap().column), ("lifts", 30));
    assert_eq!(sources.place(deployment.span).unwrap().length, 11);
}

#[test]
fn the_carve_is_typed() {
    let (_, it) = valid("provider-carve.yaml");
    assert_eq!(it.platform.tenants.get("north").unwrap().starts, Starts::Absent);
    assert_eq!(it.selections.get("old-half").unwrap().share.as_ref().unwrap().value, 500_000);
    let Step::Onboard(onboard) = &it.steps[0].value else { panic!() };
    assert!(onboard.at_once);
    assert_eq!(onboard.outcome.accepted.as_ref().unwrap().value, 1);
    assert_eq!(onboard.outcome.refused.as_ref().unwrap().value, Refusal::OverLimit);
    let Step::Onboard(nested) = &it.steps[1].value else { panic!() };
    assert_eq!((nested.at_once, nested.outcome.by.as_ref().unwrap().as_str()), (false, "ada@acme.test"));
    assert!(it.steps[7].outcome().is_none() && it.steps[8].outcome().is_some());
    let Step::Expect(last) = &it.steps[10].value else { panic!() };
    let acts: Vec<_> = last.claims.iter().map(|claim| (claim.name(), claim.acts())).collect();
    assert_eq!(acts, [("counts", false), ("forgotten", true), ("onboarded", false), ("pool", true), ("audit", true)]);
    let Claim::Pool { over_by, callers } = &last.claims[3].value else { panic!() };
    assert_eq!((over_by.as_ref().unwrap().value, callers.as_ref().unwrap().value), (50, 8));
}

#[test]
fn two_hats_are_typed() {
    let (_, it) = valid("two-hats.yaml");
    let acme = it.platform.tenants.get("acme").unwrap();
    assert_eq!(acme.users.get("ivy@acme.test").unwrap().role.as_ref().unwrap().value, Role::Viewer);
    let Step::AddUser(add) = &it.steps[7].value else { panic!() };
    assert_eq!((add.user.as_str(), add.tenant.as_str(), add.role.value), ("pia@provider.test", "acme", Role::Admin));
    let Step::Switch(switch) = &it.steps[5].value else { panic!() };
    assert_eq!(switch.outcome.refused.as_ref().unwrap().value, Refusal::Unseen);
}

#[test]
fn the_half_onboarded_are_typed() {
    let (_, it) = valid("half-onboarded.yaml");
    let Step::Sweep(sweep) = &it.steps[0].value else { panic!() };
    assert_eq!((sweep.interrupt.kind(), sweep.interrupt.component()), ("fail_calls", Some(Component::Accounts)));
    assert_eq!((sweep.points.value, sweep.draws.is_none()), (Points::Every, true));
    let verbs: Vec<&str> = it.all_steps().iter().map(|step| step.verb()).collect();
    assert_eq!(verbs[..4], ["sweep", "onboard", "expect", "onboard"], "what judges a round is a step like others");
    let needs: Vec<Need> = it.implied_needs().into_iter().collect();
    assert_eq!(needs, [Need::Lobby, Need::FailCalls]);
}

#[test]
fn what_judges_a_round_knows_what_the_round_declares() {
    let text = "scenario: x\nplatform:\n  lobby: { regions: [eu], trusts: [f] }\n  regions: [eu]\n  certificate_authorities: [f]\n  tenants:\n    acme: { admin: ada }\n    new: { admin: eve, starts: absent }\n\
        artifacts: { v2: { version: \"2\", size: 1 KiB } }\ndevices:\n  vans: { tenant: acme, simulated: 3, speaks: mqtt, runs: \"1\" }\n\
        steps:\n  - sweep:\n      interrupt: { fail_calls: { component: accounts } }\n      points: drawn\n      draws: 3\n      steps:\n        - onboard: { tenants: [new] }\n        - log: { text: \"round {{ round }}\" }\n\
        \x20       - deploy: { artifact: v2, devices: [vans], name: first }\n      expect: { within: 9s, rollout: { deployment: first, ended: finished } }\n  - onboard: { tenants: [new] }\n";
    let (_, it) = of("x.yaml", text);
    let Step::Sweep(sweep) = &it.steps[0].value else { panic!() };
    assert_eq!((sweep.points.value, sweep.draws.as_ref().unwrap().value), (Points::Drawn, 3));
}

#[test]
fn the_migration_is_typed() {
    let (_, it) = valid("lobby-migration.yaml");
    let names = |list: &[fleetproof_language::Located<String>]| -> Vec<String> {
        list.iter().map(|name| name.value.clone()).collect()
    };
    assert_eq!(names(&it.platform.regions), ["us-east", "eu-west"]);
    assert_eq!(names(&it.platform.certificate_authorities), ["factory"]);
    assert_eq!(names(&it.platform.people), ["mallory@example.test"]);
    let lobby = it.platform.lobby.as_ref().unwrap();
    assert_eq!((names(&lobby.regions), names(&lobby.trusts)), (vec!["us-east".to_owned()], vec!["factory".to_owned()]));
    let acme = it.platform.tenants.get("acme-eu").unwrap();
    assert_eq!((names(&acme.regions), acme.trusts_lobby()), (vec!["eu-west".to_owned()], true));
    let sensors = it.devices.get("sensors").unwrap();
    assert!(sensors.is_unbound() && sensors.runs.is_none());
    assert_eq!(sensors.identity.as_ref().unwrap().issued_by.as_ref().unwrap().value, "factory");
    let publishes = sensors.publishes.as_ref().unwrap();
    assert_eq!(
        (publishes.topic.as_str(), publishes.every.value, publishes.size.value),
        ("readings", Duration::from_secs(1), 200)
    );
    let Step::Claim(claim) = &it.steps[2].value else { panic!() };
    assert_eq!(claim.tenant.as_ref().unwrap().value, "acme-us");
    let Step::Migrate(migrate) = &it.steps[5].value else { panic!() };
    assert_eq!((migrate.tenant.as_str(), migrate.outcome.by.as_ref().unwrap().as_str()), ("acme-eu", "ada@acme.test"));
    let Step::Expect(last) = &it.steps[6].value else { panic!() };
    let claims: Vec<_> = last.claims.iter().map(|claim| (claim.name(), claim.kind(), claim.rows())).collect();
    assert_eq!(
        claims,
        [
            ("bound", Class::Eventual, &[Row::A5, Row::A6, Row::A8][..]),
            ("forgotten", Class::Eventual, &[Row::P1, Row::A6][..]),
            ("delivery", Class::Safety, &[Row::A2, Row::A6][..]),
            ("residency", Class::Active, &[Row::A3][..]),
        ]
    );
    assert_eq!(it.implied_needs().into_iter().collect::<Vec<_>>(), [Need::Lobby, Need::Regions]);
}

#[test]
fn the_root_of_trust_is_typed() {
    let (_, it) = valid("root-of-trust.yaml");
    let twins = it.devices.get("twins").unwrap().identity.as_ref().unwrap();
    assert_eq!(
        (twins.defect.as_ref().unwrap().value, twins.like.as_ref().unwrap().as_str()),
        (Defect::SameName, "genuine")
    );
    assert_eq!(it.platform.tenants.get("acme").unwrap().trusts[0].value, "acme-ca");
    let Step::Expect(first) = &it.steps[4].value else { panic!() };
    let Claim::OwnedOnce { devices, among } = &first.claims[0].value else { panic!() };
    assert_eq!((devices.len(), among.len(), first.claims[0].kind()), (1, 2, Class::Safety));
}

#[test]
fn the_noisy_neighbour_is_typed() {
    let (_, it) = valid("noisy-neighbour.yaml");
    let quotas = it.platform.tenants.get("loud").unwrap().quotas.as_ref().unwrap();
    assert_eq!(quotas.limits(), [Limit::ConnectRate, Limit::PublishRate]);
    assert_eq!(quotas.publish_rate.as_ref().unwrap().value.to_string(), "1000/s");
    let Step::While(storm) = &it.steps[2].value else { panic!() };
    let loads: Vec<&Load> = storm
        .background
        .iter()
        .map(|held| {
            let Background::Load(load) = &held.value else { panic!() };
            &load.value
        })
        .collect();
    let Load::Publish(roar) = loads[0] else { panic!() };
    assert_eq!((roar.topic.as_str(), roar.every.value, roar.size.value), ("roar", Duration::from_millis(500), 200));
    assert_eq!((loads[0].rate(), loads[1].rate().unwrap().count, loads[1].devices().len()), (None, 200, 1));
    assert!(loads.iter().all(|load| load.time().is_none()));
}

/// Topics of one's own: whole, with what is known only while running in them, and wrong where that is the test.
#[test]
fn messages_of_ones_own_are_typed() {
    let (_, it) = of(
        "mqtt.yaml",
        r##"
scenario: What is said
vars: { token: { secret: TOKEN } }
platform: { tenants: { acme: { admin: ada }, globex: { admin: gus } } }
devices:
  vans: { tenant: acme, simulated: 2, speaks: mqtt }
  spy: { tenant: globex, simulated: 1, speaks: mqtt }
steps:
- enroll: { devices: [vans, spy] }
- mqtt: { subscribe: { devices: [vans], topic: "app/+/{{ run.id }}/#", name: own } }
- mqtt: { subscribe: { devices: [spy], topic: "#", name: overheard, refused: unseen } }
- mqtt: { subscribe: { devices: [spy], topic: "$share/x/#", name: shared, may_fail: true } }
- mqtt: { publish: { devices: [vans], topic: "app/vans-1/{{ run.id }}/x", text: "{{ token }}", qos: 0, retain: true } }
- mqtt: { publish: { devices: [spy], topic: "app/+", text: hello, refused: invalid } }
- mqtt: { publish: { devices: [spy], topic: /app//x, text: hello, may_fail: true } }
- load: { publish: { devices: [vans], topic: roar, every: 20ms, size: 4 KiB, for: 5s } }
- expect: { within: 5s, received: { subscription: own, count: 2, text: hello } }
- expect: { within: 5s, received: { subscription: overheard, count: 0 } }
- expect: { within: 5s, received: { subscription: shared, count: 0 } }
- expect: { delivery: { devices: [vans], lost: 0, duplicated: 0 }, isolation: { between: [acme, globex], surfaces: [mqtt] } }
"##,
    );
    let Step::Mqtt(subscribe) = &it.steps[1].value else { panic!() };
    let Mqtt::Subscribe(subscribe) = &subscribe.value else { panic!() };
    assert_eq!((subscribe.topic.written().as_str(), subscribe.name.as_str()), ("app/+/{{ run.id }}/#", "own"));
    assert_eq!(it.steps[2].outcome().unwrap().refused.as_ref().unwrap().value, Refusal::Unseen);
    let Step::Mqtt(publish) = &it.steps[4].value else { panic!() };
    let Mqtt::Publish(publish) = &publish.value else { panic!() };
    assert_eq!((publish.qos.as_ref().unwrap().value, publish.retain, publish.text.0.len()), (0, true, 1));
    let Step::Expect(expect) = &it.steps[8].value else { panic!() };
    let Claim::Received { subscription, count, text } = &expect.claims[0].value else { panic!() };
    assert_eq!((subscription.as_str(), count.value, text.as_ref().unwrap().as_str()), ("own", 2, "hello"));
    assert_eq!((expect.claims[0].kind(), expect.claims[0].rows()), (Class::Eventual, &[Row::A2][..]));
}

/// Every word of `selections`, `tags`, `only`; and what must not be taken for a mistake.
#[test]
fn what_is_right_is_not_reported() {
    let (_, it) = of(
        "right.yaml",
        r#"
scenario: "été: 𝄞"
about: |
  Two lines,
  with {braces} and # signs.
platform:
  tenants:
    acme: { admin: ada, device_limit: 10, users: { ivy: { role: operator, only: [beta] } } }
    globex: { admin: ada }
artifacts: { v2: { version: v2.0-rc1, size: 1 B, misbehaves: hangs } }
devices:
  roof-units: { tenant: acme, simulated: 8, speaks: mender, runs: '1.0', tags: [roof, north] }
  cellar-units: { tenant: acme, simulated: 8, speaks: mender, runs: "1.10", tags: [cellar] }
selections:
  gamma: { from: [beta, cellar-units], except: [delta], first: 2 }
  beta: { from: [roof-units, cellar-units], tagged: [roof, north], share: 0%, group: true }
  delta: { from: [roof-units], first: 3, group: false }
steps:
- enroll: { devices: [roof-units], within: 1h }
- enroll: { devices: [cellar-units], accepted: 2, refused: over_limit }
- enroll: { devices: [roof-units, delta] }
- deploy: { artifact: v2, devices: [beta, gamma], name: r1, may_fail: true, by: ivy }
- abort: { deployment: r1, may_fail: false }
- switch: { user: ivy, tenant: globex, refused: unseen }
- configure: { tenant: acme, device_limit: 20 }
- enroll: { devices: [cellar-units] }
- expect: { stays: 0s, within: 500ms, online: { devices: [roof-units] } }
- expect: { isolation: { between: [acme, globex], surfaces: [http, audit], skip: [{ attempt: http/x, because: "because: it is" }] } }
- expect: { untouched: { devices: [delta], deployment: r1 } }
"#,
    );
    assert_eq!(it.scenario.value, "été: 𝄞");
    assert_eq!(it.about.as_ref().unwrap().value, "Two lines,\nwith {braces} and # signs.\n");
    assert_eq!(it.platform.tenants.get("acme").unwrap().users.get("ivy").unwrap().only[0].value, "beta");
    let gamma = it.selections.get("gamma").unwrap();
    assert_eq!((gamma.from.len(), gamma.except[0].as_str(), gamma.first.as_ref().unwrap().value), (2, "delta", 2));
    let beta = it.selections.get("beta").unwrap();
    assert_eq!((beta.tagged.len(), beta.group.as_ref().unwrap().value), (2, true));
    let Step::Expect(expect) = &it.steps[9].value else { panic!() };
    let Claim::Isolation { surfaces, skip, .. } = &expect.claims[0].value else { panic!() };
    assert_eq!((surfaces.len(), skip[0].because.as_str()), (2, "because: it is"));
}

/// Characters of several bytes do not shift what stands behind them.
#[test]
fn places_count_characters() {
    let mut sources = Sources::new();
    let text = "scenario: é 𝄞\nabout: \"é\"\ntägs: [é]\nsteps: [ { 𝄞: 1 } ]\n";
    let file = sources.add("é.yaml", text.to_owned());
    let (_, mistakes) = check(&sources, &[file]);
    let places: Vec<_> = mistakes
        .iter()
        .map(|mistake| sources.place(mistake.span).map(|it| (it.line, it.column, it.length)).unwrap())
        .collect();
    assert_eq!(places, [(3, 1, 4), (4, 12, 1)]);
}
