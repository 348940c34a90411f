//! `serve`: the reference platform alone, for a person or a real client to try.

use crate::args::Serve as Arguments;
use crate::error::{CliError, Result};
use crate::{files, signals, survey};
use fleetproof_engine::serve::{ServeError, Served, ServedDoor, agrees, serve as keep_serving};
use fleetproof_journal::{Secrets, Verdict};
use fleetproof_language::{Located, Platform, Provider, Scenario, Sources, Span, Starts, Table, Tenant};
use fleetproof_plan::ClockKind;
use fleetproof_stacks::{DataFolder, Embedded, Service};
use fleetproof_world::{Runtime, World};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// Serves until a signal comes. Standard output has one line: what `serve` made, as JSON.
pub(crate) fn serve(arguments: &Arguments) -> Result<u8> {
    let (scenario, sources) = match &arguments.file {
        None => (Arc::new(demo()), Arc::new(Sources::new())),
        Some(file) => {
            let library = files::read(std::slice::from_ref(file))?;
            match library.scripts.first() {
                Some(script) if library.mistakes.is_empty() => {
                    (Arc::new(script.scenario().clone()), library.sources.clone())
                }
                _ => {
                    files::show_mistakes(&library);
                    return Ok(Verdict::Invalid.exit_code());
                }
            }
        }
    };
    let survey = survey::embedded()?;
    let plan = fleetproof_plan::plan(scenario, survey.capabilities, survey.surfaces, 0, ClockKind::Real);
    let stop = signals::first_cancels()?;
    let runtime =
        Runtime::real_time().map_err(|error| CliError::Broken(format!("no runtime could be made: {error}")))?;
    let data = arguments.data.as_deref().map(DataFolder::open).transpose();
    let data = data.map_err(|error| CliError::Broken(error.to_string()))?;
    let stack = Embedded {
        defect: arguments.seeded_defect.clone(),
        strong_passwords: true,
        service: Service::Slots,
        listen: Some(arguments.listen),
        listen_secure: Some(arguments.listen_https.unwrap_or(SocketAddr::new(arguments.listen.ip(), 0))),
        listen_mqtt: Some(arguments.listen_mqtt.unwrap_or(SocketAddr::new(arguments.listen.ip(), 0))),
        data: data.map(Arc::new),
    };
    if arguments.file.is_some() {
        agrees(&plan, &stack).map_err(refused)?;
    }
    runtime
        .block_on(async move {
            let tell = |served: &Served| anstream::println!("{}", told(served));
            keep_serving(Arc::new(plan), sources, World::serving(), stack, Secrets::new(), stop, tell).await
        })
        .map_err(refused)?;
    Ok(0)
}

fn refused(error: ServeError) -> CliError {
    match error {
        ServeError::OtherTenants(_) => CliError::Invalid(error.to_string()),
        _ => CliError::Broken(error.to_string()),
    }
}

/// The one line of standard output. Logins that `serve` made appear here and nowhere else: a data folder keeps the secret
/// that they are drawn from, and no password. Who has another password by now is told without.
fn told(served: &Served) -> Value {
    let login = |person: &fleetproof_engine::serve::Login| json!({ "email": person.email, "password": person.password, "role": person.role });
    let mut tenants = Map::new();
    for tenant in served.tenants.iter().filter(|tenant| !tenant.is_provider) {
        let users: Vec<Value> = tenant.users.iter().map(login).collect();
        tenants.insert(
            tenant.name.clone(),
            json!({
                "id": tenant.id,
                "tenant_token": tenant.token,
                "admin": login(&tenant.admin),
                "users": users,
                "mqtt": tenant.mqtt.iter().map(door).collect::<Vec<_>>(),
            }),
        );
    }
    let mut line = json!({
        "http": served.http,
        "openapi": format!("{}/openapi.json", served.http),
        "operator": { "http": served.operator, "token": served.operator_token },
        "tenants": tenants,
    });
    if let Some((https, ca_certificate)) = &served.https {
        line["https"] = json!(https);
        line["ca_certificate"] = json!(ca_certificate);
    }
    if let Some(provider) = served.tenants.iter().find(|tenant| tenant.is_provider) {
        line["provider"] = json!({ "id": provider.id, "admin": login(&provider.admin) });
    }
    line
}

/// Where devices of a tenant connect in a region, and one to try with.
fn door(door: &ServedDoor) -> Value {
    let mut told = json!({
        "region": door.region,
        "account": door.account,
        "endpoint": door.endpoint,
        "shared": door.shared,
        "own": door.own,
    });
    if let Some(device) = &door.device {
        told["device"] =
            json!({ "thing": device.thing, "certificate": device.certificate, "key": device.key.reveal() });
    }
    told
}

/// A provider and one tenant called `demo`.
fn demo() -> Scenario {
    fn here<T>(value: T) -> Located<T> {
        Located { value, span: Span::default() }
    }
    let provider = Provider { device_limit: here(1_000), admin: here("pia@provider.test".to_owned()) };
    let demo = Tenant {
        regions: Vec::new(),
        trusts: Vec::new(),
        lobby_trust: None,
        admin: here("ada@demo.test".to_owned()),
        device_limit: Some(here(100)),
        quotas: None,
        users: Table::default(),
        starts: Starts::Ready,
    };
    let tenants = Table(vec![(here("demo".to_owned()), here(demo))]);
    Scenario {
        scenario: here("serve".to_owned()),
        about: None,
        tags: Vec::new(),
        covers: Vec::new(),
        needs: Vec::new(),
        budget: None,
        matrix: Table::default(),
        vars: Table::default(),
        platform: Platform { provider: Some(here(provider)), tenants, ..Platform::default() },
        artifacts: Table::default(),
        devices: Table::default(),
        selections: Table::default(),
        steps: Vec::new(),
    }
}
