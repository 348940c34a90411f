//! Limits on what is kept for clients: subscriptions, retained messages, sessions.

use super::party::Bench;
use super::{QUOTA_EXCEEDED, Trial, Tried, rest, turned_away};
use fleetproof_dialects::aws::client::{Client, ClientError, Qos, at_least_once};
use fleetproof_dialects::mender::ClientLimit;
use std::collections::BTreeSet;
use std::time::Duration;

/// Between requests of one client: slow enough for every rate that is not what is tried.
const STEP: Duration = Duration::from_millis(25);

/// So many subscriptions of one client at the most, where they are not what is tried.
const FEW: u64 = 40;

/// Messages on numbered topics, slowly.
async fn say_each(bench: &mut Bench<'_>, client: &mut Client, topics: u64, retain: bool) -> Tried<Vec<u8>> {
    let mut codes = Vec::new();
    for number in 0..topics {
        let (topic, text) = (own(bench, number), bench.says(number));
        let code = client.publish(&topic, text, Qos::AtLeastOnce, retain).await.map_err(turned_away("a publisher"))?;
        codes.push(code);
        rest(bench.run, STEP).await?;
    }
    Ok(codes)
}

/// A topic for each number.
fn own(bench: &Bench<'_>, number: u64) -> String {
    format!("{}/s/{number}", bench.name)
}

/// Subscribes to numbered topics, as many at a time as may be.
async fn subscribe_each(bench: &mut Bench<'_>, client: &mut Client, topics: std::ops::Range<u64>) -> Tried<Vec<u8>> {
    let part = usize::try_from(bench.other(ClientLimit::Filters).await?.min(8)).unwrap_or(1).max(1);
    let mut codes = Vec::new();
    let topics: Vec<u64> = topics.collect();
    for part in topics.chunks(part) {
        let filters = part.iter().map(|number| at_least_once(&own(bench, *number))).collect();
        codes.extend(client.subscribe(filters).await.map_err(turned_away("a subscriber"))?);
        rest(bench.run, STEP).await?;
    }
    Ok(codes)
}

/// So many subscriptions of one client.
pub(super) async fn subscriptions(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let (mut hears, mut says) = (bench.client("a subscriber").await?, bench.client("a publisher").await?);
    bench.neighbour_speaks().await;
    let codes = subscribe_each(bench, &mut hears, 0..due + over).await?;
    let granted = codes.iter().filter(|code| **code < 0x80).count() as u64;
    let refused = codes.iter().filter(|code| **code == QUOTA_EXCEEDED).count() as u64;
    say_each(bench, &mut says, due + over, false).await?;
    let heard = bench.heard_by(&mut hears).await?;
    trial.text = format!("{} subscriptions: {granted} granted, {refused} refused, {} heard", due + over, heard.len());
    trial.must(granted == due, || format!("{granted} subscriptions were granted, due {due}"));
    trial.must(refused == over, || format!("{refused} were refused as over the limit, due {over}"));
    let granted: BTreeSet<u64> =
        (0..).zip(&codes).filter(|(_, code)| **code < 0x80).map(|(number, _)| number).collect();
    let heard: BTreeSet<u64> = heard.into_iter().collect();
    trial.must(heard == granted, || format!("{} topics were granted, {} are heard", granted.len(), heard.len()));
    bench.gone(hears).await;
    bench.gone(says).await;
    Ok(trial)
}

/// So many filters in one request.
pub(super) async fn filters(bench: &mut Bench<'_>, due: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let most = bench.other(ClientLimit::Subscriptions).await?;
    if due + 1 > most {
        return Ok(Trial::hidden(format!("a client may have {most} subscriptions: too few to see it")));
    }
    bench.neighbour_speaks().await;
    let (mut hears, mut refused) = (bench.client("a subscriber").await?, bench.client("a subscriber").await?);
    let filters = |bench: &Bench<'_>, count: u64| (0..count).map(|number| at_least_once(&own(bench, number))).collect();
    let codes = hears.subscribe(filters(bench, due)).await;
    let is_granted = codes.as_ref().is_ok_and(|codes| codes.iter().all(|code| *code < 0x80));
    trial.must(is_granted, || format!("{due} filters must be granted: {codes:02X?}"));
    let codes = refused.subscribe(filters(bench, due + 1)).await;
    let is_ended = codes == Err(ClientError::Ended { code: QUOTA_EXCEEDED });
    trial.must(is_ended, || format!("{} filters must end the connection with 0x97: {codes:02X?}", due + 1));
    bench.gone(refused).await;
    let mut says = bench.client("a publisher").await?;
    say_each(bench, &mut says, due + 1, false).await?;
    let heard = bench.heard_by(&mut hears).await?;
    trial.text = format!("{due} filters at once were granted, and {} are heard; {} were refused", heard.len(), due + 1);
    trial.must(heard.len() as u64 == due, || format!("{due} filters were granted, {} are heard", heard.len()));
    bench.gone(hears).await;
    bench.gone(says).await;
    Ok(trial)
}

/// So many retained messages in the account.
pub(super) async fn retained(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let there =
        bench.run.retained.read(|all| all.iter().filter(|(tenant, _)| *tenant == bench.tenant()).count()) as u64;
    if there >= due {
        return Ok(Trial::hidden(format!("{there} messages are retained already")));
    }
    let free = due - there;
    let mut says = bench.client("a publisher").await?;
    bench.neighbour_speaks().await;
    let codes = say_each(bench, &mut says, free + over, true).await?;
    let through: BTreeSet<u64> = (0..).zip(&codes).filter(|(_, code)| **code == 0).map(|(number, _)| number).collect();
    let refused = codes.iter().filter(|code| **code == QUOTA_EXCEEDED).count() as u64;
    // Whoever comes later gets what is retained, and nothing else.
    let mut heard = BTreeSet::new();
    let few = bench.other(ClientLimit::Subscriptions).await?.clamp(1, FEW);
    let mut first = 0;
    while first < free + over {
        let last = (free + over).min(first + few);
        let mut hears = bench.client("a later subscriber").await?;
        subscribe_each(bench, &mut hears, first..last).await?;
        heard.extend(bench.heard_by(&mut hears).await?);
        bench.gone(hears).await;
        first = last;
    }
    trial.text = format!(
        "{} messages beside {there}: {} were retained, {refused} refused, {} heard by who came later",
        free + over,
        through.len(),
        heard.len()
    );
    trial.must(through.len() as u64 == free, || format!("{} were retained, due {free}", through.len()));
    trial.must(refused == over, || format!("{refused} were refused as over the limit, due {over}"));
    trial.must(heard == through, || format!("{} were retained, {} are heard", through.len(), heard.len()));
    for number in through {
        let (topic, none) = (own(bench, number), bytes::Bytes::new());
        says.publish(&topic, none, Qos::AtLeastOnce, true).await.map_err(turned_away("a publisher"))?;
        rest(bench.run, STEP).await?;
    }
    bench.gone(says).await;
    Ok(trial)
}

/// So many messages wait for one client that is away: the first ones. What comes later is dropped, and the next that comes when
/// there is room again is heard.
pub(super) async fn queued(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let lasts = bench.other(ClientLimit::SessionExpiry).await?;
    let away = STEP.as_secs() + (STEP * u32::try_from(due + over).unwrap_or(u32::MAX)).as_secs() + 2;
    let Some(lasts) = u32::try_from(lasts.min(3_600)).ok().filter(|lasts| u64::from(*lasts) > away) else {
        return Ok(Trial::hidden(format!(
            "a session outlives its connection for {lasts} s: too short to fill its queue"
        )));
    };
    let (name, mut says) = (bench.new_name(), bench.client("a publisher").await?);
    let who = "a client with a session";
    let (mut client, ..) = bench.subject.connect(&name, Some(lasts)).await.map_err(turned_away(who))?;
    client.subscribe(vec![at_least_once(&format!("{}/s/+", bench.name))]).await.map_err(turned_away(who))?;
    client.leave().await;
    bench.neighbour_speaks().await;
    let codes = say_each(bench, &mut says, due + over, false).await?;
    trial.must(codes.iter().all(|code| *code == 0), || format!("a message was answered {codes:02X?}"));
    let (mut client, present, _) = bench.subject.connect(&name, Some(lasts)).await.map_err(turned_away(who))?;
    trial.must(present, || "its session is gone".to_owned());
    let heard: BTreeSet<u64> = bench.heard_by(&mut client).await?.into_iter().collect();
    trial.text = format!("of {} messages {} waited for a client that was away", due + over, heard.len());
    trial.must(heard == (0..due).collect(), || {
        let (first, last) = (heard.first(), heard.last());
        format!("{} messages waited, from {first:?} to {last:?}, due the first {due}", heard.len())
    });
    let (topic, text) = (own(bench, 0), bench.says(due + over));
    says.publish(&topic, text, Qos::AtLeastOnce, false).await.map_err(turned_away("a publisher"))?;
    let later = bench.heard_by(&mut client).await?;
    trial.must(later == [due + over], || format!("afterwards it heard {} messages of 1", later.len()));
    client.leave().await;
    // Nothing of the session is left.
    let (client, ..) = bench.subject.connect(&name, None).await.map_err(turned_away(who))?;
    client.leave().await;
    bench.gone(says).await;
    Ok(trial)
}

/// A session outlives its connection for so many seconds, however many the client asks for.
pub(super) async fn session_expiry(bench: &mut Bench<'_>, due: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let Some(seconds) = u32::try_from(due).ok().filter(|due| *due >= 4) else {
        return Ok(Trial::hidden(format!("{due} s are too short, or too long, to be told apart")));
    };
    let wanted = seconds.saturating_mul(2).saturating_add(10);
    let (name, mut says) = (bench.new_name(), bench.client("a publisher").await?);
    bench.neighbour_speaks().await;
    let back = async |bench: &mut Bench<'_>| {
        let (mut client, present, granted) =
            bench.subject.connect(&name, Some(wanted)).await.map_err(turned_away("a client with a session"))?;
        if !present {
            let codes = client.subscribe(vec![at_least_once(&own(bench, 0))]).await;
            codes.map_err(turned_away("a client with a session"))?;
        }
        Tried::Ok((client, present, granted))
    };
    let mut seen = Vec::new();
    let (client, _, granted) = back(bench).await?;
    trial
        .must(granted == Some(seconds), || format!("{wanted} s were asked for and {granted:?} granted, due {seconds}"));
    client.leave().await;
    for (away, is_kept) in [(seconds - 2, true), (seconds + 2, false)] {
        let (topic, text) = (own(bench, 0), bench.says(u64::from(away)));
        says.publish(&topic, text, Qos::AtLeastOnce, false).await.map_err(turned_away("a publisher"))?;
        rest(bench.run, Duration::from_secs(away.into())).await?;
        let (mut client, present, _) = back(bench).await?;
        let heard = bench.heard_by(&mut client).await?;
        trial.must(present == is_kept, || {
            format!("after {away} s its session must be {}", if is_kept { "there" } else { "gone" })
        });
        let due: &[u64] = if is_kept { &[u64::from(away)] } else { &[] };
        trial.must(heard == due, || {
            format!("after {away} s it heard {} messages of when it was away, due {}", heard.len(), due.len())
        });
        seen.push(format!("after {away} s {}", if present { "there" } else { "gone" }));
        client.leave().await;
    }
    trial.text = format!("a session that asked for {wanted} s was {}", seen.join(", "));
    bench.gone(says).await;
    Ok(trial)
}
