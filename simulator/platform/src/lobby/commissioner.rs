//! The commissioner: makes the homes of claimed devices in their tenants' accounts, step by step (contract 1.5), and cleans up those
//! that devices have left. It acts in an account with the role that the account grants, showing the external id of that account.
//!
//! A step's work, its note in the ledger and its entries in the logs are one transaction.

use super::faults::LobbyHalt;
use super::house::{self, House};
use super::ledger::{self, Kept};
use super::turn::Happening;
use crate::args;
use crate::defects::DefectId;
use crate::jobs::{Round, Shelf};
use crate::organisation::{self, RoleAsked};
use crate::platform::Platform;
use crate::refusal::{Answer, Refusal};
use crate::registry::{Lodging, principals_changed};
use crate::store::{Transaction, Tx};
use fleetproof_dataplane::lobby::{
    Actor, Binding, Event, Fingerprint, Row, State, Step, Undo, UndoWork, Work, device_policy, outstanding,
};

/// How long what went wrong is left alone, in ms. Declared.
const RETRY_MS: u64 = 60_000;

/// How long a database that did not answer is left alone, in ms.
const PAUSE_MS: u64 = 1_000;

/// For the keeper of the data plane: does what is due. A database that does not answer is asked again soon.
pub(crate) async fn tick(app: &Platform) {
    if advance(app).await.is_err() {
        app.lobbies().state().due_ms = Some(app.now_ms() + PAUSE_MS);
    }
}

/// Does all that is due, also for devices that have waited for something that has come.
pub(crate) async fn advance(app: &Platform) -> Answer<()> {
    look_around(app).await?;
    work_through(app).await
}

/// Does the work that is due.
pub(super) async fn work_through(app: &Platform) -> Answer<()> {
    loop {
        if app.lobbies().faults.halted() {
            app.lobbies().state().due_ms = None;
            return Ok(());
        }
        let mut tx = app.begin().await?;
        let now = app.now_ms();
        let sql = "select d.certid, d.due_at, l.tenant_id from lobby_devices d join lobbies l on l.provider_id = d.provider_id \
                   where d.due_at is not null order by d.due_at, d.provider_id, d.certid limit 1";
        let next = tx.first(sql, &[]).await?;
        app.commit(tx).await?;
        let due = next.as_ref().map(|row| row.time("due_at")).transpose()?;
        app.lobbies().state().due_ms = due;
        let Some(row) = next.filter(|_| due.is_some_and(|due| due <= now)) else { return Ok(()) };
        let certid = Fingerprint::read(&row.text("certid")?).map_err(Refusal::internal)?;
        let Some(house) = house::behind(app, &row.text("tenant_id")?).await? else { return Ok(()) };
        while work_on(app, &house, &certid).await? {}
    }
}

/// Finds devices that have waited for something that has come: trust, or the end of a tenant.
async fn look_around(app: &Platform) -> Answer<()> {
    let mut tx = app.begin().await?;
    let sql = "select d.certid, d.owner_account, d.owner_region, l.tenant_id from lobby_devices d \
               join lobbies l on l.provider_id = d.provider_id \
               join org_regions g on g.account_id = d.owner_account and g.region = d.owner_region \
               where d.state = $1 and g.trusts is not null order by d.provider_id, d.certid";
    let waiting = tx.query(sql, args![State::RefusedTrust.name()]).await?;
    let sql = "select d.certid, d.owner_tenant, l.tenant_id from lobby_devices d \
               join lobbies l on l.provider_id = d.provider_id left join tenants t on t.id = d.owner_tenant \
               where d.owner_tenant is not null and t.id is null and d.state <> $1 order by d.provider_id, d.certid";
    let orphans = tx.query(sql, args![State::Releasing.name()]).await?;
    app.commit(tx).await?;
    for row in waiting {
        let Some(house) = house::behind(app, &row.text("tenant_id")?).await? else { continue };
        let (account, region) = (row.text("owner_account")?, row.text("owner_region")?);
        let mut tx = app.begin().await?;
        let trusts = gets_in(app, &mut tx, &house, &account, &region).await?.is_some();
        app.commit(tx).await?;
        if trusts {
            happens(app, &house, &row.text("certid")?, &Event::TrustGranted { account }).await?;
        }
    }
    for row in orphans {
        let Some(house) = house::behind(app, &row.text("tenant_id")?).await? else { continue };
        // A tenant that is gone gives back what it had.
        let by = Actor { name: "lobby".to_owned(), tenant: Some(row.text("owner_tenant")?) };
        happens(app, &house, &row.text("certid")?, &Event::Release { by }).await?;
    }
    Ok(())
}

/// Something that nobody asked for happens to a device; what the rules refuse does not.
async fn happens(app: &Platform, house: &House, certid: &str, event: &Event) -> Answer<()> {
    let certid = Fingerprint::read(certid).map_err(Refusal::internal)?;
    let happening = Happening { house, region: "", certid: &certid, event, who: None };
    drop(happening.come_about(app).await?);
    Ok(())
}

/// The tenant of an account where the lobby gets in.
async fn gets_in(
    app: &Platform,
    tx: &mut Transaction,
    house: &House,
    account: &str,
    region: &str,
) -> Answer<Option<String>> {
    let external_id = organisation::external_id(tx, account, region).await?;
    let (principal, account, region) = (house.role.clone(), account.to_owned(), region.to_owned());
    let assumed = organisation::assume(app, tx, &RoleAsked { principal, account, region, external_id }).await?;
    Ok(assumed.ok().map(|role| role.tenant))
}

/// Does one thing that is to be done for a device; whether there may be more.
async fn work_on(app: &Platform, house: &House, certid: &Fingerprint) -> Answer<bool> {
    // Jobs that lose a thing are changed by one at a time, who takes that turn before a transaction.
    let _alone = app.jobs().alone().await;
    let mut tx = app.begin().await?;
    let Some(kept) = ledger::find(&mut tx, house, certid).await? else { return Ok(false) };
    if kept.due_at.is_none_or(|due| due > app.now_ms()) || app.lobbies().faults.halted() {
        return Ok(false);
    }
    let lost = house::lost_regions(&mut tx, &house.provider).await?;
    let (work, undo) = outstanding(&kept.row);
    let undo = undo.into_iter().find(|undo| !lost.contains(&undo.binding.region));
    match (work, undo) {
        (Some(work), _) => commission(app, tx, house, &kept, &work).await,
        (None, Some(undo)) => clean_up(app, tx, house, &kept, &undo).await,
        (None, None) => {
            ledger::put_off(&mut tx, house, certid, None).await?;
            app.commit(tx).await?;
            Ok(false)
        }
    }
}

async fn put_off(app: &Platform, house: &House, certid: &Fingerprint) -> Answer<bool> {
    let mut tx = app.begin().await?;
    ledger::put_off(&mut tx, house, certid, Some(app.now_ms() + RETRY_MS)).await?;
    app.commit(tx).await?;
    Ok(false)
}

/// Does the next step of commissioning.
async fn commission(app: &Platform, mut tx: Transaction, house: &House, kept: &Kept, work: &Work) -> Answer<bool> {
    let (row, Work { account, region, .. }) = (&kept.row, work);
    let (Some(step), Some(owner)) = (work.steps.first().copied(), &row.owner) else { return Ok(false) };
    let failed = |no_trust| Event::StepFailed { account: account.clone(), region: region.clone(), step, no_trust };
    let tenant = gets_in(app, &mut tx, house, account, region).await?;
    if tenant.as_deref() != Some(owner.tenant.as_str()) {
        drop(tx);
        happens(app, house, row.certid.as_str(), &failed(true)).await?;
        return Ok(true);
    }
    let place = (owner.tenant.as_str(), region.as_str());
    let lodging = Lodging::find(app, &mut tx, place, (row.certid.as_str(), &work.thing, &work.policy)).await;
    let done = match &lodging {
        Ok(lodging) => do_step(app, &mut tx, lodging, row, owner, work, step).await,
        Err(refusal) => Err(refusal.clone()),
    };
    let (Ok(lodging), Ok(iotep), false) = (lodging, done, app.lobbies().faults.strikes(LobbyHalt::Step(step))) else {
        drop(tx);
        happens(app, house, row.certid.as_str(), &failed(false)).await?;
        return put_off(app, house, &row.certid).await;
    };
    let event = Event::StepDone { account: account.clone(), region: region.clone(), step, iotep };
    note_done(app, tx, house, kept, &event, Some(&lodging), LobbyHalt::Step(step)).await
}

async fn do_step(
    app: &Platform,
    tx: &mut Transaction,
    lodging: &Lodging,
    row: &Row,
    owner: &Binding,
    work: &Work,
    step: Step,
) -> Answer<Option<String>> {
    let now = app.now_ms();
    match step {
        Step::RegisterCertificate => lodging.register(tx, row.devicecert.as_deref().unwrap_or_default(), now).await?,
        Step::CreatePolicy => {
            let document = device_policy(&owner.region, &owner.account, &work.thing);
            lodging.create_policy(tx, &document, now).await?;
        }
        Step::AttachPolicy => lodging.attach_policy(tx).await?,
        Step::CreateThing => lodging.create_thing(app, tx).await?,
        Step::AttachThing => lodging.attach_thing(tx).await?,
        Step::ActivateCertificate => lodging.activate(tx, now).await?,
        Step::DescribeEndpoint => return lodging.endpoint(app, tx).await.map(Some),
    }
    Ok(None)
}

/// Does the next thing of cleaning up a former home.
async fn clean_up(app: &Platform, mut tx: Transaction, house: &House, kept: &Kept, work: &UndoWork) -> Answer<bool> {
    let (row, home) = (&kept.row, &work.binding);
    let Some(undo) = work.undos.first().copied() else { return Ok(false) };
    let gone = "select count(*) as n from tenants where id = $1";
    let is_gone = tx.number(gone, args![&home.tenant]).await? == 0;
    // What a tenant had that is gone went with it.
    let tenant = if is_gone { None } else { gets_in(app, &mut tx, house, &home.account, &home.region).await? };
    if !is_gone && tenant.as_deref() != Some(home.tenant.as_str()) {
        drop(tx);
        return put_off(app, house, &row.certid).await;
    }
    let thing = row.devicename.as_deref().unwrap_or_default();
    let policy = format!("{thing}{}", row.certid);
    let names = (row.certid.as_str(), thing, policy.as_str());
    let lodging = Lodging::find(app, &mut tx, (&home.tenant, &home.region), names).await.ok().filter(|_| !is_gone);
    let mut news = None;
    if let Some(lodging) = &lodging {
        match undo {
            Undo::Certificate => lodging.drop_certificate(&mut tx).await?,
            Undo::Session => app.data_plane().forget_thing(app, &home.tenant, &home.region, thing, &[]),
            Undo::Jobs => {
                let shelf = Shelf { tenant: home.tenant.clone(), region: home.region.clone() };
                let mut round = Round::begin(app, &mut tx, &shelf, app.now_ms() * 1_000);
                round.forget_thing(thing).await?;
                news = Some((round.end(), shelf.clone()));
            }
            Undo::Retained => {
                let own = [format!("app/{thing}"), format!("lobby/{thing}"), format!("$aws/things/{thing}")];
                app.data_plane().forget_thing(app, &home.tenant, &home.region, thing, &own);
            }
            Undo::Shadow => lodging.drop_shadows(&mut tx).await?,
            Undo::Thing => lodging.drop_thing(&mut tx).await?,
            Undo::Policy => lodging.drop_policy(&mut tx).await?,
        }
    }
    let event = Event::Undone { account: home.account.clone(), region: home.region.clone(), undo };
    if app.lobbies().faults.strikes(LobbyHalt::Undo(undo)) {
        drop(tx);
        if app.defect(DefectId::LobbyFailedCleanUpSkipped) {
            happens(app, house, row.certid.as_str(), &event).await?;
            return Ok(true);
        }
        return put_off(app, house, &row.certid).await;
    }
    let more = note_done(app, tx, house, kept, &event, lodging.as_ref(), LobbyHalt::Undo(undo)).await?;
    if let Some((news, shelf)) = news {
        news.tell(app, &shelf);
    }
    Ok(more)
}

/// Notes in the ledger what was done in this transaction, and makes both so. True: there may be more to do.
async fn note_done(
    app: &Platform,
    mut tx: Transaction,
    house: &House,
    kept: &Kept,
    event: &Event,
    lodging: Option<&Lodging>,
    what: LobbyHalt,
) -> Answer<bool> {
    let happening = Happening { house, region: "", certid: &kept.row.certid, event, who: None };
    let change = match happening.decide(app, &mut tx, Some(kept)).await? {
        Ok(change) => change,
        Err(refused) => {
            // Nothing of it has happened; it is looked at again later.
            drop(tx);
            eprintln!("platform: the lobby's work on {} is refused: {refused}", kept.row.certid);
            return put_off(app, house, &kept.row.certid).await;
        }
    };
    if happening.keep(app, tx, Some(kept), &change).await? {
        principals_changed(app, lodging.map(Lodging::change));
        app.lobbies().faults.done(what);
    }
    Ok(true)
}
