//! `add_user`, `remove_user`, `switch`.

use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use crate::setup;
use fleetproof_dialects::mender::{Session, TenantRef};
use fleetproof_language::{AddUser, Located, UserAt};

/// A person becomes a user of a tenant.
pub(crate) async fn add_user(run: &Run, step: &Located<AddUser>) -> Result<Ending> {
    let by = actors::acting(run, &step.outcome, Default::AdminOf(&step.tenant)).await?;
    let only: Vec<String> = step.only.iter().map(|group| group.value.clone()).collect();
    let role = setup::granted(step.role.value);
    let result = match setup::join(run, &by, &step.user, &step.tenant, role, &only).await? {
        Ok(()) => Ok(()),
        Err(error) => {
            let mut no = refusals::read(error)?;
            no.done_anyway = is_listed(run, &step.user, &step.tenant).await?;
            Err(no)
        }
    };
    let parts = [Part { name: step.user.value.clone(), result }];
    refusals::note(run, "add_user", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "people added"))
}

/// A person is a user of a tenant no longer.
pub(crate) async fn remove_user(run: &Run, step: &Located<UserAt>) -> Result<Ending> {
    let by = actors::acting(run, &step.outcome, Default::AdminOf(&step.tenant)).await?;
    let admin = run.people.admin(&step.tenant).await?;
    let Some(id) = run.mender.user_id(&admin, &step.user).await? else {
        return Err(Stop::Failed(format!("`{}` is no user of `{}`", step.user.value, step.tenant.value)));
    };
    // Her session is opened before she goes, and a token of her own is made in it, so that both can be seen to die.
    let session = run.people.session(&step.user, &step.tenant).await?;
    let token = own_token(run, &session).await?;
    let answer = run.mender.remove_user(&by, &id).await;
    let listed = is_listed(run, &step.user, &step.tenant).await?;
    let result = match answer {
        Ok(()) if listed.is_none() => {
            run.people.removed(&step.user, &step.tenant);
            run.people.left_behind(&step.user, &step.tenant, token);
            Ok(())
        }
        Ok(()) if step.outcome.refused.is_some() => {
            // An answer of yes that removes nobody is how a stranger is refused here.
            Err(crate::outcome::Refused {
                kind: Some(fleetproof_language::Refusal::Unseen),
                answer: "204, and nobody was removed".to_owned(),
                done_anyway: None,
            })
        }
        Ok(()) => {
            return Ok(Ending::failed(format!("the platform said yes, and `{}` is still listed", step.user.value)));
        }
        Err(error) => {
            let mut no = refusals::read(error)?;
            if listed.is_none() {
                no.done_anyway = Some("she is listed no longer".to_owned());
            }
            Err(no)
        }
    };
    let parts = [Part { name: step.user.value.clone(), result }];
    refusals::note(run, "remove_user", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "people removed"))
}

/// A personal access token that somebody makes for herself, as a session of its own.
async fn own_token(run: &Run, session: &Session) -> Result<Option<Session>> {
    let Some(at) = session.tenant_ref().cloned() else { return Ok(None) };
    let name = format!("kept-aside-{}", run.shared.now().micros());
    let (_, token) = run.mender.create_token(session, &name, 3_600).await?;
    run.shared.declare_secret(token.reveal());
    let email = session.email().map(|email| email.to_string());
    Ok(Some(Session::person(session.who(), email.as_deref(), at, token)))
}

/// Whether the tenant's own admin sees a person among the users.
async fn is_listed(run: &Run, person: &str, tenant: &str) -> Result<Option<String>> {
    let admin = run.people.admin(tenant).await?;
    let found = run.mender.user_id(&admin, person).await?;
    Ok(found.map(|_| format!("`{tenant}` lists her among its users")))
}

/// Into another tenant without logging in again.
pub(crate) async fn switch(run: &Run, step: &Located<UserAt>) -> Result<Ending> {
    let (person, tenant) = (&step.user.value, &step.tenant.value);
    let into = run.tenant(tenant)?;
    let at_home = run.people.acting(person, "").await?;
    let result = match run.mender.switch(&at_home, &into).await {
        Ok(session) => {
            run.people.keep(person, tenant, session);
            run.own.whereabouts.insert(person.clone(), tenant.clone());
            Ok(())
        }
        Err(error) => {
            // The same for a tenant that never was: ids are 24 hexadecimal digits.
            let never = TenantRef::new("never", &never_existed(&into.id));
            let never = run.mender.switch(&at_home, &never).await.map(drop);
            Err(refusals::read_beside(error, &never)?)
        }
    };
    let parts = [Part { name: person.clone(), result }];
    refusals::note(run, "switch", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "people switched"))
}

/// An id of the same shape that nothing has: every hexadecimal digit is turned around.
fn never_existed(id: &str) -> String {
    id.chars().map(|c| c.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).unwrap_or(c)).collect()
}
