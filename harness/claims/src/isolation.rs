//! `isolation`: every operation × every tool that applies × both directions × every identity.

use crate::exemptions::{Exemption, exempt, exemptions};
use crate::model::{
    Actor, Attempt, Audience, BodyTemplate, Compiled, Control, Does, Due, Family, Fill, Forgery, Identity, Kind, Least,
    LinkBend, Oracle, Place, Refusal, Role, Slot, StrangerRule, Surface, Surfaces, Tamper,
};
use crate::tools;
use std::collections::{BTreeMap, BTreeSet};

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
}

impl Options {
    fn takes(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }
}

/// Headers by which gateways are known to hand on a tenant.
const TENANT_HEADERS: [&str; 4] = ["X-Tenant-Id", "X-MEN-Tenant", "X-Forwarded-Tenant", "X-Organization-Id"];
/// Query parameters that stretch, shift or reorder a list, with values.
const PAGING: [(&str, &str); 15] = [
    ("per_page", "500"),
    ("per_page", "-1"),
    ("page", "0"),
    ("page", "100000"),
    ("limit", "-1"),
    ("sort", "tenant_id:asc"),
    ("sort", "asc"),
    ("status", "accepted"),
    ("status", "pending"),
    ("status", "inprogress"),
    ("has_group", "true"),
    ("created_after", "0"),
    ("created_before", "4000000000"),
    ("type", "software"),
    ("actor_type", "user"),
];
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

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
    !matches!(slot.kind, Kind::Word | Kind::TenantToken)
}

/// Whether a slot says who asks.
fn names_somebody(slot: &Slot) -> bool {
    matches!(slot.kind, Kind::Email | Kind::Identity)
}

fn words(text: &str) -> String {
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
struct Compiler<'a> {
    index: usize,
    surface: &'a Surface,
    attacker: &'a Party,
    victim: &'a Party,
    options: &'a Options,
    exemptions: &'a [Exemption],
    methods: &'a BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Some operation takes another tenant's user in.
    takes_in: bool,
    out: Vec<Attempt>,
    reason: Option<String>,
}

/// What makes one attempt of a tool differ from the next.
struct Draft<'d> {
    tool: &'static str,
    variant: &'d str,
    identity: Identity,
    attacked: &'d [&'d Slot],
    fill: Fill,
    tamper: Vec<Tamper>,
    control: Control,
    oracles: Vec<Oracle>,
}

impl<'a> Compiler<'a> {
    fn all(&mut self) {
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
                self.capitals();
                self.twins();
                self.take_over();
                self.tenant_context();
                self.credentials();
                self.lists();
                self.audit_alter();
                self.mass_assignment();
            }
        }
    }

    /// Administration of tenants: only one who has children does it, so nobody else can make the control.
    fn needs_provider(&self) -> bool {
        self.surface.role.0 == [Least::ProviderAdmin]
    }

    /// The slots that name something of the victim's which the attacker may not have.
    fn slots(&self) -> Vec<&'a Slot> {
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
    fn required(&self) -> Vec<&'a Slot> {
        let slots = self.slots();
        self.surface.required().filter(|slot| slots.contains(slot)).collect()
    }

    /// Those of them that must look as if they named nothing (a taken address is told as such).
    fn unseen(&self) -> Vec<&'a Slot> {
        let told = |slot: &&Slot| due(self.surface, slot.kind) == Some(Due::Refused(Refusal::Conflict));
        self.required().into_iter().filter(|slot| !told(slot)).collect()
    }

    /// Whether the attacker would administer a child of its own: that is no attack.
    fn is_own_childs_business(&self) -> bool {
        self.needs_provider()
            && self.attacker.provider
            && self.surface.required().any(|slot| slot.kind == Kind::Tenant)
            && self.required().is_empty()
    }

    fn identities(&self) -> Vec<Identity> {
        match self.surface.audience {
            Audience::Device => vec![Identity::Device],
            _ => Role::ALL.into_iter().map(Identity::User).collect(),
        }
    }

    fn mightiest(&self) -> Identity {
        match self.surface.audience {
            Audience::Device => Identity::Device,
            _ => Identity::User(Role::Admin),
        }
    }

    /// Whether this identity may use the operation inside its own tenant.
    fn may(&self, identity: &Identity) -> bool {
        match identity {
            Identity::User(role) => self.surface.role.allows(*role, self.attacker.provider),
            Identity::Device => self.surface.audience == Audience::Device,
            _ => false,
        }
    }

    /// Who can do with the victim's object what the attempt tries.
    fn rightful(&self) -> Control {
        if self.needs_provider() { Control::Provider } else { Control::Victim }
    }

    fn push(&mut self, draft: Draft<'_>) {
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
    fn oracles(&self, identity: &Identity, slots: &[&Slot]) -> Vec<Oracle> {
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

    /// H1, H6 and H7: each slot, and all of them together.
    fn foreign_objects(&mut self) {
        let slots = self.slots();
        let mut sets: Vec<Vec<&Slot>> = slots.iter().map(|slot| vec![*slot]).collect();
        let required = self.unseen();
        if required.len() > 1 {
            sets.push(required);
        }
        for set in sets {
            let Some(first) = set.first() else { continue };
            let tool = match first.place {
                Place::Body | Place::Query | Place::Filter if self.surface.does.shows_many() => tools::FOREIGN_FILTER,
                Place::Body if self.surface.does == Does::Create => tools::FOREIGN_REFERENCE,
                _ => tools::FOREIGN_ID,
            };
            for identity in self.identities() {
                let oracles = self.oracles(&identity, &set);
                self.push(Draft {
                    tool,
                    variant: "",
                    identity,
                    attacked: &set,
                    fill: Fill::Victims,
                    tamper: Vec::new(),
                    control: self.rightful(),
                    oracles,
                });
            }
        }
    }

    /// H1: the verbs that the document does not have.
    fn undeclared_methods(&mut self) {
        let path: Vec<&Slot> = self.slots().into_iter().filter(|slot| slot.place == Place::Path).collect();
        let declared = self.methods.get(self.surface.path.as_str()).cloned().unwrap_or_default();
        // Once per path.
        if path.is_empty() || declared.first() != Some(&self.surface.method.as_str()) {
            return;
        }
        for method in METHODS.iter().filter(|method| !declared.contains(**method)) {
            self.push(Draft {
                tool: tools::UNDECLARED_METHOD,
                variant: method,
                identity: self.mightiest(),
                attacked: &path,
                fill: Fill::Victims,
                tamper: vec![Tamper::Method((*method).to_owned())],
                control: self.rightful(),
                oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H1: changes that name no object.
    fn own_place(&mut self) {
        if self.surface.does.only_looks() || self.surface.does == Does::Login || !self.required().is_empty() {
            return;
        }
        for identity in self.identities() {
            let oracles = if self.may(&identity) {
                vec![Oracle::Status(self.surface.ok.clone()), Oracle::Unchanged, Oracle::NoCanary]
            } else {
                vec![Oracle::Kind(Refusal::Forbidden), Oracle::Unchanged, Oracle::NoCanary]
            };
            let control = if self.may(&identity) { Control::Itself } else { Control::Admin };
            // Only a tenant with children has an admin who may: elsewhere the provider shows that it works.
            let control = if self.needs_provider() && control == Control::Admin { Control::Provider } else { control };
            self.push(Draft {
                tool: tools::OWN_PLACE,
                variant: "",
                identity,
                attacked: &[],
                fill: Fill::Own,
                tamper: Vec::new(),
                control,
                oracles,
            });
        }
    }

    /// H2: own and foreign in one list, or one parameter twice.
    fn own_beside_foreign(&mut self) {
        let identity = self.mightiest();
        for slot in self.slots() {
            let repeats = slot.name.contains("[]") || slot.place == Place::Query;
            let is_object = !matches!(slot.kind, Kind::Email | Kind::Any);
            if !repeats || slot.optional || !is_object || !self.may(&identity) {
                continue;
            }
            self.push(Draft {
                tool: tools::OWN_BESIDE_FOREIGN,
                variant: "",
                identity: identity.clone(),
                attacked: &[slot],
                fill: Fill::OwnThenVictims,
                tamper: Vec::new(),
                control: self.rightful(),
                oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H2: ids in capitals.
    fn capitals(&mut self) {
        let identity = self.mightiest();
        let by_name = [Kind::Group, Kind::Release, Kind::Role];
        for slot in self.slots() {
            if slot.place != Place::Path || by_name.contains(&slot.kind) || !self.may(&identity) {
                continue;
            }
            self.push(Draft {
                tool: tools::CAPITALS,
                variant: "",
                identity: identity.clone(),
                attacked: &[slot],
                fill: Fill::Victims,
                tamper: vec![Tamper::Capitals(slot.key())],
                control: self.rightful(),
                oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H2: the same name in both tenants.
    fn twins(&mut self) {
        let identity = self.mightiest();
        for slot in self.slots() {
            let named =
                matches!(slot.kind, Kind::Group | Kind::Release) && matches!(slot.place, Place::Path | Place::Query);
            if !named || self.surface.audience != Audience::User || !self.may(&identity) {
                continue;
            }
            self.push(Draft {
                tool: tools::TWIN,
                variant: "",
                identity: identity.clone(),
                attacked: &[slot],
                fill: Fill::Twin,
                tamper: Vec::new(),
                control: Control::Itself,
                oracles: vec![Oracle::Status(self.surface.ok.clone()), Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H4: a foreign user, taken in and then given another password.
    fn take_over(&mut self) {
        let identity = self.mightiest();
        let surface = self.surface;
        if !self.takes_in || surface.does != Does::Change || surface.object != Kind::User || !self.may(&identity) {
            return;
        }
        let about = |slot: &&Slot| matches!(slot.kind, Kind::User | Kind::Email);
        let slots: Vec<&Slot> = surface.required().filter(about).collect();
        if !slots.iter().any(|slot| slot.kind == Kind::User) {
            return;
        }
        let password = Tamper::Field { name: "password".to_owned(), value: "\"taken over by fleetproof\"".to_owned() };
        self.push(Draft {
            tool: tools::TAKE_OVER,
            variant: "password",
            identity,
            attacked: &slots,
            fill: Fill::Victims,
            tamper: vec![Tamper::Joined, password],
            control: Control::Victim,
            oracles: vec![Oracle::Unchanged, Oracle::NoCanary],
        });
    }

    /// H3: the victim's tenant in headers, query and host.
    fn tenant_context(&mut self) {
        let identity = self.mightiest();
        if !self.may(&identity) {
            return;
        }
        let required = self.unseen();
        let (fill, control, oracles) = if !required.is_empty() {
            (Fill::Victims, self.rightful(), vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary])
        } else if self.surface.does.only_looks() {
            (Fill::Own, Control::Actor, vec![Oracle::OwnOnly, Oracle::NoCanary])
        } else {
            (
                Fill::Own,
                Control::Itself,
                vec![Oracle::Status(self.surface.ok.clone()), Oracle::Unchanged, Oracle::NoCanary],
            )
        };
        let headers = TENANT_HEADERS
            .iter()
            .map(|name| Tamper::Header { name: (*name).to_owned(), value: Fill::Victims })
            .collect::<Vec<_>>();
        let query = ["tenant_id", "tenant"]
            .iter()
            .map(|name| Tamper::Query { name: (*name).to_owned(), value: Fill::Victims, kind: Kind::Tenant })
            .collect();
        for (tool, tamper) in
            [(tools::TENANT_HEADER, headers), (tools::TENANT_QUERY, query), (tools::TENANT_HOST, vec![Tamper::Host])]
        {
            let mut oracles = oracles.clone();
            if tool == tools::TENANT_QUERY {
                // A parameter that nobody knows may well be a search for what is not there.
                for oracle in oracles.iter_mut().filter(|oracle| **oracle == Oracle::OwnOnly) {
                    *oracle = Oracle::AsNeverExisted;
                }
            }
            self.push(Draft {
                tool,
                variant: "",
                identity: identity.clone(),
                attacked: &required,
                fill: fill.clone(),
                tamper,
                control,
                oracles,
            });
        }
    }

    /// H4: no token, a bent one, one for another door.
    fn credentials(&mut self) {
        if self.surface.audience == Audience::Public {
            return;
        }
        let required: Vec<&Slot> = self.surface.required().filter(|slot| attackable(slot)).collect();
        // A child's object is administered by its parent: whose it is does not matter here, the credential does.
        let control = match self.surface.role.0.as_slice() {
            [Least::ProviderAdmin] => Control::Provider,
            _ => Control::Victim,
        };
        let (own, other) = match self.surface.audience {
            Audience::Device => (Identity::Device, Identity::User(Role::Admin)),
            _ => (Identity::User(Role::Admin), Identity::Device),
        };
        let bent = Forgery::ALL
            .into_iter()
            .map(|forgery| (tools::FORGED_TOKEN, forgery.word(), Identity::Forged(Box::new(own.clone()), forgery)));
        let all = [(tools::NO_TOKEN, "", Identity::Nobody), (tools::WRONG_DOOR, "", other)];
        for (tool, variant, identity) in all.into_iter().chain(bent) {
            self.push(Draft {
                tool,
                variant,
                identity,
                attacked: &required,
                fill: Fill::Victims,
                tamper: Vec::new(),
                control,
                oracles: vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H4: every identity of a tenant at the operator's door.
    fn operators_door(&mut self) {
        let named: Vec<&Slot> = self
            .surface
            .slots
            .iter()
            .filter(|slot| attackable(slot) && slot.place != Place::Filter && !slot.optional)
            .collect();
        let users = Role::ALL.into_iter().map(Identity::User);
        for identity in users.chain([Identity::Device, Identity::Nobody]) {
            self.push(Draft {
                tool: tools::OPERATORS_DOOR,
                variant: "",
                identity,
                attacked: &named,
                fill: Fill::Victims,
                tamper: Vec::new(),
                control: Control::Operator,
                oracles: vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H4: the victim's name with a secret of one's own.
    fn foreign_login(&mut self) {
        let surface = self.surface;
        for slot in surface.slots.iter().filter(|slot| names_somebody(slot)) {
            let identity = if slot.kind == Kind::Identity { Identity::Device } else { Identity::User(Role::Admin) };
            self.push(Draft {
                tool: tools::FOREIGN_LOGIN,
                variant: "",
                identity,
                attacked: &[slot],
                fill: Fill::Victims,
                tamper: Vec::new(),
                control: Control::Victim,
                oracles: vec![Oracle::Kind(Refusal::Unauthenticated), Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H6: what one sees without naming anything.
    fn lists(&mut self) {
        if !self.surface.does.only_looks() || !self.required().is_empty() {
            return;
        }
        let sees_children =
            self.victim.parent.as_deref() == Some(self.attacker.name.as_str()) && self.surface.object == Kind::Tenant;
        for identity in self.identities() {
            let oracles = match (self.may(&identity), sees_children) {
                (false, _) => vec![Oracle::Kind(Refusal::Forbidden), Oracle::NoCanary],
                (true, true) => vec![Oracle::Status(self.surface.ok.clone()), Oracle::NoCanary],
                (true, false) => vec![Oracle::Status(self.surface.ok.clone()), Oracle::SameTotal, Oracle::NoCanary],
            };
            self.push(Draft {
                tool: tools::LIST,
                variant: "",
                identity,
                attacked: &[],
                fill: Fill::Own,
                tamper: Vec::new(),
                control: self.rightful(),
                oracles,
            });
        }
        let identity = self.mightiest();
        if !self.surface.does.shows_many() || !self.may(&identity) {
            return;
        }
        let declared = &self.surface.parameters;
        let known = PAGING.into_iter().filter(|(name, _)| declared.iter().any(|known| known == name));
        // Whatever else a list can be asked by, with a value that means nothing.
        let others = declared.iter().filter(|name| PAGING.iter().all(|(known, _)| name != known));
        let all: Vec<(&str, &str)> = known.chain(others.map(|name| (name.as_str(), "true"))).collect();
        for (name, value) in all {
            self.push(Draft {
                tool: tools::PAGING,
                variant: &format!("{name}={value}"),
                identity: identity.clone(),
                attacked: &[],
                fill: Fill::Own,
                tamper: vec![Tamper::Query {
                    name: name.to_owned(),
                    value: Fill::Text(value.to_owned()),
                    kind: Kind::Word,
                }],
                control: self.rightful(),
                oracles: vec![Oracle::NoCanary],
            });
        }
    }

    /// H9: the log is for reading.
    fn audit_alter(&mut self) {
        let declared = self.methods.get(self.surface.path.as_str()).cloned().unwrap_or_default();
        if self.surface.family != Family::Audit || declared.first() != Some(&self.surface.method.as_str()) {
            return;
        }
        for method in METHODS.iter().filter(|method| !declared.contains(**method)) {
            self.push(Draft {
                tool: tools::AUDIT_ALTER,
                variant: method,
                identity: self.mightiest(),
                attacked: &[],
                fill: Fill::Own,
                tamper: vec![Tamper::Method((*method).to_owned())],
                control: Control::Victim,
                oracles: vec![Oracle::NoSuccess, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H16: fields that say whose it is.
    fn mass_assignment(&mut self) {
        let object_body = matches!(&self.surface.body, Some(BodyTemplate::Json(body)) if body.is_object());
        let identity = self.mightiest();
        let makes = matches!(self.surface.does, Does::Create | Does::Change);
        if !object_body || !makes || !self.may(&identity) {
            return;
        }
        let whose = ["tenant_id", "tenant", "owner_id"].map(|name| (name, "\"$victim\""));
        let rank =
            [("service_provider", "true"), ("parent_tenant_id", "\"$victim\""), ("x_tenant", "{\"id\":\"$victim\"}")];
        for (variant, fields) in [("whose", whose), ("rank", rank)] {
            let tamper = fields
                .into_iter()
                .map(|(name, value)| Tamper::Field { name: name.to_owned(), value: value.to_owned() })
                .collect();
            self.push(Draft {
                tool: tools::MASS_ASSIGNMENT,
                variant,
                identity: identity.clone(),
                attacked: &[],
                fill: Fill::Own,
                tamper,
                control: Control::Actor,
                oracles: vec![Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H5: signed links, bent.
    fn links(&mut self) {
        let surface = self.surface;
        let slots: Vec<&Slot> = surface.slots.iter().filter(|slot| attackable(slot)).collect();
        for bend in LinkBend::ALL {
            self.push(Draft {
                tool: tools::SIGNED_LINK,
                variant: bend.word(),
                identity: Identity::Nobody,
                attacked: &slots,
                fill: Fill::Victims,
                tamper: vec![Tamper::Link(bend)],
                control: Control::Victim,
                oracles: vec![Oracle::NoSuccess, Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }
}
