//! What an answer means as a refusal, in the words of the scenario language.

use super::table::Table;
use crate::answer::Answer;
use fleetproof_claims::model::{Due, Refusal, Surface};

/// Operations whose 422 says that a count is full.
const COUNTED: [&str; 4] = [
    "DeviceAuth Management Set Authentication Status",
    "Create new Tenant",
    "Update Child Tenant",
    "Upload Artifact Deployments Management",
];

/// The kind of refusal that an answer to an attempt is, or `None`: it is a success, or means nothing here.
///
/// `slot`: the key of the attacked slot, `None` when none is (a missing token, a role too low). `never_existed`: the
/// answer for a name that nothing has; an answer that differs from it in status cannot be [`Refusal::Unseen`].
#[must_use]
pub fn refusal(
    surface: &Surface,
    slot: Option<&str>,
    answer: &Answer,
    never_existed: Option<&Answer>,
) -> Option<Refusal> {
    let alike = never_existed.is_none_or(|unknown| unknown.status == answer.status);
    let kind = slot.and_then(|key| surface.slots.iter().find(|slot| slot.key() == key)).map(|slot| slot.kind);
    let rules = &surface.stranger;
    let rule = rules
        .iter()
        .find(|rule| kind.is_some() && rule.slot == kind)
        .or_else(|| rules.iter().find(|rule| rule.slot.is_none()));
    if let Some(rule) = rule.filter(|rule| slot.is_some() && rule.status == answer.status) {
        match rule.due {
            Due::Refused(Refusal::Unseen) if alike => return Some(Refusal::Unseen),
            Due::Refused(Refusal::Unseen) if answer.is_success() => return None,
            Due::Refused(Refusal::Unseen) => {}
            Due::Refused(kind) => return Some(kind),
            Due::OwnOnly | Due::Allowed => return None,
        }
    }
    let kind = by_status(&surface.operation, answer)?;
    (kind != Refusal::Unseen || alike).then_some(kind)
}

/// The kind of refusal that an answer to a verb is, or `None` when it is none.
#[must_use]
pub fn kind_of(answer: &Answer) -> Option<Refusal> {
    let operation = answer.operation.as_deref().unwrap_or_default();
    // To switch into a foreign tenant is refused as into one that never was.
    if operation == "Issue Token" && answer.status == 401 {
        return Some(Refusal::Unseen);
    }
    let unseen = Table::get().row(operation).is_some_and(|row| {
        row.stranger.iter().any(|rule| rule.status == answer.status && rule.due == Due::Refused(Refusal::Unseen))
    });
    match by_status(operation, answer) {
        Some(Refusal::Invalid) if unseen => Some(Refusal::Unseen),
        kind => kind,
    }
}

fn by_status(operation: &str, answer: &Answer) -> Option<Refusal> {
    let conflicts = || {
        Table::get().row(operation).is_some_and(|row| {
            row.stranger.iter().any(|rule| rule.status == answer.status && rule.due == Due::Refused(Refusal::Conflict))
        })
    };
    Some(match answer.status {
        401 => Refusal::Unauthenticated,
        403 => Refusal::Forbidden,
        404 => Refusal::Unseen,
        409 => Refusal::Conflict,
        // AWS's LimitExceededException.
        410 => Refusal::OverLimit,
        422 if COUNTED.contains(&operation) => Refusal::OverLimit,
        422 if conflicts() => Refusal::Conflict,
        424 => Refusal::Untrusted,
        429 => Refusal::Throttled,
        400 | 405..=499 => Refusal::Invalid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn answer(operation: &str, status: u16) -> Answer {
        Answer { operation: Some(operation.into()), status, headers: Vec::new(), body: Bytes::new() }
    }

    #[test]
    fn a_strangers_answer_means_what_the_table_says_for_the_attacked_slot() {
        let judge = |operation: &str, slot: Option<&str>, status: u16, unknown: Option<u16>| {
            let surface = Table::get().row(operation).unwrap().surface(Vec::new());
            refusal(
                &surface,
                slot,
                &answer(operation, status),
                unknown.map(|status| answer(operation, status)).as_ref(),
            )
        };
        assert_eq!(judge("Remove User", Some("path:user_id"), 204, Some(204)), Some(Refusal::Unseen));
        assert_eq!(judge("Remove User", Some("path:user_id"), 204, Some(404)), None);
        assert_eq!(judge("Show User", Some("path:user_id"), 404, Some(404)), Some(Refusal::Unseen));
        assert_eq!(judge("Show User", Some("path:user_id"), 403, Some(404)), Some(Refusal::Forbidden));
        assert_eq!(judge("Show User", Some("path:user_id"), 404, Some(403)), None);
        assert_eq!(judge("Show User", Some("path:user_id"), 200, Some(404)), None);
        assert_eq!(judge("Issue Token", Some("path:tenant_id"), 401, Some(401)), Some(Refusal::Unseen));
        assert_eq!(judge("Issue Token", None, 401, None), Some(Refusal::Unauthenticated));
        assert_eq!(judge("Update Child Tenant", Some("path:tenant_id"), 403, Some(403)), Some(Refusal::Unseen));
        assert_eq!(judge("Update Child Tenant", None, 403, None), Some(Refusal::Forbidden));
        assert_eq!(judge("Abort Deployment", Some("path:deployment_id"), 422, Some(422)), Some(Refusal::Unseen));
        assert_eq!(judge("Create User Management", Some("body:email"), 422, None), Some(Refusal::Conflict));
        assert_eq!(judge("Create User Management", Some("body:roles[]"), 422, Some(422)), Some(Refusal::Unseen));
        assert_eq!(judge("Assign Tenants", Some("path:user_id"), 200, Some(404)), None);
        assert_eq!(judge("List Artifacts", Some("query:name"), 200, Some(200)), None);
        assert_eq!(judge("Show User", None, 500, None), None);
    }

    #[test]
    fn a_verbs_refusal_has_a_kind() {
        let kind = |operation: &str, status: u16| kind_of(&answer(operation, status));
        assert_eq!(kind("DeviceAuth Management Set Authentication Status", 422), Some(Refusal::OverLimit));
        assert_eq!(kind("Create new Tenant", 422), Some(Refusal::OverLimit));
        assert_eq!(kind("Create User Management", 422), Some(Refusal::Conflict));
        assert_eq!(kind("Abort Deployment", 422), Some(Refusal::Unseen));
        assert_eq!(kind("Create Deployment for a Group of Devices", 400), Some(Refusal::Unseen));
        assert_eq!(kind("Issue Token", 401), Some(Refusal::Unseen));
        assert_eq!(kind("Login", 401), Some(Refusal::Unauthenticated));
        assert_eq!(kind("Show User", 403), Some(Refusal::Forbidden));
        assert_eq!(kind("Show User", 429), Some(Refusal::Throttled));
        assert_eq!(kind("Show User", 200), None);
    }
}
