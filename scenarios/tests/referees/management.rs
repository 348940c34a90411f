//! `mender-cli` against the management interface.

use crate::bench::{Bench, referee};
use crate::process::{run, said};
use crate::server::Server;
use bytes::Bytes;
use fleetproof_wire::artifact::{Spec, write};
use std::process::{Command, Output};

/// Runs `mender-cli`, with a home of its own for its token.
fn mender_cli(bench: &Bench, server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new("mender-cli");
    command.args(arguments).args(["--server", server.url()]);
    run(command.env("HOME", bench.path("home")).env_remove("XDG_CACHE_HOME").current_dir(bench.path(".")))
}

/// The same, and it has to work.
fn does(bench: &Bench, server: &Server, arguments: &[&str]) -> String {
    let output = mender_cli(bench, server, arguments);
    assert!(output.status.success(), "mender-cli {}: {}", arguments[..2].join(" "), said(&output));
    said(&output)
}

#[test]
fn referee_mender_cli_manages_artifacts_and_devices() {
    referee("mender_cli", &["mender-cli"], async |bench| {
        let server = Server::start(bench);
        std::fs::create_dir(bench.path("home")).unwrap();
        let (email, password) = server.admin();

        let refused = mender_cli(bench, &server, &["login", "--username", email, "--password", "guessed"]);
        assert!(!refused.status.success(), "a wrong password let in: {}", said(&refused));
        let stranger = mender_cli(bench, &server, &["artifacts", "list"]);
        assert!(!stranger.status.success(), "a list without a login: {}", said(&stranger));

        does(bench, &server, &["login", "--username", email, "--password", password]);
        let artifact = write(&Spec {
            name: "release-2".to_owned(),
            device_types: vec!["board-a".to_owned()],
            payload_type: "hil-module".to_owned(),
            files: vec![("payload".to_owned(), Bytes::from(vec![7_u8; 2_000_000]))],
            ..Spec::default()
        });
        let artifact = artifact.unwrap();
        let file = bench.write("release-2.mender", &artifact);
        let upload =
            ["artifacts", "upload", "--no-progress", "--description", "from a referee", file.to_str().unwrap()];
        does(bench, &server, &upload);

        let admin = server.login().await;
        let stored = admin.get("/api/management/v1/deployments/artifacts").await.unwrap();
        assert_eq!((&stored[0]["name"], &stored[0]["description"]), (&"release-2".into(), &"from a referee".into()));
        let id = stored[0]["id"].as_str().unwrap();
        assert!(admin.download(id).await == artifact, "other bytes came back");
        let list = does(bench, &server, &["artifacts", "list", "--detail", "3"]);
        for part in ["release-2", "board-a", "from a referee", "hil-module", id] {
            assert!(list.contains(part), "{part} is missing in {list}");
        }
        let twice = mender_cli(bench, &server, &upload);
        assert!(!twice.status.success(), "the same artifact twice: {}", said(&twice));

        let body = serde_json::json!({ "identity_data": { "mac": "02:00:00:00:00:02" }, "pubkey": PUBLIC_KEY });
        admin.say("POST", "/api/management/v2/devauth/devices", &body, 201).await;
        let devices = does(bench, &server, &["devices", "list", "--detail", "3"]);
        assert!(devices.contains("02:00:00:00:00:02") && devices.contains("preauthorized"), "{devices}");

        does(bench, &server, &["artifacts", "delete", id]);
        assert_eq!(admin.get(&format!("/api/management/v1/deployments/artifacts/{id}")).await, Err(404));
        let again = mender_cli(bench, &server, &["artifacts", "delete", id]);
        assert!(!again.status.success(), "deleted twice: {}", said(&again));
        server.end();
    });
}

/// A key that nobody has the other half of.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6wP79xgvxmE40VIHeNmnt1euEx3U
oJo4u6jeJB1SNL3dVV726HrIK5q5bHoftvDEkcNK9uTjkT6ezYdK/xigsw==
-----END PUBLIC KEY-----
";
