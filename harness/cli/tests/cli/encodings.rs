//! Secrets and the shapes in which they could leak. Written apart from what redacts them.

/// A secret and every way to write it that is looked for, whatever stands before and after.
pub(crate) fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let mut all = vec![
        ("plain", secret.to_owned()),
        ("reversed", secret.chars().rev().collect()),
        ("hex", hex.clone()),
        ("hex in capitals", hex.to_uppercase()),
        ("percent", percent.clone()),
        ("percent in small letters", percent.to_lowercase()),
        ("JSON escapes", escaped),
        ("percent where needed", partly_percent(secret)),
    ];
    for (alphabet, name) in [(STANDARD, "base64"), (URL_SAFE, "base64 for URLs")] {
        for before in 0..3 {
            all.push((name, inside_base64(bytes, before, alphabet)));
        }
    }
    let mut once = std::collections::BTreeSet::new();
    all.retain(|(_, spelling)| once.insert(spelling.clone()));
    all
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn partly_percent(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What base64 makes of the bytes behind `before` others, without the letters that depend on what stands around them.
fn inside_base64(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    let letters: String = base64(&padded, alphabet);
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    letters[first..last].to_owned()
}

/// Base64 without padding.
pub(crate) fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for letter in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * letter) & 63) as usize]));
        }
    }
    text
}

/// The value of `Authorization` that shows a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let text = base64(format!("{name}:{password}").as_bytes(), STANDARD);
    format!("Basic {text}{}", "=".repeat((4 - text.len() % 4) % 4))
}

/// Everything that looks like a JSON web token: three parts of URL-safe letters, the first of them an object.
pub(crate) fn web_tokens(text: &str) -> Vec<&str> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text.split(|c| !is_letter(c));
    words
        .filter_map(|word| Some(&word[word.find("eyJ")?..]))
        .filter(|word| word.split('.').filter(|part| part.len() > 9).count() >= 3)
        .collect()
}

#[test]
fn spellings_are_found_in_what_others_wrote() {
    // Made by base64(1), Python's urllib and json.
    let found = |text: &str| spellings("s3cret/+Pass word").iter().any(|(_, spelt)| text.contains(spelt.as_str()));
    for text in [
        "x s3cret/+Pass word y",
        "czNjcmV0LytQYXNzIHdvcmQ=",
        "cGlhOnMzY3JldC8rUGFzcyB3b3Jk",
        "QWxpY2U6czNjcmV0LytQYXNzIHdvcmQK",
        "eHg6czNjcmV0LytQYXNzIHdvcmQh",
        "s3cret%2F%2BPass%20word",
        "7333637265742f2b5061737320776f7264",
    ] {
        assert!(found(text), "{text}");
    }
    assert!(!found("s3cret/+Pass wor") && !found("czNjcmV0"));
    assert_eq!(basic("pia", "s3cret/+Pass word"), "Basic cGlhOnMzY3JldC8rUGFzcyB3b3Jk");
    assert_eq!(basic("a", "b"), "Basic YTpi");
    assert_eq!(basic("a", "bc"), "Basic YTpiYw==");
}

#[test]
fn tokens_are_known_by_their_shape() {
    let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0";
    assert_eq!(web_tokens(&format!("a \"Bearer {token}\", eyJ.eyJ.x and eyJhbGciOiJFZERTQSJ9 alone")), [token]);
    assert!(web_tokens("eyJ.a.b scenario.yaml:3:4 fleetproof.test").is_empty());
}
