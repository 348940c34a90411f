//! `access`: exactly what the role allows there, on every operation.

use super::attempts;
use crate::proof::{Proof, Seen};
use crate::record::Seq;
use crate::run::{Result, Run, Stop};
use fleetproof_claims::{FORMER_SESSION, without_credentials};
use fleetproof_dialects::Answer;
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_journal::{Attempted, Place, Verdict, What};
use fleetproof_language::{Claim, Located};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// Makes the attempts that the plan compiled; those of somebody without a role there are made in her session at home,
/// and with whatever she was given there before she was removed.
pub(super) async fn attempt(run: &Run, claim: &Located<Claim>, deadline: Stamp) -> Result<Seen> {
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
    if !is_member {
        let tried = try_former_sessions(run, user, tenant, run.place(claim.span)).await?;
        let open: Vec<_> = tried.iter().filter(|(_, attempted)| attempted.verdict != Verdict::Passed).collect();
        if !open.is_empty() {
            let lines = open.iter().map(|(_, attempted)| attempts::told(attempted)).collect();
            let proof = Proof::of(expected).evidence(open.iter().map(|(seq, _)| *seq)).details(lines);
            let is_failed = open.iter().any(|(_, attempted)| attempted.verdict == Verdict::Failed);
            let summary =
                format!("{} of {} sessions that she had there are not seen to be dead", open.len(), tried.len());
            let proof = proof.actual(summary);
            return Ok(if is_failed { Seen::Broken(proof) } else { Seen::Hidden(proof) });
        }
    }
    let people = BTreeMap::from([(user.value.clone(), session)]);
    attempts::make(run, claim, vec![tenant.value.clone()], people, deadline, &expected).await
}

fn told(role: fleetproof_language::Role) -> String {
    match role {
        fleetproof_language::Role::None => "a stranger".to_owned(),
        role => format!("a user with the role `{role}`"),
    }
}

/// The operation with which it is seen whether a session still opens a tenant: everybody who is in may ask it.
const LOOKS_IN: &str = "Tenant Info";

/// Looks in with every session that somebody had in a tenant before she was removed from it. The control: its admin does.
async fn try_former_sessions(
    run: &Run,
    user: &str,
    tenant: &str,
    place: Option<Place>,
) -> Result<Vec<(Seq, Attempted)>> {
    let former = run.people.former(user, tenant).to_vec();
    if former.is_empty() {
        return Ok(Vec::new());
    }
    let admin = run.people.admin(tenant).await?;
    let control = look_in(run, &admin).await?.1;
    let mut tried = Vec::new();
    for (number, session) in former.iter().enumerate() {
        let (request, answer) = look_in(run, session).await?;
        let (verdict, lost) = match answer.status {
            _ if !control.is_success() => {
                (Verdict::Inconclusive, Some("nothing is proven: the admin is refused too".to_owned()))
            }
            401 => (Verdict::Passed, None),
            200..300 => (Verdict::Failed, Some(format!("`{user}`, who was removed, still reads what is {tenant}'s"))),
            _ => (Verdict::Failed, Some(format!("the session of `{user}`, who was removed, is still known"))),
        };
        let attempted = Attempted {
            id: format!("{FORMER_SESSION}/{tenant}/{user}/{}", number + 1),
            tool: FORMER_SESSION.to_owned(),
            operation: LOOKS_IN.to_owned(),
            actor: format!("{user} with what she held before"),
            victim: tenant.to_owned(),
            request,
            answer: shown(&answer),
            expected: "access: refused as unauthenticated".to_owned(),
            never_existed: None,
            control: Some(shown(&control)),
            lost,
            verdict,
        };
        let seq = run.shared.emit("engine", place.clone(), What::Attempted(attempted.clone()));
        tried.push((seq, attempted));
    }
    Ok(tried)
}

/// Asks for the tenant that a session is for.
async fn look_in(run: &Run, by: &Session) -> Result<(String, Answer)> {
    let known = run.plan.surfaces.known.iter().find(|surface| surface.operation == LOOKS_IN);
    let surface = known.ok_or_else(|| Stop::Inconclusive(format!("the platform has no `{LOOKS_IN}`")))?;
    let request = build(surface, &Fills::default())?;
    let told = format!("{} {}", request.method, request.target);
    Ok((told, run.mender.send(by, Mender::door(&surface.path), request).await?))
}

fn shown(answer: &Answer) -> String {
    format!("{} {}", answer.status, without_credentials(&answer.text(), 160))
}
