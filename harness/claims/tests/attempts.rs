//! Compiling claims: which attempts there are, and what is left out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_claims::model::*;
use fleetproof_claims::{Options, Party, Subject, access, catalogue, exemptions, find, isolation};
use std::collections::BTreeSet;

fn slot(text: &str) -> Slot {
    let (place, rest) = text.split_once(':').unwrap();
    let (name, kind) = rest.rsplit_once(':').unwrap();
    let place = match place {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        _ => Place::Body,
    };
    Slot {
        place,
        name: name.trim_end_matches('?').into(),
        kind: Kind::parse(kind).unwrap(),
        optional: name.ends_with('?'),
    }
}

struct Row<'a>(
    &'a str,
    &'a str,
    &'a str,
    Audience,
    Kind,
    Does,
    &'a str,
    &'a str,
    &'a [(Option<Kind>, u16, Due)],
    &'a str,
);

fn surface(row: Row<'_>) -> Surface {
    let Row(operation, method, path, audience, object, does, slots, role, stranger, body) = row;
    Surface {
        operation: operation.into(),
        method: method.into(),
        path: path.into(),
        family: Family::Http,
        audience,
        object,
        does,
        slots: slots.split(' ').filter(|s| !s.is_empty()).map(slot).collect(),
        parameters: if does == Does::List { vec!["page".into(), "per_page".into()] } else { vec![] },
        role: RoleRule::parse(role).unwrap(),
        stranger: stranger
            .iter()
            .map(|(slot, status, due)| StrangerRule { slot: *slot, status: *status, due: *due })
            .collect(),
        ok: vec![200],
        body: (!body.is_empty()).then(|| BodyTemplate::Json(serde_json::from_str(body).unwrap())),
        disposable: !does.only_looks() && does != Does::Create,
        audited: !does.only_looks(),
    }
}

const UNSEEN: Due = Due::Refused(Refusal::Unseen);

fn surfaces() -> Surfaces {
    use Audience::{Device, Operator, Public, User};
    Surfaces {
        known: [
            Row(
                "Show User",
                "GET",
                "/users/{user_id}",
                User,
                Kind::User,
                Does::Read,
                "path:user_id:user",
                "admin",
                &[(None, 404, UNSEEN)],
                "",
            ),
            Row(
                "Remove User",
                "DELETE",
                "/users/{user_id}",
                User,
                Kind::User,
                Does::Delete,
                "path:user_id:user",
                "admin",
                &[(None, 204, UNSEEN)],
                "",
            ),
            Row(
                "List Users",
                "GET",
                "/users",
                User,
                Kind::User,
                Does::List,
                "query:id:user",
                "admin",
                &[(None, 200, Due::OwnOnly)],
                "",
            ),
            Row(
                "Assign Tenants",
                "POST",
                "/users/{user_id}/assign",
                User,
                Kind::User,
                Does::Act,
                "path:user_id:user body:tenant_ids[]:tenant",
                "admin|provider-admin",
                &[(Some(Kind::Tenant), 403, UNSEEN), (Some(Kind::User), 200, Due::Allowed)],
                r#"{"tenant_ids":["$tenant"]}"#,
            ),
            Row(
                "Create Deployment",
                "POST",
                "/deployments",
                User,
                Kind::Deployment,
                Does::Create,
                "body:artifact_name:release body:devices[]:device",
                "operator",
                &[(Some(Kind::Release), 422, UNSEEN), (Some(Kind::Device), 201, UNSEEN)],
                r#"{"name":"$name","artifact_name":"$artifact_name","devices":["$device"]}"#,
            ),
            Row(
                "Remove Group",
                "DELETE",
                "/groups/{group}",
                User,
                Kind::Group,
                Does::Delete,
                "path:group:group",
                "operator",
                &[(None, 200, UNSEEN)],
                "",
            ),
            Row(
                "Update Child",
                "PUT",
                "/tenants/{tenant_id}/child",
                User,
                Kind::Tenant,
                Does::Change,
                "path:tenant_id:tenant",
                "provider-admin",
                &[(None, 403, UNSEEN)],
                r#"{"name":"$name"}"#,
            ),
            Row(
                "Device Artifact",
                "GET",
                "/device/artifacts/{artifact_id}",
                Device,
                Kind::Artifact,
                Does::Read,
                "path:artifact_id:artifact",
                "device",
                &[(None, 404, UNSEEN)],
                "",
            ),
            Row(
                "Login",
                "POST",
                "/login",
                Public,
                Kind::Session,
                Does::Login,
                "header:Authorization:email",
                "any",
                &[(None, 401, Due::Refused(Refusal::Unauthenticated))],
                "",
            ),
            Row(
                "Set Limit",
                "PUT",
                "/operator/tenants/{tenant_id}",
                Operator,
                Kind::Limit,
                Does::Change,
                "path:tenant_id:tenant",
                "operator-door",
                &[(None, 401, Due::Refused(Refusal::Unauthenticated))],
                "",
            ),
        ]
        .into_iter()
        .map(surface)
        .collect(),
        unknown: vec!["GET /nobody/knows".into()],
        unknown_of_account: Vec::new(),
        unknown_of_lobby: Vec::new(),
    }
}

fn party(name: &str) -> Party {
    match name {
        "provider" => Party { name: name.into(), provider: true, parent: None },
        name => Party { name: name.into(), provider: false, parent: Some("provider".into()) },
    }
}

fn with_provider() -> Options {
    Options { provider: Some("provider".into()), ..Options::default() }
}

fn told(compiled: &Compiled) -> String {
    let attempts =
        compiled.attempts.iter().map(|a| format!("{} ⇒ {} ⟵ {:?}", a.id, fleetproof_claims::expected(a), a.control));
    let exempt = compiled.exempt.iter().map(|(operation, reason)| format!("exempt: {operation}: {reason}"));
    let uncovered = compiled.uncovered.iter().map(|operation| format!("uncovered: {operation}"));
    attempts.chain(exempt).chain(uncovered).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_direction_of_isolation_reads_as_a_list_of_attacks() {
    let mut compiled = isolation(&surfaces(), &[party("acme"), party("globex")], &with_provider());
    compiled.attempts.retain(|a| {
        a.actor.tenant == "globex" && !matches!(&a.actor.identity, Identity::Forged(_, f) if *f != Forgery::AlgNone)
    });
    insta::assert_snapshot!(told(&compiled));
}

#[test]
fn every_pair_is_attacked_in_both_directions_and_ids_are_unique() {
    let compiled = isolation(&surfaces(), &[party("acme"), party("globex"), party("provider")], &with_provider());
    let ids: BTreeSet<&str> = compiled.attempts.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(ids.len(), compiled.attempts.len());
    let directions: BTreeSet<(&str, &str)> =
        compiled.attempts.iter().map(|a| (a.actor.tenant.as_str(), a.victim.as_str())).collect();
    // And that of a tenant which is removed and made again.
    assert_eq!(directions.len(), 6 + 1);
    assert_eq!(compiled.operations, 11);
    assert_eq!(compiled.uncovered, ["GET /nobody/knows"]);
    assert!(compiled.attempts.iter().all(|a| find(a.tool).is_some()));
}

#[test]
fn a_parent_is_not_an_attacker_of_its_childs_limits_but_of_its_users() {
    let compiled = isolation(&surfaces(), &[party("acme"), party("provider")], &with_provider());
    let from_provider = |operation: &str| {
        compiled
            .attempts
            .iter()
            .filter(|a| a.actor.tenant == "provider" && a.operation == operation && a.tool == "h1-foreign-id")
            .count()
    };
    assert_eq!(from_provider("Update Child"), 0);
    assert_eq!(from_provider("Show User"), 4);
}

#[test]
fn an_operation_left_out_altogether_is_exempt_with_the_reason() {
    let skip = vec![("h".to_owned(), "nothing today".to_owned())];
    let compiled = isolation(&surfaces(), &[party("acme"), party("globex")], &Options { skip, ..with_provider() });
    assert_eq!(compiled.attempts, vec![]);
    assert_eq!(compiled.exempt.len(), 10);
    assert_eq!(compiled.exempt[0].1, "left out: nothing today");
}

#[test]
fn without_a_provider_administration_of_tenants_is_exempt_not_silent() {
    let compiled = isolation(&surfaces(), &[party("acme"), party("globex")], &Options::default());
    let operations: Vec<&str> = compiled.exempt.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(operations, ["Update Child", "Set Limit"]);
    assert_eq!(compiled.exempt[0].1, "no tenant here has children: nobody could make the control");
}

#[test]
fn a_surface_that_no_tool_can_attack_is_uncovered() {
    let alone = isolation(&surfaces(), &[party("acme")], &with_provider());
    assert_eq!(alone.attempts, vec![]);
    assert_eq!(alone.uncovered.len(), 11, "a tenant alone has nobody to be isolated from");
    let mut odd = surfaces();
    odd.known[0].stranger = vec![];
    odd.known[0].audience = Audience::Public;
    let compiled = isolation(&odd, &[party("acme"), party("globex")], &with_provider());
    let tried = compiled.attempts.iter().any(|a| a.operation == "Show User" && a.tool == "h1-foreign-id");
    assert!(!tried, "nobody said what a stranger is due there");
    let none = Options { families: vec![Family::Audit], ..with_provider() };
    assert_eq!(isolation(&odd, &[party("acme"), party("globex")], &none).attempts, vec![]);
}

#[test]
fn access_of_a_viewer_is_every_operation_once() {
    let subject = Subject {
        user: "ivy@acme.test".into(),
        tenant: party("acme"),
        role: Some(Role::Viewer),
        narrowed: false,
        home: None,
        provider: Some("provider".into()),
    };
    insta::assert_snapshot!(told(&access(&surfaces(), &subject)));
}

#[test]
fn access_of_an_outsider_is_that_of_any_stranger() {
    let home = Some((party("provider"), Role::Admin));
    let subject = Subject {
        user: "pia@provider.test".into(),
        tenant: party("acme"),
        role: None,
        narrowed: false,
        home,
        provider: Some("provider".into()),
    };
    insta::assert_snapshot!(told(&access(&surfaces(), &subject)));
}

#[test]
fn the_catalogue_is_printed_like_this() {
    let text = catalogue()
        .iter()
        .map(|t| {
            format!(
                "{} ({}, {})\n  {}\n  control: {}\n  oracle: {}",
                t.id, t.family, t.claim, t.proves, t.control, t.oracle
            )
        })
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn every_exemption_has_a_reason_and_a_known_tool() {
    for exemption in exemptions() {
        assert!(exemption.reason.len() > 10, "{exemption:?}");
        assert!(exemption.tool == "*" || find(exemption.tool).is_some(), "{exemption:?}");
        assert!(["*", "provider"].contains(&exemption.from), "{exemption:?}");
    }
}
