//! What a plan comes to: a thing, its groups, policies and the certificate's status, together or not at all.

use super::note;
use crate::args;
use crate::platform::Platform;
use crate::refusal::Answer;
use crate::registry::desk::Place;
use crate::registry::{Lodging, policies};
use crate::store::{Row, Transaction, Tx};
use fleetproof_dataplane::policy::Document;
use fleetproof_dataplane::provisioning::{CertificateStatus, Conflict, Plan, PolicyPlan, ProvisionError, ThingPlan};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Makes everything; the first refusal ends it, and whoever asked drops the transaction.
pub(super) async fn make(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    plan: &Plan,
) -> Answer<Result<(), ProvisionError>> {
    let certificate = plan.certificate_id.as_str();
    if let Some(thing) = &plan.thing {
        if let Err(refused) = make_thing(app, tx, here, thing).await? {
            return Ok(Err(refused));
        }
        lodging(app, tx, here, (certificate, &thing.name, "")).await?.attach_thing(tx).await?;
    }
    for policy in &plan.policies {
        let name = match policy {
            PolicyPlan::Named(name) => {
                let sql = "select count(*) as n from policies where tenant_id = $1 and region = $2 and name = $3";
                if tx.number(sql, args![&here.tenant, &here.region, name]).await? == 0 {
                    return outcome(format!("There is no policy {name}."));
                }
                name.clone()
            }
            PolicyPlan::Document(document) => {
                if let Err(error) = Document::parse(document) {
                    return outcome(format!("The template's policy document: {error}"));
                }
                let name = format!("provisioned-{}", crate::ids::hex(&Sha256::digest(document)[..16]));
                policies::ensure(tx, here, &name, document, app.now_ms()).await?;
                name
            }
        };
        lodging(app, tx, here, (certificate, "", &name)).await?.attach_policy(tx).await?;
    }
    let status = match plan.status {
        CertificateStatus::Active => "ACTIVE",
        CertificateStatus::Inactive => "INACTIVE",
    };
    let sql = "update certificates set status = $4, updated_at = $5, version = version + 1 \
               where tenant_id = $1 and region = $2 and id = $3";
    tx.execute(sql, args![&here.tenant, &here.region, certificate, status, app.now_ms()]).await?;
    let thing = plan.thing.as_ref().map(|thing| thing.name.as_str()).unwrap_or_default();
    let change = Some(format!("status: {status}, thing: {thing}"));
    note(app, tx, here, "update", ("certificate", certificate), change).await?;
    Ok(Ok(()))
}

fn outcome<T>(why: String) -> Answer<Result<T, ProvisionError>> {
    Ok(Err(ProvisionError::Outcome(why)))
}

async fn lodging(app: &Platform, tx: &mut Transaction, here: &Place, names: (&str, &str, &str)) -> Answer<Lodging> {
    Lodging::find(app, tx, (&here.tenant, &here.region), names).await
}

async fn make_thing(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    thing: &ThingPlan,
) -> Answer<Result<(), ProvisionError>> {
    if thing.billing_group.is_some() {
        return outcome("There are no billing groups here; leave BillingGroup out.".to_owned());
    }
    let place = args![&here.tenant, &here.region, &thing.name];
    let sql = "select * from things where tenant_id = $1 and region = $2 and name = $3 order by name";
    match tx.first(sql, place).await? {
        None => {
            let sql = "insert into things (tenant_id, region, name, id, type_name, attributes, version, created_at) \
                       values ($1, $2, $3, $4, $5, $6, 1, $7)";
            let attributes = json!(thing.attributes).to_string();
            let (id, kind) = (app.ids().thing(), thing.type_name.clone());
            let row = args![&here.tenant, &here.region, &thing.name, id, kind, &attributes, app.now_ms()];
            tx.execute(sql, row).await?;
            note(app, tx, here, "create", ("thing", &thing.name), Some(format!("attributes: {attributes}"))).await?;
        }
        Some(row) => {
            if let Err(refused) = change_thing(app, tx, here, thing, &row).await? {
                return Ok(Err(refused));
            }
        }
    }
    join_groups(tx, here, thing).await
}

/// What becomes of a thing that is there (`OverrideSettings`).
async fn change_thing(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    thing: &ThingPlan,
    row: &Row,
) -> Answer<Result<(), ProvisionError>> {
    let fails = || outcome(format!("The thing {} exists already.", thing.name));
    let before: BTreeMap<String, String> = row.json("attributes")?;
    let attributes = match thing.on_attributes {
        Conflict::DoNothing => before.clone(),
        Conflict::Replace => thing.attributes.clone(),
        Conflict::Merge => before.clone().into_iter().chain(thing.attributes.clone()).collect(),
        Conflict::Fail => return fails(),
    };
    let kind = match (thing.on_type, row.maybe_text("type_name")?) {
        (Conflict::Fail, _) if thing.type_name.is_some() => return fails(),
        (Conflict::Replace | Conflict::Merge, _) => thing.type_name.clone(),
        (_, kind) => kind,
    };
    let sql = "update things set type_name = $4, attributes = $5, version = version + 1 \
               where tenant_id = $1 and region = $2 and name = $3";
    let text = json!(attributes).to_string();
    tx.execute(sql, args![&here.tenant, &here.region, &thing.name, kind, &text]).await?;
    note(app, tx, here, "update", ("thing", &thing.name), Some(format!("attributes: {text}"))).await?;
    Ok(Ok(()))
}

async fn join_groups(tx: &mut Transaction, here: &Place, thing: &ThingPlan) -> Answer<Result<(), ProvisionError>> {
    let (tenant, region, name) = (&here.tenant, &here.region, &thing.name);
    let sql = "select count(*) as n from thing_group_members where tenant_id = $1 and region = $2 and thing = $3";
    let has_some = tx.number(sql, args![tenant, region, name]).await? > 0;
    match thing.on_groups {
        _ if !has_some => {}
        Conflict::DoNothing => return Ok(Ok(())),
        Conflict::Fail => return outcome(format!("The thing {name} is in groups already.")),
        Conflict::Replace | Conflict::Merge => {
            let sql = "delete from thing_group_members where tenant_id = $1 and region = $2 and thing = $3";
            tx.execute(sql, args![tenant, region, name]).await?;
        }
    }
    for group in &thing.groups {
        let sql = "select count(*) as n from thing_groups where tenant_id = $1 and region = $2 and name = $3";
        if tx.number(sql, args![tenant, region, group]).await? == 0 {
            return outcome(format!("There is no thing group {group}."));
        }
        let sql = "insert into thing_group_members (tenant_id, region, group_name, thing) values ($1, $2, $3, $4) \
                   on conflict do nothing";
        tx.execute(sql, args![tenant, region, group, name]).await?;
    }
    Ok(Ok(()))
}
