//! Reading files: text to tree, tree to types, names, rules.

use crate::diagnostic::Diagnostic;
use crate::fragment;
use crate::script::{self, Script};
use crate::source::Span;
use crate::sources::{FileId, Sources};
use crate::tree::{self, Kind, Node};
use std::collections::{BTreeMap, BTreeSet};

/// More mistakes of one file are not listed.
pub(crate) const MOST: usize = 200;

/// Reads a scenario file.
///
/// # Errors
/// All mistakes of the file, in the order of its lines.
pub fn read(sources: &Sources, file: FileId) -> Result<Script, Vec<Diagnostic>> {
    match read_any(sources, file, &mut Told::default()) {
        (Some(Read::Script(script)), mistakes) if mistakes.is_empty() => Ok(*script),
        (Some(Read::Fragment), mistakes) if mistakes.is_empty() => {
            Err(vec![no_kind(sources.whole(file), "this file is a fragment, not a scenario")])
        }
        (_, mistakes) => Err(mistakes),
    }
}

/// Reads many files, scenarios and fragments. Scenarios that are right come back typed; all mistakes of all files come back,
/// by file and line. The name of a scenario is unique among the files.
#[must_use]
pub fn check(sources: &Sources, files: &[FileId]) -> (Vec<Script>, Vec<Diagnostic>) {
    let mut scripts: Vec<Script> = Vec::new();
    let mut mistakes = Vec::new();
    let mut taken: BTreeMap<String, Span> = BTreeMap::new();
    let mut told = Told::default();
    for file in files {
        let (read, found) = read_any(sources, *file, &mut told);
        if !found.is_empty() {
            mistakes.extend(found);
            continue;
        }
        let Some(Read::Script(script)) = read else { continue };
        let name = &script.scenario().scenario;
        if let Some(first) = taken.get(&name.value) {
            let place = sources.place(*first);
            let place = place.map(|place| format!(", {} line {}", place.file, place.line)).unwrap_or_default();
            let message = format!("`{}` is already the name of a scenario{place}", name.value);
            let help = "scenario names are unique among the files of a run";
            mistakes.push(Diagnostic::new("name-taken", name.span, message).label("a scenario here").help(help));
        } else {
            taken.insert(name.value.clone(), name.span);
            scripts.push(*script);
        }
    }
    (scripts, mistakes)
}

/// What a file turned out to be.
enum Read {
    Script(Box<Script>),
    Fragment,
}

/// Mistakes in fragments that are told already: a fragment that is used twice is not wrong twice. By its path, the offset in
/// it, code and message.
#[derive(Default)]
struct Told {
    checked: BTreeSet<String>,
    mistakes: BTreeSet<(String, u32, String, String)>,
}

impl Told {
    fn is_new(&mut self, sources: &Sources, mistake: &Diagnostic) -> bool {
        let Some(file) = sources.file_of(mistake.span) else { return true };
        let offset = mistake.span.start - sources.whole(file).start;
        self.mistakes.insert((sources.path(file).to_owned(), offset, mistake.code.clone(), mistake.message.clone()))
    }
}

fn read_any(sources: &Sources, file: FileId, told: &mut Told) -> (Option<Read>, Vec<Diagnostic>) {
    let (read, mut mistakes) = read_file(sources, file, told);
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
    (read, mistakes)
}

fn read_file(sources: &Sources, id: FileId, told: &mut Told) -> (Option<Read>, Vec<Diagnostic>) {
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
    if fragment::is_fragment(&root) {
        if told.checked.insert(sources.path(id).to_owned()) {
            mistakes.extend(fragment::check(sources, &root));
        }
        mistakes.retain(|mistake| told.is_new(sources, mistake));
        return (Some(Read::Fragment), mistakes);
    }
    if let Some(mistake) = kind(&root) {
        let another =
            !matches!(&root.kind, Kind::Block(entries) if entries.iter().any(|entry| entry.key == "scenario"));
        mistakes.push(mistake);
        if another {
            return (None, mistakes);
        }
    }
    for fragment in sources.fragments_used_by(id) {
        let Some((Some(root), found)) = sources.file(fragment).map(tree::parse) else { continue };
        if fragment::is_fragment(&root) && told.checked.insert(sources.path(fragment).to_owned()) {
            let found = found.into_iter().chain(fragment::check(sources, &root));
            mistakes.extend(found.filter(|mistake| told.is_new(sources, mistake)));
        }
    }
    let (script, found) = script::read(sources, id, &root);
    let whole = sources.whole(id);
    let is_here = |mistake: &Diagnostic| whole.start <= mistake.span.start && mistake.span.end <= whole.end;
    mistakes.extend(found.into_iter().filter(|mistake| is_here(mistake) || told.is_new(sources, mistake)));
    (script.map(|script| Read::Script(Box::new(script))), mistakes)
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
                no_kind(entry.key_span, "this file is neither scenario nor fragment")
            }),
            None => Some(no_kind(root.span, "this file is neither scenario nor fragment")),
        },
        Kind::Broken => None,
        _ => Some(no_kind(root.span, "this file is neither scenario nor fragment")),
    }
}

fn no_kind(span: Span, message: &str) -> Diagnostic {
    Diagnostic::new("no-kind", span, message).label("here").help("begin it with `scenario:` or `fragment:`")
}
