//! Requests from surfaces: paths, queries and bodies with their gaps filled.

use crate::answer::{DialectError, Result};
use bytes::Bytes;
use fleetproof_claims::model::{Audience, BodyTemplate, Kind, Place, Slot, Surface};
use fleetproof_wire::http::{Multipart, Request};
use fleetproof_wire::image::DEVICE_TYPE;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What stands in the gaps of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fills {
    /// By [`Slot::key`]. Several values: the query parameter is repeated, the list in the body has as many elements.
    pub slots: BTreeMap<String, Vec<String>>,
    /// By the word after `$` in the body's template: `name`, `email`, `mark`, `pubkey`, …. A slot's value comes first.
    pub marks: BTreeMap<String, Value>,
    /// What `$file` stands for.
    pub file: Option<Bytes>,
}

impl Fills {
    /// These fills with one value more in a slot.
    #[must_use]
    pub fn slot(mut self, key: &str, value: &str) -> Self {
        self.slots.entry(key.to_owned()).or_default().push(value.to_owned());
        self
    }

    /// These fills with a mark.
    #[must_use]
    pub fn mark(mut self, word: &str, value: impl Into<Value>) -> Self {
        self.marks.insert(word.to_owned(), value.into());
        self
    }
}

/// The request that a surface describes, with `fills` in its gaps. Query slots, filters and optional slots without a
/// value are left out. No credential is in it.
///
/// # Errors
/// [`DialectError::Unfilled`] when a path parameter, or a mark of the body, has no value.
pub fn build(surface: &Surface, fills: &Fills) -> Result<Request> {
    let unfilled = |gap: &str| DialectError::Unfilled { operation: surface.operation.clone(), gap: gap.to_owned() };
    let values = |slot: &Slot| fills.slots.get(&slot.key()).map(Vec::as_slice).unwrap_or_default();
    let (mut path, mut query, mut headers, mut filters) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for slot in &surface.slots {
        match slot.place {
            Place::Path => {
                path.push((slot.name.as_str(), values(slot).first().ok_or_else(|| unfilled(&slot.name))?.as_str()))
            }
            Place::Query => query.extend(values(slot).iter().map(|value| (slot.name.as_str(), value.clone()))),
            Place::Header => headers.extend(values(slot).iter().map(|value| (slot.name.clone(), value.clone()))),
            Place::Filter => filters.extend(values(slot).iter().map(|value| (slot.kind, value.as_str()))),
            Place::Body => {}
        }
    }
    if surface.method == "GET" {
        query.extend(filters.iter().map(|(kind, value)| (predicate(*kind).1, (*value).to_owned())));
    }
    // What a device says of itself with every question names nothing that anybody owns.
    if surface.audience == Audience::Device && surface.parameters.iter().any(|name| name == "device_type") {
        query.push(("device_type", DEVICE_TYPE.to_owned()));
    }
    let mut request = Request::new(&surface.method, target(&surface.path, &path, &query));
    request.headers = headers;
    match &surface.body {
        None => Ok(request),
        Some(BodyTemplate::Multipart(parts)) => {
            let (content_type, body) = multipart(surface, parts, fills)?;
            Ok(request.body(&content_type, body))
        }
        Some(BodyTemplate::Json(template)) => {
            let mut body = template.clone();
            for slot in surface.slots.iter().filter(|slot| slot.place == Place::Body) {
                if !values(slot).is_empty() {
                    put(
                        &mut body,
                        &steps(&slot.name),
                        &values(slot).iter().map(|text| slot_value(slot, text)).collect::<Vec<_>>(),
                    );
                }
            }
            if !filters.is_empty() && surface.method != "GET" {
                let list = filters.iter().map(|(kind, value)| {
                    let (scope, attribute) = predicate(*kind);
                    json!({ "scope": scope, "attribute": attribute, "type": "$eq", "value": value })
                });
                put(&mut body, &["filters".to_owned()], &[Value::Array(list.collect())]);
            }
            filled(&mut body, &fills.marks).map_err(|gap| unfilled(&gap))?;
            Ok(request.body("application/json", body.to_string()))
        }
    }
}

/// Scope and attribute by which a search names an object of this kind.
fn predicate(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Group => ("system", "group"),
        _ => ("identity", "id"),
    }
}

/// An identity as such is an object; within `id_data` it is the object's text.
fn slot_value(slot: &Slot, text: &str) -> Value {
    let object = (slot.kind == Kind::Identity && slot.name == "identity_data")
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    object.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn multipart(surface: &Surface, parts: &[(String, String)], fills: &Fills) -> Result<(String, Bytes)> {
    let mut body = Multipart::new();
    for (name, template) in parts {
        let gap = template.trim_start_matches('$');
        body = match (template.as_str(), &fills.file) {
            ("$file", Some(file)) => body.file(name, "update.mender", "application/octet-stream", file.clone()),
            ("$size", Some(file)) => body.text(name, &file.len().to_string()),
            (template, _) if !template.starts_with('$') => body.text(name, template),
            _ => match fills.marks.get(gap) {
                Some(Value::String(text)) => body.text(name, text),
                Some(value) => body.text(name, &value.to_string()),
                None => {
                    return Err(DialectError::Unfilled { operation: surface.operation.clone(), gap: gap.to_owned() });
                }
            },
        };
    }
    Ok(body.finish())
}

/// `a.b[].c` in steps: `a`, `b`, `[]`, `c`.
fn steps(name: &str) -> Vec<String> {
    name.split('.')
        .flat_map(|part| match part.strip_suffix("[]") {
            Some("") => vec!["[]".to_owned()],
            Some(field) => vec![field.to_owned(), "[]".to_owned()],
            None => vec![part.to_owned()],
        })
        .collect()
}

/// Puts values at a place, making what is missing on the way. Of several values each gets a list element of its own (a
/// copy of the first one); where the place is in no list, the last value wins.
fn put(at: &mut Value, steps: &[String], values: &[Value]) {
    match steps.split_first() {
        None => {
            if let Some(value) = values.last() {
                at.clone_from(value);
            }
        }
        Some((step, rest)) if step == "[]" => {
            let pattern = at.as_array().and_then(|list| list.first()).cloned().unwrap_or_default();
            let elements = values.iter().map(|value| {
                let mut element = pattern.clone();
                put(&mut element, rest, std::slice::from_ref(value));
                element
            });
            *at = Value::Array(elements.collect());
        }
        Some((step, rest)) => {
            if !at.is_object() {
                *at = json!({});
            }
            put(&mut at[step.as_str()], rest, values);
        }
    }
}

/// Replaces every text `$word` by its mark; the first word without one is the error.
fn filled(value: &mut Value, marks: &BTreeMap<String, Value>) -> std::result::Result<(), String> {
    match value {
        Value::String(text) => {
            if let Some(word) = text
                .strip_prefix('$')
                .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            {
                *value = match (marks.get(word), word) {
                    (Some(mark), _) => mark.clone(),
                    (None, "device_type") => json!(DEVICE_TYPE),
                    (None, word) => return Err(word.to_owned()),
                };
            }
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| filled(value, marks)),
        // The type of a predicate, `$eq`, is the platform's own word.
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "type").try_for_each(|(_, value)| filled(value, marks))
        }
        _ => Ok(()),
    }
}

/// A path template with its parameters, and a query, percent-encoded.
#[must_use]
pub fn target(template: &str, path: &[(&str, &str)], query: &[(&str, String)]) -> String {
    let mut target = template.to_owned();
    for (name, value) in path {
        target = target.replace(&format!("{{{name}}}"), &encoded(value));
    }
    for (at, (name, value)) in query.iter().enumerate() {
        target.push(if at == 0 { '?' } else { '&' });
        target.push_str(&format!("{}={}", encoded(name), encoded(value)));
    }
    target
}

/// Percent-encodes all but unreserved characters.
#[must_use]
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// The text that was percent-encoded; what is no escape stays as it is, what is not UTF-8 is replaced.
#[must_use]
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;
    use proptest::prelude::*;

    fn surface(operation: &str) -> Surface {
        Table::get().row(operation).unwrap().surface(Vec::new())
    }

    fn body(request: &Request) -> Value {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn slots_of_path_query_and_body_are_filled() {
        let fills = Fills::default()
            .slot("path:user_id", "u/1")
            .slot("body:tenant_ids[]", "a")
            .slot("body:tenant_ids[]", "b")
            .slot("body:role", "R");
        let request = build(&surface("Assign Tenants"), &fills).unwrap();
        assert_eq!(request.target, "/api/management/v1/useradm/users/u%2F1/assign");
        assert_eq!(body(&request), json!({ "tenant_ids": ["a", "b"], "role": "R" }));

        let fills = Fills::default().slot("query:id", "d1").slot("query:id", "d2");
        let request = build(&surface("DeviceAuth Management List Devices"), &fills).unwrap();
        assert_eq!(request.target, "/api/management/v2/devauth/devices?id=d1&id=d2");
    }

    #[test]
    fn nested_slots_keep_the_rest_of_the_template() {
        let fills = Fills::default().mark("name", "n").slot("body:terms[].value", "g");
        let request = build(&surface("Create Filter"), &fills).unwrap();
        assert_eq!(
            body(&request),
            json!({ "name": "n", "terms": [{ "scope": "system", "attribute": "group", "type": "$eq", "value": "g" }] })
        );

        let fills = Fills::default()
            .mark("mark", "m")
            .slot("path:role_id", "r")
            .slot("body:name", "r")
            .slot("body:permission_sets_with_scope[].scope.value[]", "g");
        let request = build(&surface("Update Role"), &fills).unwrap();
        assert_eq!(
            body(&request)["permission_sets_with_scope"][0],
            json!({ "name": "ReadDevices", "scope": { "type": "DeviceGroups", "value": ["g"] } })
        );
    }

    #[test]
    fn a_list_at_the_top_and_a_predicate() {
        let fills = Fills::default().slot("path:group", "g").slot("body:[]", "d1").slot("body:[]", "d2");
        assert_eq!(body(&build(&surface("Add Devices to Group"), &fills).unwrap()), json!(["d1", "d2"]));

        let fills = Fills::default().slot("body:device_ids[]", "d").slot("filter:group", "g");
        let request = build(&surface("Inventory V2 Search Device Inventories"), &fills).unwrap();
        assert_eq!(
            body(&request)["filters"],
            json!([{ "scope": "system", "attribute": "group", "type": "$eq", "value": "g" }])
        );
    }

    #[test]
    fn the_parts_of_a_form_keep_their_order() {
        let fills = Fills { file: Some(Bytes::from_static(b"abc")), ..Fills::default() }.mark("mark", "m");
        let request = build(&surface("Upload Artifact Deployments Management"), &fills).unwrap();
        let text = String::from_utf8_lossy(&request.body).into_owned();
        let at = |name: &str| text.find(&format!("name=\"{name}\"")).unwrap();
        assert!(at("size") < at("description") && at("description") < at("artifact"));
    }

    #[test]
    fn a_gap_is_named() {
        let error = build(&surface("Show User"), &Fills::default()).unwrap_err();
        assert_eq!(error.to_string(), "`Show User` needs `user_id`, which nobody gave");
        let error = build(&surface("Create Personal Access Token"), &Fills::default()).unwrap_err();
        assert_eq!(error.to_string(), "`Create Personal Access Token` needs `name`, which nobody gave");
    }

    #[test]
    fn every_row_can_be_built_when_all_gaps_are_filled() {
        for row in Table::get().rows() {
            let mut fills = Fills { file: Some(Bytes::from_static(b"abc")), ..Fills::default() };
            for slot in row.slots.iter().filter(|slot| !slot.optional) {
                let value = if slot.kind == Kind::Identity { "{\"serial\":\"1\"}" } else { "x" };
                fills = fills.slot(&slot.key(), value);
            }
            for word in [
                "name",
                "email",
                "password",
                "new_password",
                "mark",
                "pubkey",
                "time",
                "device_type",
                "csr",
                "regions",
                "authority",
            ] {
                fills = fills.mark(word, "y");
            }
            let request = build(&row.surface(Vec::new()), &fills).unwrap();
            assert!(!request.target.contains('{'), "{}", request.target);
            assert!(!String::from_utf8_lossy(&request.body).contains("\"$n"), "{}", row.operation);
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in ".*") {
            prop_assert_eq!(decoded(&encoded(&text)), text);
        }

        #[test]
        fn anything_can_be_decoded(text in ".*") {
            prop_assert!(decoded(&text).len() <= 3 * text.len());
        }
    }
}
