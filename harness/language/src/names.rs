//! Names: declared once in a file, across all kinds, and known where they are used.

use crate::diagnostic::Diagnostic;
use crate::grammar::{Named, Refers, Shape};
use crate::source::Span;
use crate::sources::Sources;
use crate::suggest::{self, short};
use std::collections::{BTreeMap, BTreeSet};

/// Names that have a meaning of their own.
const RESERVED: [&str; 19] = [
    "provider",
    "lobby",
    "platform",
    "none",
    "run",
    "matrix",
    "round",
    "gateway",
    "accounts",
    "users",
    "registry",
    "inventory",
    "deployments",
    "broker",
    "database",
    "objects",
    "queue",
    "audit_log",
    "audit-log",
];

/// Among so many names a similar one is looked for.
const MOST_KNOWN: usize = 500;

/// The longest name.
const LONGEST: usize = 64;

/// What a file declares and what it refers to, in the order of reading.
#[derive(Debug, Default)]
pub(crate) struct Names {
    declared: Vec<(Named, String, Span)>,
    /// With how many names were declared before.
    referred: Vec<(Refers, String, Span, usize)>,
    /// Names of these kinds may be declared where the file cannot be read.
    unread: BTreeSet<Named>,
}

impl Named {
    const fn a(self) -> &'static str {
        match self {
            Self::Scenario => "a scenario",
            Self::Tenant => "a tenant",
            Self::User => "a user",
            Self::Artifact => "an artifact",
            Self::Devices => "a device group",
            Self::Selection => "a selection",
            Self::Deployment => "a deployment",
            Self::Tag => "a label",
        }
    }
}

impl Refers {
    fn to(self, named: Named) -> bool {
        match self {
            Self::Tenant | Self::TenantOrProvider => named == Named::Tenant,
            Self::User => named == Named::User,
            Self::Artifact => named == Named::Artifact,
            Self::Devices | Self::Groups => matches!(named, Named::Devices | Named::Selection),
            Self::Deployment => named == Named::Deployment,
            Self::Tag => named == Named::Tag,
        }
    }
}

/// What is wrong with a name in itself.
pub(crate) fn check_name(named: Named, name: &str, span: Span) -> Option<Diagnostic> {
    let kebab = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let mail = |name: &str| {
        name.split_once('@').is_some_and(|(user, host)| {
            let part = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            !user.is_empty()
                && host.contains(|c: char| c.is_ascii_alphanumeric())
                && user.chars().chain(host.chars()).all(part)
        })
    };
    let good = match named {
        Named::Scenario => name.chars().count() <= 200 && !name.contains('\n'),
        Named::User => name.len() <= 2 * LONGEST && (kebab(name) || mail(name)),
        _ => name.len() <= LONGEST && kebab(name),
    };
    if !good {
        let kebabed: String =
            name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let help = match named {
            Named::Scenario => "one line of at most 200 characters".to_owned(),
            Named::User => "an e-mail address, or small letters, digits and `-`".to_owned(),
            _ if name.len() <= LONGEST && kebab(&kebabed) => format!("small letters, digits and `-`: `{kebabed}`"),
            _ => format!("small letters, digits and `-`, a letter first, at most {LONGEST}"),
        };
        let message = format!("`{}` cannot be the name of {}", short(name), named.a());
        return Some(Diagnostic::new("bad-name", span, message).label("not a name").help(help));
    }
    if RESERVED.contains(&name) && !matches!(named, Named::Scenario | Named::Tag) {
        let message = format!("`{name}` has a meaning of its own");
        let help = format!("choose another name for {}", named.a());
        return Some(Diagnostic::new("name-taken", span, message).label("reserved").help(help));
    }
    None
}

impl Names {
    pub(crate) fn declare(&mut self, named: Named, name: &str, span: Span) {
        self.declared.push((named, name.to_owned(), span));
    }

    /// A place of this shape cannot be read: what it may declare is not missed.
    pub(crate) fn unread(&mut self, shape: &Shape) {
        match shape {
            Shape::Declares(named) => {
                self.unread.insert(*named);
            }
            Shape::List(item, _) => self.unread(item),
            Shape::Table(named, block) => {
                self.unread.insert(*named);
                self.unread(&Shape::Block(block));
            }
            Shape::Block(block) | Shape::Choice(block) => {
                for key in block.all_keys() {
                    self.unread(&key.shape);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn refer(&mut self, refers: Refers, name: &str, span: Span) {
        self.referred.push((refers, name.to_owned(), span, self.declared.len()));
    }

    /// What is declared twice, and what is used but not declared; of each not many more than `most`.
    pub(crate) fn resolve(&self, sources: &Sources, has_provider: bool, most: usize) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let mut taken: BTreeMap<&str, (Named, Span)> = BTreeMap::new();
        for (named, name, span) in &self.declared {
            if matches!(named, Named::Scenario | Named::Tag) {
                continue;
            }
            if mistakes.len() > most {
                break;
            }
            match taken.get(name.as_str()) {
                Some((Named::User, _)) if *named == Named::User => {}
                Some((first, place)) => {
                    let line = sources.line(*place);
                    let message = format!("`{name}` is already the name of {}, line {line}", first.a());
                    mistakes.push(
                        Diagnostic::new("name-taken", *span, message)
                            .label(format!("{} here", named.a()))
                            .help("names are unique in a file"),
                    );
                }
                None => {
                    taken.insert(name, (*named, *span));
                }
            }
        }
        let mut by_name: BTreeMap<(Named, &str), (usize, Span)> = BTreeMap::new();
        for (index, (named, name, span)) in self.declared.iter().enumerate() {
            by_name.entry((*named, name)).or_insert((index, *span));
        }
        let already = mistakes.len();
        for (refers, name, span, before) in &self.referred {
            if mistakes.len() > already + most {
                break;
            }
            if *refers == Refers::TenantOrProvider && name == "provider" {
                if !has_provider {
                    mistakes.push(
                        Diagnostic::new("unknown-tenant", *span, "there is no provider here")
                            .label("not declared under `platform`")
                            .help("declare one: `provider: { device_limit: 1000, admin: pia@provider.test }`"),
                    );
                }
                continue;
            }
            let kinds = [
                Named::Tenant,
                Named::User,
                Named::Artifact,
                Named::Devices,
                Named::Selection,
                Named::Deployment,
                Named::Tag,
            ];
            let found =
                kinds.iter().filter(|kind| refers.to(**kind)).find_map(|kind| by_name.get(&(*kind, name.as_str())));
            match found {
                Some((index, _)) if *refers != Refers::Deployment || index < before => {}
                None if self.unread.iter().any(|named| refers.to(*named)) => {}
                later => mistakes.push(self.unknown(
                    *refers,
                    name,
                    *span,
                    later.map(|(_, span)| sources.line(*span)),
                    *before,
                )),
            }
        }
        mistakes
    }

    fn unknown(&self, refers: Refers, name: &str, span: Span, later: Option<usize>, before: usize) -> Diagnostic {
        let limit = if refers == Refers::Deployment { before } else { self.declared.len() };
        let mut seen = BTreeSet::new();
        let known =
            self.declared[..limit].iter().filter(|(named, ..)| refers.to(*named)).map(|(_, name, _)| name.as_str());
        let known: Vec<&str> = known.filter(|name| seen.insert(*name)).take(MOST_KNOWN).collect();
        let name = short(name);
        let (code, message, label, what) = match refers {
            Refers::Tenant | Refers::TenantOrProvider => (
                "unknown-tenant",
                format!("no tenant is called `{name}`"),
                "not declared under `platform.tenants`",
                "tenants",
            ),
            Refers::User => {
                ("unknown-user", format!("`{name}` is nobody here"), "no admin and no user of a tenant", "people")
            }
            Refers::Artifact => (
                "unknown-artifact",
                format!("no artifact is called `{name}`"),
                "not declared under `artifacts`",
                "artifacts",
            ),
            Refers::Devices | Refers::Groups => (
                "unknown-devices",
                format!("no devices are called `{name}`"),
                "not declared under `devices` or `selections`",
                "devices and selections",
            ),
            Refers::Deployment => (
                "unknown-deployment",
                format!("no deployment before this step is called `{name}`"),
                "no `deploy` above has this `name`",
                "deployments",
            ),
            Refers::Tag => (
                "unknown-tag",
                format!("no devices bear the label `{name}`"),
                "not among the `tags` of `devices`",
                "labels",
            ),
        };
        let help = match (refers, later) {
            (Refers::Deployment, Some(line)) => format!("one is declared at line {line}: move this step below"),
            (Refers::User, _) if suggest::slip(&name, known.iter().copied()).is_none() => {
                "add them to a tenant's `users`".to_owned()
            }
            (Refers::Tenant, _) if name == "provider" => {
                format!("the provider cannot stand here; {}", suggest::help("", what, known.iter().copied()))
            }
            _ => suggest::help(&name, what, known.iter().copied()),
        };
        Diagnostic::new(code, span, message).label(label).help(help)
    }
}
