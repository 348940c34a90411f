//! Where the bytes of artifacts are: a store of objects by key.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A store of objects. What is written is there at once, for every reader.
pub(crate) trait Objects: Clone + Send + Sync + 'static {
    /// Keeps `bytes` under `key`, in the place of what was there.
    fn put(&self, key: &str, bytes: Bytes) -> impl Future<Output = Result<(), ObjectError>> + Send;
    /// How many bytes are under `key`; `None`: nothing is.
    fn size(&self, key: &str) -> impl Future<Output = Result<Option<u64>, ObjectError>> + Send;
    /// The bytes of `range`, as far as there are any.
    fn read(&self, key: &str, range: Range<u64>) -> impl Future<Output = Result<Option<Bytes>, ObjectError>> + Send;
    /// Forgets `key`.
    fn remove(&self, key: &str) -> impl Future<Output = Result<(), ObjectError>> + Send;
}

/// What a store of objects had to complain about.
#[derive(Debug)]
pub(crate) struct ObjectError(String);

impl std::fmt::Display for ObjectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the object store: {}", self.0)
    }
}

/// Objects in memory, gone with the process. Clones are the same store; reading copies nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct InMemory(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl InMemory {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Objects for InMemory {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.with(|objects| objects.insert(key.to_owned(), bytes));
        Ok(())
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        Ok(self.with(|objects| objects.get(key).map(|bytes| bytes.len() as u64)))
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ObjectError> {
        let cut = |bytes: &Bytes| {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
            let end = at(range.end);
            bytes.slice(at(range.start).min(end)..end)
        };
        Ok(self.with(|objects| objects.get(key).map(cut)))
    }

    async fn remove(&self, key: &str) -> Result<(), ObjectError> {
        self.with(|objects| objects.remove(key));
        Ok(())
    }
}

/// The stores that a platform can stand on.
#[derive(Clone, Debug)]
pub(crate) enum ObjectStore {
    InMemory(InMemory),
}

impl ObjectStore {
    /// A fresh one, in memory.
    pub(crate) fn in_memory() -> Self {
        Self::InMemory(InMemory::default())
    }
}

impl Objects for ObjectStore {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let Self::InMemory(store) = self;
        store.put(key, bytes).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        let Self::InMemory(store) = self;
        store.size(key).await
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ObjectError> {
        let Self::InMemory(store) = self;
        store.read(key, range).await
    }

    async fn remove(&self, key: &str) -> Result<(), ObjectError> {
        let Self::InMemory(store) = self;
        store.remove(key).await
    }
}
