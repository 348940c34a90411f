//! Things: names with a type and attributes. Certificates are attached to them, groups hold them.

use super::desk::{Asked, Desk, check_name};
use super::listing::Listing;
use super::refusals::{exists, invalid, unknown, version_conflict};
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Body, need};
use crate::refusal::{Answer, Refusal};
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{Row, StoreError, Tx};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What stands in names of things, types and groups beside letters and digits.
pub(super) const NAME: &str = ":_-";

/// What stands in attributes beside letters and digits.
const ATTRIBUTE: &str = "_.,@/:#-";

/// How many attributes a thing may have, and how long a value may be.
const MOST_ATTRIBUTES: usize = 50;
const LONGEST_VALUE: usize = 800;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(create, describe, update, delete)).routes(routes!(list))
}

/// Names and values.
pub(super) type Attributes = BTreeMap<String, String>;

/// Attributes that shall be.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AttributePayload {
    #[schema(value_type = Option<Value>)]
    pub(super) attributes: Option<Attributes>,
    /// Those that are not named stay; an empty value takes one away.
    pub(super) merge: bool,
}

/// A thing to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct NewThing {
    thing_type_name: Option<String>,
    attribute_payload: Option<AttributePayload>,
}

/// What shall be different about a thing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct ThingUpdate {
    thing_type_name: Option<String>,
    attribute_payload: Option<AttributePayload>,
    expected_version: Option<i64>,
    remove_thing_type: bool,
}

impl AttributePayload {
    /// What stays of `before`.
    pub(super) fn applied(self, before: Attributes) -> Answer<Attributes> {
        let mut all = if self.merge { before } else { Attributes::new() };
        for (name, value) in self.attributes.unwrap_or_default() {
            check_name("the name of an attribute", &name, ATTRIBUTE)?;
            let good = |c: char| c.is_ascii_alphanumeric() || ATTRIBUTE.contains(c);
            if value.len() > LONGEST_VALUE || !value.chars().all(good) {
                return Err(invalid(format!(
                    "the value of an attribute has at most {LONGEST_VALUE} characters: letters, digits, {ATTRIBUTE}"
                )));
            }
            if value.is_empty() {
                all.remove(&name);
            } else {
                all.insert(name, value);
            }
        }
        if all.len() > MOST_ATTRIBUTES {
            return Err(invalid(format!("at most {MOST_ATTRIBUTES} attributes")));
        }
        Ok(all)
    }
}

/// Who has a thing of this name, whoever asks first: only planted defects want to know.
pub(super) const WHOSE: &str =
    "select tenant_id from things where name = $1 order by case when tenant_id = $2 then 0 else 1 end, tenant_id";

/// The row of a thing here.
pub(super) async fn find(desk: &mut Desk, name: &str) -> Answer<Row> {
    let sql = "select * from things where tenant_id = $1 and region = $2 and name = $3 order by name";
    let here = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, name]).await?;
    if here.is_none() && desk.app.defect(DefectId::RegionNotCompared) {
        let sql = "select * from things where tenant_id = $1 and name = $2 order by region";
        return desk.tx.first(sql, args![&desk.place.tenant, name]).await?.ok_or_else(unknown);
    }
    if here.is_none() && desk.app.defect(DefectId::ForeignThingForbidden) {
        let sql = "select count(*) as n from things where name = $1";
        if desk.tx.number(sql, args![name]).await? > 0 {
            return Err(Refusal::forbidden());
        }
    }
    here.ok_or_else(unknown)
}

/// A thing as lists show it.
fn shown(desk: &Desk, row: &Row) -> Result<Value, StoreError> {
    let name = row.text("name")?;
    let mut shown = json!({
        "thingName": name,
        "thingArn": desk.arn("thing", &name),
        "attributes": row.json::<Value>("attributes")?,
        "version": row.int("version")?,
    });
    if let Some(type_name) = row.maybe_text("type_name")? {
        shown["thingTypeName"] = type_name.into();
    }
    Ok(shown)
}

fn check_type(name: Option<&String>) -> Answer<()> {
    name.map_or(Ok(()), |name| check_name("thingTypeName", name, NAME))
}

/// Create a thing. The same thing again is the one that is there.
#[utoipa::path(post, path = "/api/management/v1/iot/things/{thingName}", operation_id = "CreateThing", tag = "things",
    params(("thingName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = NewThing,
    responses((status = 200, description = "`thingName`, `thingArn`, `thingId`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "ResourceAlreadyExistsException.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(new): Body<Option<NewThing>>,
) -> Answer<Json<Value>> {
    let new = new.unwrap_or_default();
    check_name("thingName", &name, NAME)?;
    check_type(new.thing_type_name.as_ref())?;
    let attributes = json!(new.attribute_payload.unwrap_or_default().applied(Attributes::new())?).to_string();
    let mut desk = asked.desk(&app, "CreateThing").await?;
    if is_planted(&app, RegistryDefect::ThingNameTakenGlobally) {
        let sql = "select count(*) as n from things where name = $1 and tenant_id <> $2";
        if desk.tx.number(sql, args![&name, &desk.place.tenant]).await? > 0 {
            return Err(exists("thing"));
        }
    }
    let fresh = app.ids().thing();
    let sql = "insert into things (tenant_id, region, name, id, type_name, attributes, version, created_at) \
               values ($1, $2, $3, $4, $5, $6, 1, $7) on conflict do nothing";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let row = args![tenant, region, &name, &fresh, new.thing_type_name.clone(), &attributes, app.now_ms()];
    if app.defect(DefectId::ThingsInEveryRegion) {
        for other in app.settings().regions.names().iter().filter(|other| **other != desk.place.region) {
            let row =
                args![&desk.place.tenant, other, &name, &fresh, new.thing_type_name.clone(), &attributes, app.now_ms()];
            desk.tx.execute(sql, row).await?;
        }
    }
    let id = if desk.tx.execute(sql, row).await? == 1 {
        desk.audit("create", "thing", &name, Some(format!("attributes: {attributes}"))).await?;
        fresh
    } else {
        let there = find(&mut desk, &name).await?;
        if there.maybe_text("type_name")? != new.thing_type_name || there.text("attributes")? != attributes {
            return Err(exists("thing"));
        }
        there.text("id")?
    };
    let answer = json!({ "thingName": name, "thingArn": desk.arn("thing", &name), "thingId": id });
    desk.commit().await?;
    Ok(Json(answer))
}

/// A thing.
#[utoipa::path(get, path = "/api/management/v1/iot/things/{thingName}", operation_id = "DescribeThing", tag = "things",
    params(("thingName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Its name, id, type, attributes and version.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeThing").await?;
    desk.stray(RegistryDefect::ThingReadForgetsTenant, WHOSE, &name).await?;
    let row = find(&mut desk, &name).await?;
    let mut answer = shown(&desk, &row)?;
    answer["thingId"] = row.text("id")?.into();
    answer["defaultClientId"] = name.into();
    desk.commit().await?;
    Ok(Json(answer))
}

/// Change a thing's type or attributes.
#[utoipa::path(patch, path = "/api/management/v1/iot/things/{thingName}", operation_id = "UpdateThing", tag = "things",
    params(("thingName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = ThingUpdate,
    responses((status = 200, description = "Done.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "VersionConflictException.")), security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
    Body(update): Body<ThingUpdate>,
) -> Answer<Json<Value>> {
    check_type(update.thing_type_name.as_ref())?;
    if update.remove_thing_type && update.thing_type_name.is_some() {
        return Err(invalid("removeThingType and thingTypeName exclude each other"));
    }
    let mut desk = asked.desk(&app, "UpdateThing").await?;
    let row = find(&mut desk, &name).await?;
    let version = row.int("version")?;
    if update.expected_version.is_some_and(|expected| expected != version) {
        return Err(version_conflict());
    }
    let before: Attributes = row.json("attributes")?;
    let attributes = match update.attribute_payload {
        Some(payload) => payload.applied(before)?,
        None => before,
    };
    let kept = row.maybe_text("type_name")?.filter(|_| !update.remove_thing_type);
    let attributes = json!(attributes).to_string();
    let sql = "update things set type_name = $4, attributes = $5, version = version + 1 \
               where tenant_id = $1 and region = $2 and name = $3 and version = $6";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let set = args![tenant, region, &name, update.thing_type_name.or(kept), &attributes, version];
    if desk.tx.execute(sql, set).await? == 0 {
        return Err(version_conflict());
    }
    desk.touch_thing(&name).await?;
    desk.audit("update", "thing", &name, Some(format!("attributes: {attributes}"))).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Delete a thing. One that is not there is deleted already.
#[utoipa::path(delete, path = "/api/management/v1/iot/things/{thingName}", operation_id = "DeleteThing", tag = "things",
    params(("thingName" = String, Path, description = "Its name."),
        ("expectedVersion" = Option<i64>, Query, description = "Only if it has this version."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is not there.", body = Value),
        (status = 400, description = "InvalidRequestException: certificates are attached to it."),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "VersionConflictException.")),
    security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::ChangeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let expected = asked.params.number("expectedVersion")?;
    let mut desk = asked.desk(&app, "DeleteThing").await?;
    let row = match find(&mut desk, &name).await {
        Err(refusal) if refusal.status == unknown().status => return Ok(Json(json!({}))),
        found => found?,
    };
    if expected.is_some_and(|expected| Ok(expected) != row.int("version").map_err(drop)) {
        return Err(version_conflict());
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let held = "select count(*) as n from thing_principals where tenant_id = $1 and region = $2 and thing = $3";
    if desk.tx.number(held, args![&tenant, &region, &name]).await? > 0 {
        return Err(invalid("The thing has principals: detach them first."));
    }
    let sql = "delete from things where tenant_id = $1 and region = $2 and name = $3";
    desk.tx.execute(sql, args![&tenant, &region, &name]).await?;
    desk.audit("delete", "thing", &name, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Things, by name.
#[utoipa::path(get, path = "/api/management/v1/iot/things", operation_id = "ListThings", tag = "things",
    params(("attributeName" = Option<String>, Query, description = "Only those with this attribute,"),
        ("attributeValue" = Option<String>, Query, description = "and this value of it."),
        ("thingTypeName" = Option<String>, Query, description = "Only those of this type."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`things`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListThings").await?;
    let param = |name: &str| asked.params.one(name).unwrap_or_default().to_owned();
    let (kind, attribute, value) = (param("thingTypeName"), param("attributeName"), param("attributeValue"));
    if attribute.is_empty() != value.is_empty() {
        return Err(invalid("attributeName and attributeValue go together"));
    }
    let listed = format!("things/{kind}/{attribute}/{value}");
    let listing = Listing::read(&app, &desk.place, &asked.params, listed)?;
    // An attribute as the object of attributes writes it. Neither name nor value has a character that would be escaped.
    let written = if attribute.is_empty() { String::new() } else { format!("\"{attribute}\":\"{value}\"") };
    let everybody = app.defect(DefectId::ThingListForgetsTenant);
    let sql = "select * from things where (tenant_id = $1 or $7 = 1) and region = $2 and name > $3 \
               and ($4 = '' or type_name = $4) and ($5 = '' or replace(attributes, $5, '') <> attributes) \
               order by name limit $6";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let which = args![tenant, region, &listing.after, kind, written, listing.rows(), everybody];
    let rows = desk.tx.query(sql, which).await?;
    let entry = |row: &Row| Ok((row.text("name")?, shown(&desk, row)?));
    let entries = rows.iter().map(entry).collect::<Result<Vec<_>, StoreError>>()?;
    let answer = listing.answer(&app, &desk.place, ("things", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}
