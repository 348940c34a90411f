//! The organisation above the accounts, as whoever runs it has it: set up once, accounts vended from a blueprint, the trust
//! that lets the lobby act in them.

use super::{accounts, send, text};
use crate::mender::{Mender, Session};
use crate::{Answer, DialectError, Request, Result};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const ROOT: &str = "/api/management/v1/organization";

/// The tier of the blueprint that accounts are made in.
pub const TIER: &str = "standard";

/// A tier that nobody asks for: what an account of the wrong one would have.
const OTHER: &str = "trial";

/// How many accounts an organisation may have.
const ACCOUNTS: u64 = 10_000;

/// Devices of an account whose limit nobody asks for.
pub const DEVICES: i64 = 100_000;

/// Devices of an account in the other tier.
const FEW: i64 = 5;

/// Calls a second that the tier allows: no scenario runs into it by accident.
const CALLS: u64 = 100_000;

/// How often it is asked how far an account is.
const GLANCE: Duration = Duration::from_secs(1);

/// How long an account may take: as long as a blueprint that is tried again a few times.
const PATIENCE: Duration = Duration::from_secs(300);

/// An organisation with a blueprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// The blueprint, and its version.
    pub product: (String, String),
    /// Its home region.
    pub home: String,
}

/// An account to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The tenant's name.
    pub name: String,
    /// The account's address, which no other account of the organisation ever had.
    pub email: String,
    /// Whoever asks again with it asks for the same account.
    pub token: String,
    /// Its first admin.
    pub admin: String,
    /// The regions in which it shall be; empty: the home region.
    pub regions: Vec<String>,
    /// How many devices it may have accepted; `None`: as the tier says.
    pub device_limit: Option<i64>,
    /// It is looked at on its way, and asked for twice, as somebody would whose answer got lost.
    pub is_watched: bool,
}

/// What was seen of an account on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnItsWay {
    /// It was shown as open while it was being made.
    pub was_early: bool,
    /// The same request, made again, was taken for another one.
    pub was_doubled: bool,
}

/// Sets an organisation up, with a blueprint to make accounts from.
///
/// # Errors
/// Refused with 409 when the provider has one.
pub async fn found(mender: &Mender, by: &Session, regions: &[String]) -> Result<Organisation> {
    let home = regions.first().cloned().unwrap_or_default();
    let new = json!({ "HomeRegion": home, "GovernedRegions": regions, "AccountLimit": ACCOUNTS });
    ask(mender, by, "POST", "", Some(&new)).await?;
    let product = ask(mender, by, "POST", "/products", Some(&json!({ "Name": "iot application for tenant" }))).await?;
    let product = text(&product.json().unwrap_or_default(), "ProductId");
    let tier = |name: &str, devices: i64| {
        json!({ "Name": name, "DeviceLimit": devices, "ManagementCalls": CALLS, "DeviceCalls": CALLS,
            "IntervalSeconds": 1 })
    };
    let version = json!({ "Name": "1", "Parts": {
        "DeviceEndpoint": true, "TrustRole": true, "AuditTrail": true,
        "DefaultDevicePolicy": { "Version": "2012-10-17", "Statement": [] },
        "Tiers": [tier(TIER, DEVICES), tier(OTHER, FEW)], "Application": { "Name": "iot application for tenant", "Version": "1" },
    } });
    let path = format!("/products/{product}/provisioning-artifacts");
    let version = ask(mender, by, "POST", &path, Some(&version)).await?;
    Ok(Organisation { product: (product, text(&version.json().unwrap_or_default(), "Id")), home })
}

/// Has an account made from the blueprint, and waits until it is. Returns its twelve digits; what is seen on the way stands in
/// `seen`, whatever comes of it.
///
/// # Errors
/// As the platform refuses it; [`DialectError::Unreadable`] with the reason when the account came to nothing.
pub async fn vend(
    mender: &Mender,
    by: &Session,
    organisation: &Organisation,
    new: &NewAccount,
    password: &str,
    seen: &mut OnItsWay,
) -> Result<String> {
    let mut body = json!({
        "Email": new.email, "AccountName": new.name,
        "FirstUser": { "Email": new.admin, "FirstName": "First", "LastName": "Admin", "Password": password },
        "ProductId": organisation.product.0, "ProvisioningArtifactId": organisation.product.1, "Tier": TIER,
        "IdempotencyToken": new.token,
    });
    if !new.regions.is_empty() {
        body["Regions"] = json!(new.regions);
    }
    if let Some(limit) = new.device_limit {
        body["DeviceLimit"] = limit.into();
    }
    let request = begun(ask(mender, by, "POST", "/accounts", Some(&body)).await?);
    if new.is_watched {
        seen.was_doubled = begun(ask(mender, by, "POST", "/accounts", Some(&body)).await?) != request;
    }
    let clock = mender.world().clock.clone();
    let deadline = clock.now().after(PATIENCE);
    loop {
        let is_open = new.is_watched && accounts::open(mender, by).await?.iter().any(|row| row.name == new.name);
        let path = format!("/create-account-status/{request}");
        let status = ask(mender, by, "GET", &path, None).await?.json().unwrap_or_default();
        let status = status.get("CreateAccountStatus").cloned().unwrap_or_default();
        // It was shown as open, and only then as under way.
        seen.was_early |= is_open && text(&status, "State") == "IN_PROGRESS";
        match text(&status, "State").as_str() {
            "SUCCEEDED" => return Ok(text(&status, "AccountId")),
            "FAILED" => {
                let reason = format!("no account for `{}`: {}", new.name, text(&status, "FailureReason"));
                return Err(DialectError::Unreadable { operation: "CreateAccount".to_owned(), reason });
            }
            _ if clock.now() >= deadline => {
                return Err(DialectError::TooLate { what: format!("the account of `{}`", new.name) });
            }
            _ => clock.sleep(GLANCE).await,
        }
    }
}

/// What a request for an account is asked about by.
fn begun(answer: Answer) -> String {
    let body = answer.json().unwrap_or_default();
    body.pointer("/CreateAccountStatus/Id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The twelve digits of the account that a tenant is.
///
/// # Errors
/// Refused with 404 when the caller's tenant is in no organisation.
pub async fn own_account(mender: &Mender, by: &Session) -> Result<String> {
    let body = ask(mender, by, "GET", "/account", None).await?.json().unwrap_or_default();
    Ok(body.pointer("/Account/Id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Whether the lobby may act in an account in a region, from now on.
///
/// # Errors
/// As the platform refuses it: 404 when the account is not the organisation's, or not in the region.
pub async fn set_trust(mender: &Mender, by: &Session, account: &str, region: &str, on: bool) -> Result<()> {
    let path = format!("/accounts/{account}/trust/{region}");
    ask(mender, by, if on { "PUT" } else { "DELETE" }, &path, None).await.map(drop)
}

/// Whether the lobby may act in an account in a region.
///
/// # Errors
/// As [`set_trust`].
pub async fn trust(mender: &Mender, by: &Session, account: &str, region: &str) -> Result<bool> {
    let path = format!("/accounts/{account}/trust/{region}");
    let body = ask(mender, by, "GET", &path, None).await?.json().unwrap_or_default();
    Ok(body.get("Principal").is_some_and(|principal| !principal.is_null()))
}

/// What whoever acts in an account in a region has to show there; `None`: nobody may act.
///
/// # Errors
/// As [`set_trust`].
pub async fn external_id(mender: &Mender, by: &Session, account: &str, region: &str) -> Result<Option<String>> {
    let path = format!("/accounts/{account}/trust/{region}");
    let body = ask(mender, by, "GET", &path, None).await?.json().unwrap_or_default();
    Ok(body.get("ExternalId").and_then(Value::as_str).map(str::to_owned))
}

/// Asks for the lobby's role in an account in a region, as the lobby.
///
/// # Errors
/// Refused with 403 when it is not to be had, without a word on why.
pub async fn assume(
    mender: &Mender,
    by: &Session,
    (account, region): (&str, &str),
    external_id: Option<&str>,
) -> Result<()> {
    let mut body = json!({ "AccountId": account, "Region": region });
    if let Some(external_id) = external_id {
        body["ExternalId"] = external_id.into();
    }
    ask(mender, by, "POST", "/assume-role", Some(&body)).await.map(drop)
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
