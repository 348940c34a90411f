//! How much of everything there may be. An account's owner may set others.

/// The bounds of the jobs of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a job document.
    pub document: usize,
    /// Targets of a job.
    pub targets: usize,
    /// Characters of a client token.
    pub client_token: usize,
    /// Pairs of status details.
    pub details: usize,
    /// Characters of the name of a status detail.
    pub detail_name: usize,
    /// Characters of the value of a status detail.
    pub detail_value: usize,
    /// Executions in a `notify` (15 where jobs may be scheduled, by a newer page of the guide).
    pub notified: usize,
    /// Executions in the answer to `get`, of each status.
    pub listed: usize,
    /// Executions that a rollout makes in a minute, whatever a job asks for.
    pub per_minute: u32,
}

impl Default for Limits {
    /// The public defaults. A value of a detail: 1024 by the API model (an older page of the guide says 128).
    fn default() -> Self {
        Self {
            document: 32 * 1024,
            targets: 100,
            client_token: 64,
            details: 10,
            detail_name: 128,
            detail_value: 1024,
            notified: 10,
            listed: 100,
            per_minute: 1_000,
        }
    }
}
