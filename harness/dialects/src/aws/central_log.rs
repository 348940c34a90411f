//! The central log of an organisation: what was written into any member's log stands there too.

use super::organisation::ROOT;
use super::text;
use super::things::pages_of;
use crate::mender::{Door, Mender, Session};
use crate::{Answer, Request, Result};
use serde_json::Value;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Its number.
    pub number: String,
    /// When, RFC 3339.
    pub time: String,
    /// The account in whose log it stands.
    pub account: String,
    /// The tenant that the account is.
    pub tenant: String,
    /// `create`, `update`, ….
    pub action: String,
    /// Id of who did it.
    pub actor: String,
    /// E-mail of who did it, when it was a user.
    pub actor_email: String,
    /// Id of the object.
    pub object: String,
    /// `tenant`, `lobby_device`, ….
    pub object_type: String,
    /// The account that the object is in, where it is a lobby's.
    pub object_account: String,
    /// The object's name, where it is a tenant.
    pub object_name: String,
    /// What changed, in words.
    pub change: String,
}

impl Event {
    fn read(row: &Value) -> Self {
        let at = |pointer: &str| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            number: text(row, "EventId"),
            time: text(row, "EventTime"),
            account: text(row, "RecipientAccountId"),
            tenant: text(row, "TenantId"),
            action: text(row, "EventName"),
            actor: at("/UserIdentity/id"),
            actor_email: at("/UserIdentity/email"),
            object: at("/Resource/id"),
            object_type: at("/Resource/type"),
            object_account: at("/Resource/lobby_device/account"),
            object_name: at("/Resource/tenant/name"),
            change: text(row, "Change"),
        }
    }
}

/// All of it, oldest first.
///
/// # Errors
/// Refused with 403 for who may not read it.
pub async fn read(mender: &Mender, by: &Session) -> Result<Vec<Event>> {
    let path = format!("{ROOT}/log?MaxResults=500");
    let rows = pages_of(mender, by, &path, "Events", ("NextToken", "NextToken")).await?;
    Ok(rows.iter().map(Event::read).collect())
}

/// Methods with which entries might be read, written or removed.
pub const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

/// Tries the log, or the entry with this number in it, with a method. Whatever is answered is handed out.
///
/// # Errors
/// No answer.
pub async fn attempt(mender: &Mender, by: &Session, method: &str, number: Option<&str>) -> Result<Answer> {
    let path = number.map_or_else(|| format!("{ROOT}/log"), |number| format!("{ROOT}/log/{number}"));
    mender.send(by, Door::Gateway, Request::new(method, path)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_read() {
        let row = json!({ "EventId": "7", "EventTime": "2026-11-22T05:27:00Z", "RecipientAccountId": "123456789012",
            "TenantId": "t1", "EventName": "create", "UserIdentity": { "id": "u1", "email": "ada@acme.test" },
            "Resource": { "id": "t2", "type": "tenant", "tenant": { "name": "acme" } }, "Change": "account: 1" });
        let read = Event::read(&row);
        let who = (&*read.actor, &*read.actor_email, &*read.action);
        assert_eq!(who, ("u1", "ada@acme.test", "create"));
        assert_eq!((&*read.object, &*read.object_type, &*read.object_name), ("t2", "tenant", "acme"));
    }
}
