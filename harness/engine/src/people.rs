//! Who acts: tenants, people, their passwords and sessions.

use crate::kept::Kept;
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

/// Tenants, people and sessions of a run. Branches share it.
pub(crate) struct People {
    passwords: Passwords,
    mender: Mender,
    shared: Shared,
    book: Kept<Book>,
    /// Whoever gets in does so one after another: a second session of the same person would be nobody's.
    door: tokio::sync::Mutex<()>,
}

/// Who is where.
#[derive(Default)]
struct Book {
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
        let (book, door) = (Kept::default(), tokio::sync::Mutex::default());
        Self { passwords, mender: mender.clone(), shared: shared.clone(), book, door }
    }

    /// The password of a person.
    pub(crate) fn password(&self, person: &str) -> String {
        self.passwords.of(person)
    }

    /// A tenant that is there from now on.
    pub(crate) fn settle(&self, tenant: Tenant) {
        self.shared.declare_secret(&tenant.token);
        self.joined(&tenant.admin, &tenant.at.name);
        self.book.change(|book| book.tenants.insert(tenant.at.name.to_string(), tenant));
    }

    /// Somebody else is the admin of a tenant from now on.
    pub(crate) fn hand_over(&self, tenant: &str, admin: &str) {
        self.book.change(|book| {
            if let Some(tenant) = book.tenants.get_mut(tenant) {
                admin.clone_into(&mut tenant.admin);
            }
        });
    }

    /// A tenant by its name in the scenario, when it is there.
    pub(crate) fn tenant(&self, name: &str) -> Option<Tenant> {
        self.book.read(|book| book.tenants.get(name).cloned())
    }

    /// All tenants that are there, by name; also those that are suspended.
    pub(crate) fn tenants(&self) -> Vec<Tenant> {
        self.book.read(|book| book.tenants.values().cloned().collect())
    }

    /// The tenants whose own people can look into them.
    pub(crate) fn open_tenants(&self) -> Vec<Tenant> {
        let is_open = |book: &Book, tenant: &Tenant| !book.suspended.contains(&*tenant.at.name);
        self.book.read(|book| book.tenants.values().filter(|tenant| is_open(book, tenant)).cloned().collect())
    }

    /// Whether a tenant is suspended.
    pub(crate) fn is_suspended(&self, tenant: &str) -> bool {
        self.book.read(|book| book.suspended.contains(tenant))
    }

    /// A tenant is suspended: every session in it is a former one.
    pub(crate) fn suspend(&self, tenant: &str) {
        self.book.change(|book| book.suspend(tenant));
    }

    /// A tenant is open again. What was open in it before is not.
    pub(crate) fn resume(&self, tenant: &str) {
        self.book.change(|book| book.suspended.remove(tenant));
    }

    /// A tenant is gone: nobody belongs to it any more, and what was open in it is a former session.
    pub(crate) fn remove_tenant(&self, tenant: &str) {
        self.book.change(|book| book.remove(tenant));
    }

    /// Every session that anybody had in a tenant before it was suspended or removed, with whose it was.
    pub(crate) fn former_of(&self, tenant: &str) -> Vec<(String, Session)> {
        self.book.read(|book| {
            let inside = book.former.iter().filter(|((_, at), _)| at == tenant);
            inside.flat_map(|((person, _), all)| all.iter().map(|session| (person.clone(), session.clone()))).collect()
        })
    }

    /// A person belongs to a tenant from now on; the first one is where logging in leads.
    pub(crate) fn joined(&self, person: &str, tenant: &str) {
        self.book.change(|book| {
            book.homes.entry(person.to_owned()).or_insert_with(|| tenant.to_owned());
            book.members.entry(person.to_owned()).or_default().insert(tenant.to_owned());
        });
    }

    /// Whether a person has an account on the platform.
    pub(crate) fn is_known(&self, person: &str) -> bool {
        self.book.read(|book| book.homes.contains_key(person))
    }

    /// The session in which a person acts upon `tenant`: the one inside it, if she belongs there, else the one at home.
    pub(crate) async fn acting(&self, person: &str, tenant: &str) -> Result<Session, PeopleError> {
        let inside = self.book.read(|book| book.members.get(person).is_some_and(|tenants| tenants.contains(tenant)));
        let home = self.home(person, tenant);
        self.session(person, if inside { tenant } else { &home }).await
    }

    /// Where a person logs in: where she came from, else `tenant`.
    fn home(&self, person: &str, tenant: &str) -> String {
        self.book.read(|book| book.homes.get(person).cloned().unwrap_or_else(|| tenant.to_owned()))
    }

    /// The session of `person` in `tenant` that is open.
    pub(crate) fn open_session(&self, person: &str, tenant: &str) -> Option<Session> {
        self.book.read(|book| book.sessions.get(&(person.to_owned(), tenant.to_owned())).cloned())
    }

    /// Keeps a session for later steps.
    pub(crate) fn keep(&self, person: &str, tenant: &str, session: Session) {
        if let Some(token) = session.token() {
            self.shared.declare_secret(token.reveal());
        }
        self.book.change(|book| book.sessions.insert((person.to_owned(), tenant.to_owned()), session));
    }

    /// A person was removed from a tenant: her session there is a former one.
    pub(crate) fn removed(&self, person: &str, tenant: &str) {
        self.book.change(|book| {
            if let Some(tenants) = book.members.get_mut(person) {
                tenants.remove(tenant);
            }
            book.close(&(person.to_owned(), tenant.to_owned()));
        });
    }

    /// What else a person who was removed from a tenant still holds of it.
    pub(crate) fn left_behind(&self, person: &str, tenant: &str, session: Option<Session>) {
        let place = (person.to_owned(), tenant.to_owned());
        self.book.change(|book| book.former.entry(place).or_default().extend(session));
    }

    /// The sessions that a person had in a tenant before she was removed from it.
    pub(crate) fn former(&self, person: &str, tenant: &str) -> Vec<Session> {
        let place = (person.to_owned(), tenant.to_owned());
        self.book.read(|book| book.former.get(&place).cloned().unwrap_or_default())
    }

    /// A session of the first admin of `tenant`.
    pub(crate) async fn admin(&self, tenant: &str) -> Result<Session, PeopleError> {
        let known = self.tenant(tenant).ok_or_else(|| PeopleError::NoTenant(tenant.to_owned()))?;
        self.session(&known.admin, tenant).await
    }

    /// A session of `person` in `tenant`: the one that is open, or a login at home, or a switch from there.
    pub(crate) async fn session(&self, person: &str, tenant: &str) -> Result<Session, PeopleError> {
        if let Some(session) = self.open_session(person, tenant) {
            return Ok(session);
        }
        let _turn = self.door.lock().await;
        // Another branch may have been let in as her meanwhile.
        if let Some(session) = self.open_session(person, tenant) {
            return Ok(session);
        }
        let home = self.home(person, tenant);
        let session = if home == tenant {
            self.login(person, &home).await?
        } else {
            let at_home = match self.open_session(person, &home) {
                Some(session) => session,
                None => {
                    let session = self.login(person, &home).await?;
                    self.keep(person, &home, session.clone());
                    session
                }
            };
            let into = self.tenant(tenant).ok_or_else(|| PeopleError::NoTenant(tenant.to_owned()))?.at;
            self.mender.switch(&at_home, &into).await?
        };
        self.keep(person, tenant, session.clone());
        Ok(session)
    }

    async fn login(&self, person: &str, home: &str) -> Result<Session, PeopleError> {
        let at = self.tenant(home).map(|tenant| tenant.at);
        Ok(self.mender.login(person, &self.password(person), at.as_ref()).await?)
    }
}

impl Book {
    /// The session at a place, if one is open, is a former one.
    fn close(&mut self, place: &(String, String)) {
        if let Some(session) = self.sessions.remove(place) {
            self.former.entry(place.clone()).or_default().push(session);
        }
    }

    fn suspend(&mut self, tenant: &str) {
        self.suspended.insert(tenant.to_owned());
        let inside: Vec<_> = self.sessions.keys().filter(|(_, at)| at == tenant).cloned().collect();
        inside.iter().for_each(|place| self.close(place));
    }

    fn remove(&mut self, tenant: &str) {
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
