//! `suspend`, `resume`, `remove`: tenants are shut, opened again, gone for good.

use super::{WITHIN, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, Refused, judge};
use crate::refusals;
use crate::run::{Barred, Removed, Result, Run};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::{Session, TenantRef};
use fleetproof_journal::What;
use fleetproof_language::{ByTenants, Located};
use std::collections::BTreeSet;

/// Shuts tenants. It ends when nobody who was in is served any more; what becomes of devices is for claims to judge.
pub(crate) async fn suspend(run: &Run, step: &Located<ByTenants>) -> Result<Ending> {
    let mut parts = Vec::new();
    for tenant in &step.tenants {
        let at = run.tenant(tenant)?;
        // Whoever looked in before: it must be the suspension that ends her session.
        let admin = run.people.admin(tenant).await?;
        let result = match set_status(run, step, &at, "suspended").await? {
            Ok(()) => {
                let text = format!("`{}` is suspended", tenant.value);
                let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
                let since = run.shared.now();
                run.people.suspend(tenant);
                for device in run.all_inside(tenant) {
                    run.barred.insert(device, Barred { since, seq });
                }
                if let Some(open) = still_opens(run, &admin).await? {
                    return Ok(Ending::failed(format!("`{}` is suspended, and {open}", tenant.value)));
                }
                Ok(())
            }
            Err(no) => Err(no),
        };
        parts.push(Part { name: tenant.value.clone(), result });
    }
    refusals::note(run, "suspend", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants suspended"))
}

/// Opens suspended tenants again. It ends when the admin of each can log in.
pub(crate) async fn resume(run: &Run, step: &Located<ByTenants>) -> Result<Ending> {
    let mut parts = Vec::new();
    for tenant in &step.tenants {
        let at = run.tenant(tenant)?;
        let result = match set_status(run, step, &at, "active").await? {
            Ok(()) => {
                let text = format!("`{}` is resumed", tenant.value);
                run.shared.emit("engine", run.place(step.span), What::Note { text });
                run.people.resume(tenant);
                for device in run.all_inside(tenant) {
                    run.barred.remove(&device);
                }
                run.people.admin(tenant).await?;
                Ok(())
            }
            Err(no) => Err(no),
        };
        parts.push(Part { name: tenant.value.clone(), result });
    }
    refusals::note(run, "resume", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants resumed"))
}

/// Removes tenants. Before, it is written down what each had, for `removed` to look for.
pub(crate) async fn remove(run: &Run, step: &Located<ByTenants>) -> Result<Ending> {
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let by = actors::acting(run, &step.outcome, Default::ProvidersAdmin(Run::PROVIDER)).await?;
    let mut parts = Vec::new();
    for tenant in &step.tenants {
        // To remove what is gone is asked of the platform too: it must be refused.
        let gone = run.removed.get(&tenant.value).filter(|_| run.people.tenant(tenant).is_none());
        let is_gone = gone.is_some();
        let at = gone.map_or_else(|| run.tenant(tenant), |gone| Ok(gone.at))?;
        // Whoever gets in now must not afterwards. Into a suspended one nobody gets: its sessions are former ones already.
        let is_open = !is_gone && !run.people.is_suspended(tenant);
        if is_open {
            run.people.admin(tenant).await?;
        }
        let link = if is_open { link_of(run, tenant).await? } else { None };
        let admin = run.people.tenant(tenant).map(|known| known.admin).unwrap_or_default();
        let devices: BTreeSet<u32> = run.all_inside(tenant);
        let result = match run.mender.remove_tenant(&by, &at.id).await {
            Ok(()) => {
                let file = if link.is_some() { ", a file" } else { "" };
                let text = format!("`{}` is removed; it had an admin, {} devices{file}", tenant.value, devices.len());
                let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
                let since = run.shared.now();
                run.barred
                    .change(|barred| barred.extend(devices.iter().map(|device| (*device, Barred { since, seq }))));
                run.accepted.remove(&tenant.value);
                run.limits.remove(&tenant.value);
                run.uploaded.change(|files| files.retain(|(at, _), _| *at != tenant.value));
                run.people.remove_tenant(tenant);
                run.things.leaves(tenant);
                if run.accounts.are_made() {
                    run.accounts.closed(tenant);
                }
                run.removed.insert(tenant.value.clone(), Removed { at, admin, devices, link, since, seq });
                Ok(())
            }
            Err(error) => {
                let mut no = refusals::read(error)?;
                let finds = run.mender.operator_tenant(&at.id).await;
                if !is_gone && finds.is_err_and(|error| error.status() == Some(404)) {
                    no.done_anyway = Some("the operator finds it no more".to_owned());
                }
                Err(no)
            }
        };
        parts.push(Part { name: tenant.value.clone(), result });
    }
    if run.shared.now() > deadline {
        return Ok(Ending::failed("the tenants were not gone in time"));
    }
    refusals::note(run, "remove", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "tenants removed"))
}

/// Asks for a status: the platform's operator, unless the step names somebody. What the operator then sees decides.
async fn set_status(
    run: &Run,
    step: &Located<ByTenants>,
    at: &TenantRef,
    status: &str,
) -> Result<std::result::Result<(), Refused>> {
    let before = run.mender.operator_tenant(&at.id).await?;
    let answer = match &step.outcome.by {
        None if status == "suspended" => run.mender.suspend(&at.id).await,
        None => run.mender.resume(&at.id).await,
        Some(by) => {
            let by = run.people.acting(by, Run::PROVIDER).await?;
            run.mender.set_child_status(&by, &at.id, status).await
        }
    };
    let now = run.mender.operator_tenant(&at.id).await?;
    let has = |tenant: &serde_json::Value| tenant.get("status").and_then(|now| now.as_str()) == Some(status);
    let (was_so, is_so) = (has(&before), has(&now));
    Ok(match answer {
        Ok(()) if is_so => Ok(()),
        Ok(()) => {
            return Err(crate::run::Stop::Failed(format!("the platform said yes, and `{}` is not {status}", at.name)));
        }
        Err(error) => {
            let done_anyway = (is_so && !was_so).then(|| format!("the operator sees it {status}"));
            Err(Refused { done_anyway, ..refusals::read(error)? })
        }
    })
}

/// What a session still opens that must be dead, and the door behind it.
async fn still_opens(run: &Run, session: &Session) -> Result<Option<String>> {
    let refused = |error: &DialectError| error.status() == Some(401);
    match run.mender.tenant_info(session).await {
        Ok(_) => return Ok(Some(format!("`{}` is served `Tenant Info` in the session she had", session.who()))),
        Err(error) if refused(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(email) = session.email().map(|email| email.to_string()) else { return Ok(None) };
    match run.mender.login(&email, &run.people.password(&email), None).await {
        Ok(_) => Ok(Some(format!("`{email}` logs in"))),
        Err(error) if refused(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A link to a file of the tenant, followed once so that it is known to be good; `None` when it has no file.
async fn link_of(run: &Run, tenant: &str) -> Result<Option<(String, Session)>> {
    let file = run.uploaded.read(|files| files.iter().find(|((at, _), _)| at == tenant).map(|(_, id)| id.clone()));
    let Some(file) = file else { return Ok(None) };
    let admin = run.people.admin(tenant).await?;
    let link = run.mender.download_link(&admin, &file).await?;
    let answer = run.mender.follow(&admin, &link.uri).await?;
    Ok(answer.is_success().then_some((link.uri, admin)))
}
