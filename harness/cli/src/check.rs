//! `check`: reads everything, runs nothing.

use crate::args::Paths;
use crate::error::Result;
use crate::files::{self, plural};
use fleetproof_journal::Verdict;

/// Reports all mistakes of all files at once.
pub(crate) fn check(arguments: &Paths) -> Result<u8> {
    let library = files::read(&arguments.paths)?;
    if !library.mistakes.is_empty() {
        files::show_mistakes(&library);
        return Ok(Verdict::Invalid.exit_code());
    }
    if library.files == 0 {
        anstream::eprintln!("no scenario found: folders stand for every `*.yaml` below them");
        return Ok(Verdict::Invalid.exit_code());
    }
    anstream::eprintln!("{} file{} without a mistake", library.files, plural(library.files));
    Ok(Verdict::Passed.exit_code())
}
