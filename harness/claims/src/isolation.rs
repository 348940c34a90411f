//! `isolation`: every operation × every tool that applies × both directions × every identity.

use crate::exemptions::{Exemption, exempt, exemptions};
use crate::ghosts::ghosts;
use crate::model::{
    Actor, Attempt, Audience, Compiled, Control, Does, Due, Family, Fill, Identity, Kind, Least, Oracle, Refusal, Role,
    Slot, StrangerRule, Surface, Surfaces, Tamper,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A tenant of the scenario, as far as claims must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name in the scenario.
    pub name: String,
    /// It may have children.
    pub provider: bool,
    /// The tenant whose child it is.
    pub parent: Option<String>,
}

/// What of the catalogue is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only these families of surfaces; empty: all.
    pub families: Vec<Family>,
    /// Beginnings of the ids of attempts that are left out, each with its reason.
    pub skip: Vec<(String, String)>,
    /// The tenant that has children, if the platform has one: needed for the controls of tenants' administration.
    pub provider: Option<String>,
    /// How long the claim may wait for something to end by itself.
    pub patience: Duration,
}

impl Options {
    fn takes(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

/// Compiles the claim. Attempts stand in the order in which they are made: by direction, operation, tool, identity.
#[must_use]
pub fn isolation(surfaces: &Surfaces, between: &[Party], options: &Options) -> Compiled {
    let exemptions = exemptions();
    let methods = declared_methods(surfaces);
    let takes_in = surfaces.known.iter().any(|surface| {
        surface.slots.iter().any(|slot| slot.kind == Kind::User && due(surface, slot.kind) == Some(Due::Allowed))
    });
    let mut compiled = Compiled { operations: surfaces.unknown.len(), ..Compiled::default() };
    let mut covered = BTreeSet::new();
    let mut reasons: BTreeMap<usize, String> = BTreeMap::new();
    let wanted =
        |surface: &Surface| options.takes(surface.family) || (options.takes(Family::Storage) && surface.gives_link());
    for attacker in between {
        for victim in between.iter().filter(|victim| victim.name != attacker.name) {
            for (index, surface) in surfaces.known.iter().enumerate().filter(|(_, surface)| wanted(surface)) {
                let mut compiler = Compiler {
                    index,
                    surface,
                    attacker,
                    victim,
                    options,
                    exemptions: &exemptions,
                    methods: &methods,
                    takes_in,
                    out: Vec::new(),
                    reason: None,
                };
                compiler.all();
                if !compiler.out.is_empty() {
                    covered.insert(index);
                }
                if let Some(reason) = compiler.reason {
                    reasons.entry(index).or_insert(reason);
                }
                compiled.attempts.append(&mut compiler.out);
            }
        }
    }
    if options.provider.is_some() && between.len() > 1 {
        compiled.attempts.extend(ghosts(surfaces, options));
    }
    for (index, surface) in surfaces.known.iter().enumerate().filter(|(_, surface)| wanted(surface)) {
        compiled.operations += 1;
        if !covered.contains(&index) {
            match reasons.remove(&index) {
                Some(reason) => compiled.exempt.push((surface.operation.clone(), reason)),
                None => compiled.uncovered.push(surface.operation.clone()),
            }
        }
    }
    compiled.uncovered.extend(surfaces.unknown.iter().cloned());
    compiled
}

/// Which methods the document knows for a path.
fn declared_methods(surfaces: &Surfaces) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for surface in &surfaces.known {
        methods.entry(&surface.path).or_default().insert(&surface.method);
    }
    methods
}

/// What a stranger is due who names another tenant's object of `kind` there.
pub(crate) fn due(surface: &Surface, kind: Kind) -> Option<Due> {
    rule(surface, kind).map(|rule| rule.due)
}

fn rule(surface: &Surface, kind: Kind) -> Option<StrangerRule> {
    let mut rules = surface.stranger.iter();
    let exact = rules.clone().find(|rule| rule.slot == Some(kind));
    exact.or_else(|| rules.find(|rule| rule.slot.is_none())).copied()
}

/// Whether a slot names something that a tenant owns.
pub(crate) fn attackable(slot: &Slot) -> bool {
    // The number of a version means nothing without its policy.
    !matches!(slot.kind, Kind::Word | Kind::Region | Kind::TenantToken | Kind::PolicyVersion)
}

/// Whether a slot says who asks.
pub(crate) fn names_somebody(slot: &Slot) -> bool {
    matches!(slot.kind, Kind::Email | Kind::Identity)
}

/// One long page of a list: what leaks may stand on a later one.
pub(crate) fn long_page() -> Tamper {
    Tamper::Query { name: "per_page".to_owned(), value: Fill::Text("500".to_owned()), kind: Kind::Word }
}

pub(crate) fn words(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// One operation in one direction.
pub(crate) struct Compiler<'a> {
    pub(crate) index: usize,
    pub(crate) surface: &'a Surface,
    pub(crate) attacker: &'a Party,
    pub(crate) victim: &'a Party,
    pub(crate) options: &'a Options,
    pub(crate) exemptions: &'a [Exemption],
    pub(crate) methods: &'a BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Some operation takes another tenant's user in.
    pub(crate) takes_in: bool,
    pub(crate) out: Vec<Attempt>,
    pub(crate) reason: Option<String>,
}

/// What makes one attempt of a tool differ from the next.
pub(crate) struct Draft<'d> {
    pub(crate) tool: &'static str,
    pub(crate) variant: &'d str,
    pub(crate) identity: Identity,
    pub(crate) attacked: &'d [&'d Slot],
    pub(crate) fill: Fill,
    pub(crate) tamper: Vec<Tamper>,
    pub(crate) control: Control,
    pub(crate) oracles: Vec<Oracle>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn all(&mut self) {
        if self.surface.gives_link() && self.options.takes(Family::Storage) {
            self.links();
        }
        if !self.options.takes(self.surface.family) {
            return;
        }
        if self.needs_provider() && self.options.provider.is_none() {
            self.reason = Some("no tenant here has children: nobody could make the control".into());
            return;
        }
        let changes = !self.surface.does.only_looks();
        if self.surface.audience == Audience::Operator && changes && self.options.provider.is_none() {
            self.reason =
                Some("no provider to make a throw-away tenant, and the control must not change a real one".into());
            return;
        }
        match self.surface.audience {
            Audience::Operator => self.operators_door(),
            _ if self.surface.does == Does::Login && self.surface.slots.iter().any(names_somebody) => {
                self.foreign_login();
            }
            Audience::User | Audience::Device | Audience::Public => {
                self.foreign_objects();
                self.undeclared_methods();
                if self.is_own_childs_business() {
                    self.credentials();
                    return;
                }
                self.own_place();
                self.own_beside_foreign();
                self.elsewhere();
                self.spellings();
                self.injected();
                self.twins();
                self.take_over();
                self.tenant_context();
                self.credentials();
                self.lists();
                self.search_terms();
                self.taken_names();
                self.logs();
                self.mass_assignment();
            }
        }
    }

    /// Administration of tenants: only one who has children does it, so nobody else can make the control.
    pub(crate) fn needs_provider(&self) -> bool {
        self.surface.role.0 == [Least::ProviderAdmin]
    }

    /// The slots that name something of the victim's which the attacker may not have.
    pub(crate) fn slots(&self) -> Vec<&'a Slot> {
        let parent_may = self.victim.parent.as_deref() == Some(self.attacker.name.as_str());
        let surface = self.surface;
        surface
            .slots
            .iter()
            .filter(|slot| attackable(slot))
            .filter(|slot| due(surface, slot.kind).is_some_and(|due| due != Due::Allowed))
            .filter(|slot| !(parent_may && slot.kind == Kind::Tenant && surface.role.0.contains(&Least::ProviderAdmin)))
            .collect()
    }

    /// Those of them without which there is no request.
    pub(crate) fn required(&self) -> Vec<&'a Slot> {
        let slots = self.slots();
        self.surface.required().filter(|slot| slots.contains(slot)).collect()
    }

    /// Those of them that must look as if they named nothing (a taken address is told as such).
    pub(crate) fn unseen(&self) -> Vec<&'a Slot> {
        let told = |slot: &&Slot| due(self.surface, slot.kind) == Some(Due::Refused(Refusal::Conflict));
        self.required().into_iter().filter(|slot| !told(slot)).collect()
    }

    /// Whether the attacker would administer a child of its own: that is no attack.
    pub(crate) fn is_own_childs_business(&self) -> bool {
        self.needs_provider()
            && self.attacker.provider
            && self.surface.required().any(|slot| slot.kind == Kind::Tenant)
            && self.required().is_empty()
    }

    pub(crate) fn identities(&self) -> Vec<Identity> {
        match self.surface.audience {
            Audience::Device => vec![Identity::Device],
            _ => Role::ALL.into_iter().map(Identity::User).collect(),
        }
    }

    pub(crate) fn mightiest(&self) -> Identity {
        match self.surface.audience {
            Audience::Device => Identity::Device,
            _ => Identity::User(Role::Admin),
        }
    }

    /// Whether this identity may use the operation inside its own tenant.
    pub(crate) fn may(&self, identity: &Identity) -> bool {
        match identity {
            Identity::User(role) => self.surface.role.allows(*role, self.attacker.provider),
            Identity::Device => self.surface.audience == Audience::Device,
            _ => false,
        }
    }

    /// Who can do with the victim's object what the attempt tries.
    pub(crate) fn rightful(&self) -> Control {
        if self.needs_provider() { Control::Provider } else { Control::Victim }
    }

    pub(crate) fn push(&mut self, draft: Draft<'_>) {
        if let Some(reason) = exempt(self.exemptions, &self.surface.operation, draft.tool, self.attacker.provider) {
            self.reason = Some(reason.to_owned());
            return;
        }
        let slots: Vec<String> = draft.attacked.iter().map(|slot| slot.key()).collect();
        let mut id = format!("{}/{}", draft.tool, words(&self.surface.operation));
        for part in [slots.join("+"), draft.variant.to_owned()].iter().filter(|part| !part.is_empty()) {
            id.push('/');
            id.push_str(part);
        }
        let identity = match &draft.identity {
            Identity::Forged(whose, _) => words(&whose.to_string()),
            other => words(&other.to_string()),
        };
        id.push_str(&format!("/{}>{}/{identity}", self.attacker.name, self.victim.name));
        if let Some((_, because)) = self.options.skip.iter().find(|(start, _)| id.starts_with(start.as_str())) {
            self.reason = Some(format!("left out: {because}"));
            return;
        }
        self.out.push(Attempt {
            id,
            tool: draft.tool,
            surface: self.index,
            operation: self.surface.operation.clone(),
            actor: Actor { tenant: self.attacker.name.clone(), identity: draft.identity },
            victim: self.victim.name.clone(),
            fills: slots.iter().map(|key| (key.clone(), draft.fill.clone())).collect(),
            attacked: slots,
            tamper: draft.tamper,
            throw_away: self.surface.disposable,
            control: draft.control,
            oracles: draft.oracles,
            ok: self.surface.ok.clone(),
        });
    }

    /// What must be true when `identity` names foreign things in `slots`.
    pub(crate) fn oracles(&self, identity: &Identity, slots: &[&Slot]) -> Vec<Oracle> {
        if !self.may(identity) {
            return vec![Oracle::Kind(Refusal::Forbidden), Oracle::Unchanged, Oracle::NoCanary];
        }
        let rules = slots.iter().filter_map(|slot| rule(self.surface, slot.kind));
        let mut dues: Vec<(u16, Due)> = rules.map(|rule| (rule.status, rule.due)).collect();
        dues.sort();
        dues.dedup();
        let mut oracles = match dues.as_slice() {
            [(_, Due::Refused(Refusal::Unseen))] => vec![Oracle::Kind(Refusal::Unseen), Oracle::AsNeverExisted],
            [(_, Due::Refused(kind))] => vec![Oracle::Kind(*kind)],
            // Different refusals: which comes first is the platform's choice, but it is that for nothing.
            _ => vec![Oracle::AsNeverExisted],
        };
        oracles.extend([Oracle::Unchanged, Oracle::NoCanary]);
        oracles
    }
}
