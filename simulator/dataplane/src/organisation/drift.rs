//! Drift: where an account's facts differ from what its controls and its blueprint demand.
//!
//! Drift comes about while a control is not attached, or before it was; the scan finds it whenever it is asked.

use super::controls::{Control, Governance};
use std::collections::BTreeMap;
use std::fmt;

/// What an account is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether its audit trail is on.
    pub audit_on: bool,
    /// Its regions.
    pub regions: BTreeMap<String, RegionFacts>,
    /// The name of its tier, and whether its quotas are what its blueprint says for it; `None`: it has no blueprint.
    pub quotas: Option<(String, bool)>,
}

/// What an account is like in a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionFacts {
    /// Whether it has a device endpoint here.
    pub has_endpoint: bool,
    /// Who may assume the lobby's role here; `None`: nobody.
    pub trusts: Option<String>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// The audit trail is off.
    AuditOff,
    /// A region is enabled that is not governed.
    UngovernedRegion(String),
    /// The lobby's role is missing in a region.
    TrustMissing(String),
    /// The lobby's role is somebody else's in a region.
    TrustAltered(String),
    /// A region has no device endpoint.
    EndpointMissing(String),
    /// The quotas are not those of the tier.
    QuotasDiffer(String),
    /// The account was not made from a blueprint.
    NoBlueprint,
}

impl Drift {
    /// Its name, as it is shown.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AuditOff => "AUDIT_OFF",
            Self::UngovernedRegion(_) => "UNGOVERNED_REGION",
            Self::TrustMissing(_) => "TRUST_MISSING",
            Self::TrustAltered(_) => "TRUST_ALTERED",
            Self::EndpointMissing(_) => "ENDPOINT_MISSING",
            Self::QuotasDiffer(_) => "QUOTAS_DIFFER",
            Self::NoBlueprint => "NO_BLUEPRINT",
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuditOff => write!(f, "the audit trail is off: switch it on"),
            Self::UngovernedRegion(region) => write!(f, "{region} is enabled and not governed: disable it"),
            Self::TrustMissing(region) => write!(f, "the lobby's role is missing in {region}: grant it"),
            Self::TrustAltered(region) => write!(f, "the lobby's role is somebody else's in {region}: grant it again"),
            Self::EndpointMissing(region) => write!(f, "{region} has no device endpoint: provision the account again"),
            Self::QuotasDiffer(tier) => write!(f, "the quotas are not those of the tier {tier}: set them again"),
            Self::NoBlueprint => {
                write!(f, "the account was not made from a blueprint: make one that is, and move there")
            }
        }
    }
}

/// All differences, in order.
#[must_use]
pub fn scan(facts: &Facts, governance: &Governance, lobby: &str) -> Vec<Drift> {
    let mut found = Vec::new();
    let holds = |control: Control| governance.in_force.contains(&control);
    // The blueprint demands what controls only protect: the trail and the role are missing with and without them.
    let made = facts.quotas.is_some();
    if !facts.audit_on && (made || holds(Control::AuditTrailOn)) {
        found.push(Drift::AuditOff);
    }
    for (region, here) in &facts.regions {
        if holds(Control::GovernedRegions) && !governance.governed.contains(region) {
            found.push(Drift::UngovernedRegion(region.clone()));
            continue;
        }
        match here.trusts.as_deref() {
            None if made => found.push(Drift::TrustMissing(region.clone())),
            Some(other) if other != lobby => found.push(Drift::TrustAltered(region.clone())),
            _ => {}
        }
        if made && !here.has_endpoint {
            found.push(Drift::EndpointMissing(region.clone()));
        }
    }
    match &facts.quotas {
        None => found.push(Drift::NoBlueprint),
        Some((tier, false)) => found.push(Drift::QuotasDiffer(tier.clone())),
        Some((_, true)) => {}
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn governance() -> Governance {
        Governance { in_force: Control::ALL.into(), governed: ["north".to_owned()].into() }
    }

    fn healthy() -> Facts {
        let here = RegionFacts { has_endpoint: true, trusts: Some("lobby".to_owned()) };
        Facts { audit_on: true, regions: [("north".to_owned(), here)].into(), quotas: Some(("small".to_owned(), true)) }
    }

    #[test]
    fn each_difference_is_named() {
        assert_eq!(scan(&healthy(), &governance(), "lobby"), []);
        let mut facts = healthy();
        facts.audit_on = false;
        facts.regions.insert("south".to_owned(), RegionFacts::default());
        facts.quotas = Some(("small".to_owned(), false));
        let here = facts.regions.get_mut("north").unwrap();
        *here = RegionFacts { has_endpoint: false, trusts: Some("tenant".to_owned()) };
        let told: Vec<String> =
            scan(&facts, &governance(), "lobby").iter().map(|drift| format!("{}: {drift}", drift.name())).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        AUDIT_OFF: the audit trail is off: switch it on
        UNGOVERNED_REGION: south is enabled and not governed: disable it
        TRUST_ALTERED: the lobby's role is somebody else's in north: grant it again
        ENDPOINT_MISSING: north has no device endpoint: provision the account again
        QUOTAS_DIFFER: the quotas are not those of the tier small: set them again
        ");
        facts = healthy();
        facts.regions.insert("north".to_owned(), RegionFacts { has_endpoint: true, trusts: None });
        assert_eq!(scan(&facts, &governance(), "lobby"), [Drift::TrustMissing("north".to_owned())]);
        facts = Facts { quotas: None, ..healthy() };
        assert_eq!(scan(&facts, &governance(), "lobby"), [Drift::NoBlueprint]);
    }

    proptest! {
        /// Nothing is found exactly where nothing is wrong.
        #[test]
        fn the_scan_is_quiet_only_where_all_is_well(
            audit_on: bool, has_endpoint: bool, trusts in proptest::option::of("lobby|tenant"), quotas: bool, region in "north|south",
        ) {
            let well = audit_on && has_endpoint && trusts.as_deref() == Some("lobby") && quotas && region == "north";
            let here = RegionFacts { has_endpoint, trusts };
            let facts = Facts { audit_on, regions: [(region, here)].into(), quotas: Some(("t".to_owned(), quotas)) };
            prop_assert_eq!(scan(&facts, &governance(), "lobby").is_empty(), well);
        }
    }
}
