//! Asking for a certificate, and proving later that one asked for it.

use super::{Defect, Format, Operation, ProvisionError, Request, Rules};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The broker's bound on a payload.
const PAYLOAD_BYTES: usize = 128 * 1024;
const CSR_BYTES: usize = 4096;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the certificate that the connection was made with.
    pub principal: String,
    /// The connection's client id.
    pub client_id: String,
    /// What that certificate is, if a trusted user had it made.
    pub claim: Option<Claim>,
}

/// A claim that a trusted user had made for one device (CreateProvisioningClaim).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its certificate.
    pub certificate_id: String,
    /// The template it opens.
    pub template: String,
    /// Seconds since 1970; from here on it is good for nothing. The answer's `expiration`.
    pub until: u64,
}

impl Claim {
    /// A claim made at `now` (seconds since 1970).
    #[must_use]
    pub fn new(now: u64, rules: &Rules, certificate_id: &str, template: &str) -> Self {
        let until = now.saturating_add(rules.claim_s);
        Self { certificate_id: certificate_id.to_owned(), template: template.to_owned(), until }
    }

    /// Whether it is good at `now`, for `template` where one is named.
    fn check(&self, now: u64, rules: &Rules, template: Option<&str>) -> Result<(), ProvisionError> {
        if now >= self.until && !rules.has(Defect::ClaimOutlivesItsTime) {
            return Err(ProvisionError::AccessDenied("The provisioning claim has expired; ask for another one."));
        }
        if template.is_some_and(|asked| asked != self.template) && !rules.has(Defect::ClaimOpensEveryTemplate) {
            return Err(ProvisionError::AccessDenied("The provisioning claim belongs to another template."));
        }
        Ok(())
    }
}

impl Caller {
    pub(crate) fn check(&self, now: u64, rules: &Rules, template: Option<&str>) -> Result<(), ProvisionError> {
        self.claim.as_ref().map_or(Ok(()), |claim| claim.check(now, rules, template))
    }
}

/// What the owner is to make: a certificate in the state PENDING_ACTIVATION.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// With keys of its own.
    Keys,
    /// For the key of this request (PEM). Whether its signature holds is for the owner to see.
    Csr(String),
}

/// Who may register a certificate, and until when. The owner keeps it by its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// The secret; 128 random bits or more, from the owner.
    pub token: String,
    /// Of which certificate.
    pub certificate_id: String,
    /// Which principal asked for it.
    pub principal: String,
    /// When (seconds since 1970).
    pub issued_at: u64,
    /// A thing was registered with it.
    pub spent: bool,
}

impl Ownership {
    /// Whether the certificate is to be deleted at `now`: nobody registered it in time.
    #[must_use]
    pub const fn lapsed(&self, now: u64, rules: &Rules) -> bool {
        !self.spent && now.saturating_sub(self.issued_at) >= rules.token_s
    }

    pub(crate) fn check(&self, now: u64, rules: &Rules, caller: &Caller) -> Result<(), ProvisionError> {
        let theirs = self.principal == caller.principal || rules.has(Defect::TokenOfAnybody);
        let fresh = !self.lapsed(now, rules) || rules.has(Defect::TokenNeverEnds);
        let unspent = !self.spent || rules.has(Defect::TokenTwice);
        if theirs && fresh && unspent { Ok(()) } else { Err(ProvisionError::InvalidToken) }
    }
}

/// Reads a request for a certificate at `now` (seconds since 1970).
///
/// # Errors
/// The payload is malformed, the claim is over, or the request is one for [`super::plan`].
pub fn create(
    now: u64,
    rules: &Rules,
    caller: &Caller,
    request: &Request,
    payload: &[u8],
) -> Result<Order, ProvisionError> {
    if request.format == Format::Cbor {
        return Err(ProvisionError::UnsupportedFormat("CBOR"));
    }
    caller.check(now, rules, None)?;
    match request.operation {
        Operation::CreateKeys => read(payload, true).map(|_| Order::Keys),
        Operation::CreateFromCsr => {
            let fields = read(payload, false)?;
            let csr = text(&fields, "certificateSigningRequest")?;
            let body = csr.trim();
            let framed = body.starts_with("-----BEGIN CERTIFICATE REQUEST-----")
                && body.ends_with("-----END CERTIFICATE REQUEST-----")
                && body.matches("-----BEGIN").count() == 1;
            if framed && csr.len() <= CSR_BYTES {
                Ok(Order::Csr(csr.to_owned()))
            } else {
                Err(ProvisionError::InvalidCsr)
            }
        }
        Operation::Register(_) => Err(ProvisionError::InvalidPayload),
    }
}

impl Order {
    /// The owner has made the certificate: what it keeps, and what it answers. `private_key` only for [`Order::Keys`].
    #[must_use]
    pub fn created(
        &self,
        now: u64,
        caller: &Caller,
        token: &str,
        certificate: (&str, &str),
        private_key: &str,
    ) -> (Ownership, Value) {
        let (id, pem) = certificate;
        let mut answer = json!({ "certificateId": id, "certificatePem": pem, "certificateOwnershipToken": token });
        if let (Self::Keys, Value::Object(fields)) = (self, &mut answer) {
            fields.insert("privateKey".to_owned(), private_key.into());
        }
        let ownership = Ownership {
            token: token.to_owned(),
            certificate_id: id.to_owned(),
            principal: caller.principal.clone(),
            issued_at: now,
            spent: false,
        };
        (ownership, answer)
    }
}

pub(crate) fn read(payload: &[u8], empty_is_good: bool) -> Result<Map<String, Value>, ProvisionError> {
    if payload.len() > PAYLOAD_BYTES {
        return Err(ProvisionError::InvalidPayload);
    }
    if empty_is_good && payload.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(payload).map_err(|_| ProvisionError::InvalidPayload)
}

pub(crate) fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, ProvisionError> {
    fields.get(name).and_then(Value::as_str).ok_or(ProvisionError::Field(name))
}
