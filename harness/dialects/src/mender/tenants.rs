//! Verbs about tenants: a provider's children, a tenant's view of itself, and what only the operator may do.

use super::session::{Session, TenantRef};
use super::{Call, GLANCE, Mender, created, text};
use crate::answer::{DialectError, Result};
use serde_json::{Value, json};

/// A tenant as its provider's list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRow {
    /// The platform's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `active` or `suspended`.
    pub status: String,
    /// How many devices are accepted, as the platform counts.
    pub device_count: i64,
    /// How many may be: 0 none, −1 unlimited.
    pub device_limit: i64,
}

/// A tenant as its own users see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantInfo {
    /// As in the list.
    pub row: TenantRow,
    /// What its devices show to say whose they are. A secret; empty when the platform keeps it to itself.
    pub token: String,
    /// Whether it may have children.
    pub is_provider: bool,
    /// Id of its provider.
    pub parent: Option<String>,
    /// The whole document.
    pub raw: Value,
}

impl TenantRow {
    fn read(value: &Value) -> Self {
        let number = |field: &str| value.get(field).and_then(Value::as_i64);
        let nested =
            |field: &str| value.pointer(&format!("/device_limits/max_devices/{field}")).and_then(Value::as_i64);
        Self {
            id: text(value, "id"),
            name: text(value, "name"),
            status: text(value, "status"),
            device_count: number("device_count").or_else(|| nested("current_value")).unwrap_or(0),
            device_limit: number("device_limit").or_else(|| nested("value")).unwrap_or(0),
        }
    }
}

impl Mender {
    /// Makes a child of the caller's tenant with its first admin, and waits until the provider's list has it. Two
    /// children of one name are told apart: each call hands out another one. Returns the id.
    ///
    /// # Errors
    /// Refused with 403 when the caller's tenant may have no children, 409 when the admin's address is taken, 422 when
    /// the limit does not fit into the provider's pool; [`DialectError::TooLate`].
    pub async fn create_tenant(
        &self,
        by: &Session,
        name: &str,
        admin_email: &str,
        password: &str,
        device_limit: Option<i64>,
    ) -> Result<String> {
        let mut body = json!({ "name": name, "admin": { "email": admin_email, "password": password } });
        if let Some(limit) = device_limit {
            body["device_limit"] = limit.into();
        }
        let answer = self.call(by, Call::new("Create new Tenant").json(body)).await?;
        // Some servers name the tenant to be, others only say that it will come: then it is known by its name.
        let promised = created(&answer).ok();
        let deadline = self.inner.world.clock.now().after(self.inner.patience);
        loop {
            for row in self.tenants(by).await?.into_iter().filter(|row| row.name == name) {
                if promised.as_ref().is_none_or(|id| *id == row.id) && self.inner.ledger.claim_tenant(&row.id) {
                    self.inner.ledger.know_tenant(&row.id, name, by.tenant_id().map(|id| &**id));
                    return Ok(row.id);
                }
            }
            self.wait(deadline, || format!("tenant `{name}`")).await?;
        }
    }

    /// The children of the caller's tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn tenants(&self, by: &Session) -> Result<Vec<TenantRow>> {
        Ok(self.pages(by, Call::new("List Tenants v2")).await?.iter().map(TenantRow::read).collect())
    }

    /// The caller's own tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn tenant_info(&self, by: &Session) -> Result<TenantInfo> {
        let raw = self.fetch(by, Call::new("Tenant Info")).await?;
        Ok(TenantInfo {
            row: TenantRow::read(&raw),
            token: text(&raw, "tenant_token"),
            is_provider: raw.get("service_provider").and_then(Value::as_bool).unwrap_or(false),
            parent: Some(text(&raw, "parent_tenant_id")).filter(|id| !id.is_empty()),
            raw,
        })
    }

    /// Changes a child's device limit.
    ///
    /// # Errors
    /// Refused with 403 when it is no child of the caller's tenant, 422 when the pool is exhausted.
    pub async fn configure_tenant(&self, by: &Session, id: &str, device_limit: i64) -> Result<()> {
        let call = Call::new("Update Child Tenant").path(&[("tenant_id", id)]);
        self.call(by, call.json(json!({ "device_limit": device_limit }))).await.map(drop)
    }

    /// Removes a child and waits until the list no longer has it.
    ///
    /// # Errors
    /// Refused with 403 when it is no child of the caller's tenant; [`DialectError::TooLate`].
    pub async fn remove_tenant(&self, by: &Session, id: &str) -> Result<()> {
        self.call(by, Call::new("Init Tenant Removal").path(&[("tenant_id", id)])).await?;
        let deadline = self.inner.world.clock.now().after(self.inner.patience);
        while self.tenants(by).await?.iter().any(|row| row.id == id) {
            self.wait(deadline, || "the removal of a tenant".to_owned()).await?;
        }
        self.inner.ledger.forget_tenant(id);
        Ok(())
    }

    /// Suspends a tenant, at the operator's door: its users and devices are refused from now on.
    ///
    /// # Errors
    /// [`DialectError::NoOperator`], and as every verb.
    pub async fn suspend(&self, id: &str) -> Result<()> {
        self.set_account_status(id, "suspended").await
    }

    /// Asks for a tenant's status in a user's name. The vendor's interface lets nobody suspend there, and resume nothing that
    /// was suspended.
    ///
    /// # Errors
    /// Refused with 400 for every status but `active`, 409 when the tenant is suspended, 403 when it is no child.
    pub async fn set_child_status(&self, by: &Session, id: &str, status: &str) -> Result<()> {
        let call = Call::new("Activate Account").path(&[("tenant_id", id)]).json(json!({ "status": status }));
        self.call(by, call).await.map(drop)
    }

    /// Ends a suspension, at the operator's door.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend).
    pub async fn resume(&self, id: &str) -> Result<()> {
        self.set_account_status(id, "active").await
    }

    async fn set_account_status(&self, id: &str, status: &str) -> Result<()> {
        let call = Call::new("Set Account Status").path(&[("tenant_id", id)]).json(json!({ "status": status }));
        self.call(&self.operator()?, call).await.map(drop)
    }

    /// A tenant as the operator sees it, whole.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend).
    pub async fn operator_tenant(&self, id: &str) -> Result<Value> {
        self.fetch(&self.operator()?, Call::new("Show Tenant").path(&[("tenant_id", id)])).await
    }

    /// The device limit of a tenant, at the operator's door.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend).
    pub async fn operator_limit(&self, id: &str) -> Result<i64> {
        let call =
            Call::new("DeviceAuth Internal Get Device Limit").path(&[("tenant_id", id), ("limit", "max_devices")]);
        let answer = self.call(&self.operator()?, call).await?;
        let limit = super::json(&answer)?.get("limit").and_then(Value::as_i64);
        limit.ok_or_else(|| super::unreadable(&answer, "it has no `limit`"))
    }

    /// Sets the device limit of a tenant, at the operator's door.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend).
    pub async fn set_operator_limit(&self, id: &str, limit: i64) -> Result<()> {
        let call =
            Call::new("DeviceAuth Internal Update Device Limit").path(&[("tenant_id", id), ("limit", "max_devices")]);
        self.call(&self.operator()?, call.json(json!({ "limit": limit }))).await.map(drop)
    }

    /// Sets how many bytes of artifacts a tenant may store, at the operator's door.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend).
    pub async fn set_operator_storage(&self, id: &str, limit: u64) -> Result<()> {
        let call = Call::new("Set Tenant Limit").path(&[("tenant_id", id), ("limit", "storage")]);
        self.call(&self.operator()?, call.json(json!({ "limit": limit }))).await.map(drop)
    }

    /// A tenant by the scenario's name and the id of the caller's own tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn own_tenant(&self, by: &Session, name: &str) -> Result<TenantRef> {
        let info = self.tenant_info(by).await?;
        let tenant = TenantRef::new(name, &info.row.id);
        self.know_tenant(&tenant, info.parent.as_deref());
        Ok(tenant)
    }

    /// Waits a glance, or says that it is too late.
    pub(crate) async fn wait(&self, deadline: fleetproof_world::Stamp, what: impl FnOnce() -> String) -> Result<()> {
        if self.inner.world.clock.now() >= deadline {
            return Err(DialectError::TooLate { what: what() });
        }
        self.inner.world.clock.sleep(GLANCE).await;
        Ok(())
    }
}
