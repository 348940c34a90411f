//! The files of a run: their texts in one offset space, and where in them a span stands.

use crate::secret;
use crate::source::Span;
use std::collections::BTreeMap;

/// Longer files are not read: a scenario is written by people.
pub const LONGEST_FILE: usize = 1024 * 1024;

/// How much of a file that is not read is kept, so that a diagnostic can show its beginning.
const SHOWN_OF_UNREAD: usize = 200;

/// A file of [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(u32);

/// Where something stands, as people count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named when it was added.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters, cut at the end of the line.
    pub length: u32,
    /// The whole line, without its end. What looks like a secret is masked.
    pub text: String,
}

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The byte at this offset begins no UTF-8 character.
    NotUtf8(usize),
    /// So many bytes.
    TooLarge(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    path: String,
    /// Offset of its first byte in the space of all files.
    base: u32,
    pub(crate) text: String,
    /// `text`, or a copy of the same length in which secrets are masked.
    shown: Option<String>,
    /// Offsets of the beginnings of its lines.
    lines: Vec<u32>,
    /// What looks like a secret.
    pub(crate) secrets: Vec<Span>,
    pub(crate) unreadable: Option<Unreadable>,
    /// Where this copy of a fragment is used.
    used: Option<Span>,
}

impl File {
    /// The span of `start..end` of its text, in the space of all files.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let inside = |offset: usize| self.base + u32::try_from(offset.min(self.text.len())).unwrap_or(0);
        Span { start: inside(start), end: inside(end) }
    }

    fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.text)
    }

    /// Index of the line in which the offset (of this file) lies.
    fn line_of(&self, offset: u32) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn line_text(&self, line: usize) -> &str {
        let start = self.lines.get(line).map_or(0, |start| *start as usize);
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| *next as usize);
        self.shown().get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }
}

/// All files of a run. Offsets begin at 1, so that the span `0..0` is in no file.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    /// Fragments, by where they are used and under which path.
    fragments: BTreeMap<(Span, String), FileId>,
}

/// A span, taken apart for rendering.
pub(crate) struct Excerpt<'a> {
    pub(crate) path: &'a str,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) text: &'a str,
    /// Bytes of `text`, at least one character wide or at its end.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Sources {
    /// No files yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `path_shown` is how diagnostics name it.
    pub fn add(&mut self, path_shown: &str, text: String) -> FileId {
        if text.len() > LONGEST_FILE {
            return self.push(path_shown, beginning(&text), Some(Unreadable::TooLarge(text.len())));
        }
        self.push(path_shown, text, None)
    }

    /// Adds a file as it was read from the disk: bytes that are no UTF-8 become a diagnostic.
    pub fn add_bytes(&mut self, path_shown: &str, bytes: Vec<u8>) -> FileId {
        if bytes.len() > LONGEST_FILE {
            let start = String::from_utf8_lossy(&bytes[..SHOWN_OF_UNREAD]).into_owned();
            return self.push(path_shown, beginning(&start), Some(Unreadable::TooLarge(bytes.len())));
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.push(path_shown, text, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.push(path_shown, text, Some(Unreadable::NotUtf8(at)))
            }
        }
    }

    /// Adds a fragment, once for each place that uses it (see [`fragments`](crate::fragments)): so that whatever is said of its
    /// steps can say from where.
    pub fn add_fragment(&mut self, path_shown: &str, bytes: Vec<u8>, used: Span) -> FileId {
        let id = self.add_bytes(path_shown, bytes);
        if let Some(file) = self.files.get_mut(id.0 as usize) {
            file.used = Some(used);
        }
        self.fragments.insert((used, path_shown.to_owned()), id);
        id
    }

    /// The fragment that is used at a place under a path from there.
    pub(crate) fn fragment_at(&self, used: Span, path: &str) -> Option<FileId> {
        let user = self.file_of(used)?;
        self.fragments.get(&(used, crate::fragment::beside(self.path(user), path))).copied()
    }

    /// Where the fragment in which a span stands is used.
    #[must_use]
    pub fn used(&self, span: Span) -> Option<Span> {
        self.file(self.file_of(span)?)?.used
    }

    /// The fragments that a file uses: how each is named in diagnostics, and its text.
    #[must_use]
    pub fn fragments_of(&self, user: FileId) -> Vec<(&str, &str)> {
        self.fragments_used_by(user).into_iter().map(|id| (self.path(id), self.text(id))).collect()
    }

    /// The copies of fragments that stand for the uses in a file.
    pub(crate) fn fragments_used_by(&self, user: FileId) -> Vec<FileId> {
        let whole = self.whole(user);
        let own = self.fragments.iter().filter(|((used, _), _)| whole.start <= used.start && used.end <= whole.end);
        own.map(|(_, id)| *id).collect()
    }

    fn push(&mut self, path: &str, text: String, unreadable: Option<Unreadable>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let base = self.files.last().map_or(1, |last| {
            last.base.saturating_add(u32::try_from(last.text.len()).unwrap_or(u32::MAX)).saturating_add(1)
        });
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let lines = lines.map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        let found = secret::find(&text);
        let shown = (!found.is_empty()).then(|| secret::mask(&text, &found));
        let path = path.to_owned();
        let mut file = File { path, base, text, shown, lines, secrets: Vec::new(), unreadable, used: None };
        file.secrets = found.into_iter().map(|range| file.span(range.start, range.end)).collect();
        self.files.push(file);
        id
    }

    /// All files, in the order they were added.
    pub fn ids(&self) -> impl Iterator<Item = FileId> {
        (0..self.files.len()).map(|index| FileId(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    pub(crate) fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    /// The file in which a span begins.
    #[must_use]
    pub fn file_of(&self, span: Span) -> Option<FileId> {
        if span.start == 0 {
            return None;
        }
        let after = self.files.partition_point(|file| file.base <= span.start);
        after.checked_sub(1).and_then(|index| u32::try_from(index).ok()).map(FileId)
    }

    /// How a file is named in diagnostics.
    #[must_use]
    pub fn path(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| &file.path)
    }

    /// The text of a file as it was added.
    #[must_use]
    pub fn text(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| &file.text)
    }

    /// The text of a span.
    pub(crate) fn written(&self, span: Span) -> &str {
        let Some(file) = self.file_of(span).and_then(|id| self.file(id)) else { return "" };
        let at = |offset: u32| offset.saturating_sub(file.base) as usize;
        file.text.get(at(span.start)..at(span.end)).unwrap_or("")
    }

    /// The span of a whole file.
    #[must_use]
    pub fn whole(&self, id: FileId) -> Span {
        self.file(id).map_or_else(Span::default, |file| file.span(0, file.text.len()))
    }

    pub(crate) fn excerpt(&self, span: Span) -> Option<Excerpt<'_>> {
        let file = self.file(self.file_of(span)?)?;
        let offset = span.start - file.base;
        let line = file.line_of(offset);
        let begin = file.lines.get(line).copied().unwrap_or(0);
        let text = file.line_text(line);
        let start = floor(text, (offset - begin) as usize);
        let wide = (span.end.max(span.start) - span.start) as usize;
        let mut end = floor(text, start + wide);
        if end == start {
            end += text[start..].chars().next().map_or(0, char::len_utf8);
        }
        Some(Excerpt { path: &file.path, line: line + 1, text, start, end })
    }

    /// Where a span stands; `None` for a span of no file.
    #[must_use]
    pub fn place(&self, span: Span) -> Option<Place> {
        let excerpt = self.excerpt(span)?;
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        Some(Place {
            file: excerpt.path.to_owned(),
            line: u32::try_from(excerpt.line).unwrap_or(u32::MAX),
            column: count(&excerpt.text[..excerpt.start]) + 1,
            length: count(&excerpt.text[excerpt.start..excerpt.end]).max(1),
            text: excerpt.text.to_owned(),
        })
    }

    /// Whether both begin in the same line of the same file.
    pub(crate) fn same_line(&self, one: Span, other: Span) -> bool {
        self.file_of(one) == self.file_of(other) && self.line(one) == self.line(other)
    }

    /// The line of a span, from 1; 0 for a span of no file.
    pub(crate) fn line(&self, span: Span) -> usize {
        self.excerpt(span).map_or(0, |excerpt| excerpt.line)
    }
}

/// The last boundary between characters at or before `offset`.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn beginning(text: &str) -> String {
    text[..floor(text, SHOWN_OF_UNREAD)].to_owned()
}
