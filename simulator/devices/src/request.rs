//! The requests of a device, as Mender's client 3.4 makes them.

use crate::config::DeviceConfig;
use crate::key::Key;
use bytes::Bytes;
use fleetproof_wire::http::Request;
use fleetproof_world::read_rfc3339;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const AUTH: &str = "/api/devices/v1/authentication/auth_requests";
const INVENTORY: &str = "/api/devices/v1/inventory/device/attributes";
const NEXT_V1: &str = "/api/devices/v1/deployments/device/deployments/next";
const NEXT_V2: &str = "/api/devices/v2/deployments/device/deployments/next";
const DEPLOYMENTS: &str = "/api/devices/v1/deployments/device/deployments";

/// The client version that devices give in their inventory: the one whose behaviour they have.
pub const CLIENT_VERSION: &str = "3.4.0";

/// The request by which an identity asks to be let in: `X-MEN-Signature` over the exact body, the
/// tenant's token in the body and as bearer. The same arguments give the same bytes.
#[must_use]
pub fn auth_request(identity: &BTreeMap<String, String>, key: &Key, tenant_token: &str) -> Request {
    let body = auth_body(&id_data(identity), key, tenant_token);
    let signature = key.sign(&body);
    signed(body, &signature, tenant_token)
}

/// An identity as it is shown: a JSON object in a string, its keys sorted.
pub(crate) fn id_data(identity: &BTreeMap<String, String>) -> String {
    json!(identity).to_string()
}

pub(crate) fn auth_body(id_data: &str, key: &Key, tenant_token: &str) -> Bytes {
    let mut body = json!({ "id_data": id_data, "pubkey": key.public_pem(), "tenant_token": tenant_token }).to_string();
    body.push('\n');
    body.into()
}

pub(crate) fn signed(body: Bytes, signature: &str, tenant_token: &str) -> Request {
    Request::new("POST", AUTH).bearer(tenant_token).header("X-MEN-Signature", signature).body("application/json", body)
}

/// The auth request of a configured device.
#[must_use]
pub fn identify(config: &DeviceConfig, key: &Key) -> Request {
    auth_request(&config.identity, key, &config.tenant_token)
}

pub(crate) fn inventory(config: &DeviceConfig, artifact: &str, provides: &BTreeMap<String, String>) -> Request {
    let mut attributes = vec![
        json!({ "name": "device_type", "value": config.device_type }),
        json!({ "name": "artifact_name", "value": artifact }),
        json!({ "name": "mender_client_version", "value": CLIENT_VERSION }),
        json!({ "name": "hostname", "value": &*config.name }),
    ];
    attributes.extend(provides.iter().map(|(name, value)| json!({ "name": name, "value": value })));
    Request::new("PUT", INVENTORY).body("application/json", Value::Array(attributes).to_string())
}

pub(crate) fn next_v2(config: &DeviceConfig, artifact: &str, provides: &BTreeMap<String, String>) -> Request {
    let body = json!({ "device_provides": offered(config, artifact, provides), "update_control_map": true });
    Request::new("POST", NEXT_V2).body("application/json", body.to_string())
}

pub(crate) fn next_v1(config: &DeviceConfig, artifact: &str, provides: &BTreeMap<String, String>) -> Request {
    let body = Value::Object(offered(config, artifact, provides));
    Request::new("POST", NEXT_V1).body("application/json", body.to_string())
}

/// Whether it asks for an update.
pub(crate) fn is_poll(request: &Request) -> bool {
    request.target == NEXT_V2 || request.target == NEXT_V1
}

fn offered(config: &DeviceConfig, artifact: &str, provides: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut map: Map<String, Value> = provides.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    map.insert("device_type".into(), json!(config.device_type));
    map.insert("artifact_name".into(), json!(artifact));
    map
}

pub(crate) fn status(deployment: &str, status: &str, substate: Option<&str>) -> Request {
    let body = match substate {
        Some(substate) => json!({ "status": status, "substate": substate }),
        None => json!({ "status": status }),
    };
    Request::new("PUT", format!("{DEPLOYMENTS}/{deployment}/status")).body("application/json", body.to_string())
}

pub(crate) fn log(deployment: &str, messages: &[(String, String)]) -> Request {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(timestamp, message)| json!({ "timestamp": timestamp, "level": "error", "message": message }))
        .collect();
    let body = json!({ "messages": messages }).to_string();
    Request::new("PUT", format!("{DEPLOYMENTS}/{deployment}/log")).body("application/json", body)
}

/// What the platform offers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub deployment: String,
    pub artifact: String,
    /// Under which the artifact lies on the shelf: its id, or its name where there is none.
    pub artifact_id: String,
    pub uri: String,
    /// Until when the link is good, in ms since 1970, where the platform says so.
    pub expire_ms: Option<u64>,
}

impl Offer {
    /// Reads the answer to a poll; `None` when it is not what it should be.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let artifact = text("/artifact/artifact_name")?;
        Some(Self {
            deployment: text("/id")?,
            artifact_id: text("/artifact/id").unwrap_or_else(|| artifact.clone()),
            artifact,
            uri: text("/artifact/source/uri")?,
            expire_ms: text("/artifact/source/expire").and_then(|text| read_rfc3339(&text)),
        })
    }
}

/// Host and target of a link: `http://storage/a?b` is `("storage", "/a?b")`; a bare path has no host.
pub(crate) fn split_uri(uri: &str) -> (Option<&str>, &str) {
    let Some((_, rest)) = uri.split_once("://") else { return (None, uri) };
    match rest.find('/') {
        Some(slash) => (Some(&rest[..slash]), &rest[slash..]),
        None => (Some(rest), "/"),
    }
}
