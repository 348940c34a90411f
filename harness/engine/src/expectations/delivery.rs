//! `delivery`: what devices published arrived with whoever was to hear it: all but so many, each once but for so many.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_devices::mqtt::Numbers;
use fleetproof_journal::What;
use fleetproof_language::Located;
use fleetproof_world::Stamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a message that was sent may be under way.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// Judges all that was sent until now, once what is under way had the time to arrive.
pub(super) async fn judge(
    run: &Run,
    devices: &[Located<String>],
    lost: u64,
    duplicated: u64,
    deadline: Stamp,
) -> Result<Seen> {
    let devices = run.devices(devices);
    let sent: BTreeMap<u32, Numbers> = run.shared.record(|record| {
        let sent = |device: &u32| Some((*device, record.messages.get(device)?.ledger.all_sent().clone()));
        devices.iter().filter_map(sent).collect()
    });
    let deadline = deadline.max(run.shared.now().after(UNDER_WAY)).min(run.budget());
    loop {
        let (seen, text) = look(run, &devices, &sent, lost, duplicated);
        if matches!(seen, Seen::Holds(_)) || run.shared.now() >= deadline {
            let seq = run.shared.emit("application", None, What::Note { text });
            return Ok(seen.with_evidence(seq));
        }
        run.breathe(deadline).await?;
    }
}

/// What is seen now, and how it is told.
fn look(run: &Run, devices: &[u32], sent: &BTreeMap<u32, Numbers>, lost: u64, duplicated: u64) -> (Seen, String) {
    let mut silent = Vec::new();
    let (mut missing, mut twice, mut all, mut uncounted) = (Vec::new(), Vec::new(), 0, 0);
    run.shared.record(|record| {
        for device in devices {
            let (name, messages) = (run.name_of(*device), record.messages.get(device));
            let (Some(messages), Some(sent)) = (messages, sent.get(device)) else {
                silent.push(format!("`{name}` has published nothing"));
                continue;
            };
            let tally = messages.ledger.tally();
            if tally.received == 0 {
                silent.push(format!("no message of `{name}` has arrived"));
            }
            all += sent.len();
            uncounted += sent.beyond();
            missing.push((name.clone(), messages.ledger.missing(sent)));
            twice.push((name, tally.duplicates));
        }
    });
    let sum = |counts: &[(String, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
    let (gone, again) = (sum(&missing), sum(&twice));
    let expected = format!("of what devices publish at most {lost} messages are lost and {duplicated} come twice");
    let text = format!("{all} messages of {} devices: {gone} lost, {again} came twice", devices.len());
    let proof = Proof::of(expected).actual(text.clone());
    let told = |counts: Vec<(String, u64)>, what: &str| {
        let bad = counts.into_iter().filter(|(_, count)| *count > 0);
        bad.map(|(name, count)| format!("`{name}`: {count} {what}")).collect::<Vec<_>>()
    };
    if gone > lost || again > duplicated {
        let details = told(missing, "lost").into_iter().chain(told(twice, "came twice")).collect();
        return (Seen::Broken(proof.details(details)), text);
    }
    if !silent.is_empty() || uncounted > 0 {
        return (Seen::Hidden(proof.details(silent)), text);
    }
    (Seen::Holds(proof), text)
}
