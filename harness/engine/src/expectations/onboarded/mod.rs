//! `onboarded`: a tenant is whole, or there is no trace of it. What an organisation makes of it stands in `account.rs`.

mod account;
mod controls;
mod greeting;

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_journal::What;
use fleetproof_language::{Located, OnboardOutcome};

/// Looks at every part of each tenant.
pub(super) async fn look(run: &Run, tenants: &[Located<String>], outcome: OnboardOutcome) -> Result<Seen> {
    let expected = match outcome {
        OnboardOutcome::Whole => "every tenant is whole: listed, limited as asked, open to its admin",
        OnboardOutcome::Undone => "no trace is left of any of these tenants",
        OnboardOutcome::WholeOrUndone => "every tenant is whole, or there is no trace of it",
    };
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let Signs { parts: signs, wrong: amiss } = signs(run, tenant).await?;
        let present = signs.iter().filter(|(_, there)| *there).count();
        let whole = present == signs.len();
        let good = match outcome {
            OnboardOutcome::Whole => whole,
            OnboardOutcome::Undone => present == 0,
            OnboardOutcome::WholeOrUndone => whole || present == 0,
        };
        evidence.extend(run.accounts.made(tenant));
        if good && amiss.is_empty() {
            let state = if whole { "is whole" } else { "left no trace" };
            let text = format!("`{}` {state}", tenant.value);
            evidence.push(run.shared.emit("engine", None, What::Note { text }));
        } else {
            let those = |is_there: bool| {
                signs
                    .iter()
                    .filter(move |(_, there)| *there == is_there)
                    .map(|(what, _)| what.as_str())
                    .collect::<Vec<_>>()
            };
            let told = [("missing", those(false)), ("there", those(true))];
            let told = told.into_iter().filter(|(_, signs)| !signs.is_empty());
            let told = told.map(|(word, signs)| format!("{word}: {}", signs.join(", ")));
            let told: Vec<String> = amiss.into_iter().chain(told).collect();
            wrong.push(format!("`{}`: {}", tenant.value, told.join("; ")));
        }
    }
    Ok(Seen::of(Proof::of(expected).evidence(evidence), tenants.len(), wrong, "tenants are as they should be"))
}

/// What is seen of a tenant.
#[derive(Debug, Default)]
struct Signs {
    /// Each part of it, and whether it is there.
    parts: Vec<(String, bool)>,
    /// What may be neither where it is whole nor where there is no trace of it.
    wrong: Vec<String>,
}

impl Signs {
    fn push(&mut self, (what, is_there): (impl Into<String>, bool)) {
        self.parts.push((what.into(), is_there));
    }

    /// Whether all parts are there that were looked at so far.
    fn are_there(&self) -> bool {
        self.parts.iter().all(|(_, is_there)| *is_there)
    }
}

/// Looks at each part of a tenant.
async fn signs(run: &Run, tenant: &str) -> Result<Signs> {
    let mut signs = Signs::default();
    let Some(declared) = run.plan.scenario.platform.tenants.get(tenant).cloned() else { return Ok(signs) };
    if run.people.tenant(Run::PROVIDER).is_some() {
        let provider = run.people.admin(Run::PROVIDER).await?;
        let rows = run.mender.tenants(&provider).await?;
        let row = rows.iter().find(|row| row.name == tenant);
        signs.push(("in the provider's list", row.is_some()));
        let limit = run.limits.get(tenant).or_else(|| declared.device_limit.as_ref().map(|l| i64::from(l.value)));
        signs.push(("limited as asked", row.is_some_and(|row| Some(row.device_limit) == limit)));
    }
    let password = run.people.password(&declared.admin);
    let mut admin = None;
    match run.mender.login(&declared.admin, &password, None).await {
        Ok(session) => {
            signs.push(("its admin gets in", true));
            let info = run.mender.tenant_info(&session).await?;
            signs.push(("its admin finds herself there", info.row.name == tenant));
            signs.push(("it has a token for devices", !info.token.is_empty()));
            signs.push(("its device list answers", run.mender.devices(&session, None).await.is_ok()));
            admin = Some(session);
        }
        Err(error) if error.status() == Some(401) => signs.push(("its admin gets in", false)),
        Err(error) => return Err(error.into()),
    }
    if run.accounts.are_made() {
        account::look(run, tenant, admin.as_ref(), &mut signs).await?;
    }
    Ok(signs)
}
