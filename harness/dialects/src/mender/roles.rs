//! The roles of the scenario language as the vendor knows them.

use super::session::Session;
use super::{Call, Mender, text};
use crate::answer::Result;
use fleetproof_claims::model::Role;
use serde_json::{Value, json};

/// The vendor's built-in role that may do all.
pub const PERMIT_ALL: &str = "RBAC_ROLE_PERMIT_ALL";

/// The vendor's built-in role that reads.
pub const OBSERVER: &str = "RBAC_ROLE_OBSERVER";

/// The name of the vendor's role for one of ours; `only` narrows it to these groups of devices.
#[must_use]
pub fn name(role: Role, only: &[String]) -> String {
    match role {
        Role::Admin => PERMIT_ALL.to_owned(),
        Role::Viewer if only.is_empty() => OBSERVER.to_owned(),
        _ if only.is_empty() => format!("fleetproof-{role}"),
        _ => format!("fleetproof-{role}-{}", only.join("-")),
    }
}

/// The permission sets of a role, each with the groups it is for; none for an admin, whose role is built in.
#[must_use]
pub fn permission_sets(role: Role, only: &[String]) -> Vec<Value> {
    // Sets about devices can be narrowed to groups, those about releases cannot.
    let (devices, releases): (&[&str], &[&str]) = match role {
        Role::Admin => return Vec::new(),
        Role::Operator => (&["ReadDevices", "DeployToDevices"], &["ReadReleases", "ManageReleases", "UploadArtifacts"]),
        Role::Installer => (&["ReadDevices", "ManageDevices"], &[]),
        Role::Viewer => (&["ReadDevices"], &["ReadReleases"]),
    };
    let narrowed = |name: &&str| match only.is_empty() {
        true => json!({ "name": name }),
        false => json!({ "name": name, "scope": { "type": "DeviceGroups", "value": only } }),
    };
    devices.iter().map(narrowed).chain(releases.iter().map(|name| json!({ "name": name }))).collect()
}

impl Mender {
    /// The vendor's role for one of ours in the caller's tenant, made there when it is not built in and not yet there.
    ///
    /// # Errors
    /// As every verb.
    pub async fn ensure_role(&self, by: &Session, role: Role, only: &[String]) -> Result<String> {
        let name = name(role, only);
        if name.starts_with("RBAC_") || self.roles(by).await?.contains(&name) {
            return Ok(name);
        }
        let sets = permission_sets(role, only);
        let body = json!({ "name": name, "description": "made by fleetproof", "permission_sets_with_scope": sets });
        match self.call(by, Call::new("Create Role").json(body)).await {
            // Somebody else was faster.
            Err(error) if error.status() == Some(409) => Ok(name),
            other => other.map(|_| name),
        }
    }

    /// Names of the roles of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn roles(&self, by: &Session) -> Result<Vec<String>> {
        Ok(self.pages(by, Call::new("List Roles")).await?.iter().map(|role| text(role, "name")).collect())
    }

    /// Removes a role that is not built in.
    ///
    /// # Errors
    /// As every verb.
    pub async fn remove_role(&self, by: &Session, name: &str) -> Result<()> {
        self.call(by, Call::new("Delete Role").path(&[("role_id", name)])).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_name_and_its_sets() {
        let only = ["beta".to_owned(), "lab".to_owned()];
        let mut shown = String::new();
        for role in Role::ALL {
            for only in [&[][..], &only[..]] {
                shown += &format!("{role} {only:?}: {}\n", name(role, only));
                for set in permission_sets(role, only) {
                    shown += &format!("  {set}\n");
                }
            }
        }
        insta::assert_snapshot!(shown);
    }
}
