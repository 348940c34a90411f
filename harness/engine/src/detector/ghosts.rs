//! A tenant is made, furnished, removed and made again under the same name: what of the former one is still there?

use super::ask::{Asked, Scene, Sides, Unasked};
use super::camp::{Camp, Set};
use super::trial::Trial;
use super::{DetectorError, Field, Seat, tell};
use fleetproof_claims::model::{Attempt, Audience, Held, Identity, Kind, Oracle, Surface};
use fleetproof_dialects::mender::refusals::refusal;
use fleetproof_dialects::mender::{Session, TenantRef};
use std::collections::BTreeMap;

/// What is kept of the former tenant.
struct Former {
    camp: Camp,
    /// What came of each attempt's request while it was there, by the attempt's id.
    before: BTreeMap<String, Result<Asked, String>>,
    access_token: Option<Session>,
    tenant_token: String,
    link: Option<String>,
}

impl Field {
    /// Makes all attempts of one removal and return.
    pub(super) async fn ghosts(&self, attempts: &[Attempt]) -> Result<Vec<Trial>, DetectorError> {
        let prevented = |reason: &str| attempts.iter().map(|_| Trial::prevented(reason.to_owned())).collect();
        let Some(provider) = self.provider() else { return Ok(prevented("there is no provider to make a tenant")) };
        let by = provider.admin()?;
        let name = self.names.fresh(&provider.word);
        let seat = match self.onboard(by, &name).await {
            Ok(seat) => seat,
            Err(DetectorError::Dialect(error)) if error.status().is_some() => {
                return Ok(prevented(&format!("no tenant can be made: {error}")));
            }
            Err(error) => return Err(error),
        };
        let former = self.furnish(&seat, attempts).await;
        self.mender.remove_tenant(by, &seat.at.id).await?;
        let former = former?;
        let again = Camp::bare(self.onboard(by, &name).await?);
        let mut trials = Vec::new();
        for attempt in attempts {
            trials.push(self.haunt(attempt, &former, &again).await?);
        }
        self.mender.remove_tenant(by, &again.seat.at.id).await?;
        Ok(trials)
    }

    /// A child called `name`, with a place for one device where the pool has one, and its admin's session.
    async fn onboard(&self, by: &Session, name: &str) -> Result<Seat, DetectorError> {
        let (email, password) = (format!("{name}@canary.test"), format!("secret-{name}-again"));
        let first = self.mender.create_tenant(by, name, &email, &password, Some(1)).await;
        // An organisation gives no address twice, also when its account is closed: the name is what comes again.
        let (email, first) = match first {
            Err(error) if error.status() == Some(409) => {
                let other = format!("{name}-again@canary.test");
                let first = self.mender.create_tenant(by, name, &other, &password, Some(1)).await;
                (other, first)
            }
            first => (email, first),
        };
        let id = match first {
            Err(error) if error.status() == Some(422) => {
                self.mender.create_tenant(by, name, &email, &password, Some(0)).await?
            }
            other => other?,
        };
        let at = TenantRef::new(name, &id);
        let admin = self.mender.login(&email, &password, Some(&at)).await?;
        Ok(Seat { at, admin, provider: false })
    }

    /// Everything that a tenant can have; and every request once, while it is due.
    async fn furnish(&self, seat: &Seat, attempts: &[Attempt]) -> Result<Former, DetectorError> {
        let camp = Camp::pitch(&self.mender, &self.surfaces, seat, &self.names, self.operator()).await?;
        let admin = camp.admin()?.clone();
        let token = camp.estate.find(Kind::Token).and_then(|made| made.secret.clone());
        let artifact = camp.estate.find(Kind::Artifact).and_then(|made| made.id(Kind::Artifact)).map(str::to_owned);
        let link = match artifact {
            Some(artifact) => Some(self.mender.download_link(&admin, &artifact).await?.uri),
            None => None,
        };
        let mut former = Former {
            access_token: token.map(|token| admin.forged(Some(token))),
            tenant_token: self.mender.tenant_token(&admin).await?.reveal().to_owned(),
            before: BTreeMap::new(),
            link,
            camp,
        };
        for attempt in attempts {
            let surface = &self.surfaces[attempt.surface];
            let asked = match self.with_held(attempt, surface, &former, &former.camp, Scene::Plain).await {
                Ok(asked) => Ok(asked),
                Err(Unasked::Prevented(reason)) => Err(reason),
                Err(Unasked::Error(error)) => return Err(error),
            };
            former.before.insert(attempt.id.clone(), asked);
        }
        Ok(former)
    }

    /// One attempt, with its control from before.
    async fn haunt(&self, attempt: &Attempt, former: &Former, again: &Camp) -> Result<Trial, DetectorError> {
        let surface = &self.surfaces[attempt.surface];
        let looked = attempt.oracles.contains(&Oracle::Unchanged);
        let before = if looked { Some(again.digest(&self.mender, &self.surfaces, Kind::Device).await?) } else { None };
        let mut trial = match self.compare(attempt, surface, former, again).await {
            Ok(trial) => trial,
            Err(Unasked::Prevented(reason)) => Trial::prevented(reason),
            Err(Unasked::Error(error)) => return Err(error),
        };
        if looked {
            trial.record.after = Some(again.digest(&self.mender, &self.surfaces, Kind::Device).await?);
            trial.record.before = before;
        }
        match former.before.get(&attempt.id) {
            Some(Ok(asked)) => {
                trial.record.control = Some(asked.answer.status);
                if !asked.answer.is_success() {
                    // Without a place for a device there was nothing to be seen of one before either.
                    trial.record.prevented.clone_from(&former.camp.no_device);
                }
                trial.control = Some(asked.clone());
            }
            Some(Err(reason)) => trial.record.prevented = Some(reason.clone()),
            None => {}
        }
        Ok(trial)
    }

    async fn compare(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        former: &Former,
        again: &Camp,
    ) -> Result<Trial, Unasked> {
        let mut trial = Trial::default();
        let asked = self.with_held(attempt, surface, former, again, Scene::Attack).await?;
        if attempt.oracles.contains(&Oracle::AsNeverExisted) {
            let nothing = self.with_held(attempt, surface, former, again, Scene::Nothing).await?;
            trial.record.never_existed = Some(nothing.canonical());
            trial.nothing = Some(nothing);
        }
        trial.record.refusal = refusal(surface, None, &asked.answer, None);
        trial.record.status = asked.answer.status;
        trial.record.answer = asked.canonical();
        let named: Vec<&str> = asked.named.iter().map(String::as_str).collect();
        let found = former.camp.canaries.found(asked.reply(), &named);
        trial.record.leaked = found.into_iter().map(str::to_owned).collect();
        trial.asked = Some(asked);
        Ok(trial)
    }

    /// Asks with what the attempt's actor holds, at the tenant of `here`: in [`Scene::Plain`] the former one itself.
    async fn with_held(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        former: &Former,
        here: &Camp,
        scene: Scene,
    ) -> Result<Asked, Unasked> {
        let missing = |what: &str| Unasked::Prevented(format!("{} had no {what}", former.camp.seat.at.name));
        let held = match attempt.actor.identity {
            Identity::Former(held) => held,
            _ => Held::Session,
        };
        let by = match (held, surface.audience) {
            (Held::Link, _) => {
                let link = former.link.as_ref().ok_or_else(|| missing("artifact"))?;
                let answer = self.mender.follow(&Session::nobody(), link).await?;
                return Ok(Asked { request: format!("GET {}", tell::link(link)), answer, named: vec![link.clone()] });
            }
            (Held::TenantToken, _) => return self.knock_again(surface, former).await,
            (Held::Device, _) | (_, Audience::Device) => {
                former.camp.session(&Identity::Device).map_err(Unasked::Prevented)?
            }
            (Held::AccessToken, _) => former.access_token.clone().ok_or_else(|| missing("access token"))?,
            (Held::Session, _) if attempt.actor.identity == Identity::Again => here.admin()?.clone(),
            (Held::Session, _) => former.camp.admin()?.clone(),
        };
        let none = Set::default();
        let sides = Sides { attacker: here, own: &none, victim: &former.camp, prey: &former.camp.estate };
        let fills = self.fills(attempt, surface, &sides, scene)?;
        self.ask(&by, surface, &fills, (&[], scene), &sides).await
    }

    /// The former tenant's device shows itself with that tenant's token.
    async fn knock_again(&self, surface: &Surface, former: &Former) -> Result<Asked, Unasked> {
        let camp = &former.camp;
        let lacks = || Unasked::Prevented(camp.no_device.clone().unwrap_or_default());
        let made = camp.estate.find(Kind::Identity).filter(|_| camp.device.is_some()).ok_or_else(lacks)?;
        let (identity, key) = (made.id(Kind::Identity).unwrap_or_default(), self.mender.key(&made.name));
        let answer = self.mender.knock("canary", identity, &key, &former.tenant_token).await?;
        let request = format!("{} {} {{\"id_data\":{identity}}}", surface.method, surface.path);
        Ok(Asked { request, answer, named: vec![identity.to_owned()] })
    }
}
