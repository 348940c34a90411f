//! `received`: so many messages came through a subscription. That none came is only seen where somebody else, who is entitled
//! to it, heard the same meanwhile.

use crate::proof::{Proof, Seen};
use crate::record::{Heard, Record};
use crate::run::Run;
use crate::steps::Subscribed;
use fleetproof_world::Stamp;
use std::time::Duration;

/// How long what reached its owner may take to reach somebody else.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// One look at a subscription.
pub(super) fn look(run: &Run, subscription: &str, count: u32, text: Option<&str>) -> Seen {
    let expected = match count {
        0 => "nothing comes through the subscription, and its owner hears it".to_owned(),
        count => format!("{count} messages come through the subscription, for each of its devices"),
    };
    let Some(subscribed) = run.subscriptions.get(subscription) else {
        return Seen::Hidden(Proof::of(expected).actual(format!("`{subscription}` was never asked for")));
    };
    let (proof, now) = (Proof::of(expected).evidence([subscribed.seq]), run.shared.now());
    run.shared.record(|record| judge(record, &subscribed, count, text, now, proof, &|device| run.name_of(device)))
}

fn judge(
    record: &Record,
    subscribed: &Subscribed,
    count: u32,
    text: Option<&str>,
    now: Stamp,
    proof: Proof,
    name: &dyn Fn(u32) -> String,
) -> Seen {
    let is_it = |heard: &&Heard| {
        heard.at >= subscribed.since
            && fits(&subscribed.filter, &heard.topic)
            && text.is_none_or(|text| heard.text == text)
    };
    let came = |device: &u32| record.heard.get(device).into_iter().flatten().filter(is_it).collect::<Vec<_>>();
    let (mut wrong, mut proof) = (Vec::new(), proof);
    for device in &subscribed.devices {
        let heard = came(device);
        proof = proof.evidence(heard.iter().map(|heard| heard.seq));
        if heard.len() != count as usize {
            let first = heard.first().map_or_else(String::new, |heard| format!(", first on `{}`", heard.topic));
            wrong.push(format!("`{}` received {}, due {count}{first}", name(*device), heard.len()));
            if count == 0 {
                proof.anomaly = proof.anomaly.or(heard.first().map(|heard| heard.seq));
            }
        }
    }
    if !wrong.is_empty() || count > 0 {
        return Seen::of(proof, subscribed.devices.len(), wrong, "devices received what is due");
    }
    let others = record.heard.keys().filter(|device| !subscribed.devices.contains(device));
    let canary = others.flat_map(came).find(|heard| heard.at.after(UNDER_WAY) <= now);
    match canary {
        Some(canary) => {
            let devices = subscribed.devices.len();
            let actual = format!("none of {devices} devices received anything, and its owner heard it");
            Seen::Holds(proof.evidence([canary.seq]).actual(actual))
        }
        None => Seen::Hidden(proof.actual("nothing was heard by anybody, so nothing could have come through")),
    }
}

/// Whether a topic is one of those that a filter stands for (MQTT, section 4.7; shared subscriptions by what they share).
fn fits(filter: &str, topic: &str) -> bool {
    let filter = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, rest)| rest);
    if topic.starts_with('$') != filter.starts_with('$') {
        return false;
    }
    let (mut levels, mut names) = (filter.split('/'), topic.split('/'));
    loop {
        match (levels.next(), names.next()) {
            (Some("#"), Some(_)) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ms: u64, topic: &str, text: &str, seq: u64) -> Heard {
        Heard { at: Stamp::from_micros(ms * 1_000), topic: topic.to_owned(), text: text.to_owned(), seq }
    }

    /// What is seen of a subscription of device 1 to `app/+/x`, where devices heard this.
    fn said(count: u32, text: Option<&str>, all: Vec<(u32, Heard)>) -> String {
        let mut record = Record::default();
        for (device, heard) in all {
            record.heard.entry(device).or_default().push(heard);
        }
        let since = Stamp::from_micros(1_000_000);
        let subscribed = Subscribed { devices: vec![1], filter: "app/+/x".to_owned(), since, seq: 5 };
        let now = Stamp::from_micros(10_000_000);
        let proof = Proof::of("x").evidence([subscribed.seq]);
        match judge(&record, &subscribed, count, text, now, proof, &|device| format!("d-{device}")) {
            Seen::Holds(proof) => format!("holds {:?}", proof.evidence),
            Seen::Broken(proof) => format!("broken {:?} {}", proof.anomaly, proof.details.join("; ")),
            Seen::Hidden(_) => "hidden".to_owned(),
        }
    }

    #[test]
    fn none_is_seen_only_where_its_owner_heard_it() {
        assert_eq!(said(0, None, vec![]), "hidden");
        assert_eq!(said(0, None, vec![(2, heard(2_000, "app/a/x", "t", 7))]), "holds [5, 7]");
        assert_eq!(said(0, None, vec![(2, heard(9_000, "app/a/x", "t", 7))]), "hidden", "the rest may be under way");
        assert_eq!(said(0, None, vec![(2, heard(500, "app/a/x", "t", 7))]), "hidden", "before anybody subscribed");
        assert_eq!(said(0, None, vec![(2, heard(2_000, "app/a/y", "t", 7))]), "hidden", "something else");
        assert_eq!(said(0, Some("u"), vec![(2, heard(2_000, "app/a/x", "t", 7))]), "hidden", "another text");
        let both = vec![(2, heard(2_000, "app/a/x", "t", 7)), (1, heard(2_001, "app/a/x", "t", 8))];
        assert_eq!(said(0, None, both), "broken Some(8) `d-1` received 1, due 0, first on `app/a/x`");
    }

    #[test]
    fn as_many_as_are_due_and_no_more() {
        let one = || (1, heard(2_000, "app/a/x", "t", 7));
        assert_eq!(said(1, None, vec![one()]), "holds [5, 7]");
        assert_eq!(said(2, None, vec![one()]), "broken None `d-1` received 1, due 2, first on `app/a/x`");
        assert_eq!(said(1, None, vec![one(), one()]), "broken None `d-1` received 2, due 1, first on `app/a/x`");
        assert_eq!(said(1, Some("t"), vec![one(), (1, heard(3_000, "app/a/x", "u", 8))]), "holds [5, 7]");
    }

    #[test]
    fn topics_fit_filters() {
        for (filter, topic, due) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a/b/c", true),
            ("a/#", "a", false),
            ("#", "a/b", true),
            ("#", "$aws/b", false),
            ("$aws/#", "$aws/b", true),
            ("$share/g/a/+", "a/b", true),
            ("a", "a/b", false),
        ] {
            assert_eq!(fits(filter, topic), due, "{filter} {topic}");
        }
    }
}
