//! The lobby: devices that belong to nobody yet, whom they show themselves to, who lets them in, and where they move to.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::fault::Fault;
use crate::flow::{Background, walk};
use crate::grammar::Presence::{Default as Otherwise, Optional, Required};
use crate::grammar::{Refers, Shape, block};
use crate::population::{First, Population};
use crate::scenario::{Devices, Scenario, Tenant};
use crate::source::{Located, Span};
use crate::step::{Outcome, Step};
use crate::suggest::short;
use crate::words::{Component, Defect, LobbyTrust, Need, Protocol, Refusal, Surface};
use std::collections::BTreeSet;

/// The tenant of devices that belong to nobody.
pub(crate) const NOBODY: &str = "none";

block! {
    /// Where devices that belong to nobody show themselves and wait: one lobby, with an endpoint in each of its regions over one ledger.
    pub struct Lobby {
        /// The regions in which it has an endpoint.
        pub regions: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Region), 1), Required("where its endpoints are: `regions: [eu-west]`");
        /// The authorities whose devices it admits.
        pub trusts: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Authority), 1), Required("whose devices it admits: `trusts: [factory]`");
    }
}

block! {
    /// What devices show when they are asked who they are: a certificate of a P-256 key, with the device's name as its subject.
    pub struct Identity {
        /// The authority that signed it.
        pub issued_by: Option<Located<String>> = Shape::Refers(Refers::Authority), Otherwise("the first that their tenant, or the lobby, trusts; one that everybody trusts where no authorities are declared");
        /// What is wrong with it.
        pub defect: Option<Located<Defect>> = Shape::Word(Defect::WORDS), Otherwise("nothing");
        /// The group whose names or keys they have: the first has those of the first, and so on. With `same_name` and `same_key`, and only there.
        pub like: Option<Located<String>> = Shape::Refers(Refers::Group), Optional;
    }
}

block! {
    /// "These are ours."
    pub struct Claiming with outcome: Outcome {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [hvac]`");
        /// Whose they are said to be. Devices that belong to nobody need it.
        pub tenant: Option<Located<String>> = Shape::Refers(Refers::Tenant), Otherwise("the tenant of their group");
    }
}

block! {
    /// Devices go from the tenant that they are bound to, to another one.
    pub struct Migrate with outcome: Outcome {
        /// The devices: groups and selections.
        pub devices: Vec<Located<String>> = Shape::List(&Shape::Refers(Refers::Devices), 1), Required("which devices: `devices: [sensors]`");
        /// The tenant that they go to.
        pub tenant: Located<String> = Shape::Refers(Refers::Tenant), Required("where to: `tenant: acme-eu`");
    }
}

block! {
    /// All tenants of a region go to another one, with their devices.
    pub struct Evacuate with outcome: Outcome {
        /// The region that they leave.
        pub region: Located<String> = Shape::Refers(Refers::Region), Required("which region: `region: us-east`");
        /// The region that they go to.
        pub into: Located<String> = Shape::Refers(Refers::Region), Required("where to: `into: eu-west`");
    }
}

impl Devices {
    /// Whether they belong to nobody at the start, and wait in the lobby once they have knocked.
    #[must_use]
    pub fn is_unbound(&self) -> bool {
        self.tenant.value == NOBODY
    }
}

impl Tenant {
    /// Whether the lobby may act in it, before any step changes that.
    #[must_use]
    pub fn trusts_lobby(&self) -> bool {
        self.lobby_trust.as_ref().is_none_or(|trust| trust.value == LobbyTrust::Granted)
    }
}

impl Scenario {
    /// What its words need of the platform, beside what it lists under `needs`.
    #[must_use]
    pub fn implied_needs(&self) -> BTreeSet<Need> {
        let mut needs = BTreeSet::new();
        needs.extend(self.platform.provider.as_ref().map(|_| Need::Provider));
        needs.extend(self.platform.lobby.as_ref().map(|_| Need::Lobby));
        if self.platform.regions.len() > 1 {
            needs.insert(Need::Regions);
        }
        let population = Population::of(self);
        let mut told = First::new(&population, |_, group| group.speaks.value == Protocol::Mqtt);
        let is_told = |step: &Located<Step>| match &step.value {
            Step::Deploy(it) => it.devices.iter().any(|name| told.among(name).is_some()),
            _ => false,
        };
        if walk(&self.steps).into_iter().any(is_told) {
            needs.insert(Need::Jobs);
        }
        let fails = |fault: &Fault| matches!(fault, Fault::FailCalls(_));
        let is_called = |step: &Located<Step>| match &step.value {
            Step::Sweep(it) => it.interrupt.component().is_some(),
            Step::Fault(it) => fails(it),
            Step::While(it) => it.background.iter().any(|held| match &held.value {
                Background::Fault(it) => fails(it),
                Background::Load(_) => false,
            }),
            _ => false,
        };
        if walk(&self.steps).into_iter().any(is_called) {
            needs.insert(Need::FailCalls);
        }
        needs
    }
}

/// What could never be shown, or come true, about a lobby.
pub(crate) fn check(scenario: &Scenario, population: &Population<'_>, has_lobby: bool) -> Vec<Diagnostic> {
    let steps = walk(&scenario.steps);
    let (mut released, mut distrusting) = (BTreeSet::new(), BTreeSet::new());
    for step in &steps {
        match &step.value {
            Step::Release(it) => released.extend(it.devices.iter().map(|name| name.value.as_str())),
            Step::RevokeTrust(it) => distrusting.extend(it.tenants.iter().map(|name| name.value.as_str())),
            _ => {}
        }
    }
    let released: BTreeSet<&str> =
        released.into_iter().flat_map(|name| population.counts(name)).map(|(group, _)| group).collect();
    let mut unbound = First::new(population, |_, group| group.is_unbound());
    let mut kept = First::new(population, |name, group| !group.is_unbound() && !released.contains(name));
    let mut rules = Rules { scenario, distrusting, has_lobby, mistakes: Vec::new() };
    for (name, tenant) in scenario.platform.tenants.iter() {
        if let Some(trust) = &tenant.lobby_trust {
            rules.lobby(trust.span, &format!("`{}` trusts a lobby, or does not", name.value));
        }
    }
    for (name, group) in scenario.devices.iter() {
        rules.unbound(name, group);
        rules.identity(name, group);
    }
    for (name, selection) in scenario.selections.iter() {
        let is_group = selection.group.as_ref().is_some_and(|group| group.value);
        if let Some(group) = unbound.among(name).filter(|_| is_group) {
            let message = format!("`{}` holds `{group}`, who belong to nobody", name.value);
            let help = "a group on the platform belongs to one tenant: leave `group` out";
            rules.report("mixed-group", name.span, message, "a group", help);
        }
    }
    for step in steps {
        match &step.value {
            Step::Enroll(it) => {
                for name in &it.devices {
                    if let Some(group) = unbound.among(name) {
                        rules.enrolled(name, group);
                    }
                }
            }
            Step::Claim(it) => {
                let group = it.devices.iter().find_map(|name| unbound.among(name));
                rules.claimed(step.span, it, group);
            }
            Step::Expect(expect) => {
                for claim in &expect.claims {
                    rules.claim(claim);
                    let Claim::InLobby { devices } = &claim.value else { continue };
                    for name in devices {
                        if let Some(group) = kept.among(name) {
                            rules.kept(name, group);
                        }
                    }
                }
            }
            _ => rules.step(step),
        }
    }
    rules.mistakes
}

struct Rules<'s> {
    scenario: &'s Scenario,
    /// The tenants whose trust a step revokes.
    distrusting: BTreeSet<&'s str>,
    /// There is a lobby, or it is told already that there is none.
    has_lobby: bool,
    mistakes: Vec<Diagnostic>,
}

impl Rules<'_> {
    fn report(&mut self, code: &str, span: Span, message: String, label: &str, help: impl Into<String>) {
        self.mistakes.push(Diagnostic::new(code, span, message).label(label).help(help));
    }

    /// There is a lobby; `what` is why there has to be. One reason is enough.
    fn lobby(&mut self, span: Span, what: &str) {
        if !std::mem::replace(&mut self.has_lobby, true) {
            let help = "declare one under `platform`: `lobby: { regions: [eu-west], trusts: [factory] }`";
            self.report("no-lobby", span, format!("{what}, and there is no lobby"), "needs a lobby", help);
        }
    }

    /// Who belongs to nobody waits in a lobby.
    fn unbound(&mut self, name: &Located<String>, group: &Devices) {
        if !group.is_unbound() {
            return;
        }
        self.lobby(group.tenant.span, &format!("`{}` belong to nobody", name.value));
        if group.speaks.value == Protocol::Mender {
            let message = format!("`{}` speak `mender`, in which there is no lobby", name.value);
            let help = "name their `tenant`, or let them speak `mqtt`";
            self.report("not-spoken", group.speaks.span, message, "not in this protocol", help);
        }
    }

    fn identity(&mut self, name: &Located<String>, group: &Devices) {
        let Some(identity) = &group.identity else { return };
        if group.speaks.value == Protocol::Mender {
            let message = format!("`{}` speak `mender`, in which nobody shows a certificate", name.value);
            let help = "leave `identity` out, or let them speak `mqtt`";
            self.report("not-spoken", identity.span, message, "not in this protocol", help);
            return;
        }
        let copied = identity.defect.as_ref().filter(|it| matches!(it.value, Defect::SameName | Defect::SameKey));
        match (copied, &identity.like) {
            (Some(defect), None) => {
                let message = format!("`{}` needs `like` beside it", defect.value);
                let help = "the group whose it is: `like: genuine`";
                self.report("missing-key", defect.span, message, "the same as whose?", help);
            }
            (None, Some(like)) => {
                let help = "say what is the same: `defect: same_name` or `defect: same_key`";
                self.report("missing-key", like.span, "`like` needs `defect` beside it".to_owned(), "in what?", help);
            }
            (Some(_), Some(like)) => self.alike(name, group, like),
            (None, None) => {}
        }
    }

    /// Each has the name or key of a device of another group.
    fn alike(&mut self, name: &Located<String>, group: &Devices, like: &Located<String>) {
        let code = "not-alike";
        if self.scenario.selections.get(&like.value).is_some() {
            let message = format!("`{}` is a selection, and `like` names a group of devices", like.value);
            self.report(code, like.span, message, "no group", "name the group that it is a part of");
            return;
        }
        let Some(other) = self.scenario.devices.get(&like.value) else { return };
        let (own, others) = (group.simulated.value, other.simulated.value);
        if like.value == name.value {
            let message = format!("`{}` would be like themselves", name.value);
            self.report(code, like.span, message, "the same devices", "name another group");
        } else if other.speaks.value == Protocol::Mender {
            let message = format!("`{}` speak `mender`: they have no certificate to be like", like.value);
            self.report(code, like.span, message, "without certificates", "name a group that speaks `mqtt`");
        } else if own > others {
            let message = format!("{own} `{}` cannot be like {others} `{}`", name.value, like.value);
            let help = "the first is like the first, and so on: there must be as many";
            self.report(code, like.span, message, "too few of them", help);
        }
    }

    /// Whoever enrols devices claims them, for their tenant.
    fn enrolled(&mut self, name: &Located<String>, unbound: &str) {
        let message = format!("`{unbound}` belong to nobody who could claim them");
        let help = format!("let them `knock`, then `claim: {{ devices: [{}], tenant: … }}`", short(name));
        self.report("no-owner", name.span, message, "whose are they to become?", help);
    }

    fn claimed(&mut self, word: Span, it: &Claiming, unbound: Option<&str>) {
        let Some(name) = &it.tenant else {
            if let Some(group) = unbound {
                let message = format!("`claim` needs `tenant`, since `{group}` belong to nobody");
                let help = "whose they are to become: `tenant: acme`";
                self.report("missing-key", word, message, "has no `tenant`", help);
            }
            return;
        };
        // Only who grants the lobby nothing, or no longer, refuses it as untrusted.
        let is_untrusted = it.outcome.refused.as_ref().is_some_and(|refused| refused.value == Refusal::Untrusted);
        let trusts = self.scenario.platform.tenants.get(&name.value).is_some_and(|tenant| tenant.trusts_lobby());
        if is_untrusted && trusts && !self.distrusting.contains(name.as_str()) {
            let message = format!("`{}` trusts the lobby, so nobody is refused as untrusted", name.value);
            let help = "`lobby_trust: withheld`, or `revoke_trust` in a step above";
            self.report("never-refused", name.span, message, "trusts it", help);
        }
    }

    /// Calls of the lobby fail where there is one.
    fn calls(&mut self, fault: &Fault) {
        if let Fault::FailCalls(it) = fault
            && it.component.value == Component::Lobby
        {
            self.lobby(it.component.span, "calls of the lobby are to fail");
        }
    }

    fn step(&mut self, step: &Located<Step>) {
        match &step.value {
            Step::Release(_) => self.lobby(step.span, "who is released goes back to a lobby"),
            Step::Migrate(_) => self.lobby(step.span, "who migrates is told so by a lobby"),
            Step::Fault(it) => self.calls(&it.value),
            Step::While(it) => {
                for held in &it.background {
                    if let Background::Fault(fault) = &held.value {
                        self.calls(&fault.value);
                    }
                }
            }
            Step::Sweep(it) if it.interrupt.component() == Some(Component::Lobby) => {
                self.lobby(it.interrupt.span, "calls of the lobby are interrupted");
            }
            Step::GrantTrust(_) | Step::RevokeTrust(_) => {
                self.lobby(step.span, &format!("`{}` is about a lobby", step.verb()));
            }
            Step::Evacuate(it) if it.region.value == it.into.value => {
                let message = format!("`{}` is evacuated into itself", it.into.value);
                self.report("nothing-moves", it.into.span, message, "the same region", "name another region");
            }
            _ => {}
        }
    }

    fn claim(&mut self, claim: &Located<Claim>) {
        match &claim.value {
            Claim::InLobby { .. } => self.lobby(claim.span, "nobody can be in it"),
            Claim::Isolation { surfaces, .. } => {
                if let Some(surface) = surfaces.iter().find(|surface| surface.value == Surface::Lobby) {
                    self.lobby(surface.span, "nothing can be tried there");
                }
            }
            Claim::Bound { .. } => self.lobby(claim.span, "who is bound was told so by a lobby"),
            Claim::Residency { .. } if self.scenario.platform.regions.len() < 2 => {
                let message = "there is one region, so nothing could be in another".to_owned();
                let help = "declare two: `regions: [us-east, eu-west]`";
                self.report("no-evidence", claim.span, message, "nowhere else to look", help);
            }
            _ => {}
        }
    }

    /// Devices of a tenant are in the lobby only after they were released.
    fn kept(&mut self, name: &Located<String>, group: &str) {
        let message = format!("`{group}` have a tenant, and nothing here releases them");
        let help = "`release` them above, or let them begin with `tenant: none`";
        self.report("never-true", name.span, message, "cannot come true", help);
    }
}
