//! What stands in the QR code on a device: its fingerprint, and a proof that one has seen the label.
//!
//! `fleetproof:1:<fingerprint>:<ownership>:<code>:<check>`. The code (80 bits) is a keyed hash of fingerprint and number of
//! the ownership it is good for: 0 at the factory, one more after each release. The check finds misread letters without the key.
//! A bare fingerprint is read too, and proves nothing: every party to a TLS handshake has seen it.

use super::{Defect, Facts, LobbyError};
use serde::{Deserialize, Serialize};
use std::fmt;

const SCHEME: &str = "fleetproof";
const CODE_DIGITS: usize = 20;
const CHECK_DIGITS: usize = 8;
/// Longest text that is looked at.
const TEXT_BYTES: usize = 256;

/// SHA-256 of a certificate's DER: 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads one.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn read(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.starts_with("0x") || text.starts_with("0X") {
            return Err(LabelError::HexPrefix);
        }
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let pairs = text.contains(':') && text.bytes().all(|b| b == b':' || b.is_ascii_hexdigit());
            return Err(if pairs { LabelError::Colons } else { LabelError::Foreign });
        }
        match text.len() {
            64 if text.bytes().any(|b| b.is_ascii_uppercase()) => Err(LabelError::UpperCase),
            64 => Ok(Self(text.to_owned())),
            found if found < 64 => Err(LabelError::Truncated { found }),
            found => Err(LabelError::TooLong { found }),
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::read(&text)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// Nothing.
    Empty,
    /// Begins with `0x`.
    HexPrefix,
    /// Upper-case digits.
    UpperCase,
    /// Digits in pairs with colons, as OpenSSL prints them.
    Colons,
    /// Too few digits.
    Truncated {
        /// How many.
        found: usize,
    },
    /// Too many digits, or a text of more than 256 bytes.
    TooLong {
        /// How many.
        found: usize,
    },
    /// A label of a later version.
    Version(String),
    /// A label with a part missing or malformed.
    Part(&'static str),
    /// A label that was misread.
    Check,
    /// Something else.
    Foreign,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("The code is empty; scan the device's label."),
            Self::HexPrefix => f.write_str("A fingerprint has no 0x in front; leave it out."),
            Self::UpperCase => f.write_str("A fingerprint is written in lower case."),
            Self::Colons => f.write_str("A fingerprint is written without colons; leave them out."),
            Self::Truncated { found } => write!(f, "A fingerprint has 64 digits, this one {found}; scan again."),
            Self::TooLong { found } => write!(f, "A fingerprint has 64 digits, this text {found}; scan again."),
            Self::Version(version) => write!(f, "The label is of version {version}; this lobby reads version 1."),
            Self::Part(part) => write!(f, "The label's {part} is missing or malformed; scan again."),
            Self::Check => f.write_str("The label was misread: its check does not fit; scan again."),
            Self::Foreign => f.write_str("This is no device label and no fingerprint."),
        }
    }
}

impl std::error::Error for LabelError {}

/// Why one should believe that a device is somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: the fingerprint alone. The claim waits for a pairing, or for a certificate of the tenant's own authority.
    None,
    /// The code on a label.
    Code {
        /// Which ownership it is for.
        ownership: u32,
        /// Its 20 digits.
        code: String,
    },
}

/// What a QR code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which device.
    pub fingerprint: Fingerprint,
    /// Why.
    pub proof: Proof,
}

impl Label {
    /// The label for the `ownership`th owner (0: the first) of a device.
    #[must_use]
    pub fn new(key: &[u8; 32], fingerprint: Fingerprint, ownership: u32) -> Self {
        let code = code(key, &fingerprint, ownership);
        Self { fingerprint, proof: Proof::Code { ownership, code } }
    }

    /// Reads a QR code's text, or a bare fingerprint. Blanks around it are dropped, nothing else is repaired.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn read(text: &str) -> Result<Self, LabelError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES {
            return Err(LabelError::TooLong { found: text.len() });
        }
        let Some(rest) = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(':')) else {
            return Ok(Self { fingerprint: Fingerprint::read(text)?, proof: Proof::None });
        };
        let mut parts = rest.split(':');
        match parts.next() {
            Some("1") => {}
            Some(version) if !version.is_empty() => return Err(LabelError::Version(version.to_owned())),
            _ => return Err(LabelError::Part("version")),
        }
        let fingerprint = Fingerprint::read(parts.next().unwrap_or_default())?;
        let ownership = parts.next().unwrap_or_default();
        let ownership = ownership.parse().ok().filter(|found: &u32| found.to_string() == ownership);
        let ownership = ownership.ok_or(LabelError::Part("ownership"))?;
        let code = digits(parts.next(), CODE_DIGITS).ok_or(LabelError::Part("code"))?;
        let check = digits(parts.next(), CHECK_DIGITS).ok_or(LabelError::Part("check"))?;
        if parts.next().is_some() {
            return Err(LabelError::Part("end"));
        }
        let label = Self { fingerprint, proof: Proof::Code { ownership, code: code.to_owned() } };
        if label.check() == check { Ok(label) } else { Err(LabelError::Check) }
    }

    fn body(&self) -> String {
        match &self.proof {
            Proof::None => self.fingerprint.to_string(),
            Proof::Code { ownership, code } => format!("{SCHEME}:1:{}:{ownership}:{code}", self.fingerprint),
        }
    }

    fn check(&self) -> String {
        first(&blake3::hash(self.body().as_bytes()), CHECK_DIGITS)
    }
}

impl fmt::Display for Label {
    /// The text of the QR code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proof {
            Proof::None => f.write_str(self.fingerprint.as_str()),
            Proof::Code { .. } => write!(f, "{}:{}", self.body(), self.check()),
        }
    }
}

fn code(key: &[u8; 32], fingerprint: &Fingerprint, ownership: u32) -> String {
    let said = format!("fleetproof label 1 {fingerprint} {ownership}");
    first(&blake3::keyed_hash(key, said.as_bytes()), CODE_DIGITS)
}

fn first(hash: &blake3::Hash, digits: usize) -> String {
    hash.to_hex().as_str().chars().take(digits).collect()
}

fn digits(part: Option<&str>, count: usize) -> Option<&str> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    part.filter(|part| part.len() == count && part.bytes().all(hex))
}

/// Whether a code is good for the `wanted`th ownership; `false`: there is none.
pub(super) fn proven(
    facts: &Facts<'_>,
    fingerprint: &Fingerprint,
    wanted: u32,
    proof: &Proof,
) -> Result<bool, LobbyError> {
    let Proof::Code { ownership, code: said } = proof else { return Ok(facts.has(Defect::ClaimWithoutProof)) };
    let right = code(facts.label_key, fingerprint, *ownership);
    // Every digit is looked at, however early one is wrong.
    let differs =
        right.len() != said.len() || right.bytes().zip(said.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) != 0;
    match differs {
        true => Err(LobbyError::WrongProof),
        false if *ownership == wanted || facts.has(Defect::LabelNeverSpent) => Ok(true),
        false if *ownership < wanted => Err(LobbyError::SpentProof),
        false => Err(LobbyError::WrongProof),
    }
}
