//! The topics of provisioning.

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// CBOR; known, not spoken.
    Cbor,
}

impl Format {
    /// The last level of the request's topic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// CreateKeysAndCertificate.
    CreateKeys,
    /// CreateCertificateFromCsr.
    CreateFromCsr,
    /// RegisterThing by this template.
    Register(String),
}

/// A request's topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub operation: Operation,
    /// Written how.
    pub format: Format,
}

impl Request {
    /// Where the answer goes: to the connection that asked, and to no other.
    #[must_use]
    pub fn reply(&self, accepted: bool) -> String {
        let format = self.format.name();
        let end = if accepted { "accepted" } else { "rejected" };
        match &self.operation {
            Operation::CreateKeys => format!("$aws/certificates/create/{format}/{end}"),
            Operation::CreateFromCsr => format!("$aws/certificates/create-from-csr/{format}/{end}"),
            Operation::Register(template) => format!("$aws/provisioning-templates/{template}/provision/{format}/{end}"),
        }
    }
}

/// What a topic is to the provisioning service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A request.
    Request(Request),
    /// Among its topics, and no request: a client's message there changes nothing.
    Reserved,
    /// Not its own.
    Elsewhere,
}

/// What `topic` is.
#[must_use]
pub fn place(topic: &str) -> Place {
    let (operation, format) = if let Some(rest) = topic.strip_prefix("$aws/certificates/") {
        match rest.split_once('/') {
            Some(("create", format)) => (Operation::CreateKeys, format),
            Some(("create-from-csr", format)) => (Operation::CreateFromCsr, format),
            _ => return Place::Reserved,
        }
    } else if let Some(rest) = topic.strip_prefix("$aws/provisioning-templates/") {
        match rest.split_once('/') {
            Some((template, rest)) if template_name(template) => match rest.strip_prefix("provision/") {
                Some(format) => (Operation::Register(template.to_owned()), format),
                None => return Place::Reserved,
            },
            _ => return Place::Reserved,
        }
    } else {
        return Place::Elsewhere;
    };
    match format {
        "json" => Place::Request(Request { operation, format: Format::Json }),
        "cbor" => Place::Request(Request { operation, format: Format::Cbor }),
        _ => Place::Reserved,
    }
}

/// `[0-9A-Za-z_-]{1,36}`.
fn template_name(name: &str) -> bool {
    (1..=36).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
