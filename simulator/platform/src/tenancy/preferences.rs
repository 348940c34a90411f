//! Settings: a JSON object of the tenant, and one of each of its users.

use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{Body, Can, User, need};
use crate::ids::hex;
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_settings, set_settings)).routes(routes!(show_my_settings, set_my_settings))
}

const OF_TENANT: &str = "select settings from tenants where id = $1 order by id";
const OF_USER: &str = "select settings from memberships where tenant_id = $1 and user_id = $2 order by user_id";

/// A document and its tag.
struct Document {
    text: String,
    etag: String,
}

async fn read(tx: &mut Transaction, sql: &'static str, args: &[crate::store::Value]) -> Answer<Document> {
    let row = tx.first(sql, args).await?.ok_or_else(|| Refusal::not_found("settings not found"))?;
    let text = row.text("settings")?;
    let etag = format!("\"{}\"", hex(&Sha256::digest(&text)[..16]));
    Ok(Document { text, etag })
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, self.etag)], self.text).into_response()
    }
}

/// The settings to be, checked against what the caller has seen.
fn check(new: &Map<String, Value>, headers: &HeaderMap, before: &Document) -> Answer<String> {
    if new.get("2fa").is_some_and(|value| !["enabled", "disabled"].map(Value::from).contains(value)) {
        return Err(Refusal::bad_request("2fa: must be enabled or disabled"));
    }
    if headers.get(header::IF_MATCH).is_some_and(|seen| seen.as_bytes() != before.etag.as_bytes()) {
        return Err(Refusal::changed("ETag does not match"));
    }
    Ok(Value::Object(new.clone()).to_string())
}

/// The tenant's settings.
#[utoipa::path(get, path = "/api/management/v1/useradm/settings", operation_id = "Show User Settings", tag = "useradm",
    responses((status = 200, description = "The settings.", body = Map<String, Value>, headers(("ETag" = String, description = "Their tag.")))),
    security(("user" = [])))]
async fn show_settings(State(app): State<Platform>, user: User) -> Answer {
    let mut tx = app.begin().await?;
    let document = read(&mut tx, OF_TENANT, args![&user.tenant]).await?;
    app.commit(tx).await?;
    Ok(document.into_response())
}

/// Replace the tenant's settings.
#[utoipa::path(post, path = "/api/management/v1/useradm/settings", operation_id = "Update User Settings", tag = "useradm",
    params(("If-Match" = Option<String>, Header, description = "Only if this is still their tag.")),
    request_body = Map<String, Value>,
    responses((status = 201, description = "Done."), (status = 412, description = "They have changed since.")),
    security(("user" = [])))]
async fn set_settings(
    State(app): State<Platform>,
    user: Can<need::ChangeUsers>,
    headers: HeaderMap,
    Body(new): Body<Map<String, Value>>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let before = read(&mut tx, OF_TENANT, args![&user.tenant]).await?;
    let text = check(&new, &headers, &before)?;
    tx.execute("update tenants set settings = $2 where id = $1", args![&user.tenant, &text]).await?;
    audit(&app, &mut tx, &user, Object::tenant(&user.tenant, &user.tenant_name)).await?;
    app.commit(tx).await?;
    Ok(StatusCode::CREATED)
}

/// One's own settings in this tenant.
#[utoipa::path(get, path = "/api/management/v1/useradm/settings/me", operation_id = "Show My User Settings", tag = "useradm",
    responses((status = 200, description = "The settings.", body = Map<String, Value>, headers(("ETag" = String, description = "Their tag.")))),
    security(("user" = [])))]
async fn show_my_settings(State(app): State<Platform>, user: User) -> Answer {
    let mut tx = app.begin().await?;
    let document = read(&mut tx, OF_USER, args![&user.tenant, &user.id]).await?;
    app.commit(tx).await?;
    Ok(document.into_response())
}

/// Replace one's own settings in this tenant.
#[utoipa::path(post, path = "/api/management/v1/useradm/settings/me", operation_id = "Update My User Settings", tag = "useradm",
    params(("If-Match" = Option<String>, Header, description = "Only if this is still their tag.")),
    request_body = Map<String, Value>,
    responses((status = 201, description = "Done."), (status = 412, description = "They have changed since.")),
    security(("user" = [])))]
async fn set_my_settings(
    State(app): State<Platform>,
    user: User,
    headers: HeaderMap,
    Body(new): Body<Map<String, Value>>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let before = read(&mut tx, OF_USER, args![&user.tenant, &user.id]).await?;
    let text = check(&new, &headers, &before)?;
    let set = "update memberships set settings = $3 where tenant_id = $1 and user_id = $2";
    tx.execute(set, args![&user.tenant, &user.id, &text]).await?;
    audit(&app, &mut tx, &user, Object::user(&user.id, &user.email)).await?;
    app.commit(tx).await?;
    Ok(StatusCode::CREATED)
}

async fn audit(app: &Platform, tx: &mut Transaction, user: &User, object: Object) -> Result<(), StoreError> {
    app.audit(tx, &user.tenant, user, "update", object, Some("Updated settings".to_owned())).await
}
