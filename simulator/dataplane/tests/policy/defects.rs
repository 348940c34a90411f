//! Each fault that the evaluator can be given shows where it should, and only there is the sound one right.

use super::{home, hvac, named, policies, statement, under};
use fleetproof_dataplane::policy::{Action, Defect, Facts, Home, Resource};
use serde_json::{Value, json};

struct Case {
    defect: Defect,
    statements: Vec<Value>,
    action: Action,
    resource: Resource<'static>,
    home: Home,
    facts: Facts,
}

fn case(defect: Defect, statements: &[Value], action: Action, resource: Resource<'static>, facts: Facts) -> Case {
    Case { defect, statements: statements.to_vec(), action, resource, home: home(), facts }
}

/// Everything here is refused by a sound evaluator and allowed by one with the fault.
fn cases() -> Vec<Case> {
    let own = statement("Allow", "iot:Publish", "topic/dev/${iot:ClientId}");
    let thing = statement("Allow", "iot:Publish", "topic/dev/${iot:Connection.Thing.ThingName}*");
    let subscribe = statement("Allow", "iot:Subscribe", "topicfilter/dev/${iot:ClientId}");
    let attached = under(json!({"Bool": {"iot:Connection.Thing.IsAttached": "true"}}), "iot:Publish", "topic/*");
    let victim = Resource::Topic("dev/victim");
    let publish = Action::Publish;
    vec![
        case(
            Defect::DenyDoesNotWin,
            &[statement("Allow", "iot:*", "topic/*"), statement("Deny", "iot:Publish", "topic/dev/*")],
            publish,
            victim,
            hvac(),
        ),
        case(Defect::ValueIsWildcard, std::slice::from_ref(&own), publish, victim, named("*")),
        case(Defect::UnknownIsEmpty, &[thing], publish, victim, named("a")),
        Case {
            home: Home { account: "222222222222".into(), ..home() },
            ..case(Defect::HomeIgnored, &[statement("Allow", "iot:Publish", "topic/*")], publish, victim, hvac())
        },
        case(
            Defect::ClientIdIsThing,
            &[own],
            publish,
            Resource::Topic("dev/hvac-7"),
            Facts { client_id: "a".into(), ..hvac() },
        ),
        case(Defect::FilterFromValue, &[subscribe], Action::Subscribe, Resource::Filter("dev/#"), named("#")),
        case(
            Defect::AttributesFree,
            &[statement("Allow", "iot:Connect", "client/*")],
            Action::Connect,
            Resource::Client("hvac-7"),
            Facts { last_will: true, ..hvac() },
        ),
        case(Defect::ConditionsIgnored, &[attached], publish, victim, named("a")),
    ]
}

#[test]
fn each_fault_allows_what_a_sound_evaluator_refuses() {
    let cases = cases();
    let defects: Vec<Defect> = cases.iter().map(|case| case.defect).collect();
    assert_eq!(defects, Defect::ALL);
    for Case { defect, statements, action, resource, home, facts } in &cases {
        let policies = policies(statements);
        assert!(!policies.allow(*action, *resource, home, facts), "{defect:?}");
        let who: Vec<Defect> = Defect::ALL
            .into_iter()
            .filter(|other| policies.allow_with(Some(*other), *action, *resource, home, facts))
            .collect();
        assert_eq!(who, [*defect]);
    }
}
