//! Why a request on a shadow is refused, in the service's own words.

use std::fmt;

/// A refusal. `Display` gives the message that the developer guide lists (device-shadow-error-messages).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShadowError {
    /// The payload is no JSON, or no object.
    InvalidJson,
    /// An update without `state`.
    StateMissing,
    /// `state` is something else than an object.
    StateNotObject,
    /// `desired` is something else than an object or null.
    DesiredNotObject,
    /// `reported` is something else than an object or null.
    ReportedNotObject,
    /// `version` is something else than a whole number from 0.
    InvalidVersion,
    /// `clientToken` is no text, or longer than 64 bytes.
    InvalidToken,
    /// Deeper than the limit in this field.
    TooDeep(usize),
    /// `state` holds another key than `desired` and `reported`, or an array holds null.
    InvalidNode,
    /// The name of a shadow has other signs than `a-z A-Z 0-9 : _ -`, or is empty or longer than 64.
    InvalidShadowName,
    /// The name of a thing has other signs than `a-z A-Z 0-9 : _ -`, or is empty or longer than 128.
    InvalidThingName,
    /// A page size outside 1 to 100, or a page token that this service did not give.
    InvalidPage,
    /// The caller is not known.
    Unauthorized,
    /// The caller may not.
    Forbidden,
    /// There is no such thing.
    ThingNotFound,
    /// There is no such shadow: `thing`, or `thing~name`.
    NoShadow(String),
    /// HTTPS: this path knows no such method.
    MethodNotAllowed,
    /// The request's version is not the shadow's.
    VersionConflict,
    /// The request or what would be stored is too large.
    TooLarge,
    /// The payload is no UTF-8.
    NotUtf8,
    /// More than 10 requests at once or more than 20 in a second for one thing.
    TooManyRequests,
    /// Something broke on this side.
    Internal,
}

impl ShadowError {
    /// The code in a rejected message, and the HTTP status.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::InvalidJson
            | Self::StateMissing
            | Self::StateNotObject
            | Self::DesiredNotObject
            | Self::ReportedNotObject
            | Self::InvalidVersion
            | Self::InvalidToken
            | Self::TooDeep(_)
            | Self::InvalidNode
            | Self::InvalidShadowName
            | Self::InvalidThingName
            | Self::InvalidPage => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::ThingNotFound | Self::NoShadow(_) => 404,
            Self::MethodNotAllowed => 405,
            Self::VersionConflict => 409,
            Self::TooLarge => 413,
            Self::NotUtf8 => 415,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
        }
    }

    /// The type that the HTTPS answer names in `x-amzn-errortype`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self.code() {
            400 => "InvalidRequestException",
            401 => "UnauthorizedException",
            403 => "ForbiddenException",
            404 => "ResourceNotFoundException",
            405 => "MethodNotAllowedException",
            409 => "ConflictException",
            413 => "RequestEntityTooLargeException",
            415 => "UnsupportedDocumentEncodingException",
            429 => "ThrottlingException",
            _ => "InternalFailureException",
        }
    }
}

impl fmt::Display for ShadowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidJson => f.write_str("Invalid JSON"),
            Self::StateMissing => f.write_str("Missing required node: state"),
            Self::StateNotObject => f.write_str("State node must be an object"),
            Self::DesiredNotObject => f.write_str("Desired node must be an object"),
            Self::ReportedNotObject => f.write_str("Reported node must be an object"),
            Self::InvalidVersion => f.write_str("Invalid version"),
            Self::InvalidToken => f.write_str("Invalid clientToken"),
            Self::TooDeep(most) => write!(f, "JSON contains too many levels of nesting; maximum is {most}"),
            Self::InvalidNode => f.write_str("State contains an invalid node"),
            Self::InvalidShadowName => f.write_str("Invalid shadow name: 1 to 64 of a-z, A-Z, 0-9, ':', '_', '-'"),
            Self::InvalidThingName => f.write_str("Invalid thing name: 1 to 128 of a-z, A-Z, 0-9, ':', '_', '-'"),
            Self::InvalidPage => {
                f.write_str("Invalid page: pageSize is 1 to 100, nextToken comes from the last answer")
            }
            Self::Unauthorized => f.write_str("Unauthorized"),
            Self::Forbidden => f.write_str("Forbidden"),
            Self::ThingNotFound => f.write_str("Thing not found"),
            Self::NoShadow(name) => write!(f, "No shadow exists with name: '{name}'"),
            Self::MethodNotAllowed => f.write_str("Method not allowed"),
            Self::VersionConflict => f.write_str("Version conflict"),
            Self::TooLarge => f.write_str("The payload exceeds the maximum size allowed"),
            Self::NotUtf8 => f.write_str("Unsupported documented encoding; supported encoding is UTF-8"),
            Self::TooManyRequests => f.write_str("Too Many Requests"),
            Self::Internal => f.write_str("Internal service failure"),
        }
    }
}

impl std::error::Error for ShadowError {}
