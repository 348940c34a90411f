//! `access`: exactly what the role allows there, on every operation.

use super::attempts;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_language::{Claim, Located};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// Makes the attempts that the plan compiled; those of somebody without a role there are made in her session at home,
/// and with whatever she was given there before she was removed.
pub(super) async fn attempt(run: &mut Run, claim: &Located<Claim>, deadline: Stamp) -> Result<Seen> {
    let Claim::Access { user, tenant, role } = &claim.value else { return Ok(Seen::Hidden(Proof::default())) };
    let expected = format!("`{}` may do in `{}` exactly what {} may", user.value, tenant.value, told(role.value));
    let is_member = role.value != fleetproof_language::Role::None;
    let session = loop {
        let session =
            if is_member { run.people.session(user, tenant).await } else { run.people.acting(user, "").await };
        match session {
            Ok(session) => break session,
            Err(_) if run.shared.now() < deadline => run.breathe(deadline).await?,
            Err(error) => {
                let text = format!("`{}` is not let in: {error}", user.value);
                return Ok(Seen::Broken(Proof::of(expected).actual(text)));
            }
        }
    };
    if !is_member && let Some(open) = former_session_opens(run, user, tenant).await? {
        return Ok(Seen::Broken(Proof::of(expected).actual(open)));
    }
    let people = BTreeMap::from([(user.value.clone(), session)]);
    attempts::make(run, claim, vec![tenant.value.clone()], people, &expected).await
}

fn told(role: fleetproof_language::Role) -> String {
    match role {
        fleetproof_language::Role::None => "a stranger".to_owned(),
        role => format!("a user with the role `{role}`"),
    }
}

/// What a session that somebody had in a tenant before she was removed still opens.
async fn former_session_opens(run: &Run, user: &str, tenant: &str) -> Result<Option<String>> {
    for session in run.people.former(user, tenant) {
        match run.mender.tenant_info(session).await {
            Err(error) if error.status() == Some(401) => {}
            Err(error) if error.refused().is_some() => {
                return Ok(Some(format!("the session that `{user}` had in `{tenant}` is answered with {error}")));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {
                return Ok(Some(format!(
                    "`{user}` was removed from `{tenant}`, and what she held of it still opens it"
                )));
            }
        }
    }
    Ok(None)
}
