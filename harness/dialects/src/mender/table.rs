//! The table of operations: what the interface document does not say about each, read once from `operations.tsv`.

use crate::openapi::Document;
use fleetproof_claims::model::{
    Audience, BodyTemplate, Does, Due, Family, Kind, Place, Refusal, RoleRule, Slot, StrangerRule, Surface, Surfaces,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// The management interface, the account that each tenant is, and the lobby: the same people ask, at the same door.
const TEXTS: [&str; 3] =
    [include_str!("operations.tsv"), include_str!("../aws/operations.tsv"), include_str!("../aws/lobby.tsv")];

/// The lines of all tables.
fn lines() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().flat_map(|text| text.lines().skip(1))
}

/// One operation of the platform, as the table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The operation's id in the vendor's document, and in ours.
    pub operation: Arc<str>,
    /// The service that answers it, e.g. `devauth`.
    pub service: String,
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path with its parameters in braces, named after their kinds.
    pub path: String,
    /// For whom it is.
    pub audience: Audience,
    /// The kind of object it is about.
    pub object: Kind,
    /// What it does with it.
    pub does: Does,
    /// Every place of the request that names an object.
    pub slots: Vec<Slot>,
    /// The least role that may use it.
    pub role: RoleRule,
    /// Which audit entries one successful call writes.
    pub audit: Vec<AuditRule>,
    /// What a stranger gets, by attacked slot.
    pub stranger: Vec<StrangerRule>,
    /// Statuses of success.
    pub ok: Vec<u16>,
    /// The smallest body with which it succeeds.
    pub body: Option<BodyTemplate>,
    /// Whether it uses up or alters its object.
    pub disposable: bool,
}

/// One audit entry that a successful call writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRule {
    /// Only when the body's `status` is this.
    pub when_status: Option<String>,
    /// Ours, in the vendor's words: not demanded of a foreign server.
    pub ours: bool,
    /// `create`, `update`, ….
    pub action: String,
    /// The object's type in the log.
    pub object: String,
    /// In whose log.
    pub log: Log,
}

/// In whose log an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// The caller's tenant.
    Caller,
    /// The parent of the tenant that is acted upon, else that tenant itself.
    Provider,
    /// Each tenant that the body names.
    Targets,
}

/// The whole table.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Row>,
    by_operation: BTreeMap<Arc<str>, usize>,
    /// By method and number of segments, so that a request is compared with a few rows only.
    by_shape: BTreeMap<(String, usize), Vec<usize>>,
}

impl Table {
    /// The table of this dialect. Reading it cannot fail in a build that passed its tests: every row is parsed there.
    #[must_use]
    pub fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let rows: Vec<Row> = lines().filter_map(|line| row(line).ok()).collect();
            let by_operation = rows.iter().enumerate().map(|(at, row)| (Arc::clone(&row.operation), at)).collect();
            let mut by_shape: BTreeMap<(String, usize), Vec<usize>> = BTreeMap::new();
            for (at, row) in rows.iter().enumerate() {
                by_shape.entry((row.method.clone(), row.path.split('/').count())).or_default().push(at);
            }
            Self { rows, by_operation, by_shape }
        })
    }

    /// All rows, in the table's order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of an operation.
    #[must_use]
    pub fn row(&self, operation: &str) -> Option<&Row> {
        self.by_operation.get(operation).map(|&at| &self.rows[at])
    }

    /// The row that describes a request, and the values of its path parameters by name (percent-decoded). `path` is
    /// without query. Where a literal and a parameter both fit (`users/me`, `users/{user_id}`) the literal wins.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<(&Row, BTreeMap<String, String>)> {
        let alike = self.by_shape.get(&(method.to_owned(), path.split('/').count()))?;
        let rows = alike.iter().map(|&at| &self.rows[at]);
        let fitting = rows.filter_map(|row| Some((row, holes(&row.path, path)?)));
        let (row, _) = fitting.min_by_key(|(_, holes)| *holes)?;
        Some((row, parameters(&row.path, path)))
    }

    /// Joins a document with the table. An operation of the document without a row, or whose method or path the table
    /// has otherwise, comes out as unknown: nobody can say what a stranger may expect there.
    #[must_use]
    pub fn surfaces(&self, document: &Document) -> Surfaces {
        let mut found = Surfaces::default();
        let mut known: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for operation in &document.operations {
            let row = operation.id.as_deref().and_then(|id| self.by_operation.get(id)).copied();
            match row {
                Some(at) if self.rows[at].method == operation.method && same(&self.rows[at].path, &operation.path) => {
                    known.insert(at, operation.query.clone());
                }
                _ => {
                    let name = format!("{} {}", operation.method, operation.path);
                    unknown.insert(operation.id.clone().unwrap_or(name));
                }
            }
        }
        found.known = known.into_iter().map(|(at, query)| self.rows[at].surface(query)).collect();
        found.unknown = unknown.into_iter().collect();
        found
    }
}

impl Row {
    /// The values of the path parameters by name (percent-decoded), where `path` (without query) is one of this operation.
    pub(crate) fn parameters(&self, path: &str) -> Option<BTreeMap<String, String>> {
        holes(&self.path, path).map(|_| parameters(&self.path, path))
    }

    /// This row as a surface. `query`: the query parameters that the document declares.
    #[must_use]
    pub fn surface(&self, query: Vec<String>) -> Surface {
        let names_something =
            |name: &String| self.slots.iter().any(|slot| slot.place == Place::Query && slot.name == *name);
        Surface {
            operation: self.operation.to_string(),
            method: self.method.clone(),
            path: self.path.clone(),
            family: match self.service.as_str() {
                "auditlogs" => Family::Audit,
                "storage" => Family::Storage,
                "registry" => Family::Account,
                "lobby" => Family::Lobby,
                _ => Family::Http,
            },
            audience: self.audience,
            object: self.object,
            does: self.does,
            slots: self.slots.clone(),
            parameters: query.into_iter().filter(|name| !names_something(name)).collect(),
            role: self.role.clone(),
            stranger: self.stranger.clone(),
            ok: self.ok.clone(),
            body: self.body.clone(),
            disposable: self.disposable,
            audited: !self.audit.is_empty(),
        }
    }

    /// The rule for an attacked slot of this kind; without one the rule for all that no other names.
    #[must_use]
    pub fn stranger_rule(&self, kind: Option<Kind>) -> Option<&StrangerRule> {
        self.stranger
            .iter()
            .find(|rule| kind.is_some() && rule.slot == kind)
            .or_else(|| self.stranger.iter().find(|rule| rule.slot.is_none()))
    }
}

/// The name of a parameter, where a part of a template is one.
fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// How many parameters `template` has, or `None` when `path` does not fit it.
fn holes(template: &str, path: &str) -> Option<usize> {
    let (mut want, mut have, mut holes) = (template.split('/'), path.split('/'), 0);
    loop {
        match (want.next(), have.next()) {
            (None, None) => return Some(holes),
            (Some(want), Some(have)) if parameter(want).is_some() && !have.is_empty() => holes += 1,
            (Some(want), Some(have)) if want == have => {}
            _ => return None,
        }
    }
}

/// The values of the parameters of `template` in a `path` that fits it.
fn parameters(template: &str, path: &str) -> BTreeMap<String, String> {
    let parts = template.split('/').zip(path.split('/'));
    parts.filter_map(|(want, have)| Some((parameter(want)?.to_owned(), super::fill::decoded(have)))).collect()
}

/// Whether two templates differ at most in the names of their parameters.
fn same(one: &str, other: &str) -> bool {
    let plain = |path: &str| {
        path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }.to_owned()).collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

fn row(line: &str) -> Result<Row, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [operation, service, method, path, audience, object, does, slots, role, audit, stranger, ok, body, disposable] =
        cells[..]
    else {
        return Err(format!("{} cells instead of 14", cells.len()));
    };
    let bad = |what: &str, text: &str| format!("`{operation}`: {what} `{text}`");
    Ok(Row {
        operation: operation.into(),
        service: service.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        audience: match audience {
            "user" => Audience::User,
            "device" => Audience::Device,
            "operator" => Audience::Operator,
            "public" => Audience::Public,
            _ => return Err(bad("audience", audience)),
        },
        object: Kind::parse(object).ok_or_else(|| bad("object", object))?,
        does: match does {
            "create" => Does::Create,
            "read" => Does::Read,
            "list" => Does::List,
            "search" => Does::Search,
            "count" => Does::Count,
            "change" => Does::Change,
            "delete" => Does::Delete,
            "act" => Does::Act,
            "login" => Does::Login,
            _ => return Err(bad("does", does)),
        },
        slots: list(slots, ",")
            .map(|text| slot(text, path).ok_or_else(|| bad("slot", text)))
            .collect::<Result<_, _>>()?,
        role: RoleRule::parse(role).ok_or_else(|| bad("role", role))?,
        audit: list(audit, "; ")
            .map(|text| audit_rule(text).ok_or_else(|| bad("audit", text)))
            .collect::<Result<_, _>>()?,
        stranger: list(stranger, "; ")
            .map(|text| stranger_rule(text).ok_or_else(|| bad("stranger", text)))
            .collect::<Result<_, _>>()?,
        ok: ok.split(',').map(|code| code.parse().map_err(|_| bad("ok", code))).collect::<Result<_, _>>()?,
        body: match body.strip_prefix("multipart:") {
            _ if body == "-" => None,
            Some(parts) => Some(BodyTemplate::Multipart(ordered(parts).ok_or_else(|| bad("body", parts))?)),
            None => Some(BodyTemplate::Json(serde_json::from_str(body).map_err(|_| bad("body", body))?)),
        },
        disposable: match disposable {
            "yes" => true,
            "no" => false,
            _ => return Err(bad("disposable", disposable)),
        },
    })
}

fn list<'a>(cell: &'a str, separator: &'a str) -> impl Iterator<Item = &'a str> {
    cell.split(separator).filter(|text| !text.is_empty() && *text != "-")
}

/// `place:name:kind`; the name left out where it is the kind. A path parameter called `x` or `x_id` stands in the path.
fn slot(text: &str, path: &str) -> Option<Slot> {
    let (place, rest) = text.split_once(':')?;
    let place = match place {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        "body" => Place::Body,
        "filter" => Place::Filter,
        _ => return None,
    };
    let (name, kind) = rest.rsplit_once(':').unwrap_or((rest, rest));
    let optional = name.ends_with('?') || place == Place::Filter;
    let name = name.trim_end_matches('?');
    let kind = Kind::parse(kind.trim_end_matches('?').rsplit('.').next()?)?;
    let name = match place {
        Place::Path => {
            [name.to_owned(), format!("{name}_id")].into_iter().find(|name| path.contains(&format!("{{{name}}}")))?
        }
        _ => name.to_owned(),
    };
    Some(Slot { place, name, kind, optional })
}

/// `[status=][x:]action/object[@provider|@target]`.
fn audit_rule(text: &str) -> Option<AuditRule> {
    let (when_status, rest) = match text.split_once('=') {
        Some((status, rest)) => (Some(status.to_owned()), rest),
        None => (None, text),
    };
    let (ours, rest) = rest.strip_prefix("x:").map_or((false, rest), |rest| (true, rest));
    let (entry, log) = match rest.split_once('@') {
        Some((entry, "provider")) => (entry, Log::Provider),
        Some((entry, "target")) => (entry, Log::Targets),
        Some(_) => return None,
        None => (rest, Log::Caller),
    };
    let (action, object) = entry.split_once('/')?;
    Some(AuditRule { when_status, ours, action: action.to_owned(), object: object.to_owned(), log })
}

/// `[kind=]status word`.
fn stranger_rule(text: &str) -> Option<StrangerRule> {
    let (slot, rest) = match text.split_once('=') {
        Some((kind, rest)) => (Some(Kind::parse(kind)?), rest),
        None => (None, text),
    };
    let (status, word) = rest.split_once(' ')?;
    let due = match word {
        "own-only" => Due::OwnOnly,
        "allowed" => Due::Allowed,
        word => Due::Refused(Refusal::parse(word)?),
    };
    Some(StrangerRule { slot, status: status.parse().ok()?, due })
}

/// The members of a flat JSON object of texts in the order they are written (a `serde_json` map would sort them).
fn ordered(text: &str) -> Option<Vec<(String, String)>> {
    let object: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    let mut parts: Vec<(String, String)> = object.into_iter().collect();
    parts.sort_by_key(|(name, _)| text.find(&format!("\"{name}\":")));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_stands_in_the_table_once() {
        let wrong: Vec<String> = lines().filter_map(|line| row(line).err()).collect();
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(Table::get().rows().len(), lines().count());
        assert_eq!(Table::get().by_operation.len(), Table::get().rows().len());
    }

    #[test]
    fn every_parameter_of_a_path_is_a_slot_and_every_body_holds_its_required_slots() {
        for row in Table::get().rows() {
            for name in row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(
                    row.slots.iter().any(|slot| slot.place == Place::Path && slot.name == name),
                    "{} {name}",
                    row.operation
                );
            }
            for slot in row.slots.iter().filter(|slot| slot.place == Place::Body && !slot.optional) {
                assert!(row.body.is_some(), "{} {}", row.operation, slot.key());
            }
        }
    }

    #[test]
    fn each_row_is_found_by_its_own_path() {
        for row in Table::get().rows() {
            let path = row.path.replace(['{', '}'], "");
            let (found, _) = Table::get().find(&row.method, &path).unwrap();
            assert_eq!(found.operation, row.operation);
        }
        let (row, found) = Table::get().find("GET", "/api/management/v1/useradm/users/a%2Fb").unwrap();
        assert_eq!((&*row.operation, found["user_id"].as_str()), ("Show User", "a/b"));
        let (row, _) = Table::get().find("GET", "/api/management/v1/useradm/users/me").unwrap();
        assert_eq!(&*row.operation, "Show Own User Data");
        assert!(Table::get().find("GET", "/api/management/v1/useradm/users/").is_none());
    }

    #[test]
    fn rows_are_read_as_they_are_meant() {
        insta::assert_debug_snapshot!(
            [
                "Assign Tenants",
                "Upload Artifact Deployments Management",
                "DeviceAuth Management Set Authentication Status"
            ]
            .map(|operation| Table::get().row(operation).unwrap())
        );
    }
}
