//! Connections on a network that is well.

use super::pair;
use fleetproof_world::{Runtime, World};
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

on_both_networks!(
    bytes_arrive_in_order,
    dialling_nobody_is_refused,
    a_dropped_listener_refuses,
    the_end_of_one_side_is_seen_by_the_other,
    what_was_written_before_the_end_still_arrives,
    writing_to_somebody_who_left_fails,
    a_full_window_holds_the_writer_until_somebody_reads,
    two_listeners_of_two_names_do_not_meet,
    half_a_connection_can_be_closed,
);

async fn bytes_arrive_in_order(world: World) {
    let (mut client, mut server) = pair(&world).await;
    for n in 0..100u8 {
        client.write_all(&[n; 10]).await.unwrap();
    }
    let mut got = vec![0; 1000];
    server.read_exact(&mut got).await.unwrap();
    let expected: Vec<u8> = (0..100).flat_map(|n| [n; 10]).collect();
    assert_eq!(got, expected);
    server.write_all(b"and back").await.unwrap();
    let mut back = [0; 8];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"and back");
}

async fn dialling_nobody_is_refused(world: World) {
    let error = world.net.connect("client", "nobody").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

async fn a_dropped_listener_refuses(world: World) {
    let incoming = world.net.listen("server").await.unwrap();
    drop(incoming);
    // On TCP the socket is closed by its own task, a moment later.
    for _ in 0..100 {
        match world.net.connect("client", "server").await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            // Dialled while the socket was being closed.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            Ok(_) => tokio::task::yield_now().await,
        }
    }
    panic!("a dropped listener still accepts");
}

async fn the_end_of_one_side_is_seen_by_the_other(world: World) {
    let (client, mut server) = pair(&world).await;
    drop(client);
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
}

async fn what_was_written_before_the_end_still_arrives(world: World) {
    let (mut client, mut server) = pair(&world).await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    drop(client);
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last words");
}

async fn writing_to_somebody_who_left_fails(world: World) {
    let (client, mut server) = pair(&world).await;
    drop(client);
    for _ in 0..1000 {
        if let Err(error) = server.write_all(&[0; 1024]).await {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("writing to nobody never failed");
}

async fn a_full_window_holds_the_writer_until_somebody_reads(world: World) {
    const MUCH: usize = 8 * 1024 * 1024;
    let (mut client, mut server) = pair(&world).await;
    let writer = tokio::spawn(async move {
        client.write_all(&vec![7; MUCH]).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    tokio::task::yield_now().await;
    assert!(!writer.is_finished(), "8 MiB fit into no window");
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), MUCH);
    writer.await.unwrap();
}

async fn two_listeners_of_two_names_do_not_meet(world: World) {
    let mut first = world.net.listen("first").await.unwrap();
    let mut second = world.net.listen("second").await.unwrap();
    let mut to_second = world.net.connect("client", "second").await.unwrap();
    to_second.write_all(b"x").await.unwrap();
    let (mut served, _) = second.recv().await.unwrap();
    assert_eq!(served.read_u8().await.unwrap(), b'x');
    assert!(first.try_recv().is_err());
}

async fn half_a_connection_can_be_closed(world: World) {
    let (mut client, mut server) = pair(&world).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.unwrap();
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

#[test]
fn in_memory_a_round_trip_takes_two_milliseconds_and_no_time_at_all() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let (mut client, mut server) = pair(&world).await;
        let before = world.clock.now();
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        server.write_all(b"y").await.unwrap();
        client.read_u8().await.unwrap();
        assert_eq!(world.clock.now().since(before).as_millis(), 2);
    });
}

#[test]
fn two_listeners_cannot_share_a_name_in_memory() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let _first = world.net.listen("server").await.unwrap();
        assert_eq!(world.net.listen("server").await.err().unwrap().kind(), ErrorKind::AddrInUse);
    });
}
