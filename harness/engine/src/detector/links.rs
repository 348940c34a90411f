//! Signed links: bent towards another's file, or used otherwise than for what they are.

use super::ask::{Asked, Scene, Sides, Unasked};
use super::camp::{Camp, Set};
use super::trial::Trial;
use super::{Field, tell};
use fleetproof_claims::model::{Audience, Identity, Kind, LinkBend, LinkUse, Surface};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::objects::{Have, Thing};
use fleetproof_dialects::mender::storage::{Following, Stored, bend_link};
use fleetproof_dialects::mender::updates::Link;
use fleetproof_dialects::mender::{Mender, Session};
use std::time::Duration;

/// How often it is looked whether a link has ended.
const GLANCE: Duration = Duration::from_secs(5);

impl Field {
    /// The link that an operation gives to one who may have it.
    async fn link(&self, surface: &Surface, camp: &Camp, artifact: &str) -> Result<Link, Unasked> {
        if surface.audience != Audience::Device {
            return Ok(self.mender.download_link(camp.admin()?, artifact).await?);
        }
        let device = camp.session(&Identity::Device).map_err(Unasked::Prevented)?;
        let slot = surface.slots.first().map(|slot| slot.key()).unwrap_or_default();
        let request = build(surface, &Fills::default().slot(&slot, artifact))?;
        let answer = self.mender.send(&device, Mender::door(&surface.path), request).await?;
        let found = answer.json().filter(|_| answer.is_success());
        let found = found.ok_or_else(|| Unasked::Prevented(format!("no link is given: {}", answer.status)))?;
        let text = |name: &str| found.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        Ok(Link { uri: text("uri"), expire: text("expire") })
    }

    /// Follows a link to the attacker's own artifact, bent towards the victim's.
    pub(super) async fn follow_bent(
        &self,
        bend: LinkBend,
        surface: &Surface,
        sides: &Sides<'_>,
        scene: Scene,
    ) -> Result<Asked, Unasked> {
        let slot = surface.slots.first().ok_or_else(no_artifact)?;
        let own = self.own_value(surface, slot, sides.own, sides.attacker).ok_or_else(no_artifact)?;
        let victims = self.victims_value(surface, slot, sides).ok_or_else(no_artifact)?;
        let victims = if scene == Scene::Nothing { self.nothing_like(slot, &victims) } else { victims };
        let link = self.link(surface, sides.attacker, &own).await?;
        let stored = |camp: &Camp| camp.seat.at.id.to_string();
        let (home, away) = (stored(sides.attacker), stored(sides.victim));
        let bent = bend_link(
            &link.uri,
            bend,
            Stored { tenant: &home, artifact: &own },
            Stored { tenant: &away, artifact: &victims },
        );
        let how = if bend == LinkBend::Part { Following::Part } else { Following::Whole };
        let answer = self.mender.follow_as(&Session::nobody(), &bent, how).await?;
        let request = format!("GET {}", tell::link(&bent));
        Ok(Asked { request, answer, named: vec![own, victims, home, away, bent] })
    }

    /// Follows the victim's own link to its own artifact.
    pub(super) async fn follow_own(&self, surface: &Surface, set: &Set, camp: &Camp) -> Result<Asked, Unasked> {
        let slot = surface.slots.first().ok_or_else(no_artifact)?;
        let own = self.own_value(surface, slot, set, camp).ok_or_else(no_artifact)?;
        let link = self.link(surface, camp, &own).await?;
        let answer = self.mender.follow(camp.admin()?, &link.uri).await?;
        let request = format!("GET {}", tell::link(&link.uri));
        Ok(Asked { request, answer, named: vec![own] })
    }

    /// Uses a true link of the victim's, to an artifact that is made for it alone, as nobody should be able to.
    pub(super) async fn use_link(&self, used: LinkUse, surface: &Surface, sides: &Sides<'_>) -> Result<Trial, Unasked> {
        let owner = sides.victim.admin()?;
        let name = self.names.fresh(&sides.victim.word);
        let made = self.mender.make(owner, Thing::Artifact, &name, &Have::new()).await?;
        let trial = self.use_link_to(used, surface, sides.victim, made.id(Kind::Artifact).unwrap_or_default());
        let (before, mut trial) = (self.mender.look(owner, &made).await?, trial.await);
        let after = self.mender.look(owner, &made).await?;
        self.mender.remove(owner, &made).await?;
        if let Ok(trial) = &mut trial {
            let found = trial.asked.as_ref().map(|asked| sides.victim.canaries.found(asked.reply(), &[]));
            trial.record.leaked = found.unwrap_or_default().into_iter().map(str::to_owned).collect();
            (trial.record.before, trial.record.after) = (Some(before), Some(after));
        }
        trial
    }

    async fn use_link_to(
        &self,
        used: LinkUse,
        surface: &Surface,
        owner: &Camp,
        artifact: &str,
    ) -> Result<Trial, Unasked> {
        let link = self.link(surface, owner, artifact).await?;
        let opened = self.mender.follow(&Session::nobody(), &link.uri).await?;
        if !opened.is_success() {
            return Err(Unasked::Prevented(format!("the link did not open before: {}", opened.status)));
        }
        let (method, how) = match used {
            LinkUse::Put => ("PUT", Following::Put),
            LinkUse::Delete => ("DELETE", Following::Delete),
            LinkUse::Removed | LinkUse::Ended => ("GET", Following::Whole),
        };
        match used {
            LinkUse::Removed => self.mender.remove_artifact(owner.admin()?, artifact).await?,
            LinkUse::Ended => self.until_ended(&link).await?,
            LinkUse::Put | LinkUse::Delete => {}
        }
        let told = format!("{method} {} ({})", tell::link(&link.uri), used.word());
        let answer = self.mender.follow_as(&Session::nobody(), &link.uri, how).await?;
        let mut trial = Trial::default();
        trial.record.status = answer.status;
        let asked = Asked { request: told, answer, named: vec![artifact.to_owned()] };
        trial.record.answer = asked.canonical();
        trial.asked = Some(asked);
        Ok(trial)
    }

    /// Waits until the time of a link is over, if the claim may wait so long.
    async fn until_ended(&self, link: &Link) -> Result<(), Unasked> {
        let (clock, net) = (&self.mender.world().clock, &self.mender.world().net);
        if !net.is_memory() {
            return Err(Unasked::Prevented("in real time nobody waits until a link has ended".to_owned()));
        }
        // Both are UTC in the same form: text compares as time does.
        while clock.rfc3339() <= link.expire {
            if clock.now() >= self.deadline {
                return Err(Unasked::Prevented("links live longer than the claim may wait (`within`)".to_owned()));
            }
            clock.sleep(GLANCE).await;
        }
        Ok(())
    }
}

fn no_artifact() -> Unasked {
    Unasked::Prevented("there is no artifact to link to".to_owned())
}
