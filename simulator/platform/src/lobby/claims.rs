//! What a tenant's people do with devices: claim, look after, release, move.
//!
//! Nobody is shown a device that is not theirs: a fingerprint is half of a claim.

use super::facts::Known;
use super::house::{self, House};
use super::ledger::{self, Page};
use super::shown::{Device, no_label, refused, state, untrusted};
use super::turn::{Happening, actor};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Params, User, need, rights_in};
use crate::organisation::Window;
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::rights::PermissionSet;
use crate::store::Tx;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use fleetproof_dataplane::lobby::{
    Change, Event, Fingerprint, Label, Proof, Row, State as Devstate, Viewer, may_reset, shown,
};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(claim, list))
        .routes(routes!(describe))
        .routes(routes!(release))
        .routes(routes!(migrate))
        .routes(routes!(reset))
        .routes(routes!(revoke))
        .routes(routes!(history))
        .routes(routes!(notices))
}

/// The most entries of a device's history that are shown.
const MOST_ENTRIES: i64 = 500;

/// Somebody at the lobby of the organisation that the tenant is in.
pub(super) struct Guest {
    pub(super) house: House,
    /// Whether this is who runs the lobby.
    pub(super) is_operator: bool,
}

impl Guest {
    /// 404 where the organisation has no lobby, or the tenant is in none.
    pub(super) async fn of<N: need::Need>(app: &Platform, user: &Can<N>) -> Answer<Self> {
        // The lobby knows nothing of the groups that roles are narrowed to.
        if user.is_narrowed() {
            return Err(Refusal::forbidden());
        }
        let none = || Refusal::not_found("the organisation has no lobby").named("LobbyNotFoundException");
        let house = house::for_tenant(app, &user.tenant).await?.ok_or_else(none)?;
        super::advance(app).await?;
        let is_operator = house.provider == user.tenant && user.rights.allow(PermissionSet::ManageTenants);
        Ok(Self { house, is_operator })
    }

    fn viewer(&self, user: &User) -> Viewer {
        if self.is_operator { Viewer::Operator } else { Viewer::Tenant(user.tenant.clone()) }
    }

    /// The device as the person sees it; 404 for one that is not for this person to see.
    pub(super) async fn see(&self, app: &Platform, user: &User, certid: &Fingerprint) -> Answer<(Row, Device)> {
        let none = || refused(&fleetproof_dataplane::lobby::LobbyError::Unknown);
        let mut tx = app.begin().await?;
        let kept = ledger::find(&mut tx, &self.house, certid).await?.ok_or_else(none)?;
        app.commit(tx).await?;
        let known = Known::nothing(app);
        let view = shown(&kept.row, &self.viewer(user), &known.facts()).ok_or_else(none)?;
        let device = Device::of(&kept.row, view, self.is_operator);
        Ok((kept.row, device))
    }

    /// Something happens because of this person; then the work that follows is done.
    pub(super) async fn does(
        &self,
        app: &Platform,
        user: &User,
        certid: &Fingerprint,
        event: &Event,
    ) -> Answer<Change> {
        let happening = Happening { house: &self.house, region: "", certid, event, who: Some(user) };
        let change = happening.come_about(app).await?.map_err(|error| refused(&error))?;
        super::advance(app).await?;
        Ok(change)
    }

    /// The answer after something was done: the device as it is now.
    async fn answered(&self, app: &Platform, user: &User, certid: &Fingerprint, change: Change) -> Answer<Done> {
        let device = match self.see(app, user, certid).await {
            Ok((_, device)) => Some(device),
            // It is not this person's any more.
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(Done { certid: certid.to_string(), device, pairing: change.pairing, label: change.label })
    }
}

/// The fingerprint in a path; 404 for what is none, as for a device that is not there.
pub(super) fn fingerprint(text: &str) -> Answer<Fingerprint> {
    Fingerprint::read(text).map_err(|_| refused(&fleetproof_dataplane::lobby::LobbyError::Unknown))
}

/// A device that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
struct Claim {
    /// The text of the QR code on its label, or its bare fingerprint.
    label: Option<String>,
    /// Its fingerprint, instead of a label.
    certid: Option<String>,
    /// The code on its label, beside a fingerprint.
    code: Option<String>,
    /// Which ownership the code is good for: 0 when absent.
    ownership: Option<u32>,
    /// The account that it shall live in: the caller's own when absent.
    targetaccount: Option<String>,
    /// The region: the account's home when absent.
    targetregion: Option<String>,
}

impl Claim {
    fn label(&self) -> Answer<Label> {
        let invalid = |told: &'static str| Refusal::bad_request(told).named("InvalidRequestException");
        match (&self.label, &self.certid) {
            (Some(text), None) if self.code.is_none() => Label::read(text).map_err(|error| no_label(&error)),
            (None, Some(certid)) => {
                let fingerprint = Fingerprint::read(certid).map_err(|error| no_label(&error))?;
                let ownership = self.ownership.unwrap_or(0);
                let proof = self.code.clone().map_or(Proof::None, |code| Proof::Code { ownership, code });
                Ok(Label { fingerprint, proof })
            }
            (Some(_), None) => Err(invalid("label: give it alone, its code is in it")),
            _ => Err(invalid("give a label, or a certid with its code")),
        }
    }
}

/// What came of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    certid: String,
    /// The device, unless it is not the caller's any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    /// The claim waits for this code: type it into the device within 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pairing: Option<String>,
    /// The text of the label for the next owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl Done {
    /// Nothing but the device.
    pub(super) fn of(certid: &Fingerprint, device: Device) -> Self {
        Self { certid: certid.to_string(), device: Some(device), pairing: None, label: None }
    }
}

/// The account and the region that a device shall live in, as far as the caller leaves them open.
async fn target(
    app: &Platform,
    user: &User,
    account: Option<&String>,
    region: Option<&String>,
) -> Answer<(String, String)> {
    let own = app.account(&user.tenant).await.map_err(Refusal::internal)?;
    let own_number = own.as_ref().map(|own| own.account.clone()).unwrap_or_default();
    let account = account.cloned().unwrap_or_else(|| own_number.clone());
    let home = own.filter(|_| account == own_number).and_then(|own| own.endpoints.into_iter().next());
    let region = region.cloned().or(home.map(|home| home.region));
    let missing = || Refusal::bad_request("targetregion: name the region").named("InvalidRequestException");
    Ok((account, region.ok_or_else(missing)?))
}

/// Claim a device, before or after it has knocked. Without a proof the claim waits until the device announces the code that is
/// answered. Claimed again by its owner, nothing changes.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices", operation_id = "ClaimDevice", tag = "lobby",
    request_body = Claim,
    responses((status = 202, description = "It is the tenant's, or waits for its proof.", body = Done),
        (status = 400, description = "InvalidLabelException, InvalidRequestException."),
        (status = 403, description = "WrongProofException, SpentProofException, ForeignAuthorityException."),
        (status = 404, description = "AccountNotFoundException, LobbyNotFoundException."),
        (status = 409, description = "DeviceBoundException, DeviceBoundElsewhereException, NameTakenException, WrongStateException."),
        (status = 422, description = "UngovernedRegionException, TooManyPendingException."),
        (status = 424, description = "AccountNotTrustedException: the claim is kept.")),
    security(("user" = [])))]
async fn claim(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    Body(claim): Body<Claim>,
) -> Answer<(StatusCode, Json<Done>)> {
    let label = claim.label()?;
    let guest = Guest::of(&app, &user).await?;
    let (account, region) = target(&app, &user, claim.targetaccount.as_ref(), claim.targetregion.as_ref()).await?;
    let event = Event::Claim {
        by: actor(&user, false),
        account: account.clone(),
        region: region.clone(),
        proof: label.proof.clone(),
    };
    let change = guest.does(&app, &user, &label.fingerprint, &event).await?;
    if change.pairing.is_none() {
        trusted(&app, &guest, &user, &label.fingerprint, (&account, &region)).await?;
    }
    let done = guest.answered(&app, &user, &label.fingerprint, change).await?;
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// 424 where a device waits for its account's trust.
async fn trusted(
    app: &Platform,
    guest: &Guest,
    user: &User,
    certid: &Fingerprint,
    (account, region): (&str, &str),
) -> Answer<()> {
    match guest.see(app, user, certid).await {
        Ok((row, _)) if row.state == Devstate::RefusedTrust => Err(untrusted(account, region)),
        Ok((row, _)) if row.state == Devstate::Claimed => {
            let mut tx = app.begin().await?;
            let facts =
                crate::organisation::account_facts(app, &mut tx, &guest.house.provider, account, region).await?;
            app.commit(tx).await?;
            if facts.is_some_and(|facts| facts.trusts) { Ok(()) } else { Err(untrusted(account, region)) }
        }
        Ok(_) => Ok(()),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(()),
        Err(refusal) => Err(refusal),
    }
}

/// Devices of the ledger.
#[derive(Debug, Serialize, ToSchema)]
struct Devices {
    devices: Vec<Device>,
    #[serde(rename = "nextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The tenant's devices and those that it waits for, by certificate; the operator of the lobby sees all, also those that are
/// nobody's.
#[utoipa::path(get, path = "/api/management/v1/lobby/devices", operation_id = "ListLobbyDevices", tag = "lobby",
    params(("devstate" = Option<String>, Query, description = "Only in this state, e.g. `inlobby`."),
        ("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The devices.", body = Devices), (status = 404, description = "LobbyNotFoundException.")),
    security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeDevices>, params: Params) -> Answer<Json<Devices>> {
    let window = Window::read(&params)?;
    let state = params.one("devstate").map(state).transpose()?;
    let guest = Guest::of(&app, &user).await?;
    let everything = guest.is_operator || app.defect(DefectId::LobbyFingerprintToEveryone);
    let tenant = (!everything).then_some(user.tenant.as_str());
    let mut tx = app.begin().await?;
    let page = Page { tenant, state, after: &window.after, limit: window.limit() };
    let rows = ledger::list(&mut tx, &guest.house, &page).await?;
    app.commit(tx).await?;
    let known = Known::nothing(&app);
    let (viewer, facts) = (guest.viewer(&user), known.facts());
    let seen = rows.iter().filter_map(|row| Some(Device::of(row, shown(row, &viewer, &facts)?, guest.is_operator)));
    let (devices, next_token) = window.cut(seen.collect(), Device::certid);
    Ok(Json(Devices { devices, next_token }))
}

/// A device.
#[utoipa::path(get, path = "/api/management/v1/lobby/devices/{certid}", operation_id = "GetLobbyDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 200, description = "The device.", body = Device), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    At(certid): At<String>,
) -> Answer<Json<Device>> {
    let guest = Guest::of(&app, &user).await?;
    let (_, device) = guest.see(&app, &user, &fingerprint(&certid)?).await?;
    Ok(Json(device))
}

/// Give a device back to the lobby: it is sent there, its home is cleaned up, and then it is nobody's. The label that is answered
/// is for its next owner.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/release", operation_id = "ReleaseDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 202, description = "It is on its way.", body = Done), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "WrongStateException, TooManyCleanupsException.")),
    security(("user" = [])))]
async fn release(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(certid): At<String>,
) -> Answer<(StatusCode, Json<Done>)> {
    let certid = fingerprint(&certid)?;
    let guest = Guest::of(&app, &user).await?;
    let change = guest.does(&app, &user, &certid, &Event::Release { by: actor(&user, false) }).await?;
    Ok((StatusCode::ACCEPTED, Json(guest.answered(&app, &user, &certid, change).await?)))
}

/// Where a device shall live from now on.
#[derive(Debug, Deserialize, ToSchema)]
struct Move {
    /// An account in which the caller may change devices: the caller's own when absent.
    targetaccount: Option<String>,
    /// The region: the home of the caller's own account when absent.
    targetregion: Option<String>,
}

/// Move a device to another region, or to the account of another tenant where the caller may change devices too.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/migrate", operation_id = "MigrateDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")), request_body = Move,
    responses((status = 202, description = "It is on its way.", body = Done),
        (status = 403, description = "ForeignAuthorityException."),
        (status = 404, description = "ResourceNotFoundException; AccountNotFoundException: also where the caller may not."),
        (status = 409, description = "WrongStateException, NameTakenException, TooManyCleanupsException."),
        (status = 422, description = "UngovernedRegionException."),
        (status = 424, description = "AccountNotTrustedException: it waits there.")),
    security(("user" = [])))]
async fn migrate(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(certid): At<String>,
    Body(to): Body<Move>,
) -> Answer<(StatusCode, Json<Done>)> {
    let certid = fingerprint(&certid)?;
    let guest = Guest::of(&app, &user).await?;
    let (account, region) = target(&app, &user, to.targetaccount.as_ref(), to.targetregion.as_ref()).await?;
    // Whoever owns nothing learns nothing of accounts either.
    guest.see(&app, &user, &certid).await?;
    let unknown = || refused(&fleetproof_dataplane::lobby::LobbyError::UnknownAccount(account.clone()));
    let tenant = receiver(&app, &user, &account).await?.ok_or_else(unknown)?;
    let accepted_by = (tenant != user.tenant).then(|| user.email.clone());
    let event = Event::Migrate {
        by: actor(&user, false),
        tenant,
        account: account.clone(),
        region: region.clone(),
        accepted_by,
    };
    let change = guest.does(&app, &user, &certid, &event).await?;
    trusted(&app, &guest, &user, &certid, (&account, &region)).await?;
    Ok((StatusCode::ACCEPTED, Json(guest.answered(&app, &user, &certid, change).await?)))
}

/// The tenant of an account in which this person may change devices.
async fn receiver(app: &Platform, user: &User, account: &str) -> Answer<Option<String>> {
    let mut tx = app.begin().await?;
    let tenant = registry::tenant_of(&mut tx, account).await?;
    let allowed = match &tenant {
        Some(tenant) if *tenant == user.tenant => true,
        Some(tenant) => {
            let rights = rights_in(&mut tx, tenant, &user.id).await?;
            rights.is_some_and(|rights| rights.allow(PermissionSet::ManageDevices))
        }
        None => false,
    };
    app.commit(tx).await?;
    Ok(tenant.filter(|_| allowed))
}

/// Send a device from its home to the lobby, where it is told its home again.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/reset", operation_id = "ResetDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 202, description = "It was told, if it listens.", body = Done), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn reset(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(certid): At<String>,
) -> Answer<(StatusCode, Json<Done>)> {
    let certid = fingerprint(&certid)?;
    let guest = Guest::of(&app, &user).await?;
    let none = || refused(&fleetproof_dataplane::lobby::LobbyError::Unknown);
    let mut tx = app.begin().await?;
    let kept = ledger::find(&mut tx, &guest.house, &certid).await?.ok_or_else(none)?;
    let own = registry::number_of(&mut tx, &user.tenant).await?.unwrap_or_default();
    app.commit(tx).await?;
    let known = Known::nothing(&app);
    may_reset(&kept.row, &own, &known.facts()).map_err(|error| refused(&error))?;
    if let (Some(home), Some(name)) = (&kept.row.owner, &kept.row.devicename) {
        let said = (format!("lobby/{name}"), Bytes::from(json!({ "config": "factory reset" }).to_string()));
        app.data_plane().publish(&app, &home.tenant, &home.region, vec![said]);
    }
    let (_, device) =
        guest.see(&app, &user, &certid).await.map(|(row, device)| (row, Some(device))).or_else(|refusal| {
            if refusal.status == StatusCode::NOT_FOUND { Ok((kept.row.clone(), None)) } else { Err(refusal) }
        })?;
    let done = Done { certid: certid.to_string(), device, pairing: None, label: None };
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// Declare a device's certificate void everywhere. It stays the tenant's.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/revoke", operation_id = "RevokeDevice", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 202, description = "Done.", body = Done), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "TooManyCleanupsException.")),
    security(("user" = [])))]
async fn revoke(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(certid): At<String>,
) -> Answer<(StatusCode, Json<Done>)> {
    let certid = fingerprint(&certid)?;
    let guest = Guest::of(&app, &user).await?;
    let event = Event::Revoke { by: actor(&user, guest.is_operator) };
    let change = guest.does(&app, &user, &certid, &event).await?;
    Ok((StatusCode::ACCEPTED, Json(guest.answered(&app, &user, &certid, change).await?)))
}

/// What happened to a device, as the tenant's log has it.
#[derive(Debug, Serialize, ToSchema)]
struct Happened {
    time: String,
    #[schema(value_type = Object)]
    actor: Value,
    action: String,
    change: String,
}

/// A device's history.
#[derive(Debug, Serialize, ToSchema)]
struct History {
    entries: Vec<Happened>,
}

/// What happened to a device, oldest first, as it stands in the log of its owner; to the operator of the lobby: in the lobby's.
#[utoipa::path(get, path = "/api/management/v1/lobby/devices/{certid}/history", operation_id = "GetDeviceHistory", tag = "lobby",
    params(("certid" = String, Path, description = "Its fingerprint.")),
    responses((status = 200, description = "The last 500 entries.", body = History), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn history(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    At(certid): At<String>,
) -> Answer<Json<History>> {
    let certid = fingerprint(&certid)?;
    let guest = Guest::of(&app, &user).await?;
    guest.see(&app, &user, &certid).await?;
    let log = if guest.is_operator { &guest.house.tenant } else { &user.tenant };
    let mut tx = app.begin().await?;
    let sql = "select time, actor, action, change from audit where object_id = $2 and tenant_id = $1 and object_type = $3 \
               order by seq desc limit $4";
    let mut rows = tx.query(sql, args![log, certid.as_str(), ledger::KIND, MOST_ENTRIES]).await?;
    app.commit(tx).await?;
    rows.reverse();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        entries.push(Happened {
            time: rfc3339(row.time("time")?),
            actor: row.json("actor")?,
            action: row.text("action")?,
            change: row.maybe_text("change")?.unwrap_or_default(),
        });
    }
    Ok(Json(History { entries }))
}

/// Something that the tenant was told.
#[derive(Debug, Serialize, ToSchema)]
struct Notice {
    id: String,
    time: String,
    certid: String,
    message: String,
}

/// What the tenant was told.
#[derive(Debug, Serialize, ToSchema)]
struct Notices {
    notices: Vec<Notice>,
    #[serde(rename = "nextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// What the tenant was told about devices that it wanted, oldest first: that another got one, that the lobby may not act.
#[utoipa::path(get, path = "/api/management/v1/lobby/notices", operation_id = "ListLobbyNotices", tag = "lobby",
    params(("MaxResults" = Option<i64>, Query, description = "Up to 500."),
        ("NextToken" = Option<String>, Query, description = "From an answer before.")),
    responses((status = 200, description = "The notices.", body = Notices), (status = 404, description = "LobbyNotFoundException.")),
    security(("user" = [])))]
async fn notices(State(app): State<Platform>, user: Can<need::SeeDevices>, params: Params) -> Answer<Json<Notices>> {
    let window = Window::read(&params)?;
    let after = match window.after.as_str() {
        "" => 0,
        token => token.parse::<i64>().map_err(|_| Refusal::bad_request("NextToken must be from an answer before"))?,
    };
    let guest = Guest::of(&app, &user).await?;
    let mut tx = app.begin().await?;
    let sql = "select seq, certid, time, message from lobby_notices where provider_id = $1 and tenant_id = $2 and seq > $3 \
               order by seq limit $4";
    let rows = tx.query(sql, args![&guest.house.provider, &user.tenant, after, window.limit()]).await?;
    app.commit(tx).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(Notice {
            id: row.int("seq")?.to_string(),
            time: rfc3339(row.time("time")?),
            certid: row.text("certid")?,
            message: row.text("message")?,
        });
    }
    let (notices, next_token) = window.cut(all, |notice| notice.id.clone());
    Ok(Json(Notices { notices, next_token }))
}
