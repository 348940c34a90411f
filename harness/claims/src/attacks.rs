//! What each tool of the catalogue does with an operation.

use crate::isolation::{Compiler, Draft, attackable, names_somebody};
use crate::model::{
    Audience, BodyTemplate, Control, Does, Fill, Forgery, Identity, Kind, Least, Oracle, Place, Refusal, Role, Slot,
    Tamper,
};
use crate::tools;

/// Headers by which gateways are known to hand on a tenant.
const TENANT_HEADERS: [&str; 4] = ["X-Tenant-Id", "X-MEN-Tenant", "X-Forwarded-Tenant", "X-Organization-Id"];
/// Query parameters that stretch, shift or reorder a list, with values.
const PAGING: [(&str, &str); 21] = [
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
    ("maxResults", "250"),
    ("maxResults", "-1"),
    ("pageSize", "250"),
    ("pageSize", "-1"),
    ("MaxResults", "500"),
    ("devstate", "claimed"),
];
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

impl<'a> Compiler<'a> {
    /// H1, H6 and H7: each slot, and all of them together.
    pub(crate) fn foreign_objects(&mut self) {
        let slots = self.slots();
        let mut sets: Vec<Vec<&Slot>> = slots.iter().map(|slot| vec![*slot]).collect();
        let required = self.unseen();
        if required.len() > 1 {
            sets.push(required);
        }
        for set in sets {
            let Some(first) = set.first() else { continue };
            let tool = match first.place {
                _ if self.surface.names_the_new(first) => tools::TAKEN_NAME,
                _ if first.kind == Kind::TargetAccount => tools::FOREIGN_ACCOUNT,
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
    pub(crate) fn undeclared_methods(&mut self) {
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
    pub(crate) fn own_place(&mut self) {
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

    /// H4: a foreign user, taken in and then given another password.
    pub(crate) fn take_over(&mut self) {
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
    pub(crate) fn tenant_context(&mut self) {
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
    pub(crate) fn credentials(&mut self) {
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
    pub(crate) fn operators_door(&mut self) {
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
    pub(crate) fn foreign_login(&mut self) {
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
    pub(crate) fn lists(&mut self) {
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
                tamper: asked_by(name, value, declared),
                control: self.rightful(),
                oracles: vec![Oracle::NoCanary],
            });
        }
    }

    /// H16: fields that say whose it is.
    pub(crate) fn mass_assignment(&mut self) {
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
}

/// A list asked by one parameter, on one long page: what leaks may stand on a later one.
fn asked_by(name: &str, value: &str, declared: &[String]) -> Vec<Tamper> {
    let query = |name: &str, value: &str| Tamper::Query {
        name: name.to_owned(),
        value: Fill::Text(value.to_owned()),
        kind: Kind::Word,
    };
    let is_paging = matches!(name, "page" | "per_page" | "limit");
    let long_page = declared.iter().any(|known| known == "per_page") && !is_paging;
    let page = long_page.then(|| query("per_page", "500"));
    [query(name, value)].into_iter().chain(page).collect()
}
