//! Throw-away objects: what a request would use up or alter is made for it.

use super::camp::{Camp, Set};
use super::{DetectorError, Field};
use fleetproof_claims::model::{Audience, Does, Family, Kind, Least, Place, Role, Surface};
use fleetproof_dialects::aws::objects::{self as registered, Item};
use fleetproof_dialects::mender::Session;
use fleetproof_dialects::mender::objects::{Have, Thing};

/// Whether a success would use up or alter what the request names.
pub(super) fn consumes(surface: &Surface) -> bool {
    surface.disposable || matches!(surface.does, Does::Change | Does::Delete | Does::Act)
}

/// Whether the operation is about a child of the provider: the throw-away object is one, and the provider's.
pub(super) fn is_about_children(surface: &Surface) -> bool {
    let names_tenant = surface.slots.iter().any(|slot| slot.kind == Kind::Tenant);
    names_tenant && (surface.audience == Audience::Operator || surface.role.0 == [Least::ProviderAdmin])
}

impl Field {
    /// The objects that a request to `surface` names, made for it alone by `by` in the tenant of `camp`. Empty when it
    /// uses nothing up: then what stands is named. `alike`: the name that they get, when it matters.
    pub(super) async fn throw_away(
        &self,
        surface: &Surface,
        camp: &Camp,
        by: &Session,
        alike: Option<&str>,
    ) -> Result<Set, DetectorError> {
        if is_about_children(surface) {
            return self.child(surface).await;
        }
        let refers = surface.does == Does::Create
            && surface.required().any(|slot| matches!(slot.kind, Kind::Device | Kind::ThingArn));
        if !consumes(surface) && !refers && alike.is_none() {
            return Ok(Set::default());
        }
        if surface.family == Family::Account {
            return self.of_account(surface, camp, by, alike).await;
        }
        if surface.family == Family::Lobby {
            return self.of_lobby(surface, camp, by).await;
        }
        let Some((thing, have)) = self.needed(surface, camp) else { return Ok(Set::default()) };
        let name = alike.map_or_else(|| self.names.fresh(&camp.word), str::to_owned);
        let reaches = surface.does == Does::Create && camp.device.is_some();
        if thing == Thing::Group && (reaches || alike.is_some()) {
            // Only devices that are in can be reached through a group. Twins share its name, not their devices'.
            let member = if reaches { Thing::AcceptedDevice } else { Thing::PendingDevice };
            let device = self.mender.make(by, member, &self.names.fresh(&camp.word), &have).await?;
            let ids = device.ids.get(&Kind::Device).map(|id| (Kind::Device, id.clone()));
            let group = self.mender.make(by, thing, &name, &ids.into_iter().collect()).await?;
            return Ok(Set { made: vec![device, group], ..Set::default() });
        }
        Ok(Set { made: vec![self.mender.make(by, thing, &name, &have).await?], ..Set::default() })
    }

    /// What is made for a surface, and what of the camp's standing objects it is made with.
    fn needed(&self, surface: &Surface, camp: &Camp) -> Option<(Thing, Have)> {
        let names = |kind: Kind| surface.required().any(|slot| slot.kind == kind && slot.place != Place::Body);
        let standing = |kinds: &[Kind]| -> Have {
            let ids = kinds.iter().filter_map(|kind| {
                let id = camp.estate.find(*kind).and_then(|made| made.id(*kind))?;
                Some((*kind, id.to_owned()))
            });
            ids.collect()
        };
        let is_in = camp.device.is_some();
        Some(match surface.object {
            // A deployment stays in the history of its device: the standing one is not for that.
            _ if surface.does == Does::Create && surface.required().any(|slot| slot.kind == Kind::Device) => {
                (if is_in { Thing::AcceptedDevice } else { Thing::PendingDevice }, Have::new())
            }
            _ if names(Kind::Deployment) => (Thing::Deployment, standing(&[Kind::Device, Kind::Release])),
            // The device of such a deployment is made with it.
            Kind::Deployment if names(Kind::Device) => (Thing::Deployment, standing(&[Kind::Release])),
            _ if names(Kind::Group) => (Thing::Group, Have::new()),
            _ if names(Kind::DeviceToken) && is_in => (Thing::AcceptedDevice, Have::new()),
            _ if names(Kind::Device) || names(Kind::DeviceToken) => (Thing::PendingDevice, Have::new()),
            _ if names(Kind::Artifact) || names(Kind::Release) => (Thing::Artifact, Have::new()),
            _ if names(Kind::User) => (Thing::User(Role::Viewer), Have::new()),
            _ if names(Kind::Role) => (Thing::Role, Have::new()),
            _ if names(Kind::Token) => (Thing::Token, Have::new()),
            _ if names(Kind::Filter) => (Thing::Filter, standing(&[Kind::Group])),
            _ => return None,
        })
    }

    /// What a request to an account names.
    async fn of_account(
        &self,
        surface: &Surface,
        camp: &Camp,
        by: &Session,
        alike: Option<&str>,
    ) -> Result<Set, DetectorError> {
        let name = alike.map_or_else(|| self.names.fresh(&camp.word), str::to_owned);
        let made = match item(surface) {
            None => return Ok(Set::default()),
            // Whoever else is there offers it.
            Some(Item::Offer) => match self.camps.values().find(|other| other.seat.at.name != camp.seat.at.name) {
                Some(giver) => registered::offer(&self.mender, giver.admin()?, camp.admin()?, &name).await?,
                None => return Ok(Set::default()),
            },
            // Twins share a name, not the things that they are about.
            Some(item @ (Item::Group | Item::Job)) if alike.is_some() => {
                let of = Thing::Registered(Item::Thing);
                let thing = self.mender.make(by, of, &self.names.fresh(&camp.word), &Have::new()).await?;
                let known = [Kind::Thing, Kind::ThingArn].into_iter();
                let have = known.filter_map(|kind| Some((kind, thing.id(kind)?.to_owned()))).collect();
                let made = self.mender.make(by, Thing::Registered(item), &name, &have).await?;
                return Ok(Set { made: vec![thing, made], ..Set::default() });
            }
            Some(item) => self.mender.make(by, Thing::Registered(item), &name, &Have::new()).await?,
        };
        if made.id(Kind::Client).is_some() {
            // Who is not let in has no connection that could be ended.
            let client = self.connect(by, &name).await?;
            return Ok(Set { made: vec![made], client, child: None });
        }
        Ok(Set { made: vec![made], ..Set::default() })
    }

    /// A child of the provider without devices, for its administration to be attacked.
    async fn child(&self, surface: &Surface) -> Result<Set, DetectorError> {
        let Some(provider) = self.provider() else { return Ok(Set::default()) };
        let name = self.names.fresh(&provider.word);
        let (email, password) = (format!("{name}@canary.test"), format!("secret-{name}-child"));
        let id = self.mender.create_tenant(provider.admin()?, &name, &email, &password, Some(0)).await?;
        if surface.object == Kind::Tenant && surface.does == Does::Delete {
            // Only what is suspended can be deleted.
            self.mender.suspend(&id).await?;
        }
        Ok(Set { child: Some(id), ..Set::default() })
    }
}

/// What of an account a request names beside the new.
fn item(surface: &Surface) -> Option<Item> {
    let names = |kind: Kind| surface.required().any(|slot| slot.kind == kind && !surface.names_the_new(slot));
    let attached = names(Kind::Principal) && (names(Kind::Policy) || names(Kind::Thing));
    Some(match surface.object {
        _ if names(Kind::PolicyVersion) => Item::Versioned,
        _ if attached => Item::Attachment,
        _ if names(Kind::Job) => Item::Job,
        _ if names(Kind::ThingGroup) => Item::Group,
        _ if names(Kind::Offer) => Item::Offer,
        _ if names(Kind::Client) => Item::Client,
        _ => {
            let kinds = surface.required().filter(|slot| !surface.names_the_new(slot)).map(|slot| slot.kind);
            kinds.filter_map(Item::of).next()?
        }
    })
}
