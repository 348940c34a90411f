//! What the harness itself asked, told to whoever keeps the ledger.

use bytes::Bytes;
use fleetproof_world::Stamp;
use std::sync::Arc;

/// Who hears of every request that goes through a dialect. Must not block: it is called between the answer and its use.
pub trait Watch: Send + Sync {
    /// One request and its answer.
    fn exchanged(&self, exchange: &Exchange);
}

/// A watch that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn exchanged(&self, _: &Exchange) {}
}

/// One request and its answer, as evidence. Neither the request's headers nor its body are in it: they hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The actor's name, as the scenario has it.
    pub who: Arc<str>,
    /// The tenant the actor's credential belongs to, as the scenario has it.
    pub tenant: Option<Arc<str>>,
    /// Operation id; `None` when no row of the table describes the request.
    pub operation: Option<Arc<str>>,
    /// HTTP method.
    pub method: Arc<str>,
    /// Path and query.
    pub path: Arc<str>,
    /// HTTP status; 0 when no answer came.
    pub status: u16,
    /// Headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The whole body of the answer.
    pub body: Bytes,
    /// When it was asked, on the run's clock.
    pub asked: Stamp,
    /// When the answer was there.
    pub answered: Stamp,
    /// The audit entries that this change calls for, computed from the table's `audit` column.
    pub due: Vec<AuditDue>,
}

/// One audit entry that a change calls for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditDue {
    /// Id of the tenant in whose log it belongs.
    pub tenant: Arc<str>,
    /// Id of who did it: a user's id, or `operator`.
    pub actor: Arc<str>,
    /// E-mail of who did it, when it was a user.
    pub actor_email: Option<Arc<str>>,
    /// `create`, `update`, `delete`, ….
    pub action: Arc<str>,
    /// `tenant`, `user`, `device`, `artifact`, `deployment`.
    pub object_type: Arc<str>,
    /// Id of the object; `None` when the answer does not tell (a tenant that is still being made).
    pub object_id: Option<Arc<str>>,
    /// Name of the object where the request has one: helps to find an entry whose id the answer did not tell.
    pub object_name: Option<Arc<str>>,
    /// `false`: an entry is right and none is right too (the answer does not tell whether anything changed, or it never came).
    pub demanded: bool,
}
