//! What a policy allows.

use super::{allows, home, hvac, named, policies, publishes, statement, under};
use fleetproof_dataplane::policy::{Action, Document, Facts, Home, Place, Policies, Resource, ThingFacts, Verdict};
use serde_json::json;
use std::sync::Arc;

#[test]
fn nothing_is_allowed_that_no_document_allows() {
    assert!(!Policies::default().allow(Action::Publish, Resource::Topic("a"), &home(), &hvac()));
    assert!(!allows(&[statement("Deny", "iot:*", "topic/b")], Action::Publish, Resource::Topic("a"), &hvac()));
    let allowed = [statement("Allow", "iot:Publish", "topic/a")];
    assert!(allows(&allowed, Action::Publish, Resource::Topic("a"), &hvac()));
    assert!(!allows(&allowed, Action::Receive, Resource::Topic("a"), &hvac()));
    // The same name as something else is something else.
    assert!(!allows(&allowed, Action::Publish, Resource::Filter("a"), &hvac()));
    assert!(!allows(&allowed, Action::Publish, Resource::Client("a"), &hvac()));
    assert!(!allows(&allowed, Action::Publish, Resource::Thing("a"), &hvac()));
}

#[test]
fn who_denies_wins_wherever_it_stands() {
    let allow = statement("Allow", "iot:Publish", "topic/*");
    let deny = statement("Deny", "iot:Publish", "topic/secret/*");
    for order in [[allow.clone(), deny.clone()], [deny.clone(), allow.clone()]] {
        assert!(allows(&order, Action::Publish, Resource::Topic("a"), &hvac()));
        assert!(!allows(&order, Action::Publish, Resource::Topic("secret/a"), &hvac()));
    }
    let document = |statement| {
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        Arc::new(Document::parse(&text).unwrap())
    };
    let two = Policies::new(vec![document(&allow), document(&deny)]);
    let ask = |topic| two.explain(Action::Publish, Resource::Topic(topic), &home(), &hvac());
    assert_eq!(ask("a"), Verdict::Allowed(Place { document: 0, statement: 0 }));
    assert_eq!(ask("secret/a"), Verdict::Denied(Place { document: 1, statement: 0 }));
    assert_eq!(two.explain(Action::Receive, Resource::Topic("a"), &home(), &hvac()), Verdict::NotAllowed);
}

#[test]
fn an_asterisk_crosses_levels_and_plus_and_hash_are_letters() {
    for (pattern, topic, is_allowed) in [
        ("topic/a/*", "a/b/c", true),
        ("topic/a/*", "a/", true),
        ("topic/a/*", "a", false),
        ("topic/*/c", "a/b/c", true),
        ("topic/a?c", "abc", true),
        ("topic/a?c", "a/c", true),
        ("topic/a?c", "aäc", true),
        ("topic/a?c", "ac", false),
        ("topic/a/+/c", "a/b/c", false),
        ("topic/a/#", "a/b", false),
        ("topic/a/#", "a/#", true),
        ("topic/lobby*", "lobby2/x", true),
        ("topic/A", "a", false),
        ("topic/*a*b*", "xxaxxbxx", true),
        ("topic/*a*b*", "xxbxxaxx", false),
        ("topic/*aab", "aaab", true),
        ("topic/**", "", true),
        ("topic*", "a", true),
        ("*/a", "x/a", true),
        ("*", "a", true),
        ("topicf*", "a", false),
        ("client/*", "a", false),
        ("topic/$aws/things/*", "$aws/things/x/shadow/get", true),
        ("topic/${*}", "*", true),
        ("topic/${*}", "a", false),
    ] {
        assert_eq!(publishes(pattern, topic, &hvac()), is_allowed, "{pattern} {topic}");
    }
}

#[test]
fn a_resource_is_one_of_a_region_and_an_account() {
    let other = Home { account: "222222222222".into(), ..home() };
    let elsewhere = Home { region: "us-1".into(), ..home() };
    let own = policies(&[statement("Allow", "iot:Publish", "topic/a")]);
    for (home, is_allowed) in [(&home(), true), (&other, false), (&elsewhere, false)] {
        assert_eq!(own.allow(Action::Publish, Resource::Topic("a"), home, &hvac()), is_allowed, "{home:?}");
    }
    let wide = policies(&[json!({"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:1*:topic/a"})]);
    for (home, is_allowed) in [(&home(), true), (&other, false), (&elsewhere, true)] {
        assert_eq!(wide.allow(Action::Publish, Resource::Topic("a"), home, &hvac()), is_allowed, "{home:?}");
    }
    let all = policies(&[json!({"Effect": "Allow", "Action": ["iot:Publish"], "Resource": ["*"]})]);
    assert!(all.allow(Action::Publish, Resource::Topic("a"), &other, &hvac()));
}

#[test]
fn variables_are_what_is_known_of_the_connection() {
    for (pattern, topic) in [
        ("topic/dev/${iot:ClientId}/x", "dev/hvac-7/x"),
        ("topic/${iot:Connection.Thing.ThingName}", "hvac-7"),
        ("topic/${iot:Connection.Thing.ThingTypeName}/*", "hvac/x"),
        ("topic/${iot:Connection.Thing.Attributes[site]}", "ulm"),
        ("topic/${iot:Connection.Thing.IsAttached}", "true"),
        ("topic/${iot:Certificate.Subject.CommonName}", "hvac-7"),
        ("topic/${iot:Certificate.SerialNumber}", "a1"),
        ("topic/${aws:SourceIp}", "192.0.2.7"),
        ("topic/*${iot:ClientId}*", "a/hvac-7/b"),
    ] {
        assert!(publishes(pattern, topic, &hvac()), "{pattern}");
        assert!(!publishes(pattern, "other", &hvac()), "{pattern}");
    }
}

#[test]
fn a_variable_without_a_value_is_nothing_and_never_an_empty_text() {
    let unknown = Facts { thing: Some(Arc::new(ThingFacts::default())), ..named("") };
    for variable in [
        "iot:ClientId",
        "iot:Connection.Thing.ThingName",
        "iot:Connection.Thing.ThingTypeName",
        "iot:Connection.Thing.Attributes[site]",
        "iot:Certificate.Subject.CommonName",
        "aws:SourceIp",
    ] {
        for (pattern, topic) in
            [(format!("topic/${{{variable}}}*"), "anything"), (format!("topic/a/${{{variable}}}"), "a/")]
        {
            assert!(!publishes(&pattern, topic, &unknown), "{pattern}");
        }
    }
    assert!(!publishes("topic/${iot:Connection.Thing.ThingName}*", "x", &named("a")), "no thing at all");
    assert!(publishes("topic/${iot:Connection.Thing.IsAttached}", "false", &named("a")));
}

#[test]
fn a_value_never_acts_as_a_wildcard() {
    for name in ["*", "?", "+", "#", "${iot:ClientId}", "${*}", "$", "a*", "*/*"] {
        let facts = named(name);
        assert!(!publishes("topic/dev/${iot:ClientId}/x", "dev/victim/x", &facts), "{name}");
        assert!(!publishes("topic/dev/${iot:ClientId}/x", "dev/v/x", &facts), "{name}");
        assert!(publishes("topic/dev/${iot:ClientId}/x", &format!("dev/{name}/x"), &facts), "{name}");
    }
}

#[test]
fn a_value_with_the_wildcards_of_filters_subscribes_to_nothing() {
    let statements = [statement("Allow", "iot:Subscribe", "topicfilter/dev/${iot:ClientId}")];
    for (name, is_allowed) in [("a", true), ("+", false), ("#", false), ("a/+/b", false), ("*", true)] {
        let filter = format!("dev/{name}");
        assert_eq!(
            allows(&statements, Action::Subscribe, Resource::Filter(&filter), &named(name)),
            is_allowed,
            "{name}"
        );
    }
    // A filter that the policy itself has is meant so.
    let statements = [statement("Allow", "iot:Subscribe", "topicfilter/dev/+/${iot:ClientId}")];
    assert!(allows(&statements, Action::Subscribe, Resource::Filter("dev/+/a"), &named("a")));
    // What is denied stays denied.
    let statements = [
        statement("Allow", "iot:Subscribe", "topicfilter/*"),
        statement("Deny", "iot:Subscribe", "topicfilter/dev/${iot:ClientId}"),
    ];
    assert!(!allows(&statements, Action::Subscribe, Resource::Filter("dev/+"), &named("+")));
    assert!(allows(&statements, Action::Subscribe, Resource::Filter("dev/b"), &named("+")));
}

#[test]
fn actions_have_wildcards_and_no_case() {
    let can =
        |action: &str, asked| allows(&[statement("Allow", action, "topic/a")], asked, Resource::Topic("a"), &hvac());
    for (action, publish, retain, receive) in [
        ("*", true, true, true),
        ("iot:*", true, true, true),
        ("iot:Pub*", true, false, false),
        ("iot:*Publish", true, true, false),
        ("iot:publish", true, false, false),
        ("IOT:Rec?ive", false, false, true),
    ] {
        assert_eq!(can(action, Action::Publish), publish, "{action}");
        assert_eq!(can(action, Action::RetainPublish), retain, "{action}");
        assert_eq!(can(action, Action::Receive), receive, "{action}");
    }
}

#[test]
fn sessions_that_stay_and_wills_are_granted_by_name_only() {
    let ask = |condition, is_persistent, has_will| {
        let statements = match condition {
            None => [statement("Allow", "iot:Connect", "client/*")],
            Some(condition) => [under(condition, "iot:Connect", "client/*")],
        };
        let facts = Facts { persistent_connect: is_persistent, last_will: has_will, ..hvac() };
        allows(&statements, Action::Connect, Resource::Client("hvac-7"), &facts)
    };
    let table = |condition: Option<serde_json::Value>| {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(stays, will)| ask(condition.clone(), stays, will))
    };
    assert_eq!(table(None), [true, false, false, false]);
    let all = |values| Some(json!({"ForAllValues:StringEquals": {"iot:ConnectAttributes": values}}));
    assert_eq!(table(all(json!("PersistentConnect"))), [true, true, false, false]);
    assert_eq!(table(all(json!(["PersistentConnect", "LastWill"]))), [true; 4]);
    let any = |values| Some(json!({"ForAnyValue:StringEquals": {"iot:ConnectAttributes": values}}));
    assert_eq!(table(any(json!("LastWill"))), [false, false, true, false]);
    assert_eq!(table(Some(json!({"ForAllValues:StringLike": {"iot:ConnectAttributes": "*"}}))), [true; 4]);
    // Saying which is not wanted grants none.
    assert_eq!(
        table(Some(json!({"ForAllValues:StringNotEquals": {"iot:ConnectAttributes": "LastWill"}}))),
        [true, false, false, false]
    );
    let denied = [
        under(
            json!({"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["PersistentConnect", "LastWill"]}}),
            "iot:Connect",
            "client/*",
        ),
        json!({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*", "Condition": {"ForAnyValue:StringEquals": {"iot:ConnectAttributes": "LastWill"}}}),
    ];
    let facts = |last_will| Facts { persistent_connect: true, last_will, ..hvac() };
    assert!(allows(&denied, Action::Connect, Resource::Client("a"), &facts(false)));
    assert!(!allows(&denied, Action::Connect, Resource::Client("a"), &facts(true)));
    // Other actions have nothing to do with it.
    assert!(allows(
        &[statement("Allow", "iot:Publish", "topic/a")],
        Action::Publish,
        Resource::Topic("a"),
        &facts(true)
    ));
}

#[test]
fn conditions_hold_or_do_not() {
    let ask = |condition, facts: &Facts| {
        allows(&[under(condition, "iot:Publish", "topic/a")], Action::Publish, Resource::Topic("a"), facts)
    };
    let attached = |value| json!({"Bool": {"iot:Connection.Thing.IsAttached": value}});
    assert!(ask(attached(json!("true")), &hvac()) && !ask(attached(json!(["true"])), &named("a")));
    assert!(ask(attached(json!(false)), &named("a")) && !ask(attached(json!(false)), &hvac()));
    for (condition, known, unknown) in [
        (json!({"StringEquals": {"iot:Connection.Thing.ThingTypeName": ["pump", "hvac"]}}), true, false),
        (json!({"StringEquals": {"iot:Connection.Thing.ThingTypeName": "hv*"}}), false, false),
        (json!({"StringLike": {"iot:Connection.Thing.ThingTypeName": "hv*"}}), true, false),
        (json!({"StringNotEquals": {"iot:Connection.Thing.ThingTypeName": "hvac"}}), false, true),
        (json!({"StringNotLike": {"iot:Connection.Thing.ThingTypeName": "p*"}}), true, true),
        (json!({"StringEquals": {"iot:Certificate.Subject.CommonName": "${iot:ClientId}"}}), true, false),
        (json!({"StringNotEquals": {"iot:ClientId": "${iot:Connection.Thing.ThingName}"}}), false, false),
        (json!({"ForAnyValue:StringEquals": {"iot:Connection.Thing.Attributes[site]": "ulm"}}), true, false),
        (json!({"ForAllValues:StringEquals": {"iot:Connection.Thing.Attributes[site]": "ulm"}}), true, true),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), true, false),
        (json!({"IpAddress": {"aws:SourceIp": ["192.0.2.8/31", "2001:db8::/32"]}}), false, false),
        (json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.7"}}), false, true),
        (
            json!({"StringEquals": {"iot:ClientId": "hvac-7"}, "Bool": {"iot:Connection.Thing.IsAttached": "false"}}),
            false,
            false,
        ),
    ] {
        assert_eq!(ask(condition.clone(), &hvac()), known, "{condition}");
        assert_eq!(ask(condition.clone(), &named("a")), unknown, "{condition}");
    }
    let from = |address: &str| Facts { source_ip: Some(address.into()), ..hvac() };
    let net = |net: &str| json!({"IpAddress": {"aws:SourceIp": net}});
    for (range, address, is_inside) in [
        ("10.0.0.0/8", "10.255.0.1:50123", true),
        ("10.0.0.0/8", "::ffff:10.0.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("2001:db8::/32", "[2001:db8:ffff::1]:443", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("0.0.0.0/0", "client", false),
    ] {
        assert_eq!(ask(net(range), &from(address)), is_inside, "{range} {address}");
    }
}

#[test]
fn the_lobby_lets_each_device_have_its_own_topic() {
    let lobby = [
        statement("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
        statement("Allow", "iot:Publish", "topic/$aws/rules/lobby"),
        statement("Allow", "iot:Subscribe", "topicfilter/lobby/${iot:Connection.Thing.ThingName}"),
        statement("Allow", "iot:Receive", "topic/lobby/${iot:Connection.Thing.ThingName}"),
    ];
    let can = |action, resource| allows(&lobby, action, resource, &hvac());
    assert!(can(Action::Connect, Resource::Client("hvac-7")) && !can(Action::Connect, Resource::Client("hvac-8")));
    assert!(
        can(Action::Publish, Resource::Topic("$aws/rules/lobby"))
            && !can(Action::Publish, Resource::Topic("lobby/hvac-7"))
    );
    assert!(
        can(Action::Subscribe, Resource::Filter("lobby/hvac-7"))
            && !can(Action::Subscribe, Resource::Filter("lobby/+"))
    );
    assert!(
        can(Action::Receive, Resource::Topic("lobby/hvac-7"))
            && !can(Action::Receive, Resource::Topic("lobby/hvac-70"))
    );
}

#[test]
fn a_pattern_made_to_be_slow_is_not() {
    // Tried one way after the other, the first would take longer than the world has been there.
    let long = "a".repeat(1024);
    for pattern in ["*a".repeat(900) + "b", "*".to_owned() + &"a?".repeat(250) + "*b", "?*".repeat(900) + "b"] {
        let policy = policies(&[statement("Allow", "iot:Publish", &format!("topic/{pattern}"))]);
        for _ in 0..20 {
            assert!(!policy.allow(Action::Publish, Resource::Topic(&long), &home(), &hvac()));
        }
    }
    let name = policies(&[json!({"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"})]);
    assert!(name.allow(Action::Publish, Resource::Topic(&long), &home(), &hvac()));
    let longer = format!("{long}a");
    assert!(!name.allow(Action::Publish, Resource::Topic(&longer), &home(), &hvac()), "no name is so long");
}
