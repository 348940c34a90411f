//! The resources of a statement: `arn:aws:iot:<region>:<account>:<kind>/<name>`, taken apart once.

use super::error::PolicyError;
use super::pattern::Pattern;
use super::variable::{NO_VARIABLE, Piece, pieces};
use super::{Defect, Question, Resource};

/// What a resource is, as its name begins.
const KINDS: [&str; 4] = ["client", "topic", "topicfilter", "thing"];

const WANT: &str = "write \"*\" or \"arn:aws:iot:<region>:<account>:<kind>/<name>\", with a kind out of client, topic, topicfilter and \
     thing; * and ? are wildcards, also for region and account";

/// One kind of resource that a statement is about. A pattern that can mean several kinds is as many of these.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its place in [`KINDS`].
    kind: usize,
    region: Pattern,
    account: Pattern,
    name: Pattern,
    /// The variables of `name`.
    variables: Vec<super::variable::Variable>,
}

impl Target {
    /// Adds what `text` means, found at the pointer `at`.
    pub(super) fn read(text: &str, at: &str, into: &mut Vec<Self>) -> Result<(), PolicyError> {
        let wrong = || PolicyError::wrong(at, text, WANT);
        if text == "*" {
            return Self::split("*", "*", "*", at, into);
        }
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or_else(wrong);
        let (scheme, partition, service) = (part()?, part()?, part()?);
        let (region, account, rest) = (part()?, part()?, part()?);
        let is_aws = partition == "*" || partition == "aws" || partition.starts_with("aws-");
        if scheme != "arn" || service != "iot" || !is_aws || [region, account].iter().any(|part| part.contains("${")) {
            return Err(wrong());
        }
        let before = into.len();
        Self::split(region, account, rest, at, into)?;
        if into.len() == before { Err(wrong()) } else { Ok(()) }
    }

    fn split(region: &str, account: &str, rest: &str, at: &str, into: &mut Vec<Self>) -> Result<(), PolicyError> {
        let no_variable = || PolicyError::wrong(at, rest, NO_VARIABLE);
        let home = |text| Pattern::read(text).ok_or_else(no_variable);
        let (region, account) = (home(region)?, home(account)?);
        let rest = pieces(rest, true).ok_or_else(no_variable)?;
        // What a variable begins could be any kind, so a kind has to stand before the first.
        let first = rest.iter().position(|piece| matches!(piece, Piece::Variable(_))).unwrap_or(rest.len());
        let has_kind = rest[..first].iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('/')));
        if first < rest.len() && !has_kind {
            return Err(PolicyError::wrong(
                at,
                "a variable before the first /",
                "name the kind first, as in topic/${iot:ClientId}",
            ));
        }
        for (kind, word) in KINDS.iter().enumerate() {
            for name in remainders(&rest, &format!("{word}/")) {
                let variables = name.iter().filter_map(|piece| match piece {
                    Piece::Variable(variable) => Some(variable.clone()),
                    _ => None,
                });
                let (region, account) = (region.clone(), account.clone());
                into.push(Self { kind, region, account, variables: variables.collect(), name: Pattern::of(&name) });
            }
        }
        Ok(())
    }

    /// Whether it is what is asked about. `is_deny`: for a statement that denies.
    pub(super) fn matches(&self, question: &Question<'_>, is_deny: bool) -> bool {
        let kind = match question.resource {
            Resource::Client(_) => 0,
            Resource::Topic(_) => 1,
            Resource::Filter(_) => 2,
            Resource::Thing(_) => 3,
        };
        if kind != self.kind {
            return false;
        }
        let is_home = question.has(Defect::HomeIgnored)
            || self.region.matches(&question.home.region, question)
                && self.account.matches(&question.home.account, question);
        if !is_home {
            return false;
        }
        // In a filter `+` and `#` mean many topics: who is called `#` would be allowed everybody's. Denying stays wide.
        if kind == 2 && !is_deny && !question.has(Defect::FilterFromValue) {
            let acts = |value: &str| value.contains(['+', '#']);
            if self.variables.iter().any(|variable| variable.value(question).is_some_and(acts)) {
                return false;
            }
        }
        self.name.matches(question.resource.name(), question)
    }
}

/// What of a pattern is left for the rest of a name that begins with `word`: one pattern for each way to read the beginning.
fn remainders(pattern: &[Piece], word: &str) -> Vec<Vec<Piece>> {
    // Places in the pattern, one step per character.
    let steps: Vec<Step<'_>> = pattern
        .iter()
        .flat_map(|piece| match piece {
            Piece::Text(text) => text.chars().map(Step::Character).collect::<Vec<_>>(),
            other => vec![Step::Piece(other)],
        })
        .collect();
    let mut places = vec![0];
    open(&steps, &mut places);
    for character in word.chars() {
        let mut next = Vec::new();
        for place in places {
            match steps.get(place) {
                Some(Step::Character(wanted)) if *wanted == character => next.push(place + 1),
                Some(Step::Piece(Piece::One)) => next.push(place + 1),
                Some(Step::Piece(Piece::Many)) => next.push(place),
                _ => {}
            }
        }
        next.sort_unstable();
        next.dedup();
        open(&steps, &mut next);
        places = next;
    }
    // Where anything may follow, what comes after it is among the names already.
    let covered = |place: usize, all: &[usize]| {
        let Some(many) = place.checked_sub(1) else { return false };
        matches!(steps.get(many), Some(Step::Piece(Piece::Many))) && all.contains(&many)
    };
    let kept: Vec<usize> = places.iter().copied().filter(|place| !covered(*place, &places)).collect();
    kept.into_iter().map(|place| joined(&steps[place..])).collect()
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Character(char),
    Piece(&'a Piece),
}

/// "Anything" may also be nothing: what follows it is a place too.
fn open(steps: &[Step<'_>], places: &mut Vec<usize>) {
    let mut at = 0;
    while let Some(&place) = places.get(at) {
        if matches!(steps.get(place), Some(Step::Piece(Piece::Many))) && !places.contains(&(place + 1)) {
            places.push(place + 1);
        }
        at += 1;
    }
}

fn joined(steps: &[Step<'_>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    for step in steps {
        match step {
            Step::Character(character) => plain.push(*character),
            Step::Piece(piece) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                }
                pieces.push((*piece).clone());
            }
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into()));
    }
    pieces
}
