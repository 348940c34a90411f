//! Where an operation works: who asks, in which account and region, in one transaction that ends with the log and the feed.

use super::accounts;
use super::feed::Change;
use super::refusals::{invalid, unknown};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{Can, Params, User, need};
use crate::refusal::{Answer, Refusal};
use crate::registry_defects::{RegistryDefect, is_planted};
use crate::store::{StoreError, Transaction, Tx};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::BTreeSet;

/// One region of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The tenant's id.
    pub(super) tenant: String,
    /// Twelve digits.
    pub(super) account: String,
    pub(super) region: String,
}

impl Place {
    /// The name of a resource here: `kind` is `thing`, `thinggroup`, `cert`, `cacert`, `policy`.
    pub(super) fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:iot:{}:{}:{kind}/{id}", self.region, self.account)
    }
}

/// Who asks, with all that `N` needs for the whole account, and the query.
pub(super) struct Asked<N> {
    user: Can<N>,
    pub(super) params: Params,
}

impl<N: need::Need> FromRequestParts<Platform> for Asked<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Refusal> {
        let user = Can::<N>::from_request_parts(parts, app).await?;
        // The registry knows nothing of the groups that roles are narrowed to: who has only some has nothing here.
        if user.is_narrowed() && !app.defect(DefectId::NarrowedRoleReachesAll) {
            return Err(Refusal::forbidden());
        }
        let params = Params::from_request_parts(parts, app).await?;
        Ok(Self { user, params })
    }
}

impl<N: need::Need> Asked<N> {
    /// Who asks.
    pub(super) fn user_id(&self) -> &str {
        &self.user.id
    }

    /// Begins `operation` (AWS's name) in the region that the query names, or at home.
    pub(super) async fn desk(&self, app: &Platform, operation: &'static str) -> Answer<Desk> {
        let mut tx = app.begin().await?;
        let region = self.params.one("region").unwrap_or_default();
        let (place, quotas) = accounts::place(app, &mut tx, &self.user.tenant, region).await?.ok_or_else(unknown)?;
        app.registry().rates.count(app, &place, operation, &quotas)?;
        Ok(Desk { app: app.clone(), tx, place, user: (*self.user).clone(), changed: BTreeSet::new() })
    }
}

/// An operation under way. Dropped, nothing of it has happened.
pub(super) struct Desk {
    pub(super) app: Platform,
    pub(super) tx: Transaction,
    pub(super) place: Place,
    user: User,
    changed: BTreeSet<Change>,
}

impl Desk {
    pub(super) fn arn(&self, kind: &str, id: &str) -> String {
        self.place.arn(kind, id)
    }

    /// ms since 1970.
    pub(super) fn now(&self) -> u64 {
        self.app.now_ms()
    }

    /// Writes into the log what was done to something here.
    pub(super) async fn audit(
        &mut self,
        action: &'static str,
        kind: &'static str,
        id: &str,
        change: Option<String>,
    ) -> Result<(), StoreError> {
        let object = Object::registered(kind, id, &self.place.account, &self.place.region);
        let log = self.user.tenant.clone();
        self.app.audit(&mut self.tx, &log, &self.user, action, object, change).await
    }

    /// The certificate is to be looked up again, once this is committed.
    pub(super) fn touch(&mut self, certificate: &str) {
        self.changed.insert(Change::Principal {
            tenant: self.place.tenant.clone(),
            region: self.place.region.clone(),
            certificate: certificate.to_owned(),
        });
    }

    /// Something elsewhere is to be looked up again.
    pub(super) fn touch_of(&mut self, change: Change) {
        self.changed.insert(change);
    }

    /// The certificates of this thing are to be looked up again.
    pub(super) async fn touch_thing(&mut self, thing: &str) -> Result<(), StoreError> {
        let sql = "select certificate_id from thing_principals where tenant_id = $1 and region = $2 and thing = $3 \
                   order by certificate_id";
        for row in self.tx.query(sql, args![&self.place.tenant, &self.place.region, thing]).await? {
            self.touch(&row.text("certificate_id")?);
        }
        Ok(())
    }

    /// The certificates with this policy are to be looked up again.
    pub(super) async fn touch_policy(&mut self, policy: &str) -> Result<(), StoreError> {
        let sql = "select certificate_id from policy_attachments where tenant_id = $1 and region = $2 and policy = $3 \
                   order by certificate_id";
        for row in self.tx.query(sql, args![&self.place.tenant, &self.place.region, policy]).await? {
            self.touch(&row.text("certificate_id")?);
        }
        Ok(())
    }

    /// The id of a certificate of this account and region by its name (ARN); also of one that is not there.
    pub(super) async fn principal(&mut self, arn: &str) -> Answer<String> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [start, _, service, region, account, resource] = parts[..] else { return Err(not_a_certificate()) };
        let id = resource.strip_prefix("cert/").filter(|id| is_certificate_id(id)).ok_or_else(not_a_certificate)?;
        if start != "arn" || service != "iot" {
            return Err(not_a_certificate());
        }
        if account != self.place.account && self.app.defect(DefectId::PrincipalForgetsAccount) {
            let sql = "select tenant_id from accounts where account_id = $1 and closed_at is null order by tenant_id";
            let row = self.tx.first(sql, args![account]).await?.ok_or_else(unknown)?;
            self.place.tenant = row.text("tenant_id")?;
        } else if account != self.place.account {
            return Err(unknown());
        }
        if region != self.place.region && !self.app.defect(DefectId::RegionNotCompared) {
            return Err(unknown());
        }
        Ok(id.to_owned())
    }

    /// A seeded defect, where it is planted: what follows is done in the account of whoever has what `sql` finds for `key` (the
    /// own account first: `$2`).
    pub(super) async fn stray(&mut self, defect: RegistryDefect, sql: &'static str, key: &str) -> Answer<()> {
        if is_planted(&self.app, defect)
            && let Some(row) = self.tx.first(sql, args![key, &self.place.tenant]).await?
        {
            self.place.tenant = row.text("tenant_id")?;
        }
        Ok(())
    }

    /// Makes it so, and tells who listens.
    pub(super) async fn commit(self) -> Answer<()> {
        let Self { app, tx, changed, .. } = self;
        app.commit(tx).await?;
        if !app.defect(DefectId::ChangeNotTold) {
            app.registry().feed.tell(changed);
        }
        Ok(())
    }
}

fn not_a_certificate() -> Refusal {
    invalid("the principal or target must be the ARN of a certificate: arn:aws:iot:<region>:<account>:cert/<id>")
}

/// Whether this is 64 lower-case hexadecimal digits.
pub(super) fn is_certificate_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// 400 unless `name` has 1 to 128 letters, digits or characters of `others`.
pub(super) fn check_name(what: &str, name: &str, others: &str) -> Answer<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(good) {
        return Err(invalid(format!("{what} must have 1 to 128 characters: letters, digits, {others}")));
    }
    Ok(())
}
