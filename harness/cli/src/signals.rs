//! Signals, caught on a thread of their own: a runtime in virtual time cannot wait for one.

use crate::error::{CliError, Result};
use fleetproof_journal::Verdict;
use fleetproof_world::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first interrupt or termination cancels. A second one ends the process at once.
pub(crate) fn first_cancels() -> Result<CancellationToken> {
    let broken = |error: std::io::Error| CliError::Broken(format!("signals cannot be caught: {error}"));
    let stop = CancellationToken::new();
    let theirs = stop.clone();
    let (ready, armed) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let caught = Runtime::real_time().map(|runtime| {
                runtime.block_on(async move {
                    let interrupt = signal(SignalKind::interrupt());
                    let terminate = signal(SignalKind::terminate());
                    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else { return };
                    // The other end waits for it; when it is gone there is nobody to tell.
                    let _: std::result::Result<(), _> = ready.send(());
                    for _ in 0..2 {
                        tokio::select! {
                            biased;
                            _ = interrupt.recv() => {}
                            _ = terminate.recv() => {}
                        }
                        if theirs.is_cancelled() {
                            std::process::exit(i32::from(Verdict::Interrupted.exit_code()));
                        }
                        theirs.cancel();
                    }
                });
            });
            drop(caught);
        })
        .map_err(broken)?;
    armed.recv().map_err(|_| CliError::Broken("signals cannot be caught".to_owned()))?;
    Ok(stop)
}
