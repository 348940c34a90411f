//! What the lobby does in an account with the role that the account grants it: the steps of commissioning (contract 1.5), and
//! what undoes them. Each can be done again: what is there already, or gone already, is success.
//!
//! Nothing is written into the log here: the ledger's entry about the step stands in the account's log, in the same transaction.

use super::certificates::{ACTIVE, Arrival, INACTIVE, PENDING_TRANSFER, REVOKED, SNI_ONLY, insert};
use super::desk::Place;
use super::feed::Change;
use super::refusals::{bad_certificate, unknown, wrong_state};
use super::x509::Certificate;
use super::{accounts, policies};
use crate::args;
use crate::defects::DefectId;
use crate::platform::Platform;
use crate::refusal::Answer;
use crate::store::{StoreError, Transaction, Tx};
use serde_json::Value;

/// A device in an account and region.
#[derive(Clone, Debug)]
pub(crate) struct Lodging {
    place: Place,
    certificate: String,
    thing: String,
    policy: String,
}

impl Lodging {
    /// The device with this certificate, as a thing with a policy, in an account and region. 404 where the account is not.
    pub(crate) async fn find(
        app: &Platform,
        tx: &mut Transaction,
        (tenant, region): (&str, &str),
        (certificate, thing, policy): (&str, &str, &str),
    ) -> Answer<Self> {
        let place = accounts::place(app, tx, tenant, region).await?;
        let place = place.map(|(place, _)| place).filter(|place| place.region == region).ok_or_else(unknown)?;
        let (certificate, thing, policy) = (certificate.to_owned(), thing.to_owned(), policy.to_owned());
        Ok(Self { place, certificate, thing, policy })
    }

    /// What is to be told once this is committed.
    pub(crate) fn change(&self) -> Change {
        Change::Principal {
            tenant: self.place.tenant.clone(),
            region: self.place.region.clone(),
            certificate: self.certificate.clone(),
        }
    }

    /// Runs a statement whose first three arguments are tenant, region and `name`.
    async fn run(&self, tx: &mut Transaction, sql: &'static str, name: &str) -> Result<u64, StoreError> {
        tx.execute(sql, args![&self.place.tenant, &self.place.region, name]).await
    }

    /// `RegisterCertificateWithoutCA`.
    pub(crate) async fn register(&self, tx: &mut Transaction, pem: &str, now: u64) -> Answer<()> {
        let certificate = Certificate::from_pem(pem).ok_or_else(|| bad_certificate("the ledger has no certificate"))?;
        let arrival = Arrival { certificate: &certificate, status: INACTIVE, mode: SNI_ONLY, ca: None };
        insert(tx, &self.place, &arrival, now).await?;
        Ok(())
    }

    /// `CreatePolicy`.
    pub(crate) async fn create_policy(&self, tx: &mut Transaction, document: &Value, now: u64) -> Answer<()> {
        Ok(policies::ensure(tx, &self.place, &self.policy, &document.to_string(), now).await?)
    }

    /// `AttachPrincipalPolicy`.
    pub(crate) async fn attach_policy(&self, tx: &mut Transaction) -> Answer<()> {
        let sql = "insert into policy_attachments (tenant_id, region, certificate_id, policy) values ($1, $2, $3, $4) \
                   on conflict do nothing";
        tx.execute(sql, args![&self.place.tenant, &self.place.region, &self.certificate, &self.policy]).await?;
        Ok(())
    }

    /// `CreateThing`.
    pub(crate) async fn create_thing(&self, app: &Platform, tx: &mut Transaction) -> Answer<()> {
        let sql = "insert into things (tenant_id, region, name, id, type_name, attributes, version, created_at) \
                   values ($1, $2, $3, $4, null, '{}', 1, $5) on conflict do nothing";
        let (tenant, region) = (&self.place.tenant, &self.place.region);
        tx.execute(sql, args![tenant, region, &self.thing, app.ids().thing(), app.now_ms()]).await?;
        Ok(())
    }

    /// `AttachThingPrincipal`.
    pub(crate) async fn attach_thing(&self, tx: &mut Transaction) -> Answer<()> {
        let sql = "insert into thing_principals (tenant_id, region, thing, certificate_id) values ($1, $2, $3, $4) \
                   on conflict do nothing";
        tx.execute(sql, args![&self.place.tenant, &self.place.region, &self.thing, &self.certificate]).await?;
        Ok(())
    }

    /// `UpdateCertificate`, to `ACTIVE`. 406 for one that is revoked or on its way.
    pub(crate) async fn activate(&self, tx: &mut Transaction, now: u64) -> Answer<()> {
        match self.status(tx).await?.as_deref() {
            None => return Err(unknown()),
            Some(REVOKED | PENDING_TRANSFER) => return Err(wrong_state("The certificate is revoked, or on its way.")),
            Some(_) => {}
        }
        Ok(self.set_status(tx, ACTIVE, now).await?)
    }

    /// `DescribeEndpoint`.
    pub(crate) async fn endpoint(&self, app: &Platform, tx: &mut Transaction) -> Answer<String> {
        Ok(accounts::host(app, tx, &self.place).await?)
    }

    /// The certificate's status here, if it is here.
    pub(crate) async fn status(&self, tx: &mut Transaction) -> Result<Option<String>, StoreError> {
        let sql = "select status from certificates where tenant_id = $1 and region = $2 and id = $3 order by id";
        let row = tx.first(sql, args![&self.place.tenant, &self.place.region, &self.certificate]).await?;
        row.map(|row| row.text("status")).transpose()
    }

    async fn set_status(&self, tx: &mut Transaction, status: &str, now: u64) -> Result<(), StoreError> {
        let sql = "update certificates set status = $4, updated_at = $5, version = version + 1 \
                   where tenant_id = $1 and region = $2 and id = $3 and status <> $4";
        let row = args![&self.place.tenant, &self.place.region, &self.certificate, status, now];
        tx.execute(sql, row).await.map(drop)
    }

    /// Lets the certificate in here, or not; one that waits for its activation goes on waiting.
    pub(crate) async fn switch(&self, tx: &mut Transaction, on: bool, now: u64) -> Result<(), StoreError> {
        let (status, other) = if on { (ACTIVE, INACTIVE) } else { (INACTIVE, ACTIVE) };
        if self.status(tx).await?.as_deref() == Some(other) {
            self.set_status(tx, status, now).await?;
        }
        Ok(())
    }

    /// Takes the certificate away, with what is attached to it.
    pub(crate) async fn drop_certificate(&self, tx: &mut Transaction) -> Answer<()> {
        let certificate = &self.certificate;
        for sql in [
            "delete from policy_attachments where tenant_id = $1 and region = $2 and certificate_id = $3",
            "delete from thing_principals where tenant_id = $1 and region = $2 and certificate_id = $3",
            "delete from certificates where tenant_id = $1 and region = $2 and id = $3",
        ] {
            self.run(tx, sql, certificate).await?;
        }
        Ok(())
    }

    /// Takes all shadows of the thing away, with what remembers their versions.
    pub(crate) async fn drop_shadows(&self, tx: &mut Transaction) -> Answer<()> {
        self.run(tx, "delete from shadows where tenant_id = $1 and region = $2 and thing = $3", &self.thing).await?;
        Ok(())
    }

    /// Takes the thing away; what else it has goes with it.
    pub(crate) async fn drop_thing(&self, tx: &mut Transaction) -> Answer<()> {
        let detach = "delete from thing_principals where tenant_id = $1 and region = $2 and thing = $3";
        self.run(tx, detach, &self.thing).await?;
        self.run(tx, "delete from things where tenant_id = $1 and region = $2 and name = $3", &self.thing).await?;
        Ok(())
    }

    /// Takes the policy away.
    pub(crate) async fn drop_policy(&self, tx: &mut Transaction) -> Answer<()> {
        let detach = "delete from policy_attachments where tenant_id = $1 and region = $2 and policy = $3";
        self.run(tx, detach, &self.policy).await?;
        self.run(tx, "delete from policies where tenant_id = $1 and region = $2 and name = $3", &self.policy).await?;
        Ok(())
    }
}

/// Tells who listens that certificates are to be looked up again.
pub(crate) fn principals_changed(app: &Platform, changes: impl IntoIterator<Item = Change>) {
    if !app.defect(DefectId::ChangeNotTold) {
        app.registry().feed.tell(changes);
    }
}
