use crate::common::play;
use fleetproof_claims::model::{Kind, Role};
use fleetproof_dialects::aws::guests::Guest;
use fleetproof_dialects::aws::objects::{self as registered, Item};
use fleetproof_dialects::mender::objects::{Have, Thing, canonical};
use serde_json::json;

/// Everything that a tenant has, as its admin lists it.
async fn everything(stage: &crate::common::Stage) -> String {
    let (mender, by) = (&stage.mender, &stage.acme);
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        mender.devices(by, None).await.unwrap(),
        mender.inventories(by).await.unwrap(),
        mender.users(by).await.unwrap(),
        mender.roles(by).await.unwrap(),
        mender.groups(by).await.unwrap(),
        mender.tenants(&stage.provider).await.unwrap(),
    )
}

#[test]
fn every_kind_is_made_looked_at_and_removed_without_a_trace() {
    play(async |stage| {
        let mender = &stage.mender;
        let before = everything(&stage).await;
        for thing in Thing::ALL {
            let by = if thing == Thing::Tenant { &stage.provider } else { &stage.acme };
            let canary = format!("canary-{}", format!("{thing:?}").to_lowercase().replace(['(', ')'], ""));
            let made = mender.make(by, thing, &canary, &Have::new()).await.unwrap();
            let seen = mender.look(by, &made).await.unwrap();
            assert!(seen.contains(&canary), "{thing:?}: {seen}");
            assert!(!seen.contains("opens\":false"), "{thing:?}: {seen}");
            mender.world().clock.sleep(std::time::Duration::from_secs(2)).await;
            assert_eq!(mender.look(by, &made).await.unwrap(), seen, "{thing:?}");
            mender.remove(by, &made).await.unwrap();
            assert_ne!(mender.look(by, &made).await.unwrap(), seen, "{thing:?}");
            mender.remove(by, &made).await.unwrap();
            assert_eq!(everything(&stage).await, before, "{thing:?}");
        }
    });
}

#[test]
fn each_kind_of_slot_has_a_thing_to_be_made() {
    let is_made = |kind: Kind| Thing::of(kind).is_some() || Guest::of(kind).is_some();
    let without: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| !is_made(*kind)).collect();
    // Whose account it is, and where, comes with each device at the lobby.
    let known = [
        Kind::PermissionSet,
        Kind::Session,
        Kind::Limit,
        Kind::Audit,
        Kind::Account,
        Kind::TargetAccount,
        Kind::Lobby,
        Kind::Notice,
        Kind::Region,
        Kind::Any,
        Kind::Word,
    ];
    assert_eq!(without, known);
}

#[test]
fn what_an_account_can_have_is_made_looked_at_and_taken_away() {
    play(async |stage| {
        let (mender, by) = (&stage.mender, &stage.acme);
        let all = async || {
            let mut seen = Vec::new();
            for kind in Kind::ALL {
                seen.push(registered::digest(mender, by, *kind).await.unwrap());
            }
            seen
        };
        let before = all().await;
        for item in Item::ALL.into_iter().filter(|item| *item != Item::Offer) {
            let canary = format!("canary-{}", format!("{item:?}").to_lowercase());
            let made = mender.make(by, Thing::Registered(item), &canary, &Have::new()).await.unwrap();
            assert_ne!(all().await, before, "{item:?}");
            let look = mender.look(by, &made).await.unwrap();
            mender.remove(by, &made).await.unwrap();
            assert_ne!(mender.look(by, &made).await.unwrap(), look, "{item:?}");
            assert_eq!(all().await, before, "{item:?}");
        }
        // What is offered is the giver's until it is taken.
        let offered = registered::offer(mender, &stage.globex, by, "canary-offer").await.unwrap();
        assert!(mender.look(by, &offered).await.unwrap().contains("PENDING_TRANSFER"));
        assert_eq!(all().await, before);
        mender.remove(by, &offered).await.unwrap();
        assert_eq!(registered::digest(mender, &stage.globex, Kind::Offer).await.unwrap(), json!([]));
    });
}

#[test]
fn what_exists_is_used() {
    play(async |stage| {
        let (mender, by) = (&stage.mender, &stage.acme);
        let device = mender.make(by, Thing::PendingDevice, "d", &Have::new()).await.unwrap();
        let artifact = mender.make(by, Thing::Artifact, "a", &Have::new()).await.unwrap();
        let have: Have = [(Kind::Device, device.id(Kind::Device)), (Kind::Release, artifact.id(Kind::Release))]
            .into_iter()
            .map(|(kind, id)| (kind, id.unwrap().to_owned()))
            .collect();
        for thing in [Thing::Deployment, Thing::Group, Thing::Tag] {
            let made = mender.make(by, thing, &format!("{thing:?}").to_lowercase(), &have).await.unwrap();
            mender.remove(by, &made).await.unwrap();
        }
        assert_eq!(mender.devices(by, None).await.unwrap().len(), 1);
        let user = mender.make(by, Thing::User(Role::Operator), "op", &Have::new()).await.unwrap();
        let session =
            mender.login(user.id(Kind::Email).unwrap(), user.secret.as_ref().unwrap().reveal(), None).await.unwrap();
        assert_eq!(session.tenant().unwrap().as_ref(), "acme");
        assert!(!format!("{user:?}").contains(user.secret.as_ref().unwrap().reveal()));
    });
}

#[test]
fn limits_and_logs_can_be_looked_at() {
    play(async |stage| {
        let (mender, by) = (&stage.mender, &stage.acme);
        let (limits, log) = (mender.look_at_limits(by).await.unwrap(), mender.look_at_log(by).await.unwrap());
        mender.make(by, Thing::Artifact, "a", &Have::new()).await.unwrap();
        assert_ne!(mender.look_at_limits(by).await.unwrap(), limits);
        assert!(mender.look_at_log(by).await.unwrap().starts_with(&log));
        assert_ne!(mender.look_at_log(by).await.unwrap(), log);
        assert_eq!(canonical(&serde_json::json!([2, 1])), "[1,2]");
    });
}
