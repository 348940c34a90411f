//! Signed links to stored files: no operation of the interface document, and yet a way to a tenant's data.

use super::session::Session;
use super::{Door, Mender, fill};
use crate::answer::{Answer, Result};
use fleetproof_claims::model::LinkBend;
use fleetproof_wire::http::Request;

/// Whose file a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Id of the tenant.
    pub tenant: &'a str,
    /// Id of the artifact.
    pub artifact: &'a str,
}

/// How a link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// The whole file is asked for.
    Whole,
    /// The first 64 bytes are.
    Part,
    /// Something is written there.
    Put,
    /// It is to be removed.
    Delete,
}

/// A true link of one's own, bent towards the victim's file.
#[must_use]
pub fn bend_link(uri: &str, bend: LinkBend, own: Stored<'_>, victim: Stored<'_>) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let replaced = |text: &str, tenant: bool, artifact: bool| {
        let mut text = text.to_owned();
        if tenant {
            text = text.replace(own.tenant, victim.tenant);
        }
        if artifact {
            text = text.replace(own.artifact, victim.artifact);
        }
        text
    };
    let joined = |path: &str, query: &str| if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let kept = |keep: &dyn Fn(&str) -> bool| query.split('&').filter(|pair| keep(pair)).collect::<Vec<_>>().join("&");
    match bend {
        LinkBend::OtherTenant => replaced(uri, true, false),
        LinkBend::OtherObject => replaced(uri, false, true),
        LinkBend::OtherTenantAndObject | LinkBend::Part => replaced(uri, true, true),
        LinkBend::NoSignature => joined(&replaced(path, true, true), &kept(&|pair| !is_signature(pair))),
        LinkBend::NoQuery => replaced(path, true, true),
        LinkBend::Prolonged => {
            let later = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, value)) if is_expiry(name) => format!("{name}={}", later(value)),
                _ => pair.to_owned(),
            });
            joined(path, &later.collect::<Vec<_>>().join("&"))
        }
        LinkBend::Dots => {
            let walk = format!("{}/../../{}/{}", own.artifact, victim.tenant, victim.artifact);
            joined(&path.replace(own.artifact, &walk), query)
        }
    }
}

fn is_signature(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.contains("sig") || name == "hmac"
}

fn is_expiry(name: &str) -> bool {
    name.to_ascii_lowercase().contains("expire")
}

fn later(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) => (number + 10 * 365 * 86_400).to_string(),
        // A date: its first digits are the year.
        Err(_) => format!("9{}", value.get(1..).unwrap_or_default()),
    }
}

impl Mender {
    /// Follows a link to a stored file, without any credential but the link's own. Only its path and query count: the
    /// gateway stands before the store.
    ///
    /// # Errors
    /// [`DialectError::Unreachable`](crate::DialectError::Unreachable).
    pub async fn follow(&self, who: &Session, uri: &str) -> Result<Answer> {
        self.follow_as(who, uri, Following::Whole).await
    }

    /// As [`follow`](Self::follow), for a part of the file, or with another method.
    ///
    /// # Errors
    /// [`DialectError::Unreachable`](crate::DialectError::Unreachable).
    pub async fn follow_as(&self, who: &Session, uri: &str, how: Following) -> Result<Answer> {
        let target = match uri.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => uri,
        };
        let bearerless = who.forged(None);
        // What no URI may hold is what a link was bent with: sent as text it would not even leave.
        let target: String = target
            .chars()
            .map(|c| if c.is_ascii_graphic() { c.to_string() } else { fill::encoded(&c.to_string()) })
            .collect();
        let request = match how {
            Following::Whole => Request::new("GET", target),
            Following::Part => Request::new("GET", target).header("Range", "bytes=0-63"),
            Following::Put => Request::new("PUT", target).body("application/octet-stream", "written by fleetproof"),
            Following::Delete => Request::new("DELETE", target),
        };
        self.send(&bearerless, Door::Gateway, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bend_changes_what_it_says() {
        let uri = "http://gateway/storage/t1/a1?X-Expire=2030-01-01T00:00:00Z&X-Sig=abc&expires=5";
        let (own, victim) = (Stored { tenant: "t1", artifact: "a1" }, Stored { tenant: "t2", artifact: "a2" });
        let shown: Vec<String> = LinkBend::ALL
            .iter()
            .map(|bend| format!("{}: {}", bend.word(), bend_link(uri, *bend, own, victim)))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
