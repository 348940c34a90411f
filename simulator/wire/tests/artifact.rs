#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The artifact: what is written is read again, what is broken is refused with its reason.

use bytes::Bytes;
use fleetproof_wire::artifact::{Artifact, ArtifactError, Compression, Spec, read, read_within, write, write_signed};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 _.:\"/ü-]{1,12}"
}

fn file_name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,20}(\\.[a-z]{1,3})?"
}

fn map<V: Strategy>(values: V) -> impl Strategy<Value = BTreeMap<String, V::Value>> {
    proptest::collection::btree_map(text(), values, 0..3)
}

fn files(largest: usize) -> impl Strategy<Value = Vec<(String, Bytes)>> {
    let content = proptest::collection::vec(any::<u8>(), 0..largest).prop_map(Bytes::from);
    proptest::collection::btree_map(file_name(), content, 0..4).prop_map(|files| files.into_iter().collect())
}

fn spec() -> impl Strategy<Value = Spec> {
    let names = || proptest::collection::vec(text(), 0..3);
    let types = prop_oneof![Just("rootfs-image".to_owned()), Just("fleetproof-sim".to_owned()), Just(String::new())];
    let head = (text(), proptest::collection::vec(text(), 1..3), types, files(3_000), files(100));
    let rest = (map(text()), map(names()), names(), proptest::option::of(text()), names(), names());
    (head, rest, any::<bool>(), any::<bool>()).prop_map(|(head, rest, gzip, meta)| {
        let (name, device_types, payload_type, files, scripts) = head;
        let (provides, depends, clears_provides, group, depends_names, depends_groups) = rest;
        let files = if payload_type.is_empty() { Vec::new() } else { files };
        let compression = if gzip { Compression::Gzip } else { Compression::None };
        let meta_data = meta.then(|| serde_json::json!({ "any": [1, "thing"] }));
        Spec {
            name,
            device_types,
            payload_type,
            files,
            provides,
            depends,
            clears_provides,
            group,
            depends_names,
            depends_groups,
            scripts,
            meta_data,
            compression,
        }
    })
}

/// The spec that would have written what was read.
fn spec_of(artifact: &Artifact) -> Spec {
    let [payload] = artifact.payloads.as_slice() else { panic!("one payload") };
    Spec {
        name: artifact.name.clone(),
        device_types: artifact.device_types.clone(),
        payload_type: payload.kind.clone().unwrap_or_default(),
        files: payload.files.iter().map(|file| (file.name.clone(), file.content.clone())).collect(),
        provides: payload.provides.clone(),
        depends: payload.depends.clone(),
        clears_provides: payload.clears_provides.clone(),
        group: artifact.group.clone(),
        depends_names: artifact.depends_names.clone(),
        depends_groups: artifact.depends_groups.clone(),
        scripts: artifact.scripts.clone(),
        meta_data: payload.meta_data.clone(),
        compression: artifact.compression,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(spec in spec()) {
        let bytes = write(&spec).unwrap();
        prop_assert_eq!(&write(&spec).unwrap(), &bytes, "the same bytes every time");
        prop_assert_eq!(spec_of(&read(&bytes).unwrap()), spec);
    }

    /// A changed byte is noticed, or it was one that says nothing (padding, an owner in a tar header).
    #[test]
    fn what_was_damaged_is_refused_or_means_the_same(
        spec in spec(), damage in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let mut bytes = write(&spec).unwrap().to_vec();
        for (at, by) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        if let Ok(artifact) = read(&bytes.into()) {
            prop_assert_eq!(spec_of(&artifact), Spec { compression: artifact.compression, ..spec });
        }
    }

    #[test]
    fn what_was_cut_short_is_refused(spec in spec(), at in any::<prop::sample::Index>()) {
        let bytes = write(&spec).unwrap();
        // The two empty blocks at the end, and the padding before them, carry nothing.
        let whole = bytes.len() - 1024 - 512;
        prop_assert!(read(&bytes.slice(..at.index(whole))).is_err());
    }

    #[test]
    fn bytes_that_are_anything_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(read(&bytes.into()).is_err());
    }
}

fn sample(compression: Compression) -> Spec {
    Spec {
        name: "release-2".into(),
        device_types: vec!["board".into()],
        payload_type: "rootfs-image".into(),
        files: vec![("root.img".into(), Bytes::from(vec![7; 5_000])), ("empty".into(), Bytes::new())],
        compression,
        ..Spec::default()
    }
}

/// The outer files of an artifact.
fn unpack(artifact: &Bytes) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(artifact.as_ref());
    let read = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    };
    archive.entries().unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn repack(parts: &[(String, Vec<u8>)]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap().into()
}

fn changed(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Result<Artifact, ArtifactError> {
    let mut parts = unpack(&write(&sample(Compression::Gzip)).unwrap());
    change(&mut parts);
    read(&repack(&parts))
}

/// Changes the text of the manifest.
fn manifest(change: impl FnOnce(String) -> String) -> Result<Artifact, ArtifactError> {
    changed(|parts| parts[1].1 = change(String::from_utf8(parts[1].1.clone()).unwrap()).into_bytes())
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_order_of_the_format_is_kept() {
    let names = |how| unpack(&write(&sample(how)).unwrap()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(Compression::Gzip), ["version", "manifest", "header.tar.gz", "data/0000.tar.gz"]);
    assert_eq!(names(Compression::None), ["version", "manifest", "header.tar", "data/0000.tar"]);
    let swapped = |a: usize, b: usize| changed(|parts| parts.swap(a, b)).unwrap_err().to_string();
    assert_eq!(swapped(0, 1), "`manifest` stands where version must stand");
    assert_eq!(swapped(1, 2), "`header.tar.gz` stands where manifest must stand");
    assert_eq!(swapped(2, 3), "`data/0000.tar.gz` stands where the header must stand");
    let more = changed(|parts| parts.push(("data/0001.tar".into(), vec![]))).unwrap_err().to_string();
    assert_eq!(more, "`data/0001.tar` stands where the end must stand");
    let less = changed(|parts| parts.truncate(3)).unwrap_err().to_string();
    assert_eq!(less, "the artifact ends where a payload must stand");
}

#[test]
fn the_manifest_lists_every_file_and_no_other() {
    let unlisted =
        manifest(|text| text.lines().filter(|line| !line.ends_with("root.img")).collect::<Vec<_>>().join("\n"));
    assert_eq!(unlisted.unwrap_err(), ArtifactError::Unlisted("data/0000/root.img".into()));
    let missing = manifest(|text| format!("{text}{}  data/0000/other\n", "0".repeat(64)));
    assert_eq!(missing.unwrap_err(), ArtifactError::Missing("data/0000/other".into()));
    let twice = manifest(|text| format!("{text}{text}"));
    assert!(matches!(twice.unwrap_err(), ArtifactError::Manifest(_)));
    let upper = manifest(|text| text.to_uppercase());
    assert!(matches!(upper.unwrap_err(), ArtifactError::Manifest(_)));
    let reordered = manifest(|text| text.lines().rev().map(|line| format!("{line}\n")).collect());
    assert!(reordered.is_ok(), "the order of its lines is free");
}

#[test]
fn every_part_is_held_against_its_checksum() {
    let mut spec = sample(Compression::None);
    let good = write(&spec).unwrap();
    spec.files[0].1 = Bytes::from(vec![8; 5_000]);
    let (mut parts, other) = (unpack(&good), unpack(&write(&spec).unwrap()));
    parts[3] = other[3].clone();
    assert!(
        matches!(read(&repack(&parts)).unwrap_err(), ArtifactError::Checksum { file, .. } if file == "data/0000/root.img")
    );

    spec.name = "release-3".into();
    let mut parts = unpack(&good);
    parts[2] = unpack(&write(&spec).unwrap())[2].clone();
    assert!(matches!(read(&repack(&parts)).unwrap_err(), ArtifactError::Checksum { file, .. } if file == "header.tar"));

    let version = changed(|parts| parts[0].1.push(b' '));
    assert!(matches!(version.unwrap_err(), ArtifactError::Checksum { file, .. } if file == "version"));
}

#[test]
fn what_is_not_spoken_is_refused_by_name() {
    let renamed = |at: usize, name: &str| {
        changed(|parts| {
            let old = std::mem::replace(&mut parts[at].0, name.into());
            let text = String::from_utf8(parts[1].1.clone()).unwrap();
            parts[1].1 = text.replace(&old, name).into_bytes();
        })
        .unwrap_err()
        .to_string()
    };
    assert_eq!(renamed(2, "header.tar.xz"), "compression by xz is not supported");
    assert_eq!(renamed(2, "header.tar.zst"), "compression by zstd is not supported");
    assert_eq!(renamed(3, "data/0000.tar.xz"), "compression by xz is not supported");
    assert_eq!(renamed(2, "manifest-augment"), "an augmented artifact (`manifest-augment`) is not supported");
    let version = |text: &str| changed(|parts| parts[0].1 = text.into()).unwrap_err().to_string();
    assert_eq!(version(r#"{"format":"mender","version":2}"#), "not a Mender artifact of version 3: mender 2");
    assert_eq!(version("3"), "not a Mender artifact of version 3: 3");
    assert!(read(&Bytes::new()).is_err());
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    let mut spec = sample(Compression::Gzip);
    spec.files[0].1 = Bytes::from(vec![0; 8 << 20]);
    let bytes = write(&spec).unwrap();
    assert!(bytes.len() < 100_000, "it is a small one: {}", bytes.len());
    assert_eq!(read_within(&bytes, 1 << 20).unwrap_err(), ArtifactError::TooLarge(1 << 20));
    assert!(read_within(&bytes, 9 << 20).is_ok());
    // A header that unpacks too far is refused whatever the payload may take.
    let parts = |parts: &mut Vec<(String, Vec<u8>)>| {
        let bomb = {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut gzip, &vec![0; 5 << 20]).unwrap();
            gzip.finish().unwrap()
        };
        parts[1].1 = [("header.tar.gz", &bomb), ("version", &parts[0].1)]
            .map(|(name, content)| format!("{}  {name}\n", sha256(content)))
            .concat()
            .into_bytes();
        parts[2].1 = bomb;
    };
    assert_eq!(changed(parts).unwrap_err(), ArtifactError::TooLarge(4 << 20));
}

#[test]
fn a_signature_is_kept_and_the_manifest_with_it() {
    let mut signed = Vec::new();
    let bytes = write_signed(&sample(Compression::None), |manifest| {
        signed = manifest.to_vec();
        Bytes::from_static(b"c2lnbmF0dXJl")
    });
    let artifact = read(&bytes.unwrap()).unwrap();
    assert_eq!(artifact.signature.as_deref(), Some(b"c2lnbmF0dXJl".as_slice()));
    assert_eq!(artifact.manifest, signed);
}

#[test]
fn a_payload_that_is_not_packed_is_not_copied() {
    let bytes = write(&sample(Compression::None)).unwrap();
    let artifact = read(&bytes).unwrap();
    let content = artifact.payloads[0].files[0].content.as_ptr_range();
    let whole = bytes.as_ptr_range();
    assert!(whole.start < content.start && content.end < whole.end);
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    for name in ["", "..", "a/b", "a\nb", &"x".repeat(200)] {
        let mut spec = sample(Compression::None);
        spec.files[0].0 = name.to_owned();
        assert_eq!(write(&spec).unwrap_err(), ArtifactError::Name(name.to_owned()));
    }
    let mut spec = sample(Compression::None);
    spec.files[1].0 = spec.files[0].0.clone();
    assert_eq!(write(&spec).unwrap_err(), ArtifactError::Name("root.img".into()));
}

#[test]
fn what_a_device_must_provide_is_checked() {
    let mut spec = sample(Compression::None);
    spec.depends = BTreeMap::from([("bootloader".into(), vec!["1".into(), "2".into()])]);
    let artifact = read(&write(&spec).unwrap()).unwrap();
    let provides = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(artifact.unmet(&provides(&[("device_type", "board"), ("bootloader", "2")])), None);
    assert_eq!(artifact.unmet(&provides(&[("device_type", "board")])).unwrap().0, "bootloader");
    assert_eq!(artifact.unmet(&provides(&[("device_type", "else"), ("bootloader", "2")])).unwrap().0, "device_type");
}
