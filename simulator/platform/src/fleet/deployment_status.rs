//! How far a device is in a deployment, and which way that may move: forward, and nowhere once it is over. Pure.

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    Pending,
    Downloading,
    PauseBeforeInstalling,
    Installing,
    PauseBeforeRebooting,
    Rebooting,
    PauseBeforeCommitting,
    Success,
    Failure,
    AlreadyInstalled,
    /// No artifact of the release is for this device.
    NoArtifact,
    ArtifactTooBig,
    IncompatibleTier,
    Aborted,
    Decommissioned,
}

/// What came of a device's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is so from now on.
    Moved,
    /// It was so before.
    Same,
    /// The deployment was aborted.
    Aborted,
    /// A device cannot come here from there.
    Illegal,
}

impl Progress {
    pub(super) const ALL: [Self; 15] = [
        Self::Pending,
        Self::Downloading,
        Self::PauseBeforeInstalling,
        Self::Installing,
        Self::PauseBeforeRebooting,
        Self::Rebooting,
        Self::PauseBeforeCommitting,
        Self::Success,
        Self::Failure,
        Self::AlreadyInstalled,
        Self::NoArtifact,
        Self::ArtifactTooBig,
        Self::IncompatibleTier,
        Self::Aborted,
        Self::Decommissioned,
    ];

    /// As it is written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Downloading => "downloading",
            Self::PauseBeforeInstalling => "pause_before_installing",
            Self::Installing => "installing",
            Self::PauseBeforeRebooting => "pause_before_rebooting",
            Self::Rebooting => "rebooting",
            Self::PauseBeforeCommitting => "pause_before_committing",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::AlreadyInstalled => "already-installed",
            Self::NoArtifact => "noartifact",
            Self::ArtifactTooBig => "artifact_too_big",
            Self::IncompatibleTier => "incompatible_tier",
            Self::Aborted => "aborted",
            Self::Decommissioned => "decommissioned",
        }
    }

    /// What is written `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|progress| progress.name() == name)
    }

    /// Whether nothing comes after it.
    pub(super) const fn is_over(self) -> bool {
        self.rank() == OVER
    }

    /// Whether a device may say so of itself.
    pub(super) const fn is_reportable(self) -> bool {
        !matches!(self, Self::Pending | Self::NoArtifact | Self::ArtifactTooBig | Self::Aborted | Self::Decommissioned)
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Downloading => 1,
            Self::PauseBeforeInstalling => 2,
            Self::Installing => 3,
            Self::PauseBeforeRebooting => 4,
            Self::Rebooting => 5,
            Self::PauseBeforeCommitting => 6,
            _ => OVER,
        }
    }

    /// What comes of the report `to`. A device says `installing` again after it has rebooted, before it commits.
    pub(super) fn report(self, to: Self) -> Ruling {
        match (self, to) {
            (Self::Aborted, _) => Ruling::Aborted,
            (_, to) if !to.is_reportable() => Ruling::Illegal,
            (from, to) if from == to => Ruling::Same,
            (from, _) if from.is_over() => Ruling::Illegal,
            (Self::Rebooting, Self::Installing) => Ruling::Moved,
            (from, to) if from.rank() < to.rank() => Ruling::Moved,
            _ => Ruling::Illegal,
        }
    }
}

const OVER: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress() -> impl Strategy<Value = Progress> {
        proptest::sample::select(Progress::ALL.to_vec())
    }

    #[test]
    fn what_real_clients_report_is_taken() {
        for sequence in [
            "pending downloading downloading installing installing success",
            "pending downloading installing rebooting installing success",
            "pending downloading installing rebooting failure",
            "pending downloading failure",
            "pending already-installed",
            "pending downloading pause_before_installing installing pause_before_rebooting rebooting installing \
             pause_before_committing success",
        ] {
            let steps: Vec<_> = sequence.split_whitespace().map(|name| Progress::named(name).unwrap()).collect();
            for pair in steps.windows(2) {
                assert!(matches!(pair[0].report(pair[1]), Ruling::Moved | Ruling::Same), "{pair:?} in {sequence}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_end_is_the_end(reports in proptest::collection::vec(progress(), 0..30)) {
            let (mut now, mut end) = (Progress::Pending, None);
            for report in reports {
                if now.report(report) == Ruling::Moved {
                    prop_assert_eq!(end, None);
                    now = report;
                    end = now.is_over().then_some(now);
                }
            }
            prop_assert_eq!(end.unwrap_or(now), now);
        }

        #[test]
        fn the_only_way_back_is_from_rebooting_to_installing(from in progress(), to in progress()) {
            if from.report(to) == Ruling::Moved {
                prop_assert!(to > from || (from, to) == (Progress::Rebooting, Progress::Installing));
                prop_assert!(to.is_reportable());
            }
            prop_assert_eq!(from.report(to) == Ruling::Aborted, from == Progress::Aborted);
        }
    }
}
