//! Texts and data that are made while running: what is known before is filled in already, the rest is named.

use crate::grammar::{Refers, Shape};
use crate::reader::{At, Content, Reader};
use crate::template::{self, Late, Part};
use crate::tree::{Kind, Node, Plain};

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live(pub Vec<Piece>);

/// A piece of a [`Live`] text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of a variable that the environment holds; no output shows it.
    Secret(String),
    /// What an earlier `http` step saved under this name.
    Saved(String),
    /// The run's id.
    RunId,
    /// The number of the round, from 1.
    Round,
}

impl Live {
    /// The text as it is written, gaps as `{{ name }}`.
    #[must_use]
    pub fn written(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Secret(name) | Piece::Saved(name) => format!("{{{{ {name} }}}}"),
            Piece::RunId => "{{ run.id }}".to_owned(),
            Piece::Round => "{{ round }}".to_owned(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// Data of any shape, as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// Nothing.
    Null,
    /// True or false.
    YesNo(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    Text(Live),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Reader<'_> {
    /// The text of a scalar that may have gaps.
    fn live(&mut self, node: &Node) -> Option<Live> {
        match &node.kind {
            Kind::Scalar { text, .. } => Some(Live(vec![Piece::Text(text.clone())])),
            Kind::Late(text) => {
                let mut pieces = Vec::new();
                for part in template::parts(text) {
                    pieces.push(match part {
                        Part::Text(text) | Part::Strange(text) => Piece::Text(text.to_owned()),
                        Part::Name(name) => self.gap(name, node)?,
                    });
                }
                Some(Live(pieces))
            }
            _ => None,
        }
    }

    fn gap(&mut self, name: &str, node: &Node) -> Option<Piece> {
        match self.late.get(name)? {
            Late::Secret => Some(Piece::Secret(name.to_owned())),
            Late::RunId => Some(Piece::RunId),
            Late::Saved => Some(Piece::Saved(self.refer(Refers::Saved, name, node.span))),
            Late::Round if self.rounds > 0 => Some(Piece::Round),
            Late::Round => {
                let known = self.late.keys().filter(|known| *known != "round");
                self.mistakes.push(template::unknown(name, node.span, known).help("`round` is known inside `repeat`"));
                None
            }
        }
    }
}

impl Content for Live {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let filled = matches!(&node.kind, Kind::Late(_))
            || matches!(&node.kind, Kind::Scalar { text, .. } if node.plain() == Plain::Text && !text.trim().is_empty());
        if !filled {
            reader.wrong_shape(node, at);
            return None;
        }
        reader.live(node)
    }
}

impl Content for Json {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Broken => None,
            Kind::Late(_) => reader.live(node).map(Self::Text),
            Kind::Scalar { text, .. } => match node.plain() {
                Plain::Nothing => Some(Self::Null),
                Plain::YesNo => Some(Self::YesNo(text.eq_ignore_ascii_case("true"))),
                Plain::Number if text.parse::<serde_json::Number>().is_ok() => Some(Self::Number(text.clone())),
                Plain::Number => {
                    reader.wrong_shape(node, &At::new(at.word, at.opener, Shape::Number(0, u32::MAX)));
                    None
                }
                Plain::Text => Some(Self::Text(Live(vec![Piece::Text(text.clone())]))),
            },
            Kind::List(items) => {
                items.iter().map(|item| Self::read(item, at, reader)).collect::<Option<_>>().map(Self::List)
            }
            Kind::Block(entries) => {
                let read =
                    |entry: &crate::tree::Entry| Some((entry.key.clone(), Self::read(&entry.value, at, reader)?));
                entries.iter().map(read).collect::<Option<_>>().map(Self::Object)
            }
        }
    }
}
