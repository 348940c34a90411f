//! The writer: a [`Spec`] becomes bytes, the same ones every time.

use super::header::{Depends, HeaderInfo, PayloadKind, Provides, TypeInfo, Version};
use super::pack::{MAX_NAME, archive, compress, sha256};
use super::{ArtifactError, Compression, Spec};
use bytes::Bytes;
use serde::Serialize;

const DATA_FILE: u32 = 0o600;
const SCRIPT: u32 = 0o755;

/// Writes an artifact without a signature.
///
/// # Errors
/// [`ArtifactError::Name`] when a file or script has a name that cannot stand in an archive, or there
/// is no artifact name; [`ArtifactError::Header`] when the spec contradicts itself (no device type, or
/// files without a payload type).
pub fn write(spec: &Spec) -> Result<Bytes, ArtifactError> {
    pack(spec, None::<fn(&[u8]) -> Bytes>)
}

/// Writes an artifact whose manifest is signed by `sign`: manifest in, content of `manifest.sig`
/// (base64 of the signature) out.
///
/// # Errors
/// As [`write`].
pub fn write_signed(spec: &Spec, sign: impl FnOnce(&[u8]) -> Bytes) -> Result<Bytes, ArtifactError> {
    pack(spec, Some(sign))
}

fn pack(spec: &Spec, sign: Option<impl FnOnce(&[u8]) -> Bytes>) -> Result<Bytes, ArtifactError> {
    check(spec)?;
    let extension = match spec.compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
    };
    let header_name = format!("header.tar{extension}");
    let data_name = format!("data/0000.tar{extension}");
    let version = json(&Version { format: "mender".into(), version: 3 })?;
    let header = compress(header(spec)?, spec.compression)?;
    let files: Vec<_> = spec.files.iter().map(|(name, content)| (name.as_str(), DATA_FILE, content.as_ref())).collect();
    let data = compress(archive(&files)?, spec.compression)?;

    let mut manifest = String::new();
    let mut list = |content: &[u8], name: &str| manifest.push_str(&format!("{}  {name}\n", sha256(content)));
    for (name, content) in &spec.files {
        list(content, &format!("data/0000/{name}"));
    }
    list(&header, &header_name);
    list(&version, "version");

    let signature = sign.map(|sign| sign(manifest.as_bytes()));
    let mut parts: Vec<(&str, u32, &[u8])> =
        vec![("version", DATA_FILE, &version), ("manifest", DATA_FILE, manifest.as_bytes())];
    parts.extend(signature.as_ref().map(|signature| ("manifest.sig", DATA_FILE, signature.as_ref())));
    parts.extend([(header_name.as_str(), DATA_FILE, header.as_slice()), (&data_name, DATA_FILE, &data)]);
    Ok(archive(&parts)?.into())
}

fn check(spec: &Spec) -> Result<(), ArtifactError> {
    if spec.name.is_empty() {
        return Err(ArtifactError::Name(String::new()));
    }
    if spec.device_types.is_empty() {
        return Err(ArtifactError::Header("no device type may install it".into()));
    }
    if spec.payload_type.is_empty() && !spec.files.is_empty() {
        return Err(ArtifactError::Header("an empty payload cannot have files".into()));
    }
    for names in [&spec.files, &spec.scripts] {
        for (index, (name, _)) in names.iter().enumerate() {
            let repeated = names[..index].iter().any(|(earlier, _)| earlier == name);
            if repeated || !is_plain_name(name) || name.len() > MAX_NAME - "scripts/".len() {
                return Err(ArtifactError::Name(name.clone()));
            }
        }
    }
    Ok(())
}

/// Whether a name can stand for a file of its own in one folder, and on one line of the manifest.
pub(super) fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

fn header(spec: &Spec) -> Result<Vec<u8>, ArtifactError> {
    let kind = (!spec.payload_type.is_empty()).then(|| spec.payload_type.clone());
    let info = json(&HeaderInfo {
        payloads: vec![PayloadKind { kind: kind.clone() }],
        artifact_provides: Provides { artifact_name: spec.name.clone(), artifact_group: spec.group.clone() },
        artifact_depends: Depends {
            artifact_name: spec.depends_names.clone(),
            device_type: spec.device_types.clone(),
            artifact_group: spec.depends_groups.clone(),
        },
    })?;
    let type_info = json(&TypeInfo {
        kind,
        artifact_depends: spec.depends.iter().map(|(key, values)| (key.clone(), values.clone().into())).collect(),
        artifact_provides: spec.provides.clone(),
        clears_artifact_provides: spec.clears_provides.clone(),
    })?;
    let meta_data = spec.meta_data.as_ref().map(json).transpose()?.unwrap_or_default();
    let scripts: Vec<_> =
        spec.scripts.iter().map(|(name, content)| (format!("scripts/{name}"), SCRIPT, content.as_ref())).collect();

    let mut files: Vec<(&str, u32, &[u8])> = vec![("header-info", DATA_FILE, &info)];
    files.extend(scripts.iter().map(|(name, mode, content)| (name.as_str(), *mode, *content)));
    files.push(("headers/0000/type-info", DATA_FILE, &type_info));
    files.push(("headers/0000/meta-data", DATA_FILE, &meta_data));
    archive(&files)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ArtifactError> {
    serde_json::to_vec(value).map_err(|error| ArtifactError::Header(error.to_string()))
}
