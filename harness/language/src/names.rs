//! Names: declared once in a file, across all kinds, and known where they are used.

use crate::diagnostic::Diagnostic;
use crate::grammar::{Block, Named, Refers, Shape};
use crate::lobby::NOBODY;
use crate::source::Span;
use crate::sources::Sources;
use crate::step::Step;
use crate::suggest::{self, short};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

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
    declared: Vec<Declared>,
    referred: Vec<Referred>,
    /// Names of these kinds may be declared where the file cannot be read.
    unread: BTreeSet<Named>,
    /// How many fragments were used so far, and the number of that which is being read.
    parts: usize,
    part: Option<usize>,
}

/// A name, and where it is not known.
#[derive(Clone, Debug)]
struct Declared {
    named: Named,
    name: String,
    span: Span,
    /// Numbers of references that cannot see it.
    hidden: Vec<Range<usize>>,
    /// The word of the steps inside which alone it is known.
    inside: Option<Span>,
    /// Names of the file itself, and of each use of a fragment, are unique by themselves.
    part: usize,
}

impl Declared {
    /// Whether the reference of this number can see it; names that steps declare are known below.
    fn seen_by(&self, reference: usize) -> bool {
        !self.hidden.iter().any(|hidden| hidden.contains(&reference))
    }
}

/// A name that is used.
#[derive(Clone, Debug)]
struct Referred {
    refers: Refers,
    name: String,
    span: Span,
    /// How many names were declared before.
    before: usize,
    /// It stands in a fragment.
    in_part: bool,
}

/// Names and references that belong together: those from `open` on, until it is left.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    declared: Range<usize>,
    referred: Range<usize>,
}

impl Named {
    const fn a(self) -> &'static str {
        match self {
            Self::Scenario => "a scenario",
            Self::Tenant => "a tenant",
            Self::User => "a user",
            Self::Region => "a region",
            Self::Authority => "an authority",
            Self::Artifact => "an artifact",
            Self::Devices => "a device group",
            Self::Selection => "a selection",
            Self::Deployment => "a deployment",
            Self::Tag => "a label",
            Self::Variable => "a variable",
            Self::Axis => "an axis of the matrix",
            Self::Parameter => "a parameter",
            Self::Saved => "a saved value",
            Self::Header => "a header",
            Self::JsonPath => "a JSON path",
            Self::Measure => "a measurement",
            Self::Subscription => "a subscription",
        }
    }
}

impl Named {
    /// Whether it shares the names of the file with all others.
    pub(crate) const fn is_shared(self) -> bool {
        !matches!(self, Self::Scenario | Self::Tag | Self::Axis | Self::Parameter | Self::Header | Self::JsonPath)
    }
}

impl Refers {
    /// Whether what it refers to is declared by a step, and known below it.
    const fn is_ordered(self) -> bool {
        matches!(self, Self::Deployment | Self::Saved | Self::Measure | Self::Subscription)
    }

    pub(crate) fn to(self, named: Named) -> bool {
        match self {
            Self::Tenant | Self::TenantOrProvider | Self::TenantOrNone => named == Named::Tenant,
            Self::Region => named == Named::Region,
            Self::Authority => named == Named::Authority,
            Self::User => named == Named::User,
            Self::Artifact => named == Named::Artifact,
            Self::Devices | Self::Group | Self::Groups => matches!(named, Named::Devices | Named::Selection),
            Self::Deployment => named == Named::Deployment,
            Self::Tag => named == Named::Tag,
            Self::Saved => named == Named::Saved,
            Self::End => matches!(named, Named::Devices | Named::Selection | Named::Tenant),
            Self::Measure => named == Named::Measure,
            Self::Subscription => named == Named::Subscription,
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
    let snake = |name: &str| kebab(&name.replace('_', "-"));
    let token = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    if named == Named::JsonPath {
        return crate::http::wrong_path(name).map(|reason| crate::http::bad_path(name, &reason, span));
    }
    let good = match named {
        Named::Variable | Named::Axis | Named::Parameter | Named::Saved => name.len() <= LONGEST && snake(name),
        Named::Header => name.len() <= LONGEST && !name.is_empty() && token(name),
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
            Named::Header => "letters, digits and `-`: `X-Men-Signature`".to_owned(),
            _ if name.len() <= LONGEST && kebab(&kebabed) => format!("small letters, digits and `-`: `{kebabed}`"),
            _ => format!("small letters, digits and `-`, a letter first, at most {LONGEST}"),
        };
        let message = format!("`{}` cannot be the name of {}", short(name), named.a());
        return Some(Diagnostic::new("bad-name", span, message).label("not a name").help(help));
    }
    if RESERVED.contains(&name) && named.is_shared() {
        let message = format!("`{name}` has a meaning of its own");
        let help = format!("choose another name for {}", named.a());
        return Some(Diagnostic::new("name-taken", span, message).label("reserved").help(help));
    }
    None
}

/// What the keys of a block declare.
fn declared_by(block: &'static Block) -> impl Iterator<Item = Named> {
    block.keys.iter().filter_map(|key| match key.shape {
        Shape::Declares(named) => Some(named),
        _ => None,
    })
}

/// A reference that nothing answers.
struct Asked<'a> {
    refers: Refers,
    name: &'a str,
    span: Span,
    /// Its number among the references.
    number: usize,
    /// How many names were declared before.
    before: usize,
}

impl Names {
    pub(crate) fn declare(&mut self, named: Named, name: &str, span: Span) {
        let part = self.part.unwrap_or(0);
        self.declared.push(Declared { named, name: name.to_owned(), span, hidden: Vec::new(), inside: None, part });
    }

    /// What is declared from here on stands in a fragment.
    pub(crate) fn begin_part(&mut self) {
        self.parts += 1;
        self.part = Some(self.parts);
    }

    /// The fragment ends here.
    pub(crate) fn end_part(&mut self) {
        self.part = None;
    }

    /// What is declared and used from here on belongs together.
    pub(crate) fn open(&self) -> Scope {
        let (declared, referred) = (self.declared.len(), self.referred.len());
        Scope { declared: declared..declared, referred: referred..referred }
    }

    /// The scope ends here.
    pub(crate) fn leave(&self, scope: Scope) -> Scope {
        Scope {
            declared: scope.declared.start..self.declared.len(),
            referred: scope.referred.start..self.referred.len(),
        }
    }

    /// What was declared in the scope is not known after it. `word` is the step whose inside it is.
    pub(crate) fn close(&mut self, scope: Scope, word: Span) {
        let scope = self.leave(scope);
        for declared in &mut self.declared[scope.declared] {
            declared.hidden.push(scope.referred.end..usize::MAX);
            declared.inside.get_or_insert(word);
        }
    }

    /// Between branches there is no order: what one declares the others do not know.
    pub(crate) fn part(&mut self, branches: &[Scope]) {
        for (index, branch) in branches.iter().enumerate() {
            for (_, other) in branches.iter().enumerate().filter(|(other, _)| *other != index) {
                for declared in &mut self.declared[branch.declared.clone()] {
                    declared.hidden.push(other.referred.clone());
                }
            }
        }
    }

    /// A place of this shape cannot be read: what it may declare is not missed.
    pub(crate) fn unread(&mut self, shape: &Shape) {
        match shape {
            Shape::Declares(named) => {
                self.unread.insert(*named);
            }
            Shape::List(item, _) => self.unread(item),
            Shape::Steps { .. } | Shape::Branches => {
                for verb in Step::BLOCK.keys {
                    match verb.shape {
                        Shape::Block(block) => self.unread.extend(declared_by(block)),
                        Shape::Choice(kinds) => {
                            for kind in kinds.keys {
                                let Shape::Block(block) = kind.shape else { continue };
                                self.unread.extend(declared_by(block));
                            }
                        }
                        _ => {}
                    }
                }
            }
            Shape::Map(named, _) => {
                self.unread.insert(*named);
            }
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
        let (before, in_part) = (self.declared.len(), self.part.is_some());
        self.referred.push(Referred { refers, name: name.to_owned(), span, before, in_part });
    }

    /// What is declared twice, and what is used but not declared; of each not many more than `most`.
    pub(crate) fn resolve(&self, sources: &Sources, has_provider: bool, most: usize) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let mut taken: BTreeMap<(usize, &str), (Named, Span)> = BTreeMap::new();
        for Declared { named, name, span, part, .. } in &self.declared {
            if !named.is_shared() {
                continue;
            }
            if mistakes.len() > most {
                break;
            }
            match taken.get(&(*part, name.as_str())) {
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
                    taken.insert((*part, name), (*named, *span));
                }
            }
        }
        let mut by_name: BTreeMap<(Named, &str), Vec<usize>> = BTreeMap::new();
        for (index, Declared { named, name, .. }) in self.declared.iter().enumerate() {
            by_name.entry((*named, name)).or_default().push(index);
        }
        let already = mistakes.len();
        let mut told = BTreeSet::new();
        for (number, Referred { refers, name, span, before, in_part }) in self.referred.iter().enumerate() {
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
            if *refers == Refers::End && name == "platform" || *refers == Refers::TenantOrNone && name == NOBODY {
                continue;
            }
            let kinds = [
                Named::Tenant,
                Named::Region,
                Named::Authority,
                Named::User,
                Named::Artifact,
                Named::Devices,
                Named::Selection,
                Named::Deployment,
                Named::Tag,
                Named::Saved,
                Named::Measure,
                Named::Subscription,
            ];
            let found =
                kinds.iter().filter(|kind| refers.to(**kind)).find_map(|kind| by_name.get(&(*kind, name.as_str())));
            let known =
                |index: &&usize| self.declared[**index].seen_by(number) && (!refers.is_ordered() || *index < before);
            match found {
                Some(indices) if indices.iter().any(|index| known(&index)) => {}
                None if self.unread.iter().any(|named| refers.to(*named)) => {}
                // What a parameter stands for is wrong where it is given.
                _ if *in_part && told.contains(&(*refers, name)) => {}
                elsewhere => {
                    told.insert((*refers, name));
                    let elsewhere = elsewhere.and_then(|indices| indices.first()).map(|index| &self.declared[*index]);
                    let asked = Asked { refers: *refers, name, span: *span, number, before: *before };
                    mistakes.push(self.unknown(&asked, elsewhere, sources));
                }
            }
        }
        mistakes
    }

    fn unknown(&self, asked: &Asked<'_>, elsewhere: Option<&Declared>, sources: &Sources) -> Diagnostic {
        let Asked { refers, name, span, number, before } = *asked;
        let limit = if refers.is_ordered() { before } else { self.declared.len() };
        let mut seen = BTreeSet::new();
        let known = self.declared[..limit].iter().filter(|it| refers.to(it.named) && it.seen_by(number));
        let platform = (refers == Refers::End).then_some("platform");
        let known = known.map(|it| it.name.as_str()).chain(platform);
        let known: Vec<&str> = known.filter(|name| seen.insert(*name)).take(MOST_KNOWN).collect();
        let name = short(name);
        let (code, message, label, what) = match refers {
            Refers::Tenant | Refers::TenantOrProvider | Refers::TenantOrNone => (
                "unknown-tenant",
                format!("no tenant is called `{name}`"),
                "not declared under `platform.tenants`",
                "tenants",
            ),
            Refers::Region => (
                "unknown-region",
                format!("no region is called `{name}`"),
                "not declared under `platform.regions`",
                "regions",
            ),
            Refers::Authority => (
                "unknown-authority",
                format!("no authority is called `{name}`"),
                "not declared under `platform.certificate_authorities`",
                "authorities",
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
            Refers::Devices | Refers::Group | Refers::Groups => (
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
            Refers::Measure => (
                "unknown-measure",
                format!("nothing before this step was measured as `{name}`"),
                "no `measure` above has this `name`",
                "measurements",
            ),
            Refers::Subscription => (
                "unknown-subscription",
                format!("no subscription before this step is called `{name}`"),
                "no `mqtt: { subscribe: … }` above has this `name`",
                "subscriptions",
            ),
            Refers::Saved => (
                "unknown-variable",
                format!("nothing before this step saves `{name}`"),
                "no `http` above has it under `save`",
                "saved values",
            ),
            Refers::End => (
                "unknown-end",
                format!("no devices and no tenant are called `{name}`"),
                "not declared under `devices`, `selections` or `platform.tenants`",
                "ends",
            ),
            Refers::Tag => (
                "unknown-tag",
                format!("no devices bear the label `{name}`"),
                "not among the `tags` of `devices`",
                "labels",
            ),
        };
        let help = match (refers, elsewhere) {
            (_, Some(Declared { span, inside: Some(word), .. })) if !sources.same_line(*word, *span) => format!(
                "one is declared at line {}, inside the steps that begin at line {}, and known there only",
                sources.line(*span),
                sources.line(*word)
            ),
            (_, Some(Declared { span, inside: Some(_), .. })) => {
                format!("one is declared at line {}, inside other steps, and known there only", sources.line(*span))
            }
            (_, Some(Declared { span, hidden, .. })) if refers.is_ordered() && !hidden.is_empty() => format!(
                "one is declared at line {}, in another branch, and there is no order between branches",
                sources.line(*span)
            ),
            (_, Some(Declared { span, .. })) if refers.is_ordered() => {
                format!("one is declared at line {}: move this step below", sources.line(*span))
            }
            (Refers::User, _) if suggest::slip(&name, known.iter().copied()).is_none() => {
                "add them to a tenant's `users`, or to `people`".to_owned()
            }
            (Refers::Tenant | Refers::TenantOrNone, _) if name == "provider" => {
                format!("the provider cannot stand here; {}", suggest::help("", what, known.iter().copied()))
            }
            _ => suggest::help(&name, what, known.iter().copied()),
        };
        Diagnostic::new(code, span, message).label(label).help(help)
    }
}
