//! A reader of other people's OpenAPI documents, 3.0 and 3.1: tolerant, over JSON values.
//!
//! It takes what the table of operations is joined with: ids, methods, paths, parameters, statuses of success, body
//! fields. What it cannot read it leaves out; a document that refers to itself is cut at a depth.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// How many `$ref`s are followed from one place, and how deep a schema is walked.
const DEPTH: usize = 16;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What was read of an interface document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its `info.title`.
    pub title: String,
    /// Its `openapi`, e.g. `3.1.0`.
    pub version: String,
    /// All operations, by path, then method.
    pub operations: Vec<Operation>,
}

/// One operation of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its `operationId`.
    pub id: Option<String>,
    /// In capitals.
    pub method: String,
    /// As the document has it, with the parameters' names in braces.
    pub path: String,
    /// Names of the query parameters.
    pub query: Vec<String>,
    /// Names of the headers.
    pub headers: Vec<String>,
    /// Media types of the body.
    pub media: Vec<String>,
    /// Fields of the JSON body: `a.b[].c`.
    pub fields: Vec<String>,
    /// Statuses of success.
    pub ok: Vec<u16>,
}

/// Why a document could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// Neither 3.0 nor 3.1: what its `openapi` says.
    Version(String),
    /// It has no `paths`.
    NoPaths,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "OpenAPI 3.0 and 3.1 are read, this says `{version}`"),
            Self::NoPaths => f.write_str("the interface document has no `paths`"),
        }
    }
}

impl std::error::Error for DocumentError {}

/// Reads a document.
///
/// # Errors
/// [`DocumentError`] when it is not an OpenAPI document of 3.0 or 3.1.
pub fn read(root: &Value) -> Result<Document, DocumentError> {
    let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !(version.starts_with("3.0") || version.starts_with("3.1")) {
        return Err(DocumentError::Version(version.to_owned()));
    }
    let paths = root.get("paths").and_then(Value::as_object).ok_or(DocumentError::NoPaths)?;
    let mut operations = Vec::new();
    for (path, item) in paths {
        let item = resolved(root, item);
        for method in METHODS {
            let Some(operation) = item.get(method).filter(|value| value.is_object()) else { continue };
            operations.push(read_operation(root, path, method, item, operation));
        }
    }
    operations.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    let title = root.pointer("/info/title").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Document { title, version: version.to_owned(), operations })
}

fn read_operation(root: &Value, path: &str, method: &str, item: &Value, operation: &Value) -> Operation {
    let (mut query, mut headers) = (BTreeSet::new(), BTreeSet::new());
    for list in [item, operation] {
        for parameter in list.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let parameter = resolved(root, parameter);
            let Some(name) = parameter.get("name").and_then(Value::as_str) else { continue };
            match parameter.get("in").and_then(Value::as_str) {
                Some("query") => query.insert(name.to_owned()),
                Some("header") => headers.insert(name.to_owned()),
                _ => false,
            };
        }
    }
    let content = operation.get("requestBody").map(|body| resolved(root, body)).and_then(|body| body.get("content"));
    let content = content.and_then(Value::as_object);
    let mut fields = BTreeSet::new();
    for schema in content.into_iter().flatten().filter_map(|(_, media)| media.get("schema")) {
        collect(root, schema, "", DEPTH, &mut fields);
    }
    let responses = operation.get("responses").and_then(Value::as_object);
    let ok = responses.into_iter().flatten().filter_map(|(code, _)| code.parse::<u16>().ok());
    Operation {
        id: operation.get("operationId").and_then(Value::as_str).map(str::to_owned),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        query: query.into_iter().collect(),
        headers: headers.into_iter().collect(),
        media: content.into_iter().flatten().map(|(media, _)| media.clone()).collect(),
        fields: fields.into_iter().collect(),
        ok: ok.filter(|code| (200..300).contains(code)).collect(),
    }
}

/// The value that `$ref`s lead to; the place itself when one leads nowhere, or round in circles.
fn resolved<'a>(root: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..DEPTH {
        let target = value.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => value = next,
            None => return value,
        }
    }
    value
}

fn collect(root: &Value, schema: &Value, at: &str, depth: usize, into: &mut BTreeSet<String>) {
    if depth == 0 {
        return;
    }
    let schema = resolved(root, schema);
    for parts in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(parts).and_then(Value::as_array).into_iter().flatten() {
            collect(root, part, at, depth - 1, into);
        }
    }
    if let Some(items) = schema.get("items") {
        collect(root, items, &format!("{at}[]"), depth - 1, into);
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        collect(root, field, &path, depth - 1, into);
        into.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_parameters_bodies_and_references_of_both_versions() {
        let document = json!({
            "openapi": "3.0.3", "info": { "title": "Two worlds" },
            "paths": { "/things/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Page" }],
                "put": {
                    "operationId": "Change Thing",
                    "parameters": [{ "name": "X-Mark", "in": "header" }, { "name": "id", "in": "path" }],
                    "requestBody": { "$ref": "#/components/requestBodies/Thing" },
                    "responses": { "204": {}, "404": {}, "default": {} } } } },
            "components": {
                "parameters": { "Page": { "name": "page", "in": "query" } },
                "requestBodies": { "Thing": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } } },
                "schemas": { "Thing": { "allOf": [{ "properties": { "name": { "type": "string" } } }],
                    "properties": { "parts": { "type": "array", "items": { "properties": { "id": { "type": ["string", "null"] } } } } } } } } });
        insta::assert_debug_snapshot!(read(&document).unwrap());
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let document = json!({ "openapi": "3.1.0", "paths": { "/a": { "post": {
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Node" } } } }, "responses": {} },
            "get": { "requestBody": { "$ref": "#/components/loop" }, "responses": {} } } },
            "components": { "loop": { "$ref": "#/components/loop" },
                "schemas": { "Node": { "properties": { "next": { "$ref": "#/components/schemas/Node" } } } } } });
        let read = read(&document).unwrap();
        assert_eq!(read.operations.len(), 2);
        assert_eq!(read.operations[1].fields.len(), DEPTH);
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        assert_eq!(read(&json!({ "swagger": "2.0" })), Err(DocumentError::Version(String::new())));
        assert_eq!(read(&json!({ "openapi": "3.1.0" })), Err(DocumentError::NoPaths));
    }
}
