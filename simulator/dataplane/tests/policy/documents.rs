//! What is refused, and in which words.

use fleetproof_dataplane::policy::{Document, LONGEST, PolicyError};
use serde_json::{Value, json};
use std::fmt::Write;

fn with(key: &str, value: Value) -> String {
    let mut statement = json!({"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:eu-1:1:topic/a"});
    statement[key] = value;
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn without(key: &str) -> String {
    let mut statement = json!({"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"});
    statement.as_object_mut().unwrap().remove(key);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

#[test]
fn what_is_refused_is_told_with_its_place_and_what_to_do() {
    let resource = |text: &str| with("Resource", json!(["*", text]));
    let condition = |value| with("Condition", value);
    let refused = [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"Version": "2008-10-17"}"#.to_owned(),
        r#"{"Version": "2012-10-17"}"#.to_owned(),
        r#"{"Version": "2012-10-17", "Statement": []}"#.to_owned(),
        r#"{"Version": "2012-10-17", "Statement": [1]}"#.to_owned(),
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Effect": "Allow"}}"#.to_owned(),
        r#"{"Version": "2012-10-17", "Statements": []}"#.to_owned(),
        without("Effect"),
        without("Action"),
        without("Resource"),
        with("Effect", json!("allow")),
        with("Action", json!(["iot:Publish", "iot:Publsh"])),
        with("Action", json!("s3:GetObject")),
        with("Action", json!([])),
        with("NotAction", json!("iot:Publish")),
        with("NotResource", json!("*")),
        with("Principal", json!("*")),
        with("a/b~c", json!("*")),
        with("Resource", json!(7)),
        resource("topic/a"),
        resource("arn:aws:iot:eu-1:1"),
        resource("arn:aws:iot::1:topic/a"),
        resource("arn:aws:s3:eu-1:1:topic/a"),
        resource("arn:aws:iot:eu-1:1:topics/a"),
        resource("arn:aws:iot:eu-1:${iot:ClientId}:topic/a"),
        resource("arn:aws:iot:eu-1:1:${iot:ClientId}"),
        resource("arn:aws:iot:eu-1:1:topic/${aws:username}"),
        resource("arn:aws:iot:eu-1:1:topic/${iot:ClientId"),
        resource("arn:aws:iot:eu-1:1:topic/${iot:Connection.Thing.Attributes[]}"),
        resource(&"x".repeat(200)),
        condition(json!("StringEquals")),
        condition(json!({"StringIs": {"iot:ClientId": "a"}})),
        condition(json!({"ForSome:StringEquals": {"iot:ClientId": "a"}})),
        condition(json!({"ForAllValues:Bool": {"iot:Connection.Thing.IsAttached": true}})),
        condition(json!({"StringEquals": {"iot:Domain": "a"}})),
        condition(json!({"StringEquals": {}})),
        condition(json!({"StringEquals": {"iot:ClientId": [7]}})),
        condition(json!({"Bool": {"iot:Connection.Thing.IsAttached": "yes"}})),
        condition(json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})),
        condition(json!({"IpAddress": {"iot:ClientId": "10.0.0.0/8"}})),
        condition(json!({"ForAllValues:StringEquals": {"iot:ConnectAttributes": "PersistentConnection"}})),
    ];
    let mut told = String::new();
    for text in refused {
        let error = Document::parse(&text).map(|_| text).unwrap_err();
        writeln!(told, "{error}").unwrap();
    }
    insta::assert_snapshot!(told);
}

#[test]
fn white_space_is_not_counted_but_has_an_end() {
    let sized = |characters: usize| {
        let empty = with("Sid", json!("")).len();
        with("Sid", json!("ä".repeat(characters - empty)))
    };
    assert!(Document::parse(&sized(LONGEST)).is_ok());
    assert_eq!(Document::parse(&sized(LONGEST + 1)).unwrap_err(), PolicyError::TooLong { characters: LONGEST + 1 });
    assert!(Document::parse(&(sized(LONGEST) + &" \n\t".repeat(1000))).is_ok());
    let error = Document::parse(&" ".repeat(70_000)).unwrap_err();
    assert_eq!(error, PolicyError::TooLarge { bytes: 70_000 });
}

#[test]
fn what_nests_deep_is_refused() {
    let deep = format!(r#"{{"Version": "2012-10-17", "Statement": {}{}}}"#, "[".repeat(900), "]".repeat(900));
    assert!(matches!(Document::parse(&deep), Err(PolicyError::NotJson { .. })));
    let less = format!(r#"{{"Version": "2012-10-17", "Statement": {}{}}}"#, "[".repeat(20), "]".repeat(20));
    assert!(matches!(Document::parse(&less), Err(PolicyError::Wrong { .. })));
}

#[test]
fn what_the_service_knows_and_nobody_does_here_is_understood() {
    let document = Document::parse(&with("Action", json!("iot:AssumeRoleWithCertificate"))).unwrap();
    assert_eq!(document.statements(), 1);
}
