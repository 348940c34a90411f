//! What a device asks of its deployments, and what it reports.

use super::deployment_status::{Progress, Ruling};
use super::rollout;
use super::storage::{self, Link};
use super::targets;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Device, Origin, Params};
use crate::pacing::Miss;
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(next_by_query, next_by_body))
        .routes(routes!(next))
        .routes(routes!(report))
        .routes(routes!(keep_log))
}

/// The artifact that a device shall install.
#[derive(Debug, Serialize, ToSchema)]
struct OfferedArtifact {
    id: String,
    artifact_name: String,
    source: Link,
    device_types_compatible: Vec<String>,
}

/// What a device shall do next.
#[derive(Debug, Serialize, ToSchema)]
struct Offer {
    /// The deployment.
    id: String,
    artifact: OfferedArtifact,
}

type Provides = BTreeMap<String, String>;

/// What is next for a device that provides this: an offer, or 204. A device that has the artifact already, or for
/// which there is none, is done with the deployment; it is told about the one after that when it asks again.
async fn offer(app: &Platform, origin: &Origin, device: &Device, provides: &Provides) -> Answer<Response> {
    for name in ["artifact_name", "device_type"] {
        if provides.get(name).is_none_or(String::is_empty) {
            return Err(Refusal::bad_request(format!("{name}: cannot be blank")));
        }
    }
    let mut tx = app.begin().await?;
    rollout::settle(app, &mut tx, &device.tenant).await?;
    loop {
        for open in all_open(app, &mut tx, device).await? {
            if begins(app, &mut tx, device, &open).await? {
                let offered = choose(app, &mut tx, origin, device, provides, &open).await?;
                app.commit(tx).await?;
                return Ok(match offered {
                    Some(offer) => Json(offer).into_response(),
                    None => StatusCode::NO_CONTENT.into_response(),
                });
            }
        }
        if !targets::join_dynamic(app, &mut tx, &device.tenant, &device.id).await? {
            app.commit(tx).await?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
}

/// The deployments that the device has not ended, the oldest first. One that may not begin on it yet does not keep it
/// from the next.
async fn all_open(app: &Platform, tx: &mut Transaction, device: &Device) -> Result<Vec<Row>, StoreError> {
    let sql = if app.defect(DefectId::IdleDeviceGetsForeignUpdate) {
        "select p.*, d.deployment_id, d.device_id, d.artifact_id, d.attempts, d.began_at from device_deployments d \
         join deployments p on p.id = d.deployment_id \
         where d.open = 1 and $2 <> '' order by case when d.device_id = $1 then 0 else 1 end, d.seq, d.deployment_id, \
         d.device_id limit 1"
    } else if app.defect(DefectId::DeploymentReachesForeignDevice) {
        "select p.*, d.deployment_id, d.device_id, d.artifact_id, d.attempts, d.began_at from device_deployments d \
         join deployments p on p.id = d.deployment_id \
         where d.device_id = $1 and d.open = 1 and $2 <> '' order by d.seq, d.deployment_id"
    } else {
        "select p.*, d.deployment_id, d.device_id, d.artifact_id, d.attempts, d.began_at from device_deployments d \
         join deployments p on p.id = d.deployment_id \
         where d.device_id = $1 and d.open = 1 and d.tenant_id = $2 order by d.seq, d.deployment_id"
    };
    tx.query(sql, args![&device.id, &device.tenant]).await
}

/// Whether the device is in an attempt, or begins one now.
async fn begins(app: &Platform, tx: &mut Transaction, device: &Device, open: &Row) -> Result<bool, StoreError> {
    if open.maybe_int("began_at")?.is_some() {
        return Ok(true);
    }
    if !rollout::might_begin(app, open, open.int("attempts")? > 0)? {
        return Ok(false);
    }
    let deployment = open.text("deployment_id")?;
    rollout::hold(tx, &deployment).await?;
    // Somebody else's, where a defect hands it out.
    Ok(rollout::begin(app, tx, &deployment, &device.id).await? || open.text("device_id")? != device.id)
}

/// The offer of an open deployment, unless it ends here.
async fn choose(
    app: &Platform,
    tx: &mut Transaction,
    origin: &Origin,
    device: &Device,
    provides: &Provides,
    open: &Row,
) -> Result<Option<Offer>, Refusal> {
    let (deployment, name, tenant) =
        (open.text("deployment_id")?, open.text("artifact_name")?, open.text("tenant_id")?);
    if provides.get("artifact_name") == Some(&name) && !open.truth("forced")? {
        rollout::end(app, tx, &deployment, &device.id, Progress::AlreadyInstalled, app.now_ms()).await?;
        return Ok(None);
    }
    let sql = "select id, device_types, depends from artifacts where tenant_id = $1 and name = $2 \
               order by modified_at desc, id";
    let known = open.maybe_text("artifact_id")?;
    let mut chosen = None;
    for artifact in tx.query(sql, args![&tenant, &name]).await? {
        let id = artifact.text("id")?;
        // Once offered it stays the same one.
        let fits = match &known {
            Some(known) => *known == id,
            None => is_met(&artifact.json("depends")?, provides),
        };
        if fits {
            chosen = Some((id, artifact.json("device_types")?));
            break;
        }
    }
    let Some((id, device_types_compatible)) = chosen else {
        rollout::end(app, tx, &deployment, &device.id, Progress::NoArtifact, app.now_ms()).await?;
        return Ok(None);
    };
    if known.is_none() {
        tx.execute(
            "update device_deployments set artifact_id = $3, device_type = $4 \
             where deployment_id = $1 and device_id = $2",
            args![&deployment, &device.id, &id, provides.get("device_type").cloned()],
        )
        .await?;
    }
    let source = Link { method: Some("GET"), ..storage::link(app, origin, &tenant, &id)? };
    let artifact = OfferedArtifact { id, artifact_name: name, source, device_types_compatible };
    Ok(Some(Offer { id: deployment, artifact }))
}

/// Whether a device with these provides may install what depends on that.
fn is_met(depends: &BTreeMap<String, Vec<String>>, provides: &Provides) -> bool {
    depends.iter().all(|(key, values)| provides.get(key).is_some_and(|have| values.contains(have)))
}

/// What is next? (old clients)
#[utoipa::path(get, path = "/api/devices/v1/deployments/device/deployments/next", operation_id = "Device Check Update",
    tag = "deployments",
    params(("artifact_name" = String, Query, description = "What the device runs."),
        ("device_type" = String, Query, description = "What it is.")),
    responses((status = 200, description = "An update.", body = Offer), (status = 204, description = "Nothing."),
        (status = 400, description = "A parameter is missing.")), security(("device" = [])))]
async fn next_by_query(State(app): State<Platform>, device: Device, origin: Origin, params: Params) -> Answer {
    let one = |name: &str| params.one(name).map(|value| (name.to_owned(), value.to_owned()));
    let provides = ["artifact_name", "device_type"].into_iter().filter_map(one).collect();
    offer(&app, &origin, &device, &provides).await
}

/// What is next? (the device tells what it provides)
#[utoipa::path(post, path = "/api/devices/v1/deployments/device/deployments/next", operation_id = "Check Update Depends",
    tag = "deployments", request_body = BTreeMap<String, String>,
    responses((status = 200, description = "An update.", body = Offer), (status = 204, description = "Nothing.")),
    security(("device" = [])))]
async fn next_by_body(
    State(app): State<Platform>,
    device: Device,
    origin: Origin,
    Body(provides): Body<Provides>,
) -> Answer {
    offer(&app, &origin, &device, &provides).await
}

/// What a device asks with.
#[derive(Debug, Deserialize, ToSchema)]
struct Question {
    /// What it provides: at least `artifact_name` and `device_type`.
    device_provides: BTreeMap<String, String>,
    /// Whether it understands update control maps; the platform has none.
    #[serde(default)]
    #[expect(dead_code, reason = "taken for the vendor's clients")]
    update_control_map: Option<bool>,
}

/// What is next?
#[utoipa::path(post, path = "/api/devices/v2/deployments/device/deployments/next", operation_id = "Check Update",
    tag = "deployments", request_body = Question,
    responses((status = 200, description = "An update.", body = Offer), (status = 204, description = "Nothing.")),
    security(("device" = [])))]
async fn next(State(app): State<Platform>, device: Device, origin: Origin, Body(question): Body<Question>) -> Answer {
    offer(&app, &origin, &device, &question.device_provides).await
}

/// What a device reports.
#[derive(Debug, Deserialize, ToSchema)]
struct Report {
    status: String,
    #[serde(default)]
    substate: Option<String>,
}

/// What is said of a deployment that is not there, or not this device's.
fn unknown() -> Refusal {
    Refusal::not_found("deployment not found")
}

/// Report how far one is. It goes forward only; after the end nothing changes it.
#[utoipa::path(put, path = "/api/devices/v1/deployments/device/deployments/{id}/status",
    operation_id = "Update Deployment Status", tag = "deployments", request_body = Report,
    params(("id" = String, Path, description = "The deployment.")),
    responses((status = 204, description = "Noted."), (status = 404, description = "Not Found."),
        (status = 409, description = "The deployment was aborted.")), security(("device" = [])))]
async fn report(
    State(app): State<Platform>,
    device: Device,
    At(id): At<String>,
    Body(report): Body<Report>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &device.tenant).await?;
    rollout::hold(&mut tx, &id).await?;
    let row = tx
        .first(
            "select status, open, attempts, began_at, missed from device_deployments \
             where deployment_id = $1 and device_id = $2 and tenant_id = $3 order by deployment_id",
            args![&id, &device.id, &device.tenant],
        )
        .await?
        .ok_or_else(unknown)?;
    let illegal = || Refusal::bad_request(format!("invalid status for device '{}'", device.id));
    let from = Progress::named(&row.text("status")?).ok_or_else(|| Refusal::internal("a device without progress"))?;
    let to = match Progress::named(&report.status).ok_or_else(illegal)? {
        Progress::Failure if app.defect(DefectId::FailureKeptAsSuccess) => Progress::Success,
        to => to,
    };
    let rewrites = app.defect(DefectId::TerminalStatusRewritable) && from.is_over() && to.is_reportable();
    let now = app.now_ms();
    if !rewrites && is_late(&app, &mut tx, &device, &id, &row, to).await? {
        app.commit(tx).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    match from.report(to) {
        _ if rewrites => {
            let sql = "update device_deployments set status = $3 where deployment_id = $1 and device_id = $2";
            tx.execute(sql, args![&id, &device.id, to.name()]).await?;
        }
        Ruling::Aborted => return Err(Refusal::conflict("Deployment aborted")),
        Ruling::Illegal => return Err(illegal()),
        Ruling::Same if from.is_over() => {
            if app.defect(DefectId::RepeatedEndIsFailure) {
                let sql = "update device_deployments set status = $3 where deployment_id = $1 and device_id = $2";
                tx.execute(sql, args![&id, &device.id, Progress::Failure.name()]).await?;
            }
        }
        Ruling::Moved if to.is_over() && is_forgotten(&app, &mut tx, &id).await? => {}
        Ruling::Moved if to == Progress::Failure => {
            rollout::miss(&app, &mut tx, &id, &device.id, Miss::Failed, now).await?;
        }
        Ruling::Moved if to.is_over() => rollout::end(&app, &mut tx, &id, &device.id, to, now).await?,
        Ruling::Moved | Ruling::Same => {
            tx.execute(
                "update device_deployments set status = $3, substate = $4, told_at = $5, \
                 started_at = coalesce(started_at, $5) where deployment_id = $1 and device_id = $2",
                args![&id, &device.id, to.name(), report.substate.as_deref(), now],
            )
            .await?;
            let begun = "update deployments set status = 'inprogress' where id = $1 and status = 'pending'";
            tx.execute(begun, args![&id]).await?;
        }
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the end of a device is forgotten since another one has just ended.
async fn is_forgotten(app: &Platform, tx: &mut Transaction, deployment: &str) -> Result<bool, StoreError> {
    if !app.defect(DefectId::ReportLostAfterYes) {
        return Ok(false);
    }
    let sql =
        "select device_id from device_deployments where deployment_id = $1 and finished_at > $2 order by device_id";
    Ok(tx.first(sql, args![deployment, app.now_ms() - 1_000]).await?.is_some())
}

/// Whether a report comes after the end of its attempt and says nothing new. One that comes before an attempt begins it,
/// if it may; what else is out of time is refused as what an abort has ended.
async fn is_late(
    app: &Platform,
    tx: &mut Transaction,
    device: &Device,
    deployment: &str,
    row: &Row,
    to: Progress,
) -> Answer<bool> {
    let over = || Err(Refusal::conflict("Deployment timed out"));
    let missed = row.maybe_text("missed")?;
    match (row.truth("open")?, missed.as_deref()) {
        (false, Some("timed_out")) if app.defect(DefectId::LateReportTaken) => {
            let sql = "update device_deployments set status = $3 where deployment_id = $1 and device_id = $2";
            tx.execute(sql, args![deployment, &device.id, to.name()]).await?;
            Ok(true)
        }
        (false, Some("timed_out")) => over(),
        (true, _) if row.maybe_int("began_at")?.is_some() || !to.is_reportable() => Ok(false),
        (true, Some("failed")) if to == Progress::Failure => Ok(true),
        (true, Some(_)) => over(),
        (true, None) if rollout::begin(app, tx, deployment, &device.id).await? => Ok(false),
        (true, None) => Err(Refusal::conflict("Deployment has not begun for this device")),
        (false, _) => Ok(false),
    }
}

/// A line of a log.
#[derive(Debug, Deserialize, ToSchema)]
struct Line {
    timestamp: String,
    level: String,
    message: String,
}

/// What a device tells of what went wrong.
#[derive(Debug, Deserialize, ToSchema)]
struct Log {
    messages: Vec<Line>,
}

/// Keep the log of an update.
#[utoipa::path(put, path = "/api/devices/v1/deployments/device/deployments/{id}/log",
    operation_id = "Report Deployment Log", tag = "deployments", request_body = Log,
    params(("id" = String, Path, description = "The deployment.")),
    responses((status = 204, description = "It is kept."), (status = 404, description = "Not Found.")),
    security(("device" = [])))]
async fn keep_log(
    State(app): State<Platform>,
    device: Device,
    At(id): At<String>,
    Body(log): Body<Log>,
) -> Answer<StatusCode> {
    let lines = log.messages.iter().map(|line| format!("{} {}: {}\n", line.timestamp, line.level, line.message));
    let mut tx = app.begin().await?;
    let kept = tx
        .execute(
            "insert into deployment_logs (deployment_id, device_id, tenant_id, log) \
             select deployment_id, device_id, tenant_id, cast($4 as text) from device_deployments \
             where deployment_id = $1 and device_id = $2 and tenant_id = $3 \
             on conflict (deployment_id, device_id) do update set log = excluded.log",
            args![&id, &device.id, &device.tenant, lines.collect::<String>()],
        )
        .await?;
    if kept == 0 {
        return Err(unknown());
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The log of a device in a deployment, if it sent one.
pub(super) async fn log_of(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    deployment: &str,
    device: &str,
) -> Result<Option<String>, StoreError> {
    let sql = if app.defect(DefectId::DeploymentLogForgetsTenant) {
        "select log from deployment_logs where deployment_id = $1 and device_id = $2 and $3 <> '' order by device_id"
    } else {
        "select log from deployment_logs where deployment_id = $1 and device_id = $2 and tenant_id = $3 \
         order by device_id"
    };
    let row = tx.first(sql, args![deployment, device, tenant]).await?;
    row.map(|row| row.text("log")).transpose()
}
