//! Values of another shape than their place: what it takes, what stands there, what to write instead.

use crate::diagnostic::Diagnostic;
use crate::grammar::{Named, Shape};
use crate::reader::{At, Reader};
use crate::suggest::{self, short};
use crate::tree::{Kind, Node, Plain};

impl Reader<'_> {
    /// The value is of another shape than its place.
    pub(crate) fn wrong_shape(&mut self, node: &Node, at: &At<'_>) {
        self.names.unread(&at.shape);
        if matches!(node.kind, Kind::Broken) {
            return;
        }
        if let Kind::Late(text) = &node.kind {
            let message =
                format!("`{}` is known only while running, `{}` is needed before", short(text), short(at.word));
            let mistake = Diagnostic::new("late-template", node.span, message).label("not known yet");
            self.mistakes.push(mistake.help("use `vars` or `matrix`"));
            return;
        }
        let takes = takes(&at.shape);
        let owner = match (&at.shape, at.word) {
            (Shape::Choice(block), _) if block.name == "Step" => "a step is".to_owned(),
            (_, "") => "a scenario is".to_owned(),
            (_, word) => format!("`{}` takes", short(word)),
        };
        let is = is(node, &at.shape);
        let mistake = Diagnostic::new("wrong-shape", node.span, format!("{owner} {takes}, this is {is}")).label(is);
        let mistake = match self.instead(node, at) {
            Some(help) => mistake.help(help),
            None => mistake,
        };
        self.mistakes.push(mistake);
    }

    /// What to write instead of a value of the wrong shape.
    fn instead(&self, node: &Node, at: &At<'_>) -> Option<String> {
        let written = short(self.written(node.span));
        match (&at.shape, &node.kind) {
            (_, Kind::Scalar { text, .. }) if text.is_empty() => Some(match &at.shape {
                Shape::Block(block) => format!("its keys: {}", suggest::list(block.all_keys().map(|key| key.word))),
                Shape::Table(..) | Shape::Map(..) => "give it entries, or leave it out".to_owned(),
                _ => format!("write a value, or leave `{}` out where it may be absent", short(at.word)),
            }),
            (Shape::List(item, _), Kind::Scalar { .. }) if !matches!(item, Shape::Block(_) | Shape::Choice(_)) => {
                Some(format!("write `[{written}]`"))
            }
            (Shape::Branches, _) => Some("each branch is a list of steps: `[[{ … }], [{ … }]]`".to_owned()),
            (Shape::List(..) | Shape::Steps { .. }, Kind::Block(_)) => Some("begin each item with `- `".to_owned()),
            (Shape::Number(..), Kind::Scalar { text, plain: false }) if text.chars().all(|c| c.is_ascii_digit()) => {
                Some(format!("write `{text}`, without quotes"))
            }
            (Shape::Number(..), _) => Some("a number here is digits alone".to_owned()),
            (Shape::YesNo, _) => Some("write `true` or `false`".to_owned()),
            (Shape::Word(words), Kind::List(items)) if items.len() == 1 => {
                Some(format!("write {} alone, without brackets", words.one))
            }
            (Shape::Word(words), _) => Some(format!("words here: {}", suggest::list(words.words.iter().copied()))),
            (Shape::Duration(_), _) => Some("a number and a unit: `30s`".to_owned()),
            (Shape::Size, _) => Some("a number and a unit: `64 KiB`".to_owned()),
            (Shape::Bandwidth, _) => Some("a number and a unit: `32 KiB/s`".to_owned()),
            (Shape::Share, _) => Some("a number and a unit: `10%`".to_owned()),
            (Shape::Rate, _) => Some("a number and a time: `50/s`, `600/min`".to_owned()),
            (Shape::Ratio, _) => Some("a number and `x`: `1.5x`".to_owned()),
            (Shape::Choice(block), _) if block.name != "Step" => {
                let kinds = suggest::list(block.keys.iter().map(|key| key.word));
                let first = block.keys.first().map_or("", |key| key.word);
                Some(format!("one of its kinds, `{first}: {{ … }}`; kinds: {kinds}"))
            }
            (Shape::Choice(block), _) => Some(format!(
                "begin it with its verb, `enroll: {{ devices: [hvac] }}`; verbs: {}",
                suggest::list(block.keys.iter().map(|key| key.word))
            )),
            (Shape::Block(block), _) => {
                Some(format!("its keys: {}", suggest::list(block.all_keys().map(|key| key.word))))
            }
            (Shape::Table(..) | Shape::Map(..), Kind::List(_)) => {
                Some("each entry is `name: { … }`, without dash".to_owned())
            }
            (Shape::Text | Shape::Version | Shape::Declares(_) | Shape::Refers(_), Kind::List(items))
                if items.len() == 1 =>
            {
                Some("write it alone, without brackets".to_owned())
            }
            (Shape::Text | Shape::Live | Shape::Version | Shape::Declares(Named::Scenario), Kind::Scalar { .. }) => {
                Some(format!("write `\"{}\"`", written.trim_matches('"')))
            }
            _ => None,
        }
    }
}

/// What a place takes.
fn takes(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::Live | Shape::JsonPath | Shape::Declares(Named::Scenario) => "text",
        Shape::Scalar => "one value",
        Shape::Json => "a value",
        Shape::Version => "a version in quotes",
        Shape::Number(..) => "a number",
        Shape::Duration(_) => "a duration",
        Shape::Size => "a size",
        Shape::Share => "a share",
        Shape::Bandwidth => "a bandwidth",
        Shape::Rate => "a rate",
        Shape::Ratio => "a ratio",
        Shape::YesNo => "`true` or `false`",
        Shape::Word(words) => words.one,
        Shape::Declares(_) | Shape::Refers(_) => "a name",
        Shape::List(item, _) => match item {
            Shape::Word(_) => "a list of words",
            Shape::Refers(_) | Shape::Declares(_) => "a list of names",
            Shape::Block(_) => "a list of blocks",
            Shape::Scalar => "a list of values",
            _ => "a list of texts",
        },
        Shape::Steps { .. } => "a list of steps",
        Shape::Branches => "a list of lists of steps",
        Shape::Block(_) => "a block of keys",
        Shape::Table(..) | Shape::Map(..) => "a table of names",
        Shape::Choice(block) if block.name == "Step" => "a block with one verb",
        Shape::Choice(_) => "a block with one kind",
    }
}

/// What a value is.
fn is(node: &Node, due: &Shape) -> &'static str {
    match &node.kind {
        Kind::List(items) if items.is_empty() => "an empty list",
        Kind::List(_) => "a list",
        Kind::Block(entries) if entries.is_empty() => "an empty block",
        Kind::Block(_) => "a block",
        Kind::Broken | Kind::Late(_) => "unreadable",
        Kind::Scalar { text, .. } => match (node.plain(), due) {
            (Plain::Nothing, _) => "empty",
            (Plain::YesNo, _) => "true or false",
            (Plain::Number, _) => "a number",
            (Plain::Text, _) if text.trim().is_empty() => "empty",
            (Plain::Text, Shape::List(Shape::Refers(_) | Shape::Declares(_), _)) => "one name",
            (Plain::Text, Shape::List(Shape::Word(_), _)) => "one word",
            (Plain::Text, _) => "text",
        },
    }
}
