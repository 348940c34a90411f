use crate::common::{play, refused, tenant};
use fleetproof_dialects::mender::objects::{Have, Thing};
use fleetproof_dialects::mender::pace::{PaceSpec, PhaseSpec};
use fleetproof_dialects::mender::updates::{ArtifactSpec, Image, Target};
use fleetproof_wire::artifact;
use serde_json::Map;
use std::collections::BTreeMap;

fn update(name: &str) -> ArtifactSpec {
    ArtifactSpec {
        name: name.to_owned(),
        image: Image { version: "2.0".to_owned(), misbehaves: None, seed: 1, affects: 1_000_000 },
        size: 4_096,
        signed_by: None,
    }
}

#[test]
fn devices_are_let_in_up_to_the_limit() {
    play(async |stage| {
        let (mender, none) = (&stage.mender, Have::new());
        let mut made = Vec::new();
        for at in 0..6 {
            made.push(mender.make(&stage.globex, Thing::PendingDevice, &format!("d{at}"), &none).await.unwrap());
        }
        let rows = mender.devices(&stage.globex, Some("pending")).await.unwrap();
        assert_eq!(rows.len(), 6);
        for row in &rows[..5] {
            mender.accept(&stage.globex, &row.id, &row.auth("pending").unwrap().id).await.unwrap();
        }
        let last = &rows[5];
        assert_eq!(refused(mender.accept(&stage.globex, &last.id, &last.auth_sets[0].id).await), 422);
        mender.reject(&stage.globex, &last.id, &last.auth_sets[0].id).await.unwrap();
        let counts = mender.counts(&stage.globex).await.unwrap();
        assert_eq!((counts.accepted, counts.pending, counts.rejected, counts.preauthorized), (5, 0, 1, 0));
        assert_eq!(mender.tenants(&stage.provider).await.unwrap()[1].device_count, 5);
        assert_eq!(mender.devices(&stage.acme, None).await.unwrap(), []);
        assert_eq!(refused(mender.device(&stage.acme, &last.id).await), 404);
        assert_eq!(refused(mender.accept(&stage.acme, &last.id, &last.auth_sets[0].id).await), 404);

        mender.decommission(&stage.globex, &rows[0].id).await.unwrap();
        let expected = mender.make(&stage.globex, Thing::ExpectedDevice, "later", &none).await.unwrap();
        let session = mender.show_again(&stage.globex, &expected).await.unwrap();
        let wanted = BTreeMap::from([("serial".to_owned(), "later".to_owned())]);
        let found = mender.device_by_identity(&stage.globex, &wanted).await.unwrap().unwrap();
        assert_eq!((session.subject().map(|id| &**id), found.status.as_str()), (Some(&*found.id), "accepted"));
        mender.revoke_device(&stage.globex, &found.auth_sets[0].id).await.unwrap();
        assert_eq!(refused(mender.report_attributes(&session, &Map::new()).await), 401);
    });
}

#[test]
fn the_inventory_knows_attributes_groups_and_tags() {
    play(async |stage| {
        let (mender, none) = (&stage.mender, Have::new());
        let made = mender.make(&stage.acme, Thing::Attribute, "mark1", &none).await.unwrap();
        let id = made.id(fleetproof_claims::model::Kind::Device).unwrap().to_owned();
        mender.set_group(&stage.acme, &id, "beta").await.unwrap();
        mender.set_tags(&stage.acme, &id, &BTreeMap::from([("site".to_owned(), "roof".to_owned())])).await.unwrap();
        let rows = mender.inventories(&stage.acme).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].text("inventory", "fleetproof_mark"), Some("mark1"));
        assert_eq!(rows[0].text("system", "group"), Some("beta"));
        assert_eq!(rows[0].text("tags", "site"), Some("roof"));
        assert_eq!(mender.inventory(&stage.acme, &id).await.unwrap(), rows[0].attributes);
        assert_eq!(mender.groups(&stage.acme).await.unwrap(), ["beta"]);
        mender.clear_group(&stage.acme, &id, "beta").await.unwrap();
        assert_eq!(mender.groups(&stage.acme).await.unwrap(), Vec::<String>::new());
        assert_eq!(refused(mender.inventory(&stage.globex, &id).await), 404);
    });
}

#[test]
fn updates_are_stored_once_and_deployed_to_devices_groups_and_filters() {
    play(async |stage| {
        let (mender, none) = (&stage.mender, Have::new());
        let id = mender.upload(&stage.acme, &update("app-2")).await.unwrap();
        assert_eq!(mender.upload(&stage.acme, &update("app-2")).await.unwrap(), id);
        let other = ArtifactSpec { size: 5_000, ..update("app-2") };
        assert_eq!(refused(mender.upload(&stage.acme, &other).await), 409);
        assert_ne!(mender.upload(&stage.globex, &update("app-2")).await.unwrap(), id);

        let link = mender.download_link(&stage.acme, &id).await.unwrap();
        let file = mender.follow(&stage.acme, &link.uri).await.unwrap();
        assert_eq!((file.status, artifact::read(&file.body).unwrap().name.as_str()), (200, "app-2"));

        let device = mender.make(&stage.acme, Thing::AcceptedDevice, "d1", &none).await.unwrap();
        let device = device.id(fleetproof_claims::model::Kind::Device).unwrap().to_owned();
        mender.set_group(&stage.acme, &device, "beta").await.unwrap();
        let filter = mender.create_filter(&stage.acme, "in beta", "beta").await.unwrap();
        for (name, target) in [
            ("to devices", Target::Devices(vec![device.clone()])),
            ("to a group", Target::Group("beta".to_owned())),
            ("to a filter", Target::Filter(filter.clone())),
        ] {
            let id = mender.deploy(&stage.acme, name, "app-2", &target, &Map::new()).await.unwrap();
            let row = mender.deployment(&stage.acme, &id).await.unwrap();
            assert_eq!((row.name.as_str(), row.artifact_name.as_str()), (name, "app-2"));
            if !matches!(target, Target::Filter(_)) {
                let devices = mender.deployment_devices(&stage.acme, &id).await.unwrap();
                assert_eq!((devices[0].device_id.as_str(), devices[0].status.as_str()), (&*device, "pending"));
                assert_eq!(mender.statistics(&stage.acme, &id).await.unwrap()["pending"], 1);
            }
            assert_eq!(refused(mender.device_log(&stage.acme, &id, &device).await), 404);
            mender.abort(&stage.acme, &id).await.unwrap();
            assert_eq!(refused(mender.abort(&stage.acme, &id).await), 422);
            assert_eq!(refused(mender.abort(&stage.globex, &id).await), 422);
            assert_eq!(refused(mender.deployment(&stage.globex, &id).await), 404);
        }
        assert_eq!(mender.deployments(&stage.acme).await.unwrap().len(), 3);
        let phase = |percent, start_ms| PhaseSpec { percent, start_ms };
        let start = mender.world().clock.unix_ms() + 60_000;
        let pace =
            PaceSpec { phases: vec![phase(None, Some(start))], rate: Some(60), retries: 2, ..PaceSpec::default() };
        let target = Target::Devices(vec![device.to_string()]);
        let later = mender.deploy(&stage.acme, "later", "app-2", &target, &pace.body()).await.unwrap();
        let shown = mender.deployment(&stage.acme, &later).await.unwrap();
        assert_eq!((shown.status.as_str(), &shown.raw["retries"]), ("scheduled", &serde_json::json!(2)));
        for (paused, state) in [(true, "paused"), (true, "paused"), (false, "scheduled")] {
            mender.set_pace(&stage.acme, &later, paused).await.unwrap();
            assert_eq!(mender.pace(&stage.acme, &later).await.unwrap().state, state);
        }
        assert_eq!(refused(mender.pace(&stage.globex, &later).await), 404);
        assert_eq!(refused(mender.set_pace(&stage.globex, &later, true).await), 404);
        mender.abort(&stage.acme, &later).await.unwrap();
        let shown = mender.pace(&stage.acme, &later).await.unwrap();
        assert_eq!((shown.state.as_str(), shown.aborted_by.as_deref()), ("aborted", Some("user")));
        assert_eq!(refused(mender.set_pace(&stage.acme, &later, true).await), 422);
        let nobody = Target::Devices(vec![]);
        assert_eq!(refused(mender.deploy(&stage.acme, "to nobody", "app-2", &nobody, &Map::new()).await), 400);
        let target = Target::Devices(vec![device]);
        assert_eq!(refused(mender.deploy(&stage.acme, "nothing", "app-9", &target, &Map::new()).await), 422);
        mender.remove_filter(&stage.acme, &filter).await.unwrap();
        mender.remove_artifact(&stage.acme, &id).await.unwrap();
        assert_eq!(tenant(&stage.acme).name.as_ref(), "acme");
    });
}
