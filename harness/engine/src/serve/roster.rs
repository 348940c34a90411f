//! Who was made by the first start of a platform that lasts: names, addresses and roles, no secret.

use super::ServeError;
use crate::run::Run;
use fleetproof_language::Platform;
use fleetproof_stacks::{DataFolder, StackError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file in the data folder.
const FILE: &str = "roster.json";

/// Tenants and their people.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Roster {
    pub(super) tenants: Vec<Member>,
}

/// A tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) is_provider: bool,
    pub(super) admin: Person,
    pub(super) users: Vec<Person>,
}

/// A person.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) email: String,
    /// In the words of the language.
    pub(super) role: String,
}

/// Who is where, to be compared: tenant, then address, then role.
type People = BTreeMap<String, BTreeMap<String, String>>;

impl Roster {
    /// Who is there.
    pub(super) fn of(run: &Run) -> Self {
        let declared = &run.plan.scenario.platform.tenants;
        let person = |email: &str, role: &str| Person { email: email.to_owned(), role: role.to_owned() };
        let tenants = run.people.tenants().into_iter().map(|tenant| Member {
            name: tenant.at.name.to_string(),
            id: tenant.at.id.to_string(),
            is_provider: tenant.is_provider,
            admin: person(&tenant.admin, ADMIN),
            users: declared
                .get(&tenant.at.name)
                .into_iter()
                .flat_map(|declared| declared.users.iter())
                .map(|(email, user)| person(email, user.role.as_ref().map_or(ADMIN, |role| role.word())))
                .collect(),
        });
        Self { tenants: tenants.collect() }
    }

    /// Who was there when the folder was made.
    pub(super) fn kept(folder: &DataFolder) -> Result<Self, ServeError> {
        let damaged = |why: &dyn std::fmt::Display| {
            ServeError::Folder(format!("{}: {why}: restore the file from a copy", folder.path(FILE).display()))
        };
        let bytes = folder.kept(FILE).map_err(|error| ServeError::Stack(StackError::Platform(error)))?;
        let bytes = bytes.ok_or_else(|| damaged(&"it is gone"))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(&error))
    }

    /// Keeps it with the data.
    pub(super) fn keep(&self, folder: &DataFolder) -> Result<(), ServeError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| ServeError::Folder(error.to_string()))?;
        let kept = folder.keep(FILE, format!("{text}\n").as_bytes());
        kept.map(drop).map_err(|error| ServeError::Stack(StackError::Platform(error)))
    }

    /// Whether these are the tenants and people that `platform` asks for. Limits may have changed since.
    pub(super) fn agrees(&self, platform: &Platform) -> Result<(), ServeError> {
        let people = |admin: &Person, users: &[Person]| {
            users.iter().chain([admin]).map(|person| (person.email.clone(), person.role.clone())).collect()
        };
        let there: People =
            self.tenants.iter().map(|tenant| (tenant.name.clone(), people(&tenant.admin, &tenant.users))).collect();
        let wanted = wanted(platform);
        let mut differences = there
            .iter()
            .chain(&wanted)
            .filter(|(name, people)| there.get(*name) != Some(people) || wanted.get(*name) != Some(people));
        match differences.next() {
            None => Ok(()),
            Some((name, _)) => Err(ServeError::OtherTenants(format!("`{name}` differs"))),
        }
    }
}

const ADMIN: &str = "admin";

/// Who is there once the tenants that start ready are.
fn wanted(platform: &Platform) -> People {
    let mut all = People::new();
    if let Some(provider) = &platform.provider {
        all.insert(Run::PROVIDER.to_owned(), BTreeMap::from([(provider.admin.value.clone(), ADMIN.to_owned())]));
    }
    for (name, tenant) in
        platform.tenants.iter().filter(|(_, tenant)| tenant.starts == fleetproof_language::Starts::Ready)
    {
        let users = tenant.users.iter().map(|(email, user)| {
            (email.value.clone(), user.role.as_ref().map_or(ADMIN, |role| role.word()).to_owned())
        });
        let mut people: BTreeMap<String, String> = users.collect();
        people.insert(tenant.admin.value.clone(), ADMIN.to_owned());
        all.insert(name.value.clone(), people);
    }
    all
}
