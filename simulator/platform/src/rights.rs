//! What a role allows. Pure: names in, a decision out; nothing allowed unless some role says so.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A set of permissions, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub enum PermissionSet {
    /// See devices, their attributes, groups and filters.
    ReadDevices,
    /// Accept, reject, preauthorize, decommission, revoke.
    ManageDevices,
    /// Deployments; also groups, tags and filters, which decide what a deployment reaches.
    DeployToDevices,
    /// Device configuration (not served).
    ConfigureDevices,
    /// Remote terminal (not served).
    ConnectToDevices,
    /// See artifacts, releases and deployments.
    ReadReleases,
    /// Change and delete artifacts and releases.
    ManageReleases,
    /// Bring new artifacts.
    UploadArtifacts,
    /// Read the audit log.
    ReadAuditLogs,
    /// Users, roles, settings.
    ManageUsers,
    /// See users and roles.
    ReadUsers,
    /// Personal access tokens of others (not served; one's own need nothing).
    ManageTokens,
    /// Child tenants; means something in a provider only.
    ManageTenants,
}

impl PermissionSet {
    /// All of them, in the order they are listed.
    pub const ALL: [Self; 13] = [
        Self::ReadDevices,
        Self::ManageDevices,
        Self::DeployToDevices,
        Self::ConfigureDevices,
        Self::ConnectToDevices,
        Self::ReadReleases,
        Self::ManageReleases,
        Self::UploadArtifacts,
        Self::ReadAuditLogs,
        Self::ManageUsers,
        Self::ReadUsers,
        Self::ManageTokens,
        Self::ManageTenants,
    ];

    /// What it is for, in a few words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::ReadDevices => "See devices, their attributes, groups and filters",
            Self::ManageDevices => "Accept, reject, preauthorize and decommission devices",
            Self::DeployToDevices => "Deploy to devices; change groups, tags and filters",
            Self::ConfigureDevices => "Configure devices",
            Self::ConnectToDevices => "Connect to devices",
            Self::ReadReleases => "See artifacts, releases and deployments",
            Self::ManageReleases => "Change and delete artifacts and releases",
            Self::UploadArtifacts => "Bring artifacts",
            Self::ReadAuditLogs => "Read the audit log",
            Self::ManageUsers => "Change users, roles and settings",
            Self::ReadUsers => "See users and roles",
            Self::ManageTokens => "Manage the access tokens of others",
            Self::ManageTenants => "Manage child tenants",
        }
    }

    /// Whether a role may narrow it to groups of devices.
    #[must_use]
    pub const fn has_device_scope(self) -> bool {
        matches!(
            self,
            Self::ReadDevices
                | Self::ManageDevices
                | Self::DeployToDevices
                | Self::ConfigureDevices
                | Self::ConnectToDevices
        )
    }
}

/// On which devices a permission holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On all of the tenant.
    All,
    /// On those in these groups.
    Groups(BTreeSet<String>),
}

impl Scope {
    /// Whether a device in `group` (none: in no group) is within.
    #[must_use]
    pub fn holds(&self, group: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Groups(groups) => group.is_some_and(|group| groups.contains(group)),
        }
    }

    fn and_also(self, other: Self) -> Self {
        match (self, other) {
            (Self::Groups(mut these), Self::Groups(those)) => {
                these.extend(those);
                Self::Groups(these)
            }
            (Self::All, _) | (_, Self::All) => Self::All,
        }
    }
}

/// What somebody may do: the union of what the roles allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights(BTreeMap<PermissionSet, Scope>);

impl Rights {
    /// Where `set` holds; `None`: nowhere.
    #[must_use]
    pub fn scope(&self, set: PermissionSet) -> Option<&Scope> {
        self.0.get(&set)
    }

    /// Whether `set` holds at least somewhere.
    #[must_use]
    pub fn allow(&self, set: PermissionSet) -> bool {
        self.0.contains_key(&set)
    }

    /// Adds what a role grants.
    pub fn add(&mut self, grants: &[Grant]) {
        for grant in grants {
            let scope = match &grant.scope {
                Some(scope) if grant.name.has_device_scope() => Scope::Groups(scope.value.iter().cloned().collect()),
                _ => Scope::All,
            };
            let merged = match self.0.remove(&grant.name) {
                Some(before) => before.and_also(scope),
                None => scope,
            };
            self.0.insert(grant.name, merged);
        }
    }
}

/// One line of a role: a permission set, perhaps narrowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Grant {
    /// The permission set.
    pub name: PermissionSet,
    /// On what; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<GrantScope>,
}

/// What narrows a [`Grant`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantScope {
    /// What `value` names.
    #[serde(rename = "type")]
    pub kind: ScopeKind,
    /// The names.
    #[serde(default)]
    pub value: Vec<String>,
}

/// What a role can be narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ScopeKind {
    /// Groups of devices.
    DeviceGroups,
    /// Tags of releases. Taken and shown; the platform narrows nothing by them.
    ReleaseTags,
}

/// A role that every tenant has.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    sets: &'static [PermissionSet],
}

impl BuiltIn {
    /// What it grants, everywhere.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.sets.iter().map(|set| Grant { name: *set, scope: None }).collect()
    }
}

/// May do everything.
pub const PERMIT_ALL: &str = "RBAC_ROLE_PERMIT_ALL";

/// The roles that every tenant has.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn { name: PERMIT_ALL, description: "Everything", sets: &PermissionSet::ALL },
    BuiltIn {
        name: "RBAC_ROLE_OBSERVER",
        description: "Read devices, releases and deployments",
        sets: &[PermissionSet::ReadDevices, PermissionSet::ReadReleases],
    },
    BuiltIn {
        name: "RBAC_ROLE_CI",
        description: "Bring releases",
        sets: &[PermissionSet::ReadReleases, PermissionSet::ManageReleases, PermissionSet::UploadArtifacts],
    },
    BuiltIn {
        name: "RBAC_ROLE_DEPLOYMENTS_MANAGER",
        description: "Deploy releases to devices",
        sets: &[PermissionSet::ReadDevices, PermissionSet::ReadReleases, PermissionSet::DeployToDevices],
    },
    BuiltIn {
        name: "RBAC_ROLE_REMOTE_TERMINAL",
        description: "Connect to devices",
        sets: &[PermissionSet::ReadDevices, PermissionSet::ConnectToDevices],
    },
];

/// The built-in role called `name`.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|role| role.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(set: PermissionSet, groups: &[&str]) -> Grant {
        let value = groups.iter().map(|group| (*group).to_owned()).collect();
        Grant { name: set, scope: Some(GrantScope { kind: ScopeKind::DeviceGroups, value }) }
    }

    #[test]
    fn nothing_is_allowed_without_a_role() {
        let rights = Rights::default();
        assert!(PermissionSet::ALL.iter().all(|set| !rights.allow(*set)));
    }

    #[test]
    fn roles_add_up_and_the_wider_scope_wins() {
        let mut rights = Rights::default();
        rights.add(&[on(PermissionSet::ReadDevices, &["north"])]);
        rights.add(&[on(PermissionSet::ReadDevices, &["south"]), on(PermissionSet::ManageDevices, &[])]);
        let read = rights.scope(PermissionSet::ReadDevices).unwrap();
        assert!(read.holds(Some("north")) && read.holds(Some("south")));
        assert!(!read.holds(Some("east")) && !read.holds(None));
        assert!(!rights.scope(PermissionSet::ManageDevices).unwrap().holds(Some("north")));
        rights.add(&built_in("RBAC_ROLE_OBSERVER").unwrap().grants());
        assert_eq!(rights.scope(PermissionSet::ReadDevices), Some(&Scope::All));
        assert!(!rights.allow(PermissionSet::ManageUsers));
    }

    fn grant() -> impl Strategy<Value = Grant> {
        let groups = proptest::option::of(proptest::collection::vec("[ab]", 0..3));
        (proptest::sample::select(&PermissionSet::ALL[..]), groups).prop_map(|(name, groups)| {
            let scope = groups.map(|value| GrantScope { kind: ScopeKind::DeviceGroups, value });
            Grant { name, scope }
        })
    }

    proptest! {
        /// One more role never takes anything away, and the order of roles means nothing.
        #[test]
        fn a_role_only_adds(one in proptest::collection::vec(grant(), 0..5), two in proptest::collection::vec(grant(), 0..5)) {
            let rights = |roles: &[&[Grant]]| {
                let mut rights = Rights::default();
                roles.iter().for_each(|role| rights.add(role));
                rights
            };
            let (alone, both) = (rights(&[&one]), rights(&[&one, &two]));
            prop_assert_eq!(&both, &rights(&[&two, &one]));
            for set in PermissionSet::ALL {
                for group in [None, Some("a"), Some("b")] {
                    let holds = |rights: &Rights| rights.scope(set).is_some_and(|scope| scope.holds(group));
                    prop_assert!(!holds(&alone) || holds(&both));
                    prop_assert_eq!(holds(&both), holds(&alone) || holds(&rights(&[&two])));
                }
            }
        }
    }
}
