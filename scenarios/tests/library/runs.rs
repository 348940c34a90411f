//! Runs of the binary as a user has it, and what their journals say.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Why a test fails: what was run, and what it said.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The top of the repository. Scenarios are named from there, so that journals do not depend on where the clone is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The binary: it stands beside the folder of the test executables.
pub(crate) fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe().map_err(|error| format!("where this test stands: {error}"))?;
    let name = format!("fleetproof{}", std::env::consts::EXE_SUFFIX);
    let binary = here.parent().and_then(Path::parent).map(|folder| folder.join(name)).unwrap_or_default();
    if binary.is_file() {
        return Ok(binary);
    }
    Err(format!(
        "{} is not built: `cargo build -p fleetproof` makes it, with --release for tests in release",
        binary.display()
    ))
}

/// What the binary says on standard output.
pub(crate) fn told(arguments: &[&str]) -> Result<String> {
    let output = call(arguments)?;
    if !output.status.success() {
        return Err(format!("fleetproof {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn call(arguments: &[&str]) -> Result<Output> {
    let called = Command::new(binary()?).args(arguments).current_dir(root()).output();
    called.map_err(|error| format!("fleetproof {}: {error}", arguments.join(" ")))
}

/// A run that ended: its exit code, its journal, what a person saw.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) journal: String,
    said: String,
    folder: PathBuf,
}

/// Runs `scenario` with `more` arguments; `name` tells the runs of one test apart.
pub(crate) fn run(scenario: &str, name: &str, more: &[&str]) -> Result<Run> {
    let folder = scratch(&format!("{scenario}-{name}"));
    let shown = folder.display().to_string();
    let output = call(&[&["run", scenario, "--report", &shown], more].concat())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let journal = std::fs::read_to_string(folder.join("run.jsonl"))
        .map_err(|error| format!("no journal in {shown}: {error}\n{said}"))?;
    Ok(Run { code: output.status.code().unwrap_or(-1), journal, said, folder })
}

impl Run {
    /// Complains unless the exit code is `due`. The folder stays for whoever looks into it.
    pub(crate) fn ends_with(&self, due: i32) -> Result<()> {
        if self.code == due {
            return Ok(());
        }
        Err(format!("exit code {}, due {due}; the run is in {}\n{}", self.code, self.folder.display(), self.said))
    }

    /// What a person saw, as it is wherever the run leaves its journal.
    pub(crate) fn printed(&self) -> String {
        self.said.replace(&self.folder.display().to_string(), ".fleetproof/runs/latest")
    }

    /// The journal without the line that names the seed.
    pub(crate) fn without_seed(&self) -> Vec<&str> {
        self.journal.lines().filter(|line| !line.contains("\"what\":{\"scenario\":")).collect()
    }

    /// What happened, event by event.
    pub(crate) fn events(&self) -> Result<Vec<Value>> {
        let lines = self.journal.lines().skip(1);
        lines.map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))).collect()
    }

    /// Everything of one kind, such as `judged`.
    pub(crate) fn all(&self, kind: &str) -> Result<Vec<Value>> {
        Ok(self.events()?.into_iter().filter_map(|mut event| Some(event["what"].get_mut(kind)?.take())).collect())
    }

    /// The verdict that the journal ends with.
    pub(crate) fn verdict(&self) -> Result<String> {
        let ended = self.all("ended")?;
        Ok(ended.last().and_then(|ended| ended["verdict"].as_str()).unwrap_or("none").to_owned())
    }

    /// Whatever failed, in the words of the defects' catalogue: claims, steps that claim nothing, what is always watched.
    pub(crate) fn failed(&self) -> Result<Vec<String>> {
        let mut failed = Vec::new();
        let mut steps: BTreeMap<String, String> = BTreeMap::new();
        for event in self.events()? {
            let what = &event["what"];
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if let Some(begun) = what.get("step") {
                steps.insert(word(&begun["index"]), word(&begun["verb"]));
            }
            if let Some(judged) = what.get("judged").filter(|judged| judged["verdict"] == "failed") {
                failed.push(word(&judged["claim"]));
            }
            if let Some(done) = what.get("step_done").filter(|done| done["verdict"] == "failed") {
                let verb = steps.get(&word(&done["index"])).cloned().unwrap_or_default();
                // A step of claims, or one that holds others, fails because of what it holds.
                if !["expect", "parallel", "repeat", "use", "while"].contains(&verb.as_str()) {
                    failed.push(verb);
                }
            }
            if let Some(watched) = what.get("watched") {
                failed.push(word(&watched["what"]));
            }
        }
        failed.dedup();
        Ok(failed)
    }

    /// Takes the folder away: a test that passed leaves nothing.
    pub(crate) fn forget(self) {
        // What cannot be removed is in cargo's own folder for such things.
        drop(std::fs::remove_dir_all(self.folder));
    }
}

/// A folder of a test's own, below cargo's for such things.
fn scratch(name: &str) -> PathBuf {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("library").join(format!("{plain}-{}", std::process::id()));
    // It is not there, unless a process of this number was here before.
    drop(std::fs::remove_dir_all(&folder));
    folder
}
