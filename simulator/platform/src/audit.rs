//! The audit log's pen: an entry stands in the same transaction as the change it tells of.

use crate::Platform;
use crate::args;
use crate::edge::User;
use crate::organisation;
use crate::store::{StoreError, Transaction, Tx};
use serde_json::{Map, Value, json};

/// Who did it.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) id: String,
    pub(crate) email: String,
}

impl Actor {
    /// Whoever stands at the operator's door.
    pub(crate) fn operator() -> Self {
        Self { id: "operator".to_owned(), email: String::new() }
    }

    /// The platform itself, where nobody asked it to.
    pub(crate) fn platform() -> Self {
        Self { id: "platform".to_owned(), email: String::new() }
    }
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self { id: user.id.clone(), email: user.email.clone() }
    }
}

/// What was changed, as the log shows it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    details: Map<String, Value>,
}

impl Object {
    fn new(kind: &'static str, id: &str, details: Value) -> Self {
        let mut all = Map::new();
        all.insert(kind.to_owned(), details);
        Self { kind, id: id.to_owned(), details: all }
    }

    /// A tenant; also stands for its roles, filters, settings.
    pub(crate) fn tenant(id: &str, name: &str) -> Self {
        Self::new("tenant", id, json!({ "id": id, "name": name }))
    }

    /// A child of a provider.
    pub(crate) fn child(id: &str, name: &str, parent: &str) -> Self {
        Self::new("tenant", id, json!({ "id": id, "name": name, "parent": parent }))
    }

    /// A user.
    pub(crate) fn user(id: &str, email: &str) -> Self {
        Self::new("user", id, json!({ "email": email }))
    }

    /// A device.
    pub(crate) fn device(id: &str, identity_data: &Value) -> Self {
        Self::new("device", id, json!({ "identity_data": identity_data }))
    }

    /// An artifact.
    pub(crate) fn artifact(id: &str, name: &str) -> Self {
        Self::new("artifact", id, json!({ "name": name }))
    }

    /// Something in an account's registry.
    pub(crate) fn registered(kind: &'static str, id: &str, account: &str, region: &str) -> Self {
        Self::new(kind, id, json!({ "account": account, "region": region }))
    }

    /// A deployment.
    pub(crate) fn deployment(id: &str, name: &str, artifact: &str) -> Self {
        Self::new("deployment", id, json!({ "name": name, "artifact_name": artifact }))
    }
}

impl Platform {
    /// Writes into `tenant`'s log that `actor` did `action` to `object`; `change` says what is different.
    pub(crate) async fn audit(
        &self,
        tx: &mut Transaction,
        tenant: &str,
        actor: impl Into<Actor>,
        action: &'static str,
        object: Object,
        change: Option<String>,
    ) -> Result<(), StoreError> {
        let actor = actor.into();
        let mut who = Map::new();
        who.insert("id".to_owned(), actor.id.clone().into());
        who.insert("type".to_owned(), "user".into());
        if !actor.email.is_empty() {
            who.insert("email".to_owned(), actor.email.clone().into());
        }
        let deployment = object.details.get("deployment").and_then(|shown| shown.get("name")).and_then(Value::as_str);
        let deployment = deployment.unwrap_or_default().to_owned();
        let mut what = object.details;
        what.insert("id".to_owned(), object.id.clone().into());
        what.insert("type".to_owned(), object.kind.into());
        let (time, who, what) = (self.now_ms(), Value::Object(who).to_string(), Value::Object(what).to_string());
        tx.execute(
            "insert into audit (tenant_id, time, actor_id, actor_type, actor_email, actor, action, object_id, \
             object_type, object_deployment_name, object, change) \
             values ($1, $2, $3, 'user', $4, $5, $6, $7, $8, $9, $10, $11)",
            args![
                tenant,
                time,
                actor.id,
                actor.email,
                &who,
                action,
                object.id,
                object.kind,
                deployment,
                &what,
                change.as_deref(),
            ],
        )
        .await?;
        let change = change.as_deref();
        organisation::ship(
            self,
            tx,
            &organisation::Shipped { tenant, time, actor: &who, action, object: &what, change },
        )
        .await?;
        Ok(())
    }
}
