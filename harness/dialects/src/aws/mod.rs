//! The AWS dialect: the account that a tenant is, in the names of AWS IoT Core. On the reference platform the same people
//! with the same logins ask, so a request goes through a [`Mender`] with its transport, its watch and its patience.

pub mod accounts;
pub mod central_log;
pub mod client;
pub mod guests;
mod introduction;
pub mod jobs;
pub mod lobby;
pub mod objects;
pub mod organisation;
pub mod papers;
pub mod things;

pub use introduction::{Introduced, application, introduce, narrow, unbounded};
pub use things::Place;

use crate::mender::{Door, Mender, Session};
use crate::{Answer, DialectError, Refused, Request, Result};
use serde_json::Value;

/// Where the account's operations begin; what follows is AWS's path.
const ROOT: &str = "/api/management/v1/iot";

/// Asks something of the account of the tenant that `by` is logged in to.
async fn ask(mender: &Mender, by: &Session, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    let mut request = Request::new(method, format!("{ROOT}{path}"));
    if let Some(body) = body {
        request = request.body("application/json", body.to_string());
    }
    send(mender, by, request).await
}

/// Sends a request; an answer that is no success is a refusal.
async fn send(mender: &Mender, by: &Session, request: Request) -> Result<Answer> {
    let answer = mender.send(by, Door::Gateway, request).await?;
    if answer.is_success() { Ok(answer) } else { Err(DialectError::Refused(Refused(Box::new(answer)))) }
}

/// A text field of a JSON object; empty when it is missing.
fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}
