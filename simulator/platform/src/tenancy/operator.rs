//! What only the operator does: the few `/api/internal` operations.

use crate::Platform;
use crate::args;
use crate::edge::{At, Operator};
use crate::refusal::{Answer, Refusal};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_tenant))
}

/// A tenant.
#[utoipa::path(get, path = "/api/internal/v1/tenantadm/tenants/{tenant_id}", operation_id = "Show Tenant",
    tag = "tenantadm", params(("tenant_id" = String, Path, description = "The tenant.")),
    responses((status = 200, description = "The tenant.", body = Value), (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn show_tenant(State(app): State<Platform>, _: Operator, At(id): At<String>) -> Answer<Json<Value>> {
    let mut tx = app.begin().await?;
    let row = tx.first("select id, name from tenants where id = $1 order by id", args![&id]).await?;
    let row = row.ok_or_else(|| Refusal::not_found("tenant not found"))?;
    Ok(Json(json!({ "id": row.text("id")?, "name": row.text("name")? })))
}
