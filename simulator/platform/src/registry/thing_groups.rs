//! Static groups of things. A group may have a parent; a thing may be in several, and in each once.

use super::desk::{Asked, Desk, check_name};
use super::listing::Listing;
use super::refusals::{exists, invalid, unknown, version_conflict};
use super::things::{AttributePayload, Attributes, NAME, find as find_thing};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, need};
use crate::refusal::Answer;
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{Row, StoreError, Tx};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a description may be, in characters.
const LONGEST: usize = 2028;

/// How many groups a thing may be in (AWS: 10).
const MOST_GROUPS: i64 = 10;

/// How deep groups may stand in groups (AWS: 7).
const DEEPEST: usize = 7;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(create, describe, update, delete))
        .routes(routes!(list))
        .routes(routes!(add_thing))
        .routes(routes!(remove_thing))
        .routes(routes!(list_things))
        .routes(routes!(list_of_thing))
}

/// What a group says of itself.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    thing_group_description: Option<String>,
    attribute_payload: Option<AttributePayload>,
}

/// A group to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct NewGroup {
    parent_group_name: Option<String>,
    thing_group_properties: Properties,
}

/// What shall be different about a group.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct GroupUpdate {
    thing_group_properties: Properties,
    expected_version: Option<i64>,
}

/// A thing and a group, by name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Membership {
    thing_group_name: Option<String>,
    thing_group_arn: Option<String>,
    thing_name: Option<String>,
    thing_arn: Option<String>,
}

fn check_description(text: &str) -> Answer<()> {
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(invalid(format!("thingGroupDescription has at most {LONGEST} characters")));
    }
    Ok(())
}

async fn find(desk: &mut Desk, name: &str) -> Answer<Row> {
    let sql = "select * from thing_groups where tenant_id = $1 and region = $2 and name = $3 order by name";
    let row = desk.tx.first(sql, args![&desk.place.tenant, &desk.place.region, name]).await?;
    row.ok_or_else(unknown)
}

/// The things in a group and in the groups in it, by name; a 404 where it is not.
pub(super) async fn members(desk: &mut Desk, name: &str) -> Answer<Vec<String>> {
    find(desk, name).await?;
    // Groups have no parent that was made after them, so they go round in no circle.
    let sql = "with recursive within (name) as ( \
                 select g.name from thing_groups g where g.tenant_id = $1 and g.region = $2 and g.name = $3 \
                 union select g.name from thing_groups g join within w on g.parent = w.name \
                 where g.tenant_id = $1 and g.region = $2) \
               select distinct m.thing as name from thing_group_members m join within w on w.name = m.group_name \
               where m.tenant_id = $1 and m.region = $2 order by m.thing";
    let rows = desk.tx.query(sql, args![&desk.place.tenant, &desk.place.region, name]).await?;
    Ok(rows.iter().map(|row| row.text("name")).collect::<Result<_, _>>()?)
}

/// Create a group.
#[utoipa::path(post, path = "/api/management/v1/iot/thing-groups/{thingGroupName}", operation_id = "CreateThingGroup",
    tag = "thing groups", params(("thingGroupName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = NewGroup,
    responses((status = 200, description = "`thingGroupName`, `thingGroupArn`, `thingGroupId`.", body = Value),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "ResourceAlreadyExistsException.")),
    security(("user" = [])))]
async fn create(
    State(app): State<Platform>,
    asked: Asked<need::SortDevices>,
    At(name): At<String>,
    Body(new): Body<Option<NewGroup>>,
) -> Answer<Json<Value>> {
    let new = new.unwrap_or_default();
    check_name("thingGroupName", &name, NAME)?;
    let properties = new.thing_group_properties;
    let description = properties.thing_group_description.unwrap_or_default();
    check_description(&description)?;
    let attributes = json!(properties.attribute_payload.unwrap_or_default().applied(Attributes::new())?).to_string();
    let mut desk = asked.desk(&app, "CreateThingGroup").await?;
    let mut above = new.parent_group_name.clone();
    let mut depth = 1;
    while let Some(group) = above {
        depth += 1;
        if depth > DEEPEST {
            return Err(invalid(format!("groups stand in groups at most {DEEPEST} deep")));
        }
        above = find(&mut desk, &group).await?.maybe_text("parent")?;
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let fresh = app.ids().thing();
    let sql = "insert into thing_groups (tenant_id, region, name, id, parent, description, attributes, version, created_at) \
               values ($1, $2, $3, $4, $5, $6, $7, 1, $8) on conflict do nothing";
    let parent = new.parent_group_name;
    let row = args![tenant, region, &name, &fresh, parent.clone(), &description, &attributes, app.now_ms()];
    let id = if desk.tx.execute(sql, row).await? == 1 {
        desk.audit("create", "thing_group", &name, None).await?;
        fresh
    } else {
        let there = find(&mut desk, &name).await?;
        let same = there.maybe_text("parent")? == parent
            && there.text("description")? == description
            && there.text("attributes")? == attributes;
        if !same {
            return Err(exists("thing group"));
        }
        there.text("id")?
    };
    let answer = json!({ "thingGroupName": name, "thingGroupArn": desk.arn("thinggroup", &name), "thingGroupId": id });
    desk.commit().await?;
    Ok(Json(answer))
}

/// A group.
#[utoipa::path(get, path = "/api/management/v1/iot/thing-groups/{thingGroupName}", operation_id = "DescribeThingGroup",
    tag = "thing groups", params(("thingGroupName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "Its name, id, properties and version.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn describe(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "DescribeThingGroup").await?;
    let row = find(&mut desk, &name).await?;
    let mut metadata = json!({ "creationDate": row.time("created_at")? / 1_000 });
    if let Some(parent) = row.maybe_text("parent")? {
        metadata["parentGroupName"] = parent.into();
    }
    let answer = json!({
        "thingGroupName": name,
        "thingGroupArn": desk.arn("thinggroup", &name),
        "thingGroupId": row.text("id")?,
        "version": row.int("version")?,
        "thingGroupProperties": {
            "thingGroupDescription": row.text("description")?,
            "attributePayload": { "attributes": row.json::<Value>("attributes")? },
        },
        "thingGroupMetadata": metadata,
    });
    desk.commit().await?;
    Ok(Json(answer))
}

/// Change what a group says of itself.
#[utoipa::path(patch, path = "/api/management/v1/iot/thing-groups/{thingGroupName}", operation_id = "UpdateThingGroup",
    tag = "thing groups", params(("thingGroupName" = String, Path, description = "Its name."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = GroupUpdate,
    responses((status = 200, description = "`version`.", body = Value), (status = 404, description = "ResourceNotFoundException."),
        (status = 409, description = "VersionConflictException.")), security(("user" = [])))]
async fn update(
    State(app): State<Platform>,
    asked: Asked<need::SortDevices>,
    At(name): At<String>,
    Body(update): Body<GroupUpdate>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "UpdateThingGroup").await?;
    let row = find(&mut desk, &name).await?;
    let version = row.int("version")?;
    if update.expected_version.is_some_and(|expected| expected != version) {
        return Err(version_conflict());
    }
    let properties = update.thing_group_properties;
    let description = properties.thing_group_description.unwrap_or(row.text("description")?);
    check_description(&description)?;
    let before: Attributes = row.json("attributes")?;
    let attributes = match properties.attribute_payload {
        Some(payload) => payload.applied(before)?,
        None => before,
    };
    let sql = "update thing_groups set description = $4, attributes = $5, version = version + 1 \
               where tenant_id = $1 and region = $2 and name = $3 and version = $6";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let set = args![tenant, region, &name, &description, json!(attributes).to_string(), version];
    if desk.tx.execute(sql, set).await? == 0 {
        return Err(version_conflict());
    }
    desk.audit("update", "thing_group", &name, None).await?;
    desk.commit().await?;
    Ok(Json(json!({ "version": version + 1 })))
}

/// Delete a group. One that is not there is deleted already.
#[utoipa::path(delete, path = "/api/management/v1/iot/thing-groups/{thingGroupName}", operation_id = "DeleteThingGroup",
    tag = "thing groups", params(("thingGroupName" = String, Path, description = "Its name."),
        ("expectedVersion" = Option<i64>, Query, description = "Only if it has this version."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is not there.", body = Value),
        (status = 400, description = "InvalidRequestException: it has groups in it."),
        (status = 404, description = "ResourceNotFoundException."), (status = 409, description = "VersionConflictException.")),
    security(("user" = [])))]
async fn delete(
    State(app): State<Platform>,
    asked: Asked<need::SortDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let expected = asked.params.number("expectedVersion")?;
    let mut desk = asked.desk(&app, "DeleteThingGroup").await?;
    let row = match find(&mut desk, &name).await {
        Err(refusal) if refusal.status == unknown().status => return Ok(Json(json!({}))),
        found => found?,
    };
    if expected.is_some_and(|expected| Ok(expected) != row.int("version").map_err(drop)) {
        return Err(version_conflict());
    }
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let children = "select count(*) as n from thing_groups where tenant_id = $1 and region = $2 and parent = $3";
    if desk.tx.number(children, args![&tenant, &region, &name]).await? > 0 {
        return Err(invalid("The thing group has groups in it: delete them first."));
    }
    let sql = "delete from thing_groups where tenant_id = $1 and region = $2 and name = $3";
    desk.tx.execute(sql, args![&tenant, &region, &name]).await?;
    desk.audit("delete", "thing_group", &name, None).await?;
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Groups, by name.
#[utoipa::path(get, path = "/api/management/v1/iot/thing-groups", operation_id = "ListThingGroups", tag = "thing groups",
    params(("parentGroup" = Option<String>, Query, description = "Only those in this group."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`thingGroups`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list(State(app): State<Platform>, asked: Asked<need::SeeDevices>) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListThingGroups").await?;
    let parent = asked.params.one("parentGroup").unwrap_or_default().to_owned();
    if !parent.is_empty() {
        find(&mut desk, &parent).await?;
    }
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("thing-groups/{parent}"))?;
    let sql = "select name from thing_groups where tenant_id = $1 and region = $2 and name > $3 \
               and ($4 = '' or parent = $4) order by name limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &listing.after, parent, listing.rows()]).await?;
    let answer = listing.answer(&app, &desk.place, ("thingGroups", "nextToken"), named(&desk, &rows)?);
    desk.commit().await?;
    Ok(Json(answer))
}

fn named(desk: &Desk, rows: &[Row]) -> Result<Vec<(String, Value)>, StoreError> {
    let entry = |row: &Row| {
        let name = row.text("name")?;
        let shown = json!({ "groupName": name, "groupArn": desk.arn("thinggroup", &name) });
        Ok((name, shown))
    };
    rows.iter().map(entry).collect()
}

/// The names that a request about a membership means; each by itself or by its ARN.
fn named_in(desk: &Desk, membership: &Membership) -> Answer<(String, String)> {
    let one = |kind: &str, name: &Option<String>, arn: &Option<String>| match (name, arn) {
        (Some(name), None) => Ok(name.clone()),
        (name, Some(arn)) => {
            let here = desk.arn(kind, "");
            let told = arn.strip_prefix(&here).ok_or_else(unknown)?;
            if name.as_ref().is_some_and(|name| name != told) {
                return Err(invalid("name and ARN name different things"));
            }
            Ok(told.to_owned())
        }
        (None, None) => Err(invalid("a thing and a thing group must be named")),
    };
    let group = one("thinggroup", &membership.thing_group_name, &membership.thing_group_arn)?;
    Ok((group, one("thing", &membership.thing_name, &membership.thing_arn)?))
}

/// Put a thing into a group.
#[utoipa::path(put, path = "/api/management/v1/iot/thing-groups/addThingToThingGroup",
    operation_id = "AddThingToThingGroup", tag = "thing groups", request_body = Membership,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is in.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn add_thing(
    State(app): State<Platform>,
    asked: Asked<need::SortDevices>,
    Body(membership): Body<Membership>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "AddThingToThingGroup").await?;
    let (group, thing) = named_in(&desk, &membership)?;
    find(&mut desk, &group).await?;
    find_thing(&mut desk, &thing).await?;
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let count = "select count(*) as n from thing_group_members where tenant_id = $1 and region = $2 and thing = $3 \
                 and group_name <> $4";
    if desk.tx.number(count, args![&tenant, &region, &thing, &group]).await? >= MOST_GROUPS {
        return Err(invalid(format!("a thing is in at most {MOST_GROUPS} groups")));
    }
    let sql = "insert into thing_group_members (tenant_id, region, group_name, thing) values ($1, $2, $3, $4) \
               on conflict do nothing";
    if desk.tx.execute(sql, args![&tenant, &region, &group, &thing]).await? == 1 {
        desk.audit("update", "thing_group", &group, Some(format!("added: {thing}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// Take a thing out of a group.
#[utoipa::path(put, path = "/api/management/v1/iot/thing-groups/removeThingFromThingGroup",
    operation_id = "RemoveThingFromThingGroup", tag = "thing groups", request_body = Membership,
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "It is out.", body = Value), (status = 404, description = "ResourceNotFoundException.")),
    security(("user" = [])))]
async fn remove_thing(
    State(app): State<Platform>,
    asked: Asked<need::SortDevices>,
    Body(membership): Body<Membership>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "RemoveThingFromThingGroup").await?;
    let (group, thing) = named_in(&desk, &membership)?;
    find(&mut desk, &group).await?;
    find_thing(&mut desk, &thing).await?;
    let sql = "delete from thing_group_members where tenant_id = $1 and region = $2 and group_name = $3 and thing = $4";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    if desk.tx.execute(sql, args![tenant, region, &group, &thing]).await? == 1 {
        desk.audit("update", "thing_group", &group, Some(format!("removed: {thing}"))).await?;
    }
    desk.commit().await?;
    Ok(Json(json!({})))
}

/// The names of the things in a group.
#[utoipa::path(get, path = "/api/management/v1/iot/thing-groups/{thingGroupName}/things",
    operation_id = "ListThingsInThingGroup", tag = "thing groups",
    params(("thingGroupName" = String, Path, description = "Its name."),
        ("recursive" = Option<bool>, Query, description = "With the things of the groups in it."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`things`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_things(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListThingsInThingGroup").await?;
    find(&mut desk, &name).await?;
    let recursive = asked.params.choice("recursive", &["true", "false"])? == Some("true");
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("thing-groups/{name}/things/{recursive}"))?;
    // Groups have no parent that was made after them, so they go round in no circle.
    let sql = "with recursive within (name) as ( \
                 select g.name from thing_groups g where g.tenant_id = $1 and g.region = $2 and g.name = $3 \
                 union select g.name from thing_groups g join within w on g.parent = w.name \
                 where g.tenant_id = $1 and g.region = $2 and $4 = 1) \
               select distinct m.thing as name from thing_group_members m join within w on w.name = m.group_name \
               where (m.tenant_id = $1 or $7 = 1) and m.region = $2 and m.thing > $5 order by m.thing limit $6";
    let everybody = is_planted(&app, RegistryDefect::GroupMembersForgetTenant);
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let which = args![tenant, region, &name, recursive, &listing.after, listing.rows(), everybody];
    let rows = desk.tx.query(sql, which).await?;
    let entry = |row: &Row| row.text("name").map(|name| (name.clone(), Value::from(name)));
    let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let answer = listing.answer(&app, &desk.place, ("things", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

/// The groups that a thing is in.
#[utoipa::path(get, path = "/api/management/v1/iot/things/{thingName}/thing-groups",
    operation_id = "ListThingGroupsForThing", tag = "thing groups",
    params(("thingName" = String, Path, description = "Its name."),
        ("maxResults" = Option<i64>, Query, description = "1 to 250, 25 when absent."),
        ("nextToken" = Option<String>, Query, description = "From the page before."),
        ("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    responses((status = 200, description = "`thingGroups`, `nextToken`.", body = Value),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn list_of_thing(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    At(name): At<String>,
) -> Answer<Json<Value>> {
    let mut desk = asked.desk(&app, "ListThingGroupsForThing").await?;
    find_thing(&mut desk, &name).await?;
    let listing = Listing::read(&app, &desk.place, &asked.params, format!("things/{name}/thing-groups"))?;
    let sql = "select group_name as name from thing_group_members where tenant_id = $1 and region = $2 and thing = $3 \
               and group_name > $4 order by group_name limit $5";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let rows = desk.tx.query(sql, args![tenant, region, &name, &listing.after, listing.rows()]).await?;
    let answer = listing.answer(&app, &desk.place, ("thingGroups", "nextToken"), named(&desk, &rows)?);
    desk.commit().await?;
    Ok(Json(answer))
}
