//! How much the clients of a tenant may at its endpoints: what the operator sees and sets.

use super::operator::{audit, known};
use crate::Platform;
use crate::edge::{At, Body, Operator};
use crate::endpoint::{ClientLimits, read_limits, write_limits};
use crate::refusal::{Answer, Refusal};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_client_limits, set_client_limits))
}

/// How much the clients of a tenant may: all limits, as they are in force.
#[utoipa::path(get, path = "/api/internal/v1/iot/tenants/{tenant_id}/limits",
    operation_id = "x_fleetproof Show Client Limits", tag = "iot",
    params(("tenant_id" = String, Path, description = "The tenant.")),
    responses((status = 200, description = "Its limits.", body = ClientLimits), (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn show_client_limits(
    State(app): State<Platform>,
    _: Operator,
    At(tenant): At<String>,
) -> Answer<Json<ClientLimits>> {
    let mut tx = app.begin().await?;
    known(&mut tx, &tenant).await?;
    let limits = read_limits(&mut tx, &tenant).await?;
    app.commit(tx).await?;
    Ok(Json(limits.in_force()))
}

/// Set how much the clients of a tenant may, in all regions of its account and at once. What is used already stays used.
#[utoipa::path(put, path = "/api/internal/v1/iot/tenants/{tenant_id}/limits",
    operation_id = "x_fleetproof Set Client Limits", tag = "iot", request_body = ClientLimits,
    params(("tenant_id" = String, Path, description = "The tenant.")),
    responses((status = 204, description = "Done."), (status = 400, description = "A limit that is none."),
        (status = 404, description = "Not Found.")),
    security(("operator" = [])))]
async fn set_client_limits(
    State(app): State<Platform>,
    _: Operator,
    At(tenant): At<String>,
    Body(put): Body<ClientLimits>,
) -> Answer<StatusCode> {
    put.check()?;
    let mut tx = app.begin().await?;
    let row = known(&mut tx, &tenant).await?;
    let limits = put.over(&read_limits(&mut tx, &tenant).await?);
    write_limits(&mut tx, &tenant, &limits).await?;
    let change = serde_json::to_string(&put).map_err(Refusal::internal)?;
    audit(&app, &mut tx, &row, format!("client_limits: {change}")).await?;
    app.commit(tx).await?;
    app.limits_changed(&tenant, &limits);
    Ok(StatusCode::NO_CONTENT)
}
