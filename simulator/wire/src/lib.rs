//! What several rooms speak: HTTP over any stream, MQTT, Mender artifacts, and the image inside them.
//!
//! * [`http`]: one request over one connection, or several over a kept one. The connection is driven
//!   by whoever waits for the answer; nothing is spawned, nothing is dialled.
//! * [`artifact`]: the Mender artifact, version 3: written with the same bytes every time, read with
//!   every checksum verified and memory bounded.
//! * [`image`]: what simulated devices install: a header that travels through the platform, then
//!   filler.
//! * [`mqtt`]: the packets of MQTT 3.1.1 and 5, for both sides of a connection.
//! * [`signature`]: how an artifact is signed, and how a device that has a key looks at that.
//!
//! Nothing here knows a clock, a random number or a socket.

pub mod artifact;
pub mod http;
pub mod image;
pub mod mqtt;
pub mod signature;
