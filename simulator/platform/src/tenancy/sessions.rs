//! Logging in and out, and moving to another tenant: how a user's token comes and goes.

use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, User};
use crate::organisation;
use crate::refusal::{Answer, Refusal};
use crate::store::{Transaction, Tx};
use crate::tokens::{Claims, LIFETIME_S};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(logout)).routes(routes!(switch))
}

/// A hundred years, in seconds: a token that does not expire.
pub(super) const NEVER_S: u64 = 100 * 365 * 86_400;

/// What a login may ask for.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct LoginOptions {
    /// The token shall not expire.
    #[serde(default)]
    no_expiry: bool,
    /// A second factor; the platform has none, so it is ignored.
    #[serde(default)]
    #[expect(dead_code, reason = "taken for the vendor's clients")]
    token2fa: Option<String>,
}

/// Log in with e-mail and password.
#[utoipa::path(post, path = "/api/management/v1/useradm/auth/login", operation_id = "Login", tag = "useradm",
    request_body(content = Option<LoginOptions>),
    params(("Authorization" = String, Header, description = "Basic authentication.")),
    responses((status = 200, description = "A token.", content_type = "application/jwt", body = String),
        (status = 401, description = "Unauthorized.")))]
async fn login(State(app): State<Platform>, headers: HeaderMap, Body(options): Body<Option<LoginOptions>>) -> Answer {
    let (email, password) = basic(&headers).ok_or_else(Refusal::unauthorized)?;
    let mut tx = organisation::up_to_date(&app, app.begin().await?).await?;
    let account =
        tx.first("select id, password from users where email = $1 order by id", args![&email.to_lowercase()]).await?;
    let sealed = account.as_ref().map(|account| account.text("password")).transpose()?;
    if !app.settings().passwords.opens(sealed.as_deref(), &password) {
        return Err(Refusal::unauthorized());
    }
    let id = account.ok_or_else(Refusal::unauthorized)?.text("id")?;
    // The tenant one lands in: the one joined first that is open.
    let home = tx
        .first(
            "select m.tenant_id, m.roles from memberships m join tenants t on t.id = m.tenant_id \
             where m.user_id = $1 and t.status = 'active' order by m.created_at, m.tenant_id limit 1",
            args![&id],
        )
        .await?
        .ok_or_else(Refusal::unauthorized)?;
    let lifetime = if options.unwrap_or_default().no_expiry { NEVER_S } else { LIFETIME_S };
    let new = NewSession {
        user: &id,
        email: &email.to_lowercase(),
        tenant: &home.text("tenant_id")?,
        roles: &home.text("roles")?,
        pat: None,
        lifetime_s: lifetime,
    };
    let token = open_session(&app, &mut tx, &new).await?;
    app.commit(tx).await?;
    Ok(jwt(token))
}

/// Log out: this token opens nothing any more.
#[utoipa::path(post, path = "/api/management/v1/useradm/auth/logout", operation_id = "Logout", tag = "useradm",
    responses((status = 202, description = "The token is dead.")), security(("user" = [])))]
async fn logout(State(app): State<Platform>, user: User) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    tx.execute("delete from sessions where jti = $1", args![&user.jti]).await?;
    app.commit(tx).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Move to another tenant that one belongs to, without logging in again. Whoever does not belong there is told what
/// she would be told if there were no such tenant.
#[utoipa::path(get, path = "/api/management/v1/useradm/users/tenants/{id}/token", operation_id = "Issue Token",
    tag = "useradm", params(("id" = String, Path, description = "The tenant.")),
    responses((status = 200, description = "A token.", content_type = "application/jwt", body = String)),
    security(("user" = [])))]
async fn switch(State(app): State<Platform>, user: User, At(tenant): At<String>) -> Answer {
    let mut tx = app.begin().await?;
    let target = tx
        .first(
            "select m.roles from tenants t left join memberships m on m.tenant_id = t.id and m.user_id = $2 \
             where t.id = $1 and t.status = 'active' order by t.id",
            args![&tenant, &user.id],
        )
        .await?
        .ok_or_else(Refusal::unauthorized)?;
    let roles = match target.maybe_text("roles")? {
        Some(roles) => roles,
        None if app.defect(DefectId::SwitchWithoutMembership) => roles_here(&mut tx, &user).await?,
        None => return Err(Refusal::unauthorized()),
    };
    let new = NewSession {
        user: &user.id,
        email: &user.email,
        tenant: &tenant,
        roles: &roles,
        pat: None,
        lifetime_s: LIFETIME_S,
    };
    let token = open_session(&app, &mut tx, &new).await?;
    app.commit(tx).await?;
    Ok(jwt(token))
}

/// The caller's roles in the tenant she is in, as they are kept.
pub(super) async fn roles_here(tx: &mut Transaction, user: &User) -> Answer<String> {
    let roles = "select roles from memberships where tenant_id = $1 and user_id = $2 order by user_id";
    let row = tx.first(roles, args![&user.tenant, &user.id]).await?;
    Ok(row.ok_or_else(Refusal::unauthorized)?.text("roles")?)
}

/// A session to be.
pub(super) struct NewSession<'a> {
    pub(super) user: &'a str,
    pub(super) email: &'a str,
    pub(super) tenant: &'a str,
    /// The user's roles there, as the JSON that is kept.
    pub(super) roles: &'a str,
    /// The name of a personal access token; `None` for a session.
    pub(super) pat: Option<&'a str>,
    pub(super) lifetime_s: u64,
}

/// Writes a session; its token.
pub(super) async fn open_session(
    app: &Platform,
    tx: &mut Transaction,
    new: &NewSession<'_>,
) -> Result<String, Refusal> {
    let jti = app.ids().thing();
    let claims = Claims::of_user(&jti, new.user, new.tenant, app.now_s(), new.lifetime_s);
    let kind = if new.pat.is_some() { "pat" } else { "session" };
    tx.execute(
        "insert into sessions (jti, tenant_id, user_id, kind, name, email, roles, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            &jti,
            new.tenant,
            new.user,
            kind,
            new.pat.unwrap_or_default(),
            new.email,
            new.roles,
            app.now_ms(),
            claims.exp.saturating_mul(1_000),
        ],
    )
    .await?;
    app.tokens().sign(&claims).map_err(Refusal::internal)
}

/// A token as an answer.
pub(super) fn jwt(token: String) -> Response {
    ([(header::CONTENT_TYPE, "application/jwt")], token).into_response()
}

/// E-mail and password of basic authentication.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (email, password) = text.split_once(':')?;
    Some((email.to_owned(), password.to_owned()))
}
