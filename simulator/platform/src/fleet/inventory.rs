//! What people see of the inventory: devices with all that is known of them, and their tags.

use super::attributes::{self, Attribute, AttributeScope};
use super::devices::unknown;
use super::reach::Reach;
use super::terms::{Comparison, Filter, Term, order, value_of};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, forget)).routes(routes!(replace_tags, add_tags))
}

/// The most tags that a device may have.
const MOST_TAGS: usize = 20;

/// A device with what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    pub(super) id: String,
    updated_ts: String,
    pub(super) attributes: Vec<Attribute>,
}

impl Entry {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            updated_ts: rfc3339(row.time("updated_at")?),
            attributes: attributes::all(row)?,
        })
    }
}

/// The devices in the tenant's inventory that the reader reaches, first come first.
pub(super) async fn rows(tx: &mut Transaction, tenant: &str, reach: &Reach) -> Result<Vec<Row>, StoreError> {
    let sql = "select id, status, group_name, identity, attributes, tags, created_at, updated_at from devices \
               where tenant_id = $1 and in_inventory = 1 order by created_at, id";
    reached(tx.query(sql, args![tenant]).await?, reach)
}

/// Those among `rows` that the reader reaches.
pub(super) fn reached(rows: Vec<Row>, reach: &Reach) -> Result<Vec<Row>, StoreError> {
    let mut reached = Vec::with_capacity(rows.len());
    for row in rows {
        if reach.holds(row.maybe_text("group_name")?.as_deref()) {
            reached.push(row);
        }
    }
    Ok(reached)
}

/// All that is known of the devices in these rows.
pub(super) fn entries(rows: &[Row]) -> Result<Vec<Entry>, StoreError> {
    rows.iter().map(Entry::read).collect()
}

/// What to sort by.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Sorting {
    pub(super) attribute: String,
    #[schema(inline)]
    pub(super) scope: AttributeScope,
    /// asc or desc.
    #[serde(default)]
    pub(super) order: String,
}

/// Sorts by the first of these, then the next; who lacks an attribute comes last.
pub(super) fn sort(entries: &mut [Entry], by: &[Sorting]) {
    let key =
        |entry: &Entry, sorting: &Sorting| value_of(&entry.id, &entry.attributes, sorting.scope, &sorting.attribute);
    entries.sort_by(|one, other| {
        by.iter()
            .map(|sorting| match (key(one, sorting), key(other, sorting)) {
                (Some(one), Some(other)) => {
                    let ordering = order(&one, &other).unwrap_or(Ordering::Equal);
                    if sorting.order == "desc" { ordering.reverse() } else { ordering }
                }
                (one, other) => other.is_some().cmp(&one.is_some()),
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

/// The terms that a query asks for: `[scope/]attribute=[eq:]value`, beside the parameters that have a meaning.
fn terms_of(params: &Params) -> Vec<Term> {
    let own = ["page", "per_page", "sort", "has_group", "group"];
    let others = params.pairs().iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let term = |(name, value): &(String, String)| {
        let (scope, attribute) = name.split_once('/').unwrap_or(("inventory", name));
        let scope = serde_json::from_value(scope.into()).unwrap_or(AttributeScope::Inventory);
        let (kind, value) = match value.split_once(':') {
            Some(("eq", rest)) => (Comparison::Equal, rest),
            Some(("ne", rest)) => (Comparison::NotEqual, rest),
            Some(("regex", rest)) => (Comparison::Regex, rest),
            _ => (Comparison::Equal, value.as_str()),
        };
        Term { scope, attribute: attribute.to_owned(), kind, value: value.into() }
    };
    others.map(term).collect()
}

/// The devices of the tenant with what is known of them.
#[utoipa::path(get, path = "/api/management/v1/inventory/devices", operation_id = "List Device Inventories",
    tag = "inventory",
    params(("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent."),
        ("sort" = Option<String>, Query, description = "attribute or attribute:desc."),
        ("has_group" = Option<bool>, Query, description = "Whether they are in a group."),
        ("group" = Option<String>, Query, description = "In this group.")),
    responses((status = 200, description = "The devices.", body = Vec<Entry>)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeDevices>, params: Params, page: Page) -> Answer {
    let has_group = params.choice("has_group", &["true", "false"])?;
    let group = params.one("group");
    let filter = Filter::new(terms_of(&params))?;
    let mut tx = app.begin().await?;
    let found = rows(&mut tx, &user.tenant, &Reach::to_see(&user)).await?;
    app.commit(tx).await?;
    let mut chosen = Vec::with_capacity(found.len());
    for row in found {
        let own = row.maybe_text("group_name")?;
        if has_group.is_none_or(|wanted| own.is_some() == (wanted == "true"))
            && group.is_none_or(|group| own.as_deref() == Some(group))
        {
            chosen.push(row);
        }
    }
    // Whoever neither filters nor sorts by what devices say has only those read that are shown.
    if filter.is_empty() && params.one("sort").is_none() {
        let total = i64::try_from(chosen.len()).unwrap_or(i64::MAX);
        return Ok(page.answer(&entries(&page.cut(chosen))?, total));
    }
    let mut all = entries(&chosen)?;
    all.retain(|entry| filter.holds(&entry.id, &entry.attributes));
    if let Some(by) = params.one("sort") {
        let (attribute, order) = by.split_once(':').unwrap_or((by, "asc"));
        let sorting =
            Sorting { attribute: attribute.to_owned(), scope: AttributeScope::Inventory, order: order.to_owned() };
        sort(&mut all, &[sorting]);
    }
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(all), total))
}

/// The row of a device in the tenant's inventory that the user reaches; 404 or 403.
async fn find(tx: &mut Transaction, tenant: &str, reach: &Reach, id: &str) -> Answer<Row> {
    let sql = "select * from devices where tenant_id = $1 and id = $2 and in_inventory = 1 order by id";
    let row = tx.first(sql, args![tenant, id]).await?.ok_or_else(unknown)?;
    reach.demand(row.maybe_text("group_name")?.as_deref())?;
    Ok(row)
}

/// The version of a device's tags, as it stands in headers.
fn etag(row: &Row) -> Result<String, StoreError> {
    Ok(format!("\"{}\"", row.int("tags_version")?))
}

/// A device with what is known of it. The ETag is that of its tags.
#[utoipa::path(get, path = "/api/management/v1/inventory/devices/{id}", operation_id = "Get Device Inventory",
    tag = "inventory", params(("id" = String, Path, description = "The device.")),
    responses((status = 200, description = "The device.", body = Entry,
            headers(("ETag" = String, description = "Of its tags."))),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show(State(app): State<Platform>, user: Can<need::SeeDevices>, At(id): At<String>, params: Params) -> Answer {
    let mut tx = app.begin().await?;
    let checked = params.one("device_id").filter(|_| app.defect(DefectId::QueryChecksPathShows));
    let mut row = find(&mut tx, &user.tenant, &Reach::to_see(&user), checked.unwrap_or(&id)).await;
    let cleaned = id.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let anywhere = (checked.is_some() && row.is_ok())
        || (row.is_err() && cleaned != id && app.defect(DefectId::SpelledIdForgetsTenant));
    if anywhere {
        let sql = "select * from devices where id = $1 and in_inventory = 1 order by id";
        row = tx.first(sql, args![cleaned]).await?.ok_or_else(unknown);
    }
    let row = row?;
    app.commit(tx).await?;
    Ok(([(header::ETAG, etag(&row)?)], Json(Entry::read(&row)?)).into_response())
}

/// Forget what the inventory knows of a device, until it tells again.
#[utoipa::path(delete, path = "/api/management/v1/inventory/devices/{id}", operation_id = "Delete Device Inventory",
    tag = "inventory", params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "Forgotten, or there was nothing.")), security(("user" = [])))]
async fn forget(State(app): State<Platform>, user: Can<need::ChangeDevices>, At(id): At<String>) -> Answer<StatusCode> {
    let reach = Reach::to(&app, &user, PermissionSet::ManageDevices);
    let mut tx = app.begin().await?;
    let row = match find(&mut tx, &user.tenant, &reach, &id).await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Ok(StatusCode::NO_CONTENT),
        found => found?,
    };
    tx.execute(
        "update devices set in_inventory = 0, attributes = '[]', tags = '[]', tags_version = tags_version + 1, \
         group_name = null, updated_at = $2 where id = $1",
        args![&id, app.now_ms()],
    )
    .await?;
    let change = Some("inventory forgotten".to_owned());
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &row.json("identity")?), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What people say of a device.
#[derive(Debug, Deserialize, ToSchema)]
struct Tag {
    name: String,
    #[serde(default)]
    description: Option<String>,
    value: String,
}

/// Writes tags: all anew, or added to the old ones. 412 when they are not those of `If-Match`.
async fn write_tags(
    app: &Platform,
    user: &Can<need::SortDevices>,
    id: &str,
    headers: &HeaderMap,
    new: Vec<Tag>,
    keep: bool,
) -> Answer<Response> {
    let reach = Reach::to(app, user, PermissionSet::DeployToDevices);
    let mut tx = app.begin().await?;
    let row = find(&mut tx, &user.tenant, &reach, id).await?;
    let wanted = headers.get(header::IF_MATCH).and_then(|wanted| wanted.to_str().ok());
    let current = etag(&row)?;
    if wanted.is_some_and(|wanted| wanted != "*" && wanted.trim_matches('"') != current.trim_matches('"')) {
        return Err(Refusal::changed("ETag does not match"));
    }
    let old: Vec<Attribute> = if keep { row.json("tags")? } else { Vec::new() };
    let mut tags: BTreeMap<String, Attribute> = old.into_iter().map(|tag| (tag.name.clone(), tag)).collect();
    let now = rfc3339(app.now_ms());
    for Tag { name, description, value } in new {
        if name.is_empty() || name.len() > 1024 || value.len() > 1024 {
            return Err(Refusal::bad_request("a tag has a name and a value of at most 1024 bytes"));
        }
        let mut tag = Attribute::new(AttributeScope::Tags, &name, value.into());
        tag.description = description;
        tag.timestamp = Some(now.clone());
        tags.insert(name, tag);
    }
    if tags.len() > MOST_TAGS {
        return Err(Refusal::bad_request(format!("a device has at most {MOST_TAGS} tags")));
    }
    let tags: Vec<_> = tags.into_values().collect();
    tx.execute(
        "update devices set tags = $2, tags_version = tags_version + 1, updated_at = $3 where id = $1",
        args![id, json!(tags).to_string(), app.now_ms()],
    )
    .await?;
    let change = Some(format!("tags: {} -> {}", row.text("tags")?, json!(tags)));
    let object = Object::device(id, &row.json("identity")?);
    app.audit(&mut tx, &user.tenant, &**user, "update", object, change).await?;
    app.commit(tx).await?;
    let version = format!("\"{}\"", row.int("tags_version")? + 1);
    Ok((StatusCode::OK, [(header::ETAG, version)]).into_response())
}

/// Say everything about a device anew: what is not said is forgotten.
#[utoipa::path(put, path = "/api/management/v1/inventory/devices/{id}/tags", operation_id = "Assign Tags",
    tag = "inventory", request_body = Vec<Tag>,
    params(("id" = String, Path, description = "The device."),
        ("If-Match" = Option<String>, Header, description = "Only if its tags are still these.")),
    responses((status = 200, description = "Done."), (status = 404, description = "Not Found."),
        (status = 412, description = "The tags have changed.")), security(("user" = [])))]
async fn replace_tags(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(id): At<String>,
    headers: HeaderMap,
    Body(new): Body<Vec<Tag>>,
) -> Answer {
    write_tags(&app, &user, &id, &headers, new, false).await
}

/// Say more about a device.
#[utoipa::path(patch, path = "/api/management/v1/inventory/devices/{id}/tags", operation_id = "Add Tags",
    tag = "inventory", request_body = Vec<Tag>,
    params(("id" = String, Path, description = "The device."),
        ("If-Match" = Option<String>, Header, description = "Only if its tags are still these.")),
    responses((status = 200, description = "Done."), (status = 404, description = "Not Found."),
        (status = 412, description = "The tags have changed.")), security(("user" = [])))]
async fn add_tags(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(id): At<String>,
    headers: HeaderMap,
    Body(new): Body<Vec<Tag>>,
) -> Answer {
    write_tags(&app, &user, &id, &headers, new, true).await
}
