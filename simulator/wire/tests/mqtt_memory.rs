#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What a packet costs in memory when it is read. One test, so that nothing else allocates meanwhile.

use bytes::BytesMut;
use fleetproof_wire::mqtt::codec::MAXIMUM_ITEMS;
use fleetproof_wire::mqtt::packet::Connect;
use fleetproof_wire::mqtt::{Codec, Packet, Session, Version};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that were newly asked for while `bytes` were read.
fn cost(mut codec: Codec, bytes: &[u8]) -> usize {
    cost_and_success(&mut codec, bytes).0
}

/// The same, and whether a packet was read.
fn cost_and_success(codec: &mut Codec, bytes: &[u8]) -> (usize, bool) {
    let mut bytes = BytesMut::from(bytes);
    let region = Region::new(GLOBAL);
    let read = codec.decode(&mut bytes);
    let change = region.change();
    let cost = change.bytes_allocated.saturating_add_signed(change.bytes_reallocated);
    (cost, matches!(read, Ok(Some(_))))
}

fn server(limit: u32) -> Codec {
    let mut codec = Codec::server(limit);
    let mut bytes = BytesMut::new();
    Codec::client(Version::V5, limit)
        .encode(&Packet::Connect(Box::new(Connect::new(Version::V5, "c"))), &mut bytes)
        .unwrap();
    codec.decode(&mut bytes).unwrap();
    codec
}

/// A variable byte integer, as short as it can be.
fn integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &integer(body.len()), body].concat()
}

#[test]
fn reading_costs_no_more_than_a_multiple_of_the_packet() {
    let limit = 128 * 1024;
    // A length without its bytes costs nothing, whatever it promises.
    assert_eq!(cost(server(limit), &[0x30, 0xff, 0xff, 0x07]), 0);
    assert_eq!(cost(server(limit), &[0x30, 0xff, 0xff, 0xff, 0x7f]), 0);
    // A payload is not copied. What is allocated is the topic and the count of who shares the buffer.
    let publish = frame(0x30, &[&b"\0\x01a\0"[..], &[0; 100_000]].concat());
    let of_a_message = cost(server(limit), &publish);
    println!("a message of {} bytes costs {of_a_message}", publish.len());
    assert!(of_a_message <= 256, "{of_a_message}");
    // The worst are the tiniest items: as many as fit into the packet, refused beyond the limit.
    for items in [MAXIMUM_ITEMS, 20_000] {
        let filters = frame(0xa2, &[&b"\0\x01\0"[..], &b"\0\x01a".repeat(items)].concat());
        let lines = frame(0x82, &[&b"\0\x01\0"[..], &b"\0\x01a\0".repeat(items)].concat());
        let pairs = [&b"\0\x01a"[..], &integer(items * 5), &b"\x26\0\0\0\0".repeat(items)].concat();
        let pairs = frame(0x30, &pairs);
        for packet in [filters, lines, pairs] {
            let (cost, read) = cost_and_success(&mut server(limit), &packet);
            assert_eq!(read, items == MAXIMUM_ITEMS);
            println!("{items} items in {} bytes cost {cost}", packet.len());
            assert!(cost <= 128 * MAXIMUM_ITEMS, "{cost}");
        }
    }
    // An idle session: itself and its CONNECT.
    let region = Region::new(GLOBAL);
    let session = Session::new(Connect::new(Version::V311, "device-000001"));
    let change = region.change();
    println!("an idle session holds {} bytes besides itself", change.bytes_allocated);
    assert!(change.bytes_allocated <= 768, "{}", change.bytes_allocated);
    drop(session);
}
