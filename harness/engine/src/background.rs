//! What is held while other steps run: `while { background, steps }`.
//!
//! Each kind lives with its verb in `steps/`. A kind is added in two places: as a variant of the language's `Background`
//! (`harness/language/src/flow.rs`), and as an arm of [`start`]. Everything of one `while` is started in the order of the
//! file, each only once the one before is proven to be on; afterwards it is stopped in reverse order, also when a step failed.

use crate::outcome::Ending;
use crate::run::{Result, Run};
use crate::steps;
use fleetproof_language::{Background as Kind, Located};
use std::future::Future;
use std::pin::Pin;

/// Something that is on.
///
/// It must also end when it is dropped: that is how an interruption and the watchdog end it.
pub(crate) trait Background {
    /// Ends it, sees that it ended, and says what it did: *passed* only with proof that it acted all the while (a load that
    /// never reached its rate, a fault that met nothing is `inconclusive`).
    fn stop<'a>(self: Box<Self>, run: &'a Run) -> Pin<Box<dyn Future<Output = Result<Ending>> + 'a>>
    where
        Self: 'a;
}

/// Starts it, and returns once it is proven to be on. What cannot be proven is [`Stop::Inconclusive`](crate::run::Stop).
pub(crate) async fn start(run: &Run, what: &Located<Kind>) -> Result<Box<dyn Background>> {
    match &what.value {
        Kind::Load(load) => steps::strain::hold(run, load).await,
        Kind::Fault(fault) => steps::fault::hold(run, fault).await,
    }
}
