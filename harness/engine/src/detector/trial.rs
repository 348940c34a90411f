//! One attempt: the attack, the same for what never existed, and what has to be prepared and undone for it.

use super::ask::{Asked, DEVICE_TYPE, Scene, Sides, Unasked};
use super::camp::{Camp, Set, login};
use super::prey::{consumes, is_about_children};
use super::round::gone;
use super::{DetectorError, Field};
use fleetproof_claims::Record;
use fleetproof_claims::model::{
    Attempt, Audience, Control, Does, Family, Fill, Identity, Kind, Oracle, Refusal, Role, Surface, Tamper,
};
use fleetproof_dialects::aws::{guests, objects as registered};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::objects::{Have, Made, Thing};
use fleetproof_dialects::mender::refusals::refusal;
use fleetproof_dialects::mender::roles::OBSERVER;
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_dialects::{Answer, DialectError};
use std::collections::BTreeMap;

/// What was seen of one attempt.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) asked: Option<Asked>,
    /// The same for what never existed.
    pub(super) nothing: Option<Asked>,
    pub(super) control: Option<Asked>,
    pub(super) record: Record,
}

impl Trial {
    pub(super) fn prevented(reason: String) -> Self {
        Self { record: Record { prevented: Some(reason), ..Record::default() }, ..Self::default() }
    }
}

/// What a round leaves behind for its end: askers that were made, and who removes them.
#[derive(Default)]
pub(super) struct Leftovers {
    pub(super) made: Vec<(Session, Made)>,
    /// What the victim's devices were offered right after the attack.
    pub(super) offered: Option<String>,
}

impl Leftovers {
    pub(super) async fn remove(self, mender: &Mender) -> Result<(), DetectorError> {
        for (by, made) in self.made.into_iter().rev() {
            mender.remove(&by, &made).await?;
        }
        Ok(())
    }
}

impl Field {
    /// One attempt, without its control and without looks.
    pub(super) async fn try_one(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        sides: &Sides<'_>,
    ) -> Result<Trial, DetectorError> {
        match self.try_it(attempt, surface, sides).await {
            Ok(trial) => Ok(trial),
            Err(Unasked::Prevented(reason)) => Ok(Trial::prevented(reason)),
            Err(Unasked::Error(error)) => Err(error),
        }
    }

    async fn try_it(&self, attempt: &Attempt, surface: &Surface, sides: &Sides<'_>) -> Result<Trial, Unasked> {
        if !is_about_children(surface) && self.lacks_device(attempt, surface, sides.victim) {
            return Err(Unasked::Prevented(sides.victim.no_device.clone().unwrap_or_default()));
        }
        if let Some(reason) = self.lacks_members(attempt, surface, sides) {
            return Err(Unasked::Prevented(reason));
        }
        let used = attempt.tamper.iter().find_map(|tamper| match tamper {
            Tamper::LinkUse(used) => Some(*used),
            _ => None,
        });
        if let Some(used) = used {
            return self.use_link(used, surface, sides).await;
        }
        let twins = self.twins(attempt, surface, sides).await?;
        let sides = match &twins {
            Some((own, prey)) => &Sides { attacker: sides.attacker, own, victim: sides.victim, prey },
            None => sides,
        };
        let before = match &twins {
            Some((_, prey)) => Some(prey.look(&self.mender, sides.victim.admin()?).await?),
            None => None,
        };
        let offered = self.offered(surface, sides.prey).await?;
        let mut leftovers = Leftovers::default();
        let planted = self.plant(attempt, sides.attacker, &mut leftovers).await?;
        let asked = self.ask_beside(attempt, surface, sides, Scene::Attack, &mut leftovers).await?;
        let mut trial = Trial::default();
        self.uproot(planted, sides.attacker, &asked, &mut trial.record).await?;
        let compares = attempt.oracles.contains(&Oracle::AsNeverExisted);
        let unseen = attempt.oracles.contains(&Oracle::Kind(Refusal::Unseen));
        if compares || unseen {
            let nothing = self.ask_beside(attempt, surface, sides, Scene::Nothing, &mut leftovers).await?;
            trial.record.never_existed = Some(nothing.canonical());
            trial.nothing = Some(nothing);
        }
        if attempt.oracles.contains(&Oracle::OwnOnly) {
            let plain = self.ask_as(attempt, surface, sides, Scene::Plain, &mut leftovers).await?;
            trial.record.without = Some(plain.canonical());
        }
        let slot = unseen.then(|| attempt.attacked.first()).flatten().or_else(|| self.names_somebody(attempt));
        trial.record.refusal =
            refusal(surface, slot.map(String::as_str), &asked.answer, trial.nothing.as_ref().map(|n| &n.answer));
        trial.record.status = asked.answer.status;
        trial.record.answer = asked.canonical();
        let named: Vec<&str> = asked.named.iter().map(String::as_str).collect();
        let found = sides.victim.canaries.found(asked.reply(), &named);
        trial.record.leaked = found.into_iter().map(str::to_owned).collect();
        trial.asked = Some(asked);
        if let Some((own, prey)) = &twins {
            trial.record.after = Some(prey.look(&self.mender, sides.victim.admin()?).await?);
            trial.record.before = before;
            if attempt.tamper.contains(&Tamper::Joined)
                && let Some(user) = prey.find(Kind::User).and_then(|made| made.id(Kind::User))
            {
                gone(self.mender.remove_user(sides.attacker.admin()?, user).await)?;
            }
            self.dispose(own, sides.attacker.admin()?).await?;
            self.dispose(prey, sides.victim.admin()?).await?;
        }
        if let (Some(before), Some(after)) = (offered, leftovers.offered.take())
            && before != after
        {
            (trial.record.before, trial.record.after) = (Some(before), Some(after));
        }
        leftovers.remove(&self.mender).await?;
        Ok(trial)
    }

    /// A refusal of a kind that belongs to the attacked slot (a taken address), not to the asker.
    fn names_somebody<'a>(&self, attempt: &'a Attempt) -> Option<&'a String> {
        let of_asker = |kind: &Refusal| matches!(kind, Refusal::Forbidden | Refusal::Unauthenticated);
        let of_slot = |oracle: &Oracle| matches!(oracle, Oracle::Kind(kind) if !of_asker(kind));
        attempt.oracles.iter().any(of_slot).then(|| attempt.attacked.first()).flatten()
    }

    /// Whether the victim has no device though the attempt's object or control needs one.
    pub(super) fn lacks_device(&self, attempt: &Attempt, surface: &Surface, victim: &Camp) -> bool {
        victim.device.is_none()
            && surface.audience == Audience::Device
            && matches!(attempt.control, Control::Victim | Control::Actor)
    }

    /// Why what concerns devices could not be shown: a tenant has no place for one more.
    pub(super) fn no_place_for(&self, attempt: &Attempt) -> Result<Option<String>, DetectorError> {
        let surface = &self.surfaces[attempt.surface];
        let concerns = surface.audience == Audience::Device
            || surface
                .slots
                .iter()
                .any(|slot| matches!(slot.kind, Kind::Device | Kind::Auth | Kind::DeviceToken | Kind::Group));
        let lacking = [&attempt.victim, &attempt.actor.tenant].into_iter().map(|tenant| self.camp(tenant));
        let lacking = lacking.collect::<Result<Vec<_>, _>>()?.into_iter().find_map(|camp| camp.no_device.clone());
        Ok(lacking.filter(|_| concerns))
    }

    /// Why a deployment to a group cannot be tried: only devices that are in are reached through one, and the tenant whose
    /// group is named, or who makes the control, has none.
    fn lacks_members(&self, attempt: &Attempt, surface: &Surface, sides: &Sides<'_>) -> Option<String> {
        let mut groups = surface.required().filter(|slot| slot.kind == Kind::Group);
        let group = groups.next().filter(|_| surface.does == Does::Create && surface.object == Kind::Deployment)?;
        if matches!(attempt.actor.identity, Identity::Nobody) {
            return None;
        }
        let names_own = matches!(
            attempt.fills.get(&group.key()),
            None | Some(Fill::Own | Fill::OwnThenVictims | Fill::VictimsThenOwn)
        );
        let own = names_own || !matches!(attempt.control, Control::Victim);
        let victims = !names_own || matches!(attempt.control, Control::Victim);
        let lacking = |needed: bool, camp: &Camp| camp.no_device.clone().filter(|_| needed);
        lacking(own, sides.attacker).or_else(|| lacking(victims, sides.victim))
    }

    /// What an attempt needs for itself alone, own and victim's: two objects of one name, or a user who belongs to
    /// both tenants.
    async fn twins(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        sides: &Sides<'_>,
    ) -> Result<Option<(Set, Set)>, DetectorError> {
        if attempt.tamper.contains(&Tamper::Joined) {
            let prey = self.throw_away(surface, sides.victim, sides.victim.admin()?, None).await?;
            if let Some(user) = prey.find(Kind::User).and_then(|made| made.id(Kind::User)) {
                let at = &*sides.attacker.seat.at.id;
                self.mender.assign_user(sides.attacker.admin()?, user, &[at], OBSERVER).await?;
            }
            return Ok(Some((Set::default(), prey)));
        }
        if attempt.tamper.contains(&Tamper::NamedAlike)
            && let Some(thing) = Thing::of(surface.object)
        {
            let by = sides.victim.admin()?;
            let made = self.mender.make(by, thing, &self.names.fresh("twin"), &Have::new()).await?;
            return Ok(Some((Set::default(), Set { made: vec![made], ..Set::default() })));
        }
        if !attempt.fills.values().any(|fill| *fill == Fill::Twin) {
            return Ok(None);
        }
        let name = self.names.fresh("twin");
        let own = self.throw_away(surface, sides.attacker, sides.attacker.admin()?, Some(&name)).await?;
        let prey = self.throw_away(surface, sides.victim, sides.victim.admin()?, Some(&name)).await?;
        Ok(Some((own, prey)))
    }

    /// As [`ask_as`](Self::ask_as), upon an own object made for this request alone where it stands beside a foreign
    /// one: what one request does to it must not show in the answer to the next.
    async fn ask_beside(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        sides: &Sides<'_>,
        scene: Scene,
        leftovers: &mut Leftovers,
    ) -> Result<Asked, Unasked> {
        let beside = |fill: &Fill| matches!(fill, Fill::OwnThenVictims | Fill::VictimsThenOwn);
        let elsewhere = attempt.tamper.iter().any(|tamper| matches!(tamper, Tamper::Elsewhere { .. }));
        if !consumes(surface) || !(elsewhere || attempt.fills.values().any(beside)) {
            return self.ask_as(attempt, surface, sides, scene, leftovers).await;
        }
        let own = self.throw_away(surface, sides.attacker, sides.attacker.admin()?, None).await?;
        let asked = self.ask_as(attempt, surface, &Sides { own: &own, ..*sides }, scene, leftovers).await;
        self.dispose(&own, sides.attacker.admin()?).await?;
        asked
    }

    /// Sends one of an attempt's requests, and undoes what it made.
    async fn ask_as(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        sides: &Sides<'_>,
        scene: Scene,
        leftovers: &mut Leftovers,
    ) -> Result<Asked, Unasked> {
        if let Some(bend) =
            attempt.tamper.iter().find_map(|tamper| if let Tamper::Link(bend) = tamper { Some(*bend) } else { None })
        {
            return self.follow_bent(bend, surface, sides, scene).await;
        }
        if surface.does == Does::Login
            && surface.slots.iter().any(|slot| matches!(slot.kind, Kind::Email | Kind::Identity))
        {
            return self.log_in_as(surface, sides, scene).await;
        }
        let mut fills = self.fills(attempt, surface, sides, scene)?;
        let mut by = self.credential(&attempt.actor.identity, sides)?;
        if surface.hurts_the_asker()
            && let Identity::User(role) = attempt.actor.identity
        {
            let (session, password) = self.stand_in(role, sides.attacker, leftovers).await?;
            by = session;
            fills = fills.mark("password", password);
        }
        let tamper = if scene == Scene::Plain { &[][..] } else { &attempt.tamper[..] };
        let asked = self.ask(&by, surface, &fills, (tamper, scene), sides).await?;
        if scene == Scene::Attack {
            leftovers.offered = self.offered(surface, sides.prey).await?;
        }
        self.undo(surface, sides.attacker, &by, &fills, &asked.answer).await?;
        Ok(asked)
    }

    /// What the victim's devices are offered, when a deployment is begun: the answer to the attacker does not tell
    /// whom it reaches.
    async fn offered(&self, surface: &Surface, prey: &Set) -> Result<Option<String>, DetectorError> {
        let poll = self.surfaces.iter().find(|surface| surface.operation == "Check Update Depends");
        let device = prey.made.iter().find_map(|made| made.device.as_ref());
        let (Some(poll), Some(device)) = (poll, device) else { return Ok(None) };
        if surface.does != Does::Create || surface.object != Kind::Deployment {
            return Ok(None);
        }
        let fills = Fills::default().slot("body:artifact_name", "factory").mark("device_type", DEVICE_TYPE);
        let request = build(poll, &fills)?;
        let answer = self.mender.send(device, Mender::door(&poll.path), request).await?;
        let offer = answer.json().and_then(|offer| Some(offer.pointer("/artifact/artifact_name")?.to_string()));
        let offer = offer.unwrap_or_else(|| format!("\"nothing ({})\"", answer.status));
        Ok(Some(format!("{{\"device is offered\":{offer}}}")))
    }

    /// Somebody with this role who may be logged out and given another password.
    pub(super) async fn stand_in(
        &self,
        role: Role,
        camp: &Camp,
        leftovers: &mut Leftovers,
    ) -> Result<(Session, String), DetectorError> {
        let name = self.names.fresh(&camp.word);
        let made = self.mender.make(&camp.seat.admin, Thing::User(role), &name, &Have::new()).await?;
        let session = login(&self.mender, &made, &camp.seat).await?;
        let password = made.secret.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default();
        leftovers.made.push((camp.seat.admin.clone(), made));
        Ok((session, password))
    }

    /// Another one's name with a secret of one's own: a user's address, or a device's identity.
    pub(super) async fn log_in_as(&self, surface: &Surface, sides: &Sides<'_>, scene: Scene) -> Result<Asked, Unasked> {
        let missing = || Unasked::Prevented(format!("{} has nobody to be taken for", sides.victim.seat.at.name));
        let by_identity = surface.slots.iter().any(|slot| slot.kind == Kind::Identity);
        if by_identity {
            let whose = sides
                .victim
                .estate
                .find(Kind::Identity)
                .and_then(|made| made.id(Kind::Identity))
                .ok_or_else(missing)?;
            let identity = match scene {
                Scene::Nothing => serde_json::json!({ "serial": self.names.fresh("nothing") }).to_string(),
                _ => whose.to_owned(),
            };
            let key = self.mender.key(&self.names.fresh("stray"));
            let token = self.mender.tenant_token(sides.attacker.admin()?).await?;
            let answer = self.mender.knock("canary", &identity, &key, token.reveal()).await?;
            self.forget_identity(sides.attacker, &identity).await?;
            let request = format!("{} {} {{\"id_data\":{identity}}}", surface.method, surface.path);
            return Ok(Asked { request, answer, named: vec![identity] });
        }
        let (victim, own) = (sides.victim.users.get(&Role::Admin), sides.attacker.users.get(&Role::Admin));
        let ((victim, _), (own, _)) = victim.zip(own).ok_or_else(missing)?;
        let email = match scene {
            Scene::Nothing => format!("{}@canary.test", self.names.fresh("nothing")),
            _ => victim.id(Kind::Email).unwrap_or_default().to_owned(),
        };
        let password = own.secret.as_ref().map(|secret| secret.reveal()).unwrap_or_default();
        let request = format!("{} {} as {email}", surface.method, surface.path);
        match self.mender.login(&email, password, None).await {
            Ok(session) => {
                let (operation, status) = (Some(surface.operation.as_str().into()), 200);
                gone(self.mender.logout(&session).await)?;
                let answer = Answer { operation, status, headers: Vec::new(), body: Default::default() };
                Ok(Asked { request, answer, named: vec![email] })
            }
            Err(DialectError::Refused(refused)) => Ok(Asked { request, answer: *refused.0, named: vec![email] }),
            Err(error) => Err(error.into()),
        }
    }

    /// A device that knocked with somebody's identity at the attacker's own door leaves again.
    async fn forget_identity(&self, camp: &Camp, identity: &str) -> Result<(), DetectorError> {
        let fields: BTreeMap<String, String> = serde_json::from_str(identity).unwrap_or_default();
        let by = camp.admin()?;
        match self.mender.device_by_identity(by, &fields).await? {
            Some(device) => gone(self.mender.decommission(by, &device.id).await),
            None => Ok(()),
        }
    }

    /// What a request made is removed by whoever could make it.
    pub(super) async fn undo(
        &self,
        surface: &Surface,
        camp: &Camp,
        by: &Session,
        fills: &Fills,
        answer: &Answer,
    ) -> Result<(), DetectorError> {
        if surface.does != Does::Create || !answer.is_success() {
            return Ok(());
        }
        let (mender, admin) = (&self.mender, camp.admin()?);
        if surface.object == Kind::Token {
            return self.revoke_strays(by, fills).await;
        }
        if surface.object == Kind::Role {
            // A role's id is its name.
            for name in fills.slots.get("body:name").into_iter().flatten() {
                gone(mender.remove_role(admin, name).await)?;
            }
            return Ok(());
        }
        if surface.family == Family::Account {
            return Ok(registered::undo(mender, admin, surface, fills, answer).await?);
        }
        if surface.family == Family::Lobby {
            let operator = self.operator().unwrap_or(admin);
            return Ok(guests::undo(mender, operator, surface, fills, answer).await?);
        }
        let Some(id) = answer.created_id() else { return Ok(()) };
        gone(match surface.object {
            Kind::Device => mender.decommission(admin, id).await,
            Kind::Artifact => mender.remove_artifact(admin, id).await,
            Kind::Deployment => mender.abort(admin, id).await,
            Kind::User => mender.remove_user(admin, id).await,
            Kind::Filter => mender.remove_filter(admin, id).await,
            Kind::Tenant => mender.remove_tenant(admin, id).await,
            _ => Ok(()),
        })
    }

    /// Tokens that an attempt made for its asker.
    async fn revoke_strays(&self, by: &Session, fills: &Fills) -> Result<(), DetectorError> {
        let name = fills.marks.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let Some(surface) = self.surfaces.iter().find(|s| s.operation == "List User Personal Access Tokens") else {
            return Ok(());
        };
        let request = build(surface, &Fills::default())?;
        let listed = self.mender.send(by, Mender::door(&surface.path), request).await?;
        let rows = listed.json().unwrap_or_default();
        let text =
            |row: &serde_json::Value, name: &str| row.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let ours = |row: &&serde_json::Value| {
            let listed = text(row, "name");
            listed.starts_with("stray-") || listed == name
        };
        for row in rows.as_array().into_iter().flatten().filter(ours) {
            gone(self.mender.revoke_token(by, &text(row, "id")).await)?;
        }
        Ok(())
    }
}
