//! The document: two trees, when each leaf was written, and a version.

use super::{Defect, Rules};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// `desired` or `reported`: values, and the time each leaf was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The values; no null, no empty object below the top.
    pub state: Map<String, Value>,
    /// The same tree with `{"timestamp": <seconds since 1970>}` in place of each leaf; of an array, one for each element.
    pub metadata: Map<String, Value>,
}

/// A shadow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// What is wanted of the thing.
    pub desired: Section,
    /// What the thing said of itself.
    pub reported: Section,
    /// Rises by one with each update.
    pub version: u64,
}

/// What is kept of a shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// It is there.
    Live(Shadow),
    /// It was deleted, and this is what its successor needs to count on. The owner may drop it after
    /// [`Rules::remembered_s`].
    Deleted {
        /// The last version.
        version: u64,
        /// When it was deleted (seconds since 1970).
        at: u64,
    },
}

impl Stored {
    /// The shadow, if it is there.
    #[must_use]
    pub const fn live(&self) -> Option<&Shadow> {
        match self {
            Self::Live(shadow) => Some(shadow),
            Self::Deleted { .. } => None,
        }
    }

    /// The version that the next one follows.
    pub(crate) fn version(stored: Option<&Self>, now: u64, rules: &Rules) -> u64 {
        match stored {
            None => 0,
            Some(Self::Live(shadow)) => shadow.version,
            Some(Self::Deleted { .. }) if rules.has(Defect::VersionRestarts) => 0,
            Some(Self::Deleted { version, at }) if now.saturating_sub(*at) <= rules.remembered_s => *version,
            Some(Self::Deleted { .. }) => 0,
        }
    }
}

impl Section {
    /// Merges a request's section in; absent: nothing changes, null: the section goes.
    pub(crate) fn merge(&mut self, patch: Option<&Value>, now: u64, rules: &Rules) {
        match patch {
            Some(Value::Null) => *self = Self::default(),
            Some(Value::Object(patch)) => {
                merge(&mut self.state, &mut self.metadata, patch, now, rules.has(Defect::NullKept));
            }
            _ => {}
        }
    }
}

impl Shadow {
    /// Every desired leaf that differs from the reported one, and when each was desired.
    #[must_use]
    pub fn delta(&self) -> Section {
        let (state, metadata) = differ(&self.desired.state, &self.desired.metadata, &self.reported.state);
        Section { state, metadata }
    }

    /// `{"desired":…,"reported":…}`, without the sections that are empty.
    #[must_use]
    pub fn state(&self) -> Map<String, Value> {
        pair(&self.desired.state, &self.reported.state)
    }

    /// The same shape with timestamps.
    #[must_use]
    pub fn metadata(&self) -> Map<String, Value> {
        pair(&self.desired.metadata, &self.reported.metadata)
    }

    /// Bytes that count against the limit: the state, not the metadata.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Value::Object(self.state()).to_string().len()
    }
}

fn pair(desired: &Map<String, Value>, reported: &Map<String, Value>) -> Map<String, Value> {
    [("desired", desired), ("reported", reported)]
        .into_iter()
        .filter(|(_, section)| !section.is_empty())
        .map(|(key, section)| (key.to_owned(), Value::Object(section.clone())))
        .collect()
}

/// What a thing does with a delta: its own state with these values written over it.
pub fn apply(state: &mut Map<String, Value>, delta: &Map<String, Value>) {
    merge(state, &mut Map::new(), delta, 0, false);
}

fn merge(
    state: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    now: u64,
    keep_null: bool,
) {
    for (key, value) in patch {
        match value {
            Value::Null if !keep_null => {
                state.remove(key);
                metadata.remove(key);
            }
            Value::Object(patch) => {
                // What was no object before gives way to one.
                let mut inner = match state.remove(key) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                let mut times = match metadata.remove(key) {
                    Some(Value::Object(times)) if !inner.is_empty() => times,
                    _ => Map::new(),
                };
                merge(&mut inner, &mut times, patch, now, keep_null);
                if !inner.is_empty() {
                    state.insert(key.clone(), Value::Object(inner));
                    metadata.insert(key.clone(), Value::Object(times));
                }
            }
            leaf => {
                state.insert(key.clone(), leaf.clone());
                metadata.insert(key.clone(), stamp(leaf, now));
            }
        }
    }
}

/// The timestamps of a value, leaf by leaf; nulls have none.
pub(crate) fn stamp(value: &Value, now: u64) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(|item| stamp(item, now)).collect()),
        Value::Object(map) => Value::Object(
            map.iter().filter(|(_, v)| !v.is_null()).map(|(key, value)| (key.clone(), stamp(value, now))).collect(),
        ),
        _ => json!({ "timestamp": now }),
    }
}

fn differ(
    desired: &Map<String, Value>,
    times: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut state, mut metadata) = (Map::new(), Map::new());
    let nothing = Map::new();
    for (key, wanted) in desired {
        let (value, when) = match (wanted, reported.get(key)) {
            (wanted, Some(said)) if wanted == said => continue,
            (Value::Object(wanted), said) => {
                let said = said.and_then(Value::as_object).unwrap_or(&nothing);
                let when = times.get(key).and_then(Value::as_object).unwrap_or(&nothing);
                let (value, when) = differ(wanted, when, said);
                if value.is_empty() {
                    continue;
                }
                (Value::Object(value), Some(Value::Object(when)))
            }
            (wanted, _) => (wanted.clone(), times.get(key).cloned()),
        };
        state.insert(key.clone(), value);
        if let Some(when) = when {
            metadata.insert(key.clone(), when);
        }
    }
    (state, metadata)
}
