//! What an organisation of accounts demands: controls, drift, blueprints, the states of onboarding, and trust.
//!
//! An account is a tenant. Nothing here knows a database or a clock: facts come in, a decision comes out. Names of states and
//! reasons are AWS's (the models of Organizations and Service Catalog), so that a client written for them reads them.

pub mod blueprint;
pub mod controls;
pub mod drift;
pub mod onboarding;
pub mod trust;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// The provider's own: it manages the organisation.
    Management,
    /// Keeps what all accounts log.
    LogArchive,
    /// From where the log is read.
    Audit,
    /// Where devices wait until somebody claims them.
    Lobby,
    /// A tenant's.
    Tenant,
}

impl AccountKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Management, Self::LogArchive, Self::Audit, Self::Lobby, Self::Tenant];

    /// Its name, as it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Management => "MANAGEMENT",
            Self::LogArchive => "LOG_ARCHIVE",
            Self::Audit => "AUDIT",
            Self::Lobby => "LOBBY",
            Self::Tenant => "TENANT",
        }
    }

    /// The kind called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whether `name` can be a region's: `eu-central-1`, at most 32 characters.
#[must_use]
pub fn is_region(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_names_and_regions_are_told_from_other_words() {
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::find(kind.name()), Some(kind));
        }
        assert_eq!(AccountKind::find("tenant"), None);
        assert!(is_region("eu-central-1") && is_region("home"));
        for word in ["", "EU-CENTRAL-1", "1-eu", "eu central", "eu/central", &"a".repeat(33)] {
            assert!(!is_region(word), "{word}");
        }
    }
}
