#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What Mender's client 3.4 was seen to do, scenario by scenario: the same status reports, the same
//! states of the update module, the same artifact name afterwards. Equal neighbours count once.

mod fixture;

use fixture::{Module, Script, run, spec, written};

/// `wire` and `module` are words separated by blanks; `auth` is the authentication before the commit.
fn expect(script: Script, module: Module, wire: &str, states: &str, artifact: &str) {
    let notes = module.notes.clone();
    let outcome = run(script, module);
    let mut told = notes.all();
    told.dedup();
    let words = |list: &[String]| list.iter().map(|word| word.replace(' ', "_")).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&outcome.update()), wire);
    assert_eq!(words(&told), states);
    assert_eq!(outcome.artifact(), artifact);
}

fn fails(reboots: bool, states: &[&'static str]) -> Module {
    Module { fails: states.to_vec(), ..Module::new(reboots) }
}

fn dies(state: &'static str) -> Module {
    Module { dies_in: Some(state), ..Module::new(true) }
}

/// Refuses the nth status with 409.
fn refuses(nth: usize) -> Script {
    Script { refuses: vec![nth], ..Script::default() }
}

const OLD: &str = "factory-v1";

#[test]
fn success_without_reboot() {
    expect(
        Script::default(),
        Module::new(false),
        "downloading get installing auth_200 installing success",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactCommit Cleanup",
        "v2",
    );
}

#[test]
fn success_with_reboot() {
    expect(
        Script::default(),
        Module::new(true),
        "downloading get installing rebooting auth_200 installing success",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactCommit Cleanup",
        "v2",
    );
}

#[test]
fn install_fails() {
    expect(
        Script::default(),
        fails(false, &["ArtifactInstall"]),
        "downloading get installing failure log",
        "Download SupportsRollback ArtifactInstall ArtifactRollback NeedsArtifactReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn commit_fails() {
    expect(
        Script::default(),
        fails(false, &["ArtifactCommit"]),
        "downloading get installing auth_200 installing failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactCommit ArtifactRollback \
         ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn commit_fails_after_reboot() {
    expect(
        Script::default(),
        fails(true, &["ArtifactCommit"]),
        "downloading get installing rebooting auth_200 installing failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactCommit ArtifactRollback ArtifactRollbackReboot ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn reboot_fails() {
    expect(
        Script::default(),
        fails(true, &["ArtifactReboot"]),
        "downloading get installing rebooting failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactRollback \
         ArtifactRollbackReboot ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn verification_of_the_reboot_fails() {
    expect(
        Script::default(),
        fails(true, &["ArtifactVerifyReboot"]),
        "downloading get installing rebooting failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactRollback ArtifactRollbackReboot ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn install_fails_where_nothing_can_be_rolled_back() {
    expect(
        Script::default(),
        Module { rolls_back: false, ..fails(false, &["ArtifactInstall"]) },
        "downloading get installing failure log",
        "Download SupportsRollback ArtifactInstall ArtifactFailure Cleanup",
        "v2_INCONSISTENT",
    );
}

#[test]
fn install_and_rollback_fail() {
    expect(
        Script::default(),
        fails(false, &["ArtifactInstall", "ArtifactRollback"]),
        "downloading get installing failure log",
        "Download SupportsRollback ArtifactInstall ArtifactRollback ArtifactFailure Cleanup",
        "v2_INCONSISTENT",
    );
}

#[test]
fn a_state_script_before_the_commit_fails() {
    let script = "ArtifactCommit_Enter_00";
    let spec = fleetproof_wire::artifact::Spec { scripts: vec![(script.into(), "exit 1".into())], ..spec("v2") };
    expect(
        Script { artifact: written(&spec), ..Script::default() },
        fails(true, &[script]),
        "downloading get installing rebooting rebooting{Executing_script:_ArtifactCommit_Enter_00} \
         rebooting{finished_executing_script:_ArtifactCommit_Enter_00} failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactCommit_Enter_00 ArtifactRollback ArtifactRollbackReboot ArtifactVerifyRollbackReboot \
         ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn state_scripts_run_in_order_and_the_update_goes_on() {
    let names = ["ArtifactInstall_Enter_01", "ArtifactInstall_Enter_00", "ArtifactInstall_Leave_00"];
    let scripts = names.iter().map(|name| ((*name).to_owned(), "true".into())).collect();
    let spec = fleetproof_wire::artifact::Spec { scripts, ..spec("v2") };
    expect(
        Script { artifact: written(&spec), ..Script::default() },
        Module::new(false),
        "downloading get \
         downloading{Executing_script:_ArtifactInstall_Enter_00} \
         downloading{finished_executing_script:_ArtifactInstall_Enter_00} \
         downloading{Executing_script:_ArtifactInstall_Enter_01} \
         downloading{finished_executing_script:_ArtifactInstall_Enter_01} installing auth_200 installing success",
        "Download SupportsRollback ArtifactInstall_Enter_00 ArtifactInstall_Enter_01 ArtifactInstall \
         NeedsArtifactReboot ArtifactCommit Cleanup",
        "v2",
    );
}

/// Refused before the module is asked anything.
fn refused_artifact(artifact: bytes::Bytes) {
    let script = Script { artifact, ..Script::default() };
    expect(script, Module::new(true), "downloading get failure log", "", OLD);
}

#[test]
fn unknown_module() {
    refused_artifact(written(&fleetproof_wire::artifact::Spec { payload_type: "docker".into(), ..spec("v2") }));
}

#[test]
fn wrong_device_type() {
    refused_artifact(written(&fleetproof_wire::artifact::Spec { device_types: vec!["other".into()], ..spec("v2") }));
}

#[test]
fn unmet_depends() {
    let depends = [("bootloader".to_owned(), vec!["2".to_owned()])].into();
    refused_artifact(written(&fleetproof_wire::artifact::Spec { depends, ..spec("v2") }));
}

#[test]
fn bad_checksum() {
    let mut artifact = written(&spec("v2")).to_vec();
    let at = artifact.len() - 3_000;
    artifact[at] ^= 1;
    refused_artifact(artifact.into());
}

#[test]
fn another_name_than_was_offered() {
    refused_artifact(written(&spec("v3")));
}

#[test]
fn the_installed_name_is_offered() {
    let script = Script { offers: OLD.into(), ..Script::default() };
    expect(script, Module::new(true), "already-installed", "", OLD);
}

#[test]
fn aborted_at_downloading() {
    expect(refuses(1), Module::new(true), "downloading(409) failure log", "", OLD);
}

#[test]
fn aborted_at_installing() {
    expect(
        refuses(2),
        Module::new(true),
        "downloading get installing(409) failure log",
        // Nothing was installed, so the question about the restart comes with the rollback.
        "Download SupportsRollback ArtifactRollback NeedsArtifactReboot ArtifactRollbackReboot \
         ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn aborted_at_rebooting() {
    expect(
        refuses(3),
        Module::new(true),
        "downloading get installing rebooting(409) failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactRollback ArtifactRollbackReboot \
         ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn aborted_before_the_commit() {
    expect(
        refuses(4),
        Module::new(true),
        "downloading get installing rebooting auth_200 installing(409) failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactRollback ArtifactRollbackReboot ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn aborted_and_every_report_refused() {
    let script = Script { refuses: (1..20).collect(), ..Script::default() };
    expect(script, Module::new(true), "downloading(409) failure(409) log", "", OLD);
}

#[test]
fn a_platform_that_does_not_know_the_second_version() {
    let notes = Module::new(false);
    let outcome = run(Script { knows_v2: false, ..Script::default() }, notes);
    assert_eq!(outcome.update(), ["downloading", "get", "installing", "auth 200", "installing", "success"]);
    assert_eq!(outcome.artifact(), "v2");
    let polls: Vec<_> = outcome.wire.iter().filter(|note| note.starts_with("next")).take(4).collect();
    assert_eq!(polls, ["next v2 404", "next v1 factory-v1", "next v2 404", "next v1 v2"]);
}

#[test]
fn killed_in_install() {
    expect(
        Script::default(),
        dies("ArtifactInstall"),
        "downloading get installing failure log",
        "Download SupportsRollback ArtifactInstall ⚡ ArtifactRollback NeedsArtifactReboot ArtifactRollbackReboot \
         ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn killed_in_reboot() {
    expect(
        Script::default(),
        dies("ArtifactReboot"),
        "downloading get installing rebooting auth_200 installing success",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ⚡ ArtifactVerifyReboot \
         ArtifactCommit Cleanup",
        "v2",
    );
}

#[test]
fn killed_in_commit() {
    expect(
        Script::default(),
        dies("ArtifactCommit"),
        "downloading get installing rebooting auth_200 installing failure log",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactReboot ArtifactVerifyReboot \
         ArtifactCommit ⚡ ArtifactRollback ArtifactRollbackReboot ArtifactVerifyRollbackReboot ArtifactFailure Cleanup",
        OLD,
    );
}

#[test]
fn killed_in_download() {
    expect(Script::default(), dies("Download"), "downloading get failure log", "Download ⚡ Cleanup", OLD);
}

#[test]
fn killed_on_the_way_back() {
    for state in
        ["ArtifactRollback", "ArtifactRollbackReboot", "ArtifactVerifyRollbackReboot", "ArtifactFailure", "Cleanup"]
    {
        let module = Module { fails: vec!["ArtifactCommit"], ..dies(state) };
        let notes = module.notes.clone();
        let outcome = run(Script::default(), module);
        assert_eq!(outcome.artifact(), OLD, "killed in {state}");
        assert!(notes.all().ends_with(&["Cleanup".to_owned()]), "killed in {state}");
        assert_eq!(outcome.update().last().unwrap(), "log", "killed in {state}");
    }
}

#[test]
fn killed_after_the_commit() {
    expect(
        Script::default(),
        Module { dies_in: Some("Cleanup"), ..Module::new(false) },
        "downloading get installing auth_200 installing success",
        "Download SupportsRollback ArtifactInstall NeedsArtifactReboot ArtifactCommit Cleanup ⚡ Cleanup",
        "v2",
    );
}

#[test]
fn reports_that_are_lost_on_the_way_do_not_stop_an_update() {
    let script = Script { loses: vec![1, 2, 3], ..Script::default() };
    let outcome = run(script, Module::new(true));
    let expected = "downloading(500) get installing(500) rebooting(500) auth_200 installing success";
    assert_eq!(outcome.update().join(" ").replace("auth 200", "auth_200"), expected);
    assert_eq!(outcome.artifact(), "v2");
}

#[test]
fn what_the_platform_must_know_is_told_ten_times() {
    let count =
        |outcome: &fixture::Outcome, word: &str| outcome.wire.iter().filter(|note| note.starts_with(word)).count();
    // Before the commit: the tenth is taken, or none is and it goes back to the old. One more comes
    // before the installation.
    let outcome = run(Script { loses: (3..=11).collect(), ..Script::default() }, Module::new(false));
    assert_eq!((count(&outcome, "installing"), outcome.artifact()), (11, "v2"));
    let outcome = run(Script { loses: (3..=12).collect(), ..Script::default() }, Module::new(false));
    assert_eq!((count(&outcome, "installing"), outcome.artifact()), (11, OLD));
    // It never takes the final one: what is committed stays.
    let outcome = run(Script { loses: (4..=30).collect(), ..Script::default() }, Module::new(false));
    assert_eq!(count(&outcome, "success"), 10);
    assert_eq!(outcome.artifact(), "v2");
}
