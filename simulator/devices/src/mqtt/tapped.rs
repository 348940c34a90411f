//! Which packets of a connection belong to an update, for the tap on it.

use crate::tap::Tap;
use fleetproof_wire::mqtt::packet::{Packet, Publish};

/// What a message says that there is a job, among those that say which is next.
const A_JOB: &[u8] = b"jobId";

/// Lets a packet past a tap; `own`: the device sends it. `false`: the connection ends before it.
///
/// What an application says, and signs of life, are none of an update's packets, whenever they come.
pub(super) fn passes(tap: &Tap, packet: &Packet, own: bool) -> bool {
    if tap.is_waiting() {
        return match packet {
            Packet::Publish(publish) if !own && begins(publish) => passes_message(tap, publish, own),
            _ => true,
        };
    }
    if !tap.is_counting() {
        return true;
    }
    let word = match packet {
        Packet::Publish(publish) if is_of_thing(&publish.topic) => return passes_message(tap, publish, own),
        Packet::PubAck(ack) if tap.expected(own, ack.packet_id) => "PUBACK",
        Packet::Connect(_) => {
            tap.expects_nothing();
            "CONNECT"
        }
        Packet::ConnAck(_) => "CONNACK",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Disconnect(_) => "DISCONNECT",
        _ => return true,
    };
    tap.passes(false, || told(word, own))
}

fn passes_message(tap: &Tap, publish: &Publish, own: bool) -> bool {
    if publish.packet_id != 0 {
        tap.expects(!own, publish.packet_id);
    }
    tap.passes(true, || told(&format!("PUBLISH of {}", masked(&publish.topic)), own))
}

fn told(what: &str, own: bool) -> String {
    format!("{what} {} the platform", if own { "to" } else { "from" })
}

/// Whether an update can begin with a message.
fn begins(publish: &Publish) -> bool {
    publish.topic.ends_with("/jobs/notify-next") && publish.payload.windows(A_JOB.len()).any(|bytes| bytes == A_JOB)
}

/// Jobs and shadow; what an application says goes elsewhere.
fn is_of_thing(topic: &str) -> bool {
    topic.starts_with("$aws/things/")
}

/// A topic without the names of the thing and the job.
fn masked(topic: &str) -> String {
    let rest = topic.splitn(4, '/').nth(3).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        ["jobs", _, what @ ("get" | "update"), end @ ..] => {
            ["…/jobs/…", what].iter().chain(end).copied().collect::<Vec<_>>().join("/")
        }
        _ => format!("…/{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_wire::mqtt::packet::{Ack, Qos};

    fn message(topic: &str, payload: &str, id: u16) -> Packet {
        let mut publish = Publish::new(topic, payload.to_owned(), Qos::AtLeastOnce);
        publish.packet_id = id;
        Packet::Publish(publish)
    }

    #[test]
    fn an_update_begins_with_the_word_of_a_job_and_has_no_part_in_what_an_application_says() {
        let tap = Tap::default();
        tap.open(None);
        let notify = "$aws/things/t-1/jobs/notify-next";
        let (ack, ping) = (|id| Packet::PubAck(Ack::of(id)), Packet::PingReq);
        for (packet, own) in [
            (message(notify, "{\"timestamp\":1}", 7), false),
            (ack(7), true),
            (message(notify, "{\"execution\":{\"jobId\":\"v2\"}}", 8), false),
            (message("app/t-1/readings", "{}", 3), true),
            (ack(8), true),
            (message("$aws/things/t-1/jobs/v2/update", "{}", 4), true),
            (ack(3), false),
            (ack(4), false),
            (ping, true),
            (message("$aws/things/t-1/jobs/v2/update/accepted", "{}", 9), false),
            (message("$aws/things/t-1/shadow/update", "{}", 5), true),
        ] {
            assert!(passes(&tap, &packet, own));
        }
        assert_eq!(
            tap.close().packets,
            [
                "PUBLISH of …/jobs/notify-next from the platform",
                "PUBACK to the platform",
                "PUBLISH of …/jobs/…/update to the platform",
                "PUBACK from the platform",
                "PUBLISH of …/jobs/…/update/accepted from the platform",
                "PUBLISH of …/shadow/update to the platform",
            ]
        );
    }
}
