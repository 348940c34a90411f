//! `clean`: what runs that were killed still hold is given back, once.

use crate::tool::{Folder, fleetproof_in, until};
use std::process::{Command, Stdio};

/// The ledger of a run in `folder`.
fn ledger(folder: &Folder, run: &str, lines: &[String]) {
    let run = folder.join(".fleetproof/runs").join(run);
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("acquired.jsonl"), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
}

fn acquires(kind: &str, name: &str, detail: &str) -> String {
    serde_json::json!({ "acquires": { "kind": kind, "name": name, "detail": detail } }).to_string()
}

/// When the process was started, as the kernel has it.
#[cfg(target_os = "linux")]
fn started(process: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_killed_run_held_is_given_back_and_nothing_else() {
    let folder = Folder::new("clean");
    let held = folder.join("held");
    std::fs::create_dir_all(held.join("deep")).unwrap();
    std::fs::write(folder.join("not-ours"), "").unwrap();
    let sleeper = || Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let (mut ours, mut others) = (sleeper(), sleeper());
    ledger(
        &folder,
        "killed",
        &[
            acquires("path", held.to_str().unwrap(), ""),
            acquires("process", &ours.id().to_string(), &started(ours.id())),
            // The number was given to somebody else since.
            acquires("process", &others.id().to_string(), "1"),
            acquires("path", folder.join("gone").to_str().unwrap(), ""),
            acquires("path", folder.join("not-ours").to_str().unwrap(), ""),
            serde_json::json!({ "released": { "kind": "path", "name": folder.join("not-ours") } }).to_string(),
        ],
    );
    let said = fleetproof_in(folder.path(), &["clean"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("1 run looked at, 4 given back, 0 still held"), "{}", said.err);
    assert!(!held.exists() && folder.join("not-ours").exists());
    until("the process is gone", || ours.try_wait().unwrap());
    assert!(others.try_wait().unwrap().is_none(), "somebody else's process was ended");
    others.kill().unwrap();
    others.wait().unwrap();

    let again = fleetproof_in(folder.path(), &["clean"]);
    assert!(again.err.contains("1 run looked at, 0 given back, 0 still held"), "{}", again.err);
}

#[test]
fn what_cannot_be_given_back_is_told_and_stays_in_the_ledger() {
    let folder = Folder::new("clean-held");
    assert_eq!(fleetproof_in(folder.path(), &["clean"]).code, Some(0), "no run, nothing held");
    ledger(&folder, "killed", &[acquires("container", "fp-1", ""), acquires("path", "relative", "")]);
    for _ in 0..2 {
        let said = fleetproof_in(folder.path(), &["clean"]);
        assert_eq!(said.code, Some(3), "{}", said.err);
        assert!(said.err.contains("container `fp-1` is still held"), "{}", said.err);
        assert!(said.err.contains("path `relative` is still held"), "{}", said.err);
    }
}
