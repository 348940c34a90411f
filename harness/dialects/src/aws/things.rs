//! Things with certificates of their own: made known, found again, taken away.

use super::introduction::policy;
use super::{ROOT, ask, send, text};
use crate::mender::{Mender, Session};
use crate::{Answer, DialectError, Request, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The policy that things have which come with a certificate.
const POLICY: &str = "fleetproof-device";

/// How many things a page of a search has: the most that the platform gives.
const PAGE: usize = 250;

/// A thing as the account's index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingRow {
    /// Its name.
    pub name: String,
    /// The groups that it is in.
    pub groups: BTreeSet<String>,
    /// The version that its shadow reports, if it has reported any.
    pub version: Option<String>,
}

/// A certificate as the account lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// 64 hexadecimal digits: the SHA-256 of the certificate.
    pub id: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, `PENDING_TRANSFER`, `PENDING_ACTIVATION`.
    pub status: String,
}

/// Makes the policy that things have, in the account of the tenant that `by` is logged in to. It is there already when
/// somebody has made it.
///
/// # Errors
/// As the platform refuses it.
pub async fn prepare(mender: &Mender, by: &Session, place: &Place) -> Result<()> {
    let document = json!({ "policyDocument": policy(&place.arn("")).to_string() });
    match ask(mender, by, "POST", &place.path(&format!("/policies/{POLICY}")), Some(&document)).await {
        Err(error) if error.status() == Some(409) => Ok(()),
        made => made.map(drop),
    }
}

/// A region of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The host that devices name in their handshake.
    pub endpoint: String,
}

impl Place {
    /// The name of a resource: `thing/pump-1`.
    #[must_use]
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iot:{}:{}:{resource}", self.region, self.account)
    }

    pub(super) fn path(&self, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}region={}", self.region)
    }
}

/// The account of the tenant that `by` is logged in to, in `region` or at home.
///
/// # Errors
/// As the platform refuses it: 404 in a region in which the account is not.
pub async fn place(mender: &Mender, by: &Session, region: Option<&str>) -> Result<Place> {
    let query = region.map_or_else(String::new, |region| format!("?region={region}"));
    let who = ask(mender, by, "GET", &format!("/caller-identity{query}"), None).await?.json().unwrap_or_default();
    let door = ask(mender, by, "GET", &format!("/endpoint{query}"), None).await?.json().unwrap_or_default();
    let place = Place {
        account: text(&who, "Account"),
        region: text(&who, "Region"),
        endpoint: text(&door, "endpointAddress"),
    };
    if place.account.is_empty() || place.endpoint.is_empty() {
        let reason = "it names no account or no endpoint".to_owned();
        return Err(DialectError::Unreadable { operation: "GetCallerIdentity".to_owned(), reason });
    }
    Ok(place)
}

/// Makes a thing known whose device comes with `certificate` (PEM): registered, active, with the policy, attached.
/// Returns the certificate's id. Whatever is there already stays as it is.
///
/// # Errors
/// As the platform refuses it.
pub async fn register(
    mender: &Mender,
    by: &Session,
    place: &Place,
    thing: &str,
    attributes: &Value,
    certificate: &str,
) -> Result<String> {
    let new = json!({ "certificatePem": certificate, "status": "ACTIVE" });
    let made = ask(mender, by, "POST", &place.path("/certificate/register-no-ca"), Some(&new)).await?;
    let body = made.json().unwrap_or_default();
    let (id, arn) = (text(&body, "certificateId"), text(&body, "certificateArn"));
    let new = json!({ "attributePayload": { "attributes": attributes } });
    ask(mender, by, "POST", &place.path(&format!("/things/{thing}")), Some(&new)).await?;
    let target = json!({ "target": arn });
    ask(mender, by, "PUT", &place.path(&format!("/target-policies/{POLICY}")), Some(&target)).await?;
    let attach = Request::new("PUT", format!("{ROOT}{}", place.path(&format!("/things/{thing}/principals"))));
    send(mender, by, attach.header("x-amzn-principal", arn)).await?;
    Ok(id)
}

/// Makes a thing that nobody is.
///
/// # Errors
/// As the platform refuses it.
pub async fn name(mender: &Mender, by: &Session, place: &Place, thing: &str) -> Result<()> {
    ask(mender, by, "POST", &place.path(&format!("/things/{thing}")), Some(&json!({}))).await.map(drop)
}

/// Takes such a thing away.
///
/// # Errors
/// As the platform refuses it.
pub async fn unname(mender: &Mender, by: &Session, place: &Place, thing: &str) -> Result<()> {
    ask(mender, by, "DELETE", &place.path(&format!("/things/{thing}")), None).await.map(drop)
}

/// Ends a certificate, with the connection that it has.
///
/// # Errors
/// As the platform refuses it.
pub async fn revoke(mender: &Mender, by: &Session, place: &Place, certificate: &str) -> Result<()> {
    let path = place.path(&format!("/certificates/{certificate}?newStatus=REVOKED"));
    ask(mender, by, "PUT", &path, None).await.map(drop)
}

/// Makes a certificate inactive: nobody comes in with it until it is active again.
///
/// # Errors
/// As the platform refuses it.
pub async fn deactivate(mender: &Mender, by: &Session, place: &Place, certificate: &str) -> Result<()> {
    let inactive = place.path(&format!("/certificates/{certificate}?newStatus=INACTIVE"));
    match ask(mender, by, "PUT", &inactive, None).await {
        // It is revoked: as good as inactive.
        Err(error) if error.status() == Some(406) => Ok(()),
        done => done.map(drop),
    }
}

/// Takes a certificate away for good that no thing has.
///
/// # Errors
/// As the platform refuses it.
pub async fn discard(mender: &Mender, by: &Session, place: &Place, certificate: &str) -> Result<()> {
    deactivate(mender, by, place, certificate).await?;
    let gone = place.path(&format!("/certificates/{certificate}?forceDelete=true"));
    ask(mender, by, "DELETE", &gone, None).await.map(drop)
}

/// Takes a thing and its certificate away for good.
///
/// # Errors
/// As the platform refuses it.
pub async fn forget(mender: &Mender, by: &Session, place: &Place, thing: &str, certificate: &str) -> Result<()> {
    let arn = place.arn(&format!("cert/{certificate}"));
    deactivate(mender, by, place, certificate).await?;
    let detach = Request::new("DELETE", format!("{ROOT}{}", place.path(&format!("/things/{thing}/principals"))));
    send(mender, by, detach.header("x-amzn-principal", arn)).await?;
    ask(mender, by, "DELETE", &place.path(&format!("/things/{thing}")), None).await?;
    discard(mender, by, place, certificate).await
}

/// All things of the account, with what they report.
///
/// # Errors
/// As every verb.
pub async fn search(mender: &Mender, by: &Session, place: &Place, query: &str) -> Result<Vec<ThingRow>> {
    let (mut rows, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut body = json!({ "queryString": query, "maxResults": PAGE });
        if let Some(token) = token.take() {
            body["nextToken"] = token.into();
        }
        let answer = ask(mender, by, "POST", &place.path("/indices/search"), Some(&body)).await?;
        let page = answer.json().unwrap_or_default();
        rows.extend(page.get("things").and_then(Value::as_array).into_iter().flatten().map(ThingRow::read));
        match page.get("nextToken").and_then(Value::as_str) {
            Some(next) => token = Some(next.to_owned()),
            None => return Ok(rows),
        }
    }
}

/// All certificates of the account.
///
/// # Errors
/// As every verb.
pub async fn certificates(mender: &Mender, by: &Session, place: &Place) -> Result<Vec<CertificateRow>> {
    let read = |row: &Value| CertificateRow { id: text(row, "certificateId"), status: text(row, "status") };
    Ok(pages(
        mender,
        by,
        &place.path(&format!("/certificates?pageSize={PAGE}")),
        "certificates",
        ("marker", "nextMarker"),
    )
    .await?
    .iter()
    .map(read)
    .collect())
}

/// Whether a thing is there.
///
/// # Errors
/// As every verb.
pub async fn has_thing(mender: &Mender, by: &Session, place: &Place, thing: &str) -> Result<bool> {
    is_there(ask(mender, by, "GET", &place.path(&format!("/things/{thing}")), None).await)
}

/// Whether a certificate is there.
///
/// # Errors
/// As every verb.
pub async fn has_certificate(mender: &Mender, by: &Session, place: &Place, certificate: &str) -> Result<bool> {
    is_there(ask(mender, by, "GET", &place.path(&format!("/certificates/{certificate}")), None).await)
}

/// Puts things into a group, which is made when it is not there.
///
/// # Errors
/// As the platform refuses it.
pub async fn group(mender: &Mender, by: &Session, place: &Place, group: &str, things: &[String]) -> Result<()> {
    match ask(mender, by, "POST", &place.path(&format!("/thing-groups/{group}")), Some(&json!({}))).await {
        Err(error) if error.status() == Some(409) => {}
        made => drop::<Answer>(made?),
    }
    for thing in things {
        let pair = json!({ "thingGroupName": group, "thingName": thing });
        ask(mender, by, "PUT", &place.path("/thing-groups/addThingToThingGroup"), Some(&pair)).await?;
    }
    Ok(())
}

fn is_there(answer: Result<Answer>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// All entries of a list that gives pages: under `name`, with the token that `next.1` says told as `next.0`.
pub(super) async fn pages(
    mender: &Mender,
    by: &Session,
    path: &str,
    name: &str,
    next: (&str, &str),
) -> Result<Vec<Value>> {
    pages_of(mender, by, &format!("{ROOT}{path}"), name, next).await
}

/// The same, for the whole path of a list.
pub(super) async fn pages_of(
    mender: &Mender,
    by: &Session,
    path: &str,
    name: &str,
    next: (&str, &str),
) -> Result<Vec<Value>> {
    let (mut rows, mut token) = (Vec::new(), None::<String>);
    loop {
        let path = token.take().map_or_else(|| path.to_owned(), |token| format!("{path}&{}={token}", next.0));
        let page = send(mender, by, Request::new("GET", path)).await?.json().unwrap_or_default();
        rows.extend(page.get(name).and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get(next.1).and_then(Value::as_str) {
            Some(next) => token = Some(next.to_owned()),
            None => return Ok(rows),
        }
    }
}

impl ThingRow {
    fn read(row: &Value) -> Self {
        let groups = row.get("thingGroupNames").and_then(Value::as_array).into_iter().flatten();
        let shadow =
            row.get("shadow").and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let version = shadow.as_ref().and_then(|shadow| shadow.pointer("/reported/version")).and_then(Value::as_str);
        Self {
            name: text(row, "thingName"),
            groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
            version: version.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_index_is_read() {
        let row = json!({ "thingName": "lift-1", "thingGroupNames": ["beta"],
            "shadow": "{\"reported\":{\"version\":\"2.0\"},\"version\":3}" });
        let read = ThingRow::read(&row);
        assert_eq!((&*read.name, read.version.as_deref()), ("lift-1", Some("2.0")));
        assert!(read.groups.contains("beta"));
        assert_eq!(ThingRow::read(&json!({ "thingName": "new" })).version, None);
    }

    #[test]
    fn paths_name_the_region() {
        let place = Place { account: "1".into(), region: "eu-1".into(), endpoint: "e".into() };
        assert_eq!(place.path("/things"), "/things?region=eu-1");
        assert_eq!(place.path("/things?a=b"), "/things?a=b&region=eu-1");
        assert_eq!(place.arn("thing/x"), "arn:aws:iot:eu-1:1:thing/x");
    }
}
