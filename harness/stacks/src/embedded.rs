//! The reference platform in this process.

use crate::StackError;
use fleetproof_platform::defects;
use fleetproof_platform::{Founded, NewTenant, PasswordCost, Platform, Settings};
use fleetproof_world::{Name, World};
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The name on the world's network of the door for people and devices.
const GATEWAY: &str = "platform";

/// The name of the operator's door.
const OPERATOR: &str = "operator";

/// How to start the platform.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    /// The seeded defect to start it with, by name.
    pub defect: Option<String>,
    /// Passwords are hashed at their real cost (for platforms that outlive a run).
    pub strong_passwords: bool,
    /// Where the gateway listens, on a network of sockets. Absent: loopback, any port.
    pub listen: Option<SocketAddr>,
}

/// Tenants without a parent: nothing in a platform's interface makes them.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Their names, limits and first admins.
    pub tenants: Vec<Tenancy>,
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
    /// The name of the operator's door.
    pub operator: Name,
    /// What opens the operator's door.
    pub operator_token: String,
    /// What was founded, in the order asked for: name, ids, tenant token.
    pub founded: Vec<(String, Founded)>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Embedded {
    /// What scenarios may use here.
    #[must_use]
    pub fn capabilities() -> &'static [&'static str] {
        &["provider", "audit", "rbac", "virtual_time"]
    }

    /// The platform's interface document; it needs no running platform.
    #[must_use]
    pub fn document() -> serde_json::Value {
        Platform::document()
    }

    /// Starts the platform on `world`'s network.
    ///
    /// # Errors
    /// An unknown defect, a store that does not open, a door that does not.
    pub async fn up(&self, world: &World, founding: &Founding) -> Result<Running, StackError> {
        let defect = match &self.defect {
            Some(name) => Some(defects::find(name).ok_or_else(|| StackError::UnknownDefect(name.clone()))?.id),
            None => None,
        };
        let passwords = if self.strong_passwords { PasswordCost::Strong } else { PasswordCost::Fast };
        let settings = Settings { world: world.clone(), passwords, defect, public_url: None };
        let platform = Platform::open(settings).await.map_err(StackError::Platform)?;
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
            operator: OPERATOR.into(),
            operator_token: platform.operator_token().to_owned(),
            founded,
            stop,
            tasks,
        })
    }
}

impl Running {
    /// Stops the platform and waits until nothing of it runs any more.
    pub async fn down(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
