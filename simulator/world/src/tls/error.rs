//! Why a certificate or a request is refused.

use super::der::LONGEST;
use std::fmt;

/// What is wrong with a certificate or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// It is no PEM.
    Pem {
        /// What was to be read.
        what: &'static str,
        /// What the reader said.
        why: String,
    },
    /// It is longer than any honest one.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no DER, or not what stands there in a certificate.
    Malformed {
        /// What cannot be read.
        what: &'static str,
        /// Where, in bytes from the beginning.
        at: usize,
    },
    /// It uses another algorithm than the one that is understood.
    Unsupported {
        /// What does.
        what: &'static str,
        /// What is understood.
        want: &'static str,
    },
    /// The signature is not the one of the key.
    Signature {
        /// Whose key was asked.
        by: String,
    },
    /// It names another issuer.
    Issuer {
        /// The issuer that it names.
        named: String,
        /// Who was asked.
        asked: String,
    },
    /// Who signed may not sign certificates.
    NoAuthority {
        /// Who signed.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// It is not good yet.
    NotYet {
        /// Whose it is.
        name: String,
        /// From when on, in ms since 1970.
        from_ms: i64,
    },
    /// It is not good any more.
    Expired {
        /// Whose it is.
        name: String,
        /// Until when, in ms since 1970.
        until_ms: i64,
    },
    /// Nobody who is trusted signed it, or any of those who signed it.
    Unknown {
        /// Its issuer.
        issuer: String,
    },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem { what, why } => {
                write!(f, "{what} in PEM cannot be read ({why}): give the text from -----BEGIN to END-----")
            }
            Self::TooLong { bytes } => write!(f, "{bytes} bytes are no certificate: give at most {LONGEST}"),
            Self::Malformed { what, at } => {
                write!(f, "{what} cannot be read at byte {at}: give DER as RFC 5280 has it")
            }
            Self::Unsupported { what, want } => write!(f, "{what} is of a kind that is not understood: use {want}"),
            Self::Signature { by } => write!(f, "the signature is not the one of {by}: have it signed by that key"),
            Self::Issuer { named, asked } => {
                write!(f, "the issuer is {named:?}, not {asked:?}: ask the authority that signed it")
            }
            Self::NoAuthority { name, why } => {
                write!(f, "{name:?} may not sign this certificate ({why}): use an authority")
            }
            Self::NotYet { name, from_ms } => {
                write!(f, "the certificate of {name:?} is not good before {from_ms} ms: wait, or look at the clock")
            }
            Self::Expired { name, until_ms } => {
                write!(f, "the certificate of {name:?} was good until {until_ms} ms: renew it")
            }
            Self::Unknown { issuer } => write!(
                f,
                "nobody who is trusted signed for the issuer {issuer:?}: register that authority, or send the intermediate"
            ),
        }
    }
}

impl std::error::Error for CertificateError {}
