//! Certificates of devices: registered, made, described, activated, deleted. One certificate may be registered in many
//! accounts and regions; each has a row and a status of its own.

use super::desk::{Asked, Desk, Place};
use super::listing::Listing;
use super::refusals::{bad_certificate, exists, in_use, invalid, unknown, wrong_state};
use super::x509::Certificate;
use super::{accounts, authorities};
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::edge::{At, Body, need};
use crate::platform::{Platform, PlatformError};
use crate::refusal::{Answer, Refusal};
use crate::registry::Change;
use crate::registry_defects::RegistryDefect;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_world::tls::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) const ACTIVE: &str = "ACTIVE";
pub(super) const INACTIVE: &str = "INACTIVE";
pub(super) const REVOKED: &str = "REVOKED";
pub(super) const PENDING_TRANSFER: &str = "PENDING_TRANSFER";
pub(super) const PENDING_ACTIVATION: &str = "PENDING_ACTIVATION";
const REGISTER_INACTIVE: &str = "REGISTER_INACTIVE";

/// Registered together with an authority that only this account may have.
pub(super) const DEFAULT: &str = "DEFAULT";
/// Good at this account's endpoint only, which the device must name in TLS.
pub(super) const SNI_ONLY: &str = "SNI_ONLY";

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(register_without_ca))
        .routes(routes!(create_keys))
        .routes(routes!(list, create_from_csr))
        .routes(routes!(describe, update, delete))
        .routes(routes!(list_by_ca))
}

/// A certificate to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Registration {
    certificate_pem: String,
    /// The authority that signed it, where several have its name.
    ca_certificate_pem: Option<String>,
    #[serde(default)]
    set_as_active: bool,
    /// `ACTIVE`, `INACTIVE` (when absent), `REGISTER_INACTIVE`, `REVOKED`.
    status: Option<String>,
}

/// A request for a certificate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SigningRequest {
    /// PEM of a PKCS #10 request.
    certificate_signing_request: String,
}

impl Registration {
    fn certificate(&self) -> Answer<Certificate> {
        Certificate::from_pem(&self.certificate_pem)
            .ok_or_else(|| bad_certificate("certificatePem is no certificate that can be read"))
    }

    fn status(&self) -> Answer<&str> {
        match self.status.as_deref() {
            None if self.set_as_active => Ok(ACTIVE),
            None => Ok(INACTIVE),
            Some(status) if [ACTIVE, INACTIVE, REGISTER_INACTIVE, REVOKED].contains(&status) => Ok(status),
            Some(_) => Err(invalid("status must be one of ACTIVE, INACTIVE, REGISTER_INACTIVE, REVOKED")),
        }
    }
}

/// How a certificate comes in.
pub(super) struct Arrival<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) status: &'a str,
    pub(super) mode: &'a str,
    pub(super) ca: Option<&'a str>,
}

/// Writes the row of a certificate; whether it was not there.
pub(super) async fn insert(
    tx: &mut Transaction,
    place: &Place,
    arrival: &Arrival<'_>,
    now: u64,
) -> Result<bool, StoreError> {
    let Arrival { certificate, status, mode, ca } = arrival;
    let sql = "insert into certificates (tenant_id, region, id, pem, status, mode, ca_id, owned_by, common_name, facts, \
               not_before, not_after, version, created_at, updated_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13) on conflict do nothing";
    let row = args![
        &place.tenant,
        &place.region,
        &certificate.id,
        &certificate.pem,
        *status,
        *mode,
        ca.map(str::to_owned),
        &place.account,
        &certificate.common_name,
        json!(certificate.facts).to_string(),
        certificate.not_before,
        certificate.not_after,
        now,
    ];
    Ok(tx.execute(sql, row).await? == 1)
}

/// Registers a certificate; what AWS answers.
async fn arrive(mut desk: Desk, arrival: Arrival<'_>) -> Answer<Value> {
    let (place, now) = (desk.place.clone(), desk.now());
    if !insert(&mut desk.tx, &place, &arrival, now).await? {
        return Err(exists("certificate"));
    }
    let id = &arrival.certificate.id;
    desk.touch(id);
    desk.audit("create", "certificate", id, Some(format!("status: {}", arrival.status))).await?;
    let answer = json!({ "certificateArn": desk.arn("cert", id), "certificateId": id });
    desk.commit().await?;
    Ok(answer)
}

/// Register a certificate that a registered authority signed.
#[utoipa::path(post, path = "/api/management/v1/iot/certificate/register", operation_id = "RegisterCertificate",
    tag = "certificates", request_body = Registration,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateArn`, `certificateId`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "ResourceAlreadyExistsException.")),
    security(("user" = [])))]
async fn register(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<Registration>,
) -> Answer<Json<Value>> {
    let certificate = new.certificate()?;
    let status = new.status()?;
    let named = new.ca_certificate_pem.as_deref().map(Certificate::from_pem);
    if named.as_ref().is_some_and(Option::is_none) {
        return Err(bad_certificate("caCertificatePem is no certificate that can be read"));
    }
    let mut desk = asked.desk(&app, "RegisterCertificate").await?;
    let place = desk.place.clone();
    let mut signers = authorities::signers(&app, &mut desk.tx, &place, &certificate).await?;
    signers.retain(|signer| named.iter().flatten().all(|named| named.id == signer.id));
    let signer = signers
        .first()
        .ok_or_else(|| bad_certificate("No active authority that is registered here signed the certificate."))?;
    let arrival = Arrival { certificate: &certificate, status, mode: &signer.mode, ca: Some(&signer.id) };
    Ok(Json(arrive(desk, arrival).await?))
}

/// Register a certificate, whoever signed it.
#[utoipa::path(post, path = "/api/management/v1/iot/certificate/register-no-ca",
    operation_id = "RegisterCertificateWithoutCA", tag = "certificates", request_body = Registration,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateArn`, `certificateId`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "ResourceAlreadyExistsException.")),
    security(("user" = [])))]
async fn register_without_ca(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<Registration>,
) -> Answer<Json<Value>> {
    let certificate = new.certificate()?;
    let status = new.status()?;
    let desk = asked.desk(&app, "RegisterCertificateWithoutCA").await?;
    let arrival = Arrival { certificate: &certificate, status, mode: SNI_ONLY, ca: None };
    Ok(Json(arrive(desk, arrival).await?))
}

fn status_wanted<N: need::Need>(asked: &Asked<N>) -> Answer<&'static str> {
    let active = asked.params.choice("setAsActive", &["true", "false"])? == Some("true");
    Ok(if active { ACTIVE } else { INACTIVE })
}

/// Make a key pair and a certificate for it. The private key is shown this once.
#[utoipa::path(post, path = "/api/management/v1/iot/keys-and-certificate", operation_id = "CreateKeysAndCertificate",
    tag = "certificates",
    params(("setAsActive" = Option<bool>, Query, description = "Whether it is active at once."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateArn`, `certificateId`, `certificatePem`, `keyPair`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn create_keys(State(app): State<Platform>, asked: Asked<need::ChangeDevices>) -> Answer<Json<Value>> {
    let status = status_wanted(&asked)?;
    let desk = asked.desk(&app, "CreateKeysAndCertificate").await?;
    let identity = app.registry().issuer.issue(app.ids().account_bytes(), desk.now())?;
    let (mut answer, public) = issue(desk, &identity.chain().leaf_pem(), status).await?;
    answer["keyPair"] = json!({ "PublicKey": public, "PrivateKey": identity.key_pem().map_err(Refusal::internal)? });
    Ok(Json(answer))
}

/// Make a certificate for a key that is brought.
#[utoipa::path(post, path = "/api/management/v1/iot/certificates", operation_id = "CreateCertificateFromCsr",
    tag = "certificates", request_body = SigningRequest,
    params(("setAsActive" = Option<bool>, Query, description = "Whether it is active at once."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateArn`, `certificateId`, `certificatePem`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn create_from_csr(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    Body(new): Body<SigningRequest>,
) -> Answer<Json<Value>> {
    let status = status_wanted(&asked)?;
    if new.certificate_signing_request.len() > 4096 {
        return Err(invalid("certificateSigningRequest has at most 4096 characters"));
    }
    let request = Request::from_pem(&new.certificate_signing_request)
        .map_err(|error| invalid(format!("certificateSigningRequest: {error}")))?;
    let desk = asked.desk(&app, "CreateCertificateFromCsr").await?;
    let chain = app.registry().issuer.sign(&request, desk.now())?;
    Ok(Json(issue(desk, &chain.leaf_pem(), status).await?.0))
}

/// Registers a certificate that was just made; what AWS answers, and the PEM of its key.
async fn issue(desk: Desk, pem: &str, status: &str) -> Answer<(Value, String)> {
    let certificate = Certificate::from_pem(pem).ok_or_else(|| Refusal::internal("what was issued cannot be read"))?;
    let arrival = Arrival { certificate: &certificate, status, mode: DEFAULT, ca: None };
    let mut answer = arrive(desk, arrival).await?;
    answer["certificatePem"] = certificate.pem.clone().into();
    Ok((answer, certificate.public_key()))
}

/// The row of a certificate here.
pub(super) async fn find(desk: &mut Desk, id: &str) -> Answer<Row> {
    if desk.app.defect(DefectId::CertificateForgetsTenant) {
        let sql = "select * from certificates where id = $1 order by tenant_id, region";
        return desk.tx.first(sql, args![id]).await?.ok_or_else(unknown);
    }
    let sql = "select * from certificates where tenant_id = $1 and region = $2 and id = $3 order by id";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, id]).await?;
    row.ok_or_else(unknown)
}

/// Keeps others from changing what hangs on a certificate until this operation has ended; whether it is there.
pub(super) async fn hold(desk: &mut Desk, id: &str) -> Answer<()> {
    let sql = "update certificates set version = version where tenant_id = $1 and region = $2 and id = $3";
    let held = desk.tx.execute(sql, args![&desk.place.tenant, &desk.place.region, id]).await?;
    if held == 1 { Ok(()) } else { Err(unknown()) }
}

/// A certificate.
#[utoipa::path(get, path = "/api/management/v1/iot/certificates/{certificateId}", operation_id = "DescribeCertificate",
    tag = "certificates", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificateDescription`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeCertificate").await?;
    let row = find(&mut desk, &id).await?;
    let mut shown = json!({
        "certificateArn": desk.arn("cert", &id),
        "certificateId": id,
        "status": row.text("status")?,
        "certificatePem": row.text("pem")?,
        "ownedBy": row.text("owned_by")?,
        "creationDate": row.time("created_at")? / 1_000,
        "lastModifiedDate": row.time("updated_at")? / 1_000,
        "customerVersion": row.int("version")?,
        "validity": { "notBefore": row.time("not_before")? / 1_000, "notAfter": row.time("not_after")? / 1_000 },
        "certificateMode": row.text("mode")?,
    });
    for (name, column) in [("caCertificateId", "ca_id"), ("previousOwnedBy", "previous_owned_by")] {
        if let Some(value) = row.maybe_text(column)? {
            shown[name] = value.into();
        }
    }
    if row.maybe_text("transfer")?.is_some() {
        let mut transfer: Value = row.json("transfer")?;
        transfer.as_object_mut().map(|transfer| transfer.remove("before"));
        shown["transferData"] = transfer;
    }
    desk.commit().await?;
    Ok(Json(json!({ "certificateDescription": shown })))
}

/// Change the status of a certificate.
#[utoipa::path(put, path = "/api/management/v1/iot/certificates/{certificateId}", operation_id = "UpdateCertificate",
    tag = "certificates", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("newStatus" = String, Query, description = "`ACTIVE`, `INACTIVE`, `REVOKED`."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Done.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 406, description = "CertificateStateException: it is revoked, or on its way.")), security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let known = [ACTIVE, INACTIVE, REVOKED, REGISTER_INACTIVE];
    let status = asked.params.choice("newStatus", &known)?.ok_or_else(|| invalid("newStatus is missing"))?.to_owned();
    let mut desk = asked.desk(&app, "UpdateCertificate").await?;
    let whose = "select tenant_id from certificates where id = $1 \
                 order by case when tenant_id = $2 then 0 else 1 end, tenant_id";
    desk.stray(RegistryDefect::CertificateStatusForgetsTenant, whose, &id).await?;
    hold(&mut desk, &id).await?;
    let row = find(&mut desk, &id).await?;
    match row.text("status")?.as_str() {
        PENDING_TRANSFER => return Err(wrong_state("The certificate is on its way to another account.")),
        REVOKED if status != REVOKED && !app.defect(DefectId::RevokedCertificateRevived) => {
            return Err(wrong_state("The certificate is revoked: it cannot be used again."));
        }
        _ => {}
    }
    let sql = "update certificates set status = $4, updated_at = $5, version = version + 1 \
               where tenant_id = $1 and region = $2 and id = $3";
    let (tenant, region, now) = (desk.place.tenant.clone(), desk.place.region.clone(), desk.now());
    desk.tx.execute(sql, args![tenant, region, &id, &status, now]).await?;
    desk.touch(&id);
    desk.audit("update", "certificate", &id, Some(format!("status: {} -> {status}", row.text("status")?))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Delete a certificate that is not active and that no thing and no policy is attached to.
#[utoipa::path(delete, path = "/api/management/v1/iot/certificates/{certificateId}", operation_id = "DeleteCertificate",
    tag = "certificates", params(("certificateId" = String, Path, description = "64 hexadecimal digits."),
        ("forceDelete" = Option<bool>, Query, description = "Detach its policies first."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is gone.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 406, description = "CertificateStateException: it is active, or on its way."),
        (status = 409, description = "DeleteConflictException: something is attached.")), security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(id): At<String>,
) -> Answer<Json<Value>> {
    let force = asked.params.choice("forceDelete", &["true", "false"])? == Some("true");
    let mut desk = asked.desk(&app, "DeleteCertificate").await?;
    hold(&mut desk, &id).await?;
    let row = find(&mut desk, &id).await?;
    if [ACTIVE, PENDING_TRANSFER].contains(&row.text("status")?.as_str()) {
        return Err(wrong_state("The certificate is active or on its way: make it INACTIVE first."));
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let things =
        "select count(*) as n from thing_principals where tenant_id = $1 and region = $2 and certificate_id = $3";
    if desk.tx.number(things, args![&tenant, &region, &id]).await? > 0 {
        return Err(in_use("Things are attached to the certificate: detach them first."));
    }
    if force {
        let sql = "delete from policy_attachments where tenant_id = $1 and region = $2 and certificate_id = $3";
        desk.tx.execute(sql, args![&tenant, &region, &id]).await?;
    }
    if policies_of(&mut desk, &id).await? > 0 {
        return Err(in_use("Policies are attached to the certificate: detach them first."));
    }
    let sql = "delete from certificates where tenant_id = $1 and region = $2 and id = $3";
    desk.tx.execute(sql, args![&tenant, &region, &id]).await?;
    desk.touch(&id);
    desk.audit("delete", "certificate", &id, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// How many policies are attached to a certificate.
pub(super) async fn policies_of(desk: &mut Desk, id: &str) -> Result<i64, StoreError> {
    let sql =
        "select count(*) as n from policy_attachments where tenant_id = $1 and region = $2 and certificate_id = $3";
    desk.tx.number(sql, args![&desk.place.tenant, &desk.place.region, id]).await
}

/// A certificate as lists show it.
fn entry(desk: &Desk, row: &Row) -> Result<(String, Value), StoreError> {
    let id = row.text("id")?;
    let shown = json!({
        "certificateArn": desk.arn("cert", &id),
        "certificateId": id,
        "status": row.text("status")?,
        "certificateMode": row.text("mode")?,
        "creationDate": row.time("created_at")? / 1_000,
    });
    Ok((id, shown))
}

/// Certificates, by id.
#[utoipa::path(get, path = "/api/management/v1/iot/certificates", operation_id = "ListCertificates", tag = "certificates",
    params(("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificates`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListCertificates").await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, "certificates".to_owned())?;
    let sql = "select * from certificates where tenant_id = $1 and region = $2 and id > $3 order by id limit $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &listing.after, listing.rows()]).await?;
    let entries = rows.iter().map(|row| entry(&desk, row)).collect::<Result<Vec<_>, _>>()?;
    let answer = listing.answer(&app, &desk.place, ("certificates", "nextMarker"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// The certificates that an authority signed, by id.
#[utoipa::path(get, path = "/api/management/v1/iot/certificates-by-ca/{caCertificateId}",
    operation_id = "ListCertificatesByCA", tag = "certificates",
    params(("caCertificateId" = String, Path, description = "The authority."),
        ("pageSize" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("marker" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`certificates`, `nextMarker`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_by_ca(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(ca): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListCertificatesByCA").await?;
    authorities::find(&mut desk, &ca).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("certificates-by-ca/{ca}"))?;
    let sql = "select * from certificates where tenant_id = $1 and region = $2 and ca_id = $3 and id > $4 \
               order by id limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &ca, &listing.after, listing.rows()]).await?;
    let entries = rows.iter().map(|row| entry(&desk, row)).collect::<Result<Vec<_>, _>>()?;
    let answer = listing.answer(&app, &desk.place, ("certificates", "nextMarker"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// A certificate that was registered because a device came with it (JITR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JustInTime {
    /// The certificate, which waits for its activation.
    pub certificate: String,
    /// The authority that signed it.
    pub authority: String,
    /// Twelve digits: the account.
    pub account: String,
    /// When, in ms since 1970.
    pub at: u64,
}

impl Platform {
    /// Registers a certificate (DER) that a device came with, `PENDING_ACTIVATION`, if an active authority of the account in
    /// this region signed it and registers by itself. `None`: it is registered already, or nobody here answers for it.
    ///
    /// # Errors
    /// The database.
    pub async fn register_just_in_time(
        &self,
        tenant: &str,
        region: &str,
        der: &[u8],
    ) -> Result<Option<JustInTime>, PlatformError> {
        let told = |refusal: Refusal| PlatformError::Founding(refusal.message.into_owned());
        let Some(certificate) = Certificate::from_der(der) else { return Ok(None) };
        let mut tx = self.begin().await?;
        let place = accounts::place(self, &mut tx, tenant, region).await.map_err(told)?;
        let Some((place, _)) = place.filter(|(place, _)| place.region == region) else { return Ok(None) };
        let signers = authorities::signers(self, &mut tx, &place, &certificate).await.map_err(told)?;
        let Some(signer) = signers.iter().find(|signer| signer.registers) else { return Ok(None) };
        just_in_time(self, tx, place, &certificate, (&signer.mode, &signer.id)).await
    }

    /// The same for the lobby's account, where it was looked at already who answers for the certificate.
    pub(crate) async fn register_in_lobby(
        &self,
        (tenant, region): (&str, &str),
        der: &[u8],
        authority: &str,
    ) -> Result<Option<JustInTime>, PlatformError> {
        let told = |refusal: Refusal| PlatformError::Founding(refusal.message.into_owned());
        let Some(certificate) = Certificate::from_der(der) else { return Ok(None) };
        let mut tx = self.begin().await?;
        let place = accounts::place(self, &mut tx, tenant, region).await.map_err(told)?;
        let Some((place, _)) = place.filter(|(place, _)| place.region == region) else { return Ok(None) };
        just_in_time(self, tx, place, &certificate, (SNI_ONLY, authority)).await
    }
}

/// Writes the row of a certificate that came by itself, `PENDING_ACTIVATION`, and tells of it.
async fn just_in_time(
    app: &Platform,
    mut tx: Transaction,
    place: Place,
    certificate: &Certificate,
    (mode, authority): (&str, &str),
) -> Result<Option<JustInTime>, PlatformError> {
    let at = app.now_ms();
    let arrival = Arrival { certificate, status: PENDING_ACTIVATION, mode, ca: Some(authority) };
    if !insert(&mut tx, &place, &arrival, at).await? {
        return Ok(None);
    }
    let object = Object::registered("certificate", &certificate.id, &place.account, &place.region);
    let change = Some(format!("status: {PENDING_ACTIVATION}, registered by {authority}"));
    app.audit(&mut tx, &place.tenant, Actor::platform(), "create", object, change).await?;
    app.commit(tx).await?;
    let Place { tenant, account, region } = place;
    app.registry().feed.tell([Change::Principal { tenant, region, certificate: certificate.id.clone() }]);
    Ok(Some(JustInTime { certificate: certificate.id.clone(), authority: authority.to_owned(), account, at }))
}
