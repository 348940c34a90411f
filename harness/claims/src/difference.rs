//! What two looks at the same thing do not share.

use serde_json::Value;
use std::collections::BTreeSet;

/// What differs between two looks (canonical JSON texts, or any texts): at most three places, as people read them.
#[must_use]
pub fn difference(before: &str, after: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let mut places = Vec::new();
    match (serde_json::from_str::<Value>(before), serde_json::from_str::<Value>(after)) {
        (Ok(before), Ok(after)) => walk("", &before, &after, &mut places),
        _ => {
            for (left, right) in before.lines().zip(after.lines()).filter(|(left, right)| left != right) {
                line(left, right, &mut places);
            }
            if places.is_empty() {
                places.push(format!("{} lines → {} lines", before.lines().count(), after.lines().count()));
            }
        }
    }
    let more = places.len().saturating_sub(3);
    places.truncate(3);
    let mut text = places.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    Some(text)
}

/// Two lines that differ: as documents where they are some, else from where they part.
fn line(left: &str, right: &str, places: &mut Vec<String>) {
    match (serde_json::from_str::<Value>(left), serde_json::from_str::<Value>(right)) {
        (Ok(before), Ok(after)) if are_alike(&before, &after) => walk("", &before, &after, places),
        _ => {
            let (left, right) = apart(left, right);
            places.push(format!("`{}` → `{}`", short(&left), short(&right)));
        }
    }
}

/// Whether it makes sense to compare two documents part by part: two lists, or two objects that share a field.
fn are_alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(_), Value::Array(_)) => true,
        (Value::Object(left), Value::Object(right)) => left.keys().any(|name| right.contains_key(name)),
        _ => false,
    }
}

/// What two texts say from a little before where they part.
fn apart(left: &str, right: &str) -> (String, String) {
    const BEFORE: usize = 40;
    let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
    let cut = same.saturating_sub(BEFORE);
    let rest = |text: &str| {
        let rest: String = text.chars().skip(cut).collect();
        if cut > 0 { format!("…{rest}") } else { rest }
    };
    (rest(left), rest(right))
}

fn walk(path: &str, before: &Value, after: &Value, places: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                walk(
                    &at(name),
                    left.get(name).unwrap_or(&Value::Null),
                    right.get(name).unwrap_or(&Value::Null),
                    places,
                );
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let gone: Vec<&Value> = left.iter().filter(|value| !right.contains(value)).collect();
            let new: Vec<&Value> = right.iter().filter(|value| !left.contains(value)).collect();
            if let ([gone], [new]) = (gone.as_slice(), new.as_slice()) {
                let index = right.iter().position(|value| value == *new).unwrap_or_default();
                walk(&format!("{path}[{index}]"), gone, new, places);
                return;
            }
            let name = if path.is_empty() { "the list" } else { path };
            places.extend(gone.iter().map(|value| format!("{name} lost {}", short(&value.to_string()))));
            places.extend(new.iter().map(|value| format!("{name} gained {}", short(&value.to_string()))));
            if gone.is_empty() && new.is_empty() && left != right {
                places.push(format!("{name}: {} entries → {}", left.len(), right.len()));
            }
        }
        (left, right) if left != right => {
            let name = if path.is_empty() { "it" } else { path };
            places.push(format!("{name}: {} → {}", short(&left.to_string()), short(&right.to_string())));
        }
        _ => {}
    }
}

/// At most 120 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
