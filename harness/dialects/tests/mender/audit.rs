use crate::common::{PASSWORD, Stage, play, tenant};
use fleetproof_claims::model::Role;
use fleetproof_dialects::mender::objects::{Have, Thing};
use fleetproof_dialects::mender::{Session, roles};
use std::collections::BTreeMap;

pub type Entries = BTreeMap<String, i64>;

fn line(actor: &str, action: &str, object: &str, id: &str) -> String {
    format!("{actor} {action}/{object} {id}")
}

/// What the ledger demands of a log, and what it leaves open.
fn due(stage: &Stage, log: &Session) -> (Entries, Entries) {
    let (mut demanded, mut open) = (Entries::new(), Entries::new());
    for due in stage.watch.all().into_iter().flat_map(|exchange| exchange.due) {
        if due.tenant == *log.tenant_id().unwrap() {
            let id = due.object_id.as_deref().or(due.object_name.as_deref()).unwrap_or("?");
            let entries = if due.demanded { &mut demanded } else { &mut open };
            *entries.entry(line(&due.actor, &due.action, &due.object_type, id)).or_default() += 1;
        }
    }
    (demanded, open)
}

/// What stands in a log; where the ledger knows only a name, the entry is told by its name.
async fn stands(stage: &Stage, log: &Session, known: &[&Entries]) -> Entries {
    let mut found = Entries::new();
    for row in stage.mender.audit_log(log).await.unwrap() {
        let by_id = line(&row.actor, &row.action, &row.object_type, &row.object);
        let by_name = line(&row.actor, &row.action, &row.object_type, &row.object_name);
        let is_known = known.iter().any(|entries| entries.contains_key(&by_id));
        *found.entry(if is_known || row.object_name.is_empty() { by_id } else { by_name }).or_default() += 1;
    }
    found
}

/// How often an entry stands too often in a log, or (negative) is missing there.
pub async fn differences(stage: &Stage, log: &Session) -> Entries {
    let (demanded, open) = due(stage, log);
    let mut found = stands(stage, log, &[&demanded, &open]).await;
    assert!(!demanded.is_empty());
    for (entry, times) in &demanded {
        *found.entry(entry.clone()).or_default() -= times;
    }
    for (entry, times) in &open {
        if let Some(left) = found.get_mut(entry) {
            *left -= (*times).min((*left).max(0));
        }
    }
    found.retain(|_, left| *left != 0);
    found
}

#[test]
fn every_change_stands_in_the_log_that_the_ledger_says_and_nothing_else_does() {
    play(async |stage| {
        let (mender, acme, globex) = (&stage.mender, tenant(&stage.acme), tenant(&stage.globex));
        for thing in Thing::ALL {
            let by = if thing == Thing::Tenant { &stage.provider } else { &stage.acme };
            let made = mender
                .make(by, thing, &format!("c-{}", format!("{thing:?}").to_lowercase()), &Have::new())
                .await
                .unwrap();
            mender.remove(by, &made).await.unwrap();
            // Removed once more: nothing happens, and nothing is written.
            mender.remove(by, &made).await.unwrap();
        }
        let user = mender.create_user(&stage.acme, "both@acme.test", PASSWORD, Role::Operator, &[]).await.unwrap();
        mender
            .assign_user(
                &stage.provider,
                &mender.me(&stage.provider).await.unwrap().id,
                &[&acme.id, &globex.id],
                roles::OBSERVER,
            )
            .await
            .unwrap();
        mender.assign_user(&stage.globex, &user, &[&globex.id], roles::OBSERVER).await.unwrap();
        mender.remove_user(&stage.globex, &user).await.unwrap();
        mender.change_user(&stage.acme, &user, "both@acme.test", Role::Viewer, &[]).await.unwrap();
        mender.configure_tenant(&stage.provider, &acme.id, 4).await.unwrap();
        mender.suspend(&globex.id).await.unwrap();
        mender.resume(&globex.id).await.unwrap();
        mender.set_operator_limit(&globex.id, 3).await.unwrap();
        mender.set_operator_storage(&globex.id, 1 << 20).await.unwrap();
        let globex = mender.login("admin@globex.test", PASSWORD, Some(&globex)).await.unwrap();

        for log in [&stage.provider, &stage.acme, &globex] {
            assert_eq!(differences(&stage, log).await, Entries::new(), "in the log of {}", log.tenant().unwrap());
        }
    });
}
