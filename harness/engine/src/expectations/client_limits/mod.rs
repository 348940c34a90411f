//! `quota` with the limits of an account's endpoint: real clients of the tenant go to the limit and beyond it, while a client
//! of another tenant goes on.
//!
//! What counts is what came to the tenant's own application: an acknowledgement alone is nobody's message. Each limit is tried
//! with clients made for it, which are gone afterwards; what the tenant's devices do meanwhile is counted and allowed for.
//! `connections.rs`, `messages.rs`, `subscriptions.rs` and `jobs.rs` are the limits by family, `party.rs` is who takes part.

mod connections;
mod jobs;
mod messages;
mod party;
mod subscriptions;

use super::call_rate::Found;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::aws::client::ClientError;
use fleetproof_dialects::mender::ClientLimit;
use fleetproof_journal::What;
use fleetproof_language::{Limit, Located};
use fleetproof_world::Stamp;
use party::Bench;
use std::time::Duration;

/// So many messages, connections or subscriptions are made for one limit at the most.
const MOST: u64 = 2_000;

/// The code of what is beyond a quota.
const QUOTA_EXCEEDED: u8 = 0x97;

/// What was tried, and what came of it.
#[derive(Default)]
struct Trial {
    /// In a sentence.
    text: String,
    /// What is not as it should be.
    wrong: Vec<String>,
    /// What could not be seen.
    hidden: Vec<String>,
}

impl Trial {
    /// Nothing was tried, and why.
    fn hidden(why: impl Into<String>) -> Self {
        Self { hidden: vec![why.into()], ..Self::default() }
    }

    /// Something is not as it should be, unless it is.
    fn must(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.wrong.push(otherwise());
        }
    }
}

/// The limit of the platform that a word of the language stands for; `None`: it is none of an endpoint's.
pub(crate) const fn of_clients(limit: Limit) -> Option<ClientLimit> {
    Some(match limit {
        Limit::DeviceLimit | Limit::CallRate | Limit::Storage => return None,
        Limit::Connections => ClientLimit::Connections,
        Limit::ConnectRate => ClientLimit::Connects,
        Limit::ConnectsPerClient => ClientLimit::ConnectsPerClient,
        Limit::ConnectionBandwidth => ClientLimit::Bandwidth,
        Limit::PublishRate => ClientLimit::Publishes,
        Limit::DevicePublishRate => ClientLimit::PublishesPerConnection,
        Limit::Payload => ClientLimit::Payload,
        Limit::InFlight => ClientLimit::Unacknowledged,
        Limit::Subscriptions => ClientLimit::Subscriptions,
        Limit::Filters => ClientLimit::Filters,
        Limit::TopicLevels => ClientLimit::TopicLevels,
        Limit::Retained => ClientLimit::Retained,
        Limit::Queued => ClientLimit::Queued,
        Limit::Jobs => ClientLimit::OpenJobs,
        Limit::SessionExpiry => ClientLimit::SessionExpiry,
    })
}

/// Tries one limit of one tenant.
pub(super) async fn attempt(run: &Run, tenant: &Located<String>, limit: Limit, over_by: u32) -> Result<Found> {
    let (mut found, name) = (Found::default(), tenant.value.as_str());
    let Some(counted) = of_clients(limit) else {
        return Err(Stop::Broken(format!("`{limit}` is no limit of an endpoint")));
    };
    let due = run.client_limits.get(name).and_then(|limits| limits.get(&counted).copied());
    let Some(due) = due else {
        found.hidden.push(format!("`{name}` was given no `{limit}`"));
        return Ok(found);
    };
    let Some(neighbour) =
        run.people.open_tenants().into_iter().find(|other| !other.is_provider && *other.at.name != *name)
    else {
        found.hidden.push(format!("nobody is there beside `{name}` who could pay for it"));
        return Ok(found);
    };
    let mut bench = Bench::open(run, name, &neighbour.at.name).await?;
    let told = bench.told(counted).await?;
    if told != Some(due) {
        let told = told.map_or_else(|| "none".to_owned(), |told| told.to_string());
        found.wrong.push(format!("`{name}`: the platform says that `{limit}` is {told}, due {due}"));
    }
    let tried = match tried(&mut bench, counted, due, u64::from(over_by)).await {
        Ok(trial) => trial,
        Err(Interrupted::Stop(stop)) => return Err(stop),
        Err(Interrupted::Client(who, error)) => {
            let mut trial = Trial::default();
            trial.wrong.push(format!("{who}: {error}"));
            trial
        }
    };
    let paid = bench.what_the_neighbour_paid().await?;
    let text = format!("`{limit}` of `{name}` is {due}: {}; {}", tried.text, bench.neighbours_story());
    found.evidence.push(run.shared.emit("application", run.place(tenant.span), What::Note { text }));
    found.wrong.extend(tried.wrong.into_iter().map(|line| format!("`{name}`, `{limit}`: {line}")));
    found.wrong.extend(paid);
    found.hidden.extend(tried.hidden.into_iter().map(|line| format!("`{name}`, `{limit}`: {line}")));
    bench.close().await;
    Ok(found)
}

/// Why a trial went no further.
enum Interrupted {
    /// Nothing can be said of the platform.
    Stop(Stop),
    /// A client that had every right was turned away: who, and how.
    Client(&'static str, ClientError),
}

impl From<Stop> for Interrupted {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// A client that had every right was turned away.
fn turned_away(who: &'static str) -> impl Fn(ClientError) -> Interrupted {
    move |error| Interrupted::Client(who, error)
}

type Tried<T> = std::result::Result<T, Interrupted>;

async fn tried(bench: &mut Bench<'_>, limit: ClientLimit, due: u64, over: u64) -> Tried<Trial> {
    if due.saturating_add(over) > MOST && is_counted(limit) {
        return Ok(Trial::hidden(format!("{due} and {over} more are more than can be tried")));
    }
    match limit {
        ClientLimit::Connections => connections::connections(bench, due, over).await,
        ClientLimit::Connects => connections::connects(bench, due, over).await,
        ClientLimit::ConnectsPerClient => connections::connects_per_client(bench, due, over).await,
        ClientLimit::Publishes => messages::publishes(bench, due, over).await,
        ClientLimit::PublishesPerConnection => messages::publishes_per_connection(bench, due, over).await,
        ClientLimit::Payload => messages::payload(bench, due).await,
        ClientLimit::Unacknowledged => messages::unacknowledged(bench, due, over).await,
        ClientLimit::Bandwidth => messages::bandwidth(bench, due).await,
        ClientLimit::TopicLevels => messages::topic_levels(bench, due).await,
        ClientLimit::Subscriptions => subscriptions::subscriptions(bench, due, over).await,
        ClientLimit::Filters => subscriptions::filters(bench, due).await,
        ClientLimit::Retained => subscriptions::retained(bench, due, over).await,
        ClientLimit::Queued => subscriptions::queued(bench, due, over).await,
        ClientLimit::OpenJobs => jobs::jobs(bench, due, over).await,
        ClientLimit::SessionExpiry => subscriptions::session_expiry(bench, due).await,
    }
}

/// Whether as much as the limit has to be made to see it.
const fn is_counted(limit: ClientLimit) -> bool {
    !matches!(
        limit,
        ClientLimit::Payload | ClientLimit::Bandwidth | ClientLimit::TopicLevels | ClientLimit::SessionExpiry
    )
}

/// How many a rate per second gains in a time, the one that is begun counted.
fn gained(rate: u64, from: Stamp, until: Stamp) -> u64 {
    let micros = until.since(from).as_micros();
    if micros == 0 {
        return 0;
    }
    u64::try_from(micros * u128::from(rate) / 1_000_000).unwrap_or(u64::MAX).saturating_add(1)
}

/// Holds what got through a rate at once against what may: all of it, less what others of the tenant used, and what was
/// gained meanwhile.
fn hold_rate(trial: &mut Trial, through: u64, due: u64, own: u64, gained: u64, over: u64) {
    let (least, most) = (due.saturating_sub(own), due + gained);
    let shown = if least == most { due.to_string() } else { format!("{least} to {most}") };
    trial.must((least..=most).contains(&through), || format!("{through} got through at once, due {shown}"));
    if gained >= over {
        trial.hidden.push(format!("{gained} more became free meanwhile: the limit was never reached for long"));
    }
    if own >= due {
        trial.hidden.push(format!("the tenant's own devices used {own}: nothing was left to try it with"));
    }
}

/// Nobody asks for anything until then.
async fn rest(run: &Run, time: Duration) -> Result<()> {
    let until = run.shared.now().after(time);
    if until > run.budget() {
        return Err(Stop::Inconclusive(format!("{} s of rest do not fit into what is left", time.as_secs())));
    }
    run.pause_until(until).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(through: u64, own: u64, gained: u64) -> (usize, usize) {
        let mut trial = Trial::default();
        hold_rate(&mut trial, through, 100, own, gained, 20);
        (trial.wrong.len(), trial.hidden.len())
    }

    #[test]
    fn a_rate_is_held_exactly_but_for_what_is_known_of() {
        assert_eq!((held(100, 0, 0), held(99, 0, 0), held(101, 0, 0)), ((0, 0), (1, 0), (1, 0)));
        assert_eq!((held(97, 3, 0), held(96, 3, 0)), ((0, 0), (1, 0)), "the tenant's own devices speak too");
        assert_eq!((held(102, 0, 2), held(103, 0, 2)), ((0, 0), (1, 0)), "time passes");
        assert_eq!(held(120, 0, 20), (0, 1), "the limit was never felt");
        assert_eq!(held(0, 100, 0), (0, 1), "nothing was left");
    }

    #[test]
    fn a_rate_gains_with_time() {
        let at = Stamp::from_micros;
        assert_eq!((gained(1_000, at(5), at(5)), gained(1_000, at(0), at(3_500)), gained(1, at(0), at(10))), (0, 4, 1));
    }
}
