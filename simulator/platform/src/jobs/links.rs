//! The links of a job's document: a placeholder names where bytes are in the storage of the account, and becomes a link to
//! them whenever a device asks for the document.

use super::round::Known;
use crate::fleet::{signed, stored_at};
use crate::platform::Platform;
use fleetproof_dataplane::jobs::{Job, Jobs};

/// For how long a link is good when the job does not say, in seconds.
const LIFETIME_S: u64 = 3_600;

/// The jobs that a request needs, with the means to make links.
pub(super) struct Linked<'a> {
    pub(super) app: &'a Platform,
    /// Whose jobs these are: a placeholder that points to another's bytes stays what it is.
    pub(super) tenant: &'a str,
    pub(super) known: &'a Known,
}

impl Jobs for Linked<'_> {
    fn find(&self, id: &str) -> Option<&Job> {
        self.known.find(id)
    }

    fn link(&self, job: &Job, location: &str) -> String {
        let lifetime = job.config.presigned_url.as_ref().map_or(LIFETIME_S, |config| config.expires_sec.into());
        let stored = stored_at(location).filter(|(tenant, _)| *tenant == self.tenant);
        let made = stored.and_then(|stored| signed(self.app, location, stored, lifetime).ok());
        made.map_or_else(|| location.to_owned(), |(link, _)| link)
    }
}
