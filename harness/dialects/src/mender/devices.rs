//! Verbs about devices: accepted, turned down, counted, grouped, and what the inventory says of them.

use super::session::Session;
use super::{Call, Mender, created, json, text, unreadable};
use crate::answer::Result;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One of the keys with which a device has shown itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSet {
    /// The platform's id; also that of the token it gives.
    pub id: String,
    /// `pending`, `accepted`, `rejected`, `preauthorized`.
    pub status: String,
}

/// A device as its tenant's list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The platform's id.
    pub id: String,
    /// `pending`, `accepted`, `rejected`, `preauthorized`, `noauth`.
    pub status: String,
    /// What it shows of itself.
    pub identity: BTreeMap<String, String>,
    /// Its keys, in the platform's order.
    pub auth_sets: Vec<AuthSet>,
}

impl DeviceRow {
    fn read(value: &Value) -> Self {
        let identity = value.get("identity_data").and_then(Value::as_object).into_iter().flatten();
        let sets = value.get("auth_sets").and_then(Value::as_array).into_iter().flatten();
        Self {
            id: text(value, "id"),
            status: text(value, "status"),
            identity: identity
                .map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
                .collect(),
            auth_sets: sets.map(|set| AuthSet { id: text(set, "id"), status: text(set, "status") }).collect(),
        }
    }

    /// The key that was shown last of those with `status`.
    #[must_use]
    pub fn auth(&self, status: &str) -> Option<&AuthSet> {
        self.auth_sets.iter().rev().find(|set| set.status == status)
    }
}

/// How many devices a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let in.
    pub accepted: u64,
    /// Waiting.
    pub pending: u64,
    /// Turned down.
    pub rejected: u64,
    /// Expected.
    pub preauthorized: u64,
}

/// One thing that the inventory knows of a device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Attribute {
    /// `identity`, `inventory`, `system`, `tags`.
    pub scope: String,
    /// Its name there.
    pub name: String,
    /// Text, number or list.
    #[serde(default)]
    pub value: Value,
}

/// What the inventory knows of a device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct InventoryRow {
    /// The device's id.
    pub id: String,
    /// In the platform's order.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

impl InventoryRow {
    /// The text of an attribute, e.g. `artifact_name` of scope `inventory`.
    #[must_use]
    pub fn text(&self, scope: &str, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|found| found.scope == scope && found.name == name)
            .and_then(|found| found.value.as_str())
    }
}

impl Mender {
    /// The devices of the caller's tenant, all or those with `status`.
    ///
    /// # Errors
    /// As every verb.
    pub async fn devices(&self, by: &Session, status: Option<&str>) -> Result<Vec<DeviceRow>> {
        let mut call = Call::new("DeviceAuth Management List Devices");
        if let Some(status) = status {
            call = call.query("status", status);
        }
        Ok(self.pages(by, call).await?.iter().map(DeviceRow::read).collect())
    }

    /// One device.
    ///
    /// # Errors
    /// Refused with 404 when the caller's tenant has none of this id.
    pub async fn device(&self, by: &Session, id: &str) -> Result<DeviceRow> {
        let call = Call::new("DeviceAuth Management Get Device").path(&[("device_id", id)]);
        Ok(DeviceRow::read(&self.fetch(by, call).await?))
    }

    /// The device that shows exactly this identity, or `None`. Looks among those that wait at the door first, since who asks
    /// for one has mostly just made it knock; then reads the whole list: for many, use [`devices`](Self::devices).
    ///
    /// # Errors
    /// As every verb.
    pub async fn device_by_identity(
        &self,
        by: &Session,
        identity: &BTreeMap<String, String>,
    ) -> Result<Option<DeviceRow>> {
        for status in [Some("pending"), None] {
            let found = self.devices(by, status).await?.into_iter().find(|device| device.identity == *identity);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Lets a device in with one of its keys.
    ///
    /// # Errors
    /// Refused with 404 when there is no such device or key, 422 when the tenant's limit is reached.
    pub async fn accept(&self, by: &Session, id: &str, auth: &str) -> Result<()> {
        self.set_auth_status(by, id, auth, "accepted").await
    }

    /// Turns a device down.
    ///
    /// # Errors
    /// Refused with 404 when there is no such device or key.
    pub async fn reject(&self, by: &Session, id: &str, auth: &str) -> Result<()> {
        self.set_auth_status(by, id, auth, "rejected").await
    }

    async fn set_auth_status(&self, by: &Session, id: &str, auth: &str, status: &str) -> Result<()> {
        let path = [("device_id", id), ("auth_id", auth)];
        let call = Call::new("DeviceAuth Management Set Authentication Status").path(&path);
        self.call(by, call.json(json!({ "status": status }))).await.map(drop)
    }

    /// Removes a device for good; its token is dead at once.
    ///
    /// # Errors
    /// Refused with 404 when there is no such device.
    pub async fn decommission(&self, by: &Session, id: &str) -> Result<()> {
        self.call(by, Call::new("DeviceAuth Management Decommission device").path(&[("device_id", id)])).await.map(drop)
    }

    /// Announces a device before it knocks: its identity and the public key (PEM) it will show. Returns its id.
    ///
    /// # Errors
    /// Refused with 409 when the tenant has it already.
    pub async fn preauthorize(
        &self,
        by: &Session,
        identity: &BTreeMap<String, String>,
        public_key: &str,
    ) -> Result<String> {
        let body = json!({ "identity_data": identity, "pubkey": public_key });
        created(&self.call(by, Call::new("DeviceAuth Management Preauthorize").json(body)).await?)
    }

    /// Ends the token of a device by the id of its key. For an unknown one the platform says yes as well.
    ///
    /// # Errors
    /// As every verb.
    pub async fn revoke_device(&self, by: &Session, auth: &str) -> Result<()> {
        self.call(by, Call::new("DeviceAuth Management Revoke API Token").path(&[("token_id", auth)])).await.map(drop)
    }

    /// How many devices of each status the caller's tenant has, as the platform counts.
    ///
    /// # Errors
    /// As every verb.
    pub async fn counts(&self, by: &Session) -> Result<Counts> {
        let mut counts = Counts::default();
        for (status, count) in [
            ("accepted", &mut counts.accepted),
            ("pending", &mut counts.pending),
            ("rejected", &mut counts.rejected),
            ("preauthorized", &mut counts.preauthorized),
        ] {
            let answer =
                self.call(by, Call::new("DeviceAuth Management Count Devices").query("status", status)).await?;
            *count = json(&answer)?
                .get("count")
                .and_then(Value::as_u64)
                .ok_or_else(|| unreadable(&answer, "it has no `count`"))?;
        }
        Ok(counts)
    }

    /// The device limit as the caller's tenant reads it: 0 none, −1 unlimited.
    ///
    /// # Errors
    /// As every verb.
    pub async fn limit(&self, by: &Session) -> Result<i64> {
        let answer = self
            .call(by, Call::new("DeviceAuth Management Get Device Limit").path(&[("limit", "max_devices")]))
            .await?;
        json(&answer)?.get("limit").and_then(Value::as_i64).ok_or_else(|| unreadable(&answer, "it has no `limit`"))
    }

    /// What the inventory knows of a device.
    ///
    /// # Errors
    /// Refused with 404 when the caller's tenant has none of this id.
    pub async fn inventory(&self, by: &Session, id: &str) -> Result<Vec<Attribute>> {
        let answer = self.call(by, Call::new("Get Device Inventory").path(&[("device_id", id)])).await?;
        let found: serde_json::Result<InventoryRow> = serde_json::from_slice(&answer.body);
        Ok(found.map_err(|error| unreadable(&answer, &error.to_string()))?.attributes)
    }

    /// What the inventory knows of all devices of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn inventories(&self, by: &Session) -> Result<Vec<InventoryRow>> {
        self.pages(by, Call::new("List Device Inventories")).await
    }

    /// Puts a device into a group; the group lives while it has devices.
    ///
    /// # Errors
    /// Refused with 404 when the caller's tenant has no such device.
    pub async fn set_group(&self, by: &Session, id: &str, group: &str) -> Result<()> {
        let call = Call::new("Assign Group").path(&[("device_id", id)]).json(json!({ "group": group }));
        self.call(by, call).await.map(drop)
    }

    /// Takes a device out of a group.
    ///
    /// # Errors
    /// Refused with 404 when it is not in it.
    pub async fn clear_group(&self, by: &Session, id: &str, group: &str) -> Result<()> {
        self.call(by, Call::new("Clear Group").path(&[("device_id", id), ("group", group)])).await.map(drop)
    }

    /// Names of the groups of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn groups(&self, by: &Session) -> Result<Vec<String>> {
        let found = self.fetch(by, Call::new("List Groups")).await?;
        Ok(found.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Replaces the tags of a device.
    ///
    /// # Errors
    /// Refused with 404 when the caller's tenant has no such device.
    pub async fn set_tags(&self, by: &Session, id: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let list = tags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call(by, Call::new("Assign Tags").path(&[("device_id", id)]).json(Value::Array(list))).await.map(drop)
    }

    /// What a device says of itself, as that device: adds to what the inventory knows.
    ///
    /// # Errors
    /// As every verb.
    pub async fn report_attributes(&self, by: &Session, attributes: &Map<String, Value>) -> Result<()> {
        let list = attributes.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.call(by, Call::new("Assign Attributes").json(Value::Array(list))).await.map(drop)
    }

    /// Makes a saved search for the devices of a group and returns its id.
    ///
    /// # Errors
    /// As every verb.
    pub async fn create_filter(&self, by: &Session, name: &str, group: &str) -> Result<String> {
        let terms = json!([{ "scope": "system", "attribute": "group", "type": "$eq", "value": group }]);
        created(&self.call(by, Call::new("Create Filter").json(json!({ "name": name, "terms": terms }))).await?)
    }

    /// Removes a saved search. For an unknown one the platform says yes as well.
    ///
    /// # Errors
    /// As every verb.
    pub async fn remove_filter(&self, by: &Session, id: &str) -> Result<()> {
        self.call(by, Call::new("Delete Filter").path(&[("filter_id", id)])).await.map(drop)
    }
}
