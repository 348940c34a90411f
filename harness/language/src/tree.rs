//! YAML text to a tree whose every node knows its bytes. What the language leaves out of YAML (aliases,
//! anchors, tags, merge keys, templates, several documents, deep nesting) becomes a diagnostic here.

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::sources::{File, Unreadable};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;
use std::mem::take;

/// Deeper files are refused; a scenario needs eight levels.
const DEEPEST: usize = 48;

/// A value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, and whether it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    /// Text with templates that are filled in while running.
    Late(String),
    List(Vec<Node>),
    Block(Vec<Entry>),
    /// Something that has its diagnostic already.
    Broken,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// What a plain scalar is to other readers of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Nothing,
    YesNo,
    Number,
    Text,
}

impl Node {
    pub(crate) fn plain(&self) -> Plain {
        match &self.kind {
            Kind::Scalar { text, plain: true } => resolve(text),
            _ => Plain::Text,
        }
    }
}

/// The core schema of YAML 1.2.
pub(crate) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Nothing,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Plain::YesNo,
        ".nan" | ".NaN" | ".NAN" => return Plain::Number,
        _ => {}
    }
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if text.strip_prefix("0x").is_some_and(|rest| digits(rest, 16))
        || text.strip_prefix("0o").is_some_and(|rest| digits(rest, 8))
    {
        return Plain::Number;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Plain::Number;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e), 10));
    if !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction) && exponent_ok {
        return Plain::Number;
    }
    Plain::Text
}

/// The tree of a file, as far as it can be read, and what is wrong with it as YAML.
pub(crate) fn parse(file: &File) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(file);
    if !builder.readable() {
        return (None, builder.mistakes);
    }
    for span in &file.secrets {
        builder.mistakes.push(
            Diagnostic::new("secret-in-file", *span, "this looks like a secret in the file")
                .label("whoever reads the file has it")
                .help("replace it where it is valid, and take it from the environment: `{ secret: ACME_TOKEN }`"),
        );
    }
    let root = builder.run();
    (root, builder.mistakes)
}

struct Builder<'a> {
    file: &'a File,
    /// Byte offset of each character, where the two differ.
    bytes: Option<Vec<u32>>,
    mistakes: Vec<Diagnostic>,
    open: Vec<Open>,
}

/// A collection that is being read.
struct Open {
    start: usize,
    flow: bool,
    /// The key under which it stands.
    under: Option<String>,
    /// Something in it makes it unreadable, and was reported.
    broken: bool,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Block { entries: Vec<Entry>, seen: BTreeMap<String, Span>, key: Option<Key> },
}

/// A key that waits for its value.
struct Key {
    text: Option<String>,
    span: Span,
    known: bool,
}

impl<'a> Builder<'a> {
    fn new(file: &'a File) -> Self {
        let bytes = (!file.text.is_ascii())
            .then(|| file.text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect());
        Self { file, bytes, mistakes: Vec::new(), open: Vec::new() }
    }

    fn not_yaml(&self, at: usize, reason: &str) -> Diagnostic {
        let end = self.file.text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
        Diagnostic::new("not-yaml", self.file.span(at, end), format!("this is not YAML: {reason}"))
    }

    /// Whether the text can be given to the parser at all.
    fn readable(&mut self) -> bool {
        let mistake = match &self.file.unreadable {
            Some(Unreadable::NotUtf8(at)) => self
                .not_yaml(*at, "a byte that is not UTF-8")
                .label("not a character")
                .help("save the file as UTF-8, without a byte order of its own"),
            Some(Unreadable::TooLarge(size)) => {
                Diagnostic::new("too-large", self.file.span(0, 0), format!("this file has {size} bytes"))
                    .label("not read")
                    .help(format!("a file may have {} bytes", crate::sources::LONGEST_FILE))
            }
            None => {
                let control =
                    |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}') || c == '\u{feff}';
                match self.file.text.char_indices().find(|(_, c)| control(*c)) {
                    Some((at, c)) => self
                        .not_yaml(at, &format!("the character U+{:04X}", u32::from(c)))
                        .label("cannot be seen, and has no meaning here")
                        .help("delete it; in quotes it is written with a backslash"),
                    None => return true,
                }
            }
        };
        self.mistakes.push(mistake);
        false
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).map_or(self.file.text.len(), |at| *at as usize),
            None => character.min(self.file.text.len()),
        }
    }

    fn run(&mut self) -> Option<Node> {
        let file = self.file;
        let mut root = None;
        let mut documents = 0;
        for event in Parser::new_from_str(&file.text) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    let at = self.byte(error.marker().index());
                    let mistake = self.not_yaml(at, &reason(error.info(), &file.text, at));
                    self.mistakes.push(match self.opened() {
                        Some(help) => mistake.help(help),
                        None => mistake,
                    });
                    return None;
                }
            };
            let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let mistake = self.not_yaml(start, "a second document begins here");
                        self.mistakes
                            .push(mistake.help("one file holds one document: put this into a file of its own"));
                        return None;
                    }
                }
                Event::Alias(_) => {
                    let span = self.file.span(start, end.max(start));
                    self.alias(span, "anchors and aliases are not part of the language");
                    self.put(Node { span, kind: Kind::Broken }, &mut root);
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let end = match style {
                        ScalarStyle::Literal | ScalarStyle::Folded => {
                            start + file.text.get(start..end).unwrap_or("").trim_end().len()
                        }
                        _ => end,
                    };
                    let span = file.span(start, end);
                    let mut kind = Kind::Scalar { plain: style == ScalarStyle::Plain, text: text.into_owned() };
                    if anchor != 0 {
                        self.alias(span, "anchors and aliases are not part of the language");
                    }
                    if tag.is_some() {
                        self.alias(span, "tags are not part of the language");
                    }
                    if file.secrets.iter().any(|secret| secret.start < span.end && span.start < secret.end) {
                        kind = Kind::Broken;
                    }
                    self.put(Node { span, kind }, &mut root);
                }
                Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                    if anchor != 0 || tag.is_some() =>
                {
                    let span = self.file.span(start, end);
                    let what = if anchor != 0 {
                        "anchors and aliases are not part of the language"
                    } else {
                        "tags are not part of the language"
                    };
                    self.alias(span, what);
                    let list = matches!(file.text.as_bytes().get(start), Some(b'[' | b'-'));
                    self.begin(start, if list { Content::List(Vec::new()) } else { block() });
                }
                Event::SequenceStart(..) => self.begin(start, Content::List(Vec::new())),
                Event::MappingStart(..) => self.begin(start, block()),
                Event::SequenceEnd | Event::MappingEnd => {
                    let node = self.finish(end);
                    self.put(node, &mut root);
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
            if self.open.len() > DEEPEST {
                self.mistakes.push(
                    Diagnostic::new("too-deep", self.file.span(start, end), "this is nested too deeply")
                        .label(format!("level {}", self.open.len()))
                        .help(format!("a file may have {DEEPEST} levels; a scenario needs eight")),
                );
                return None;
            }
        }
        root
    }

    fn alias(&mut self, span: Span, message: &str) {
        let help = "write the value where it is needed";
        self.mistakes.push(Diagnostic::new("yaml-alias", span, message).help(help));
    }

    /// What is still open, for a message about a broken file.
    fn opened(&self) -> Option<String> {
        let open = self.open.last()?;
        let what = match (&open.content, open.flow) {
            (Content::List(_), true) => "the `[`",
            (Content::Block { .. }, true) => "the `{`",
            (Content::List(_), false) => "the list",
            (Content::Block { .. }, false) => "the block",
        };
        let line = self.file.text[..open.start].matches('\n').count() + 1;
        let text = self.file.text[..open.start].lines().count().max(1);
        let text = self.file.text.lines().nth(text.max(line) - 1).unwrap_or("").trim();
        let text: String = text.chars().take(60).collect();
        Some(format!("{what} that is open here begins at line {line}: `{text}`"))
    }

    fn begin(&mut self, start: usize, content: Content) {
        let under = match self.open.last() {
            Some(Open { content: Content::Block { key: Some(key), .. }, .. }) => key.text.clone(),
            Some(Open { content: Content::List(_), under, .. }) => under.clone(),
            _ => None,
        };
        let flow = matches!(self.file.text.as_bytes().get(start), Some(b'[' | b'{'));
        self.open.push(Open { start, flow, under, broken: false, content });
    }

    /// Closes the innermost collection. A block ends with its last value, not where the next thing begins.
    fn finish(&mut self, end: usize) -> Node {
        let Some(open) = self.open.pop() else {
            return Node { span: Span::default(), kind: Kind::Broken };
        };
        let whole = self.file.span(open.start, end.max(open.start));
        if open.broken {
            return Node { span: whole, kind: Kind::Broken };
        }
        let (first, last, kind) = match open.content {
            Content::List(items) => {
                (items.first().map(|item| item.span), items.last().map(|item| item.span), Kind::List(items))
            }
            Content::Block { entries, .. } => (
                entries.first().map(|entry| entry.key_span),
                entries.last().map(|entry| if entry.value.span.end > 0 { entry.value.span } else { entry.key_span }),
                Kind::Block(entries),
            ),
        };
        let span = match (open.flow, first, last) {
            (false, Some(first), Some(last)) => {
                Span { start: whole.start.min(first.start), end: last.end.max(first.end) }
            }
            _ => whole,
        };
        Node { span, kind }
    }

    /// Puts a value where it belongs: into the innermost collection, as its key or value.
    fn put(&mut self, node: Node, root: &mut Option<Node>) {
        let Some(mut open) = self.open.pop() else {
            *root = Some(node);
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Block { entries, seen, key } => match take(key) {
                None => {
                    open.broken |= matches!(node.kind, Kind::Block(_));
                    *key = Some(self.key(node, open.start, seen, open.under.as_deref()));
                }
                Some(Key { text: Some(text), span, known: true }) => {
                    let mut value = node;
                    if let (Kind::Scalar { text, plain: true }, true) =
                        (&value.kind, value.span.start == value.span.end)
                        && text.is_empty()
                    {
                        value.span = span;
                    }
                    entries.push(Entry { key: text, key_span: span, value });
                }
                Some(_) => {}
            },
        }
        self.open.push(open);
    }

    fn key(&mut self, node: Node, start: usize, seen: &mut BTreeMap<String, Span>, under: Option<&str>) -> Key {
        let unknown = Key { text: None, span: node.span, known: false };
        let text = match node.kind {
            Kind::Scalar { text, .. } => text,
            Kind::Block(entries) => {
                let inner = entries.first().map_or("x", |entry| entry.key.as_str());
                let outer = Span { start: self.file.span(start, start).start.min(node.span.start), end: node.span.end };
                self.mistakes.push(
                    Diagnostic::new(
                        "unquoted-template",
                        outer,
                        "without quotes this is a mapping in a mapping, not a template",
                    )
                    .label("not in quotes")
                    .help(format!("quote it: `\"{{{{ {inner} }}}}\"`")),
                );
                return unknown;
            }
            Kind::List(_) => {
                self.mistakes.push(
                    Diagnostic::new("wrong-shape", node.span, "a key is one word, this is a list").label("no key"),
                );
                return unknown;
            }
            Kind::Broken | Kind::Late(_) => return unknown,
        };
        if text == "<<" {
            self.alias(node.span, "merge keys are not part of the language");
            return unknown;
        }
        if seen.contains_key(&text) {
            let within = under.map_or_else(|| "in this file".to_owned(), |under| format!("in this `{under}`"));
            let help = match under {
                Some("expect") => "write a second `expect`".to_owned(),
                _ => format!("keep one `{text}`"),
            };
            self.mistakes.push(
                Diagnostic::new("duplicate-key", node.span, format!("`{text}` is written twice {within}"))
                    .label("the second one")
                    .help(help),
            );
            return unknown;
        }
        seen.insert(text.clone(), node.span);
        Key { text: Some(text), span: node.span, known: true }
    }
}

const fn block() -> Content {
    Content::Block { entries: Vec::new(), seen: BTreeMap::new(), key: None }
}

/// The parser's words, where ours are better.
fn reason(info: &str, text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if text[line..].chars().take_while(|c| c.is_whitespace() && *c != '\n').any(|c| c == '\t') {
        return "a tab indents this line, YAML takes spaces".to_owned();
    }
    match info {
        "invalid indentation in quoted scalar" => "a quote opens here and is not closed".to_owned(),
        "while parsing a block mapping, did not find expected key" => {
            "this line does not fit into the block it stands in".to_owned()
        }
        _ => info.to_owned(),
    }
}
