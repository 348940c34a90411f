//! Writer and reader agree; what cannot be read is refused in words; verdicts and folders.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_journal::{
    Acquired, Attempted, Event, Holding, Journal, JournalError, Judged, Ledger, Lenience, Place, RunFacts, RunFolder,
    Secrets, Verdict, What, chapters, exit_code, join, outstanding, read,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One event of each kind, every optional field once there and once not.
fn every_kind() -> Vec<What> {
    let text = |text: &str| text.to_owned();
    let detail = serde_json::json!({ "deployment": "good", "bytes": 4096 });
    vec![
        What::Scenario {
            name: text("quickstart"),
            about: Some(text("a provider with two customers")),
            seed: u64::MAX,
            clock: text("virtual"),
            devices: 650,
            tenants: vec![text("acme"), text("globex")],
            covers: vec![text("P2")],
            defect: None,
            matrix: BTreeMap::from([(text("fleet"), text("100"))]),
        },
        What::Step { index: "1".into(), verb: text("enroll") },
        What::Asked {
            by: text("ada"),
            tenant: text("acme"),
            operation: text("List Devices"),
            request: text("GET /devices"),
            status: 200,
        },
        What::Device { device: text("hvac-1"), what: text("finished"), detail: detail.as_object().unwrap().clone() },
        What::Device { device: text("hvac-1"), what: text("authenticated"), detail: serde_json::Map::new() },
        What::Polls { devices: 650, polls: 1300 },
        What::StepDone { index: "1".into(), verdict: Verdict::Passed, detail: text("650 devices") },
        What::Coverage {
            claim: text("isolation"),
            operations: 3,
            attempted: 1,
            exempt: vec![(text("Create User"), text("422 tells that the address exists"))],
            uncovered: vec![text("List Users")],
            attempts: 12,
        },
        What::Attempted(Attempted {
            id: text("h1-foreign-id/Get Device/acme-globex/admin"),
            tool: text("h1-foreign-id"),
            operation: text("Get Device"),
            actor: text("acme/admin"),
            victim: text("globex"),
            request: text("GET /devices/7"),
            answer: text("404"),
            expected: text("as for a device that never existed"),
            never_existed: Some(text("404")),
            control: Some(text("200")),
            lost: None,
            verdict: Verdict::Passed,
        }),
        What::Judged(Judged {
            claim: text("isolation"),
            rows: vec![text("P2")],
            verdict: Verdict::Inconclusive,
            expected: text("every operation attempted"),
            actual: text("one was not"),
            evidence: vec![8, 9],
            first_anomaly: Some(8),
            details: vec![text("List Users")],
        }),
        What::Watched { what: text("legal_states"), detail: text("success → installing") },
        What::Note { text: text("\u{1b}[31mquotes \" and \\ and é and \n newline") },
        What::Ended { verdict: Verdict::Inconclusive, claims: 1, attempts: 12 },
    ]
}

fn place() -> Place {
    Place { file: "quickstart.yaml".into(), line: 40, column: 5, length: 6, text: "  - expect: {}".into() }
}

fn written() -> Vec<u8> {
    let journal = Journal::in_memory(Secrets::new());
    for (index, what) in every_kind().into_iter().enumerate() {
        journal.emit(index as u64 * 1000, "engine", (index % 2 == 1).then(place), what);
    }
    journal.finish().unwrap()
}

#[test]
fn a_journal_reads_back_as_it_was_written() {
    let text = String::from_utf8(written()).unwrap();
    let events = read(&text).unwrap();
    let expected: Vec<Event> = every_kind()
        .into_iter()
        .zip(0..)
        .map(|(what, index)| Event {
            seq: index + 1,
            at: index * 1000,
            source: "engine".into(),
            place: (index % 2 == 1).then(place),
            what,
        })
        .collect();
    assert_eq!(events, expected);
    insta::assert_snapshot!(text);
}

#[test]
fn every_kind_is_in_the_list_of_kinds() {
    let text = String::from_utf8(written()).unwrap();
    let mut kinds: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["what"].as_object().unwrap().keys().next().unwrap().clone()
        })
        .collect();
    kinds.dedup();
    kinds.sort();
    let mut known = What::KINDS.to_vec();
    known.sort_unstable();
    assert_eq!(kinds, known);
}

#[test]
fn what_cannot_be_read_is_refused_in_words() {
    let head = "{\"journal\":1}\n";
    let note = r#"{"seq":1,"at":0,"source":"engine","what":{"note":{"text":"x"}}}"#;
    let cases = [
        String::new(),
        "hello".into(),
        note.into(),
        "{\"journal\":2}\n".into(),
        format!("{head}{note}\n{}", note.replace("note", "teleported")),
        format!("{head}{}", note.replace(r#"{"note":{"text":"x"}}"#, r#""teleported""#)),
        format!("{head}{}", note.replace("text", "txt")),
        format!("{head}{}", &note[..30]),
    ];
    let said: Vec<String> = cases.iter().map(|case| read(case).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(said.join("\n"));
    assert!(matches!(read(&cases[3]), Err(JournalError::Newer { found: 2 })));
    assert!(matches!(read(&cases[4]), Err(JournalError::UnknownEvent { line: 3, .. })));
}

#[test]
fn a_field_of_a_later_version_is_overlooked() {
    let text = "{\"journal\":1,\"by\":\"x\"}\n{\"seq\":1,\"at\":0,\"source\":\"e\",\"mood\":1,\"what\":{\"note\":{\"text\":\"x\",\"new\":1}}}\n\n";
    assert_eq!(read(text).unwrap().len(), 1);
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> usize {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().count()
    }
}

fn note() -> What {
    What::Note { text: "x".into() }
}

#[test]
fn events_reach_the_sink_when_a_step_ends_and_when_the_journal_is_dropped() {
    let paper = Paper::default();
    let journal = Journal::with_sink(Secrets::new(), Path::new("paper"), paper.clone());
    journal.emit(0, "engine", None, note());
    assert_eq!(paper.lines(), 1, "only the header");
    journal.emit(
        0,
        "engine",
        None,
        What::StepDone { index: "1".into(), verdict: Verdict::Passed, detail: String::new() },
    );
    assert_eq!(paper.lines(), 3);
    let other = journal.clone();
    assert_eq!(other.emit(0, "engine", None, note()), 3, "clones write into one journal");
    drop(journal);
    assert_eq!(paper.lines(), 3);
    drop(other);
    assert_eq!(paper.lines(), 4);
}

#[test]
fn a_panic_loses_nothing() {
    let paper = Paper::default();
    let inside = paper.clone();
    let panicked = std::thread::spawn(move || {
        let journal = Journal::with_sink(Secrets::new(), Path::new("paper"), inside);
        journal.emit(0, "engine", None, note());
        panic!("a bug of the harness");
    })
    .join();
    assert!(panicked.is_err());
    assert_eq!(paper.lines(), 2);
}

#[test]
fn a_follower_sees_every_event_and_may_leave() {
    let journal = Journal::in_memory(Secrets::new());
    let follower = journal.follow();
    drop(journal.follow());
    journal.emit(0, "engine", None, note());
    journal.flush();
    journal.emit(1, "engine", None, note());
    drop(journal);
    assert_eq!(follower.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_at_the_end() {
    let journal = Journal::with_sink(Secrets::new(), Path::new("run.jsonl"), Full);
    journal.emit(0, "engine", None, note());
    assert_eq!(journal.finish().unwrap_err().to_string(), "cannot write run.jsonl: no storage space");
}

#[test]
fn the_journal_of_a_run_is_those_of_its_scenarios() {
    let (one, two) = (written(), written());
    let all = String::from_utf8(join([one.as_slice(), two.as_slice()])).unwrap();
    let events = read(&all).unwrap();
    let chapters = chapters(&events);
    assert_eq!(chapters.iter().map(|chapter| chapter.len()).collect::<Vec<_>>(), [13, 13]);
    assert_eq!(chapters[1][0].seq, 1);
    assert!(fleetproof_journal::chapters(&[]).is_empty());
}

#[test]
fn the_worst_verdict_decides() {
    use Verdict::*;
    let order = [Interrupted, Failed, Invalid, Broken, Inconclusive, Flaky, Passed, Skipped];
    assert_eq!(Verdict::ALL, order);
    assert!(order.windows(2).all(|pair| pair[0].severity() > pair[1].severity()));
    assert_eq!(Verdict::worst([]), None);
    let codes: Vec<String> = order.iter().map(|verdict| format!("{verdict} {}", verdict.exit_code())).collect();
    assert_eq!(
        codes.join(", "),
        "interrupted 130, failed 1, invalid 2, broken 3, inconclusive 4, flaky 1, passed 0, skipped 0"
    );
    assert_eq!(exit_code([], Lenience::NONE), 2);
    assert_eq!(exit_code([Skipped, Skipped], Lenience::NONE), 4);
    assert_eq!(exit_code([Skipped, Skipped], Lenience { empty: true, ..Lenience::NONE }), 0);
    assert_eq!(exit_code([Skipped, Passed], Lenience::NONE), 0);
    assert_eq!(exit_code([Flaky, Passed], Lenience::NONE), 1);
    assert_eq!(exit_code([Flaky, Passed], Lenience { flaky: true, ..Lenience::NONE }), 0);
    assert_eq!(exit_code([Flaky, Failed], Lenience { flaky: true, empty: true }), 1);
    assert_eq!(exit_code([Broken, Inconclusive], Lenience::NONE), 3);
}

proptest! {
    #[test]
    fn every_scenario_has_a_folder_of_its_own(one in ".{0,90}", two in "[./%:a]{0,6}", three in "[./%:a]{0,6}") {
        let base = scratch("names");
        let folder = RunFolder::create_at(&base).unwrap();
        let long = one.repeat(8);
        let other = format!("{long}!");
        let names = BTreeSet::from([&one, &two, &three, &long, &other]);
        let folders: BTreeSet<_> = names.iter().map(|name| folder.scenario(name).unwrap()).collect();
        prop_assert_eq!(folders.len(), names.len());
        for path in &folders {
            prop_assert_eq!(path.parent().unwrap(), base.join("scenarios"));
        }
        prop_assert_eq!(folder.scenarios().unwrap().len(), names.len());
    }

    #[test]
    fn the_worst_is_one_of_them_and_none_is_worse(picks in prop::collection::vec(0..8_usize, 1..20)) {
        let verdicts: Vec<Verdict> = picks.iter().map(|pick| Verdict::ALL[*pick]).collect();
        let worst = Verdict::worst(verdicts.iter().copied()).unwrap();
        prop_assert!(verdicts.contains(&worst));
        prop_assert!(verdicts.iter().all(|verdict| verdict.severity() <= worst.severity()));
    }

    #[test]
    fn no_text_panics_the_reader(text in "\\PC*", noise in "(\\{\"[a-z]{1,6}\":[0-9{}\\[\\]\"]{0,9}\n){0,4}") {
        let _ = read(&text);
        let _ = read(&format!("{{\"journal\":1}}\n{noise}{text}"));
        let _ = outstanding(&text);
    }
}

fn scratch(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("fleetproof-journal-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn the_ledger_knows_what_is_still_held_whenever_the_run_was_killed() {
    let folder = scratch("ledger");
    let path = folder.join("acquired.jsonl");
    let thing = |kind, name: &str| Acquired { kind, name: name.into(), detail: "unix:///run/docker.sock".into() };
    let (network, database, board) =
        (thing(Holding::Network, "fp-1"), thing(Holding::Container, "fp-1"), thing(Holding::Lease, "nucleo"));
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.acquires(&network).unwrap();
    ledger.acquires(&database).unwrap();
    drop(ledger);
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.acquires(&board).unwrap();
    ledger.released(&database).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(outstanding(&text).unwrap(), [board.clone(), network.clone()], "the last first");

    // Killed at any byte: everything whose line is whole is known.
    for cut in 0..text.len() {
        let whole = text[..cut].matches('\n').count();
        let held = outstanding(&text[..cut]).unwrap();
        assert_eq!(held.len(), whole, "cut at {cut}");
    }
    assert!(matches!(outstanding("what\n{}"), Err(JournalError::Malformed { line: 1, .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_run_leaves_its_folder_and_latest_points_at_it() {
    let base = scratch("folder");
    let facts = |run: &str| RunFacts {
        run: run.into(),
        started: "2026-11-22T05:00:00Z".into(),
        took_ms: None,
        host: "lab".into(),
        version: "0.1.0".into(),
        schema: "b3".into(),
        command: vec!["fleetproof".into(), "run".into()],
        exit_code: None,
    };
    for run in ["r1", "r2", "r2"] {
        let folder = RunFolder::create(&base, run).unwrap();
        folder.write(&folder.journal(), &written()).unwrap();
        folder.write_facts(&facts(run)).unwrap();
        std::fs::write(folder.scenario("quickstart").unwrap().join("scenario.yaml"), "scenario: quickstart").unwrap();
    }
    let latest = RunFolder::find(&base, Path::new("latest")).unwrap();
    assert_eq!(latest.read_facts().unwrap(), facts("r2"));
    assert_eq!(latest.scenarios().unwrap(), ["quickstart"]);
    assert_eq!(read(&latest.read_journal().unwrap()).unwrap().len(), 13);
    assert_eq!(RunFolder::find(&base, latest.root()).unwrap(), latest);
    let mut names: Vec<_> = std::fs::read_dir(latest.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["run.json", "run.jsonl", "scenarios"], "nothing half written is left");
    assert!(RunFolder::find(&base, Path::new("r3")).is_err());
    for name in ["", "..", "a/b", ".hidden", "a\nb", "a\\b"] {
        assert!(matches!(RunFolder::create(&base, name), Err(JournalError::UnusableName { .. })), "{name:?}");
    }
    std::fs::remove_dir_all(&base).unwrap();
}
