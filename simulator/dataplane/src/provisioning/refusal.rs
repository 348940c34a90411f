//! Why a device is not provisioned.

use serde_json::{Value, json};
use std::fmt;

/// A refusal; [`ProvisionError::payload`] is the message on `…/rejected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisionError {
    /// The payload is no JSON object, or larger than 128 KB.
    InvalidPayload,
    /// A payload in a format that is not spoken here.
    UnsupportedFormat(&'static str),
    /// A field of the request is missing or is no text.
    Field(&'static str),
    /// The certificate signing request is no PEM of one, or too large.
    InvalidCsr,
    /// The token is unknown, spent, too old, or somebody else's. Which of these is not told.
    InvalidToken,
    /// A parameter that the template needs was not sent, and has no default.
    ParameterMissing(String),
    /// A parameter is no text, too long, one too many, or has a name that only the certificate may fill.
    ParameterInvalid(String),
    /// What the template makes of the parameters is not a good name or value; where and why.
    Outcome(String),
    /// The hook said no, or did not answer as it must.
    AccessDenied(&'static str),
    /// There is no such template, or it is switched off.
    NoTemplate(String),
    /// The template's body is not one; where and why.
    InvalidTemplate(String),
}

impl ProvisionError {
    /// `statusCode`.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::AccessDenied(_) => 403,
            Self::NoTemplate(_) => 404,
            Self::UnsupportedFormat(_) => 415,
            _ => 400,
        }
    }

    /// `errorCode`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidPayload | Self::Field(_) => "InvalidPayload",
            Self::UnsupportedFormat(_) => "UnsupportedPayloadFormat",
            Self::InvalidCsr => "InvalidCertificateSigningRequest",
            Self::InvalidToken => "InvalidCertificateOwnershipToken",
            Self::ParameterMissing(_) | Self::ParameterInvalid(_) | Self::Outcome(_) => "InvalidParameters",
            Self::AccessDenied(_) => "AccessDenied",
            Self::NoTemplate(_) => "ResourceNotFound",
            Self::InvalidTemplate(_) => "InvalidTemplate",
        }
    }

    /// `{statusCode, errorCode, errorMessage}`.
    #[must_use]
    pub fn payload(&self) -> Value {
        json!({ "statusCode": self.status(), "errorCode": self.code(), "errorMessage": self.to_string() })
    }
}

impl fmt::Display for ProvisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidPayload => f.write_str("The payload must be a JSON object of at most 128 KB."),
            Self::UnsupportedFormat(format) => {
                write!(f, "Payloads in {format} are not supported here; use the topic that ends in /json.")
            }
            Self::Field(name) => write!(f, "{name} is required and must be a string."),
            Self::InvalidCsr => f.write_str("certificateSigningRequest must be one PEM block of at most 4096 bytes."),
            Self::InvalidToken => f.write_str("Invalid certificate ownership token."),
            Self::ParameterMissing(name) => write!(f, "The template needs the parameter {name}."),
            Self::ParameterInvalid(name) => write!(f, "The parameter {name} is not allowed or not a string in bounds."),
            Self::Outcome(what) | Self::InvalidTemplate(what) => f.write_str(what),
            Self::AccessDenied(why) => f.write_str(why),
            Self::NoTemplate(name) => write!(f, "There is no enabled provisioning template {name}."),
        }
    }
}

impl std::error::Error for ProvisionError {}
