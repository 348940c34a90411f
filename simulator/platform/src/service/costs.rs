//! The declared model: what work costs in virtual time, and how many workers each shared part has.
//!
//! Nothing here was measured; it is declared, and reports say "modelled". The numbers are those of a small
//! installation (six workers at the gateway, six connections to the database), in the proportions that the reference
//! platform's operations have among each other.

use axum::http::Method;

/// How many requests the gateway works on at the same time.
pub(crate) const GATEWAY_WORKERS: usize = 6;

/// How many transactions the database begins or ends at the same time.
pub(crate) const DATABASE_WORKERS: usize = 6;

/// How many packets of clients the broker works on at the same time.
pub(crate) const BROKER_WORKERS: usize = 2;

/// µs: a client says CONNECT, and is judged.
pub(crate) const CONNECT: u64 = 1_500;

/// µs: a client says something, and it is brought to those who listen.
pub(crate) const PUBLISH: u64 = 600;

/// µs: any other packet of a client.
pub(crate) const PACKET: u64 = 100;

/// µs: to read a request and see whose it is.
pub(crate) const DOOR: u64 = 150;

/// µs: what a transaction asks of the database before its first statement.
pub(crate) const BEGIN: u64 = 150;

/// µs: what a transaction costs the database in the end.
pub(crate) const COMMIT: u64 = 250;

/// What kind of work an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A device shows its identity: a signature is verified, perhaps a token signed.
    Knock,
    /// A device asks for an update.
    Poll,
    /// A device says what it is.
    Inventory,
    /// A device says where its update stands, or why it failed.
    Report,
    /// A person logs in: a password is hashed.
    Login,
    /// A person reads one thing.
    Read,
    /// A person reads a list, searches or counts.
    List,
    /// A person changes something.
    Change,
    /// An artifact comes in.
    Upload,
    /// An artifact goes out.
    Download,
    /// The operator does something.
    Operate,
}

impl Kind {
    /// Which kind a request is, by its method and path.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("/api/devices/") {
            return match rest {
                _ if rest.contains("/authentication/") => Self::Knock,
                _ if rest.ends_with("/next") => Self::Poll,
                _ if rest.contains("/inventory/") => Self::Inventory,
                _ => Self::Report,
            };
        }
        if path.starts_with("/api/internal/") {
            return Self::Operate;
        }
        let Some(rest) = path.strip_prefix("/api/management/") else { return Self::Download };
        let reads = *method == Method::GET || *method == Method::HEAD;
        match rest {
            _ if rest.ends_with("/auth/login") => Self::Login,
            _ if *method == Method::POST && rest.ends_with("/deployments/artifacts") => Self::Upload,
            _ if rest.contains("/search") || rest.ends_with("/list") => Self::List,
            _ if reads && names_a_thing(rest) => Self::Read,
            _ if reads => Self::List,
            _ => Self::Change,
        }
    }

    /// µs of a worker at the gateway, beyond [`DOOR`].
    pub(crate) const fn cost(self) -> u64 {
        match self {
            Self::Knock => 1_200,
            Self::Poll => 700,
            Self::Inventory => 900,
            Self::Report => 600,
            Self::Login => 4_000,
            Self::Read => 1_000,
            Self::List => 3_000,
            Self::Change => 1_500,
            Self::Upload => 5_000,
            Self::Download => 2_000,
            Self::Operate => 1_000,
        }
    }

    /// Whether nobody's token is looked at first: all the work is the door's.
    pub(crate) const fn is_public(self) -> bool {
        matches!(self, Self::Knock | Self::Login | Self::Download)
    }
}

/// Whether the path names one thing: it has an id, or asks for a thing that there is only one of.
fn names_a_thing(path: &str) -> bool {
    let is_id = |part: &str| part.len() >= 24 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let one_of_a_kind = ["/me", "/tenant", "/settings", "/count", "/storage", "/devices/limits"];
    path.split('/').any(is_id) || path.contains("/limits/") || one_of_a_kind.iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn ids_of_both_forms_name_a_thing_and_long_words_do_not() {
        for id in ["0123456789abcdef01234567", "01234567-89ab-4def-8123-456789abcdef"] {
            assert!(names_a_thing(&format!("/api/management/v1/things/{id}")), "{id}");
        }
        for word in ["deployments-that-are-paused", "0123456789abcdef"] {
            assert!(!names_a_thing(&format!("/api/management/v1/{word}")), "{word}");
        }
    }

    /// Every operation has a kind, and which is which can be read here.
    #[test]
    fn every_operation_has_its_kind() {
        let document = crate::edge::document();
        let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let filled: Vec<&str> = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { "0123456789abcdef01234567" } else { part })
                    .collect();
                let kind = Kind::of(&method.to_uppercase().parse().unwrap(), &filled.join("/"));
                kinds.entry(kind).or_default().push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let told: Vec<String> = kinds
            .iter()
            .map(|(kind, operations)| format!("{kind:?} {} µs\n  {}", kind.cost(), operations.join("\n  ")))
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
