//! How a device without an identity of its own gets one (AWS IoT fleet provisioning).
//!
//! It connects with a *claim* certificate that many share, asks for a certificate of its own ([`create`], then
//! [`Order::created`]), and has a template make its thing and policies ([`Registration::read`], then
//! [`plan`]). Here it is decided what is to be made; the owner makes keys, certificates and rows, and stores [`Ownership`].
//!
//! The token that a certificate comes with is what keeps devices apart that share a claim: it is good for an hour, once, for
//! that certificate, on a connection of the principal that asked for it. What the certificate says (`AWS::IoT::Certificate::…`)
//! comes from the certificate; a device that sends a parameter of that name is refused.
//!
//! Payloads in JSON. The same topics ending in `/cbor` are known and refused with an error that says so.

mod expression;
mod refusal;
mod register;
mod template;
mod token;
mod topic;

pub use expression::Expression;
pub use refusal::ProvisionError;
pub use register::{Certificate, Plan, PolicyPlan, Registration, ThingPlan, hook_request, plan};
pub use template::{CertificateStatus, Conflict, Template};
pub use token::{Caller, Claim, Order, Ownership, create};
pub use topic::{Format, Operation, Place, Request, place};

/// How long things are good for, and what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Seconds that an ownership token is good for.
    pub token_s: u64,
    /// Seconds that a trusted user's claim is good for.
    pub claim_s: u64,
    /// A planted fault.
    pub defect: Option<Defect>,
}

impl Default for Rules {
    /// One hour, five minutes.
    fn default() -> Self {
        Self { token_s: 3600, claim_s: 300, defect: None }
    }
}

impl Rules {
    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

/// Faults that can be planted, each a mistake that provisioning services have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// An ownership token is good on any principal's connection.
    TokenOfAnybody,
    /// An ownership token is good for ever.
    TokenNeverEnds,
    /// An ownership token is good twice, so that one certificate becomes two things.
    TokenTwice,
    /// A hook that says no, or nothing, is not heard.
    HookNotHeard,
    /// A device's parameter `AWS::IoT::Certificate::CommonName` wins over the certificate.
    ParameterOverCertificate,
    /// A trusted user's claim is good after its five minutes.
    ClaimOutlivesItsTime,
    /// A trusted user's claim opens every template of the account.
    ClaimOpensEveryTemplate,
}

impl Defect {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::TokenOfAnybody,
        Self::TokenNeverEnds,
        Self::TokenTwice,
        Self::HookNotHeard,
        Self::ParameterOverCertificate,
        Self::ClaimOutlivesItsTime,
        Self::ClaimOpensEveryTemplate,
    ];
}

#[cfg(test)]
mod tests;
