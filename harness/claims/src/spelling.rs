//! Other spellings of an id: each still means the same to somebody, or means nothing.

use serde::Serialize;

/// How an id is written otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// In capitals.
    Capitals,
    /// Without its dashes.
    NoDashes,
    /// In braces.
    Braces,
    /// As a name of the scheme `urn:uuid:`.
    Urn,
    /// A dot behind it, as behind a host name.
    TrailingDot,
    /// A space behind it.
    TrailingSpace,
    /// A byte 0 behind it.
    NullByte,
    /// Percent-encoded before it is percent-encoded.
    EncodedTwice,
    /// In the wide letters and digits that Unicode holds for the same.
    Wide,
    /// A parameter of the path's segment behind it.
    Parameter,
}

impl Spelling {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Capitals,
        Self::NoDashes,
        Self::Braces,
        Self::Urn,
        Self::TrailingDot,
        Self::TrailingSpace,
        Self::NullByte,
        Self::EncodedTwice,
        Self::Wide,
        Self::Parameter,
    ];

    /// Its word in attempts' ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Capitals => "capitals",
            Self::NoDashes => "no-dashes",
            Self::Braces => "braces",
            Self::Urn => "urn",
            Self::TrailingDot => "trailing-dot",
            Self::TrailingSpace => "trailing-space",
            Self::NullByte => "null-byte",
            Self::EncodedTwice => "encoded-twice",
            Self::Wide => "wide",
            Self::Parameter => "parameter",
        }
    }

    /// An id in this spelling, as text that is yet to be percent-encoded.
    #[must_use]
    pub fn of(self, id: &str) -> String {
        match self {
            Self::Capitals => id.to_ascii_uppercase(),
            Self::NoDashes => id.replace('-', ""),
            Self::Braces => format!("{{{id}}}"),
            Self::Urn => format!("urn:uuid:{id}"),
            Self::TrailingDot => format!("{id}."),
            Self::TrailingSpace => format!("{id} "),
            Self::NullByte => format!("{id}\0"),
            Self::EncodedTwice => id.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            Self::Wide => id.chars().map(wide).collect(),
            Self::Parameter => format!("{id};id={id}"),
        }
    }
}

/// The wide form of a character (Unicode block "Halfwidth and Fullwidth Forms"): compatibility forms fold it back.
fn wide(c: char) -> char {
    match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_what_it_says() {
        let shown: Vec<String> =
            Spelling::ALL.iter().map(|spelling| format!("{}: {:?}", spelling.word(), spelling.of("a1-b2"))).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        capitals: "A1-B2"
        no-dashes: "a1b2"
        braces: "{a1-b2}"
        urn: "urn:uuid:a1-b2"
        trailing-dot: "a1-b2."
        trailing-space: "a1-b2 "
        null-byte: "a1-b2\0"
        encoded-twice: "%61%31%2D%62%32"
        wide: "ａ１－ｂ２"
        parameter: "a1-b2;id=a1-b2"
        "#);
    }
}
