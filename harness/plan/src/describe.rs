//! A plan as people read it.

use crate::{ALWAYS_WATCHED, Plan};
use fleetproof_language::{Located, Step};
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Plan {
    /// The plan as text: who takes part, what happens, how many attempts on how many operations, what was drawn.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _: std::fmt::Result = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}", self.scenario.scenario.value)?;
        writeln!(out, "  seed {}, {} time", self.seed, self.clock)?;
        if self.is_modelled() {
            writeln!(out, "  service times are modelled, by what the platform declares")?;
        }
        if !self.row.is_empty() {
            let row: Vec<String> = self.row.iter().map(|(axis, value)| format!("{axis} = {value}")).collect();
            writeln!(out, "  combination: {}", row.join(", "))?;
        }
        if !self.scenario.needs.is_empty() {
            let needs: Vec<&str> = self.scenario.needs.iter().map(|need| need.word()).collect();
            writeln!(out, "  needs: {}", needs.join(", "))?;
        }
        if !self.drawn.is_empty() {
            let drawn: Vec<String> = self.drawn.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            writeln!(out, "  drawn: {}", drawn.join(", "))?;
        }
        if let Some(reason) = &self.skipped {
            return writeln!(out, "  skipped: {reason}");
        }
        let mut groups: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for device in &self.population.devices {
            *groups.entry((&device.tenant, &device.group)).or_default() += 1;
        }
        writeln!(out, "  devices: {}", self.population.devices.len())?;
        for ((tenant, group), count) in groups {
            writeln!(out, "    {count:>5}  {group} of {tenant}")?;
        }
        for (name, _) in self.scenario.selections.iter() {
            let members = self.population.named.get(&name.value).map_or(&[][..], Vec::as_slice);
            let names: Vec<&str> =
                members.iter().take(4).map(|member| self.population.devices[*member as usize].name.as_str()).collect();
            let more = if members.len() > names.len() { ", …" } else { "" };
            writeln!(out, "    {:>5}  {} ({}{more})", members.len(), name.value, names.join(", "))?;
        }
        writeln!(out, "  steps: {}", self.scenario.all_steps().len())?;
        self.write_steps(out, &self.scenario.steps, "")?;
        writeln!(out, "  always watched")?;
        for (_, what) in ALWAYS_WATCHED {
            writeln!(out, "           {what}")?;
        }
        Ok(())
    }

    /// A step on one line: as it is written, but for those that say best how they hold others.
    fn line(&self, step: &Located<Step>) -> String {
        match &step.value {
            Step::Repeat(it) => format!("repeat, {} rounds", it.times.value),
            Step::Parallel(it) => format!("parallel, {} branches", it.branches.len()),
            Step::Use(it) => {
                let with: Vec<String> =
                    it.with.iter().map(|(name, value)| format!("{}: {}", name.value, value.text)).collect();
                format!("use {} {{ {} }}", it.fragment.value, with.join(", ")).replace("{  }", "{}")
            }
            other => said(other.verb(), self.wording.of(step.span)),
        }
    }

    /// Steps with their numbers; those inside others under them.
    fn write_steps(&self, out: &mut String, steps: &[Located<Step>], under: &str) -> std::fmt::Result {
        self.write_steps_from(1, out, steps, under)
    }

    /// The same, where others stand before them.
    fn write_steps_from(
        &self,
        first: usize,
        out: &mut String,
        steps: &[Located<Step>],
        under: &str,
    ) -> std::fmt::Result {
        for (number, step) in (first..).zip(steps) {
            let number = format!("{under}{number}");
            writeln!(out, "    {number:>5}  {}", self.line(step))?;
            match &step.value {
                Step::Parallel(it) => {
                    for (branch, steps) in (1..).zip(&it.branches) {
                        self.write_steps(out, steps, &format!("{number}.{branch}."))?;
                    }
                }
                // Every round has its own number between.
                Step::Repeat(it) => self.write_steps(out, &it.steps, &format!("{number}.n."))?,
                Step::Sweep(it) => {
                    self.write_steps(out, &it.steps, &format!("{number}.n."))?;
                    self.write_steps_from(it.steps.len() + 1, out, it.expect.steps(), &format!("{number}.n."))?;
                }
                step => {
                    for inner in step.inside() {
                        self.write_steps(out, inner, &format!("{number}."))?;
                    }
                }
            }
            let Step::Expect(expect) = &step.value else { continue };
            for claim in &expect.claims {
                write!(out, "           - {}", said(claim.name(), self.wording.of(claim.span)))?;
                if let Some(compiled) = self.attempts.get(&claim.span) {
                    let (attempts, exempt) = (compiled.attempts.len(), compiled.exempt.len());
                    let attempted = compiled.operations - exempt - compiled.uncovered.len();
                    write!(
                        out,
                        "\n             {attempts} attempts on {attempted} of {} operations, {exempt} exempt",
                        compiled.operations
                    )?;
                    for operation in &compiled.uncovered {
                        write!(out, "\n             uncovered: {operation}; the claim cannot pass")?;
                    }
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

/// A word and what stands under it, as YAML.
fn said(word: &str, parameters: &str) -> String {
    if parameters.is_empty() { word.to_owned() } else { format!("{word}: {parameters}") }
}
