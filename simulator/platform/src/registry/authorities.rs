//! Authorities that an account trusts to sign its devices' certificates. Who registers one shows that he has its key,
//! unless the authority is good at this account's endpoint only.

use super::certificates::{ACTIVE, DEFAULT, INACTIVE, SNI_ONLY};
use super::desk::{Asked, Desk, Place};
use super::listing::Listing;
use super::refusals::{bad_certificate, exists, invalid, unknown, unproven, wrong_state};
use super::x509::Certificate;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, need};
use crate::refusal::Answer;
use crate::store::{Row, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(registration_code))
        .routes(routes!(register))
        .routes(routes!(describe, update, delete))
        .routes(routes!(list))
}

/// An authority to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Registration {
    ca_certificate: String,
    /// Signed by the authority, with the account's registration code as its common name. Needed unless `SNI_ONLY`.
    verification_certificate: Option<String>,
    /// `DEFAULT` (when absent), `SNI_ONLY`.
    certificate_mode: Option<String>,
}

/// An authority that may sign.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) id: String,
    pub(super) mode: String,
    /// Whether certificates it signed are registered when they are first seen.
    pub(super) registers: bool,
}

/// The active authorities here that signed `certificate`, by id.
pub(super) async fn signers(
    app: &Platform,
    tx: &mut Transaction,
    place: &Place,
    certificate: &Certificate,
) -> Answer<Vec<Signer>> {
    let everybody = app.defect(DefectId::AuthorityForgetsTenant);
    let sql = "select * from ca_certificates where (tenant_id = $1 or $4 = 1) and region = $2 and subject = $3 \
               and status = 'ACTIVE' order by id";
    let rows = tx.query(sql, args![&place.tenant, &place.region, &certificate.issuer, everybody]).await?;
    let mut signers = Vec::new();
    for row in rows {
        let authority = Certificate::from_pem(&row.text("pem")?);
        if authority.is_some_and(|authority| certificate.signed_by(&authority, app.now_ms())) {
            let registers = row.truth("auto_registration")?;
            signers.push(Signer { id: row.text("id")?, mode: row.text("mode")?, registers });
        }
    }
    Ok(signers)
}

/// The row of an authority here.
pub(super) async fn find(desk: &mut Desk, id: &str) -> Answer<Row> {
    let sql = "select * from ca_certificates where tenant_id = $1 and region = $2 and id = $3 order by id";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, id]).await?;
    row.ok_or_else(unknown)
}

/// What the common name of a verification certificate must be.
#[utoipa::path(get, path = "/api/management/v1/iot/registrationcode", operation_id = "GetRegistrationCode",
    tag = "authorities",
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`registrationCode`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn registration_code(State(app): State<Platform>, asked: Asked<need::ChangeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "GetRegistrationCode").await?;
    let code = code(&mut desk).await?;
    desk.commit().await?;
    Ok(Json(json!({ "registrationCode": code })))
}

async fn code(desk: &mut Desk) -> Answer<String> {
    let sql = "select registration_code from accounts where tenant_id = $1 order by account_id";
    let row = desk.tx.first(sql, args![&desk.place.tenant]).await?.ok_or_else(unknown)?;
    Ok(row.text("registration_code")?)
}

/// Register an authority.
#[utoipa::path(post, path = "/api/management/v1/iot/cacertificate", operation_id = "RegisterCACertificate",
    tag = "authorities", request_body = Registration,
    params(("setAsActive" = Option<bool>, Query, description = "Whether it is active at once."),
        ("allowAutoRegistration" = Option<bool>, Query, description = "Whether what it signed is registered when it is first seen."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateArn`, `certificateId`.", body = Value),
        (status = 400, description = "CertificateValidationException, RegistrationCodeValidationException."),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "ResourceAlreadyExistsException.")),
    security(("user" = [])))]
async fn register(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<Registration>,
) -> Answer<Json<Value>> {
    let authority = Certificate::from_pem(&new.ca_certificate)
        .filter(|authority| authority.is_ca)
        .ok_or_else(|| bad_certificate("caCertificate is no certificate of an authority that can be read"))?;
    let mode = new.certificate_mode.as_deref().unwrap_or(DEFAULT);
    if ![DEFAULT, SNI_ONLY].contains(&mode) {
        return Err(invalid("certificateMode must be one of DEFAULT, SNI_ONLY"));
    }
    let truth =
        |name: &str| Ok::<_, crate::refusal::Refusal>(asked.params.choice(name, &["true", "false"])? == Some("true"));
    let status = if truth("setAsActive")? { ACTIVE } else { INACTIVE };
    let registers = truth("allowAutoRegistration")?;
    let mut desk = asked.desk(&app, "RegisterCACertificate").await?;
    let now = desk.now();
    if !(authority.not_before..=authority.not_after).contains(&now) {
        return Err(bad_certificate("caCertificate is not valid at this time"));
    }
    match new.verification_certificate.as_deref() {
        None if mode == SNI_ONLY => {}
        None => return Err(invalid("verificationCertificate is missing: only SNI_ONLY goes without")),
        Some(pem) => {
            let code = code(&mut desk).await?;
            let proof = Certificate::from_pem(pem).filter(|proof| proof.signed_by(&authority, now));
            if proof.is_none_or(|proof| proof.common_name != code) {
                return Err(unproven());
            }
        }
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if mode == DEFAULT {
        // Without SNI nobody could tell whose device it is. Only who has shown the authority's key learns of it.
        let sql = "select count(*) as n from ca_certificates where tenant_id <> $1 and region = $2 and id = $3 \
                   and mode = 'DEFAULT'";
        if desk.tx.number(sql, args![&tenant, &region, &authority.id]).await? > 0 {
            return Err(exists("CA certificate"));
        }
    }
    let sql = "insert into ca_certificates (tenant_id, region, id, pem, subject, status, mode, auto_registration, \
               not_before, not_after, version, created_at, updated_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11) on conflict do nothing";
    let row = args![
        tenant,
        region,
        &authority.id,
        &authority.pem,
        &authority.subject,
        status,
        mode,
        registers,
        authority.not_before,
        authority.not_after,
        now,
    ];
    if desk.tx.execute(sql, row).await? == 0 {
        return Err(exists("CA certificate"));
    }
    let change = Some(format!("status: {status}, mode: {mode}, auto-registration: {registers}"));
    desk.audit("create", "ca_certificate", &authority.id, change).await?;
    let answer = json!({ "certificateArn": desk.arn("cacert", &authority.id), "certificateId": authority.id });
    desk.commit().await?;
    Ok(Json(answer))
}

const fn switch(on: bool) -> &'static str {
    if on { "ENABLE" } else { "DISABLE" }
}

/// An authority.
#[utoipa::path(get, path = "/api/management/v1/iot/cacertificate/{certificateId}", operation_id = "DescribeCACertificate",
    tag = "authorities", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateDescription`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeCACertificate").await?;
    let row = find(&mut desk, &id).await?;
    let shown = json!({
        "certificateArn": desk.arn("cacert", &id),
        "certificateId": id,
        "status": row.text("status")?,
        "certificatePem": row.text("pem")?,
        "ownedBy": desk.place.account,
        "creationDate": row.time("created_at")? / 1_000,
        "lastModifiedDate": row.time("updated_at")? / 1_000,
        "customerVersion": row.int("version")?,
        "validity": { "notBefore": row.time("not_before")? / 1_000, "notAfter": row.time("not_after")? / 1_000 },
        "certificateMode": row.text("mode")?,
        "autoRegistrationStatus": switch(row.truth("auto_registration")?),
    });
    desk.commit().await?;
    Ok(Json(json!({ "certificateDescription": shown })))
}

/// Change the status of an authority, or whether what it signed is registered when it is first seen.
#[utoipa::path(put, path = "/api/management/v1/iot/cacertificate/{certificateId}", operation_id = "UpdateCACertificate",
    tag = "authorities", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("newStatus" = Option<String>, Query, description = "`ACTIVE`, `INACTIVE`."),
        ("newAutoRegistrationStatus" = Option<String>, Query, description = "`ENABLE`, `DISABLE`."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Done.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let status = asked.params.choice("newStatus", &[ACTIVE, INACTIVE])?.map(str::to_owned);
    let registers =
        asked.params.choice("newAutoRegistrationStatus", &["ENABLE", "DISABLE"])?.map(|way| way == "ENABLE");
    let mut desk = asked.desk(&app, "UpdateCACertificate").await?;
    let row = find(&mut desk, &id).await?;
    let status = status.unwrap_or(row.text("status")?);
    let registers = registers.unwrap_or(row.truth("auto_registration")?);
    let sql = "update ca_certificates set status = $4, auto_registration = $5, updated_at = $6, version = version + 1 \
               where tenant_id = $1 and region = $2 and id = $3";
    let (tenant, region, now) = (desk.place.tenant.clone(), desk.place.region.clone(), desk.now());
    desk.tx.execute(sql, args![tenant, region, &id, &status, registers, now]).await?;
    let change = Some(format!("status: {status}, auto-registration: {registers}"));
    desk.audit("update", "ca_certificate", &id, change).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Delete an authority that is not active. What it signed stays.
#[utoipa::path(delete, path = "/api/management/v1/iot/cacertificate/{certificateId}", operation_id = "DeleteCACertificate",
    tag = "authorities", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is gone.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 406, description = "CertificateStateException: it is active.")), security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DeleteCACertificate").await?;
    if find(&mut desk, &id).await?.text("status")? == ACTIVE {
        return Err(wrong_state("The authority is active: make it INACTIVE first."));
    }
    let sql = "delete from ca_certificates where tenant_id = $1 and region = $2 and id = $3";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    desk.tx.execute(sql, args![tenant, region, &id]).await?;
    desk.audit("delete", "ca_certificate", &id, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Authorities, by id.
#[utoipa::path(get, path = "/api/management/v1/iot/cacertificates", operation_id = "ListCACertificates", tag = "authorities",
    params(("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificates`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListCACertificates").await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, "cacertificates".to_owned())?;
    let sql = "select * from ca_certificates where tenant_id = $1 and region = $2 and id > $3 order by id limit $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &listing.after, listing.rows()]).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.text("id")?;
        let shown = json!({
            "certificateArn": desk.arn("cacert", &id),
            "certificateId": id,
            "status": row.text("status")?,
            "creationDate": row.time("created_at")? / 1_000,
        });
        entries.push((id, shown));
    }
    let answer = listing.answer(&app, &desk.place, ("certificates", "nextMarker"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}
