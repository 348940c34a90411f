//! Lists as AWS gives them: `MaxResults`, `NextToken`.

use crate::edge::Params;
use crate::refusal::{Answer, Refusal};

/// The most that one answer has.
const MOST: i64 = 500;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Window {
    /// What stands after this; the token is the key of the last entry.
    pub(crate) after: String,
    most: i64,
}

impl Window {
    pub(crate) fn read(params: &Params) -> Answer<Self> {
        let most = params.number("MaxResults")?.unwrap_or(100);
        if !(1..=MOST).contains(&most) {
            return Err(Refusal::bad_request(format!("MaxResults must be a number from 1 to {MOST}")));
        }
        Ok(Self { after: params.one("NextToken").unwrap_or_default().to_owned(), most })
    }

    /// What a statement is limited to: one more than is shown tells whether there are more.
    pub(crate) fn limit(&self) -> i64 {
        self.most + 1
    }

    /// Cuts what a statement gave; with the token for the rest.
    pub(crate) fn cut<T>(&self, mut all: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        if all.len() <= most {
            return (all, None);
        }
        all.truncate(most);
        let token = all.last().map(key);
        (all, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_token_exactly_when_there_is_more() {
        let window = Window { after: String::new(), most: 2 };
        assert_eq!(window.limit(), 3);
        assert_eq!(window.cut(vec![1, 2], ToString::to_string), (vec![1, 2], None));
        assert_eq!(window.cut(vec![1, 2, 3], ToString::to_string), (vec![1, 2], Some("2".to_owned())));
    }
}
