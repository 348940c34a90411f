//! The audit log of a tenant, as its admin reads it.

use super::session::Session;
use super::{Call, Mender, text};
use crate::answer::Result;
use serde_json::Value;

/// One entry of an audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Id of who did it.
    pub actor: String,
    /// E-mail of who did it, when it was a user.
    pub actor_email: String,
    /// `user` or `device`.
    pub actor_type: String,
    /// `create`, `update`, `delete`, ….
    pub action: String,
    /// Id of the object.
    pub object: String,
    /// `tenant`, `user`, `deployment`, `artifact`, `device`.
    pub object_type: String,
    /// Name of the object where the entry has one: of a tenant, a deployment, an artifact; e-mail of a user.
    pub object_name: String,
    /// When, RFC 3339.
    pub time: String,
    /// What changed, in words.
    pub change: String,
    /// The whole entry.
    pub raw: Value,
}

impl AuditRow {
    fn read(raw: Value) -> Self {
        let at = |pointer: &str| raw.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = ["/object/tenant/name", "/object/deployment/name", "/object/artifact/name", "/object/user/email"];
        Self {
            actor: at("/actor/id"),
            actor_email: at("/actor/email"),
            actor_type: at("/actor/type"),
            action: at("/action"),
            object: at("/object/id"),
            object_type: at("/object/type"),
            object_name: names.iter().map(|name| at(name)).find(|name| !name.is_empty()).unwrap_or_default(),
            time: at("/time"),
            change: text(&raw, "change"),
            raw,
        }
    }
}

impl Mender {
    /// The audit log of the caller's tenant, whole, the oldest entry first.
    ///
    /// # Errors
    /// As every verb.
    pub async fn audit_log(&self, by: &Session) -> Result<Vec<AuditRow>> {
        let found = self.pages(by, Call::new("Get Audit Logs").query("sort", "asc")).await?;
        Ok(found.into_iter().map(AuditRow::read).collect())
    }
}
