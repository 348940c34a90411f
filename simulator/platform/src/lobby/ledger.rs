//! The ledger's rows: read, and written only over what was read.

use super::house::House;
use crate::args;
use crate::audit::{Actor, Object};
use crate::defects::DefectId;
use crate::edge::User;
use crate::platform::Platform;
use crate::refusal::{Answer, Refusal};
use crate::store::{self, StoreError, Transaction, Tx};
use fleetproof_dataplane::lobby::{
    Binding, Change, Entry, Fingerprint, Log, Message, Row, State, Summary, Via, outstanding,
};

/// What entries of the log are about.
pub(super) const KIND: &str = "lobby_device";

/// How long a device has for hearing that it is to leave its home, before the home is closed, in ms. Declared.
const GRACE_MS: u64 = 3_000;

/// A row, and when somebody is to work on it, in ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) row: Row,
    pub(super) due_at: Option<u64>,
}

impl Kept {
    fn read(row: &store::Row) -> Result<Self, StoreError> {
        let due_at = row.maybe_int("due_at")?.and_then(|at| u64::try_from(at).ok());
        let mut kept = Self { row: row.json("entry")?, due_at };
        // The column counts: it is what is compared when somebody writes.
        kept.row.version = row.time("version")?;
        Ok(kept)
    }
}

/// The row of a certificate.
pub(super) async fn find(
    tx: &mut Transaction,
    house: &House,
    certid: &Fingerprint,
) -> Result<Option<Kept>, StoreError> {
    let sql = "select version, due_at, entry from lobby_devices where provider_id = $1 and certid = $2 order by certid";
    let row = tx.first(sql, args![&house.provider, certid.as_str()]).await?;
    row.map(|row| Kept::read(&row)).transpose()
}

/// Which rows a list has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// What this tenant owns or waits for; `None`: everything.
    pub(super) tenant: Option<&'a str>,
    /// Only in this state.
    pub(super) state: Option<State>,
    /// Behind this certificate.
    pub(super) after: &'a str,
    pub(super) limit: i64,
}

/// Rows, by certificate.
pub(super) async fn list(tx: &mut Transaction, house: &House, page: &Page<'_>) -> Result<Vec<Row>, StoreError> {
    let sql = "select d.version, d.due_at, d.entry from lobby_devices d \
               where d.provider_id = $1 and d.certid > $2 and ($3 = '' or d.state = $3) \
               and ($4 = '' or d.owner_tenant = $4 or exists (select 1 from lobby_waits w \
                 where w.provider_id = d.provider_id and w.certid = d.certid and w.tenant_id = $4)) \
               order by d.certid limit $5";
    let state = page.state.map(State::name).unwrap_or_default();
    let rows = args![&house.provider, page.after, state, page.tenant.unwrap_or_default(), page.limit];
    tx.query(sql, rows).await?.iter().map(|row| Kept::read(row).map(|kept| kept.row)).collect()
}

/// Writes a change over the row that it was decided on, with its entries and notices; `None`: somebody else wrote meanwhile.
/// Says when somebody is to work on the device, if anybody is.
pub(super) async fn save(
    app: &Platform,
    tx: &mut Transaction,
    house: &House,
    (certid, before): (&Fingerprint, Option<&Kept>),
    change: &Change,
    who: Option<&User>,
) -> Answer<Option<Option<u64>>> {
    let row = &change.row;
    let due_at = due(app, before, change);
    if !write(app, tx, house, certid, change, due_at).await? {
        return Ok(None);
    }
    tx.execute(
        "delete from lobby_waits where provider_id = $1 and certid = $2",
        args![&house.provider, row.certid.as_str()],
    )
    .await?;
    for waits in &row.pending {
        let sql = "insert into lobby_waits (provider_id, tenant_id, certid) values ($1, $2, $3) on conflict do nothing";
        tx.execute(sql, args![&house.provider, &waits.binding.tenant, row.certid.as_str()]).await?;
    }
    for notice in &change.notices {
        let sql =
            "insert into lobby_notices (provider_id, tenant_id, certid, time, message) values ($1, $2, $3, $4, $5)";
        let told = args![&house.provider, &notice.tenant, row.certid.as_str(), app.now_ms(), &notice.text];
        tx.execute(sql, told).await?;
    }
    for entry in &change.entries {
        note(app, tx, house, entry, who).await?;
    }
    Ok(Some(due_at))
}

async fn write(
    app: &Platform,
    tx: &mut Transaction,
    house: &House,
    certid: &Fingerprint,
    change: &Change,
    due_at: Option<u64>,
) -> Answer<bool> {
    let row = &change.row;
    // With the seeded defects somebody's row is written over: another's, or one that has changed meanwhile.
    let blind = app.defect(DefectId::LobbyCompareAndSetLost) || row.certid != *certid;
    let owner = |part: fn(&Binding) -> &String| row.owner.as_ref().map(part).cloned();
    let entry = serde_json::to_string(row).map_err(Refusal::internal)?;
    let args = args![
        &house.provider,
        row.certid.as_str(),
        row.version,
        row.state.name(),
        owner(|owner| &owner.tenant),
        owner(|owner| &owner.account),
        owner(|owner| &owner.region),
        row.devicename.clone(),
        !row.cleanups.is_empty(),
        due_at,
        entry,
        change.expected,
        blind,
    ];
    let update = "update lobby_devices set version = $3, state = $4, owner_tenant = $5, owner_account = $6, owner_region = $7, \
                  name = $8, is_unclean = $9, due_at = $10, entry = $11 \
                  where provider_id = $1 and certid = $2 and (version = $12 or $13 = 1)";
    if tx.execute(update, args).await? == 1 {
        return Ok(true);
    }
    if change.expected != 0 && !blind {
        return Ok(false);
    }
    let insert = "insert into lobby_devices (provider_id, certid, version, state, owner_tenant, owner_account, owner_region, name, \
                  is_unclean, due_at, entry) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing";
    Ok(tx.execute(insert, &args[..11]).await? == 1)
}

/// The home that a device has, or is leaving, in an account and region.
pub(super) fn home_of<'a>(row: &'a Row, account: &str, region: &str) -> Option<&'a Binding> {
    let homes = row.owner.iter().chain(row.cleanups.iter().map(|cleanup| &cleanup.binding));
    homes.into_iter().find(|home| home.account == account && home.region == region)
}

/// When somebody is to work on a device. What was put off stays so, and a device that is to leave has time for hearing it.
fn due(app: &Platform, before: Option<&Kept>, change: &Change) -> Option<u64> {
    let now = app.now_ms();
    let (work, undo) = outstanding(&change.row);
    if work.is_none() && undo.is_empty() {
        return None;
    }
    let name = change.row.devicename.as_deref().unwrap_or_default();
    let hears = |message: &Message| {
        let Via::Tenant { account, region } = &message.via else { return false };
        let home = home_of(&change.row, account, region);
        home.is_some_and(|home| app.data_plane().is_connected(&home.tenant, region, name))
    };
    if change.messages.iter().any(hears) {
        return Some(now + GRACE_MS);
    }
    let was_busy = |kept: &Kept| outstanding(&kept.row) != (None, Vec::new());
    let later = before.filter(|kept| was_busy(kept)).and_then(|kept| kept.due_at).filter(|due| *due > now);
    Some(later.unwrap_or(now))
}

/// Puts work off; or there is none to be done for now.
pub(super) async fn put_off(
    tx: &mut Transaction,
    house: &House,
    certid: &Fingerprint,
    due_at: Option<u64>,
) -> Result<(), StoreError> {
    let sql = "update lobby_devices set due_at = $3 where provider_id = $1 and certid = $2";
    tx.execute(sql, args![&house.provider, certid.as_str(), due_at]).await.map(drop)
}

/// Writes an entry of the ledger into the log that it is for.
pub(super) async fn note(
    app: &Platform,
    tx: &mut Transaction,
    house: &House,
    entry: &Entry,
    who: Option<&User>,
) -> Result<(), StoreError> {
    let log = match &entry.log {
        Log::Lobby => &house.tenant,
        Log::Tenant(tenant) => tenant,
    };
    let actor = match who.filter(|who| who.email == entry.actor) {
        Some(who) => who.into(),
        // Somebody's proof came later, by a device: only the address is known.
        None if entry.actor.contains('@') => Actor { id: entry.actor.clone(), email: entry.actor.clone() },
        None => Actor { id: entry.actor.clone(), email: String::new() },
    };
    let action = match (&entry.before.state, &entry.after.state) {
        (None, None) => "deny",
        (None, Some(_)) => "create",
        _ => "update",
    };
    let object = Object::registered(KIND, entry.certid.as_str(), &house.account, "");
    app.audit(tx, log, actor, action, object, Some(told(entry))).await
}

/// What an entry says: what was done, and what is different.
fn told(entry: &Entry) -> String {
    let mut lines = vec![entry.action.clone()];
    let mut line = |what: &str, part: fn(&Summary) -> Option<String>| {
        let (before, after) = (part(&entry.before), part(&entry.after));
        if before != after {
            let shown = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
            lines.push(format!("{what}: {} -> {}", shown(before), shown(after)));
        }
    };
    line("state", |side| side.state.map(|state| state.name().to_owned()));
    line("tenant", |side| side.tenant.clone());
    line("account", |side| side.account.clone());
    line("region", |side| side.region.clone());
    line("ownership", |side| side.state.map(|_| side.ownership.to_string()));
    line("steps done", |side| (side.steps > 0).then(|| side.steps.to_string()));
    line("left to clean up", |side| (side.undoings > 0).then(|| side.undoings.to_string()));
    line("claims that wait", |side| (side.pending > 0).then(|| side.pending.to_string()));
    lines.join("\n")
}
