//! The accounts of an organisation, as whoever runs it looks at them, and what an account's own people may do about it.

use super::organisation::{ROOT, ask};
use super::text;
use super::things::pages_of;
use crate::Result;
use crate::mender::{Mender, Session};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An account as the organisation lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRow {
    /// Twelve digits.
    pub id: String,
    /// Its name: the tenant's.
    pub name: String,
    /// Its address.
    pub email: String,
    /// `PENDING_ACTIVATION`, `ACTIVE` or `CLOSED`.
    pub state: String,
    /// `MANAGEMENT`, `LOG_ARCHIVE`, `AUDIT`, `LOBBY` or `TENANT`.
    pub kind: String,
    /// The unit that it is in.
    pub unit: String,
    /// The tenant that it is; empty: none yet.
    pub tenant: String,
    /// The tier that it was made in.
    pub tier: String,
    /// The version of the blueprint that it was made from.
    pub blueprint: String,
    /// Whether its audit trail is on.
    pub is_audited: bool,
    /// Where it is.
    pub regions: Vec<RegionRow>,
}

/// A region of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionRow {
    /// Its name.
    pub region: String,
    /// Where devices connect; empty: nowhere.
    pub endpoint: String,
    /// Whether the lobby may act there.
    pub is_trusting: bool,
}

impl AccountRow {
    /// Whether it is there: open, or half-made.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.state != "CLOSED"
    }

    fn read(row: &Value) -> Self {
        let yes = |value: &Value, field: &str| value.get(field).and_then(Value::as_bool).unwrap_or_default();
        let regions = row.get("Regions").and_then(Value::as_array).into_iter().flatten();
        let region = |row: &Value| RegionRow {
            region: text(row, "Region"),
            endpoint: text(row, "Endpoint"),
            is_trusting: yes(row, "Trusted"),
        };
        Self {
            id: text(row, "Id"),
            name: text(row, "Name"),
            email: text(row, "Email"),
            state: text(row, "State"),
            kind: text(row, "Kind"),
            unit: text(row, "ParentId"),
            tenant: text(row, "TenantId"),
            tier: text(row, "Tier"),
            blueprint: text(row, "ProvisioningArtifactId"),
            is_audited: yes(row, "AuditTrail"),
            regions: regions.map(region).collect(),
        }
    }
}

/// The organisation in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estate {
    /// The unit above all others.
    pub root: String,
    /// How many accounts it counts that are not closed.
    pub counted: u64,
}

/// The organisation in short.
///
/// # Errors
/// Refused with 404 where there is none.
pub async fn estate(mender: &Mender, by: &Session) -> Result<Estate> {
    let body = ask(mender, by, "GET", "", None).await?.json().unwrap_or_default();
    let counted = body.get("AccountCount").and_then(Value::as_u64).unwrap_or_default();
    Ok(Estate { root: text(&body, "RootId"), counted })
}

/// All accounts, closed ones too.
///
/// # Errors
/// As every verb.
pub async fn all(mender: &Mender, by: &Session) -> Result<Vec<AccountRow>> {
    let path = format!("{ROOT}/accounts?MaxResults=500");
    let rows = pages_of(mender, by, &path, "Accounts", ("NextToken", "NextToken")).await?;
    Ok(rows.iter().map(AccountRow::read).collect())
}

/// The accounts that are shown as open.
///
/// # Errors
/// As every verb.
pub async fn open(mender: &Mender, by: &Session) -> Result<Vec<AccountRow>> {
    Ok(all(mender, by).await?.into_iter().filter(|row| row.state == "ACTIVE").collect())
}

/// An account that is not as its blueprint and its controls demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Which account.
    pub account: String,
    /// `AUDIT_OFF`, `TRUST_MISSING`, ….
    pub kind: String,
    /// What is wrong.
    pub told: String,
}

/// Accounts that are not as their blueprint and their controls demand.
///
/// # Errors
/// As every verb.
pub async fn drift(mender: &Mender, by: &Session) -> Result<Vec<Drift>> {
    let body = ask(mender, by, "GET", "/drift", None).await?.json().unwrap_or_default();
    let found = body.get("Drifts").and_then(Value::as_array).into_iter().flatten();
    let read =
        |row| Drift { account: text(row, "AccountId"), kind: text(row, "Drift"), told: text(row, "Description") };
    Ok(found.map(read).collect())
}

/// The controls in force in a unit, by id.
///
/// # Errors
/// Refused with 404 for an unknown unit.
pub async fn controls(mender: &Mender, by: &Session, unit: &str) -> Result<BTreeSet<String>> {
    let body = ask(mender, by, "GET", &format!("/targets/{unit}/policies"), None).await?.json().unwrap_or_default();
    let found = body.get("Policies").and_then(Value::as_array).into_iter().flatten();
    Ok(found.map(|row| text(row, "Id")).collect())
}

/// What the lobby has to show to an account in a region, beside being the lobby; `None`: nothing was agreed.
///
/// # Errors
/// Refused with 404 when the account is not the organisation's, or not in the region.
pub async fn external_id(mender: &Mender, by: &Session, account: &str, region: &str) -> Result<Option<String>> {
    let path = format!("/accounts/{account}/trust/{region}");
    let body = ask(mender, by, "GET", &path, None).await?.json().unwrap_or_default();
    Ok(Some(text(&body, "ExternalId")).filter(|id| !id.is_empty()))
}

/// Switches the audit trail of the caller's own account on or off.
///
/// # Errors
/// Refused with 403 where a control forbids it.
pub async fn switch_trail(mender: &Mender, by: &Session, on: bool) -> Result<()> {
    ask(mender, by, "PUT", "/account/audit-trail", Some(&json!({ "On": on }))).await.map(drop)
}

/// Enables a region in the caller's own account.
///
/// # Errors
/// Refused with 403 where a control forbids it.
pub async fn enable_region(mender: &Mender, by: &Session, region: &str) -> Result<()> {
    ask(mender, by, "PUT", &format!("/account/regions/{region}"), None).await.map(drop)
}

/// Says who may act as the lobby in a region of the caller's own account.
///
/// # Errors
/// Refused with 403 where a control forbids it.
pub async fn alter_trust(mender: &Mender, by: &Session, region: &str, principal: &str) -> Result<()> {
    let body = json!({ "Principal": principal });
    ask(mender, by, "PUT", &format!("/account/trust/{region}"), Some(&body)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_organisation_is_read() {
        let row = json!({ "Id": "123456789012", "Name": "acme", "State": "ACTIVE", "Kind": "TENANT", "ParentId": "r-1",
            "AuditTrail": true, "Regions": [{ "Region": "eu-west", "Endpoint": "a.example", "Trusted": true }] });
        let read = AccountRow::read(&row);
        assert_eq!((&*read.id, &*read.unit, read.is_audited, read.is_there()), ("123456789012", "r-1", true, true));
        let region = RegionRow { region: "eu-west".into(), endpoint: "a.example".into(), is_trusting: true };
        assert_eq!(read.regions, [region]);
        assert!(!AccountRow::read(&json!({ "State": "CLOSED" })).is_there());
    }
}
