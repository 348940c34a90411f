//! The same over HTTPS.

use super::*;

fn serve(owner: &mut Owner, method: &str, path: &str, body: Value) -> (u16, Value, Option<&'static str>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let route = Route::parse(method, path, query).unwrap();
    let outcome = owner.desk().serve(&route, body.to_string().as_bytes());
    owner.keep(&outcome.changes);
    (outcome.status, serde_json::from_slice(&outcome.body).unwrap(), outcome.error_type)
}

#[test]
fn four_operations() {
    let timeout = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 20}});
    let mut owner = Owner::with(vec![job("a", timeout), job("b", json!({}))]);
    let (status, said, _) = serve(&mut owner, "GET", "/things/pump-1/jobs", json!({}));
    assert_eq!((status, said["queuedJobs"].as_array().unwrap().len()), (200, 2));
    let (_, said, _) = serve(&mut owner, "PUT", "/things/pump%2D1/jobs/%24next", json!({}));
    assert_eq!(
        (&said["execution"]["jobId"], &said["execution"]["approximateSecondsBeforeTimedOut"]),
        (&json!("a"), &json!(1200))
    );
    assert_eq!(said["execution"]["jobDocument"], r#"{"do":"it"}"#, "a text");
    let (_, said, _) =
        serve(&mut owner, "GET", "/things/pump-1/jobs/b?includeJobDocument=false&executionNumber=1", json!({}));
    assert_eq!((&said["execution"]["status"], said["execution"].get("jobDocument")), (&json!("QUEUED"), None));
    let update = json!({"status": "SUCCEEDED", "includeJobExecutionState": true});
    let (status, said, _) = serve(&mut owner, "POST", "/things/pump-1/jobs/a", update);
    assert_eq!((status, said), (200, json!({"executionState": {"status": "SUCCEEDED", "versionNumber": 3}})));
}

#[test]
fn refusals_have_a_status_and_a_name() {
    let mut owner = Owner::with(vec![job("a", json!({}))]);
    serve(&mut owner, "POST", "/things/pump-1/jobs/a", json!({"status": "FAILED"}));
    for (method, path, body, status, name) in [
        ("POST", "/things/pump-1/jobs/a", json!({"status": "FAILED"}), 409, "InvalidStateTransitionException"),
        (
            "POST",
            "/things/pump-1/jobs/a",
            json!({"status": "FAILED", "expectedVersion": 1}),
            409,
            "VersionConflictException",
        ),
        ("POST", "/things/pump-1/jobs/x", json!({"status": "FAILED"}), 404, "ResourceNotFoundException"),
        ("POST", "/things/pump-1/jobs/a", json!(7), 400, "InvalidRequestException"),
        ("GET", "/things/pump-1/jobs/a", json!({}), 410, "TerminalStateException"),
        ("GET", "/things/pump-1/jobs/a?executionNumber=x", json!({}), 400, "InvalidRequestException"),
        ("GET", "/things/pump-2/jobs/a", json!({}), 404, "ResourceNotFoundException"),
    ] {
        let (is, said, kind) = serve(&mut owner, method, path, body);
        assert_eq!((is, kind), (status, Some(name)), "{said}");
    }
}

#[test]
fn what_is_no_route_is_none() {
    for (method, path) in [
        ("POST", "/things/pump-1/jobs"),
        ("POST", "/things/pump-1/jobs/$next"),
        ("DELETE", "/things/pump-1/jobs/a"),
        ("GET", "/things/pump-1/shadow"),
        ("GET", "/things//jobs"),
        ("GET", "/things/pump-1/jobs/a/b"),
        ("GET", "/things/pump-1/jobs/a%2Fb"),
        ("GET", "/things/pump-1/jobs/%zz"),
        ("GET", "/things/pump-1/jobs/%f"),
        ("GET", "/things/pump-1/jobs/%ff"),
    ] {
        assert_eq!(Route::parse(method, path, ""), None, "{method} {path}");
    }
}
