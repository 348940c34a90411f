//! The JSON Schema of a scenario file, for editors: made from the grammar.

use crate::fragment::Fragment;
use crate::grammar::{Block, Form, Named, Presence, Shape};
use crate::scenario::Scenario;
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of a scenario or fragment file. It knows shapes; names and rules are `check`'s.
#[must_use]
pub fn schema() -> Value {
    let mut defined = Map::new();
    let (scenario, fragment) = (reference(Scenario::BLOCK, &mut defined), reference(Fragment::BLOCK, &mut defined));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleetproof scenario or fragment",
        "if": { "required": ["fragment"] },
        "then": fragment,
        "else": scenario,
        "$defs": defined,
    })
}

/// The lines of a doc comment as one text.
pub(crate) fn text(about: &[&str]) -> String {
    about.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn block(block: &'static Block, defined: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in block.all_keys() {
        let mut property = shape(&key.shape, defined);
        if let Value::Object(property) = &mut property {
            property.insert("description".to_owned(), json!(describe(key.about, key.presence)));
        }
        properties.insert(key.word.to_owned(), property);
        if let Presence::Required(_) = key.presence {
            required.push(key.word);
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("description".to_owned(), json!(text(block.about)));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    Value::Object(schema)
}

fn describe(about: &[&str], presence: Presence) -> String {
    match presence {
        Presence::Default(default) => format!("{} Default: {default}.", text(about)),
        _ => text(about),
    }
}

/// A reference to a block, which is defined once.
fn reference(it: &'static Block, defined: &mut Map<String, Value>) -> Value {
    if !defined.contains_key(it.name) {
        defined.insert(it.name.to_owned(), Value::Null);
        let schema = block(it, defined);
        defined.insert(it.name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/$defs/{}", it.name) })
}

/// What names look like.
fn name(named: Named) -> &'static str {
    match named {
        Named::Scenario => "^[^\\n]{1,200}$",
        Named::User => "^([a-z][a-z0-9-]*|[A-Za-z0-9._+-]+@[A-Za-z0-9._+-]+)$",
        Named::Header => "^[!#$%&'*+.^_`|~A-Za-z0-9-]{1,64}$",
        Named::JsonPath => "^\\$",
        Named::Variable | Named::Axis | Named::Parameter | Named::Saved => "^[a-z][a-z0-9_-]{0,63}$",
        _ => "^[a-z][a-z0-9-]{0,63}$",
    }
}

/// A scalar, or a template that is filled in before it is read as one.
fn shape(it: &Shape, defined: &mut Map<String, Value>) -> Value {
    let schema = exact(it, defined);
    match it {
        Shape::Version
        | Shape::Declares(_)
        | Shape::Number(..)
        | Shape::Duration(_)
        | Shape::Size
        | Shape::Share
        | Shape::YesNo
        | Shape::JsonPath
        | Shape::Word(_) => {
            defined.entry("Template").or_insert_with(|| {
                json!({
                    "type": "string",
                    "description": "A name in braces that `vars`, `matrix` or a fragment's parameters fill in.",
                    "pattern": "\\{\\{ *[a-z][a-z0-9_.-]* *\\}\\}",
                })
            });
            json!({ "anyOf": [schema, { "$ref": "#/$defs/Template" }] })
        }
        _ => schema,
    }
}

fn exact(it: &Shape, defined: &mut Map<String, Value>) -> Value {
    match it {
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Json => json!({}),
        Shape::JsonPath => json!({ "type": "string", "pattern": "^\\$" }),
        Shape::Map(named, value) => json!({
            "type": "object",
            "propertyNames": { "pattern": name(*named) },
            "additionalProperties": shape(value, defined),
        }),
        Shape::Text | Shape::Live | Shape::Refers(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::Version => json!({ "type": "string", "minLength": 1, "examples": ["2.0"] }),
        Shape::Declares(named) => json!({ "type": "string", "pattern": name(*named) }),
        Shape::Number(least, u32::MAX) => json!({ "type": "integer", "minimum": least }),
        Shape::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Duration(_) => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["30s"] }),
        Shape::Size => json!({ "type": "string", "pattern": "^[0-9]+ (B|KiB|MiB|GiB)$", "examples": ["64 KiB"] }),
        Shape::Share => json!({ "type": "string", "pattern": "^(100|[0-9]{1,2})%$", "examples": ["10%"] }),
        Shape::Bandwidth => {
            json!({ "type": "string", "pattern": "^[0-9]+ (B|KiB|MiB|GiB)/s$", "examples": ["32 KiB/s"] })
        }
        Shape::Rate => json!({ "type": "string", "pattern": "^[0-9]+/(s|min)$", "examples": ["50/s"] }),
        Shape::Ratio => json!({ "type": "string", "pattern": "^[0-9]+([.][0-9]{1,3})?x$", "examples": ["1.5x"] }),
        Shape::YesNo => json!({ "type": "boolean" }),
        Shape::Word(words) => json!({ "enum": words.words }),
        Shape::List(..) | Shape::Steps { .. } | Shape::Branches => {
            let Some((item, least)) = it.as_list() else { return Value::Bool(true) };
            let unique = !matches!(item, Shape::Block(_) | Shape::Choice(_) | Shape::Steps { .. });
            let mut list = json!({ "type": "array", "items": shape(&item, defined), "minItems": least });
            if let (Value::Object(list), true) = (&mut list, unique) {
                list.insert("uniqueItems".to_owned(), json!(true));
            }
            list
        }
        Shape::Block(block) => reference(block, defined),
        Shape::Table(named, block) => json!({
            "type": "object",
            "propertyNames": { "pattern": name(*named) },
            "additionalProperties": reference(block, defined),
        }),
        Shape::Choice(block) => {
            let reference = reference(block, defined);
            if let Some(Value::Object(choice)) = defined.get_mut(block.name) {
                choice.insert("minProperties".to_owned(), json!(1));
                choice.insert("maxProperties".to_owned(), json!(1));
            }
            reference
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Sources;
    use crate::tree::{self, Kind, Node, Plain};
    use proptest::prelude::*;

    const VALID: [&str; 4] = [
        include_str!("../tests/valid/quickstart.yaml"),
        include_str!("../tests/valid/provider-carve.yaml"),
        include_str!("../tests/valid/two-hats.yaml"),
        include_str!("../tests/valid/lobby-migration.yaml"),
    ];

    /// What an editor makes of the file.
    fn json(node: &Node) -> Value {
        match &node.kind {
            Kind::List(items) => items.iter().map(json).collect(),
            Kind::Block(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
            Kind::Broken | Kind::Late(_) => Value::Null,
            Kind::Scalar { text, .. } => match node.plain() {
                Plain::Text => json!(text),
                Plain::Nothing => Value::Null,
                Plain::YesNo => json!(text.eq_ignore_ascii_case("true")),
                Plain::Number => {
                    text.parse::<i64>().map_or_else(|_| json!(text.parse::<f64>().ok()), |number| json!(number))
                }
            },
        }
    }

    /// Why a value is not what a schema says, as far as our schema has words.
    fn refuse(value: &Value, schema: &Value, root: &Value) -> Option<String> {
        let schema = match schema.get("$ref").and_then(Value::as_str) {
            Some(at) => root.pointer(&at[1..]).unwrap(),
            None => schema,
        };
        let size = |limit: &str| schema.get(limit).and_then(Value::as_u64);
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if let Some(words) = schema.pointer("/if/required").and_then(Value::as_array) {
            let is = words.iter().all(|word| value.get(word.as_str().unwrap()).is_some());
            return refuse(value, &schema[if is { "then" } else { "else" }], root);
        }
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            let mut refused: Vec<String> = Vec::new();
            for one in any {
                refused.push(refuse(value, one, root)?);
            }
            return refused.into_iter().next();
        }
        let fits = |due: &Value| match due {
            Value::Array(due) => due.iter().any(|due| due == kind),
            due => due == kind,
        };
        if schema.get("type").is_some_and(|due| !fits(due)) {
            return Some(format!("{value} is no {}", schema["type"]));
        }
        if schema.get("enum").is_some_and(|words| !words.as_array().unwrap().contains(value)) {
            return Some(format!("{value} is not among {}", schema["enum"]));
        }
        let matches = |schema: &Value, text: &str| {
            let pattern = schema.get("pattern").and_then(Value::as_str);
            pattern.is_none_or(|pattern| regex_lite::Regex::new(pattern).unwrap().is_match(text))
        };
        match value {
            Value::String(text)
                if !matches(schema, text) || size("minLength").is_some_and(|least| (text.len() as u64) < least) =>
            {
                Some(format!("{text} is not {schema}"))
            }
            Value::Number(number)
                if schema.get("minimum").is_some_and(|least| number.as_i64() < least.as_i64())
                    || schema.get("maximum").is_some_and(|most| number.as_i64() > most.as_i64()) =>
            {
                Some(format!("{number} is out of {schema}"))
            }
            Value::Array(items) => {
                if size("minItems").is_some_and(|least| (items.len() as u64) < least) {
                    return Some("too few items".to_owned());
                }
                items.iter().find_map(|item| refuse(item, &schema["items"], root))
            }
            Value::Object(map) => {
                let number = map.len() as u64;
                if size("minProperties").is_some_and(|least| number < least)
                    || size("maxProperties").is_some_and(|most| number > most)
                {
                    return Some(format!("{number} keys"));
                }
                let required = schema.get("required").and_then(Value::as_array);
                if let Some(missing) =
                    required.into_iter().flatten().find(|key| !map.contains_key(key.as_str().unwrap()))
                {
                    return Some(format!("{missing} is missing"));
                }
                map.iter().find_map(|(key, value)| {
                    if schema.get("propertyNames").is_some_and(|names| !matches(names, key)) {
                        return Some(format!("{key} is no name"));
                    }
                    match schema.get("properties").and_then(|properties| properties.get(key)) {
                        Some(property) => refuse(value, property, root),
                        None => match &schema["additionalProperties"] {
                            Value::Bool(false) => Some(format!("{key} is no key")),
                            property => refuse(value, property, root),
                        },
                    }
                })
            }
            _ => None,
        }
    }

    /// What the schema and what the reader say about a text.
    fn both(text: &str) -> (Option<String>, Result<(), Vec<String>>) {
        let mut sources = Sources::new();
        let file = sources.add("it.yaml", text.to_owned());
        let root = tree::parse(sources.file(file).unwrap()).0;
        let schema = schema();
        let refused = root.map_or(Some("not YAML".to_owned()), |root| refuse(&json(&root), &schema, &schema));
        let read = crate::read(&sources, file);
        (refused, read.map(drop).map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.code).collect()))
    }

    #[test]
    fn valid_files_pass_the_schema() {
        for text in VALID {
            assert_eq!(both(text), (None, Ok(())));
        }
    }

    #[test]
    fn the_schema_refuses_wrong_shapes_as_the_reader_does() {
        let wrong = [
            ("simulated: 250", "simulated: \"250\""),
            ("simulated: 250", "simulated: 0"),
            ("simulated: 250", "simulated: 1.5"),
            ("simulated: 250,", ""),
            ("version: \"2.0\", size", "version: 2.0, size"),
            ("size: 64 KiB", "size: 64KiB"),
            ("within: 20s", "within: 20"),
            ("speaks: mender", "speaks: carrier_pigeon"),
            ("between: [acme, globex]", "between: [acme]"),
            ("between: [acme, globex]", "between: acme"),
            ("[P2, P3, P8, P11]", "[P2, P99]"),
            ("  - enroll: {", "  - enrol: {"),
            ("  - enroll: {", "  - within: 5s\n    enroll: {"),
            ("    globex: {", "    Globex: {"),
            ("gus@globex.test", "Gus von Globex"),
        ];
        for (right, instead) in wrong {
            assert!(VALID[0].contains(right), "{right}");
            let (schema, read) = both(&VALID[0].replacen(right, instead, 1));
            assert!(schema.is_some(), "the schema takes `{instead}`");
            assert!(read.is_err(), "the reader takes `{instead}`");
        }
    }

    proptest! {
        /// An editor never complains about a file that we take.
        #[test]
        fn what_is_read_passes_the_schema(
            which in 0usize..4,
            at in any::<prop::sample::Index>(),
            length in 0usize..12,
            piece in "[a-z0-9%:{}\\[\\], \"]{0,4}",
        ) {
            let mut text: Vec<char> = VALID[which].chars().collect();
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
            let (schema, read) = both(&text.into_iter().collect::<String>());
            if read.is_ok() {
                prop_assert_eq!(schema, None);
            }
        }
    }
}
