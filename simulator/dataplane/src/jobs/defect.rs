//! Mistakes that such job services have had, to be planted one at a time.

/// Which mistake is made. Whoever plants none hands in `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// What an execution ended with can be overwritten by its device.
    TerminalRewritable,
    /// An update is made whatever version it expected.
    ExpectedVersionIgnored,
    /// Whose executions they are is taken from `thingName` of the payload, not from the topic.
    ThingFromPayload,
    /// Whatever the criterion names, only failures count against the abort threshold.
    AbortCountsFailedOnly,
    /// An abort cancels what devices are working on, too.
    AbortKillsRunning,
    /// A step timer set late runs on when the in-progress timer has ended.
    StepOutlivesInProgress,
    /// A failed execution is queued again for ever.
    RetryEndless,
    /// The client token of the request before is reflected.
    TokenOfAnother,
    /// The rate grows one step before enough things count.
    RateGrowsEarly,
    /// Executions whose time is over stay in progress.
    TimeoutForgotten,
    /// Every update pushes the next job again, although it is the same.
    NextPushedAgain,
    /// A client token of any length is taken and reflected.
    TokenUnbounded,
    /// What a thing has begun it is not given again.
    BegunForgotten,
    /// A thing that asks again for what it has begun, since it heard no answer, has failed at it.
    BegunAgainFails,
}

impl Defect {
    /// All of them: the value, its name, and what goes wrong in one sentence.
    pub const ALL: [(Self, &'static str, &'static str); 14] = [
        (Self::TerminalRewritable, "job-terminal-rewritable", "A device can overwrite what its execution ended with."),
        (Self::ExpectedVersionIgnored, "job-version-ignored", "An update is made whatever version it expected."),
        (Self::ThingFromPayload, "job-thing-from-payload", "The payload says whose executions are handed out."),
        (Self::AbortCountsFailedOnly, "job-abort-counts-failed", "Rejected and timed out do not count for an abort."),
        (Self::AbortKillsRunning, "job-abort-kills-running", "An abort cancels executions that are in progress."),
        (Self::StepOutlivesInProgress, "job-step-outlives", "A step timer outlives the in-progress timer."),
        (Self::RetryEndless, "job-retry-endless", "A failed execution is queued again for ever."),
        (Self::TokenOfAnother, "job-token-of-another", "An answer reflects the client token of another request."),
        (Self::RateGrowsEarly, "job-rate-early", "The rate of a rollout grows one step too early."),
        (Self::TimeoutForgotten, "job-timeout-forgotten", "Executions whose time is over stay in progress."),
        (Self::NextPushedAgain, "job-next-again", "The next job is pushed again at every update."),
        (Self::TokenUnbounded, "job-token-unbounded", "A client token of any length is taken."),
        (Self::BegunForgotten, "job-begun-forgotten", "A thing that asks again is not given what it has begun."),
        (Self::BegunAgainFails, "job-begun-again-fails", "A thing that asks again has failed at what it has begun."),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(defect, _, _)| *defect)
    }
}
