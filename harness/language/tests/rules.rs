//! Rules, from both sides: what they catch is in `diagnostics.rs`, what they must let pass is here.

use fleetproof_language::{Sources, check};

/// The codes of what is wrong with a scenario of this platform, selections and steps.
fn codes(selections: &str, steps: &str) -> Vec<String> {
    let text = format!(
        r#"scenario: x
platform:
  tenants:
    acme: {{ admin: ada, device_limit: 100, users: {{ bob: {{ role: admin }}, ivy: {{ role: viewer }} }} }}
    globex: {{ admin: gus, device_limit: 100 }}
    north: {{ admin: nia, starts: absent }}
artifacts: {{ v2: {{ version: "2", size: 1 KiB }} }}
devices:
  vans: {{ tenant: acme, simulated: 80, speaks: mender, runs: "1", tags: [road] }}
  cars: {{ tenant: acme, simulated: 80, speaks: mender, runs: "1", tags: [road, small] }}
  lifts: {{ tenant: globex, simulated: 80, speaks: mender, runs: "1" }}
selections: {{ {selections} }}
steps:
{steps}
  - expect: {{ within: 1s, audit: {{ tenants: [globex] }} }}
"#
    );
    let mut sources = Sources::new();
    let file = sources.add("x.yaml", text);
    let (_, mistakes) = check(&sources, &[file]);
    mistakes.into_iter().map(|mistake| mistake.code.replace("scenario::", "")).collect()
}

fn steps(selections: &str, steps: &[&str]) -> Vec<String> {
    codes(selections, &steps.iter().map(|step| format!("  - {step}\n")).collect::<String>())
}

/// 160 devices for 100 places, but for what the selection leaves out.
#[test]
fn devices_are_counted_as_far_as_the_file_tells() {
    let full = |selections: &str, devices: &str| {
        let enroll = format!("enroll: {{ devices: [{devices}] }}");
        !steps(selections, &[&enroll]).is_empty()
    };
    assert!(full("", "vans, cars"));
    assert!(!full("", "vans, lifts"));
    assert!(full("s: { from: [vans, cars] }", "s"), "a selection is all of its parts");
    assert!(!full("s: { from: [vans, cars], tagged: [small] }", "s"), "only the small ones");
    assert!(full("s: { from: [vans, cars], tagged: [road] }", "s"));
    assert!(!full("s: { from: [vans], first: 20 }", "cars, s"), "20 and 80 are 100");
    assert!(full("s: { from: [vans], first: 21 }", "cars, s"));
    assert!(!full("s: { from: [vans], share: 25% }", "cars, s"));
    assert!(full("s: { from: [vans], share: 30% }", "cars, s"));
    assert!(!full("s: { from: [vans, cars], except: [t] }, t: { from: [vans], first: 60 }", "s"));
    assert!(full("s: { from: [vans, cars], except: [t] }, t: { from: [vans], first: 59 }", "s"));
    assert!(!full("s: { from: [vans, cars], first: 100 }", "s"), "over two groups nobody knows yet");
    assert!(!full("s: { from: [vans], first: 50 }", "vans, s"), "the same devices enrol once");
}

#[test]
fn a_limit_is_not_exceeded_where_that_is_the_test() {
    let none: Vec<String> = Vec::new();
    let all = "devices: [vans, cars]";
    assert_eq!(steps("", &[&format!("enroll: {{ {all} }}")]), ["limit-exceeded"]);
    assert_eq!(steps("", &[&format!("enroll: {{ {all}, accepted: 100, refused: over_limit }}")]), none);
    assert_eq!(steps("", &["configure: { tenant: acme, device_limit: 160 }", &format!("enroll: {{ {all} }}")]), none);
    assert_eq!(
        steps("", &["configure: { tenant: globex, device_limit: 9 }", &format!("enroll: {{ {all} }}")]),
        ["limit-exceeded"]
    );
    let freed = ["enroll: { devices: [vans] }", "decommission: { devices: [vans] }", "enroll: { devices: [cars] }"];
    assert_eq!(steps("", &freed), none);
    assert_eq!(steps("", &["enroll: { devices: [vans] }", "enroll: { devices: [cars] }"]), ["limit-exceeded"]);
}

#[test]
fn a_step_that_may_fail_is_judged_by_a_claim_about_it() {
    let judged = |step: &str, claim: &str| {
        let expect = format!("expect: {{ within: 1s, {claim} }}");
        steps("s: { from: [vans], first: 5 }", &[step, &expect]).is_empty()
    };
    let knock = "knock: { devices: [vans], may_fail: true }";
    assert!(judged(knock, "online: { devices: [vans] }"));
    assert!(judged(knock, "online: { devices: [s] }"), "a part of them");
    assert!(judged("knock: { devices: [s], may_fail: true }", "online: { devices: [vans] }"), "the whole");
    assert!(judged(knock, "counts: { tenant: acme, accepted: 80 }"), "their tenant");
    assert!(!judged(knock, "counts: { tenant: globex, accepted: 80 }"));
    assert!(!judged(knock, "online: { devices: [cars] }"));
    assert!(judged("onboard: { tenants: [north], may_fail: true }", "onboarded: { tenants: [north], outcome: whole }"));
    assert!(!judged("onboard: { tenants: [north], may_fail: true }", "counts: { tenant: acme, accepted: 0 }"));
    assert!(!judged(
        "add_user: { user: ivy, tenant: acme, role: admin, may_fail: true }",
        "online: { devices: [cars] }"
    ));
    assert!(judged(
        "add_user: { user: ivy, tenant: acme, role: admin, may_fail: true }",
        "access: { user: ivy, tenant: globex, role: none }"
    ));
    let before = steps("", &["expect: { within: 1s, online: { devices: [vans] } }", knock]);
    assert_eq!(before, ["unjudged"], "a claim before the step does not judge it");
}

#[test]
fn a_refusal_needs_somebody_who_may() {
    let fine = |step: &str| steps("", &[step]).is_empty();
    assert!(fine("claim: { devices: [vans], by: ada, refused: unseen }"), "bob may");
    assert!(!fine("claim: { devices: [lifts], by: gus, refused: unseen }"), "only gus may");
    assert!(fine("claim: { devices: [lifts], by: ada, refused: unseen }"));
    assert!(fine("claim: { devices: [lifts], by: gus, refused: over_limit }"), "below the limit gus may");
    assert!(!fine("switch: { user: gus, tenant: globex, refused: unseen }"));
    assert!(fine("switch: { user: ivy, tenant: globex, refused: unseen }"));
    let added = [
        "add_user: { user: ivy, tenant: globex, role: admin }",
        "claim: { devices: [lifts], by: gus, refused: unseen }",
    ];
    assert!(steps("", &added).is_empty(), "ivy may, once added");
    let viewer = [
        "add_user: { user: ivy, tenant: globex, role: viewer }",
        "claim: { devices: [lifts], by: gus, refused: unseen }",
    ];
    assert_eq!(steps("", &viewer), ["no-control"]);
}

/// Who speaks `mqtt` needs no version as long as nobody updates it, and stays out once its certificate has ended.
#[test]
fn who_speaks_mqtt_is_let_be() {
    let of = |group: &str, steps: &str| {
        let text = format!(
            "scenario: x\nplatform: {{ tenants: {{ acme: {{ admin: ada }} }} }}\ndevices:\n  \
             lifts: {{ tenant: acme, simulated: 2, speaks: mender, runs: \"1\" }}\n  vans: {{ tenant: acme, simulated: 5, {group} }}\n\
             artifacts: {{ v2: {{ version: \"2\", size: 1 KiB }} }}\nsteps:\n{steps}"
        );
        let mut sources = Sources::new();
        let file = sources.add("x.yaml", text);
        let (_, mistakes) = check(&sources, &[file]);
        mistakes.into_iter().map(|mistake| mistake.code.replace("scenario::", "")).collect::<Vec<String>>()
    };
    let none: Vec<String> = Vec::new();
    let barred =
        "  - revoke: { devices: [vans] }\n  - expect: { within: 5s, barred: { devices: [vans], like: lifts } }\n";
    assert_eq!(of("speaks: mqtt", barred), none);
    assert_eq!(of("speaks: mender, runs: \"1\"", barred), ["revoked-before"]);
    let delivered = "  - expect: { delivery: { devices: [vans], lost: 0, duplicated: 3 } }\n";
    assert_eq!(
        of("speaks: mqtt, publishes: { topic: a/b, every: 50ms, size: 1 KiB, qos: 0 }, jitter: 10%", delivered),
        none
    );
    assert_eq!(of("speaks: mqtt", delivered), ["no-evidence"]);
    let updated = "  - deploy: { artifact: v2, devices: [vans], name: r }\n  - expect: { within: 5s, reported: { devices: [vans] } }\n";
    assert_eq!(of("speaks: mqtt, runs: \"1\"", updated), none);
    assert_eq!(of("speaks: mqtt", updated), ["missing-key"]);
    let may_fail = "  - knock: { devices: [vans], may_fail: true }\n";
    assert_eq!(
        of("speaks: mqtt, publishes: { topic: a, every: 1s, size: 64 B }", &format!("{may_fail}{delivered}")),
        none
    );
}

/// Whose devices are, changes with the steps; what is said about their tenants changes with it.
#[test]
fn who_moves_is_followed() {
    let of = |steps: &[&str]| {
        let steps: String = steps.iter().map(|step| format!("  - {step}\n")).collect();
        let text = format!(
            "scenario: x\nplatform:\n  certificate_authorities: [factory]\n  regions: [here]\n  lobby: {{ regions: [here], trusts: [factory] }}\n  \
             tenants:\n    acme: {{ admin: ada, device_limit: 4 }}\n    globex: {{ admin: gus, device_limit: 2, lobby_trust: withheld }}\n\
             devices:\n  vans: {{ tenant: acme, simulated: 3, speaks: mqtt }}\n  cars: {{ tenant: none, simulated: 3, speaks: mqtt }}\n\
             selections: {{ some: {{ from: [vans], first: 1 }} }}\nsteps:\n{steps}  - expect: {{ within: 1s, audit: {{ tenants: [acme] }} }}\n"
        );
        let mut sources = Sources::new();
        let file = sources.add("x.yaml", text);
        let (_, mistakes) = check(&sources, &[file]);
        mistakes.into_iter().map(|mistake| mistake.code.replace("scenario::", "")).collect::<Vec<String>>()
    };
    let none: Vec<String> = Vec::new();
    let shut = "suspend: { tenants: [globex] }";
    let knock = "knock: { devices: [vans] }";
    assert_eq!(of(&["migrate: { devices: [vans], tenant: globex }", shut, knock]), ["suspended-before"]);
    assert_eq!(of(&["migrate: { devices: [vans], tenant: globex, refused: forbidden }", shut, knock]), none);
    assert_eq!(of(&["migrate: { devices: [some], tenant: globex }", shut, knock]), none, "nobody knows of the others");
    assert_eq!(of(&[shut, "migrate: { devices: [vans], tenant: globex }"]), ["suspended-before"]);
    assert_eq!(of(&[shut, "claim: { devices: [cars], tenant: globex }"]), ["suspended-before"]);
    assert_eq!(of(&[shut, "knock: { devices: [cars] }"]), none);
    assert_eq!(
        of(&["claim: { devices: [cars], tenant: globex }", shut, "knock: { devices: [cars] }"]),
        ["suspended-before"]
    );
    let one_of_two = "parallel: { branches: [[{ claim: { devices: [cars], tenant: globex } }], [{ claim: { devices: [cars], tenant: acme } }]] }";
    assert_eq!(of(&[one_of_two, shut, "knock: { devices: [cars] }"]), none);
    assert_eq!(
        of(&[
            "claim: { devices: [vans], tenant: globex, may_fail: true }",
            shut,
            knock,
            "expect: { within: 1s, bound: { devices: [vans], tenant: acme } }"
        ]),
        none
    );
    let freed = "suspend: { tenants: [acme] }";
    assert_eq!(
        of(&["release: { devices: [vans] }", "in_lobby"].map(|step| if step == "in_lobby" {
            "expect: { within: 1s, in_lobby: { devices: [vans] } }"
        } else {
            step
        })),
        none
    );
    assert_eq!(of(&["release: { devices: [vans] }", freed, knock, "resume: { tenants: [acme] }"]), none);
    assert_eq!(of(&[freed, knock, "resume: { tenants: [acme] }"]), ["suspended-before"]);
    let untrusted = "claim: { devices: [cars], tenant: acme, refused: untrusted }";
    assert_eq!(of(&[untrusted]), ["never-refused"]);
    assert_eq!(of(&["revoke_trust: { tenants: [acme] }", untrusted]), none);
    assert_eq!(of(&["claim: { devices: [cars], tenant: globex, refused: untrusted }"]), none);
    let mallory = "claim: { devices: [cars], tenant: globex, by: ada, refused: unseen }";
    assert_eq!(of(&[mallory]), none, "gus may");
    assert_eq!(of(&["claim: { devices: [cars], tenant: acme, by: ada, refused: unseen }"]), ["no-control"]);
}

/// What its words need of a platform is known from the file.
#[test]
fn words_imply_what_they_need() {
    let needs = |platform: &str, group: &str, steps: &str| {
        let text = format!(
            "scenario: x\nplatform: {{ {platform}tenants: {{ acme: {{ admin: ada, device_limit: 9 }} }} }}\n\
             artifacts: {{ v2: {{ version: \"2\", size: 1 KiB }} }}\n\
             devices: {{ vans: {{ tenant: acme, simulated: 3, {group} }} }}\nsteps:\n{steps}  - expect: {{ within: 1s, online: {{ devices: [vans] }} }}\n"
        );
        let mut sources = Sources::new();
        let file = sources.add("x.yaml", text);
        let (scripts, mistakes) = check(&sources, &[file]);
        assert!(mistakes.is_empty(), "{}", mistakes[0].render(&sources));
        scripts[0].scenario().implied_needs().iter().map(|need| need.word()).collect::<Vec<_>>().join(" ")
    };
    let (mender, mqtt, deploy) = (
        "speaks: mender, runs: \"1\"",
        "speaks: mqtt, runs: \"1\"",
        "  - deploy: { artifact: v2, devices: [vans], name: r }\n",
    );
    assert_eq!(needs("", mender, deploy), "");
    assert_eq!(needs("", mqtt, ""), "");
    assert_eq!(
        needs(
            "",
            mqtt,
            &format!(
                "  - parallel: {{ branches: [[{{ log: {{ text: a }} }}], [{{ log: {{ text: b }} }}]] }}\n{deploy}"
            )
        ),
        "jobs"
    );
    assert_eq!(needs("provider: { device_limit: 9, admin: pia }, ", mqtt, ""), "provider");
    assert_eq!(needs("regions: [a], ", mqtt, ""), "");
    assert_eq!(needs("regions: [a, b], ", mqtt, ""), "regions");
    let lobby = "regions: [a], certificate_authorities: [f], lobby: { regions: [a], trusts: [f] }, ";
    assert_eq!(needs(lobby, mqtt, deploy), "lobby jobs");
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    // The broken claim might have judged the step, the broken step might have changed the limit.
    assert_eq!(
        steps("", &["knock: { devices: [vans], may_fail: true }", "expect: { within: 1s, online: { devices: vans } }"]),
        ["wrong-shape"]
    );
    assert_eq!(
        steps("", &["configure: { tenant: acme, device_limit: many }", "enroll: { devices: [vans, cars] }"]),
        ["wrong-shape"]
    );
    // The group whose size is wrong is a group all the same.
    assert_eq!(steps("s: { from: [vans], share: half }", &["enroll: { devices: [s] }"]), ["wrong-shape"]);
}
