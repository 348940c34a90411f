//! Policies are asked at every delivery: asking allocates nothing.

use fleetproof_dataplane::policy::{Action, Document, Facts, Home, Policies, Resource, ThingFacts};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn asking_allocates_nothing() {
    let document = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "iot:*", "Resource": "arn:aws:iot:*:*:topic/secret/*"},
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": ["arn:aws:iot:eu-1:1:topic/a/?/*/c", "arn:aws:iot:eu-1:1:topic/x"],
         "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringLike": {"iot:ClientId": "hv*"}}},
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": "arn:aws:iot:eu-1:1:topic/*/${iot:Connection.Thing.ThingName}/*"}]}"#;
    let policies = Policies::new(vec![Arc::new(Document::parse(document).unwrap())]);
    let thing = ThingFacts { name: "hvac-7".into(), ..ThingFacts::default() };
    let facts = Facts {
        client_id: "hvac-7".into(),
        thing: Some(Arc::new(thing)),
        source_ip: Some("10.0.0.1".into()),
        ..Facts::default()
    };
    let home = Home { region: "eu-1".into(), account: "1".into() };
    let region = Region::new(ALLOCATOR);
    let answers = ["a/b/x/c", "x", "dev/hvac-7/x", "dev/hvac-8/x", "secret/hvac-7/x"]
        .map(|topic| policies.allow(Action::Receive, Resource::Topic(topic), &home, &facts));
    let change = region.change();
    assert_eq!(answers, [true, true, true, false, false]);
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
