//! The Mender dialect: Mender Server 4.0 with service-provider tenancy, and what speaks like it.
//!
//! Start with [`Mender`]: [`Mender::login`] gives a [`Session`], verbs take one. The verbs stand by subject in
//! [`tenants`], [`users`], [`devices`], [`updates`], [`logs`]; what the runner of attempts needs stands in [`objects`],
//! [`fill`], [`bend`], [`refusals`], [`forge`], [`storage`]; the knowledge in [`table`].

pub mod bend;
pub mod devices;
pub mod fill;
pub mod forge;
mod knock;
mod ledger;
pub mod logs;
pub mod objects;
pub mod pace;
mod quotas;
pub mod refusals;
pub mod roles;
mod session;
pub mod storage;
pub mod table;
pub mod tenants;
mod transport;
pub mod updates;
pub mod users;

pub use fleetproof_wire::http::Request;
pub use knock::{Key, auth_request, identity_text};
pub use quotas::ClientLimit;
pub use session::{Session, Standing, TenantRef};

use crate::answer::{Answer, DialectError, Result, Token};
use crate::watch::{Exchange, Watch};
use bytes::Bytes;
use fleetproof_claims::model::Surfaces;
use fleetproof_world::{Name, World};
use ledger::Ledger;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use table::{Row, Table};
use transport::Transport;

/// How often something is looked at that takes time on the platform's side.
const GLANCE: Duration = Duration::from_millis(100);

/// How long who asks too often waits that is not told how long.
const UNTOLD: Duration = Duration::from_secs(1);

/// Which listener of the platform a request is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Where tenants' users and devices come in.
    Gateway,
    /// The operator's own.
    Operator,
}

/// A platform that speaks Mender. Clones share connections, the ledger and the watch.
#[derive(Clone)]
pub struct Mender {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    gateway: Name,
    operator: Option<(Name, Token)>,
    watch: Arc<dyn Watch>,
    patience: Duration,
    transport: Transport,
    ledger: Ledger,
}

impl fmt::Debug for Mender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mender").field("gateway", &self.inner.gateway).finish_non_exhaustive()
    }
}

/// One request of a verb, by operation id; the table knows its method and path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call<'a> {
    operation: &'a str,
    path: Vec<(&'a str, &'a str)>,
    query: Vec<(&'a str, String)>,
    body: Option<Value>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(operation: &'a str) -> Self {
        Self { operation, ..Self::default() }
    }

    pub(crate) fn path(mut self, path: &[(&'a str, &'a str)]) -> Self {
        self.path = path.to_vec();
        self
    }

    pub(crate) fn query(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl Mender {
    /// A platform whose gateway listens at the network name `gateway`, and whose operator's door, if it has one,
    /// listens at `operator.0` and takes the bearer token `operator.1`. `watch` hears of every request.
    #[must_use]
    pub fn new(world: World, gateway: Name, operator: Option<(Name, Token)>, watch: Arc<dyn Watch>) -> Self {
        let transport = Transport::new(world.clone());
        let patience = Duration::from_secs(30);
        let ledger = Ledger::default();
        Self { inner: Arc::new(Inner { world, gateway, operator, watch, patience, transport, ledger }) }
    }

    /// What this dialect can do at all, as words of `needs`.
    #[must_use]
    pub fn capabilities() -> &'static [&'static str] {
        &[
            "http", "tenancy", "provider", "people", "roles", "switch", "audit", "devices", "updates", "groups",
            "storage",
        ]
    }

    /// The rows of the table joined with an interface document (see [`Table::surfaces`]).
    ///
    /// # Errors
    /// When the document is not an OpenAPI document.
    pub fn surfaces(document: &Value) -> std::result::Result<Surfaces, crate::openapi::DocumentError> {
        Ok(Table::get().surfaces(&crate::openapi::read(document)?))
    }

    /// The same for all interfaces: the management's document, that of the account that each tenant is, and that of the lobby.
    ///
    /// # Errors
    /// A document that is neither OpenAPI 3.0 nor 3.1.
    pub fn all_surfaces(
        management: &Value,
        account: &Value,
        lobby: &Value,
    ) -> std::result::Result<Surfaces, crate::openapi::DocumentError> {
        let tenants = Self::surfaces(management)?.and_account(Self::surfaces(account)?);
        Ok(tenants.and_lobby(Self::surfaces(lobby)?))
    }

    /// The run's world.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// The network name of the gateway.
    #[must_use]
    pub fn gateway(&self) -> &Name {
        &self.inner.gateway
    }

    /// The names of all doors of the platform.
    #[must_use]
    pub fn doors(&self) -> Vec<Name> {
        let operator = self.inner.operator.as_ref().map(|(name, _)| name.clone());
        std::iter::once(self.inner.gateway.clone()).chain(operator).collect()
    }

    /// The operator of the platform, as somebody who can ask.
    ///
    /// # Errors
    /// [`DialectError::NoOperator`].
    pub fn operator(&self) -> Result<Session> {
        let (_, token) = self.inner.operator.as_ref().ok_or(DialectError::NoOperator)?;
        Ok(Session::operator(token.clone()))
    }

    /// Tells the ledger a tenant's name, for what is recorded of its users, and its parent, in whose log changes of the
    /// tenant itself stand. Tenants that this dialect makes or lists are known already.
    pub fn know_tenant(&self, tenant: &TenantRef, parent: Option<&str>) {
        self.inner.ledger.know_tenant(&tenant.id, &tenant.name, parent);
    }

    /// Sends a request as it is, as `by`, with the session's credential unless the request brings its own
    /// `Authorization`. Any status is an answer. `door`: where tenants' surfaces are attacked from the wrong side.
    ///
    /// # Errors
    /// [`DialectError::Unreachable`] when no answer came, [`DialectError::NoOperator`] without that door.
    pub async fn send(&self, by: &Session, door: Door, request: Request) -> Result<Answer> {
        let path = request.target.split('?').next().unwrap_or_default();
        let found = Table::get().find(&request.method, path).map(|(row, _)| row);
        self.exchange_patiently(by, door, found, request).await
    }

    /// The same without patience: that there were too many requests is an answer like any other.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_once(&self, by: &Session, door: Door, request: Request) -> Result<Answer> {
        let path = request.target.split('?').next().unwrap_or_default();
        let found = Table::get().find(&request.method, path).map(|(row, _)| row);
        self.exchange(by, door, found, request).await
    }

    /// The door that a path of the table stands behind.
    #[must_use]
    pub fn door(target: &str) -> Door {
        if target.starts_with("/api/internal/") { Door::Operator } else { Door::Gateway }
    }

    /// One request of a verb, any answer.
    pub(crate) async fn ask(&self, by: &Session, call: Call<'_>) -> Result<Answer> {
        let (door, row, request) = self.asked(&call)?;
        self.exchange_patiently(by, door, Some(row), request).await
    }

    /// A verb's request: at which door, by which row.
    fn asked(&self, call: &Call<'_>) -> Result<(Door, &'static Row, Request)> {
        let row = Table::get()
            .row(call.operation)
            .ok_or_else(|| DialectError::UnknownOperation(call.operation.to_owned()))?;
        let mut request = Request::new(&row.method, fill::target(&row.path, &call.path, &call.query));
        if let Some(body) = &call.body {
            request = request.body("application/json", body.to_string());
        }
        Ok((Self::door(&row.path), row, request))
    }

    /// Asks, and asks again when told to come later, as a client should that means no harm. Who is told to come much
    /// later has that for an answer.
    async fn exchange_patiently(
        &self,
        by: &Session,
        door: Door,
        row: Option<&Row>,
        request: Request,
    ) -> Result<Answer> {
        let clock = &self.inner.world.clock;
        let deadline = clock.now().after(self.inner.patience);
        loop {
            let answer = self.exchange(by, door, row, request.clone()).await?;
            if answer.status != 429 {
                return Ok(answer);
            }
            let told = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
            let again = clock.now().after(told.map_or(UNTOLD, Duration::from_secs));
            if again > deadline {
                return Ok(answer);
            }
            clock.sleep_until(again).await;
        }
    }

    /// One request of a verb that must succeed.
    pub(crate) async fn call(&self, by: &Session, call: Call<'_>) -> Result<Answer> {
        let answer = self.ask(by, call).await?;
        if answer.is_success() { Ok(answer) } else { Err(answer.into()) }
    }

    /// One request of a verb that must succeed with JSON.
    pub(crate) async fn fetch(&self, by: &Session, call: Call<'_>) -> Result<Value> {
        let answer = self.call(by, call).await?;
        json(&answer)
    }

    /// All pages of a list, in the platform's order.
    pub(crate) async fn pages<T: DeserializeOwned>(&self, by: &Session, call: Call<'_>) -> Result<Vec<T>> {
        const PER_PAGE: usize = 500;
        let mut all = Vec::new();
        for page in 1.. {
            let call = call.clone().query("page", page.to_string()).query("per_page", PER_PAGE.to_string());
            let answer = self.call(by, call).await?;
            let rows: serde_json::Result<Vec<T>> = serde_json::from_slice(&answer.body);
            let mut rows = rows.map_err(|error| unreadable(&answer, &format!("no list of what is due: {error}")))?;
            let total = answer.header("x-total-count").and_then(|count| count.parse::<usize>().ok());
            let next = answer.header("link").map(|links| links.contains("rel=\"next\"") || links.contains("rel=next"));
            let full = rows.len() >= PER_PAGE;
            let empty = rows.is_empty();
            all.append(&mut rows);
            // A server with a smaller largest page still says what is left, by one of the two headers.
            let more = total.map_or(next.unwrap_or(full), |total| all.len() < total);
            if empty || !more {
                break;
            }
        }
        Ok(all)
    }

    async fn exchange(&self, by: &Session, door: Door, row: Option<&Row>, request: Request) -> Result<Answer> {
        let inner = &*self.inner;
        let to = match door {
            Door::Gateway => &inner.gateway,
            Door::Operator => &inner.operator.as_ref().ok_or(DialectError::NoOperator)?.0,
        };
        let asked = inner.world.clock.now();
        let sent = by.authorize(request.clone());
        let response = inner.transport.exchange(by.who(), to, sent).await;
        let operation = row.map(|row| Arc::clone(&row.operation));
        let answer = match response {
            Ok(response) => Ok(Answer {
                operation: operation.clone(),
                status: response.status,
                headers: response.headers,
                body: response.body,
            }),
            Err(reason) => Err(reason),
        };
        let due = row.map(|row| inner.ledger.due(row, by, &request, answer.as_ref().ok())).unwrap_or_default();
        inner.watch.exchanged(&Exchange {
            who: Arc::clone(by.who()),
            tenant: by.tenant_id().and_then(|id| inner.ledger.tenant_name(id)).or_else(|| by.tenant().cloned()),
            operation,
            method: request.method.as_str().into(),
            path: request.target.as_str().into(),
            status: answer.as_ref().map_or(0, |answer| answer.status),
            headers: answer.as_ref().map(|answer| answer.headers.clone()).unwrap_or_default(),
            body: answer.as_ref().map_or_else(|_| Bytes::new(), |answer| answer.body.clone()),
            asked,
            answered: inner.world.clock.now(),
            due,
        });
        answer.map_err(|reason| {
            let path = request.target.split('?').next().unwrap_or_default();
            DialectError::Unreachable { request: format!("{} {path}", request.method), reason }
        })
    }
}

/// The answer's body as JSON, or the error that it is not.
pub(crate) fn json(answer: &Answer) -> Result<Value> {
    answer.json().ok_or_else(|| unreadable(answer, "not JSON"))
}

/// The error that an answer is not as promised.
pub(crate) fn unreadable(answer: &Answer, reason: &str) -> DialectError {
    DialectError::Unreadable {
        operation: answer.operation.as_deref().unwrap_or("a request").to_owned(),
        reason: reason.to_owned(),
    }
}

/// The id of what was created, from the `Location` header.
pub(crate) fn created(answer: &Answer) -> Result<String> {
    answer.created_id().map(str::to_owned).ok_or_else(|| unreadable(answer, "it has no Location header"))
}

/// A text field of a JSON object; empty when it is missing or null.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
