//! Limits on connections: how many there are at a time, and how often they are made.

use super::party::Bench;
use super::{QUOTA_EXCEEDED, Trial, Tried, gained, hold_rate, rest, turned_away};
use crate::actors;
use fleetproof_dialects::aws::client::{Client, ClientError, Qos};
use fleetproof_dialects::mender::ClientLimit;
use std::time::Duration;

/// All of a rate is there again.
const SECOND: Duration = Duration::from_millis(1_100);

/// So many connect at the same time at the most, where the rate is not what is tried.
const AT_ONCE: u64 = 50;

/// What became of those who knocked: who got in, and how many were refused as documented.
struct Knocked {
    inside: Vec<(u64, Client)>,
    refused: u64,
    odd: Vec<String>,
}

/// Clients knock at once: each by a name of its own, or all by one.
async fn knock(bench: &mut Bench<'_>, clients: std::ops::Range<u64>, name: Option<&str>) -> Knocked {
    let numbers: Vec<u64> = clients.collect();
    let mut calls = Vec::new();
    for _ in &numbers {
        let name = name.map_or_else(|| bench.new_name(), str::to_owned);
        calls.push(bench.subject.connect(&name, None));
    }
    let mut knocked = Knocked { inside: Vec::new(), refused: 0, odd: Vec::new() };
    for (number, answer) in numbers.into_iter().zip(actors::together(calls).await) {
        match answer {
            Ok((client, ..)) => knocked.inside.push((number, client)),
            Err(ClientError::Refused { code: QUOTA_EXCEEDED, .. }) => knocked.refused += 1,
            Err(error) => knocked.odd.push(format!("refused in another way: {error}")),
        }
    }
    knocked
}

/// Each of those who are in says something; who is not in cannot.
async fn say(bench: &Bench<'_>, inside: &mut [(u64, Client)], trial: &mut Trial) {
    for (number, client) in inside {
        let (topic, text) = bench.message(*number);
        let said = client.publish(&topic, text, Qos::AtLeastOnce, false).await;
        trial.must(matches!(said, Ok(0)), || format!("client {number} got in and could not speak: {said:?}"));
    }
}

/// What the application heard is what those said who got in.
async fn hear(bench: &mut Bench<'_>, inside: &[(u64, Client)], trial: &mut Trial) -> Tried<()> {
    let heard: Vec<u64> = bench.heard().await?.into_iter().map(|(number, _)| number).collect();
    let due: Vec<u64> = inside.iter().map(|(number, _)| *number).collect();
    trial.must(heard == due, || format!("{} got in, {} were heard", due.len(), heard.len()));
    Ok(())
}

/// So many connections at a time.
pub(super) async fn connections(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let (own, rate) = (bench.all_connected() + 5, bench.other(ClientLimit::Connects).await?);
    if own > due {
        return Ok(Trial::hidden(format!("{own} connections are there already, {due} may be")));
    }
    bench.listens(false).await?;
    let free = due - bench.all_connected();
    bench.neighbour_speaks().await;
    let (mut inside, mut refused, mut next) = (Vec::new(), 0, 0);
    while next < free + over {
        let part = AT_ONCE.min(rate / 2).max(1).min(free + over - next);
        rest(bench.run, SECOND).await?;
        let knocked = knock(bench, next..next + part, None).await;
        inside.extend(knocked.inside);
        refused += knocked.refused;
        trial.wrong.extend(knocked.odd);
        next += part;
    }
    let in_all = inside.len() as u64;
    trial.text =
        format!("{} clients beside {} that were there: {in_all} got in, {refused} were refused", next, due - free);
    trial.must(in_all == free, || format!("{in_all} got in, due {free}"));
    trial.must(refused == over, || format!("{refused} were refused as over the limit, due {over}"));
    say(bench, &mut inside, &mut trial).await;
    hear(bench, &inside, &mut trial).await?;
    // One goes, and one gets in.
    if let Some((_, client)) = inside.pop() {
        client.leave().await;
        rest(bench.run, SECOND).await?;
        let knocked = knock(bench, next..next + 1, None).await;
        trial.must(knocked.inside.len() == 1, || format!("one went, and none got in: {:?}", knocked.odd));
        inside.extend(knocked.inside);
    }
    leave(inside).await;
    Ok(trial)
}

/// So many connects in a second, of all clients together.
pub(super) async fn connects(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    bench.listens(false).await?;
    let (there, most) = (bench.all_connected(), bench.other(ClientLimit::Connections).await?);
    if there + due + over + 1 > most {
        return Ok(Trial::hidden(format!("no more than {most} connections may be there: too few to see it")));
    }
    rest(bench.run, Duration::from_millis(100)).await?;
    let before = bench.own().1;
    rest(bench.run, SECOND).await?;
    bench.neighbour_speaks().await;
    let from = bench.run.shared.now();
    let mut knocked = knock(bench, 0..due + over, None).await;
    let until = bench.run.shared.now();
    let (through, own, gained) = (knocked.inside.len() as u64, bench.own().1 - before, gained(due, from, until));
    trial.text = format!("{} clients at once: {through} got in, {} were refused", due + over, knocked.refused);
    hold_rate(&mut trial, through, due, own, gained, over);
    trial.wrong.append(&mut knocked.odd);
    say(bench, &mut knocked.inside, &mut trial).await;
    hear(bench, &knocked.inside, &mut trial).await?;
    rest(bench.run, SECOND).await?;
    let again = knock(bench, due + over..due + over + 1, None).await;
    trial.must(again.inside.len() == 1, || "a second later nobody got in".to_owned());
    leave(again.inside).await;
    leave(knocked.inside).await;
    Ok(trial)
}

/// So many connects in a second, of one client.
pub(super) async fn connects_per_client(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let rate = bench.other(ClientLimit::Connects).await?;
    let over = over.min(rate.saturating_sub(due) / 2);
    if over == 0 {
        return Ok(Trial::hidden(format!("all clients together may connect {rate} times a second: too few to see it")));
    }
    bench.listens(false).await?;
    rest(bench.run, SECOND).await?;
    bench.neighbour_speaks().await;
    let (name, from) = (bench.new_name(), bench.run.shared.now());
    let mut knocked = knock(bench, 0..due + over, Some(&name)).await;
    let until = bench.run.shared.now();
    let (through, gained) = (knocked.inside.len() as u64, gained(due, from, until));
    trial.text =
        format!("one client {} times at once: {through} times in, {} times refused", due + over, knocked.refused);
    hold_rate(&mut trial, through, due, 0, gained, over);
    trial.wrong.append(&mut knocked.odd);
    drop(knocked.inside);
    // Who waits gets in, and is the one that is there.
    rest(bench.run, Duration::from_micros(1_000_000 / due.max(1)).max(SECOND)).await?;
    let (client, ..) = bench.subject.connect(&name, None).await.map_err(turned_away("a client that waited"))?;
    let mut inside = vec![(due + over, client)];
    say(bench, &mut inside, &mut trial).await;
    hear(bench, &inside, &mut trial).await?;
    leave(inside).await;
    Ok(trial)
}

async fn leave(inside: Vec<(u64, Client)>) {
    for (_, client) in inside {
        client.leave().await;
    }
}
