//! Controls: the same request where it is due.

use super::ask::{Asked, Scene, Sides, Unasked};
use super::camp::{Camp, Set};
use super::prey::{consumes, is_about_children};
use super::trial::{Leftovers, Trial};
use super::{DetectorError, Field};
use fleetproof_claims::model::{Attempt, Audience, Control, Does, Family, Identity, Kind, Role, Surface, Tamper};
use std::collections::{BTreeMap, BTreeSet};

impl Field {
    /// The same where it is due. Attempts whose control is the same request share it.
    pub(super) async fn controls(
        &self,
        attempts: &[Attempt],
        surface: &Surface,
        (attacker, victim): (&Camp, &Camp),
        prey: &Set,
        mut used: bool,
        trials: &mut [Trial],
    ) -> Result<(), DetectorError> {
        let inside = attacker.seat.at.name == victim.seat.at.name;
        let mut made: BTreeMap<(Control, Identity, BTreeSet<String>), Result<Asked, String>> = BTreeMap::new();
        let required: BTreeSet<String> = surface.required().map(|slot| slot.key()).collect();
        for (attempt, trial) in attempts.iter().zip(trials) {
            if matches!(attempt.control, Control::Itself | Control::Before) || trial.asked.is_none() {
                continue;
            }
            // An access that was granted has used up what it was granted upon.
            used |= inside && trial.record.status < 300;
            let also: BTreeSet<String> =
                attempt.attacked.iter().filter(|key| !required.contains(*key)).cloned().collect();
            let whose =
                if attempt.control == Control::Actor { base(&attempt.actor.identity) } else { Identity::Nobody };
            let link = attempt.tamper.iter().any(|tamper| matches!(tamper, Tamper::Link(_) | Tamper::LinkUse(_)));
            let also = if link { BTreeSet::from(["link".to_owned()]) } else { also };
            let key = (attempt.control, whose, also);
            if !made.contains_key(&key) {
                let keys: Vec<String> = key.2.iter().cloned().collect();
                let asked = self.control(attempt, surface, (attacker, victim), prey, (&keys, link, used)).await?;
                used |= consumes(surface) && !link;
                made.insert(key.clone(), asked);
            }
            match made.get(&key) {
                Some(Ok(asked)) => {
                    trial.record.control = Some(asked.answer.status);
                    trial.control = Some(asked.clone());
                }
                Some(Err(reason)) => trial.record.prevented = Some(reason.clone()),
                None => {}
            }
        }
        Ok(())
    }

    async fn control(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        (attacker, victim): (&Camp, &Camp),
        prey: &Set,
        (also, link, used): (&[String], bool, bool),
    ) -> Result<Result<Asked, String>, DetectorError> {
        let mut leftovers = Leftovers::default();
        let camp = match attempt.control {
            Control::Victim | Control::Itself | Control::Before => victim,
            Control::Actor | Control::Admin => attacker,
            Control::Operator | Control::Provider => match self.provider() {
                Some(provider) => provider,
                None => return Ok(Err("there is no provider to make the control".to_owned())),
            },
        };
        let personal = surface.slots.iter().any(|slot| slot.kind == Kind::Token);
        let theirs = camp.seat.at.name == victim.seat.at.name || is_about_children(surface);
        // In an account of its own nobody can name what is in another.
        let elsewhere = surface.family == Family::Account && !theirs;
        let fresh = match elsewhere || consumes(surface) && (used || !theirs || personal) {
            true => Some(self.throw_away(surface, camp, camp.admin()?, None).await?),
            false => None,
        };
        let set = fresh.as_ref().unwrap_or(prey);
        let result = self.control_with(attempt, surface, camp, set, (also, link), &mut leftovers).await;
        if let Some(fresh) = &fresh {
            self.dispose(fresh, camp.admin()?).await?;
        }
        leftovers.remove(&self.mender).await?;
        match result {
            Ok(asked) => Ok(Ok(asked)),
            Err(Unasked::Prevented(reason)) => Ok(Err(reason)),
            Err(Unasked::Error(error)) => Err(error),
        }
    }

    async fn control_with(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        camp: &Camp,
        set: &Set,
        (also, link): (&[String], bool),
        leftovers: &mut Leftovers,
    ) -> Result<Asked, Unasked> {
        if link {
            return self.follow_own(surface, set, camp).await;
        }
        let sides = Sides { attacker: camp, own: set, victim: camp, prey: set };
        if surface.does == Does::Login && surface.slots.iter().any(|slot| slot.kind == Kind::Identity) {
            let made = camp.estate.find(Kind::Identity).filter(|_| camp.device.is_some());
            let made = made.ok_or_else(|| Unasked::Prevented(camp.no_device.clone().unwrap_or_default()))?;
            let (identity, key) = (made.id(Kind::Identity).unwrap_or_default(), self.mender.key(&made.name));
            let token = self.mender.tenant_token(camp.admin()?).await?;
            let answer = self.mender.knock("canary", identity, &key, token.reveal()).await?;
            let request = format!("{} {} {{\"id_data\":{identity}}}", surface.method, surface.path);
            return Ok(Asked { request, answer, named: Vec::new() });
        }
        if surface.does == Does::Login && surface.slots.iter().any(|slot| slot.kind == Kind::Email) {
            return self.log_in_as(surface, &sides, Scene::Attack).await;
        }
        let mut fills = self.rightful_fills(surface, set, camp, also)?;
        let by = match (attempt.control, surface.audience) {
            (Control::Operator, _) => self.mender.operator()?,
            (Control::Actor, Audience::User | Audience::Public) if !surface.hurts_the_asker() => {
                let identity = base(&attempt.actor.identity);
                if let Identity::Person(_) | Identity::Device | Identity::Nobody = identity {
                    camp.admin()?.clone()
                } else {
                    self.credential(&identity, &sides)?
                }
            }
            (_, Audience::Device) => camp.session(&Identity::Device).map_err(Unasked::Prevented)?,
            _ if surface.hurts_the_asker() => {
                let (session, password) = self.stand_in(Role::Admin, camp, leftovers).await?;
                fills = fills.mark("password", password);
                session
            }
            _ => camp.admin()?.clone(),
        };
        let asked = self.ask(&by, surface, &fills, (&[], Scene::Plain), &sides).await?;
        self.undo(surface, camp, &by, &fills, &asked.answer).await?;
        Ok(asked)
    }
}

/// The identity behind a bent credential.
fn base(identity: &Identity) -> Identity {
    match identity {
        Identity::Forged(whose, _) => (**whose).clone(),
        other => other.clone(),
    }
}
