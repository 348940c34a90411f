//! What a request says: path, query, body. Everything that will not do is refused as JSON.

use crate::Platform;
use crate::refusal::Refusal;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// The most that a body may have, artifacts excepted: 1 MiB.
pub(crate) const LIMIT: usize = 1 << 20;

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn collect(body: axum::body::Body, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large("request body too large")),
        Err(_) => Err(Refusal::bad_request("the request body could not be read")),
    }
}

/// A JSON body. An empty one is `null`, which an `Option<T>` takes.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = collect(request.into_body(), LIMIT).await?;
        let text: &[u8] = if bytes.trim_ascii().is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| Refusal::bad_request(format!("failed to decode request body: {error}")))
    }
}

/// The parameters in the path: one `String`, or a tuple of them.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| Refusal::bad_request("malformed path"))
    }
}

/// Marks what came in with TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure;

/// Where the platform is for whoever asks, e.g. `https://fleet.example`: its public URL, or where the request came to.
#[derive(Debug)]
pub(crate) struct Origin(pub(crate) String);

impl FromRequestParts<Platform> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Platform) -> Result<Self, Self::Rejection> {
        if let Some(url) = &app.settings().public_url {
            return Ok(Self(url.trim_end_matches('/').to_owned()));
        }
        let scheme = if parts.extensions.get::<Secure>().is_some() { "https" } else { "http" };
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(Self(format!("{scheme}://{}", host.unwrap_or("localhost"))))
    }
}

/// The query, in the order it came. Unknown names are ignored.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Self(pairs)).map_err(|_| Refusal::bad_request("malformed query"))
    }
}

impl Params {
    /// The first `name`; an empty one counts as absent.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every `name` that is not empty.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = |(key, value): &'_ &(String, String)| key == name && !value.is_empty();
        self.0.iter().filter(named).map(|(_, value)| value.as_str()).collect()
    }

    /// The first `name` as a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|_| Refusal::bad_request(format!("{name} must be a number")));
        self.one(name).map(parse).transpose()
    }

    /// The first `name` as a time: seconds since 1970, told in ms.
    pub(crate) fn time_ms(&self, name: &str) -> Result<Option<i64>, Refusal> {
        Ok(self.number(name)?.map(|seconds| seconds.saturating_mul(1_000)))
    }

    /// The first `name`, which must be one of `known`.
    pub(crate) fn choice(&self, name: &str, known: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.one(name) {
            Some(value) if !known.contains(&value) => {
                Err(Refusal::bad_request(format!("{name} must be one of {}", known.join(", "))))
            }
            value => Ok(value),
        }
    }

    /// The pairs, for links to other pages.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}
