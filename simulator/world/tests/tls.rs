//! TLS over the network in memory: who is trusted, who is not, and that nobody waits for a slow handshake.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_world::tls::{Authority, TlsClient};
use fleetproof_world::{Incoming, Runtime, Seeds, World};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn authority(seed: u64) -> Authority {
    Authority::new("test authority", &mut Seeds::new(seed).stream("authority"))
}

/// A listener called `server` that answers every line of three bytes with itself.
async fn echo(world: &World) -> (String, Incoming) {
    let authority = authority(1);
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let keys = &mut Seeds::new(1).stream("server");
    let server = authority.server(&["localhost"], &[home], keys, &["http/1.1"], &world.clock).unwrap();
    let incoming = server.secure(world.net.listen("server").await.unwrap());
    (authority.certificate(world.clock.unix_ms()).unwrap(), incoming)
}

async fn said(world: &World, client: &TlsClient, name: &str, incoming: &mut Incoming) -> std::io::Result<String> {
    let stream = world.net.connect("client", "server").await?;
    let mut stream = client.connect(stream, name).await?;
    let (mut server, _) = incoming.recv().await.unwrap();
    stream.write_all(b"abc").await?;
    let mut word = [0; 3];
    server.read_exact(&mut word).await?;
    server.write_all(&word).await?;
    server.flush().await?;
    stream.read_exact(&mut word).await?;
    Ok(String::from_utf8_lossy(&word).into_owned())
}

#[test]
fn whom_the_authority_certified_is_trusted_under_its_names_only() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let (pem, mut incoming) = echo(&world).await;
        let client = TlsClient::trusting(&pem, &world.clock).unwrap();
        for name in ["localhost", "127.0.0.1"] {
            assert_eq!(said(&world, &client, name, &mut incoming).await.unwrap(), "abc", "{name}");
        }
        for name in ["platform.test", "127.0.0.2"] {
            let refused = said(&world, &client, name, &mut incoming).await.unwrap_err().to_string();
            assert!(refused.contains("not valid for name"), "{name}: {refused}");
        }
        let stranger = authority(2).certificate(world.clock.unix_ms()).unwrap();
        let stranger = TlsClient::trusting(&stranger, &world.clock).unwrap();
        let refused = said(&world, &stranger, "localhost", &mut incoming).await.unwrap_err().to_string();
        assert!(refused.contains("UnknownIssuer") || refused.contains("invalid peer certificate"), "{refused}");
    });
}

#[test]
fn certificates_end_by_the_clock_of_the_run() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let (pem, mut incoming) = echo(&world).await;
        let client = TlsClient::trusting(&pem, &world.clock).unwrap();
        world.clock.sleep(Duration::from_secs(799 * 86_400)).await;
        assert_eq!(said(&world, &client, "localhost", &mut incoming).await.unwrap(), "abc");
        world.clock.sleep(Duration::from_secs(3 * 86_400)).await;
        let refused = said(&world, &client, "localhost", &mut incoming).await.unwrap_err().to_string();
        assert!(refused.to_lowercase().contains("expired"), "{refused}");
    });
}

#[test]
fn who_does_not_shake_hands_holds_up_nobody_and_is_let_go() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let (pem, mut incoming) = echo(&world).await;
        let mut silent = world.net.connect("silent", "server").await.unwrap();
        let mut plain = world.net.connect("plain", "server").await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let client = TlsClient::trusting(&pem, &world.clock).unwrap();
        assert_eq!(said(&world, &client, "localhost", &mut incoming).await.unwrap(), "abc");
        let before = world.clock.now();
        assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(world.clock.now().since(before).as_secs(), 9);
        assert!(incoming.try_recv().is_err(), "neither arrived");
    });
}

#[test]
fn the_same_seed_and_moment_give_the_same_certificate() {
    let at = 1_900_000_000_000;
    assert_eq!(authority(1).certificate(at).unwrap(), authority(1).certificate(at).unwrap());
    assert_ne!(authority(1).certificate(at).unwrap(), authority(2).certificate(at).unwrap());
    assert!(!format!("{:?}", authority(1)).contains("SigningKey"));
}
