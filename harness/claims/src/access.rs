//! `access`: exactly what a role allows, on every operation.

use crate::exemptions::{exempt, exemptions};
use crate::isolation::{Options, Party, attackable, isolation};
use crate::model::{
    Actor, Attempt, Audience, Compiled, Control, Does, Family, Identity, Kind, Least, Oracle, Place, Refusal, Role,
    Surface, Surfaces,
};
use crate::tools;
use std::collections::BTreeMap;

/// Whose access, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user, by name or address as in the scenario.
    pub user: String,
    /// The tenant in which the role is looked for.
    pub tenant: Party,
    /// The role there; none: no member.
    pub role: Option<Role>,
    /// The role is narrowed to groups of devices: all others are out of reach.
    pub narrowed: bool,
    /// Where the user has a session when she is no member: the tenant, and her role in it. Without one nothing can be
    /// tried in her name, and all operations are uncovered.
    pub home: Option<(Party, Role)>,
    /// The tenant that has children, if the platform has one.
    pub provider: Option<String>,
}

/// Compiles the claim: one attempt per operation (for outsiders one per slot and operation).
#[must_use]
pub fn access(surfaces: &Surfaces, subject: &Subject) -> Compiled {
    match subject.role {
        Some(role) => member(surfaces, subject, role),
        None => outsider(surfaces, subject),
    }
}

/// Exactly the operations of the role succeed, all others are forbidden.
fn member(surfaces: &Surfaces, subject: &Subject, role: Role) -> Compiled {
    let exemptions = exemptions();
    let mut compiled =
        Compiled { uncovered: surfaces.unknown.clone(), operations: surfaces.unknown.len(), ..Compiled::default() };
    for (index, surface) in surfaces.known.iter().enumerate() {
        compiled.operations += 1;
        let reason = exempt(&exemptions, &surface.operation, tools::ACCESS, subject.tenant.provider).or_else(|| {
            let nobody = surface.role.0 == [Least::ProviderAdmin] && subject.provider.is_none();
            nobody.then_some("no tenant here has children: nobody could make the control")
        });
        if let Some(reason) = reason {
            compiled.exempt.push((surface.operation.clone(), reason.to_owned()));
            continue;
        }
        compiled.attempts.push(attempt(index, surface, subject, role));
    }
    compiled
}

fn attempt(index: usize, surface: &Surface, subject: &Subject, role: Role) -> Attempt {
    let tenant = &subject.tenant;
    let may = surface.role.allows(role, tenant.provider);
    let (control, oracles) = match surface.audience {
        Audience::Operator => (Control::Operator, vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged]),
        Audience::Device => (Control::Actor, vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged]),
        _ if may => (Control::Admin, vec![Oracle::Status(surface.ok.clone())]),
        _ if surface.role.0 == [Least::ProviderAdmin] && !tenant.provider => {
            (Control::Provider, vec![Oracle::Kind(Refusal::Forbidden), Oracle::Unchanged])
        }
        _ => (Control::Admin, vec![Oracle::Kind(Refusal::Forbidden), Oracle::Unchanged]),
    };
    let beyond = (may && subject.narrowed).then(|| out_of_reach(surface)).flatten();
    let tool = if beyond.is_some() { tools::NARROWED } else { tools::ACCESS };
    let oracles = beyond.unwrap_or(oracles);
    // What ends or alters the asker's own session or password is asked by a stand-in with the same role.
    let identity =
        if surface.hurts_the_asker() { Identity::User(role) } else { Identity::Person(subject.user.clone()) };
    Attempt {
        id: format!("{tool}/{}/{}/{}", surface.operation.to_lowercase().replace(' ', "-"), tenant.name, subject.user),
        tool,
        surface: index,
        operation: surface.operation.clone(),
        actor: Actor { tenant: tenant.name.clone(), identity },
        victim: tenant.name.clone(),
        fills: BTreeMap::new(),
        attacked: Vec::new(),
        tamper: Vec::new(),
        throw_away: surface.disposable
            || matches!(surface.does, Does::Create | Does::Change | Does::Delete | Does::Act),
        control,
        oracles,
        ok: surface.ok.clone(),
    }
}

/// What a role that is narrowed to groups is due upon things of devices in none of them: each is forbidden by its name and
/// missing from what shows many. `None`: the operation is not about devices. (What became of a deployment on its devices is
/// seen by who sees deployments.)
fn out_of_reach(surface: &Surface) -> Option<Vec<Oracle>> {
    let refused = vec![Oracle::Kind(Refusal::Forbidden), Oracle::Unchanged];
    let named = surface.required().any(|slot| {
        matches!(slot.kind, Kind::Device | Kind::Auth | Kind::DeviceToken | Kind::Group)
            && (slot.place == Place::Path || !surface.does.shows_many())
    });
    let looks_at_deployments = surface.object == Kind::Deployment && surface.does.only_looks();
    match surface.object {
        _ if surface.audience != Audience::User || looks_at_deployments => None,
        // The lobby knows no groups: who is narrowed to some has no business there.
        _ if surface.family == Family::Lobby => Some(refused),
        Kind::Filter | Kind::Role => None,
        // Which devices a search will find, and in which group a new one will be, nobody knows.
        Kind::Deployment | Kind::Device if surface.does == Does::Create => Some(refused),
        _ if named => Some(refused),
        Kind::Device | Kind::Group | Kind::Attribute if surface.does.shows_many() => {
            let total = surface.required().next().is_none().then_some(Oracle::SameTotal);
            Some([Oracle::Status(surface.ok.clone()), Oracle::NoCanary].into_iter().chain(total).collect())
        }
        _ => None,
    }
}

/// Everything in the tenant refuses her as any stranger: the attempts of `isolation` with her own session.
fn outsider(surfaces: &Surfaces, subject: &Subject) -> Compiled {
    let options = Options { provider: subject.provider.clone(), ..Options::default() };
    let Some((home, role)) = &subject.home else {
        // Without a session anywhere there is nothing to try with: `isolation` tries without any.
        let all = surfaces.known.iter().map(|surface| surface.operation.clone());
        let uncovered: Vec<String> = all.chain(surfaces.unknown.iter().cloned()).collect();
        return Compiled { operations: uncovered.len(), uncovered, ..Compiled::default() };
    };
    let mut compiled = isolation(surfaces, &[home.clone(), subject.tenant.clone()], &options);
    let identity = Identity::User(*role);
    compiled.attempts.retain(|a| {
        a.actor.tenant == home.name
            && a.actor.identity == identity
            // What she does at home has no place in a claim about another tenant.
            && a.tool != tools::TWIN
            && (!a.attacked.is_empty() || surfaces.known[a.surface].does.only_looks())
    });
    for attempt in &mut compiled.attempts {
        attempt.actor.identity = Identity::Person(subject.user.clone());
    }
    renamed(compiled, surfaces)
}

/// The same attempts under this claim's tool, with the coverage counted anew.
fn renamed(mut compiled: Compiled, surfaces: &Surfaces) -> Compiled {
    let mut covered = vec![false; surfaces.known.len()];
    for attempt in &mut compiled.attempts {
        covered[attempt.surface] = true;
        attempt.id = format!("{}/{}", tools::OUTSIDER, attempt.id);
        attempt.tool = tools::OUTSIDER;
    }
    for (index, surface) in surfaces.known.iter().enumerate() {
        let known = compiled.exempt.iter().any(|(operation, _)| *operation == surface.operation)
            || compiled.uncovered.contains(&surface.operation);
        if covered[index] || known {
            continue;
        }
        match not_about_outsiders(surface) {
            Some(reason) => compiled.exempt.push((surface.operation.clone(), reason.to_owned())),
            None => compiled.uncovered.push(surface.operation.clone()),
        }
    }
    compiled
}

/// Why an operation has no attempt with the session of somebody outside.
fn not_about_outsiders(surface: &Surface) -> Option<&'static str> {
    let names_nothing = surface.slots.iter().all(|slot| !attackable(slot) || slot.optional);
    if surface.audience == Audience::Device {
        return Some("a device's operation: `isolation` shows users' tokens there");
    }
    if surface.role.0.contains(&Least::ProviderAdmin) {
        return Some("a provider may do this to its own children, and its children may not at all");
    }
    names_nothing.then_some("names nothing of a tenant: it is about the asker's own")
}
