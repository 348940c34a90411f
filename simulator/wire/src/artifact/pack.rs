//! Tar and gzip as the format uses them: plain files only, the same bytes every time, slices out.

use super::{ArtifactError, Compression};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read, Write};

/// More entries than any artifact has.
const MAX_ENTRIES: usize = 10_000;

/// The longest name that a plain tar header holds.
pub(super) const MAX_NAME: usize = 100;

/// One file of an archive.
pub(super) struct Entry {
    pub name: String,
    pub content: Bytes,
}

/// All files of a tar archive, in order, as slices of it.
pub(super) fn entries(archive: &Bytes) -> Result<Vec<Entry>, ArtifactError> {
    let broken = |error: std::io::Error| ArtifactError::NotAnArchive(error.to_string());
    let mut reader = tar::Archive::new(Cursor::new(archive));
    let mut entries = Vec::new();
    for entry in reader.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|error| ArtifactError::Name(String::from_utf8_lossy(error.as_bytes()).into_owned()))?;
        if !entry.header().entry_type().is_file() || entries.len() == MAX_ENTRIES {
            return Err(ArtifactError::NotAnArchive(format!("`{name}` is not a plain file, or one too many")));
        }
        let content = usize::try_from(entry.raw_file_position()).ok().and_then(|from| {
            let to = from.checked_add(usize::try_from(entry.size()).ok()?)?;
            (to <= archive.len()).then(|| archive.slice(from..to))
        });
        let content = content.ok_or_else(|| ArtifactError::NotAnArchive(format!("it ends within `{name}`")))?;
        entries.push(Entry { name, content });
    }
    Ok(entries)
}

/// A tar archive of plain files: name, mode, content. No time, no owner.
pub(super) fn archive(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, ArtifactError> {
    let length: usize = files.iter().map(|(_, _, content)| 512 + content.len().next_multiple_of(512)).sum();
    let mut builder = tar::Builder::new(Vec::with_capacity(length + 1024));
    for (name, mode, content) in files {
        let refused = |_| ArtifactError::Name((*name).to_owned());
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(refused)?;
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, *content).map_err(refused)?;
    }
    builder.into_inner().map_err(|error| ArtifactError::NotAnArchive(error.to_string()))
}

/// Packs, without a time in it.
pub(super) fn compress(bytes: Vec<u8>, how: Compression) -> Result<Vec<u8>, ArtifactError> {
    match how {
        Compression::None => Ok(bytes),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
            packed.map_err(|error| ArtifactError::NotAnArchive(error.to_string()))
        }
    }
}

/// Unpacks to at most `limit` bytes, and takes them off the limit.
pub(super) fn decompress(bytes: &Bytes, how: Compression, limit: &mut usize) -> Result<Bytes, ArtifactError> {
    match how {
        Compression::None => Ok(bytes.clone()),
        Compression::Gzip => {
            let mut unpacked = Vec::new();
            let mut decoder = MultiGzDecoder::new(bytes.as_ref()).take(*limit as u64 + 1);
            decoder.read_to_end(&mut unpacked).map_err(|error| ArtifactError::NotAnArchive(error.to_string()))?;
            *limit = limit.checked_sub(unpacked.len()).ok_or(ArtifactError::TooLarge(*limit))?;
            Ok(unpacked.into())
        }
    }
}

/// The SHA-256 of `bytes` in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
