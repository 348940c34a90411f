//! Where the bytes of artifacts are: a store of objects by key.

use super::object_files::InFolder;
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

impl ObjectError {
    pub(crate) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

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
    InFolder(InFolder),
}

impl ObjectStore {
    /// A fresh one, in memory.
    pub(crate) fn in_memory() -> Self {
        Self::InMemory(InMemory::default())
    }
}

impl Objects for ObjectStore {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        match self {
            Self::InMemory(store) => store.put(key, bytes).await,
            Self::InFolder(store) => store.put(key, bytes).await,
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        match self {
            Self::InMemory(store) => store.size(key).await,
            Self::InFolder(store) => store.size(key).await,
        }
    }

    async fn read(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ObjectError> {
        match self {
            Self::InMemory(store) => store.read(key, range).await,
            Self::InFolder(store) => store.read(key, range).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<(), ObjectError> {
        match self {
            Self::InMemory(store) => store.remove(key).await,
            Self::InFolder(store) => store.remove(key).await,
        }
    }
}

#[cfg(test)]
mod tests {
    //! One suite for all stores: any sequence of calls is answered as a map would answer it.

    use super::*;
    use fleetproof_world::Runtime;
    use proptest::prelude::*;
    use std::path::PathBuf;

    #[derive(Clone, Debug)]
    enum Call {
        Put(&'static str, Vec<u8>),
        Read(&'static str, Range<u64>),
        Remove(&'static str),
    }

    fn calls() -> impl Strategy<Value = Vec<Call>> {
        let key = || prop::sample::select(vec!["acme/1", "acme/2", "globex/1"]);
        let call = prop_oneof![
            (key(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(key, bytes)| Call::Put(key, bytes)),
            (key(), 0..50_u64, 0..50_u64).prop_map(|(key, from, to)| Call::Read(key, from..to)),
            key().prop_map(Call::Remove),
        ];
        prop::collection::vec(call, 0..24)
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fleetproof-objects-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        folder
    }

    fn conforms(store: &ObjectStore, calls: Vec<Call>) {
        let mut model: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        Runtime::real_time().unwrap().block_on(async {
            for call in calls {
                match call {
                    Call::Put(key, bytes) => {
                        store.put(key, bytes.clone().into()).await.unwrap();
                        model.insert(key, bytes);
                    }
                    Call::Remove(key) => {
                        store.remove(key).await.unwrap();
                        model.remove(key);
                    }
                    Call::Read(key, range) => {
                        let due = model.get(key).map(|bytes| {
                            let all = bytes.iter().copied().zip(0..);
                            all.filter(|(_, at)| range.contains(at)).map(|(byte, _)| byte).collect::<Bytes>()
                        });
                        assert_eq!(store.read(key, range).await.unwrap(), due);
                    }
                }
                for key in ["acme/1", "acme/2", "globex/1", "globex/9"] {
                    let due = model.get(key).map(|bytes| bytes.len() as u64);
                    assert_eq!(store.size(key).await.unwrap(), due, "{key}");
                }
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn in_memory(calls in calls()) {
            conforms(&ObjectStore::in_memory(), calls);
        }

        #[test]
        fn in_a_folder(calls in calls()) {
            let folder = folder("suite");
            conforms(&ObjectStore::InFolder(InFolder::open(&folder).unwrap()), calls);
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn files_are_private_outlive_their_store_and_never_lead_out_of_its_folder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder("files");
        Runtime::real_time().unwrap().block_on(async {
            let first = InFolder::open(&folder).unwrap();
            first.put("acme/1", Bytes::from_static(b"kept")).await.unwrap();
            for out in ["", "acme", "../x", "acme/..", "acme/../../x", "/etc/passwd", ".arrivals/0", "acme/1/2", "a/"] {
                assert!(first.put(out, Bytes::new()).await.is_err(), "{out}");
                assert!(first.read(out, 0..1).await.is_err(), "{out}");
                assert!(first.remove(out).await.is_err(), "{out}");
            }
            let mode = |path: &str| folder.join(path).metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode("acme"), mode("acme/1"), mode(".arrivals")), (0o700, 0o600, 0o700));
            // Somebody died while writing.
            std::fs::write(folder.join(".arrivals/7"), "half").unwrap();
            drop(first);
            let second = InFolder::open(&folder).unwrap();
            assert_eq!(second.keys().unwrap(), ["acme/1"]);
            assert_eq!(second.read("acme/1", 0..99).await.unwrap().as_deref(), Some(&b"kept"[..]));
            assert_eq!(std::fs::read_dir(folder.join(".arrivals")).unwrap().count(), 0);
        });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
