//! H14: a tenant is removed and made again under its name. What of the former one is still there?

use crate::isolation::{Options, attackable, words};
use crate::model::{
    Actor, Attempt, Audience, Control, Does, Family, Fill, Held, Identity, Kind, Least, Oracle, Refusal, Role, Surface,
    Surfaces,
};
use crate::tools;
use std::collections::BTreeMap;

/// The tenant that is made again, as it is told.
const AGAIN: &str = "a tenant made again";
/// And the one that was removed.
const FORMER: &str = "the tenant of that name before";

/// The attempts of one tenant's end and return, upon everything that can be looked at.
pub(crate) fn ghosts(surfaces: &Surfaces, options: &Options) -> Vec<Attempt> {
    let mut out = Vec::new();
    for (index, surface) in surfaces.known.iter().enumerate() {
        let takes = |family: Family| options.families.is_empty() || options.families.contains(&family);
        if surface.gives_link() && surface.audience == Audience::User && takes(Family::Storage) {
            let oracles = vec![Oracle::NoSuccess, Oracle::NoCanary];
            out.push(attempt(index, surface, "link", Identity::Former(Held::Link), oracles));
        }
        if takes(surface.family) && !surface.role.0.contains(&Least::ProviderAdmin) {
            out.extend(upon(index, surface));
        }
    }
    out.retain(|attempt| !options.skip.iter().any(|(start, _)| attempt.id.starts_with(start.as_str())));
    out
}

fn upon(index: usize, surface: &Surface) -> Vec<Attempt> {
    let refused = || vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::NoCanary];
    let names_nothing = !surface.required().any(attackable);
    if surface.does == Does::Login && surface.slots.iter().any(|slot| slot.kind == Kind::Identity) {
        let oracles = vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged, Oracle::NoCanary];
        return vec![attempt(index, surface, "tenant-token", Identity::Former(Held::TenantToken), oracles)];
    }
    if !surface.does.only_looks() {
        return Vec::new();
    }
    match surface.audience {
        Audience::Device => vec![attempt(index, surface, "device", Identity::Former(Held::Device), refused())],
        Audience::User if names_nothing => {
            let served = vec![Oracle::Status(surface.ok.clone()), Oracle::NoCanary];
            let mut all = vec![
                attempt(index, surface, "sees", Identity::Again, served),
                attempt(index, surface, "session", Identity::Former(Held::Session), refused()),
            ];
            if surface.object == Kind::Tenant {
                all.push(attempt(index, surface, "access-token", Identity::Former(Held::AccessToken), refused()));
            }
            all
        }
        Audience::User if surface.role.allows(Role::Admin, false) => {
            vec![attempt(index, surface, "names", Identity::Again, vec![Oracle::AsNeverExisted, Oracle::NoCanary])]
        }
        _ => Vec::new(),
    }
}

fn attempt(index: usize, surface: &Surface, variant: &str, identity: Identity, oracles: Vec<Oracle>) -> Attempt {
    let slots: Vec<String> = surface.required().filter(|slot| attackable(slot)).map(|slot| slot.key()).collect();
    Attempt {
        id: format!("{}/{}/{variant}", tools::GHOST, words(&surface.operation)),
        tool: tools::GHOST,
        surface: index,
        operation: surface.operation.clone(),
        actor: Actor { tenant: AGAIN.to_owned(), identity },
        victim: FORMER.to_owned(),
        fills: slots.iter().map(|key| (key.clone(), Fill::Victims)).collect::<BTreeMap<_, _>>(),
        attacked: slots,
        tamper: Vec::new(),
        throw_away: false,
        control: Control::Before,
        oracles,
        ok: surface.ok.clone(),
    }
}
