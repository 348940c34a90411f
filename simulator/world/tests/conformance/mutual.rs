//! Handshakes in which both sides show certificates: the same over pipes and sockets.

use fleetproof_world::tls::{Authority, Identity, Names, Peer, Subject, TlsClient, TlsServer, Validity};
use fleetproof_world::{Stream, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;

on_both_networks!(
    any_certificate_passes_and_is_told,
    who_does_not_hold_the_key_is_refused,
    who_shows_nothing_is_refused_unless_it_is_optional,
    the_certificate_is_the_one_of_the_name_that_is_asked_for,
    who_asks_for_nobody_gets_the_fallback_or_nothing,
    protocols_are_agreed_on_or_the_handshake_fails,
    certificates_of_names_are_renewed_and_depend_on_nothing_else,
);

const HOST: &str = "abc-ats.iot.eu-1.fleetproof.test";
const OTHER: &str = "xyz-ats.iot.eu-1.fleetproof.test";
const DAY: u64 = 86_400_000;

struct Endpoint {
    names: Names,
    arrivals: UnboundedReceiver<(Stream, Peer)>,
    trusted: String,
}

async fn endpoint(world: &World, fallback: Option<&str>, optional: bool, alpn: &[&str]) -> Endpoint {
    let authority = Authority::with_intermediate("root", "endpoints", &mut world.seeds.stream("endpoints"));
    let names = Names::new(authority, world.seeds.child("names"), &world.clock, fallback).unwrap();
    names.add(HOST).unwrap();
    let server = TlsServer::mutual(&names, optional, alpn, &world.clock).unwrap();
    let arrivals = server.secure_mutual(world.net.listen("server").await.unwrap());
    let trusted = names.trusted().unwrap();
    Endpoint { names, arrivals, trusted }
}

fn client(world: &World, endpoint: &Endpoint) -> TlsClient {
    TlsClient::trusting(&endpoint.trusted, &world.clock).unwrap()
}

fn good(world: &World) -> Validity {
    let now = world.clock.unix_ms();
    Validity { from_ms: now - DAY, until_ms: now + DAY }
}

fn alone(world: &World, name: &str, validity: Validity) -> Identity {
    Identity::self_signed(&Subject::named(name), validity, &mut world.seeds.stream(name)).unwrap()
}

/// Says a word and hears it, so that the handshake is over on both sides.
async fn met(world: &World, client: &TlsClient, name: &str, endpoint: &mut Endpoint) -> std::io::Result<Peer> {
    let stream = world.net.connect("client", "server").await?;
    let mut stream = client.connect(stream, name).await?;
    // With TLS 1.3 a client learns that it was refused with the first thing that it reads.
    stream.write_all(b"abc").await?;
    let heard = async {
        let mut word = [0; 3];
        stream.read_exact(&mut word).await.map(|_| word)
    };
    let answer = async {
        let (mut server, peer) = endpoint.arrivals.recv().await.unwrap();
        let mut word = [0; 3];
        server.read_exact(&mut word).await.unwrap();
        server.write_all(&word).await.unwrap();
        server.flush().await.unwrap();
        (server, peer)
    };
    tokio::pin!(heard, answer);
    tokio::select! {
        biased;
        word = &mut heard => word.map(|_| panic!("nobody answered")),
        (_server, peer) = &mut answer => {
            assert_eq!(&heard.await?, b"abc");
            Ok(peer)
        }
    }
}

async fn any_certificate_passes_and_is_told(world: World) {
    let mut endpoint = endpoint(&world, None, false, &[]).await;
    let now = world.clock.unix_ms();
    let factory = Authority::with_intermediate("maker", "factory", &mut world.seeds.stream("factory"));
    let keys = &mut world.seeds.stream("device");
    let shown = [
        factory.issue(&Subject::named("hvac-7"), good(&world), keys).unwrap(),
        alone(&world, "nobody", good(&world)),
        alone(&world, "expired", Validity { from_ms: 0, until_ms: 1000 }),
        alone(&world, "not yet", Validity { from_ms: now + DAY, until_ms: now + 2 * DAY }),
        alone(&world, "never", Validity { from_ms: now, until_ms: now - DAY }),
        alone(&world, "*/+/#/$/\0\u{202e}", good(&world)),
        alone(&world, "", good(&world)),
    ];
    for identity in shown {
        for client in [client(&world, &endpoint), client(&world, &endpoint).speaking_tls12().unwrap()] {
            let client = client.presenting(&identity).unwrap();
            let peer = met(&world, &client, HOST, &mut endpoint).await.unwrap();
            let wanted: Vec<_> = identity.chain().ders().map(<[u8]>::to_vec).collect();
            assert_eq!(peer.certificates, wanted);
            assert_eq!((peer.server_name.as_deref(), peer.alpn.as_deref()), (Some(HOST), None));
            assert_eq!(world.net.is_memory(), &*peer.from == "client");
        }
    }
}

async fn who_does_not_hold_the_key_is_refused(world: World) {
    let mut endpoint = endpoint(&world, None, true, &[]).await;
    let victim = alone(&world, "victim", good(&world));
    let thief = victim.stolen_by(&alone(&world, "thief", good(&world)));
    for client in [client(&world, &endpoint), client(&world, &endpoint).speaking_tls12().unwrap()] {
        let client = client.presenting(&thief).unwrap();
        met(&world, &client, HOST, &mut endpoint).await.unwrap_err();
        assert!(endpoint.arrivals.try_recv().is_err(), "it never arrives");
    }
}

async fn who_shows_nothing_is_refused_unless_it_is_optional(world: World) {
    let mut strict = endpoint(&world, None, false, &[]).await;
    for client in [client(&world, &strict), client(&world, &strict).speaking_tls12().unwrap()] {
        met(&world, &client, HOST, &mut strict).await.unwrap_err();
    }
    drop(strict);
    let other = World { net: fresh(&world), ..world };
    let mut lax = endpoint(&other, None, true, &[]).await;
    let peer = met(&other, &client(&other, &lax), HOST, &mut lax).await.unwrap();
    assert_eq!(peer.certificates, Vec::<Vec<u8>>::new());
}

/// Another network of the same kind: a name that was listened at may take a moment to be free.
fn fresh(world: &World) -> fleetproof_world::Network {
    if world.net.is_memory() { fleetproof_world::Network::memory() } else { fleetproof_world::Network::tcp() }
}

async fn the_certificate_is_the_one_of_the_name_that_is_asked_for(world: World) {
    let mut endpoint = endpoint(&world, None, true, &[]).await;
    let client = client(&world, &endpoint);
    let refused = met(&world, &client, OTHER, &mut endpoint).await.unwrap_err();
    assert!(refused.to_string().contains("AccessDenied") || refused.to_string().contains("alert"), "{refused}");
    // The owner adds it while the server runs.
    endpoint.names.add(&OTHER.to_ascii_uppercase()).unwrap();
    assert!(endpoint.names.has(OTHER));
    for name in [HOST, OTHER] {
        let peer = met(&world, &client, name, &mut endpoint).await.unwrap();
        assert_eq!(peer.server_name.as_deref(), Some(name));
    }
    endpoint.names.remove(OTHER);
    met(&world, &client, OTHER, &mut endpoint).await.unwrap_err();
    assert!(endpoint.names.add("no name").is_err());
}

async fn who_asks_for_nobody_gets_the_fallback_or_nothing(world: World) {
    let mut endpoint = endpoint(&world, Some(OTHER), true, &[]).await;
    let nameless = client(&world, &endpoint).without_name();
    let peer = met(&world, &nameless, OTHER, &mut endpoint).await.unwrap();
    assert_eq!(peer.server_name, None);
    let refused = met(&world, &nameless, HOST, &mut endpoint).await.unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
    // An attacker does not mind, and its wrong name is told.
    let attacker = TlsClient::trusting_anyone(&world.clock).unwrap();
    let peer = met(&world, &attacker, "stranger.test", &mut endpoint).await.unwrap();
    assert_eq!(peer.server_name.as_deref(), Some("stranger.test"));
    let peer = met(&world, &attacker, "192.0.2.1", &mut endpoint).await.unwrap();
    assert_eq!(peer.server_name, None);
    endpoint.names.remove(OTHER);
    met(&world, &attacker.without_name(), HOST, &mut endpoint).await.unwrap_err();
}

async fn protocols_are_agreed_on_or_the_handshake_fails(world: World) {
    let mut endpoint = endpoint(&world, None, true, &["x-amzn-mqtt-ca", "mqtt"]).await;
    let client = client(&world, &endpoint);
    for (spoken, agreed) in
        [(&["mqtt"][..], Some("mqtt")), (&["h2", "x-amzn-mqtt-ca"], Some("x-amzn-mqtt-ca")), (&[], None)]
    {
        let peer = met(&world, &client.clone().speaking(spoken), HOST, &mut endpoint).await.unwrap();
        assert_eq!(peer.alpn.as_deref(), agreed.map(str::as_bytes));
    }
    // Which end notices first differs; nobody arrives.
    met(&world, &client.speaking(&["h2"]), HOST, &mut endpoint).await.unwrap_err();
    assert!(endpoint.arrivals.try_recv().is_err());
}

async fn certificates_of_names_are_renewed_and_depend_on_nothing_else(world: World) {
    // In virtual time only: years pass.
    if !world.net.is_memory() {
        return;
    }
    let mut endpoint = endpoint(&world, None, true, &[]).await;
    met(&world, &client(&world, &endpoint), HOST, &mut endpoint).await.unwrap();
    world.clock.sleep(std::time::Duration::from_millis(1200 * DAY)).await;
    met(&world, &client(&world, &endpoint), HOST, &mut endpoint).await.unwrap();
}
