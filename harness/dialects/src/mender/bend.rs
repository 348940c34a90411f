//! Requests bent after they were built: an object named once more, something odd where a text is due. Pure.

use super::fill::encoded;
use fleetproof_claims::model::{Odd, Place, Slot};
use fleetproof_wire::http::Request;
use serde_json::{Value, json};

/// Names an object in query, header and (of an object) body too, under the slot's own name and as plain `id`.
pub fn name_elsewhere(request: &mut Request, slot: &Slot, text: &str) {
    let names = [slot.name.as_str(), "id"];
    for name in names {
        request.target.push(if request.target.contains('?') { '&' } else { '?' });
        request.target.push_str(&format!("{}={}", encoded(name), encoded(text)));
    }
    let header: Vec<String> = slot.name.split('_').map(capital).collect();
    request.headers.push((format!("X-{}", header.join("-")), text.to_owned()));
    if let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(&request.body) {
        for name in names {
            body.entry(name).or_insert_with(|| json!(text));
        }
        request.body = Value::Object(body).to_string().into();
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// Puts something odd where `text` stands in a slot of query or body.
pub fn put_odd(request: &mut Request, slot: &Slot, text: &str, odd: Odd) {
    if slot.place == Place::Query {
        let plain = format!("{}={}", encoded(&slot.name), encoded(text));
        let bent = match odd {
            Odd::Operator => format!("{}=", encoded(&format!("{}[$ne]", slot.name))),
            Odd::List => format!("{}={}", encoded(&format!("{}[]", slot.name)), encoded(text)),
        };
        request.target = request.target.replace(&plain, &bent);
        return;
    }
    if let Ok(mut body) = serde_json::from_slice::<Value>(&request.body) {
        replace(&mut body, text, odd);
        request.body = body.to_string().into();
    }
}

fn replace(value: &mut Value, text: &str, odd: Odd) {
    match value {
        Value::String(found) if found == text => {
            *value = match odd {
                Odd::Operator => json!({ "$ne": "" }),
                Odd::List => json!([text]),
            };
        }
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, text, odd)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, text, odd)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_claims::model::Kind;

    fn slot(place: Place, name: &str) -> Slot {
        Slot { place, name: name.into(), kind: Kind::Device, optional: false }
    }

    fn told(request: &Request) -> String {
        format!("{} {:?} {}", request.target, request.headers, String::from_utf8_lossy(&request.body))
    }

    #[test]
    fn an_object_is_named_in_query_header_and_body() {
        let mut request = Request::new("PUT", "/devices/d1?x=1").body("application/json", r#"{"id":"kept"}"#);
        request.headers.clear();
        name_elsewhere(&mut request, &slot(Place::Path, "device_id"), "d 2");
        let shown =
            r#"/devices/d1?x=1&device_id=d%202&id=d%202 [("X-Device-Id", "d 2")] {"device_id":"d 2","id":"kept"}"#;
        assert_eq!(told(&request), shown);
    }

    #[test]
    fn an_operator_or_a_list_takes_the_place_of_a_text() {
        let shown = [Odd::Operator, Odd::List].map(|odd| {
            let mut body = Request::new("POST", "/search").body("application/json", r#"{"id":["d1","d2"]}"#);
            body.headers.clear();
            put_odd(&mut body, &slot(Place::Body, "id[]"), "d1", odd);
            let mut query = Request::new("GET", "/devices?id=d1&page=1");
            put_odd(&mut query, &slot(Place::Query, "id"), "d1", odd);
            format!("{}\n{}", told(&body), told(&query).trim_end())
        });
        insta::assert_snapshot!(shown.join("\n"), @r#"
        /search [] {"id":[{"$ne":""},"d2"]}
        /devices?id%5B%24ne%5D=&page=1 []
        /search [] {"id":[["d1"],"d2"]}
        /devices?id%5B%5D=d1&page=1 []
        "#);
    }
}
