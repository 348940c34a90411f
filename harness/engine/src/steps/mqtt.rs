//! `mqtt`: devices publish or subscribe as the scenario says, each on its own connection.

use super::{WITHIN, within};
use crate::outcome::{Ending, Part, Refused, judge};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use crate::texts::Gaps;
use fleetproof_devices::mqtt::{Answered, Doing};
use fleetproof_journal::What;
use fleetproof_language::{Located, Mqtt, Refusal};
use fleetproof_world::Stamp;
use std::time::Duration;

/// How long what was refused may be under way, if it is.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// A subscription that the scenario asked for.
#[derive(Clone, Debug)]
pub(crate) struct Subscribed {
    /// Its devices.
    pub(crate) devices: Vec<u32>,
    /// To what.
    pub(crate) filter: String,
    /// Since when.
    pub(crate) since: Stamp,
    /// The event that tells it.
    pub(crate) seq: u64,
}

/// Sends the devices on their errands, and holds the answers against what is due.
pub(crate) async fn mqtt(run: &Run, step: &Located<Mqtt>, gaps: &Gaps<'_>) -> Result<Ending> {
    let (outcome, from) = (step.value.outcome(), run.shared.now());
    let devices = run.devices(step.value.devices());
    let (doing, asked, done) = match &step.value {
        Mqtt::Publish(it) => {
            let (topic, text) = (gaps.text(&it.value.topic), gaps.text(&it.value.text));
            let asked = format!("MQTT publish to {topic}");
            let at_least_once = it.value.qos.as_ref().is_none_or(|qos| qos.value > 0);
            (Doing::Say { topic, text, at_least_once, retain: it.value.retain }, asked, "messages published")
        }
        Mqtt::Subscribe(it) => {
            let filter = gaps.text(&it.value.topic);
            let asked = format!("MQTT subscribe to {filter}");
            (Doing::Listen { filter }, asked, "devices subscribed")
        }
    };
    let deadline = run.deadline(within(outcome, WITHIN));
    let answers: Vec<_> = devices.iter().map(|device| (*device, run.fleet.send_on(*device, doing.clone()))).collect();
    let mut parts = Vec::new();
    for (device, mut answer) in answers {
        let name = run.name_of(device);
        let result = match run.world.clock.until(deadline, answer.recv()).await {
            None => Err(Refused { kind: None, answer: "no answer in time".to_owned(), done_anyway: None }),
            Some(Some(answered)) => read(&answered),
            Some(None) => return Err(Stop::Inconclusive(format!("`{name}` does nothing any more"))),
        };
        parts.push(Part { name, result });
    }
    let granted: Vec<u32> =
        devices.iter().zip(&parts).filter(|(_, part)| part.result.is_ok()).map(|(device, _)| *device).collect();
    let text = format!("{asked}: {} of {} devices were granted it", granted.len(), parts.len());
    let seq = run.shared.emit("engine", run.place(step.span), What::Note { text });
    match (&doing, &step.value) {
        (Doing::Say { topic, text, retain, .. }, _) => {
            if granted.len() < parts.len() {
                run.pause_until(run.shared.now().after(UNDER_WAY).min(run.budget())).await?;
                let heard = heard_all_the_same(run, from, topic, text);
                // Where somebody was granted the same, it may be that one's.
                for part in parts.iter_mut().filter(|_| granted.is_empty()) {
                    if let Err(no) = &mut part.result {
                        no.done_anyway.clone_from(&heard);
                    }
                }
            }
            for device in granted.iter().filter(|_| *retain) {
                let place = (run.tenant_of(*device).to_owned(), topic.clone());
                run.retained.change(|all| if text.is_empty() { all.remove(&place) } else { all.insert(place) });
            }
        }
        (Doing::Listen { filter }, Mqtt::Subscribe(it)) => {
            let subscribed = Subscribed { devices, filter: filter.clone(), since: from, seq };
            run.subscriptions.insert(it.value.name.value.clone(), subscribed);
        }
        _ => {}
    }
    if !granted.is_empty() {
        run.own.granted.insert(asked.clone());
    }
    if outcome.refused.is_some() && granted.len() < parts.len() {
        run.own.refused.change(|refused| refused.push((asked, step.span)));
    }
    refusals::note(run, "mqtt", &parts, step.span, outcome);
    Ok(judge(outcome, &parts, done))
}

/// Who heard what was refused.
fn heard_all_the_same(run: &Run, from: Stamp, topic: &str, text: &str) -> Option<String> {
    let hearer = run.shared.record(|record| {
        let is_it = |heard: &&crate::record::Heard| heard.at >= from && heard.topic == topic && heard.text == text;
        record.heard.iter().find(|(_, all)| all.iter().any(|heard| is_it(&heard))).map(|(device, _)| *device)
    })?;
    Some(format!("`{}` heard it", run.name_of(hearer)))
}

/// What an answer comes to.
fn read(answered: &Answered) -> std::result::Result<(), Refused> {
    let no = |code: Option<u8>, answer: String| Err(Refused { kind: code.and_then(kind), answer, done_anyway: None });
    match answered {
        Answered::Code(code) if *code < 0x80 => Ok(()),
        Answered::Code(code) => no(Some(*code), format!("0x{code:02X}")),
        Answered::Ended(why) => {
            let code = why.rsplit_once("0x").and_then(|(_, code)| u8::from_str_radix(code, 16).ok());
            no(code, format!("the connection ended: {why}"))
        }
    }
}

/// The kind of refusal that a code is (MQTT 5, section 2.4).
const fn kind(code: u8) -> Option<Refusal> {
    Some(match code {
        0x87 => Refusal::Forbidden,
        0x86 => Refusal::Unauthenticated,
        // Quota exceeded, receive maximum exceeded, packet too large.
        0x97 | 0x93 | 0x95 => Refusal::OverLimit,
        // Message rate too high, connection rate exceeded.
        0x96 | 0x9F => Refusal::Throttled,
        // Protocol error, topic filter invalid, topic name invalid, payload format invalid, QoS not supported.
        0x82 | 0x8F | 0x90 | 0x99 | 0x9B => Refusal::Invalid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_yes_or_a_kind_of_no() {
        let of = |answered| read(&answered).map_err(|no| (no.kind, no.answer));
        assert_eq!(of(Answered::Code(0)), Ok(()));
        assert_eq!(of(Answered::Code(0x10)), Ok(()), "nobody subscribed");
        assert_eq!(of(Answered::Code(0x87)), Err((Some(Refusal::Forbidden), "0x87".to_owned())));
        assert_eq!(of(Answered::Code(0x97)).unwrap_err().0, Some(Refusal::OverLimit));
        assert_eq!(of(Answered::Code(0x8F)).unwrap_err().0, Some(Refusal::Invalid));
        assert_eq!(of(Answered::Code(0x80)).unwrap_err().0, None, "unspecified is no kind");
        assert_eq!(
            of(Answered::Ended("the server ended it: 0x87".to_owned())).unwrap_err().0,
            Some(Refusal::Forbidden)
        );
        assert_eq!(of(Answered::Ended("the server hung up".to_owned())).unwrap_err().0, None);
    }
}
