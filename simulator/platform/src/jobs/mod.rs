//! The jobs of an account: the rules of [`fleetproof_dataplane::jobs`] on the platform's tables.
//!
//! Whoever looks does first what time alone has done since, event by event and each at its own time (`round`). Devices that
//! listen are to be told in time: the keeper of the data plane asks [`Jobs::due_us`] and calls [`advance`].
//!
//! Who reads rows to change them does so alone in this process ([`Jobs::alone`]), and takes that turn before a transaction.

mod books;
mod links;
mod round;

pub(crate) use books::{Kept, Shelf};
pub(crate) use round::{News, Round};

use crate::args;
use crate::endpoint::Said;
use crate::job_defects;
use crate::platform::Platform;
use crate::registry::Endpoint;
use crate::store::{StoreError, Transaction, Tx};
use fleetproof_dataplane::jobs::{Desk, JobRef, Limits, Topic, Verb};
use links::Linked;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a database that did not answer is left alone, in µs.
const PAUSE_US: u64 = 1_000_000;

/// What jobs need beside the database.
#[derive(Debug)]
pub(crate) struct Jobs {
    turn: tokio::sync::Mutex<()>,
    /// When somebody is to look at the latest, in µs since 1970. At first nobody knows what the tables have.
    due_us: Mutex<Option<u64>>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), due_us: Mutex::new(Some(0)) }
    }
}

impl Jobs {
    /// Waits for its turn.
    pub(crate) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn due(&self) -> MutexGuard<'_, Option<u64>> {
        self.due_us.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When [`advance`] is to be called, in µs since 1970: a whole ms.
    pub(crate) fn due_us(&self) -> Option<u64> {
        *self.due()
    }

    /// Something is due at that time; whether that is sooner than what was known.
    fn note(&self, due_us: Option<u64>) -> bool {
        let mut known = self.due();
        let due_us = due_us.map(whole_ms);
        let is_sooner = due_us.is_some_and(|due| known.is_none_or(|known| due < known));
        if is_sooner {
            *known = due_us;
        }
        is_sooner
    }
}

/// The clock shows whole ms.
const fn whole_ms(us: u64) -> u64 {
    us.div_ceil(1_000).saturating_mul(1_000)
}

/// Answers a message of a client to a topic of the jobs. The account's broker let it through: the client may say it.
pub(crate) async fn hear(app: &Platform, endpoint: &Endpoint, topic: &str, payload: &[u8]) -> Said {
    let Some(topic) = Topic::parse(topic) else { return Said::default() };
    let _alone = app.jobs().alone().await;
    // Who is not answered asks again.
    answer(app, endpoint, &topic, payload).await.unwrap_or_default()
}

async fn answer(app: &Platform, endpoint: &Endpoint, topic: &Topic<'_>, payload: &[u8]) -> Result<Said, StoreError> {
    let shelf = Shelf { tenant: endpoint.tenant.clone(), region: endpoint.region.clone() };
    let mut tx = app.begin().await?;
    let mut round = Round::begin(app, &mut tx, &shelf, app.now_ms() * 1_000);
    round.catch_up().await?;
    let named = match &topic.verb {
        Some(Verb::Update(job) | Verb::Describe(JobRef::Id(job))) => job.as_str(),
        _ => "",
    };
    let (rows, jobs) = round.of_thing(topic.thing, named).await?;
    let limits = Limits::default();
    let outcome = {
        let (now_us, executions) = (round.now_us(), &rows);
        let jobs = Linked { app, tenant: &shelf.tenant, known: &jobs };
        Desk {
            now_us,
            executions,
            jobs: &jobs,
            limits: &limits,
            defect: job_defects::of_jobs(app),
            earlier_token: None,
        }
        .handle(topic, payload)
    };
    round.keep(&outcome.changes, outcome.pushes).await?;
    let news = round.end();
    app.commit(tx).await?;
    let replies = outcome.replies.into_iter().map(|reply| (reply.topic, reply.payload)).collect();
    Ok(Said { replies, pushes: news.noted(app) })
}

/// Does what time alone has done to all jobs, and tells who listens. A database that does not answer is asked again soon.
pub(crate) async fn advance(app: &Platform) {
    let _alone = app.jobs().alone().await;
    let now_us = app.now_ms() * 1_000;
    let next = match catch_up(app, now_us).await {
        Ok(next) => next.map(|next| next.max(now_us + 1)),
        Err(_) => Some(now_us + PAUSE_US),
    };
    *app.jobs().due() = next.map(whole_ms);
}

/// Each place in a transaction of its own; when something is due next.
async fn catch_up(app: &Platform, now_us: u64) -> Result<Option<u64>, StoreError> {
    let mut tx = app.begin().await?;
    let sql = "select distinct tenant_id, region from jobs where due_us <= $1 order by tenant_id, region";
    let places = tx.query(sql, args![now_us]).await?;
    app.commit(tx).await?;
    for place in places {
        let shelf = Shelf { tenant: place.text("tenant_id")?, region: place.text("region")? };
        let mut tx = app.begin().await?;
        let mut round = Round::begin(app, &mut tx, &shelf, now_us);
        round.catch_up().await?;
        let news = round.end();
        app.commit(tx).await?;
        news.tell(app, &shelf);
    }
    let mut tx = app.begin().await?;
    let next = earliest(&mut tx).await?;
    app.commit(tx).await?;
    Ok(next)
}

async fn earliest(tx: &mut Transaction) -> Result<Option<u64>, StoreError> {
    let sql = "select due_us from jobs where due_us is not null order by due_us limit 1";
    tx.first(sql, &[]).await?.map(|row| row.time("due_us")).transpose()
}
