//! The conditions of a statement: all of them have to hold.

use super::error::PolicyError;
use super::json::Json;
use super::pattern::Pattern;
use super::variable::{NO_VARIABLE, Variable};
use super::{Action, Question};
use std::net::{IpAddr, SocketAddr};

const OPERATORS: &str = "operators are StringEquals, StringNotEquals, StringLike, StringNotLike (each also behind ForAnyValue: or \
     ForAllValues:), Bool, IpAddress and NotIpAddress";
const KEYS: &str = "keys are iot:ClientId, iot:Connection.Thing.ThingName, …ThingTypeName, …IsAttached, …Attributes[name], \
     iot:Certificate.<field>, iot:ConnectAttributes and aws:SourceIp";

/// One key, one operator, and the values of which one has to fit.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: Key,
    quantity: Quantity,
    test: Test,
}

#[derive(Clone, Debug)]
enum Key {
    Known(Variable),
    /// `PersistentConnect` and `LastWill`: the only key that can have several values.
    ConnectAttributes,
}

/// How many of the key's values have to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Plain,
    Any,
    All,
}

#[derive(Clone, Debug)]
enum Test {
    /// `is_not`: no value may fit.
    Text {
        wanted: Vec<Pattern>,
        is_not: bool,
    },
    Truth(Vec<bool>),
    Address {
        nets: Vec<Net>,
        is_not: bool,
    },
}

/// Addresses with a beginning in common.
#[derive(Clone, Copy, Debug)]
struct Net {
    is_v4: bool,
    /// The bits from the left that count, in 128.
    address: u128,
    mask: u128,
}

impl Condition {
    /// Adds the conditions of one operator, found at the pointer `at`.
    pub(super) fn read(operator: &str, keys: &Json, at: &str, into: &mut Vec<Self>) -> Result<(), PolicyError> {
        let (quantity, name) = match operator.split_once(':') {
            Some(("ForAnyValue", name)) => (Quantity::Any, name),
            Some(("ForAllValues", name)) => (Quantity::All, name),
            Some(_) => return Err(PolicyError::Unknown { at: at.to_owned(), want: OPERATORS }),
            None => (Quantity::Plain, operator),
        };
        let is_text = matches!(name, "StringEquals" | "StringNotEquals" | "StringLike" | "StringNotLike");
        if !is_text && (quantity != Quantity::Plain || !matches!(name, "Bool" | "IpAddress" | "NotIpAddress")) {
            return Err(PolicyError::Unknown { at: at.to_owned(), want: OPERATORS });
        }
        let Json::Object(keys) = keys else {
            return Err(PolicyError::wrong(at, keys.shown(), "write an object from keys to values"));
        };
        if keys.is_empty() {
            return Err(PolicyError::wrong(at, "{}", "write a key and a value, or leave the operator out"));
        }
        for (key, values) in keys {
            let at = super::document::below(at, key);
            let key = match &**key {
                "iot:ConnectAttributes" => Key::ConnectAttributes,
                name => match Variable::read(name) {
                    Some(variable) => Key::Known(variable),
                    None => return Err(PolicyError::Unknown { at, want: KEYS }),
                },
            };
            let test = Test::read(name, values, &at)?;
            if matches!(test, Test::Address { .. }) && !matches!(key, Key::Known(Variable::SourceIp)) {
                return Err(PolicyError::Unknown { at, want: "addresses are compared with aws:SourceIp" });
            }
            if matches!(key, Key::ConnectAttributes) {
                known_attributes(values, &at)?;
            }
            into.push(Self { key, quantity, test });
        }
        Ok(())
    }

    /// Whether it holds.
    pub(super) fn holds(&self, question: &Question<'_>) -> bool {
        let single = match &self.key {
            Key::Known(variable) => [variable.value(question), None],
            Key::ConnectAttributes => attributes(question),
        };
        let mut values = single.iter().flatten();
        if !self.test.is_known(question) {
            return false;
        }
        match self.quantity {
            Quantity::All => values.all(|value| self.test.passes(value, question)),
            Quantity::Any => values.any(|value| self.test.passes(value, question)),
            // What is not there is equal to nothing.
            Quantity::Plain if values.clone().next().is_none() => self.test.is_not(),
            Quantity::Plain if self.test.is_not() => values.all(|value| self.test.passes(value, question)),
            Quantity::Plain => values.any(|value| self.test.passes(value, question)),
        }
    }

    /// Whether it names this attribute of a connection.
    pub(super) fn grants(&self, attribute: &str, question: &Question<'_>) -> bool {
        matches!(self.key, Key::ConnectAttributes) && !self.test.is_not() && self.test.passes(attribute, question)
    }
}

/// What a connection wants that has to be granted by name.
pub(super) fn attributes(question: &Question<'_>) -> [Option<&'static str>; 2] {
    let is_connect = question.action == Action::Connect;
    [
        (is_connect && question.facts.persistent_connect).then_some("PersistentConnect"),
        (is_connect && question.facts.last_will).then_some("LastWill"),
    ]
}

/// A misspelt attribute would grant, or deny, nothing.
fn known_attributes(values: &Json, at: &str) -> Result<(), PolicyError> {
    const WANT: &str = "attributes are PersistentConnect and LastWill";
    each(values, at, &mut |value, at| match value {
        Json::Text(text)
            if text.contains('*') || text.contains('?') || text == "PersistentConnect" || text == "LastWill" =>
        {
            Ok(())
        }
        other => Err(PolicyError::wrong(at, other.shown(), WANT)),
    })
}

/// Asks for a value or each of a list of them, which may not be empty.
pub(super) fn each(
    values: &Json,
    at: &str,
    ask: &mut dyn FnMut(&Json, &str) -> Result<(), PolicyError>,
) -> Result<(), PolicyError> {
    match values {
        Json::List(list) if list.is_empty() => Err(PolicyError::wrong(at, "[]", "write at least one value")),
        Json::List(list) => list.iter().enumerate().try_for_each(|(place, value)| ask(value, &format!("{at}/{place}"))),
        value => ask(value, at),
    }
}

impl Test {
    fn read(operator: &str, values: &Json, at: &str) -> Result<Self, PolicyError> {
        let is_not = operator.contains("Not");
        match operator {
            "Bool" => {
                let mut wanted = Vec::new();
                each(values, at, &mut |value, at| {
                    wanted.push(match value {
                        Json::Truth(truth) => *truth,
                        Json::Text(text) if text == "true" => true,
                        Json::Text(text) if text == "false" => false,
                        other => return Err(PolicyError::wrong(at, other.shown(), "write \"true\" or \"false\"")),
                    });
                    Ok(())
                })?;
                Ok(Self::Truth(wanted))
            }
            "IpAddress" | "NotIpAddress" => {
                const WANT: &str = "write an address or a range of them, as in 192.0.2.0/24";
                let mut nets = Vec::new();
                each(values, at, &mut |value, at| {
                    let net = match value {
                        Json::Text(text) => Net::read(text),
                        _ => None,
                    };
                    nets.push(net.ok_or_else(|| PolicyError::wrong(at, value.shown(), WANT))?);
                    Ok(())
                })?;
                Ok(Self::Address { nets, is_not })
            }
            _ => {
                let read = if operator.ends_with("Like") { Pattern::read } else { Pattern::exactly };
                let mut wanted = Vec::new();
                each(values, at, &mut |value, at| {
                    let Json::Text(text) = value else {
                        return Err(PolicyError::wrong(at, value.shown(), "write a text in quotes, or a list of them"));
                    };
                    wanted.push(read(text).ok_or_else(|| PolicyError::wrong(at, text, NO_VARIABLE))?);
                    Ok(())
                })?;
                Ok(Self::Text { wanted, is_not })
            }
        }
    }

    const fn is_not(&self) -> bool {
        matches!(self, Self::Text { is_not: true, .. } | Self::Address { is_not: true, .. })
    }

    /// Whether there is something to compare with. "Not equal to what nobody knows" is no answer.
    fn is_known(&self, question: &Question<'_>) -> bool {
        match self {
            Self::Text { wanted, is_not: true } => wanted.iter().all(|pattern| pattern.is_known(question)),
            _ => true,
        }
    }

    fn passes(&self, value: &str, question: &Question<'_>) -> bool {
        match self {
            Self::Text { wanted, is_not } => wanted.iter().any(|pattern| pattern.matches(value, question)) != *is_not,
            Self::Truth(wanted) => wanted.iter().any(|truth| value == if *truth { "true" } else { "false" }),
            // Who comes from nowhere known is neither inside nor outside.
            Self::Address { nets, is_not } => {
                address(value).is_some_and(|address| nets.iter().any(|net| net.has(address)) != *is_not)
            }
        }
    }
}

impl Net {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        if bits > most {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        Some(Self { is_v4: address.is_ipv4(), address: from_the_left(address) & mask, mask })
    }

    fn has(&self, address: IpAddr) -> bool {
        self.is_v4 == address.is_ipv4() && from_the_left(address) & self.mask == self.address
    }
}

fn from_the_left(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Where somebody comes from, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address| address.to_canonical())
}
