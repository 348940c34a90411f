//! Verdicts: how much each says, which of several decides, and the exit code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a claim, an attempt, a scenario or a run ended. There is no default: somebody has to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every claim held, with evidence.
    Passed,
    /// The platform or a device broke a claim.
    Failed,
    /// The scenario or the command line is wrong.
    Invalid,
    /// The surroundings failed.
    Broken,
    /// The evidence is not enough.
    Inconclusive,
    /// Failed, then passed on a retry.
    Flaky,
    /// Its needs were not there.
    Skipped,
    /// Stopped by a signal, cleaned up.
    Interrupted,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Interrupted,
        Self::Failed,
        Self::Invalid,
        Self::Broken,
        Self::Inconclusive,
        Self::Flaky,
        Self::Passed,
        Self::Skipped,
    ];

    /// The word that reports and exit code tables use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
            Self::Flaky => "flaky",
            Self::Skipped => "skipped",
            Self::Interrupted => "interrupted",
        }
    }

    /// 0 for the mildest (skipped), 7 for the worst (interrupted).
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Passed => 1,
            Self::Flaky => 2,
            Self::Inconclusive => 3,
            Self::Broken => 4,
            Self::Invalid => 5,
            Self::Failed => 6,
            Self::Interrupted => 7,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    /// The worst of several; `None` of none, since nothing has no verdict.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Option<Self> {
        verdicts.into_iter().reduce(Self::and)
    }

    /// What several runs of one scenario come to, the first one first; `None` of none. Who passes in the end is flaky if the
    /// platform or the evidence failed before; surroundings that failed are not the platform's.
    pub fn of_retries(verdicts: &[Self]) -> Option<Self> {
        let (last, earlier) = verdicts.split_last()?;
        match last {
            Self::Passed if earlier.iter().all(|verdict| *verdict == Self::Broken) => Some(Self::Passed),
            Self::Passed => Some(Self::Flaky),
            _ => Self::worst(verdicts.iter().copied()),
        }
    }

    /// The exit code of a run whose worst verdict this is.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::Skipped => 0,
            Self::Failed | Self::Flaky => 1,
            Self::Invalid => 2,
            Self::Broken => 3,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the command line forgives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lenience {
    /// `--allow-flaky`: flaky ends with 0.
    pub flaky: bool,
    /// `--allow-empty`: all skipped ends with 0.
    pub empty: bool,
}

impl Lenience {
    /// Forgives nothing.
    pub const NONE: Self = Self { flaky: false, empty: false };
}

/// The exit code of a run over scenarios that ended so: the worst decides, no scenario at all is
/// `invalid` (2), all skipped is 4, since CI must not be green on nothing.
pub fn exit_code(verdicts: impl IntoIterator<Item = Verdict>, lenience: Lenience) -> u8 {
    match Verdict::worst(verdicts) {
        None => Verdict::Invalid.exit_code(),
        Some(Verdict::Skipped) if !lenience.empty => Verdict::Inconclusive.exit_code(),
        Some(Verdict::Flaky) if lenience.flaky => Verdict::Passed.exit_code(),
        Some(worst) => worst.exit_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Broken, Failed, Flaky, Inconclusive, Passed};

    #[test]
    fn passing_in_the_end_is_flaky_unless_only_the_surroundings_failed() {
        for (verdicts, due) in [
            (&[][..], None),
            (&[Passed], Some(Passed)),
            (&[Failed], Some(Failed)),
            (&[Failed, Passed], Some(Flaky)),
            (&[Inconclusive, Passed], Some(Flaky)),
            (&[Broken, Passed], Some(Passed)),
            (&[Broken, Failed, Passed], Some(Flaky)),
            (&[Failed, Failed], Some(Failed)),
            (&[Failed, Broken], Some(Failed)),
        ] {
            assert_eq!(Verdict::of_retries(verdicts), due, "{verdicts:?}");
        }
    }
}
