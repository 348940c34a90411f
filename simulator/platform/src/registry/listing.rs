//! Pages of a list: a size and a token that says where the next page begins. A token is good for the list, the account and
//! the region it was given in, and nobody else can make one.

use super::desk::Place;
use super::refusals::invalid;
use crate::Platform;
use crate::edge::Params;
use crate::refusal::Answer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fleetproof_world::Seeds;
use rand::RngCore;
use ring::hmac;
use serde_json::{Value, json};

/// The most that a page may have.
const MOST: i64 = 250;

/// Entries of a page, unless the caller says otherwise.
const DEFAULT: i64 = 25;

/// How many bytes of a token are its seal.
const SEAL: usize = 16;

/// Makes tokens, and knows its own.
#[derive(Debug)]
pub(super) struct Seal(hmac::Key);

impl Seal {
    pub(super) fn new(keys: &Seeds) -> Self {
        let mut key = [0; 32];
        keys.stream("key/pages").fill_bytes(&mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// What makes the token for `after` good in one list of one place.
    fn over(&self, place: &Place, list: &str, after: &str) -> Vec<u8> {
        let parts = [place.tenant.as_str(), &place.region, list, after];
        let sealed: Vec<u8> = parts.iter().flat_map(|part| [part.as_bytes(), &[0]].concat()).collect();
        hmac::sign(&self.0, &sealed).as_ref()[..SEAL].to_vec()
    }

    fn write(&self, place: &Place, list: &str, after: &str) -> String {
        BASE64.encode([&self.over(place, list, after)[..], after.as_bytes()].concat())
    }

    fn read(&self, place: &Place, list: &str, token: &str) -> Option<String> {
        let bytes = BASE64.decode(token).ok()?;
        let (seal, after) = bytes.split_at_checked(SEAL)?;
        let after = std::str::from_utf8(after).ok()?;
        (self.over(place, list, after) == seal).then(|| after.to_owned())
    }
}

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct Listing {
    size: i64,
    /// The last entry of the page before; empty for the first page.
    pub(super) after: String,
    list: String,
}

impl Listing {
    /// Reads `pageSize` or `maxResults`, `marker` or `nextToken`. `list` names the list, with all that narrows it.
    pub(super) fn read(app: &Platform, place: &Place, params: &Params, list: String) -> Answer<Self> {
        let size = match params.number("pageSize")? {
            None => params.number("maxResults")?,
            size => size,
        };
        Self::of(app, place, size, params.one("marker").or_else(|| params.one("nextToken")), list)
    }

    /// The same from parts, where they do not stand in the query.
    pub(super) fn of(
        app: &Platform,
        place: &Place,
        size: Option<i64>,
        token: Option<&str>,
        list: String,
    ) -> Answer<Self> {
        let size = size.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&size) {
            return Err(invalid(format!("pageSize and maxResults are numbers from 1 to {MOST}")));
        }
        let after = match token {
            None => String::new(),
            Some(token) => {
                let after = app.registry().seal.read(place, &list, token);
                after.ok_or_else(|| invalid("the token is none that this list gave"))?
            }
        };
        Ok(Self { size, after, list })
    }

    /// How many rows to ask for: one more than the page has tells whether there is another.
    pub(super) fn rows(&self) -> i64 {
        self.size + 1
    }

    /// The page as an answer: the entries under `name`, the token under `token` if there is more. Each entry comes with
    /// what it is ordered by.
    pub(super) fn answer(
        &self,
        app: &Platform,
        place: &Place,
        (name, token): (&str, &str),
        mut entries: Vec<(String, Value)>,
    ) -> Value {
        let size = usize::try_from(self.size).unwrap_or(0);
        let has_more = entries.len() > size;
        entries.truncate(size);
        let next =
            entries.last().filter(|_| has_more).map(|(key, _)| app.registry().seal.write(place, &self.list, key));
        let shown: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
        let mut answer = json!({ name: shown });
        if let Some(next) = next {
            answer[token] = next.into();
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(tenant: &str, region: &str) -> Place {
        Place { tenant: tenant.to_owned(), account: "1".to_owned(), region: region.to_owned() }
    }

    proptest! {
        #[test]
        fn a_token_is_good_where_it_was_given(after in ".{0,40}", list in "[a-z/]{1,9}", other in "[a-z/]{1,9}") {
            let seal = Seal::new(&Seeds::new(1));
            let token = seal.write(&place("t", "r"), &list, &after);
            prop_assert_eq!(seal.read(&place("t", "r"), &list, &token), Some(after.clone()));
            prop_assert_eq!(seal.read(&place("u", "r"), &list, &token), None);
            prop_assert_eq!(seal.read(&place("t", "s"), &list, &token), None);
            prop_assert_eq!(seal.read(&place("t", "r"), &other, &token).is_some(), list == other);
        }

        #[test]
        fn no_other_text_is_a_token(text in ".{0,60}") {
            prop_assert_eq!(Seal::new(&Seeds::new(1)).read(&place("t", "r"), "things", &text), None);
        }
    }
}
