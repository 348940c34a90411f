//! From a scenario, the surfaces of a platform and a seed to a plan: what will happen, on whom, and what is skipped.
//!
//! A plan is a function of values: no clock, no network, no platform. Start with [`plan`]; [`Plan::describe`] is what
//! `fleetproof plan` prints, [`Plan::choices`] what the seed decided.

mod attempts;
mod choices;
mod deal;
mod describe;
mod population;
mod rows;

pub use deal::{Points, Round};
pub use population::{PlannedDevice, PlannedPublishes, Population, canary};
pub use rows::{Orders, plans};

use fleetproof_claims::model::{Compiled, Surfaces};
use fleetproof_language::{Located, Provider, Scenario, Span, Wording};
use fleetproof_world::Seeds;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Which clock a run is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The clock jumps; the same seed gives the same journal byte for byte.
    Virtual,
    /// The clock runs; only verdicts can be compared.
    Real,
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtual => "virtual",
            Self::Real => "real",
        })
    }
}

/// What is always watched, without a word in the scenario: it can fail one, never pass it.
pub const ALWAYS_WATCHED: [(&str, &str); 4] = [
    ("no_canary_crosses", "no canary of a tenant reaches another"),
    ("legal_states", "no device and no deployment moves illegally"),
    ("one_owner", "no device has two owners"),
    ("no_secret", "no secret is in any output"),
];

/// What will happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The seed of every choice.
    pub seed: u64,
    /// The clock that the run is on.
    pub clock: ClockKind,
    /// Every device, every selection.
    pub population: Population,
    /// The platform's operations.
    pub surfaces: Arc<Surfaces>,
    /// The attempts behind each claim that makes some, by where the claim stands.
    pub attempts: BTreeMap<Span, Compiled>,
    /// How the steps and claims are written; of no use but to be shown.
    pub wording: Wording,
    /// The combination of the matrix that this is: axis and value, in the order of the file.
    pub row: Vec<(String, String)>,
    /// What the seed drew for variables.
    pub drawn: BTreeMap<String, String>,
    /// Why the scenario is not run at all: a capability that the platform lacks.
    pub skipped: Option<String>,
}

/// Plans one scenario.
#[must_use]
pub fn plan(
    scenario: Arc<Scenario>,
    capabilities: &[&str],
    surfaces: Arc<Surfaces>,
    seed: u64,
    clock: ClockKind,
) -> Plan {
    let scenario = organised(scenario);
    let population = Population::draw(&scenario, &seeds(&scenario, seed));
    let attempts = attempts::compile(&scenario, &surfaces);
    let skipped = missing(&scenario, capabilities, clock);
    let (wording, row, drawn) = (Wording::default(), Vec::new(), BTreeMap::new());
    Plan { scenario, seed, clock, population, surfaces, attempts, wording, row, drawn, skipped }
}

impl Plan {
    /// Whether work takes the time that the platform's model declares: where time is virtual, and the scenario asks how
    /// long things take.
    #[must_use]
    pub fn is_modelled(&self) -> bool {
        self.clock == ClockKind::Virtual && self.scenario.measures()
    }
}

/// The random streams of a scenario: by its name, so that a neighbour in the same file tree moves nothing.
#[must_use]
pub fn seeds(scenario: &Scenario, seed: u64) -> Seeds {
    named_seeds(&scenario.scenario.value, seed)
}

/// The same by a scenario's name; that of a combination of a matrix holds its values.
fn named_seeds(name: &str, seed: u64) -> Seeds {
    Seeds::new(seed).child("scenarios").child(name)
}

/// Fills `bytes` from the stream called `name`.
pub fn draw(seeds: &Seeds, name: &str, bytes: &mut [u8]) {
    rand::RngCore::fill_bytes(&mut seeds.stream(name), bytes);
}

/// A lobby, and accounts in several regions, are an organisation's. Where a scenario has no provider above its tenants, the
/// platform's operator runs it.
fn organised(scenario: Arc<Scenario>) -> Arc<Scenario> {
    let platform = &scenario.platform;
    if platform.provider.is_some() || (platform.lobby.is_none() && platform.regions.is_empty()) {
        return scenario;
    }
    let here = |value| Located { value, span: Span::default() };
    let provider =
        Provider { device_limit: Located { value: OPERATED, span: Span::default() }, admin: here(OPERATOR.to_owned()) };
    let mut operated = (*scenario).clone();
    operated.platform.provider = Some(Located { value: provider, span: Span::default() });
    Arc::new(operated)
}

/// Who runs an organisation that no scenario names a provider of.
const OPERATOR: &str = "operator@fleetproof.test";

/// How many devices such an organisation may have.
const OPERATED: u32 = 10_000_000;

/// The first capability that the scenario's words need and the platform lacks.
fn missing(scenario: &Scenario, capabilities: &[&str], clock: ClockKind) -> Option<String> {
    let needs_provider = scenario.platform.provider.is_some();
    (needs_provider && !capabilities.contains(&"provider"))
        .then(|| "the platform has no provider above its tenants (capability `provider`)".to_owned())
        .or_else(|| {
            let implied = scenario.implied_needs();
            rows::unmet(scenario.needs.iter().map(|need| need.value).chain(implied), capabilities, clock)
        })
}
