//! Trust: the lobby acts in an account only with the role that the account's blueprint grants it, and only with the external id that is
//! this account's own in this region. Source: `contracts/aws.md` 1.7, "Trust".

use std::fmt;

/// What is known of the account that somebody wants to act in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it is complete and open. A half-made or closed one trusts nobody.
    pub is_open: bool,
    /// Whether the region is one that the account uses and the organisation governs.
    pub is_governed: bool,
    /// What it grants in this region.
    pub grant: Option<Grant<'a>>,
}

/// A role that an account grants in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// Who may assume it.
    pub principal: &'a str,
    /// What has to be shown.
    pub external_id: &'a str,
}

/// Somebody wants to act in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption<'a> {
    /// Who.
    pub principal: &'a str,
    /// The external id that is shown.
    pub external_id: Option<&'a str>,
}

/// Why somebody may not act in an account. What is told to a stranger is [`Denied::told`], not this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// There is no such account in the organisation.
    OutsideOrganisation,
    /// It is half-made or closed.
    NotOpen,
    /// The account does not use this region, or the organisation does not govern it.
    UngovernedRegion,
    /// The account grants no role here.
    NoGrant,
    /// It grants it to somebody else.
    WrongPrincipal,
    /// No external id was shown.
    MissingExternalId,
    /// Another one was shown, perhaps another account's.
    WrongExternalId,
}

impl Denied {
    /// What whoever asked is told: the same for all, so that nothing can be probed.
    #[must_use]
    pub const fn told(self) -> &'static str {
        "AccessDenied: not authorized to perform sts:AssumeRole"
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideOrganisation => "the account is not in the organisation: look its id up again",
            Self::NotOpen => "the account is half-made or closed: ask again when it is ACTIVE",
            Self::UngovernedRegion => "the account does not use this region, or it is not governed: use another",
            Self::NoGrant => "the account grants no role in this region: have the trust granted again",
            Self::WrongPrincipal => {
                "the account grants the role to somebody else: only the organisation's lobby has it"
            }
            Self::MissingExternalId => "no external id was shown: show the one of this account and region",
            Self::WrongExternalId => "the external id is not this account's in this region: show its own",
        })
    }
}

impl std::error::Error for Denied {}

/// Whether somebody may act in an account (`None`: there is none in the organisation).
///
/// # Errors
/// Why not.
pub fn assume(asked: Assumption<'_>, account: Option<Account<'_>>) -> Result<(), Denied> {
    let account = account.ok_or(Denied::OutsideOrganisation)?;
    if !account.is_open {
        return Err(Denied::NotOpen);
    }
    if !account.is_governed {
        return Err(Denied::UngovernedRegion);
    }
    // A grant without an external id would be open to whoever leaves it out.
    let grant = account.grant.filter(|grant| !grant.external_id.is_empty()).ok_or(Denied::NoGrant)?;
    if grant.principal != asked.principal {
        return Err(Denied::WrongPrincipal);
    }
    let shown = asked.external_id.filter(|shown| !shown.is_empty()).ok_or(Denied::MissingExternalId)?;
    if same(shown, grant.external_id) { Ok(()) } else { Err(Denied::WrongExternalId) }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(one.len() ^ other.len(), |sum, (a, b)| sum | usize::from(a ^ b));
    differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open<'a>(external_id: &'a str) -> Account<'a> {
        let grant = Some(Grant { principal: "lobby", external_id });
        Account { id: "1", is_open: true, is_governed: true, grant }
    }

    #[test]
    fn each_refusal_has_its_reason_and_one_answer() {
        let right = Assumption { principal: "lobby", external_id: Some("mine") };
        let account = open("mine");
        assert_eq!(assume(right, Some(account)), Ok(()));
        let cases = [
            (right, None, Denied::OutsideOrganisation),
            (right, Some(Account { is_open: false, ..account }), Denied::NotOpen),
            (right, Some(Account { is_governed: false, ..account }), Denied::UngovernedRegion),
            (right, Some(Account { grant: None, ..account }), Denied::NoGrant),
            (right, Some(open("")), Denied::NoGrant),
            (Assumption { principal: "tenant", ..right }, Some(account), Denied::WrongPrincipal),
            (Assumption { external_id: None, ..right }, Some(account), Denied::MissingExternalId),
            (Assumption { external_id: Some(""), ..right }, Some(account), Denied::MissingExternalId),
            (Assumption { external_id: Some("123ABC"), ..right }, Some(account), Denied::WrongExternalId),
            (Assumption { external_id: Some("min"), ..right }, Some(account), Denied::WrongExternalId),
            (Assumption { external_id: Some("mine2"), ..right }, Some(account), Denied::WrongExternalId),
        ];
        for (asked, account, why) in cases {
            assert_eq!(assume(asked, account), Err(why), "{asked:?}");
            assert_eq!(why.told(), Denied::NoGrant.told());
        }
    }

    proptest! {
        /// The role is had exactly when everything is right.
        #[test]
        fn nothing_but_the_right_one_opens(
            is_open: bool, is_governed: bool, granted in proptest::option::of("[ab]{0,2}"), principal in "lobby|other",
            shown in proptest::option::of("[ab]{0,2}"),
        ) {
            let grant = granted.as_deref().map(|external_id| Grant { principal: "lobby", external_id });
            let account = Account { id: "1", is_open, is_governed, grant };
            let asked = Assumption { principal: &principal, external_id: shown.as_deref() };
            let right = is_open && is_governed && principal == "lobby" && granted == shown
                && shown.as_ref().is_some_and(|shown| !shown.is_empty());
            prop_assert_eq!(assume(asked, Some(account)).is_ok(), right);
        }
    }
}
