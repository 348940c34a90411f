//! The Device Lobby of an organisation: an account of its own with an endpoint in each of its regions, over one ledger.
//!
//! A device with a factory identity connects to one of the endpoints (`admission`: whose certificate comes in), announces itself there
//! (`reception`), is claimed by somebody (`claims`, a tenant's operations) and gets its home in that tenant's account
//! (`commissioner`, with the role that the account grants); then it is told. What becomes of a device is decided by
//! [`fleetproof_dataplane::lobby`] and nowhere else; `ledger` keeps it, `turn` makes a decision so and does what follows.
//! `operator` is for who runs the lobby: the organisation's provider.
//!
//! Whoever looks does first what is due, and the keeper of the data plane does it when nobody looks. A step of work and the note that it is
//! done are one transaction, so a process that ends anywhere leaves whole steps, and the next to look goes on from there.
//!
//! The lobby's account is a tenant without people: its endpoints, certificates and log are kept as everybody's are.

mod admission;
mod claims;
mod commissioner;
mod facts;
mod faults;
mod house;
mod ledger;
mod operator;
mod reception;
mod renewal;
mod shown;
mod turn;

pub(crate) use admission::{Admission, admit};
pub(crate) use commissioner::{advance, tick};
pub use faults::LobbyHalt;
pub use house::{LobbyAccount, LobbyPlan, Trusted};
pub(crate) use reception::hear;

use crate::edge;
use crate::ids::hex;
use crate::platform::{Platform, PlatformError};
use crate::refusal::Refusal;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use faults::Faults;
use fleetproof_dataplane::broker::ConnectionId;
use fleetproof_dataplane::lobby::{Fingerprint, Label};
use fleetproof_world::{RandomStream, Seeds};
use house::House;
use rand::RngCore;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use utoipa_axum::router::OpenApiRouter;

/// What entries of the log can be about, beside what the rest of the platform has.
pub(crate) const KINDS: &[&str] = &[ledger::KIND];

/// What the lobbies of a platform need beside the database.
#[derive(Debug)]
pub(crate) struct Lobbies {
    keys: Seeds,
    state: Mutex<State>,
    faults: Faults,
}

#[derive(Debug)]
struct State {
    /// The lobbies by the tenants that their accounts are; `None`: nobody has looked yet.
    houses: Option<BTreeMap<String, House>>,
    /// On which connection a device announced itself last. Two makers may give two devices one name: what is told to one of
    /// them goes to its connection, not to a topic.
    heard: BTreeMap<Fingerprint, ConnectionId>,
    /// When somebody is to look at the latest, in ms since 1970.
    due_ms: Option<u64>,
}

impl Lobbies {
    /// `keys` are the platform's: labels stay good after a start.
    pub(crate) fn new(keys: &Seeds) -> Self {
        // At first nobody knows what the tables have.
        let state = State { houses: None, heard: BTreeMap::new(), due_ms: Some(0) };
        Self { keys: keys.child("lobby"), state: Mutex::new(state), faults: Faults::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when somebody panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the labels of a lobby's devices are made with.
    fn label_key(&self, provider: &str) -> [u8; 32] {
        let mut key = [0; 32];
        self.keys.stream(&format!("labels {provider}")).fill_bytes(&mut key);
        key
    }

    /// When [`tick`] is to be called, in µs since 1970.
    pub(crate) fn due_us(&self) -> Option<u64> {
        self.state().due_ms.map(|due| due.saturating_mul(1_000))
    }

    /// Something is due at that time; whether that is sooner than what was known.
    fn note(&self, due_ms: Option<u64>) -> bool {
        let mut state = self.state();
        let is_sooner = due_ms.is_some_and(|due| state.due_ms.is_none_or(|known| due < known));
        if is_sooner {
            state.due_ms = due_ms;
        }
        is_sooner
    }
}

/// What users reach.
pub(crate) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().merge(claims::operations()).merge(renewal::operations()).merge(operator::operations())
}

/// The same, with AWS's names for refusals that come before an operation begins.
pub(crate) fn gateway() -> OpenApiRouter<Platform> {
    operations().layer(from_fn(named))
}

async fn named(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().get_mut::<Refusal>()
        && refusal.name.is_none()
    {
        refusal.name = Some(match refusal.status {
            StatusCode::UNAUTHORIZED => "UnauthorizedException",
            StatusCode::FORBIDDEN => "AccessDeniedException",
            StatusCode::NOT_FOUND => "ResourceNotFoundException",
            StatusCode::TOO_MANY_REQUESTS => "ThrottlingException",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalFailureException",
            _ => "InvalidRequestException",
        });
    }
    response
}

impl Platform {
    /// The Device Lobby's interface, which the gateway serves too, as an OpenAPI document of its own.
    #[must_use]
    pub fn lobby_document() -> serde_json::Value {
        edge::lobby_document()
    }

    /// Opens the Device Lobby of a provider's organisation, or changes where it is and whom it trusts. Devices reach it at the
    /// endpoints that are told, as they reach any account's: [`serve_clients`](Self::serve_clients),
    /// [`serve_clients_of`](Self::serve_clients_of), [`keep_data_plane`](Self::keep_data_plane).
    ///
    /// # Errors
    /// [`PlatformError::Founding`]: the provider has no organisation, a region that the platform has not, what is no authority;
    /// the database.
    pub async fn open_lobby(&self, plan: &LobbyPlan) -> Result<LobbyAccount, PlatformError> {
        house::open(self, plan).await.map_err(told)
    }

    /// The Device Lobby of a provider's organisation.
    ///
    /// # Errors
    /// The database.
    pub async fn lobby(&self, provider: &str) -> Result<Option<LobbyAccount>, PlatformError> {
        match house::of_provider(self, provider).await.map_err(told)? {
            Some(house) => Ok(Some(house.shown(self).await.map_err(told)?)),
            None => Ok(None),
        }
    }

    /// The text of the label that the factory puts on the device with this certificate: good for its first owner.
    ///
    /// # Errors
    /// [`PlatformError::Founding`] for what is no fingerprint.
    pub fn factory_label(&self, provider: &str, fingerprint: &str) -> Result<String, PlatformError> {
        let fingerprint = Fingerprint::read(fingerprint).map_err(|error| PlatformError::Founding(error.to_string()))?;
        Ok(Label::new(&self.lobbies().label_key(provider), fingerprint, 0).to_string())
    }

    /// Does what is due of all lobbies: homes that are made, homes that are cleaned up. Operations of the lobby, announces and the
    /// keeper of the data plane do it by themselves.
    ///
    /// # Errors
    /// The database.
    pub async fn advance_lobby(&self) -> Result<(), PlatformError> {
        advance(self).await.map_err(told)
    }

    /// Nothing is worked on any more once this was done, as if the process had ended there; `None`: from now on it is.
    pub fn halt_lobby(&self, after: Option<LobbyHalt>) {
        self.lobbies().faults.halt(after);
        if after.is_none() && self.lobbies().note(Some(self.now_ms())) {
            self.data_plane().stir();
        }
    }

    /// The next `times` times that this is worked on, it breaks after its work is done and before it is made so.
    pub fn break_lobby(&self, at: LobbyHalt, times: u32) {
        self.lobbies().faults.break_at(at, times);
    }

    /// So many of a million pieces of its work break from now on, as `draws` says which; `None`: none does.
    pub fn break_some_lobby(&self, share: Option<(u32, RandomStream)>) {
        self.lobbies().faults.break_share(share);
    }

    /// How often something of its work broke because somebody broke it.
    #[must_use]
    pub fn lobby_broke(&self) -> u64 {
        self.lobbies().faults.struck()
    }
}

fn told(refusal: Refusal) -> PlatformError {
    PlatformError::Founding(refusal.message.into_owned())
}

/// So many random hexadecimal digits, two for each byte.
fn drawn<const N: usize>(app: &Platform) -> String {
    hex(&app.ids().account_bytes::<N>())
}
