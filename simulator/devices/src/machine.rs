//! The update state machine: pure, after Mender's client 3.4.
//!
//! [`Machine::step`] takes what happened and says what comes next; it waits for nothing. An agent does
//! the effects in order and hands in what became of the last one. What must survive a loss of power is
//! the [`Record`]: kept whenever an effect says so, handed to [`Machine::new`] after the next boot.
//!
//! ```text
//! offer ─ Download ─ Install ─ Reboot ─ VerifyReboot ─ Commit ─ Cleanup ─ Report
//!                      └────────┴───────────┴───────────┴─ Rollback ─ RollbackReboot ─ VerifyRollbackReboot ─ Failure ─ Cleanup ─ Report
//! ```

use crate::body::BodyCall;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is appended to the artifact's name when an update could be neither finished nor undone.
pub const INCONSISTENT: &str = "_INCONSISTENT";

/// How often a restart into what ran before is tried.
const ROLLBACK_REBOOTS: u32 = 10;

/// What a device tells the platform about an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Before and during the download.
    Downloading,
    /// Before the installation, and again before the commit.
    Installing,
    /// Before the restart.
    Rebooting,
    /// The end: what was offered runs and is final.
    Success,
    /// The end: it does not.
    Failure,
    /// The end: what was offered ran before.
    AlreadyInstalled,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Downloading => "downloading",
            Self::Installing => "installing",
            Self::Rebooting => "rebooting",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::AlreadyInstalled => "already-installed",
        }
    }
}

/// Where an update stands, as far as a device must know after it lost power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Offered; nothing is written. Forgotten after a loss of power: the platform offers it again.
    Fetch,
    /// The image is being written to where nothing runs from.
    Download,
    /// What boots next is being changed.
    Install,
    /// About to restart, or restarting.
    Reboot,
    /// The restart is being looked at.
    VerifyReboot,
    /// The platform is being reached, then the update made final.
    Commit,
    /// What ran before is being made bootable again.
    Rollback,
    /// About to restart into what ran before.
    RollbackReboot,
    /// That restart is being looked at.
    VerifyRollbackReboot,
    /// The body is being told of the failure.
    Failure,
    /// The update is being forgotten.
    Cleanup,
    /// The platform is being told how it ended.
    Report,
}

impl Stage {
    /// The prefix of the state scripts that run before it.
    const fn scripts(self) -> Option<&'static str> {
        match self {
            Self::Install => Some("ArtifactInstall_Enter_"),
            Self::Reboot => Some("ArtifactReboot_Enter_"),
            Self::Commit => Some("ArtifactCommit_Enter_"),
            Self::Rollback => Some("ArtifactRollback_Enter_"),
            Self::RollbackReboot => Some("ArtifactRollbackReboot_Enter_"),
            Self::Failure => Some("ArtifactFailure_Enter_"),
            _ => None,
        }
    }
}

/// What survives a loss of power.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name of the artifact that runs, as the platform is told.
    pub artifact: String,
    /// What it provides beside its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provides: BTreeMap<String, String>,
    /// The update under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Box<Update>>,
}

/// An update under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The deployment's id.
    pub deployment: String,
    /// The name of the artifact that was offered.
    pub artifact: String,
    /// Where it stands.
    pub stage: Stage,
    /// What was told last.
    pub told: Status,
    /// How it ended, as it will be told.
    pub outcome: Status,
    /// What the artifact brings.
    pub brings: Brings,
    /// Whether the body can undo it; asked once it is written.
    pub supports_rollback: Option<bool>,
    /// Whether it needs a restart; asked once it is installed, or undone before that.
    pub needs_reboot: Option<bool>,
    /// It could be neither finished nor undone.
    pub inconsistent: bool,
    /// How often a restart into what ran before was tried.
    pub rollback_reboots: u32,
    /// Why it failed, for the log; empty when it did not.
    pub why: String,
}

/// What an artifact brings beside its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brings {
    /// What it provides beside its name.
    pub provides: BTreeMap<String, String>,
    /// Patterns of what goes when it is installed.
    pub clears: Vec<String>,
    /// The names of its state scripts. Those that enter a state are run.
    pub scripts: Vec<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The platform offered an update.
    Offered {
        /// The deployment's id.
        deployment: String,
        /// The artifact's name.
        artifact: String,
    },
    /// The artifact is here, and nothing is wrong with it.
    Fetched(Brings),
    /// What was asked for is done: a call, or a report that was answered.
    Done,
    /// The body answered a question.
    Said(bool),
    /// The body, or the download, failed, with the reason.
    Failed(String),
    /// The platform answered 409: it does not want the update any more.
    Refused,
    /// The platform gave no answer, or none that counts.
    Unreachable,
    /// The device has booted, and the image came up.
    Booted,
}

/// A question to the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Can it undo an installation?
    SupportsRollback,
    /// Does an installation need a restart?
    NeedsReboot,
}

/// What comes next. Of the effects of one step at most the last has an outcome, which is the next input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the record, before anything else is done.
    Persist,
    /// What ran before runs again (tells a witness).
    RolledBack,
    /// Tell the platform. Then [`Input::Done`], [`Input::Refused`] or [`Input::Unreachable`].
    Report {
        /// The status.
        status: Status,
        /// What is being done in it.
        substate: Option<String>,
    },
    /// Get the artifact and verify it. Then [`Input::Fetched`] or [`Input::Failed`].
    Fetch,
    /// Write the image. Then [`Input::Done`] or [`Input::Failed`].
    Write,
    /// Ask the body. Then [`Input::Said`].
    Ask(Question),
    /// Call the body. Then [`Input::Done`], [`Input::Failed`], or after a restart [`Input::Booted`].
    Call(BodyCall),
    /// Show the identity again. Then [`Input::Done`] or [`Input::Unreachable`].
    Reauthenticate,
    /// Send the log. Then [`Input::Done`], [`Input::Refused`] or [`Input::Unreachable`].
    SendLog,
    /// Wait for the time between two attempts. Then [`Input::Done`].
    Wait,
    /// The update is over; the machine waits for the next offer.
    Finish {
        /// The deployment's id.
        deployment: String,
        /// Whether what was offered runs.
        success: bool,
        /// It could be neither finished nor undone.
        inconsistent: bool,
    },
}

/// What the machine waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Awaits {
    Boot,
    Offer,
    Downloading,
    Fetch,
    Write,
    SupportsRollback,
    ScriptBegun,
    Script,
    ScriptEnded { failed: Option<String> },
    Installing,
    Install,
    NeedsReboot,
    Rebooting,
    Reboot,
    VerifyReboot,
    Reauthentication,
    Committing,
    CommitRetry,
    Commit,
    Rollback,
    RollbackNeedsReboot,
    RollbackReboot,
    VerifyRollbackReboot,
    Failure,
    Cleanup,
    Outcome,
    OutcomeRetry,
    Log,
    LogRetry,
}

/// The state machine of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    record: Record,
    awaits: Awaits,
    /// State scripts that are still to run before the stage begins, the next one last.
    scripts: Vec<String>,
    /// How often the platform was told what it must know.
    tries: u32,
    limit: u32,
}

impl Machine {
    /// A machine that goes on with `record` once the device has booted. What the platform must know
    /// (before the commit, and at the end) is told up to `tries` times.
    #[must_use]
    pub const fn new(record: Record, tries: u32) -> Self {
        Self { record, awaits: Awaits::Boot, scripts: Vec::new(), tries: 0, limit: tries }
    }

    /// What must survive.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the next offer is welcome: no update is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.awaits == Awaits::Offer
    }

    /// What comes next after `input`; effects are appended to `out`. An input that nothing waits for
    /// changes nothing.
    #[must_use]
    pub fn step(mut self, input: Input, out: &mut Vec<Effect>) -> Self {
        let awaited = std::mem::replace(&mut self.awaits, Awaits::Offer);
        match (awaited, input) {
            (Awaits::Boot, Input::Booted) => self.resume(out),
            (Awaits::Offer, Input::Offered { deployment, artifact }) => self.take(deployment, artifact, out),

            (Awaits::Downloading, Input::Done | Input::Unreachable) => self.wait(Awaits::Fetch, Effect::Fetch, out),
            (Awaits::Downloading, Input::Refused) => self.give_up("the deployment was aborted", Stage::Report, out),
            (Awaits::Fetch, Input::Fetched(brings)) => {
                self.change(|update| update.brings = brings);
                self.enter(Stage::Download, out);
            }
            (Awaits::Fetch, Input::Failed(why)) => self.give_up(&why, Stage::Report, out),
            (Awaits::Write, Input::Done) => {
                self.wait(Awaits::SupportsRollback, Effect::Ask(Question::SupportsRollback), out);
            }
            (Awaits::Write, Input::Failed(why)) => self.give_up(&why, Stage::Cleanup, out),
            (Awaits::SupportsRollback, Input::Said(can)) => {
                self.change(|update| update.supports_rollback = Some(can));
                self.enter(Stage::Install, out);
            }

            (Awaits::Installing, Input::Done | Input::Unreachable) => {
                self.call(Awaits::Install, BodyCall::Install, out)
            }
            (Awaits::Install, Input::Done) => self.wait(Awaits::NeedsReboot, Effect::Ask(Question::NeedsReboot), out),
            (Awaits::NeedsReboot, Input::Said(needed)) => {
                self.change(|update| update.needs_reboot = Some(needed));
                self.enter(if needed { Stage::Reboot } else { Stage::Commit }, out);
            }
            (Awaits::Rebooting, Input::Done | Input::Unreachable) => self.call(Awaits::Reboot, BodyCall::Reboot, out),
            (Awaits::Reboot, Input::Booted) => self.enter(Stage::VerifyReboot, out),
            (Awaits::VerifyReboot, Input::Done) => self.enter(Stage::Commit, out),
            (Awaits::Reauthentication, Input::Done) => self.report(Awaits::Committing, Status::Installing, out),
            (Awaits::Reauthentication | Awaits::Committing, Input::Unreachable) => {
                self.tries += 1;
                if self.tries < self.limit {
                    self.wait(Awaits::CommitRetry, Effect::Wait, out);
                } else {
                    self.undo("the platform could not be reached before the commit", out);
                }
            }
            (Awaits::CommitRetry, Input::Done) => self.wait(Awaits::Reauthentication, Effect::Reauthenticate, out),
            (Awaits::Committing, Input::Done) => self.call(Awaits::Commit, BodyCall::Commit, out),
            (Awaits::Commit, Input::Done) => self.commit(out),
            (Awaits::Installing | Awaits::Rebooting | Awaits::Committing, Input::Refused) => {
                self.undo("the deployment was aborted", out);
            }
            (Awaits::Install | Awaits::Reboot | Awaits::VerifyReboot | Awaits::Commit, Input::Failed(why)) => {
                self.undo(&why, out);
            }

            (Awaits::Rollback, Input::Done) => match self.update().and_then(|update| update.needs_reboot) {
                Some(needed) => self.after_rollback(needed, out),
                None => self.wait(Awaits::RollbackNeedsReboot, Effect::Ask(Question::NeedsReboot), out),
            },
            (Awaits::Rollback, Input::Failed(why)) => self.lose(&why, out),
            (Awaits::RollbackNeedsReboot, Input::Said(needed)) => {
                self.change(|update| update.needs_reboot = Some(needed));
                self.after_rollback(needed, out);
            }
            (Awaits::RollbackReboot, Input::Booted | Input::Failed(_)) => self.enter(Stage::VerifyRollbackReboot, out),
            (Awaits::VerifyRollbackReboot, Input::Done) => self.after_rollback(false, out),
            (Awaits::VerifyRollbackReboot, Input::Failed(why)) => {
                let tried = self.update().map_or(0, |update| update.rollback_reboots);
                if tried < ROLLBACK_REBOOTS {
                    self.enter(Stage::RollbackReboot, out);
                } else {
                    self.lose(&why, out);
                }
            }
            (Awaits::Failure, Input::Done | Input::Failed(_)) => self.enter(Stage::Cleanup, out),
            (Awaits::Cleanup, Input::Done | Input::Failed(_)) => self.enter(Stage::Report, out),

            (Awaits::Outcome, Input::Done | Input::Refused) => {
                self.tries = 0;
                match self.update().map(|update| update.outcome) {
                    Some(Status::Failure) => self.wait(Awaits::Log, Effect::SendLog, out),
                    _ => self.finish(out),
                }
            }
            (Awaits::Outcome, Input::Unreachable) => self.retry(Awaits::OutcomeRetry, out),
            (Awaits::OutcomeRetry, Input::Done) => self.tell_outcome(out),
            (Awaits::Log, Input::Done | Input::Refused) => self.finish(out),
            (Awaits::Log, Input::Unreachable) => self.retry(Awaits::LogRetry, out),
            (Awaits::LogRetry, Input::Done) => self.wait(Awaits::Log, Effect::SendLog, out),

            (Awaits::ScriptBegun, Input::Done | Input::Refused | Input::Unreachable) => {
                let script = self.scripts.pop().unwrap_or_default();
                self.scripts.push(script.clone());
                self.call(Awaits::Script, BodyCall::Script(script), out);
            }
            (Awaits::Script, Input::Done) => self.script_ended(None, out),
            (Awaits::Script, Input::Failed(why)) => self.script_ended(Some(why), out),
            (Awaits::ScriptEnded { failed }, Input::Done | Input::Refused | Input::Unreachable) => {
                self.after_script(failed, out);
            }

            (awaited, _) => self.awaits = awaited,
        }
        self
    }

    fn update(&self) -> Option<&Update> {
        self.record.update.as_deref()
    }

    fn change(&mut self, change: impl FnOnce(&mut Update)) {
        if let Some(update) = &mut self.record.update {
            change(update);
        }
    }

    fn wait(&mut self, awaits: Awaits, effect: Effect, out: &mut Vec<Effect>) {
        self.awaits = awaits;
        out.push(effect);
    }

    fn call(&mut self, awaits: Awaits, call: BodyCall, out: &mut Vec<Effect>) {
        self.wait(awaits, Effect::Call(call), out);
    }

    fn report(&mut self, awaits: Awaits, status: Status, out: &mut Vec<Effect>) {
        self.change(|update| update.told = status);
        self.wait(awaits, Effect::Report { status, substate: None }, out);
    }

    /// An offer: what runs already is only reported.
    fn take(&mut self, deployment: String, artifact: String, out: &mut Vec<Effect>) {
        let known = artifact == self.record.artifact;
        let (stage, outcome) =
            if known { (Stage::Report, Status::AlreadyInstalled) } else { (Stage::Fetch, Status::Failure) };
        self.tries = 0;
        self.record.update = Some(Box::new(Update {
            deployment,
            artifact,
            stage,
            told: Status::Downloading,
            outcome,
            brings: Brings::default(),
            supports_rollback: None,
            needs_reboot: None,
            inconsistent: false,
            rollback_reboots: 0,
            why: String::new(),
        }));
        if known {
            self.tell_outcome(out);
        } else {
            self.report(Awaits::Downloading, Status::Downloading, out);
        }
    }

    /// Goes on after a loss of power, or a restart that nobody asked for.
    fn resume(&mut self, out: &mut Vec<Effect>) {
        const LOST: &str = "power was lost during the update";
        match self.update().map(|update| update.stage) {
            None => self.awaits = Awaits::Offer,
            Some(Stage::Fetch) => {
                self.record.update = None;
                self.awaits = Awaits::Offer;
            }
            Some(Stage::Download) => self.give_up(LOST, Stage::Cleanup, out),
            Some(Stage::Install | Stage::Commit) => self.undo(LOST, out),
            Some(Stage::Reboot | Stage::VerifyReboot) => self.enter(Stage::VerifyReboot, out),
            Some(Stage::RollbackReboot) => self.enter(Stage::VerifyRollbackReboot, out),
            Some(stage) => self.enter(stage, out),
        }
    }

    /// Enters a stage: the record first, then the state scripts, then what the stage begins with.
    fn enter(&mut self, stage: Stage, out: &mut Vec<Effect>) {
        self.tries = 0;
        self.change(|update| update.stage = stage);
        out.push(Effect::Persist);
        let all = self.update().map_or(&[][..], |update| &update.brings.scripts);
        self.scripts = stage.scripts().map_or_else(Vec::new, |prefix| {
            let mut names: Vec<_> = all.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
            names.sort_unstable_by(|a, b| b.cmp(a));
            names
        });
        self.proceed(stage, out);
    }

    fn proceed(&mut self, stage: Stage, out: &mut Vec<Effect>) {
        if let Some(script) = self.scripts.last() {
            let substate = format!("Executing script: {script}");
            return self.say(substate, Awaits::ScriptBegun, out);
        }
        match stage {
            Stage::Fetch => self.report(Awaits::Downloading, Status::Downloading, out),
            Stage::Download => self.wait(Awaits::Write, Effect::Write, out),
            Stage::Install => self.report(Awaits::Installing, Status::Installing, out),
            Stage::Reboot => self.report(Awaits::Rebooting, Status::Rebooting, out),
            Stage::VerifyReboot => self.call(Awaits::VerifyReboot, BodyCall::VerifyReboot, out),
            Stage::Commit => self.wait(Awaits::Reauthentication, Effect::Reauthenticate, out),
            Stage::Rollback => self.call(Awaits::Rollback, BodyCall::Rollback, out),
            Stage::RollbackReboot => {
                self.change(|update| update.rollback_reboots += 1);
                self.call(Awaits::RollbackReboot, BodyCall::RollbackReboot, out);
            }
            Stage::VerifyRollbackReboot => {
                self.call(Awaits::VerifyRollbackReboot, BodyCall::VerifyRollbackReboot, out);
            }
            Stage::Failure => self.call(Awaits::Failure, BodyCall::Failure, out),
            Stage::Cleanup => self.call(Awaits::Cleanup, BodyCall::Cleanup, out),
            Stage::Report => self.tell_outcome(out),
        }
    }

    /// Tells what is being done, under the status that was told last.
    fn say(&mut self, substate: String, awaits: Awaits, out: &mut Vec<Effect>) {
        let status = self.update().map_or(Status::Downloading, |update| update.told);
        self.wait(awaits, Effect::Report { status, substate: Some(substate) }, out);
    }

    fn script_ended(&mut self, failed: Option<String>, out: &mut Vec<Effect>) {
        let script = self.scripts.pop().unwrap_or_default();
        self.say(format!("finished executing script: {script}"), Awaits::ScriptEnded { failed }, out);
    }

    /// A script that fails fails its state, unless that is already the way back.
    fn after_script(&mut self, failed: Option<String>, out: &mut Vec<Effect>) {
        let Some(stage) = self.update().map(|update| update.stage) else { return };
        match failed {
            Some(why) if stage <= Stage::Commit => self.undo(&why, out),
            _ => self.proceed(stage, out),
        }
    }

    /// Fails before anything was installed.
    fn give_up(&mut self, why: &str, to: Stage, out: &mut Vec<Effect>) {
        self.change(|update| why.clone_into(&mut update.why));
        self.enter(to, out);
    }

    /// Fails after that: back to what ran before, where the body can.
    fn undo(&mut self, why: &str, out: &mut Vec<Effect>) {
        self.change(|update| why.clone_into(&mut update.why));
        if self.update().is_some_and(|update| update.supports_rollback == Some(true)) {
            self.enter(Stage::Rollback, out);
        } else {
            self.lose("the update cannot be rolled back", out);
        }
    }

    /// Can neither finish nor undo.
    fn lose(&mut self, why: &str, out: &mut Vec<Effect>) {
        self.change(|update| {
            update.inconsistent = true;
            update.why = format!("{}; {why}", update.why);
        });
        if let Some(update) = &self.record.update {
            self.record.artifact = format!("{}{INCONSISTENT}", update.artifact);
        }
        self.enter(Stage::Failure, out);
    }

    fn after_rollback(&mut self, needs_reboot: bool, out: &mut Vec<Effect>) {
        if needs_reboot {
            return self.enter(Stage::RollbackReboot, out);
        }
        out.push(Effect::RolledBack);
        self.enter(Stage::Failure, out);
    }

    /// Final: name, provides and stage change in one write.
    fn commit(&mut self, out: &mut Vec<Effect>) {
        if let Some(update) = &mut self.record.update {
            update.outcome = Status::Success;
            self.record.artifact.clone_from(&update.artifact);
            let clears = &update.brings.clears;
            self.record.provides.retain(|name, _| !clears.iter().any(|pattern| matches(pattern, name)));
            self.record.provides.append(&mut update.brings.provides);
        }
        self.enter(Stage::Cleanup, out);
    }

    fn tell_outcome(&mut self, out: &mut Vec<Effect>) {
        let outcome = self.update().map_or(Status::Failure, |update| update.outcome);
        self.report(Awaits::Outcome, outcome, out);
    }

    fn retry(&mut self, awaits: Awaits, out: &mut Vec<Effect>) {
        self.tries += 1;
        if self.tries < self.limit {
            self.wait(awaits, Effect::Wait, out);
        } else {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Effect>) {
        self.awaits = Awaits::Offer;
        if let Some(update) = self.record.update.take() {
            out.push(Effect::Persist);
            out.push(Effect::Finish {
                success: update.outcome != Status::Failure,
                inconsistent: update.inconsistent,
                deployment: update.deployment,
            });
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_of_provides() {
        assert!(matches("rootfs-image.*", "rootfs-image.version"));
        assert!(matches("*", "") && matches("a*b*c", "a-b-b-c") && matches("a", "a"));
        assert!(!matches("rootfs-image.*", "rootfs-images") && !matches("a*b", "abc"));
    }
}
