//! Texts and data with gaps, filled in while running.

use crate::kept::Kept;
use crate::run::Run;
use crate::shared::Shared;
use fleetproof_journal::Secret;
use fleetproof_language::{Json, Live, Piece, Span};
use fleetproof_world::Seeds;
use rand::RngCore;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the scenario's own requests and texts hold while a run lasts.
pub(crate) struct Own {
    /// The run's id: drawn by the seed, so that a run in virtual time says the same every time.
    id: String,
    /// Variables that the environment holds.
    secrets: BTreeMap<String, Secret>,
    /// Parts of answers, by the names under which they were saved.
    pub(crate) saved: Kept<BTreeMap<String, String>>,
    /// The tenant into which a person switched last.
    pub(crate) whereabouts: Kept<BTreeMap<String, String>>,
    /// Requests that somebody was granted: `METHOD path`.
    pub(crate) granted: Kept<BTreeSet<String>>,
    /// Requests that were refused as they had to be, and where they stand.
    pub(crate) refused: Kept<Vec<(String, Span)>>,
}

impl Own {
    /// Nothing is saved yet. The values of the environment are secrets from now on.
    pub(crate) fn new(seeds: &Seeds, secrets: BTreeMap<String, Secret>, shared: &Shared) -> Self {
        secrets.values().for_each(|secret| shared.declare_secret(secret.expose()));
        Self {
            id: format!("run-{:08x}", seeds.stream("run id").next_u32()),
            secrets,
            saved: Kept::default(),
            whereabouts: Kept::default(),
            granted: Kept::default(),
            refused: Kept::default(),
        }
    }
}

/// What fills the gaps where a step stands.
pub(crate) struct Gaps<'r> {
    pub(crate) run: &'r Run,
    /// The round of the `repeat` around it.
    pub(crate) round: Option<u32>,
}

impl Gaps<'_> {
    /// The text. What was never saved, since its step did not get that far, is empty.
    pub(crate) fn text(&self, live: &Live) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Secret(name) => {
                self.run.own.secrets.get(name).map(|secret| secret.expose().to_owned()).unwrap_or_default()
            }
            Piece::Saved(name) => self.run.own.saved.get(name).unwrap_or_default(),
            Piece::RunId => self.run.own.id.clone(),
            Piece::Round => self.round.map(|round| round.to_string()).unwrap_or_default(),
        };
        live.0.iter().map(piece).collect()
    }

    /// The data.
    pub(crate) fn json(&self, json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::YesNo(value) => Value::Bool(*value),
            Json::Number(number) => number.parse::<serde_json::Number>().map_or(Value::Null, Value::Number),
            Json::Text(text) => Value::String(self.text(text)),
            Json::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Json::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), self.json(value))).collect::<Map<_, _>>())
            }
        }
    }
}
