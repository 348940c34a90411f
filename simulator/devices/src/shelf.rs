//! Where devices that download the same share its bytes: the first verifies, the others compare.
//!
//! Five thousand devices that receive the same artifact would hold it five thousand times and hash it
//! as often. A device that downloads compares what it receives with what an earlier one has verified,
//! byte by byte: equal bytes have equal checksums. From the first difference on it keeps its own.

use bytes::{Bytes, BytesMut};
use fleetproof_wire::artifact::{self, Artifact};
use fleetproof_wire::image::{self, Image, ImageError, PAYLOAD_TYPE};
use fleetproof_wire::signature::{ReleaseCheck, Unsigned};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many artifacts are kept; a run has a handful.
const ROOM: usize = 32;

/// The artifacts that devices of a run have downloaded. Clones are the same shelf.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<String, Arc<Parcel>>>>);

/// What was received, and what is in it.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub bytes: Bytes,
    /// The verified artifact, or why it is none.
    pub opened: Result<Artifact, String>,
    /// What the first device that looked at the signature found, and with which key.
    looked: OnceLock<(ReleaseCheck, Result<(), Unsigned>)>,
    /// What it is when it is an image and no artifact.
    image: OnceLock<Option<Result<Image, String>>>,
    /// As `looked`, where the signature is of the file itself and stands elsewhere.
    looked_at_file: OnceLock<(ReleaseCheck, Option<String>, Result<(), Unsigned>)>,
}

impl Parcel {
    fn open(bytes: Bytes) -> Self {
        let opened = artifact::read(&bytes).map_err(|error| error.to_string()).and_then(|artifact| {
            for payload in artifact.payloads.iter().filter(|payload| payload.kind.as_deref() == Some(PAYLOAD_TYPE)) {
                for file in &payload.files {
                    image::verify(&file.content).map_err(|error| error.to_string())?;
                }
            }
            Ok(artifact)
        });
        Self { bytes, opened, looked: OnceLock::new(), image: OnceLock::new(), looked_at_file: OnceLock::new() }
    }

    /// What the bytes are when they are an image by themselves: the verified image, or why it is none. The first device that
    /// asks verifies.
    pub fn image(&self) -> Option<&Result<Image, String>> {
        let look = || match image::read(&self.bytes) {
            Err(ImageError::NotAnImage) => None,
            _ => Some(image::verify(&self.bytes).map_err(|error| error.to_string())),
        };
        self.image.get_or_init(look).as_ref()
    }

    /// Looks at a signature of the bytes themselves, in base64; devices that have the same key and were given the same
    /// signature look once.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn look_at_file(&self, release: &ReleaseCheck, signature: Option<&str>) -> Result<(), Unsigned> {
        let look = || release.look(&self.bytes, signature.map(str::as_bytes));
        let (known, given, found) =
            self.looked_at_file.get_or_init(|| (*release, signature.map(str::to_owned), look()));
        if known == release && given.as_deref() == signature { *found } else { look() }
    }

    /// Looks at the signature; devices that have the same key look once.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn look(&self, release: &ReleaseCheck) -> Result<(), Unsigned> {
        let Ok(artifact) = &self.opened else { return Err(Unsigned::Wrong) };
        let look = || release.look(&artifact.manifest, artifact.signature.as_deref());
        let (known, found) = self.looked.get_or_init(|| (*release, look()));
        if known == release { *found } else { look() }
    }
}

impl Shelf {
    fn find(&self, id: &str) -> Option<Arc<Parcel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, id: &str, parcel: &Arc<Parcel>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() >= ROOM && !shelf.contains_key(id) {
            shelf.pop_first();
        }
        shelf.insert(id.to_owned(), parcel.clone());
    }

    /// Begins to receive what may lie here under `id`.
    pub(crate) fn receive(&self, id: &str) -> Receipt {
        Receipt { known: self.find(id), same: 0, own: None, shelf: self.clone(), id: id.to_owned() }
    }
}

/// A download under way: as long as it equals what is known it takes no memory.
#[derive(Debug)]
pub(crate) struct Receipt {
    known: Option<Arc<Parcel>>,
    /// How many bytes were received and equal the known ones.
    same: usize,
    /// All that was received, once it differs.
    own: Option<BytesMut>,
    shelf: Shelf,
    id: String,
}

impl Receipt {
    /// How many bytes were received.
    pub fn len(&self) -> usize {
        self.own.as_ref().map_or(self.same, BytesMut::len)
    }

    /// Forgets what was received.
    pub fn restart(&mut self) {
        self.same = 0;
        self.own = None;
    }

    /// More bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        if let Some(own) = &mut self.own {
            own.extend_from_slice(chunk);
            return;
        }
        let known = self.known.as_ref().map_or(&[][..], |parcel| &parcel.bytes);
        if known[self.same..].starts_with(chunk) {
            self.same += chunk.len();
            return;
        }
        let mut own = BytesMut::from(&known[..self.same]);
        own.extend_from_slice(chunk);
        self.own = Some(own);
    }

    /// The end: what was received, opened.
    pub fn finish(self) -> Arc<Parcel> {
        match (self.known, self.own) {
            (Some(known), None) if self.same == known.bytes.len() => known,
            (Some(known), None) => Arc::new(Parcel::open(known.bytes.slice(..self.same))),
            (_, own) => {
                let parcel = Arc::new(Parcel::open(own.unwrap_or_default().freeze()));
                self.shelf.put(&self.id, &parcel);
                parcel
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_wire::image::{Image, update_artifact};
    use proptest::prelude::*;

    fn received(shelf: &Shelf, bytes: &[u8], piece: usize) -> Arc<Parcel> {
        let mut receipt = shelf.receive("a");
        bytes.chunks(piece).for_each(|chunk| receipt.push(chunk));
        assert_eq!(receipt.len(), bytes.len());
        receipt.finish()
    }

    proptest! {
        /// What comes out is what went in, whatever lay there before.
        #[test]
        fn what_was_received_is_what_counts(
            before in proptest::collection::vec(any::<u8>(), 0..60), equal in 0..60_usize,
            rest in proptest::collection::vec(any::<u8>(), 0..30), piece in 1..20_usize,
        ) {
            let shelf = Shelf::default();
            received(&shelf, &before, 7);
            let bytes = [&before[..equal.min(before.len())], &rest].concat();
            prop_assert_eq!(&received(&shelf, &bytes, piece).bytes, &bytes);
        }
    }

    #[test]
    fn equal_downloads_are_one_parcel_and_a_damaged_one_is_not() {
        let shelf = Shelf::default();
        let mut artifact = update_artifact("v2", &Image::good("v2", 1), 5_000).to_vec();
        let first = received(&shelf, &artifact, 100);
        assert!(Arc::ptr_eq(&first, &received(&shelf, &artifact, 333)));
        assert!(first.opened.is_ok());
        let last = artifact.len() - 3_000;
        artifact[last] ^= 1;
        let error = received(&shelf, &artifact, 100).opened.as_ref().unwrap_err().clone();
        assert!(error.contains("invalid checksum"), "{error}");
    }
}
