//! Searches over the inventory, kept ones too, and what can be searched by.

use super::attributes::AttributeScope;
use super::inventory::{self, Entry, Sorting, entries, sort};
use super::reach::Reach;
use super::terms::{Comparison, Filter, Term};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(search))
        .routes(routes!(list_attributes))
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(execute))
        .routes(routes!(show_statistics))
}

/// An attribute by its scope and name.
#[derive(Debug, Deserialize, ToSchema)]
struct Named {
    attribute: String,
    #[schema(inline)]
    scope: AttributeScope,
}

/// What is searched for.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Search {
    /// From 1.
    #[serde(default)]
    page: Option<i64>,
    /// 1 to 500, 20 when absent.
    #[serde(default)]
    per_page: Option<i64>,
    /// Among these; all when empty.
    #[serde(default)]
    device_ids: Vec<String>,
    /// In which some value has this text.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    filters: Vec<Term>,
    #[serde(default)]
    sort: Vec<Sorting>,
    /// Only these are told; all when empty.
    #[serde(default)]
    attributes: Vec<Named>,
}

/// Whether some attribute has `text` in it, case aside.
fn has_text(entry: &Entry, text: &str) -> bool {
    let text = text.to_lowercase();
    let mut values = entry.attributes.iter().filter_map(|one| one.value.as_str());
    entry.id.contains(&text) || values.any(|value| value.to_lowercase().contains(&text))
}

/// Search the devices of the tenant.
#[utoipa::path(post, path = "/api/management/v2/inventory/filters/search",
    operation_id = "Inventory V2 Search Device Inventories", tag = "inventory",
    request_body(content = Option<Search>),
    responses((status = 200, description = "The devices.", body = Vec<Entry>)), security(("user" = [])))]
async fn search(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    Body(search): Body<Option<Search>>,
) -> Answer {
    let search = search.unwrap_or_default();
    let (page, size) = (search.page.unwrap_or(1), search.per_page.unwrap_or(20));
    if page < 1 || !(1..=500).contains(&size) {
        return Err(Refusal::bad_request("page is a number from 1, per_page one from 1 to 500"));
    }
    let loose = app.defect(DefectId::SearchTermForgetsTenant)
        && search.filters.iter().any(|term| term.kind == Comparison::NotEqual);
    let filter = Filter::new(search.filters)?;
    let reach = Reach::to_see(&user);
    let mut tx = app.begin().await?;
    let rows = if loose {
        let sql = "select * from devices where in_inventory = 1 order by created_at, id";
        inventory::reached(tx.query(sql, &[]).await?, &reach)?
    } else if search.device_ids.is_empty() {
        inventory::rows(&mut tx, &user.tenant, &reach).await?
    } else {
        by_ids(&app, &mut tx, &user.tenant, &reach, &search.device_ids).await?
    };
    app.commit(tx).await?;
    let index = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let (before, most) = (index((page - 1).saturating_mul(size)), index(size));
    let (mut told, total): (Vec<_>, _) = if filter.is_empty() && search.text.is_none() && search.sort.is_empty() {
        let shown = rows.iter().skip(before).take(most).map(Entry::read);
        (shown.collect::<Result<_, _>>()?, rows.len())
    } else {
        let mut found = entries(&rows)?;
        found.retain(|entry| filter.holds(&entry.id, &entry.attributes));
        if let Some(text) = &search.text {
            found.retain(|entry| has_text(entry, text));
        }
        sort(&mut found, &search.sort);
        let total = found.len();
        (found.into_iter().skip(before).take(most).collect(), total)
    };
    if !search.attributes.is_empty() {
        for entry in &mut told {
            let wanted =
                |scope, name: &str| search.attributes.iter().any(|one| one.scope == scope && one.attribute == name);
            entry.attributes.retain(|one| wanted(one.scope, &one.name));
        }
    }
    let mut response = Json(told).into_response();
    response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    Ok(response)
}

/// The devices with these ids.
async fn by_ids(
    app: &Platform,
    tx: &mut Transaction,
    tenant: &str,
    reach: &Reach,
    ids: &[String],
) -> Result<Vec<Row>, StoreError> {
    let sql = if app.defect(DefectId::InventorySearchForgetsTenant) {
        "select * from devices where $1 <> '' and id = $2 and in_inventory = 1 order by id"
    } else {
        "select * from devices where tenant_id = $1 and id = $2 and in_inventory = 1 order by id"
    };
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids.iter().collect::<std::collections::BTreeSet<_>>() {
        rows.extend(tx.query(sql, args![tenant, id]).await?);
    }
    inventory::reached(rows, reach)
}

/// An attribute that can be searched by.
#[derive(Debug, Serialize, ToSchema)]
struct Filterable {
    name: String,
    #[schema(inline)]
    scope: AttributeScope,
    /// How many devices have it.
    count: u64,
}

/// What can be searched by.
#[utoipa::path(get, path = "/api/management/v2/inventory/filters/attributes",
    operation_id = "Get filterable attributes", tag = "inventory",
    responses((status = 200, description = "Attributes.", body = Vec<Filterable>)), security(("user" = [])))]
async fn list_attributes(State(app): State<Platform>, user: Can<need::SeeDevices>) -> Answer<Json<Vec<Filterable>>> {
    let mut tx = app.begin().await?;
    let all = entries(&inventory::rows(&mut tx, &user.tenant, &Reach::to_see(&user)).await?)?;
    app.commit(tx).await?;
    let mut counts = BTreeMap::new();
    for attribute in all.into_iter().flat_map(|entry| entry.attributes) {
        *counts.entry((attribute.scope, attribute.name)).or_insert(0) += 1;
    }
    Ok(Json(counts.into_iter().map(|((scope, name), count)| Filterable { name, scope, count }).collect()))
}

/// A kept filter.
#[derive(Debug, Serialize, ToSchema)]
struct Kept {
    id: String,
    name: String,
    terms: Vec<Term>,
}

impl Kept {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.text("id")?, name: row.text("name")?, terms: row.json("terms")? })
    }
}

/// A filter to be kept.
#[derive(Debug, Deserialize, ToSchema)]
struct NewFilter {
    #[serde(default)]
    name: String,
    #[serde(default)]
    terms: Vec<Term>,
}

impl NewFilter {
    /// The terms as they are kept; 400 when they cannot be asked.
    fn check(self) -> Result<(String, String), Refusal> {
        if self.name.trim().is_empty() || self.name.len() > 1024 {
            return Err(Refusal::bad_request("name: cannot be blank"));
        }
        if self.terms.is_empty() {
            return Err(Refusal::bad_request("terms: at least one filter term is required"));
        }
        let terms = json!(self.terms).to_string();
        Filter::new(self.terms)?;
        Ok((self.name, terms))
    }
}

/// The tenant's filter; 404 when it has none like that.
async fn find(tx: &mut Transaction, tenant: &str, id: &str) -> Answer<Kept> {
    let sql = "select id, name, terms from filters where tenant_id = $1 and id = $2 order by id";
    let row = tx.first(sql, args![tenant, id]).await?.ok_or_else(|| Refusal::not_found("filter not found"))?;
    Ok(Kept::read(&row)?)
}

fn taken() -> Refusal {
    Refusal::conflict("filter with the same name already exists")
}

/// The kept filters of the tenant.
#[utoipa::path(get, path = "/api/management/v2/inventory/filters", operation_id = "List Filters", tag = "inventory",
    params(("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The filters.", body = Vec<Kept>)), security(("user" = [])))]
async fn list(State(app): State<Platform>, user: Can<need::SeeDevices>, page: Page) -> Answer {
    let mut tx = app.begin().await?;
    let sql = "select id, name, terms from filters where tenant_id = $1 order by created_at, id";
    let rows = tx.query(sql, args![&user.tenant]).await?;
    app.commit(tx).await?;
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let filters = page.cut(rows).iter().map(Kept::read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.answer(&filters, total))
}

/// Keep a filter.
#[utoipa::path(post, path = "/api/management/v2/inventory/filters", operation_id = "Create Filter",
    tag = "inventory", request_body = NewFilter,
    responses((status = 201, description = "It is kept.", headers(("Location" = String, description = "It."))),
        (status = 409, description = "There is one of that name.")), security(("user" = [])))]
async fn create(State(app): State<Platform>, user: Can<need::SortDevices>, Body(new): Body<NewFilter>) -> Answer {
    let (name, terms) = new.check()?;
    let id = app.ids().thing();
    let mut tx = app.begin().await?;
    let anywhere = "select count(*) as n from filters where name = $1";
    if app.defect(DefectId::FilterNameTakenEverywhere) && tx.number(anywhere, args![&name]).await? > 0 {
        return Err(taken());
    }
    let written = tx
        .execute(
            "insert into filters (id, tenant_id, name, terms, created_at) values ($1, $2, $3, $4, $5) \
             on conflict do nothing",
            args![&id, &user.tenant, &name, terms, app.now_ms()],
        )
        .await?;
    if written == 0 {
        return Err(taken());
    }
    audit(&app, &mut tx, &user, format!("created the filter {name}")).await?;
    app.commit(tx).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("filters/{id}"))]).into_response())
}

async fn audit(
    app: &Platform,
    tx: &mut Transaction,
    user: &Can<need::SortDevices>,
    change: String,
) -> Result<(), StoreError> {
    let object = Object::tenant(&user.tenant, &user.tenant_name);
    app.audit(tx, &user.tenant, &**user, "update", object, Some(change)).await
}

/// A kept filter.
#[utoipa::path(get, path = "/api/management/v2/inventory/filters/{id}", operation_id = "Show Filter",
    tag = "inventory", params(("id" = String, Path, description = "The filter.")),
    responses((status = 200, description = "The filter.", body = Kept), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show(State(app): State<Platform>, user: Can<need::SeeDevices>, At(id): At<String>) -> Answer<Json<Kept>> {
    let mut tx = app.begin().await?;
    let filter = find(&mut tx, &user.tenant, &id).await?;
    app.commit(tx).await?;
    Ok(Json(filter))
}

/// Change a kept filter.
#[utoipa::path(put, path = "/api/management/v2/inventory/filters/{id}", operation_id = "Update Filter",
    tag = "inventory", request_body = NewFilter, params(("id" = String, Path, description = "The filter.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found."),
        (status = 409, description = "There is another of that name.")), security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    user: Can<need::SortDevices>,
    At(id): At<String>,
    Body(new): Body<NewFilter>,
) -> Answer<StatusCode> {
    let (name, terms) = new.check()?;
    let mut tx = app.begin().await?;
    find(&mut tx, &user.tenant, &id).await?;
    let sql = "select count(*) as n from filters where tenant_id = $1 and name = $2 and id <> $3";
    if tx.number(sql, args![&user.tenant, &name, &id]).await? > 0 {
        return Err(taken());
    }
    tx.execute("update filters set name = $2, terms = $3 where id = $1", args![&id, &name, terms]).await?;
    audit(&app, &mut tx, &user, format!("changed the filter {name}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a kept filter. Deployments made with it keep theirs.
#[utoipa::path(delete, path = "/api/management/v2/inventory/filters/{id}", operation_id = "Delete Filter",
    tag = "inventory", params(("id" = String, Path, description = "The filter.")),
    responses((status = 204, description = "Forgotten, or there was none.")), security(("user" = [])))]
async fn delete(State(app): State<Platform>, user: Can<need::SortDevices>, At(id): At<String>) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    if tx.execute("delete from filters where tenant_id = $1 and id = $2", args![&user.tenant, &id]).await? > 0 {
        audit(&app, &mut tx, &user, format!("deleted the filter {id}")).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The devices that meet a kept filter.
#[utoipa::path(get, path = "/api/management/v2/inventory/filters/{id}/search", operation_id = "Execute Filter",
    tag = "inventory",
    params(("id" = String, Path, description = "The filter."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The devices.", body = Vec<Entry>),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn execute(State(app): State<Platform>, user: Can<need::SeeDevices>, At(id): At<String>, page: Page) -> Answer {
    let mut tx = app.begin().await?;
    let filter = Filter::new(find(&mut tx, &user.tenant, &id).await?.terms)?;
    let mut found = entries(&inventory::rows(&mut tx, &user.tenant, &Reach::to_see(&user)).await?)?;
    app.commit(tx).await?;
    found.retain(|entry| filter.holds(&entry.id, &entry.attributes));
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    Ok(page.answer(&page.cut(found), total))
}

/// Devices per tier.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Tiers {
    standard: i64,
    micro: i64,
    system: i64,
}

/// Devices per status.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ByStatus {
    accepted: Tiers,
    pending: Tiers,
}

/// How many devices there are.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Statistics {
    devices_by_status: ByStatus,
}

/// How many devices there are, by status and tier.
#[utoipa::path(get, path = "/api/management/v2/inventory/statistics", operation_id = "Get Statistics",
    tag = "inventory", responses((status = 200, description = "Numbers.", body = Statistics)),
    security(("user" = [])))]
async fn show_statistics(State(app): State<Platform>, user: Can<need::SeeDevices>) -> Answer<Json<Statistics>> {
    let mut tx = app.begin().await?;
    let sql = "select status, tier, group_name, count(*) as n from devices where tenant_id = $1 \
               group by status, tier, group_name order by status, tier, group_name";
    let rows = tx.query(sql, args![&user.tenant]).await?;
    app.commit(tx).await?;
    let reach = Reach::to_see(&user);
    let mut statistics = Statistics::default();
    for row in rows {
        let tiers = match row.text("status")?.as_str() {
            "accepted" => &mut statistics.devices_by_status.accepted,
            "pending" => &mut statistics.devices_by_status.pending,
            _ => continue,
        };
        if reach.holds(row.maybe_text("group_name")?.as_deref()) {
            match row.text("tier")?.as_str() {
                "micro" => tiers.micro += row.int("n")?,
                "system" => tiers.system += row.int("n")?,
                _ => tiers.standard += row.int("n")?,
            }
        }
    }
    Ok(Json(statistics))
}
