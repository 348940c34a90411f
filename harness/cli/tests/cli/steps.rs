//! Words whose effect is time, or a line in the record: without them a run would look the same but for that.

use crate::tool::{Folder, fleetproof_in};

/// Runs one tenant's two devices; exit code, what was said, the journal.
fn run(name: &str, device: &str, steps: &str) -> (i32, String, String) {
    let folder = Folder::new(&format!("steps-{name}"));
    let text = format!(
        "scenario: {name}
platform:
  tenants:
    acme: {{ device_limit: 10, admin: ada@acme.test }}
artifacts:
  v2: {{ version: \"2.0\", size: 1 KiB }}
devices:
  hvac: {{ tenant: acme, simulated: 2, speaks: mender, runs: \"1.0\"{device} }}
steps:
  - enroll: {{ devices: [hvac] }}
  - deploy: {{ artifact: v2, devices: [hvac], name: x }}
{steps}
"
    );
    std::fs::write(folder.join("one.yaml"), text).unwrap();
    let said = fleetproof_in(folder.path(), &["run", "one.yaml", "--seed", "1", "--report", "out"]);
    let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap();
    (said.code.unwrap(), said.err, journal)
}

/// When the last event was, in µs.
fn lasted(journal: &str) -> u64 {
    let last: serde_json::Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    last["at"].as_u64().unwrap()
}

const UPDATED: &str = "  - expect: { within: 40s, updated: { devices: [hvac], version: \"2.0\" } }";

#[test]
fn time_passes_while_it_is_waited_for() {
    let (plain, waits) = (UPDATED.to_owned(), format!("  - wait_until: {{ elapsed: {{ for: 60s }} }}\n{UPDATED}"));
    let ((code, said, journal), (other, told, longer)) = (run("plain", "", &plain), run("waits", "", &waits));
    assert_eq!((code, other), (0, 0), "{said}{told}");
    assert!(lasted(&journal) < 60_000_000 && lasted(&longer) >= 60_000_000, "{} {}", lasted(&journal), lasted(&longer));
}

#[test]
fn a_share_that_has_not_ended_is_waited_for_and_missed_at_its_deadline() {
    let all = |within: &str| {
        format!("  - wait_until: {{ progress: {{ deployment: x, at_least: 100%, within: {within} }} }}\n{UPDATED}")
    };
    let (code, said, _) = run("in-time", "", &all("40s"));
    assert_eq!(code, 0, "{said}");
    let (code, said, _) = run("too-late", "", &all("100ms"));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("0 of 2 devices have ended `x`, 2 are due"), "{said}");
}

#[test]
fn devices_boot_as_long_as_they_are_told_to() {
    let (code, said, _) = run("slow", ", boot_time: 50s", UPDATED);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("0 of 2 devices run 2.0"), "{said}");
}

#[test]
fn jitter_moves_polls_and_nothing_else_does() {
    let steps = format!("{UPDATED}\n  - wait_until: {{ elapsed: {{ for: 60s }} }}");
    let (still, again, jittered) =
        (run("jitter", "", &steps), run("jitter", ", jitter: 0%", &steps), run("jitter", ", jitter: 50%", &steps));
    assert_eq!((still.0, again.0, jittered.0), (0, 0, 0), "{}{}", still.1, jittered.1);
    let events = |journal: &str| -> Vec<(u64, String)> {
        let events = journal.lines().skip(1).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events
            .filter(|event| event["source"] == "device")
            .map(|event| (event["at"].as_u64().unwrap(), event["what"].to_string()))
            .collect()
    };
    assert_eq!(events(&still.2), events(&again.2));
    assert_ne!(events(&still.2), events(&jittered.2));
}

#[test]
fn a_remark_stands_in_the_record() {
    let (code, said, journal) = run("remark", "", &format!("  - log: {{ text: the second wave begins }}\n{UPDATED}"));
    assert_eq!(code, 0, "{said}");
    assert!(journal.contains("the second wave begins"));
}

/// The first boot of each device is when it was sent to the door.
#[test]
fn devices_come_to_the_door_at_a_rate() {
    let run = |name: &str, enroll: &str| {
        let folder = Folder::new(&format!("steps-{name}"));
        let text = format!(
            "scenario: {name}
platform:
  tenants:
    acme: {{ admin: ada@acme.test }}
devices:
  hvac: {{ tenant: acme, simulated: 6, speaks: mender, runs: \"1.0\" }}
steps:
  - {enroll}
  - claim: {{ devices: [hvac] }}
  - expect: {{ within: 20s, online: {{ devices: [hvac] }} }}
"
        );
        std::fs::write(folder.join("one.yaml"), text).unwrap();
        let said = fleetproof_in(folder.path(), &["run", "one.yaml", "--seed", "1", "--report", "out"]);
        let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap();
        let booted = journal.lines().filter(|line| line.contains("\"booted\"")).map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["at"].as_u64().unwrap()
        });
        let booted: Vec<u64> = booted.collect();
        let apart = booted.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        (said.code.unwrap(), said.err, apart)
    };
    for verb in ["enroll", "knock"] {
        let (code, said, apart) = run(verb, &format!("{verb}: {{ devices: [hvac], rate: 2/s }}"));
        assert_eq!((code, apart.as_slice()), (0, [500_000; 5].as_slice()), "{said}");
    }
    let (code, said, apart) = run("at once", "knock: { devices: [hvac] }");
    assert_eq!((code, apart.as_slice()), (0, [0; 5].as_slice()), "{said}");
    let (code, said, apart) = run("too slow", "knock: { devices: [hvac], rate: 1/min, within: 2m }");
    assert_eq!((code, apart.len()), (1, 2), "{said}");
    assert!(said.contains("3 of 6 devices have knocked, and the time is over at this `rate`"), "{said}");
}
