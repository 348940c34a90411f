//! `{{ name }}` in a text: what can be known before the run is filled in before a scalar gets its type; the rest stays for
//! the few texts that are made while running.

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::suggest::{self, short};
use crate::tree::{Entry, Kind, Node};
use std::collections::{BTreeMap, BTreeSet};

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    /// A name between braces.
    Name(&'a str),
    /// Something else between braces, braces included.
    Strange(&'a str),
}

/// The pieces of a text. Braces that are not closed are text.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let Some(length) = rest[open..].find("}}") else { break };
        if open > 0 {
            parts.push(Part::Text(&rest[..open]));
        }
        let whole = &rest[open..open + length + 2];
        let name = whole[2..length].trim();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(good);
        parts.push(if is_name { Part::Name(name) } else { Part::Strange(whole) });
        rest = &rest[open + length + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// A value as it is written: its text, and whether it stands without quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scalar {
    /// Its text.
    pub text: String,
    /// It stands without quotes: it may be a number, or true or false.
    pub plain: bool,
}

/// What is known only while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// A variable that the environment holds.
    Secret,
    /// What an `http` step saves.
    Saved,
    /// The run's id.
    RunId,
    /// The number of the round of a `repeat`.
    Round,
}

/// The names that templates may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Known before the run.
    pub(crate) values: BTreeMap<String, Scalar>,
    pub(crate) late: BTreeMap<String, Late>,
}

impl Known {
    /// What is known whatever the file says.
    pub(crate) fn of_run(seed: u64) -> Self {
        let seed = Scalar { text: seed.to_string(), plain: true };
        Self {
            values: BTreeMap::from([("run.seed".to_owned(), seed)]),
            late: BTreeMap::from([("run.id".to_owned(), Late::RunId), ("round".to_owned(), Late::Round)]),
        }
    }

    /// What the `save` of any `http` step below this declares.
    pub(crate) fn saved_in(&mut self, node: &Node) {
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| self.saved_in(item)),
            Kind::Block(entries) => {
                for entry in entries {
                    if let ("save", Kind::Block(saved)) = (entry.key.as_str(), &entry.value.kind) {
                        self.late.extend(saved.iter().map(|saved| (saved.key.clone(), Late::Saved)));
                    }
                    self.saved_in(&entry.value);
                }
            }
            Kind::Scalar { .. } | Kind::Late(_) | Kind::Broken => {}
        }
    }
}

/// What filling came to, beside the tree.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    pub(crate) mistakes: Vec<Diagnostic>,
    /// What stands at each place that was filled.
    pub(crate) texts: BTreeMap<Span, String>,
}

/// The same tree with everything filled in that is known.
pub(crate) fn fill(node: &Node, known: &Known, filled: &mut Filled) -> Node {
    let kind = match &node.kind {
        Kind::Scalar { text, plain } => scalar(node.span, text, *plain, known, filled),
        Kind::List(items) => Kind::List(items.iter().map(|item| fill(item, known, filled)).collect()),
        Kind::Block(entries) => Kind::Block(
            entries.iter().map(|entry| Entry { value: fill(&entry.value, known, filled), ..entry.clone() }).collect(),
        ),
        other => other.clone(),
    };
    Node { span: node.span, kind }
}

fn scalar(span: Span, text: &str, plain: bool, known: &Known, filled: &mut Filled) -> Kind {
    let parts = parts(text);
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return Kind::Scalar { text: text.to_owned(), plain };
    }
    let mistakes = filled.mistakes.len();
    let (mut whole, mut late) = (String::new(), false);
    for part in &parts {
        match part {
            Part::Text(text) => whole.push_str(text),
            Part::Strange(strange) => filled.mistakes.push(
                Diagnostic::new("bad-template", span, format!("`{}` is no name", short(strange)))
                    .label("a template holds one name")
                    .help("there are no expressions: give the value itself a name under `vars`"),
            ),
            Part::Name(name) => match known.values.get(*name) {
                Some(value) => whole.push_str(&value.text),
                None if known.late.contains_key(*name) => {
                    late = true;
                    whole.push_str(&format!("{{{{ {name} }}}}"));
                }
                None => filled.mistakes.push(unknown(name, span, known.values.keys().chain(known.late.keys()))),
            },
        }
    }
    if filled.mistakes.len() > mistakes {
        return Kind::Broken;
    }
    if late {
        return Kind::Late(whole);
    }
    filled.texts.insert(span, whole.clone());
    let plain = match parts.as_slice() {
        [Part::Name(name)] => known.values.get(*name).is_some_and(|value| value.plain),
        _ => false,
    };
    Kind::Scalar { text: whole, plain }
}

/// The same tree where nothing may be filled: every template in it is a mistake.
pub(crate) fn refuse(node: &Node, word: &str, mistakes: &mut Vec<Diagnostic>) -> Node {
    let kind = match &node.kind {
        Kind::Scalar { text, .. } if !parts(text).iter().all(|part| matches!(part, Part::Text(_))) => {
            mistakes.push(
                Diagnostic::new("unknown-variable", node.span, format!("nothing is filled in inside `{word}`"))
                    .label("a template")
                    .help("write the value itself"),
            );
            Kind::Broken
        }
        Kind::List(items) => Kind::List(items.iter().map(|item| refuse(item, word, mistakes)).collect()),
        Kind::Block(entries) => Kind::Block(
            entries
                .iter()
                .map(|entry| Entry { value: refuse(&entry.value, word, mistakes), ..entry.clone() })
                .collect(),
        ),
        other => other.clone(),
    };
    Node { span: node.span, kind }
}

/// Nothing is called so.
pub(crate) fn unknown<'a>(name: &str, span: Span, known: impl IntoIterator<Item = &'a String>) -> Diagnostic {
    let known: BTreeSet<&str> = known.into_iter().map(String::as_str).collect();
    Diagnostic::new("unknown-variable", span, format!("no variable is called `{}`", short(name)))
        .label("not declared under `vars` or `matrix`, and nothing saves it")
        .help(suggest::help(name, "variables", known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_fall_into_parts() {
        use Part::{Name, Strange, Text};
        assert_eq!(parts("/things/{{ thing }}?n={{n}}"), [Text("/things/"), Name("thing"), Text("?n="), Name("n")]);
        assert_eq!(parts("{{ matrix.fleet }}"), [Name("matrix.fleet")]);
        assert_eq!(parts("{{ a + b }}{{}}"), [Strange("{{ a + b }}"), Strange("{{}}")]);
        assert_eq!(parts("{\"a\": {{ \"b\": 1 }"), [Text("{\"a\": {{ \"b\": 1 }")]);
    }

    proptest! {
        /// Nothing of a text is lost, whatever stands in it.
        #[test]
        fn a_text_is_its_parts(text in "[a-z{}. ]{0,40}") {
            let mut end = 0;
            for part in parts(&text) {
                let (Part::Text(piece) | Part::Name(piece) | Part::Strange(piece)) = part;
                let at = text[end..].find(piece);
                prop_assert!(at.is_some(), "{:?} is not in {:?}", piece, &text[end..]);
                end += at.unwrap_or(0) + piece.len();
            }
            prop_assert!(text[end..].chars().all(|c| c == '}' || c == ' '), "{:?} is left of {:?}", &text[end..], text);
        }
    }
}
