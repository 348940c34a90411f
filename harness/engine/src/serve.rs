//! The reference platform alone, furnished as a scenario's `platform` says.

mod roster;

use crate::dispatch::furnish;
use crate::run::{Run, Stop};
use crate::setup;
use fleetproof_dialects::aws;
use fleetproof_journal::{Journal, Secrets};
use fleetproof_language::Sources;
use fleetproof_plan::Plan;
use fleetproof_stacks::{Embedded, Running, StackError};
use fleetproof_world::World;
use roster::{Person, Roster};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A platform that serves, with every login that was made for it.
pub struct Served {
    /// Where users and devices come in: `http://127.0.0.1:41233`.
    pub http: String,
    /// Where they come in with TLS, and the file with the certificate to trust.
    pub https: Option<(String, PathBuf)>,
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
    /// Where its devices connect by MQTT: one for each region, home first.
    pub mqtt: Vec<ServedDoor>,
}

/// Where devices of a tenant connect by MQTT over TLS in a region.
pub struct ServedDoor {
    /// The region.
    pub region: String,
    /// Twelve digits: the account.
    pub account: String,
    /// The host that they name in their handshake on the shared door.
    pub endpoint: String,
    /// The address of the door that all accounts share.
    pub shared: String,
    /// The address of a door of the account's own, which answers as `localhost` too.
    pub own: String,
    /// A device to try with, unless the platform goes on with what an earlier start made: keys are told once.
    pub device: Option<aws::Introduced>,
}

/// How a person gets in.
pub struct Login {
    /// The address.
    pub email: String,
    /// The password that was made for her; `None` when she has another by now, or is gone.
    pub password: Option<String>,
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
    /// Its folder holds what was made for another file.
    OtherTenants(String),
    /// Its folder is damaged, and what to do.
    Folder(String),
    /// The network has no address for it: it is not one of sockets.
    NoAddress,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(error) => error.fmt(f),
            Self::Furnish(reason) => write!(f, "the platform does not take what the scenario asks for: {reason}"),
            Self::OtherTenants(why) => write!(
                f,
                "the data folder was made for other tenants or people ({why}): leave the file out to go on with it, or use \
                 another folder"
            ),
            Self::Folder(why) => f.write_str(why),
            Self::NoAddress => f.write_str("this network has no addresses: serve on sockets"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Whether a platform that an earlier start made has the tenants and people that the scenario asks for.
///
/// # Errors
/// [`ServeError::OtherTenants`], and what the folder says.
pub fn agrees(plan: &Plan, stack: &Embedded) -> Result<(), ServeError> {
    match &stack.data {
        Some(folder) if stack.continues() => Roster::kept(folder)?.agrees(&plan.scenario.platform),
        _ => Ok(()),
    }
}

/// Starts the platform, makes the scenario's tenants and users, calls `ready` once, and serves until `stop`. A platform
/// that an earlier start made is gone on with as it is.
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
    let roster = match &stack.data {
        Some(folder) if stack.continues() => Some(Roster::kept(folder)?),
        _ => None,
    };
    let (run, running) =
        furnish(plan, sources, world, journal, secrets, &stack, &stop).await.map_err(ServeError::Stack)?;
    let furnished = match roster {
        Some(roster) => served(&run, &running, roster, false).await.map(Some),
        None => make(&run, &running, &stack).await,
    };
    if let Ok(Some(served)) = &furnished {
        ready(served);
        stop.cancelled().await;
    }
    running.down().await;
    furnished.map(drop)
}

/// Makes everything that the scenario asks for. `None`: interrupted before it was there.
async fn make(run: &Run, running: &Running, stack: &Embedded) -> Result<Option<Served>, ServeError> {
    match setup::settle(run, running).await {
        Ok(()) => {}
        Err(Stop::Interrupted) => return Ok(None),
        Err(other) => return Err(ServeError::Furnish(other.reason())),
    }
    let roster = Roster::of(run);
    if let Some(folder) = &stack.data {
        roster.keep(folder)?;
        folder.finished().map_err(|error| ServeError::Stack(StackError::Platform(error)))?;
    }
    served(run, running, roster, true).await.map(Some)
}

async fn served(run: &Run, running: &Running, roster: Roster, is_new: bool) -> Result<Served, ServeError> {
    let at = |name: &str| run.world.net.address(name).ok_or(ServeError::NoAddress);
    let https = match (&running.secure_gateway, running.ca_certificate()) {
        (Some(door), Some(file)) => {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            Some((format!("https://{}", at(door)?), file))
        }
        _ => None,
    };
    let mut tenants = Vec::new();
    for tenant in roster.tenants {
        // A tenant that was removed since has nothing to tell.
        let Some(token) = running.tenant_token(&tenant.id).await.map_err(ServeError::Stack)? else { continue };
        let admin = login(run, running, tenant.admin).await?;
        let mut users = Vec::new();
        for person in tenant.users {
            users.push(login(run, running, person).await?);
        }
        let mqtt = doors(run, running, &tenant.name, &tenant.id, is_new).await?;
        tenants.push(ServedTenant {
            mqtt,
            name: tenant.name,
            id: tenant.id,
            token,
            is_provider: tenant.is_provider,
            admin,
            users,
        });
    }
    Ok(Served {
        http: format!("http://{}", at(&running.gateway)?),
        https,
        operator: format!("http://{}", at(&running.operator)?),
        operator_token: running.operator_token.clone(),
        tenants,
    })
}

/// Opens the doors of a tenant's account, and makes a device for each that has none yet.
async fn doors(
    run: &Run,
    running: &Running,
    name: &str,
    id: &str,
    is_new: bool,
) -> Result<Vec<ServedDoor>, ServeError> {
    let at = |name: &str| run.world.net.address(name).map(|at| at.to_string()).ok_or(ServeError::NoAddress);
    let mut doors = Vec::new();
    for door in running.client_doors(id).await.map_err(ServeError::Stack)? {
        let device = if is_new {
            let refused = |why: String| ServeError::Furnish(format!("a device of `{name}`: {why}"));
            let by = run.people.admin(name).await.map_err(|error| refused(error.to_string()))?;
            let thing = format!("{name}-device");
            let made = aws::introduce(&run.mender, &by, &door.endpoint.region, &thing).await;
            Some(made.map_err(|error| refused(error.to_string()))?)
        } else {
            None
        };
        doors.push(ServedDoor {
            region: door.endpoint.region,
            account: door.endpoint.account,
            endpoint: door.endpoint.host,
            shared: at(&door.shared)?,
            own: at(&door.own)?,
            device,
        });
    }
    Ok(doors)
}

/// A password is told only while it is the right one.
async fn login(run: &Run, running: &Running, person: Person) -> Result<Login, ServeError> {
    let password = run.people.password(&person.email);
    let is_good = running.lets_in(&person.email, &password).await.map_err(ServeError::Stack)?;
    Ok(Login { email: person.email, password: is_good.then_some(password), role: person.role })
}
