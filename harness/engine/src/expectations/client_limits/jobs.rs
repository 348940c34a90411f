//! The limit on jobs that are open at once.

use super::party::Bench;
use super::{Trial, Tried};
use crate::refusals;
use crate::run::{Result, Run};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::{Place, jobs, things};
use fleetproof_dialects::mender::Session;
use fleetproof_language::Refusal;

/// A thing that no device is, and jobs for it: they stay open for as long as they are there.
struct Shop<'r> {
    run: &'r Run,
    admin: Session,
    place: Place,
    /// The thing's name; jobs begin with it.
    name: String,
    made: Vec<String>,
}

impl<'r> Shop<'r> {
    async fn open(run: &'r Run, tenant: &str, name: &str) -> Result<Self> {
        let admin = run.people.admin(tenant).await?;
        let place = run.things.place(run, tenant).await?;
        things::name(&run.mender, &admin, &place, name).await?;
        Ok(Self { run, admin, place, name: name.to_owned(), made: Vec::new() })
    }

    /// One job more.
    async fn make(&mut self) -> std::result::Result<String, DialectError> {
        let id = format!("{}-{}", self.name, self.made.len());
        jobs::offer(&self.run.mender, &self.admin, &self.place, &id, &self.name, "wait").await?;
        self.made.push(id.clone());
        Ok(id)
    }

    /// All jobs of the account that have not ended.
    async fn open_jobs(&self) -> Result<u64> {
        Ok(jobs::open(&self.run.mender, &self.admin, &self.place).await?)
    }

    async fn remove(&mut self, id: &str) -> Result<()> {
        jobs::remove(&self.run.mender, &self.admin, &self.place, id).await?;
        self.made.retain(|made| made != id);
        Ok(())
    }

    async fn close(mut self) -> Result<()> {
        for id in std::mem::take(&mut self.made) {
            self.remove(&id).await?;
        }
        Ok(things::unname(&self.run.mender, &self.admin, &self.place, &self.name).await?)
    }
}

/// So many jobs are open at once: exactly those that are free get in, the rest is refused and leaves nothing; a place that becomes
/// free is there for the next. A neighbour opens one meanwhile.
pub(super) async fn jobs(bench: &mut Bench<'_>, due: u64, over: u64) -> Tried<Trial> {
    let mut trial = Trial::default();
    let (run, neighbour) = (bench.run, bench.neighbour().to_owned());
    let mut shop = Shop::open(run, bench.tenant(), &bench.name).await?;
    let mut other = Shop::open(run, &neighbour, &bench.name).await?;
    bench.neighbour_speaks().await;
    let before = shop.open_jobs().await?;
    let free = due.saturating_sub(before);
    let (mut refused, mut odd) = (0, Vec::new());
    for _ in 0..free + over {
        match shop.make().await {
            Ok(_) => {}
            Err(error) => {
                let no = refusals::read(error)?;
                match no.kind == Some(Refusal::OverLimit) {
                    true => refused += 1,
                    false => odd.push(no.answer),
                }
            }
        }
    }
    let made = shop.made.len() as u64;
    let full = shop.open_jobs().await?;
    if let Err(error) = other.make().await {
        let no = refusals::read(error)?;
        trial.wrong.push(format!("`{neighbour}` paid for it: a job is refused: {}", no.answer));
    }
    trial.text = format!("{} jobs beside {before}: {made} were made, {refused} refused, {full} are open", free + over);
    trial.must(made == free, || format!("{made} jobs were made beside {before}, due {free}"));
    trial.must(refused == over, || format!("{refused} were refused as over the limit, due {over}"));
    trial.must(full == before.max(due), || format!("{full} jobs are open, due {}", before.max(due)));
    trial.wrong.extend(odd.into_iter().map(|answer| format!("a job was refused in another way: {answer}")));
    if free == 0 {
        trial.hidden.push(format!("{before} jobs were open before: nothing shows that one below the limit gets in"));
    } else if let Some(last) = shop.made.last().cloned() {
        shop.remove(&last).await?;
        trial.must(shop.make().await.is_ok(), || "a place that became free is not there for the next job".to_owned());
    }
    shop.close().await?;
    other.close().await?;
    Ok(trial)
}
