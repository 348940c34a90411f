//! What a scenario's `platform` describes comes into being.

use crate::accounts::Deed;
use crate::expectations::client_limits::of_clients;
use crate::people::{Passwords, Tenant};
use crate::run::{Result, Run, Stop};
use fleetproof_claims::model::Role;
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::organisation::{self, NewAccount, OnItsWay, Organisation};
use fleetproof_dialects::mender::{ClientLimit, Mender, Session, TenantRef, roles};
use fleetproof_journal::What;
use fleetproof_language::{Located, Protocol, Quotas, Rate, Starts, User};
use fleetproof_plan::Plan;
use fleetproof_stacks::{Founding, Running, Tenancy};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tenant of people who have an account and belong to no tenant of the scenario.
const BYSTANDERS: &str = "people without a tenant";

/// The tenants that have no parent: the provider, or, without one, all that are there from the start.
pub(crate) fn founding(plan: &Plan, passwords: &Passwords) -> Founding {
    let platform = &plan.scenario.platform;
    let tenancy = |name: &str, is_provider, limit: Option<u32>, admin: &str| Tenancy {
        name: name.to_owned(),
        is_provider,
        device_limit: limit.map_or(-1, i64::from),
        admin_email: admin.to_owned(),
        admin_password: passwords.of(admin),
    };
    let mut tenants = match &platform.provider {
        Some(provider) => vec![tenancy(Run::PROVIDER, true, Some(provider.device_limit.value), &provider.admin)],
        None => platform
            .tenants
            .iter()
            .filter(|(_, tenant)| tenant.starts == Starts::Ready)
            .map(|(name, tenant)| {
                tenancy(name, false, tenant.device_limit.as_ref().map(|limit| limit.value), &tenant.admin)
            })
            .collect(),
    };
    if let Some(first) = platform.people.first() {
        tenants.push(tenancy(BYSTANDERS, false, None, first));
    }
    let regions = platform.regions.iter().map(|region| region.value.clone()).collect();
    let limits_clients = platform.tenants.iter().filter_map(|(_, tenant)| tenant.quotas.as_ref());
    let limits_clients = limits_clients.flat_map(|quotas| quotas.limits()).any(|limit| of_clients(limit).is_some());
    let has_accounts = platform.lobby.is_some() || !platform.regions.is_empty();
    let has_things = plan.population.devices.iter().any(|device| device.speaks == Protocol::Mqtt);
    let speaks_mqtt = has_things || has_accounts || limits_clients;
    Founding { tenants, regions, speaks_mqtt }
}

/// Makes the tenants that start ready, and everybody's users.
pub(crate) async fn settle(run: &Run, running: &Running) -> Result<()> {
    let scenario = run.plan.scenario.clone();
    for (name, founded) in &running.founded {
        let is_provider = scenario.platform.provider.is_some();
        let at = TenantRef::new(name, &founded.tenant_id);
        run.mender.know_tenant(&at, None);
        let is_provider = is_provider && name == Run::PROVIDER;
        let (admin, limit) = match (&scenario.platform.provider, scenario.platform.tenants.get(name)) {
            (Some(provider), _) if is_provider => (provider.admin.value.clone(), Some(provider.device_limit.value)),
            (_, Some(tenant)) => (tenant.admin.value.clone(), tenant.device_limit.as_ref().map(|limit| limit.value)),
            _ if name == BYSTANDERS => (scenario.platform.people.first().map_or("", |it| it.as_str()).to_owned(), None),
            _ => continue,
        };
        run.limits.insert(name.clone(), limit.map_or(-1, i64::from));
        let token = Arc::from(founded.tenant_token.as_str());
        run.people.settle(Tenant { at, token, is_provider, admin });
    }
    for person in scenario.platform.people.iter().skip(1) {
        let by = run.people.admin(BYSTANDERS).await?;
        join(run, &by, person, BYSTANDERS, Role::Admin, &[]).await??;
    }
    if scenario.platform.lobby.is_some() || !scenario.platform.regions.is_empty() {
        let by = run.people.admin(Run::PROVIDER).await?;
        let regions: Vec<String> = scenario.platform.regions.iter().map(|region| region.value.clone()).collect();
        let organisation = organisation::found(&run.mender, &by, &regions).await?;
        run.accounts.organisation.change(|known| *known = Some(organisation));
    }
    if scenario.platform.provider.is_some() {
        let by = run.people.admin(Run::PROVIDER).await?;
        for (name, tenant) in scenario.platform.tenants.iter() {
            if tenant.starts == Starts::Ready {
                let answer = asked_for(run, name, false).ask(&run.mender, &by).await;
                taken_note(run, name, &by, answer)?;
                run.carried_out.insert("onboard");
                welcome(run, name).await?;
            }
        }
    }
    run.lobby.open(run).await?;
    for (name, tenant) in scenario.platform.tenants.iter() {
        if tenant.starts == Starts::Ready {
            if let Some(quotas) = &tenant.quotas {
                set_quotas(run, name, quotas).await?;
            }
            users(run, name, &tenant.users.0).await?;
        }
    }
    Ok(())
}

/// What is asked for when a child tenant is made.
#[derive(Clone, Debug)]
pub(crate) struct AskedFor {
    name: String,
    admin: String,
    password: Password,
    limit: Option<i64>,
    /// The organisation that has it made, and what is asked of that; `None`: there is none.
    vended: Option<(Organisation, NewAccount)>,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) struct Answered {
    answer: std::result::Result<String, DialectError>,
    /// What was seen of the account on its way; `None`: it is none of an organisation's.
    seen: Option<OnItsWay>,
}

/// A password on its way: it cannot be printed.
#[derive(Clone)]
struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl AskedFor {
    /// Asks, and waits until the tenant is there.
    pub(crate) async fn ask(self, mender: &Mender, by: &Session) -> Answered {
        let Some((organisation, new)) = self.vended else {
            let answer = mender.create_tenant(by, &self.name, &self.admin, &self.password.0, self.limit).await;
            return Answered { answer, seen: None };
        };
        let mut seen = OnItsWay::default();
        let answer = organisation::vend(mender, by, &organisation, &new, &self.password.0, &mut seen).await;
        Answered { answer, seen: Some(seen) }
    }
}

/// Takes note of what came of asking for an account.
pub(crate) fn taken_note(
    run: &Run,
    name: &str,
    by: &Session,
    answered: Answered,
) -> std::result::Result<String, DialectError> {
    let Answered { answer, seen } = answered;
    let Some(seen) = seen else { return answer };
    run.accounts.saw(name, seen);
    let (what, text) = match &answer {
        Ok(account) => (Deed::Onboarded(account.clone()), format!("`{name}` is the account {account}")),
        // Only what was taken on can come to nothing; what was refused leaves nothing to tell.
        Err(DialectError::Unreadable { reason, .. }) => (Deed::Undone, reason.clone()),
        Err(_) => return answer,
    };
    let seq = run.shared.emit("engine", None, What::Note { text });
    run.accounts.tell(seq, by, name, what);
    answer
}

/// What the scenario says of the tenant called `name`. `is_watched`: it is looked at while it comes into being.
pub(crate) fn asked_for(run: &Run, name: &str, is_watched: bool) -> AskedFor {
    let (admin, limit) = match run.plan.scenario.platform.tenants.get(name) {
        Some(tenant) => {
            (first_admin(run, name, &tenant.admin), tenant.device_limit.as_ref().map(|l| i64::from(l.value)))
        }
        None => (String::new(), None),
    };
    let password = Password(run.people.password(&admin));
    let declared = run.plan.scenario.platform.tenants.get(name);
    let regions = declared.map(|tenant| tenant.regions.iter().map(|region| region.value.clone()).collect());
    let vended = run.accounts.organisation.read(Clone::clone).map(|organisation| {
        let (email, token) = run.accounts.ask(name, run.shared.now());
        let regions = regions.unwrap_or_default();
        let (name, admin) = (name.to_owned(), admin.clone());
        (organisation, NewAccount { name, email, token, admin, regions, device_limit: limit, is_watched })
    });
    AskedFor { name: name.to_owned(), admin, password, limit, vended }
}

/// The lobby may act in a new tenant, or not, as the scenario says.
async fn trust_as_declared(run: &Run, name: &str) -> Result<()> {
    let withheld = run.plan.scenario.platform.tenants.get(name).is_some_and(|tenant| !tenant.trusts_lobby());
    if !withheld || !run.accounts.are_made() {
        return Ok(());
    }
    let (by, admin) = (run.people.admin(Run::PROVIDER).await?, run.people.admin(name).await?);
    let (account, place) = (organisation::own_account(&run.mender, &admin).await?, run.things.place(run, name).await?);
    organisation::set_trust(&run.mender, &by, &account, &place.region, false).await?;
    run.accounts.trust(name, &place.region, false);
    let text = format!("`{name}` does not let the lobby act in {}", place.region);
    let seq = run.shared.emit("engine", None, What::Note { text });
    let what = Deed::Trust { account, region: place.region, on: false };
    run.accounts.tell(seq, &by, name, what);
    Ok(())
}

/// With whose address a tenant is asked for. A platform takes no address twice: where the admin has an account already, a
/// steward stands in until she is a user there too.
fn first_admin(run: &Run, tenant: &str, admin: &str) -> String {
    if run.people.is_known(admin) { format!("steward-of-{tenant}@fleetproof.test") } else { admin.to_owned() }
}

/// Lets the first admin of a new tenant in, and takes note of what she sees there.
pub(crate) async fn welcome(run: &Run, name: &str) -> Result<()> {
    let Some(tenant) = run.plan.scenario.platform.tenants.get(name).cloned() else { return Ok(()) };
    let admin = &tenant.admin.value;
    let first = first_admin(run, name, admin);
    let session = run.mender.login(&first, &run.people.password(&first), None).await?;
    let info = run.mender.tenant_info(&session).await?;
    if info.row.name != name {
        let found = &info.row.name;
        return Err(Stop::Failed(format!("`{first}` logs in and finds herself in `{found}`, not in `{name}`")));
    }
    let at = TenantRef::new(name, &info.row.id);
    let parent = run.people.tenant(Run::PROVIDER).map(|provider| provider.at.id.to_string());
    run.mender.know_tenant(&at, parent.as_deref());
    let session = run.mender.login(&first, &run.people.password(&first), Some(&at)).await?;
    // Of an account it is known what it must be: what was asked for, or what its tier says.
    let asked = tenant.device_limit.as_ref().map_or(organisation::DEVICES, |limit| limit.value.into());
    let limit = if run.accounts.are_made() { asked } else { info.row.device_limit };
    run.limits.insert(name.to_owned(), limit);
    let token = Arc::from(info.token.as_str());
    run.people.settle(Tenant { at, token, is_provider: false, admin: first.clone() });
    run.people.keep(&first, name, session.clone());
    if first == *admin {
        return trust_as_declared(run, name).await;
    }
    join(run, &session, admin, name, Role::Admin, &[]).await??;
    run.people.hand_over(name, admin);
    let session = run.people.admin(name).await?;
    if let Some(steward) = run.mender.user_id(&session, &first).await? {
        run.mender.remove_user(&session, &steward).await?;
    }
    run.people.removed(&first, name);
    trust_as_declared(run, name).await
}

/// Limits a tenant beside its devices. The platform's operator does it.
pub(crate) async fn set_quotas(run: &Run, tenant: &str, quotas: &Quotas) -> Result<()> {
    if let Some(rate) = &quotas.call_rate {
        let at = run.tenant(tenant)?;
        run.mender.set_call_rate(&at.id, rate.value.count.into(), rate.value.per.as_secs()).await?;
        run.call_rates.insert(tenant.to_owned(), rate.value);
    }
    if let Some(limit) = &quotas.storage {
        let at = run.tenant(tenant)?;
        run.mender.set_operator_storage(&at.id, limit.value).await?;
        run.storage_limits.insert(tenant.to_owned(), limit.value);
    }
    let limits = client_limits(quotas)?;
    if !limits.is_empty() {
        let at = run.tenant(tenant)?;
        run.mender.set_client_limits(&at.id, &limits).await?;
        run.client_limits.change(|all| all.entry(tenant.to_owned()).or_default().extend(limits));
    }
    Ok(())
}

/// What is said of a tenant's clients, in the platform's units.
fn client_limits(quotas: &Quotas) -> Result<BTreeMap<ClientLimit, u64>> {
    let rate = |limit: &Option<Located<Rate>>| limit.as_ref().map(|limit| per_second(limit.value)).transpose();
    let count = |limit: &Option<Located<u32>>| limit.as_ref().map(|limit| u64::from(limit.value));
    let size = |limit: &Option<Located<u64>>| limit.as_ref().map(|limit| limit.value);
    let set = [
        (ClientLimit::Connections, count(&quotas.connections)),
        (ClientLimit::Connects, rate(&quotas.connect_rate)?),
        (ClientLimit::ConnectsPerClient, rate(&quotas.connects_per_client)?),
        (ClientLimit::Bandwidth, size(&quotas.connection_bandwidth)),
        (ClientLimit::Publishes, rate(&quotas.publish_rate)?),
        (ClientLimit::PublishesPerConnection, rate(&quotas.device_publish_rate)?),
        (ClientLimit::Payload, size(&quotas.payload)),
        (ClientLimit::Unacknowledged, count(&quotas.in_flight)),
        (ClientLimit::Subscriptions, count(&quotas.subscriptions)),
        (ClientLimit::Filters, count(&quotas.filters)),
        (ClientLimit::TopicLevels, count(&quotas.topic_levels)),
        (ClientLimit::Retained, count(&quotas.retained)),
        (ClientLimit::Queued, count(&quotas.queued)),
        (ClientLimit::OpenJobs, count(&quotas.jobs)),
        (ClientLimit::SessionExpiry, quotas.session_expiry.as_ref().map(|limit| limit.value.as_secs())),
    ];
    Ok(set.into_iter().filter_map(|(limit, most)| Some((limit, most?))).collect())
}

/// A rate as the platform counts it: whole ones in a second.
fn per_second(rate: Rate) -> Result<u64> {
    let (count, micros) = (u128::from(rate.count) * 1_000_000, rate.per.as_micros().max(1));
    match count.is_multiple_of(micros) {
        true => Ok(u64::try_from(count / micros).unwrap_or(u64::MAX)),
        false => Err(Stop::Failed(format!("the platform counts by the second: {rate} is no whole number in one"))),
    }
}

/// The users of a tenant: new people are created, known ones are assigned.
pub(crate) async fn users(run: &Run, tenant: &str, users: &[(Located<String>, Located<User>)]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let by = run.people.admin(tenant).await?;
    for (person, user) in users {
        let role = user.role.as_ref().map_or(Role::Admin, |role| granted(role.value));
        let only: Vec<String> = user.only.iter().map(|group| group.value.clone()).collect();
        join(run, &by, person, tenant, role, &only).await??;
        run.carried_out.insert("add_user");
    }
    Ok(())
}

/// Makes `person` a user of `tenant`, whether the platform knows her already or not. The platform's no is the inner
/// error.
pub(crate) async fn join(
    run: &Run,
    by: &Session,
    person: &str,
    tenant: &str,
    role: Role,
    only: &[String],
) -> Result<std::result::Result<(), DialectError>> {
    let at = run.tenant(tenant)?;
    let answer = if run.people.is_known(person) {
        let id = person_id(run, person).await?;
        // Roles are a tenant's own; who acts from outside (a provider's admin) can give only what is built in.
        let inside = by.tenant_id().is_some_and(|id| *id == at.id);
        let word = if inside { run.mender.ensure_role(by, role, only).await } else { Ok(roles::name(role, only)) };
        match word {
            Ok(word) => run.mender.assign_user(by, &id, &[&at.id], &word).await,
            Err(error) => Err(error),
        }
    } else {
        run.mender.create_user(by, person, &run.people.password(person), role, only).await.map(drop)
    };
    if answer.is_ok() {
        run.people.joined(person, tenant);
    }
    Ok(answer)
}

/// The platform's id of a person that it knows: only she herself can tell, wherever she lives.
pub(crate) async fn person_id(run: &Run, person: &str) -> Result<String> {
    let home = run.people.acting(person, "").await?;
    Ok(run.mender.me(&home).await?.id)
}

/// A role of the language as the claims have it; `none` is nobody's and never granted.
pub(crate) fn granted(role: fleetproof_language::Role) -> Role {
    match role {
        fleetproof_language::Role::Operator => Role::Operator,
        fleetproof_language::Role::Installer => Role::Installer,
        fleetproof_language::Role::Viewer => Role::Viewer,
        fleetproof_language::Role::Admin | fleetproof_language::Role::None => Role::Admin,
    }
}
