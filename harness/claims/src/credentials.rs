//! What may be told of requests and answers: no passwords, no tokens, no signatures of links.

/// The beginning of a text on one line, at most `most` characters and a `…` for what was left, without credentials:
/// tokens, the signatures of links, and whatever stands in a field of a JSON document whose name says password or token.
///
/// The text is read no further than it is told: answers can be long, and there are many of them.
#[must_use]
pub fn without_credentials(text: &str, most: usize) -> String {
    let mut told = String::new();
    let mut length = 0;
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next().filter(|_| length <= most) {
        let (read, shown) = match first {
            _ if seals(&told) => (rest.find(ends_parameter).unwrap_or(rest.len()), "‹seal›"),
            '"' => match secret_field(rest) {
                Some((name, whole)) => {
                    told.push_str(&rest[..name]);
                    length += rest[..name].chars().count();
                    (whole, "\"…\"")
                }
                None => (1, "\""),
            },
            first if is_wordy(first) => match rest.find(|c| !is_wordy(c)).unwrap_or(rest.len()) {
                end if rest.starts_with("eyJ") => (end, "‹token›"),
                end => (end, &rest[..end]),
            },
            first if first.is_whitespace() => (rest.len() - rest.trim_start().len(), " "),
            first => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        told.push_str(shown);
        length += shown.chars().count();
        rest = &rest[read..];
    }
    if let Some((end, _)) = told.char_indices().nth(most) {
        told.truncate(end);
        told.push('…');
    }
    told
}

/// Letters of words, ids, times and tokens.
pub(crate) fn is_wordy(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+')
}

/// Whether what comes next is the signature of a link.
pub(crate) fn seals(before: &str) -> bool {
    const NAMES: [&str; 2] = ["signature=", "sig="];
    // Asked before every word: most are ruled out by one byte.
    before.ends_with('=')
        && NAMES.iter().any(|name| {
            let tail = before.len().checked_sub(name.len()).and_then(|start| before.as_bytes().get(start..));
            tail.is_some_and(|tail| tail.eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// Where the value of a parameter of a link is over.
fn ends_parameter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | '"' | '\'' | '<' | '>' | '#')
}

/// Where the value of a field begins and where it ends, if `text` begins with the name of one that is not to be told.
fn secret_field(text: &str) -> Option<(usize, usize)> {
    let name = string(text);
    let after = text[name..].trim_start().strip_prefix(':')?.trim_start();
    let is_secret =
        ["password", "PrivateKey"].iter().any(|word| text[..name].contains(word)) || text[..name].ends_with("token\"");
    let value = text.len() - after.len();
    is_secret.then(|| (value, value + self::value(after)))
}

/// How long the JSON string is that `text` begins with, its quotes counted; all of it where it does not end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long the JSON value is that `text` begins with.
fn value(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at += string(&text[at..]) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    text.len()
}
