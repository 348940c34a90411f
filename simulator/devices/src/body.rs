//! What an agent drives: where an image is written, what boots, what survives when power goes.
//!
//! The words are those of Mender's update modules, protocol version 3.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;

/// What a body is told to do during an update.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BodyCall {
    /// Make the image bootable, on trial.
    Install,
    /// Restart into it. The boot itself is asked for by [`Body::boot`].
    Reboot,
    /// Say whether the image that runs is the one that was installed.
    VerifyReboot,
    /// Make it final.
    Commit,
    /// Make what ran before bootable again.
    Rollback,
    /// Restart into what ran before.
    RollbackReboot,
    /// Say whether what ran before runs again.
    VerifyRollbackReboot,
    /// Be told that the update failed.
    Failure,
    /// Forget the update.
    Cleanup,
    /// Run a state script of the artifact, e.g. `ArtifactCommit_Enter_00`.
    Script(String),
}

impl BodyCall {
    /// The state's name in the protocol of update modules, e.g. `ArtifactInstall`.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Install => "ArtifactInstall",
            Self::Reboot => "ArtifactReboot",
            Self::VerifyReboot => "ArtifactVerifyReboot",
            Self::Commit => "ArtifactCommit",
            Self::Rollback => "ArtifactRollback",
            Self::RollbackReboot => "ArtifactRollbackReboot",
            Self::VerifyRollbackReboot => "ArtifactVerifyRollbackReboot",
            Self::Failure => "ArtifactFailure",
            Self::Cleanup => "Cleanup",
            Self::Script(name) => name,
        }
    }
}

/// Why a body did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It tried, and this went wrong.
    Failed(String),
    /// Power went, or the system crashed: nothing of what the agent holds in memory survives, the next
    /// thing is a boot.
    PowerLost,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::PowerLost => f.write_str("power was lost"),
        }
    }
}

/// One attempt to start an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The image's version.
    pub version: String,
    /// Whether the bootloader started it on trial.
    pub trial: bool,
    /// What became of it.
    pub health: Health,
}

/// What became of an attempt to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It came up.
    Healthy,
    /// It did not, and the device will reset: ask for the next boot.
    Unhealthy,
    /// It did not, and nothing comes after it.
    Dead,
}

/// The part of a device that an image runs on. Everything it keeps survives a loss of power; the
/// agent keeps nothing but what it puts into the record.
pub trait Body: Send + 'static {
    /// Whether there is an update module for payloads of that type.
    fn accepts(&self, payload_type: &str) -> bool;

    /// Writes a whole image to where it can be installed from (the module's state `Download`).
    ///
    /// # Errors
    /// [`Cause`]; what runs is untouched.
    fn write(&mut self, image: Bytes) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Does one thing of an update.
    ///
    /// # Errors
    /// [`Cause`].
    fn call(&mut self, call: &BodyCall) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Starts what the bootloader chooses, after power came or a restart was asked for.
    fn boot(&mut self) -> impl Future<Output = Boot> + Send;

    /// Whether it can undo an installation (the module's `SupportsRollback`).
    fn supports_rollback(&mut self) -> bool;

    /// Whether an installation needs a restart (the module's `NeedsArtifactReboot`).
    fn needs_reboot(&mut self) -> bool;

    /// The version of the image that runs now.
    fn running(&self) -> &str;

    /// Whether the image that runs now gets onto the network.
    fn has_network(&self) -> bool {
        true
    }

    /// The record as it was last kept; empty before the first time.
    fn record(&self) -> &[u8];

    /// Replaces the record, wholly or not at all.
    ///
    /// # Errors
    /// [`Cause::PowerLost`], and the record is either of the two.
    fn keep(&mut self, record: Vec<u8>) -> Result<(), Cause>;

    /// Keeps a copy of what boots, and of the record. `false`: it cannot.
    fn save(&mut self) -> bool {
        false
    }

    /// Is flashed with that copy; the next thing is a boot. `false`: there is none.
    fn restore(&mut self) -> bool {
        false
    }
}
