//! Requests over the run's network, on kept connections where that is safe.

use fleetproof_wire::http::{Connection, HttpError, Request, Response};
use fleetproof_world::{Name, Stamp, World};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A server closes idle connections after 30 s; a request that races with that would be lost. So none is kept nearly that long.
const IDLE: Duration = Duration::from_secs(15);

/// How many idle connections are kept from one name to another.
const KEPT: usize = 16;

type Idle = BTreeMap<(Name, Name), Vec<(Connection, Stamp)>>;

/// Connections from actors to doors. Concurrent requests of one actor have a connection each.
pub(crate) struct Transport {
    world: World,
    idle: Mutex<Idle>,
}

impl Transport {
    pub(crate) fn new(world: World) -> Self {
        Self { world, idle: Mutex::default() }
    }

    /// One request and its answer, or what the network said.
    pub(crate) async fn exchange(&self, from: &Name, to: &Name, request: Request) -> Result<Response, String> {
        if let Some(mut kept) = self.kept(from, to) {
            // Only what changes nothing may be sent twice.
            let again = matches!(request.method.as_str(), "GET" | "HEAD").then(|| request.clone());
            match (kept.send(to, request).await, again) {
                (Ok(response), _) => {
                    self.keep(from, to, kept);
                    return Ok(response);
                }
                (Err(HttpError::Broken(_)), Some(again)) => return self.exchange_anew(from, to, again).await,
                (Err(error), _) => return Err(error.to_string()),
            }
        }
        self.exchange_anew(from, to, request).await
    }

    async fn exchange_anew(&self, from: &Name, to: &Name, request: Request) -> Result<Response, String> {
        let stream = self.world.net.connect(from, to).await.map_err(|error| error.to_string())?;
        let mut connection = Connection::open(stream).await.map_err(|error| error.to_string())?;
        let response = connection.send(to, request).await.map_err(|error| error.to_string())?;
        self.keep(from, to, connection);
        Ok(response)
    }

    fn kept(&self, from: &Name, to: &Name) -> Option<Connection> {
        let now = self.world.clock.now();
        let mut idle = self.lock();
        let list = idle.get_mut(&(from.clone(), to.clone()))?;
        while let Some((connection, since)) = list.pop() {
            if connection.is_open() && now.since(since) < IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, from: &Name, to: &Name, connection: Connection) {
        if !connection.is_open() {
            return;
        }
        let now = self.world.clock.now();
        let mut idle = self.lock();
        let list = idle.entry((from.clone(), to.clone())).or_default();
        if list.len() < KEPT {
            list.push((connection, now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
