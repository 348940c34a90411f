//! Files that nobody writes by accident: exit code 2, with a reason, within a second.

use crate::tool::{Folder, fleetproof};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::time::Duration;

/// As long as a person waits for an answer.
const MOMENT: Duration = Duration::from_secs(1);

fn alias_bomb() -> Vec<u8> {
    let mut text = String::from("scenario: laughs\na: &a [x, x, x, x, x, x, x, x, x]\n");
    for (next, last) in ('b'..='z').zip('a'..) {
        writeln!(text, "{next}: &{next} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]").unwrap();
    }
    text.into()
}

fn nested(open: &str, times: usize) -> Vec<u8> {
    format!("scenario: deep\nsteps: {}", open.repeat(times)).into()
}

fn blocks(depth: usize) -> Vec<u8> {
    let lines = (0..depth).map(|depth| format!("{}a:\n", " ".repeat(depth)));
    format!("scenario: deep\n{}", lines.collect::<String>()).into()
}

#[test]
fn hostile_files_are_refused_in_a_moment() {
    let cases: [(&str, Vec<u8>); 11] = [
        ("empty", Vec::new()),
        ("spaces", b"  \n\n ".to_vec()),
        ("nul", b"scenario: x\0y\nsteps: []\n".to_vec()),
        ("only-nul", vec![0; 4096]),
        ("not-utf-8", b"scenario: caf\xe9\nsteps: []\n".to_vec()),
        ("utf-16", "scenario: x\n".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("alias-bomb", alias_bomb()),
        ("deep-lists", nested("[", 100_000)),
        ("deep-maps", nested("{a: ", 100_000)),
        ("deep-dashes", nested("- ", 100_000)),
        ("deep-blocks", blocks(2_000)),
    ];
    let folder = Folder::new("hostile");
    for (name, bytes) in cases {
        let path = folder.join(&format!("{name}.yaml"));
        std::fs::write(&path, bytes).unwrap();
        refused_in_a_moment(name, path.to_str().unwrap());
    }
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_in_a_moment() {
    let folder = Folder::new("huge");
    let path = folder.join("huge.yaml");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"scenario: huge\n").unwrap();
    std::io::copy(&mut std::io::repeat(b'#').take(100 << 20), &mut file).unwrap();
    refused_in_a_moment("huge", path.to_str().unwrap());
}

/// The quickest of a few tries counts: other tests want the processor too.
#[expect(clippy::disallowed_methods, reason = "it is about time on the wall")]
fn refused_in_a_moment(name: &str, path: &str) {
    const TRIES: u32 = 4;
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let began = std::time::Instant::now();
        let said = fleetproof(&["check", path]);
        quickest = quickest.min(began.elapsed());
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{name}: {}", said.err);
        assert!(said.err.contains("error[scenario::"), "{name} has no diagnostic: {}", said.err);
        assert!(said.err.len() < 100_000, "{name}: {} bytes are no answer", said.err.len());
        if quickest < MOMENT {
            return;
        }
    }
    panic!("{name} took {quickest:?} at its quickest");
}
