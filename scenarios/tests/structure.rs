//! The shape of the repository: which room may use which, what stands at the top, under what licences the dependencies are, and
//! the rules of the sources that no lint can hold.
//!
//! Every rule is a function from texts to complaints, tried on texts that break it before it is tried on the repository.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The arrows: room, and the rooms it may use. An arrow of a crate that is not here is drawn wrong or has to be argued for.
const ARROWS: &[(&str, &[&str])] = &[
    ("world", &[]),
    ("wire", &[]),
    ("journal", &[]),
    ("language", &[]),
    ("devices", &["wire", "world"]),
    ("dataplane", &["wire"]),
    ("platform", &["dataplane", "wire", "world"]),
    ("claims", &["language"]),
    ("plan", &["claims", "language", "world"]),
    ("dialects", &["claims", "wire", "world"]),
    ("stacks", &["platform", "world", "claims", "journal"]),
    ("engine", &["plan", "claims", "language", "journal", "stacks", "dialects", "devices", "world"]),
    ("reports", &["journal"]),
    (
        "cli",
        &[
            "claims", "devices", "dialects", "engine", "journal", "language", "plan", "platform", "reports", "stacks",
            "wire", "world",
        ],
    ),
    ("scenarios", &["engine", "reports"]),
];

/// What stands at the top, beside files whose name begins with a dot.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    "README.md",
    "ci",
    "harness",
    "reports",
    "rigs",
    "rust-toolchain.toml",
    "scenarios",
    "simulator",
];

/// Licences that the binary's crates may have: each permits linking into an Apache-2.0 program and asks for no more than notices.
/// MPL-2.0 is not among them: it would oblige whoever ships the binary to offer those files' sources, and nothing needs it.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Lines after which a source file is listed as long, and after which it is refused.
const LONG: usize = 700;
const TOO_LONG: usize = 1200;

// --- What there is -------------------------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the repository, by its path from the root, sorted; neither what is built nor what is run.
fn files() -> Vec<(String, PathBuf)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // In a second working tree `.git` is a file that names the first one's place.
            if matches!(name, "target" | ".git" | ".fleetproof") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if !name.ends_with(".snap.new") {
                found.push((path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), path));
            }
        }
    }
    found.sort();
    found
}

/// Every text of the repository.
fn texts() -> Vec<(String, String)> {
    files().into_iter().filter_map(|(name, path)| Some((name, std::fs::read_to_string(path).ok()?))).collect()
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).unwrap()
}

fn agree(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

// --- Arrows --------------------------------------------------------------------------------------------------------------------

/// A dependency as cargo tells it: who, on whom, and whether only its tests.
struct Uses {
    who: String,
    whom: String,
    tests_only: bool,
}

fn room(package: &str) -> Option<&str> {
    if package == "fleetproof" { Some("cli") } else { package.strip_prefix("fleetproof-") }
}

fn dependencies(metadata: &Value) -> Vec<Uses> {
    let mut uses = Vec::new();
    for package in metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null()) {
        for dependency in package["dependencies"].as_array().unwrap() {
            uses.push(Uses {
                who: package["name"].as_str().unwrap().to_owned(),
                whom: dependency["name"].as_str().unwrap().to_owned(),
                tests_only: dependency["kind"] == "dev",
            });
        }
    }
    uses
}

/// What a room may use.
fn may_use(room: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == room).map(|(_, uses)| *uses)
}

/// Everything that a room may use, directly or not.
fn below(room: &str) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let mut open = may_use(room).unwrap_or_default().to_vec();
    while let Some(room) = open.pop() {
        if reached.insert(room) {
            open.extend(may_use(room).unwrap_or_default());
        }
    }
    reached
}

/// A crate may use what its arrows say; its tests may use anything but what stands above it.
fn wrong_arrows(uses: &[Uses]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Uses { who, whom, tests_only } in uses {
        let (Some(from), Some(to)) = (room(who), room(whom)) else { continue };
        let Some(may) = may_use(from) else {
            complaints.push(format!("{who} is a room that the table of arrows does not know"));
            continue;
        };
        let wrong = if *tests_only { from == to || below(to).contains(from) } else { !may.contains(&to) };
        if wrong {
            complaints
                .push(format!("{from} → {to} is no arrow{}", if *tests_only { ", not even for tests" } else { "" }));
        }
    }
    complaints
}

#[test]
fn rooms_use_only_what_their_arrows_say() {
    let uses = |who: &str, whom: &str, tests_only| Uses { who: who.into(), whom: whom.into(), tests_only };
    let wrong = [
        uses("fleetproof-platform", "fleetproof-language", false),
        uses("fleetproof-journal", "fleetproof-engine", false),
        uses("fleetproof-journal", "fleetproof-engine", true),
        uses("fleetproof-scribe", "fleetproof-world", false),
    ];
    assert_eq!(wrong_arrows(&wrong).len(), wrong.len());
    let right = [uses("fleetproof", "fleetproof-wire", false), uses("fleetproof-engine", "fleetproof-platform", true)];
    agree(&wrong_arrows(&right));

    let uses = dependencies(&metadata());
    let rooms: BTreeSet<&str> = uses.iter().filter_map(|uses| room(&uses.who)).collect();
    assert!(rooms.len() > 10, "too few rooms to believe: {rooms:?}");
    agree(&wrong_arrows(&uses));
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    for (room, _) in ARROWS {
        assert!(!below(room).contains(room), "{room} uses itself");
    }
}

// --- Packages ------------------------------------------------------------------------------------------------------------------

#[test]
fn the_runtime_is_shipped_and_the_snapshots_are_not() {
    let uses = dependencies(&metadata());
    let shipped = |name: &str| {
        uses.iter().any(|uses| uses.whom == name && !uses.tests_only && uses.who != "fleetproof-scenarios")
    };
    let tested = |name: &str| uses.iter().any(|uses| uses.whom == name && uses.tests_only);
    for name in ["tokio", "tokio-util"] {
        assert!(shipped(name), "{name} is a dependency of what is shipped");
    }
    for name in ["insta", "proptest"] {
        assert!(tested(name) && !shipped(name), "{name} is for tests only");
    }
}

/// Is the licence one of those allowed? An expression as SPDX has it, or with the old `/` for OR.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    let verdict = either(&words, &mut at);
    verdict && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= both(words, at);
    }
    verdict
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = single(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= single(words, at);
    }
    verdict
}

fn single(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let verdict = either(words, at);
        *at += 1;
        return verdict && words.get(*at - 1) == Some(&")");
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn every_dependency_has_a_licence_of_the_list() {
    for fine in ["MIT", "MIT/GPL-3.0", "(MIT OR GPL-2.0) AND ISC", "Apache-2.0 WITH LLVM-exception OR CC0-1.0"] {
        assert!(allowed(fine), "{fine}");
    }
    for not in
        ["", "GPL-3.0", "MPL-2.0", "MIT AND GPL-3.0", "MIT)", "(MIT", "MIT GPL-3.0", "MIT WITH Classpath-exception"]
    {
        assert!(!allowed(not), "{not}");
    }
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    let complaints: Vec<String> = packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("no licence")))
        .filter(|(_, licence)| !allowed(licence))
        .map(|(name, licence)| format!("{name} is under {licence}"))
        .collect();
    agree(&complaints);
}

// --- Folders -------------------------------------------------------------------------------------------------------------------

fn strangers(files: &[String]) -> BTreeSet<String> {
    let tops = files.iter().map(|file| file.split('/').next().unwrap());
    tops.filter(|top| !top.starts_with('.') && !TOP.contains(top)).map(str::to_owned).collect()
}

/// Folders at the top, and rooms: all that need a README.md of their own and have none.
fn without_readme(files: &[String]) -> BTreeSet<String> {
    let folders = files.iter().filter_map(|file| {
        let (folder, name) = file.rsplit_once('/')?;
        let is_top = !folder.starts_with('.') || name == "Cargo.toml";
        is_top.then(|| if name == "Cargo.toml" { folder } else { folder.split('/').next().unwrap() })
    });
    folders.filter(|folder| !files.contains(&format!("{folder}/README.md"))).map(str::to_owned).collect()
}

#[test]
fn the_top_is_fixed_and_every_folder_has_a_readme() {
    let sample = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(strangers(&sample(&["docs/a.md", ".ci/run", "ci/test"])).len(), 1);
    let bare = sample(&["ci/test", "harness/README.md", "harness/new/Cargo.toml", "harness/new/src/lib.rs"]);
    assert_eq!(without_readme(&bare), BTreeSet::from(["ci".to_owned(), "harness/new".to_owned()]));

    let files: Vec<String> = files().into_iter().map(|(name, _)| name).collect();
    let complain = |names: BTreeSet<String>, what: &str| {
        names.into_iter().map(|name| format!("{name} {what}")).collect::<Vec<_>>()
    };
    agree(&complain(strangers(&files), "does not belong at the top"));
    agree(&complain(without_readme(&files), "has no README.md"));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests: BTreeMap<String, String> =
        texts().into_iter().filter(|(name, _)| name.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() > 10);
    for (name, text) in manifests {
        assert!(text.contains("[lints]\nworkspace = true"), "{name} does not take the workspace's lints");
    }
}

// --- Sources -------------------------------------------------------------------------------------------------------------------

/// The code of a source file, line by line: without comments, and without what stands between quotes.
fn code(text: &str) -> Vec<String> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if c == '"' {
            let hashes = kept.len() - kept.trim_end_matches('#').len();
            let before = &kept[..kept.len() - hashes];
            let is_raw = before.ends_with('r') && !before.trim_end_matches(['r', 'b']).ends_with(char::is_alphanumeric);
            if is_raw { raw_string(rest, hashes) } else { string(rest) }
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        // Lines keep their numbers.
        kept.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        let taken = if skipped == 0 { c.len_utf8() } else { 0 };
        kept.push_str(&rest[..taken]);
        rest = &rest[skipped + taken..];
    }
    kept.lines().map(str::to_owned).collect()
}

/// Bytes of the string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = true; // the first quote
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Bytes of the raw string whose first quote is here, after so many `#`.
fn raw_string(text: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    text[1..].find(&end).map_or(text.len(), |at| 1 + at + end.len())
}

/// Bytes of the character that begins here; none if it is a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    let Some((_, first)) = inside.next() else { return 0 };
    let escaped = first == '\\';
    if escaped {
        inside.next();
        return inside.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1);
    }
    inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
}

/// What the sources may not hold: file by file, complaints with their lines.
fn breaches(name: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut complaints = Vec::new();
    let mut complain = |line: usize, what: &str| complaints.push(format!("{name}:{}: {what}", line + 1));
    for (index, line) in code.iter().enumerate() {
        if line.contains("HashMap") || line.contains("HashSet") {
            complain(index, "its order differs from run to run: BTreeMap or BTreeSet");
        }
        if name.starts_with("simulator/platform/src/") && line.contains(".route(") {
            complain(index, "a plain route is in no interface document: routes!");
        }
        let asks = line.contains("SystemTime::now") || line.contains("Instant::now");
        // A test or a tool that measures how long something really takes says so to clippy.
        let measures = name.contains("/tests/") || name.contains("/examples/");
        if asks && !name.starts_with("simulator/world/") && !measures {
            complain(index, "time comes from fleetproof-world");
        }
        if let Some(at) = line.find("select!") {
            let after =
                line[at + "select!".len()..].chars().chain(code[index + 1..].iter().flat_map(|line| line.chars()));
            let mut after = after.filter(|c| !c.is_whitespace());
            if matches!(after.next(), Some('{' | '(')) && !after.take(7).eq("biased;".chars()) {
                complain(index, "select! begins with `biased;`");
            }
        }
    }
    complaints
}

/// Words that tell of the machine on which a file was written. Put together here, so that this file does not hold them.
fn machine_words() -> Vec<String> {
    let folders = ["work", "root", "home", "Users"];
    let mut words: Vec<String> = folders.iter().map(|folder| format!("/{folder}/")).collect();
    words.push(["..", "shared"].join("/"));
    words
}

fn machine_paths(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for word in machine_words() {
        for (at, _) in text.match_indices(&word) {
            // `https://example.org/home/` and `src/work/` are no paths from the root.
            let before = text[..at].chars().next_back().unwrap_or(' ');
            if word.starts_with('.') || !(before.is_alphanumeric() || "._-}~)".contains(before)) {
                complaints.push(format!(
                    "{name}:{}: a path of somebody's machine: {word}",
                    text[..at].lines().count().max(1)
                ));
            }
        }
    }
    complaints
}

#[test]
fn rules_of_the_sources_find_what_breaks_them() {
    let bad = |name: &str, text: &str| !breaches(name, text).is_empty();
    assert!(bad("a.rs", "use std::collections::HashMap;"));
    assert!(bad("a.rs", "let c = '\"'; let x: HashSet<u8>;"));
    assert!(!bad("a.rs", "// no HashMap here\nlet s = \"a \\\" HashMap\"; // HashSet"));
    assert!(!bad("a.rs", "let s = \"a\nHashMap\nb\";"));
    assert!(bad("a.rs", "let s = \"a\nb\"; HashMap::new();"));
    assert!(!bad("a.rs", "let s = r#\"say \"HashMap\" \\\"#; let c = '\\''; let d = b'\"'; fn x<'a>() {}"));
    assert!(bad("a.rs", "let s = r#\"\"a\"\"#; HashMap::new();"));
    assert!(bad("a.rs", "let s = (r\"\\\", br##\"x\"##, \"\\\\\"); HashMap::new();"));
    assert_eq!(breaches("a.rs", "/// HashMap\nlet s = \"\n\n\";\nHashSet")[0].split(':').nth(1), Some("5"));
    assert!(bad("simulator/platform/src/edge.rs", "router\n    .route(\"/x\", get(x))"));
    assert!(!bad("simulator/world/src/x.rs", "router.route(x)"));
    assert!(bad("harness/cli/src/main.rs", "let t = std::time::Instant::now();"));
    assert!(!bad("simulator/world/src/clock.rs", "Instant::now()"));
    assert!(!bad("harness/language/tests/hostile.rs", "Instant::now()"));
    assert!(bad("a.rs", "tokio::select! {\n    x = y => {}\n}"));
    assert!(bad("a.rs", "tokio::select! { x = y => {} }"));
    assert!(!bad("a.rs", "tokio::select! {\n    // cancellation first\n    biased;\n    x = y => {}\n}"));
    assert!(!bad("a.rs", "select! { biased; x = y => {} }"));
    for word in machine_words() {
        assert!(!machine_paths("a.md", &format!("see {word}x")).is_empty(), "{word}");
    }
    assert!(machine_paths("a.md", "https://example.org/home/x and src/work/x").is_empty());
}

#[test]
fn sources_keep_the_rules() {
    let texts = texts();
    let sources: Vec<&(String, String)> = texts.iter().filter(|(name, _)| name.ends_with(".rs")).collect();
    assert!(sources.len() > 20);
    agree(&sources.iter().flat_map(|(name, text)| breaches(name, text)).collect::<Vec<_>>());
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    let texts = texts();
    agree(&texts.iter().flat_map(|(name, text)| machine_paths(name, text)).collect::<Vec<_>>());
}

#[test]
fn source_files_have_one_job_and_a_readable_length() {
    let mut refused = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| name.ends_with(".rs")) {
        let lines = text.lines().count();
        if lines > LONG {
            println!("long: {name} has {lines} lines");
        }
        if lines > TOO_LONG {
            refused.push(format!("{name} has {lines} lines, {TOO_LONG} is too many"));
        }
    }
    agree(&refused);
}

#[test]
fn scripts_stop_at_the_first_mistake() {
    let texts = texts();
    let scripts: Vec<&(String, String)> = texts.iter().filter(|(_, text)| text.starts_with("#!")).collect();
    assert!(scripts.iter().any(|(name, _)| name == "ci/test"));
    for (name, text) in scripts {
        if text.starts_with("#!/usr/bin/env bash") {
            assert!(text.contains("\nset -euo pipefail\n"), "{name}");
        }
    }
}
