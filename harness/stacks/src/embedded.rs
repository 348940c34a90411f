//! The reference platform in this process.

use crate::StackError;
use crate::calls::Calls;
use crate::certificate::Certificate;
use fleetproof_platform::defects;
use fleetproof_platform::registry::{Endpoint, Regions};
use fleetproof_platform::{DataFolder, Founded, NewTenant, PasswordCost, Platform, Service, Settings};
use fleetproof_world::tls::{Authority, Names, TlsServer};
use fleetproof_world::{Incoming, Name, Seeds, World};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The name on the world's network of the door for people and devices.
const GATEWAY: &str = "platform";

/// The same door, for those who come with TLS.
const SECURE_GATEWAY: &str = "platform-tls";

/// The name of the operator's door.
const OPERATOR: &str = "operator";

/// The name of the door for clients that speak MQTT and say in their handshake whose they are.
const CLIENTS: &str = "mqtt";

/// What such clients may say that they speak: MQTT with a certificate, as AWS calls it on ports that others share.
const CLIENT_PROTOCOLS: &[&str] = &["x-amzn-mqtt-ca", "mqtt"];

/// The domain of the hosts at which devices connect.
const DOMAIN: &str = "fleet.example";

/// Calls per second of each limited operation of an account, on platforms that live as long as a run: its devices come all
/// at once, as they do in an account whose quotas were raised for that.
const RUN_RATE: u64 = 1_000;

/// How to start the platform.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    /// The seeded defect to start it with, by name.
    pub defect: Option<String>,
    /// Passwords are hashed at their real cost (for platforms that outlive a run).
    pub strong_passwords: bool,
    /// How long work takes on it, and how much is worked on at once.
    pub service: Service,
    /// Where the gateway listens, on a network of sockets. Absent: loopback, any port.
    pub listen: Option<SocketAddr>,
    /// Where the gateway listens for TLS, on a network of sockets. Absent: nowhere.
    pub listen_secure: Option<SocketAddr>,
    /// Where devices connect by MQTT, on a network of sockets. Absent: nowhere.
    pub listen_mqtt: Option<SocketAddr>,
    /// Where all of it is kept. Absent: in memory, gone with the process.
    pub data: Option<Arc<DataFolder>>,
}

/// Tenants without a parent: nothing in a platform's interface makes them.
#[derive(Clone, Debug, Default)]
pub struct Founding {
    /// Their names, limits and first admins.
    pub tenants: Vec<Tenancy>,
    /// The regions in which accounts can be, home first; empty: the platform's own.
    pub regions: Vec<String>,
    /// Devices will connect by MQTT: their door opens also where nobody named an address for it.
    pub speaks_mqtt: bool,
}

/// One tenant without a parent.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// Its name.
    pub name: String,
    /// It may have children, whose limits are carved out of its own.
    pub is_provider: bool,
    /// How many devices it may have accepted; −1: any number.
    pub device_limit: i64,
    /// Its first admin.
    pub admin_email: String,
    /// The admin's password.
    pub admin_password: String,
}

/// A platform that runs.
#[derive(Debug)]
pub struct Running {
    /// The name of the door for people and devices on the world's network.
    pub gateway: Name,
    /// The name of the door for people and devices who come with TLS, if there is one.
    pub secure_gateway: Option<Name>,
    /// The name of the operator's door.
    pub operator: Name,
    /// What opens the operator's door.
    pub operator_token: String,
    /// What was founded, in the order asked for: name, ids, tenant token.
    pub founded: Vec<(String, Founded)>,
    clients: Option<Clients>,
    world: World,
    platform: Platform,
    certificate: Option<Certificate>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Embedded {
    /// What scenarios may use here.
    #[must_use]
    pub fn capabilities() -> &'static [&'static str] {
        &["provider", "audit", "rbac", "lobby", "regions", "jobs", "fail_calls", "virtual_time"]
    }

    /// The platform's interface document; it needs no running platform.
    #[must_use]
    pub fn document() -> serde_json::Value {
        Platform::document()
    }

    /// The document of the account that each tenant is.
    #[must_use]
    pub fn account_document() -> serde_json::Value {
        Platform::account_document()
    }

    /// The document of the lobby.
    #[must_use]
    pub fn lobby_document() -> serde_json::Value {
        Platform::lobby_document()
    }

    /// Where keys and passwords come from: the same after every start of a platform that lasts.
    #[must_use]
    pub fn keys(&self, world: &World) -> Seeds {
        self.data.as_ref().map_or_else(|| world.seeds.clone(), |folder| folder.keys())
    }

    /// Whether its tenants are there already: it continues what an earlier start made.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.data.as_ref().is_some_and(|folder| !folder.is_new())
    }

    /// Starts the platform on `world`'s network.
    ///
    /// # Errors
    /// An unknown defect, a store that does not open, a door that does not, a certificate that cannot be kept.
    pub async fn up(&self, world: &World, founding: &Founding) -> Result<Running, StackError> {
        let defect = match &self.defect {
            Some(name) => Some(defects::find(name).ok_or_else(|| StackError::UnknownDefect(name.clone()))?.id),
            None => None,
        };
        let passwords = if self.strong_passwords { PasswordCost::Strong } else { PasswordCost::Fast };
        let account_rate = (!self.strong_passwords).then_some(RUN_RATE);
        let mut settings =
            Settings { passwords, service: self.service, account_rate, ..Settings::free(world.clone(), defect) };
        if !founding.regions.is_empty() {
            let names: Vec<&str> = founding.regions.iter().map(String::as_str).collect();
            let regions = Regions::new(&names, DOMAIN);
            settings.regions = regions.ok_or_else(|| StackError::Regions(founding.regions.clone()))?;
        }
        let platform = match &self.data {
            Some(folder) => Platform::open_in(settings, folder).await,
            None => Platform::open(settings).await,
        };
        let platform = platform.map_err(StackError::Platform)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());

        let gateway = match self.listen {
            Some(at) => world.net.listen_at(GATEWAY, at).await,
            None => world.net.listen(GATEWAY).await,
        };
        let gateway = gateway.map_err(|reason| StackError::Listen { door: "gateway", reason })?;
        let operator = world
            .net
            .listen(OPERATOR)
            .await
            .map_err(|reason| StackError::Listen { door: "operator's door", reason })?;
        // Without a folder its key is another one each time it is asked for.
        let authority = Certificate::authority(&self.keys(world));
        let certificate = match self.listen_secure {
            Some(at) => {
                let incoming = world.net.listen_at(SECURE_GATEWAY, at).await;
                let incoming = incoming.map_err(|reason| StackError::Listen { door: "gateway with TLS", reason })?;
                let (certificate, server) = Certificate::of(at.ip(), &authority, self.data.as_deref(), world)?;
                tasks.spawn(Platform::serve(platform.secure_gateway(), server.secure(incoming), stop.clone()));
                Some(certificate)
            }
            None => None,
        };
        let clients = if self.listen_mqtt.is_some() || founding.speaks_mqtt {
            let incoming = match self.listen_mqtt {
                Some(at) => world.net.listen_at(CLIENTS, at).await,
                None => world.net.listen(CLIENTS).await,
            };
            let incoming = incoming.map_err(|reason| StackError::Listen { door: "door for MQTT", reason })?;
            let clients = Clients::of(&platform, authority, world)?;
            spawn_clients(&tasks, &platform, &clients.server, None, incoming, &stop);
            let (keeper, until) = (platform.clone(), stop.clone());
            tasks.spawn(async move { keeper.keep_data_plane(until).await });
            Some(clients)
        } else {
            None
        };
        tasks.spawn(Platform::serve(platform.gateway(), gateway, stop.clone()));
        tasks.spawn(Platform::serve(platform.operator_door(), operator, stop.clone()));
        tasks.close();

        let mut founded = Vec::new();
        for tenancy in &founding.tenants {
            let new = NewTenant {
                name: tenancy.name.clone(),
                device_limit: Some(tenancy.device_limit),
                admin_email: tenancy.admin_email.clone(),
                admin_password: tenancy.admin_password.clone(),
            };
            let ids = if tenancy.is_provider {
                platform.found_provider(&new).await
            } else {
                platform.found_tenant(&new).await
            };
            founded.push((tenancy.name.clone(), ids.map_err(StackError::Platform)?));
        }
        Ok(Running {
            gateway: GATEWAY.into(),
            secure_gateway: certificate.is_some().then(|| SECURE_GATEWAY.into()),
            operator: OPERATOR.into(),
            operator_token: platform.operator_token().to_owned(),
            founded,
            clients,
            world: world.clone(),
            platform,
            certificate,
            stop,
            tasks,
        })
    }
}

/// What answers clients: as `localhost`, and as every host of an account in a region.
#[derive(Debug)]
struct Clients {
    server: TlsServer,
    /// The certificate that clients trust, as PEM.
    trusted: String,
}

impl Clients {
    fn of(platform: &Platform, authority: Authority, world: &World) -> Result<Self, StackError> {
        // Keys of its own for each start: nothing keeps them.
        let own = world.seeds.child("tls/clients");
        let made = || {
            let names = Names::new(authority, own, &world.clock, Some("localhost"))?;
            for domain in platform.client_domains() {
                names.add_below(&domain)?;
            }
            let server = TlsServer::mutual(&names, false, CLIENT_PROTOCOLS, &world.clock)?;
            Ok(Self { server, trusted: names.trusted()? })
        };
        made().map_err(StackError::Certificate)
    }
}

/// Takes clients in: those of one account, or of whichever they name.
fn spawn_clients(
    tasks: &TaskTracker,
    platform: &Platform,
    server: &TlsServer,
    of: Option<Endpoint>,
    incoming: Incoming,
    stop: &CancellationToken,
) {
    let (platform, clients, stop) = (platform.clone(), server.secure_mutual(incoming), stop.clone());
    tasks.spawn(async move {
        match of {
            Some(endpoint) => platform.serve_clients_of(endpoint, clients, stop).await,
            None => platform.serve_clients(clients, stop).await,
        }
    });
}

/// Where devices of an account connect in a region.
#[derive(Clone, Debug)]
pub struct ClientDoor {
    /// The account, the region, and the host that clients name on the shared door.
    pub endpoint: Endpoint,
    /// The name of the shared door on the world's network.
    pub shared: Name,
    /// The name of a door of its own, which answers as `localhost`.
    pub own: Name,
}

/// What a platform keeps, seen from within: where a word stands.
#[derive(Clone, Debug)]
pub struct Stores(Platform);

impl Stores {
    /// Region → the stores there in which `word` stands.
    ///
    /// # Errors
    /// The platform's store.
    pub async fn with(&self, word: &str) -> Result<BTreeMap<String, BTreeSet<&'static str>>, StackError> {
        self.0.stores_with(word).await.map_err(StackError::Platform)
    }
}

impl Running {
    /// Opens the doors of a tenant's account, one in each of its regions. None without MQTT, or for who is no tenant.
    ///
    /// # Errors
    /// The platform's store, a door that does not open.
    pub async fn client_doors(&self, tenant_id: &str) -> Result<Vec<ClientDoor>, StackError> {
        let Some(Clients { server, .. }) = &self.clients else { return Ok(Vec::new()) };
        let account = self.platform.account(tenant_id).await.map_err(StackError::Platform)?;
        let mut doors = Vec::new();
        for endpoint in account.into_iter().flat_map(|account| account.endpoints) {
            let own: Name = format!("mqtt/{}", endpoint.host).into();
            let incoming = self.world.net.listen(&own).await;
            let incoming = incoming.map_err(|reason| StackError::Listen { door: "account's door", reason })?;
            spawn_clients(&self.tasks, &self.platform, server, Some(endpoint.clone()), incoming, &self.stop);
            doors.push(ClientDoor { endpoint, shared: CLIENTS.into(), own });
        }
        Ok(doors)
    }

    /// The door that all accounts share, on the world's network, and the certificate that clients trust there, as PEM; `None`
    /// without MQTT.
    #[must_use]
    pub fn shared_door(&self) -> Option<(Name, &str)> {
        self.clients.as_ref().map(|clients| (CLIENTS.into(), clients.trusted.as_str()))
    }

    /// Its calls that can be made to fail.
    #[must_use]
    pub fn calls(&self) -> Calls {
        Calls(self.platform.clone())
    }

    /// What the platform keeps, seen from within.
    #[must_use]
    pub fn stores(&self) -> Stores {
        Stores(self.platform.clone())
    }

    /// The file with the certificate of who certified the secure door, if there is one.
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(Certificate::path)
    }

    /// What devices of a tenant show to say whose they are; `None` when the tenant is not there any more.
    ///
    /// # Errors
    /// The platform's store.
    pub async fn tenant_token(&self, tenant_id: &str) -> Result<Option<String>, StackError> {
        self.platform.tenant_token(tenant_id).await.map_err(StackError::Platform)
    }

    /// Whether this is (still) the password of a person.
    ///
    /// # Errors
    /// The platform's store.
    pub async fn lets_in(&self, email: &str, password: &str) -> Result<bool, StackError> {
        self.platform.lets_in(email, password).await.map_err(StackError::Platform)
    }

    /// Stops the platform and waits until nothing of it runs any more.
    pub async fn down(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
