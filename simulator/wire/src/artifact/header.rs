//! The JSON files inside an artifact's header, as they stand on the wire.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub(super) struct Version {
    pub format: String,
    pub version: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct HeaderInfo {
    pub payloads: Vec<PayloadKind>,
    pub artifact_provides: Provides,
    pub artifact_depends: Depends,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PayloadKind {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Provides {
    pub artifact_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_group: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Depends {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifact_name: Vec<String>,
    pub device_type: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifact_group: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TypeInfo {
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifact_depends: BTreeMap<String, OneOrMore>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifact_provides: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clears_artifact_provides: Vec<String>,
}

/// A dependency is written as one value or as a list of them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(values: OneOrMore) -> Self {
        match values {
            OneOrMore::One(value) => vec![value],
            OneOrMore::More(values) => values,
        }
    }
}

impl From<Vec<String>> for OneOrMore {
    fn from(mut values: Vec<String>) -> Self {
        match (values.pop(), values.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                values.extend(last);
                Self::More(values)
            }
        }
    }
}
