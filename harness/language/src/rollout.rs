//! How fast a deployment goes round, and when it stops by itself: what `deploy` says of it, and what makes no sense.

use crate::diagnostic::Diagnostic;
use crate::grammar::Presence::{Default as Otherwise, Required};
use crate::grammar::{Shape, block};
use crate::scenario::Artifact;
use crate::source::{Located, Span};
use crate::step::Deploy;
use crate::words::{Counting, Misbehaviour};
use std::time::Duration;

block! {
    /// A batch of devices that begins by itself.
    pub struct Phase {
        /// How many of the devices, rounded down; only the last leaves it out, and takes the rest.
        pub share: Option<Located<u32>> = Shape::Share, Otherwise("the rest");
        /// How long after the beginning of the phase before; of the first: after the step.
        pub after: Option<Located<Duration>> = Shape::Duration(1), Otherwise("at once; only the first leaves it out");
    }
}

block! {
    /// How a rate grows.
    pub struct Growth {
        /// Times so much (in the types: thousandths).
        pub factor: Located<u32> = Shape::Ratio, Required("times how much: `factor: 2x`");
        /// After each so many devices.
        pub per: Located<u32> = Shape::Number(1, u32::MAX), Required("after how many devices: `per: 100`");
        /// Which devices count.
        pub counting: Located<Counting> = Shape::Word(Counting::WORDS), Required("which devices count: `counting: succeeded`");
    }
}

/// What is wrong with the pace of a deployment to so many devices (`None`: not known before the seed).
pub(crate) fn check(deploy: &Deploy, devices: Option<u64>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut report = |code: &str, span: Span, message: String, label: &str, help: &str| {
        mistakes.push(Diagnostic::new(code, span, message).label(label).help(help));
    };
    let needs = [
        (
            "grows",
            deploy.grows.as_ref().map(|it| it.span),
            "rate",
            deploy.rate.is_none(),
            "how fast it begins: `rate: 60/min`",
        ),
        (
            "abort_after",
            deploy.abort_after.as_ref().map(|it| it.span),
            "abort_above",
            deploy.abort_above.is_none(),
            "how many may fail: `abort_above: 10%`",
        ),
        (
            "retry_on",
            deploy.retry_on.as_ref().map(|it| it.span),
            "retries",
            deploy.retries.as_ref().is_none_or(|retries| retries.value == 0),
            "how often: `retries: 2`",
        ),
    ];
    for (word, span, other, missing, help) in needs {
        if let Some(span) = span.filter(|_| missing) {
            let message = format!("`{word}` needs `{other}` beside it");
            report("missing-key", span, message, "means nothing alone", help);
        }
    }
    if let Some(factor) = deploy.grows.as_ref().map(|it| &it.factor).filter(|factor| factor.value <= 1_000) {
        let message = "`factor` must be more than 1x, else nothing grows".to_owned();
        report("out-of-range", factor.span, message, "does not grow", "`factor: 2x` doubles the rate");
    }
    let last = deploy.phases.len();
    let mut sum = 0;
    for (number, phase) in (1..).zip(&deploy.phases) {
        match &phase.share {
            None if number < last => {
                let help = "how many of the devices: `share: 20%`; only the last leaves it out, and takes the rest";
                report("missing-key", phase.span, format!("phase {number} needs `share`"), "takes the rest", help);
            }
            Some(share) if number == last => {
                let message = "the last phase takes the rest, so it has no `share`".to_owned();
                report(
                    "out-of-range",
                    share.span,
                    message,
                    "of the last phase",
                    "leave it out, or add a phase for the rest",
                );
            }
            Some(share) => {
                sum += u64::from(share.value);
                if sum >= 1_000_000 && sum - u64::from(share.value) < 1_000_000 {
                    let message =
                        format!("the shares up to here are {}%: nothing is left for the last phase", sum / 10_000);
                    report("out-of-range", share.span, message, "too much", "let them add up to less than 100%");
                }
                if let Some(all) = devices.filter(|all| all * u64::from(share.value) / 1_000_000 == 0) {
                    let message = format!("{}% of {all} devices is not one device", share.value / 10_000);
                    report(
                        "out-of-range",
                        share.span,
                        message,
                        "an empty phase",
                        "take a larger share, or more devices",
                    );
                }
            }
            None => {}
        }
        if number > 1 && phase.after.is_none() {
            let help = "how long after the phase before: `after: 30s`";
            report("missing-key", phase.span, format!("phase {number} needs `after`"), "begins when?", help);
        }
    }
    mistakes
}

/// What is wrong with whom an artifact's misbehaviour affects.
pub(crate) fn affects(artifact: &Artifact) -> Option<Diagnostic> {
    let affects = artifact.affects.as_ref()?;
    let Some(way) = &artifact.misbehaves else {
        let message = "`affects` needs `misbehaves` beside it";
        let help = "how it misbehaves: `misbehaves: fails_install`";
        return Some(Diagnostic::new("missing-key", affects.span, message).label("affects them how?").help(help));
    };
    let in_file = matches!(way.value, Misbehaviour::BadChecksum | Misbehaviour::WrongDeviceType);
    if in_file && affects.value < 1_000_000 {
        let message = format!("`{}` is in the file: it affects every device", way.value);
        let help = "leave `affects` out, or let it misbehave on the device: `misbehaves: fails_install`";
        return Some(Diagnostic::new("out-of-range", affects.span, message).label("not a part of them").help(help));
    }
    if affects.value == 0 {
        let message = "`affects: 0%` affects nobody, so it does not misbehave";
        let help = "at least 1%, or leave `misbehaves` and `affects` out";
        return Some(Diagnostic::new("out-of-range", affects.span, message).label("nobody").help(help));
    }
    None
}
