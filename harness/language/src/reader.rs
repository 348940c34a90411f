//! From the tree to the types, along the grammar: every mistake is reported, none stops the reading.

use crate::diagnostic::Diagnostic;
use crate::fragment::Part;
use crate::grammar::{Block, Key, Named, Presence, Refers, Shape};
use crate::names::{self, Names, Scope};
use crate::quantity::{self, Rate, Wrong};
use crate::source::{Located, Span, Table};
use crate::sources::Sources;
use crate::step::Expect;
use crate::suggest::{self, short};
use crate::template::{Late, Scalar};
use crate::tree::{Entry, Kind, Node, Plain};
use crate::wording::Wording;
use crate::words::Starts;
use std::collections::BTreeMap;
use std::time::Duration;

/// "fleetproof 0.1.0", which does not know a word.
const VERSION: &str = concat!("fleetproof ", env!("CARGO_PKG_VERSION"));

/// The most entries of a list or table.
const LONGEST: usize = 1000;

/// Reads one file, and the fragments that it uses.
pub(crate) struct Reader<'a> {
    pub(crate) mistakes: Vec<Diagnostic>,
    pub(crate) names: Names,
    pub(crate) seen: Seen,
    pub(crate) sources: &'a Sources,
    /// What templates may hold that is known only while running.
    pub(crate) late: BTreeMap<String, Late>,
    /// The seed that the file is filled in with.
    pub(crate) seed: u64,
    /// Inside so many `repeat`s.
    pub(crate) rounds: usize,
    /// The numbers of the step that is being read, and of those it stands in.
    pub(crate) number: Vec<u32>,
    /// The fragment that is being read.
    pub(crate) part: Option<Part>,
}

/// What a file has, also where it could not be read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Words of claims.
    pub(crate) claimed: Vec<&'static str>,
    /// An `expect` has a claim that is unknown.
    pub(crate) unknown_claim: bool,
    /// A step or a claim could not be read.
    pub(crate) broken_steps: bool,
    /// A lobby is declared.
    pub(crate) has_lobby: bool,
    /// How steps and claims are written.
    pub(crate) wording: Wording,
}

/// Where a value stands: under which word, and what shape it must have.
pub(crate) struct At<'w> {
    pub(crate) word: &'w str,
    /// Where the word stands.
    pub(crate) opener: Span,
    pub(crate) shape: Shape,
}

impl<'w> At<'w> {
    pub(crate) const fn new(word: &'w str, opener: Span, shape: Shape) -> Self {
        Self { word, opener, shape }
    }
}

/// The keys and values of a block.
pub(crate) struct Entries<'n> {
    /// Each with the key that it is, or that it seems to be meant as.
    pub(crate) list: Vec<(&'n str, &'n Entry)>,
    block: &'static Block,
    word: String,
    opener: Span,
}

impl Entries<'_> {
    /// The value of a key; what its absence stands for, if it may be absent.
    pub(crate) fn field<T: Value>(&self, reader: &mut Reader<'_>, word: &str) -> Option<T> {
        let key = self.block.key(word)?;
        match self.list.iter().find(|(meant, _)| *meant == word) {
            Some((_, entry)) => {
                let value = T::read(&entry.value, &At::new(key.word, entry.key_span, key.shape), reader);
                if value.is_none() && self.block.partly { T::absent().or_else(T::stand_in) } else { value }
            }
            None => match key.presence {
                Presence::Required(example) => {
                    reader.names.unread(&key.shape);
                    let owner = if self.word.is_empty() { "a scenario".to_owned() } else { format!("`{}`", self.word) };
                    reader.mistakes.push(
                        Diagnostic::new("missing-key", self.opener, format!("{owner} needs `{word}`"))
                            .label(format!("has no `{word}`"))
                            .help(example),
                    );
                    if self.block.partly { T::absent().or_else(T::stand_in) } else { None }
                }
                _ => T::absent(),
            },
        }
    }
}

/// What a field of a block can be.
pub(crate) trait Value: Sized {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self>;

    /// What it is when its key is not written.
    fn absent() -> Option<Self>;

    /// What stands for it where it is missing and everything else is still looked at.
    fn stand_in() -> Option<Self> {
        None
    }
}

/// What can be [`Located`].
pub(crate) trait Content: Sized {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self>;

    /// Which part of the file stands for it.
    fn span(node: &Node) -> Span {
        node.span
    }

    /// See [`Value::stand_in`].
    fn stand_in() -> Option<Self> {
        None
    }
}

/// Content and where it stands.
pub(crate) fn located<T: Content>(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Located<T>> {
    T::read(node, at, reader).map(|value| Located { value, span: T::span(node) })
}

impl<T: Content> Value for Located<T> {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        located(node, at, reader)
    }

    fn absent() -> Option<Self> {
        None
    }

    fn stand_in() -> Option<Self> {
        T::stand_in().map(|value| Self { value, span: Span::default() })
    }
}

impl<T: Content> Value for Option<Located<T>> {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        located(node, at, reader).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Items with mistakes are left out.
impl<T: Content> Value for Vec<Located<T>> {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let (item, least) = at.shape.as_list()?;
        let Kind::List(items) = &node.kind else {
            reader.wrong_shape(node, at);
            return None;
        };
        if items.len() < least {
            reader.too_few(node, at, items.len(), least);
        }
        reader.listed_twice(items, at, &item);
        reader.too_long(at, items.len());
        let inner = At::new(at.word, at.opener, item);
        let scope = reader.names.open();
        let mut branches = Vec::new();
        let mut read = Self::new();
        let is_steps = matches!(at.shape, Shape::Steps { .. } | Shape::Branches);
        let is_closed = matches!(at.shape, Shape::Steps { closed: true });
        reader.rounds += usize::from(is_closed);
        for (number, item) in (1..).zip(items.iter().take(LONGEST)) {
            let branch = reader.names.open();
            if is_steps {
                reader.number.push(number);
            }
            read.extend(located(item, &inner, reader));
            if is_steps {
                reader.number.pop();
            }
            branches.push(reader.names.leave(branch));
        }
        reader.rounds -= usize::from(is_closed);
        match at.shape {
            Shape::Steps { closed: true } => reader.names.close(scope, at.opener),
            Shape::Branches => reader.names.part(&branches),
            _ => {}
        }
        Some(read)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// A list of lists: branches, the values of an axis.
impl<T: Content> Content for Vec<Located<T>> {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Value::read(node, at, reader)
    }
}

impl Value for bool {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Content::read(node, at, reader)
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl Value for Starts {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Content::read(node, at, reader)
    }

    fn absent() -> Option<Self> {
        Some(Self::Ready)
    }
}

impl Value for crate::scenario::Platform {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Content::read(node, at, reader)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// Entries with mistakes are left out; their names are declared all the same.
impl<T: Content> Value for Table<T> {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let (named, shape) = match at.shape {
            Shape::Table(named, block) => (named, Shape::Block(block)),
            Shape::Map(named, shape) => (named, *shape),
            _ => return None,
        };
        let Kind::Block(entries) = &node.kind else {
            reader.wrong_shape(node, at);
            return None;
        };
        let mut table = Self::default();
        reader.too_long(at, entries.len());
        for entry in entries.iter().take(LONGEST) {
            let name = reader.declare(named, &entry.key, entry.key_span);
            let at = At::new(&entry.key, entry.key_span, shape);
            if let Some(value) = T::read(&entry.value, &at, reader) {
                let key = Located { value: name, span: entry.key_span };
                table.0.push((key, Located { value, span: T::span(&entry.value) }));
            }
        }
        Some(table)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl Content for String {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar { text, .. } = &node.kind else {
            reader.wrong_shape(node, at);
            return None;
        };
        if let (Shape::Version, Plain::Number) = (at.shape, node.plain()) {
            let written = short(text);
            let siblings = match written.split_once('.') {
                Some((whole, fraction)) if fraction.len() == 1 => format!(", so {whole}.1 and {whole}.10 are the same"),
                _ => String::new(),
            };
            reader.mistakes.push(
                Diagnostic::new(
                    "version-not-text",
                    node.span,
                    format!("`{}: {written}` is a number{siblings}", at.word),
                )
                .label("a number")
                .help(format!("write `\"{written}\"`")),
            );
            return None;
        }
        if node.plain() != Plain::Text || text.trim().is_empty() {
            reader.wrong_shape(node, at);
            return None;
        }
        match at.shape {
            Shape::Declares(named) => Some(reader.declare(named, text, node.span)),
            Shape::Refers(refers) => Some(reader.refer(refers, text, node.span)),
            _ => Some(text.clone()),
        }
    }

    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

impl Content for Scalar {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, plain } if node.plain() != Plain::Nothing => {
                Some(Self { text: text.clone(), plain: *plain })
            }
            _ => {
                reader.wrong_shape(node, at);
                None
            }
        }
    }
}

impl Content for bool {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(true),
            Kind::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                reader.wrong_shape(node, at);
                None
            }
        }
    }
}

impl Content for u32 {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match at.shape {
            Shape::Share => reader.quantity(node, at, quantity::share),
            Shape::Ratio => reader.quantity(node, at, quantity::ratio),
            Shape::Number(least, most) => reader.number(node, at, least, most),
            _ => None,
        }
    }
}

impl Content for u64 {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let is_rate = matches!(at.shape, Shape::Bandwidth);
        let bytes = reader.quantity(node, at, if is_rate { quantity::bandwidth } else { quantity::size })?;
        if bytes == 0 {
            reader.out_of_range(node, at, if is_rate { "at least 1 B/s" } else { "at least 1 B" });
            return None;
        }
        Some(bytes)
    }
}

impl Content for Rate {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.quantity(node, at, quantity::rate)
    }
}

impl Content for Duration {
    fn read(node: &Node, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let duration = reader.quantity(node, at, quantity::duration)?;
        match at.shape {
            Shape::Duration(least) if duration < Self::from_millis(least) => {
                reader.out_of_range(node, at, &format!("at least {least}ms"));
                None
            }
            _ => Some(duration),
        }
    }
}

/// The first key of a block; of anything else, all of it.
pub(crate) fn first_key(node: &Node) -> Span {
    match &node.kind {
        Kind::Block(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
        _ => node.span,
    }
}

impl<'a> Reader<'a> {
    /// A reader of one of these files, with what templates may hold that is known only while running.
    pub(crate) fn new(sources: &'a Sources, late: BTreeMap<String, Late>, seed: u64) -> Self {
        Self {
            mistakes: Vec::new(),
            names: Names::default(),
            seen: Seen::default(),
            sources,
            late,
            seed,
            rounds: 0,
            number: Vec::new(),
            part: None,
        }
    }

    pub(crate) fn written(&self, span: Span) -> &'a str {
        self.sources.written(span)
    }

    /// Rounds begin: what is declared from here on is known until they end.
    pub(crate) fn begin_rounds(&mut self) -> Scope {
        self.rounds += 1;
        self.names.open()
    }

    /// Rounds end. `word` is the step whose they are.
    pub(crate) fn end_rounds(&mut self, scope: Scope, word: Span) {
        self.rounds -= 1;
        self.names.close(scope, word);
    }

    /// Declares a name, and gives it as the scenario knows it: what a fragment declares is told apart by its use.
    fn declare(&mut self, named: Named, name: &str, span: Span) -> String {
        if let Some(mistake) = names::check_name(named, name, span) {
            self.mistakes.push(mistake);
        }
        self.names.declare(named, name, span);
        match &mut self.part {
            Some(part) if named.is_shared() => {
                part.names.insert((named, name.to_owned()));
                part.own(name)
            }
            _ => name.to_owned(),
        }
    }

    /// Refers to a name, and gives it as the scenario knows it.
    pub(crate) fn refer(&mut self, refers: Refers, name: &str, span: Span) -> String {
        self.names.refer(refers, name, span);
        let own = |part: &&Part| part.names.iter().any(|(named, own)| refers.to(*named) && own == name);
        self.part.as_ref().filter(own).map_or_else(|| name.to_owned(), |part| part.own(name))
    }

    /// The entries of a block; keys it does not have are reported.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, at: &At<'_>, block: &'static Block) -> Option<Entries<'n>> {
        let Kind::Block(list) = &node.kind else {
            self.wrong_shape(node, at);
            return None;
        };
        let mut meant = Vec::with_capacity(list.len());
        let mut present: Vec<&str> =
            list.iter().filter_map(|entry| block.key(&entry.key)).map(|key| key.word).collect();
        for entry in list {
            match block.key(&entry.key) {
                Some(key) => meant.push((key.word, entry)),
                None => {
                    // A misspelt key is read as what it seems to be, so that one slip is one mistake.
                    let word = self.unknown_key(entry, at, block);
                    let free = word.filter(|word| !present.contains(word));
                    present.extend(free);
                    meant.push((free.unwrap_or(&entry.key), entry));
                }
            }
        }
        Some(Entries { list: meant, block, word: at.word.to_owned(), opener: at.opener })
    }

    /// Reports the key; gives the known one that it resembles.
    fn unknown_key(&mut self, entry: &Entry, at: &At<'_>, block: &'static Block) -> Option<&'static str> {
        let wrong = short(&entry.key);
        let known = block.all_keys().map(|key| key.word);
        let near = suggest::nearest(&entry.key, known.clone());
        let mistake = if block.name == Expect::BLOCK.name {
            self.seen.unknown_claim |= suggest::slip(&entry.key, known.clone()).is_none();
            Diagnostic::new("unknown-claim", entry.key_span, format!("no claim is called `{wrong}`"))
                .label(format!("unknown to {VERSION}"))
                .help(suggest::help(&entry.key, "claims", known.clone().skip(2)))
        } else {
            let owner = if at.word.is_empty() { "a scenario".to_owned() } else { format!("`{}`", at.word) };
            let help = match near {
                Some(word) => format!("did you mean `{word}`?"),
                None => {
                    let free = block.all_keys().map(|key| key.word);
                    format!("keys of {owner}: {}", suggest::list(free))
                }
            };
            Diagnostic::new("unknown-key", entry.key_span, format!("`{wrong}` is not a key of {owner}"))
                .label(format!("unknown to {VERSION}"))
                .help(help)
        };
        self.mistakes.push(mistake);
        suggest::slip(&entry.key, known)
    }

    /// The one key of a choice with its value. With none or several nothing comes back, but each value is looked at.
    pub(crate) fn choice<'n>(
        &mut self,
        node: &'n Node,
        at: &At<'_>,
        block: &'static Block,
    ) -> Vec<(&'n Entry, At<'static>)> {
        let Kind::Block(list) = &node.kind else {
            self.wrong_shape(node, at);
            return Vec::new();
        };
        let verb = |entry: &'n Entry, key: &'static Key| (entry, At::new(key.word, entry.key_span, key.shape));
        let mut verbs: Vec<_> =
            list.iter().filter_map(|entry| block.key(&entry.key).map(|key| verb(entry, key))).collect();
        match list.as_slice() {
            [] => self.wrong_shape(node, at),
            [entry] if verbs.is_empty() => {
                let wrong = short(&entry.key);
                self.mistakes.push(
                    Diagnostic::new("unknown-verb", entry.key_span, format!("no step is called `{wrong}`"))
                        .label(format!("unknown to {VERSION}"))
                        .help(suggest::help(&entry.key, "steps", block.keys.iter().map(|key| key.word))),
                );
                let near = suggest::slip(&entry.key, block.keys.iter().map(|key| key.word));
                verbs.extend(near.and_then(|near| block.key(near)).map(|key| verb(entry, key)));
            }
            [_] => {}
            [first, second, ..] => {
                let inside = verbs.iter().find_map(|(verb, at)| {
                    let Shape::Block(parameters) = at.shape else { return None };
                    let stray = list.iter().find(|entry| parameters.key(&entry.key).is_some())?;
                    Some(format!("move `{}` into `{}`, or begin a second step", stray.key, verb.key))
                });
                let words = format!("`{}` and `{}`", short(&first.key), short(&second.key));
                self.mistakes.push(
                    Diagnostic::new("two-verbs", second.key_span, format!("a step has one verb, this one has {words}"))
                        .label("the second one")
                        .help(inside.unwrap_or_else(|| format!("begin a second step: `- {}: …`", short(&second.key)))),
                );
            }
        }
        verbs
    }

    /// The one key of a place that takes one of several kinds, with its value.
    pub(crate) fn kind<'n>(
        &mut self,
        node: &'n Node,
        at: &At<'_>,
        block: &'static Block,
    ) -> Option<(&'n Entry, At<'static>)> {
        let entry = match &node.kind {
            Kind::Block(list) => match list.as_slice() {
                [entry] => entry,
                [] => return self.no_kind(node, at),
                [first, second, ..] => {
                    let (word, kinds) = (short(at.word), (short(&first.key), short(&second.key)));
                    let message = format!("`{word}` has one kind, this one has `{}` and `{}`", kinds.0, kinds.1);
                    let mistake = Diagnostic::new("two-kinds", second.key_span, message).label("the second one");
                    let help = match at.shape {
                        Shape::Choice(block) if block.name == "Var" => "keep one of them".to_owned(),
                        _ => format!("begin a second step: `- {word}: {{ {}: … }}`", kinds.1),
                    };
                    self.mistakes.push(mistake.help(help));
                    return None;
                }
            },
            _ => return self.no_kind(node, at),
        };
        let words = || block.keys.iter().map(|key| key.word);
        if block.key(&entry.key).is_none() {
            let message = format!("`{}` is not a kind of `{}`", short(&entry.key), short(at.word));
            let mistake =
                Diagnostic::new("unknown-word", entry.key_span, message).label(format!("unknown to {VERSION}"));
            self.mistakes.push(mistake.help(suggest::help(&entry.key, "kinds", words())));
            self.names.unread(&at.shape);
        }
        block.key(&entry.key).map(|key| (entry, At::new(key.word, entry.key_span, key.shape)))
    }

    fn no_kind<T>(&mut self, node: &Node, at: &At<'_>) -> Option<T> {
        self.wrong_shape(node, at);
        None
    }

    /// A word of a fixed list.
    pub(crate) fn word(&mut self, node: &Node, at: &At<'_>) -> Option<String> {
        let Shape::Word(words) = at.shape else { return None };
        let Kind::Scalar { text, .. } = &node.kind else {
            self.wrong_shape(node, at);
            return None;
        };
        if at.word == "refused" && node.plain() == Plain::YesNo {
            self.mistakes.push(
                Diagnostic::new("refused-without-kind", node.span, format!("`refused: {text}` does not say how"))
                    .label("a kind of refusal belongs here")
                    .help(format!("write the kind: {}", suggest::list(words.words.iter().copied()))),
            );
            return None;
        }
        if node.plain() == Plain::Nothing {
            self.wrong_shape(node, at);
            return None;
        }
        if words.words.contains(&text.as_str()) {
            return Some(text.clone());
        }
        let wrong = short(text);
        let snake = text.replace(['-', ' '], "_").to_lowercase();
        let known = words.words.iter().copied();
        let (message, help) = if words.code == "unknown-row" {
            let help = match known.clone().find(|word| word.eq_ignore_ascii_case(text)) {
                Some(row) => format!("write `{row}`"),
                None => "rows are P1 to P13, A1 to A10 and B1 to B7".to_owned(),
            };
            (format!("no row is called `{wrong}`"), help)
        } else if let Some(word) = known.clone().find(|word| *word == snake) {
            let rule = if text.contains(['-', ' ']) { "words use `_`" } else { "words are small" };
            (format!("`{wrong}` is not {}", words.one), format!("{rule}: `{word}`"))
        } else {
            (format!("`{wrong}` is not {}", words.one), suggest::help(text, "words", known))
        };
        self.mistakes
            .push(Diagnostic::new(words.code, node.span, message).label(format!("unknown to {VERSION}")).help(help));
        None
    }

    fn number(&mut self, node: &Node, at: &At<'_>, least: u32, most: u32) -> Option<u32> {
        let text = match &node.kind {
            Kind::Scalar { text, plain: true } if !text.is_empty() => text,
            _ => {
                self.wrong_shape(node, at);
                return None;
            }
        };
        let whole = text.chars().all(|c| c.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(number) if whole && (least..=most).contains(&number) => Some(number),
            _ if whole || text.strip_prefix('-').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) => {
                let range =
                    if most == u32::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
                let range = if whole && most == u32::MAX && least == 0 { format!("at most {most}") } else { range };
                self.out_of_range(node, at, &range);
                None
            }
            _ => {
                self.wrong_shape(node, at);
                None
            }
        }
    }

    pub(crate) fn out_of_range(&mut self, node: &Node, at: &At<'_>, range: &str) {
        let written = short(self.written(node.span));
        self.mistakes.push(
            Diagnostic::new("out-of-range", node.span, format!("`{}: {written}` cannot be", at.word))
                .label("out of range")
                .help(format!("`{}` is {range}", at.word)),
        );
    }

    pub(crate) fn quantity<T>(&mut self, node: &Node, at: &At<'_>, parse: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let Kind::Scalar { text, .. } = &node.kind else {
            self.wrong_shape(node, at);
            return None;
        };
        let wrong = match parse(text) {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        let written = short(text);
        let of_number = |c: &char| c.is_ascii_digit() || *c == '.' && matches!(at.shape, Shape::Ratio);
        let number: String = text.chars().take_while(of_number).take(20).collect();
        let (units, space): (&[&str], _) = match at.shape {
            Shape::Size => (&["KiB", "B", "MiB", "GiB"], " "),
            Shape::Share => (&["%"], ""),
            Shape::Bandwidth => (&["KiB/s", "B/s", "MiB/s", "GiB/s"], " "),
            Shape::Rate => (&["/s", "/min"], ""),
            Shape::Ratio => (&["x"], ""),
            _ => (&["s", "ms", "m", "h", "d"], ""),
        };
        let examples: Vec<String> = units.iter().take(3).map(|unit| format!("`{number}{space}{unit}`")).collect();
        let examples = match examples.as_slice() {
            [one, two, three] => format!("write {one}, {two} or {three}"),
            _ => format!("write {}", examples.join(" or ")),
        };
        let units_text = units.iter().map(|unit| format!("`{unit}`")).collect::<Vec<_>>().join(", ");
        let mistake = match wrong {
            Wrong::NoNumber => {
                self.wrong_shape(node, at);
                return None;
            }
            Wrong::NoUnit => Diagnostic::new("no-unit", node.span, format!("`{}: {written}` has no unit", at.word))
                .label("a number alone")
                .help(examples),
            Wrong::Unit(unit) => {
                let meant = unit.trim();
                let same = units.iter().find(|known| known.eq_ignore_ascii_case(meant));
                let near = |known: &&str| meant.starts_with(known) || known.strip_suffix("/s") == Some(meant);
                let help = match same.copied().or_else(|| units.iter().copied().find(near)) {
                    Some(known) => format!("write `{number}{space}{known}`"),
                    None => format!("units here: {units_text}"),
                };
                let message = format!("`{written}` is not a number and a unit");
                Diagnostic::new("no-unit", node.span, message)
                    .label(if same.is_some() { "the unit is written otherwise" } else { "no such unit" })
                    .help(help)
            }
            Wrong::Fraction => {
                Diagnostic::new("wrong-shape", node.span, format!("`{}` takes a whole number and a unit", at.word))
                    .label("a fraction")
                    .help(format!("use a smaller unit, {units_text}"))
            }
            Wrong::TooLarge => {
                let most = match at.shape {
                    Shape::Size => "at most `1 GiB`",
                    Shape::Bandwidth => "at most `1 GiB/s`",
                    Shape::Share => "from `0%` to `100%`",
                    Shape::Rate => "from `1` to a thousand million",
                    Shape::Ratio => "from `0.001x` to `1000x`, with three digits behind the point",
                    _ => "at most `365d`",
                };
                self.out_of_range(node, at, most);
                return None;
            }
        };
        self.mistakes.push(mistake);
        None
    }

    fn too_few(&mut self, node: &Node, at: &At<'_>, has: usize, least: usize) {
        let message = match has {
            0 => format!("`{}` is empty", at.word),
            _ => format!("`{}` takes {least} or more, this is one", at.word),
        };
        let help = match has {
            0 => format!("name at least {least}, or leave `{}` out where it may be absent", at.word),
            _ if at.word == "among" => "name whoever else reaches for them".to_owned(),
            _ => "add the other end".to_owned(),
        };
        self.mistakes.push(Diagnostic::new("too-few", node.span, message).label("too few").help(help));
    }

    /// Lists and tables have an end, so that reading has.
    fn too_long(&mut self, at: &At<'_>, has: usize) {
        if has > LONGEST {
            let message = format!("`{}` has {has} entries", short(at.word));
            let help = format!("{LONGEST} are looked at");
            self.mistakes.push(Diagnostic::new("too-many", at.opener, message).label("too many").help(help));
        }
    }

    /// A list of names or words holds each once.
    fn listed_twice(&mut self, items: &[Node], at: &At<'_>, item: &Shape) {
        if !matches!(item, Shape::Refers(_) | Shape::Word(_) | Shape::Declares(_) | Shape::Text | Shape::Scalar) {
            return;
        }
        let mut seen = std::collections::BTreeSet::new();
        // What shares the names of the file is told there.
        if matches!(item, Shape::Declares(named) if named.is_shared()) {
            return;
        }
        for node in items {
            if let Kind::Scalar { text, .. } = &node.kind
                && !seen.insert(text)
            {
                let message = format!("`{}` stands twice in `{}`", short(text), at.word);
                self.mistakes.push(
                    Diagnostic::new("listed-twice", node.span, message)
                        .label("the second one")
                        .help("keep one of them"),
                );
            }
        }
    }
}
