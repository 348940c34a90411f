//! The reference platform alone, furnished as a scenario's `platform` says.

use crate::dispatch::furnish;
use crate::run::Stop;
use crate::setup;
use fleetproof_journal::{Journal, Secrets};
use fleetproof_language::Sources;
use fleetproof_plan::Plan;
use fleetproof_stacks::{Embedded, StackError};
use fleetproof_world::World;
use std::fmt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A platform that serves, with every login that was made for it.
pub struct Served {
    /// Where users and devices come in: `http://127.0.0.1:41233`.
    pub http: String,
    /// Where the operator comes in.
    pub operator: String,
    /// What opens the operator's door.
    pub operator_token: String,
    /// The provider, if there is one, and the tenants.
    pub tenants: Vec<ServedTenant>,
}

/// A tenant of a platform that serves.
pub struct ServedTenant {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// What its devices show to say whose they are.
    pub token: String,
    /// It may have children.
    pub is_provider: bool,
    /// Its first admin.
    pub admin: Login,
    /// Its other users.
    pub users: Vec<Login>,
}

/// How a person gets in.
pub struct Login {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The role, in the words of the language.
    pub role: String,
}

/// Why a platform does not serve.
#[derive(Debug)]
pub enum ServeError {
    /// It did not start.
    Stack(StackError),
    /// It started and did not take what the scenario asks for.
    Furnish(String),
    /// The network has no address for it: it is not one of sockets.
    NoAddress,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(error) => error.fmt(f),
            Self::Furnish(reason) => write!(f, "the platform does not take what the scenario asks for: {reason}"),
            Self::NoAddress => f.write_str("this network has no addresses: serve on sockets"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Starts the platform, makes the scenario's tenants and users, calls `ready` once, and serves until `stop`.
///
/// # Errors
/// [`ServeError`]; nothing is left behind then.
pub async fn serve(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    world: World,
    stack: Embedded,
    secrets: Secrets,
    stop: CancellationToken,
    ready: impl FnOnce(&Served),
) -> Result<(), ServeError> {
    let journal = Journal::in_memory(secrets.clone());
    let (run, running) =
        furnish(plan, sources, world, journal, secrets, &stack, &stop).await.map_err(ServeError::Stack)?;
    let furnished = match setup::settle(&run, &running).await {
        Ok(()) => served(&run, &running),
        Err(Stop::Interrupted) => Ok(None),
        Err(other) => Err(ServeError::Furnish(other.reason())),
    };
    if let Ok(Some(served)) = &furnished {
        ready(served);
        stop.cancelled().await;
    }
    running.down().await;
    furnished.map(drop)
}

fn served(run: &crate::run::Run, running: &fleetproof_stacks::Running) -> Result<Option<Served>, ServeError> {
    let address =
        |name: &str| run.world.net.address(name).map(|at| format!("http://{at}")).ok_or(ServeError::NoAddress);
    let login = |email: &str, role: &str| Login {
        email: email.to_owned(),
        password: run.people.password(email),
        role: role.to_owned(),
    };
    let declared = &run.plan.scenario.platform.tenants;
    let tenants = run.people.tenants().into_iter().map(|tenant| ServedTenant {
        name: tenant.at.name.to_string(),
        id: tenant.at.id.to_string(),
        token: tenant.token.to_string(),
        is_provider: tenant.is_provider,
        admin: login(&tenant.admin, "admin"),
        users: declared
            .get(&tenant.at.name)
            .into_iter()
            .flat_map(|declared| declared.users.iter())
            .map(|(email, user)| login(email, user.role.as_ref().map_or("admin", |role| role.word())))
            .collect(),
    });
    Ok(Some(Served {
        http: address(&running.gateway)?,
        operator: address(&running.operator)?,
        operator_token: running.operator_token.clone(),
        tenants: tenants.collect(),
    }))
}
