//! The topics, answers and pushes.

use super::*;

fn three() -> Owner {
    Owner::with(vec![job("a", json!({})), job("b", json!({})), job("c", json!({}))])
}

#[test]
fn topics_are_taken_apart() {
    let verb = |rest: &str| Topic::parse(&format!("$aws/things/pump-1/jobs/{rest}")).unwrap().verb;
    assert_eq!(verb("get"), Some(Verb::Get));
    assert_eq!(verb("start-next"), Some(Verb::StartNext));
    assert_eq!(verb("$next/get"), Some(Verb::Describe(JobRef::Next)));
    assert_eq!(verb("a/get"), Some(Verb::Describe(JobRef::Id("a".to_owned()))));
    assert_eq!(verb("a/update"), Some(Verb::Update("a".to_owned())));
    for none in
        ["", "notify", "notify-next", "get/accepted", "a/update/accepted", "$next/update", "a", "a/b/get", "GET"]
    {
        assert_eq!(verb(none), None, "{none}");
    }
    for none in ["$aws/things/pump-1/shadow/get", "$aws/things/pump-1", "a/b/jobs/get", "$aws/things/pump-1/jobsx/get"]
    {
        assert_eq!(Topic::parse(none), None, "{none}");
    }
}

#[test]
fn what_is_pending_is_listed() {
    let mut owner = three();
    let said = owner.ask("get", json!({"clientToken": "t-1"}), "accepted");
    assert_eq!(
        said,
        json!({"timestamp": 1_716_206_403, "clientToken": "t-1", "inProgressJobs": [], "queuedJobs": [
            {"jobId": "a", "queuedAt": 1_716_206_400, "lastUpdatedAt": 1_716_206_400, "versionNumber": 1, "executionNumber": 1},
            {"jobId": "b", "queuedAt": 1_716_206_401, "lastUpdatedAt": 1_716_206_401, "versionNumber": 1, "executionNumber": 1},
            {"jobId": "c", "queuedAt": 1_716_206_402, "lastUpdatedAt": 1_716_206_402, "versionNumber": 1, "executionNumber": 1}]})
    );
    assert_eq!(Owner::new(vec![]).ask("get", json!({}), "accepted")["queuedJobs"], json!([]));
    let topic = Topic::parse("$aws/things/pump-1/jobs/get").unwrap();
    let empty = owner.desk().handle(&topic, b"");
    assert_eq!(empty.replies[0].topic, "$aws/things/pump-1/jobs/get/accepted");
}

#[test]
fn start_next_begins_the_oldest_and_then_hands_out_the_same() {
    let mut owner = three();
    let said = owner.ask("start-next", json!({"statusDetails": {"step": "1"}, "stepTimeoutInMinutes": 5}), "accepted");
    assert_eq!(
        said,
        json!({"timestamp": 1_716_206_403, "execution": {"jobId": "a", "thingName": "pump-1", "status": "IN_PROGRESS",
            "statusDetails": {"step": "1"}, "jobDocument": {"do": "it"}, "queuedAt": 1_716_206_400,
            "startedAt": 1_716_206_403, "lastUpdatedAt": 1_716_206_403, "versionNumber": 2, "executionNumber": 1}})
    );
    assert_eq!(owner.row("a", 1).step_due_us, Some(owner.now_us + 5 * MINUTE));
    let before = owner.rows.clone();
    let again = owner.ask("start-next", json!({"statusDetails": {"step": "2"}, "stepTimeoutInMinutes": 9}), "accepted");
    assert_eq!(again["execution"], said["execution"], "unchanged");
    assert_eq!(owner.rows, before);
    let none = Owner::new(vec![]).ask("start-next", json!({"clientToken": "x"}), "accepted");
    assert_eq!(none, json!({"timestamp": 1_716_206_400, "clientToken": "x"}), "no execution");
}

#[test]
fn one_is_described() {
    let mut owner = three();
    let said = owner.ask("$next/get", json!({"includeJobDocument": false}), "accepted");
    assert_eq!((&said["execution"]["jobId"], said["execution"].get("jobDocument")), (&json!("a"), None));
    assert_eq!(owner.ask("c/get", json!({}), "accepted")["execution"]["jobDocument"], json!({"do": "it"}));
    assert_eq!(owner.ask("c/get", json!({"executionNumber": 2}), "rejected")["code"], "ResourceNotFound");
    assert_eq!(owner.ask("nobody/get", json!({}), "rejected")["code"], "ResourceNotFound");
    assert_eq!(Owner::new(vec![]).ask("$next/get", json!({}), "accepted"), json!({"timestamp": 1_716_206_400}));
    owner.ask("c/update", json!({"status": "SUCCEEDED"}), "accepted");
    assert_eq!(owner.ask("c/get", json!({}), "rejected")["code"], "TerminalStateReached");
}

#[test]
fn an_update_tells_what_was_asked_for() {
    let mut owner = three();
    assert_eq!(
        owner.ask("b/update", json!({"status": "IN_PROGRESS"}), "accepted"),
        json!({"timestamp": 1_716_206_403})
    );
    let asked = json!({"status": "IN_PROGRESS", "statusDetails": {"p": "50%"}, "expectedVersion": 2, "executionNumber": 1,
        "includeJobExecutionState": true, "includeJobDocument": true, "clientToken": "t"});
    assert_eq!(
        owner.ask("b/update", asked, "accepted"),
        json!({"timestamp": 1_716_206_403, "clientToken": "t", "jobDocument": {"do": "it"},
            "executionState": {"status": "IN_PROGRESS", "statusDetails": {"p": "50%"}, "versionNumber": 3}})
    );
    owner.ask("b/update", json!({"status": "FAILED"}), "accepted");
    assert_eq!(owner.row("b", 1).details, BTreeMap::from([("p".to_owned(), "50%".to_owned())]), "kept");
}

#[test]
fn refusals_have_their_code_and_the_state_where_it_helps() {
    let mut owner = three();
    let code = |owner: &mut Owner, asked: &str, payload: Value| {
        let said = owner.ask(asked, payload, "rejected");
        (said["code"].as_str().unwrap().to_owned(), said.get("executionState").cloned())
    };
    owner.ask("a/update", json!({"status": "SUCCEEDED", "statusDetails": {"k": "v"}}), "accepted");
    let state = json!({"status": "SUCCEEDED", "statusDetails": {"k": "v"}, "versionNumber": 2});
    assert_eq!(
        code(&mut owner, "a/update", json!({"status": "FAILED"})),
        ("InvalidStateTransition".to_owned(), Some(state))
    );
    assert_eq!(
        code(&mut owner, "b/update", json!({"status": "FAILED", "expectedVersion": 7})),
        ("VersionMismatch".to_owned(), Some(json!({"status": "QUEUED", "versionNumber": 1})))
    );
    for (asked, payload, expected) in [
        ("b/update", json!({}), "InvalidRequest"),
        ("b/update", json!({"status": "QUEUED"}), "InvalidRequest"),
        ("b/update", json!({"status": "TIMED_OUT"}), "InvalidRequest"),
        ("b/update", json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 0}), "InvalidRequest"),
        ("b/update", json!({"status": "IN_PROGRESS", "stepTimeoutInMinutes": 10_081}), "InvalidRequest"),
        ("b/update", json!({"status": "IN_PROGRESS", "expectedVersion": -1}), "InvalidRequest"),
        ("b c/update", json!({"status": "IN_PROGRESS"}), "InvalidRequest"),
        ("b/update", json!([1]), "InvalidJson"),
        ("notify", json!({"clientToken": "t"}), "InvalidTopic"),
        ("$next/update", json!({"status": "FAILED"}), "InvalidTopic"),
        ("nobody/update", json!({"status": "FAILED"}), "ResourceNotFound"),
    ] {
        assert_eq!(code(&mut owner, asked, payload), (expected.to_owned(), None), "{asked}");
    }
    let bad = owner.send_as("pump-1", "get", b"\xff{");
    assert_eq!(read(&bad.replies[0])["code"], "InvalidJson");
    let said = owner.ask("b/update", json!({"status": "DONE", "clientToken": "t"}), "rejected");
    assert_eq!(
        said,
        json!({"code": "InvalidRequest", "clientToken": "t", "timestamp": 1_716_206_403, "message":
            "status: must be one of IN_PROGRESS, FAILED, SUCCEEDED, REJECTED, is \"DONE\""})
    );
}

#[test]
fn tokens_and_details_are_bounded() {
    let mut owner = three();
    let long = "t".repeat(65);
    assert_eq!(owner.ask("get", json!({"clientToken": "t".repeat(64)}), "accepted")["clientToken"], "t".repeat(64));
    let said = owner.ask("get", json!({"clientToken": long}), "rejected");
    assert_eq!((&said["code"], said.get("clientToken")), (&json!("InvalidRequest"), None));
    let update = |details: Value| json!({"status": "IN_PROGRESS", "statusDetails": details});
    let pairs = |many: usize| Value::Object((0..many).map(|n| (format!("k{n}"), json!("v"))).collect());
    for (details, end) in [
        (pairs(10), "accepted"),
        (pairs(11), "rejected"),
        (json!({"k".repeat(128): "v"}), "accepted"),
        (json!({"k".repeat(129): "v"}), "rejected"),
        (json!({"k": "ä".repeat(1024)}), "accepted"),
        (json!({"k": "v".repeat(1025)}), "rejected"),
        (json!({"k": ""}), "rejected"),
        (json!({"k": 1}), "rejected"),
        (json!({"k": "a\u{7}"}), "rejected"),
        (json!({"a b": "v"}), "rejected"),
    ] {
        owner.ask("b/update", update(details), end);
    }
}

#[test]
fn notify_when_the_list_changes_and_notify_next_when_another_one_is_next() {
    let mut owner = three();
    assert_eq!(pushed(&owner.send("start-next", json!({}))), Vec::<&str>::new(), "the same one is next");
    assert_eq!(pushed(&owner.send("a/update", json!({"status": "IN_PROGRESS"}))), Vec::<&str>::new());
    assert_eq!(pushed(&owner.send("c/update", json!({"status": "FAILED"}))), ["notify"], "one behind has gone");
    let outcome = owner.send("a/update", json!({"status": "SUCCEEDED"}));
    assert_eq!(pushed(&outcome), ["notify", "notify-next"]);
    assert_eq!(
        read(&outcome.pushes[0]),
        json!({"timestamp": 1_716_206_403, "jobs": {"QUEUED": [{"jobId": "b", "queuedAt": 1_716_206_401,
            "lastUpdatedAt": 1_716_206_401, "versionNumber": 1, "executionNumber": 1}]}})
    );
    assert_eq!(read(&outcome.pushes[1])["execution"]["jobDocument"], json!({"do": "it"}));
    let outcome = owner.send("b/update", json!({"status": "REJECTED"}));
    assert_eq!(read(&outcome.pushes[0]), json!({"timestamp": 1_716_206_403, "jobs": {}}));
    assert_eq!(read(&outcome.pushes[1]), json!({"timestamp": 1_716_206_403}), "the queue is empty");
}

#[test]
fn what_is_begun_out_of_turn_becomes_the_next() {
    let mut owner = three();
    let outcome = owner.send("c/update", json!({"status": "IN_PROGRESS"}));
    assert_eq!(pushed(&outcome), ["notify-next"]);
    assert_eq!(read(&outcome.pushes[0])["execution"]["jobId"], "c");
}

#[test]
fn a_new_execution_is_told_and_a_list_is_bounded() {
    let jobs: Vec<_> = (0..14).map(|n| job(&format!("j{n:02}"), json!({}))).collect();
    let owner = Owner::with(jobs);
    let (before, after) = (&owner.rows[..13], &owner.rows[..]);
    let pushes = owner.desk().pushes("pump-1", before, after);
    assert_eq!(pushes.len(), 1);
    assert_eq!(read(&pushes[0])["jobs"]["QUEUED"].as_array().unwrap().len(), 10);
    let first = owner.desk().pushes("pump-1", &[], &owner.rows[..1]);
    assert_eq!(
        first.iter().map(|push| push.topic.as_str()).collect::<Vec<_>>(),
        ["$aws/things/pump-1/jobs/notify", "$aws/things/pump-1/jobs/notify-next"]
    );
}

#[test]
fn what_time_has_ended_is_ended_first_and_tried_again() {
    let retry = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 20},
        "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "TIMED_OUT", "numberOfRetries": 1}]}});
    let mut owner = Owner::with(vec![job("a", retry)]);
    owner.ask("start-next", json!({}), "accepted");
    assert_eq!(owner.desk().due_us(), Some(owner.now_us + 20 * MINUTE));
    owner.now_us += 21 * MINUTE;
    let settled = owner.desk().settle("pump-1");
    assert_eq!((pushed(&settled), settled.changes.len()), (vec!["notify", "notify-next"], 2));
    let outcome = owner.send("a/update", json!({"status": "SUCCEEDED", "executionNumber": 1}));
    assert_eq!(read(&outcome.replies[0])["executionState"]["status"], "TIMED_OUT");
    assert_eq!(pushed(&outcome), ["notify", "notify-next"], "also by whoever comes first");
    assert_eq!(owner.row("a", 2).status, Status::Queued);
    assert_eq!(owner.ask("start-next", json!({}), "accepted")["execution"]["executionNumber"], 2);
    owner.now_us += 21 * MINUTE;
    assert_eq!(owner.ask("start-next", json!({}), "accepted").get("execution"), None, "used up");
}

#[test]
fn a_link_is_made_whenever_the_document_is_asked_for() {
    let document =
        r#"{"url":"${aws:iot:s3-presigned-url:https://s3/a}","b":["x ${aws:iot:s3-presigned-url:k} ${no}"]}"#;
    let url = json!({"roleArn": "arn:aws:iam::111122223333:role/r", "expiresInSec": 60});
    let mut owner = Owner::with(vec![job("a", json!({"document": document, "presignedUrlConfig": url}))]);
    assert_eq!(
        owner.ask("a/get", json!({}), "accepted")["execution"]["jobDocument"],
        json!({"url": "https://signed.example/https://s3/a?expires=60", "b": ["x https://signed.example/k?expires=60 ${no}"]})
    );
}

#[test]
fn nobody_reaches_the_executions_of_another_thing() {
    let mut owner = three();
    for asked in ["a/get", "a/update"] {
        let outcome = owner.send_as("pump-2", asked, br#"{"status":"FAILED","thingName":"pump-1"}"#);
        assert_eq!(read(&outcome.replies[0])["code"], "ResourceNotFound");
        assert!(outcome.changes.is_empty() && outcome.pushes.is_empty());
    }
    let outcome = owner.send_as("pump-2", "start-next", br#"{"thingName":"pump-1"}"#);
    assert_eq!(read(&outcome.replies[0]).get("execution"), None);
    assert!(outcome.changes.is_empty());
}

#[test]
fn the_executions_of_a_job_that_is_being_deleted_are_gone() {
    let mut owner = three();
    let deleted = owner.shop.0["a"].delete(NOON, true).unwrap();
    owner.shop.0.insert("a".to_owned(), deleted);
    assert_eq!(owner.ask("$next/get", json!({}), "accepted")["execution"]["jobId"], "b");
    assert_eq!(owner.ask("a/get", json!({}), "rejected")["code"], "ResourceNotFound");
}
