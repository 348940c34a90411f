//! The platform as one value: made, served, and handed to every handler.

use crate::defects::DefectId;
use crate::edge;
use crate::fleet::ObjectStore;
use crate::ids::{Ids, hex};
use crate::passwords::PasswordCost;
use crate::proven::Proven;
use crate::store::{Database, Store, StoreError, Transaction, Tx};
use crate::tenancy;
use crate::tokens::Tokens;
use fleetproof_world::{Clock, Incoming, World};
use rand::RngCore;
use std::fmt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a platform is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time and randomness.
    pub world: World,
    /// How much work a password costs.
    pub passwords: PasswordCost,
    /// The one defect that is planted.
    pub defect: Option<DefectId>,
    /// Where download links point, e.g. `https://fleet.example`. `None`: where the request came to.
    pub public_url: Option<String>,
}

/// A running platform. Clones are the same platform.
#[derive(Clone, Debug)]
pub struct Platform(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    settings: Settings,
    database: Database,
    tokens: Tokens,
    ids: Ids,
    operator_token: String,
    objects: ObjectStore,
    /// By the SHA-256 of body and signature; the key stands in the body.
    knocks: Proven<()>,
}

/// A tenant to be, with its first admin.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its name.
    pub name: String,
    /// How many devices it may accept: `None` or -1 without limit, 0 none. For a provider: its pool.
    pub device_limit: Option<i64>,
    /// The e-mail of its first admin.
    pub admin_email: String,
    /// The password of its first admin.
    pub admin_password: String,
}

/// A tenant that was founded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// 24 hexadecimal digits.
    pub tenant_id: String,
    /// What its devices show to belong to it.
    pub tenant_token: String,
    /// Its first admin.
    pub admin_id: String,
}

/// What can go wrong outside of any request.
#[derive(Debug)]
pub enum PlatformError {
    /// The database refused.
    Store(StoreError),
    /// A tenant could not be founded, and why.
    Founding(String),
    /// A token could not be signed.
    Token(String),
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Founding(why) => write!(f, "the tenant cannot be founded: {why}"),
            Self::Token(why) => write!(f, "the token cannot be signed: {why}"),
        }
    }
}

impl std::error::Error for PlatformError {}

impl From<StoreError> for PlatformError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Platform {
    /// A fresh platform that keeps everything in memory.
    ///
    /// # Errors
    /// The database cannot be made.
    pub async fn open(settings: Settings) -> Result<Self, PlatformError> {
        Self::open_on(settings, Database::in_memory()?).await
    }

    /// A platform on a database, whose tables are brought up to date.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_on(settings: Settings, database: Database) -> Result<Self, PlatformError> {
        database.migrate().await?;
        let seeds = settings.world.seeds.child("platform");
        let mut operator = [0; 24];
        seeds.stream("key/operator").fill_bytes(&mut operator);
        Ok(Self(Arc::new(Parts {
            tokens: Tokens::new(&seeds),
            ids: Ids::new(&settings.world),
            operator_token: hex(&operator),
            objects: ObjectStore::in_memory(),
            knocks: Proven::default(),
            database,
            settings,
        })))
    }

    /// Founds a provider: a tenant without parent that may have children. Nothing in the vendor's API makes one.
    ///
    /// # Errors
    /// The name, the e-mail or the limit will not do, or the e-mail has an account; the database.
    pub async fn found_provider(&self, provider: &NewTenant) -> Result<Founded, PlatformError> {
        tenancy::found(self, provider, true).await
    }

    /// Founds a tenant without parent and without children.
    ///
    /// # Errors
    /// As [`found_provider`](Self::found_provider).
    pub async fn found_tenant(&self, tenant: &NewTenant) -> Result<Founded, PlatformError> {
        tenancy::found(self, tenant, false).await
    }

    /// What users and devices reach.
    pub fn gateway(&self) -> axum::Router {
        edge::gateway(self)
    }

    /// What only the operator reaches: `/api/internal`, with [`operator_token`](Self::operator_token).
    pub fn operator_door(&self) -> axum::Router {
        edge::operator_door(self)
    }

    /// The bearer token of the operator's door.
    #[must_use]
    pub fn operator_token(&self) -> &str {
        &self.0.operator_token
    }

    /// Answers what arrives with `router` until `stop`, then finishes what it has begun. A connection that says
    /// nothing for 75 s is closed.
    pub async fn serve(router: axum::Router, incoming: Incoming, stop: CancellationToken) {
        edge::serve(router, incoming, stop).await;
    }

    /// The interface as an OpenAPI document; also `GET /openapi.json` at the gateway.
    #[must_use]
    pub fn document() -> serde_json::Value {
        edge::document().clone()
    }
}

/// What handlers ask of the platform.
impl Platform {
    /// Opens a transaction. Other requests may come between before it.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        self.work().await;
        self.0.database.begin().await
    }

    /// Makes it so. Other requests may come between after it.
    pub(crate) async fn commit(&self, tx: Transaction) -> Result<(), StoreError> {
        tx.commit().await?;
        self.work().await;
        Ok(())
    }

    /// Where the time that work takes is spent: never inside a transaction. For now only others get their turn.
    async fn work(&self) {
        tokio::task::yield_now().await;
    }

    /// Whether `defect` is planted.
    #[cfg(feature = "seeded-defects")]
    pub(crate) fn defect(&self, defect: DefectId) -> bool {
        self.0.settings.defect == Some(defect)
    }

    /// Whether `defect` is planted: never, in a build without them.
    #[cfg(not(feature = "seeded-defects"))]
    pub(crate) const fn defect(&self, _: DefectId) -> bool {
        false
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.settings.world.clock
    }

    /// ms since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock().unix_ms()
    }

    /// s since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        self.now_ms() / 1_000
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    pub(crate) fn objects(&self) -> &ObjectStore {
        &self.0.objects
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Knocks whose signature was good.
    pub(crate) fn knocks(&self) -> &Proven<()> {
        &self.0.knocks
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }
}
