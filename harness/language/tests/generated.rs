#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What is generated from the grammar and checked in: the JSON Schema and the reference.
//! `INSTA_UPDATE=always` writes them anew.

use std::path::Path;

fn same(path: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == generated,
        "{} is not what the types say: run this test with INSTA_UPDATE=always",
        path.display()
    );
}

#[test]
fn the_schema_is_checked_in() {
    let mut schema = serde_json::to_string_pretty(&sorted(fleetproof_language::schema())).unwrap();
    schema.push('\n');
    same("schema/scenario.json", &schema);
}

/// Keys in one order, whatever features of `serde_json` other crates switch on.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let map: std::collections::BTreeMap<_, _> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            map.into_iter().collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[test]
fn the_reference_is_checked_in() {
    same("../../scenarios/REFERENCE.md", &fleetproof_language::reference());
}
