//! Filters over what is known of devices. Pure: attributes in, a decision out.

use super::attributes::{Attribute, AttributeScope};
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use utoipa::ToSchema;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) enum Comparison {
    #[serde(rename = "$eq")]
    Equal,
    /// Also when the device has no such attribute.
    #[serde(rename = "$ne")]
    NotEqual,
    #[serde(rename = "$gt")]
    Greater,
    #[serde(rename = "$gte")]
    GreaterOrEqual,
    #[serde(rename = "$lt")]
    Less,
    #[serde(rename = "$lte")]
    LessOrEqual,
    /// One of a list.
    #[serde(rename = "$in")]
    In,
    /// None of a list; also when the device has no such attribute.
    #[serde(rename = "$nin")]
    NotIn,
    /// `true`: the device has such an attribute; `false`: it has not.
    #[serde(rename = "$exists")]
    Exists,
    /// A regular expression that is found in it.
    #[serde(rename = "$regex")]
    Regex,
}

/// One condition. Of a value that is a list, one element must meet it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Term {
    #[schema(inline)]
    pub(super) scope: AttributeScope,
    pub(super) attribute: String,
    #[serde(rename = "type")]
    #[schema(inline)]
    pub(super) kind: Comparison,
    /// A text, a number, a truth value, or a list of texts or numbers.
    pub(super) value: Value,
}

/// Terms that can be asked: each with the kind of value that its comparison needs.
#[derive(Debug)]
pub(super) struct Filter(Vec<(Term, Option<regex_lite::Regex>)>);

impl Filter {
    /// 400 for a term that cannot be asked.
    pub(super) fn new(terms: Vec<Term>) -> Result<Self, Refusal> {
        let checked = terms.into_iter().map(|term| {
            let bad =
                |wanted: &str| Refusal::bad_request(format!("filter on {}: value must be {wanted}", term.attribute));
            let regex = match (term.kind, &term.value) {
                (Comparison::In | Comparison::NotIn, Value::Array(_)) | (Comparison::Exists, Value::Bool(_)) => None,
                (Comparison::In | Comparison::NotIn, _) => return Err(bad("a list")),
                (Comparison::Exists, _) => return Err(bad("true or false")),
                (Comparison::Regex, Value::String(text)) => {
                    Some(regex_lite::Regex::new(text).map_err(|_| bad("a regular expression"))?)
                }
                (Comparison::Regex, _) => return Err(bad("a regular expression")),
                (_, Value::Null | Value::Object(_)) => return Err(bad("a text, a number or a list")),
                _ => None,
            };
            Ok((term, regex))
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// Whether it asks for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a device with this id and these attributes meets every term.
    pub(super) fn holds(&self, id: &str, attributes: &[Attribute]) -> bool {
        self.0.iter().all(|(term, regex)| match value_of(id, attributes, term.scope, &term.attribute) {
            Some(value) => meets(&value, term, regex.as_ref()),
            None => match term.kind {
                Comparison::NotEqual | Comparison::NotIn => true,
                Comparison::Exists => term.value == Value::Bool(false),
                _ => false,
            },
        })
    }
}

/// The value of an attribute. The device's id counts as `id` in the scope identity.
pub(super) fn value_of(id: &str, attributes: &[Attribute], scope: AttributeScope, name: &str) -> Option<Value> {
    if scope == AttributeScope::Identity && name == "id" {
        return Some(id.into());
    }
    attributes.iter().find(|one| one.scope == scope && one.name == name).map(|one| one.value.clone())
}

fn meets(value: &Value, term: &Term, regex: Option<&regex_lite::Regex>) -> bool {
    let elements = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let equals =
        |wanted: &Value| value == wanted || elements.iter().any(|one| order(one, wanted) == Some(Ordering::Equal));
    let is_in = || term.value.as_array().is_some_and(|list| list.iter().any(equals));
    let compares = |good: fn(Ordering) -> bool| elements.iter().any(|one| order(one, &term.value).is_some_and(good));
    match term.kind {
        Comparison::Equal => equals(&term.value),
        Comparison::NotEqual => !equals(&term.value),
        Comparison::In => is_in(),
        Comparison::NotIn => !is_in(),
        Comparison::Greater => compares(Ordering::is_gt),
        Comparison::GreaterOrEqual => compares(Ordering::is_ge),
        Comparison::Less => compares(Ordering::is_lt),
        Comparison::LessOrEqual => compares(Ordering::is_le),
        Comparison::Exists => term.value == Value::Bool(true),
        Comparison::Regex => {
            regex.is_some_and(|regex| elements.iter().filter_map(Value::as_str).any(|text| regex.is_match(text)))
        }
    }
}

/// The order of two values of one kind; values of different kinds have none.
pub(super) fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn term(kind: &str, value: Value) -> Term {
        serde_json::from_value(json!({ "scope": "inventory", "attribute": "a", "type": kind, "value": value })).unwrap()
    }

    fn asks(kind: &str, value: Value, has: &Value) -> bool {
        let attributes = [Attribute::new(AttributeScope::Inventory, "a", has.clone())];
        Filter::new(vec![term(kind, value)]).unwrap().holds("id", &attributes)
    }

    #[test]
    fn a_list_meets_what_one_of_its_elements_meets() {
        let has = json!(["x", "y"]);
        assert!(asks("$eq", json!("y"), &has) && asks("$in", json!(["z", "y"]), &has));
        assert!(!asks("$ne", json!("y"), &has) && !asks("$nin", json!(["y"]), &has));
        assert!(asks("$gt", json!("x"), &has) && asks("$regex", json!("^[yz]$"), &has));
        assert!(!asks("$gt", json!(0), &has), "a text has no order beside a number");
    }

    #[test]
    fn scopes_are_apart_and_the_id_is_in_identity() {
        let attributes = [Attribute::new(AttributeScope::Tags, "a", json!("x"))];
        assert!(!Filter::new(vec![term("$eq", json!("x"))]).unwrap().holds("id", &attributes));
        let id = Term { scope: AttributeScope::Identity, attribute: "id".into(), ..term("$in", json!(["id"])) };
        assert!(Filter::new(vec![id]).unwrap().holds("id", &attributes));
    }

    #[test]
    fn terms_that_cannot_be_asked_are_refused() {
        for (kind, value) in [
            ("$in", json!("x")),
            ("$exists", json!("x")),
            ("$regex", json!("(")),
            ("$regex", json!(1)),
            ("$eq", json!({})),
        ] {
            assert!(Filter::new(vec![term(kind, value)]).is_err(), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn opposites_are_opposite(has in proptest::option::of(-3_i64..3), wanted in -3_i64..3) {
            let attributes: Vec<_> =
                has.iter().map(|n| Attribute::new(AttributeScope::Inventory, "a", json!(n))).collect();
            let holds = |kind: &str, value: Value| Filter::new(vec![term(kind, value)]).unwrap().holds("id", &attributes);
            prop_assert_eq!(holds("$eq", json!(wanted)), has == Some(wanted));
            prop_assert_ne!(holds("$eq", json!(wanted)), holds("$ne", json!(wanted)));
            prop_assert_ne!(holds("$in", json!([wanted])), holds("$nin", json!([wanted])));
            prop_assert_ne!(holds("$exists", json!(true)), holds("$exists", json!(false)));
            if has.is_some() {
                prop_assert_ne!(holds("$lt", json!(wanted)), holds("$gte", json!(wanted)));
                prop_assert_ne!(holds("$gt", json!(wanted)), holds("$lte", json!(wanted)));
            }
        }
    }
}
