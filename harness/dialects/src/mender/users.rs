//! Verbs about people: made, assigned to tenants, found, removed; their tokens.

use super::session::{Session, claims};
use super::{Call, Mender, created, text, unreadable};
use crate::answer::{Result, Token};
use fleetproof_claims::model::Role;
use serde_json::{Value, json};

/// A user as the list of the tenant has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The platform's id.
    pub id: String,
    /// The address.
    pub email: String,
    /// Names of the vendor's roles in this tenant.
    pub roles: Vec<String>,
    /// Ids of the tenants the user belongs to, as far as the caller is told.
    pub tenant_ids: Vec<String>,
}

impl UserRow {
    fn read(value: &Value) -> Self {
        let texts = |field: &str| {
            let list = value.get(field).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            id: text(value, "id"),
            email: text(value, "email"),
            roles: texts("roles"),
            tenant_ids: texts("tenant_ids"),
        }
    }
}

impl Mender {
    /// Makes a user in the caller's tenant and returns the id. `only`: the groups of devices the role is narrowed to.
    ///
    /// # Errors
    /// Refused with 422 when the address is taken, here or elsewhere.
    pub async fn create_user(
        &self,
        by: &Session,
        email: &str,
        password: &str,
        role: Role,
        only: &[String],
    ) -> Result<String> {
        let role = self.ensure_role(by, role, only).await?;
        let body = json!({ "email": email, "password": password, "roles": [role] });
        created(&self.call(by, Call::new("Create User Management").json(body)).await?)
    }

    /// Makes a user a member of tenants, with a role that is built in or was made there. The caller is an admin there,
    /// or the admin of their provider.
    ///
    /// # Errors
    /// Refused with 403 for tenants that are none of the caller's.
    pub async fn assign_user(&self, by: &Session, user_id: &str, tenant_ids: &[&str], role: &str) -> Result<()> {
        let body = json!({ "tenant_ids": tenant_ids, "role": role });
        self.call(by, Call::new("Assign Tenants").path(&[("user_id", user_id)]).json(body)).await.map(drop)
    }

    /// Gives a user of the caller's tenant another role.
    ///
    /// # Errors
    /// As every verb.
    pub async fn change_user(
        &self,
        by: &Session,
        user_id: &str,
        email: &str,
        role: Role,
        only: &[String],
    ) -> Result<()> {
        let role = self.ensure_role(by, role, only).await?;
        let body = json!({ "email": email, "roles": [role] });
        self.call(by, Call::new("Update User").path(&[("user_id", user_id)]).json(body)).await.map(drop)
    }

    /// The users of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn users(&self, by: &Session) -> Result<Vec<UserRow>> {
        Ok(self.pages(by, Call::new("List Users Management")).await?.iter().map(UserRow::read).collect())
    }

    /// The id of a user of the caller's tenant, or `None` when nobody there has the address.
    ///
    /// # Errors
    /// As every verb.
    pub async fn user_id(&self, by: &Session, email: &str) -> Result<Option<String>> {
        let found = self.pages(by, Call::new("List Users Management").query("email", email)).await?;
        Ok(found.iter().map(UserRow::read).find(|user| user.email == email).map(|user| user.id))
    }

    /// The caller herself.
    ///
    /// # Errors
    /// As every verb.
    pub async fn me(&self, by: &Session) -> Result<UserRow> {
        Ok(UserRow::read(&self.fetch(by, Call::new("Show Own User Data")).await?))
    }

    /// Ends a user's membership in the caller's tenant. For somebody unknown the platform says yes as well.
    ///
    /// # Errors
    /// As every verb.
    pub async fn remove_user(&self, by: &Session, user_id: &str) -> Result<()> {
        self.call(by, Call::new("Remove User").path(&[("user_id", user_id)])).await.map(drop)
    }

    /// Makes a personal access token of the caller; it lives for `seconds`. Returns its id and the token.
    ///
    /// # Errors
    /// As every verb.
    pub async fn create_token(&self, by: &Session, name: &str, seconds: u64) -> Result<(String, Token)> {
        let call = Call::new("Create Personal Access Token").json(json!({ "name": name, "expires_in": seconds }));
        let answer = self.call(by, call).await?;
        let token = answer.text().trim().trim_matches('"').to_owned();
        let listed = self.fetch(by, Call::new("List User Personal Access Tokens")).await?;
        let mut rows = listed.as_array().into_iter().flatten();
        let id = rows.find(|row| text(row, "name") == name).map(|row| text(row, "id"));
        let id = id.or_else(|| claims(&token).map(|claims| text(&claims, "jti"))).filter(|id| !id.is_empty());
        Ok((id.ok_or_else(|| unreadable(&answer, "the list lacks the new token"))?, Token::new(&token)))
    }

    /// Ends a personal access token of the caller.
    ///
    /// # Errors
    /// As every verb.
    pub async fn revoke_token(&self, by: &Session, id: &str) -> Result<()> {
        self.call(by, Call::new("Revoke Personal Access Token").path(&[("token_id", id)])).await.map(drop)
    }
}
