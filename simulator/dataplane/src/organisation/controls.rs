//! Controls: policies as data, attached to units, in force for every account below.
//!
//! A control never grants anything: it takes away what somebody might otherwise do. The management account is above all
//! controls, as it is at AWS. Source: `contracts/aws.md` 1.7, "Accounts of the landing zone".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A policy that can be attached to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Nothing happens in a region that the organisation does not govern.
    GovernedRegions,
    /// The audit trail cannot be switched off.
    AuditTrailOn,
    /// The role that the lobby assumes cannot be altered by the tenant.
    LobbyTrustStands,
    /// The log archive is neither written nor read by tenants.
    LogArchiveClosed,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::GovernedRegions, Self::AuditTrailOn, Self::LobbyTrustStands, Self::LogArchiveClosed];

    /// Its id, as it is attached and kept.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::GovernedRegions => "p-governed-regions",
            Self::AuditTrailOn => "p-audit-trail-on",
            Self::LobbyTrustStands => "p-lobby-trust-stands",
            Self::LogArchiveClosed => "p-log-archive-closed",
        }
    }

    /// The control with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.id() == id)
    }

    /// What it demands, as a sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::GovernedRegions => "No region but the governed ones is used.",
            Self::AuditTrailOn => "The audit trail cannot be switched off.",
            Self::LobbyTrustStands => "The tenant cannot alter the role that the lobby assumes.",
            Self::LogArchiveClosed => "Tenants neither write nor read the log archive.",
        }
    }
}

/// Whose hand it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The management account: the provider's people, and the reconciler on their behalf.
    Management,
    /// The audit account's readers.
    Audit,
    /// The lobby.
    Lobby,
    /// The account's own people.
    Tenant,
}

/// What somebody is about to do to an account or in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Anything that happens in a region: a region is enabled, a thing is made, a certificate is registered.
    UseRegion,
    /// The audit trail is switched off.
    StopAuditTrail,
    /// The lobby's role is changed, granted or withdrawn.
    AlterTrustRole,
    /// The log archive is written, other than by shipping.
    WriteLogArchive,
    /// The log archive is read.
    ReadLogArchive,
}

/// The units of an organisation, and what is attached to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Each unit's parent; the root has none.
    parents: BTreeMap<String, Option<String>>,
    attached: BTreeMap<String, BTreeSet<Control>>,
}

impl Units {
    /// Adds a unit below `parent`; the root has none.
    pub fn add(&mut self, unit: &str, parent: Option<&str>) {
        self.parents.insert(unit.to_owned(), parent.map(str::to_owned));
    }

    /// Attaches a control to a unit.
    pub fn attach(&mut self, unit: &str, control: Control) {
        self.attached.entry(unit.to_owned()).or_default().insert(control);
    }

    /// Whether there is such a unit.
    #[must_use]
    pub fn has(&self, unit: &str) -> bool {
        self.parents.contains_key(unit)
    }

    /// From a unit up to the root, itself first. A circle, which no operation makes, ends where it began.
    pub fn path<'a>(&'a self, unit: &'a str) -> impl Iterator<Item = &'a str> {
        let mut at = self.parents.get_key_value(unit).map(|(unit, _)| unit.as_str());
        let mut left = self.parents.len();
        std::iter::from_fn(move || {
            let here = at.filter(|_| left > 0)?;
            left -= 1;
            at = self.parents.get(here).and_then(Option::as_deref);
            Some(here)
        })
    }

    /// How many units are above a unit.
    #[must_use]
    pub fn depth(&self, unit: &str) -> usize {
        self.path(unit).count().saturating_sub(1)
    }

    /// The controls that hold for an account in `unit`: its own and all above. In a unit that is not there all hold: what
    /// is not known is not allowed.
    #[must_use]
    pub fn in_force(&self, unit: &str) -> BTreeSet<Control> {
        if !self.has(unit) {
            return Control::ALL.into();
        }
        self.path(unit).filter_map(|unit| self.attached.get(unit)).flatten().copied().collect()
    }
}

/// What decides about an action in one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governance {
    /// The controls that are in force for the account.
    pub in_force: BTreeSet<Control>,
    /// The regions that the organisation governs.
    pub governed: BTreeSet<String>,
}

/// A control said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Which.
    pub control: Control,
    /// The region, where it is about one.
    pub region: Option<String>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by the control {}: {}", self.control.id(), self.control.description())?;
        match &self.region {
            Some(region) => write!(f, " The region {region} is not governed: use a governed one."),
            None => write!(f, " Ask the organisation's management account."),
        }
    }
}

impl std::error::Error for Denied {}

/// Whether the controls in force let `actor` do `action`, in `region` where it happens in one. They only take away: whoever
/// is let through here may still lack the right.
///
/// # Errors
/// The control that forbids it.
pub fn allows(account: &Governance, actor: Actor, action: Action, region: Option<&str>) -> Result<(), Denied> {
    let holds = |control: Control| account.in_force.contains(&control);
    // A region that is not governed is closed to everybody: the organisation would not see what happens there.
    if let Some(region) = region.filter(|region| !account.governed.contains(*region))
        && holds(Control::GovernedRegions)
    {
        return Err(Denied { control: Control::GovernedRegions, region: Some(region.to_owned()) });
    }
    let forbidden = match action {
        Action::UseRegion => None,
        Action::StopAuditTrail => (actor != Actor::Management).then_some(Control::AuditTrailOn),
        Action::AlterTrustRole => (actor != Actor::Management).then_some(Control::LobbyTrustStands),
        Action::WriteLogArchive => (actor != Actor::Management).then_some(Control::LogArchiveClosed),
        Action::ReadLogArchive => {
            (!matches!(actor, Actor::Management | Actor::Audit)).then_some(Control::LogArchiveClosed)
        }
    };
    match forbidden.filter(|control| holds(*control)) {
        Some(control) => Err(Denied { control, region: None }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACTORS: [Actor; 4] = [Actor::Management, Actor::Audit, Actor::Lobby, Actor::Tenant];
    const ACTIONS: [Action; 5] = [
        Action::UseRegion,
        Action::StopAuditTrail,
        Action::AlterTrustRole,
        Action::WriteLogArchive,
        Action::ReadLogArchive,
    ];

    fn governance(controls: &[Control]) -> Governance {
        Governance { in_force: controls.iter().copied().collect(), governed: ["north".to_owned()].into() }
    }

    #[test]
    fn who_may_do_what_under_all_controls() {
        let all = governance(&Control::ALL);
        let mut told = String::new();
        for actor in ACTORS {
            for action in ACTIONS {
                for region in ["north", "south"] {
                    let decision = match allows(&all, actor, action, Some(region)) {
                        Ok(()) => "yes",
                        Err(denied) => denied.control.id(),
                    };
                    told += &format!("{actor:?} {action:?} {region}: {decision}\n");
                }
            }
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn a_refusal_says_which_control_and_what_to_do() {
        let denied = allows(&governance(&Control::ALL), Actor::Tenant, Action::UseRegion, Some("south")).unwrap_err();
        insta::assert_snapshot!(denied.to_string(), @"denied by the control p-governed-regions: No region but the governed ones is used. The region south is not governed: use a governed one.");
    }

    /// Units in a tree: each unit's parent is one made before it. Controls per unit.
    fn trees() -> impl Strategy<Value = (Vec<usize>, Vec<Vec<Control>>)> {
        let parents = (1_usize..8).prop_flat_map(|many| (0..many).map(|unit| 0..=unit).collect::<Vec<_>>());
        parents.prop_flat_map(|parents| {
            let units = parents.len() + 1;
            let controls = proptest::collection::vec(proptest::sample::select(&Control::ALL[..]), 0..3);
            (Just(parents), proptest::collection::vec(controls, units..=units))
        })
    }

    fn built(parents: &[usize], controls: &[Vec<Control>]) -> Units {
        let mut units = Units::default();
        units.add("0", None);
        for (at, parent) in parents.iter().enumerate() {
            units.add(&(at + 1).to_string(), Some(&parent.to_string()));
        }
        for (unit, controls) in controls.iter().enumerate() {
            controls.iter().for_each(|control| units.attach(&unit.to_string(), *control));
        }
        units
    }

    proptest! {
        /// What holds above holds below, and nothing else is added on the way but what is attached.
        #[test]
        fn controls_are_inherited((parents, controls) in trees()) {
            let units = built(&parents, &controls);
            for (at, parent) in parents.iter().enumerate() {
                let unit = (at + 1).to_string();
                let mut expected = units.in_force(&parent.to_string());
                expected.extend(controls[at + 1].iter().copied());
                prop_assert_eq!(units.in_force(&unit), expected);
                prop_assert_eq!(units.path(&unit).last(), Some("0"));
                prop_assert_eq!(units.depth(&unit), units.depth(&parent.to_string()) + 1);
            }
            prop_assert_eq!(units.in_force("nowhere"), BTreeSet::from(Control::ALL));
        }

        /// One more control never opens anything.
        #[test]
        fn controls_only_take_away(
            some in proptest::collection::vec(proptest::sample::select(&Control::ALL[..]), 0..4),
            more in proptest::sample::select(&Control::ALL[..]),
            actor in proptest::sample::select(&ACTORS[..]),
            action in proptest::sample::select(&ACTIONS[..]),
            region in proptest::option::of("north|south"),
        ) {
            let (before, mut after) = (governance(&some), governance(&some));
            after.in_force.insert(more);
            let region = region.as_deref();
            if allows(&after, actor, action, region).is_ok() {
                prop_assert!(allows(&before, actor, action, region).is_ok());
            }
            prop_assert!(allows(&governance(&[]), actor, action, region).is_ok());
        }
    }

    #[test]
    fn a_circle_ends() {
        let mut units = Units::default();
        units.add("a", Some("b"));
        units.add("b", Some("a"));
        assert_eq!(units.path("a").count(), 2);
    }
}
