//! Defects of jobs and of where things are kept that can be planted by name.

use crate::Platform;
use crate::defects::{Defect, DefectId};
use fleetproof_dataplane::jobs;

/// The mistake that jobs make.
pub(crate) fn of_jobs(app: &Platform) -> Option<jobs::Defect> {
    jobs::Defect::ALL.iter().map(|(defect, ..)| *defect).find(|defect| app.defect(DefectId::Jobs(*defect)))
}

macro_rules! catalogue {
    ($list:ident: $($id:expr, $name:literal $row:literal $claim:ident: $breaks:literal;)*) => {
        const $list: &[Defect] = &[$(Defect {
            id: $id,
            name: $name,
            row: $row,
            breaks: $breaks,
            caught_by: stringify!($claim),
        }),*];
    };
}

catalogue! {
    JOBS:
    DefectId::Jobs(jobs::Defect::RetryEndless), "job-retry-endless" "A10" rollout:
        "A failed execution is queued again for ever.";
    DefectId::Jobs(jobs::Defect::TimeoutForgotten), "job-timeout-forgotten" "A10" rollout:
        "Executions whose time is over stay in progress.";
    DefectId::Jobs(jobs::Defect::BegunForgotten), "job-begun-forgotten" "A10" updated:
        "A device that asks again for the job that it has begun, since it heard no answer, is not given it.";
    DefectId::Jobs(jobs::Defect::BegunAgainFails), "job-begun-again-fails" "A10" updated:
        "A device that asks again for the job that it has begun, since it heard no answer, is kept as having failed.";
    DefectId::ThingsInEveryRegion, "things-in-every-region" "A3" residency:
        "A thing that is made in one region is written into all of them.";
    DefectId::ShadowsInOneRegion, "shadows-in-one-region" "A3" residency:
        "The shadows of all regions are kept in the platform's first, with the things whose they are.";
}

/// Those that a rollout by jobs, or a look at where things are kept, must catch.
#[must_use]
pub fn jobs() -> &'static [Defect] {
    JOBS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defects;

    #[test]
    fn names_are_found_and_nowhere_else() {
        for defect in jobs() {
            assert_eq!(defects::find(defect.name), Some(defect));
            assert!(defects::catalogue().iter().all(|other| other.name != defect.name), "{}", defect.name);
            assert!(defect.breaks.ends_with('.'), "{}", defect.name);
        }
    }
}
