//! The Device Lobby, as its people have it: devices that wait, claims on them, and where they go.

use super::things::pages_of;
use super::{send, text};
use crate::mender::{Mender, Session};
use crate::{Answer, Request, Result};
use serde_json::{Value, json};

const ROOT: &str = "/api/management/v1/lobby";

/// A device as the lobby's ledger has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LobbyRow {
    /// 64 hexadecimal digits: the SHA-256 of its certificate.
    pub certificate: String,
    /// `knocking`, `inlobby`, `claimed`, `commissioning`, `commissioned`, `releasing`, `released`, `rejected`, ….
    pub state: String,
    /// What it calls itself.
    pub name: String,
    /// The account that it belongs to, or is on its way to; empty: none.
    pub account: String,
    /// The region there.
    pub region: String,
    /// The endpoint that it was told, or will be.
    pub endpoint: String,
}

impl LobbyRow {
    fn read(row: &Value) -> Self {
        Self {
            certificate: text(row, "certid"),
            state: text(row, "devstate"),
            name: text(row, "devicename"),
            account: text(row, "targetaccount"),
            region: text(row, "targetregion"),
            endpoint: text(row, "iotep"),
        }
    }
}

/// An account, and a region of it: where a device goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
}

impl Target<'_> {
    fn body(self) -> Value {
        json!({ "targetaccount": self.account, "targetregion": self.region })
    }
}

/// Opens the lobby in these regions, for devices of these authorities: each a certificate as PEM, and the id of the tenant
/// whose own it is. What is open already changes. Region and host of each endpoint.
///
/// # Errors
/// Refused with 404 without an organisation, 400 for a region that is not governed or what is no certificate.
pub async fn open(
    mender: &Mender,
    by: &Session,
    regions: &[String],
    authorities: &[(String, Option<String>)],
) -> Result<Vec<(String, String)>> {
    let authority = |(pem, tenant): &(String, Option<String>)| match tenant {
        Some(tenant) => json!({ "certificate_pem": pem, "tenant_id": tenant }),
        None => json!({ "certificate_pem": pem }),
    };
    let authorities: Vec<Value> = authorities.iter().map(authority).collect();
    let body = json!({ "regions": regions, "authorities": authorities });
    let shown = ask(mender, by, "PUT", "", Some(&body)).await?.json().unwrap_or_default();
    let endpoints = shown.get("endpoints").and_then(Value::as_array).into_iter().flatten();
    Ok(endpoints.map(|row| (text(row, "region"), text(row, "host"))).collect())
}

/// What stands on a device as a QR code, from the lobby's operator.
///
/// # Errors
/// Refused with 409 when the device belongs to somebody.
pub async fn label(mender: &Mender, by: &Session, certificate: &str) -> Result<String> {
    let answer = ask(mender, by, "POST", "/labels", Some(&json!({ "certid": certificate }))).await?;
    Ok(text(&answer.json().unwrap_or_default(), "label"))
}

/// "This is ours": a device by its label, before or after it knocks.
///
/// # Errors
/// Refused with 404 where the caller may not act for the account, 409 when it is somebody else's, 424 where the account does
/// not let the lobby act: the claim stands then, and goes on by itself once it does.
pub async fn claim(mender: &Mender, by: &Session, label: &str, target: Target<'_>) -> Result<()> {
    let mut body = target.body();
    body["label"] = label.into();
    ask(mender, by, "POST", "/devices", Some(&body)).await.map(drop)
}

/// The same by a fingerprint as it is written, with a code and the ownership that it is good for, or without any. The code that
/// the device would have to announce, where the claim waits for its proof.
///
/// # Errors
/// As [`claim`]; refused with 400 for what is no fingerprint, 403 for a code that is not the device's.
pub async fn claim_by_hand(
    mender: &Mender,
    by: &Session,
    fingerprint: &str,
    code: Option<(u32, &str)>,
    target: Target<'_>,
) -> Result<Option<String>> {
    let mut body = target.body();
    body["certid"] = fingerprint.into();
    if let Some((ownership, code)) = code {
        body["ownership"] = ownership.into();
        body["code"] = code.into();
    }
    let answer = ask(mender, by, "POST", "/devices", Some(&body)).await?;
    Ok(answer.json().and_then(|done| Some(done.get("pairing")?.as_str()?.to_owned())))
}

/// The code on a label, and which ownership it is good for.
#[must_use]
pub fn code_of(label: &str) -> Option<(u32, &str)> {
    let mut parts = label.split(':').skip(3);
    Some((parts.next()?.parse().ok()?, parts.next()?))
}

/// Gives a device back: it belongs to nobody. The label for its next owner.
///
/// # Errors
/// Refused with 404 when it is not the caller's.
pub async fn release(mender: &Mender, by: &Session, certificate: &str) -> Result<String> {
    let answer = ask(mender, by, "POST", &format!("/devices/{certificate}/release"), None).await?;
    Ok(text(&answer.json().unwrap_or_default(), "label"))
}

/// Sends a device to another account or region.
///
/// # Errors
/// Refused with 404 when it is not the caller's, or she may not act for the account.
pub async fn migrate(mender: &Mender, by: &Session, certificate: &str, target: Target<'_>) -> Result<()> {
    ask(mender, by, "POST", &format!("/devices/{certificate}/migrate"), Some(&target.body())).await.map(drop)
}

/// Turns a device down.
///
/// # Errors
/// Refused with 404 when the lobby does not know it, 409 when it belongs to somebody.
pub async fn reject(mender: &Mender, by: &Session, certificate: &str) -> Result<()> {
    ask(mender, by, "POST", &format!("/devices/{certificate}/reject"), None).await.map(drop)
}

/// Takes a rejection or a revocation back.
///
/// # Errors
/// Refused with 404 when the lobby does not know it, 409 when there is nothing to take back.
pub async fn reinstate(mender: &Mender, by: &Session, certificate: &str) -> Result<()> {
    ask(mender, by, "POST", &format!("/devices/{certificate}/reinstate"), None).await.map(drop)
}

/// Where the lobby is: region and host of each endpoint.
///
/// # Errors
/// Refused with 404 where the caller's organisation has none.
pub async fn endpoints(mender: &Mender, by: &Session) -> Result<Vec<(String, String)>> {
    let shown = ask(mender, by, "GET", "", None).await?.json().unwrap_or_default();
    let endpoints = shown.get("endpoints").and_then(Value::as_array).into_iter().flatten();
    Ok(endpoints.map(|row| (text(row, "region"), text(row, "host"))).collect())
}

/// Has the lobby trust an authority, a certificate as PEM. By what it is known.
///
/// # Errors
/// Refused with 400 for what is no authority's certificate.
pub async fn trust(mender: &Mender, by: &Session, pem: &str) -> Result<String> {
    let answer = ask(mender, by, "POST", "/authorities", Some(&json!({ "certificate_pem": pem }))).await?;
    Ok(text(&answer.json().unwrap_or_default(), "id"))
}

/// Takes that trust back: the authority's devices do not come in again.
///
/// # Errors
/// Refused with 404 when it was not trusted.
pub async fn distrust(mender: &Mender, by: &Session, authority: &str) -> Result<()> {
    ask(mender, by, "DELETE", &format!("/authorities/{authority}"), None).await.map(drop)
}

/// Sends all devices of a region to another one. How many went, and why others did not: certificate and message.
///
/// # Errors
/// Refused with 400 for a region that is not governed.
pub async fn evacuate(mender: &Mender, by: &Session, from: &str, into: &str) -> Result<(u64, Vec<(String, String)>)> {
    let answer = ask(mender, by, "POST", "/evacuations", Some(&json!({ "from": from, "to": into }))).await?;
    let body = answer.json().unwrap_or_default();
    let left = body.get("left_behind").and_then(Value::as_array).into_iter().flatten();
    let moved = body.get("moved").and_then(Value::as_u64).unwrap_or_default();
    Ok((moved, left.map(|row| (text(row, "certid"), text(row, "message"))).collect()))
}

/// All devices that the caller is shown: her tenant's, or, for who runs the lobby, everybody's.
///
/// # Errors
/// As every verb.
pub async fn devices(mender: &Mender, by: &Session) -> Result<Vec<LobbyRow>> {
    let path = format!("{ROOT}/devices?MaxResults=500");
    let rows = pages_of(mender, by, &path, "devices", ("NextToken", "nextToken")).await?;
    Ok(rows.iter().map(LobbyRow::read).collect())
}

/// One device; `None`: the caller is shown none of that name.
///
/// # Errors
/// As every verb.
pub async fn device(mender: &Mender, by: &Session, certificate: &str) -> Result<Option<LobbyRow>> {
    match ask(mender, by, "GET", &format!("/devices/{certificate}"), None).await {
        Ok(answer) => Ok(answer.json().as_ref().map(LobbyRow::read)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All that the caller is shown of one device; `Null`: nothing.
///
/// # Errors
/// As every verb.
pub async fn shown(mender: &Mender, by: &Session, certificate: &str) -> Result<Value> {
    match ask(mender, by, "GET", &format!("/devices/{certificate}"), None).await {
        Err(error) if error.status() == Some(404) => Ok(Value::Null),
        answer => Ok(answer?.json().unwrap_or_default()),
    }
}

/// What became of a device so far, oldest first: who did it, and what.
///
/// # Errors
/// Refused with 404 when it is not the caller's.
pub async fn history(mender: &Mender, by: &Session, certificate: &str) -> Result<Vec<(String, String)>> {
    let answer = ask(mender, by, "GET", &format!("/devices/{certificate}/history"), None).await?;
    let body = answer.json().unwrap_or_default();
    let entries = body.get("entries").and_then(Value::as_array).into_iter().flatten();
    Ok(entries.map(|entry| (text(entry, "actor"), text(entry, "change"))).collect())
}

pub(super) async fn ask(
    mender: &Mender,
    by: &Session,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer> {
    let mut request = Request::new(method, format!("{ROOT}{path}"));
    if let Some(body) = body {
        request = request.body("application/json", body.to_string());
    }
    send(mender, by, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_ledger_is_read() {
        let row = json!({ "certid": "ab", "devstate": "inlobby", "devicename": "lift-1" });
        let read = LobbyRow::read(&row);
        assert_eq!((&*read.state, &*read.name, &*read.account), ("inlobby", "lift-1", ""));
    }

    #[test]
    fn a_label_has_a_code_and_a_bare_fingerprint_has_none() {
        assert_eq!(code_of("fleetproof:1:abcd:2:0f0f:99"), Some((2, "0f0f")));
        assert_eq!(code_of("abcd"), None);
    }
}
