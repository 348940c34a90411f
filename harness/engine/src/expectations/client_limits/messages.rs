//! Limits on messages: how many, how large, how deep their topics, and how much of it waits or is delayed.

use super::party::Bench;
use super::{QUOTA_EXCEEDED, Trial, Tried, gained, hold_rate, rest, turned_away};
use crate::actors;
use bytes::Bytes;
use fleetproof_dialects::aws::client::{ClientError, Qos, at_least_once};
use fleetproof_dialects::mender::ClientLimit;
use std::collections::BTreeSet;
use std::time::Duration;

/// All of a rate is there again.
const SECOND: Duration = Duration::from_millis(1_100);

/// So much is in flight of one publisher at once at the most.
const AT_ONCE: u64 = 50;

/// So many publishers at the most.
const PUBLISHERS: u64 = 200;

/// The code of a topic that is none, or has too many levels.
const TOPIC_INVALID: u8 = 0x90;

/// How many of so many messages one publisher sends at once: what its own limits surely let through.
async fn part(bench: &mut Bench<'_>) -> Tried<u64> {
    let rate = bench.other(ClientLimit::PublishesPerConnection).await?;
    let window = bench.other(ClientLimit::Unacknowledged).await?;
    Ok(AT_ONCE.min(rate / 2).min(window).max(1))
}

/// What came, against what got through by the answers: exactly that, each once.
fn hold_heard(trial: &mut Trial, heard: &[(u64, usize)], through: &BTreeSet<u64>) {
    let came: BTreeSet<u64> = heard.iter().map(|(number, _)| *number).collect();
    let (lost, more) = (through.difference(&came).count(), came.difference(through).count());
    trial.must(lost == 0, || format!("{lost} messages were acknowledged and never came"));
    trial.must(more == 0, || format!("{more} messages came that were refused"));
    trial.must(heard.len() == came.len(), || format!("{} messages came twice", heard.len() - came.len()));
}

/// So many messages in a second, from all clients together.
pub(super) async fn publishes(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let (part, all) = (part(bench).await?, due + over);
    if all.div_ceil(part) > PUBLISHERS {
        return Ok(Trial::hidden(format!("{all} messages of {part} from each take too many clients")));
    }
    bench.listens(false).await?;
    let mut publishers = Vec::new();
    for first in (0..all).step_by(usize::try_from(part).unwrap_or(1)) {
        let messages: Vec<(String, Bytes)> =
            (first..all.min(first + part)).map(|number| bench.message(number)).collect();
        publishers.push((first, bench.client("a publisher").await?, messages));
    }
    rest(bench.run, Duration::from_millis(100)).await?;
    let before = bench.own().0;
    rest(bench.run, SECOND).await?;
    bench.neighbour_speaks().await;
    let from = bench.run.shared.now();
    let calls = publishers.into_iter().map(|(first, mut client, messages)| async move {
        let codes = client.publish_all(&messages, Qos::AtLeastOnce).await;
        (first, client, codes)
    });
    let answers = actors::together(calls).await;
    let until = bench.run.shared.now();
    let own = bench.own().0 - before;
    let (mut through, mut refused) = (BTreeSet::new(), 0);
    for (first, client, codes) in answers {
        for (number, code) in (first..).zip(codes.map_err(turned_away("a publisher"))?) {
            match code {
                Some(0) => drop(through.insert(number)),
                Some(QUOTA_EXCEEDED) => refused += 1,
                other => trial.wrong.push(format!("message {number} was answered {other:02X?}")),
            }
        }
        bench.gone(client).await;
    }
    let count = through.len() as u64;
    trial.text =
        format!("{all} messages at once: {count} got through, {refused} were refused, {own} of its devices' own");
    hold_rate(&mut trial, count, due, own, gained(due, from, until), over);
    hold_heard(&mut trial, &bench.heard().await?, &through);
    Ok(trial)
}

/// So many messages in a second from one connection; what is beyond is discarded without a word.
pub(super) async fn publishes_per_connection(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let (over, all) = (over.min(due), bench.other(ClientLimit::Publishes).await?);
    if due + 2 * over > all || over == 0 {
        return Ok(Trial::hidden(format!("all clients together may say {all} in a second: too few to see it")));
    }
    bench.listens(false).await?;
    let mut client = bench.client("a publisher").await?;
    rest(bench.run, SECOND).await?;
    bench.neighbour_speaks().await;
    let messages: Vec<(String, Bytes)> = (0..due + over).map(|number| bench.message(number)).collect();
    let from = bench.run.shared.now();
    client.publish_all(&messages, Qos::AtMostOnce).await.map_err(turned_away("a publisher"))?;
    // It is still there, and all that it said has been dealt with.
    client.ping().await.map_err(turned_away("a publisher beyond its rate"))?;
    let until = bench.run.shared.now();
    let heard = bench.heard().await?;
    let through: BTreeSet<u64> = heard.iter().map(|(number, _)| *number).collect();
    trial.text = format!("{} messages at once over one connection: {} came", due + over, through.len());
    hold_rate(&mut trial, through.len() as u64, due, 0, gained(due, from, until), over);
    trial.must(heard.len() == through.len(), || "messages came twice".to_owned());
    rest(bench.run, SECOND).await?;
    let (topic, text) = bench.message(due + over);
    client.publish(&topic, text, Qos::AtLeastOnce, false).await.map_err(turned_away("a publisher a second later"))?;
    let later = bench.heard().await?;
    trial.must(later.len() == 1, || format!("a second later {} of 1 messages came", later.len()));
    bench.gone(client).await;
    Ok(trial)
}

/// So many bytes, and no more.
pub(super) async fn payload(bench: &mut Bench<'_>, due: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let size = usize::try_from(due).unwrap_or(usize::MAX);
    let least = bench.says(9).len() + 2;
    if size < least {
        return Ok(Trial::hidden(format!("in {size} bytes nothing can be said that is known again")));
    }
    bench.listens(false).await?;
    bench.neighbour_speaks().await;
    let long = |bench: &Bench<'_>, number: u64, size: usize| {
        let mut text = bench.says(number).to_vec();
        text.push(b' ');
        text.resize(size, b'x');
        Bytes::from(text)
    };
    let mut due_sizes = Vec::new();
    let mut client = bench.client("a publisher").await?;
    for (number, size) in [(0, size - 1), (1, size)] {
        let (topic, text) = (bench.topic(number), long(bench, number, size));
        let answer = client.publish(&topic, text, Qos::AtLeastOnce, false).await;
        trial.must(answer == Ok(0), || format!("{size} bytes were answered with {answer:02X?}"));
        due_sizes.push((number, size));
    }
    let (topic, text) = (bench.topic(2), long(bench, 2, size + 1));
    let answer = client.publish(&topic, text, Qos::AtLeastOnce, false).await;
    let is_ended = answer == Err(ClientError::Ended { code: QUOTA_EXCEEDED });
    trial.must(is_ended, || format!("{} bytes must end the connection with 0x97: {answer:02X?}", size + 1));
    bench.gone(client).await;
    // The next one, who keeps to it, is heard.
    let mut next = bench.client("a publisher after another was thrown out").await?;
    let (topic, text) = (bench.topic(3), long(bench, 3, size));
    next.publish(&topic, text, Qos::AtLeastOnce, false).await.map_err(turned_away("a publisher"))?;
    due_sizes.push((3, size));
    bench.gone(next).await;
    let heard = bench.heard().await?;
    trial.text = format!("{} bytes and {size} came, {} were refused", size - 1, size + 1);
    trial.must(heard == due_sizes, || format!("came as message and bytes {heard:?}, due {due_sizes:?}"));
    Ok(trial)
}

/// So many messages are sent to a client that acknowledges none; the rest waits.
pub(super) async fn unacknowledged(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let part = part(bench).await?;
    let mut holds = bench.client("a subscriber").await?;
    holds.hold();
    let filter = format!("{}/+/m", bench.name);
    let codes = holds.subscribe(vec![at_least_once(&filter)]).await.map_err(turned_away("a subscriber"))?;
    trial.must(codes.iter().all(|code| *code < 0x80), || format!("it may not subscribe: {codes:02X?}"));
    let mut says = bench.client("a publisher").await?;
    bench.neighbour_speaks().await;
    let mut next = 0;
    while next < due + over {
        let last = (due + over).min(next + part);
        let messages: Vec<(String, Bytes)> = (next..last).map(|number| bench.message(number)).collect();
        let codes = says.publish_all(&messages, Qos::AtLeastOnce).await.map_err(turned_away("a publisher"))?;
        trial.must(codes.iter().all(|code| *code == Some(0)), || format!("a message was answered {codes:02X?}"));
        next = last;
        rest(bench.run, SECOND).await?;
    }
    let first = bench.heard_by(&mut holds).await?;
    trial
        .must(first.len() as u64 == due, || format!("{} were sent without an acknowledgement, due {due}", first.len()));
    holds.release().await.map_err(turned_away("a subscriber"))?;
    let rest_of_it = bench.heard_by(&mut holds).await?;
    let came: BTreeSet<u64> = first.iter().chain(&rest_of_it).copied().collect();
    trial.text = format!(
        "of {} messages {} came before any was acknowledged, {} afterwards",
        due + over,
        first.len(),
        rest_of_it.len()
    );
    trial.must(came.len() as u64 == due + over, || format!("{} of {} came in the end", came.len(), due + over));
    bench.gone(holds).await;
    bench.gone(says).await;
    Ok(trial)
}

/// So many bytes in a second over one connection; what is beyond is delayed, and nothing of it lost.
pub(super) async fn bandwidth(bench: &mut Bench<'_>, due: u64) -> Tried<Trial> {
    const PARTS: u64 = 24;
    let mut trial = Trial::default();
    let largest = bench.other(ClientLimit::Payload).await?;
    let size = due / 8;
    if size > largest || size < 64 {
        return Ok(Trial::hidden(format!("{PARTS} messages of {size} bytes cannot be said here")));
    }
    if part(bench).await? < PARTS {
        return Ok(Trial::hidden(format!("a client may not say {PARTS} messages at once")));
    }
    bench.listens(false).await?;
    let mut client = bench.client("a publisher").await?;
    rest(bench.run, SECOND).await?;
    bench.neighbour_speaks().await;
    let padded = |text: Bytes| {
        let mut text = text.to_vec();
        text.push(b' ');
        text.resize(usize::try_from(size).unwrap_or(0), b'x');
        Bytes::from(text)
    };
    let messages: Vec<(String, Bytes)> = (0..PARTS)
        .map(|number| {
            let (topic, text) = bench.message(number);
            (topic, padded(text))
        })
        .collect();
    let from = bench.run.shared.now();
    let codes = client.publish_all(&messages, Qos::AtLeastOnce).await.map_err(turned_away("a publisher"))?;
    let took = bench.run.shared.now().since(from);
    trial.must(codes.iter().all(|code| *code == Some(0)), || format!("a message was answered {codes:02X?}"));
    // A second's worth is let through at once, and the last message begins before the one before it is paid for.
    let least =
        Duration::from_micros((PARTS - 1) * size * 1_000_000 / due).saturating_sub(Duration::from_secs(1)) * 95 / 100;
    let most = least + Duration::from_secs(2);
    trial.text = format!("{} bytes at once took {} ms", PARTS * size, took.as_millis());
    trial.must((least..=most).contains(&took), || {
        format!(
            "{} bytes took {} ms, due {} to {} ms",
            PARTS * size,
            took.as_millis(),
            least.as_millis(),
            most.as_millis()
        )
    });
    hold_heard(&mut trial, &bench.heard().await?, &(0..PARTS).collect());
    bench.gone(client).await;
    Ok(trial)
}

/// So many levels of a topic, and no more.
pub(super) async fn topic_levels(bench: &mut Bench<'_>, due: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    bench.listens(true).await?;
    bench.neighbour_speaks().await;
    let mut client = bench.client("a publisher").await?;
    let deep = |levels: u64| format!("{}{}", bench.name, "/x".repeat(usize::try_from(levels - 1).unwrap_or(0)));
    let below = due.saturating_sub(1).max(1);
    let mut through = BTreeSet::new();
    for (number, levels, code) in [(0, below, 0), (1, due, 0), (2, due + 1, TOPIC_INVALID), (3, due, 0)] {
        let answer = client.publish(&deep(levels), bench.says(number), Qos::AtLeastOnce, false).await;
        trial.must(answer == Ok(code), || format!("{levels} levels must be answered 0x{code:02X}: {answer:02X?}"));
        if code == 0 {
            through.insert(number);
        }
    }
    trial.text = format!("{below} levels and {due} came, {} were refused", due + 1);
    hold_heard(&mut trial, &bench.heard().await?, &through);
    bench.gone(client).await;
    Ok(trial)
}
