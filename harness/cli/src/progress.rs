//! What a person sees while scenarios run: a bar on a terminal, plain lines elsewhere.

use fleetproof_journal::{Journal, Verdict, What};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::thread::JoinHandle;
use std::time::Duration;

/// The progress of a command that runs several scenarios.
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
    scenarios: usize,
}

/// The line of one scenario while it runs.
pub(crate) struct Line {
    bar: Option<(ProgressBar, JoinHandle<()>)>,
}

impl Progress {
    /// Of so many scenarios.
    pub(crate) fn new(scenarios: usize) -> Self {
        let bars =
            std::io::stderr().is_terminal().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, scenarios }
    }

    /// A scenario begins; its journal tells how far it is.
    pub(crate) fn begin(&self, name: &str, journal: &Journal) -> Line {
        let Some(bars) = &self.bars else { return Line { bar: None } };
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        let (events, shown) = (journal.follow(), bar.clone());
        let follower = std::thread::spawn(move || {
            let mut attempts = 0_u64;
            for event in events {
                match event.what {
                    What::Step { index, verb } => shown.set_message(format!("step {index}, {verb}")),
                    What::Attempted(_) => {
                        attempts += 1;
                        if attempts.is_multiple_of(100) {
                            shown.set_message(format!("{attempts} attempts"));
                        }
                    }
                    What::Ended { .. } => return,
                    _ => {}
                }
            }
        });
        Line { bar: Some((bar, follower)) }
    }

    /// A scenario ended.
    pub(crate) fn end(&self, line: Line, name: &str, verdict: Verdict) {
        match line.bar {
            Some((bar, follower)) => {
                // A follower that panicked has nothing more to draw.
                drop(follower.join());
                bar.finish_and_clear();
            }
            None if self.scenarios > 1 => anstream::eprintln!("{verdict:<13}{name}"),
            None => {}
        }
    }

    /// All scenarios ended.
    pub(crate) fn finish(&self) {
        if let Some(bars) = &self.bars {
            // Bars that cannot be cleared stay on the screen.
            drop(bars.clear());
        }
    }
}
