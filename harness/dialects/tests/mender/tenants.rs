use crate::common::{PASSWORD, play, refused, tenant};
use fleetproof_dialects::mender::{ClientLimit, Session, TenantRef};
use std::collections::BTreeMap;

#[test]
fn children_are_made_listed_limited_and_removed() {
    play(async |stage| {
        let mender = &stage.mender;
        let rows = mender.tenants(&stage.provider).await.unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.status.as_str(), row.device_count, row.device_limit))
            .collect();
        assert_eq!(seen, [("acme", "active", 0, 10), ("globex", "active", 0, 5)]);

        let info = mender.tenant_info(&stage.acme).await.unwrap();
        assert_eq!((&*info.row.id, info.row.device_limit), (&**stage.acme.tenant_id().unwrap(), 10));
        assert!(!info.token.is_empty() && !info.is_provider);
        assert_eq!(info.parent.as_deref(), stage.provider.tenant_id().map(|id| &**id));
        assert!(mender.tenant_info(&stage.provider).await.unwrap().is_provider);

        let acme = tenant(&stage.acme);
        mender.configure_tenant(&stage.provider, &acme.id, 12).await.unwrap();
        assert_eq!(mender.limit(&stage.acme).await.unwrap(), 12);
        assert_eq!(refused(mender.configure_tenant(&stage.provider, &acme.id, 16).await), 422);
        assert_eq!(refused(mender.configure_tenant(&stage.globex, &acme.id, 1).await), 403);
        assert_eq!(
            refused(mender.create_tenant(&stage.provider, "third", "x@third.test", PASSWORD, Some(4)).await),
            422
        );
        assert_eq!(refused(mender.create_tenant(&stage.acme, "third", "x@third.test", PASSWORD, Some(1)).await), 403);
        assert_eq!(
            refused(mender.create_tenant(&stage.provider, "third", "admin@acme.test", PASSWORD, Some(1)).await),
            409
        );

        mender.remove_tenant(&stage.provider, &acme.id).await.unwrap();
        assert_eq!(mender.tenants(&stage.provider).await.unwrap().len(), 1);
        assert_eq!(refused(mender.tenant_info(&stage.acme).await), 401);
    });
}

#[test]
fn children_made_at_once_are_told_apart() {
    play(async |stage| {
        let make = |name: &'static str| {
            let (mender, provider) = (stage.mender.clone(), stage.provider.clone());
            async move { mender.create_tenant(&provider, name, &format!("a@{name}.test"), PASSWORD, Some(1)).await.unwrap() }
        };
        let (one, other) = tokio::join!(make("one"), make("other"));
        let rows = stage.mender.tenants(&stage.provider).await.unwrap();
        let named = |name: &str| rows.iter().find(|row| row.name == name).unwrap().id.clone();
        assert_eq!((one, other), (named("one"), named("other")));
    });
}

#[test]
fn the_operator_suspends_resumes_and_limits() {
    play(async |stage| {
        let (mender, acme) = (&stage.mender, tenant(&stage.acme));
        mender.suspend(&acme.id).await.unwrap();
        assert_eq!(mender.tenants(&stage.provider).await.unwrap()[0].status, "suspended");
        assert_eq!(refused(mender.me(&stage.acme).await), 401);
        assert_eq!(refused(mender.login("admin@acme.test", PASSWORD, None).await), 401);
        mender.resume(&acme.id).await.unwrap();
        mender.login("admin@acme.test", PASSWORD, Some(&acme)).await.unwrap();

        mender.set_operator_limit(&acme.id, 7).await.unwrap();
        assert_eq!(mender.operator_limit(&acme.id).await.unwrap(), 7);
        assert_eq!(mender.operator_tenant(&acme.id).await.unwrap()["name"], "acme");
        mender.set_operator_storage(&acme.id, 1 << 20).await.unwrap();

        let limits = BTreeMap::from([(ClientLimit::Connections, 7), (ClientLimit::TopicLevels, 3)]);
        mender.set_client_limits(&acme.id, &limits).await.unwrap();
        assert_eq!(mender.client_limit(&acme.id, ClientLimit::Connections).await.unwrap(), Some(7));
        assert_eq!(mender.client_limit(&acme.id, ClientLimit::TopicLevels).await.unwrap(), Some(3));
        assert_eq!(mender.client_limit(&acme.id, ClientLimit::Payload).await.unwrap(), Some(128 * 1024));
    });
}

#[test]
fn nobody_is_reached_where_nobody_listens() {
    play(async |stage| {
        let world = stage.mender.world().clone();
        let watch = stage.watch.clone();
        let elsewhere = fleetproof_dialects::mender::Mender::new(world, "nowhere".into(), None, watch.clone());
        let error = elsewhere.me(&stage.acme).await.unwrap_err();
        insta::assert_snapshot!(error, @"no answer to GET /api/management/v1/useradm/users/me: nobody listens at `nowhere`");
        assert_eq!(watch.all().last().unwrap().status, 0);
        assert_eq!(elsewhere.suspend("x").await.unwrap_err().to_string(), "this platform has no operator's door");
    });
}

#[test]
fn a_kept_connection_that_the_server_closed_is_not_used_again() {
    play(async |stage| {
        for pause in [1, 14, 16, 29, 31, 120] {
            stage.mender.world().clock.sleep(std::time::Duration::from_secs(pause)).await;
            let (name, mail) = (format!("t{pause}"), format!("a{pause}@t.test"));
            let id = stage.mender.create_tenant(&stage.provider, &name, &mail, PASSWORD, Some(0)).await.unwrap();
            stage.mender.remove_tenant(&stage.provider, &id).await.unwrap();
        }
        let nobody = Session::nobody();
        assert_eq!(refused(stage.mender.me(&nobody).await), 401);
        let stranger = TenantRef::new("acme", stage.acme.tenant_id().unwrap());
        assert_eq!(refused(stage.mender.switch(&stage.globex, &stranger).await), 401);
    });
}
