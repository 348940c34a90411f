//! What is planted before an audit log is read: secrets that must not stand there, and a name that must not break it.

use super::ask::{Asked, Unasked};
use super::camp::Camp;
use super::round::gone;
use super::trial::Leftovers;
use super::{DetectorError, Field};
use fleetproof_claims::Record;
use fleetproof_claims::entries_with;
use fleetproof_claims::model::{Attempt, Kind, Role, Tamper};
use fleetproof_dialects::mender::objects::{Have, Thing};
use fleetproof_dialects::mender::updates::Target;
use serde_json::Map;

/// What was planted in the actor's own tenant for one look at its log.
#[derive(Default)]
pub(super) struct Planted {
    /// What each secret is, and what it says.
    secrets: Option<Vec<(&'static str, String)>>,
    /// A word of which exactly one entry tells.
    mark: Option<String>,
    /// The deployment whose name that is.
    deployment: Option<String>,
}

impl Field {
    /// Plants what an attempt asks for.
    pub(super) async fn plant(
        &self,
        attempt: &Attempt,
        camp: &Camp,
        leftovers: &mut Leftovers,
    ) -> Result<Planted, Unasked> {
        let mut planted = Planted::default();
        let by = camp.admin()?;
        if attempt.tamper.contains(&Tamper::Secrets) {
            let (session, password) = self.stand_in(Role::Viewer, camp, leftovers).await?;
            let mut secrets = vec![("a user's password", password)];
            let token = self.mender.make(by, Thing::Token, &self.names.fresh(&camp.word), &Have::new()).await?;
            secrets.extend(token.secret.as_ref().map(|secret| ("an access token", secret.reveal().to_owned())));
            secrets.extend(session.token().map(|token| ("a session's token", token.reveal().to_owned())));
            leftovers.made.push((by.clone(), token));
            secrets.push(("the tenant's token", self.mender.tenant_token(by).await?.reveal().to_owned()));
            if let Some(artifact) = camp.estate.find(Kind::Artifact).and_then(|made| made.id(Kind::Artifact)) {
                let link = self.mender.download_link(by, artifact).await?;
                let signature = link.uri.rsplit(['=', '&']).find(|part| part.len() >= 32).map(str::to_owned);
                secrets.extend(signature.map(|signature| ("a download link's signature", signature)));
            }
            planted.secrets = Some(secrets);
        }
        if attempt.tamper.contains(&Tamper::Injected) {
            let found = |kind: Kind| camp.estate.find(kind).and_then(|made| made.id(kind));
            let (release, device) = found(Kind::Release).zip(found(Kind::Device)).ok_or_else(|| {
                Unasked::Prevented(format!("{} has nothing to deploy, or nowhere", camp.seat.at.name))
            })?;
            let mark = self.names.fresh("stray");
            let name = format!("{mark}\r\n2000-01-01T00:00:00Z,{mark},user,\"\",'");
            let target = Target::Devices(vec![device.to_owned()]);
            planted.deployment = Some(self.mender.deploy(by, &name, release, &target, &Map::new()).await?);
            planted.mark = Some(mark);
        }
        Ok(planted)
    }

    /// What was seen of it, and away with it.
    pub(super) async fn uproot(
        &self,
        planted: Planted,
        camp: &Camp,
        asked: &Asked,
        record: &mut Record,
    ) -> Result<(), DetectorError> {
        let text = asked.answer.text();
        if let Some(secrets) = &planted.secrets {
            let told = secrets.iter().filter(|(_, secret)| secret.len() >= 8 && text.contains(secret.as_str()));
            record.secrets = Some(told.map(|(what, _)| (*what).to_owned()).collect());
        }
        if let Some(mark) = &planted.mark {
            record.entries = Some(entries_with(&text, mark));
        }
        match &planted.deployment {
            Some(deployment) => gone(self.mender.abort(camp.admin()?, deployment).await),
            None => Ok(()),
        }
    }
}
