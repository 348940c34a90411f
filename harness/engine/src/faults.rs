//! Faults between the parties: put on, proven, lifted, and proven lifted.

use crate::run::{Result, Run, Stop};
use crate::shared::Shared;
use fleetproof_journal::What;
use fleetproof_language::{Fault, Located, Span};
use fleetproof_world::{Ends, FaultId, LinkCounters, LinkFault, Links, Name, Slow, Stamp, World};
use std::collections::BTreeSet;
use std::time::Duration;

/// The end that stands for all doors of the platform.
const PLATFORM: &str = "platform";

/// How long a fault may take until it has acted on anything, and how long its end may take to be seen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How many of those who were concerned are tried, until one gets through again.
const TRIED: usize = 8;

/// A fault that is on. Dropped, it is lifted: whatever happens to the run, nothing of it stays.
pub(crate) struct Held {
    links: Links,
    shared: Shared,
    id: FaultId,
    ends: Ends,
    /// As people read it: "partition between hvac and platform".
    told: String,
    is_on: bool,
}

impl Held {
    /// Whether it has acted on anything.
    pub(crate) fn has_acted(&self) -> bool {
        self.links.proof(self.id).acted()
    }

    fn take_off(&mut self) -> LinkCounters {
        let counters = self.links.lift(self.id);
        if std::mem::take(&mut self.is_on) {
            let text = format!("{} lifted: {}", self.told, acted(&counters));
            let seq = self.shared.emit("network", None, What::Note { text });
            self.shared.fault_lifted(seq);
        }
        counters
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.take_off();
    }
}

/// What a fault did, in words.
fn acted(counters: &LinkCounters) -> String {
    if !counters.acted() {
        return "it met nothing".to_owned();
    }
    let LinkCounters { connections, held, refused, delayed } = *counters;
    let said = [(held, "bytes held"), (refused, "dials found no way"), (delayed, "bytes delayed")];
    let said = said.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let said: Vec<String> = std::iter::once(format!("{connections} connections")).chain(said).collect();
    said.join(", ")
}

/// Puts a held fault on. `None`: it is one that is not held.
pub(crate) fn put(run: &Run, fault: &Fault, span: Span) -> Result<Option<Held>> {
    let kind = match fault {
        Fault::Partition(it) => LinkFault::Partition { one_way: it.value.one_way },
        Fault::Slow(it) => LinkFault::Slow(Slow {
            latency: it.value.latency.as_ref().map_or(Duration::ZERO, |latency| latency.value),
            spread: it.value.spread.as_ref().map_or(Duration::ZERO, |spread| spread.value),
            loss: it.value.loss.as_ref().map_or(0, |loss| loss.value),
            bandwidth: it.value.bandwidth.as_ref().map(|bandwidth| bandwidth.value),
        }),
        Fault::Reset(_) | Fault::FailCalls(_) => return Ok(None),
    };
    let ends = ends(run, fault.between())?;
    let told = told(fault);
    let links = run.world.net.links().clone();
    let name = format!("{}/{}", fault.kind(), names(fault.between()).join("/"));
    let id = links.put(ends.clone(), kind, &run.world.seeds.child("faults").child(&name));
    run.shared.emit("network", run.place(span), What::Note { text: format!("{told} put on") });
    run.shared.fault_put();
    Ok(Some(Held { links, shared: run.shared.clone(), id, ends, told, is_on: true }))
}

/// Waits until a fault has acted on something.
///
/// # Errors
/// Inconclusive when there was nothing that it could act on until `deadline`.
pub(crate) async fn proven(run: &Run, held: &Held, deadline: Stamp) -> Result<()> {
    while !held.has_acted() {
        if run.shared.now() >= deadline {
            return Err(unproven(&held.told));
        }
        run.glance(deadline).await?;
    }
    Ok(())
}

/// Lifts a fault and sees that one of those whom it concerned gets through again.
///
/// # Errors
/// Inconclusive when the fault met nothing, or nobody gets through after it.
pub(crate) async fn lift(run: &Run, mut held: Held) -> Result<String> {
    let counters = held.take_off();
    if !counters.acted() {
        return Err(unproven(&held.told));
    }
    let world = run.world.clone();
    let (first, second) = dialled(&held.ends, &run.mender.doors());
    let deadline = run.deadline(PATIENCE);
    for name in first.iter().take(TRIED) {
        tokio::select! {
            biased;
            () = run.stop.cancelled() => return Err(Stop::Interrupted),
            through = gets_through(&world, name, &second, deadline) => if through {
                return Ok(acted(&counters));
            },
        }
    }
    Err(Stop::Inconclusive(format!("{} was lifted, and nobody whom it concerned gets through", held.told)))
}

/// Who dials, and the door at which it is tried.
fn dialled(ends: &Ends, doors: &[Name]) -> (Vec<Name>, Name) {
    let (callers, called) = if doors.iter().any(|door| ends.first.contains(door)) {
        (&ends.second, &ends.first)
    } else {
        (&ends.first, &ends.second)
    };
    let door = doors.iter().find(|door| called.contains(*door)).or_else(|| doors.first()).cloned();
    (callers.iter().cloned().collect(), door.unwrap_or_else(|| PLATFORM.into()))
}

async fn gets_through(world: &World, from: &Name, door: &Name, deadline: Stamp) -> bool {
    matches!(world.clock.until(deadline, world.net.connect(from, door)).await, Some(Ok(_)))
}

/// Resets each open connection between two ends once, as soon as there is one.
///
/// # Errors
/// Inconclusive when there is none.
pub(crate) async fn reset(run: &Run, fault: &Fault, span: Span) -> Result<String> {
    let ends = ends(run, fault.between())?;
    let links = run.world.net.links().clone();
    let deadline = run.deadline(PATIENCE);
    while links.open(&ends) == 0 {
        if run.shared.now() >= deadline {
            return Err(unproven(&told(fault)));
        }
        tokio::select! {
            biased;
            () = run.stop.cancelled() => return Err(Stop::Interrupted),
            () = run.world.clock.sleep(Duration::from_millis(1)) => {}
        }
    }
    let done = format!("{} connections", links.reset(&ends).connections);
    let text = format!("{}: {done}", told(fault));
    let seq = run.shared.emit("network", run.place(span), What::Note { text });
    run.shared.fault_put();
    run.shared.fault_lifted(seq);
    Ok(done)
}

fn unproven(told: &str) -> Stop {
    Stop::Inconclusive(format!("{told} met nothing: there was no traffic on which it could be seen"))
}

/// "partition between hvac and platform".
fn told(fault: &Fault) -> String {
    format!("{} between {}", fault.kind(), names(fault.between()).join(" and "))
}

fn names(between: &[Located<String>]) -> Vec<&str> {
    between.iter().map(|name| name.value.as_str()).collect()
}

/// The names on the network that stand behind the names of a file.
fn ends(run: &Run, between: &[Located<String>]) -> Result<Ends> {
    let [first, second] = between else {
        return Err(Stop::Broken("a fault has two ends".to_owned()));
    };
    Ok(Ends { first: side(run, &first.value), second: side(run, &second.value) })
}

/// Doors, devices, or all devices and people of a tenant.
fn side(run: &Run, name: &str) -> BTreeSet<Name> {
    if name == PLATFORM {
        let clients = run.things.door().ok().map(|(door, _)| door);
        return run.mender.doors().into_iter().chain(clients).collect();
    }
    let population = &run.plan.population;
    let named = |device: &u32| Name::from(run.name_of(*device));
    if let Some(members) = population.named.get(name) {
        return members.iter().map(named).collect();
    }
    let devices = (0..).zip(&population.devices).filter(|(_, device)| device.tenant == name);
    let people = run.plan.scenario.platform.tenants.get(name).into_iter().flat_map(|tenant| {
        std::iter::once(&tenant.admin.value).chain(tenant.users.iter().map(|(user, _)| &user.value))
    });
    let people: Vec<Name> = people.map(|person| person.as_str().into()).collect();
    devices.map(|(index, _)| named(&index)).chain(people).collect()
}
