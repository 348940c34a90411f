//! How the platform says no: a status and a sentence, as the vendor's services do.

use crate::store::StoreError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;

/// What a handler gives: something good, or a refusal.
pub(crate) type Answer<T = Response> = Result<T, Refusal>;

/// A refusal. The envelope around all handlers writes it as `{"error", "request_id"}`.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
    /// In how many seconds it is worth asking again.
    pub(crate) retry_after: Option<u64>,
    /// What AWS calls it, where an operation of the account's interface says no.
    pub(crate) name: Option<&'static str>,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident => $status:ident;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
            Self { status: StatusCode::$status, message: message.into(), retry_after: None, name: None }
        })*
    };
}

impl Refusal {
    refusals! {
        /// 400: the request does not say what it must.
        bad_request => BAD_REQUEST;
        /// 401, in words of the caller's.
        unauthorized_since => UNAUTHORIZED;
        /// 403, in words of the caller's.
        forbidden_since => FORBIDDEN;
        /// 404: not there, or not for you.
        not_found => NOT_FOUND;
        /// 405: not in this state.
        not_allowed => METHOD_NOT_ALLOWED;
        /// 406: not in this state, as AWS says it of certificates.
        not_acceptable => NOT_ACCEPTABLE;
        /// 409: somebody was first.
        conflict => CONFLICT;
        /// 410: no more of these, as AWS says it.
        gone => GONE;
        /// 412: it has changed since.
        changed => PRECONDITION_FAILED;
        /// 413: too much.
        too_large => PAYLOAD_TOO_LARGE;
        /// 422: understood, and refused.
        unprocessable => UNPROCESSABLE_ENTITY;
    }

    /// 401: no credentials, or wrong ones; never why.
    pub(crate) fn unauthorized() -> Self {
        Self::unauthorized_since("unauthorized")
    }

    /// 403: known, and not allowed.
    pub(crate) fn forbidden() -> Self {
        Self::forbidden_since("forbidden")
    }

    /// 500. What went wrong goes to the platform's own output, never to the caller.
    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        eprintln!("platform: {why}");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "internal error".into(),
            retry_after: None,
            name: None,
        }
    }

    /// 429: too many calls.
    pub(crate) fn throttled(retry_after: Option<u64>) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, message: "too many requests".into(), retry_after, name: None }
    }

    /// The same refusal, called so.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
