//! Defects of the account's control plane that can be planted by name: operations of the registry and of jobs that forget whose
//! account it is.

use crate::Platform;
use crate::defects::{Defect, DefectId};

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegistryDefect {
    /// A thing is shown by its name, whoever has it.
    ThingReadForgetsTenant,
    /// A name that another account has given to a thing is taken.
    ThingNameTakenGlobally,
    /// A search goes through the things of every account.
    SearchForgetsTenant,
    /// The members of a group are those of every group of that name.
    GroupMembersForgetTenant,
    /// The status of a certificate is changed by its id, whoever has it.
    CertificateStatusForgetsTenant,
    /// A policy is found by its name in whichever account has it, and attached.
    ForeignPolicyAttached,
    /// The account in the name of a job's target is not compared.
    JobTargetsAnybodysThing,
    /// A job is shown by its id, whoever has it.
    JobReadForgetsTenant,
    /// A client is thrown out by its name, whose ever it is.
    ConnectionEndedAnywhere,
}

/// Whether a platform has the defect.
pub(crate) fn is_planted(app: &Platform, defect: RegistryDefect) -> bool {
    app.defect(DefectId::Registry(defect))
}

macro_rules! catalogue {
    ($list:ident: $($id:ident $name:literal: $breaks:literal;)*) => {
        const $list: &[Defect] = &[$(Defect {
            id: DefectId::Registry(RegistryDefect::$id),
            name: $name,
            row: "A2",
            breaks: $breaks,
            caught_by: "isolation",
        }),*];
    };
}

catalogue! {
    REGISTRY:
    ThingReadForgetsTenant "thing-read-forgets-tenant":
        "A thing is shown by its name to whoever asks, of whichever account it is.";
    ThingNameTakenGlobally "thing-name-taken-globally":
        "A thing cannot be made under a name that another account has given to one.";
    SearchForgetsTenant "thing-search-forgets-tenant":
        "A search finds the things of every account.";
    GroupMembersForgetTenant "group-members-forget-tenant":
        "The things of a group are those of every account's group of that name.";
    CertificateStatusForgetsTenant "certificate-status-forgets-tenant":
        "Whoever knows the id of a certificate changes its status, of whichever account it is.";
    ForeignPolicyAttached "foreign-policy-attached":
        "A policy of another account can be attached to an own certificate by its name.";
    JobTargetsAnybodysThing "job-targets-anybodys-thing":
        "A job can be made for a thing of another account.";
    JobReadForgetsTenant "job-read-forgets-tenant":
        "A job is shown by its id to whoever asks, of whichever account it is.";
    ConnectionEndedAnywhere "connection-ended-anywhere":
        "A client is thrown out by its name, of whichever account it is.";
}

/// Those that a claim on accounts kept apart must catch.
#[must_use]
pub fn registry() -> &'static [Defect] {
    REGISTRY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defects;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<_> = registry().iter().map(|defect| defect.name).collect();
        let ids: BTreeSet<_> = registry().iter().map(|defect| defect.id).collect();
        assert_eq!((names.len(), ids.len()), (registry().len(), registry().len()));
        for defect in registry() {
            assert_eq!(defects::find(defect.name), Some(defect));
            assert!(defects::catalogue().iter().all(|other| other.name != defect.name), "{}", defect.name);
            assert!(defect.breaks.ends_with('.'), "{}", defect.name);
        }
    }
}
