//! `load` and `measure`.

use crate::background::Background;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::strain::load;
use crate::strain::meter::Measurement;
use fleetproof_journal::What;
use fleetproof_language::{Load, Located, Measure, Span};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Strains the platform for as long as the step says.
pub(crate) async fn load(run: &Run, step: &Located<Load>) -> Result<Ending> {
    let time = step.time().map_or(Duration::ZERO, |time| time.value);
    let running = load::put_on(run, &step.value, time).await?;
    lift(run, running, step.span).await
}

/// Waits until a load is over, and takes note of what it was.
async fn lift(run: &Run, running: load::Running, span: Span) -> Result<Ending> {
    let (what, tenants, told) = running.wait().await?;
    let text = format!("load: {what}: {told}");
    let seq = run.shared.emit("engine", run.place(span), What::Note { text: text.clone() });
    let was_on = told.was_on(told.from, told.until);
    run.loads.change(|loads| loads.push(load::Record { what, tenants, seq, told }));
    match was_on {
        true => Ok(Ending::passed(text)),
        false => Err(Stop::Inconclusive(text)),
    }
}

/// A load that is on beside other steps.
struct Held {
    running: load::Running,
    span: Span,
}

/// Puts a load on that lasts until it is stopped.
pub(crate) async fn hold(run: &Run, load: &Located<Load>) -> Result<Box<dyn Background>> {
    let running = load::put_on(run, &load.value, run.budget().since(run.shared.now())).await?;
    Ok(Box::new(Held { running, span: load.span }))
}

impl Background for Held {
    fn stop<'a>(self: Box<Self>, run: &'a Run) -> Pin<Box<dyn Future<Output = Result<Ending>> + 'a>>
    where
        Self: 'a,
    {
        self.running.stop();
        Box::pin(async move { lift(run, self.running, self.span).await })
    }
}

/// Looks at what devices are answered, and how fast, for as long as the step says.
pub(crate) async fn measure(run: &Run, step: &Located<Measure>) -> Result<Ending> {
    let devices: BTreeSet<u32> = run.devices(&step.devices).into_iter().collect();
    let tenants = devices.iter().map(|device| run.tenant_of(*device)).collect();
    let from = run.shared.now();
    let meter = run.shared.measure(devices);
    let due = from.after(step.r#for.value);
    let until = due.min(run.budget());
    while run.shared.now() < until {
        run.glance(until).await?;
    }
    let figures = run.shared.measured(meter);
    if due > run.budget() {
        let time = Duration::as_secs_f64(&step.r#for.value);
        return Ok(Ending::failed(format!("{time} s do not fit into what is left of the time")));
    }
    let text = format!("measured `{}`: {figures}", step.name.value);
    let seq = run.shared.emit("engine", run.place(step.span), What::Note { text: text.clone() });
    let between = (from, run.shared.now());
    run.measured.insert(step.name.value.clone(), Measurement { between, tenants, seq, figures });
    Ok(Ending::passed(text))
}
