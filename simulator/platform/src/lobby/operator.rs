//! What only the lobby's operator does: open it, say whose certificates come in, turn devices down, give a region up.

use super::claims::{Guest, fingerprint};
use super::house::{self, House, LobbyPlan, Trusted};
use super::ledger;
use super::shown::refused;
use super::turn::{Happening, actor};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::store::Tx;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use fleetproof_dataplane::lobby::{Event, Fingerprint, Label, LobbyError};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(open, describe))
        .routes(routes!(add_authority, list_authorities))
        .routes(routes!(remove_authority))
        .routes(routes!(print_label))
        .routes(routes!(reject))
        .routes(routes!(reinstate))
        .routes(routes!(evacuate))
        .routes(routes!(restore))
}

/// The most devices that one evacuation tells of as left behind.
const MOST_TOLD: usize = 100;

/// An authority whose certificates come in.
#[derive(Debug, Deserialize, ToSchema)]
struct NewAuthority {
    /// Its certificate.
    certificate_pem: String,
    /// The tenant whose own it is; absent: the platform's, or a maker's.
    tenant_id: Option<String>,
}

impl From<NewAuthority> for Trusted {
    fn from(new: NewAuthority) -> Self {
        Self { pem: new.certificate_pem, tenant: new.tenant_id }
    }
}

/// What a lobby shall be.
#[derive(Debug, Deserialize, ToSchema)]
struct Opening {
    /// Where it has an endpoint.
    regions: Vec<String>,
    /// Whose certificates come in; those that do already, do so after this too.
    #[serde(default)]
    authorities: Vec<NewAuthority>,
}

/// Where devices knock in a region.
#[derive(Debug, Serialize, ToSchema)]
struct LobbyEndpoint {
    region: String,
    host: String,
}

/// A lobby.
#[derive(Debug, Serialize, ToSchema)]
struct Lobby {
    account_id: String,
    endpoints: Vec<LobbyEndpoint>,
}

impl From<house::LobbyAccount> for Lobby {
    fn from(lobby: house::LobbyAccount) -> Self {
        let endpoint = |endpoint: registry::Endpoint| LobbyEndpoint { region: endpoint.region, host: endpoint.host };
        Self { account_id: lobby.account, endpoints: lobby.endpoints.into_iter().map(endpoint).collect() }
    }
}

/// Open the lobby of the organisation, or change where it is and whom it trusts.
#[utoipa::path(put, path = "/api/management/v1/lobby", operation_id = "OpenLobby", tag = "lobby", request_body = Opening,
    responses((status = 200, description = "It is open.", body = Lobby),
        (status = 400, description = "A region that is none, CertificateValidationException."),
        (status = 404, description = "No organisation, or no such tenant."),
        (status = 422, description = "LimitExceededException.")),
    security(("user" = [])))]
async fn open(State(app): State<Platform>, user: Can<need::Children>, Body(new): Body<Opening>) -> Answer<Json<Lobby>> {
    let trusts = new.authorities.into_iter().map(Trusted::from).collect();
    let plan = LobbyPlan { provider: user.tenant.clone(), regions: new.regions, trusts };
    Ok(Json(house::open(&app, &plan).await?.into()))
}

/// The lobby of the organisation that the caller's tenant is in.
#[utoipa::path(get, path = "/api/management/v1/lobby", operation_id = "DescribeLobby", tag = "lobby",
    responses((status = 200, description = "The lobby.", body = Lobby), (status = 404, description = "LobbyNotFoundException.")),
    security(("user" = [])))]
async fn describe(State(app): State<Platform>, user: Can<need::SeeDevices>) -> Answer<Json<Lobby>> {
    let guest = Guest::of(&app, &user).await?;
    Ok(Json(guest.house.shown(&app).await?.into()))
}

/// The lobby that the caller runs.
async fn own(app: &Platform, user: &Can<need::Children>) -> Answer<House> {
    let none = || Refusal::not_found("open the lobby first").named("LobbyNotFoundException");
    house::of_provider(app, &user.tenant).await?.ok_or_else(none)
}

/// An authority that is trusted.
#[derive(Debug, Serialize, ToSchema)]
struct Authority {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    not_after: String,
}

/// Those that are trusted.
#[derive(Debug, Serialize, ToSchema)]
struct Authorities {
    authorities: Vec<Authority>,
}

/// Trust an authority from now on.
#[utoipa::path(post, path = "/api/management/v1/lobby/authorities", operation_id = "TrustAuthority", tag = "lobby",
    request_body = NewAuthority,
    responses((status = 201, description = "It is trusted.", body = Authority), (status = 400, description = "CertificateValidationException."),
        (status = 404, description = "LobbyNotFoundException, or no such tenant."), (status = 422, description = "LimitExceededException.")),
    security(("user" = [])))]
async fn add_authority(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(new): Body<NewAuthority>,
) -> Answer<(StatusCode, Json<Authority>)> {
    let house = own(&app, &user).await?;
    let trusted = Trusted::from(new);
    let mut tx = app.begin().await?;
    let read = house::trust(&app, &mut tx, &house.provider, &trusted).await?;
    house.note(&app, &mut tx, &*user, format!("authority trusted: {}", read.fingerprint())).await?;
    app.commit(tx).await?;
    let not_after = rfc3339(u64::try_from(read.until_ms()).unwrap_or(0));
    let name = read.common_name().map(str::to_owned);
    let shown = Authority { id: read.fingerprint(), tenant_id: trusted.tenant, name, not_after };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The authorities that are trusted.
#[utoipa::path(get, path = "/api/management/v1/lobby/authorities", operation_id = "ListTrustedAuthorities", tag = "lobby",
    responses((status = 200, description = "They are.", body = Authorities), (status = 404, description = "LobbyNotFoundException.")),
    security(("user" = [])))]
async fn list_authorities(State(app): State<Platform>, user: Can<need::Children>) -> Answer<Json<Authorities>> {
    let house = own(&app, &user).await?;
    let mut tx = app.begin().await?;
    let sql = "select id, pem, tenant_id from lobby_authorities where provider_id = $1 order by id";
    let rows = tx.query(sql, args![&house.provider]).await?;
    app.commit(tx).await?;
    let mut authorities = Vec::with_capacity(rows.len());
    for row in rows {
        let read = house::authority(&row.text("pem")?)?;
        authorities.push(Authority {
            id: row.text("id")?,
            tenant_id: row.maybe_text("tenant_id")?,
            name: read.common_name().map(str::to_owned),
            not_after: rfc3339(u64::try_from(read.until_ms()).unwrap_or(0)),
        });
    }
    Ok(Json(Authorities { authorities }))
}

/// Trust an authority no more: its devices do not come into the lobby again. Those that have a home keep it.
#[utoipa::path(delete, path = "/api/management/v1/lobby/authorities/{id}", operation_id = "DistrustAuthority", tag = "lobby",
    params(("id" = String, Path, description = "Its fingerprint.")),
    responses((status = 204, description = "It is not."), (status = 404, description = "LobbyNotFoundException, or it was not.")),
    security(("user" = [])))]
async fn remove_authority(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let house = own(&app, &user).await?;
    let mut tx = app.begin().await?;
    let sql = "delete from lobby_authorities where provider_id = $1 and id = $2";
    if tx.execute(sql, args![&house.provider, &id]).await? == 0 {
        return Err(Refusal::not_found("no such authority is trusted").named("ResourceNotFoundException"));
    }
    house.note(&app, &mut tx, &*user, format!("authority not trusted any more: {id}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The device that a label is for.
#[derive(Debug, Deserialize, ToSchema)]
struct LabelWanted {
    certid: String,
}

/// What stands in the QR code of a device.
#[derive(Debug, Serialize, ToSchema)]
struct Printed {
    label: String,
}

/// The label of a device that is nobody's: of one from the factory that has not knocked, or of one that was released.
#[utoipa::path(post, path = "/api/management/v1/lobby/labels", operation_id = "PrintLabel", tag = "lobby", request_body = LabelWanted,
    responses((status = 200, description = "The label.", body = Printed), (status = 400, description = "InvalidLabelException."),
        (status = 404, description = "LobbyNotFoundException."), (status = 409, description = "DeviceBoundException.")),
    security(("user" = [])))]
async fn print_label(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(wanted): Body<LabelWanted>,
) -> Answer<Json<Printed>> {
    let certid = Fingerprint::read(&wanted.certid).map_err(|error| super::shown::no_label(&error))?;
    let house = own(&app, &user).await?;
    let mut tx = app.begin().await?;
    let kept = ledger::find(&mut tx, &house, &certid).await?;
    if kept.as_ref().is_some_and(|kept| kept.row.owner.is_some()) {
        return Err(refused(&LobbyError::Conflict));
    }
    house.note(&app, &mut tx, &*user, format!("label printed: {certid}")).await?;
    app.commit(tx).await?;
    let ownership = kept.map_or(0, |kept| kept.row.ownership);
    let label = Label::new(&app.lobbies().label_key(&house.provider), certid, ownership);
    Ok(Json(Printed { label: label.to_string() }))
}

/// Something happens because the operator says so.
async fn operates(app: &Platform, user: &Can<need::Children>, certid: &str, event: &Event) -> Answer<StatusCode> {
    let house = own(app, user).await?;
    let certid = fingerprint(certid)?;
    let happening = Happening { house: &house, region: "", certid: &certid, event, who: Some(user) };
    happening.come_about(app).await?.map_err(|error| refused(&error))?;
    super::advance(app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Turn down a device that is nobody's: it is not let in any more.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/reject", operation_id = "RejectDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 204, description = "Done."), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "WrongStateException.")),
    security(("user" = [])))]
async fn reject(State(app): State<Platform>, user: Can<need::Children>, At(certid): At<String>) -> Answer<StatusCode> {
    operates(&app, &user, &certid, &Event::Reject { by: actor(&user, true) }).await
}

/// Take a rejection or a revocation back.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/reinstate", operation_id = "ReinstateDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 204, description = "Done."), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "WrongStateException.")),
    security(("user" = [])))]
async fn reinstate(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(certid): At<String>,
) -> Answer<StatusCode> {
    operates(&app, &user, &certid, &Event::Reinstate { by: actor(&user, true) }).await
}

/// A region that is lost, and where its devices shall live.
#[derive(Debug, Deserialize, ToSchema)]
struct Evacuation {
    from: String,
    to: String,
}

/// A device that stays.
#[derive(Debug, Serialize, ToSchema)]
struct Stays {
    certid: String,
    code: &'static str,
    message: String,
}

/// What came of an evacuation.
#[derive(Debug, Serialize, ToSchema)]
struct Evacuated {
    /// How many devices live elsewhere now.
    moved: usize,
    /// Those that cannot, at most 100 of them, and why.
    left_behind: Vec<Stays>,
}

/// Give a region up: its devices live in another region of the same accounts from now on. What they leave there is cleaned up when
/// the region is back.
#[utoipa::path(post, path = "/api/management/v1/lobby/evacuations", operation_id = "EvacuateRegion", tag = "lobby", request_body = Evacuation,
    responses((status = 200, description = "Done.", body = Evacuated), (status = 400, description = "The same region twice."),
        (status = 404, description = "LobbyNotFoundException.")),
    security(("user" = [])))]
async fn evacuate(
    State(app): State<Platform>,
    user: Can<need::Children>,
    Body(Evacuation { from, to }): Body<Evacuation>,
) -> Answer<Json<Evacuated>> {
    if from == to || from.is_empty() || to.is_empty() {
        return Err(Refusal::bad_request("from and to must be two regions"));
    }
    let house = own(&app, &user).await?;
    let mut tx = app.begin().await?;
    let sql = "insert into lobby_lost_regions (provider_id, region) values ($1, $2) on conflict do nothing";
    tx.execute(sql, args![&house.provider, &from]).await?;
    tx.execute("delete from lobby_lost_regions where provider_id = $1 and region = $2", args![&house.provider, &to])
        .await?;
    house.note(&app, &mut tx, &*user, format!("region given up: {from}, for {to}")).await?;
    // Who is on the way there is told by the row alone.
    let sql = "select certid from lobby_devices where provider_id = $1 and (owner_region = $2 or state = 'releasing') \
               order by certid";
    let rows = tx.query(sql, args![&house.provider, &from]).await?;
    app.commit(tx).await?;
    let mut told = Evacuated { moved: 0, left_behind: Vec::new() };
    let event = Event::Evacuate { by: actor(&user, true), from, to };
    for row in rows {
        let certid = Fingerprint::read(&row.text("certid")?).map_err(Refusal::internal)?;
        let mut tx = app.begin().await?;
        let before = ledger::find(&mut tx, &house, &certid).await?.map(|kept| kept.row);
        app.commit(tx).await?;
        let happening = Happening { house: &house, region: "", certid: &certid, event: &event, who: Some(&user) };
        match happening.come_about(&app).await? {
            Ok(change) => {
                let is_moved = !change.entries.is_empty();
                told.moved += usize::from(is_moved);
                // Who can still be reached in the region is told at once; the others find out that it is gone.
                if let Some((home, name)) = before.filter(|_| is_moved).and_then(|row| row.owner.zip(row.devicename)) {
                    let said = (format!("lobby/{name}"), Bytes::from(json!({ "config": "factory reset" }).to_string()));
                    app.data_plane().publish(&app, &home.tenant, &home.region, vec![said]);
                }
            }
            Err(error) if told.left_behind.len() < MOST_TOLD => {
                let refusal = refused(&error);
                let code = refusal.name.unwrap_or_default();
                let message = refusal.message.into_owned();
                told.left_behind.push(Stays { certid: certid.to_string(), code, message });
            }
            Err(_) => {}
        }
    }
    super::advance(&app).await?;
    Ok(Json(told))
}

/// A region is back: what devices left there is cleaned up.
#[utoipa::path(delete, path = "/api/management/v1/lobby/evacuations/{region}", operation_id = "RestoreRegion", tag = "lobby",
    params(("region" = String, Path, description = "The region.")),
    responses((status = 204, description = "It is."), (status = 404, description = "LobbyNotFoundException, or it was not given up.")),
    security(("user" = [])))]
async fn restore(State(app): State<Platform>, user: Can<need::Children>, At(region): At<String>) -> Answer<StatusCode> {
    let house = own(&app, &user).await?;
    let mut tx = app.begin().await?;
    let sql = "delete from lobby_lost_regions where provider_id = $1 and region = $2";
    if tx.execute(sql, args![&house.provider, &region]).await? == 0 {
        return Err(Refusal::not_found("the region was not given up").named("ResourceNotFoundException"));
    }
    let sql = "update lobby_devices set due_at = $2 where provider_id = $1 and is_unclean = 1 and due_at is null";
    tx.execute(sql, args![&house.provider, app.now_ms()]).await?;
    house.note(&app, &mut tx, &*user, format!("region is back: {region}")).await?;
    app.commit(tx).await?;
    super::advance(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}
