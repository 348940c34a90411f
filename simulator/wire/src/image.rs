//! What simulated devices install: a header that travels through the platform, then filler.
//!
//! How a device shall misbehave stands in the image, not in the device: the platform carries it as it
//! would carry a real mistake, and both bodies learn it in the same place.

use crate::artifact::{self, Compression, Spec};
use crate::signature::ReleaseKey;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The payload type of update artifacts for simulated devices.
pub const PAYLOAD_TYPE: &str = "fleetproof-sim";

/// The device type of simulated devices.
pub const DEVICE_TYPE: &str = "fleetproof-sim";

/// The device type that nothing has: what an artifact that `misbehaves: wrong_device_type` is for.
pub const WRONG_DEVICE_TYPE: &str = "fleetproof-other";

/// The name of the file inside the artifact.
pub const FILE_NAME: &str = "image.bin";

/// The name under which an installed artifact provides its version.
pub const VERSION_PROVIDE: &str = "rootfs-image.fleetproof.version";

/// All devices, in millionths: the largest [`Image::affects`].
pub const ALL: u32 = 1_000_000;

const MAGIC: &[u8] = b"fleetproof-image 1\n";
const MAX_HEADER: usize = 4096;

/// What the header of an image says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The version that runs once the image has booted.
    pub version: String,
    /// How it misbehaves, in the words of the scenario language, e.g. `never_boots`; `None`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misbehaves: Option<String>,
    /// The seed from which the affected devices and the filler are drawn.
    pub seed: u64,
    /// The share of devices on which it misbehaves, in millionths: [`ALL`] is every one.
    pub affects: u32,
}

impl Image {
    /// An image that does what it should.
    #[must_use]
    pub fn good(version: &str, seed: u64) -> Self {
        Self { version: version.to_owned(), misbehaves: None, seed, affects: ALL }
    }

    /// Whether it misbehaves on that device: a function of seed, version and the device's name only,
    /// so that whoever judges can know it beforehand.
    #[must_use]
    pub fn is_affected(&self, device: &str) -> bool {
        if self.misbehaves.is_none() || self.affects == 0 {
            return false;
        }
        let hash = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(self.version.as_bytes())
            .chain_update([0])
            .chain_update(device.as_bytes())
            .finalize();
        let draw = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        draw % u64::from(ALL) < u64::from(self.affects)
    }

    fn is(&self, word: &str) -> bool {
        self.misbehaves.as_deref() == Some(word)
    }
}

/// Why bytes are not an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// They do not begin as an image does.
    NotAnImage,
    /// The header ends early or is not what it should be.
    Header(String),
    /// The filler is shorter or longer than the header says: bytes there, bytes announced.
    Length(u64, u64),
    /// The filler is not what the header says.
    Checksum,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnImage => write!(f, "the payload is not an image for simulated devices"),
            Self::Header(why) => write!(f, "the image's header cannot be read: {why}"),
            Self::Length(there, announced) => write!(f, "the image has {there} bytes of filler instead of {announced}"),
            Self::Checksum => write!(f, "the image's checksum is wrong"),
        }
    }
}

impl std::error::Error for ImageError {}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    image: Image,
    filler: u64,
    sha256: String,
}

/// The bytes of an image: `size` of them, or as many as the header needs when that is more.
/// An image that misbehaves as `bad_checksum` has a header that does not fit its filler: a platform
/// that only checks the artifact's own sums cannot see it, every device must.
#[must_use]
pub fn write(image: &Image, size: u64) -> Bytes {
    let header = |filler: u64, sha256: String| {
        let header = Header { image: image.clone(), filler, sha256 };
        serde_json::to_vec(&header).unwrap_or_default()
    };
    // The header's length depends on the digits of the filler's length, so the pad makes up for it.
    let widest = MAGIC.len() + header(u64::MAX, "0".repeat(64)).len() + 1;
    let filler_length = size.saturating_sub(widest as u64);
    let filler = fill(image.seed, filler_length);
    let mut sum = Sha256::digest(&filler);
    if image.is("bad_checksum") {
        sum[0] ^= 0xff;
    }
    let mut text = header(filler_length, hex(&sum));
    text.resize(widest - MAGIC.len() - 1, b' ');
    let mut bytes = BytesMut::with_capacity(widest + filler.len());
    bytes.put_slice(MAGIC);
    bytes.put_slice(&text);
    bytes.put_u8(b'\n');
    bytes.put_slice(&filler);
    bytes.freeze()
}

/// The header of an image, from its bytes or from its first bytes. The filler is not looked at.
///
/// # Errors
/// [`ImageError::NotAnImage`], [`ImageError::Header`].
pub fn read(bytes: &[u8]) -> Result<Image, ImageError> {
    split(bytes).map(|(header, _)| header.image)
}

/// The header of a whole image, after its filler was checked against it.
///
/// # Errors
/// Any [`ImageError`].
pub fn verify(bytes: &[u8]) -> Result<Image, ImageError> {
    let (header, filler) = split(bytes)?;
    if filler.len() as u64 != header.filler {
        return Err(ImageError::Length(filler.len() as u64, header.filler));
    }
    if hex(&Sha256::digest(filler)) != header.sha256 {
        return Err(ImageError::Checksum);
    }
    Ok(header.image)
}

fn split(bytes: &[u8]) -> Result<(Header, &[u8]), ImageError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ImageError::NotAnImage)?;
    let end = rest.iter().take(MAX_HEADER).position(|byte| *byte == b'\n');
    let end = end.ok_or_else(|| ImageError::Header("it has no end".into()))?;
    let header = serde_json::from_slice(&rest[..end]).map_err(|error| ImageError::Header(error.to_string()))?;
    Ok((header, &rest[end + 1..]))
}

/// A whole update artifact with `image` in it, `size` bytes of payload: what a user uploads.
/// An image that misbehaves as `wrong_device_type` is wrapped for [`WRONG_DEVICE_TYPE`].
#[must_use]
pub fn update_artifact(artifact_name: &str, image: &Image, size: u64) -> Bytes {
    // Only names can be refused by the writer, and this file has a good one.
    artifact::write(&spec(artifact_name, image, size)).unwrap_or_default()
}

/// The same, signed with `key`. An image that misbehaves as `bad_signature` is signed by a stranger.
#[must_use]
pub fn signed_artifact(artifact_name: &str, image: &Image, size: u64, key: &ReleaseKey) -> Bytes {
    let stranger = image.is("bad_signature").then(|| ReleaseKey::from_seed(&image.seed.to_le_bytes()));
    let key = stranger.as_ref().unwrap_or(key);
    artifact::write_signed(&spec(artifact_name, image, size), |manifest| key.sign(manifest)).unwrap_or_default()
}

fn spec(artifact_name: &str, image: &Image, size: u64) -> Spec {
    let device_type = if image.is("wrong_device_type") { WRONG_DEVICE_TYPE } else { DEVICE_TYPE };
    Spec {
        name: artifact_name.to_owned(),
        device_types: vec![device_type.to_owned()],
        payload_type: PAYLOAD_TYPE.to_owned(),
        files: vec![(FILE_NAME.to_owned(), write(image, size))],
        provides: BTreeMap::from([(VERSION_PROVIDE.to_owned(), image.version.clone())]),
        clears_provides: vec!["rootfs-image.fleetproof.*".to_owned()],
        compression: Compression::None,
        ..Spec::default()
    }
}

/// `length` bytes that do not compress, the same for the same seed (xorshift64*).
fn fill(seed: u64, length: u64) -> Vec<u8> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length.saturating_add(8));
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
