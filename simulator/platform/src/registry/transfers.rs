//! How a certificate goes from one account to another: offered, then accepted, rejected or taken back.
//!
//! Whether there is an account with the number that it is offered to, nobody learns by offering.

use super::certificates::{ACTIVE, INACTIVE, PENDING_TRANSFER, find, hold, policies_of};
use super::desk::{Asked, Desk, is_certificate_id};
use super::feed::Change;
use super::refusals::{invalid, transfer_conflict, unknown, wrong_state};
use crate::Platform;
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::edge::{At, Body, need};
use crate::refusal::Answer;
use crate::store::{Row, Tx};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a message may be, in characters.
const LONGEST: usize = 128;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(transfer))
        .routes(routes!(accept))
        .routes(routes!(reject))
        .routes(routes!(cancel))
}

/// What goes along with an offer.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Offer {
    transfer_message: Option<String>,
}

/// Why an offer is not taken.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Rejection {
    reject_reason: Option<String>,
}

fn check_message(text: Option<&String>) -> Answer<()> {
    let good = |text: &String| text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    if text.is_none_or(good) { Ok(()) } else { Err(invalid(format!("a message has at most {LONGEST} characters"))) }
}

/// Offer a certificate to another account.
#[utoipa::path(patch, path = "/api/management/v1/iot/transfer-certificate/{certificateId}",
    operation_id = "TransferCertificate", tag = "transfers", request_body = Offer,
    params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("targetAwsAccount" = String, Query, description = "Twelve digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`transferredCertificateArn`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."),
        (status = 406, description = "CertificateStateException: it is active, or on its way."),
        (status = 409, description = "TransferConflictException: something is attached, or it is the own account.")),
    security(("user" = [])))]
async fn transfer(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
    Body(offer): Body<Option<Offer>>,
) -> Answer<Json<Value>> {
    let offer = offer.unwrap_or_default();
    check_message(offer.transfer_message.as_ref())?;
    let target = asked.params.one("targetAwsAccount").unwrap_or_default().to_owned();
    if target.len() != 12 || !target.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("targetAwsAccount must be the twelve digits of an account"));
    }
    let mut desk = asked.desk(&app, "TransferCertificate").await?;
    hold(&mut desk, &id).await?;
    let row = find(&mut desk, &id).await?;
    if target == desk.place.account {
        return Err(transfer_conflict("The certificate is in this account already."));
    }
    if [ACTIVE, PENDING_TRANSFER].contains(&row.text("status")?.as_str()) {
        return Err(wrong_state("The certificate is active or on its way: make it INACTIVE first."));
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let things =
        "select count(*) as n from thing_principals where tenant_id = $1 and region = $2 and certificate_id = $3";
    let attached = policies_of(&mut desk, &id).await? + desk.tx.number(things, args![&tenant, &region, &id]).await?;
    if attached > 0 {
        return Err(transfer_conflict("Policies or things are attached to the certificate: detach them first."));
    }
    let mut told = json!({ "transferDate": desk.now() / 1_000 });
    if let Some(message) = offer.transfer_message {
        told["transferMessage"] = message.into();
    }
    // What it was stays known: so it is again when nobody takes it.
    told["before"] = row.text("status")?.into();
    let sql = "update certificates set status = 'PENDING_TRANSFER', transfer_to = $4, transfer = $5, updated_at = $6, \
               version = version + 1 where tenant_id = $1 and region = $2 and id = $3";
    let now = desk.now();
    desk.tx.execute(sql, args![tenant, &region, &id, &target, told.to_string(), now]).await?;
    desk.touch(&id);
    desk.audit("update", "certificate", &id, Some(format!("offered to account {target}"))).await?;
    let arn = format!("arn:aws:iot:{region}:{target}:cert/{id}");
    desk.commit().await?;
    Ok(Json(json!({ "transferredCertificateArn": arn })))
}

/// The row of a certificate that was offered to this account, in this region; others who want it wait.
async fn offered(desk: &mut Desk, id: &str) -> Answer<Row> {
    if !is_certificate_id(id) {
        return Err(unknown());
    }
    let (account, region) = (desk.place.account.clone(), desk.place.region.clone());
    let anybodys = desk.app.defect(DefectId::TransferTakenByAnybody);
    let hold = "update certificates set version = version where (transfer_to = $1 or $4 = 1 and transfer_to is not null) \
                and region = $2 and id = $3";
    desk.tx.execute(hold, args![&account, &region, id, anybodys]).await?;
    let sql = "select * from certificates where (transfer_to = $1 or $4 = 1 and transfer_to is not null) and region = $2 \
               and id = $3 order by tenant_id";
    desk.tx.first(sql, args![&account, &region, id, anybodys]).await?.ok_or_else(unknown)
}

/// Tells the giver's log what became of his offer; an account is all that it says of the taker.
async fn tell_giver(desk: &mut Desk, row: &Row, id: &str, what: &str) -> Answer<()> {
    let giver = row.text("tenant_id")?;
    let object = Object::registered("certificate", id, &row.text("owned_by")?, &desk.place.region);
    let change = Some(format!("{what} by account {}", desk.place.account));
    let app = desk.app.clone();
    Ok(app.audit(&mut desk.tx, &giver, Actor::platform(), "update", object, change).await?)
}

/// Take a certificate that was offered.
#[utoipa::path(patch, path = "/api/management/v1/iot/accept-certificate-transfer/{certificateId}",
    operation_id = "AcceptCertificateTransfer", tag = "transfers",
    params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("setAsActive" = Option<bool>, Query, description = "Whether it is active at once."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is here.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "TransferConflictException: it is here already.")), security(("user" = [])))]
async fn accept(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let is_active = asked.params.choice("setAsActive", &["true", "false"])? == Some("true");
    let mut desk = asked.desk(&app, "AcceptCertificateTransfer").await?;
    let row = offered(&mut desk, &id).await?;
    let (tenant, region, account) = (desk.place.tenant.clone(), desk.place.region.clone(), desk.place.account.clone());
    let here = "select count(*) as n from certificates where tenant_id = $1 and region = $2 and id = $3";
    if desk.tx.number(here, args![&tenant, &region, &id]).await? > 0 {
        return Err(transfer_conflict("The certificate is registered in this account already."));
    }
    tell_giver(&mut desk, &row, &id, "transfer accepted").await?;
    let giver = row.text("tenant_id")?;
    let status = if is_active { ACTIVE } else { INACTIVE };
    let sql = "update certificates set tenant_id = $4, status = $5, ca_id = null, previous_owned_by = owned_by, \
               owned_by = $6, transfer_to = null, transfer = null, updated_at = $7, version = version + 1 \
               where tenant_id = $1 and region = $2 and id = $3";
    let now = desk.now();
    desk.tx.execute(sql, args![&giver, &region, &id, &tenant, status, &account, now]).await?;
    desk.touch(&id);
    desk.touch_of(Change::Principal { tenant: giver, region, certificate: id.clone() });
    desk.audit("create", "certificate", &id, Some(format!("transferred here, status: {status}"))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// The status that the certificate of an offer had before.
fn before(row: &Row) -> Answer<String> {
    let told: Value = row.json("transfer")?;
    Ok(told["before"].as_str().unwrap_or(INACTIVE).to_owned())
}

/// Ends an offer: the certificate is what it was.
async fn end_offer(desk: &mut Desk, row: &Row, id: &str, transfer: Option<String>) -> Answer<()> {
    let sql = "update certificates set status = $4, transfer_to = null, transfer = $5, updated_at = $6, \
               version = version + 1 where tenant_id = $1 and region = $2 and id = $3";
    let (giver, region, now) = (row.text("tenant_id")?, desk.place.region.clone(), desk.now());
    desk.tx.execute(sql, args![&giver, &region, id, before(row)?, transfer, now]).await?;
    desk.touch_of(Change::Principal { tenant: giver, region, certificate: id.to_owned() });
    Ok(())
}

/// Do not take a certificate that was offered.
#[utoipa::path(patch, path = "/api/management/v1/iot/reject-certificate-transfer/{certificateId}",
    operation_id = "RejectCertificateTransfer", tag = "transfers", request_body = Rejection,
    params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It stays where it is.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn reject(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
    Body(rejection): Body<Option<Rejection>>,
) -> Answer<Json<Value>> {
    let rejection = rejection.unwrap_or_default();
    check_message(rejection.reject_reason.as_ref())?;
    let mut desk = asked.desk(&app, "RejectCertificateTransfer").await?;
    let row = offered(&mut desk, &id).await?;
    let mut told: Value = row.json("transfer")?;
    told["rejectDate"] = (desk.now() / 1_000).into();
    if let Some(reason) = rejection.reject_reason {
        told["rejectReason"] = reason.into();
    }
    end_offer(&mut desk, &row, &id, Some(told.to_string())).await?;
    tell_giver(&mut desk, &row, &id, "transfer rejected").await?;
    desk.audit("reject", "certificate", &id, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Take an offer back.
#[utoipa::path(patch, path = "/api/management/v1/iot/cancel-certificate-transfer/{certificateId}",
    operation_id = "CancelCertificateTransfer", tag = "transfers",
    params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It stays where it is.", body = Value),
        (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "TransferConflictException: it is not on its way.")), security(("user" = [])))]
async fn cancel(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "CancelCertificateTransfer").await?;
    hold(&mut desk, &id).await?;
    let row = find(&mut desk, &id).await?;
    if row.text("status")? != PENDING_TRANSFER {
        return Err(transfer_conflict("The certificate is not on its way."));
    }
    end_offer(&mut desk, &row, &id, None).await?;
    desk.audit("update", "certificate", &id, Some("transfer cancelled".to_owned())).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}
