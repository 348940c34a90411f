//! Connections on links that are not well: the same over pipes and sockets.

use super::pair;
use fleetproof_world::{Ends, FaultId, LinkFault, Runtime, Seeds, Slow, Stream, World};
use proptest::prelude::*;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

on_both_networks!(
    a_partition_holds_what_is_sent_until_it_is_lifted,
    a_partition_of_one_way_lets_the_other_through,
    what_nobody_hears_of_stops_after_a_window,
    a_full_window_holds_the_writer,
    a_dial_into_a_partition_comes_about_after_it,
    what_was_sent_arrives_though_its_sender_has_given_up,
    the_end_of_a_connection_is_held_too,
    a_reset_reaches_both_ends_once,
    a_reset_reaches_a_connection_that_is_carried,
    a_slow_link_takes_its_time_both_ways,
    a_narrow_link_takes_its_bytes,
    a_link_that_loses_delivers_everything_in_order,
    links_between_others_are_left_alone,
    a_fault_that_met_nothing_has_not_acted,
    a_lifted_fault_leaves_nothing_behind,
);

const CUT: LinkFault = LinkFault::Partition { one_way: false };

/// How long it is watched that nothing happens.
const MOMENT: Duration = Duration::from_millis(60);

fn ends() -> Ends {
    Ends::between(&"client".into(), &"server".into())
}

fn put(world: &World, fault: LinkFault) -> FaultId {
    world.net.links().put(ends(), fault, &Seeds::new(7).child("links"))
}

fn slow(slow: Slow) -> LinkFault {
    LinkFault::Slow(slow)
}

/// What comes within a moment; nothing: `None`.
async fn soon(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut got = vec![0; 1024];
    let read = tokio::time::timeout(MOMENT, stream.read(&mut got)).await.ok()?.unwrap();
    got.truncate(read);
    Some(got)
}

async fn exactly(stream: &mut Stream, text: &[u8]) {
    let mut got = vec![0; text.len()];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, text);
}

async fn a_partition_holds_what_is_sent_until_it_is_lifted(world: World) {
    let (mut client, mut server) = pair(&world).await;
    client.write_all(b"before").await.unwrap();
    exactly(&mut server, b"before").await;
    let cut = put(&world, CUT);
    client.write_all(b"question").await.unwrap();
    server.write_all(b"answer").await.unwrap();
    assert_eq!((soon(&mut server).await, soon(&mut client).await), (None, None));
    let proof = world.net.links().proof(cut);
    assert_eq!((proof.connections, proof.held, proof.refused, proof.delayed), (1, 14, 0, 0));
    assert_eq!(world.net.links().lift(cut), proof);
    exactly(&mut server, b"question").await;
    exactly(&mut client, b"answer").await;
    client.write_all(b"after").await.unwrap();
    exactly(&mut server, b"after").await;
    assert_eq!(world.net.links().proof(cut), proof, "a fault that is lifted acts on nothing");
}

async fn a_partition_of_one_way_lets_the_other_through(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let cut = put(&world, LinkFault::Partition { one_way: true });
    server.write_all(b"down").await.unwrap();
    exactly(&mut client, b"down").await;
    client.write_all(b"up").await.unwrap();
    assert_eq!(soon(&mut server).await, None);
    assert_eq!(world.net.links().lift(cut).held, 2);
    exactly(&mut server, b"up").await;

    let ends = Ends::between(&"server".into(), &"client".into());
    let cut = world.net.links().put(ends, LinkFault::Partition { one_way: true }, &world.seeds);
    client.write_all(b"up again").await.unwrap();
    exactly(&mut server, b"up again").await;
    server.write_all(b"down").await.unwrap();
    assert_eq!(soon(&mut client).await, None);
    world.net.links().lift(cut);
    exactly(&mut client, b"down").await;
}

async fn what_nobody_hears_of_stops_after_a_window(world: World) {
    const MUCH: usize = 512 * 1024;
    let (mut client, mut server) = pair(&world).await;
    let cut = put(&world, LinkFault::Partition { one_way: true });
    client.write_all(b"x").await.unwrap(); // carried from here on
    let writer = tokio::spawn(async move {
        server.write_all(&vec![1; MUCH]).await.unwrap();
        server
    });
    let (mut got, mut buffer) = (0, vec![0; 8192]);
    while let Ok(read) = tokio::time::timeout(MOMENT, client.read(&mut buffer)).await {
        got += read.unwrap();
    }
    assert!((64 * 1024..MUCH / 2).contains(&got), "{got}");
    assert!(world.net.links().lift(cut).held > 1);
    while got < MUCH {
        got += client.read(&mut buffer).await.unwrap();
    }
    writer.await.unwrap();
}

async fn a_full_window_holds_the_writer(world: World) {
    const MUCH: usize = 8 * 1024 * 1024;
    let (mut client, mut server) = pair(&world).await;
    let cut = put(&world, CUT);
    let writer = tokio::spawn(async move {
        client.write_all(&vec![7; MUCH]).await.unwrap();
        client
    });
    tokio::time::sleep(MOMENT).await;
    assert!(!writer.is_finished(), "8 MiB fit into no window");
    let held = world.net.links().lift(cut).held;
    assert!((64 * 1024..128 * 1024).contains(&held), "{held}");
    let mut got = vec![0; MUCH];
    server.read_exact(&mut got).await.unwrap();
    writer.await.unwrap();
}

async fn a_dial_into_a_partition_comes_about_after_it(world: World) {
    let mut incoming = world.net.listen("server").await.unwrap();
    let cut = put(&world, CUT);
    let began = world.clock.now();
    let dial = {
        let world = world.clone();
        tokio::spawn(async move { world.net.connect("client", "server").await })
    };
    tokio::time::sleep(MOMENT).await;
    assert!(!dial.is_finished() && incoming.try_recv().is_err());
    let proof = world.net.links().lift(cut);
    assert_eq!((proof.connections, proof.refused, proof.held), (1, 1, 0));
    let mut client = dial.await.unwrap().unwrap();
    assert!(world.clock.now().since(began) >= Duration::from_secs(1), "it is tried again after a second");
    let (mut server, _) = incoming.recv().await.unwrap();
    client.write_all(b"hello").await.unwrap();
    exactly(&mut server, b"hello").await;
}

async fn what_was_sent_arrives_though_its_sender_has_given_up(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let cut = put(&world, CUT);
    client.write_all(b"please").await.unwrap();
    drop(client);
    assert_eq!(soon(&mut server).await, None);
    world.net.links().lift(cut);
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"please");
}

async fn the_end_of_a_connection_is_held_too(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let cut = put(&world, CUT);
    client.write_all(b"x").await.unwrap();
    server.shutdown().await.unwrap();
    drop(server);
    assert_eq!(soon(&mut client).await, None, "nobody hears that the other has gone");
    world.net.links().lift(cut);
    let read = client.read(&mut [0; 8]).await;
    assert!(matches!(&read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}

async fn a_reset_reaches_both_ends_once(world: World) {
    let (client, mut server) = pair(&world).await;
    let reader = tokio::spawn(async move {
        let mut client = client;
        let read = client.read(&mut [0; 8]).await;
        (client, read)
    });
    server.write_u8(1).await.unwrap();
    let (client, read) = reader.await.unwrap();
    assert_eq!(read.unwrap(), 1);
    // One end waits while it happens.
    let reader = tokio::spawn(async move {
        let mut client = client;
        let read = client.read(&mut [0; 8]).await;
        (client, read)
    });
    tokio::task::yield_now().await;
    let links = world.net.links();
    assert_eq!(links.open(&ends()), 1);
    assert_eq!(links.reset(&ends()).connections, 1);
    let (mut client, read) = reader.await.unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let write = client.write(b"x").await.unwrap_err().kind();
    assert!(matches!(write, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{write}");
    drop(client);
    assert_eq!((links.open(&ends()), links.reset(&ends()).connections), (0, 0));
}

async fn a_reset_reaches_a_connection_that_is_carried(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let late = put(&world, slow(Slow { latency: Duration::from_millis(5), ..Slow::default() }));
    client.write_all(b"hello").await.unwrap();
    exactly(&mut server, b"hello").await;
    assert_eq!(world.net.links().reset(&ends()).connections, 1);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    world.net.links().lift(late);
}

async fn a_slow_link_takes_its_time_both_ways(world: World) {
    let ms = Duration::from_millis;
    let mut incoming = world.net.listen("server").await.unwrap();
    let late = put(&world, slow(Slow { latency: ms(40), spread: ms(20), ..Slow::default() }));
    let began = world.clock.now();
    let mut client = world.net.connect("client", "server").await.unwrap();
    assert!(world.clock.now().since(began) >= ms(80), "a handshake is a round trip");
    let (mut server, _) = incoming.recv().await.unwrap();
    for _ in 0..3 {
        let began = world.clock.now();
        client.write_all(b"there").await.unwrap();
        exactly(&mut server, b"there").await;
        assert!(world.clock.now().since(began) >= ms(40));
        server.write_all(b"back").await.unwrap();
        exactly(&mut client, b"back").await;
        let took = world.clock.now().since(began);
        assert!(took >= ms(80) && took < ms(1000), "{took:?}");
    }
    let proof = world.net.links().lift(late);
    assert_eq!((proof.connections, proof.delayed, proof.held), (1, 27, 0));
}

async fn a_narrow_link_takes_its_bytes(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let narrow = put(&world, slow(Slow { bandwidth: Some(100 * 1024), ..Slow::default() }));
    let began = world.clock.now();
    let writer = tokio::spawn(async move {
        client.write_all(&vec![3; 25 * 1024]).await.unwrap();
        client
    });
    let mut got = vec![0; 25 * 1024];
    server.read_exact(&mut got).await.unwrap();
    let took = world.clock.now().since(began);
    assert!(took >= Duration::from_millis(249) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!(world.net.links().lift(narrow).delayed, 25 * 1024);
    writer.await.unwrap();
}

async fn a_link_that_loses_delivers_everything_in_order(world: World) {
    let (mut client, mut server) = pair(&world).await;
    put(&world, slow(Slow { loss: 50_000, ..Slow::default() }));
    let sent: Vec<u8> = (0..60_000_u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        client.write_all(&copy).await.unwrap();
        client.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert!(got == sent);
    writer.await.unwrap();
}

async fn links_between_others_are_left_alone(world: World) {
    let (mut client, mut server) = pair(&world).await;
    let others = Ends::between(&"client".into(), &"nobody".into());
    let cut = world.net.links().put(others, CUT, &world.seeds);
    client.write_all(b"x").await.unwrap();
    exactly(&mut server, b"x").await;
    assert!(!world.net.links().lift(cut).acted());
    assert_eq!(world.net.links().reset(&Ends::between(&"nobody".into(), &"server".into())).connections, 0);
    client.write_all(b"y").await.unwrap();
    exactly(&mut server, b"y").await;
}

async fn a_fault_that_met_nothing_has_not_acted(world: World) {
    let cut = put(&world, CUT);
    assert!(!world.net.links().proof(cut).acted());
    assert!(!world.net.links().lift(cut).acted());
    assert!(!world.net.links().lift(cut).acted(), "a second time does nothing");
}

async fn a_lifted_fault_leaves_nothing_behind(world: World) {
    let late = put(&world, slow(Slow { latency: Duration::from_secs(60), ..Slow::default() }));
    world.net.links().lift(late);
    let began = world.clock.now();
    let (mut client, mut server) = pair(&world).await;
    client.write_all(b"x").await.unwrap();
    exactly(&mut server, b"x").await;
    assert!(world.clock.now().since(began) < Duration::from_secs(5));
    drop((client, server));
    assert_eq!(world.net.links().open(&ends()), 0);
}

#[test]
fn in_memory_a_line_is_not_busy_with_a_connection_that_is_gone() {
    virtually(async |world| {
        let mut incoming = world.net.listen("server").await.unwrap();
        put(&world, slow(Slow { bandwidth: Some(1_000), ..Slow::default() }));
        let mut client = world.net.connect("client", "server").await.unwrap();
        let _server = incoming.recv().await.unwrap();
        client.write_all(&[1; 60_000]).await.unwrap(); // a minute of it
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.net.links().reset(&ends());
        let began = world.clock.now();
        let mut client = world.net.connect("client", "server").await.unwrap();
        let (mut server, _) = incoming.recv().await.unwrap();
        client.write_all(&[2; 1_000]).await.unwrap();
        server.read_exact(&mut [0; 1_000]).await.unwrap();
        let took = world.clock.now().since(began);
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    });
}

fn virtually<T>(work: impl AsyncFnOnce(World) -> T) -> T {
    Runtime::virtual_time().unwrap().block_on(async { work(World::simulated(1)).await })
}

#[test]
fn in_memory_a_dial_into_nowhere_times_out_after_127_seconds() {
    virtually(async |world| {
        let _incoming = world.net.listen("server").await.unwrap();
        put(&world, CUT);
        let began = world.clock.now();
        let error = world.net.connect("client", "server").await.err().unwrap();
        assert_eq!((error.kind(), world.clock.now().since(began).as_secs()), (ErrorKind::TimedOut, 127));
    });
}

#[test]
fn in_memory_what_was_held_arrives_when_its_sender_tries_again() {
    for (cut_for, arrives) in [(100, 200), (200, 200), (201, 600), (1500, 3000)] {
        let took = virtually(async |world| {
            let (mut client, mut server) = pair(&world).await;
            let cut = put(&world, CUT);
            let began = world.clock.now();
            client.write_all(b"x").await.unwrap();
            tokio::time::sleep(Duration::from_millis(cut_for)).await;
            world.net.links().lift(cut);
            server.read_u8().await.unwrap();
            world.clock.now().since(began).as_millis()
        });
        assert!((arrives..=arrives + 2).contains(&took), "cut for {cut_for} ms, arrived after {took}");
    }
}

#[test]
fn in_memory_the_same_seed_gives_the_same_times() {
    let times = |seed: u64| {
        virtually(async |world| {
            let (mut client, mut server) = pair(&world).await;
            let ms = Duration::from_millis;
            let jittery = Slow { latency: ms(10), spread: ms(300), loss: 100_000, bandwidth: None };
            world.net.links().put(ends(), slow(jittery), &Seeds::new(seed));
            let mut times = Vec::new();
            for _ in 0..20 {
                client.write_all(b"x").await.unwrap();
                server.read_u8().await.unwrap();
                times.push(world.clock.now().micros());
            }
            times
        })
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is put and lifted meanwhile, a stream arrives whole and in order, and the end after it.
    #[test]
    fn in_memory_nothing_is_lost_or_moved(
        pieces in proptest::collection::vec(1..20_000_usize, 1..12),
        faults in proptest::collection::vec((0..3_u8, 0..800_u64, 1..800_u64), 0..8),
        gives_up: bool,
    ) {
        let sent: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|n| (n % 251) as u8).collect();
        let got = virtually(async |world| {
            let (mut client, mut server) = pair(&world).await;
            let trouble = world.clone();
            tokio::spawn(async move {
                for (kind, wait, time) in faults {
                    let ms = Duration::from_millis;
                    tokio::time::sleep(ms(wait)).await;
                    let fault = match kind {
                        0 => CUT,
                        1 => LinkFault::Partition { one_way: true },
                        _ => slow(Slow { latency: ms(time / 2), spread: ms(time), loss: 100_000, bandwidth: Some(100 * time) }),
                    };
                    let id = put(&trouble, fault);
                    tokio::time::sleep(ms(time)).await;
                    trouble.net.links().lift(id);
                }
            });
            let bytes = sent.clone();
            tokio::spawn(async move {
                let mut rest = &bytes[..];
                for piece in pieces {
                    client.write_all(&rest[..piece]).await.unwrap();
                    rest = &rest[piece..];
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                if !gives_up {
                    client.shutdown().await.unwrap();
                    let _ = client.read(&mut [0]).await;
                }
            });
            let mut got = Vec::new();
            server.read_to_end(&mut got).await.unwrap();
            got
        });
        prop_assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    }
}
