//! The policy language: what documents say, what is refused, what allows whom, and faults that have to show.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod defects;
mod documents;
mod draw;
mod reference;
mod rules;

use fleetproof_dataplane::policy::{
    Action, CertificateFacts, Defect, Document, Facts, Home, Policies, Resource, ThingFacts,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn home() -> Home {
    Home { region: "eu-1".into(), account: "111111111111".into() }
}

/// A client whose certificate belongs to the thing `hvac-7`.
fn hvac() -> Facts {
    let thing = ThingFacts {
        name: "hvac-7".into(),
        type_name: Some("hvac".into()),
        attributes: [("site".into(), "ulm".into())].into(),
    };
    let fields = [("Subject.CommonName".into(), "hvac-7".into()), ("SerialNumber".into(), "a1".into())].into();
    Facts {
        client_id: "hvac-7".into(),
        thing: Some(Arc::new(thing)),
        certificate: Arc::new(CertificateFacts { id: "0".repeat(64).into(), fields }),
        source_ip: Some("192.0.2.7".into()),
        persistent_connect: false,
        last_will: false,
    }
}

fn named(client_id: &str) -> Facts {
    Facts { client_id: client_id.into(), ..Facts::default() }
}

fn statement(effect: &str, action: &str, resource: &str) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": format!("arn:aws:iot:eu-1:111111111111:{resource}")})
}

fn under(condition: Value, action: &str, resource: &str) -> Value {
    let mut statement = statement("Allow", action, resource);
    statement["Condition"] = condition;
    statement
}

fn policies(statements: &[Value]) -> Policies {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Policies::new(vec![Arc::new(Document::parse(&document.to_string()).unwrap())])
}

fn allows(statements: &[Value], action: Action, resource: Resource<'_>, facts: &Facts) -> bool {
    policies(statements).allow(action, resource, &home(), facts)
}

fn publishes(resource: &str, topic: &str, facts: &Facts) -> bool {
    allows(&[statement("Allow", "iot:Publish", resource)], Action::Publish, Resource::Topic(topic), facts)
}

/// What both say about everything that a number draws.
fn compared(start: u64) -> Result<(), TestCaseError> {
    let mut draw = draw::Draw(start);
    let documents: Vec<Value> = (0..=draw.below(2)).map(|_| draw.document()).collect();
    let (mut compiled, mut slow) = (Vec::new(), Vec::new());
    for document in documents {
        if let Ok(read) = Document::parse(&document.to_string()) {
            compiled.push(Arc::new(read));
            slow.push(document);
        }
    }
    let policies = Policies::new(compiled);
    for _ in 0..16 {
        let (facts, home, action) = (draw.facts(), draw.home(), draw.action());
        let name = draw.asked(&facts);
        let resource = draw.resource_of(&name);
        let asked = reference::Asked { action, resource, home: &home, facts: &facts };
        let wanted = reference::allows(&slow, &asked);
        let found = policies.allow(action, resource, &home, &facts);
        prop_assert_eq!(found, wanted, "{:?} {:?}\n{:?}\n{:?}\n{}", action, resource, home, facts, json!(slow));
        prop_assert_eq!(policies.explain(action, resource, &home, &facts).is_allowed(), found);
        for defect in Defect::ALL {
            let _ = policies.allow_with(Some(defect), action, resource, &home, &facts);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_policies_say_what_the_slow_evaluator_says(start in any::<u64>()) {
        compared(start)?;
    }

    #[test]
    fn damaged_documents_break_nothing(start in any::<u64>()) {
        let mut draw = draw::Draw(start);
        let document = draw.document().to_string();
        let damaged = draw.damaged(&document);
        if let Err(error) = Document::parse(&damaged) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
