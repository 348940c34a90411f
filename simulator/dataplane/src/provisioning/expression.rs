//! Values in a template: text, `Ref`, `Fn::Join`, `Fn::Select`, `Fn::Sub`, `Fn::Split`.

use super::ProvisionError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of what an expression makes at most.
const RESULT_BYTES: usize = 2048;
/// How deep expressions may stand in one another.
const DEPTH: usize = 8;

/// A value that is made when a device is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Itself.
    Text(String),
    /// A parameter, a fact of the certificate, or the certificate resource by its logical name (which is its id).
    Ref(String),
    /// `{"Fn::Join": [between, [values]]}`.
    Join(String, Vec<Self>),
    /// `{"Fn::Select": [index, [values] | {"Fn::Split": …}]}`.
    Select(usize, Vec<Self>),
    /// `{"Fn::Select": [index, {"Fn::Split": [between, value]}]}`: the index, what stands between, the value.
    SelectSplit(usize, String, Box<Self>),
    /// `{"Fn::Sub": text}` or `{"Fn::Sub": [text, {name: value}]}`, taken apart.
    Sub(Vec<Piece>, BTreeMap<String, Self>),
}

/// A piece of `Fn::Sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// `${name}`.
    Name(String),
}

fn wrong(place: &str, why: &str) -> ProvisionError {
    ProvisionError::InvalidTemplate(format!("{place}: {why}."))
}

impl Expression {
    /// Reads the value at `place` of a template.
    ///
    /// # Errors
    /// [`ProvisionError::InvalidTemplate`] says where and what.
    pub fn read(place: &str, value: &Value) -> Result<Self, ProvisionError> {
        Self::read_at(place, value, 0)
    }

    fn read_at(place: &str, value: &Value, depth: usize) -> Result<Self, ProvisionError> {
        if depth > DEPTH {
            return Err(wrong(place, "functions stand too deep in one another"));
        }
        let function = match value {
            Value::String(text) => return Ok(Self::Text(text.clone())),
            Value::Number(number) => return Ok(Self::Text(number.to_string())),
            Value::Bool(on) => return Ok(Self::Text(on.to_string())),
            Value::Object(function) => function,
            _ => return Err(wrong(place, "expected a text or a function")),
        };
        let mut entries = function.iter();
        let (Some((name, argument)), None) = (entries.next(), entries.next()) else {
            return Err(wrong(place, "expected one function, such as {\"Ref\": \"Name\"}"));
        };
        let read_all = |items: &[Value]| {
            items.iter().map(|item| Self::read_at(place, item, depth + 1)).collect::<Result<Vec<_>, _>>()
        };
        match (name.as_str(), argument) {
            ("Ref", Value::String(name)) => Ok(Self::Ref(name.clone())),
            ("Fn::Join", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(between), Value::Array(items)] => Ok(Self::Join(between.clone(), read_all(items)?)),
                _ => Err(wrong(place, "Fn::Join takes [text, [values]]")),
            },
            ("Fn::Select", Value::Array(parts)) => {
                let [index, list] = parts.as_slice() else {
                    return Err(wrong(place, "Fn::Select takes [index, [values]]"));
                };
                // CloudFormation takes the index as a number or as a text of digits.
                let index = index.as_u64().or_else(|| index.as_str().and_then(|text| text.parse().ok()));
                let index = index.and_then(|index| usize::try_from(index).ok());
                let index = index.ok_or_else(|| wrong(place, "the index of Fn::Select is a number from 0"))?;
                match list {
                    Value::Array(items) if index < items.len() => Ok(Self::Select(index, read_all(items)?)),
                    Value::Array(_) => Err(wrong(place, "the index of Fn::Select is beyond the list")),
                    Value::Object(split) => Self::read_split(place, index, split, depth),
                    _ => Err(wrong(place, "Fn::Select takes [index, [values]]")),
                }
            }
            ("Fn::Sub", Value::String(text)) => Ok(Self::Sub(pieces(place, text)?, BTreeMap::new())),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Object(names)] => {
                    let names = names
                        .iter()
                        .map(|(name, value)| Ok((name.clone(), Self::read_at(place, value, depth + 1)?)))
                        .collect::<Result<_, ProvisionError>>()?;
                    Ok(Self::Sub(pieces(place, text)?, names))
                }
                _ => Err(wrong(place, "Fn::Sub takes a text, or [text, {name: value}]")),
            },
            _ => {
                Err(wrong(place, &format!("{name} is unknown here; use Ref, Fn::Join, Fn::Select, Fn::Split, Fn::Sub")))
            }
        }
    }

    fn read_split(place: &str, index: usize, split: &Map<String, Value>, depth: usize) -> Result<Self, ProvisionError> {
        match split.get("Fn::Split").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(between), value]) if split.len() == 1 && !between.is_empty() => {
                let value = Self::read_at(place, value, depth + 1)?;
                Ok(Self::SelectSplit(index, between.clone(), Box::new(value)))
            }
            _ => Err(wrong(place, "Fn::Split takes [text, value]")),
        }
    }

    /// Every name that is looked up.
    pub(crate) fn names<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Self::Text(_) => {}
            Self::Ref(name) => out.push(name),
            Self::Join(_, items) | Self::Select(_, items) => items.iter().for_each(|item| item.names(out)),
            Self::SelectSplit(_, _, value) => value.names(out),
            Self::Sub(pieces, own) => {
                own.values().for_each(|value| value.names(out));
                for piece in pieces {
                    if let Piece::Name(name) = piece
                        && !own.contains_key(name)
                    {
                        out.push(name);
                    }
                }
            }
        }
    }

    /// What it makes, `names` being what names stand for.
    ///
    /// # Errors
    /// [`ProvisionError::ParameterMissing`] for a name that stands for nothing, [`ProvisionError::Outcome`] for a result over
    /// 2048 bytes.
    pub fn make(&self, names: &BTreeMap<String, String>) -> Result<String, ProvisionError> {
        let mut out = String::new();
        self.write(names, &mut out)?;
        Ok(out)
    }

    fn write(&self, names: &BTreeMap<String, String>, out: &mut String) -> Result<(), ProvisionError> {
        match self {
            Self::Text(text) => push(out, text),
            Self::Ref(name) => push(out, look_up(names, name)?),
            Self::Join(between, items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        push(out, between)?;
                    }
                    item.write(names, out)?;
                }
                Ok(())
            }
            Self::Select(index, items) => items.get(*index).map_or(Ok(()), |item| item.write(names, out)),
            Self::SelectSplit(index, between, value) => {
                let value = value.make(names)?;
                let part = value.split(between.as_str()).nth(*index);
                push(out, part.ok_or_else(|| ProvisionError::Outcome(format!("\"{value}\" has no part {index}.")))?)
            }
            Self::Sub(pieces, own) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => push(out, text)?,
                        Piece::Name(name) => match own.get(name) {
                            Some(value) => value.write(names, out)?,
                            None => push(out, look_up(names, name)?)?,
                        },
                    }
                }
                Ok(())
            }
        }
    }
}

fn look_up<'a>(names: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, ProvisionError> {
    names.get(name).map(String::as_str).ok_or_else(|| ProvisionError::ParameterMissing(name.to_owned()))
}

fn push(out: &mut String, text: &str) -> Result<(), ProvisionError> {
    if out.len() + text.len() > RESULT_BYTES {
        return Err(ProvisionError::Outcome(format!("A value of the template is longer than {RESULT_BYTES} bytes.")));
    }
    out.push_str(text);
    Ok(())
}

/// Takes the text of `Fn::Sub` apart; `${!x}` stands for `${x}` itself.
fn pieces(place: &str, text: &str) -> Result<Vec<Piece>, ProvisionError> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or_else(|| wrong(place, "\"${\" without \"}\" in Fn::Sub"))?;
        if !before.is_empty() {
            out.push(Piece::Text(before.to_owned()));
        }
        out.push(match name.strip_prefix('!') {
            Some(literal) => Piece::Text(format!("${{{literal}}}")),
            None => Piece::Name(name.to_owned()),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest.to_owned()));
    }
    Ok(out)
}
