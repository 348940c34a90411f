//! Entries of a log, as JSON or as a table, searched for a word.

use serde_json::Value;

/// In how many entries of a log `word` stands. The log is a JSON list, or a table of comma-separated values (RFC 4180).
///
/// # Errors
/// Why it is neither: an entry that lacks columns, a quote that does not end.
pub fn entries_with(text: &str, word: &str) -> Result<usize, String> {
    if let Ok(Value::Array(entries)) = serde_json::from_str::<Value>(text) {
        return Ok(entries.iter().filter(|entry| holds(entry, word)).count());
    }
    let rows = rows(text)?;
    let columns = rows.first().map_or(0, Vec::len);
    if let Some(at) = rows.iter().position(|row| row.len() != columns) {
        return Err(format!("row {} has {} cells, the first {columns}", at + 1, rows[at].len()));
    }
    Ok(rows.iter().filter(|row| row.iter().any(|cell| cell.contains(word))).count())
}

fn holds(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.contains(word),
        Value::Array(list) => list.iter().any(|value| holds(value, word)),
        Value::Object(fields) => fields.values().any(|value| holds(value, word)),
        _ => false,
    }
}

/// The rows of a table and their cells.
fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if quoted {
        return Err("a quote does not end".to_owned());
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_is_found_in_whole_entries() {
        assert_eq!(entries_with(r#"[{"a":"x"},{"a":{"b":["say x"]}},{"a":1}]"#, "x"), Ok(2));
        assert_eq!(entries_with("a,b\r\n1,\"say x,\r\nx\"\r\n", "x"), Ok(1));
        assert_eq!(entries_with("a,b\r\n1,say x\r\nx,2\r\n", "x"), Ok(2));
        assert_eq!(entries_with("a,b\r\n1,x\r\nx\r\n", "x"), Err("row 3 has 1 cells, the first 2".to_owned()));
        assert_eq!(entries_with("a,b\r\n1,\"x\r\n", "x"), Err("a quote does not end".to_owned()));
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(cells in proptest::collection::vec("[a,\"\r\n]{0,6}", 2..5)) {
            let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            prop_assert_eq!(rows(&(quoted.join(",") + "\r\n")), Ok(vec![cells]));
        }
    }
}
