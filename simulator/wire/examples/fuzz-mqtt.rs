//! Mutates MQTT packets and looks whether the codec keeps its word: `fuzz-mqtt SECONDS SEED`.
//!
//! Each case is a valid packet that was changed. The codec must not panic; must say the same whether the bytes come at once or
//! in two pieces; must write what it read so that it reads the same again; must not allocate more than a bounded multiple of
//! the packet, nor wait for more than its limit; and where `rumqttc` reads the packet too, both must have read the same. What
//! a server sends is also handed to a session. Every valid packet is split at every point once.
//!
//! Prints cases per second and each finding with its bytes; exit code 1 if there was one. The same seed makes the same cases.

#[path = "../tests/mqtt/opinion.rs"]
mod opinion;
#[path = "../tests/mqtt/packets.rs"]
mod packets;

use bytes::BytesMut;
use fleetproof_wire::mqtt::codec::MAXIMUM_ITEMS;
use fleetproof_wire::mqtt::packet::{Connect, Publish};
use fleetproof_wire::mqtt::{Codec, Fault, Packet, Qos, Session, Version};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of the largest packet.
const LIMIT: u32 = 32 * 1024;

/// Valid packets that are mutated; there are new ones after [`CASES`] cases.
const POOL: usize = 2_000;
const CASES: u64 = 400_000;

/// Findings that are printed.
const SHOWN: usize = 20;

/// A valid packet as bytes, and who reads it.
struct Seed {
    version: Version,
    from_client: bool,
    bytes: Vec<u8>,
    /// A server has seen CONNECT before; for CONNECT itself it has not.
    codec: Codec,
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, and 0 below 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.roll() >> 16) as usize % end }
    }

    fn byte(&mut self) -> u8 {
        // Values at the edges meet more rules than others.
        match self.below(4) {
            0 => [0, 1, 2, 3, 4, 0x7f, 0x80, 0xff, b'#', b'+', b'/', b'$'][self.below(12)],
            // Identifiers of properties.
            1 => self.below(0x2c) as u8,
            _ => (self.roll() >> 24) as u8,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a person waits is real time; no case depends on it")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Some(Ok(seconds)), Some(Ok(seed)), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: fuzz-mqtt SECONDS SEED, e.g. fuzz-mqtt 600 1");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let begin = now();
    let end = begin + Duration::from_secs(seconds);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut counts = Counts::default();
    let mut findings = 0_usize;
    let mut pool = Vec::new();
    let mut find = |what: &str, bytes: &[u8]| {
        findings += 1;
        if findings <= SHOWN {
            let hex: String = bytes.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
            println!("finding: {what}\n  {} bytes: {hex}", bytes.len());
        }
    };
    while now() < end {
        if counts.cases % CASES == 0 {
            pool = seeds(&mut dice);
            for seed in &pool {
                if let Err(what) = guarded(|| split_everywhere(seed)) {
                    find(&what, &seed.bytes);
                }
            }
        }
        // A look at the clock per case would cost more than the case.
        for _ in 0..500 {
            counts.cases += 1;
            let seed = &pool[dice.below(pool.len())];
            let other = &pool[dice.below(pool.len())].bytes;
            let bytes = mutate(&seed.bytes, other, &mut dice);
            let cut = dice.below(bytes.len() + 1);
            if let Err(what) = guarded(|| case(seed, &bytes, cut, &mut counts)) {
                find(&what, &bytes);
            }
        }
    }
    let spent = now() - begin;
    let Counts { cases, read, unfinished, compared, largest, faults } = &counts;
    println!(
        "{cases} cases in {:.1} s, {:.0}/s: {read} packets, {unfinished} unfinished, {} faults of {} kinds, {compared} compared \
         with rumqttc, at most {largest} bytes allocated",
        spent.as_secs_f64(),
        *cases as f64 / spent.as_secs_f64(),
        faults.values().sum::<u64>(),
        faults.len(),
    );
    for (what, number) in faults {
        println!("  {number:>9}  {what}");
    }
    println!("{findings} findings");
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Counts {
    cases: u64,
    read: u64,
    unfinished: u64,
    compared: u64,
    /// Bytes allocated while one packet was read.
    largest: usize,
    /// By what they say: shows which rules are met at all.
    faults: BTreeMap<String, u64>,
}

/// A panic is a finding like any other.
fn guarded(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Err(format!("panic: {text}"))
    })
}

/// Valid packets, each with whoever reads it.
fn seeds(dice: &mut Dice) -> Vec<Seed> {
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        part.copy_from_slice(&dice.roll().to_le_bytes());
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let any = packets::any_packet();
    let mut pool = Vec::with_capacity(POOL);
    while pool.len() < POOL {
        let Ok(tree) = any.new_tree(&mut runner) else { continue };
        let (version, from_client, packet) = tree.current();
        let Ok(bytes) = write(version, &packet) else { continue };
        let waiting = matches!(packet, Packet::Connect(_));
        let codec = match (from_client, waiting) {
            (true, true) => Codec::server(LIMIT),
            (true, false) => server(version),
            (false, _) => Codec::client(version, LIMIT),
        };
        pool.push(Seed { version, from_client, bytes: bytes.to_vec(), codec });
    }
    pool
}

fn server(version: Version) -> Codec {
    let mut codec = Codec::server(LIMIT);
    if let Ok(mut bytes) = write(version, &Packet::Connect(Box::new(Connect::new(version, "c")))) {
        let read = codec.decode(&mut bytes);
        assert!(matches!(read, Ok(Some(_))), "a plain CONNECT is read");
    }
    codec
}

fn write(version: Version, packet: &Packet) -> Result<BytesMut, Fault> {
    let mut bytes = BytesMut::new();
    Codec::client(version, u32::MAX).encode(packet, &mut bytes)?;
    Ok(bytes)
}

/// Between one and four changes; in most cases the length is made right again, so that the change is seen at all.
fn mutate(valid: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let header = 1 + valid.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let reframe = dice.below(8) != 0;
    let (mut first, mut body) = if reframe { (valid[0], valid[header..].to_vec()) } else { (0, valid.to_vec()) };
    for _ in 0..=dice.below(4) {
        let at = dice.below(body.len());
        match dice.below(10) {
            0 if reframe => first = dice.byte(),
            0 | 1 if !body.is_empty() => body[at] ^= 1 << dice.below(8),
            2 | 3 if !body.is_empty() => body[at] = dice.byte(),
            4 => body.insert(at, dice.byte()),
            5 if !body.is_empty() => drop(body.remove(at)),
            6 => body.truncate(at),
            // A length that is about right.
            7 if body.len() > 2 => {
                let at = at.min(body.len() - 2);
                let length = (body.len() - at) as u16 + dice.below(5) as u16;
                body[at..at + 2].copy_from_slice(&length.wrapping_sub(4).to_be_bytes());
            }
            // Once more what stands there already.
            8 if !body.is_empty() => {
                let end = (at + 1 + dice.below(12)).min(body.len());
                let part = body[at..end].to_vec();
                body.splice(end..end, part);
            }
            9 if other.len() > 2 => {
                let from = dice.below(other.len());
                let to = (from + 1 + dice.below(40)).min(other.len());
                body.splice(at..at, other[from..to].iter().copied());
            }
            _ => body.push(dice.byte()),
        }
    }
    if !reframe {
        return body;
    }
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = length as u8 & 0x7f;
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&body);
    bytes
}

/// A valid packet that comes in two pieces, cut at every point, is the packet that it is in one.
fn split_everywhere(seed: &Seed) -> Result<(), String> {
    let whole = seed.codec.clone().decode(&mut BytesMut::from(&seed.bytes[..]));
    let Ok(Some(_)) = &whole else { return Err(format!("a valid packet is not read: {whole:?}")) };
    // Of a long one the payload's inside is all the same.
    for cut in (0..seed.bytes.len()).filter(|cut| *cut < 300 || seed.bytes.len() - cut < 10) {
        in_pieces(seed, &seed.bytes, cut, &whole)?;
    }
    Ok(())
}

fn in_pieces(seed: &Seed, bytes: &[u8], cut: usize, whole: &Result<Option<Packet>, Fault>) -> Result<(), String> {
    let mut codec = seed.codec.clone();
    let mut buffer = BytesMut::from(&bytes[..cut]);
    let early = codec.decode(&mut buffer);
    if early == Ok(None) {
        if buffer[..] != bytes[..cut] {
            return Err(format!("bytes of an unfinished packet are gone after a cut at {cut}"));
        }
        if cut >= LIMIT as usize {
            return Err(format!("{cut} bytes are waited for"));
        }
        buffer.extend_from_slice(&bytes[cut..]);
        let late = codec.decode(&mut buffer);
        if late != *whole {
            return Err(format!("cut at {cut} it is {late:?}, whole it is {whole:?}"));
        }
    } else if early != *whole {
        return Err(format!("the first {cut} bytes are {early:?}, all are {whole:?}"));
    }
    Ok(())
}

fn case(seed: &Seed, bytes: &[u8], cut: usize, counts: &mut Counts) -> Result<(), String> {
    let mut codec = seed.codec.clone();
    let mut buffer = BytesMut::from(bytes);
    let region = Region::new(GLOBAL);
    let read = codec.decode(&mut buffer);
    let change = region.change();
    let cost = change.bytes_allocated.saturating_add_signed(change.bytes_reallocated);
    counts.largest = counts.largest.max(cost);
    if cost > 128 * MAXIMUM_ITEMS + 4 * bytes.len() {
        return Err(format!("{cost} bytes are allocated for a packet of {}", bytes.len()));
    }
    in_pieces(seed, bytes, cut, &read)?;
    let packet = match read {
        Ok(Some(packet)) => packet,
        Ok(None) => {
            counts.unfinished += 1;
            return Ok(());
        }
        Err(fault) => {
            *counts.faults.entry(fault_name(&fault)).or_default() += 1;
            return Ok(());
        }
    };
    counts.read += 1;
    let version = codec.version().unwrap_or(seed.version);
    let again = write(version, &packet).map_err(|fault| format!("what was read cannot be written: {fault}"))?;
    let reread = reader(&packet, version, seed.from_client).decode(&mut again.clone());
    if reread != Ok(Some(packet.clone())) {
        return Err(format!("{packet:?} was read, written and read again: {reread:?}"));
    }
    if !opinion::is_beyond_it(version, &packet) {
        let consumed = bytes.len() - buffer.len();
        if let Some(mut theirs) = opinion::through(version, BytesMut::from(&bytes[..consumed]), LIMIT) {
            counts.compared += 1;
            let theirs = reader(&packet, version, seed.from_client).decode(&mut theirs);
            if theirs != Ok(Some(packet.clone())) {
                return Err(format!("{packet:?} is for rumqttc {theirs:?}"));
            }
        }
    }
    if !seed.from_client {
        serve(packet, version);
    }
    Ok(())
}

fn reader(packet: &Packet, version: Version, from_client: bool) -> Codec {
    match packet {
        Packet::Connect(_) => Codec::server(LIMIT),
        _ if from_client => server(version),
        _ => Codec::client(version, LIMIT),
    }
}

/// Without the numbers in it.
fn fault_name(fault: &Fault) -> String {
    format!("{} {}", fault.statement.unwrap_or("-"), fault.what)
}

/// Hands a packet to a session that waits for CONNACK and to one that is connected, with a message on its way in each.
fn serve(packet: Packet, version: Version) {
    let mut connect = Connect::new(version, "c");
    connect.topic_alias_maximum = Some(10);
    connect.keep_alive = 30;
    let mut session = Session::new(connect);
    let mut out = Vec::new();
    let _ = session.publish(0, Publish::new("t", "", Qos::AtLeastOnce), &mut out);
    session.connect(0, true);
    for packet in [packet.clone(), packet.clone(), packet] {
        drop(session.receive(1, packet, &mut out));
        drop(session.tick(2, &mut out));
    }
}
