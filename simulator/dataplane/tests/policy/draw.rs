//! Documents, questions and damage, drawn from a number.

use fleetproof_dataplane::policy::{Action, CertificateFacts, Facts, Home, Resource, ThingFacts};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A generator of its own (SplitMix64): the same number draws the same everywhere.
pub struct Draw(pub u64);

/// Few letters, so that things meet; every character that means something somewhere.
const LETTERS: [&str; 12] = ["a", "b", "/", "a", "b", "ä", "+", "#", "*", "?", "$", ":"];
const PIECES: [&str; 20] = [
    "a",
    "b",
    "/",
    "a/",
    "*",
    "?",
    "*",
    "ä",
    "+",
    "#",
    "${iot:ClientId}",
    "${iot:Connection.Thing.ThingName}",
    "${*}",
    "${?}",
    "${$}",
    "${iot:Certificate.Subject.CommonName}",
    "${iot:Connection.Thing.Attributes[x]}",
    "$",
    "${iot:Connection.Thing.IsAttached}",
    "a",
];
const KINDS: [&str; 9] = ["client/", "topic/", "topicfilter/", "thing/", "*/", "topic*/", "t*i?", "*", "topic"];
const KEYS: [&str; 7] = [
    "iot:ClientId",
    "iot:Connection.Thing.ThingName",
    "iot:Connection.Thing.ThingTypeName",
    "iot:Connection.Thing.IsAttached",
    "iot:Certificate.Subject.CommonName",
    "iot:Connection.Thing.Attributes[x]",
    "aws:SourceIp",
];
const TEXTS: [&str; 4] = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"];
const ADDRESSES: [&str; 6] = ["10.0.0.1", "10.0.0.200:8883", "192.0.2.7", "::ffff:10.0.0.1", "2001:db8::1", "nowhere"];
const NETS: [&str; 6] = ["10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "10.0.0.128/25", "::/0"];

impl Draw {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.number() >> 33).unwrap() % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.one(of)).collect()
    }

    fn one_or_more(&mut self, mut each: impl FnMut(&mut Self) -> Value) -> Value {
        match self.below(4) {
            0 | 1 => each(self),
            2 => json!([each(self)]),
            _ => json!([each(self), each(self)]),
        }
    }

    pub fn document(&mut self) -> Value {
        json!({"Version": "2012-10-17", "Statement": self.one_or_more(Self::statement)})
    }

    fn statement(&mut self) -> Value {
        let mut fields = Map::new();
        fields.insert("Effect".into(), json!(if self.below(4) == 0 { "Deny" } else { "Allow" }));
        let actions =
            ["iot:*", "*", "iot:Pub*", "iot:Connect", "iot:subscribe", "iot:Receive", "iot:?e*", "iot:*Publish"];
        let action = self.one_or_more(|draw| json!(draw.one(&actions)));
        fields.insert("Action".into(), action);
        let resource = self.one_or_more(Self::resource);
        fields.insert("Resource".into(), resource);
        if self.below(3) == 0 {
            let conditions = (0..=self.below(2)).map(|_| self.condition()).collect::<Map<_, _>>();
            fields.insert("Condition".into(), Value::Object(conditions));
        }
        Value::Object(fields)
    }

    fn resource(&mut self) -> Value {
        if self.below(6) == 0 {
            return json!("*");
        }
        let region = self.one(&["eu-1", "*", "eu-*", "us-1", "eu-?"]);
        let account = self.one(&["111111111111", "*", "1*", "222222222222"]);
        let kind = self.one(&KINDS);
        json!(format!("arn:aws:iot:{region}:{account}:{kind}{}", self.some(&PIECES, 5)))
    }

    fn condition(&mut self) -> (String, Value) {
        match self.below(6) {
            0 => {
                let truth = self.one_or_more(|draw| if draw.below(2) == 0 { json!("true") } else { json!(false) });
                ("Bool".into(), json!({"iot:Connection.Thing.IsAttached": truth}))
            }
            1 => {
                let nets = self.one_or_more(|draw| json!(draw.one(&NETS)));
                (self.one(&["IpAddress", "NotIpAddress"]).into(), json!({"aws:SourceIp": nets}))
            }
            2 | 3 => {
                let wanted = self.one_or_more(|draw| json!(draw.one(&["PersistentConnect", "LastWill", "*", "Last*"])));
                (self.operator(), json!({"iot:ConnectAttributes": wanted}))
            }
            _ => {
                let key = self.one(&KEYS);
                let wanted = self.one_or_more(|draw| json!(draw.some(&PIECES, 3)));
                (self.operator(), json!({key: wanted}))
            }
        }
    }

    fn operator(&mut self) -> String {
        format!("{}{}", self.one(&["", "ForAnyValue:", "ForAllValues:"]), self.one(&TEXTS))
    }

    /// Bytes, characters or halves of a text in the wrong place.
    pub fn damaged(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            if characters.is_empty() {
                break;
            }
            let (at, other) = (self.below(characters.len()), self.below(characters.len()));
            match self.below(6) {
                0 => characters.swap(at, other),
                1 => drop(characters.remove(at)),
                2 => characters.truncate(at),
                3 => characters.insert(
                    at,
                    self.one(&["{", "}", "[", "]", "\"", "\\", "$", "*", "/", "~", "\u{0}", ":"])
                        .chars()
                        .next()
                        .unwrap(),
                ),
                4 => {
                    let part: Vec<char> = characters[at.min(other)..at.max(other)].to_vec();
                    characters.splice(at..at, part);
                }
                _ => characters[at] = char::from_u32(u32::try_from(self.below(0x3000)).unwrap()).unwrap_or('x'),
            }
        }
        characters.into_iter().collect()
    }

    fn name(&mut self) -> String {
        self.some(&LETTERS, 4)
    }

    fn maybe(&mut self) -> Option<Arc<str>> {
        (self.below(3) > 0).then(|| self.name().into())
    }

    pub fn home(&mut self) -> Home {
        Home {
            region: self.one(&["eu-1", "eu-1", "us-1"]).into(),
            account: self.one(&["111111111111", "222222222222"]).into(),
        }
    }

    pub fn facts(&mut self) -> Facts {
        let thing = (self.below(3) > 0).then(|| {
            let attributes = self.maybe().map(|value| ("x".into(), value)).into_iter().collect();
            Arc::new(ThingFacts { name: self.name().into(), type_name: self.maybe(), attributes })
        });
        let fields = self.maybe().map(|value| ("Subject.CommonName".into(), value)).into_iter().collect();
        Facts {
            client_id: self.name().into(),
            thing,
            certificate: Arc::new(CertificateFacts { id: "0".into(), fields }),
            source_ip: (self.below(3) > 0).then(|| self.one(&ADDRESSES).into()),
            persistent_connect: self.below(4) == 0,
            last_will: self.below(4) == 0,
        }
    }

    pub fn action(&mut self) -> Action {
        match self.below(3) {
            0 => Action::ALL[self.below(Action::ALL.len())],
            _ => Action::ALL[self.below(4)],
        }
    }

    /// A name that is sometimes one of those that are known.
    pub fn asked(&mut self, facts: &Facts) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(4) {
            match self.below(5) {
                0 => name.push_str(&facts.client_id),
                1 => name.push_str(facts.thing.as_ref().map_or("a", |thing| &thing.name)),
                _ => name.push_str(self.one(&LETTERS)),
            }
        }
        name
    }

    pub fn resource_of<'a>(&mut self, name: &'a str) -> Resource<'a> {
        match self.below(4) {
            0 => Resource::Client(name),
            1 => Resource::Topic(name),
            2 => Resource::Filter(name),
            _ => Resource::Thing(name),
        }
    }
}
