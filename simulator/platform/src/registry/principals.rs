//! What a broker has to know of each certificate to decide what its device may do.

use crate::args;
use crate::platform::{Platform, PlatformError};
use crate::store::{StoreError, Transaction, Tx};
use fleetproof_dataplane::policy::{CertificateFacts, ThingFacts};
use std::collections::BTreeMap;

/// A certificate, as a broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    pub certificate: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, `PENDING_ACTIVATION`, `REGISTER_INACTIVE`, `PENDING_TRANSFER`. Only `ACTIVE` connects.
    pub status: String,
    /// `DEFAULT` or `SNI_ONLY`.
    pub mode: String,
    /// The authority that it was registered with.
    pub authority: Option<String>,
    /// From when it is good, in ms since 1970.
    pub not_before: u64,
    /// Until when, in ms since 1970.
    pub not_after: u64,
    /// What policies may ask of it: `Subject.CommonName`, `Issuer.Organization`, `SerialNumber`, …
    pub facts: BTreeMap<String, String>,
    /// The documents in force, by the name of the policy.
    pub policies: BTreeMap<String, String>,
    /// What it is attached to, by name.
    pub things: Vec<PrincipalThing>,
}

/// A thing that a certificate is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalThing {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_name: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

impl Principal {
    /// What its policies may ask of the certificate.
    #[must_use]
    pub fn certificate_facts(&self) -> CertificateFacts {
        let fields = self.facts.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        CertificateFacts { id: self.certificate.as_str().into(), fields: fields.collect() }
    }

    /// What they may ask of the thing behind a connection with this client id: the thing of that name that the certificate
    /// is attached to, or else the only one that it is attached to.
    #[must_use]
    pub fn thing_facts(&self, client_id: &str) -> Option<ThingFacts> {
        let named = self.things.iter().find(|thing| thing.name == client_id);
        let only = || self.things.first().filter(|_| self.things.len() == 1);
        let thing = named.or_else(only)?;
        let attributes = thing.attributes.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        Some(ThingFacts {
            name: thing.name.as_str().into(),
            type_name: thing.type_name.as_deref().map(Into::into),
            attributes: attributes.collect(),
        })
    }
}

impl Platform {
    /// Every certificate of an account in a region, by id; none of an account that is suspended, closed or not there.
    ///
    /// # Errors
    /// The database.
    pub async fn principals(&self, tenant: &str, region: &str) -> Result<Vec<Principal>, PlatformError> {
        let mut tx = self.begin().await?;
        let all = principals(&mut tx, tenant, region, "").await?;
        self.commit(tx).await?;
        Ok(all)
    }

    /// One certificate of an account in a region.
    ///
    /// # Errors
    /// The database.
    pub async fn principal(
        &self,
        tenant: &str,
        region: &str,
        certificate: &str,
    ) -> Result<Option<Principal>, PlatformError> {
        if certificate.is_empty() {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let found = principals(&mut tx, tenant, region, certificate).await?;
        self.commit(tx).await?;
        Ok(found.into_iter().next())
    }
}

/// The certificate called `only`, or all for an empty name.
async fn principals(
    tx: &mut Transaction,
    tenant: &str,
    region: &str,
    only: &str,
) -> Result<Vec<Principal>, StoreError> {
    let sql = "select c.* from certificates c join tenants t on t.id = c.tenant_id \
               join account_regions r on r.tenant_id = c.tenant_id and r.region = c.region \
               where c.tenant_id = $1 and c.region = $2 and ($3 = '' or c.id = $3) and t.status = 'active' order by c.id";
    let mut all = BTreeMap::new();
    for row in tx.query(sql, args![tenant, region, only]).await? {
        let principal = Principal {
            certificate: row.text("id")?,
            status: row.text("status")?,
            mode: row.text("mode")?,
            authority: row.maybe_text("ca_id")?,
            not_before: row.time("not_before")?,
            not_after: row.time("not_after")?,
            facts: row.json("facts")?,
            policies: BTreeMap::new(),
            things: Vec::new(),
        };
        all.insert(principal.certificate.clone(), principal);
    }
    let sql = "select a.certificate_id, a.policy, v.document from policy_attachments a \
               join policies p on p.tenant_id = a.tenant_id and p.region = a.region and p.name = a.policy \
               join policy_versions v on v.tenant_id = p.tenant_id and v.region = p.region and v.name = p.name \
                 and v.version = p.default_version \
               where a.tenant_id = $1 and a.region = $2 and ($3 = '' or a.certificate_id = $3) \
               order by a.certificate_id, a.policy";
    for row in tx.query(sql, args![tenant, region, only]).await? {
        if let Some(principal) = all.get_mut(&row.text("certificate_id")?) {
            principal.policies.insert(row.text("policy")?, row.text("document")?);
        }
    }
    let sql = "select a.certificate_id, t.name, t.type_name, t.attributes from thing_principals a \
               join things t on t.tenant_id = a.tenant_id and t.region = a.region and t.name = a.thing \
               where a.tenant_id = $1 and a.region = $2 and ($3 = '' or a.certificate_id = $3) \
               order by a.certificate_id, t.name";
    for row in tx.query(sql, args![tenant, region, only]).await? {
        if let Some(principal) = all.get_mut(&row.text("certificate_id")?) {
            principal.things.push(PrincipalThing {
                name: row.text("name")?,
                type_name: row.maybe_text("type_name")?,
                attributes: row.json("attributes")?,
            });
        }
    }
    Ok(all.into_values().collect())
}
