//! The claims that make attempts of their own, compiled against the platform's surfaces.

use fleetproof_claims::feints::{add_feints, wants_feints};
use fleetproof_claims::model::{Compiled, Family, Role, Surfaces};
use fleetproof_claims::wired::{add_wired, wants_wired};
use fleetproof_claims::{Options, Party, Subject, access, isolation};
use fleetproof_language::{Claim, Protocol, Scenario, Span, Step, Surface};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name of the provider among tenants.
const PROVIDER: &str = "provider";

/// Compiles every such claim of the scenario.
pub(crate) fn compile(scenario: &Scenario, surfaces: &Surfaces) -> BTreeMap<Span, Compiled> {
    let mut compiled = BTreeMap::new();
    let (used, lobby) = (uses_accounts(scenario), scenario.platform.lobby.is_some());
    let (plain, whole) = (surfaces.in_play(false, false), surfaces.in_play(true, lobby));
    for step in scenario.all_steps() {
        let Step::Expect(expect) = &step.value else { continue };
        for claim in &expect.claims {
            match &claim.value {
                Claim::Isolation { between, surfaces: wanted, skip } => {
                    let parties: Vec<Party> = between.iter().map(|name| party(scenario, name)).collect();
                    let options = Options {
                        families: wanted.iter().map(|surface| family(surface.value)).collect(),
                        skip: skip
                            .iter()
                            .map(|skip| (skip.attempt.value.clone(), skip.because.value.clone()))
                            .collect(),
                        provider: provider(scenario),
                        patience: expect.within.as_ref().map_or(Duration::ZERO, |within| within.value),
                    };
                    let named = options.families.contains(&Family::Account);
                    let surfaces = if used || named { &whole } else { &plain };
                    let mut made = isolation(surfaces, &parties, &options);
                    if wants_wired(&options, used) {
                        add_wired(&mut made, &parties, &options);
                    }
                    if wants_feints(&options, lobby) {
                        add_feints(&mut made, &parties, &options);
                    }
                    compiled.insert(claim.span, made);
                }
                Claim::Access { user, tenant, role } => {
                    let subject = Subject {
                        user: user.value.clone(),
                        tenant: party(scenario, tenant),
                        role: granted(role.value),
                        narrowed: is_narrowed(scenario, user, tenant),
                        home: home(scenario, user, tenant),
                        provider: provider(scenario),
                    };
                    compiled.insert(claim.span, access(if used { &whole } else { &plain }, &subject));
                }
                _ => {}
            }
        }
    }
    compiled
}

/// Whether tenants of a scenario are used as accounts: by devices that speak MQTT, or by a lobby that brings them there.
fn uses_accounts(scenario: &Scenario) -> bool {
    let by_devices = scenario.devices.iter().any(|(_, group)| group.speaks.value == Protocol::Mqtt);
    by_devices || scenario.platform.lobby.is_some()
}

fn provider(scenario: &Scenario) -> Option<String> {
    scenario.platform.provider.as_ref().map(|_| PROVIDER.to_owned())
}

fn party(scenario: &Scenario, name: &str) -> Party {
    let is_provider = name == PROVIDER;
    Party { name: name.to_owned(), provider: is_provider, parent: provider(scenario).filter(|_| !is_provider) }
}

/// The family of a surface.
fn family(surface: Surface) -> Family {
    match surface {
        Surface::Http => Family::Http,
        Surface::Storage => Family::Storage,
        Surface::Audit => Family::Audit,
        Surface::Mqtt => Family::Mqtt,
        Surface::Account => Family::Account,
        Surface::Lobby => Family::Lobby,
    }
}

fn granted(role: fleetproof_language::Role) -> Option<Role> {
    match role {
        fleetproof_language::Role::Admin => Some(Role::Admin),
        fleetproof_language::Role::Operator => Some(Role::Operator),
        fleetproof_language::Role::Installer => Some(Role::Installer),
        fleetproof_language::Role::Viewer => Some(Role::Viewer),
        fleetproof_language::Role::None => None,
    }
}

/// Whether a person's role in a tenant was narrowed to groups, when it was given there last.
fn is_narrowed(scenario: &Scenario, person: &str, tenant: &str) -> bool {
    let mut added = None;
    for step in scenario.all_steps() {
        if let Step::AddUser(add) = &step.value
            && add.user.value == person
            && add.tenant.value == tenant
        {
            added = Some(!add.only.is_empty());
        }
    }
    let declared = || {
        let tenant = scenario.platform.tenants.iter().find(|(name, _)| name.value == tenant);
        tenant.and_then(|(_, tenant)| tenant.users.get(person)).is_some_and(|user| !user.only.is_empty())
    };
    added.unwrap_or_else(declared)
}

/// Where a person has a session of her own, other than in `tenant`, and as what.
fn home(scenario: &Scenario, person: &str, tenant: &str) -> Option<(Party, Role)> {
    let platform = &scenario.platform;
    if tenant != PROVIDER && platform.provider.as_ref().is_some_and(|provider| provider.admin.value == person) {
        return Some((party(scenario, PROVIDER), Role::Admin));
    }
    platform.tenants.iter().filter(|(name, _)| name.value != tenant).find_map(|(name, declared)| {
        let role = if declared.admin.value == person {
            Some(Role::Admin)
        } else {
            let user = declared.users.get(person)?;
            user.role.as_ref().map_or(Some(Role::Admin), |role| granted(role.value))
        };
        role.map(|role| (party(scenario, &name.value), role))
    })
}

#[cfg(test)]
mod tests {
    use crate::{ClockKind, Orders, plans};
    use fleetproof_language::{Sources, check};
    use std::sync::Arc;

    const TEXT: &str = r#"scenario: Surfaces
platform: { tenants: { acme: { admin: ada@acme.test }, globex: { admin: gus@globex.test } } }
devices: { lifts: { tenant: acme, simulated: 2, speaks: mqtt } }
steps:
  - enroll: { devices: [lifts] }
  - expect: { isolation: { between: [acme, globex], surfaces: [mqtt] } }
"#;

    #[test]
    fn the_lobby_is_attacked_by_stories_too_and_stands_for_no_other_surface() {
        let lobby = "platform: { regions: [eu], certificate_authorities: [f], lobby: { regions: [eu], trusts: [f] }, ";
        let text = TEXT.replace("[mqtt]", "[lobby]").replace("platform: { ", lobby);
        let mut sources = Sources::new();
        let file = sources.add("s.yaml", text);
        let (scripts, mistakes) = check(&sources, &[file]);
        assert!(mistakes.is_empty(), "{}", mistakes[0].render(&sources));
        let orders = Orders {
            capabilities: &[],
            surfaces: Arc::default(),
            seed: 1,
            seed_given: true,
            stack: "embedded",
            clock: ClockKind::Virtual,
        };
        let plans = plans(&scripts[0], &sources, &orders).unwrap();
        let compiled = &plans[0].attempts;
        let made = compiled.values().next().unwrap();
        assert_eq!((made.uncovered.len(), made.attempts.len()), (0, 0));
        assert!(made.wired.len() > 10 && made.wired.iter().all(|attempt| attempt.operation.starts_with("lobby")));
    }

    #[test]
    fn accounts_are_attacked_where_devices_use_them_or_a_claim_says_so() {
        use fleetproof_claims::model::{Audience, Does, Family, Kind, RoleRule, Surface, Surfaces};
        let surface = |operation: &str, family: Family| Surface {
            operation: operation.to_owned(),
            method: "GET".to_owned(),
            path: format!("/{operation}"),
            family,
            audience: Audience::User,
            object: Kind::Thing,
            does: Does::List,
            slots: Vec::new(),
            parameters: Vec::new(),
            role: RoleRule::parse("viewer").unwrap(),
            stranger: Vec::new(),
            ok: vec![200],
            body: None,
            disposable: false,
            audited: false,
        };
        let known = vec![surface("devices", Family::Http), surface("things", Family::Account)];
        let surfaces = Arc::new(Surfaces { known, ..Surfaces::default() });
        let attacked = |speaks: &str, wanted: &str| {
            let text = TEXT
                .replace("speaks: mqtt", &format!("speaks: {speaks}, runs: \"1.0\""))
                .replace(", surfaces: [mqtt]", wanted);
            let mut sources = Sources::new();
            let file = sources.add("s.yaml", text);
            let (scripts, mistakes) = check(&sources, &[file]);
            assert!(mistakes.is_empty(), "{}", mistakes[0].render(&sources));
            let orders = Orders {
                capabilities: &[],
                surfaces: surfaces.clone(),
                seed: 1,
                seed_given: true,
                stack: "embedded",
                clock: ClockKind::Virtual,
            };
            let plans = plans(&scripts[0], &sources, &orders).unwrap();
            let made = plans[0].attempts.values().next().unwrap();
            let operations: std::collections::BTreeSet<&str> =
                made.attempts.iter().map(|attempt| attempt.operation.as_str()).collect();
            operations.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(attacked("mender", ""), "devices");
        assert_eq!(attacked("mqtt", ""), "devices things");
        assert_eq!(attacked("mqtt", ", surfaces: [http]"), "devices");
        assert_eq!(attacked("mender", ", surfaces: [account]"), "things");
    }
}
