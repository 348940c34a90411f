//! Judging attempts, and comparing answers.

use fleetproof_claims::model::*;
use fleetproof_claims::{Canaries, Record, Reply, Ruling, canonical, difference, judge, masked, without_credentials};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn attempt(oracles: Vec<Oracle>, control: Control) -> Attempt {
    Attempt {
        id: "h1-foreign-id/show-user/path:user_id/globex>acme/admin".into(),
        tool: "h1-foreign-id",
        surface: 0,
        operation: "Show User".into(),
        actor: Actor { tenant: "globex".into(), identity: Identity::User(Role::Admin) },
        victim: "acme".into(),
        fills: BTreeMap::new(),
        attacked: vec![],
        tamper: vec![],
        throw_away: false,
        control,
        oracles,
        ok: vec![200],
    }
}

fn foreign() -> Attempt {
    let oracles = vec![Oracle::Kind(Refusal::Unseen), Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary];
    attempt(oracles, Control::Victim)
}

fn repelled() -> Record {
    Record {
        status: 404,
        answer: "404\n\n{}".into(),
        refusal: Some(Refusal::Unseen),
        never_existed: Some("404\n\n{}".into()),
        before: Some(r#"{"status":"accepted"}"#.into()),
        after: Some(r#"{"status":"accepted"}"#.into()),
        control: Some(200),
        ..Record::default()
    }
}

fn told(attempt: &Attempt, record: &Record) -> String {
    let outcome = judge(attempt, record);
    format!(
        "{:?}\nexpected: {}\nbecause: {}\nlost: {}",
        outcome.ruling,
        outcome.expected,
        outcome.why.join("; "),
        outcome.lost.unwrap_or_default()
    )
}

#[test]
fn repelled_with_a_control_is_passed() {
    assert_eq!(judge(&foreign(), &repelled()).ruling, Ruling::Passed);
}

#[test]
fn repelled_without_a_control_proves_nothing() {
    let record = Record { control: None, ..repelled() };
    assert_eq!(judge(&foreign(), &record).ruling, Ruling::Inconclusive);
    let record = Record { control: Some(500), ..repelled() };
    insta::assert_snapshot!(told(&foreign(), &record), @r"
    Inconclusive
    expected: refused as unseen, answered as for what never existed, nothing of acme changed, nothing of acme in the answer
    because: the control (the same by acme itself) failed as well: 500
    lost: 
    ");
}

#[test]
fn what_was_not_seen_proves_nothing() {
    for record in [
        Record { never_existed: None, ..repelled() },
        Record { before: None, ..repelled() },
        Record { after: None, ..repelled() },
        Record { prevented: Some("no slot for a device".into()), ..repelled() },
    ] {
        assert_eq!(judge(&foreign(), &record).ruling, Ruling::Inconclusive, "{record:?}");
    }
}

#[test]
fn a_served_stranger_who_changed_and_saw_things_is_told_whole() {
    let record = Record {
        status: 200,
        answer: "200\n\n{\"email\":\"canary-acme-17\"}".into(),
        refusal: None,
        after: Some(r#"{"status":"rejected"}"#.into()),
        leaked: vec!["canary-acme-17".into()],
        ..repelled()
    };
    insta::assert_snapshot!(told(&foreign(), &record), @r#"
    Failed
    expected: refused as unseen, answered as for what never existed, nothing of acme changed, nothing of acme in the answer
    because: not refused (unseen): 200; the answer differs from that for what never existed: `404` → `200`; `{}` → `{"email":"canary-acme-17"}`; what acme has was changed; the answer holds what is acme's
    lost: admin of globex was served; acme's status: "accepted" → "rejected"; admin of globex saw canary-acme-17
    "#);
}

#[test]
fn forbidden_where_nothing_exists_tells_that_something_does() {
    let record = Record { status: 403, answer: "403\n\n{}".into(), refusal: Some(Refusal::Forbidden), ..repelled() };
    assert_eq!(judge(&foreign(), &record).ruling, Ruling::Failed);
}

#[test]
fn a_refusal_that_acted_all_the_same_is_failed() {
    let record = Record { after: Some("{}".into()), ..repelled() };
    assert_eq!(judge(&foreign(), &record).ruling, Ruling::Failed);
}

#[test]
fn not_served_where_the_admin_is_served_is_failed_and_where_nobody_is_inconclusive() {
    let allowed = attempt(vec![Oracle::Status(vec![200])], Control::Admin);
    let refused = Record { status: 403, ..repelled() };
    assert_eq!(judge(&allowed, &refused).ruling, Ruling::Failed);
    assert_eq!(judge(&allowed, &Record { control: Some(403), ..refused.clone() }).ruling, Ruling::Inconclusive);
    assert_eq!(judge(&allowed, &Record { status: 200, ..refused.clone() }).ruling, Ruling::Passed);
    let own = attempt(vec![Oracle::Status(vec![200]), Oracle::NoCanary], Control::Itself);
    assert_eq!(judge(&own, &refused).ruling, Ruling::Inconclusive);
    assert_eq!(judge(&own, &Record { status: 200, ..refused }).ruling, Ruling::Passed);
}

#[test]
fn a_list_that_grows_with_the_neighbour_is_failed() {
    let list = attempt(vec![Oracle::Status(vec![200]), Oracle::SameTotal, Oracle::NoCanary], Control::Victim);
    let record = Record {
        status: 200,
        answer: "200\nx-total-count: 4\n\n[]".into(),
        without: Some("200\nx-total-count: 3\n\n[]".into()),
        ..repelled()
    };
    insta::assert_snapshot!(told(&list, &record), @r"
    Failed
    expected: served (200), the same answer whatever acme has, nothing of acme in the answer
    because: the answer changed when acme made more objects: `x-total-count: 3` → `x-total-count: 4`
    lost: admin of globex sees what acme makes
    ");
}

fn headers(value: &str) -> Vec<(String, String)> {
    vec![("X-Request-Id".into(), "r1".into()), ("Location".into(), value.into())]
}

#[test]
fn answers_equal_but_for_ids_times_and_tokens_are_canonically_equal() {
    let one = headers("./users/0190f3c2-1111-7abc-8def-000000000001");
    let two = headers("./users/0190f3c2-2222-7abc-8def-000000000002");
    let a = Reply {
        status: 201,
        headers: &one,
        body: br#"{"request_id":"a","id":"65f0aa11bb22cc33dd44ee55","at":"2026-11-22T05:00:00Z","name":"red"}"#,
    };
    let b = Reply {
        status: 201,
        headers: &two,
        body: br#"{"name":"blue","id":"65f0aa11bb22cc33dd44ee99","at":"2026-11-22T06:00:01.5Z"}"#,
    };
    assert_eq!(canonical(a, &["unknown", "red!"]).replace("red", "blue"), canonical(b, &[]));
    assert_ne!(canonical(a, &[]), canonical(b, &[]), "names are not masked");
    assert_eq!(
        masked("no device group-17 here: eyJh.eyJi.c2ln 1234567890", &["group-17"]),
        "no device ‹it› here: ‹token› ‹number›"
    );
    assert_eq!(masked("</users?email=a%40b.test>", &["a@b.test"]), "</users?email=‹it›>");
    // A request with a time in it may meet a thing of just that time.
    let time = "2030-01-14T06:25:09.764Z";
    assert_eq!(masked(&format!("since {time}"), &[time]), masked(&format!("since {time}"), &[]));
}

#[test]
fn what_is_told_of_an_answer_holds_no_credential() {
    let told = |text| without_credentials(text, 160);
    for (text, due) in [
        (
            r#"{"uri":"http://p/storage/a?expires=12&Signature=t9A/Hbw4i_UW-LJr=","token":"eyJh.eyJi.c2ln"}"#,
            r#"{"uri":"http://p/storage/a?expires=12&Signature=‹seal›","token":"…"}"#,
        ),
        ("Bearer eyJh.eyJi.c2ln, and\n  more", "Bearer ‹token›, and more"),
        (r#"{"password" : "a\"b, c", "name": "n"}"#, r#"{"password" : "…", "name": "n"}"#),
        (r#"{"tenant_token":{"a":["}","b"]},"n":1}"#, r#"{"tenant_token":"…","n":1}"#),
        (r#"{"old_passwords":[1,2],"token":12,"n":[]}"#, r#"{"old_passwords":"…","token":"…","n":[]}"#),
        (r#"{"token":"cut in the mid"#, r#"{"token":"…""#),
        (r#"{"token":true}"#, r#"{"token":"…"}"#),
        (r#"["password","token"]"#, r#"["password","token"]"#),
        (" \n", ""),
    ] {
        assert_eq!(told(text), due);
    }
    assert_eq!(without_credentials("äöü", 2), "äö…");
    assert_eq!(without_credentials("äöü", 3), "äöü");
    assert_eq!(masked("?X-Amz-Signature=abc&sig=ü", &[]), "?X-Amz-Signature=‹seal›&sig=ü");
    let reply = Reply { status: 200, headers: &[], body: br#"{"a":[{"tenant_token":"secret"}]}"# };
    assert!(!canonical(reply, &[]).contains("secret"));
}

#[test]
fn what_a_person_sees_of_a_difference_names_the_place() {
    let told = |a: &str, b: &str| difference(a, b).unwrap();
    assert_eq!(told(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#), "a.b: 1 → 2");
    assert_eq!(told("[1,2]", "[1]"), "the list lost 2");
    assert_eq!(told("[1]", "[1,2]"), "the list gained 2");
    assert_eq!(told(r#"{"d":[{"s":"a"}]}"#, r#"{"d":[{"s":"b"}]}"#), "d[0].s: \"a\" → \"b\"");
    assert_eq!(difference("x", "x"), None);
    // An answer with its headers: the body is a line, and a document.
    assert_eq!(told("200\n\n[{\"a\":1}]", "200\n\n[{\"a\":2}]"), "[0].a: 1 → 2");
    let long = "x".repeat(300);
    assert_eq!(
        told(&format!("{long}, you"), &format!("{long}, me")),
        format!("`…{}, you` → `…{}, me`", "x".repeat(38), "x".repeat(38))
    );
}

#[test]
fn a_word_of_the_victim_is_found_in_headers_and_body_unless_the_request_said_it() {
    let canaries = Canaries::new(["canary-acme-4711".to_owned(), "short".to_owned()]);
    let leaky = headers("./x/CANARY-ACME-4711");
    let reply = Reply { status: 200, headers: &leaky, body: b"short" };
    assert_eq!(canaries.found(reply, &[]), ["canary-acme-4711"]);
    assert_eq!(canaries.found(reply, &["/users?name=canary-acme-4711"]), Vec::<&str>::new());
}

proptest! {
    #[test]
    fn a_word_is_found_wherever_it_stands_and_however_it_is_encoded(before in "[a-z]{0,9}", after in "[a-z]{0,9}", how in 0..3) {
        use base64::Engine as _;
        let text = format!("{before}canary-acme-4711{after}");
        let body = match how {
            0 => text,
            1 => base64::engine::general_purpose::STANDARD.encode(text),
            _ => text.bytes().map(|b| format!("{b:02x}")).collect(),
        };
        let canaries = Canaries::new(["canary-acme-4711".to_owned()]);
        prop_assert_eq!(canaries.found(Reply { status: 200, headers: &[], body: body.as_bytes() }, &[]).len(), 1);
    }

    #[test]
    fn what_is_told_is_short_and_holds_no_secret(before in ".{0,40}", after in ".{0,40}", most in 0..60_usize) {
        let told = without_credentials(&format!("{before} eyJhbGc.eyJzdWI.c2Vj {after}"), most);
        prop_assert!(told.chars().count() <= most + 1);
        prop_assert!(!told.contains("eyJhbGc"));
        let field = without_credentials(&format!("{{\"new_password\": \"hunter-{most}\", {after}"), 200);
        prop_assert!(!field.contains("hunter"));
    }

    #[test]
    fn masking_never_panics_and_is_stable(text in ".{0,80}") {
        let once = masked(&text, &[]);
        prop_assert_eq!(masked(&once, &[]), once);
    }

    #[test]
    fn the_worst_decides(status in 200..600_u16, changed: bool, leaked: bool, control in 200..600_u16) {
        let record = Record {
            status,
            after: Some(if changed { "{}".into() } else { r#"{"status":"accepted"}"#.to_owned() }),
            leaked: if leaked { vec!["canary".into()] } else { vec![] },
            control: Some(control),
            refusal: (status == 404).then_some(Refusal::Unseen),
            ..repelled()
        };
        let due = if changed || leaked || status != 404 { Ruling::Failed } else if control != 200 { Ruling::Inconclusive } else { Ruling::Passed };
        prop_assert_eq!(judge(&foreign(), &record).ruling, due);
    }
}

#[test]
fn a_name_that_is_cut_off_is_masked_as_far_as_it_is_told() {
    let name = "arn:aws:iot:eu-1:123456789012:thing/canary-globex-17";
    let told = |name: &str| format!("{{\"error\":\"is {}…, not ours…\"}}", &name[..40]);
    assert_eq!(masked(&told(name), &[name]), "{\"error\":\"is ‹it›…, not ours…\"}");
    // What is too short to be known again stays.
    assert_eq!(masked("is arn…", &[name]), "is arn…");
}
