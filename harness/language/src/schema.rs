//! The JSON Schema of a scenario file, for editors: made from the grammar.

use crate::grammar::{Block, Form, Named, Presence, Shape};
use crate::scenario::Scenario;
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of a scenario file. It knows shapes; names and rules are `check`'s.
#[must_use]
pub fn schema() -> Value {
    let mut defined = Map::new();
    let root = block(Scenario::BLOCK, &mut defined);
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("fleetproof scenario"));
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".to_owned(), Value::Object(defined));
    Value::Object(schema)
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
        _ => "^[a-z][a-z0-9-]{0,63}$",
    }
}

fn shape(it: &Shape, defined: &mut Map<String, Value>) -> Value {
    match it {
        Shape::Text | Shape::Refers(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::Version => json!({ "type": "string", "minLength": 1, "examples": ["2.0"] }),
        Shape::Declares(named) => json!({ "type": "string", "pattern": name(*named) }),
        Shape::Number(least, u32::MAX) => json!({ "type": "integer", "minimum": least }),
        Shape::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Duration(_) => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["30s"] }),
        Shape::Size => json!({ "type": "string", "pattern": "^[0-9]+ (B|KiB|MiB|GiB)$", "examples": ["64 KiB"] }),
        Shape::Share => json!({ "type": "string", "pattern": "^(100|[0-9]{1,2})%$", "examples": ["10%"] }),
        Shape::YesNo => json!({ "type": "boolean" }),
        Shape::Word(words) => json!({ "enum": words.words }),
        Shape::List(item, least) => {
            let unique = !matches!(item, Shape::Block(_) | Shape::Choice(_));
            let mut list = json!({ "type": "array", "items": shape(item, defined), "minItems": least });
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
