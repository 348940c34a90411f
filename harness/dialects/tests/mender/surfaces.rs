use crate::audit::{Entries, differences};
use crate::common::{Stage, play};
use fleetproof_claims::model::{Audience, Does, Kind, Place, Role, Slot, Surface, Surfaces};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::objects::{Have, Made, Thing, canary_artifact};
use fleetproof_dialects::mender::table::Table;
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_platform::Platform;
use serde_json::json;

/// Those of the management interface, then those of accounts, then those of the lobby.
fn every_surface() -> Surfaces {
    let (account, lobby) = (Platform::account_document(), Platform::lobby_document());
    Mender::all_surfaces(&Platform::document(), &account, &lobby).unwrap()
}

#[test]
fn the_platforms_document_and_the_table_are_about_the_same_operations() {
    let surfaces = every_surface();
    assert_eq!(surfaces.unknown, Vec::<String>::new());
    assert_eq!(surfaces.unknown_of_account, Vec::<String>::new());
    assert_eq!(surfaces.unknown_of_lobby, Vec::<String>::new());
    let missing: Vec<&str> = Table::get()
        .rows()
        .iter()
        .map(|row| &*row.operation)
        .filter(|operation| surfaces.known.iter().all(|surface| surface.operation != **operation))
        .collect();
    // Links are no operation of the interface.
    assert_eq!(missing, ["x_fleetproof Download"]);
}

#[test]
fn an_operation_that_the_table_does_not_know_comes_out_as_unknown() {
    let mut document = Platform::document();
    let operation = json!({ "operationId": "Leak All", "responses": { "200": {} } });
    document["paths"]["/api/management/v1/leak"] = json!({ "get": operation });
    let moved = document["paths"]["/api/management/v1/useradm/users/me"].take();
    document["paths"]["/api/management/v1/useradm/users/myself"] = moved;
    document["paths"]["/nameless"] = json!({ "post": { "responses": {} } });
    let surfaces = Mender::surfaces(&document).unwrap();
    assert_eq!(surfaces.unknown, ["Leak All", "POST /nameless", "Show Own User Data"]);
}

/// What there is to name, made once for all operations that leave it as it is, and anew for the others.
struct Props {
    made: Vec<Made>,
}

impl Props {
    async fn new(stage: &Stage, at: usize) -> Self {
        let (mut made, mut have) = (Vec::new(), Have::new());
        for thing in [
            Thing::AcceptedDevice,
            Thing::Artifact,
            Thing::User(Role::Viewer),
            Thing::Role,
            Thing::Token,
            Thing::Group,
            Thing::Filter,
            Thing::Deployment,
        ] {
            let canary = format!("own{at}-{}", format!("{thing:?}").to_lowercase().replace(['(', ')'], "-"));
            let one = stage.mender.make(&stage.acme, thing, &canary, &have).await.unwrap();
            if let Some(id) = one.id(Kind::Device) {
                have.insert(Kind::Device, id.to_owned());
            }
            made.push(one);
        }
        let child =
            stage.mender.make(&stage.provider, Thing::Tenant, &format!("own{at}-child"), &Have::new()).await.unwrap();
        made.push(child);
        Self { made }
    }

    fn value(&self, slot: &Slot) -> Option<&str> {
        self.made
            .iter()
            .filter(|made| made.thing != Thing::Tenant || slot.kind == Kind::Tenant)
            .find_map(|made| made.value_for(slot))
    }
}

/// Whom an operation is for; the table's role says the rest.
async fn rightful(stage: &Stage, surface: &Surface, props: &Props) -> Session {
    match surface.audience {
        Audience::Operator => stage.mender.operator().unwrap(),
        Audience::Device => props.made.iter().find_map(|made| made.device.clone()).unwrap(),
        _ if surface.path.contains("tenantadm/tenants") || surface.operation.starts_with("Check User") => {
            stage.provider.clone()
        }
        _ => stage.acme.clone(),
    }
}

/// What must have happened before an operation can succeed.
async fn prepare(stage: &Stage, surface: &Surface, props: &Props) {
    match surface.operation.as_str() {
        "Get Deployment Log for Device" => {
            let device = props.made.iter().find_map(|made| made.device.clone()).unwrap();
            for (operation, mark) in [("Update Deployment Status", ""), ("Report Deployment Log", "it broke")] {
                let surface = Table::get().row(operation).unwrap().surface(Vec::new());
                let mut fills = Fills::default().mark("mark", mark).mark("time", "2030-01-01T00:00:00Z");
                for slot in &surface.slots {
                    fills = fills.slot(&slot.key(), props.value(slot).unwrap());
                }
                let request = build(&surface, &fills).unwrap();
                assert!(stage.mender.send(&device, Mender::door(&surface.path), request).await.unwrap().is_success());
            }
        }
        "Delete Inactive Account" => {
            let child = props.made.iter().find_map(|made| made.ids.get(&Kind::Tenant)).unwrap();
            stage.mender.suspend(child).await.unwrap();
        }
        _ => {}
    }
}

#[test]
fn each_operation_succeeds_for_whom_it_is_when_all_slots_name_own_things() {
    play(async |stage| {
        let surfaces = Mender::surfaces(&Platform::document()).unwrap();
        let mut failed = Vec::new();
        // Room in the pool for what is made and limited on the way.
        stage.mender.remove_tenant(&stage.provider, stage.globex.tenant_id().unwrap()).await.unwrap();
        stage.mender.configure_tenant(&stage.provider, stage.acme.tenant_id().unwrap(), 5).await.unwrap();
        for (at, surface) in surfaces.known.iter().enumerate() {
            // Logging in, as a person or a device, is a verb of its own, following a link too; a log-out would end the
            // session of all.
            if surface.does == Does::Login && surface.audience != Audience::User
                || ["Logout", "x_fleetproof Download"].contains(&surface.operation.as_str())
            {
                continue;
            }
            // A child in the way of the pool, a device in the way of the limit: each operation has its own scene.
            let props = Props::new(&stage, at).await;
            let by = rightful(&stage, surface, &props).await;
            let mut fills = Fills { file: Some(canary_artifact(&format!("file{at}")).bytes()), ..Fills::default() }
                .mark("name", format!("name{at}"))
                .mark("mark", format!("mark{at}"))
                .mark("email", format!("mail{at}@canary.test"))
                .mark("password", "correct horse battery")
                .mark("new_password", "correct horse battery")
                .mark("time", "2030-01-01T00:00:00Z")
                .mark("pubkey", stage.mender.key(&format!("fresh{at}")).public_pem());
            for slot in surface.slots.iter().filter(|slot| !slot.optional && slot.place != Place::Filter) {
                let fresh = surface.does == Does::Create
                    && matches!(
                        (slot.kind, slot.name.as_str()),
                        (Kind::Email | Kind::Identity, _) | (Kind::Role, "name")
                    );
                let own_tenant = stage.acme.tenant_id().unwrap();
                let value = match slot.kind {
                    Kind::Word => Some(if surface.path.contains("devauth") { "max_devices" } else { "storage" }),
                    Kind::Identity if fresh => Some("{\"serial\":\"fresh\"}"),
                    Kind::Email | Kind::Role if fresh => None,
                    Kind::Role if slot.name != "role_id" && slot.name != "name" => Some("RBAC_ROLE_OBSERVER"),
                    Kind::Tenant if surface.operation == "Issue Token" || surface.operation == "Assign Tenants" => {
                        Some(&**own_tenant)
                    }
                    _ => props.value(slot),
                };
                match value {
                    Some(value) => fills = fills.slot(&slot.key(), value),
                    None if slot.place == Place::Query => {}
                    None if fresh && slot.kind == Kind::Role => fills = fills.slot(&slot.key(), &format!("fresh{at}")),
                    None if fresh => fills = fills.slot(&slot.key(), &format!("fresh{at}@canary.test")),
                    None => failed.push(format!("{}: nothing for {}", surface.operation, slot.key())),
                }
            }
            prepare(&stage, surface, &props).await;
            let request = build(surface, &fills).unwrap();
            let answer = stage.mender.send(&by, Mender::door(&surface.path), request.clone()).await.unwrap();
            // Once more: whether that changes anything, the ledger has to know.
            stage.mender.send(&by, Mender::door(&surface.path), request).await.unwrap();
            if !surface.ok.contains(&answer.status) {
                failed.push(format!("{}: {answer}", surface.operation));
            }
            for child in stage.mender.tenants(&stage.provider).await.unwrap() {
                if child.name == format!("name{at}") && surface.does == Does::Create {
                    stage.mender.remove_tenant(&stage.provider, &child.id).await.unwrap();
                }
            }
            for made in props.made.iter().rev() {
                let owner = if made.thing == Thing::Tenant { &stage.provider } else { &stage.acme };
                stage.mender.remove(owner, made).await.unwrap();
            }
        }
        assert_eq!(failed, Vec::<String>::new());
        for log in [&stage.provider, &stage.acme] {
            assert_eq!(differences(&stage, log).await, Entries::new(), "in the log of {}", log.tenant().unwrap());
        }
    });
}

#[test]
fn the_claims_cover_every_operation_of_the_table() {
    use fleetproof_claims::{Options, Party, isolation};
    let surfaces = every_surface();
    let party = |name: &str, parent: Option<&str>| Party {
        name: name.to_owned(),
        provider: parent.is_none(),
        parent: parent.map(str::to_owned),
    };
    let between = [party("acme", Some("provider")), party("globex", Some("provider")), party("provider", None)];
    let options = Options { provider: Some("provider".to_owned()), ..Options::default() };
    let compiled = isolation(&surfaces, &between, &options);
    assert_eq!(compiled.uncovered, Vec::<String>::new());
    assert!(compiled.attempts.len() > 2_000, "{}", compiled.attempts.len());
}

/// Whatever the catalogue says has no place here must have none: the day the platform gets one, something has to attack it.
#[test]
fn what_the_catalogue_leaves_out_has_no_place_in_the_document() {
    let surfaces = Mender::surfaces(&Platform::document()).unwrap();
    let mut places = Vec::new();
    for surface in &surfaces.known {
        let names = surface.path.split('/').map(str::to_owned).chain(surface.parameters.iter().cloned());
        let body = surface.body.iter().map(|body| format!("{body:?}"));
        places.extend(names.chain(body).map(|place| (surface.operation.clone(), place.to_lowercase())));
    }
    for absent in fleetproof_claims::absent() {
        for sign in absent.signs {
            let found = places.iter().find(|(_, place)| place.contains(sign));
            assert_eq!(found, None, "{}: {}", absent.family, absent.because);
        }
    }
}

/// Every operation of the document has attempts in every tool's reach: for each the tools that attack it, by name.
#[test]
fn every_operation_is_attacked_by_several_tools_or_says_why_not() {
    use fleetproof_claims::{Options, Party, isolation};
    let surfaces = every_surface();
    let party = |name: &str| Party { name: name.to_owned(), provider: false, parent: Some("provider".to_owned()) };
    let options = Options { provider: Some("provider".to_owned()), ..Options::default() };
    let compiled = isolation(&surfaces, &[party("acme"), party("globex")], &options);
    let mut bare = Vec::new();
    for surface in &surfaces.known {
        let tools: std::collections::BTreeSet<&str> =
            compiled.attempts.iter().filter(|a| a.operation == surface.operation).map(|a| a.tool).collect();
        let is_exempt = compiled.exempt.iter().any(|(operation, _)| *operation == surface.operation);
        if tools.len() < 2 && !is_exempt {
            bare.push(format!("{}: {}", surface.operation, tools.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    insta::assert_snapshot!(bare.join("\n"));
}

#[test]
fn who_does_not_play_with_accounts_has_the_management_interface_alone() {
    let (all, plain) = (every_surface(), Mender::surfaces(&Platform::document()).unwrap());
    assert_eq!(all.in_play(false, false), plain);
    let (mut document, lobby) = (Platform::account_document(), Platform::lobby_document());
    document["paths"]["/api/management/v1/iot/leak"] = json!({ "get": { "operationId": "Leak", "responses": {} } });
    let odd = Mender::all_surfaces(&Platform::document(), &document, &lobby).unwrap();
    assert_eq!(odd.in_play(false, false).unknown, Vec::<String>::new());
    assert_eq!(odd.in_play(true, false).unknown, ["Leak"]);
    let accounts = odd.in_play(true, false).known;
    assert_eq!(accounts[..plain.known.len()], plain.known[..]);
    assert_eq!(odd.in_play(true, true).known[..accounts.len()], accounts[..]);
    assert!(accounts.len() < odd.in_play(true, true).known.len(), "the lobby is no account's");
}
