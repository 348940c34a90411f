//! Blueprints: versioned products of the catalogue, from which every tenant's account is made.
//!
//! A version says what an account gets, per region. One that leaves a part out is no blueprint: an account without audit
//! trail or without the lobby's role must not come to be. Source: `contracts/aws.md` 1.7, "Blueprint".

use serde::{Deserialize, Serialize};
use std::fmt;

/// The most tiers that a blueprint may have.
const MOST_TIERS: usize = 16;

/// The longest default policy, in bytes without blanks; AWS allows 2,048.
const LONGEST_POLICY: usize = 2_048;

/// The parts of one version of a blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Parts {
    /// Whether each region gets a device endpoint.
    pub device_endpoint: bool,
    /// The policy that a device's certificate gets unless somebody says otherwise: a document in JSON.
    pub default_device_policy: serde_json::Value,
    /// Whether the lobby's role is granted, with an external id of its own per account and region.
    pub trust_role: bool,
    /// Whether the audit trail is on and shipped to the log archive.
    pub audit_trail: bool,
    /// What an account may use, by tier.
    pub tiers: Vec<Tier>,
    /// The tenant's application.
    pub application: Application,
}

/// The quotas of a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// How many devices; -1 without limit.
    pub device_limit: i64,
    /// Calls of people in [`interval_seconds`](Self::interval_seconds); 0 for any number.
    pub management_calls: u64,
    /// Calls of devices in the same time; 0 for any number.
    pub device_calls: u64,
    /// In s.
    pub interval_seconds: u64,
}

/// What runs for the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a blueprint lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// A part that every account must have.
    Part(&'static str),
    /// A tier whose numbers or name will not do, and why.
    Tier(String, &'static str),
    /// No tier, or too many.
    Tiers(usize),
    /// The policy is no object, or too long.
    Policy,
    /// The application has no name or version, or one that is too long.
    Application,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => write!(f, "{part}: every account must have it: set it to true"),
            Self::Tier(name, why) => write!(f, "Tiers: the tier {name:?} will not do: {why}"),
            Self::Tiers(many) => write!(f, "Tiers: there are {many}: give 1 to {MOST_TIERS} with different names"),
            Self::Policy => {
                write!(f, "DefaultDevicePolicy: must be a policy document, an object of at most {LONGEST_POLICY} bytes")
            }
            Self::Application => write!(f, "Application: give a Name and a Version of 1 to 128 characters"),
        }
    }
}

impl std::error::Error for Lacking {}

impl Parts {
    /// Whether an account can be made of it.
    ///
    /// # Errors
    /// What is missing or will not do.
    pub fn check(&self) -> Result<(), Lacking> {
        let demanded = [
            (self.device_endpoint, "DeviceEndpoint"),
            (self.trust_role, "TrustRole"),
            (self.audit_trail, "AuditTrail"),
        ];
        if let Some((_, part)) = demanded.iter().find(|(there, _)| !there) {
            return Err(Lacking::Part(part));
        }
        if !self.default_device_policy.is_object() || self.default_device_policy.to_string().len() > LONGEST_POLICY {
            return Err(Lacking::Policy);
        }
        let named = |name: &str| (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
        if !named(&self.application.name) || !named(&self.application.version) {
            return Err(Lacking::Application);
        }
        let twice = |at: usize, tier: &Tier| self.tiers[..at].iter().any(|other| other.name == tier.name);
        if self.tiers.is_empty()
            || self.tiers.len() > MOST_TIERS
            || self.tiers.iter().enumerate().any(|(at, tier)| twice(at, tier))
        {
            return Err(Lacking::Tiers(self.tiers.len()));
        }
        self.tiers.iter().try_for_each(|tier| {
            let wrong = |why| Err(Lacking::Tier(tier.name.clone(), why));
            if !named(&tier.name) {
                return wrong("its name must have 1 to 128 characters");
            }
            if !(-1..=1 << 40).contains(&tier.device_limit) {
                return wrong("DeviceLimit must be -1 (none) or more");
            }
            if !(1..=86_400).contains(&tier.interval_seconds) {
                return wrong("IntervalSeconds must be a number from 1 to 86400");
            }
            if tier.management_calls.max(tier.device_calls) > 1_000_000_000 {
                return wrong("calls must be at most 1000000000");
            }
            Ok(())
        })
    }

    /// The tier called `name`.
    #[must_use]
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parts() -> Parts {
        let tier = |name: &str, device_limit| Tier {
            name: name.to_owned(),
            device_limit,
            management_calls: 100,
            device_calls: 1_000,
            interval_seconds: 60,
        };
        Parts {
            device_endpoint: true,
            default_device_policy: json!({ "Version": "2012-10-17", "Statement": [] }),
            trust_role: true,
            audit_trail: true,
            tiers: vec![tier("small", 10), tier("large", 100)],
            application: Application { name: "iot application for tenant".to_owned(), version: "1".to_owned() },
        }
    }

    #[test]
    fn a_blueprint_without_a_part_is_none() {
        assert_eq!(parts().check(), Ok(()));
        assert_eq!(parts().tier("large").map(|tier| tier.device_limit), Some(100));
        assert_eq!(parts().tier("huge"), None);
        let told: Vec<String> = [
            Parts { device_endpoint: false, ..parts() },
            Parts { trust_role: false, ..parts() },
            Parts { audit_trail: false, ..parts() },
            Parts { tiers: Vec::new(), ..parts() },
            Parts { tiers: vec![parts().tiers[0].clone(), parts().tiers[0].clone()], ..parts() },
            Parts { default_device_policy: json!("all"), ..parts() },
            Parts { default_device_policy: json!({ "Statement": "x".repeat(LONGEST_POLICY) }), ..parts() },
            Parts { application: Application { name: String::new(), version: "1".to_owned() }, ..parts() },
            Parts { tiers: vec![Tier { interval_seconds: 0, ..parts().tiers[0].clone() }], ..parts() },
            Parts { tiers: vec![Tier { device_limit: -2, ..parts().tiers[0].clone() }], ..parts() },
            Parts { tiers: vec![Tier { device_calls: 1 << 40, ..parts().tiers[0].clone() }], ..parts() },
            Parts { tiers: vec![Tier { name: "a\nb".to_owned(), ..parts().tiers[0].clone() }], ..parts() },
        ]
        .iter()
        .map(|parts| parts.check().unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    proptest! {
        /// What is accepted is read back the same, and no number makes it panic.
        #[test]
        fn parts_survive_being_kept(limit: i64, calls: u64, seconds: u64, name in ".{0,130}") {
            let tier = Tier { name, device_limit: limit, management_calls: calls, device_calls: calls, interval_seconds: seconds };
            let parts = Parts { tiers: vec![tier], ..parts() };
            let kept = serde_json::to_string(&parts).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Parts>(&kept).unwrap(), &parts);
            let _ = parts.check();
        }
    }
}
