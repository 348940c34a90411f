//! A device gets a new certificate and stays its owner's.

use super::claims::{Done, Guest, fingerprint};
use super::facts::Known;
use super::ledger;
use super::shown::{no_label, refused};
use super::turn::{Happening, actor, follow, shut_out};
use crate::Platform;
use crate::edge::{At, Body, Can, need};
use crate::refusal::Answer;
use crate::registry::{Lodging, principals_changed};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::lobby::{Event, Fingerprint, LobbyError, attempt, rotate};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(renew))
}

/// The certificate that a device has now.
#[derive(Debug, Deserialize, ToSchema)]
struct Renewal {
    /// Its fingerprint. It must have knocked at the lobby.
    certid: String,
}

/// Put a new certificate in the place of a device's old one: same name, same authority. Thing, shadows and jobs stay; the old certificate
/// is void.
#[utoipa::path(post, path = "/api/management/v1/lobby/devices/{certid}/renew", operation_id = "RenewDevice", tag = "lobby",
    params(("certid" = String, Path, description = "The old certificate's fingerprint.")), request_body = Renewal,
    responses((status = 202, description = "The home takes the new one.", body = Done),
        (status = 400, description = "InvalidLabelException; InvalidRequestException: the names differ."),
        (status = 403, description = "ForeignAuthorityException."),
        (status = 404, description = "ResourceNotFoundException, of the one or the other."),
        (status = 409, description = "DeviceBoundException, WrongStateException, StaleException.")),
    security(("user" = [])))]
async fn renew(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(certid): At<String>,
    Body(renewal): Body<Renewal>,
) -> Answer<(StatusCode, Json<Done>)> {
    let old = fingerprint(&certid)?;
    let new = Fingerprint::read(&renewal.certid).map_err(|error| no_label(&error))?;
    let guest = Guest::of(&app, &user).await?;
    let by = actor(&user, guest.is_operator);
    let mut tx = app.begin().await?;
    let before = ledger::find(&mut tx, &guest.house, &old).await?.ok_or_else(|| refused(&LobbyError::Unknown))?;
    // Whoever does not own the old one learns nothing of the new one.
    let after = ledger::find(&mut tx, &guest.house, &new).await?;
    let event = Event::Release { by: by.clone() };
    let known = Known::gather(&app, &mut tx, &guest.house, (&old, Some(&before.row)), &event, "").await?;
    let is_theirs = by.tenant.as_ref().is_none_or(|tenant| before.row.is_of(tenant));
    let decided = match &after {
        Some(after) if is_theirs => rotate(&before.row, &after.row, &by, &known.facts(), app.now_ms() * 1_000),
        _ => Err(LobbyError::Unknown),
    };
    let (from, to) = match decided {
        Ok(changes) => changes,
        Err(error) => {
            let entry = attempt(app.now_ms() * 1_000, &by, "renew", &old, &error);
            ledger::note(&app, &mut tx, &guest.house, &entry, Some(&user)).await?;
            app.commit(tx).await?;
            return Err(refused(&error));
        }
    };
    let stale = || refused(&LobbyError::Stale);
    let one = ledger::save(&app, &mut tx, &guest.house, (&old, Some(&before)), &from, Some(&user)).await?;
    let first = one.ok_or_else(stale)?;
    let doors = shut_out(&app, &mut tx, &guest.house, Some(&before.row), &from.row).await?;
    let happening = Happening { house: &guest.house, region: "", certid: &new, event: &event, who: Some(&user) };
    // The second is made so with the first, in its transaction.
    if !happening.keep(&app, tx, after.as_ref(), &to).await? {
        return Err(stale());
    }
    principals_changed(&app, doors.iter().map(Lodging::change));
    follow(&app, &from, first);
    super::advance(&app).await?;
    let (_, device) = guest.see(&app, &user, &new).await?;
    Ok((StatusCode::ACCEPTED, Json(Done::of(&new, device))))
}
