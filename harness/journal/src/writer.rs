//! The writer: numbers events, buffers them, redacts them, writes them.

use crate::redact::redact_event;
use crate::{Event, JournalError, Place, Secret, Secrets, What};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events are held back until a step ends or this many wait.
const HELD: usize = 1024;

/// The journal of one scenario. Clones write into the same one; the order of `emit` is the order
/// of the events.
///
/// Events wait in memory until a step ends, then they are redacted and written, so that a secret
/// declared in the middle of a step is already known when the step's events are written. What
/// waits is written too when the last clone is dropped, panics included.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<Book>>);

struct Book {
    secrets: Secrets,
    next: u64,
    waiting: Vec<Event>,
    written: Vec<u8>,
    sink: Option<(PathBuf, Box<dyn Write + Send>)>,
    readers: Vec<Sender<Event>>,
    trouble: Option<JournalError>,
}

impl Journal {
    /// A journal that is kept in memory until [`Journal::finish`].
    #[must_use]
    pub fn in_memory(secrets: Secrets) -> Self {
        Self::new(secrets, None)
    }

    /// A journal that is also written to `sink` as it grows. `path` is how errors call the sink.
    #[must_use]
    pub fn with_sink(secrets: Secrets, path: &Path, sink: impl Write + Send + 'static) -> Self {
        Self::new(secrets, Some((path.to_owned(), Box::new(sink))))
    }

    /// A journal in a new file at `path`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(secrets: Secrets, path: &Path) -> Result<Self, JournalError> {
        let file = std::fs::File::create(path).map_err(JournalError::io("create", path))?;
        Ok(Self::with_sink(secrets, path, file))
    }

    fn new(secrets: Secrets, sink: Option<(PathBuf, Box<dyn Write + Send>)>) -> Self {
        let mut book = Book {
            secrets,
            next: 1,
            waiting: Vec::new(),
            written: Vec::new(),
            sink,
            readers: Vec::new(),
            trouble: None,
        };
        book.put(crate::reader::header().as_bytes());
        Self(Arc::new(Mutex::new(book)))
    }

    /// Adds an event that happened at `at` (µs on the run's clock) and gives its number.
    ///
    /// Never fails and never waits: trouble with the sink is told by [`Journal::finish`].
    pub fn emit(&self, at: u64, source: &str, place: Option<Place>, what: What) -> u64 {
        let mut book = self.book();
        let seq = book.next;
        book.next += 1;
        let step_over = matches!(what, What::StepDone { .. } | What::Ended { .. });
        book.waiting.push(Event { seq, at, source: source.to_owned(), place, what });
        if step_over || book.waiting.len() >= HELD {
            book.flush();
        }
        seq
    }

    /// Adds a secret to those that are replaced. False: too short to be searched for.
    pub fn declare_secret(&self, text: &str) -> bool {
        let secrets = self.book().secrets.clone();
        secrets.declare(&Secret::new(text))
    }

    /// Every event from now on, as it is written. A reader can be slow or gone; the run does not
    /// notice.
    #[must_use]
    pub fn follow(&self) -> Receiver<Event> {
        let (sender, receiver) = channel();
        self.book().readers.push(sender);
        receiver
    }

    /// The number that the next event will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.book().next
    }

    /// Writes what waits.
    pub fn flush(&self) {
        self.book().flush();
    }

    /// Writes what waits and gives the whole journal, header line included.
    ///
    /// # Errors
    /// When the sink refused at any time; the first refusal is told.
    pub fn finish(&self) -> Result<Vec<u8>, JournalError> {
        let mut book = self.book();
        book.flush();
        match book.trouble.take() {
            Some(trouble) => Err(trouble),
            None => Ok(book.written.clone()),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let patterns = self.secrets.patterns();
            let mut text = Vec::new();
            for mut event in std::mem::take(&mut self.waiting) {
                redact_event(&mut event, &patterns);
                match serde_json::to_writer(&mut text, &event) {
                    Ok(()) => text.push(b'\n'),
                    // Only a map with keys that are no text could do this, and no event has one.
                    Err(error) => {
                        self.trouble.get_or_insert(JournalError::Malformed { line: 0, why: error.to_string() });
                    }
                }
                self.readers.retain(|reader| reader.send(event.clone()).is_ok());
            }
            self.put(&text);
        }
        if let Some((path, sink)) = &mut self.sink
            && let Err(source) = sink.flush()
        {
            self.trouble.get_or_insert(JournalError::Io { doing: "write", path: path.clone(), source });
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        if let Some((path, sink)) = &mut self.sink
            && let Err(source) = sink.write_all(bytes)
        {
            self.trouble.get_or_insert(JournalError::Io { doing: "write", path: path.clone(), source });
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({} events)", self.book().next - 1)
    }
}
