use crate::common::{PASSWORD, play, refused, tenant};
use fleetproof_claims::model::Role;
use fleetproof_dialects::mender::{TenantRef, roles};

#[test]
fn people_are_made_found_changed_and_removed() {
    play(async |stage| {
        let (mender, acme) = (&stage.mender, tenant(&stage.acme));
        for role in Role::ALL {
            let email = format!("{role}@acme.test");
            if role == Role::Admin {
                assert_eq!(refused(mender.create_user(&stage.acme, &email, PASSWORD, role, &[]).await), 422);
                continue;
            }
            let id = mender.create_user(&stage.acme, &email, PASSWORD, role, &[]).await.unwrap();
            assert_eq!(mender.user_id(&stage.acme, &email).await.unwrap().as_deref(), Some(&*id));
            let session = mender.login(&email, PASSWORD, Some(&acme)).await.unwrap();
            let me = mender.me(&session).await.unwrap();
            assert_eq!((me.id.as_str(), me.email.as_str()), (&*id, &*email));
            assert_eq!(session.subject().map(|id| &**id), Some(&*id));
            // Each does what the role is for, and not what it is not for.
            assert_eq!(refused(mender.users(&session).await), 403);
        }
        assert_eq!(mender.users(&stage.acme).await.unwrap().len(), 4);
        assert_eq!(mender.users(&stage.globex).await.unwrap().len(), 1);
        assert_eq!(mender.user_id(&stage.globex, "viewer@acme.test").await.unwrap(), None);

        let scoped = ["beta".to_owned()];
        let id = mender.create_user(&stage.acme, "beta@acme.test", PASSWORD, Role::Viewer, &scoped).await.unwrap();
        assert!(mender.roles(&stage.acme).await.unwrap().contains(&roles::name(Role::Viewer, &scoped)));
        mender.change_user(&stage.acme, &id, "beta@acme.test", Role::Operator, &[]).await.unwrap();
        let session = mender.login("beta@acme.test", PASSWORD, Some(&acme)).await.unwrap();
        mender.remove_user(&stage.acme, &id).await.unwrap();
        assert_eq!(refused(mender.me(&session).await), 401);
        mender.remove_user(&stage.acme, &id).await.unwrap();
        mender.remove_role(&stage.acme, &roles::name(Role::Viewer, &scoped)).await.unwrap();
    });
}

#[test]
fn a_member_of_two_tenants_switches() {
    play(async |stage| {
        let (mender, acme, globex) = (&stage.mender, tenant(&stage.acme), tenant(&stage.globex));
        let id = mender.create_user(&stage.acme, "both@acme.test", PASSWORD, Role::Viewer, &[]).await.unwrap();
        let at_acme = mender.login("both@acme.test", PASSWORD, Some(&acme)).await.unwrap();
        assert_eq!(refused(mender.switch(&at_acme, &globex).await), 401);
        assert_eq!(refused(mender.switch(&at_acme, &TenantRef::new("ghost", "000000000000000000000000")).await), 401);

        let role = mender.ensure_role(&stage.globex, Role::Installer, &[]).await.unwrap();
        mender.assign_user(&stage.globex, &id, &[&globex.id], &role).await.unwrap();
        let at_globex = mender.switch(&at_acme, &globex).await.unwrap();
        assert_eq!((at_globex.tenant().unwrap().as_ref(), at_globex.subject()), ("globex", at_acme.subject()));
        assert_eq!(mender.me(&at_globex).await.unwrap().tenant_ids.len(), 2);
        let straight = mender.login("both@acme.test", PASSWORD, Some(&globex)).await.unwrap();
        mender.logout(&straight).await.unwrap();
        assert_eq!(refused(mender.me(&straight).await), 401);
        mender.remove_user(&stage.globex, &id).await.unwrap();
        assert_eq!(refused(mender.me(&at_globex).await), 401);
        mender.me(&at_acme).await.unwrap();
    });
}

#[test]
fn the_providers_admin_adds_herself() {
    play(async |stage| {
        let (mender, acme) = (&stage.mender, tenant(&stage.acme));
        let me = mender.me(&stage.provider).await.unwrap().id;
        assert_eq!(refused(mender.switch(&stage.provider, &acme).await), 401);
        mender.assign_user(&stage.provider, &me, &[&acme.id], roles::PERMIT_ALL).await.unwrap();
        let inside = mender.switch(&stage.provider, &acme).await.unwrap();
        assert_eq!(mender.users(&inside).await.unwrap().len(), 2);
        assert_eq!(refused(mender.assign_user(&stage.globex, &me, &[&acme.id], roles::PERMIT_ALL).await), 403);
    });
}

#[test]
fn personal_tokens_open_until_they_are_revoked() {
    play(async |stage| {
        let (id, token) = stage.mender.create_token(&stage.acme, "ci", 60).await.unwrap();
        let bearer = stage.acme.forged(Some(token));
        assert_eq!(stage.mender.me(&bearer).await.unwrap().email, "admin@acme.test");
        stage.mender.revoke_token(&stage.acme, &id).await.unwrap();
        assert_eq!(refused(stage.mender.me(&bearer).await), 401);
    });
}
