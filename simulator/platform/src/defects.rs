//! Defects that can be planted, one at a time, so that a harness can show that it finds them.
//!
//! Each is a mistake that such platforms have had. Without the cargo feature `seeded-defects` none can be planted,
//! and the compiler leaves their code out. A place that misbehaves asks `app.defect(DefectId::X)`.

/// Which defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefectId {
    /// The pool is looked at in one transaction and carved in the next.
    PoolCheckThenAct,
    /// A limit is not carved out of the pool when a tenant is created.
    CarveForgotten,
    /// The token of a removed user stays good.
    RemovedUserKeepsToken,
    /// A personal access token outlives the membership it was made in.
    PatOutlivesMember,
    /// Switching to a tenant does not ask whether one is a member.
    SwitchWithoutMembership,
    /// A role change leaves no audit entry.
    AuditEntryLost,
    /// Creating a user is audited twice.
    AuditEntryDoubled,
    /// What the provider does to a child stands in the child's log.
    AuditInChildsLog,
    /// The provider's log shows its children's entries.
    AuditShowsChildren,
    /// Searching the audit log by object forgets the tenant.
    AuditSearchForgetsTenant,
    /// Who may see may also change.
    ViewerMayWrite,
    /// The provider's admin sees the users of a child by their ids.
    ProviderSeesIntoChild,
    /// The list of users forgets the tenant when one searches by e-mail.
    UserListForgetsTenant,
    /// A foreign user is answered 403 where an unknown one gets 404.
    ForeignUserForbidden,
    /// A role of another tenant can be given to a user.
    ForeignRoleTaken,
    /// `tenant_id` in the body of user creation decides the tenant.
    TenantFromBody,
    /// Suspending a tenant leaves its users' tokens good.
    SuspendedTenantKeepsTokens,
}

/// A defect, as the catalogue tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Which.
    pub id: DefectId,
    /// Its name in scenarios and on the command line, kebab-case.
    pub name: &'static str,
    /// The row of the product's table that it breaks.
    pub row: &'static str,
    /// What is broken, as a sentence.
    pub breaks: &'static str,
    /// The claim that must catch it.
    pub caught_by: &'static str,
}

macro_rules! catalogue {
    ($($id:ident $name:literal $row:literal $claim:ident: $breaks:literal;)*) => {
        const CATALOGUE: &[Defect] = &[$(Defect {
            id: DefectId::$id,
            name: $name,
            row: $row,
            breaks: $breaks,
            caught_by: stringify!($claim),
        }),*];
    };
}

catalogue! {
    PoolCheckThenAct "pool-check-then-act" "P3" pool:
        "Two tenants created at once can both get the last of the provider's pool.";
    CarveForgotten "carve-forgotten" "P3" pool:
        "A new tenant's limit is not taken from the provider's pool.";
    RemovedUserKeepsToken "removed-user-keeps-token" "P5" access:
        "A user who was removed from a tenant goes on with the token in hand.";
    PatOutlivesMember "pat-outlives-member" "P5" access:
        "The personal access token of a removed user still opens the tenant.";
    SwitchWithoutMembership "switch-without-membership" "P6" access:
        "Anybody can switch to any tenant whose id is known.";
    AuditEntryLost "audit-entry-lost" "P7" audit:
        "Changing a role writes no audit entry.";
    AuditEntryDoubled "audit-entry-doubled" "P7" audit:
        "Creating a user writes two audit entries.";
    AuditInChildsLog "audit-in-childs-log" "P7" audit:
        "The provider's changes to a child are written to the child's log.";
    AuditShowsChildren "audit-shows-children" "P7" isolation:
        "The provider reads its children's audit entries in its own log.";
    AuditSearchForgetsTenant "audit-search-forgets-tenant" "P7" isolation:
        "The audit log searched by object id shows the entries of other tenants.";
    ViewerMayWrite "viewer-may-write" "P4" access:
        "Whoever may see devices and releases may change them.";
    ProviderSeesIntoChild "provider-sees-into-child" "P2" isolation:
        "The provider's admin reads a child's users by id.";
    UserListForgetsTenant "user-list-forgets-tenant" "P2" isolation:
        "The list of users, asked by e-mail, shows users of other tenants.";
    ForeignUserForbidden "foreign-user-forbidden" "P2" isolation:
        "A foreign user's id is answered 403, an unknown one 404: ids can be probed.";
    ForeignRoleTaken "foreign-role-taken" "P4" isolation:
        "A user can be given a role that only another tenant has.";
    TenantFromBody "tenant-from-body" "P2" isolation:
        "A tenant_id in the body of a user creation puts the user into that tenant.";
    SuspendedTenantKeepsTokens "suspended-tenant-keeps-tokens" "P1" tenants:
        "The users of a suspended tenant go on with their tokens.";
}

/// All of them.
#[must_use]
pub fn catalogue() -> &'static [Defect] {
    CATALOGUE
}

/// The defect called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Defect> {
    CATALOGUE.iter().find(|defect| defect.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let names: BTreeSet<_> = catalogue().iter().map(|defect| defect.name).collect();
        let ids: BTreeSet<_> = catalogue().iter().map(|defect| defect.id).collect();
        assert_eq!((names.len(), ids.len()), (catalogue().len(), catalogue().len()));
        for defect in catalogue() {
            assert!(defect.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!(find(defect.name), Some(defect));
            assert!(defect.breaks.ends_with('.'), "{}", defect.name);
        }
    }
}
