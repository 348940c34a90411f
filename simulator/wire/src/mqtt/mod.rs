//! MQTT 3.1.1 and 5.0, as both sides of a connection speak it.
//!
//! * [`packet`]: the packets of both versions as one set of values: what a version has no room for is absent.
//!
//! Nothing here knows a clock, a random number or a socket: bytes come in, packets come out, and the other way round.

pub mod packet;

pub use packet::{Packet, Qos, Version};
