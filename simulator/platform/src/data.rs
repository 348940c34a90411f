//! A folder in which a platform keeps all that it knows: the database, the artifacts' bytes, and the secret that its keys
//! are drawn from. One process at a time.

use crate::PlatformError;
use crate::fleet::{private_folder, sync};
use crate::ids::hex;
use fleetproof_world::Seeds;
use rand::RngCore;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Held by the process that serves; its number stands in it.
const LOCK: &str = "lock";
/// 64 hexadecimal digits.
const SECRET: &str = "secret";
/// There while the first tenants are being made.
const UNFINISHED: &str = "unfinished";
const DATABASE: &str = "platform.db";
const OBJECTS: &str = "objects";

/// A folder that this process, and no other, keeps a platform in until this is dropped. Only its owner may read what is
/// in it.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    secret: Secret,
    is_new: bool,
    _lock: File,
}

struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl DataFolder {
    /// The folder `root`, made where it is not there. What another process began in it and did not
    /// [finish](Self::finished) is taken away.
    ///
    /// # Errors
    /// [`PlatformError::InUse`]; [`PlatformError::Data`] where it is somebody else's, damaged, or cannot be used.
    pub fn open(root: &Path) -> Result<Self, PlatformError> {
        let broken = |error: io::Error| PlatformError::data(root, error);
        let is_ours = root.join(LOCK).exists();
        if !is_ours && root.exists() && fs::read_dir(root).map_err(broken)?.next().is_some() {
            return Err(PlatformError::data(root, "it holds other files: give the platform a folder of its own"));
        }
        private_folder(root).map_err(broken)?;
        let lock = locked(root)?;
        let has_data = root.join(DATABASE).exists();
        let unfinished = root.join(UNFINISHED);
        if has_data && unfinished.exists() {
            forget(root).map_err(broken)?;
        }
        let is_new = !root.join(DATABASE).exists();
        let secret = match read_secret(root)? {
            Some(secret) => secret,
            None if is_new => draw_secret(root).map_err(broken)?,
            None => {
                return Err(PlatformError::data(root, "its file `secret` is gone: restore it, no token fits without"));
            }
        };
        if is_new {
            write(&unfinished, b"").map_err(broken)?;
            // SQLite gives the files beside it the same rights.
            private_file(&root.join(DATABASE)).map_err(broken)?;
        }
        sync(root).map_err(broken)?;
        Ok(Self { root: root.to_owned(), secret: Secret(secret), is_new, _lock: lock })
    }

    /// Whether nothing is in it yet: its first tenants have to be made.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What is in it is whole: from now on it is continued with.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finished(&self) -> Result<(), PlatformError> {
        let done = match fs::remove_file(self.root.join(UNFINISHED)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => sync(&self.root),
        };
        done.map_err(|error| PlatformError::data(&self.root, error))
    }

    /// Where the keys of this platform come from: the same after every start. Nothing that has to be new may be drawn here.
    #[must_use]
    pub fn keys(&self) -> Seeds {
        Seeds::from_secret(self.secret.0)
    }

    /// Keeps a small file of the caller's, in the place of the one of this name.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, PlatformError> {
        let path = self.root.join(name);
        let kept = write(&path, bytes).and_then(|()| sync(&self.root));
        kept.map_err(|error| PlatformError::data(&path, error)).map(|()| path)
    }

    /// What was kept under `name`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, PlatformError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PlatformError::data(&path, error)),
        }
    }

    /// Where a file of it is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join(OBJECTS)
    }
}

/// The folder's lock, which ends with this process however it ends.
fn locked(root: &Path) -> Result<File, PlatformError> {
    let path = root.join(LOCK);
    let broken = |error: io::Error| PlatformError::data(&path, error);
    let mut options = OpenOptions::new();
    let mut lock =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(broken)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            lock.read_to_string(&mut process).map_err(broken)?;
            return Err(PlatformError::InUse { folder: root.to_owned(), process: process.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(broken(error)),
    }
    lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(broken)?;
    Ok(lock)
}

fn read_secret(root: &Path) -> Result<Option<[u8; 32]>, PlatformError> {
    let path = root.join(SECRET);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PlatformError::data(&path, error)),
    };
    let mut secret = [0; 32];
    let pairs =
        text.trim().as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = pairs.collect();
    let bytes = bytes.filter(|bytes| bytes.len() == secret.len());
    let bytes =
        bytes.ok_or_else(|| PlatformError::data(&path, "these are not 64 hexadecimal digits: restore the file"))?;
    secret.copy_from_slice(&bytes);
    // Whoever reads it is everybody.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|error| PlatformError::data(&path, error))?;
    Ok(Some(secret))
}

fn draw_secret(root: &Path) -> io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    Seeds::from_system().stream("secret").fill_bytes(&mut secret);
    write(&root.join(SECRET), format!("{}\n", hex(&secret)).as_bytes())?;
    Ok(secret)
}

/// Takes away what was begun and never told anybody.
fn forget(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root.join(OBJECTS)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for beside in ["-shm", "-wal", ""] {
        match fs::remove_file(root.join(format!("{DATABASE}{beside}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync(root)
}

/// A file that only its owner may read and write, made where it is not there.
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Writes a file that is whole or not there, whenever this ends.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("fleetproof-data-{name}-{}", std::process::id()));
            drop(fs::remove_dir_all(&path));
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn draw(folder: &DataFolder) -> u64 {
        folder.keys().stream("key").next_u64()
    }

    #[test]
    fn it_is_new_until_it_is_finished_and_keeps_its_secret() {
        let at = Folder::new("again");
        let first = DataFolder::open(&at.0).unwrap();
        assert!(first.is_new());
        let key = draw(&first);
        fs::write(first.database(), "half").unwrap();
        drop(first);
        let second = DataFolder::open(&at.0).unwrap();
        assert!(second.is_new(), "nobody was told of the first");
        assert_eq!(fs::read(second.database()).unwrap(), b"");
        second.finished().unwrap();
        drop(second);
        let third = DataFolder::open(&at.0).unwrap();
        assert!(!third.is_new());
        assert_eq!(draw(&third), key);
        assert!(!format!("{third:?}").contains(fs::read_to_string(at.0.join(SECRET)).unwrap().trim()));
    }

    #[test]
    fn one_process_at_a_time() {
        let at = Folder::new("lock");
        let first = DataFolder::open(&at.0).unwrap();
        let refused = DataFolder::open(&at.0).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()) && refused.contains("another process"), "{refused}");
        drop(first);
        DataFolder::open(&at.0).unwrap();
    }

    #[test]
    fn what_is_somebodys_or_damaged_is_left_alone() {
        let at = Folder::new("others");
        fs::create_dir(&at.0).unwrap();
        fs::write(at.0.join("letter"), "dear").unwrap();
        assert!(DataFolder::open(&at.0).unwrap_err().to_string().contains("folder of its own"));
        assert!(DataFolder::open(&at.0.join("letter")).is_err());
        assert_eq!(fs::read_dir(&at.0).unwrap().count(), 1);

        let at = Folder::new("damaged");
        DataFolder::open(&at.0).unwrap().finished().unwrap();
        let secret = fs::read(at.0.join(SECRET)).unwrap();
        fs::write(at.0.join(SECRET), "guess").unwrap();
        assert!(DataFolder::open(&at.0).unwrap_err().to_string().contains("64 hexadecimal digits"));
        fs::remove_file(at.0.join(SECRET)).unwrap();
        assert!(DataFolder::open(&at.0).unwrap_err().to_string().contains("`secret` is gone"));
        fs::write(at.0.join(SECRET), secret).unwrap();
        fs::set_permissions(at.0.join(SECRET), fs::Permissions::from_mode(0o644)).unwrap();
        DataFolder::open(&at.0).unwrap();
        assert_eq!(at.0.join(SECRET).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
