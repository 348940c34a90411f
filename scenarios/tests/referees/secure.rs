//! The same over HTTPS: the platform's authority is trusted because its file says so, and nobody else is.

use crate::bench::{Bench, referee};
use crate::client::Client;
use crate::process::{run, said};
use crate::server::Server;
use crate::updates::update_over;
use fleetproof_world::tls::Authority;
use fleetproof_world::{Seeds, World};
use std::process::{Command, Output};

/// The certificate of an authority that certified nobody here.
fn stranger(bench: &Bench) -> String {
    let stranger = Authority::new("somebody else", &mut Seeds::from_system().stream("stranger"));
    let pem = stranger.certificate(World::serving().clock.unix_ms()).unwrap();
    bench.write("stranger.pem", pem).to_str().unwrap().to_owned()
}

#[test]
fn referee_client_enrols_and_updates_over_https() {
    referee("https", &["mender"], async |bench| {
        let server = Server::start(bench);
        let admin = server.login().await;
        let mut client = Client::secure(bench, &server, "02:00:00:00:00:05");
        client.trusts(&stranger(bench));
        client.start();
        bench
            .wait("the client refuses who it does not trust", async || {
                client.log().contains("certificate").then_some(())
            })
            .await;
        let devices = admin.get("/api/management/v2/devauth/devices").await.unwrap();
        assert_eq!(devices.as_array().map(Vec::len), Some(0), "it knocked at a door that it cannot trust");
        client.cut_power();
        client.trusts(server.ca_certificate());

        let lines = update_over(bench, server, client).await;
        assert_eq!(lines.last().map(String::as_str), Some("success"), "{lines:?}");
    });
}

#[test]
fn referee_mender_cli_manages_over_https() {
    referee("https_cli", &["mender-cli"], async |bench| {
        let server = Server::start(bench);
        std::fs::create_dir(bench.path("home")).unwrap();
        let (email, password) = server.admin();
        let ask = |trusts: &str, arguments: &[&str]| -> Output {
            let mut command = Command::new("mender-cli");
            command.args(arguments).args(["--server", server.secure_url()]).env("SSL_CERT_FILE", trusts);
            command
                .env("SSL_CERT_DIR", bench.path("nobody"))
                .env("HOME", bench.path("home"))
                .env_remove("XDG_CACHE_HOME");
            run(command.current_dir(bench.path(".")))
        };
        let login = ["login", "--username", email, "--password", password];
        let refused = ask(&stranger(bench), &login);
        assert!(!refused.status.success() && said(&refused).contains("certificate"), "{}", said(&refused));
        let let_in = ask(server.ca_certificate(), &login);
        assert!(let_in.status.success(), "{}", said(&let_in));
        let listed = ask(server.ca_certificate(), &["devices", "list"]);
        assert!(listed.status.success(), "{}", said(&listed));
        server.end();
    });
}
