//! `isolation` at the lobby, beyond what one request to its interface shows: claims that prove nothing, the role that the lobby
//! has in every tenant, and what devices say and hear where all of them begin.
//!
//! The interface itself is attacked as every other is, operation by operation. Here an attempt is a short story, and what counts
//! is whether the victim gets its device all the same.

use crate::isolation::{Options, Party};
use crate::model::{Compiled, Family};
use crate::tools;
use crate::wired::{Deed, Expected, Row, add_rows};
use serde::Serialize;

/// How a fingerprint is written that means the same to who is careless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misspelling {
    /// In capitals.
    Capitals,
    /// `0x` in front.
    Prefix,
    /// Its last digits left out.
    Cut,
    /// Its digits in pairs, with colons.
    Colons,
}

/// What is shown for the lobby's role in an account instead of the external id that its tenant gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// Nothing.
    Nothing,
    /// That of another tenant.
    Others,
    /// One that nobody gave.
    Guess,
}

/// One story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feint {
    /// Claims a device whose label the victim holds, by nothing but its fingerprint.
    BareFingerprint,
    /// The same with the code of another device's label.
    OtherCode,
    /// Claims a device once more with the label that was good until it was released: the victim holds the next one.
    SpentLabel,
    /// Claims a device that is the victim's by a fingerprint that is written otherwise.
    Misspelt(Misspelling),
    /// Asks for the lobby's role in the victim's account.
    Assume(Instead),
    /// A device of the attacker's announces itself and names the victim's.
    Announce,
    /// A device of the attacker's listens where the victim's is told its home.
    Overhear,
    /// A device of the attacker's tells the victim's to begin anew.
    Reset,
}

const CLAIMS: &str = "lobby claim";
const TRUST: &str = "lobby trust";
const ANNOUNCES: &str = "lobby announce";
const TOPICS: &str = "lobby topics";

const fn row(
    tool: &'static str,
    operation: &'static str,
    variant: &'static str,
    feint: Feint,
    expected: Expected,
) -> Row {
    Row(tool, operation, variant, Deed::AtLobby(feint), expected)
}

/// All of them, in the order in which they are made.
const FEINTS: &[Row] = &[
    // A claim that waits for its proof is everybody's right; it must be in nobody's way.
    row(tools::LOBBY_CLAIM, CLAIMS, "fingerprint", Feint::BareFingerprint, Expected::Unfelt),
    row(tools::LOBBY_CLAIM, CLAIMS, "other-code", Feint::OtherCode, Expected::Refused),
    row(tools::LOBBY_CLAIM, CLAIMS, "spent-label", Feint::SpentLabel, Expected::Refused),
    row(tools::LOBBY_CLAIM, CLAIMS, "capitals", Feint::Misspelt(Misspelling::Capitals), Expected::Refused),
    row(tools::LOBBY_CLAIM, CLAIMS, "prefix", Feint::Misspelt(Misspelling::Prefix), Expected::Refused),
    row(tools::LOBBY_CLAIM, CLAIMS, "cut", Feint::Misspelt(Misspelling::Cut), Expected::Refused),
    row(tools::LOBBY_CLAIM, CLAIMS, "colons", Feint::Misspelt(Misspelling::Colons), Expected::Refused),
    row(tools::LOBBY_ROLE, TRUST, "nothing", Feint::Assume(Instead::Nothing), Expected::Refused),
    row(tools::LOBBY_ROLE, TRUST, "others", Feint::Assume(Instead::Others), Expected::Refused),
    row(tools::LOBBY_ROLE, TRUST, "guess", Feint::Assume(Instead::Guess), Expected::Refused),
    // To announce itself is every device's right.
    row(tools::LOBBY_ANNOUNCE, ANNOUNCES, "", Feint::Announce, Expected::Unfelt),
    row(tools::LOBBY_TOPICS, TOPICS, "overhear", Feint::Overhear, Expected::Refused),
    row(tools::LOBBY_TOPICS, TOPICS, "reset", Feint::Reset, Expected::Refused),
];

impl Feint {
    /// Who tries, of the tenant `attacker`.
    #[must_use]
    pub fn actor(self, attacker: &str) -> String {
        match self {
            Self::BareFingerprint | Self::Misspelt(_) => format!("the admin of {attacker}"),
            Self::OtherCode => format!("the admin of {attacker}, who has another label"),
            Self::SpentLabel => format!("the admin of {attacker}, who had the device before"),
            Self::Assume(Instead::Nothing) => "the lobby, showing no external id".to_owned(),
            Self::Assume(Instead::Others) => format!("the lobby, showing the external id of {attacker}"),
            Self::Assume(Instead::Guess) => "the lobby, showing an external id that nobody gave".to_owned(),
            Self::Announce | Self::Overhear | Self::Reset => format!("a device of {attacker} at the lobby"),
        }
    }

    /// Whether devices take part.
    #[must_use]
    pub fn has_devices(self) -> bool {
        matches!(self, Self::Announce | Self::Overhear | Self::Reset)
    }
}

/// Adds what is tried at the lobby to what is tried elsewhere.
pub fn add_feints(compiled: &mut Compiled, between: &[Party], options: &Options) {
    let mut pairs = Vec::new();
    // Whoever runs the lobby has no devices, and needs no label.
    let tenants = || between.iter().filter(|party| !party.provider);
    for attacker in tenants() {
        for victim in tenants().filter(|victim| victim.name != attacker.name) {
            pairs.extend(FEINTS.iter().map(|row| (row, attacker.name.as_str(), victim.name.as_str())));
        }
    }
    add_rows(compiled, &pairs, options);
}

/// Whether this claim tries anything at the lobby: `present` where there is one.
#[must_use]
pub fn wants_feints(options: &Options, present: bool) -> bool {
    if options.families.is_empty() { present } else { options.families.contains(&Family::Lobby) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn party(name: &str) -> Party {
        Party { name: name.into(), provider: name == "provider", parent: None }
    }

    #[test]
    fn every_story_is_tried_both_ways_and_the_provider_is_in_none() {
        let mut compiled = Compiled::default();
        let between = [party("acme"), party("globex"), party("provider")];
        add_feints(&mut compiled, &between, &Options::default());
        let ids: BTreeSet<&str> = compiled.wired.iter().map(|attempt| attempt.id.as_str()).collect();
        assert_eq!((ids.len(), compiled.wired.len()), (2 * FEINTS.len(), 2 * FEINTS.len()));
        assert!(ids.contains("c1-claim/lobby-claim/spent-label/globex>acme"), "{ids:?}");
        assert_eq!((compiled.operations, compiled.uncovered.len()), (4, 0));
    }

    #[test]
    fn who_tries_is_told() {
        assert_eq!(Feint::Assume(Instead::Others).actor("acme"), "the lobby, showing the external id of acme");
        assert!(Feint::Reset.has_devices() && !Feint::SpentLabel.has_devices());
    }
}
