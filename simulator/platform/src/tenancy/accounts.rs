//! Users: accounts and their memberships.

use crate::Platform;
use crate::args;
use crate::edge::User;
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Tx};
use crate::times::rfc3339;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_me))
}

/// A tenant that one belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct Membership {
    id: String,
    name: String,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
struct Person {
    id: String,
    email: String,
    roles: Vec<String>,
    created_ts: String,
    updated_ts: String,
    /// The tenants the user belongs to; told only to herself.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_ids: Option<Vec<String>>,
    /// The same, with their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenants: Option<Vec<Membership>>,
}

impl Person {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            email: row.text("email")?,
            roles: row.json("roles")?,
            created_ts: rfc3339(row.time("created_at")?),
            updated_ts: rfc3339(row.time("updated_at")?),
            tenant_ids: None,
            tenants: None,
        })
    }
}

/// Who am I?
#[utoipa::path(get, path = "/api/management/v1/useradm/users/me", operation_id = "Show Own User Data", tag = "useradm",
    responses((status = 200, description = "The user.", body = Person)), security(("user" = [])))]
async fn show_me(State(app): State<Platform>, user: User) -> Answer<Json<Person>> {
    let mut tx = app.begin().await?;
    let row = tx
        .first(
            "select u.id, u.email, m.roles, m.created_at, m.updated_at from users u \
             join memberships m on m.user_id = u.id where u.id = $1 and m.tenant_id = $2 order by u.id",
            args![&user.id, &user.tenant],
        )
        .await?
        .ok_or_else(|| Refusal::not_found("user not found"))?;
    let mut me = Person::read(&row)?;
    let tenants = tx
        .query(
            "select t.id, t.name from memberships m join tenants t on t.id = m.tenant_id \
             where m.user_id = $1 order by m.created_at, t.id",
            args![&user.id],
        )
        .await?;
    let tenants = tenants.iter().map(|row| Ok(Membership { id: row.text("id")?, name: row.text("name")? }));
    let tenants = tenants.collect::<Result<Vec<_>, StoreError>>()?;
    app.commit(tx).await?;
    me.tenant_ids = Some(tenants.iter().map(|tenant| tenant.id.clone()).collect());
    me.tenants = Some(tenants);
    Ok(Json(me))
}
