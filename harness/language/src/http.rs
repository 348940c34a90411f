//! The `http` step: a request of the author's own, as a person or as nobody.

use crate::diagnostic::Diagnostic;
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Named, Refers, Shape, block};
use crate::live::{Json, Live};
use crate::reader::{At, Content, Reader};
use crate::source::{Located, Table};
use crate::suggest::short;
use crate::tree::Node;
use crate::words::{Method, Refusal};
use serde_json_path::JsonPath;
use std::time::Duration;

block! {
    /// A request of one's own. Either `status` or `refused` says what is due; until `within` it is asked again.
    pub struct Http {
        /// The method.
        pub method: Located<Method> = Shape::Word(Method::WORDS), Required("how it is asked: `method: get`");
        /// The path on the platform, with its query.
        pub path: Located<Live> = Shape::Live, Required("what is asked: `path: /api/management/v2/devauth/devices`");
        /// Who asks, in the session of the tenant where they are.
        pub by: Option<Located<String>> = Shape::Refers(Refers::User), Otherwise("nobody: the request carries no credential");
        /// The body, as JSON.
        pub json: Option<Located<Json>> = Shape::Json, Otherwise("no body");
        /// Headers by their names.
        pub headers: Table<Live> = Shape::Map(Named::Header, &Shape::Live), Otherwise("none");
        /// The status that must come back.
        pub status: Option<Located<u32>> = Shape::Number(100, 599), Optional;
        /// What must stand in the answer, by JSON path (RFC 9535).
        pub body: Table<Json> = Shape::Map(Named::JsonPath, &Shape::Json), Otherwise("not looked at");
        /// Names for parts of the answer, by JSON path; later texts of `http`, `mqtt` and `log` hold them as `{{ name }}`.
        pub save: Table<Query> = Shape::Map(Named::Saved, &Shape::JsonPath), Otherwise("nothing");
        /// The kind of refusal that is due. Somebody who may has to make the same request in this run.
        pub refused: Option<Located<Refusal>> = Shape::Word(Refusal::WORDS), Optional;
        /// Until when.
        pub within: Option<Located<Duration>> = Shape::Duration(1), Otherwise("30s, for one answer");
    }
}

/// A JSON path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(pub String);

impl Query {
    /// What it stands for in `value`: exactly one thing, or how many.
    ///
    /// # Errors
    /// The number of things that it matches, where that is not one.
    pub fn one<'v>(&self, value: &'v serde_json::Value) -> Result<&'v serde_json::Value, usize> {
        one(&self.0, value)
    }
}

/// What `path` stands for in `value`: exactly one thing.
///
/// # Errors
/// The number of things that it matches, where that is not one.
pub fn one<'v>(path: &str, value: &'v serde_json::Value) -> Result<&'v serde_json::Value, usize> {
    let found = JsonPath::parse(path).map(|path| path.query(value).all()).unwrap_or_default();
    match found.as_slice() {
        [one] => Ok(one),
        all => Err(all.len()),
    }
}

/// Why a text is no JSON path.
pub(crate) fn wrong_path(text: &str) -> Option<String> {
    JsonPath::parse(text).err().map(|error| error.message().to_owned())
}

impl Content for Query {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::read(node, &At::new(at.word, at.opener, Shape::Text), reader)?;
        match wrong_path(&text) {
            None => Some(Self(text)),
            Some(reason) => {
                reader.mistakes.push(bad_path(&text, &reason, node.span));
                None
            }
        }
    }
}

/// The diagnostic for a text that is no JSON path.
pub(crate) fn bad_path(text: &str, reason: &str, span: crate::source::Span) -> Diagnostic {
    let reason = if text.starts_with('$') { format!(": {reason}") } else { String::new() };
    Diagnostic::new("bad-path", span, format!("`{}` is no JSON path{reason}", short(text)))
        .label("no path")
        .help("a path begins with `$`: `\"$.id\"`, `\"$[0].name\"` (RFC 9535)")
}

impl Http {
    /// What is wrong with it as a whole.
    pub(crate) fn check(&self, word: crate::source::Span) -> Option<Diagnostic> {
        if self.status.is_none() && self.refused.is_none() {
            let mistake = Diagnostic::new("missing-key", word, "`http` needs `status` or `refused`");
            return Some(mistake.label("what is due?").help("say what must come back: `status: 200`"));
        }
        let path = self.path.value.written();
        if !path.starts_with('/') {
            let mistake =
                Diagnostic::new("bad-path", self.path.span, format!("`{}` is no path on the platform", short(&path)));
            return Some(mistake.label("does not begin with `/`").help("without scheme and host: `path: /api/…`"));
        }
        let refused = self.refused.as_ref().filter(|_| !self.save.0.is_empty());
        refused.map(|refused| {
            Diagnostic::new("two-outcomes", refused.span, "this `http` is refused and saves something")
                .label("nothing comes back to be saved")
                .help("leave `save` out, or say which `status` is due")
        })
    }
}
