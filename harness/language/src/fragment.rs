//! Fragments: lists of steps with named parameters, in files of their own, read where they are used.

use crate::diagnostic::Diagnostic;
use crate::grammar::Presence::{Optional, Required};
use crate::grammar::{Block, Form, Key, Named, Refers, Shape, block};
use crate::quantity;
use crate::reader::{At, Content, Reader, Value, first_key};
use crate::source::{Located, Span, Table};
use crate::sources::{FileId, Sources};
use crate::step::Step;
use crate::suggest::{self, short};
use crate::template::{Filled, Known, Scalar, fill};
use crate::tree::{self, Entry, Kind, Node};
use crate::words::Takes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

block! {
    /// A fragment file: steps with named parameters, for `use`. It declares no platform and no devices, and uses no other fragment.
    pub struct Fragment, partly {
        /// Its name, for people.
        pub fragment: Located<String> = Shape::Text, Required("`fragment: A fleet that is enrolled and online`");
        /// What it is about, for people.
        pub about: Option<Located<String>> = Shape::Text, Optional;
        /// Its parameters, filled in where their names stand in braces, and what each is.
        pub takes: Table<Takes> = Shape::Map(Named::Parameter, &Shape::Word(Takes::WORDS)), Required("its parameters: `takes: { fleet: device }`");
        /// Its steps.
        pub steps: Vec<Located<Step>> = Shape::Steps { closed: true }, Required("what happens, in order: `steps: [{ enroll: { devices: [\"{{ fleet }}\"] } }]`");
    }
}

/// The steps of a fragment, carried out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The fragment's file, from this one.
    pub fragment: Located<String>,
    /// A value for each parameter.
    pub with: Table<Scalar>,
    /// Its steps, filled in with them.
    pub steps: Vec<Located<Step>>,
}

impl Use {
    pub(crate) const BLOCK: &'static Block = &Block {
        name: "Use",
        about: &["The steps of a fragment. What they declare is known inside only."],
        keys: &[
            Key {
                word: "fragment",
                about: &["The fragment's file, from this one."],
                shape: Shape::Text,
                presence: Required("its file: `fragment: enrolled.fragment.yaml`"),
            },
            Key {
                word: "with",
                about: &["A value for each of its parameters."],
                shape: Shape::Map(Named::Parameter, &Shape::Scalar),
                presence: Required("a value for each of its parameters: `with: { fleet: vans }`"),
            },
        ],
        partly: false,
        also: None,
    };
}

impl Content for Use {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, at, Self::BLOCK)?;
        let fragment: Option<Located<String>> = entries.field(reader, "fragment");
        let with: Option<Table<Scalar>> = entries.field(reader, "with");
        let (fragment, with) = (fragment?, with?);
        let steps = reader.steps_of(&fragment, &with, at.opener)?;
        Some(Self { fragment, with, steps })
    }
}

/// The path of a file that is named from another one.
pub(crate) fn beside(file: &str, path: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if folder.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// Every `use: { fragment: … }` below a node.
pub(crate) fn named_in(node: &Node, found: &mut BTreeSet<(Span, String)>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| named_in(item, found)),
        Kind::Block(entries) => {
            for Entry { key, value, .. } in entries {
                if let ("use", Kind::Block(inner)) = (key.as_str(), &value.kind) {
                    let named = inner.iter().filter(|entry| entry.key == "fragment");
                    found.extend(named.filter_map(|entry| match &entry.value.kind {
                        Kind::Scalar { text, .. } => Some((entry.value.span, text.clone())),
                        _ => None,
                    }));
                }
                named_in(value, found);
            }
        }
        Kind::Scalar { .. } | Kind::Late(_) | Kind::Broken => {}
    }
}

impl Reader<'_> {
    /// Reads the steps of a fragment with these values, as steps of the file that uses it.
    fn steps_of(&mut self, fragment: &Located<String>, with: &Table<Scalar>, used: Span) -> Option<Vec<Located<Step>>> {
        if self.part.is_some() {
            self.mistakes.push(
                Diagnostic::new("nested-fragment", fragment.span, "a fragment uses no other fragment")
                    .label("inside a fragment")
                    .help("use both where the scenario stands, or write the steps here"),
            );
            return None;
        }
        let sources = self.sources;
        let Some(id) = sources.fragment_at(fragment.span, fragment) else {
            self.unknown_fragment(fragment);
            return None;
        };
        let root = self.fragment_tree(id)?;
        let takes = self.takes(&root)?;
        let values = self.parameters(fragment, &takes, with, used)?;
        let mut known = Known::of_run(self.seed);
        known.values.extend(values);
        known.saved_in(&root);
        let (root, mut filled) = filled(&root, &known);
        self.mistakes.append(&mut filled.mistakes);
        let number = self.number.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let outer = self.part.replace(Part { prefix: number, names: BTreeSet::new() });
        let late = std::mem::replace(&mut self.late, known.late);
        let rounds = std::mem::take(&mut self.rounds);
        let from = self.mistakes.len();
        self.names.begin_part();
        let at = At::new("", first_key(&root), Shape::Block(Fragment::BLOCK));
        let read = self.entries(&root, &at, Fragment::BLOCK).and_then(|entries| {
            let (_, steps) = entries.list.iter().find(|(word, _)| *word == "steps")?;
            Value::read(&steps.value, &At::new("steps", used, Shape::Steps { closed: true }), self)
        });
        self.names.end_part();
        for mistake in &mut self.mistakes[from..] {
            if let Some(text) = filled.texts.get(&mistake.span) {
                mistake.label = format!("{}, filled in with `{}`", mistake.label, short(text));
            }
        }
        (self.part, self.late, self.rounds) = (outer, late, rounds);
        read
    }

    fn unknown_fragment(&mut self, fragment: &Located<String>) {
        let place = self.sources.file_of(fragment.span).map(|file| self.sources.path(file)).unwrap_or_default();
        let message = format!("there is no file {}", short(&beside(place, fragment)));
        self.mistakes.push(
            Diagnostic::new("unknown-fragment", fragment.span, message)
                .label("from the file that names it")
                .help("a path from this file's folder: `fragment: enrolled.fragment.yaml`"),
        );
    }

    /// The tree of a file that must be a fragment.
    fn fragment_tree(&mut self, id: FileId) -> Option<Node> {
        let (root, mistakes) = tree::parse(self.sources.file(id)?);
        self.mistakes.extend(mistakes);
        let root = root?;
        if is_fragment(&root) {
            return Some(root);
        }
        self.mistakes.push(
            Diagnostic::new("no-kind", first_key(&root), "this file is used as a fragment and is none")
                .label("here")
                .help("begin it with `fragment:`"),
        );
        None
    }

    /// What a fragment takes. The rest of its head is looked at when it is checked by itself.
    fn takes(&mut self, root: &Node) -> Option<Table<Takes>> {
        let Kind::Block(entries) = &root.kind else { return None };
        let entry = entries.iter().find(|entry| entry.key == "takes")?;
        let key = Fragment::BLOCK.key("takes")?;
        let quiet = self.mistakes.len();
        let takes: Option<Table<Takes>> = Value::read(&entry.value, &At::new("takes", entry.key_span, key.shape), self);
        let sound = self.mistakes.len() == quiet;
        self.mistakes.truncate(quiet);
        takes.filter(|_| sound)
    }

    /// Holds what `with` gives against what the fragment takes.
    fn parameters(
        &mut self,
        fragment: &Located<String>,
        takes: &Table<Takes>,
        with: &Table<Scalar>,
        used: Span,
    ) -> Option<BTreeMap<String, Scalar>> {
        let mut values = BTreeMap::new();
        let mut sound = true;
        for (name, _) in with.iter() {
            if takes.get(name).is_none() {
                sound = false;
                let message = format!("{} does not take `{}`", short(fragment), short(name));
                let known = takes.iter().map(|(name, _)| name.as_str());
                self.mistakes.push(
                    Diagnostic::new("unknown-key", name.span, message).label("no parameter of it").help(suggest::help(
                        name,
                        "parameters",
                        known,
                    )),
                );
            }
        }
        for (name, kind) in takes.iter() {
            let Some(given) = with.get(name) else {
                sound = false;
                let message = format!("{} needs `{}`", short(fragment), name.value);
                self.mistakes.push(
                    Diagnostic::new("missing-key", used, message)
                        .label(format!("has no `{}`", name.value))
                        .help(format!("{}: `with: {{ {}: … }}`", kind.value.about(), name.value)),
                );
                continue;
            };
            let text = given.value.text.clone();
            let node = Node { span: given.span, kind: Kind::Scalar { text, plain: given.value.plain } };
            match kind.value.check(&node, &At::new(name, name.span, kind.value.shape()), self) {
                Some(text) => drop(values.insert(name.value.clone(), Scalar { text, plain: given.value.plain })),
                None => sound = false,
            }
        }
        sound.then_some(values)
    }
}

impl Takes {
    /// What it is, for whoever has to give one.
    const fn about(self) -> &'static str {
        match self {
            Self::Device => "a device group or selection",
            Self::Tenant => "a tenant",
            Self::User => "a user",
            Self::Artifact => "an artifact",
            Self::Deployment => "a deployment",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Duration => "a duration",
            Self::Rate => "a rate",
            Self::Share => "a share",
            Self::Size => "a size",
        }
    }

    /// The shape of a value.
    const fn shape(self) -> Shape {
        match self {
            Self::Device => Shape::Refers(Refers::Devices),
            Self::Tenant => Shape::Refers(Refers::Tenant),
            Self::User => Shape::Refers(Refers::User),
            Self::Artifact => Shape::Refers(Refers::Artifact),
            Self::Deployment => Shape::Refers(Refers::Deployment),
            Self::Text | Self::Rate => Shape::Scalar,
            Self::Number => Shape::Number(0, u32::MAX),
            Self::Duration => Shape::Duration(0),
            Self::Share => Shape::Share,
            Self::Size => Shape::Size,
        }
    }

    /// Reports a value of another kind. A name comes back as the scenario knows it.
    fn check(self, node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = match &node.kind {
            Kind::Scalar { text, .. } => text.clone(),
            _ => return None,
        };
        match self {
            Self::Device | Self::Tenant | Self::User | Self::Artifact | Self::Deployment => {
                String::read(node, at, reader)
            }
            Self::Text => Scalar::read(node, at, reader).map(|_| text),
            Self::Rate if quantity::rate(&text).is_ok() => Some(text),
            Self::Rate => {
                let message = format!("`{}: {}` is no rate", short(at.word), short(&text));
                let mistake = Diagnostic::new("no-unit", node.span, message).label("not so many in a time");
                reader.mistakes.push(mistake.help("a number and a unit: `50/s`, `600/min`"));
                None
            }
            Self::Number | Self::Share => u32::read(node, at, reader).map(|_| text),
            Self::Duration => Duration::read(node, at, reader).map(|_| text),
            Self::Size => u64::read(node, at, reader).map(|_| text),
        }
    }

    /// A value of this kind, to look at a fragment by itself.
    fn sample(self, name: &str) -> Scalar {
        let (text, plain) = match self {
            Self::Device | Self::Tenant | Self::User | Self::Artifact | Self::Deployment => (name, false),
            Self::Text => ("text", false),
            Self::Number => ("1", true),
            Self::Duration => ("1s", true),
            Self::Rate => ("1/s", true),
            Self::Share => ("10%", true),
            Self::Size => ("1 KiB", true),
        };
        Scalar { text: text.to_owned(), plain }
    }

    const fn named(self) -> Option<Named> {
        match self {
            Self::Device => Some(Named::Devices),
            Self::Tenant => Some(Named::Tenant),
            Self::User => Some(Named::User),
            Self::Artifact => Some(Named::Artifact),
            Self::Deployment => Some(Named::Deployment),
            _ => None,
        }
    }
}

/// What a file that uses a fragment knows while it reads it.
#[derive(Debug)]
pub(crate) struct Part {
    /// The number of the step that uses it: names that the fragment declares are told apart by it.
    pub(crate) prefix: String,
    /// What it has declared so far.
    pub(crate) names: BTreeSet<(Named, String)>,
}

impl Part {
    /// A name of the fragment, as the scenario knows it.
    pub(crate) fn own(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }
}

/// Whether the first key of the file is `fragment`.
pub(crate) fn is_fragment(root: &Node) -> bool {
    matches!(&root.kind, Kind::Block(entries) if entries.first().is_some_and(|entry| entry.key == "fragment"))
}

/// A fragment with its parameters filled in.
fn filled(root: &Node, known: &Known) -> (Node, Filled) {
    let mut filled = Filled::default();
    let root = fill(root, known, &mut filled);
    for mistake in filled.mistakes.iter_mut().filter(|mistake| mistake.code == "scenario::unknown-variable") {
        "not among what it `takes`".clone_into(&mut mistake.label);
    }
    (root, filled)
}

/// The names of all parameters, also of those whose kind cannot be read.
fn parameters(root: &Node) -> Vec<String> {
    let below = |node: &Node, word: &str| match &node.kind {
        Kind::Block(entries) => entries.iter().find(|entry| entry.key == word).map(|entry| entry.value.clone()),
        _ => None,
    };
    match below(root, "takes").map(|takes| takes.kind) {
        Some(Kind::Block(entries)) => entries.into_iter().map(|entry| entry.key).collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with a fragment whoever uses it: read with sample values in place of its parameters.
pub(crate) fn check(sources: &Sources, root: &Node) -> Vec<Diagnostic> {
    let mut reader = Reader::new(sources, BTreeMap::new(), 1);
    let mut known = Known::of_run(1);
    known.saved_in(root);
    known.values.extend(parameters(root).into_iter().map(|name| (name, Takes::Text.sample(""))));
    for (name, kind) in reader.takes(root).unwrap_or_default().iter() {
        known.values.insert(name.value.clone(), kind.value.sample(name));
        if let Some(named) = kind.value.named() {
            reader.names.declare(named, name, name.span);
        }
    }
    let (root, filled) = filled(root, &known);
    reader.late = known.late;
    reader.part = Some(Part { prefix: String::new(), names: BTreeSet::new() });
    let at = At::new("", first_key(&root), Shape::Block(Fragment::BLOCK));
    let _: Option<Fragment> = Content::read(&root, &at, &mut reader);
    let mut mistakes = filled.mistakes;
    mistakes.append(&mut reader.mistakes);
    mistakes.extend(reader.names.resolve(sources, true, crate::check::MOST));
    // What a parameter stands for is judged where it is given.
    mistakes.retain(|mistake| !filled.texts.contains_key(&mistake.span));
    mistakes
}
