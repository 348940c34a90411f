//! What policies can ask of a connection: `${iot:ClientId}` and the others, in resources and in conditions.

use super::{Defect, Facts, Question};
use std::borrow::Cow;

/// Something that is known of a connection, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    ClientId,
    ThingName,
    ThingType,
    IsAttached,
    Attribute(Box<str>),
    /// What follows `iot:Certificate.`.
    Certificate(Box<str>),
    SourceIp,
}

impl Variable {
    /// What is written between the braces, or as the key of a condition.
    pub(super) fn read(name: &str) -> Option<Self> {
        let attribute =
            |rest: &str| Some(Self::Attribute(rest.strip_suffix(']').filter(|name| !name.is_empty())?.into()));
        match name {
            "iot:ClientId" => Some(Self::ClientId),
            "iot:Connection.Thing.ThingName" => Some(Self::ThingName),
            "iot:Connection.Thing.ThingTypeName" => Some(Self::ThingType),
            "iot:Connection.Thing.IsAttached" => Some(Self::IsAttached),
            "aws:SourceIp" => Some(Self::SourceIp),
            _ => match name.strip_prefix("iot:Connection.Thing.Attributes[") {
                Some(rest) => attribute(rest),
                None => {
                    let field = name.strip_prefix("iot:Certificate.")?;
                    let is_field =
                        !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
                    is_field.then(|| Self::Certificate(field.into()))
                }
            },
        }
    }

    /// Its value. An empty one is none: a policy never means everybody by naming nobody.
    pub(super) fn value<'a>(&self, question: &Question<'a>) -> Option<&'a str> {
        let value = self.known(question.facts, question.has(Defect::ClientIdIsThing)).filter(|value| !value.is_empty());
        if question.has(Defect::UnknownIsEmpty) { value.or(Some("")) } else { value }
    }

    fn known<'a>(&self, facts: &'a Facts, client_is_thing: bool) -> Option<&'a str> {
        let thing = facts.thing.as_deref();
        match self {
            Self::ClientId if client_is_thing => Some(&thing?.name),
            Self::ClientId => Some(&facts.client_id),
            Self::ThingName => Some(&thing?.name),
            Self::ThingType => thing?.type_name.as_deref(),
            Self::IsAttached => Some(if thing.is_some() { "true" } else { "false" }),
            Self::Attribute(name) => thing?.attributes.get(&**name).map(|value| &**value),
            Self::Certificate(field) => facts.certificate.fields.get(&**field).map(|value| &**value),
            Self::SourceIp => facts.source_ip.as_deref(),
        }
    }
}

/// A piece of a text with variables in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<str>),
    /// One character, whichever.
    One,
    /// Any characters, also none.
    Many,
    Variable(Variable),
}

/// Why a text is no pattern.
pub(super) const NO_VARIABLE: &str = "variables are ${iot:ClientId}, ${iot:Connection.Thing.ThingName}, …ThingTypeName, …IsAttached, \
     …Attributes[name], ${iot:Certificate.<field>} and ${aws:SourceIp}; ${*}, ${?} and ${$} are the characters themselves";

/// The pieces of a text; `wildcards` says whether `*` and `?` are any. Nothing for a variable that does not exist.
pub(super) fn pieces(text: &str, wildcards: bool) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    let flush = |plain: &mut String, found: &mut Vec<Piece>| {
        if !plain.is_empty() {
            found.push(Piece::Text(std::mem::take(plain).into()));
        }
    };
    while let Some(next) = rest.chars().next() {
        if let Some(named) = rest.strip_prefix("${") {
            let (name, after) = named.split_once('}')?;
            match name {
                "*" | "?" | "$" => plain.push_str(name),
                _ => {
                    flush(&mut plain, &mut found);
                    found.push(Piece::Variable(Variable::read(name)?));
                }
            }
            rest = after;
            continue;
        }
        match next {
            '*' if wildcards => {
                flush(&mut plain, &mut found);
                // Two in a row are one.
                if found.last() != Some(&Piece::Many) {
                    found.push(Piece::Many);
                }
            }
            '?' if wildcards => {
                flush(&mut plain, &mut found);
                found.push(Piece::One);
            }
            _ => plain.push(next),
        }
        rest = &rest[next.len_utf8()..];
    }
    flush(&mut plain, &mut found);
    Some(found)
}

/// The value of each variable put where it stands, for comparing texts. Nothing when one has no value.
pub(super) fn filled<'a>(pieces: &'a [Piece], question: &Question<'a>) -> Option<Cow<'a, str>> {
    let piece = |piece: &'a Piece| match piece {
        Piece::Text(text) => Some(&**text),
        Piece::Variable(variable) => variable.value(question),
        Piece::One => Some("?"),
        Piece::Many => Some("*"),
    };
    match pieces {
        [] => Some(Cow::Borrowed("")),
        [only] => piece(only).map(Cow::Borrowed),
        _ => pieces.iter().map(piece).collect::<Option<String>>().map(Cow::Owned),
    }
}
