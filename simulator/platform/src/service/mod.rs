//! How much is worked on at once, who is next, how often a tenant may call; and, in virtual time, how long work takes.
//!
//! [`Floor`] is where requests are worked on. Who waits stands in a fair [`line`] between tenants, and no tenant ever has
//! more than half of the workers of a part: a crowd of one is no wait for another. That is the same on sockets ([`slots`]), where work
//! takes the time that it takes, and in virtual time ([`modelled`]), where it takes what the [`costs`] declare. A run in
//! virtual time without a model has no queues, since nothing in it takes time.
//!
//! [`throttle`] counts calls against a tenant's own quota, in a [`bucket`].

mod bucket;
pub(crate) mod costs;
mod line;
mod modelled;
mod slots;
mod throttle;

pub(crate) use bucket::{Bucket, Quota};
pub(crate) use throttle::{Api, ApiLimits, Throttle};

use crate::Platform;
use crate::defects::DefectId;
use crate::edge::{LIMIT, claims_of, collect};
use crate::platform::Settings;
use crate::refusal::{Answer, Refusal};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use costs::Kind;
use fleetproof_world::Clock;
use line::Asker;
use modelled::Part;
use slots::Slots;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How long work takes, and how much is worked on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// Work takes no time, and any amount is done at once: virtual time without a model.
    #[default]
    Free,
    /// Virtual time: work takes what the platform's cost table declares, by as many workers as it declares. An answer
    /// says in `Server-Timing` how long it took, in ms with a fraction of µs, under the name `modelled`.
    Modelled,
    /// Real time: work takes what it takes, and so much of it is done at once.
    Slots,
}

/// How many requests are worked on at once in real time.
const SLOTS: usize = 16;

/// How many tenants' tokens are known by heart; beyond, all are forgotten at once.
const KNOWN: usize = 65_536;

/// The name under which an answer says how long its work took in virtual time.
const TIMING: &str = "modelled";

/// How many of so many workers one asker may have at the same time: half.
fn most_of(workers: usize) -> usize {
    (workers / 2).max(1)
}

/// Where requests are worked on.
#[derive(Debug)]
pub(crate) struct Floor {
    work: Work,
    clock: Clock,
    /// The tenants whose tokens devices have shown, by token.
    tenants: Mutex<BTreeMap<String, String>>,
    is_fair: bool,
    is_fair_at_the_broker: bool,
}

#[derive(Debug)]
enum Work {
    Free,
    Modelled { gateway: Part, database: Part, broker: Part },
    Slots(Slots),
}

/// What a request has been through so far.
struct Turn {
    asker: Asker,
    /// When it came, in µs.
    came: u64,
    /// How far it has got, in µs: less than a tick before the clock.
    at: Cell<u64>,
    /// The seeded defect: it is over its quota, is carried out, and is refused then.
    refused: Cell<Option<Option<u64>>>,
}

tokio::task_local! {
    static TURN: Turn;
}

/// The seeded defect: the request that is being worked on is carried out and refused then. Whether there is one.
fn refuse_later(retry_after: Option<u64>) -> bool {
    TURN.try_with(|turn| turn.refused.set(Some(retry_after))).is_ok()
}

impl Floor {
    pub(crate) fn new(settings: &Settings) -> Self {
        let clock = settings.world.clock.clone();
        let is_sound = |defect| !cfg!(feature = "seeded-defects") || settings.defect != Some(defect);
        let (is_fair, is_fair_at_the_broker) =
            (is_sound(DefectId::OneLineForAll), is_sound(DefectId::OneLineAtTheBroker));
        let most = |workers| if is_fair { most_of(workers) } else { workers };
        let part = |workers| Part::new(&clock, workers, most(workers));
        let at_the_broker = if is_fair_at_the_broker { most_of(costs::BROKER_WORKERS) } else { costs::BROKER_WORKERS };
        let work = match settings.service {
            Service::Free => Work::Free,
            Service::Modelled => Work::Modelled {
                gateway: part(costs::GATEWAY_WORKERS),
                database: part(costs::DATABASE_WORKERS),
                broker: Part::new(&clock, costs::BROKER_WORKERS, at_the_broker),
            },
            Service::Slots => Work::Slots(Slots::new(SLOTS, most(SLOTS))),
        };
        Self { work, clock, tenants: Mutex::default(), is_fair, is_fair_at_the_broker }
    }

    /// Before a transaction begins.
    pub(crate) async fn begin(&self) {
        self.at_the_database(costs::BEGIN).await;
    }

    /// After a transaction has ended.
    pub(crate) async fn commit(&self) {
        self.at_the_database(costs::COMMIT).await;
    }

    /// Where the time that the database takes is spent: never inside a transaction. Others get their turn.
    async fn at_the_database(&self, cost: u64) {
        match &self.work {
            Work::Modelled { database, .. } => spend(database, cost).await,
            Work::Free | Work::Slots(_) => tokio::task::yield_now().await,
        }
    }

    /// The work of an operation, once it is known that its caller may ask for it.
    pub(crate) async fn carry_out(&self, method: &Method, path: &str) {
        if let Work::Modelled { gateway, .. } = &self.work {
            spend(gateway, Kind::of(method, path).cost()).await;
        }
    }

    /// What a packet of a tenant's client asks of the broker, in virtual time with a model; the clock shows it, to its grain. What
    /// the broker sends costs nothing.
    pub(crate) async fn at_the_broker(&self, tenant: &str, cost: u64) {
        if let Work::Modelled { broker, .. } = &self.work {
            let asker = if self.is_fair_at_the_broker { Asker::Tenant(tenant.to_owned()) } else { Asker::Anybody };
            broker.serve(&asker, cost, self.clock.now().micros()).await;
        }
    }

    /// A tenant's token that a device showed.
    pub(crate) fn know_tenant(&self, token: &str, tenant: &str) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= KNOWN {
            tenants.clear();
        }
        tenants.insert(token.to_owned(), tenant.to_owned());
    }

    /// Whose work a request is, as far as it can be told without the database.
    fn asker(&self, app: &Platform, headers: &HeaderMap) -> Asker {
        if !self.is_fair {
            return Asker::Anybody;
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((_, token)) = shown.and_then(|value| value.split_once(' ')) else { return Asker::Anybody };
        if let Some(claims) = claims_of(app, token.trim()) {
            return Asker::Tenant(claims.tenant.clone());
        }
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.get(token.trim()).map_or(Asker::Anybody, |tenant| Asker::Tenant(tenant.clone()))
    }
}

/// Waits until a worker of `part` has spent `cost` µs on the request that is being worked on. What is done outside of any
/// request costs nothing.
async fn spend(part: &Part, cost: u64) {
    let Ok((asker, at)) = TURN.try_with(|turn| (turn.asker.clone(), turn.at.get())) else {
        return tokio::task::yield_now().await;
    };
    let end = part.serve(&asker, cost, at).await;
    let _outside_of_a_request = TURN.try_with(|turn| turn.at.set(end));
}

/// Around every handler: the request waits for its turn.
pub(crate) async fn attend(State(app): State<Platform>, request: Request, next: Next) -> Response {
    let floor = app.floor();
    let asker = floor.asker(&app, request.headers());
    let came = floor.clock.now().micros();
    let turn = Turn { asker, came, at: Cell::new(came), refused: Cell::new(None) };
    TURN.scope(turn, take_turn(floor, request, next)).await
}

async fn take_turn(floor: &Floor, request: Request, next: Next) -> Response {
    let kind = Kind::of(request.method(), request.uri().path());
    let mut response = match &floor.work {
        Work::Free => next.run(request).await,
        Work::Modelled { gateway, .. } => {
            spend(gateway, costs::DOOR + if kind.is_public() { kind.cost() } else { 0 }).await;
            let mut response = next.run(request).await;
            response
                .headers_mut()
                .extend(timing().map(|timing| (header::HeaderName::from_static("server-timing"), timing)));
            response
        }
        // Who brings a whole artifact is waited for without a slot.
        Work::Slots(_) if kind == Kind::Upload => next.run(request).await,
        Work::Slots(slots) => {
            let asker = TURN.with(|turn| turn.asker.clone());
            match received(request).await {
                Ok(request) => {
                    let _slot = slots.enter(&asker, costs::DOOR + kind.cost()).await;
                    next.run(request).await
                }
                Err(refusal) => refusal.into_response(),
            }
        }
    };
    if let Some(retry_after) = TURN.with(|turn| turn.refused.get()) {
        response = Refusal::throttled(retry_after).into_response();
    }
    response
}

/// How long the request took so far, as a header says it.
fn timing() -> Option<HeaderValue> {
    let took = TURN.with(|turn| turn.at.get().saturating_sub(turn.came));
    HeaderValue::from_str(&format!("{TIMING};dur={}.{:03}", took / 1_000, took % 1_000)).ok()
}

/// The request with its whole body: a slot is not for waiting until somebody has sent it. Who asks first whether to send
/// it is asked inside.
async fn received(request: Request) -> Answer<Request> {
    if request.headers().contains_key(header::EXPECT) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let body = collect(body, LIMIT).await?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::{Runtime, World};

    /// Who knocks stands in his tenant's line once the tenant's token was seen, and others beside it; what is remembered
    /// is bounded.
    #[test]
    fn a_token_that_was_shown_is_known_by_its_tenant() {
        Runtime::virtual_time().unwrap().block_on(async {
            let app = Platform::open(Settings::free(World::simulated(1), None)).await.unwrap();
            let asker = |token: &str| {
                let shown = format!("Bearer {token}").parse().unwrap();
                app.floor().asker(&app, &HeaderMap::from_iter([(header::AUTHORIZATION, shown)]))
            };
            assert_eq!(asker("one"), Asker::Anybody);
            app.floor().know_tenant("one", "t1");
            app.floor().know_tenant("two", "t2");
            assert_eq!((asker("one"), asker("two")), (Asker::Tenant("t1".to_owned()), Asker::Tenant("t2".to_owned())));
            for number in 0..KNOWN {
                app.floor().know_tenant(&number.to_string(), "t3");
            }
            assert!(app.floor().tenants.lock().unwrap().len() <= KNOWN);
            assert_eq!(asker("one"), Asker::Anybody);
        });
    }
}
