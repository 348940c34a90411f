//! Pages of a list: `page`, `per_page`, `Link`, `X-Total-Count`.

use super::extract::Params;
use crate::refusal::Refusal;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The most that a page may have.
const MOST: i64 = 500;

/// Which page is asked for. `Page<10>` has ten entries unless the caller says otherwise.
#[derive(Debug)]
pub(crate) struct Page<const DEFAULT: i64 = 20> {
    /// From 1.
    number: i64,
    /// Entries per page.
    pub(crate) size: i64,
    path: String,
    others: Vec<(String, String)>,
}

impl<S: Send + Sync, const DEFAULT: i64> FromRequestParts<S> for Page<DEFAULT> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let params = Params::from_request_parts(parts, state).await?;
        let number = params.number("page")?.unwrap_or(1);
        let size = params.number("per_page")?.unwrap_or(DEFAULT);
        if !(1..=i64::MAX / MOST).contains(&number) {
            return Err(Refusal::bad_request("page must be a number from 1"));
        }
        if !(1..=MOST).contains(&size) {
            return Err(Refusal::bad_request(format!("per_page must be a number from 1 to {MOST}")));
        }
        let is_other = |(name, _): &&(String, String)| name != "page" && name != "per_page";
        let others = params.pairs().iter().filter(is_other).cloned().collect();
        Ok(Self { number, size, path: parts.uri.path().to_owned(), others })
    }
}

impl<const DEFAULT: i64> Page<DEFAULT> {
    /// How many entries come before this page.
    pub(crate) fn offset(&self) -> i64 {
        (self.number - 1) * self.size
    }

    /// The part of a complete list that is on this page.
    pub(crate) fn cut<T>(&self, all: Vec<T>) -> Vec<T> {
        let offset = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        all.into_iter().skip(offset).take(usize::try_from(self.size).unwrap_or(0)).collect()
    }

    /// The page as an answer, with links to its neighbours; `total` entries in all.
    pub(crate) fn answer<T: Serialize>(&self, entries: &[T], total: i64) -> Response {
        let mut response = Json(entries).into_response();
        let headers = response.headers_mut();
        headers.insert("x-total-count", HeaderValue::from(total));
        let mut links = vec![self.link(1, "first")];
        if self.number > 1 {
            links.push(self.link(self.number - 1, "prev"));
        }
        if self.offset().saturating_add(self.size) < total {
            links.push(self.link(self.number + 1, "next"));
        }
        if let Ok(links) = HeaderValue::from_str(&links.join(", ")) {
            headers.insert("link", links);
        }
        response
    }

    fn link(&self, number: i64, rel: &str) -> String {
        let mut query = format!("page={number}&per_page={}", self.size);
        for (name, value) in &self.others {
            query.push_str(&format!("&{}={}", escape(name), escape(value)));
        }
        format!("<{}?{query}>; rel=\"{rel}\"", self.path)
    }
}

/// Percent-encoding of everything that is not unreserved.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
