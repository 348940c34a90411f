//! Reading files: text to tree, tree to types, names, rules.

use crate::diagnostic::Diagnostic;
use crate::grammar::{Form, Shape};
use crate::reader::{At, Reader};
use crate::rules;
use crate::scenario::Scenario;
use crate::source::Span;
use crate::sources::{FileId, Sources};
use crate::tree::{self, Kind, Node};
use std::collections::BTreeMap;

/// More mistakes of one file are not listed.
const MOST: usize = 200;

/// Reads a scenario file.
///
/// # Errors
/// All mistakes of the file, in the order of its lines.
pub fn read(sources: &Sources, file: FileId) -> Result<Scenario, Vec<Diagnostic>> {
    let (scenario, mut mistakes) = read_file(sources, file);
    mistakes.sort_by(|a, b| (a.span, &a.code, &a.message).cmp(&(b.span, &b.code, &b.message)));
    mistakes.dedup();
    if mistakes.len() > MOST {
        let rest = mistakes.len() - MOST;
        mistakes.truncate(MOST);
        let whole = sources.whole(file);
        let last = Span { start: whole.start, end: whole.start };
        mistakes
            .push(Diagnostic::new("too-many", last, format!("{rest} more mistakes in this file")).label("not listed"));
    }
    match scenario {
        Some(scenario) if mistakes.is_empty() => Ok(scenario),
        _ => Err(mistakes),
    }
}

/// Reads many scenario files. What is right comes back typed; all mistakes of all files come back, by file and
/// line. The name of a scenario is unique among the files.
#[must_use]
pub fn check(sources: &Sources, files: &[FileId]) -> (Vec<(FileId, Scenario)>, Vec<Diagnostic>) {
    let mut scenarios: Vec<(FileId, Scenario)> = Vec::new();
    let mut mistakes = Vec::new();
    let mut taken: BTreeMap<String, Span> = BTreeMap::new();
    for file in files {
        match read(sources, *file) {
            Ok(scenario) => {
                let name = &scenario.scenario;
                if let Some(first) = taken.get(&name.value) {
                    let place = sources.place(*first);
                    let place = place.map(|place| format!(", {} line {}", place.file, place.line)).unwrap_or_default();
                    let message = format!("`{}` is already the name of a scenario{place}", name.value);
                    let help = "scenario names are unique among the files of a run";
                    mistakes
                        .push(Diagnostic::new("name-taken", name.span, message).label("a scenario here").help(help));
                } else {
                    taken.insert(name.value.clone(), name.span);
                    scenarios.push((*file, scenario));
                }
            }
            Err(found) => mistakes.extend(found),
        }
    }
    (scenarios, mistakes)
}

fn read_file(sources: &Sources, id: FileId) -> (Option<Scenario>, Vec<Diagnostic>) {
    let Some(file) = sources.file(id) else {
        return (None, vec![Diagnostic::new("no-kind", Span::default(), "there is no such file")]);
    };
    let (root, mut mistakes) = tree::parse(file);
    let Some(root) = root else {
        if mistakes.is_empty() {
            mistakes.push(no_kind(file.span(0, 0), "this file is empty"));
        }
        return (None, mistakes);
    };
    let whole = sources.whole(id);
    if let Some(mistake) = kind(&root) {
        let another =
            !matches!(&root.kind, Kind::Block(entries) if entries.iter().any(|entry| entry.key == "scenario"));
        mistakes.push(mistake);
        if another {
            return (None, mistakes);
        }
    }
    let mut reader = Reader::new(&file.text, whole);
    let opener = crate::reader::first_key(&root);
    let at = At::new("", opener, Shape::Block(Scenario::BLOCK));
    let scenario =
        reader.entries(&root, &at, Scenario::BLOCK).and_then(|entries| Scenario::read(&entries, &mut reader));
    let Reader { mistakes: found, names, mut seen, .. } = reader;
    mistakes.extend(found);
    mistakes.extend(names.resolve(
        sources,
        below(&root, "platform").and_then(|it| below(it, "provider")).is_some(),
        MOST,
    ));
    if let Some(scenario) = &scenario {
        let steps = match below(&root, "steps").map(|steps| &steps.kind) {
            Some(Kind::List(steps)) => steps.len(),
            Some(_) => usize::MAX,
            None => 0,
        };
        seen.broken_steps |= steps != scenario.steps.len();
        mistakes.extend(rules::check(scenario, &seen));
    }
    (scenario, mistakes)
}

/// The value under a key.
fn below<'n>(node: &'n Node, word: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Block(entries) => entries.iter().find(|entry| entry.key == word).map(|entry| &entry.value),
        _ => None,
    }
}

/// The first key says what a file is.
fn kind(root: &Node) -> Option<Diagnostic> {
    match &root.kind {
        Kind::Block(entries) => match entries.first() {
            Some(entry) if entry.key == "scenario" => None,
            Some(entry) => Some(if entries.iter().any(|entry| entry.key == "scenario") {
                no_kind(entry.key_span, "the first key says what a file is, this one is another")
                    .help("move `scenario` to the top")
            } else {
                no_kind(entry.key_span, "this file is no scenario")
            }),
            None => Some(no_kind(root.span, "this file is no scenario")),
        },
        Kind::Broken => None,
        _ => Some(no_kind(root.span, "this file is no scenario")),
    }
}

fn no_kind(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new("no-kind", span, message).label("here").help("begin it with `scenario:`")
}
