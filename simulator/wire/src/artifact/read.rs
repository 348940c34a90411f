//! The reader: bytes become an [`Artifact`], or the first reason why they are none.

use super::header::{HeaderInfo, TypeInfo, Version};
use super::pack::{Entry, decompress, entries, sha256};
use super::write::is_plain_name;
use super::{Artifact, ArtifactError, Compression, Payload, PayloadFile};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

/// How many bytes compressed payloads may unpack to in [`read`].
pub const MAX_UNPACKED: usize = 512 << 20;

/// How many bytes a compressed header may unpack to.
pub const MAX_HEADER: usize = 4 << 20;

/// Reads a whole artifact and verifies it. Compressed payloads may unpack to [`MAX_UNPACKED`].
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(bytes: &Bytes) -> Result<Artifact, ArtifactError> {
    read_within(bytes, MAX_UNPACKED)
}

/// Reads a whole artifact and verifies it. Compressed payloads may unpack to `limit` bytes together;
/// others are slices of `bytes` and take no memory.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read_within(bytes: &Bytes, mut limit: usize) -> Result<Artifact, ArtifactError> {
    let mut parts = entries(bytes)?.into_iter().peekable();

    let version = expect(&mut parts, "version")?;
    let said: Version = serde_json::from_slice(&version.content)
        .map_err(|_| ArtifactError::Version(String::from_utf8_lossy(&version.content).chars().take(80).collect()))?;
    if said.format != "mender" || said.version != 3 {
        return Err(ArtifactError::Version(format!("{} {}", said.format, said.version)));
    }

    let manifest = expect(&mut parts, "manifest")?.content;
    let mut sums = Sums::read(&manifest)?;
    sums.check("version", &version.content)?;
    let signature = parts.next_if(|part| part.name == "manifest.sig").map(|part| part.content);

    let packed = parts.next().ok_or(ArtifactError::Order { found: None, expected: "the header" })?;
    let compression = compression(&packed.name, "header.tar")?;
    sums.check(&packed.name, &packed.content)?;
    let header = read_header(&decompress(&packed.content, compression, &mut { MAX_HEADER })?)?;

    let mut payloads = Vec::new();
    for (number, (kind, head)) in header.payloads.into_iter().enumerate() {
        let part = parts.next().ok_or(ArtifactError::Order { found: None, expected: "a payload" })?;
        let how = self::compression(&part.name, &format!("data/{number:04}.tar"))?;
        let mut files = Vec::new();
        for Entry { name, content } in entries(&decompress(&part.content, how, &mut limit)?)? {
            if !is_plain_name(&name) {
                return Err(ArtifactError::Name(name));
            }
            let sha256 = sums.check(&format!("data/{number:04}/{name}"), &content)?;
            files.push(PayloadFile { name, content, sha256 });
        }
        if kind.is_none() && !files.is_empty() {
            return Err(ArtifactError::Header("an empty payload has files".into()));
        }
        payloads.push(Payload { kind, files, ..head });
    }
    if let Some(part) = parts.next() {
        return Err(ArtifactError::Order { found: Some(part.name), expected: "the end" });
    }
    sums.finish()?;
    let HeaderInfo { artifact_provides: provides, artifact_depends: depends, .. } = header.info;
    Ok(Artifact {
        name: provides.artifact_name,
        group: provides.artifact_group,
        device_types: depends.device_type,
        depends_names: depends.artifact_name,
        depends_groups: depends.artifact_group,
        payloads,
        scripts: header.scripts,
        manifest,
        signature,
        compression,
    })
}

struct Header {
    info: HeaderInfo,
    scripts: Vec<(String, Bytes)>,
    /// Kinds, and payloads that have no files yet.
    payloads: Vec<(Option<String>, Payload)>,
}

fn read_header(archive: &Bytes) -> Result<Header, ArtifactError> {
    let mut files = entries(archive)?.into_iter().peekable();
    let info: HeaderInfo = json(&expect(&mut files, "header-info")?)?;
    if info.artifact_provides.artifact_name.is_empty() {
        return Err(ArtifactError::Header("the artifact has no name".into()));
    }
    if info.artifact_depends.device_type.is_empty() {
        return Err(ArtifactError::Header("no device type may install it".into()));
    }
    let mut scripts = Vec::new();
    while let Some(file) = files.next_if(|file| file.name.starts_with("scripts/")) {
        let name = file.name.trim_start_matches("scripts/").to_owned();
        if !is_plain_name(&name) {
            return Err(ArtifactError::Name(file.name));
        }
        scripts.push((name, file.content));
    }
    let mut payloads = Vec::new();
    for (number, kind) in info.payloads.iter().enumerate() {
        // Tools write an empty type for images; what counts is the header's.
        let kind = kind.kind.clone();
        let file = files.next().ok_or(ArtifactError::Order { found: None, expected: "a type-info" })?;
        if file.name != format!("headers/{number:04}/type-info") {
            return Err(ArtifactError::Order { found: Some(file.name), expected: "a type-info" });
        }
        let info: TypeInfo = json(&file)?;
        if info.kind.as_ref().is_some_and(|said| !said.is_empty() && Some(said) != kind.as_ref()) {
            return Err(ArtifactError::Header(format!("`{}` is of another type than header-info says", file.name)));
        }
        let meta_data = match files.next_if(|file| file.name == format!("headers/{number:04}/meta-data")) {
            Some(file) if !file.content.is_empty() => Some(json(&file)?),
            _ => None,
        };
        let payload = Payload {
            kind: None,
            files: Vec::new(),
            provides: info.artifact_provides,
            depends: info.artifact_depends.into_iter().map(|(key, values)| (key, values.into())).collect(),
            clears_provides: info.clears_artifact_provides,
            meta_data,
        };
        payloads.push((kind, payload));
    }
    if let Some(file) = files.next() {
        return Err(ArtifactError::Order { found: Some(file.name), expected: "the end of the header" });
    }
    Ok(Header { info, scripts, payloads })
}

fn expect(parts: &mut Peekable<IntoIter<Entry>>, name: &'static str) -> Result<Entry, ArtifactError> {
    match parts.next() {
        Some(part) if part.name == name => Ok(part),
        other => Err(ArtifactError::Order { found: other.map(|part| part.name), expected: name }),
    }
}

/// How an entry called `stem` and an extension is packed.
fn compression(name: &str, stem: &str) -> Result<Compression, ArtifactError> {
    match name.strip_prefix(stem) {
        Some("") => Ok(Compression::None),
        Some(".gz") => Ok(Compression::Gzip),
        Some(".xz") => Err(ArtifactError::Unsupported("compression by xz".into())),
        Some(".zst") => Err(ArtifactError::Unsupported("compression by zstd".into())),
        _ if name == "manifest-augment" || name.starts_with("header-augment.tar") => {
            Err(ArtifactError::Unsupported(format!("an augmented artifact (`{name}`)")))
        }
        _ if stem == "header.tar" => Err(ArtifactError::Order { found: Some(name.into()), expected: "the header" }),
        _ => Err(ArtifactError::Order { found: Some(name.into()), expected: "a payload" }),
    }
}

fn json<T: DeserializeOwned>(file: &Entry) -> Result<T, ArtifactError> {
    serde_json::from_slice(&file.content).map_err(|error| ArtifactError::Header(format!("`{}`: {error}", file.name)))
}

/// The manifest: what has not been seen yet.
struct Sums(BTreeMap<String, String>);

impl Sums {
    fn read(manifest: &[u8]) -> Result<Self, ArtifactError> {
        let text = std::str::from_utf8(manifest).map_err(|_| ArtifactError::Manifest("it is not text".into()))?;
        let mut sums = BTreeMap::new();
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let wrong = || ArtifactError::Manifest(line.chars().take(120).collect());
            let (sum, name) = line.split_once("  ").ok_or_else(wrong)?;
            let is_sum = sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_sum || name.is_empty() || sums.insert(name.to_owned(), sum.to_owned()).is_some() {
                return Err(wrong());
            }
        }
        Ok(Self(sums))
    }

    /// Strikes a file off; a file that comes twice is unlisted the second time.
    fn check(&mut self, name: &str, content: &[u8]) -> Result<String, ArtifactError> {
        let expected = self.0.remove(name).ok_or_else(|| ArtifactError::Unlisted(name.to_owned()))?;
        let actual = sha256(content);
        if actual == expected {
            return Ok(actual);
        }
        Err(ArtifactError::Checksum { file: name.to_owned(), expected, actual })
    }

    fn finish(self) -> Result<(), ArtifactError> {
        match self.0.into_keys().next() {
            Some(name) => Err(ArtifactError::Missing(name)),
            None => Ok(()),
        }
    }
}
