//! What there is at the lobby to be attacked: devices of a canary's own, claimed before they ever knock, and what only who runs
//! the lobby has.

use super::lobby::{self, Target, ask};
use super::{papers, text, things};
use crate::mender::fill::Fills;
use crate::mender::objects::{Made, Thing};
use crate::mender::{Mender, Session};
use crate::{DialectError, Result};
use fleetproof_claims::model::{Kind, Surface};
use serde_json::{Map, Value, json};

/// Where the devices of a region go that was given up for an attempt: there are none.
const ELSEWHERE: &str = "elsewhere";

/// What can be made at the lobby. No device of these has a body: each is a certificate that nobody ever shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guest {
    /// A device that is a tenant's.
    Bound,
    /// One that was given back: it is nobody's.
    Unbound,
    /// One that was turned down.
    TurnedDown,
    /// An authority that is trusted.
    Authority,
    /// A region that was given up, and that no account is in.
    LostRegion,
}

impl Guest {
    /// What to make for a kind of object; `None` for kinds that are not made.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::LobbyDevice | Kind::Label => Self::Bound,
            Kind::Unbound => Self::Unbound,
            Kind::TurnedDown => Self::TurnedDown,
            Kind::LobbyAuthority => Self::Authority,
            Kind::LostRegion => Self::LostRegion,
            _ => return None,
        })
    }

    /// Its word in looks.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bound | Self::Unbound | Self::TurnedDown => "device at the lobby",
            Self::Authority => "trusted authority",
            Self::LostRegion => "region that was given up",
        }
    }

    /// The operation that makes it.
    #[must_use]
    pub fn maker(self) -> &'static str {
        match self {
            Self::Bound | Self::Unbound | Self::TurnedDown => "ClaimDevice",
            Self::Authority => "TrustAuthority",
            Self::LostRegion => "EvacuateRegion",
        }
    }

    /// Makes one: a device in the tenant of `by`, with a label that `operator`, who runs the lobby, prints; anything else at the
    /// lobby itself.
    ///
    /// # Errors
    /// As every verb.
    pub async fn make(self, mender: &Mender, operator: &Session, by: &Session, canary: &str) -> Result<Made> {
        let mut made = Made::new(Thing::Guest(self), canary);
        made.giver = Some(operator.clone());
        match self {
            Self::Bound => {
                let (made, label) = bound(mender, operator, by, made).await?;
                Ok(made.with(Kind::Label, label))
            }
            Self::Unbound | Self::TurnedDown => {
                let (made, _) = bound(mender, operator, by, made).await?;
                let id = made.ids.get(&Kind::LobbyDevice).cloned().unwrap_or_default();
                lobby::release(mender, by, &id).await?;
                if self == Self::Unbound {
                    return Ok(renamed(made, Kind::Unbound, id));
                }
                lobby::reject(mender, operator, &id).await?;
                Ok(renamed(made, Kind::TurnedDown, id))
            }
            Self::Authority => {
                let id = lobby::trust(mender, operator, &papers::authority_pem(mender, canary)?).await?;
                Ok(made.with(Kind::LobbyAuthority, id))
            }
            Self::LostRegion => {
                lobby::evacuate(mender, operator, canary, ELSEWHERE).await?;
                Ok(made.with(Kind::LostRegion, canary))
            }
        }
    }

    /// Removes one, as its owner or as who runs the lobby. What is gone already is no error; a device that is nobody's stays in
    /// the ledger, as every certificate does that it ever heard of.
    pub(crate) async fn remove(self, mender: &Mender, by: &Session, made: &Made) -> Result<()> {
        let id = |kind: Kind| made.id(kind).unwrap_or_default();
        let operator = made.giver.as_ref().unwrap_or(by);
        match self {
            Self::Bound => give_back(mender, operator, by, id(Kind::LobbyDevice)).await,
            Self::Unbound | Self::TurnedDown => Ok(()),
            Self::Authority => distrust(mender, operator, id(Kind::LobbyAuthority)).await,
            Self::LostRegion => restore(mender, operator, id(Kind::LostRegion)).await,
        }
    }

    /// What its owner sees of one; of what is no tenant's, what who runs the lobby sees.
    pub(crate) async fn look(self, mender: &Mender, by: &Session, made: &Made) -> Result<Map<String, Value>> {
        let operator = made.giver.as_ref().unwrap_or(by);
        let id = |kind: Kind| made.id(kind).unwrap_or_default();
        let (who, path) = match self {
            Self::Bound => (by, format!("/devices/{}", id(Kind::LobbyDevice))),
            Self::Unbound => (operator, format!("/devices/{}", id(Kind::Unbound))),
            Self::TurnedDown => (operator, format!("/devices/{}", id(Kind::TurnedDown))),
            Self::Authority => (operator, "/authorities".to_owned()),
            // Nobody is shown which regions are given up.
            Self::LostRegion => return Ok(Map::new()),
        };
        let seen = match ask(mender, who, "GET", &path, None).await {
            Ok(answer) => answer.json().unwrap_or_default(),
            Err(error) => json!(error.status().ok_or(error)?),
        };
        Ok(Map::from_iter([("shown".to_owned(), seen)]))
    }
}

/// A certificate that was never shown, claimed by its label. The label, too.
async fn bound(mender: &Mender, operator: &Session, by: &Session, made: Made) -> Result<(Made, String)> {
    let id = papers::identity(mender, &made.name)?.fingerprint();
    let place = things::place(mender, by, None).await?;
    let label = lobby::label(mender, operator, &id).await?;
    let target = Target { account: &place.account, region: &place.region };
    match lobby::claim(mender, by, &label, target).await {
        // The account does not let the lobby act: the claim stands all the same.
        Err(error) if error.status() != Some(424) => return Err(error),
        _ => {}
    }
    let made = made.with(Kind::TargetAccount, place.account).with(Kind::Region, place.region);
    Ok((made.with(Kind::LobbyDevice, id), label))
}

/// What is nobody's is no tenant's device any more.
fn renamed(mut made: Made, kind: Kind, id: String) -> Made {
    made.ids.remove(&Kind::LobbyDevice);
    made.with(kind, id)
}

/// A device that is its owner's is so no more. One that was declared void must be good again before.
async fn give_back(mender: &Mender, operator: &Session, by: &Session, id: &str) -> Result<()> {
    match lobby::release(mender, by, id).await {
        Err(error) if error.status() == Some(409) => {
            gone(lobby::reinstate(mender, operator, id).await)?;
            gone(lobby::release(mender, by, id).await.map(drop))
        }
        other => gone(other.map(drop)),
    }
}

/// Devices of the caller's tenant among those with these fingerprints are given back.
///
/// # Errors
/// As every verb.
pub async fn sweep(mender: &Mender, operator: &Session, by: &Session, is_stray: impl Fn(&str) -> bool) -> Result<()> {
    for row in lobby::devices(mender, by).await?.into_iter().filter(|row| is_stray(&row.certificate)) {
        give_back(mender, operator, by, &row.certificate).await?;
    }
    Ok(())
}

/// By what the lobby knows the device that is made under a name.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn fingerprint(mender: &Mender, canary: &str) -> Result<String> {
    Ok(papers::identity(mender, canary)?.fingerprint())
}

/// Removes what a successful request to `surface` made at the lobby.
///
/// # Errors
/// As every verb.
pub async fn undo(
    mender: &Mender,
    operator: &Session,
    surface: &Surface,
    fills: &Fills,
    answer: &crate::Answer,
) -> Result<()> {
    match surface.object {
        Kind::LobbyAuthority => distrust(mender, operator, &text(&answer.json().unwrap_or_default(), "id")).await,
        Kind::LostRegion => {
            let region = fills.marks.get("name").and_then(Value::as_str).unwrap_or_default();
            restore(mender, operator, region).await
        }
        _ => Ok(()),
    }
}

async fn distrust(mender: &Mender, operator: &Session, id: &str) -> Result<()> {
    gone(lobby::distrust(mender, operator, id).await)
}

async fn restore(mender: &Mender, operator: &Session, region: &str) -> Result<()> {
    gone(ask(mender, operator, "DELETE", &format!("/evacuations/{region}"), None).await.map(drop))
}

/// What is gone already, or another one's by now, need not be removed.
fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if !matches!(error.status(), Some(403 | 404 | 409)) => Err::<(), DialectError>(error),
        _ => Ok(()),
    }
}
