//! Download links: whoever has one gets the bytes, until it ends. They need no token and may ask for a part.

use super::objects::Objects;
use crate::Platform;
use crate::args;
use crate::defects::DefectId;
use crate::edge::{At, Origin, Params};
use crate::platform::PlatformError;
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::Serialize;
use std::ops::Range;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(fetch, remove))
}

/// How long a link is good, in seconds.
const LIFETIME_S: u64 = 15 * 60;

/// Where an artifact's bytes are.
pub(crate) fn key(tenant: &str, artifact: &str) -> String {
    format!("{tenant}/{artifact}")
}

/// Where all the bytes of a tenant are.
pub(crate) async fn files_of(tx: &mut Transaction, tenant: &str) -> Result<Vec<String>, StoreError> {
    let rows = tx.query("select id from artifacts where tenant_id = $1 order by id", args![tenant]).await?;
    rows.iter().map(|row| Ok(key(tenant, &row.text("id")?))).collect()
}

/// Where to download something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Link {
    pub(super) uri: String,
    pub(super) expire: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'static str>,
}

/// What the signature of a link covers.
fn sealed(app: &Platform, tenant: &str, artifact: &str, expires: u64) -> String {
    if app.defect(DefectId::LinkSealsExpiryOnly) {
        return format!("storage?expires={expires}");
    }
    format!("storage/{tenant}/{artifact}?expires={expires}")
}

/// A link to an artifact's bytes.
pub(super) fn link(app: &Platform, Origin(origin): &Origin, tenant: &str, artifact: &str) -> Result<Link, Refusal> {
    let place = format!("{origin}/storage/{tenant}/{artifact}");
    let (uri, expires) = signed(app, &place, (tenant, artifact), LIFETIME_S).map_err(Refusal::internal)?;
    Ok(Link { uri, expire: rfc3339(expires * 1_000), method: None })
}

/// A link to where an artifact's bytes are, good for so many seconds; and until when, in seconds since 1970.
pub(crate) fn signed(
    app: &Platform,
    place: &str,
    (tenant, artifact): (&str, &str),
    lifetime_s: u64,
) -> Result<(String, u64), PlatformError> {
    let expires = app.now_s() + lifetime_s;
    let seal = app.tokens().seal(&sealed(app, tenant, artifact, expires))?;
    Ok((format!("{place}?expires={expires}&signature={seal}"), expires))
}

/// Tenant and artifact of a place where bytes are: an address of the storage, without what signs it.
pub(crate) fn stored_at(place: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = place.split_once("://")?;
    let (_host, path) = rest.split_once('/')?;
    let (tenant, artifact) = path.strip_prefix("storage/")?.split_once('/')?;
    let is_plain = |part: &str| !part.is_empty() && !part.contains(['/', '?', '#']);
    (matches!(scheme, "http" | "https") && is_plain(tenant) && is_plain(artifact)).then_some((tenant, artifact))
}

/// Download with a link. Every link that is not good, for whatever reason, is refused the same way.
#[utoipa::path(get, path = "/storage/{tenant}/{artifact}", operation_id = "x_fleetproof Download", tag = "storage",
    params(("tenant" = String, Path, description = "From the link."),
        ("artifact" = String, Path, description = "From the link."),
        ("expires" = i64, Query, description = "From the link."),
        ("signature" = String, Query, description = "From the link."),
        ("Range" = Option<String>, Header, description = "A part, e.g. bytes=100-.")),
    responses((status = 200, description = "The bytes.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "A part.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 403, description = "The link is not good."), (status = 404, description = "Not Found."),
        (status = 416, description = "There is no such part.")))]
async fn fetch(
    State(app): State<Platform>,
    At((tenant, artifact)): At<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    let expires = params.one("expires").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let seal = params.one("signature").unwrap_or_default();
    let unseen = headers.contains_key(header::RANGE) && app.defect(DefectId::PartNeedsNoSeal);
    let sealed = app.tokens().unseals(&sealed(&app, &tenant, &artifact, expires), seal) || unseen;
    let good = sealed && (app.now_s() < expires || app.defect(DefectId::LinkNeverEnds));
    if !good {
        return Err(Refusal::forbidden_since("the link is not good"));
    }
    let key = key(&tenant, &artifact);
    let size = app.objects().size(&key).await.map_err(Refusal::internal)?;
    let size = size.ok_or_else(|| Refusal::not_found("object not found"))?;
    let part = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(|range| part(range, size));
    let (status, range) = match part {
        None => (StatusCode::OK, 0..size),
        Some(range) if range.is_empty() => return Ok(no_such_part(size)),
        Some(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let sent = match app.defect(DefectId::PartFromTheStart) {
        true => 0..range.end - range.start,
        false => range.clone(),
    };
    let bytes = app.objects().read(&key, sent).await.map_err(Refusal::internal)?;
    let bytes = bytes.ok_or_else(|| Refusal::not_found("object not found"))?;
    let mut response = (status, Body::from(bytes)).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/vnd.mender-artifact"));
    answer.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
        answer.extend(header::HeaderValue::from_str(&told).ok().map(|told| (header::CONTENT_RANGE, told)));
    }
    Ok(response)
}

/// A link is to read with: what else is asked with it is refused as any method that is not there.
#[utoipa::path(delete, path = "/storage/{tenant}/{artifact}", operation_id = "x_fleetproof Remove Download", tag = "storage",
    params(("tenant" = String, Path, description = "From the link."),
        ("artifact" = String, Path, description = "From the link."),
        ("expires" = i64, Query, description = "From the link."),
        ("signature" = String, Query, description = "From the link.")),
    responses((status = 405, description = "A link is to read with.")), security(()))]
async fn remove(
    State(app): State<Platform>,
    At((tenant, artifact)): At<(String, String)>,
    params: Params,
) -> Answer<StatusCode> {
    let expires = params.one("expires").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let seal = params.one("signature").unwrap_or_default();
    if app.defect(DefectId::LinkRemoves) && app.tokens().unseals(&sealed(&app, &tenant, &artifact, expires), seal) {
        app.objects().remove(&key(&tenant, &artifact)).await.map_err(Refusal::internal)?;
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::not_allowed("Method not allowed"))
}

fn no_such_part(size: u64) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{size}"))]).into_response()
}

/// The part that a `Range` header asks for: empty when there is none of it, `None` for what is not understood (then
/// the whole is sent, RFC 9110, 14.2). Of several parts none is understood.
fn part(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let length = last.parse::<u64>().ok()?.min(size);
        return Some(size - length..size);
    }
    let first = first.parse::<u64>().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.saturating_add(1) };
    if end <= first && !last.is_empty() {
        return None;
    }
    Some(first.min(size)..end.min(size).max(first.min(size)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_those_of_the_standard() {
        assert_eq!(part("bytes=0-0", 10), Some(0..1));
        assert_eq!(part("bytes=4-", 10), Some(4..10));
        assert_eq!(part("bytes=4-99", 10), Some(4..10));
        assert_eq!(part("bytes=-3", 10), Some(7..10));
        assert_eq!(part("bytes=-99", 10), Some(0..10));
        assert!(part("bytes=10-", 10).unwrap().is_empty());
        assert!(part("bytes=-0", 10).unwrap().is_empty());
        for odd in ["bytes=", "bytes=x-", "bytes=5-4", "bytes=0-1,3-4", "lines=0-1", "bytes=1"] {
            assert_eq!(part(odd, 10), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_beyond_the_whole(text in "bytes=[0-9]{0,3}-[0-9]{0,3}", size in 0_u64..200) {
            if let Some(range) = part(&text, size) {
                prop_assert!(range.start <= range.end && range.end <= size);
            }
        }
    }
}
