//! Ids and names in the forms that AWS gives them.

use crate::Platform;
use crate::ids::hex;

/// An id: a prefix that tells what it is of, and chance.
pub(super) fn draw(app: &Platform, prefix: &str) -> String {
    format!("{prefix}-{}", hex(&app.ids().bytes::<8>()))
}

/// An external id: nobody guesses it.
pub(super) fn external_id(app: &Platform) -> String {
    hex(&app.ids().bytes::<16>())
}

/// The role that the lobby acts as, by the id of its account.
pub(super) fn lobby_role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/lobby_commissioner_role")
}

/// How an account is called everywhere.
pub(super) fn account_arn(management: &str, organisation: &str, account: &str) -> String {
    format!("arn:aws:organizations::{management}:account/{organisation}/{account}")
}
