//! The platform as one value: made, served, and handed to every handler.

use crate::args;
use crate::broker_defects;
use crate::data::DataFolder;
use crate::defects::DefectId;
use crate::edge;
use crate::endpoint::DataPlane;
use crate::fleet::{self, InFolder, ObjectStore, Objects};
use crate::ids::{Ids, hex};
use crate::jobs::Jobs;
use crate::lobby::Lobbies;
use crate::organisation::Faults;
use crate::passwords::PasswordCost;
use crate::proven::Proven;
use crate::refusal::Refusal;
use crate::registry::{self, Regions, Registry};
use crate::service::{Floor, Service, Throttle};
use crate::shadows::Paces;
use crate::store::{Database, Store, StoreError, Transaction, Tx};
use crate::tenancy;
use crate::tokens::Tokens;
use fleetproof_world::{Clock, Incoming, Seeds, World};
use rand::RngCore;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
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
    /// How long work takes, and how much is worked on at once.
    pub service: Service,
    /// Where accounts are.
    pub regions: Regions,
    /// Calls per second of each limited operation of an account's control plane. `None`: AWS's figures.
    pub account_rate: Option<u64>,
}

impl Settings {
    /// For runs in process: passwords are cheap, work takes no time.
    #[must_use]
    pub fn free(world: World, defect: Option<DefectId>) -> Self {
        let (passwords, service) = (PasswordCost::Fast, Service::Free);
        Self { world, passwords, defect, public_url: None, service, regions: Regions::default(), account_rate: None }
    }
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
    floor: Floor,
    throttle: Throttle,
    registry: Registry,
    data_plane: DataPlane,
    shadow_paces: Paces,
    jobs: Jobs,
    lobbies: Lobbies,
    organisation_faults: Faults,
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
    /// What is kept in a folder cannot be used.
    Data {
        /// Which file or folder.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// Another process keeps its platform in the folder.
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The number of the process.
        process: String,
    },
}

impl PlatformError {
    pub(crate) fn data(path: &Path, why: impl fmt::Display) -> Self {
        Self::Data { path: path.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Founding(why) => write!(f, "the tenant cannot be founded: {why}"),
            Self::Token(why) => write!(f, "the token cannot be signed: {why}"),
            Self::Data { path, why } => write!(f, "{}: {why}", path.display()),
            Self::InUse { folder, process } => write!(
                f,
                "{}: another process ({process}) keeps its platform in this folder: stop it, or use another folder",
                folder.display()
            ),
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
        let keys = settings.world.seeds.clone();
        Ok(Self::standing_on(settings, database, ObjectStore::in_memory(), &keys))
    }

    /// A platform that lasts: with all that is in the folder, and with the keys of whoever opened it before, so that
    /// tokens and links stay good. Bytes that no artifact has, because their process ended at the wrong moment, go away.
    ///
    /// # Errors
    /// What the database or the file system says; an artifact whose bytes are gone.
    pub async fn open_in(settings: Settings, folder: &DataFolder) -> Result<Self, PlatformError> {
        let path = folder.database();
        let told = |error: StoreError| PlatformError::data(&path, error);
        let database = Database::in_file(&path).map_err(told)?;
        database.migrate().await.map_err(told)?;
        let root = folder.objects();
        let files = InFolder::open(&root).map_err(|error| PlatformError::data(&root, error))?;
        sweep(&database, &files, &root).await?;
        Ok(Self::standing_on(settings, database, ObjectStore::InFolder(files), &folder.keys()))
    }

    fn standing_on(settings: Settings, database: Database, objects: ObjectStore, keys: &Seeds) -> Self {
        let keys = keys.child("platform");
        let mut operator = [0; 24];
        keys.stream("key/operator").fill_bytes(&mut operator);
        Self(Arc::new(Parts {
            tokens: Tokens::new(&keys),
            registry: Registry::new(&keys),
            data_plane: DataPlane::new(broker_defects::of_broker(settings.defect)),
            shadow_paces: Paces::default(),
            jobs: Jobs::default(),
            lobbies: Lobbies::new(&keys),
            ids: Ids::new(&settings.world),
            operator_token: hex(&operator),
            objects,
            knocks: Proven::default(),
            floor: Floor::new(&settings),
            throttle: Throttle::default(),
            organisation_faults: Faults::default(),
            database,
            settings,
        }))
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

    /// What devices of a tenant show to belong to it; `None` when there is no such tenant.
    ///
    /// # Errors
    /// The database.
    pub async fn tenant_token(&self, tenant_id: &str) -> Result<Option<String>, PlatformError> {
        let mut tx = self.begin().await?;
        let row = tx.first("select token from tenants where id = $1 order by id", args![tenant_id]).await?;
        Ok(row.map(|row| row.text("token")).transpose()?)
    }

    /// Whether `password` lets the person with this e-mail in.
    ///
    /// # Errors
    /// The database.
    pub async fn lets_in(&self, email: &str, password: &str) -> Result<bool, PlatformError> {
        let mut tx = self.begin().await?;
        let row = tx.first("select password from users where email = $1 order by id", args![email]).await?;
        drop(tx);
        let sealed = row.map(|row| row.text("password")).transpose()?;
        Ok(self.0.settings.passwords.opens(sealed.as_deref(), password))
    }

    /// What users and devices reach.
    pub fn gateway(&self) -> axum::Router {
        edge::gateway(self)
    }

    /// The same, for who comes in with TLS: links that are given there are `https`.
    pub fn secure_gateway(&self) -> axum::Router {
        edge::secure_gateway(self)
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

    /// The interface of organisation and onboarding, which the gateway serves too, as an OpenAPI document of its own.
    #[must_use]
    pub fn organisation_document() -> serde_json::Value {
        edge::organisation_document()
    }
}

/// The account's interface.
impl Platform {
    /// The interface of the account that every tenant is, as an OpenAPI document; also
    /// `GET /api/management/v1/iot/openapi.json` at the gateway, which serves it.
    #[must_use]
    pub fn account_document() -> serde_json::Value {
        registry::document().clone()
    }
}

/// What handlers ask of the platform.
impl Platform {
    /// Opens a transaction. Other requests may come between before it.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        self.floor().begin().await;
        self.0.database.begin().await
    }

    /// Makes it so. Other requests may come between after it.
    pub(crate) async fn commit(&self, tx: Transaction) -> Result<(), StoreError> {
        tx.commit().await?;
        self.floor().commit().await;
        Ok(())
    }

    /// Makes it so, and forgets the objects whose rows are gone with it. Nobody who leaves half-way can keep them.
    pub(crate) async fn commit_without(&self, tx: Transaction, objects: &[String]) -> Result<(), Refusal> {
        tx.commit().await?;
        for key in objects {
            self.0.objects.remove(key).await.map_err(Refusal::internal)?;
        }
        self.floor().commit().await;
        Ok(())
    }

    /// Where work is done, and waited for.
    pub(crate) fn floor(&self) -> &Floor {
        &self.0.floor
    }

    /// What the registry keeps beside the database.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Where devices connect, and what happens there.
    pub(crate) fn data_plane(&self) -> &DataPlane {
        &self.0.data_plane
    }

    /// How fast shadows are asked.
    pub(crate) fn shadow_paces(&self) -> &Paces {
        &self.0.shadow_paces
    }

    /// What jobs need beside the database.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    /// What lobbies need beside the database.
    pub(crate) fn lobbies(&self) -> &Lobbies {
        &self.0.lobbies
    }

    /// How often tenants have called.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
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

    /// What is planted to go wrong in onboardings.
    pub(crate) fn organisation_faults(&self) -> &Faults {
        &self.0.organisation_faults
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }
}

/// Removes the bytes that no artifact has; complains of an artifact without its bytes.
async fn sweep(database: &Database, files: &InFolder, root: &Path) -> Result<(), PlatformError> {
    let mut tx = database.begin().await?;
    let mut wanted = BTreeSet::new();
    for row in tx.query("select tenant_id, id, size from artifacts order by tenant_id, id", &[]).await? {
        let key = fleet::key(&row.text("tenant_id")?, &row.text("id")?);
        let size = files.size(&key).await.map_err(|error| PlatformError::data(root, error))?;
        if size.and_then(|size| i64::try_from(size).ok()) != Some(row.int("size")?) {
            let why = "the bytes of this artifact are gone or cut short: restore the folder from a copy";
            return Err(PlatformError::data(&root.join(key), why));
        }
        wanted.insert(key);
    }
    for key in files.keys().map_err(|error| PlatformError::data(root, error))? {
        if !wanted.contains(&key) {
            files.remove(&key).await.map_err(|error| PlatformError::data(root, error))?;
        }
    }
    Ok(())
}
