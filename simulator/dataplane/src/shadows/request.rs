//! A request's payload, checked.

use super::{Rules, ShadowError};
use serde_json::{Map, Value};

/// Bytes of a client's token.
const TOKEN_BYTES: usize = 64;

/// What every request may carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) token: Option<String>,
    pub(crate) version: Option<u64>,
    /// The sections of an update; empty for the other verbs.
    pub(crate) state: Map<String, Value>,
}

/// The token alone, as far as there is a good one: a refusal gives it back too.
pub(crate) fn token(fields: &Map<String, Value>) -> Option<String> {
    fields.get("clientToken").and_then(Value::as_str).filter(|token| token.len() <= TOKEN_BYTES).map(ToOwned::to_owned)
}

/// The payload as an object. An empty one is an empty object, where `empty_is_good`.
pub(crate) fn read(payload: &[u8], empty_is_good: bool, rules: &Rules) -> Result<Map<String, Value>, ShadowError> {
    if payload.len() > rules.document_bytes {
        return Err(ShadowError::TooLarge);
    }
    let text = std::str::from_utf8(payload).map_err(|_| ShadowError::NotUtf8)?;
    if empty_is_good && text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(ShadowError::InvalidJson),
    }
}

/// Token and version.
pub(crate) fn check(fields: &Map<String, Value>) -> Result<Request, ShadowError> {
    let token = match fields.get("clientToken") {
        None => None,
        Some(_) => Some(token(fields).ok_or(ShadowError::InvalidToken)?),
    };
    let version = match fields.get("version") {
        None => None,
        Some(version) => Some(version.as_u64().ok_or(ShadowError::InvalidVersion)?),
    };
    Ok(Request { token, version, state: Map::new() })
}

/// The same and the state of an update.
pub(crate) fn check_update(fields: &mut Map<String, Value>, rules: &Rules) -> Result<Request, ShadowError> {
    let mut request = check(fields)?;
    request.state = match fields.remove("state") {
        None => return Err(ShadowError::StateMissing),
        Some(Value::Object(state)) => state,
        Some(_) => return Err(ShadowError::StateNotObject),
    };
    for (key, section) in &request.state {
        let not_object = match key.as_str() {
            "desired" => ShadowError::DesiredNotObject,
            "reported" => ShadowError::ReportedNotObject,
            _ => return Err(ShadowError::InvalidNode),
        };
        match section {
            Value::Null => {}
            Value::Object(_) => {
                if depth(section) > rules.depth {
                    return Err(ShadowError::TooDeep(rules.depth));
                }
                if null_in_array(section, false) {
                    return Err(ShadowError::InvalidNode);
                }
            }
            _ => return Err(not_object),
        }
    }
    Ok(request)
}

/// Keys and indices on the longest way down. The reader's own bound (128) keeps the recursion short.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(|value| 1 + depth(value)).max().unwrap_or(0),
        Value::Array(items) => items.iter().map(|value| 1 + depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// An array is replaced as a whole, so a null in one could never mean "delete".
fn null_in_array(value: &Value, within: bool) -> bool {
    match value {
        Value::Null => within,
        Value::Array(items) => items.iter().any(|item| null_in_array(item, true)),
        Value::Object(map) => map.values().any(|value| null_in_array(value, within)),
        _ => false,
    }
}
