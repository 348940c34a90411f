//! Lists and totals before and after the victim makes more objects: they must not tell.

use super::ask::{Scene, Sides, Unasked};
use super::camp::Set;
use super::trial::Trial;
use super::{DetectorError, Field};
use fleetproof_claims::model::{Attempt, Kind, Oracle, Role};
use fleetproof_dialects::aws::objects::Item;
use fleetproof_dialects::mender::objects::{Have, Thing};
use std::collections::BTreeMap;

/// A list that moves by itself is read again this often before it is given up.
const TRIES: usize = 3;

/// What the victim makes more of.
const MORE: [Thing; 14] = [
    Thing::PendingDevice,
    Thing::Artifact,
    Thing::Deployment,
    Thing::User(Role::Viewer),
    Thing::Role,
    Thing::Filter,
    Thing::Group,
    Thing::Registered(Item::Thing),
    Thing::Registered(Item::Group),
    Thing::Registered(Item::Certificate),
    Thing::Registered(Item::Policy),
    Thing::Registered(Item::Authority),
    Thing::Registered(Item::Job),
    Thing::Registered(Item::Template),
];

impl Field {
    /// Makes those attempts of a direction that compare a list with itself; by id. (Their controls come later.)
    pub(super) async fn lists(&self, attempts: &[Attempt]) -> Result<BTreeMap<String, Trial>, DetectorError> {
        let mut open: Vec<&Attempt> = attempts.iter().filter(|a| a.oracles.contains(&Oracle::SameTotal)).collect();
        let mut done = BTreeMap::new();
        let Some(first) = open.first() else { return Ok(done) };
        let (attacker, victim) = (self.camp(&first.actor.tenant)?, self.camp(&first.victim)?);
        let none = Set::default();
        let sides = Sides { attacker, own: &none, victim, prey: &none };
        for round in 0..TRIES {
            let mut before = BTreeMap::new();
            for attempt in &open {
                before.insert(&attempt.id, self.seen(attempt, &sides).await?);
            }
            let more = self.more(victim).await?;
            let mut after = Vec::new();
            for attempt in &open {
                after.push(self.try_one(attempt, &self.surfaces[attempt.surface], &sides).await?);
            }
            more.remove(&self.mender, victim.admin()?).await?;
            let mut moving = Vec::new();
            for (attempt, mut trial) in open.into_iter().zip(after) {
                let before = before.remove(&attempt.id).flatten();
                let same = before.as_ref() == Some(&trial.record.answer);
                // Did it move because of the victim, or by itself? Only if the former it is as before again.
                if !same && trial.asked.is_some() && self.seen(attempt, &sides).await? != before {
                    if round + 1 < TRIES {
                        moving.push(attempt);
                        continue;
                    }
                    trial.record.prevented = Some("the list moves by itself".to_owned());
                }
                trial.record.without =
                    if trial.record.prevented.is_some() { Some(trial.record.answer.clone()) } else { before };
                done.insert(attempt.id.clone(), trial);
            }
            open = moving;
            if open.is_empty() {
                break;
            }
        }
        Ok(done)
    }

    /// The canonical answer to a list.
    async fn seen(&self, attempt: &Attempt, sides: &Sides<'_>) -> Result<Option<String>, DetectorError> {
        let surface = &self.surfaces[attempt.surface];
        let asked = async {
            let fills = self.fills(attempt, surface, sides, Scene::Attack)?;
            let by = self.credential(&attempt.actor.identity, sides)?;
            self.ask(&by, surface, &fills, (&attempt.tamper, Scene::Attack), sides).await
        };
        match asked.await {
            Ok(asked) => Ok(Some(asked.canonical())),
            Err(Unasked::Prevented(_)) => Ok(None),
            Err(Unasked::Error(error)) => Err(error),
        }
    }

    /// One more of everything, at the victim's.
    async fn more(&self, victim: &super::camp::Camp) -> Result<Set, DetectorError> {
        let by = victim.admin()?;
        let mut set = Set::default();
        let mut have = Have::new();
        for thing in MORE.into_iter().filter(|thing| super::camp::can_make(&self.surfaces, *thing)) {
            let made = self.mender.make(by, thing, &self.names.fresh(&victim.word), &have).await?;
            for kind in [Kind::Device, Kind::Release, Kind::Thing, Kind::ThingArn] {
                if let Some(id) = made.ids.get(&kind) {
                    have.insert(kind, id.clone());
                }
            }
            set.made.push(made);
        }
        set.made.extend(victim.at_lobby(&self.mender, &self.surfaces, by, &self.names).await?);
        Ok(set)
    }
}
