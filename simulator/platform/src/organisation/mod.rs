//! The organisation of a provider: an account for every tenant, under controls, from a blueprint.
//!
//! An account is a tenant, made by the same code. `reconciler` makes accounts in recorded steps and has no timer: whoever
//! looks does first what is due. Until the last step a tenant is shut. The rules, without a database, are in
//! [`fleetproof_dataplane::organisation`]; AWS gave operations, fields and states their names.
//!
//! What other rooms ask: [`allows`] before something happens in an account or a region, [`assume`] before the lobby acts in one.

mod accounts;
mod blueprints;
mod change;
mod drift;
mod faults;
mod governance;
mod home;
mod landing;
mod listing;
mod lodgers;
mod log;
mod names;
mod policies;
mod reconciler;
mod requests;
mod rolls;
mod steps;
mod trust;
mod units;

pub(crate) use accounts::{adopt, left};
pub(crate) use faults::Faults;
#[expect(unused_imports, reason = "what rooms of the account-per-tenant world will ask")]
pub(crate) use governance::allows;
pub(crate) use listing::Window;
pub(crate) use lodgers::{account_facts, external_id, landlord, provider_of};
pub(crate) use log::{Shipped, ship};
pub(crate) use reconciler::up_to_date;
pub(crate) use trust::assume;
pub use trust::{AssumedRole, RoleAsked};

use crate::Platform;
use crate::platform::PlatformError;
use crate::refusal::Refusal;
use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step};
use fleetproof_dataplane::organisation::trust::Denied;
use fleetproof_world::RandomStream;
use utoipa_axum::router::OpenApiRouter;

/// The status of a tenant that is being made: shut for its users and its devices.
pub(crate) const ONBOARDING: &str = "onboarding";

/// What users reach.
pub(crate) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .merge(landing::operations())
        .merge(units::operations())
        .merge(policies::operations())
        .merge(accounts::operations())
        .merge(blueprints::operations())
        .merge(requests::operations())
        .merge(rolls::operations())
        .merge(trust::operations())
        .merge(home::operations())
        .merge(log::operations())
        .merge(drift::operations())
}

impl Platform {
    /// Does what is due of all onboardings. Operations of the organisation, logins and knocks do it by themselves; for
    /// who wants accounts made while nobody looks.
    ///
    /// # Errors
    /// The database.
    pub async fn advance_onboarding(&self) -> Result<(), PlatformError> {
        reconciler::advance(self).await.map_err(broken)
    }

    /// The next `times` times that `step` is tried, it fails for `reason` after its work is done and before it is made so.
    pub fn break_onboarding(&self, step: Step, reason: FailureReason, times: u32) {
        self.organisation_faults().break_step(step, reason, times);
    }

    /// So many steps of a million fail from now on, in a way that is tried again, as `draws` says which; `None`: none does.
    pub fn break_some_onboarding(&self, share: Option<(u32, RandomStream)>) {
        self.organisation_faults().break_share(share);
    }

    /// How many steps failed because somebody broke them.
    #[must_use]
    pub fn onboarding_broke(&self) -> u64 {
        self.organisation_faults().struck()
    }

    /// Nothing is advanced any more once `after` was done, as if the process had ended there; `None`: from now on it is.
    pub fn halt_onboarding(&self, after: Option<Step>) {
        self.organisation_faults().halt(after);
    }

    /// Somebody, usually the lobby, assumes the role that an account grants in a region. Inside: the role, or why not;
    /// whoever asked over a network must only be told [`Denied::told`].
    ///
    /// # Errors
    /// The database.
    pub async fn assume_role(&self, asked: &RoleAsked) -> Result<Result<AssumedRole, Denied>, PlatformError> {
        reconciler::advance(self).await.map_err(broken)?;
        let mut tx = self.begin().await?;
        let assumed = assume(self, &mut tx, asked).await.map_err(broken)?;
        self.commit(tx).await?;
        Ok(assumed)
    }
}

fn broken(refusal: Refusal) -> PlatformError {
    PlatformError::Founding(refusal.message.into_owned())
}
