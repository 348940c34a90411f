#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Files that nobody writes by accident: a diagnostic each, never a panic, never a wait.

use fleetproof_language::{Diagnostic, FileId, LONGEST_FILE, Sources, check, read};
use proptest::prelude::*;
use std::fmt::Write;

const VALID: [&str; 4] = [
    include_str!("valid/quickstart.yaml"),
    include_str!("valid/provider-carve.yaml"),
    include_str!("valid/two-hats.yaml"),
    include_str!("valid/lobby-migration.yaml"),
];

/// Checks the file, and that what comes back can be shown.
fn look(bytes: Vec<u8>) -> (Vec<Diagnostic>, Vec<String>) {
    let mut sources = Sources::new();
    sources.add("before.yaml", "scenario: x\n".to_owned());
    let file = sources.add_bytes("hostile.yaml", bytes);
    sources.add("after.yaml", "scenario: y\n".to_owned());
    let (_, mistakes) = check(&sources, &[file]);
    let whole = sources.whole(file);
    for mistake in &mistakes {
        assert!(mistake.span.start <= mistake.span.end, "{mistake:?}");
        assert!(whole.start <= mistake.span.start && mistake.span.end <= whole.end, "{mistake:?} is not in {whole:?}");
        assert_eq!(sources.file_of(mistake.span), Some(file));
        let place = sources.place(mistake.span).unwrap();
        assert!(place.line >= 1 && place.column >= 1 && place.length >= 1);
        assert!(place.column as usize <= place.text.chars().count() + 1, "{place:?}");
    }
    let shown = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    (mistakes, shown)
}

/// Hostile files, by name.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let mut laughs = String::from("scenario: laughs\na: &a [x, x, x, x, x, x, x, x, x]\n");
    for (next, last) in ('b'..='z').zip('a'..) {
        let _ = writeln!(
            laughs,
            "{next}: &{next} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]"
        );
    }
    let mut chain = String::from(
        "scenario: x\ndevices:\n  d: { tenant: t, simulated: 1, speaks: mender, runs: \"1\" }\nselections:\n",
    );
    for index in 0..20_000 {
        let _ = writeln!(chain, "  s{index}: {{ from: [s{}] }}", index + 1);
    }
    let mut crowd =
        String::from("scenario: x\nplatform: { tenants: { t: { admin: a, device_limit: 1 } } }\ndevices:\n");
    for index in 0..1000 {
        let _ = writeln!(crowd, "  g{index}: {{ tenant: t, simulated: 1, speaks: mender, runs: \"1\" }}");
    }
    let all = (0..1000).map(|index| format!("g{index}")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(crowd, "selections:\n  s0: {{ from: [{all}] }}");
    for index in 1..1000 {
        let _ = writeln!(crowd, "  s{index}: {{ from: [s{}, s0] }}", index - 1);
    }
    let names = (0..1000).map(|index| format!("s{index}")).collect::<Vec<_>>().join(", ");
    crowd.push_str("steps:\n");
    for _ in 0..20 {
        let _ = writeln!(crowd, "- enroll: {{ devices: [{names}], may_fail: true }}");
        let _ = writeln!(crowd, "- claim: {{ devices: [{names}], by: a, refused: unseen }}");
        let _ = writeln!(
            crowd,
            "- expect: {{ online: {{ devices: [{names}] }}, delivery: {{ devices: [{names}], lost: 0, duplicated: 0 }} }}"
        );
        let _ = writeln!(crowd, "- release: {{ devices: [{names}] }}");
        let _ = writeln!(crowd, "- expect: {{ in_lobby: {{ devices: [{names}] }} }}");
    }
    let fill = |text: &str| text.repeat(LONGEST_FILE / text.len()).into_bytes();
    let under = |head: &str, text: &str| {
        [head.as_bytes(), &text.repeat((LONGEST_FILE - head.len()) / text.len()).into_bytes()].concat()
    };
    let closed = |head: &str, text: &str, end: &str| {
        let times = (LONGEST_FILE - head.len() - end.len()) / text.len();
        [head, &text.repeat(times), end].concat().into_bytes()
    };
    vec![
        ("alias bomb", laughs.into()),
        ("too large", vec![b'a'; 64 << 20]),
        ("block nesting", (0..700).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>().into()),
        ("list nesting", fill("- ")),
        ("flow nesting", fill("[")),
        ("flow maps", fill("{a: ")),
        ("question marks", fill("? ")),
        ("one line", fill("x")),
        ("newlines", fill("\n")),
        ("spaces", fill(" ")),
        ("tabs", fill("\t")),
        ("nul", vec![0; 4096]),
        ("not utf-8", vec![0xff; LONGEST_FILE]),
        ("colons", fill(": ")),
        ("dashes", fill("---\n")),
        ("commas", closed("steps: [", "a, ", "]")),
        ("quotes", fill("\"")),
        ("escapes", under("\"", "\\x41")),
        ("anchors", closed("scenario: x\nsteps: [", "&a b,", "]")),
        (
            "many keys",
            (0..60_000)
                .map(|n| if n == 0 { "scenario: x\n".to_owned() } else { format!("k{n}: {n}\n") })
                .collect::<String>()
                .into(),
        ),
        ("one key", fill("a: 1\n")),
        ("many mistakes on a line", closed("scenario: x\nsteps: [", "{a: b},", "]")),
        ("many steps", under("scenario: x\nsteps:\n", "- enroll: { devices: [a, b] }\n")),
        ("many names", closed("scenario: x\nplatform: { tenants: {", "Ä: {},", "}}")),
        (
            "many unknown users",
            under("scenario: x\nsteps:\n", "- abort: { deployment: looooooooooooooong, by: somebody@nowhere.test }\n"),
        ),
        ("chain of selections", chain.into()),
        ("crowd", crowd.into()),
        ("long list", closed("scenario: x\nsteps:\n- enroll: { devices: [", "a, ", "] }")),
        (
            "enormous number",
            format!("scenario: x\nsteps: [{{ expect: {{ within: {}s }} }}]", "9".repeat(100_000)).into(),
        ),
        ("long word", format!("scenario: x\nsteps: [{{ {}: 1 }}]", "abcdefgh".repeat(10_000)).into()),
        ("secrets", fill("eyJhbGciOiJFZERTQSJ9eyJzdWIiOiIxMjM0NTY3ODkwIn0 ")),
        ("byte order mark", [b"\xef\xbb\xbf".as_slice(), VALID[0].as_bytes()].concat()),
        ("comments", fill("# x\n")),
        ("folded", under("scenario: >\n", "  x\n")),
        ("templates", closed("scenario: x\nsteps: [", "{{ x }},", "]")),
        ("empty", Vec::new()),
    ]
}

#[test]
fn hostile_files_get_a_diagnostic_in_time() {
    let clock = fleet_clock();
    for (name, bytes) in bombs() {
        let begin = clock();
        let (mistakes, shown) = look(bytes);
        let took = clock() - begin;
        assert!(!mistakes.is_empty(), "{name} is taken for a scenario");
        assert!(mistakes.len() <= 201, "{name}: {}", mistakes.len());
        let longest = shown.iter().map(String::len).max().unwrap();
        assert!(longest < 4000, "{name}: {longest} bytes to read");
        // Ten times the goal of a second: tests are built without optimisation and share the machine.
        assert!(took < std::time::Duration::from_secs(10), "{name} took {took:?}");
        eprintln!("{name}: {} mistakes in {took:?}", mistakes.len());
    }
}

/// Wall time, for this test alone: how long a check takes is its subject.
#[expect(clippy::disallowed_methods, reason = "the test measures how long a check really takes")]
fn fleet_clock() -> impl Fn() -> std::time::Duration {
    let begin = std::time::Instant::now();
    move || begin.elapsed()
}

#[test]
fn windows_line_ends_are_fine() {
    for text in VALID {
        let (mistakes, shown) = look(text.replace('\n', "\r\n").into());
        assert!(mistakes.is_empty(), "{}", shown.join("\n"));
    }
}

#[test]
fn five_hundred_files_are_checked_together() {
    let mut sources = Sources::new();
    let files: Vec<FileId> = (0..500)
        .map(|index| {
            let text = VALID[index % 3].replacen("scenario: ", &format!("scenario: {index} "), 1);
            sources.add(&format!("{index}.yaml"), text)
        })
        .collect();
    let clock = fleet_clock();
    let (scenarios, mistakes) = check(&sources, &files);
    eprintln!("500 files in {:?}", clock());
    assert_eq!((scenarios.len(), mistakes.len()), (500, 0));
}

/// A valid scenario in which something was cut out, doubled, moved or replaced.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "- ",
        "\n",
        "  ",
        "\t",
        "\"",
        "'",
        "&a ",
        "*a",
        "<<",
        "!!",
        "|",
        ">",
        "#",
        "{{ x }}",
        "é",
        "𝄞",
        "\u{feff}",
        "99999999999999999999",
        "-1",
        "2.0",
        "~",
        "null",
        "true",
        "expect",
        "devices",
        "acme",
        "refused: true",
        "---\n",
        "\0",
        "300%",
        "60",
        "64KiB",
        "within: 5s",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    ];
    let edit = (any::<prop::sample::Index>(), 0usize..30, prop::sample::select(pieces.to_vec()), 0u8..4);
    (0usize..3, prop::collection::vec(edit, 1..6)).prop_map(|(which, edits)| {
        let mut text: Vec<u8> = VALID[which].into();
        for (at, length, piece, kind) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            match kind {
                0 => drop(text.splice(at..at, piece.bytes())),
                1 => drop(text.splice(at..end, piece.bytes())),
                2 => drop(text.drain(at..end)),
                _ => {
                    let copy = text[at..end].to_vec();
                    drop(text.splice(at..at, copy));
                }
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_can_be_checked(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (mistakes, _) = look(bytes);
        prop_assert!(!mistakes.is_empty());
    }

    #[test]
    fn any_text_can_be_checked(text in "scenario: [ -~é\n]{0,300}") {
        look(text.into_bytes());
    }

    #[test]
    fn spoilt_scenarios_can_be_checked(bytes in mutated()) {
        let (mistakes, shown) = look(bytes.clone());
        let (again, shown_again) = look(bytes);
        prop_assert_eq!(mistakes, again);
        prop_assert_eq!(shown, shown_again);
    }

    #[test]
    fn where_a_file_stands_among_others_does_not_matter(bytes in mutated()) {
        let mut alone = Sources::new();
        let file = alone.add_bytes("it.yaml", bytes.clone());
        let mut among = Sources::new();
        among.add("other.yaml", "é: 𝄞\n".repeat(7));
        let second = among.add_bytes("it.yaml", bytes);
        let shown = |sources: &Sources, file| match read(sources, file) {
            Ok(script) => format!("{:?}", script.scenario()),
            Err(mistakes) => mistakes.iter().map(|mistake| mistake.render(sources)).collect::<Vec<_>>().join("\n"),
        };
        prop_assert_eq!(shown(&alone, file), shown(&among, second));
    }
}
