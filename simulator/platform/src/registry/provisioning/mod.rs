//! Fleet provisioning of an account: devices that share a claim get certificates, things and policies of their own. The rules are those of
//! [`fleetproof_dataplane::provisioning`]; here they meet keys and rows. `templates` is how an account's people say what is made,
//! `making` makes it.
//!
//! Not there: hooks before provisioning, CBOR, billing groups.

mod making;
mod templates;

pub(super) use templates::operations;

use super::certificates::{Arrival, DEFAULT, PENDING_ACTIVATION, insert};
use super::desk::Place;
use super::x509;
use super::{Change, accounts, principals_changed};
use crate::args;
use crate::audit::{Actor, Object};
use crate::endpoint::Said;
use crate::ids::hex;
use crate::platform::Platform;
use crate::refusal::{Answer, Refusal};
use crate::registry::Endpoint;
use crate::store::{Transaction, Tx};
use fleetproof_dataplane::broker::Origin;
use fleetproof_dataplane::provisioning::{
    self as rules, Caller, Certificate, Operation, Order, Ownership, ProvisionError, Registration, Request, Rules,
    Template, create, place, plan,
};
use fleetproof_world::tls;
use serde_json::Value;
use std::collections::BTreeMap;

/// Answers a message of a client to a topic of provisioning. The account's broker let it through: the client may say it.
pub(crate) async fn hear(app: &Platform, endpoint: &Endpoint, origin: &Origin, topic: &str, payload: &[u8]) -> Said {
    let rules::Place::Request(request) = place(topic) else { return Said::default() };
    let (accepted, told) = match answer(app, endpoint, origin, &request, payload).await {
        Ok(Ok(told)) => (true, told),
        Ok(Err(refused)) => (false, refused.payload()),
        // Who is not answered asks again.
        Err(_) => return Said::default(),
    };
    Said { replies: vec![(request.reply(accepted), told.to_string().into())], pushes: Vec::new() }
}

/// Does what is asked, in one transaction.
async fn answer(
    app: &Platform,
    endpoint: &Endpoint,
    origin: &Origin,
    request: &Request,
    payload: &[u8],
) -> Answer<Result<Value, ProvisionError>> {
    let mut tx = app.begin().await?;
    let here = accounts::place(app, &mut tx, &endpoint.tenant, &endpoint.region).await?;
    let Some((here, _)) = here.filter(|(here, _)| here.region == endpoint.region) else {
        return Err(Refusal::not_found("the account is not here"));
    };
    let (rules, now) = (Rules::default(), app.now_s());
    sweep(&mut tx, &here, now).await?;
    let caller = Caller {
        principal: origin.principal.to_string(),
        client_id: origin.client_id.to_string(),
        claim: templates::claim_of(&mut tx, &here, &origin.principal).await?,
    };
    let done = match &request.operation {
        Operation::CreateKeys | Operation::CreateFromCsr => match create(now, &rules, &caller, request, payload) {
            Ok(order) => issue(app, &mut tx, &here, &caller, &order, &rules).await?,
            Err(refused) => Err(refused),
        },
        Operation::Register(_) => match Registration::read(&rules, request, payload) {
            Ok(registration) => register(app, &mut tx, &here, &caller, &registration, &rules).await?,
            Err(refused) => Err(refused),
        },
    };
    match done {
        Ok((told, certificate)) => {
            app.commit(tx).await?;
            let Place { tenant, region, .. } = here;
            principals_changed(app, [Change::Principal { tenant, region, certificate }]);
            Ok(Ok(told))
        }
        // Nothing of it has happened.
        Err(refused) => Ok(Err(refused)),
    }
}

/// Certificates that nobody registered in time go.
async fn sweep(tx: &mut Transaction, here: &Place, now: u64) -> Answer<()> {
    let sql = "delete from certificates where tenant_id = $1 and region = $2 and status = $4 and id in \
               (select certificate_id from provisioning_tokens where tenant_id = $1 and region = $2 and lapses_at <= $3)";
    tx.execute(sql, args![&here.tenant, &here.region, now, PENDING_ACTIVATION]).await?;
    let sql = "delete from provisioning_tokens where tenant_id = $1 and region = $2 and lapses_at <= $3";
    tx.execute(sql, args![&here.tenant, &here.region, now]).await?;
    Ok(())
}

/// What was done: what is told, and which certificate it is about.
type Done = Result<(Value, String), ProvisionError>;

/// Makes a certificate that waits for being registered.
async fn issue(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    caller: &Caller,
    order: &Order,
    rules: &Rules,
) -> Answer<Done> {
    let now = app.now_ms();
    let (pem, key) = match order {
        Order::Keys => {
            let identity = app.registry().issuer.issue(app.ids().account_bytes(), now)?;
            (identity.chain().leaf_pem(), identity.key_pem().map_err(Refusal::internal)?)
        }
        Order::Csr(pem) => match tls::Request::from_pem(pem) {
            Ok(request) => (app.registry().issuer.sign(&request, now)?.leaf_pem(), String::new()),
            Err(_) => return Ok(Err(ProvisionError::InvalidCsr)),
        },
    };
    let made = x509::Certificate::from_pem(&pem).ok_or_else(|| Refusal::internal("what was issued cannot be read"))?;
    let arrival = Arrival { certificate: &made, status: PENDING_ACTIVATION, mode: DEFAULT, ca: None };
    insert(tx, here, &arrival, now).await?;
    let change = Some(format!("status: {PENDING_ACTIVATION}, asked for by {}", caller.principal));
    note(app, tx, here, "create", ("certificate", &made.id), change).await?;
    let token = hex(&app.ids().account_bytes::<32>());
    let (ownership, told) = order.created(app.now_s(), caller, &token, (&made.id, &made.pem), &key);
    let sql = "insert into provisioning_tokens (tenant_id, region, token, certificate_id, ownership, lapses_at) \
               values ($1, $2, $3, $4, $5, $6)";
    let kept = serde_json::to_string(&ownership).map_err(Refusal::internal)?;
    let lapses_at = ownership.issued_at.saturating_add(rules.token_s);
    tx.execute(sql, args![&here.tenant, &here.region, &token, &made.id, kept, lapses_at]).await?;
    Ok(Ok((told, made.id)))
}

/// Makes what a template says of what a device says.
async fn register(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    caller: &Caller,
    registration: &Registration,
    rules: &Rules,
) -> Answer<Done> {
    let template = match templates::body(tx, here, &registration.template).await?.map(|body| Template::read(&body)) {
        None => None,
        Some(Ok(template)) => Some(template),
        Some(Err(refused)) => return Ok(Err(refused)),
    };
    let sql = "select t.ownership, c.id, c.pem, c.facts from provisioning_tokens t join certificates c \
               on c.tenant_id = t.tenant_id and c.region = t.region and c.id = t.certificate_id \
               where t.tenant_id = $1 and t.region = $2 and t.token = $3 order by t.token";
    let row = tx.first(sql, args![&here.tenant, &here.region, &registration.token]).await?;
    let found: Option<(Ownership, Certificate)> = match row {
        Some(row) => {
            let facts: BTreeMap<String, String> = row.json("facts")?;
            let own = |(name, value): (String, String)| {
                let name =
                    name.strip_prefix("Subject.").map(str::to_owned).or((name == "SerialNumber").then_some(name));
                name.map(|name| (name, value))
            };
            let fields = facts.into_iter().filter_map(own).collect();
            Some((row.json("ownership")?, Certificate { id: row.text("id")?, pem: row.text("pem")?, fields }))
        }
        None => None,
    };
    let ownership = found.as_ref().map(|(ownership, certificate)| (ownership, certificate));
    let plan = match plan(app.now_s(), rules, caller, registration, template.as_ref(), ownership, None) {
        Ok(plan) => plan,
        Err(refused) => return Ok(Err(refused)),
    };
    // Of two who come with one token in the same moment only one finds it unspent.
    let sql = "update provisioning_tokens set ownership = $4, lapses_at = null \
               where tenant_id = $1 and region = $2 and token = $3 and lapses_at is not null";
    let kept = serde_json::to_string(&plan.ownership).map_err(Refusal::internal)?;
    if tx.execute(sql, args![&here.tenant, &here.region, &registration.token, kept]).await? == 0 {
        return Ok(Err(ProvisionError::InvalidToken));
    }
    if let Err(refused) = making::make(app, tx, here, &plan).await? {
        return Ok(Err(refused));
    }
    Ok(Ok((plan.accepted, plan.certificate_id)))
}

/// Writes into the account's log what the service has done.
async fn note(
    app: &Platform,
    tx: &mut Transaction,
    here: &Place,
    action: &'static str,
    (kind, id): (&'static str, &str),
    change: Option<String>,
) -> Answer<()> {
    let object = Object::registered(kind, id, &here.account, &here.region);
    Ok(app.audit(tx, &here.tenant, Actor::platform(), action, object, change).await?)
}
