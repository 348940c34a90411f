//! Personal access tokens: sessions with a name, for programs that act for a user.

use super::sessions::{NEVER_S, NewSession, jwt, open_session, roles_here};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, User};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_tokens, create_token)).routes(routes!(revoke_token))
}

/// The longest that a token may be good, in seconds: a year.
const LONGEST_S: u64 = 31_536_000;

/// A personal access token; the token itself is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
struct TokenShown {
    id: String,
    name: String,
    expiration_date: String,
    created_ts: String,
}

/// One's tokens for this tenant.
#[utoipa::path(get, path = "/api/management/v1/useradm/settings/tokens", operation_id = "List User Personal Access Tokens",
    tag = "useradm", responses((status = 200, description = "The tokens.", body = Vec<TokenShown>)), security(("user" = [])))]
async fn list_tokens(State(app): State<Platform>, user: User) -> Answer<Json<Vec<TokenShown>>> {
    let mut tx = app.begin().await?;
    let rows = tx
        .query(
            "select jti, name, created_at, expires_at from sessions \
             where tenant_id = $1 and user_id = $2 and kind = 'pat' order by created_at, jti",
            args![&user.tenant, &user.id],
        )
        .await?;
    app.commit(tx).await?;
    let shown = rows.iter().map(|row| {
        Ok(TokenShown {
            id: row.text("jti")?,
            name: row.text("name")?,
            expiration_date: rfc3339(row.time("expires_at")?),
            created_ts: rfc3339(row.time("created_at")?),
        })
    });
    Ok(Json(shown.collect::<Result<_, StoreError>>()?))
}

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewToken {
    name: String,
    /// In seconds, up to a year; 0 or absent: it does not expire.
    #[serde(default)]
    expires_in: u64,
}

/// Make a token.
#[utoipa::path(post, path = "/api/management/v1/useradm/settings/tokens", operation_id = "Create Personal Access Token",
    tag = "useradm", request_body = NewToken,
    responses((status = 200, description = "The token.", content_type = "application/jwt", body = String),
        (status = 409, description = "The name is taken.")),
    security(("user" = [])))]
async fn create_token(State(app): State<Platform>, user: User, Body(new): Body<NewToken>) -> Answer<Response> {
    if new.name.trim().is_empty() || new.name.chars().count() > 128 {
        return Err(Refusal::bad_request("name: must have 1 to 128 characters"));
    }
    if new.expires_in > LONGEST_S {
        return Err(Refusal::bad_request(format!("expires_in: at most {LONGEST_S} seconds")));
    }
    let mut tx = app.begin().await?;
    let same = "select count(*) as n from sessions \
                where tenant_id = $1 and user_id = $2 and kind = 'pat' and name = $3";
    if tx.number(same, args![&user.tenant, &user.id, &new.name]).await? > 0 {
        return Err(Refusal::conflict("Personal Access Token with the same name already exists."));
    }
    let roles = roles_here(&mut tx, &user).await?;
    let session = NewSession {
        user: &user.id,
        email: &user.email,
        tenant: &user.tenant,
        roles: &roles,
        pat: Some(&new.name),
        lifetime_s: if new.expires_in == 0 { NEVER_S } else { new.expires_in },
    };
    let token = open_session(&app, &mut tx, &session).await?;
    let shown = if app.defect(DefectId::TokenInAuditLog) { &token } else { &new.name };
    audit(&app, &mut tx, &user, format!("Created token {shown}")).await?;
    app.commit(tx).await?;
    Ok(jwt(token))
}

/// Revoke one of one's tokens. What is not there is gone already.
#[utoipa::path(delete, path = "/api/management/v1/useradm/settings/tokens/{id}", operation_id = "Revoke Personal Access Token",
    tag = "useradm", params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "Gone.")), security(("user" = [])))]
async fn revoke_token(State(app): State<Platform>, user: User, At(id): At<String>) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let gone = "delete from sessions where jti = $1 and tenant_id = $2 and user_id = $3 and kind = 'pat'";
    if tx.execute(gone, args![&id, &user.tenant, &user.id]).await? > 0 {
        audit(&app, &mut tx, &user, format!("Revoked token {id}")).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn audit(app: &Platform, tx: &mut Transaction, user: &User, change: String) -> Result<(), StoreError> {
    app.audit(tx, &user.tenant, user, "update", Object::user(&user.id, &user.email), Some(change)).await
}
