use super::https::{self, Call};
use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_700_000_000;

fn lamp() -> Address {
    Address::new("lamp", None).unwrap()
}

fn ask(rules: &Rules, stored: &mut Option<Stored>, verb: Verb, payload: &Value) -> Outcome {
    let outcome = handle(NOW, rules, Ok(()), stored.as_ref(), &lamp(), verb, payload.to_string().as_bytes());
    if outcome.stored.is_some() {
        stored.clone_from(&outcome.stored);
    }
    outcome
}

fn refused(payload: &[u8]) -> (u16, String) {
    let error = handle(NOW, &Rules::default(), Ok(()), None, &lamp(), Verb::Update, payload).answer.unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn a_lamp_is_wanted_red_and_says_so() {
    let (rules, mut kept) = (Rules::default(), None);
    let wanted = json!({"state": {"desired": {"color": "red", "at": {"x": 1, "y": 2}}}, "clientToken": "t1"});
    let first = ask(&rules, &mut kept, Verb::Update, &wanted);
    let said = json!({"state": {"reported": {"color": "red", "at": {"x": 1}, "list": [1, 2]}}, "version": 1});
    let second = ask(&rules, &mut kept, Verb::Update, &said);
    let got = ask(&rules, &mut kept, Verb::Get, &json!({"clientToken": "t2"}));
    let late = ask(&rules, &mut kept, Verb::Update, &said);
    let gone = ask(&rules, &mut kept, Verb::Delete, &json!({}));
    let nothing = ask(&rules, &mut kept, Verb::Get, &json!({}));
    let mut lines = String::new();
    for outcome in [first, second, got, late, gone, nothing] {
        for message in std::iter::once(&outcome.reply).chain(&outcome.pushes) {
            lines.push_str(&format!("{}\n  {}\n", message.topic, message.payload));
        }
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn what_is_malformed_is_named() {
    let deep = r#"{"state":{"desired":{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}}}"#;
    let large = format!(r#"{{"state":{{"desired":{{"a":"{}"}}}}}}"#, "x".repeat(9000));
    let token = format!(r#"{{"state":{{}},"clientToken":"{}"}}"#, "t".repeat(65));
    for (payload, code, message) in [
        ("{", 400, "Invalid JSON"),
        ("[]", 400, "Invalid JSON"),
        ("", 400, "Invalid JSON"),
        ("{}", 400, "Missing required node: state"),
        (r#"{"state":[]}"#, 400, "State node must be an object"),
        (r#"{"state":{"desired":1}}"#, 400, "Desired node must be an object"),
        (r#"{"state":{"reported":"x"}}"#, 400, "Reported node must be an object"),
        (r#"{"state":{"wanted":{}}}"#, 400, "State contains an invalid node"),
        (r#"{"state":{"desired":{"a":[1,null]}}}"#, 400, "State contains an invalid node"),
        (r#"{"state":{},"version":-1}"#, 400, "Invalid version"),
        (r#"{"state":{},"clientToken":7}"#, 400, "Invalid clientToken"),
        (&token, 400, "Invalid clientToken"),
        (deep, 400, "JSON contains too many levels of nesting; maximum is 6"),
        (&large, 413, "The payload exceeds the maximum size allowed"),
        (r#"{"state":{},"version":4}"#, 409, "Version conflict"),
    ] {
        assert_eq!(refused(payload.as_bytes()), (code, message.to_owned()), "{payload}");
    }
    assert_eq!(refused(b"\xff{}").0, 415);
    let forbidden = handle(NOW, &Rules::default(), Err(ShadowError::Forbidden), None, &lamp(), Verb::Get, b"");
    assert_eq!(forbidden.reply.topic, "$aws/things/lamp/shadow/get/rejected");
    assert_eq!(forbidden.reply.payload, json!({"code": 403, "message": "Forbidden", "timestamp": NOW}));
}

#[test]
fn the_limit_counts_what_would_be_stored_and_not_the_metadata() {
    let (rules, mut kept) = (Rules::default(), None);
    let half = |key: &str| json!({"state": {"desired": {key: "x".repeat(4050)}}});
    assert!(ask(&rules, &mut kept, Verb::Update, &half("a")).answer.is_ok());
    assert!(ask(&rules, &mut kept, Verb::Update, &half("b")).answer.is_ok());
    let before = kept.clone();
    assert_eq!(ask(&rules, &mut kept, Verb::Update, &half("c")).answer, Err(ShadowError::TooLarge));
    assert_eq!(kept, before);
    // 400 leaves: their timestamps alone are larger than the limit.
    let leaves: Map<String, Value> = (0..400).map(|i| (format!("k{i}"), i.into())).collect();
    let mut other = None;
    assert!(ask(&rules, &mut other, Verb::Update, &json!({"state": {"reported": leaves}})).answer.is_ok());
}

#[test]
fn a_deleted_shadow_keeps_counting_for_two_days() {
    let rules = Rules::default();
    let kept = Stored::Deleted { version: 41, at: NOW };
    let update =
        |at| handle(at, &rules, Ok(()), Some(&kept), &lamp(), Verb::Update, br#"{"state":{}}"#).answer.unwrap();
    assert_eq!(update(NOW + 60)["version"], 42);
    assert_eq!(update(NOW + rules.remembered_s + 1)["version"], 1);
}

#[test]
fn only_requests_are_requests() {
    let rules = Rules::default();
    let named = Address::new("lamp", Some("wifi")).unwrap();
    assert_eq!(place("$aws/things/lamp/shadow/get", &rules), Place::Request(lamp(), Verb::Get));
    assert_eq!(place("$aws/things/lamp/shadow/name/wifi/update", &rules), Place::Request(named, Verb::Update));
    for reserved in [
        "get/accepted",
        "update/delta",
        "update/documents",
        "update/",
        "name/wifi",
        "name/w+/get",
        "name//get",
        "name/a/b/get",
        "GET",
    ] {
        assert_eq!(place(&format!("$aws/things/lamp/shadow/{reserved}"), &rules), Place::Reserved, "{reserved}");
    }
    for elsewhere in
        ["lamp/shadow/get", "$aws/things/lamp/jobs/get", "$aws/things/lamp", "$aws/things//lamp/shadow/get"]
    {
        assert_eq!(place(elsewhere, &rules), Place::Elsewhere, "{elsewhere}");
    }
    assert_eq!(place("$aws/things/+/shadow/get", &rules), Place::Reserved);
}

#[test]
fn https_asks_the_same_shadow() {
    let named = Address::new("lamp", Some("wifi")).unwrap();
    assert_eq!(
        https::call("POST", "/things/lamp/shadow", &[("name", "wifi")]),
        Some(Ok(Call::Shadow(named.clone(), Verb::Update)))
    );
    assert_eq!(https::call("PUT", "/things/lamp/shadow", &[]), Some(Err(ShadowError::MethodNotAllowed)));
    let twice = [("name", "wifi"), ("name", "other")];
    assert_eq!(https::call("GET", "/things/lamp/shadow", &twice), Some(Err(ShadowError::InvalidShadowName)));
    assert_eq!(https::call("GET", "/things/a/b/shadow", &[]), Some(Err(ShadowError::InvalidThingName)));
    assert_eq!(https::call("GET", "/topics/a", &[]), None);
    let list = "/api/things/shadow/ListNamedShadowsForThing/lamp";
    assert_eq!(https::call("GET", list, &[("pageSize", "101")]), Some(Err(ShadowError::InvalidPage)));
    assert_eq!(
        https::call("GET", list, &[("pageSize", "2"), ("nextToken", "a")]),
        Some(Ok(Call::List { thing: "lamp".into(), page_size: 2, after: Some("a".into()) }))
    );

    let rules = Rules::default();
    let body = br#"{"state":{"desired":{"on":true}}}"#;
    let answer = https::answer(NOW, &rules, Ok(()), None, &named, Verb::Update, body);
    assert_eq!(answer.status, 200);
    let topics: Vec<&str> = answer.messages.iter().map(|message| message.topic.as_str()).collect();
    let prefix = "$aws/things/lamp/shadow/name/wifi/update";
    assert_eq!(topics, [&format!("{prefix}/accepted"), &format!("{prefix}/documents"), &format!("{prefix}/delta")]);
    let missing = https::answer(NOW, &rules, Ok(()), None, &named, Verb::Get, b"");
    assert_eq!((missing.status, missing.error_type), (404, Some("ResourceNotFoundException")));
    assert_eq!(missing.body, json!({"message": "No shadow exists with name: 'lamp~wifi'"}));
    assert!(missing.messages.is_empty());

    assert_eq!(
        https::list(NOW, 2, ["a", "b", "c"]).body,
        json!({"results": ["a", "b"], "timestamp": NOW, "nextToken": "b"})
    );
    assert_eq!(https::list(NOW, 2, ["a", "b"]).body, json!({"results": ["a", "b"], "timestamp": NOW}));
}

#[test]
fn ten_at_once_and_twenty_in_a_second() {
    let mut pace = Pace::default();
    for _ in 0..10 {
        pace.begin(0).unwrap();
    }
    assert_eq!(pace.begin(0), Err(ShadowError::TooManyRequests));
    for _ in 0..10 {
        pace.end();
        pace.begin(0).unwrap();
    }
    pace.end();
    assert_eq!(pace.begin(0), Err(ShadowError::TooManyRequests));
    assert_eq!(pace.begin(49_999), Err(ShadowError::TooManyRequests));
    pace.begin(50_000).unwrap();
    assert!(!pace.idle(u64::MAX));
    for _ in 0..10 {
        pace.end();
    }
    assert!(pace.idle(1_050_000) && !pace.idle(1_049_999));
}

/// What can be seen from outside of a service with this fault: every place, answer and push of one walk.
fn walk(defect: Option<Defect>) -> String {
    let rules = Rules { defect, ..Rules::default() };
    let mut kept = None;
    let mut seen = String::new();
    for (verb, payload) in [
        (Verb::Update, json!({"state": {"desired": {"a": 1, "b": {"c": 2}}}, "clientToken": "t"})),
        (Verb::Update, json!({"state": {"desired": {"d": 3, "a": null}}})),
        (Verb::Update, json!({"state": {"desired": {"d": 4}}, "version": 1})),
        (Verb::Delete, json!({})),
        (Verb::Update, json!({"state": {"reported": {"a": 1}}})),
    ] {
        let outcome = ask(&rules, &mut kept, verb, &payload);
        seen.push_str(&format!("{:?} {:?} {:?}\n", outcome.reply, outcome.pushes, outcome.stored));
    }
    for topic in ["$aws/things/lamp/shadow/update/accepted", "$aws/things/lamp/shadow/name/n/get"] {
        seen.push_str(&format!("{:?}\n", place(topic, &rules)));
    }
    seen
}

#[test]
fn each_fault_can_be_seen() {
    let sound = walk(None);
    let mut all: Vec<String> = Defect::ALL.iter().map(|defect| walk(Some(*defect))).collect();
    assert!(all.iter().all(|seen| *seen != sound));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), Defect::ALL.len());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        proptest::collection::vec(0..3, 0..3).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

fn section() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-c]", value(), 0..4).prop_map(|map| map.into_iter().collect())
}

fn request() -> impl Strategy<Value = (Verb, Value)> {
    let update =
        (section(), section(), 0..4, proptest::option::of(0_u64..6)).prop_map(|(desired, reported, which, version)| {
            let mut fields = match which {
                0 => json!({"state": {"desired": desired}}),
                1 => json!({"state": {"reported": reported}}),
                2 => json!({"state": {"desired": desired, "reported": reported}}),
                _ => json!({"state": {"desired": null, "reported": reported}}),
            };
            if let Some(version) = version {
                fields["version"] = version.into();
            }
            (Verb::Update, fields)
        });
    prop_oneof![8 => update, 1 => Just((Verb::Delete, json!({}))), 1 => Just((Verb::Get, json!({})))]
}

fn leaves(path: &str, state: &Map<String, Value>, out: &mut Vec<(String, Value)>) {
    for (key, value) in state {
        let path = format!("{path}/{key}");
        match value {
            Value::Object(inner) => leaves(&path, inner, out),
            leaf => out.push((path, leaf.clone())),
        }
    }
}

fn leaf_list(state: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    leaves("", state, &mut out);
    out
}

proptest! {
    #[test]
    fn versions_deltas_and_refusals(requests in proptest::collection::vec(request(), 1..12)) {
        let rules = Rules::default();
        let mut kept: Option<Stored> = None;
        for (verb, payload) in requests {
            let before = kept.clone();
            let version = Stored::version(before.as_ref(), NOW, &rules);
            let outcome = ask(&rules, &mut kept, verb, &payload);
            let after = Stored::version(kept.as_ref(), NOW, &rules);
            match (&outcome.answer, verb) {
                (Ok(_), Verb::Update) => prop_assert_eq!(after, version + 1),
                (Ok(_), Verb::Delete) => prop_assert_eq!(after, version),
                (Ok(_), Verb::Get) => prop_assert_eq!(&kept, &before),
                (Err(_), _) => {
                    prop_assert_eq!(&kept, &before);
                    prop_assert!(outcome.pushes.is_empty() && outcome.stored.is_none());
                }
            }
            let Some(shadow) = kept.as_ref().and_then(Stored::live) else { continue };

            // The delta is what differs, leaf by leaf, and every leaf of it has its time.
            let reported = leaf_list(&shadow.reported.state);
            let differs: Vec<_> =
                leaf_list(&shadow.desired.state).into_iter().filter(|leaf| !reported.contains(leaf)).collect();
            let delta = shadow.delta();
            prop_assert_eq!(leaf_list(&delta.state), differs);
            let pushed = outcome.pushes.iter().any(|push| push.topic.ends_with("/update/delta"));
            prop_assert_eq!(pushed, verb == Verb::Update && outcome.answer.is_ok() && !delta.state.is_empty());
            prop_assert_eq!(document::stamp(&Value::Object(delta.state.clone()), NOW), Value::Object(delta.metadata.clone()));
            prop_assert!(leaf_list(&shadow.desired.state).iter().all(|(_, leaf)| !leaf.is_null()));

            // A thing that does as it is told and says so has nothing left to do.
            let mut state = shadow.reported.state.clone();
            apply(&mut state, &delta.state);
            let mut next = kept.clone();
            ask(&rules, &mut next, Verb::Update, &json!({"state": {"reported": state}}));
            let settled = next.as_ref().and_then(Stored::live).map(|shadow| shadow.delta().state);
            prop_assert_eq!(settled, Some(Map::new()));
        }
    }

    #[test]
    fn any_bytes_are_answered(payload in proptest::collection::vec(any::<u8>(), 0..200), topic in "\\PC{0,60}") {
        let rules = Rules::default();
        let _ = place(&topic, &rules);
        for verb in [Verb::Get, Verb::Update, Verb::Delete] {
            let outcome = handle(NOW, &rules, Ok(()), None, &lamp(), verb, &payload);
            prop_assert!(outcome.reply.payload.is_object());
        }
    }
}
