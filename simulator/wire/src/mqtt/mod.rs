//! MQTT 3.1.1 and 5.0, as both sides of a connection speak it.
//!
//! * [`packet`]: the packets of both versions as one set of values: what a version has no room for is absent.
//! * [`codec`]: packets out of a stream of bytes and into one. What comes in is checked by every rule that can be checked on
//!   one packet alone (`strict.rs`, `read.rs`); what goes out may break them (`write.rs`).
//! * [`fault`]: what is wrong, the statement of the specification, the reason code.
//!
//! Nothing here knows a clock, a random number or a socket: bytes come in, packets come out, and the other way round.

pub mod codec;
pub mod fault;
pub mod packet;
mod read;
mod strict;
mod write;

pub use codec::Codec;
pub use fault::{Fault, Kind};
pub use packet::{Packet, Qos, Version};
