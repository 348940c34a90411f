//! Which files a command is about, and what stands in them.

use crate::error::{CliError, Result};
use fleetproof_language::{Diagnostic, FileId, Script, Sources, check, fragments};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More of a file is never read: the language refuses files long before.
const MOST_BYTES: u64 = 16 << 20;

/// The scenarios of a command, read and checked.
pub(crate) struct Library {
    /// All texts, for diagnostics and places.
    pub(crate) sources: Arc<Sources>,
    /// The scenarios without mistakes, in the order of their files.
    pub(crate) scripts: Vec<Script>,
    /// All mistakes of all files.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// How many files were read.
    pub(crate) files: usize,
}

/// Reads and checks every file that `paths` name; folders stand for every `*.yaml` below them.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Library> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut sources = Sources::new();
    let mut ids = Vec::new();
    for path in &files {
        ids.push(sources.add_bytes(&path.display().to_string(), contents(path)?));
    }
    let mut known = BTreeMap::new();
    for id in &ids {
        add_fragments(&mut sources, *id, &mut known, &|path| contents(Path::new(path)).ok());
    }
    let (scripts, mistakes) = check(&sources, &ids);
    Ok(Library { sources: Arc::new(sources), scripts, mistakes, files: files.len() })
}

/// Adds the fragments that a file uses. One that `load` does not find is a mistake of the file, told when it is checked.
pub(crate) fn add_fragments(
    sources: &mut Sources,
    file: FileId,
    known: &mut BTreeMap<String, Option<Vec<u8>>>,
    load: &dyn Fn(&str) -> Option<Vec<u8>>,
) {
    for (used, path) in fragments(sources, file) {
        let bytes = known.entry(path.clone()).or_insert_with(|| load(&path));
        if let Some(bytes) = bytes {
            sources.add_fragment(&path, bytes.clone(), used);
        }
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| CliError::Invalid(format!("{}: {error}", path.display()));
    if !path.metadata().map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in path.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (child, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        // A link to a folder could lead back here.
        if kind.is_dir() {
            collect(&child, files)?;
        } else if child.extension().is_some_and(|extension| extension == "yaml") {
            files.push(child);
        }
    }
    Ok(())
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| CliError::Invalid(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Prints every mistake as it stands in its file, and how many there are.
pub(crate) fn show_mistakes(read: &Library) {
    for mistake in &read.mistakes {
        anstream::eprintln!("{}\n", mistake.render(&read.sources));
    }
    let (mistakes, files) = (read.mistakes.len(), read.files);
    anstream::eprintln!("{mistakes} mistake{} in {files} file{}; nothing was run", plural(mistakes), plural(files));
}

/// `s` unless there is exactly one.
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
