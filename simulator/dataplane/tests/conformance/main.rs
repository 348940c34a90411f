//! What MQTT 3.1.1 and 5.0 demand of a server: each numbered statement with the tests that show it, or why there is none.

mod connecting;
mod publishing;
mod statements;
mod subscribing;
#[expect(dead_code, reason = "a part of it is used here")]
#[path = "../support/mod.rs"]
mod support;
