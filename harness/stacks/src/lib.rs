//! Brings a platform up and takes it down again.
//!
//! There is one stack so far: [`Embedded`], the reference platform inside this process, on the world's
//! network. It costs no container and no port, and in a virtual world the whole run replays.

mod calls;
mod certificate;
mod embedded;

pub use calls::{Caller, Calls, FailingCall};
pub use embedded::{Embedded, Founding, Running, Stores, Tenancy};
pub use fleetproof_platform::{DataFolder, PlatformError, Service};

use std::fmt;

/// What can go wrong with the surroundings of a platform.
#[derive(Debug)]
pub enum StackError {
    /// The platform did not start.
    Platform(PlatformError),
    /// A door of the platform could not be opened.
    Listen {
        /// Which.
        door: &'static str,
        /// What the network said.
        reason: std::io::Error,
    },
    /// The platform cannot show who it is.
    Certificate(std::io::Error),
    /// No defect is called that.
    UnknownDefect(String),
    /// These cannot be the regions of a platform.
    Regions(Vec<String>),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform(error) => write!(f, "the platform did not start: {error}"),
            Self::Certificate(reason) => write!(f, "the platform's certificate could not be made: {reason}"),
            Self::Listen { door, reason } => write!(f, "the platform's {door} could not be opened: {reason}"),
            Self::Regions(names) => write!(
                f,
                "the platform cannot be in the regions {}: each must be named once, in small letters, digits and `-`",
                names.join(", ")
            ),
            Self::UnknownDefect(name) => {
                write!(f, "no seeded defect is called `{name}`: `fleetproof defects` lists them")
            }
        }
    }
}

impl std::error::Error for StackError {}
