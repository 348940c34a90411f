//! What every referee's test stands on: whether it runs at all, a folder that goes away with it, and waiting.

use fleetproof_world::{Clock, Runtime, World};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long anything may take before a test gives up on it. A real client waits a few seconds between two tries.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often is looked at what a test waits for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A referee's place: time, and a folder of its own.
pub struct Bench {
    /// The real clock.
    pub clock: Clock,
    folder: PathBuf,
}

/// Runs `test` if this machine has the referees. `name` is the test's; `programs` are those that it needs.
pub fn referee(name: &str, programs: &[&str], test: impl AsyncFnOnce(&Bench)) {
    if std::env::var_os("FLEETPROOF_REFEREES").is_none_or(|value| value != "1") {
        println!("SKIPPED {name}: FLEETPROOF_REFEREES is not 1; ci/test installs {} and sets it", programs.join(", "));
        return;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in programs {
        let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        assert!(is_there, "FLEETPROOF_REFEREES is 1, and {program} is not installed: see ci/test");
    }
    // Clients read fixed paths. Under nextest a test group keeps them apart, under `cargo test` this does.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Runtime::real_time().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(name);
        test(&bench).await;
    });
}

impl Bench {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { clock: World::serving().clock, folder }
    }

    /// The folder, or a file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in the folder, as text for a command line.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Looks until there is something, and gives up loudly.
    pub async fn wait<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let end = self.clock.now().after(PATIENCE);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(self.clock.now() < end, "waited {PATIENCE:?} in vain: {what}");
            self.clock.sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What the programs said is the only witness of a failure.
        if std::thread::panicking() {
            for name in ["serve.log", "client.log"] {
                if let Ok(log) = fs::read_to_string(self.path(name)) {
                    let lines: Vec<&str> = log.lines().collect();
                    eprintln!("--- the last of {name}\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
                }
            }
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
