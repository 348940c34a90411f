//! What this dialect knows of the platform from what it asked: enough to say which audit entries a change calls for.
//!
//! Some operations answer for an unknown thing as for a known one (a "deleted" that deletes nothing). Whether such an
//! answer stands for a change depends on whether the thing was there, so the ledger remembers what it saw come and go.

use super::session::{Session, Standing};
use super::table::{AuditRule, Log, Row};
use super::{fill, text};
use crate::answer::{Answer, Token};
use crate::watch::AuditDue;
use fleetproof_claims::model::{Does, Due, Kind, Place, Refusal};
use fleetproof_wire::http::Request;
use fleetproof_world::Name;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known. All methods lock briefly and return owned values.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Known>);

#[derive(Default)]
struct Known {
    tenant_names: BTreeMap<String, Name>,
    parents: BTreeMap<String, String>,
    /// Tenants that `create_tenant` has handed out.
    claimed: BTreeSet<String>,
    /// Tenant, kind, id or name.
    living: BTreeSet<(String, Kind, String)>,
    /// Device by authentication set.
    devices: BTreeMap<String, String>,
    /// Artifact id by tenant and contents.
    uploads: BTreeMap<(String, String), String>,
    /// What devices show, by tenant.
    tenant_tokens: BTreeMap<String, Token>,
    /// Deployments that stand still.
    paused: BTreeSet<String>,
}

/// Whether a success changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
    Perhaps,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn know_tenant(&self, id: &str, name: &str, parent: Option<&str>) {
        let mut known = self.lock();
        known.tenant_names.insert(id.to_owned(), name.into());
        if let Some(parent) = parent.filter(|parent| !parent.is_empty()) {
            known.parents.insert(id.to_owned(), parent.to_owned());
        }
    }

    pub(crate) fn tenant_name(&self, id: &str) -> Option<Name> {
        self.lock().tenant_names.get(id).cloned()
    }

    /// Whether `create_tenant` may hand out this tenant; true once for each.
    pub(crate) fn claim_tenant(&self, id: &str) -> bool {
        self.lock().claimed.insert(id.to_owned())
    }

    /// A removed tenant: what was known of it says nothing of the next one with this id.
    pub(crate) fn forget_tenant(&self, id: &str) {
        let mut known = self.lock();
        known.claimed.remove(id);
        known.tenant_tokens.remove(id);
    }

    pub(crate) fn tenant_token(&self, tenant: &str) -> Option<Token> {
        self.lock().tenant_tokens.get(tenant).cloned()
    }

    pub(crate) fn know_tenant_token(&self, tenant: &str, token: Token) {
        self.lock().tenant_tokens.insert(tenant.to_owned(), token);
    }

    pub(crate) fn uploaded(&self, tenant: &str, contents: &str) -> Option<String> {
        self.lock().uploads.get(&(tenant.to_owned(), contents.to_owned())).cloned()
    }

    pub(crate) fn know_upload(&self, tenant: &str, contents: String, id: &str) {
        self.lock().uploads.insert((tenant.to_owned(), contents), id.to_owned());
    }

    /// The audit entries that a request calls for, and what is learned from its answer. `answer` is `None` when none
    /// came: then the change may have happened.
    pub(crate) fn due(&self, row: &Row, by: &Session, request: &Request, answer: Option<&Answer>) -> Vec<AuditDue> {
        let success = answer.is_none_or(Answer::is_success);
        if !success {
            return Vec::new();
        }
        let path = request.target.split('?').next().unwrap_or_default();
        let parameters = row.parameters(path).unwrap_or_default();
        let asked = Asked {
            row,
            by,
            request,
            parameters,
            answer,
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        };
        let mut known = self.lock();
        let due = match by.standing() {
            Standing::Person | Standing::Operator if !row.audit.is_empty() => known.due(&asked),
            _ => Vec::new(),
        };
        if answer.is_some() {
            known.learn(&asked);
        }
        due
    }
}

/// A request that was answered with yes, or with nothing.
struct Asked<'a> {
    row: &'a Row,
    by: &'a Session,
    request: &'a Request,
    parameters: BTreeMap<String, String>,
    answer: Option<&'a Answer>,
    body: Value,
}

impl Asked<'_> {
    /// The deployment whose pace was set, and whether it shall stand still.
    fn pace(&self) -> Option<(&str, bool)> {
        let is_set = &*self.row.operation == "x_fleetproof Set Pace";
        let deployment = self.parameters.get("deployment_id").filter(|_| is_set)?;
        Some((deployment, self.body.get("state")?.as_str()? == "paused"))
    }

    fn own_tenant(&self) -> &str {
        self.by.tenant_id().map_or("", |id| id)
    }

    /// Values of a query parameter.
    fn query(&self, name: &str) -> Vec<String> {
        let query = self.request.target.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| fill::decoded(value))
            .collect()
    }

    /// Kind and values of what the operation names in path or query and, being unknown, would answer alike.
    fn unseen(&self) -> Option<(Kind, Vec<String>)> {
        let slots = self.row.slots.iter().filter(|slot| matches!(slot.place, Place::Path | Place::Query));
        slots
            .filter(|slot| {
                let rule = self.row.stranger_rule(Some(slot.kind));
                rule.is_some_and(|rule| rule.status < 300 && rule.due == Due::Refused(Refusal::Unseen))
            })
            .map(|slot| {
                let values = match slot.place {
                    Place::Path => self.parameters.get(&slot.name).cloned().into_iter().collect(),
                    _ => self.query(&slot.name),
                };
                (slot.kind, values)
            })
            .next()
    }

    fn path_value(&self, name: &str) -> Option<Name> {
        self.parameters.get(name).map(|value| value.as_str().into())
    }
}

impl Known {
    fn due(&self, asked: &Asked<'_>) -> Vec<AuditDue> {
        let changed = self.changed(asked);
        if changed == Changed::No {
            return Vec::new();
        }
        let status = asked.body.get("status").and_then(Value::as_str);
        let rules =
            asked.row.audit.iter().filter(|rule| rule.when_status.is_none() || rule.when_status.as_deref() == status);
        rules.flat_map(|rule| self.entries(asked, rule, changed == Changed::Yes)).collect()
    }

    fn changed(&self, asked: &Asked<'_>) -> Changed {
        let Some(answer) = asked.answer else { return Changed::Perhaps };
        if let Some((deployment, paused)) = asked.pace() {
            return if self.paused.contains(deployment) == paused { Changed::No } else { Changed::Yes };
        }
        if let Some(count) = answer.json().and_then(|body| body.get("updated_count")?.as_u64()) {
            return if count == 0 { Changed::No } else { Changed::Yes };
        }
        match asked.unseen() {
            None => Changed::Yes,
            Some((kind, ids)) => {
                let known = |id: &String| {
                    let id = if kind == Kind::DeviceToken { self.devices.get(id) } else { Some(id) };
                    let kind = if kind == Kind::DeviceToken { Kind::Device } else { kind };
                    id.is_some_and(|id| self.living.contains(&(asked.own_tenant().to_owned(), kind, id.clone())))
                };
                match ids.iter().any(known) {
                    // The name of an uploaded release stands in the file: not every one of them is known.
                    false if kind == Kind::Release => Changed::Perhaps,
                    false => Changed::No,
                    // There is such a device, but perhaps nothing about it to be aborted, forgotten, cut.
                    true if asked.row.does != Does::Delete || asked.row.object != kind => Changed::Perhaps,
                    true => Changed::Yes,
                }
            }
        }
    }

    fn entries(&self, asked: &Asked<'_>, rule: &AuditRule, demanded: bool) -> Vec<AuditDue> {
        let names = if rule.object == "artifact" { asked.query("name") } else { Vec::new() };
        let objects: Vec<(Option<Name>, Option<Name>, bool)> = match names.as_slice() {
            // Several releases in one request: an entry for each that was there, and of which that is known it is due.
            [_, _, ..] => names
                .into_iter()
                .map(|name| {
                    let known = self.living.contains(&(asked.own_tenant().to_owned(), Kind::Release, name.clone()));
                    (None, Some(name.into()), demanded && known)
                })
                .collect(),
            _ => {
                let (id, name) = self.object(asked, rule);
                vec![(id, name, demanded)]
            }
        };
        let logs: Vec<String> = match rule.log {
            Log::Caller => vec![asked.own_tenant().to_owned()],
            Log::Provider => vec![match asked.parameters.get("tenant_id") {
                Some(target) => self.parents.get(target).unwrap_or(target).clone(),
                None => asked.own_tenant().to_owned(),
            }],
            Log::Targets => {
                let named = asked.body.get("tenant_ids").and_then(Value::as_array).into_iter().flatten();
                named.filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        let actor: Name = asked.by.subject().cloned().unwrap_or_else(|| "".into());
        let entry = |log: &String, (object_id, object_name, demanded): &(Option<Name>, Option<Name>, bool)| AuditDue {
            tenant: log.as_str().into(),
            actor: actor.clone(),
            actor_email: asked.by.email().cloned(),
            action: rule.action.as_str().into(),
            object_type: rule.object.as_str().into(),
            object_id: object_id.clone(),
            object_name: object_name.clone(),
            demanded: *demanded,
        };
        let logs = logs.iter().filter(|log| !log.is_empty());
        logs.flat_map(|log| objects.iter().map(move |object| (log, object)))
            .map(|(log, object)| entry(log, object))
            .collect()
    }

    /// Id and name of the object that an entry is about.
    fn object(&self, asked: &Asked<'_>, rule: &AuditRule) -> (Option<Name>, Option<Name>) {
        let name = |field: &str| Some(text(&asked.body, field)).filter(|name| !name.is_empty()).map(Name::from);
        let made = asked.answer.and_then(Answer::created_id).map(Name::from);
        match rule.object.as_str() {
            "device" => {
                let by_token =
                    asked.parameters.get("token_id").and_then(|jti| self.devices.get(jti)).map(|id| id.as_str().into());
                (asked.path_value("device_id").or(by_token).or(made), None)
            }
            "artifact" => {
                let release = asked
                    .path_value("release")
                    .or_else(|| asked.query("name").first().map(|name| name.as_str().into()));
                (asked.path_value("artifact_id").or(made), release)
            }
            "deployment" => (asked.path_value("deployment_id").or(made), name("name")),
            "user" => match asked.row.does {
                Does::Create if asked.row.object == Kind::User => (made, name("email")),
                _ => (asked.path_value("user_id").or_else(|| asked.by.subject().cloned()), name("email")),
            },
            _ if asked.row.object == Kind::Tenant && asked.row.does == Does::Create => (made, name("name")),
            _ => (asked.path_value("tenant_id").or_else(|| asked.by.tenant_id().cloned()), None),
        }
    }

    fn learn(&mut self, asked: &Asked<'_>) {
        let (tenant, row) = (asked.own_tenant().to_owned(), asked.row);
        if tenant.is_empty() || asked.by.standing() != Standing::Person {
            return;
        }
        let slot_value = |kind: Kind| {
            let slot = row.slots.iter().find(|slot| slot.kind == kind && slot.place == Place::Path)?;
            asked.parameters.get(&slot.name).cloned()
        };
        if let Some((deployment, paused)) = asked.pace() {
            if paused {
                self.paused.insert(deployment.to_owned());
            } else {
                self.paused.remove(deployment);
            }
        }
        match (row.object, row.does) {
            (Kind::Role, Does::Create) => self.lives(&tenant, Kind::Role, text(&asked.body, "name")),
            (Kind::Tenant, Does::Create) => {}
            (kind, Does::Create) => {
                if let Some(id) = asked.answer.and_then(Answer::created_id) {
                    self.lives(&tenant, kind, id.to_owned());
                }
            }
            (Kind::Group, Does::Change) => {
                let group = slot_value(Kind::Group).unwrap_or_else(|| text(&asked.body, "group"));
                self.lives(&tenant, Kind::Group, group);
            }
            (Kind::User, Does::Act) => {
                // `assign`: the user is a member of each tenant named.
                let named = asked
                    .body
                    .get("tenant_ids")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                for target in named {
                    self.lives(target, Kind::User, slot_value(Kind::User).unwrap_or_default());
                }
            }
            (kind, Does::Delete) => {
                let ids = slot_value(kind).map_or_else(|| asked.query("name"), |id| vec![id]);
                for id in ids {
                    self.living.remove(&(tenant.clone(), kind, id));
                }
            }
            (
                kind @ (Kind::Device
                | Kind::User
                | Kind::Role
                | Kind::Filter
                | Kind::Token
                | Kind::Release
                | Kind::Artifact
                | Kind::Tenant
                | Kind::Group),
                Does::Read | Does::List | Does::Search,
            ) => {
                let Some(answer) = asked.answer else { return };
                if kind == Kind::Group {
                    let names: Vec<String> = serde_json::from_slice(&answer.body).unwrap_or_default();
                    return names.into_iter().for_each(|name| self.lives(&tenant, kind, name));
                }
                for found in Found::all_in(&answer.body) {
                    self.learn_object(&tenant, kind, found);
                }
            }
            _ => {}
        }
    }

    fn learn_object(&mut self, tenant: &str, kind: Kind, found: Found) {
        let own = if matches!(kind, Kind::Role | Kind::Release) { &found.name } else { &found.id };
        let Some(id) = own.clone() else { return };
        for set in found.auth_sets.into_iter().flatten().filter_map(|set| set.id) {
            self.devices.insert(set, id.clone());
        }
        if kind == Kind::Tenant {
            let name = found.name.unwrap_or_default();
            self.tenant_names.entry(id.clone()).or_insert_with(|| name.into());
            match found.parent_tenant_id.filter(|parent| !parent.is_empty()) {
                Some(parent) => drop(self.parents.insert(id, parent)),
                None if id != tenant => drop(self.parents.insert(id, tenant.to_owned())),
                None => {}
            }
            return;
        }
        self.lives(tenant, kind, id);
    }

    fn lives(&mut self, tenant: &str, kind: Kind, id: String) {
        if !id.is_empty() {
            self.living.insert((tenant.to_owned(), kind, id));
        }
    }
}

/// A thing that an answer shows, as far as the ledger learns from it; the rest of it is read over. Answers are long, and
/// there are many of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Found {
    id: Option<String>,
    name: Option<String>,
    parent_tenant_id: Option<String>,
    auth_sets: Option<Vec<FoundSet>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FoundSet {
    id: Option<String>,
}

impl Found {
    /// The one thing, or the list of things, that a body is; none where it is something else.
    fn all_in(body: &[u8]) -> Vec<Self> {
        match body.trim_ascii_start().first() {
            Some(b'[') => serde_json::from_slice(body).unwrap_or_default(),
            _ => serde_json::from_slice(body).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::TenantRef;
    use super::super::table::Table;
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use bytes::Bytes;
    use serde_json::json;

    fn admin(user: &str, tenant: &str) -> Session {
        let claims = URL_SAFE_NO_PAD.encode(json!({ "sub": user }).to_string());
        Session::person(user, Some("a@x.test"), TenantRef::new(tenant, tenant), Token::new(&format!("e.{claims}.s")))
    }

    fn asked(
        ledger: &Ledger,
        by: &Session,
        operation: &str,
        target: &str,
        body: Value,
        answer: Option<(u16, &str, Value)>,
    ) -> Vec<String> {
        let row = Table::get().row(operation).unwrap();
        let request = Request::new(&row.method, target).body("application/json", body.to_string());
        let answer = answer.map(|(status, location, body)| Answer {
            operation: None,
            status,
            headers: vec![("location".to_owned(), location.to_owned())],
            body: Bytes::from(if body.is_null() { String::new() } else { body.to_string() }),
        });
        let due = ledger.due(row, by, &request, answer.as_ref());
        let line = |due: AuditDue| {
            let doubt = if due.demanded { "" } else { " perhaps" };
            format!(
                "{} {} {}/{} {}{doubt}",
                due.tenant,
                due.actor,
                due.action,
                due.object_type,
                due.object_id.as_deref().unwrap_or("?")
            )
        };
        due.into_iter().map(line).collect()
    }

    const USERS: &str = "/api/management/v1/useradm/users";

    #[test]
    fn a_pause_that_changes_nothing_calls_for_no_entry() {
        let (ledger, by) = (Ledger::default(), admin("u1", "t1"));
        let set = |state: &str, status: u16| {
            let path = "/api/management/v1/deployments/deployments/d1/pace";
            let answer = Some((status, "", Value::Null));
            asked(&ledger, &by, "x_fleetproof Set Pace", path, json!({ "state": state }), answer)
        };
        let entry = ["t1 u1 update/deployment d1"];
        assert_eq!(set("running", 204), [""; 0], "as it was");
        assert_eq!(set("paused", 404), [""; 0]);
        assert_eq!(set("paused", 204), entry);
        assert_eq!(set("paused", 204), [""; 0]);
        assert_eq!(set("running", 204), entry);
    }

    #[test]
    fn a_delete_that_deletes_nothing_calls_for_no_entry() {
        let (ledger, by) = (Ledger::default(), admin("u1", "t1"));
        let delete = |id: &str| {
            asked(&ledger, &by, "Remove User", &format!("{USERS}/{id}"), Value::Null, Some((204, "", Value::Null)))
        };
        assert_eq!(delete("u2"), Vec::<String>::new());
        let made = asked(
            &ledger,
            &by,
            "Create User Management",
            USERS,
            json!({ "email": "b@x.test" }),
            Some((201, "users/u2", Value::Null)),
        );
        assert_eq!(made, ["t1 u1 create/user u2"]);
        assert_eq!(delete("u2"), ["t1 u1 delete/user u2"]);
        assert_eq!(delete("u2"), Vec::<String>::new());
        asked(&ledger, &by, "List Users Management", USERS, Value::Null, Some((200, "", json!([{ "id": "u3" }]))));
        let stranger = admin("u9", "t2");
        let foreign =
            asked(&ledger, &stranger, "Remove User", &format!("{USERS}/u3"), Value::Null, Some((204, "", Value::Null)));
        assert_eq!(foreign, Vec::<String>::new());
        assert_eq!(delete("u3"), ["t1 u1 delete/user u3"]);
    }

    #[test]
    fn refusals_call_for_nothing_and_silence_for_perhaps() {
        let (ledger, by) = (Ledger::default(), admin("u1", "t1"));
        let create = |answer| asked(&ledger, &by, "Create User Management", USERS, json!({}), answer);
        assert_eq!(create(Some((422, "", Value::Null))), Vec::<String>::new());
        assert_eq!(create(None), ["t1 u1 create/user ? perhaps"]);
    }

    #[test]
    fn changes_of_a_child_stand_in_the_providers_log_and_assignments_in_each_target() {
        let (ledger, by) = (Ledger::default(), admin("p1", "prov"));
        let tenants = "/api/management/v2/tenantadm/tenants";
        asked(
            &ledger,
            &by,
            "List Tenants v2",
            tenants,
            Value::Null,
            Some((200, "", json!([{ "id": "c1", "name": "acme" }]))),
        );
        assert_eq!(ledger.tenant_name("c1").as_deref(), Some("acme"));
        let suspend = asked(
            &ledger,
            &Session::operator(Token::new("x")),
            "Set Account Status",
            "/api/internal/v1/tenantadm/tenants/c1/status",
            json!({ "status": "suspended" }),
            Some((200, "", Value::Null)),
        );
        assert_eq!(suspend, ["prov operator update/tenant c1"]);
        let assign = asked(
            &ledger,
            &by,
            "Assign Tenants",
            &format!("{USERS}/p1/assign"),
            json!({ "tenant_ids": ["c2", "c1", "c2"] }),
            Some((200, "", Value::Null)),
        );
        assert_eq!(assign, ["c1 p1 update/user p1", "c2 p1 update/user p1"]);
    }

    #[test]
    fn the_status_decides_which_entry_is_due_and_a_count_whether_one_is() {
        let (ledger, by) = (Ledger::default(), admin("u1", "t1"));
        let path = "/api/management/v2/devauth/devices/d1/auth/a1/status";
        let set = |status: &str| {
            asked(
                &ledger,
                &by,
                "DeviceAuth Management Set Authentication Status",
                path,
                json!({ "status": status }),
                Some((204, "", Value::Null)),
            )
        };
        assert_eq!(set("rejected"), ["t1 u1 reject/device d1"]);
        assert_eq!(set("accepted"), ["t1 u1 update/device d1"]);
        let add = |count: u64| {
            asked(
                &ledger,
                &by,
                "Add Devices to Group",
                "/api/management/v1/inventory/groups/g/devices",
                json!(["d"]),
                Some((200, "", json!({ "updated_count": count }))),
            )
        };
        assert_eq!(add(0), Vec::<String>::new());
        assert_eq!(add(1), ["t1 u1 update/tenant t1"]);
    }
}
