//! What the platform can do and which surfaces it has: asked before anything is planned.

use crate::error::{CliError, Result};
use fleetproof_claims::model::Surfaces;
use fleetproof_dialects::mender::Mender;
use fleetproof_stacks::Embedded;
use std::sync::Arc;

/// What is known of a platform before it runs.
pub(crate) struct Survey {
    /// Its operations, those of its accounts and of its lobby, joined with what the dialect knows of each.
    pub(crate) surfaces: Arc<Surfaces>,
    /// What scenarios may use.
    pub(crate) capabilities: &'static [&'static str],
}

/// The embedded platform declares both without being started.
pub(crate) fn embedded() -> Result<Survey> {
    let documents = (Embedded::document(), Embedded::account_document(), Embedded::lobby_document());
    let surfaces = Mender::all_surfaces(&documents.0, &documents.1, &documents.2)
        .map_err(|error| CliError::Broken(format!("the platform's interface document cannot be read: {error}")))?;
    Ok(Survey { surfaces: Arc::new(surfaces), capabilities: Embedded::capabilities() })
}
