//! Every rule that the reader keeps: one packet that breaks it, and one that just does not.

use super::{fault, frame, reader};
use bytes::BytesMut;
use fleetproof_wire::mqtt::codec::MAXIMUM_ITEMS;
use fleetproof_wire::mqtt::{Codec, Kind, Version};

const V311: Version = Version::V311;
const V5: Version = Version::V5;

/// Who reads: a server that knows the version, one that waits for CONNECT, or a client.
#[derive(Clone, Copy)]
enum By {
    Server(Version),
    Waiting,
    Client(Version),
}

impl By {
    fn codec(self) -> Codec {
        match self {
            Self::Server(version) => reader(version, true),
            Self::Waiting => Codec::server(super::LIMIT),
            Self::Client(version) => reader(version, false),
        }
    }
}

use By::{Client, Server, Waiting};

#[track_caller]
fn refused(by: By, first: u8, body: &[u8], statement: &str, code: u8) {
    let fault = fault(by.codec(), &frame(first, body));
    assert_eq!((fault.statement.unwrap_or(""), fault.code()), (statement, code), "{fault}");
}

#[track_caller]
fn taken(by: By, first: u8, body: &[u8]) {
    let read = by.codec().decode(&mut frame(first, body));
    assert!(matches!(read, Ok(Some(_))), "{read:?}");
}

#[test]
fn flags_of_the_fixed_header() {
    for version in [V311, V5] {
        refused(Server(version), 0x80, b"\0\x01\0\0\x01a\0", "MQTT-3.8.1-1", 0x81);
        refused(Server(version), 0x8a, b"\0\x01\0\0\x01a\0", "MQTT-3.8.1-1", 0x81);
        refused(Server(version), 0xa0, b"\0\x01\0\0\x01a", "MQTT-3.10.1-1", 0x81);
        refused(Server(version), 0x60, b"\0\x01", "MQTT-3.6.1-1", 0x81);
        refused(Server(version), 0xe1, b"", "MQTT-3.14.1-1", 0x81);
        refused(Server(version), 0x36, b"\0\x01a\0\x01\0", "MQTT-3.3.1-4", 0x81);
        refused(Server(version), 0x38, b"\0\x01a\0", "MQTT-3.3.1-2", 0x82);
        refused(Server(version), 0x00, b"", "", 0x81);
    }
    for first in [0x41, 0x58, 0x72, 0xc4] {
        refused(Server(V311), first, b"\0\x01", "MQTT-2.2.2-1", 0x81);
        refused(Server(V5), first, b"\0\x01", "MQTT-2.1.3-1", 0x81);
    }
    refused(Waiting, 0x11, b"", "MQTT-2.2.2-1", 0x81);
    refused(Client(V5), 0x21, b"\0\0\0", "MQTT-2.1.3-1", 0x81);
    refused(Server(V5), 0xf2, b"", "MQTT-3.15.1-1", 0x81);
    refused(Server(V311), 0xf0, b"", "", 0x81);
    taken(Server(V5), 0xf0, b"");
    taken(Server(V5), 0x62, b"\0\x01");
    // They show before anything else has arrived.
    assert_eq!(fault(reader(V5, true), &[0x80]).statement, Some("MQTT-3.8.1-1"));
}

#[test]
fn lengths() {
    assert_eq!(fault(reader(V311, true), &[0x30, 0x80, 0x80, 0x80, 0x80]).code(), 0x81);
    assert_eq!(fault(reader(V311, true), &[0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]).code(), 0x81);
    // Three bytes for a length of 4: only version 5 forbids it.
    let long = [0x30, 0x84, 0x80, 0x00, 0, 1, b'a', 0];
    assert_eq!(fault(reader(V5, true), &long).statement, Some("MQTT-1.5.5-1"));
    assert!(matches!(reader(V311, true).decode(&mut BytesMut::from(&long[..])), Ok(Some(_))));
    // The same inside: the length of properties, and a subscription identifier.
    refused(Server(V5), 0x30, b"\0\x01a\x80\0", "MQTT-1.5.5-1", 0x81);
    refused(Server(V5), 0x82, b"\0\x01\x03\x0b\x81\0\0\x01a\0", "MQTT-1.5.5-1", 0x81);
    refused(Server(V5), 0x30, b"\0\x01a\x80\x80\x80\x80\x01", "", 0x81);
    for version in [V311, V5] {
        refused(Server(version), 0x30, b"\0\x02a", "", 0x81);
        refused(Server(version), 0x30, b"\0", "", 0x81);
        refused(Server(version), 0x32, b"\0\x01a\0", "", 0x81);
        refused(Server(version), 0x40, b"\0", "", 0x81);
        refused(Server(version), 0xc0, b"\0", "", 0x81);
        refused(Client(version), 0xd0, b"\0", "", 0x81);
    }
    // Properties that end before their last value does.
    refused(Server(V5), 0x30, b"\0\x01a\x02\x02\0", "", 0x81);
    refused(Server(V5), 0x30, b"\0\x01a\x09\x01", "", 0x81);
}

#[test]
fn bytes_behind_the_last_field() {
    refused(Server(V311), 0x40, b"\0\x01\0", "", 0x81);
    refused(Server(V311), 0xe0, b"\0", "", 0x81);
    refused(Client(V311), 0x20, b"\0\0\0", "", 0x81);
    refused(Client(V311), 0xb0, b"\0\x01\0", "", 0x81);
    refused(Server(V5), 0x40, b"\0\x01\0\0\0", "", 0x81);
    refused(Server(V5), 0xe0, b"\0\0\0", "", 0x81);
    refused(Client(V5), 0x20, b"\0\0\0\0", "", 0x81);
    refused(Waiting, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x01c\0", "", 0x81);
    refused(Waiting, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\x01c\0", "", 0x81);
}

#[test]
fn connect() {
    let connect = |level: u8, flags: u8, rest: &[u8]| {
        let mut body = b"\0\x04MQTT".to_vec();
        body.extend_from_slice(&[level, flags, 0, 0]);
        if level == 5 {
            body.push(0);
        }
        body.extend_from_slice(b"\0\x01c");
        body.extend_from_slice(rest);
        body
    };
    for level in [4, 5] {
        taken(Waiting, 0x10, &connect(level, 0x02, b""));
        refused(Waiting, 0x10, &connect(level, 0x03, b""), "MQTT-3.1.2-3", 0x81);
        taken(Waiting, 0x10, &connect(level, 0x80, b"\0\0"));
        taken(Waiting, 0x10, &connect(level, 0xc0, b"\0\0\0\x02\xff\0"));
    }
    refused(Waiting, 0x10, &connect(4, 0x08, b""), "MQTT-3.1.2-13", 0x81);
    refused(Waiting, 0x10, &connect(5, 0x08, b""), "MQTT-3.1.2-11", 0x81);
    refused(Waiting, 0x10, &connect(4, 0x20, b""), "MQTT-3.1.2-15", 0x81);
    refused(Waiting, 0x10, &connect(5, 0x20, b""), "MQTT-3.1.2-13", 0x81);
    refused(Waiting, 0x10, &connect(4, 0x1c, b"\0\x01t\0\0"), "MQTT-3.1.2-14", 0x81);
    refused(Waiting, 0x10, &connect(5, 0x1c, b"\0\0\x01t\0\0"), "MQTT-3.1.2-12", 0x81);
    refused(Waiting, 0x10, &connect(4, 0x40, b"\0\0"), "MQTT-3.1.2-22", 0x81);
    taken(Waiting, 0x10, &connect(5, 0x40, b"\0\0"));
    refused(Waiting, 0x10, &connect(4, 0x04, b"\0\x01#\0\0"), "MQTT-4.7.1-1", 0x90);
    refused(Waiting, 0x10, &connect(5, 0x04, b"\0\0\x01+\0\0"), "MQTT-4.7.0-1", 0x90);
    refused(Waiting, 0x10, &connect(4, 0x04, b"\0\0\0\0"), "MQTT-4.7.3-1", 0x90);
    refused(Waiting, 0x10, &connect(4, 0x80, b"\0\x01\xff"), "MQTT-1.5.3-1", 0x81);
    refused(Waiting, 0x10, &connect(5, 0x80, b"\0\x01\0"), "MQTT-1.5.4-2", 0x81);
    refused(Waiting, 0x10, b"\0\x04MQTX\x04\x02\0\0\0\x01c", "MQTT-3.1.2-1", 0x81);
    refused(Waiting, 0x10, b"", "", 0x81);
    for level in [0, 3, 6, 0x84] {
        let fault = fault(Codec::server(100), &frame(0x10, &connect(level, 0x02, b"")));
        assert_eq!(fault.kind, Kind::UnsupportedVersion(level));
        assert_eq!((fault.statement, fault.code()), (Some("MQTT-3.1.2-2"), 0x84));
    }
    let oldest = fault(Codec::server(100), &frame(0x10, b"\0\x06MQIsdp\x03\x02\0\0\0\x01c"));
    assert_eq!(oldest.kind, Kind::UnsupportedVersion(3));
}

#[test]
fn who_may_send_what_and_when() {
    refused(Waiting, 0x30, b"\0\x01a", "MQTT-3.1.0-1", 0x82);
    refused(Waiting, 0xc0, b"", "MQTT-3.1.0-1", 0x82);
    for version in [V311, V5] {
        refused(Server(version), 0x10, b"", "MQTT-3.1.0-2", 0x82);
        for first in [0x20, 0x90, 0xb0, 0xd0] {
            refused(Server(version), first, b"\0\x01", "", 0x82);
        }
        for first in [0x10, 0x82, 0xa2, 0xc0] {
            refused(Client(version), first, b"\0\x01", "", 0x82);
        }
    }
    refused(Client(V311), 0xe0, b"", "", 0x82);
    taken(Client(V5), 0xe0, b"");
}

#[test]
fn strings() {
    for (version, utf8, nul) in [(V311, "MQTT-1.5.3-1", "MQTT-1.5.3-2"), (V5, "MQTT-1.5.4-1", "MQTT-1.5.4-2")] {
        refused(Server(version), 0x30, b"\0\x03a\0b\0", nul, 0x81);
        // Overlong slash, a surrogate, a lone continuation byte, a cut sequence.
        for text in [&b"\0\x02\xc0\xaf\0"[..], b"\0\x03\xed\xa0\x80\0", b"\0\x01\x80\0", b"\0\x02a\xc3\0"] {
            refused(Server(version), 0x30, text, utf8, 0x81);
        }
        taken(Server(version), 0x30, b"\0\x03\xef\xbb\xbf\0");
    }
    refused(Server(V5), 0x30, b"\0\x01a\x04\x03\0\x01\0", "MQTT-1.5.4-2", 0x81);
    refused(Server(V5), 0x30, b"\0\x01a\x06\x26\0\x01\xff\0\0", "MQTT-1.5.4-1", 0x81);
    refused(Client(V5), 0xe0, b"\0\x04\x1f\0\x01\xff", "MQTT-1.5.4-1", 0x81);
}

#[test]
fn packet_ids() {
    for (version, id) in [(V311, "MQTT-2.3.1-1"), (V5, "MQTT-2.2.1-3")] {
        for (first, body) in [
            (0x32, &b"\0\x01a\0\0\0"[..]),
            (0x34, b"\0\x01a\0\0\0"),
            (0x40, b"\0\0"),
            (0x50, b"\0\0"),
            (0x62, b"\0\0"),
            (0x70, b"\0\0"),
            (0x82, b"\0\0\0\0\x01a\0"),
            (0xa2, b"\0\0\0\0\x01a"),
        ] {
            refused(Server(version), first, body, id, 0x82);
        }
        refused(Client(version), 0x90, b"\0\0\0\0", id, 0x82);
        refused(Client(version), 0xb0, b"\0\0\0\0", id, 0x82);
    }
}

#[test]
fn topics() {
    for (version, wildcard) in [(V311, "MQTT-4.7.1-1"), (V5, "MQTT-4.7.0-1")] {
        for topic in [&b"\0\x03a/#\0"[..], b"\0\x03+/a\0", b"\0\x02a+\0"] {
            refused(Server(version), 0x30, topic, wildcard, 0x90);
            refused(Client(version), 0x30, topic, wildcard, 0x90);
        }
        taken(Server(version), 0x30, b"\0\x01/\0");
    }
    refused(Server(V311), 0x30, b"\0\0", "MQTT-4.7.3-1", 0x90);
    refused(Server(V5), 0x30, b"\0\0\0", "", 0x82);
    taken(Server(V5), 0x30, b"\0\0\x03\x23\0\x01");
    refused(Server(V5), 0x30, b"\0\0\x03\x23\0\0", "MQTT-3.3.2-8", 0x94);
    refused(Server(V5), 0x30, b"\0\x01a\x03\x23\0\0", "MQTT-3.3.2-8", 0x94);
    refused(Server(V5), 0x30, b"\0\x01#\x03\x23\0\x01", "MQTT-4.7.0-1", 0x90);
}

#[test]
fn filters() {
    let line = |filter: &str, version: Version, options: Option<u8>| {
        let mut body = b"\0\x01".to_vec();
        if version == V5 {
            body.push(0);
        }
        body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
        body.extend_from_slice(filter.as_bytes());
        body.extend(options);
        body
    };
    for (version, hash, plus) in [(V311, "MQTT-4.7.1-2", "MQTT-4.7.1-3"), (V5, "MQTT-4.7.1-1", "MQTT-4.7.1-2")] {
        let wrong = [("a#", hash), ("#/a", hash), ("a/#/b", hash), ("##", hash), ("a+", plus), ("a/+b/c", plus)];
        for (filter, statement) in wrong.into_iter().chain([("", "MQTT-4.7.3-1")]) {
            refused(Server(version), 0x82, &line(filter, version, Some(0)), statement, 0x8f);
            refused(Server(version), 0xa2, &line(filter, version, None), statement, 0x8f);
        }
        for filter in ["#", "+", "/", "//", "+/+/#", "$aws/#", "a/ü/+"] {
            taken(Server(version), 0x82, &line(filter, version, Some(1)));
            taken(Server(version), 0xa2, &line(filter, version, None));
        }
    }
    refused(Server(V5), 0x82, &line("$share//a", V5, Some(0)), "MQTT-4.8.2-1", 0x8f);
    for filter in ["$share/g", "$share/g/", "$share/g+/a"] {
        let statement = if filter.contains('+') { "MQTT-4.7.1-2" } else { "MQTT-4.8.2-2" };
        refused(Server(V5), 0x82, &line(filter, V5, Some(0)), statement, 0x8f);
    }
    refused(Server(V5), 0x82, &line("$share/+/a", V5, Some(0)), "MQTT-4.8.2-2", 0x8f);
    taken(Server(V311), 0x82, &line("$share/g", V311, Some(0)));

    refused(Server(V311), 0x82, b"\0\x01", "MQTT-3.8.3-3", 0x82);
    refused(Server(V5), 0x82, b"\0\x01\0", "MQTT-3.8.3-2", 0x82);
    refused(Server(V311), 0xa2, b"\0\x01", "MQTT-3.10.3-2", 0x82);
    refused(Server(V5), 0xa2, b"\0\x01\0", "MQTT-3.10.3-2", 0x82);
    refused(Server(V311), 0x82, &line("a", V311, Some(3)), "MQTT-3-8.3-4", 0x81);
    refused(Server(V311), 0x82, &line("a", V311, Some(4)), "MQTT-3-8.3-4", 0x81);
    refused(Server(V5), 0x82, &line("a", V5, Some(3)), "", 0x81);
    refused(Server(V5), 0x82, &line("a", V5, Some(0x40)), "MQTT-3.8.3-5", 0x81);
    refused(Server(V5), 0x82, &line("a", V5, Some(0x30)), "", 0x82);
    refused(Server(V5), 0x82, &line("$share/g/a", V5, Some(4)), "MQTT-3.8.3-4", 0x82);
    taken(Server(V5), 0x82, &line("a", V5, Some(0x2e)));
}

#[test]
fn properties() {
    let publish = |properties: &[u8]| [&b"\0\x01a"[..], &[properties.len() as u8], properties].concat();
    // Unknown, at home elsewhere, twice.
    refused(Server(V5), 0x30, &publish(b"\x04\0"), "", 0x81);
    refused(Server(V5), 0x30, &publish(b"\x7f\0"), "", 0x81);
    refused(Server(V5), 0x30, &publish(b"\x11\0\0\0\x01"), "", 0x82);
    refused(Server(V5), 0x30, &publish(b"\x02\0\0\0\x01\x02\0\0\0\x01"), "", 0x82);
    refused(Server(V5), 0x30, &publish(b"\x23\0\x01\x23\0\x01"), "", 0x82);
    taken(Server(V5), 0x30, &publish(b"\x26\0\0\0\0\x26\0\0\0\0"));
    // Values.
    refused(Server(V5), 0x30, &publish(b"\x01\x02"), "", 0x82);
    refused(Server(V5), 0x30, &publish(b"\x08\0\x01#"), "MQTT-3.3.2-14", 0x82);
    // The identifier of a subscription: from servers only, and there as often as it takes.
    refused(Server(V5), 0x30, &publish(b"\x0b\x01"), "MQTT-3.3.4-6", 0x82);
    taken(Client(V5), 0x30, &publish(b"\x0b\x01\x0b\x02"));
    refused(Client(V5), 0x30, &publish(b"\x0b\0"), "", 0x82);
    refused(Server(V5), 0x82, b"\0\x01\x02\x0b\0\0\x01a\0", "", 0x82);
    refused(Server(V5), 0x82, b"\0\x01\x04\x0b\x01\x0b\x01\0\x01a\0", "", 0x82);
    // A server does not decide on the session's end.
    refused(Client(V5), 0xe0, b"\0\x05\x11\0\0\0\x01", "MQTT-3.14.2-2", 0x82);
    taken(Server(V5), 0xe0, b"\0\x05\x11\0\0\0\x01");

    let connect = |properties: &[u8]| {
        [&b"\0\x04MQTT\x05\x02\0\0"[..], &[properties.len() as u8], properties, b"\0\x01c"].concat()
    };
    for wrong in [&b"\x21\0\0"[..], b"\x27\0\0\0\0", b"\x17\x02", b"\x19\xff", b"\x16\0\0", b"\x24\x01"] {
        refused(Waiting, 0x10, &connect(wrong), "", 0x82);
    }
    taken(Waiting, 0x10, &connect(b"\x21\0\x01\x27\0\0\0\x01\x17\x01\x19\0\x22\0\0"));
    let connack = |properties: &[u8]| [&[0, 0, properties.len() as u8], properties].concat();
    for wrong in [&b"\x24\x02"[..], b"\x25\x02", b"\x28\x02", b"\x29\x02", b"\x2a\x02", b"\x21\0\0", b"\x27\0\0\0\0"] {
        refused(Client(V5), 0x20, &connack(wrong), "", 0x82);
    }
    // A will's own ones.
    let will = |properties: &[u8]| {
        let head = [&b"\0\x04MQTT\x05\x06\0\0\0\0\x01c"[..], &[properties.len() as u8], properties].concat();
        [&head[..], b"\0\x01t\0\0"].concat()
    };
    taken(Waiting, 0x10, &will(b"\x18\0\0\0\x01"));
    refused(Waiting, 0x10, &will(b"\x23\0\x01"), "", 0x82);
}

#[test]
fn codes() {
    refused(Client(V311), 0x20, b"\0\x06", "", 0x82);
    taken(Client(V311), 0x20, b"\0\x07");
    refused(Client(V5), 0x20, b"\0\x07\0", "MQTT-3.2.2-8", 0x82);
    refused(Client(V311), 0x20, b"\x02\0", "", 0x81);
    refused(Client(V5), 0x20, b"\x02\0\0", "MQTT-3.2.2-1", 0x81);
    refused(Client(V311), 0x20, b"\x01\x05", "MQTT-3.2.2-4", 0x82);
    refused(Client(V5), 0x20, b"\x01\x87\0", "MQTT-3.2.2-6", 0x82);
    refused(Client(V311), 0x90, b"\0\x01\x87", "MQTT-3.9.3-2", 0x82);
    refused(Client(V5), 0x90, b"\0\x01\0\x03", "MQTT-3.9.3-2", 0x82);
    refused(Client(V311), 0x90, b"\0\x01", "", 0x82);
    refused(Client(V5), 0xb0, b"\0\x01\0\x01", "MQTT-3.11.3-2", 0x82);
    refused(Server(V5), 0x40, b"\0\x01\x01", "MQTT-3.4.2-1", 0x82);
    refused(Server(V5), 0x50, b"\0\x01\x92", "MQTT-3.5.2-1", 0x82);
    refused(Server(V5), 0x62, b"\0\x01\x80", "MQTT-3.6.2-1", 0x82);
    refused(Server(V5), 0x70, b"\0\x01\x80", "MQTT-3.7.2-1", 0x82);
    refused(Server(V5), 0xe0, b"\x01", "MQTT-3.14.2-1", 0x82);
    refused(Server(V5), 0xf0, b"\x01\0", "MQTT-3.15.2-1", 0x82);
    taken(Server(V5), 0x40, b"\0\x01\x92".get(..2).unwrap());
    taken(Server(V5), 0x40, b"\0\x01\x87");
    taken(Server(V5), 0x40, b"\0\x01\x87\0");
    taken(Server(V5), 0xe0, b"\x04");
}

#[test]
fn items_without_end() {
    let mut body = b"\0\x01".to_vec();
    for _ in 0..MAXIMUM_ITEMS {
        body.extend_from_slice(b"\0\x01a");
    }
    taken(Server(V311), 0xa2, &body);
    body.extend_from_slice(b"\0\x01a");
    refused(Server(V311), 0xa2, &body, "", 0x97);

    let with_pairs = |number: usize| {
        let length = number * 5;
        let mut body = vec![0, 1, b'a', length as u8 & 0x7f | 0x80, (length >> 7) as u8];
        body.extend(b"\x26\0\0\0\0".repeat(number));
        body
    };
    taken(Server(V5), 0x30, &with_pairs(MAXIMUM_ITEMS));
    refused(Server(V5), 0x30, &with_pairs(MAXIMUM_ITEMS + 1), "", 0x97);
}

#[test]
fn a_fault_says_what_is_wrong_and_where_that_stands() {
    let flags = fault(reader(V5, true), &[0x80]);
    assert_eq!(flags.to_string(), "the flags of SUBSCRIBE are not 0010 [MQTT-3.8.1-1] (reason code 0x81)");
    let level = fault(Codec::server(100), &frame(0x10, b"\0\x04MQTT\x06\x02\0\0\0\x01c"));
    assert_eq!(
        level.to_string(),
        "CONNECT asks for a protocol level that is not spoken: level 6, spoken are 4 and 5 [MQTT-3.1.2-2] (reason code 0x84)"
    );
    let large = fault(Codec::server(100), &[0x10, 0x80, 0x01]);
    assert_eq!(large.to_string(), "the packet is too large: 131 bytes, 100 are allowed (reason code 0x95)");
}
