//! What the seed decided, each choice by a name: so that it can be told how much another seed changes.

use crate::{Plan, canary, seeds};
use std::collections::BTreeMap;

impl Plan {
    /// Every choice that the seed made before anything runs: name → value. Names are paths, e.g.
    /// `devices/hvac-7/first_poll` or `selections/beta`; what the scenario fixes is not among them.
    #[must_use]
    pub fn choices(&self) -> BTreeMap<String, String> {
        let mut choices: BTreeMap<String, String> =
            self.drawn.iter().map(|(name, value)| (format!("vars/{name}"), value.clone())).collect();
        let seeds = seeds(&self.scenario, self.seed);
        for (tenant, _) in self.scenario.platform.tenants.iter() {
            choices.insert(format!("tenants/{}/canary", tenant.value), canary(&seeds, tenant));
        }
        for device in &self.population.devices {
            let mut choose = |what: &str, value: String| {
                choices.insert(format!("devices/{}/{what}", device.name), value);
            };
            choose("first_poll", format!("{} ms", device.phase.as_millis()));
            choose("mac", device.identity.get("mac").cloned().unwrap_or_default());
            if device.skew_ms != 0 {
                choose("clock_skew", format!("{} ms", device.skew_ms));
            }
        }
        for (name, _) in self.scenario.selections.iter().filter(|(_, selection)| selection.share.is_some()) {
            let members = self.population.named.get(&name.value).map_or(&[][..], Vec::as_slice);
            let names: Vec<&str> =
                members.iter().map(|member| self.population.devices[*member as usize].name.as_str()).collect();
            choices.insert(format!("selections/{}", name.value), names.join(" "));
        }
        choices
    }
}
