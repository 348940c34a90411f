//! A declared secret is found in whatever clothes it comes, and nothing else is touched.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fleetproof_journal::{Attempted, Journal, REDACTED, Secret, Secrets, Verdict, What, read};
use proptest::prelude::*;

fn knowing(words: &[&str]) -> Secrets {
    let secrets = Secrets::new();
    for word in words {
        assert!(secrets.declare(&Secret::new(*word)));
    }
    secrets
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn percent(text: &str, upper: bool, keep: &str) -> String {
    text.bytes()
        .map(|byte| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || (c.is_ascii() && keep.contains(c)) => c.to_string(),
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

/// The ways in which a text that contains a secret may be written.
fn spellings(text: &str) -> Vec<String> {
    vec![
        text.to_owned(),
        json(text),
        json(&json(text)),
        json(text).replace('/', "\\/").replace('é', "\\u00e9").replace('𝄞', "\\ud834\\uDD1E"),
        percent(&json(text), true, "-._~"),
        percent(&STANDARD.encode(text), true, ""),
        STANDARD.encode(text),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE.encode(text),
        URL_SAFE_NO_PAD.encode(text),
        percent(text, true, "-._~"),
        percent(text, false, "-._~"),
        percent(text, true, ""),
        percent(text, false, "!$&'()*,;:@/?-._~"),
        percent(text, true, " ").replace(' ', "+"),
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        text.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ]
}

proptest! {
    #[test]
    fn a_secret_is_found_in_every_spelling(
        secret in "[a-zA-Z0-9 \"\\\\/+%&é𝄞_-]{8,60}",
        before in "[ -~]{0,9}",
        after in "[ -~]{0,9}",
    ) {
        let secrets = knowing(&[&secret]);
        for spelling in spellings(&format!("{before}{secret}{after}")) {
            prop_assert!(secrets.are_in(&spelling), "not found in {spelling}");
            let clean = secrets.redact(&spelling);
            prop_assert!(clean.contains(REDACTED));
            prop_assert!(!secrets.are_in(&clean) || REDACTED.contains(&secret), "still in {clean}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone(secret in "[a-z]{10,20}", text in "[A-Z0-9 ]{0,200}") {
        let secrets = knowing(&[&secret]);
        prop_assume!(!secrets.are_in(&text));
        prop_assert_eq!(secrets.redact(&text), text);
    }

    #[test]
    fn only_the_secret_goes(secret in "[a-z]{10,20}", before in "[A-Z ]{0,20}", after in "[A-Z ]{1,20}") {
        let secrets = knowing(&[&secret]);
        prop_assert_eq!(
            secrets.redact(&format!("{before}{secret}{after}{secret}")),
            format!("{before}{REDACTED}{after}{REDACTED}")
        );
    }
}

#[test]
fn secrets_that_overlap_or_contain_each_other_leave_nothing() {
    let secrets = knowing(&["hunter2-hunter2", "hunter2-hunter2-more", "more-and-more"]);
    assert_eq!(secrets.redact("a hunter2-hunter2-more-and-more b"), format!("a {REDACTED} b"));
    assert_eq!(secrets.redact("hunter2-hunter2hunter2-hunter2"), REDACTED);
}

#[test]
fn neighbours_in_base64_go_too_since_they_hold_bits_of_it() {
    let secrets = knowing(&["swordfish-7"]);
    for before in ["", "x", "xy"] {
        let clean = secrets.redact(&STANDARD_NO_PAD.encode(format!("{before}swordfish-7zz")));
        let left = clean.replace(REDACTED, "");
        assert!(left.len() <= 4, "{clean}");
    }
}

#[test]
fn the_signature_of_a_token_is_a_secret_by_itself() {
    let signature = "c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1sb25n";
    let secrets = knowing(&[&format!("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.{signature}")]);
    assert!(secrets.are_in(&format!("signature={signature}")));
    assert!(!secrets.are_in("header=eyJhbGciOiJFZERTQSJ9"));
}

#[test]
fn a_secret_cannot_be_printed() {
    let secret = Secret::new("correct horse");
    assert_eq!(format!("{secret:?}"), "…");
    assert_eq!(format!("{:?}", knowing(&["correct horse"])), "Secrets(…)");
    assert!(!Secrets::new().declare(&Secret::new("short")));
}

#[test]
fn no_text_of_any_event_keeps_a_secret_even_if_it_was_declared_after_it() {
    let word = "correct \"horse\"";
    let journal = Journal::in_memory(Secrets::new());
    let follower = journal.follow();
    let hot = || format!("«{word}»");
    let detail = serde_json::json!({ hot(): [ { "deep": hot() } ], "n": 7 });
    journal.emit(0, &hot(), None, What::Note { text: hot() });
    journal.emit(
        0,
        "e",
        None,
        What::Device { device: hot(), what: hot(), detail: detail.as_object().unwrap().clone() },
    );
    journal.emit(
        0,
        "e",
        None,
        What::Attempted(Attempted {
            id: hot(),
            tool: hot(),
            operation: hot(),
            actor: hot(),
            victim: hot(),
            request: json(&hot()),
            answer: STANDARD.encode(hot()),
            expected: hot(),
            never_existed: Some(hot()),
            control: Some(hot()),
            lost: Some(hot()),
            verdict: Verdict::Failed,
        }),
    );
    assert!(journal.declare_secret(word));
    let text = String::from_utf8(journal.finish().unwrap()).unwrap();
    let secrets = knowing(&[word, "horse\\"]);
    assert!(!secrets.are_in(&text), "{text}");
    assert_eq!(text.matches(REDACTED).count(), 17, "{text}");
    assert_eq!(read(&text).unwrap(), follower.try_iter().collect::<Vec<_>>());
}

#[test]
fn a_secret_that_is_a_word_of_the_format_cannot_spoil_the_journal() {
    let journal = Journal::in_memory(knowing(&["passed", "source", "verdict", "step_done"]));
    journal.emit(
        0,
        "engine",
        None,
        What::StepDone { index: "1".into(), verdict: Verdict::Passed, detail: "passed".into() },
    );
    let events = read(&String::from_utf8(journal.finish().unwrap()).unwrap()).unwrap();
    let What::StepDone { verdict, detail, .. } = &events[0].what else { panic!("{events:?}") };
    assert_eq!((*verdict, detail.as_str()), (Verdict::Passed, REDACTED));
}

#[test]
fn thousands_of_tokens_are_searched_for_in_one_pass() {
    let secrets = Secrets::new();
    let token = |n: u32| format!("eyJhbGciOiJFZERTQSJ9.{}.{:0>86}", "eyJzdWIiOiJhZGEifQ".repeat(20), n * 7919);
    for n in 0..3000 {
        secrets.declare(&Secret::new(token(n)));
    }
    let text = (0..3000).map(|n| format!("Authorization: Bearer {}\n", token(n))).collect::<String>();
    assert_eq!(secrets.redact(&text).len(), 3000 * format!("Authorization: Bearer {REDACTED}\n").len());
}
