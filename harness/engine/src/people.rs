//! Who acts: tenants, people, their passwords and sessions.

use crate::shared::Shared;
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::{Mender, Session, TenantRef};
use fleetproof_world::Seeds;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant as the run knows it.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    /// Name in the scenario, id on the platform.
    pub(crate) at: TenantRef,
    /// What devices show to say whose they are.
    pub(crate) token: Arc<str>,
    /// It may have children.
    pub(crate) is_provider: bool,
    /// Its first admin.
    pub(crate) admin: String,
}

/// The passwords of a run: 24 letters and digits each, the same in the whole run.
#[derive(Clone)]
pub(crate) struct Passwords {
    seeds: Seeds,
    shared: Shared,
    /// Drawn already: a platform that serves draws from the system, which gives nothing twice.
    drawn: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Passwords {
    /// Passwords drawn from the run's seeds.
    pub(crate) fn new(seeds: &Seeds, shared: &Shared) -> Self {
        Self { seeds: seeds.child("people"), shared: shared.clone(), drawn: Arc::default() }
    }

    /// The password of a person: a secret from now on.
    pub(crate) fn of(&self, person: &str) -> String {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(password) = drawn.get(person) {
            return password.clone();
        }
        const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let mut stream = self.seeds.stream(person);
        let password: String = (0..24).map(|_| char::from(LETTERS[stream.gen_range(0..LETTERS.len())])).collect();
        self.shared.declare_secret(&password);
        drawn.insert(person.to_owned(), password.clone());
        password
    }
}

/// Tenants, people and sessions of a run.
pub(crate) struct People {
    passwords: Passwords,
    mender: Mender,
    shared: Shared,
    /// Tenants that are there, by name.
    tenants: BTreeMap<String, Tenant>,
    /// One session per person and tenant.
    sessions: BTreeMap<(String, String), Session>,
    /// Sessions of people who were removed since: whatever they open is a breach.
    former: BTreeMap<(String, String), Vec<Session>>,
    /// The tenant that each person came from: where logging in leads.
    homes: BTreeMap<String, String>,
    /// The tenants that each person belongs to.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Tenants that are suspended: nobody gets in, not even to look.
    suspended: BTreeSet<String>,
}

impl People {
    /// Nobody yet.
    pub(crate) fn new(passwords: Passwords, mender: &Mender, shared: &Shared) -> Self {
        Self {
            passwords,
            mender: mender.clone(),
            shared: shared.clone(),
            tenants: BTreeMap::new(),
            sessions: BTreeMap::new(),
            former: BTreeMap::new(),
            homes: BTreeMap::new(),
            members: BTreeMap::new(),
            suspended: BTreeSet::new(),
        }
    }

    /// The password of a person.
    pub(crate) fn password(&self, person: &str) -> String {
        self.passwords.of(person)
    }

    /// A tenant that is there from now on.
    pub(crate) fn settle(&mut self, tenant: Tenant) {
        self.shared.declare_secret(&tenant.token);
        self.joined(&tenant.admin, &tenant.at.name);
        self.tenants.insert(tenant.at.name.to_string(), tenant);
    }

    /// Somebody else is the admin of a tenant from now on.
    pub(crate) fn hand_over(&mut self, tenant: &str, admin: &str) {
        if let Some(tenant) = self.tenants.get_mut(tenant) {
            admin.clone_into(&mut tenant.admin);
        }
    }

    /// A tenant by its name in the scenario, when it is there.
    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.get(name)
    }

    /// All tenants that are there, by name; also those that are suspended.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// The tenants whose own people can look into them.
    pub(crate) fn open_tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values().filter(|tenant| !self.suspended.contains(&*tenant.at.name))
    }

    /// Whether a tenant is suspended.
    pub(crate) fn is_suspended(&self, tenant: &str) -> bool {
        self.suspended.contains(tenant)
    }

    /// A tenant is suspended: every session in it is a former one.
    pub(crate) fn suspend(&mut self, tenant: &str) {
        self.suspended.insert(tenant.to_owned());
        let inside: Vec<_> = self.sessions.keys().filter(|(_, at)| at == tenant).cloned().collect();
        for place in inside {
            if let Some(session) = self.sessions.remove(&place) {
                self.former.entry(place).or_default().push(session);
            }
        }
    }

    /// A tenant is open again. What was open in it before is not.
    pub(crate) fn resume(&mut self, tenant: &str) {
        self.suspended.remove(tenant);
    }

    /// A tenant is gone: nobody belongs to it any more, and what was open in it is a former session.
    pub(crate) fn remove_tenant(&mut self, tenant: &str) {
        self.suspend(tenant);
        self.suspended.remove(tenant);
        self.tenants.remove(tenant);
        for tenants in self.members.values_mut() {
            tenants.remove(tenant);
        }
        // Who came from there and belongs elsewhere too logs in there from now on.
        let elsewhere = |person: &String| self.members.get(person).and_then(|tenants| tenants.first().cloned());
        let homeless: Vec<(String, Option<String>)> = self
            .homes
            .iter()
            .filter(|(_, home)| *home == tenant)
            .map(|(person, _)| (person.clone(), elsewhere(person)))
            .collect();
        for (person, home) in homeless {
            match home {
                Some(home) => drop(self.homes.insert(person, home)),
                None => drop(self.homes.remove(&person)),
            }
        }
    }

    /// Every session that anybody had in a tenant before it was suspended or removed, with whose it was.
    pub(crate) fn former_of(&self, tenant: &str) -> Vec<(String, Session)> {
        let inside = self.former.iter().filter(|((_, at), _)| at == tenant);
        inside.flat_map(|((person, _), all)| all.iter().map(|session| (person.clone(), session.clone()))).collect()
    }

    /// A person belongs to a tenant from now on; the first one is where logging in leads.
    pub(crate) fn joined(&mut self, person: &str, tenant: &str) {
        self.homes.entry(person.to_owned()).or_insert_with(|| tenant.to_owned());
        self.members.entry(person.to_owned()).or_default().insert(tenant.to_owned());
    }

    /// Whether a person has an account on the platform.
    pub(crate) fn is_known(&self, person: &str) -> bool {
        self.homes.contains_key(person)
    }

    /// The session in which a person acts upon `tenant`: the one inside it, if she belongs there, else the one at home.
    pub(crate) async fn acting(&mut self, person: &str, tenant: &str) -> Result<Session, PeopleError> {
        let inside = self.members.get(person).is_some_and(|tenants| tenants.contains(tenant));
        let home = self.homes.get(person).cloned().unwrap_or_else(|| tenant.to_owned());
        self.session(person, if inside { tenant } else { &home }).await
    }

    /// The session of `person` in `tenant` that is open.
    pub(crate) fn open_session(&self, person: &str, tenant: &str) -> Option<&Session> {
        self.sessions.get(&(person.to_owned(), tenant.to_owned()))
    }

    /// Keeps a session for later steps.
    pub(crate) fn keep(&mut self, person: &str, tenant: &str, session: Session) {
        if let Some(token) = session.token() {
            self.shared.declare_secret(token.reveal());
        }
        self.sessions.insert((person.to_owned(), tenant.to_owned()), session);
    }

    /// A person was removed from a tenant: her session there is a former one.
    pub(crate) fn removed(&mut self, person: &str, tenant: &str) {
        if let Some(tenants) = self.members.get_mut(person) {
            tenants.remove(tenant);
        }
        let place = (person.to_owned(), tenant.to_owned());
        if let Some(session) = self.sessions.remove(&place) {
            self.former.entry(place).or_default().push(session);
        }
    }

    /// What else a person who was removed from a tenant still holds of it.
    pub(crate) fn left_behind(&mut self, person: &str, tenant: &str, session: Option<Session>) {
        self.former.entry((person.to_owned(), tenant.to_owned())).or_default().extend(session);
    }

    /// The sessions that a person had in a tenant before she was removed from it.
    pub(crate) fn former(&self, person: &str, tenant: &str) -> &[Session] {
        self.former.get(&(person.to_owned(), tenant.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// A session of the first admin of `tenant`.
    pub(crate) async fn admin(&mut self, tenant: &str) -> Result<Session, PeopleError> {
        let known = self.tenants.get(tenant).ok_or_else(|| PeopleError::NoTenant(tenant.to_owned()))?;
        let admin = known.admin.clone();
        self.session(&admin, tenant).await
    }

    /// A session of `person` in `tenant`: the one that is open, or a login at home, or a switch from there.
    pub(crate) async fn session(&mut self, person: &str, tenant: &str) -> Result<Session, PeopleError> {
        if let Some(session) = self.open_session(person, tenant) {
            return Ok(session.clone());
        }
        let home = self.homes.get(person).cloned().unwrap_or_else(|| tenant.to_owned());
        let session = if home == tenant {
            self.login(person, &home).await?
        } else {
            let at_home = match self.open_session(person, &home) {
                Some(session) => session.clone(),
                None => {
                    let session = self.login(person, &home).await?;
                    self.keep(person, &home, session.clone());
                    session
                }
            };
            let into = self.tenants.get(tenant).ok_or_else(|| PeopleError::NoTenant(tenant.to_owned()))?.at.clone();
            self.mender.switch(&at_home, &into).await?
        };
        self.keep(person, tenant, session.clone());
        Ok(session)
    }

    async fn login(&self, person: &str, home: &str) -> Result<Session, PeopleError> {
        let at = self.tenants.get(home).map(|tenant| tenant.at.clone());
        Ok(self.mender.login(person, &self.password(person), at.as_ref()).await?)
    }
}

/// Why somebody cannot act.
#[derive(Debug)]
pub(crate) enum PeopleError {
    /// The tenant is not there (not onboarded, or removed).
    NoTenant(String),
    /// The platform did not let her in.
    Dialect(DialectError),
}

impl From<DialectError> for PeopleError {
    fn from(error: DialectError) -> Self {
        Self::Dialect(error)
    }
}

impl std::fmt::Display for PeopleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTenant(name) => write!(f, "`{name}` is not on the platform"),
            Self::Dialect(error) => error.fmt(f),
        }
    }
}
