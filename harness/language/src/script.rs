//! A scenario file that can be filled in: one run per combination of its `matrix`, variables that a seed draws.

use crate::diagnostic::Diagnostic;
use crate::fragment;
use crate::grammar::Presence::Optional;
use crate::grammar::{Block, Form, Key, Shape};
use crate::reader::{At, Content, Reader, Value};
use crate::rules;
use crate::scenario::Scenario;
use crate::source::{Located, Span, Table};
use crate::sources::{FileId, Sources};
use crate::template::{self, Filled, Known, Late, Scalar};
use crate::tree::{Entry, Kind, Node};
use crate::wording::Wording;
use std::collections::{BTreeMap, BTreeSet};

/// More runs than these are not made of one file.
pub(crate) const MOST_ROWS: usize = 256;

/// So many ways of filling a file in are looked at.
const MOST_FILLINGS: usize = 64;

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Var {
    /// It stands in the file.
    Value(Located<Scalar>),
    /// The environment variable of this name holds it; it is known only while running and in no output.
    Secret(Located<String>),
    /// A whole number from the first to the second, drawn by the seed.
    Range(Vec<Located<u32>>),
    /// One of these, drawn by the seed.
    OneOf(Vec<Located<Scalar>>),
}

impl Var {
    pub(crate) const BLOCK: &'static Block = &Block {
        name: "Var",
        about: &["Where a variable's value comes from: one of these."],
        keys: &[
            Key { word: "value", about: &["The value itself."], shape: Shape::Scalar, presence: Optional },
            Key {
                word: "secret",
                about: &[
                    "The name of an environment variable. Its value is known only while running, and in no output.",
                ],
                shape: Shape::Text,
                presence: Optional,
            },
            Key {
                word: "range",
                about: &["The smallest and the largest of the whole numbers of which the seed draws one."],
                shape: Shape::List(&Shape::Number(0, u32::MAX), 2),
                presence: Optional,
            },
            Key {
                word: "one_of",
                about: &["Values of which the seed draws one."],
                shape: Shape::List(&Shape::Scalar, 1),
                presence: Optional,
            },
        ],
        partly: false,
        also: None,
    };

    /// Values that it may have, each worth a look.
    fn samples(&self) -> Vec<Scalar> {
        let number = |number: &Located<u32>| Scalar { text: number.value.to_string(), plain: true };
        match self {
            Self::Value(value) => vec![value.value.clone()],
            Self::Secret(_) => Vec::new(),
            Self::Range(ends) => ends.iter().map(number).collect(),
            Self::OneOf(values) => values.iter().map(|value| value.value.clone()).collect(),
        }
    }
}

impl Content for Var {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let (entry, at) = reader.kind(node, at, Self::BLOCK)?;
        match at.word {
            "value" => crate::reader::located(&entry.value, &at, reader).map(Self::Value),
            "secret" => {
                let name: Located<String> = crate::reader::located(&entry.value, &at, reader)?;
                let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                if name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(good) {
                    return Some(Self::Secret(name));
                }
                let message =
                    format!("`{}` cannot be the name of an environment variable", crate::suggest::short(&name));
                reader.mistakes.push(
                    Diagnostic::new("bad-name", name.span, message)
                        .label("not a name")
                        .help("large letters, digits and `_`: `{ secret: ACME_TOKEN }`"),
                );
                None
            }
            "range" => {
                let ends: Vec<Located<u32>> = Value::read(&entry.value, &at, reader)?;
                match ends.as_slice() {
                    [from, to] if from.value < to.value => Some(Self::Range(ends)),
                    [_, to] => {
                        reader.mistakes.push(
                            Diagnostic::new(
                                "out-of-range",
                                to.span,
                                "`range` ends before it begins, or where it begins",
                            )
                            .label("too small")
                            .help("the smallest number, then the largest: `range: [10, 100]`"),
                        );
                        None
                    }
                    _ => {
                        if ends.len() > 2 {
                            let message = format!("`range` takes 2 numbers, these are {}", ends.len());
                            reader.mistakes.push(
                                Diagnostic::new("out-of-range", entry.value.span, message)
                                    .label("too many")
                                    .help("the smallest number, then the largest: `range: [10, 100]`"),
                            );
                        }
                        None
                    }
                }
            }
            "one_of" => Value::read(&entry.value, &at, reader).map(Self::OneOf),
            _ => None,
        }
    }
}

/// A combination of a matrix: the axis and its value, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(pub Vec<(String, Scalar)>);

impl Row {
    /// `dialect=mender, fleet=100`; empty without a matrix.
    #[must_use]
    pub fn name(&self) -> String {
        let shown = |(axis, value): &(String, Scalar)| format!("{axis}={}", crate::suggest::short(&value.text));
        self.0.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// The value of an axis.
    #[must_use]
    pub fn value(&self, axis: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == axis).map(|(_, value)| value.text.as_str())
    }

    /// The seed that this combination asks for.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.value("seed")?.parse().ok()
    }
}

/// A scenario file without mistakes.
#[derive(Clone, Debug)]
pub struct Script {
    file: FileId,
    /// The first combination, filled in with the first value of everything that is drawn.
    first: Scenario,
    wording: Wording,
    /// The tree, if anything in it is filled in.
    root: Option<Node>,
    rows: Vec<Row>,
}

impl Script {
    /// The file.
    #[must_use]
    pub const fn file(&self) -> FileId {
        self.file
    }

    /// The scenario of the first combination, with sample values in place of what is drawn: its name, tags and rows are those of
    /// all.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.first
    }

    /// The combinations of the matrix; one that is empty, without a matrix.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The name of a combination: unique among the runs of this file.
    #[must_use]
    pub fn name(&self, row: &Row) -> String {
        let name = &self.first.scenario.value;
        if row.0.is_empty() { name.clone() } else { format!("{name} [{}]", row.name()) }
    }

    /// The scenario of a combination, filled in with what a seed drew for `vars`, and how its steps and claims are written.
    ///
    /// # Errors
    /// What is wrong with it with just these values.
    pub fn fill(
        &self,
        sources: &Sources,
        row: &Row,
        seed: u64,
        drawn: &BTreeMap<String, Scalar>,
    ) -> Result<(Scenario, Wording), Vec<Diagnostic>> {
        let Some(root) = &self.root else { return Ok((self.first.clone(), self.wording.clone())) };
        let values = self.first.vars.iter().filter_map(|(name, var)| match &var.value {
            Var::Value(value) => Some((name.value.clone(), value.value.clone())),
            _ => None,
        });
        let mut values: BTreeMap<String, Scalar> = values.collect();
        values.extend(drawn.clone());
        let known = known(root, &self.first.vars, row, seed, values);
        let (scenario, wording, mut mistakes) = read_filled(sources, self.file, root, &known);
        mistakes.sort_by(|a, b| (a.span, &a.code, &a.message).cmp(&(b.span, &b.code, &b.message)));
        match scenario {
            Some(mut scenario) if mistakes.is_empty() => {
                scenario.scenario.value = self.name(row);
                Ok((scenario, wording))
            }
            _ => Err(mistakes),
        }
    }
}

/// Everything that a template may hold, for one way of filling the file in.
fn known(root: &Node, vars: &Table<Var>, row: &Row, seed: u64, values: BTreeMap<String, Scalar>) -> Known {
    let mut known = Known::of_run(seed);
    known.saved_in(root);
    let secret = |(name, var): (&Located<String>, &Located<Var>)| {
        matches!(var.value, Var::Secret(_)).then(|| (name.value.clone(), Late::Secret))
    };
    known.late.extend(vars.iter().filter_map(secret));
    known.values.extend(values);
    known.values.extend(row.0.iter().map(|(axis, value)| (format!("matrix.{axis}"), value.clone())));
    known
}

/// Reads a scenario file in every way in which it may be filled in. Mistakes come with it, each once.
pub(crate) fn read(sources: &Sources, file: FileId, root: &Node) -> (Option<Script>, Vec<Diagnostic>) {
    let is_filled = sources.text(file).contains("{{");
    let (matrix, vars) = head(sources, root);
    let rows = rows(&matrix);
    let mut mistakes = Vec::new();
    if rows.len() > MOST_ROWS {
        let span = entry(root, "matrix").map_or(root.span, |entry| entry.key_span);
        let message = format!("this `matrix` makes more than {MOST_ROWS} runs");
        mistakes.push(
            Diagnostic::new("too-many", span, message).label("too many").help("a run per combination of its values"),
        );
    }
    let rows: Vec<Row> = rows.into_iter().take(MOST_ROWS).collect();
    let (mut first, mut seen) = (None, BTreeSet::new());
    for (number, (row, values)) in fillings(&rows, &vars).into_iter().enumerate() {
        let known = known(root, &vars, row, row.seed().unwrap_or(1), values);
        let (scenario, wording, found) = read_filled(sources, file, root, &known);
        mistakes.extend(found.into_iter().filter(|it| seen.insert((it.span, it.code.clone(), it.message.clone()))));
        if number == 0 {
            first = scenario.map(|scenario| (scenario, wording));
        }
        if !is_filled {
            break;
        }
    }
    let root = (is_filled || !rows[0].0.is_empty()).then(|| root.clone());
    (first.map(|(first, wording)| Script { file, first, wording, root, rows }), mistakes)
}

/// The ways in which a file is looked at: each combination, and each value of each variable once.
fn fillings<'r>(rows: &'r [Row], vars: &Table<Var>) -> Vec<(&'r Row, BTreeMap<String, Scalar>)> {
    let samples: Vec<(&str, Vec<Scalar>)> = vars
        .iter()
        .map(|(name, var)| (name.as_str(), var.samples()))
        .filter(|(_, samples)| !samples.is_empty())
        .collect();
    let usual: BTreeMap<String, Scalar> =
        samples.iter().map(|(name, samples)| ((*name).to_owned(), samples[0].clone())).collect();
    let mut fillings: Vec<(&Row, BTreeMap<String, Scalar>)> = rows.iter().map(|row| (row, usual.clone())).collect();
    for (name, samples) in &samples {
        for sample in &samples[1..] {
            let mut values = usual.clone();
            values.insert((*name).to_owned(), sample.clone());
            fillings.push((&rows[0], values));
        }
    }
    fillings.truncate(MOST_FILLINGS);
    fillings
}

/// Fills the tree in and reads it.
fn read_filled(
    sources: &Sources,
    file: FileId,
    root: &Node,
    known: &Known,
) -> (Option<Scenario>, Wording, Vec<Diagnostic>) {
    let mut filled = Filled::default();
    let root = if sources.text(file).contains("{{") { fill_file(root, known, &mut filled) } else { root.clone() };
    let seed = known.values.get("run.seed").and_then(|seed| seed.text.parse().ok()).unwrap_or(1);
    let mut reader = Reader::new(sources, known.late.clone(), seed);
    let opener = crate::reader::first_key(&root);
    let at = At::new("", opener, Shape::Block(Scenario::BLOCK));
    let scenario = <Scenario as Content>::read(&root, &at, &mut reader);
    let Reader { mistakes: found, names, mut seen, .. } = reader;
    let mut mistakes = filled.mistakes;
    mistakes.extend(found);
    let platform = entry(&root, "platform").map(|entry| &entry.value);
    let has_provider = platform.and_then(|platform| entry(platform, "provider")).is_some();
    mistakes.extend(names.resolve(sources, has_provider, crate::check::MOST));
    seen.has_lobby = platform.and_then(|platform| entry(platform, "lobby")).is_some();
    if let Some(scenario) = &scenario {
        // Steps that cannot be read tell so themselves, unless there is no list of them.
        seen.broken_steps |= entry(&root, "steps").is_some_and(|steps| !matches!(steps.value.kind, Kind::List(_)));
        mistakes.extend(rules::check(scenario, &seen));
    }
    for mistake in &mut mistakes {
        if let Some(text) = filled.texts.get(&mistake.span) {
            mistake.label = format!("{}, filled in with `{}`", mistake.label, crate::suggest::short(text));
        }
    }
    (scenario, seen.wording, mistakes)
}

/// Fills everything but what filling comes from.
fn fill_file(root: &Node, known: &Known, filled: &mut Filled) -> Node {
    let Kind::Block(entries) = &root.kind else { return root.clone() };
    let entry = |entry: &Entry| {
        let value = match entry.key.as_str() {
            word @ ("matrix" | "vars") => template::refuse(&entry.value, word, &mut filled.mistakes),
            _ => template::fill(&entry.value, known, filled),
        };
        Entry { value, ..entry.clone() }
    };
    Node { span: root.span, kind: Kind::Block(entries.iter().map(entry).collect()) }
}

/// The matrix, axis by axis.
type Matrix = Table<Vec<Located<Scalar>>>;

/// What filling comes from. Its mistakes are told when the whole file is read.
fn head(sources: &Sources, root: &Node) -> (Matrix, Table<Var>) {
    let mut reader = Reader::new(sources, BTreeMap::new(), 1);
    let at = |word: &'static str| {
        let entry = entry(root, word)?;
        Some((&entry.value, At::new(word, entry.key_span, Scenario::BLOCK.key(word)?.shape)))
    };
    let matrix = at("matrix").and_then(|(node, at)| Value::read(node, &at, &mut reader));
    let vars = at("vars").and_then(|(node, at)| Value::read(node, &at, &mut reader));
    (matrix.unwrap_or_default(), vars.unwrap_or_default())
}

/// Every combination, the last axis turning fastest; one more than is made, where there are too many.
fn rows(matrix: &Matrix) -> Vec<Row> {
    let mut rows = vec![Row::default()];
    for (axis, values) in matrix.iter().filter(|(_, values)| !values.value.is_empty()) {
        let with = |row: &Row, value: &Located<Scalar>| {
            let mut row = row.clone();
            row.0.push((axis.value.clone(), value.value.clone()));
            row
        };
        rows =
            rows.iter().flat_map(|row| values.value.iter().map(|value| with(row, value))).take(MOST_ROWS + 1).collect();
    }
    rows
}

fn entry<'n>(node: &'n Node, word: &str) -> Option<&'n Entry> {
    match &node.kind {
        Kind::Block(entries) => entries.iter().find(|entry| entry.key == word),
        _ => None,
    }
}

/// The fragments that a file names in any way in which it may be filled in: where, and the path from where the file is named
/// from. Whoever reads files adds each with [`Sources::add_fragment`] before the file is checked.
#[must_use]
pub fn fragments(sources: &Sources, file: FileId) -> Vec<(Span, String)> {
    let Some(it) = sources.file(file) else { return Vec::new() };
    if !it.text.contains("fragment") {
        return Vec::new();
    }
    let (Some(root), _) = crate::tree::parse(it) else { return Vec::new() };
    let (matrix, vars) = head(sources, &root);
    let rows = rows(&matrix);
    let mut found = BTreeSet::new();
    for (row, values) in fillings(&rows, &vars) {
        let known = known(&root, &vars, row, row.seed().unwrap_or(1), values);
        fragment::named_in(&fill_file(&root, &known, &mut Filled::default()), &mut found);
    }
    found.into_iter().map(|(span, path)| (span, fragment::beside(sources.path(file), &path))).collect()
}
