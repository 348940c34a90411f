//! How an account's interface says no: AWS's names, with the statuses of its API model.

use crate::refusal::Refusal;

/// Not there, in another region, or another's: one answer for all of them.
pub(super) fn unknown() -> Refusal {
    Refusal::not_found("The specified resource does not exist.").named("ResourceNotFoundException")
}

/// The name is taken, by something else.
pub(super) fn exists(what: &str) -> Refusal {
    Refusal::conflict(format!("The {what} already exists.")).named("ResourceAlreadyExistsException")
}

/// The request does not say what it must.
pub(super) fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::bad_request(why.into()).named("InvalidRequestException")
}

/// Something else needs it.
pub(super) fn in_use(why: &'static str) -> Refusal {
    Refusal::conflict(why).named("DeleteConflictException")
}

/// Somebody changed it since.
pub(super) fn version_conflict() -> Refusal {
    Refusal::conflict("The expected version is not the version of the resource.").named("VersionConflictException")
}

/// No more of these.
pub(super) fn limit(why: &'static str) -> Refusal {
    Refusal::gone(why).named("LimitExceededException")
}

/// No more versions of this policy.
pub(super) fn versions_limit() -> Refusal {
    Refusal::conflict("The policy already has the maximum number of versions (5): delete one.")
        .named("VersionsLimitExceededException")
}

/// This is no policy.
pub(super) fn malformed_policy(why: impl std::fmt::Display) -> Refusal {
    Refusal::bad_request(why.to_string()).named("MalformedPolicyException")
}

/// The certificate cannot be read, or is not signed by who must have signed it.
pub(super) fn bad_certificate(why: &'static str) -> Refusal {
    Refusal::bad_request(why).named("CertificateValidationException")
}

/// The certificate's status does not allow it.
pub(super) fn wrong_state(why: &'static str) -> Refusal {
    Refusal::not_acceptable(why).named("CertificateStateException")
}

/// Whoever registers an authority has not shown its key.
pub(super) fn unproven() -> Refusal {
    Refusal::bad_request("The verification certificate does not prove possession of the authority's key.")
        .named("RegistrationCodeValidationException")
}

/// The certificate cannot go there.
pub(super) fn transfer_conflict(why: &'static str) -> Refusal {
    Refusal::conflict(why).named("TransferConflictException")
}
