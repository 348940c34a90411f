//! The audit log, as a tenant's admin reads it.

use crate::Platform;
use crate::defects::DefectId;
use crate::edge::{Can, Page, Params, need};
use crate::lobby;
use crate::refusal::{Answer, Refusal};
use crate::registry;
use crate::store::{Row, StoreError, Transaction, Tx, Value as Kept};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list_entries)).routes(routes!(export_entries))
}

/// The most that an export has.
const MOST: i64 = 10_000;

/// One change, and who made it.
#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    actor: Map<String, Value>,
    time: String,
    action: String,
    object: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
}

impl Entry {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            actor: row.json("actor")?,
            time: rfc3339(row.time("time")?),
            action: row.text("action")?,
            object: row.json("object")?,
            change: row.maybe_text("change")?,
        })
    }

    /// What stands at a path of [`COLUMNS`]; empty where there is nothing.
    fn at(&self, path: &[&str]) -> Cow<'_, str> {
        let (root, steps) = match path {
            ["time"] => return Cow::Borrowed(&self.time),
            ["action"] => return Cow::Borrowed(&self.action),
            ["change"] => return Cow::Borrowed(self.change.as_deref().unwrap_or_default()),
            ["actor", first, rest @ ..] => (self.actor.get(*first), rest),
            ["object", first, rest @ ..] => (self.object.get(*first), rest),
            _ => (None, path),
        };
        match root.and_then(|root| steps.iter().try_fold(root, |at, step| at.get(step))) {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::String(text)) => Cow::Borrowed(text),
            Some(other) => Cow::Owned(other.to_string()),
        }
    }
}

/// Which entries one asks for. Everything but the tenant is the caller's choice.
struct Search {
    whose: Whose,
    args: Vec<Kept>,
}

/// Whose entries are searched. All but the first are defects.
#[derive(Clone, Copy)]
enum Whose {
    Own,
    /// And, of a certain object, everybody's.
    AllOfObject,
    /// And those of the children.
    Childrens,
}

/// A statement over the matching entries, for each [`Whose`]. No `or` in the sound one: it would read the whole table.
macro_rules! matching {
    ($select:literal, $rest:literal) => {
        [
            matching!($select, "tenant_id = $1", $rest),
            matching!($select, "(tenant_id = $1 or object_id = $6)", $rest),
            matching!($select, "(tenant_id = $1 or tenant_id in (select id from tenants where parent_id = $1))", $rest),
        ]
    };
    ($select:literal, $whose:literal, $rest:literal) => {
        concat!(
            $select,
            " from audit where ",
            $whose,
            " and ($2 = '' or actor_id = $2) and ($3 = '' or actor_type = $3) and ($4 = '' or actor_email = $4)",
            " and ($5 = '' or object_type = $5) and ($6 = '' or object_id = $6) and ($7 = '' or object_deployment_name = $7)",
            " and time < $8 and time > $9 ",
            $rest
        )
    };
}

impl Search {
    fn read(app: &Platform, tenant: &str, params: &Params) -> Answer<Self> {
        let text = |name| Kept::from(params.one(name).unwrap_or_default());
        let actor_type = params.choice("actor_type", &["user", "device"])?.unwrap_or_default();
        let kinds = [&["tenant", "user", "deployment", "artifact", "device"], registry::KINDS, lobby::KINDS].concat();
        let object_type = params.choice("object_type", &kinds)?.unwrap_or_default();
        let whose = if params.one("object_id").is_some() && app.defect(DefectId::AuditSearchForgetsTenant) {
            Whose::AllOfObject
        } else if app.defect(DefectId::AuditShowsChildren) {
            Whose::Childrens
        } else {
            Whose::Own
        };
        let args = vec![
            tenant.into(),
            text("actor_id"),
            actor_type.into(),
            params.one("actor_email").unwrap_or_default().to_lowercase().into(),
            object_type.into(),
            text("object_id"),
            text("object_deployment_name"),
            params.time_ms("created_before")?.unwrap_or(i64::MAX).into(),
            params.time_ms("created_after")?.unwrap_or(-1).into(),
        ];
        Ok(Self { whose, args })
    }

    async fn count(&self, tx: &mut Transaction) -> Result<i64, StoreError> {
        const COUNT: [&str; 3] = matching!("select count(*) as n", "");
        tx.number(COUNT[self.whose as usize], &self.args).await
    }

    async fn entries(&self, tx: &mut Transaction, oldest: bool, most: i64, skip: i64) -> Answer<Vec<Entry>> {
        const OLDEST: [&str; 3] = matching!("select *", "order by time, seq limit $10 offset $11");
        const LATEST: [&str; 3] = matching!("select *", "order by time desc, seq desc limit $10 offset $11");
        let sql = if oldest { OLDEST } else { LATEST }[self.whose as usize];
        let mut args = self.args.clone();
        args.extend([most.into(), skip.into()]);
        let rows = tx.query(sql, &args).await?;
        Ok(rows.iter().map(Entry::read).collect::<Result<_, _>>()?)
    }
}

fn oldest_first(params: &Params) -> Answer<bool> {
    Ok(params.choice("sort", &["asc", "desc"])? == Some("asc"))
}

/// The tenant's log, newest first.
#[utoipa::path(get, path = "/api/management/v1/auditlogs/logs", operation_id = "Get Audit Logs", tag = "auditlogs",
    params(("page" = Option<i64>, Query, description = "From 1."), ("per_page" = Option<i64>, Query, description = "Up to 500."),
        ("created_before" = Option<i64>, Query, description = "In s since 1970."),
        ("created_after" = Option<i64>, Query, description = "In s since 1970."),
        ("actor_id" = Option<String>, Query, description = "Who."),
        ("actor_type" = Option<String>, Query, description = "`user` or `device`."),
        ("actor_email" = Option<String>, Query, description = "Who, by e-mail."),
        ("object_id" = Option<String>, Query, description = "What."),
        ("object_type" = Option<String>, Query, description = "What kind of thing."),
        ("object_deployment_name" = Option<String>, Query, description = "Which deployment."),
        ("sort" = Option<String>, Query, description = "`asc` or `desc`.")),
    responses((status = 200, description = "The entries.", body = Vec<Entry>)), security(("user" = [])))]
async fn list_entries(
    State(app): State<Platform>,
    user: Can<need::SeeAudit>,
    page: Page<10>,
    params: Params,
) -> Answer<Response> {
    let search = Search::read(&app, &user.tenant, &params)?;
    let oldest = oldest_first(&params)?;
    let mut tx = app.begin().await?;
    let total = search.count(&mut tx).await?;
    let entries = search.entries(&mut tx, oldest, page.size, page.offset()).await?;
    app.commit(tx).await?;
    Ok(page.answer(&entries, total))
}

/// The tenant's log as a table.
#[utoipa::path(get, path = "/api/management/v1/auditlogs/logs/export", operation_id = "Export Audit Logs", tag = "auditlogs",
    params(("limit" = Option<i64>, Query, description = "At most so many."),
        ("created_before" = Option<i64>, Query, description = "In s since 1970."),
        ("created_after" = Option<i64>, Query, description = "In s since 1970."),
        ("actor_id" = Option<String>, Query, description = "Who."),
        ("actor_type" = Option<String>, Query, description = "`user` or `device`."),
        ("actor_email" = Option<String>, Query, description = "Who, by e-mail."),
        ("object_id" = Option<String>, Query, description = "What."),
        ("object_type" = Option<String>, Query, description = "What kind of thing."),
        ("object_deployment_name" = Option<String>, Query, description = "Which deployment."),
        ("sort" = Option<String>, Query, description = "`asc` or `desc`."),
        ("format_separator" = Option<String>, Query, description = "Between the parts of a column's name."),
        ("ignore" = Option<String>, Query, description = "Columns to leave out, with commas between.")),
    responses((status = 200, description = "The entries.", content_type = "text/csv", body = String)), security(("user" = [])))]
async fn export_entries(State(app): State<Platform>, user: Can<need::SeeAudit>, params: Params) -> Answer<Response> {
    let search = Search::read(&app, &user.tenant, &params)?;
    let most = params.number("limit")?.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(Refusal::bad_request(format!("limit must be a number from 1 to {MOST}")));
    }
    let oldest = oldest_first(&params)?;
    let mut tx = app.begin().await?;
    let entries = search.entries(&mut tx, oldest, most, 0).await?;
    app.commit(tx).await?;
    let separator = params.one("format_separator").unwrap_or(".");
    let ignored: Vec<&str> = params.one("ignore").unwrap_or_default().split(',').collect();
    let quote: fn(&str) -> String = if app.defect(DefectId::ExportUnquoted) { str::to_owned } else { cell };
    let table = table(&entries, separator, &ignored, quote);
    let name = "attachment; filename=\"auditlogs.csv\"";
    Ok(([(header::CONTENT_TYPE, "text/csv"), (header::CONTENT_DISPOSITION, name)], table).into_response())
}

/// The columns of an export: where in an entry they are.
const COLUMNS: &[&[&str]] = &[
    &["time"],
    &["actor", "id"],
    &["actor", "type"],
    &["actor", "email"],
    &["action"],
    &["object", "id"],
    &["object", "type"],
    &["object", "tenant", "name"],
    &["object", "user", "email"],
    &["object", "deployment", "name"],
    &["object", "deployment", "artifact_name"],
    &["object", "artifact", "name"],
    &["object", "device", "identity_data"],
    &["change"],
];

/// Comma-separated values as RFC 4180 has them.
fn table(entries: &[Entry], separator: &str, ignored: &[&str], quote: fn(&str) -> String) -> String {
    let named = COLUMNS.iter().map(|path| (path.join(separator), *path));
    let columns: Vec<_> = named.filter(|(name, _)| !ignored.contains(&name.as_str())).collect();
    let mut text = columns.iter().map(|(name, _)| cell(name)).collect::<Vec<_>>().join(",") + "\r\n";
    for entry in entries {
        for (index, (_, path)) in columns.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&quote(&entry.at(path)));
        }
        text.push_str("\r\n");
    }
    text
}

/// A cell; one that a spreadsheet would take for a formula is made text.
fn cell(text: &str) -> String {
    let formula = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{formula}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{formula}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_export_survives_commas_quotes_and_formulas() {
        let object = json!({ "id": "u", "type": "user", "user": { "email": "=a@b.example" } });
        let entry = Entry {
            actor: json!({ "id": "1", "type": "user" }).as_object().unwrap().clone(),
            time: rfc3339(0),
            action: "update".to_owned(),
            object: object.as_object().unwrap().clone(),
            change: Some("say \"no\", twice\nor more".to_owned()),
        };
        let shown = table(&[entry], ".", &["time", "actor.type", "object.device.identity_data"], cell);
        insta::assert_snapshot!(shown.replace("\r\n", "\n"), @r#"
        actor.id,actor.email,action,object.id,object.type,object.tenant.name,object.user.email,object.deployment.name,object.deployment.artifact_name,object.artifact.name,change
        1,,update,u,user,,'=a@b.example,,,,"say ""no"", twice
        or more"
        "#);
    }
}
