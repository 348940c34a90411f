//! The shadows of an account's things: the rules of [`fleetproof_dataplane::shadows`] on the platform's tables.
//!
//! Only things that are registered have shadows, so that what an account can keep is bounded by its things.

mod paces;

pub(crate) use paces::Paces;

use crate::args;
use crate::defects::DefectId;
use crate::endpoint::Said;
use crate::platform::Platform;
use crate::registry::Endpoint;
use crate::store::{StoreError, Tx};
use fleetproof_dataplane::shadows::{
    Address, Message, Outcome, Place, Rules, ShadowError, Stored, Verb, handle, place,
};

/// Named shadows of one thing.
const NAMES: i64 = 100;

/// Answers a message of a client to a shadow's topic. The account's broker let it through: the client may say it.
pub(crate) async fn hear(app: &Platform, endpoint: &Endpoint, topic: &str, payload: &[u8]) -> Said {
    let rules = Rules::default();
    let Place::Request(address, verb) = place(topic, &rules) else { return Said::default() };
    let allowed = app.shadow_paces().begin(app, endpoint, address.thing());
    let is_let_in = allowed.is_ok();
    let outcome = match answer(app, endpoint, &rules, allowed, &address, verb, payload).await {
        Ok(outcome) => outcome,
        // The client is told, and asks again.
        Err(_) => handle(app.now_s(), &rules, Err(ShadowError::Internal), None, &address, verb, payload),
    };
    if is_let_in {
        app.shadow_paces().end(endpoint, address.thing());
    }
    let said = |message: Message| (message.topic, message.payload.to_string().into());
    Said { replies: Vec::new(), pushes: std::iter::once(outcome.reply).chain(outcome.pushes).map(said).collect() }
}

/// Does what is asked, in one transaction.
async fn answer(
    app: &Platform,
    endpoint: &Endpoint,
    rules: &Rules,
    mut allowed: Result<(), ShadowError>,
    address: &Address,
    verb: Verb,
    payload: &[u8],
) -> Result<Outcome, StoreError> {
    let (tenant, region, name) = (&endpoint.tenant, &endpoint.region, address.name().unwrap_or_default());
    let first = app.settings().regions.names().first().unwrap_or(region);
    let kept_in = if app.defect(DefectId::ShadowsInOneRegion) { first } else { region };
    let mut tx = app.begin().await?;
    let thing = "select count(*) as n from things where tenant_id = $1 and region = $2 and name = $3";
    if allowed.is_ok() && tx.number(thing, args![tenant, region, address.thing()]).await? == 0 {
        allowed = Err(ShadowError::NoShadow(address.to_string()));
    }
    let known =
        "select stored from shadows where tenant_id = $1 and region = $2 and thing = $3 and name = $4 order by name";
    let row = tx.first(known, args![tenant, kept_in, address.thing(), name]).await?;
    let stored: Option<Stored> = row.map(|row| row.json("stored")).transpose()?;
    if allowed.is_ok() && stored.is_none() && verb == Verb::Update {
        let names = "select count(*) as n from shadows where tenant_id = $1 and region = $2 and thing = $3";
        if tx.number(names, args![tenant, region, address.thing()]).await? > NAMES {
            allowed = Err(ShadowError::TooManyRequests);
        }
    }
    let outcome = handle(app.now_s(), rules, allowed, stored.as_ref(), address, verb, payload);
    if let Some(stored) = &outcome.stored {
        let keep = "insert into shadows (tenant_id, region, thing, name, stored, updated_at) values ($1, $2, $3, $4, $5, $6) \
                    on conflict (tenant_id, region, thing, name) do update \
                    set stored = excluded.stored, updated_at = excluded.updated_at";
        let text = serde_json::to_string(stored).map_err(StoreError::new)?;
        if kept_in != region {
            let along = "insert into things (tenant_id, region, name, id, type_name, attributes, version, created_at) \
                         select tenant_id, $4, name, id, type_name, attributes, version, created_at from things \
                         where tenant_id = $1 and region = $2 and name = $3 on conflict do nothing";
            tx.execute(along, args![tenant, region, address.thing(), kept_in]).await?;
        }
        tx.execute(keep, args![tenant, kept_in, address.thing(), name, text, app.now_ms()]).await?;
    }
    app.commit(tx).await?;
    Ok(outcome)
}
