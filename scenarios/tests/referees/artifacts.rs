//! `mender-artifact` reads what we write, we read what it writes, and the platform keeps every byte.

use crate::bench::{Bench, referee};
use crate::process::{run, said};
use crate::server::Server;
use bytes::Bytes;
use fleetproof_wire::artifact::{Artifact, Compression, Spec, read, write};
use fleetproof_wire::image::{Image, update_artifact};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const PAYLOAD: &[u8] = b"what the device gets\n";

/// Its sum, as `mender-artifact` prints it.
const PAYLOAD_SHA256: &str = "aec4e9db12da0f3573fdf49b27606c6b93678c049cd4a4fe0c34c85c8b166851";

fn spec(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        device_types: vec!["board-a".to_owned(), "board-b".to_owned()],
        payload_type: "hil-module".to_owned(),
        files: vec![("payload.txt".to_owned(), Bytes::from_static(PAYLOAD))],
        ..Spec::default()
    }
}

/// What `mender-artifact` says of a file; it has to like it.
fn told(bench: &Bench, verb: &str, artifact: &Bytes) -> String {
    let file = bench.write("ours.mender", artifact);
    let output = run(Command::new("mender-artifact").arg(verb).arg(file));
    assert!(output.status.success(), "mender-artifact {verb}: {}", said(&output));
    said(&output)
}

/// Do all these stand in it, in this order?
fn hold(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing, or out of order, in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn referee_mender_artifact_takes_what_we_write() {
    referee("mender_artifact_reads", &["mender-artifact"], async |bench| {
        for compression in [Compression::None, Compression::Gzip] {
            let artifact = write(&Spec { compression, ..spec("release-2") }).unwrap();
            hold(&told(bench, "validate", &artifact), &["validated successfully"]);
            let text = told(bench, "read", &artifact);
            hold(&text, &["Name: release-2", "Format: mender", "Version: 3", "board-a", "board-b", "hil-module"]);
            hold(&text, &["payload.txt", &PAYLOAD.len().to_string(), PAYLOAD_SHA256]);
        }
    });
}

#[test]
fn referee_mender_artifact_sees_what_ours_provide_and_depend_on() {
    referee("mender_artifact_provides", &["mender-artifact"], async |bench| {
        let artifact = write(&Spec {
            provides: BTreeMap::from([("rootfs-image.hil.version".to_owned(), "release-3".to_owned())]),
            depends: BTreeMap::from([("bootloader".to_owned(), vec!["4.2".to_owned()])]),
            clears_provides: vec!["rootfs-image.hil.*".to_owned()],
            group: Some("stable".to_owned()),
            depends_names: vec!["release-1".to_owned(), "release-2".to_owned()],
            depends_groups: vec!["beta".to_owned()],
            scripts: vec![("ArtifactInstall_Enter_00".to_owned(), Bytes::from_static(b"#!/bin/sh\n"))],
            meta_data: Some(serde_json::json!({ "slot": "b" })),
            ..spec("release-3")
        });
        let artifact = artifact.unwrap();
        hold(&told(bench, "validate", &artifact), &["validated successfully"]);
        let text = told(bench, "read", &artifact);
        for part in [
            "Provides group: stable",
            "release-1, release-2",
            "beta",
            "ArtifactInstall_Enter_00",
            "rootfs-image.hil.version: release-3",
            "bootloader: 4.2",
            "rootfs-image.hil.*",
            "\"slot\": \"b\"",
        ] {
            hold(&text, &[part]);
        }
    });
}

#[test]
fn referee_mender_artifact_takes_updates_for_simulated_devices() {
    referee("mender_artifact_image", &["mender-artifact"], async |bench| {
        let artifact = update_artifact("2.0.0", &Image::good("2.0.0", 7), 100_000);
        hold(&told(bench, "validate", &artifact), &["validated successfully"]);
        let text = told(bench, "read", &artifact);
        hold(
            &text,
            &["Name: 2.0.0", "fleetproof-sim", "rootfs-image.fleetproof.version: 2.0.0", "image.bin", "100000"],
        );
    });
}

#[test]
fn referee_mender_artifact_refuses_what_was_tampered_with() {
    referee("mender_artifact_tampered", &["mender-artifact"], async |bench| {
        let mut bytes = write(&Spec { compression: Compression::None, ..spec("release-2") }).unwrap().to_vec();
        let at = bytes.windows(PAYLOAD.len()).position(|window| window == PAYLOAD).unwrap();
        bytes[at] ^= 1;
        let file = bench.write("ours.mender", &bytes);
        let output = run(Command::new("mender-artifact").arg("validate").arg(file));
        assert!(!output.status.success(), "mender-artifact took it: {}", said(&output));
        assert!(read(&Bytes::from(bytes)).is_err(), "we took it");
    });
}

/// What `mender-artifact` makes of `arguments`.
fn theirs(bench: &Bench, arguments: &[&str]) -> Bytes {
    let file = bench.path("theirs.mender");
    let output = run(Command::new("mender-artifact").arg("write").args(arguments).arg("-o").arg(&file));
    assert!(output.status.success(), "mender-artifact write {arguments:?}: {}", said(&output));
    Bytes::from(fs::read(file).unwrap())
}

fn module_image(bench: &Bench, compression: &str) -> Bytes {
    bench.write("payload.txt", PAYLOAD);
    let payload = bench.text("payload.txt");
    let script = bench.write("ArtifactCommit_Leave_07", "#!/bin/sh\n");
    let meta_data = bench.write("meta.json", r#"{"slot":"b"}"#);
    let [script, meta_data] = [&script, &meta_data].map(|path| path.to_str().unwrap());
    #[rustfmt::skip]
    let arguments = [
        "module-image", "-n", "theirs-1", "-t", "board-a", "-t", "board-b", "-T", "hil-module", "-f", &payload,
        "-s", script, "-m", meta_data, "-p", "color:blue", "-d", "bootloader:4.2", "-N", "theirs-0", "-g", "stable",
        "-G", "beta", "--clears-provides", "color", "--compression", compression,
    ];
    theirs(bench, &arguments)
}

fn is_their_module_image(artifact: &Artifact) {
    assert_eq!(artifact.name, "theirs-1");
    assert_eq!(artifact.group.as_deref(), Some("stable"));
    assert_eq!(artifact.device_types, ["board-a", "board-b"]);
    assert_eq!(artifact.depends_names, ["theirs-0"]);
    assert_eq!(artifact.depends_groups, ["beta"]);
    assert_eq!(artifact.scripts, [("ArtifactCommit_Leave_07".to_owned(), Bytes::from_static(b"#!/bin/sh\n"))]);
    let [payload] = &artifact.payloads[..] else { panic!("{} payloads", artifact.payloads.len()) };
    assert_eq!(payload.kind.as_deref(), Some("hil-module"));
    assert_eq!(payload.provides["color"], "blue");
    assert_eq!(payload.provides["rootfs-image.hil-module.version"], "theirs-1");
    assert_eq!(payload.depends["bootloader"], ["4.2"]);
    assert!(payload.clears_provides.contains(&"color".to_owned()), "{:?}", payload.clears_provides);
    assert_eq!(payload.meta_data, Some(serde_json::json!({ "slot": "b" })));
    let [file] = &payload.files[..] else { panic!("{} files", payload.files.len()) };
    assert_eq!((file.name.as_str(), &file.content[..], file.sha256.as_str()), ("payload.txt", PAYLOAD, PAYLOAD_SHA256));
}

#[test]
fn referee_mender_artifact_writes_module_images_that_we_read() {
    referee("mender_artifact_module", &["mender-artifact"], async |bench| {
        for (word, compression) in [("none", Compression::None), ("gzip", Compression::Gzip)] {
            let artifact = read(&module_image(bench, word)).unwrap();
            assert_eq!(artifact.compression, compression);
            is_their_module_image(&artifact);
        }
    });
}

#[test]
fn referee_mender_artifact_writes_images_that_we_read() {
    referee("mender_artifact_rootfs", &["mender-artifact"], async |bench| {
        let content: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        bench.write("rootfs.ext4", &content);
        let image = bench.text("rootfs.ext4");
        for word in ["none", "gzip"] {
            let theirs =
                theirs(bench, &["rootfs-image", "-n", "image-1", "-t", "board-a", "-f", &image, "--compression", word]);
            let artifact = read(&theirs).unwrap();
            assert_eq!((artifact.name.as_str(), &artifact.device_types[..]), ("image-1", &["board-a".to_owned()][..]));
            let payload = &artifact.payloads[0];
            assert_eq!(payload.kind.as_deref(), Some("rootfs-image"));
            assert_eq!(payload.provides["rootfs-image.version"], "image-1");
            assert_eq!(payload.files[0].name, "rootfs.ext4");
            assert!(payload.files[0].content == content, "another content");
        }
    });
}

#[test]
fn referee_mender_artifact_packs_with_xz_and_we_say_so() {
    referee("mender_artifact_xz", &["mender-artifact"], async |bench| {
        let error = read(&module_image(bench, "lzma")).unwrap_err().to_string();
        assert!(error.contains("xz"), "the refusal does not name what it refuses: {error}");
    });
}

#[test]
fn referee_mender_artifact_gets_back_every_byte_from_the_platform() {
    referee("mender_artifact_bytes", &["mender-artifact"], async |bench| {
        let server = Server::start(bench);
        let admin = server.login().await;
        let uploads = [
            module_image(bench, "gzip"),
            write(&Spec { compression: Compression::None, ..spec("plain-1") }).unwrap(),
            write(&Spec { compression: Compression::Gzip, ..spec("packed-1") }).unwrap(),
            update_artifact("2.0.0", &Image::good("2.0.0", 7), 3_000_000),
        ];
        for artifact in uploads {
            let id = admin.upload(&artifact).await;
            let served = admin.download(&id).await;
            assert!(served == artifact, "{} bytes came back of {}", served.len(), artifact.len());
            hold(&told(bench, "validate", &served), &["validated successfully"]);
        }
        server.end();
    });
}
