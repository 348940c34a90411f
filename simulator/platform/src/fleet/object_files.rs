//! Objects as files of a folder: durable once they are there, and never half there.

use super::objects::{ObjectError, Objects};
use bytes::Bytes;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where files are written before they have their names. No key begins with a dot.
const ARRIVALS: &str = ".arrivals";

/// Objects in a folder that nobody else writes to: a key is a path in it. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct InFolder {
    root: Arc<Path>,
    arrivals: Arc<AtomicU64>,
}

impl InFolder {
    /// The store in `root`, made where it is not there. What was half written when its process ended goes away.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let arrivals = root.join(ARRIVALS);
        match fs::remove_dir_all(&arrivals) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private_folder(&arrivals)?;
        Ok(Self { root: root.into(), arrivals: Arc::default() })
    }

    /// Every key, sorted.
    pub(crate) fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?;
            if folder.file_name() == ARRIVALS || !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                keys.push(format!("{}/{}", folder.file_name().display(), file?.file_name().display()));
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// Where `key` is. Keys are made of ids: whatever could lead out of the folder is none.
    fn path(&self, key: &str) -> Result<PathBuf, ObjectError> {
        let fine = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        match key.split_once('/') {
            Some((folder, name)) if fine(folder) && fine(name) => Ok(self.root.join(folder).join(name)),
            _ => Err(ObjectError::new("no key of an object")),
        }
    }

    fn write(&self, to: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = to.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            private_folder(folder)?;
            sync(&self.root)?;
        }
        let from = self.root.join(ARRIVALS).join(self.arrivals.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&from)?;
        let moved = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&from, to));
        if moved.is_err() {
            // The disk is full, perhaps: what is no object must not keep it so.
            drop(fs::remove_file(&from));
        }
        moved?;
        sync(folder)
    }
}

/// Makes a folder that only its owner may enter, and those above it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes what was renamed in `folder`, or removed from it, outlive the machine's power.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `None` where there is nothing.
fn there<T>(found: io::Result<T>) -> Result<Option<T>, ObjectError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ObjectError::new(error)),
    }
}

impl Objects for InFolder {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.write(&self.path(key)?, &bytes).map_err(ObjectError::new)
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        Ok(there(fs::metadata(self.path(key)?))?.map(|metadata| metadata.len()))
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ObjectError> {
        let Some(mut file) = there(File::open(self.path(key)?))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start)).map_err(ObjectError::new)?;
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes).map_err(ObjectError::new)?;
        Ok(Some(bytes.into()))
    }

    async fn remove(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.path(key)?;
        if there(fs::remove_file(&path))?.is_some() {
            path.parent().map_or(Ok(()), sync).map_err(ObjectError::new)?;
        }
        Ok(())
    }
}
