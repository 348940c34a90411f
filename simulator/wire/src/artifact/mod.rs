//! The Mender artifact, version 3: a tar of `version`, `manifest`, `header.tar` and payloads.
//!
//! [`write`] gives the same bytes for the same [`Spec`]. [`read`] believes nothing: order of entries,
//! completeness of the manifest in both directions, every checksum, and how much memory compressed
//! parts may take. Payloads that are not compressed are slices of the bytes that were read.
//!
//! ```
//! use fleetproof_wire::artifact::{Spec, read, write};
//!
//! let spec = Spec {
//!     name: "release-2".into(),
//!     device_types: vec!["board".into()],
//!     payload_type: "single-file".into(),
//!     files: vec![("motd".into(), bytes::Bytes::from_static(b"hello"))],
//!     ..Spec::default()
//! };
//! let artifact = read(&write(&spec).unwrap()).unwrap();
//! assert_eq!(artifact.name, "release-2");
//! assert_eq!(&artifact.payloads[0].files[0].content[..], b"hello");
//! ```

mod header;
mod pack;
mod read;
mod write;

pub use read::{MAX_HEADER, MAX_UNPACKED, read, read_within};
pub use write::{write, write_signed};

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// How the header and the payload are packed. Artifacts with xz and zstd exist too; they are refused
/// by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// `header.tar`, `data/0000.tar`.
    None,
    /// `header.tar.gz`, `data/0000.tar.gz`: what everybody's tools write unless told otherwise.
    #[default]
    Gzip,
}

/// What an artifact shall hold. It has one payload, as all that other tools write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The artifact's name, i.e. the version a device runs afterwards.
    pub name: String,
    /// The device types that may install it; at least one.
    pub device_types: Vec<String>,
    /// The update module that installs it, e.g. `rootfs-image`; empty: no payload (type `null`).
    pub payload_type: String,
    /// The payload's files, name without folders and content, in order.
    pub files: Vec<(String, Bytes)>,
    /// What the payload provides beside the artifact's name, e.g. `rootfs-image.version`.
    pub provides: BTreeMap<String, String>,
    /// What the payload depends on: of each key one of the values must be provided by the device.
    pub depends: BTreeMap<String, Vec<String>>,
    /// Patterns of earlier provides that go when it is installed, e.g. `rootfs-image.*`.
    pub clears_provides: Vec<String>,
    /// The artifact group it belongs to.
    pub group: Option<String>,
    /// The artifact names one of which the device must run before; empty: any.
    pub depends_names: Vec<String>,
    /// The artifact groups to one of which the device must belong before; empty: any.
    pub depends_groups: Vec<String>,
    /// State scripts, e.g. `ArtifactInstall_Enter_00`, and their text.
    pub scripts: Vec<(String, Bytes)>,
    /// A JSON object for the update module.
    pub meta_data: Option<serde_json::Value>,
    /// How header and payload are packed.
    pub compression: Compression,
}

/// An artifact whose checksums have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The artifact's name.
    pub name: String,
    /// The artifact group it belongs to.
    pub group: Option<String>,
    /// The device types that may install it.
    pub device_types: Vec<String>,
    /// The artifact names one of which the device must run before; empty: any.
    pub depends_names: Vec<String>,
    /// The artifact groups to one of which the device must belong before; empty: any.
    pub depends_groups: Vec<String>,
    /// The payloads, in the order of their numbers; usually one.
    pub payloads: Vec<Payload>,
    /// State scripts, name and text, in the order of the archive.
    pub scripts: Vec<(String, Bytes)>,
    /// The manifest: the bytes that a signature signs.
    pub manifest: Bytes,
    /// The content of `manifest.sig` (base64), kept and not verified.
    pub signature: Option<Bytes>,
    /// How the header was packed.
    pub compression: Compression,
}

/// One payload of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The update module that installs it; `None`: the empty payload of type `null`.
    pub kind: Option<String>,
    /// Its files in the order of the archive.
    pub files: Vec<PayloadFile>,
    /// What it provides beside the artifact's name.
    pub provides: BTreeMap<String, String>,
    /// What it depends on: of each key one of the values.
    pub depends: BTreeMap<String, Vec<String>>,
    /// Patterns of earlier provides that go when it is installed.
    pub clears_provides: Vec<String>,
    /// The JSON object for the update module.
    pub meta_data: Option<serde_json::Value>,
}

/// One file of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadFile {
    /// Its name, without folders.
    pub name: String,
    /// Its content; a slice of what was read when the payload is not compressed.
    pub content: Bytes,
    /// The SHA-256 of its content, in hex: computed, and equal to what the manifest says.
    pub sha256: String,
}

impl Artifact {
    /// The update module of the first payload.
    #[must_use]
    pub fn payload_type(&self) -> Option<&str> {
        self.payloads.first().and_then(|payload| payload.kind.as_deref())
    }

    /// All that a device provides once it runs this: `artifact_name`, `artifact_group`, and what the
    /// payloads provide.
    #[must_use]
    pub fn provides(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("artifact_name".to_owned(), self.name.clone())]);
        all.extend(self.group.iter().map(|group| ("artifact_group".to_owned(), group.clone())));
        for payload in &self.payloads {
            all.extend(payload.provides.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        all
    }

    /// All that a device must provide before: `device_type`, `artifact_name`, `artifact_group` and
    /// what the payloads depend on; of each key one of the values.
    #[must_use]
    pub fn depends(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::from([("device_type".to_owned(), self.device_types.clone())]);
        for (key, values) in [("artifact_name", &self.depends_names), ("artifact_group", &self.depends_groups)] {
            if !values.is_empty() {
                all.insert(key.to_owned(), values.clone());
            }
        }
        for payload in &self.payloads {
            all.extend(payload.depends.iter().map(|(key, values)| (key.clone(), values.clone())));
        }
        all
    }

    /// The patterns of earlier provides that go when it is installed.
    pub fn clears_provides(&self) -> impl Iterator<Item = &str> {
        self.payloads.iter().flat_map(|payload| payload.clears_provides.iter().map(String::as_str))
    }

    /// The first dependency that a device with these provides does not meet: key, values that would do.
    #[must_use]
    pub fn unmet(&self, provides: &BTreeMap<String, String>) -> Option<(String, Vec<String>)> {
        self.depends().into_iter().find(|(key, values)| !provides.get(key).is_some_and(|have| values.contains(have)))
    }
}

/// Why bytes are not an artifact, or a [`Spec`] cannot become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactError {
    /// Not a tar archive, or one that is broken.
    NotAnArchive(String),
    /// Another format or version than 3: what it says.
    Version(String),
    /// An entry stands where another must stand.
    Order {
        /// What stands there; `None`: the archive has ended.
        found: Option<String>,
        /// What must stand there.
        expected: &'static str,
    },
    /// Part of the format that is not supported, e.g. a compression.
    Unsupported(String),
    /// A line of the manifest cannot be read.
    Manifest(String),
    /// A file that the manifest does not list.
    Unlisted(String),
    /// A file that the manifest lists and the archive lacks.
    Missing(String),
    /// The content of a file is not what the manifest says.
    Checksum {
        /// The file as the manifest calls it.
        file: String,
        /// SHA-256 in hex, as the manifest says.
        expected: String,
        /// SHA-256 in hex, as the content has it.
        actual: String,
    },
    /// The header, or one of its files, cannot be understood.
    Header(String),
    /// A name that cannot stand in an artifact.
    Name(String),
    /// Compressed parts become larger than this many bytes.
    TooLarge(usize),
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnArchive(why) => write!(f, "not a Mender artifact: {why}"),
            Self::Version(what) => write!(f, "not a Mender artifact of version 3: {what}"),
            Self::Order { found: Some(found), expected } => write!(f, "`{found}` stands where {expected} must stand"),
            Self::Order { found: None, expected } => write!(f, "the artifact ends where {expected} must stand"),
            Self::Unsupported(what) => write!(f, "{what} is not supported"),
            Self::Manifest(line) => write!(f, "the manifest cannot be read: {line}"),
            Self::Unlisted(file) => write!(f, "`{file}` is not in the manifest"),
            Self::Missing(file) => write!(f, "`{file}` is in the manifest and not in the artifact"),
            Self::Checksum { file, expected, actual } => {
                write!(f, "invalid checksum of `{file}`: the manifest says {expected}, the content has {actual}")
            }
            Self::Header(why) => write!(f, "the header cannot be read: {why}"),
            Self::Name(name) => write!(f, "`{name}` cannot be a name in an artifact"),
            Self::TooLarge(limit) => write!(f, "the artifact unpacks to more than {limit} bytes"),
        }
    }
}

impl std::error::Error for ArtifactError {}
