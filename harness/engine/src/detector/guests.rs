//! What is made at the lobby for attempts: devices of the tenants, and what only who runs the lobby has.

use super::camp::{Camp, Names, Set};
use super::{DetectorError, Field, Seat};
use fleetproof_claims::model::Surface;
use fleetproof_dialects::aws::guests::Guest;
use fleetproof_dialects::aws::lobby;
use fleetproof_dialects::mender::objects::{Made, Thing};
use fleetproof_dialects::mender::{Mender, Session};

/// The lobby that attempts are made at.
pub(super) struct House {
    /// Who runs it: the provider's admin.
    pub(super) operator: Session,
    /// Where it is: region and host of each endpoint.
    pub(super) doors: Vec<(String, String)>,
}

impl House {
    /// The lobby that the provider among these runs; `None`: no provider is there, and nobody prints labels.
    pub(super) async fn of(mender: &Mender, seats: &[Seat]) -> Result<Option<Self>, DetectorError> {
        let Some(provider) = seats.iter().find(|seat| seat.provider) else { return Ok(None) };
        let (operator, doors) = (provider.admin.clone(), lobby::endpoints(mender, &provider.admin).await?);
        Ok(Some(Self { operator, doors }))
    }
}

/// Makes something at the lobby, and takes note of the device that was made for it.
pub(super) async fn make(
    mender: &Mender,
    names: &Names,
    (operator, by): (&Session, &Session),
    guest: Guest,
    canary: &str,
) -> Result<Made, DetectorError> {
    if guest.maker() == Guest::Bound.maker() {
        names.know(fleetproof_dialects::aws::guests::fingerprint(mender, canary)?);
    }
    Ok(guest.make(mender, operator, by, canary).await?)
}

impl Field {
    /// Who runs the lobby, where that is attacked.
    pub(super) fn operator(&self) -> Option<&Session> {
        self.house.as_ref().map(|house| &house.operator)
    }

    /// What a request to the lobby names. Whoever runs it owns no device: what is nobody's was another's before.
    pub(super) async fn of_lobby(&self, surface: &Surface, camp: &Camp, by: &Session) -> Result<Set, DetectorError> {
        let guest = surface.required().find_map(|slot| Guest::of(slot.kind));
        let Some((guest, operator)) = guest.zip(self.operator()) else { return Ok(Set::default()) };
        let tenant = self.camps.values().find(|camp| !camp.seat.provider);
        let by = match (camp.seat.provider, guest, tenant) {
            (true, Guest::Bound, _) | (true, _, None) => return Ok(Set::default()),
            (true, _, Some(tenant)) => tenant.admin()?,
            (false, ..) => by,
        };
        let name = self.names.fresh(&camp.word);
        let made = make(&self.mender, &self.names, (operator, by), guest, &name).await?;
        Ok(Set { made: vec![made], ..Set::default() })
    }
}

/// What a tenant has at the lobby while it is attacked.
pub(super) const STANDING: Thing = Thing::Guest(Guest::Bound);
