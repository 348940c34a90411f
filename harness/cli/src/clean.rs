//! `clean`: finishes the cleanup of runs that were killed, from what their ledgers say is still held.

use crate::error::{CliError, Result};
use fleetproof_journal::{Acquired, Holding, Ledger, RunFolder, Verdict, outstanding};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Gives back everything that runs below this folder still hold. The exit code says whether nothing is held any more.
pub(crate) fn clean() -> Result<u8> {
    let runs = runs(Path::new("."))?;
    let (mut given_back, mut held) = (0, 0);
    for run in &runs {
        let ledger = run.acquired();
        let text = match fs::read_to_string(&ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(CliError::Broken(format!("{}: {error}", ledger.display()))),
        };
        let outstanding =
            outstanding(&text).map_err(|error| CliError::Broken(format!("{}: {error}", ledger.display())))?;
        if outstanding.is_empty() {
            continue;
        }
        let mut ledger: Ledger = run.ledger()?;
        for what in &outstanding {
            match give_back(what) {
                Ok(how) => {
                    ledger.released(what)?;
                    given_back += 1;
                    anstream::eprintln!("{}: {} `{}` {how}", run.root().display(), word(what.kind), what.name);
                }
                Err(why) => {
                    held += 1;
                    anstream::eprintln!(
                        "{}: {} `{}` is still held: {why}",
                        run.root().display(),
                        word(what.kind),
                        what.name
                    );
                }
            }
        }
    }
    let runs = runs.len();
    anstream::eprintln!(
        "{runs} run{} looked at, {given_back} given back, {held} still held",
        crate::files::plural(runs)
    );
    Ok(if held == 0 { Verdict::Passed.exit_code() } else { Verdict::Broken.exit_code() })
}

/// The folders of all runs, sorted; `latest` is one of them under another name.
fn runs(base: &Path) -> Result<Vec<RunFolder>> {
    let folder = base.join(".fleetproof").join("runs");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::Broken(format!("{}: {error}", folder.display()))),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| CliError::Broken(format!("{}: {error}", folder.display())))?;
        // A link leads to a run that is here anyway, or to one that is not ours.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.into_iter().map(|path| RunFolder::create_at(&path).map_err(CliError::from)).collect()
}

/// Gives one thing back; how, or why not. What is gone already is given back.
fn give_back(what: &Acquired) -> std::result::Result<&'static str, String> {
    match what.kind {
        Holding::Path => remove(Path::new(&what.name)),
        Holding::Process => end(&what.name, &what.detail),
        Holding::Container | Holding::Network | Holding::Lease | Holding::ForeignObject => {
            Err("this version cannot give it back: use the one that made the run".to_owned())
        }
    }
}

fn remove(path: &Path) -> std::result::Result<&'static str, String> {
    if !path.is_absolute() {
        return Err("a path that is not absolute could be anybody's".to_owned());
    }
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok("was removed"),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok("was gone already"),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends a process if it is still the one that was started: its number may be somebody else's by now. `detail` is the moment
/// of its start, as `/proc/<number>/stat` has it.
fn end(number: &str, detail: &str) -> std::result::Result<&'static str, String> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("this is no process's number".to_owned());
    }
    let Ok(stat) = fs::read_to_string(format!("/proc/{number}/stat")) else { return Ok("was gone already") };
    // After the name, which may hold anything, the moment of the start is the 20th word.
    let started = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    if started != Some(detail) {
        return Ok("was gone already");
    }
    match Command::new("kill").args(["-KILL", number]).status() {
        Ok(status) if status.success() => Ok("was ended"),
        Ok(status) => Err(format!("kill: {status}")),
        Err(error) => Err(format!("kill: {error}")),
    }
}

fn word(kind: Holding) -> &'static str {
    match kind {
        Holding::Container => "container",
        Holding::Network => "network",
        Holding::Lease => "lease",
        Holding::Process => "process",
        Holding::Path => "path",
        Holding::ForeignObject => "foreign object",
    }
}
