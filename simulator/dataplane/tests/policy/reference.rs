//! Policies evaluated the slow way, from the JSON at every question: what the compiled ones are held against. Shares no code
//! with them, and is only asked about documents that they understood.

use fleetproof_dataplane::policy::{Action, Facts, Home, Resource};
use serde_json::Value;
use std::net::IpAddr;

#[derive(Clone, Copy, PartialEq)]
enum Symbol {
    Is(char),
    One,
    Many,
}

/// A question.
pub struct Asked<'a> {
    pub action: Action,
    pub resource: Resource<'a>,
    pub home: &'a Home,
    pub facts: &'a Facts,
}

/// Whether it is allowed.
pub fn allows(documents: &[Value], asked: &Asked<'_>) -> bool {
    let statements: Vec<&Value> = documents.iter().flat_map(|document| list(&document["Statement"])).collect();
    let with = |effect: &str| statements.iter().filter(|it| it["Effect"] == effect).any(|it| applies(it, asked));
    !with("Deny") && with("Allow")
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn applies(statement: &Value, asked: &Asked<'_>) -> bool {
    let is_allow = statement["Effect"] == "Allow";
    let action = format!("iot:{}", asked.action.name()).to_ascii_lowercase();
    let is_action = list(&statement["Action"]).iter().any(|pattern| {
        let symbols: Vec<Symbol> = text(pattern).to_ascii_lowercase().chars().map(symbol).collect();
        looks_like(&symbols, &action)
    });
    let is_resource = list(&statement["Resource"]).iter().any(|pattern| is_resource(&text(pattern), asked, is_allow));
    let conditions = conditions(statement);
    let holds = conditions.iter().all(|(operator, key, values)| holds(operator, key, values, asked));
    let granted = attributes(asked).iter().all(|attribute| {
        conditions.iter().any(|(operator, key, values)| {
            key == "iot:ConnectAttributes"
                && !operator.contains("Not")
                && values.iter().any(|value| fits(value, attribute, operator.contains("Like"), asked))
        })
    });
    is_action && is_resource && holds && (granted || !is_allow)
}

fn conditions(statement: &Value) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            found.push((operator.clone(), key.clone(), list(values).into_iter().map(text).collect()));
        }
    }
    found
}

fn symbol(character: char) -> Symbol {
    match character {
        '*' => Symbol::Many,
        '?' => Symbol::One,
        other => Symbol::Is(other),
    }
}

fn value(name: &str, facts: &Facts) -> Option<String> {
    let thing = facts.thing.as_ref();
    let known = if name == "iot:ClientId" {
        Some(facts.client_id.to_string())
    } else if name == "aws:SourceIp" {
        facts.source_ip.as_ref().map(ToString::to_string)
    } else if let Some(field) = name.strip_prefix("iot:Certificate.") {
        facts.certificate.fields.get(field).map(ToString::to_string)
    } else if let Some(rest) = name.strip_prefix("iot:Connection.Thing.Attributes[") {
        thing.and_then(|thing| thing.attributes.get(&rest[..rest.len() - 1])).map(ToString::to_string)
    } else {
        match name.strip_prefix("iot:Connection.Thing.") {
            Some("ThingName") => thing.map(|thing| thing.name.to_string()),
            Some("ThingTypeName") => thing.and_then(|thing| thing.type_name.as_ref()).map(ToString::to_string),
            Some("IsAttached") => Some(thing.is_some().to_string()),
            _ => panic!("{name} was understood"),
        }
    };
    known.filter(|value| !value.is_empty())
}

/// A text with the values in it, and those values; nothing when one is missing.
fn expanded(text: &str, wildcards: bool, facts: &Facts) -> Option<(Vec<Symbol>, Vec<String>)> {
    let (mut symbols, mut values) = (Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        if rest.starts_with("${") {
            let end = rest.find('}').expect("a variable ends");
            let name = &rest[2..end];
            let put = if ["*", "?", "$"].contains(&name) { name.to_owned() } else { value(name, facts)? };
            if name.len() > 1 {
                values.push(put.clone());
            }
            symbols.extend(put.chars().map(Symbol::Is));
            rest = &rest[end + 1..];
        } else {
            let next = rest.chars().next().expect("it is not empty");
            symbols.push(if wildcards { symbol(next) } else { Symbol::Is(next) });
            rest = &rest[next.len_utf8()..];
        }
    }
    Some((symbols, values))
}

/// A table of which beginnings look alike.
fn looks_like(symbols: &[Symbol], text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut row = vec![false; characters.len() + 1];
    row[0] = true;
    for symbol in symbols {
        let mut next = vec![false; row.len()];
        for at in 0..row.len() {
            next[at] = match symbol {
                Symbol::Many => row[at] || at > 0 && next[at - 1],
                Symbol::One => at > 0 && row[at - 1],
                Symbol::Is(wanted) => at > 0 && row[at - 1] && characters[at - 1] == *wanted,
            };
        }
        row = next;
    }
    row[characters.len()]
}

fn is_resource(pattern: &str, asked: &Asked<'_>, is_allow: bool) -> bool {
    let (kind, name) = match asked.resource {
        Resource::Client(name) => ("client", name),
        Resource::Topic(name) => ("topic", name),
        Resource::Filter(name) => ("topicfilter", name),
        Resource::Thing(name) => ("thing", name),
    };
    if name.len() > 1024 {
        return false;
    }
    if pattern == "*" {
        return true;
    }
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let same = |pattern: &str, text: &str| looks_like(&pattern.chars().map(symbol).collect::<Vec<_>>(), text);
    if !same(parts[3], &asked.home.region) || !same(parts[4], &asked.home.account) {
        return false;
    }
    let Some((symbols, values)) = expanded(parts[5], true, asked.facts) else { return false };
    if is_allow && kind == "topicfilter" && values.iter().any(|value| value.contains('+') || value.contains('#')) {
        return false;
    }
    looks_like(&symbols, &format!("{kind}/{name}"))
}

fn attributes(asked: &Asked<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    if asked.action == Action::Connect && asked.facts.persistent_connect {
        found.push("PersistentConnect");
    }
    if asked.action == Action::Connect && asked.facts.last_will {
        found.push("LastWill");
    }
    found
}

fn fits(wanted: &str, value: &str, is_pattern: bool, asked: &Asked<'_>) -> bool {
    expanded(wanted, is_pattern, asked.facts).is_some_and(|(symbols, _)| looks_like(&symbols, value))
}

fn holds(operator: &str, key: &str, wanted: &[String], asked: &Asked<'_>) -> bool {
    let values: Vec<String> = match key {
        "iot:ConnectAttributes" => attributes(asked).into_iter().map(str::to_owned).collect(),
        key => value(key, asked.facts).into_iter().collect(),
    };
    let (quantity, name) = operator.split_once(':').unwrap_or(("", operator));
    let is_not = name.contains("Not");
    let passes = |value: &String| match name {
        "Bool" => wanted.contains(value),
        "IpAddress" | "NotIpAddress" => match address(value) {
            Some(address) => wanted.iter().any(|net| is_inside(address, net)) != is_not,
            None => false,
        },
        name => {
            let is_pattern = name.ends_with("Like");
            let is_known = wanted.iter().all(|wanted| expanded(wanted, is_pattern, asked.facts).is_some());
            let is_alike = wanted.iter().any(|wanted| fits(wanted, value, is_pattern, asked));
            if is_not { is_known && !is_alike } else { is_alike }
        }
    };
    let is_text = name.starts_with("String");
    if is_text && is_not && wanted.iter().any(|wanted| expanded(wanted, false, asked.facts).is_none()) {
        return false;
    }
    match quantity {
        "ForAllValues" => values.iter().all(passes),
        "ForAnyValue" => values.iter().any(passes),
        _ if values.is_empty() => is_not,
        _ if is_not => values.iter().all(passes),
        _ => values.iter().any(passes),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let host = text.parse::<IpAddr>().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip()))?;
    Some(match host {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(host, IpAddr::V4),
        v4 => v4,
    })
}

fn is_inside(address: IpAddr, net: &str) -> bool {
    let (base, bits) = net.split_once('/').map_or((net, None), |(base, bits)| (base, bits.parse::<usize>().ok()));
    let binary = |address: IpAddr| -> String {
        match address {
            IpAddr::V4(v4) => v4.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
            IpAddr::V6(v6) => v6.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
        }
    };
    let base = binary(base.parse().expect("a net that was understood"));
    let address = binary(address);
    let bits = bits.unwrap_or(base.len());
    base.len() == address.len() && base[..bits] == address[..bits]
}
