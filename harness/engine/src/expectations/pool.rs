//! `pool`: children and reserve add up to the provider's pool, however many ask at once.

use crate::actors;
use crate::proof::{Proof, Seen};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::mender::Session;
use fleetproof_journal::What;
use fleetproof_language::Refusal;

/// Several callers ask at once for more than the reserve holds; then one asks for the last unit, and for one more.
/// The children made here are gone afterwards.
pub(super) async fn attempt(run: &Run, over_by: u32, callers: u32) -> Result<Seen> {
    let expected = "the limits of the children and the reserve add up to the pool, whoever asks at once";
    if run.people.tenant(Run::PROVIDER).is_none() {
        return Ok(Seen::Hidden(Proof::of(expected).actual("there is no provider, and so no pool")));
    }
    let provider = run.people.admin(Run::PROVIDER).await?;
    let whole = run.limits.get(Run::PROVIDER).unwrap_or(0);
    let own = run.mender.tenant_info(&provider).await?.row.device_count;
    let reserve = whole - carved(run, &provider).await? - own;
    if reserve < 0 {
        let text = format!("{} reads its children's limits: {reserve} is left of a pool of {whole}", provider.who());
        let seq = run.shared.emit("engine", None, What::Note { text });
        let wrong = vec![format!("the children's limits add up to {}, the pool is {whole}", whole - own - reserve)];
        return Ok(Seen::of(Proof::of(expected).evidence([seq]), 1, wrong, "pool held"));
    }
    if reserve < 1 {
        let text = format!("nothing is left of the pool of {whole}: nothing shows that the last unit can be given");
        return Ok(Seen::Hidden(Proof::of(expected).actual(text)));
    }
    let callers = i64::from(callers.max(1));
    let share = (reserve + i64::from(over_by) + callers - 1) / callers;
    let round = run.shared.now().micros();
    let asks = (0..callers).map(|caller| {
        let name = format!("pool-{round}-{caller}");
        let email = format!("{name}@pool.test");
        let password = run.people.password(&email);
        let (mender, by) = (run.mender.clone(), provider.clone());
        async move { mender.create_tenant(&by, &name, &email, &password, Some(share)).await }
    });
    let (mut given, mut wrong) = (Vec::new(), Vec::new());
    for answer in actors::together(asks).await {
        match answer {
            Ok(id) => given.push(id),
            Err(error) => {
                let no = refusals::read(error)?;
                if no.kind != Some(Refusal::OverLimit) {
                    wrong.push(format!("a child was refused in another way: {}", no.answer));
                }
            }
        }
    }
    let fit = reserve / share;
    let count = i64::try_from(given.len()).unwrap_or(i64::MAX);
    if count != fit {
        wrong.push(format!("{count} children of {share} were carved out of a reserve of {reserve}, due {fit}"));
    }
    let carved_now = carved(run, &provider).await?;
    if carved_now + own > whole {
        wrong.push(format!("the children's limits add up to {carved_now}, the pool is {whole}"));
    }
    let room = whole - own - carved_now;
    match given.first() {
        // More is given than there is: there is no last unit to ask for.
        _ if room < 0 => {}
        Some(child) => wrong.extend(last_unit(run, &provider, child, share, room).await?),
        None => wrong.extend(last_unit_to_a_new_child(run, &provider, round, room).await?),
    }
    for child in &given {
        run.mender.remove_tenant(&provider, child).await?;
    }
    let left = whole - carved(run, &provider).await? - own;
    if left != reserve {
        wrong.push(format!("the reserve was {reserve} before and is {left} once the children are gone"));
    }
    let text = format!(
        "{} asked `Create new Tenant` {callers} times at once, for {share} each of a reserve of {reserve}: {count} got it",
        provider.who()
    );
    let seq = run.shared.emit("engine", None, What::Note { text });
    Ok(Seen::of(Proof::of(expected).evidence([seq]), 1, wrong, "pool held"))
}

/// The sum of the children's limits, as the provider reads them.
async fn carved(run: &Run, provider: &Session) -> Result<i64> {
    Ok(run.mender.tenants(provider).await?.iter().map(|row| row.device_limit.max(0)).sum())
}

/// Raises a child by one more than is left (refused) and by exactly what is left (given): the control.
async fn last_unit(run: &Run, provider: &Session, child: &str, has: i64, left: i64) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    match run.mender.configure_tenant(provider, child, has + left + 1).await {
        Ok(()) => wrong.push(format!("a child was raised by {} when {left} were left", left + 1)),
        Err(error) => {
            let no = refusals::read(error)?;
            if no.kind != Some(Refusal::OverLimit) {
                wrong.push(format!("one unit too many was refused in another way: {}", no.answer));
            }
        }
    }
    if let Err(error) = run.mender.configure_tenant(provider, child, has + left).await {
        wrong.push(format!("the last {left} units could not be given: {}", refusals::read(error)?.answer));
    }
    Ok(wrong)
}

/// No child was carved: one that takes all that is left must be.
async fn last_unit_to_a_new_child(run: &Run, provider: &Session, round: u64, left: i64) -> Result<Vec<String>> {
    let name = format!("pool-{round}-last");
    let email = format!("{name}@pool.test");
    match run.mender.create_tenant(provider, &name, &email, &run.people.password(&email), Some(left)).await {
        Ok(child) => {
            run.mender.remove_tenant(provider, &child).await?;
            Ok(Vec::new())
        }
        Err(error) if error.refused().is_some() => {
            Ok(vec![format!("the last {left} units could not be given: {error}")])
        }
        Err(error) => Err(Stop::from(error)),
    }
}
