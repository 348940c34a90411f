//! Which devices somebody reaches: roles may be narrowed to groups.

use crate::Platform;
use crate::defects::DefectId;
use crate::edge::User;
use crate::refusal::Refusal;
use crate::rights::{PermissionSet, Scope};

/// What opens the sight of devices.
const SEES: &[PermissionSet] =
    &[PermissionSet::ReadDevices, PermissionSet::ManageDevices, PermissionSet::DeployToDevices];

/// The devices that a user reaches for a purpose.
pub(super) struct Reach(Vec<Scope>);

impl Reach {
    /// Those that the user may see.
    pub(super) fn to_see(user: &User) -> Self {
        Self(SEES.iter().filter_map(|set| user.rights.scope(*set).cloned()).collect())
    }

    /// Those for which the user has `set`.
    pub(super) fn to(app: &Platform, user: &User, set: PermissionSet) -> Self {
        match user.rights.scope(set) {
            Some(_) if app.defect(DefectId::NarrowedRoleReachesAll) => Self(vec![Scope::All]),
            Some(scope) => Self(vec![scope.clone()]),
            None if app.defect(DefectId::ViewerMayWrite) => Self::to_see(user),
            None => Self(Vec::new()),
        }
    }

    /// Whether these are all devices of the tenant.
    pub(super) fn is_everything(&self) -> bool {
        self.0.contains(&Scope::All)
    }

    /// Whether a device in `group` is among them.
    pub(super) fn holds(&self, group: Option<&str>) -> bool {
        self.0.iter().any(|scope| scope.holds(group))
    }

    /// 403 unless a device in `group` is among them.
    pub(super) fn demand(&self, group: Option<&str>) -> Result<(), Refusal> {
        if self.holds(group) { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}
