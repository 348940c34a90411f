//! Rules that need more than one place of a file: what could never pass, prove or run.

use crate::claim::{Claim, Class};
use crate::diagnostic::Diagnostic;
use crate::flow;
use crate::lobby;
use crate::messages::{self, Mqtt};
use crate::population::Population;
use crate::quantity;
use crate::reader::Seen;
use crate::rollout;
use crate::scenario::{Scenario, Selection, Tenant};
use crate::source::{Located, Span};
use crate::standing;
use crate::step::{Expect, Outcome, Step, WaitUntil};
use crate::strain;
use crate::suggest;
use crate::sweep;
use crate::trouble;
use crate::words::{Refusal, Role, RolloutEnd, Row, Starts, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that is wrong with what could be read. What depends on a part that could not be read is not judged.
pub(crate) fn check(scenario: &Scenario, seen: &Seen) -> Vec<Diagnostic> {
    let mut rules = Rules::new(scenario);
    rules.seeds();
    rules.tenants();
    rules.selections();
    rules.mistakes.extend(scenario.artifacts.iter().filter_map(|(_, artifact)| rollout::affects(artifact)));
    rules.budget();
    for step in scenario.all_steps() {
        if let Some(outcome) = step.outcome() {
            rules.outcome(step, outcome);
            rules.control(step, outcome);
        }
        rules.step(step);
    }
    rules.mistakes.extend(flow::check(&scenario.steps));
    rules.mistakes.extend(trouble::check(scenario, &rules.population));
    if !seen.broken_steps {
        rules.mistakes.extend(standing::check(scenario, &rules.population));
        rules.judged();
        rules.limits();
    }
    rules.mistakes.extend(strain::check(scenario));
    rules.mistakes.extend(sweep::check(scenario, &rules.population));
    rules.mistakes.extend(messages::check(scenario, &rules.population));
    rules.mistakes.extend(lobby::check(scenario, &rules.population, seen.has_lobby));
    rules.claims(seen);
    rules.mistakes
}

pub(crate) struct Rules<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) population: Population<'s>,
    pub(crate) tenants: BTreeMap<&'s str, &'s Tenant>,
    selections: BTreeMap<&'s str, &'s Selection>,
    /// Who becomes what where in a step.
    added: BTreeMap<&'s str, Vec<(&'s str, Role)>>,
    /// To whom a deployment goes.
    pub(crate) deployed: BTreeMap<&'s str, &'s [Located<String>]>,
    /// Who subscribes under a name.
    pub(crate) subscribed: BTreeMap<&'s str, &'s [Located<String>]>,
    mistakes: Vec<Diagnostic>,
}

/// How many devices are known to have enrolled.
#[derive(Default)]
struct Enrolled<'s> {
    names: BTreeSet<&'s str>,
    groups: BTreeMap<&'s str, u64>,
    tenants: BTreeMap<&'s str, u64>,
    /// Tenants of which it is no longer known, or that are reported.
    unclear: BTreeSet<&'s str>,
}

impl<'s> Enrolled<'s> {
    fn unclear(&mut self, tenant: &'s str) {
        self.unclear.insert(tenant);
    }

    fn all_unclear(&mut self, tenants: impl IntoIterator<Item = &'s str>) {
        self.unclear.extend(tenants);
    }
}

impl<'s> Rules<'s> {
    pub(crate) fn report(
        &mut self,
        code: &str,
        span: Span,
        message: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) {
        self.mistakes.push(Diagnostic::new(code, span, message).label(label).help(help));
    }

    fn new(scenario: &'s Scenario) -> Self {
        let mut added: BTreeMap<&str, Vec<(&str, Role)>> = BTreeMap::new();
        let mut deployed: BTreeMap<&str, &[Located<String>]> = BTreeMap::new();
        let mut subscribed: BTreeMap<&str, &[Located<String>]> = BTreeMap::new();
        for step in scenario.all_steps() {
            match &step.value {
                Step::AddUser(it) => added.entry(&it.tenant).or_default().push((&it.user, it.role.value)),
                Step::Deploy(it) => drop(deployed.insert(&it.name, &it.devices)),
                Step::Mqtt(it) => {
                    if let Mqtt::Subscribe(it) = &it.value {
                        subscribed.insert(&it.name, &it.devices);
                    }
                }
                _ => {}
            }
        }
        Self {
            scenario,
            population: Population::of(scenario),
            tenants: scenario.platform.tenants.iter().map(|(name, it)| (name.as_str(), &it.value)).collect(),
            selections: scenario.selections.iter().map(|(name, it)| (name.as_str(), &it.value)).collect(),
            added,
            deployed,
            subscribed,
            mistakes: Vec::new(),
        }
    }

    fn tenant(&self, name: &str) -> Option<&'s Tenant> {
        self.tenants.get(name).copied()
    }

    /// Seeds of a matrix are numbers.
    fn seeds(&mut self) {
        let Some(seeds) = self.scenario.matrix.get("seed") else { return };
        for seed in seeds.value.iter().filter(|seed| seed.text.parse::<u64>().is_err()) {
            let message = "`seed` of `matrix` takes numbers";
            self.report("wrong-shape", seed.span, message, "no number", "a number here is digits alone");
        }
    }

    fn tenants(&mut self) {
        let provider = self.scenario.platform.provider.as_ref();
        let mut sum = 0;
        for (name, tenant) in self.scenario.platform.tenants.iter() {
            match (&tenant.device_limit, provider) {
                (Some(limit), _) if tenant.starts == Starts::Ready => sum += u64::from(limit.value),
                (None, Some(_)) => self.report(
                    "missing-key",
                    name.span,
                    format!("`{}` needs `device_limit`", name.value),
                    "has no `device_limit`",
                    "a provider carves every tenant's limit out of its own: `device_limit: 300`",
                ),
                _ => {}
            }
            for (user, it) in tenant.users.iter() {
                if user.value == tenant.admin.value {
                    let message = format!("`{}` is already the admin of `{}`", user.value, name.value);
                    self.report("name-taken", user.span, message, "a user here", "keep one of the two");
                }
                self.only(&it.only, &name.value);
            }
        }
        if let Some(provider) = provider
            && sum > u64::from(provider.device_limit.value)
        {
            let limit = &provider.device_limit;
            let message = format!("the tenants' limits add up to {sum}, the provider has {}", limit.value);
            let help = "lower one, or onboard it in a step: `starts: absent`";
            self.report("pool-exceeded", limit.span, message, "the pool", help);
        }
    }

    /// What takes its time whatever the platform does fits into the budget.
    fn budget(&mut self) {
        let sum = all_fixed(&self.scenario.steps);
        let budget = self.scenario.budget();
        if sum > budget {
            let span = self.scenario.budget.as_ref().map_or(self.scenario.scenario.span, |budget| budget.span);
            let message =
                format!("fixed times add up to {}, the budget is {}", quantity::shown(sum), quantity::shown(budget));
            let help = format!("`budget: {}` leaves as much for the rest", quantity::shown(sum.saturating_mul(2)));
            self.report("budget-too-small", span, message, "never enough", help);
        }
    }

    /// A role is narrowed to groups of its own tenant.
    fn only(&mut self, only: &[Located<String>], tenant: &str) {
        for name in only {
            let selection = self.selections.get(name.as_str());
            let other = self.population.tenants(&name.value).next();
            let is_group = selection.is_some_and(|it| it.group.as_ref().is_some_and(|group| group.value));
            if !is_group && (selection.is_some() || self.population.tenant(&name.value).is_some()) {
                let message = format!("`{}` is not a group on the platform", name.value);
                let help = "a role is narrowed to selections with `group: true`";
                self.report("not-a-group", name.span, message, "no group", help);
            } else if let Some(other) = other
                && other != tenant
            {
                let message = format!("`{}` is a group of `{other}`, not of `{tenant}`", name.value);
                self.report("mixed-group", name.span, message, "another tenant's", "name a group of the same tenant");
            }
        }
    }

    fn selections(&mut self) {
        let cyclic = std::mem::take(&mut self.population.cyclic);
        for name in cyclic {
            let message = format!("`{}` is a part of itself", name.value);
            let help = "begin with device groups: `from: [hvac]`";
            self.report("cyclic-selection", name.span, message, "comes back to itself", help);
        }
        for (name, selection) in self.scenario.selections.iter() {
            if let (Some(first), Some(share)) = (&selection.first, &selection.share) {
                let later = if first.span > share.span { first.span } else { share.span };
                let message = format!("`{}` has `first` and `share`", name.value);
                self.report("two-parts", later, message, "the second one", "keep one of them");
            }
            if selection.group.as_ref().is_some_and(|group| group.value) {
                let tenants: Vec<&str> = self.population.tenants(&name.value).collect();
                if tenants.len() > 1 {
                    let message = format!("`{}` holds devices of {}", name.value, suggest::list(tenants));
                    let help = "a group on the platform belongs to one tenant: make a selection for each";
                    self.report("mixed-group", name.span, message, "a group", help);
                }
            }
        }
    }

    fn outcome(&mut self, step: &Step, outcome: &Outcome) {
        match (&outcome.refused, &outcome.accepted) {
            (Some(refused), _) if outcome.may_fail => self.report(
                "two-outcomes",
                refused.span,
                format!("this `{}` is refused and may fail", step.verb()),
                "one of the two",
                "`refused` with `accepted: N` if some get through; `may_fail` alone if a later `expect` judges",
            ),
            (None, Some(accepted)) => self.report(
                "missing-key",
                accepted.span,
                "`accepted` needs `refused` beside it",
                "what becomes of the others?",
                "say how they are refused: `refused: over_limit`",
            ),
            (Some(_), Some(accepted)) => {
                if let Step::Onboard(onboard) = step
                    && accepted.value as usize >= onboard.tenants.len()
                {
                    let message = format!("{} of {} accepted: none is refused", accepted.value, onboard.tenants.len());
                    self.report(
                        "out-of-range",
                        accepted.span,
                        message,
                        "too many",
                        "leave `accepted` and `refused` out",
                    );
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: &'s Located<Step>) {
        match &step.value {
            Step::Configure(it) if it.device_limit.is_none() && it.quotas.is_none() => self.report(
                "missing-key",
                step.span,
                "`configure` needs `device_limit` or `quotas`",
                "changes nothing",
                "the new limit: `device_limit: 200`, or `quotas: { call_rate: 60/min }`",
            ),
            Step::AddUser(it) => self.only(&it.only, &it.tenant.value),
            Step::Http(it) => self.mistakes.extend(it.check(step.span)),
            Step::Deploy(it) => {
                let devices = self.exactly(&it.devices);
                self.mistakes.extend(rollout::check(it, devices));
            }
            Step::Expect(expect) => self.expect(expect),
            _ => {}
        }
    }

    /// How many devices the names stand for, where the file tells exactly and they are one tenant's.
    fn exactly(&self, names: &[Located<String>]) -> Option<u64> {
        let [name] = names else { return None };
        let mut counts = self.population.counts(&name.value);
        let (_, bounds) = counts.next()?;
        (counts.next().is_none() && bounds.least == bounds.most).then_some(bounds.least)
    }

    /// Whether a deployment can be aborted at all: it has a threshold, or a step above does it.
    fn can_be_aborted(&self, deployment: &str) -> bool {
        self.scenario.all_steps().into_iter().any(|step| match &step.value {
            Step::Deploy(it) => it.name.value == deployment && it.abort_above.is_some(),
            Step::Abort(it) => it.deployment.value == deployment,
            _ => false,
        })
    }

    /// Whether a deployment takes in whoever comes later.
    fn is_continuous(&self, deployment: &str) -> bool {
        self.scenario.all_steps().into_iter().any(|step| match &step.value {
            Step::Deploy(it) if it.name.value == deployment => {
                it.target.as_ref().is_some_and(|target| target.value == Target::Continuous)
            }
            _ => false,
        })
    }

    fn expect(&mut self, expect: &'s Expect) {
        for claim in &expect.claims {
            let word = claim.name();
            if claim.kind() == Class::Eventual && expect.within.is_none() {
                let message = format!("`{word}` takes time, so this `expect` needs `within`");
                let help = format!("`expect: {{ within: 60s, {word}: … }}`");
                self.report("missing-deadline", claim.span, message, "until when?", help);
            }
            if let Claim::Barred { devices, like } = &claim.value {
                let barred: BTreeSet<&str> =
                    devices.iter().flat_map(|name| self.population.counts(name)).map(|(group, _)| group).collect();
                if self.population.counts(&like.value).any(|(group, _)| barred.contains(group)) {
                    let message = format!("`{}` would have to be barred and let in", like.value);
                    let help =
                        "`like` names others, who get in meanwhile: without them a platform that is down would do";
                    self.report("no-control", like.span, message, "barred itself", help);
                }
            }
            if let Claim::Rollout { deployment, ended } = &claim.value
                && ended.value == RolloutEnd::Aborted
                && self.deployed.contains_key(deployment.as_str())
                && !self.can_be_aborted(deployment)
            {
                let message = format!("nothing here can abort `{}`", deployment.value);
                let help = "give its `deploy` an `abort_above`, or `abort` it in a step";
                self.report("never-true", ended.span, message, "cannot come true", help);
            }
            if let Claim::Rollout { deployment, ended } = &claim.value
                && ended.value == RolloutEnd::Finished
                && self.is_continuous(deployment)
            {
                let message = format!("`{}` takes in whoever comes later, so it never finishes", deployment.value);
                let help = "`abort` it in a step and claim `ended: aborted`, or leave out its `target: continuous`";
                self.report("never-true", ended.span, message, "cannot come true", help);
            }
            if matches!(claim.value, Claim::Pool { .. }) && self.scenario.platform.provider.is_none() {
                let help = "declare one: `provider: { device_limit: 1000, admin: pia@provider.test }`";
                self.report("no-provider", claim.span, "there is no pool without a provider", "whose pool?", help);
            }
        }
        if let (Some(within), Some(stays)) = (&expect.within, &expect.stays)
            && stays.value >= within.value
        {
            let help = "`within` is until when all of it is over: make it longer than `stays`";
            self.report("out-of-range", stays.span, "`stays` ends after `within`", "too long", help);
        }
    }

    /// A refusal proves something when somebody else may do the same.
    fn control(&mut self, step: &Step, outcome: &Outcome) {
        let refused = outcome.refused.as_ref().map(|refused| refused.value);
        if !matches!(refused, Some(Refusal::Unseen | Refusal::Forbidden | Refusal::Unauthenticated)) {
            return;
        }
        let (who, tenants): (_, BTreeSet<&str>) = match step {
            Step::Claim(it) => match &it.tenant {
                Some(tenant) => (outcome.by.as_ref(), BTreeSet::from([tenant.value.as_str()])),
                None => (outcome.by.as_ref(), self.owners(&it.devices)),
            },
            Step::Reject(it) | Step::Release(it) | Step::Revoke(it) | Step::Decommission(it) => {
                (outcome.by.as_ref(), self.owners(&it.devices))
            }
            Step::Migrate(it) => (outcome.by.as_ref(), BTreeSet::from([it.tenant.value.as_str()])),
            Step::Enroll(it) => (outcome.by.as_ref(), self.owners(&it.devices)),
            Step::Deploy(it) => (outcome.by.as_ref(), self.owners(&it.devices)),
            Step::Upload(it) => (outcome.by.as_ref(), it.tenants.iter().map(|name| name.value.as_str()).collect()),
            Step::AddUser(it) => (outcome.by.as_ref(), BTreeSet::from([it.tenant.value.as_str()])),
            Step::RemoveUser(it) => (outcome.by.as_ref(), BTreeSet::from([it.tenant.value.as_str()])),
            Step::Switch(it) => (Some(&it.user), BTreeSet::from([it.tenant.value.as_str()])),
            // Whoever may do these is the provider, the operator, or is seen when somebody does.
            Step::Onboard(_)
            | Step::Suspend(_)
            | Step::Resume(_)
            | Step::Remove(_)
            | Step::GrantTrust(_)
            | Step::RevokeTrust(_)
            | Step::Evacuate(_)
            | Step::Configure(_)
            | Step::Knock(_)
            | Step::Abort(_)
            | Step::Fault(_)
            | Step::Pause(_)
            | Step::Continue(_)
            | Step::WaitUntil(_)
            | Step::While(_)
            | Step::Parallel(_)
            | Step::Repeat(_)
            | Step::Sweep(_)
            | Step::Use(_)
            | Step::Http(_)
            | Step::Mqtt(_)
            | Step::Load(_)
            | Step::Measure(_)
            | Step::Log(_)
            | Step::Expect(_) => return,
        };
        let Some(who) = who else { return };
        for name in tenants {
            let Some(tenant) = self.tenant(name) else { continue };
            let any_role = matches!(step, Step::Switch(_));
            let admits = |role: Option<Role>| any_role || role.is_none_or(|role| role == Role::Admin);
            let users = tenant.users.iter().filter(|(_, user)| admits(user.role.as_ref().map(|role| role.value)));
            let added = self.added.get(name).into_iter().flatten();
            let added = added.filter(|(_, role)| admits(Some(*role))).map(|(user, _)| *user);
            let users = users.map(|(user, _)| user.as_str());
            let mut entitled = std::iter::once(tenant.admin.as_str()).chain(users).chain(added);
            if !entitled.any(|user| user != who.value) {
                let message = format!("nobody here may do what `{}` is refused: that proves nothing", who.value);
                let help = format!("declare another owner: an `admin` among the `users` of `{name}`");
                self.report("no-control", who.span, message, "the only one who may", help);
                return;
            }
        }
    }

    /// Whose the devices are at the start.
    fn owners(&self, devices: &[Located<String>]) -> BTreeSet<&'s str> {
        devices.iter().flat_map(|name| self.population.tenants(name)).collect()
    }

    /// No more devices enrol than their tenant takes, unless that is the test.
    fn limits(&mut self) {
        let mut enrolled = Enrolled::default();
        for step in self.scenario.all_steps() {
            match &step.value {
                Step::Configure(it) => enrolled.unclear(it.tenant.as_str()),
                Step::Decommission(it) | Step::Release(it) => enrolled.all_unclear(self.owners(&it.devices)),
                Step::Claim(it) => {
                    enrolled.all_unclear(self.owners(&it.devices));
                    enrolled.all_unclear(it.tenant.as_ref().map(|it| it.value.as_str()));
                }
                Step::Migrate(it) => {
                    enrolled.all_unclear(self.owners(&it.devices));
                    enrolled.unclear(it.tenant.as_str());
                }
                Step::Enroll(it) if it.outcome.refused.is_some() || it.outcome.may_fail => {
                    enrolled.all_unclear(self.owners(&it.devices));
                }
                Step::Enroll(it) => {
                    for name in &it.devices {
                        self.enrol(name, &mut enrolled);
                    }
                }
                _ => {}
            }
        }
    }

    fn enrol(&mut self, name: &'s Located<String>, enrolled: &mut Enrolled<'s>) {
        if !enrolled.names.insert(name) {
            return;
        }
        for (group, bounds) in self.population.counts(name).collect::<Vec<_>>() {
            let Some(tenant) = self.population.tenant(group) else { continue };
            let known = enrolled.groups.entry(group).or_default();
            let more = bounds.least.saturating_sub(*known);
            *known += more;
            let sum = enrolled.tenants.entry(tenant).or_default();
            *sum += more;
            let Some(limit) = self.tenant(tenant).and_then(|tenant| tenant.device_limit.as_ref()) else { continue };
            if *sum > u64::from(limit.value) && enrolled.unclear.insert(tenant) {
                let message = format!("{sum} devices enrol in `{tenant}`, which takes {}", limit.value);
                let help = format!("if that is the test: `accepted: {}, refused: over_limit`", limit.value);
                self.report("limit-exceeded", name.span, message, "with these it is full", help);
            }
        }
    }

    /// Something is claimed, and every row has a claim that can prove it.
    fn claims(&mut self, seen: &Seen) {
        if seen.unknown_claim || seen.broken_steps && seen.claimed.is_empty() {
            return;
        }
        if seen.claimed.is_empty() {
            let steps = self.scenario.all_steps();
            if steps.is_empty() || steps.iter().any(|step| matches!(step.value, Step::Expect(_))) {
                return;
            }
            let span = self.scenario.scenario.span;
            let help = "add an `expect`";
            self.report("nothing-claimed", span, "this scenario claims nothing, so it could never pass", "", help);
            return;
        }
        if seen.broken_steps {
            return;
        }
        let can = |word: &str, row: Row| {
            Claim::CATALOGUE.iter().any(|(name, _, _, rows)| *name == word && rows.contains(&row))
        };
        for row in &self.scenario.covers {
            if seen.claimed.iter().any(|word| can(word, row.value)) {
                continue;
            }
            let words = Claim::CATALOGUE.iter().map(|(word, ..)| *word).filter(|word| can(word, row.value));
            let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
            let help = match words.as_slice() {
                [] => format!("no claim of fleetproof {} can", env!("CARGO_PKG_VERSION")),
                [one] => format!("{one} can"),
                [most @ .., last] => format!("{} and {last} can", most.join(", ")),
            };
            let message = format!("no claim here can prove `{}`", row.value);
            self.report("covers-nothing", row.span, message, "nothing proves it", help);
        }
    }
}

/// What a step takes whatever the platform does: rounds add up, of branches the longest counts.
fn fixed(step: &Located<Step>) -> Duration {
    match &step.value {
        Step::WaitUntil(wait) => match &wait.value {
            WaitUntil::Elapsed(elapsed) => elapsed.r#for.value,
            WaitUntil::Progress(_) | WaitUntil::State(_) => Duration::ZERO,
        },
        Step::Fault(fault) => fault.held_for().map_or(Duration::ZERO, |time| time.value),
        Step::Expect(expect) => expect.stays.as_ref().map_or(Duration::ZERO, |stays| stays.value),
        Step::Load(it) => it.value.time().map_or(Duration::ZERO, |time| time.value),
        Step::Measure(it) => it.r#for.value,
        Step::Sweep(it) => {
            let rounds = it.draws.as_ref().map_or(1, |draws| draws.value).saturating_add(1);
            all_fixed(&it.steps).saturating_add(all_fixed(it.expect.steps())).saturating_mul(rounds)
        }
        Step::Repeat(it) => all_fixed(&it.steps).saturating_mul(it.times.value),
        step => step.inside().into_iter().map(all_fixed).max().unwrap_or_default(),
    }
}

fn all_fixed(steps: &[Located<Step>]) -> Duration {
    steps.iter().map(fixed).fold(Duration::ZERO, Duration::saturating_add)
}
