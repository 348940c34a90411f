//! Why the lobby refuses something. A refusal changes nothing.

use super::{State, Step};
use std::fmt;

/// A refusal. What a stranger is told names no owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LobbyError {
    /// Nothing is known of this certificate: the device has not knocked yet, or the device is not the asker's.
    Unknown,
    /// The device belongs to another tenant.
    Conflict,
    /// The device is the asker's already, in another account or region.
    BoundElsewhere,
    /// The device's certificate comes from another tenant's own authority.
    ForeignAuthority,
    /// The code is not this device's.
    WrongProof,
    /// The code was good for an earlier ownership.
    SpentProof,
    /// Too many claims wait for a proof, on this device or for this tenant.
    TooManyPending,
    /// No account of this number belongs to the tenant in this organisation.
    UnknownAccount(String),
    /// The account has no endpoint in this region.
    UngovernedRegion(String),
    /// The account has a device of this name already.
    NameTaken(String),
    /// The actor may not do this.
    Forbidden,
    /// The receiving tenant has not agreed.
    NotAccepted,
    /// The event makes no sense in this state.
    WrongState(State),
    /// The step was for a home that the device no longer has, or has not yet.
    NotItsHome,
    /// A step before this one is not done.
    StepTooEarly(Step),
    /// The last step found no host name.
    InvalidEndpoint,
    /// A common name that cannot be a thing's name.
    InvalidName,
    /// The client id is not the name in the certificate.
    NotItsName,
    /// An announce that is no JSON object of at most 4096 bytes.
    InvalidAnnounce,
    /// Announces come too fast; µs to wait.
    Throttled(u64),
    /// Too many former homes are not cleaned up yet.
    TooManyCleanups,
    /// Somebody else wrote the row since it was read: read again, decide again.
    Stale,
}

impl fmt::Display for LobbyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("No such device here; check the fingerprint, or wait until it has knocked."),
            Self::Conflict => f.write_str("The device is bound already; its owner must release it first."),
            Self::BoundElsewhere => f.write_str("The device is yours in another account or region; migrate it."),
            Self::ForeignAuthority => f.write_str("The certificate comes from an authority that is not yours."),
            Self::WrongProof => f.write_str("The code does not belong to this device; scan its label again."),
            Self::SpentProof => f.write_str("The label was used before; ask the last owner for the new one, or pair."),
            Self::TooManyPending => f.write_str("Too many claims wait for a proof; finish some, or wait 15 minutes."),
            Self::UnknownAccount(account) => write!(f, "Account {account} is not one of yours in this organisation."),
            Self::UngovernedRegion(region) => {
                write!(f, "The account has no endpoint in {region}; choose another region.")
            }
            Self::NameTaken(name) => {
                write!(f, "The account has a device called {name} already; release that one first.")
            }
            Self::Forbidden => f.write_str("Only the lobby's operator may do this."),
            Self::NotAccepted => f.write_str("The receiving tenant must accept the device first."),
            Self::WrongState(state) => write!(f, "Not possible while the device is {}.", state.name()),
            Self::NotItsHome => f.write_str("The device has no home in that account and region; the work is void."),
            Self::StepTooEarly(step) => write!(f, "{} must be done first.", step.name()),
            Self::InvalidEndpoint => f.write_str("DescribeEndpoint must give a host name."),
            Self::InvalidName => f.write_str("The common name must be 1 to 128 of a-z, A-Z, 0-9, ':', '_', '-'."),
            Self::NotItsName => f.write_str("The client id must be the common name of the certificate."),
            Self::InvalidAnnounce => f.write_str("An announce must be a JSON object of at most 4096 bytes."),
            Self::Throttled(wait) => write!(f, "Announces come too fast; wait {} ms.", wait.div_ceil(1000)),
            Self::TooManyCleanups => {
                f.write_str("Too many former homes are not cleaned up; bring a region back first.")
            }
            Self::Stale => f.write_str("Somebody else changed the device meanwhile; read it again."),
        }
    }
}

impl std::error::Error for LobbyError {}
