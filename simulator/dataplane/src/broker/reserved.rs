//! Topics that begin with `$`: which of them a client may say something to, and who is told.

use super::outcomes::Service;
use crate::topics::ingest_rule;

/// What a topic is for a client that publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class<'a> {
    /// Anybody's whom a policy allows it.
    Ordinary,
    /// A request to a service.
    Request(Service),
    /// A message to a rule.
    Ingest(&'a str),
    /// Only services write there: answers, notifications, events.
    Closed,
}

/// What `topic` is.
pub(super) fn classify(topic: &str) -> Class<'_> {
    if !topic.starts_with('$') {
        return Class::Ordinary;
    }
    if let Some((rule, _)) = ingest_rule(topic) {
        return Class::Ingest(rule);
    }
    // At most 11 levels: longer topics have been refused, and none that is answered is longer than 8.
    let mut levels = [""; 8];
    let mut count = 0;
    for level in topic.split('/') {
        let Some(place) = levels.get_mut(count) else { return Class::Closed };
        *place = level;
        count += 1;
    }
    match levels.get(..count).unwrap_or_default() {
        ["$aws", "things", thing, rest @ ..] if !thing.is_empty() => {
            request(rest).map_or(Class::Closed, Class::Request)
        }
        ["$aws", "certificates", "create" | "create-from-csr", "json" | "cbor"] => {
            Class::Request(Service::Certificates)
        }
        ["$aws", "provisioning-templates", name, "provision", "json" | "cbor"] if !name.is_empty() => {
            Class::Request(Service::Provisioning)
        }
        _ => Class::Closed,
    }
}

fn request(rest: &[&str]) -> Option<Service> {
    match rest {
        ["jobs", "get" | "start-next"] => Some(Service::Jobs),
        ["jobs", job, "get" | "update"] if !job.is_empty() => Some(Service::Jobs),
        ["shadow", "get" | "update" | "delete"] => Some(Service::Shadow),
        ["shadow", "name", name, "get" | "update" | "delete"] if !name.is_empty() => Some(Service::Shadow),
        ["streams", stream, "get" | "describe", "json" | "cbor"] if !stream.is_empty() => Some(Service::Streams),
        _ => None,
    }
}

/// How many inbound messages it counts as.
pub(super) fn weight(topic: &str, class: Class<'_>) -> u32 {
    if class == Class::Request(Service::Shadow) && topic.ends_with("/update") { 4 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_answers() {
        for (topic, class) in [
            ("a/b", Class::Ordinary),
            ("$aws/rules/lobby", Class::Ingest("lobby")),
            ("$aws/rules/lobby/x/y", Class::Ingest("lobby")),
            ("$aws/things/t/jobs/get", Class::Request(Service::Jobs)),
            ("$aws/things/t/jobs/start-next", Class::Request(Service::Jobs)),
            ("$aws/things/t/jobs/$next/get", Class::Request(Service::Jobs)),
            ("$aws/things/t/jobs/j1/update", Class::Request(Service::Jobs)),
            ("$aws/things/t/jobs/j1/update/accepted", Class::Closed),
            ("$aws/things/t/jobs/notify", Class::Closed),
            ("$aws/things/t/jobs/notify-next", Class::Closed),
            ("$aws/things/t/shadow/update", Class::Request(Service::Shadow)),
            ("$aws/things/t/shadow/name/n/update", Class::Request(Service::Shadow)),
            ("$aws/things/t/shadow/update/delta", Class::Closed),
            ("$aws/things/t/streams/s/get/cbor", Class::Request(Service::Streams)),
            ("$aws/things/t/streams/s/data/cbor", Class::Closed),
            ("$aws/things//shadow/update", Class::Closed),
            ("$aws/certificates/create/json", Class::Request(Service::Certificates)),
            ("$aws/certificates/create/json/accepted", Class::Closed),
            ("$aws/provisioning-templates/p/provision/cbor", Class::Request(Service::Provisioning)),
            ("$aws/events/presence/connected/x", Class::Closed),
            ("$SYS/x", Class::Closed),
            ("$", Class::Closed),
        ] {
            assert_eq!(classify(topic), class, "{topic}");
        }
        assert_eq!(weight("$aws/things/t/shadow/update", Class::Request(Service::Shadow)), 4);
        assert_eq!(weight("$aws/things/t/shadow/get", Class::Request(Service::Shadow)), 1);
    }
}
