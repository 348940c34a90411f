//! One event about one device: decided on the row as it was read, made so if nobody wrote in between, and what follows from it.

use super::facts::Known;
use super::house::House;
use super::ledger::{self, Kept};
use crate::edge::User;
use crate::platform::Platform;
use crate::refusal::Answer;
use crate::registry::{Lodging, principals_changed};
use crate::store::Transaction;
use bytes::Bytes;
use fleetproof_dataplane::lobby::{Actor, Change, Event, Fingerprint, LobbyError, Row, State, Via, attempt, decide};

/// How often an event is decided again because somebody was faster.
const TRIES: usize = 16;

/// What happens, to which device, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happening<'a> {
    pub(super) house: &'a House,
    /// The region of the lobby; empty where it makes no difference.
    pub(super) region: &'a str,
    pub(super) certid: &'a Fingerprint,
    pub(super) event: &'a Event,
    /// The person behind it.
    pub(super) who: Option<&'a User>,
}

/// Somebody as the rules know people: for a tenant, or (the operator) for the lobby.
pub(super) fn actor(user: &User, for_lobby: bool) -> Actor {
    Actor { name: user.email.clone(), tenant: (!for_lobby).then(|| user.tenant.clone()) }
}

impl Happening<'_> {
    /// Decides it and makes it so. What is refused changes nothing, and stands in the log of whoever tried.
    pub(super) async fn come_about(&self, app: &Platform) -> Answer<Result<Change, LobbyError>> {
        for _ in 0..TRIES {
            let mut tx = app.begin().await?;
            let kept = ledger::find(&mut tx, self.house, self.certid).await?;
            let decided = self.decide(app, &mut tx, kept.as_ref()).await?;
            app.commit(tx).await?;
            let change = match decided {
                Ok(change) => change,
                Err(refused) => {
                    self.note_attempt(app, &refused).await?;
                    return Ok(Err(refused));
                }
            };
            if kept.as_ref().is_some_and(|kept| kept.row == change.row) {
                follow(app, &change, None);
                return Ok(Ok(change));
            }
            let tx = app.begin().await?;
            if self.keep(app, tx, kept.as_ref(), &change).await? {
                return Ok(Ok(change));
            }
        }
        Ok(Err(LobbyError::Stale))
    }

    /// Decides it on a row.
    pub(super) async fn decide(
        &self,
        app: &Platform,
        tx: &mut Transaction,
        kept: Option<&Kept>,
    ) -> Answer<Result<Change, LobbyError>> {
        let row = kept.map(|kept| &kept.row);
        let known = Known::gather(app, tx, self.house, (self.certid, row), self.event, self.region).await?;
        Ok(decide(self.certid, row, self.event, &known.facts(), app.now_ms() * 1_000))
    }

    /// Makes a change so, in a transaction that may have done other things for it, and does what follows; false: somebody
    /// else wrote meanwhile, and nothing has happened.
    pub(super) async fn keep(
        &self,
        app: &Platform,
        mut tx: Transaction,
        kept: Option<&Kept>,
        change: &Change,
    ) -> Answer<bool> {
        let Some(due_at) = ledger::save(app, &mut tx, self.house, (self.certid, kept), change, self.who).await? else {
            return Ok(false);
        };
        let doors = shut_out(app, &mut tx, self.house, kept.map(|kept| &kept.row), &change.row).await?;
        app.commit(tx).await?;
        principals_changed(app, doors.iter().map(Lodging::change));
        follow(app, change, due_at);
        Ok(true)
    }

    async fn note_attempt(&self, app: &Platform, refused: &LobbyError) -> Answer<()> {
        let Some(who) = self.who else { return Ok(()) };
        let (by, what) = match self.event {
            Event::Claim { by, .. } => (by, "claim"),
            Event::Release { by } => (by, "release"),
            Event::Migrate { by, .. } => (by, "migrate"),
            Event::Reject { by } => (by, "reject"),
            Event::Revoke { by } => (by, "revoke"),
            Event::Reinstate { by } => (by, "reinstate"),
            _ => return Ok(()),
        };
        let entry = attempt(app.now_ms() * 1_000, by, what, self.certid, refused);
        let mut tx = app.begin().await?;
        ledger::note(app, &mut tx, self.house, &entry, Some(who)).await?;
        Ok(app.commit(tx).await?)
    }
}

/// A device that is turned down, or whose certificate is void, is not let into the lobby either; one that is taken back is.
pub(super) async fn shut_out(
    app: &Platform,
    tx: &mut Transaction,
    house: &House,
    before: Option<&Row>,
    after: &Row,
) -> Answer<Vec<Lodging>> {
    let out = |row: &Row| matches!(row.state, State::Rejected | State::Revoked);
    if before.is_none_or(|before| out(before) == out(after)) {
        return Ok(Vec::new());
    }
    let mut doors = Vec::new();
    for region in app.settings().regions.names() {
        let names = (after.certid.as_str(), after.devicename.as_deref().unwrap_or_default(), "");
        // Where the lobby is not there is no door.
        let Ok(door) = Lodging::find(app, tx, (&house.tenant, region), names).await else { continue };
        door.switch(tx, !out(after), app.now_ms()).await?;
        doors.push(door);
    }
    Ok(doors)
}

/// What follows from a change that is committed: what the device is told, and who is to work on it.
pub(super) fn follow(app: &Platform, change: &Change, due_at: Option<u64>) {
    for message in &change.messages {
        let payload = Bytes::from(message.payload.to_string());
        match &message.via {
            Via::Lobby(_) => tell(app, &change.row.certid, &message.topic, payload),
            Via::Tenant { account, region } => {
                if let Some(home) = ledger::home_of(&change.row, account, region) {
                    app.data_plane().publish(app, &home.tenant, region, vec![(message.topic.clone(), payload)]);
                }
            }
        }
    }
    if app.lobbies().note(due_at) {
        app.data_plane().stir();
    }
}

/// Says something to a device where it announced itself last. One that is not there any more hears it when it announces
/// itself again.
fn tell(app: &Platform, certid: &Fingerprint, topic: &str, payload: Bytes) {
    let heard = app.lobbies().state().heard.get(certid).copied();
    if let Some(connection) = heard
        && !app.data_plane().reply(app, connection, (topic.to_owned(), payload))
    {
        app.lobbies().state().heard.remove(certid);
    }
}
