//! Fleet indexing, as far as it is served: things found by name, group or attribute, each with its shadow, many at a time.
//!
//! A query is `*`, or terms joined by `AND`: `thingName:<name or prefix*>`, `thingGroupNames:<name>`,
//! `attributes.<name>:<value>`. The index is the tables themselves: it is never behind.

use super::desk::{Asked, Desk};
use super::listing::Listing;
use super::refusals::invalid;
use crate::Platform;
use crate::args;
use crate::edge::{Body, need};
use crate::refusal::Answer;
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{Row, StoreError, Tx};
use axum::Json;
use axum::extract::State;
use fleetproof_dataplane::shadows::Stored;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The one index.
const INDEX: &str = "AWS_Things";

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Search {
    /// `AWS_Things`, also when absent.
    index_name: Option<String>,
    query_string: String,
    /// 1 to 250, 25 when absent.
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// What a query asks of a thing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    name: Option<String>,
    prefix: Option<String>,
    group: Option<String>,
    attribute: Option<(String, String)>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What in it is not served.
    fn read(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Err("queryString is empty: `*` finds everything".to_owned());
        }
        for term in text.split(" AND ").map(str::trim).filter(|term| *term != "*") {
            let not_served = || {
                format!(
                    "`{term}` is not served: use *, thingName:<name or prefix*>, thingGroupNames:<name> or \
                     attributes.<name>:<value>, each once, joined by AND"
                )
            };
            let (field, value) = term.split_once(':').ok_or_else(not_served)?;
            let value = value.trim_matches('"');
            let (stem, is_prefix) = value.strip_suffix('*').map_or((value, false), |stem| (stem, true));
            if value.is_empty() || stem.contains(['*', '?', '"', '(', ')', ' ']) {
                return Err(not_served());
            }
            let place = match field {
                "thingName" if is_prefix => &mut query.prefix,
                "thingName" => &mut query.name,
                "thingGroupNames" if !is_prefix => &mut query.group,
                _ => match field.strip_prefix("attributes.").filter(|_| !is_prefix) {
                    Some(name) if query.attribute.is_none() => {
                        query.attribute = Some((name.to_owned(), value.to_owned()));
                        continue;
                    }
                    _ => return Err(not_served()),
                },
            };
            if place.replace(stem.to_owned()).is_some() {
                return Err(not_served());
            }
        }
        Ok(query)
    }
}

/// Find things.
#[utoipa::path(post, path = "/api/management/v1/iot/indices/search", operation_id = "SearchIndex", tag = "things",
    params(("region" = Option<String>, Query, description = "A region of the account; its home when absent.")),
    request_body = Search,
    responses((status = 200, description = "`things`, each with its groups, attributes and `shadow`; `nextToken`.", body = Value),
        (status = 400, description = "InvalidQueryException, InvalidRequestException."),
        (status = 404, description = "ResourceNotFoundException.")), security(("user" = [])))]
async fn search(
    State(app): State<Platform>,
    asked: Asked<need::SeeDevices>,
    Body(search): Body<Search>,
) -> Answer<Json<Value>> {
    if search.index_name.as_deref().is_some_and(|name| name != INDEX) {
        return Err(invalid(format!("indexName: {INDEX} is the one index")));
    }
    let query = Query::read(&search.query_string).map_err(|why| invalid(why).named("InvalidQueryException"))?;
    let mut desk = asked.desk(&app, "SearchIndex").await?;
    let listed = format!("search/{query:?}");
    let listing = Listing::of(&app, &desk.place, search.max_results, search.next_token.as_deref(), listed)?;
    let rows = found(&mut desk, &query, &listing).await?;
    let names: Vec<String> = rows.iter().map(|row| row.text("name")).collect::<Result<_, _>>()?;
    let (groups, shadows) = match (names.first(), names.last()) {
        (Some(first), Some(last)) => (groups(&mut desk, first, last).await?, shadows(&mut desk, first, last).await?),
        _ => <_>::default(),
    };
    let entry = |(row, name): (&Row, String)| {
        let mut thing = json!({
            "thingName": name,
            "thingId": row.text("id")?,
            "attributes": row.json::<Value>("attributes")?,
            "thingGroupNames": groups.get(&name).map_or(&[][..], Vec::as_slice),
        });
        if let Some(kind) = row.maybe_text("type_name")? {
            thing["thingTypeName"] = kind.into();
        }
        if let Some(shadow) = shadows.get(&name) {
            thing["shadow"] = shadow.to_string().into();
        }
        Ok((name, thing))
    };
    let entries = rows.iter().zip(names).map(entry).collect::<Result<Vec<_>, StoreError>>()?;
    let answer = listing.answer(&app, &desk.place, ("things", "nextToken"), entries);
    desk.commit().await?;
    Ok(Json(answer))
}

async fn found(desk: &mut Desk, query: &Query, listing: &Listing) -> Result<Vec<Row>, StoreError> {
    // An attribute as the object of attributes writes it. Neither name nor value has a character that would be escaped.
    let written = query.attribute.as_ref().map_or(String::new(), |(name, value)| format!("\"{name}\":\"{value}\""));
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let everybody = is_planted(&desk.app, RegistryDefect::SearchForgetsTenant);
    let sql = "select * from things t where (tenant_id = $1 or $9 = 1) and region = $2 and name > $3 \
               and ($4 = '' or name = $4) and ($5 = '' or substr(name, 1, length($5)) = $5) \
               and ($6 = '' or exists (select 1 from thing_group_members m where m.tenant_id = t.tenant_id \
                    and m.region = t.region and m.thing = t.name and m.group_name = $6)) \
               and ($7 = '' or replace(attributes, $7, '') <> attributes) order by name limit $8";
    let (tenant, region) = (desk.place.tenant.clone(), desk.place.region.clone());
    let (name, prefix, group) = (text(&query.name), text(&query.prefix), text(&query.group));
    let which = args![tenant, region, &listing.after, name, prefix, group, written, listing.rows(), everybody];
    desk.tx.query(sql, which).await
}

/// The groups of the things from `first` to `last`.
async fn groups(desk: &mut Desk, first: &str, last: &str) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let sql = "select thing, group_name from thing_group_members \
               where tenant_id = $1 and region = $2 and thing >= $3 and thing <= $4 order by thing, group_name";
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in desk.tx.query(sql, args![&desk.place.tenant, &desk.place.region, first, last]).await? {
        groups.entry(row.text("thing")?).or_default().push(row.text("group_name")?);
    }
    Ok(groups)
}

/// The unnamed shadows of the things from `first` to `last`.
async fn shadows(desk: &mut Desk, first: &str, last: &str) -> Result<BTreeMap<String, Value>, StoreError> {
    let sql = "select thing, stored from shadows where tenant_id = $1 and region = $2 and name = '' \
               and thing >= $3 and thing <= $4 order by thing";
    let mut shadows = BTreeMap::new();
    for row in desk.tx.query(sql, args![&desk.place.tenant, &desk.place.region, first, last]).await? {
        let stored: Stored = row.json("stored")?;
        if let Some(shadow) = stored.live() {
            let mut shown = Value::Object(shadow.state());
            shown["metadata"] = Value::Object(shadow.metadata());
            shown["version"] = shadow.version.into();
            shadows.insert(row.text("thing")?, shown);
        }
    }
    Ok(shadows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_terms_joined_by_and() {
        let read = |text| Query::read(text).unwrap();
        assert_eq!(read("*"), Query::default());
        assert_eq!(read("thingName:pump-1").name.as_deref(), Some("pump-1"));
        let query = read("thingName:pump* AND thingGroupNames:\"all\" AND attributes.site:north");
        assert_eq!((query.prefix.as_deref(), query.group.as_deref()), (Some("pump"), Some("all")));
        assert_eq!(query.attribute, Some(("site".to_owned(), "north".to_owned())));
        for text in ["", "pump", "connectivity.connected:true", "thingName:a*b", "thingName:a AND thingName:b", "a:"] {
            assert!(Query::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _read = Query::read(&text);
        }
    }
}
