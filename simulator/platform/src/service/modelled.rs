//! A shared part of the platform in virtual time: workers that are busy for as long as the model says.
//!
//! Time is reckoned in whole µs: a worker is free at a µs, and what it does next begins then, or when it was asked. The
//! clock's grain is coarser; what is waited for is rounded up to it, what is reckoned with is not, and so no work gets
//! lost between two ticks.

use super::line::{Asker, Line};
use fleetproof_world::{Clock, Stamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A shared part. Clones are the same part.
#[derive(Clone, Debug)]
pub(crate) struct Part(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    desk: Mutex<Desk>,
}

/// A request that waits: when it was asked, and where to say when it will be done.
#[derive(Debug)]
struct Waiting {
    asked: u64,
    done: oneshot::Sender<u64>,
}

#[derive(Debug)]
struct Desk {
    workers: Vec<Worker>,
    /// How many of them one asker may have at the same time.
    most: usize,
    line: Line<Waiting>,
    /// Somebody looks after the line whenever a worker becomes free.
    attended: bool,
}

#[derive(Clone, Debug, Default)]
struct Worker {
    free_at: u64,
    /// Whom it served last.
    serves: Option<Asker>,
}

impl Part {
    /// A part with so many workers, all of them free, of which one asker may have `most`.
    pub(crate) fn new(clock: &Clock, workers: usize, most: usize) -> Self {
        let desk = Desk { workers: vec![Worker::default(); workers], most, line: Line::default(), attended: false };
        Self(Arc::new(Inner { clock: clock.clone(), desk: Mutex::new(desk) }))
    }

    /// Waits until a worker has spent `cost` µs on what was asked at `asked`; when that was, in µs.
    pub(crate) async fn serve(&self, asker: &Asker, cost: u64, asked: u64) -> u64 {
        let (done, told) = oneshot::channel();
        let unattended = self.ask(asker, cost, Waiting { asked, done });
        if unattended {
            tokio::spawn(self.clone().attend());
        }
        // The line is looked after until it is empty: an answer comes.
        let end = told.await.unwrap_or(asked);
        self.0.clock.sleep_until(Stamp::from_micros(end)).await;
        end
    }

    /// Joins the line; whether somebody has to look after it who does not yet.
    fn ask(&self, asker: &Asker, cost: u64, waiting: Waiting) -> bool {
        let now = self.0.clock.now().micros();
        let mut desk = self.desk();
        desk.line.join(asker, cost, waiting);
        desk.hand_out(now);
        let unattended = !desk.line.is_empty() && !desk.attended;
        desk.attended |= unattended;
        unattended
    }

    /// Hands out work whenever a worker becomes free, until nobody waits.
    async fn attend(self) {
        while let Some(next) = self.next_free() {
            self.0.clock.sleep_until(Stamp::from_micros(next)).await;
            let now = self.0.clock.now().micros();
            self.desk().hand_out(now);
        }
    }

    /// When the next worker is free, while somebody waits.
    fn next_free(&self) -> Option<u64> {
        let now = self.0.clock.now().micros();
        let mut desk = self.desk();
        if desk.line.is_empty() {
            desk.attended = false;
            return None;
        }
        let busy = desk.workers.iter().map(|worker| worker.free_at).filter(|free_at| *free_at > now);
        Some(busy.min().unwrap_or(now))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Gives work to every worker that is free.
    fn hand_out(&mut self, now: u64) {
        while self.workers.iter().any(|worker| worker.free_at <= now) {
            let (workers, most) = (&self.workers, self.most);
            let Some((asker, cost, waiting)) = self.line.next(|asker| has_room(workers, most, asker) <= now) else {
                return;
            };
            let may_begin = has_room(workers, most, &asker).max(waiting.asked);
            let Some((number, begin)) = self.worker_for(&asker, may_begin, now) else { return };
            let end = begin + cost;
            // Who has gone away meanwhile costs nothing.
            if waiting.done.send(end).is_ok() {
                self.workers[number] = Worker { free_at: end, serves: Some(asker) };
            }
        }
    }

    /// The worker that can begin first, and when; of several one that served this asker before. So what is beyond an
    /// asker's share stays free for others, also between two ticks of the clock.
    fn worker_for(&self, asker: &Asker, may_begin: u64, now: u64) -> Option<(usize, u64)> {
        let free = self.workers.iter().enumerate().filter(|(_, worker)| worker.free_at <= now);
        let begins = free.map(|(number, worker)| {
            let is_anothers = worker.serves.as_ref() != Some(asker);
            (worker.free_at.max(may_begin), is_anothers, worker.free_at, number)
        });
        begins.min().map(|(begin, _, _, number)| (number, begin))
    }
}

/// Since when an asker has fewer than `most` of the workers.
fn has_room(workers: &[Worker], most: usize, asker: &Asker) -> u64 {
    let its = workers.iter().filter(|worker| worker.serves.as_ref() == Some(asker));
    let mut ends: Vec<u64> = its.map(|worker| worker.free_at).collect();
    ends.sort_unstable();
    ends.len().checked_sub(most).map_or(0, |before| ends[before])
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::{Runtime, World};

    fn tenant(name: &str) -> Asker {
        Asker::Tenant(name.to_owned())
    }

    /// When each of these requests, all asked at once, is done: whose, and µs of work.
    fn ends(workers: usize, work: &[(&str, u64)]) -> Vec<u64> {
        Runtime::virtual_time().unwrap().block_on(async {
            let part = Part::new(&World::simulated(1).clock, workers, super::super::most_of(workers));
            let mut tasks = tokio::task::JoinSet::new();
            for (number, (whose, cost)) in work.iter().enumerate() {
                let (part, whose, cost) = (part.clone(), tenant(whose), *cost);
                tasks.spawn(async move { (number, part.serve(&whose, cost, 0).await) });
            }
            let mut ends = tasks.join_all().await;
            ends.sort_unstable();
            ends.into_iter().map(|(_, end)| end).collect()
        })
    }

    #[test]
    fn time_is_reckoned_in_microseconds_whatever_the_clock() {
        assert_eq!(ends(1, &[("a", 300); 5]), [300, 600, 900, 1_200, 1_500]);
        assert_eq!(ends(2, &[("a", 300), ("b", 700), ("a", 300)]), [300, 700, 600]);
    }

    #[test]
    fn a_crowd_does_not_come_before_one_who_comes_later() {
        let mut work = vec![("loud", 1_000); 50];
        work.push(("quiet", 1_000));
        assert!(ends(1, &work)[50] <= 2_000);
        // Also without anybody else, one may have half of the workers.
        assert_eq!(ends(4, &[("loud", 1_000); 6]), [1_000, 1_000, 2_000, 2_000, 3_000, 3_000]);
    }

    #[test]
    fn who_goes_away_costs_nothing() {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(1);
            let part = Part::new(&world.clock, 1, 1);
            let busy = tokio::spawn({
                let part = part.clone();
                async move { part.serve(&tenant("a"), 10_000, 0).await }
            });
            tokio::task::yield_now().await;
            let soon = world.clock.now().after(std::time::Duration::from_millis(2));
            assert_eq!(world.clock.until(soon, part.serve(&tenant("b"), 50_000, 0)).await, None);
            assert_eq!(part.serve(&tenant("b"), 1_000, 2_000).await, 11_000);
            assert_eq!(busy.await.unwrap(), 10_000);
        });
    }
}
