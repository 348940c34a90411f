//! The update state machine in a world that does anything: every answer, every failure, power lost
//! between any two effects.

use fleetproof_devices::BodyCall;
use fleetproof_devices::machine::{Brings, Effect, INCONSISTENT, Input, Machine, Question, Record, Status};
use proptest::prelude::*;

const TRIES: u32 = 4;

/// What the world does to one effect.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Good,
    Bad,
    Refused,
    Lost,
    PowerLost,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Good), 2 => Just(Fate::Bad), 1 => Just(Fate::Refused), 1 => Just(Fate::Lost),
        1 => Just(Fate::PowerLost),
    ]
}

/// A bootloader with two versions, as the machine's calls change it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    active: &'static str,
    armed: bool,
    runs: &'static str,
}

impl Device {
    fn boot(&mut self) {
        self.runs = if std::mem::take(&mut self.armed) { "v2" } else { self.active };
    }

    fn call(&mut self, call: &BodyCall) -> bool {
        match call {
            BodyCall::Install => self.armed = true,
            BodyCall::Commit => self.active = self.runs,
            BodyCall::Rollback => (self.active, self.armed) = ("v1", false),
            BodyCall::VerifyReboot => return self.runs == "v2",
            BodyCall::VerifyRollbackReboot => return self.runs == "v1",
            _ => {}
        }
        true
    }
}

/// How a run ended, and all that was done.
struct Run {
    device: Device,
    kept: Record,
    done: Vec<Effect>,
    boots: Vec<usize>,
    finished: Vec<(bool, bool)>,
}

/// Drives an update to its end. Once the fates are used up all goes well.
fn drive(fates: &[Fate], rolls_back: bool, reboots: bool) -> Run {
    let mut fates = fates.iter().copied();
    let record = Record { artifact: "v1".into(), ..Record::default() };
    let device = Device { active: "v1", armed: false, runs: "v1" };
    let mut run = Run { device, kept: record.clone(), done: Vec::new(), boots: Vec::new(), finished: Vec::new() };
    let mut machine = Machine::new(record, TRIES).step(Input::Booted, &mut Vec::new());
    let mut input = Input::Offered { deployment: "d".into(), artifact: "v2".into() };
    for _ in 0..400 {
        let mut effects = Vec::new();
        machine = machine.step(input, &mut effects);
        let mut next = None;
        for effect in effects {
            run.done.push(effect.clone());
            let fate = fates.next().unwrap_or(Fate::Good);
            let mut is_down = matches!(fate, Fate::PowerLost);
            let good = matches!(fate, Fate::Good);
            match effect {
                Effect::Persist if !is_down => run.kept = machine.record().clone(),
                Effect::Finish { success, inconsistent, .. } => run.finished.push((success, inconsistent)),
                Effect::Call(BodyCall::Reboot | BodyCall::RollbackReboot) if good => is_down = true,
                Effect::Call(call) if good => {
                    let said = if run.device.call(&call) { Input::Done } else { Input::Failed("no".into()) };
                    next = Some(said);
                }
                // Power may go before a call or after it has done its work.
                Effect::Call(call) if is_down => drop(run.done.len().is_multiple_of(2) && run.device.call(&call)),
                Effect::Call(_) | Effect::Write | Effect::Fetch if !good => next = Some(Input::Failed("bad".into())),
                Effect::Write | Effect::Wait => next = Some(Input::Done),
                Effect::Fetch => next = Some(Input::Fetched(Brings::default())),
                Effect::Ask(Question::SupportsRollback) => next = Some(Input::Said(rolls_back)),
                Effect::Ask(Question::NeedsReboot) => next = Some(Input::Said(reboots)),
                Effect::Report { .. } | Effect::SendLog if matches!(fate, Fate::Refused) => next = Some(Input::Refused),
                Effect::Report { .. } | Effect::SendLog | Effect::Reauthenticate => {
                    next = Some(if good { Input::Done } else { Input::Unreachable });
                }
                _ => {}
            }
            if is_down {
                run.device.boot();
                run.boots.push(run.done.len());
                machine = Machine::new(run.kept.clone(), TRIES);
                next = Some(Input::Booted);
                break;
            }
        }
        match next {
            Some(next) => input = next,
            None => return run,
        }
    }
    panic!("it does not end: {:?}", run.done);
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    proptest::collection::vec(fate(), 0..60)
}

fn position(run: &Run, wanted: &Effect) -> Vec<usize> {
    run.done.iter().enumerate().filter(|(_, effect)| *effect == wanted).map(|(at, _)| at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens, it ends, and the device runs the old or the new version; what it says it runs
    /// is what it runs, unless it says that it does not know.
    #[test]
    fn it_ends_in_the_old_or_the_new_version(fates in fates()) {
        let mut run = drive(&fates, true, true);
        prop_assert!(run.kept.update.is_none() || run.boots.last() == Some(&run.done.len()));
        prop_assert!(run.finished.len() <= 1);
        run.device.boot();
        let said = run.kept.artifact.as_str();
        if !said.ends_with(INCONSISTENT) {
            prop_assert_eq!(said, run.device.runs);
        }
        if let Some((success, inconsistent)) = run.finished.first() {
            prop_assert_eq!(*success, said == "v2");
            prop_assert_eq!(*inconsistent, said.ends_with(INCONSISTENT));
        }
    }

    /// A commit is asked for only after the image was installed, booted and looked at, with no boot since.
    #[test]
    fn nothing_is_committed_without_a_boot_that_was_verified(fates in fates(), reboots in any::<bool>()) {
        let run = drive(&fates, true, reboots);
        for at in position(&run, &Effect::Call(BodyCall::Commit)) {
            let before = |call| position(&run, &Effect::Call(call)).into_iter().rfind(|other| *other < at);
            let installed = before(BodyCall::Install);
            prop_assert!(installed.is_some());
            if reboots {
                let (reboot, verified) = (before(BodyCall::Reboot), before(BodyCall::VerifyReboot));
                prop_assert!(installed < verified);
                let booted = run.boots.iter().rfind(|boot| **boot <= at).copied();
                prop_assert!(booted.is_some() && booted <= verified, "no boot between look and commit");
                prop_assert!(reboot < verified);
            }
        }
    }

    /// What was told last is told after everything else, and never taken back.
    #[test]
    fn the_end_is_told_once_everything_is_over(fates in fates(), rolls_back in any::<bool>()) {
        let run = drive(&fates, rolls_back, true);
        let ends = run.done.iter().filter_map(|effect| match effect {
            Effect::Report { status: status @ (Status::Success | Status::Failure), .. } => Some(*status),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        prop_assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
        let is_end = |effect: &Effect| matches!(effect, Effect::Report { status: Status::Success | Status::Failure, .. });
        if let Some(first) = run.done.iter().position(is_end) {
            let rest = run.done[first..].iter();
            prop_assert!(rest.clone().all(|effect| !matches!(effect, Effect::Call(_) | Effect::Write | Effect::Fetch)));
        }
    }

    /// The commit is in the record before anything else is done; before it no record says so.
    #[test]
    fn a_commit_is_kept_at_once(fates in fates()) {
        let run = drive(&fates, true, true);
        let told_success = run.done.iter().any(|effect| matches!(effect, Effect::Report { status: Status::Success, .. }));
        prop_assert_eq!(told_success, run.kept.artifact == "v2" && run.device.active == "v2");
    }

    /// Inputs that nothing waits for change nothing.
    #[test]
    fn what_nothing_waits_for_changes_nothing(steps in 0..12_usize, which in 0..4_usize) {
        let record = Record { artifact: "v1".into(), ..Record::default() };
        let mut machine = Machine::new(record, TRIES).step(Input::Booted, &mut Vec::new());
        let mut input = Input::Offered { deployment: "d".into(), artifact: "v2".into() };
        for _ in 0..steps {
            let mut effects = Vec::new();
            machine = machine.step(input, &mut effects);
            input = match effects.last() {
                Some(Effect::Fetch) => Input::Fetched(Brings::default()),
                Some(Effect::Ask(_)) => Input::Said(true),
                Some(Effect::Call(BodyCall::Reboot)) => Input::Booted,
                _ => Input::Done,
            };
        }
        let strange = match (input, which) {
            (Input::Said(_) | Input::Fetched(_) | Input::Booted, 0) => Input::Done,
            (Input::Said(_) | Input::Fetched(_) | Input::Booted, _) => Input::Refused,
            (_, 0) => Input::Said(false),
            (_, 1) => Input::Booted,
            (_, 2) => Input::Fetched(Brings::default()),
            _ => Input::Offered { deployment: "e".into(), artifact: "v3".into() },
        };
        prop_assume!(!(machine.is_idle() && matches!(strange, Input::Offered { .. })));
        let mut effects = Vec::new();
        prop_assert_eq!(&machine.clone().step(strange, &mut effects), &machine);
        prop_assert!(effects.is_empty());
    }
}

#[test]
fn a_good_run_is_one() {
    let run = drive(&[], true, true);
    assert_eq!((run.finished, run.kept.artifact.as_str(), run.device.runs), (vec![(true, false)], "v2", "v2"));
}

#[test]
fn what_the_artifact_brings_replaces_what_it_clears() {
    let provides = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let old = provides(&[("rootfs-image.version", "v1"), ("rootfs-image.old", "1"), ("other", "1")]);
    let record = Record { artifact: "v1".into(), provides: old, update: None };
    let brings = Brings {
        provides: provides(&[("rootfs-image.version", "v2")]),
        clears: vec!["rootfs-image.*".into()],
        scripts: Vec::new(),
    };
    let mut machine = Machine::new(record, TRIES).step(Input::Booted, &mut Vec::new());
    let offered = Input::Offered { deployment: "d".into(), artifact: "v2".into() };
    let said = [
        offered,
        Input::Done,
        Input::Fetched(brings),
        Input::Done,
        Input::Said(true),
        Input::Done,
        Input::Done,
        Input::Said(false),
        Input::Done,
        Input::Done,
        Input::Done,
    ];
    for input in said {
        machine = machine.step(input, &mut Vec::new());
    }
    assert_eq!(machine.record().artifact, "v2");
    assert_eq!(machine.record().provides, provides(&[("rootfs-image.version", "v2"), ("other", "1")]));
}
