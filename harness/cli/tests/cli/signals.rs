//! ctrl-C and termination: everything is released, and the record says how it ended.

use crate::tool::{Answer, Folder, Running, ask, fleetproof, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The scenario that waits, on sockets and in real time: a folder for its run, and the run once devices are served.
pub(crate) fn waiting(folder: &Folder) -> Running {
    let run = folder.shown("run");
    let arguments = ["run", "scenarios/waits.yaml", "--seed", "1", "--clock", "real", "--report", &run];
    let running = Running::start(&arguments);
    let journal = folder.join("run/scenarios/A wait in vain/run.jsonl");
    until("the first step is done", || {
        let text = std::fs::read_to_string(&journal).ok()?;
        text.contains("\"step_done\":{\"index\":\"1\"").then_some(())
    });
    running
}

/// Loopback addresses on which the process listens.
#[cfg(target_os = "linux")]
pub(crate) fn listens(process: u32) -> Vec<String> {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .map(|entries| {
            entries
                .flatten()
                .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
                .collect()
        })
        .unwrap_or_default();
    listening()
        .into_iter()
        .filter(|(_, inode)| sockets.contains(&format!("socket:[{inode}]")))
        .map(|(at, _)| at)
        .collect()
}

/// Every loopback address on which anybody listens, with its inode.
#[cfg(target_os = "linux")]
fn listening() -> Vec<(String, String)> {
    const LISTEN: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let entries = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    entries
        .filter(|entry| entry[3] == LISTEN)
        .map(|entry| {
            let port = u16::from_str_radix(entry[1].split(':').nth(1).unwrap(), 16).unwrap();
            (format!("127.0.0.1:{port}"), entry[9].to_owned())
        })
        .collect()
}

/// Processes of a process group.
#[cfg(target_os = "linux")]
fn members(group: u32) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    // After the name, which may hold anything: state, parent, group.
    stats
        .filter(|stat| {
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2)) == Some(&group.to_string())
        })
        .collect()
}

/// The run's folder is whole, and says `interrupted` everywhere.
fn interrupted(run: &Path) {
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let journal = read("run.jsonl");
    assert!(journal.lines().last().unwrap().contains("\"ended\":{\"verdict\":\"interrupted\""), "{journal}");
    let facts: Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(facts["exit_code"], 130);
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(report["counts"]["interrupted"], 1, "{report}");
    assert!(read("junit.xml").trim_end().ends_with("</testsuites>"));
    assert_eq!(fleetproof(&["report", run.to_str().unwrap()]).code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_in_real_time_leaves_nothing() {
    let folder = Folder::new("ctrl-c-real");
    let running = waiting(&folder);
    let group = running.id();
    let doors = listens(group);
    assert_eq!(doors.len(), 2, "the gateway and the operator's door: {doors:?}");
    assert!(!members(group).is_empty());
    running.signal("INT");
    let said = running.end();
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert_eq!(members(group), Vec::<String>::new(), "processes of the run are left");
    let still: BTreeSet<String> = listening().into_iter().map(|(at, _)| at).collect();
    assert!(doors.iter().all(|door| !still.contains(door)), "{doors:?} are still open");
    interrupted(&folder.join("run"));
}

#[test]
fn ctrl_c_in_virtual_time_ends_the_step() {
    let folder = Folder::new("ctrl-c-virtual");
    let run = folder.shown("run");
    let running = Running::start(&["run", "../../../scenarios/quickstart.yaml", "--seed", "1", "--report", &run]);
    let scenarios = folder.join("run/scenarios");
    until("the journal has begun", || {
        let own = std::fs::read_dir(&scenarios).ok()?.next()?.ok()?.path();
        (own.join("run.jsonl").metadata().ok()?.len() > 0).then_some(())
    });
    running.signal("INT");
    let said = running.end();
    assert_eq!(said.code, Some(130), "{}", said.err);
    interrupted(&folder.join("run"));
}

#[test]
fn what_was_interrupted_comes_before_what_failed_and_the_rest_is_not_begun() {
    let folder = Folder::new("ctrl-c-two");
    let run = folder.shown("run");
    let scenarios = ["scenarios/waits.yaml", "scenarios/neighbours.yaml"];
    let arguments = ["run", scenarios[0], scenarios[1], "--clock", "real", "--jobs", "1", "--report", &run];
    let running = Running::start(&arguments);
    until("a scenario has begun", || {
        std::fs::read_dir(folder.join("run/scenarios")).ok()?.next()?.ok()?.path().join("run.jsonl").metadata().ok()
    });
    running.signal("TERM");
    let said = running.end();
    assert_eq!(said.code, Some(130), "a termination is an interruption too: {}", said.err);
    assert_eq!(std::fs::read_dir(folder.join("run/scenarios")).unwrap().count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn termination_ends_serve_with_success() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(&["serve"]);
        let told: Value = serde_json::from_str(&running.line()).unwrap();
        let address = told["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let Answer { status, body } = ask(&address, "GET", "/openapi.json", &[], "").unwrap();
        assert_eq!(status, 200);
        assert!(body.contains("\"openapi\""));
        let group = running.id();
        running.signal(signal);
        let said = running.end();
        assert_eq!((said.code, said.out.lines().count()), (Some(0), 1), "{}", said.err);
        assert_eq!(members(group), Vec::<String>::new());
        assert!(ask(&address, "GET", "/openapi.json", &[], "").is_none(), "{address} still answers");
    }
}
