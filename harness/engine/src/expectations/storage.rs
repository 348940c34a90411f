//! `quota` with the limit `storage`: artifacts get in as long as they fit, to the last block, and what is refused takes no room.
//!
//! Artifacts are made for it, and gone afterwards. What counts is what the tenant's admin finds, and what the platform says is used.

use super::call_rate::Found;
use crate::refusals;
use crate::run::{Result, Run};
use fleetproof_dialects::mender::Session;
use fleetproof_dialects::mender::updates::{ArtifactSpec, Image};
use fleetproof_journal::What;
use fleetproof_language::{Located, Refusal};

/// Bytes of what is tried at the most.
const MOST: u64 = 64 << 20;

/// So many artifacts fill what is free.
const PARTS: u64 = 4;

/// The blocks in which an artifact grows: those of tar.
const BLOCK: u64 = 512;

/// Fills the storage of a tenant, and asks for more.
pub(super) async fn attempt(run: &Run, tenant: &Located<String>) -> Result<Found> {
    let (mut found, name) = (Found::default(), tenant.value.as_str());
    let Some(due) = run.storage_limits.get(name).filter(|due| *due > 0) else {
        found.hidden.push(format!("`{name}` was given no `storage`"));
        return Ok(found);
    };
    let neighbour = run.people.open_tenants().into_iter().find(|other| !other.is_provider && *other.at.name != *name);
    let Some(neighbour) = neighbour.map(|other| other.at.name.to_string()) else {
        found.hidden.push(format!("nobody is there beside `{name}` who could pay for it"));
        return Ok(found);
    };
    let (admin, beside) = (run.people.admin(name).await?, run.people.admin(&neighbour).await?);
    let (before, told) = run.mender.storage(&admin).await?;
    if told != due {
        found.wrong.push(format!("`{name}` is told that it may keep {told} bytes, due {due}"));
    }
    let free = due.saturating_sub(before);
    let mut shelf = Shelf { run, word: format!("quota-{}", run.shared.now().micros()), number: 0, made: Vec::new() };
    let smallest = shelf.spec(1).bytes().len() as u64;
    if free > MOST || free < (PARTS + 1) * smallest {
        found.hidden.push(format!("`{name}` has {free} bytes free: too many, or too few, to be filled"));
        return Ok(found);
    }
    let paid = run.mender.storage(&beside).await?;
    let mut left = free;
    let mut refused = Vec::new();
    for part in (1..=PARTS).rev() {
        if part == 1 {
            // A block more than there is, while there is room for a smaller one.
            refused.push((left, shelf.bring(&admin, left + BLOCK).await?));
        }
        // The last one takes all blocks that are left.
        match shelf.bring(&admin, left / part).await? {
            Brought::In(bytes) => left = left.saturating_sub(bytes),
            Brought::Refused { bytes, answer, .. } => {
                found.wrong.push(format!("`{name}`: {bytes} bytes were refused where {left} are free: {answer}"));
            }
        }
    }
    let (full, _) = run.mender.storage(&admin).await?;
    if full != due.saturating_sub(left) {
        found.wrong.push(format!("`{name}` is told that it uses {full} bytes, due {}", due.saturating_sub(left)));
    }
    let mut text =
        format!("`{name}` may keep {due} bytes and kept {before}: {PARTS} artifacts got in, {left} bytes are left");
    refused.push((left, shelf.bring(&admin, smallest.max(left + BLOCK)).await?));
    for (free, brought) in refused {
        match brought {
            Brought::In(bytes) => found.wrong.push(format!("`{name}`: {bytes} bytes got in where {free} were free")),
            Brought::Refused { bytes, answer, kind, is_there } => {
                text.push_str(&format!("; {bytes} bytes where {free} were free were refused"));
                if kind != Some(Refusal::OverLimit) {
                    found.wrong.push(format!("`{name}`: an artifact too many was refused in another way: {answer}"));
                }
                if is_there {
                    found.wrong.push(format!("`{name}`: an artifact that was refused is there"));
                }
            }
        }
    }
    if run.mender.storage(&admin).await?.0 != full {
        found.wrong.push(format!("`{name}`: what was refused counts as used"));
    }
    let mut others = Shelf { run, word: format!("{}-beside", shelf.word), number: 0, made: Vec::new() };
    if let Brought::Refused { answer, .. } = others.bring(&beside, smallest).await? {
        found.wrong.push(format!("`{neighbour}` paid for it: an artifact is refused: {answer}"));
    }
    others.clear(&beside).await?;
    shelf.clear(&admin).await?;
    if run.mender.storage(&admin).await?.0 != before {
        found.wrong.push(format!("`{name}` does not use {before} bytes again once the artifacts are gone"));
    }
    if run.mender.storage(&beside).await? != paid {
        found.wrong.push(format!("`{neighbour}` paid for it: it is told another use of its storage"));
    }
    text.push_str(&format!("; meanwhile one of `{neighbour}` got in"));
    found.evidence.push(run.shared.emit("engine", run.place(tenant.span), What::Note { text }));
    Ok(found)
}

/// Artifacts that are made for this.
struct Shelf<'r> {
    run: &'r Run,
    word: String,
    number: u64,
    /// Their ids.
    made: Vec<String>,
}

/// What became of an artifact at the door.
enum Brought {
    /// It is there, and has so many bytes.
    In(u64),
    Refused {
        bytes: u64,
        answer: String,
        kind: Option<Refusal>,
        is_there: bool,
    },
}

impl Shelf<'_> {
    fn spec(&self, size: u64) -> ArtifactSpec {
        let name = format!("{}-{}", self.word, self.number);
        let image = Image { version: "0".to_owned(), misbehaves: None, seed: self.number, affects: 0 };
        ArtifactSpec { name, image, size, signed_by: None }
    }

    /// The largest artifact of at most so many bytes; the smallest there is, where that is larger.
    fn fitting(&self, bytes: u64) -> ArtifactSpec {
        let spec = |size: u64| self.spec(size.max(1));
        let mut size = bytes.saturating_sub(spec(1).bytes().len() as u64);
        let mut best = spec(size);
        while size > 0 && best.bytes().len() as u64 > bytes {
            size = size.saturating_sub(BLOCK);
            best = spec(size);
        }
        loop {
            let larger = spec(best.size + BLOCK);
            if larger.bytes().len() as u64 > bytes {
                return best;
            }
            best = larger;
        }
    }

    async fn bring(&mut self, by: &Session, most: u64) -> Result<Brought> {
        self.number += 1;
        let spec = self.fitting(most);
        let bytes = spec.bytes().len() as u64;
        match self.run.mender.upload(by, &spec).await {
            Ok(id) => {
                self.made.push(id);
                Ok(Brought::In(bytes))
            }
            Err(error) => {
                let no = refusals::read(error)?;
                let is_there = self.run.mender.has_artifact(by, &spec.name).await?;
                Ok(Brought::Refused { bytes, answer: no.answer, kind: no.kind, is_there })
            }
        }
    }

    async fn clear(&mut self, by: &Session) -> Result<()> {
        for id in std::mem::take(&mut self.made) {
            self.run.mender.remove_artifact(by, &id).await?;
        }
        Ok(())
    }
}
