//! H2, what the tools do that name one object twice, otherwise, or in a form that nobody expects.

use crate::isolation::{Compiler, Draft, long_page};
use crate::model::{Audience, Control, Does, Fill, Kind, Odd, Oracle, Place, Slot, Tamper};
use crate::spelling::Spelling;
use crate::tools;

/// Kinds that are named by names, not by ids: another spelling is another name.
const BY_NAME: [Kind; 9] = [
    Kind::Group,
    Kind::Release,
    Kind::Role,
    Kind::Thing,
    Kind::ThingGroup,
    Kind::Policy,
    Kind::Job,
    Kind::Template,
    Kind::Client,
];

/// Kinds of which two tenants may each have one of the same name.
const TWINS: [Kind; 7] =
    [Kind::Group, Kind::Release, Kind::Thing, Kind::ThingGroup, Kind::Policy, Kind::Job, Kind::Template];

impl<'a> Compiler<'a> {
    /// H2: own and foreign in one list, or one parameter twice.
    pub(crate) fn own_beside_foreign(&mut self) {
        let identity = self.mightiest();
        for slot in self.slots() {
            let repeats = slot.name.contains("[]") || slot.place == Place::Query;
            let is_object = !matches!(slot.kind, Kind::Email | Kind::Any);
            if !repeats || slot.optional || !is_object || !self.may(&identity) {
                continue;
            }
            for (variant, fill) in [("", Fill::OwnThenVictims), ("foreign-first", Fill::VictimsThenOwn)] {
                self.push(Draft {
                    tool: tools::OWN_BESIDE_FOREIGN,
                    variant,
                    identity: identity.clone(),
                    attacked: &[slot],
                    fill,
                    tamper: Vec::new(),
                    control: self.rightful(),
                    oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
                });
            }
        }
    }

    /// H2: one id in the path, another in query, header and body.
    pub(crate) fn elsewhere(&mut self) {
        let identity = self.mightiest();
        for slot in self.slots_in_path(&BY_NAME[..3]) {
            if !self.may(&identity) || self.surface.names_the_new(slot) {
                continue;
            }
            let also = |value: Fill| vec![Tamper::Elsewhere { slot: slot.key(), value }];
            self.push(Draft {
                tool: tools::CONFLICT,
                variant: "foreign-in-path",
                identity: identity.clone(),
                attacked: &[slot],
                fill: Fill::Victims,
                tamper: also(Fill::Own),
                control: self.rightful(),
                oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
            });
            if self.needs_provider() {
                // Nobody but the provider has an own object there.
                continue;
            }
            self.push(Draft {
                tool: tools::CONFLICT,
                variant: "own-in-path",
                identity: identity.clone(),
                attacked: &[],
                fill: Fill::Own,
                tamper: also(Fill::Victims),
                control: Control::Actor,
                oracles: vec![Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// H2: other spellings of an id. All of them where something is read; elsewhere capitals, and one more in turn.
    pub(crate) fn spellings(&mut self) {
        let identity = self.mightiest();
        let turn = Spelling::ALL[1 + self.index % (Spelling::ALL.len() - 1)];
        for slot in self.slots_in_path(&BY_NAME) {
            if !self.may(&identity) {
                continue;
            }
            let reads = self.surface.does == Does::Read;
            let used = |spelling: &Spelling| reads || *spelling == Spelling::Capitals || *spelling == turn;
            for spelling in Spelling::ALL.into_iter().filter(used) {
                self.push(Draft {
                    tool: tools::SPELLING,
                    variant: spelling.word(),
                    identity: identity.clone(),
                    attacked: &[slot],
                    fill: Fill::Victims,
                    tamper: vec![Tamper::Spelled(slot.key(), spelling)],
                    control: self.rightful(),
                    oracles: vec![Oracle::AsNeverExisted, Oracle::Unchanged, Oracle::NoCanary],
                });
            }
        }
    }

    /// H2: where a text is due, a list or an operator of the database.
    pub(crate) fn injected(&mut self) {
        let identity = self.mightiest();
        let takes = |slot: &&&Slot| matches!(slot.place, Place::Body | Place::Query) && !slot.optional;
        let slots = self.slots();
        for slot in slots.iter().filter(takes) {
            if !self.may(&identity) || matches!(slot.kind, Kind::Any | Kind::Identity) {
                continue;
            }
            let long_page = self.surface.parameters.iter().any(|name| name == "per_page").then(long_page);
            for odd in [Odd::Operator, Odd::List] {
                self.push(Draft {
                    tool: tools::INJECTION,
                    variant: odd.word(),
                    identity: identity.clone(),
                    attacked: &[slot],
                    fill: Fill::Victims,
                    tamper: [Tamper::Odd(slot.key(), odd)].into_iter().chain(long_page.clone()).collect(),
                    control: self.rightful(),
                    oracles: vec![Oracle::Unchanged, Oracle::NoCanary],
                });
            }
        }
    }

    /// H2: the same name in both tenants.
    pub(crate) fn twins(&mut self) {
        let identity = self.mightiest();
        for slot in self.slots() {
            let named = TWINS.contains(&slot.kind) && matches!(slot.place, Place::Path | Place::Query);
            if !named
                || self.surface.names_the_new(slot)
                || self.surface.audience != Audience::User
                || !self.may(&identity)
            {
                continue;
            }
            self.push(Draft {
                tool: tools::TWIN,
                variant: "",
                identity: identity.clone(),
                attacked: &[slot],
                fill: Fill::Twin,
                tamper: Vec::new(),
                control: Control::Itself,
                oracles: vec![Oracle::Status(self.surface.ok.clone()), Oracle::Unchanged, Oracle::NoCanary],
            });
        }
    }

    /// The slots of the path that take something of the victim's, but those of the kinds `but`.
    fn slots_in_path(&self, but: &[Kind]) -> Vec<&'a Slot> {
        let wanted = |slot: &&Slot| slot.place == Place::Path && !but.contains(&slot.kind);
        self.slots().into_iter().filter(wanted).collect()
    }
}
