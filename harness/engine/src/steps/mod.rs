//! The verbs, a file each. A step ends when its effect is confirmed, or fails at its deadline.

mod abort;
mod configure;
mod decommission;
mod deploy;
mod door;
pub(crate) mod fault;
pub(crate) mod http;
mod job;
pub(crate) mod lobby;
mod mqtt;
mod onboard;
mod pace;
mod people;
mod reject;
mod revoke;
pub(crate) mod strain;
pub(crate) mod tenants;
mod upload;
mod wait;

pub(crate) use deploy::artifact;
pub(crate) use mqtt::Subscribed;

use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::texts::Gaps;
use fleetproof_journal::What;
use fleetproof_language::{Located, Outcome, Step};
use std::time::Duration;

/// How long a step may take when it does not say.
const WITHIN: Duration = Duration::from_secs(30);

/// How long the slow ones may take (`enroll`, `onboard`).
const WITHIN_SLOW: Duration = Duration::from_secs(60);

/// Carries out one step that is no `expect` and holds no others. `gaps` fills the texts that are made while running.
pub(crate) async fn carry_out(run: &Run, step: &Located<Step>, gaps: &Gaps<'_>) -> Result<Ending> {
    match &step.value {
        Step::Enroll(step) => door::enroll(run, step).await,
        Step::Knock(step) => door::knock(run, step).await,
        Step::Claim(step) => door::claim(run, step).await,
        Step::Reject(step) => reject::reject(run, step).await,
        Step::Revoke(step) => revoke::revoke(run, step).await,
        Step::Fault(it) => fault::fault(run, it, step.span).await,
        Step::Decommission(step) => decommission::decommission(run, step).await,
        Step::Onboard(step) => onboard::onboard(run, step).await,
        Step::Suspend(step) => tenants::suspend(run, step).await,
        Step::Resume(step) => tenants::resume(run, step).await,
        Step::Remove(step) => tenants::remove(run, step).await,
        Step::Configure(step) => configure::configure(run, step).await,
        Step::AddUser(step) => people::add_user(run, step).await,
        Step::RemoveUser(step) => people::remove_user(run, step).await,
        Step::Switch(step) => people::switch(run, step).await,
        Step::Upload(step) => upload::upload(run, step).await,
        Step::Deploy(step) => deploy::deploy(run, step, gaps.round).await,
        Step::Abort(step) => abort::abort(run, step).await,
        Step::Pause(step) => pace::pause(run, step).await,
        Step::Continue(step) => pace::go_on(run, step).await,
        Step::WaitUntil(step) => wait::wait_until(run, step).await,
        Step::Http(step) => http::http(run, step, gaps).await,
        Step::Load(step) => strain::load(run, step).await,
        Step::Measure(step) => strain::measure(run, step).await,
        Step::Release(step) => lobby::release(run, step).await,
        Step::Migrate(step) => lobby::migrate(run, step).await,
        Step::Evacuate(step) => lobby::evacuate(run, step).await,
        Step::GrantTrust(step) => lobby::grant_trust(run, step).await,
        Step::RevokeTrust(step) => lobby::revoke_trust(run, step).await,
        Step::Mqtt(step) => mqtt::mqtt(run, step, gaps).await,
        Step::Log(step) => {
            let text = gaps.text(&step.text);
            run.shared.emit("engine", run.place(step.span), What::Note { text: text.clone() });
            Ok(Ending::passed(text))
        }
        Step::While(_) | Step::Parallel(_) | Step::Repeat(_) | Step::Sweep(_) | Step::Use(_) | Step::Expect(_) => {
            Err(Stop::Broken(format!("`{}` is no step by itself", step.verb())))
        }
    }
}

/// How long a step may take: what it says, else `default`.
fn within(outcome: &Outcome, default: Duration) -> Duration {
    outcome.within.as_ref().map_or(default, |within| within.value)
}
