//! Who carries out a step, and how several requests are made at once.

use crate::run::{Result, Run, Stop};
use fleetproof_dialects::mender::Session;
use fleetproof_language::Outcome;
use std::future::Future;
use tokio::task::JoinSet;

/// Who acts when a step does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default<'a> {
    /// The first admin of this tenant.
    AdminOf(&'a str),
    /// The provider's admin, for steps on tenants.
    ProvidersAdmin(&'a str),
}

/// The session in which a step is carried out: of whom it names, else of the verb's default actor.
pub(crate) async fn acting(run: &Run, outcome: &Outcome, default: Default<'_>) -> Result<Session> {
    let tenant = match default {
        Default::AdminOf(tenant) | Default::ProvidersAdmin(tenant) => tenant,
    };
    match (&outcome.by, default) {
        (Some(by), _) => Ok(run.people.acting(by, tenant).await?),
        (None, Default::AdminOf(tenant)) => Ok(run.people.admin(tenant).await?),
        (None, Default::ProvidersAdmin(_)) if run.people.tenant(Run::PROVIDER).is_some() => {
            Ok(run.people.admin(Run::PROVIDER).await?)
        }
        (None, Default::ProvidersAdmin(_)) => {
            Err(Stop::Inconclusive("without a provider nobody here may change tenants".to_owned()))
        }
    }
}

/// Makes all calls at once; the results are in the order of the calls, whichever ends first.
pub(crate) async fn together<F>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (position, call) in calls.into_iter().enumerate() {
        tasks.spawn(async move { (position, call.await) });
    }
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(result) => results.push(result),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}
