//! A round: all attempts upon one operation in one direction, and what the victim saw before and after.

use super::ask::Sides;
use super::camp::{Camp, Set};
use super::prey::{consumes, is_about_children};
use super::trial::Trial;
use super::{DetectorError, Field, tell};
use fleetproof_claims::model::{Attempt, Compiled, Control, Fill, Identity, Kind, Oracle, Surface};
use fleetproof_claims::{Ruling, judge};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::Session;
use fleetproof_journal::{Attempted, What};
use std::collections::BTreeMap;

/// What is gone already need not be removed.
pub(super) fn gone<T>(result: Result<T, DialectError>) -> Result<(), DetectorError> {
    match result {
        Err(error) if error.status().is_none() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Makes all attempts, round by round. Those that were judged before an error are in `attempted`.
pub(super) async fn all(
    field: &Field,
    compiled: &Compiled,
    emit: &mut (dyn FnMut(What) + Send),
    attempted: &mut Vec<Attempted>,
) -> Result<(), DetectorError> {
    let mut rest = compiled.attempts.as_slice();
    while let Some(first) = rest.first() {
        let direction = (&first.actor.tenant, &first.victim);
        let length = rest.iter().take_while(|a| (&a.actor.tenant, &a.victim) == direction).count();
        let (here, later) = rest.split_at(length);
        rest = later;
        if here.iter().all(|attempt| attempt.control == Control::Before) {
            for (attempt, trial) in here.iter().zip(field.ghosts(here).await?) {
                let outcome = judge(attempt, &trial.record);
                let told = match (&trial.asked, &trial.record.prevented) {
                    (None, Some(reason)) => tell::not_made(field.claim, attempt, reason),
                    // The device's place is the only thing that a new tenant can lack.
                    (_, Some(reason)) if outcome.ruling == Ruling::Inconclusive => {
                        tell::not_made(field.claim, attempt, reason)
                    }
                    _ => tell::attempted(field.claim, attempt, &trial, &outcome),
                };
                emit(What::Attempted(told.clone()));
                attempted.push(told);
            }
            continue;
        }
        let mut baselines = field.lists(here).await?;
        for round in here.chunk_by(|a, b| a.surface == b.surface) {
            for (attempt, trial) in round.iter().zip(field.round(round, &mut baselines).await?) {
                let outcome = judge(attempt, &trial.record);
                let told = match (&trial.asked, &trial.record.prevented, outcome.ruling) {
                    (None, Some(reason), _) => tell::not_made(field.claim, attempt, reason),
                    (_, _, Ruling::Inconclusive) => match field.no_place_for(attempt)? {
                        Some(reason) => tell::not_made(field.claim, attempt, &reason),
                        None => tell::attempted(field.claim, attempt, &trial, &outcome),
                    },
                    _ => tell::attempted(field.claim, attempt, &trial, &outcome),
                };
                emit(What::Attempted(told.clone()));
                attempted.push(told);
            }
        }
    }
    Ok(())
}

impl Field {
    async fn round(
        &self,
        attempts: &[Attempt],
        baselines: &mut BTreeMap<String, Trial>,
    ) -> Result<Vec<Trial>, DetectorError> {
        let Some(first) = attempts.first() else { return Ok(Vec::new()) };
        let surface = &self.surfaces[first.surface];
        let (attacker, victim) = (self.camp(&first.actor.tenant)?, self.camp(&first.victim)?);
        let inside = attacker.seat.at.name == victim.seat.at.name;
        let looked = attempts.iter().any(|a| a.oracles.contains(&Oracle::Unchanged));
        let owner = self.owner(surface, victim);
        let maker = self.maker(surface, victim, first, inside)?;
        let prey = self.throw_away(surface, victim, &maker, None).await?;
        let own = match attempts.iter().any(|a| needs_own(a, surface)) && !inside {
            true => self.throw_away(surface, attacker, attacker.admin()?, None).await?,
            false => Set::default(),
        };
        let mut trials = Vec::new();
        let before = self.look(surface, &prey, owner, victim, looked).await?;
        for attempt in attempts {
            let trial = match baselines.remove(&attempt.id) {
                Some(trial) => trial,
                None => {
                    let own = if inside { &prey } else { &own };
                    self.try_one(attempt, surface, &Sides { attacker, own, victim, prey: &prey }).await?
                }
            };
            trials.push(trial);
        }
        let after = self.look(surface, &prey, owner, victim, looked).await?;
        let moved = before != after;
        for trial in trials.iter_mut().filter(|trial| trial.record.before.is_none()) {
            trial.record.before.clone_from(&before);
            trial.record.after = if moved { None } else { after.clone() };
        }
        if moved {
            self.one_by_one(attempts, surface, (attacker, victim), &mut trials).await?;
        }
        self.controls(attempts, surface, (attacker, victim), &prey, moved, &mut trials).await?;
        self.dispose(&own, attacker.admin()?).await?;
        self.dispose(&prey, &maker).await?;
        Ok(trials)
    }

    /// Removes throw-away objects; a child is removed by the one who made it, whoever else is about.
    pub(super) async fn dispose(&self, set: &Set, by: &Session) -> Result<(), DetectorError> {
        match (&set.child, self.provider()) {
            (Some(_), Some(provider)) => set.remove(&self.mender, provider.admin()?).await,
            _ => set.remove(&self.mender, by).await,
        }
    }

    /// Whose the prey is.
    pub(super) fn owner<'a>(&'a self, surface: &Surface, victim: &'a Camp) -> &'a Camp {
        if is_about_children(surface) { self.provider().unwrap_or(victim) } else { victim }
    }

    /// Who makes it: its owner's admin, or, of what belongs to a person, the asker herself.
    fn maker(&self, surface: &Surface, victim: &Camp, first: &Attempt, inside: bool) -> Result<Session, DetectorError> {
        let personal = surface.slots.iter().any(|slot| slot.kind == Kind::Token);
        match &first.actor.identity {
            Identity::Person(name) if inside && personal => self.people.get(name).cloned().ok_or(DetectorError::NoCamp),
            _ => victim.admin().cloned(),
        }
    }

    /// What the victim sees of the prey and of its lists. Nothing, when nobody asks.
    async fn look(
        &self,
        surface: &Surface,
        prey: &Set,
        owner: &Camp,
        victim: &Camp,
        looked: bool,
    ) -> Result<Option<String>, DetectorError> {
        if !looked {
            return Ok(None);
        }
        let objects = match prey.made.is_empty() && prey.child.is_none() {
            false => prey.look(&self.mender, owner.admin()?).await?,
            true => self.look_at_standing(surface, victim).await?,
        };
        let lists = match surface.does.only_looks() {
            true => "{}".to_owned(),
            false => victim.digest(&self.mender, &self.surfaces, surface.object).await?,
        };
        Ok(Some(format!("{{\"objects\":{objects},\"lists\":{lists}}}")))
    }

    /// Those of the standing objects that an operation can name.
    async fn look_at_standing(&self, surface: &Surface, victim: &Camp) -> Result<String, DetectorError> {
        // What can only be read is not altered by asking, and what it shows is searched for canaries.
        if surface.does.only_looks() {
            return Ok("{}".to_owned());
        }
        let mut seen = Vec::new();
        for slot in surface.slots.iter().filter(|slot| !slot.optional) {
            if let Some(made) = victim.estate.find(slot.kind) {
                let look = self.mender.look(victim.admin()?, made).await?;
                seen.push(format!("{}:{look}", serde_json::Value::String(slot.key())));
            }
        }
        Ok(format!("{{{}}}", seen.join(",")))
    }

    /// Something changed: each attempt again, upon objects of its own.
    async fn one_by_one(
        &self,
        attempts: &[Attempt],
        surface: &Surface,
        (attacker, victim): (&Camp, &Camp),
        trials: &mut [Trial],
    ) -> Result<(), DetectorError> {
        let inside = attacker.seat.at.name == victim.seat.at.name;
        let owner = self.owner(surface, victim);
        for (attempt, trial) in attempts.iter().zip(trials) {
            if !attempt.oracles.contains(&Oracle::Unchanged) {
                continue;
            }
            let maker = self.maker(surface, victim, attempt, inside)?;
            let prey = self.throw_away(surface, victim, &maker, None).await?;
            let own = match needs_own(attempt, surface) && !inside {
                true => self.throw_away(surface, attacker, attacker.admin()?, None).await?,
                false => Set::default(),
            };
            let before = self.look(surface, &prey, owner, victim, true).await?;
            let sides = Sides { attacker, own: if inside { &prey } else { &own }, victim, prey: &prey };
            let mut again = self.try_one(attempt, surface, &sides).await?;
            let after = self.look(surface, &prey, owner, victim, true).await?;
            if again.record.before.is_none() {
                again.record.before = before;
                again.record.after = after;
            }
            *trial = again;
            self.dispose(&own, attacker.admin()?).await?;
            self.dispose(&prey, &maker).await?;
        }
        Ok(())
    }
}

/// Whether an attempt names, or alters, something of the attacker's own.
fn needs_own(attempt: &Attempt, surface: &Surface) -> bool {
    consumes(surface)
        && (attempt.control == Control::Actor
            || surface.required().any(|slot| {
                let fill = attempt.fills.get(&slot.key());
                matches!(fill, None | Some(Fill::Own | Fill::OwnThenVictims | Fill::VictimsThenOwn))
            }))
}
