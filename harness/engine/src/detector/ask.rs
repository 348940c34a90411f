//! One request of an attempt: what stands in its slots, how it is bent, and what came back.

use super::camp::{Camp, Set};
use super::{DetectorError, Field};
use fleetproof_claims::model::{
    Attempt, Audience, BodyTemplate, Does, Family, Fill, Identity, Kind, Place, Slot, Surface, Tamper,
};
use fleetproof_claims::{Reply, canonical};
use fleetproof_dialects::aws::papers;
use fleetproof_dialects::mender::bend::{name_elsewhere, put_odd};
use fleetproof_dialects::mender::fill::{Fills, build};
use fleetproof_dialects::mender::forge::{Bend, forge};
use fleetproof_dialects::mender::objects::canary_artifact;
use fleetproof_dialects::mender::roles::OBSERVER;
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_dialects::{Answer, DialectError, Token};
use serde_json::{Value, json};

/// What canary devices say that they are.
pub(super) const DEVICE_TYPE: &str = "fleetproof-sim";

/// Which of the requests of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// The attack itself.
    Attack,
    /// The same, naming what never existed.
    Nothing,
    /// The same, not bent.
    Plain,
}

/// The two sides of a round, and what they brought.
pub(super) struct Sides<'a> {
    pub(super) attacker: &'a Camp,
    pub(super) own: &'a Set,
    pub(super) victim: &'a Camp,
    pub(super) prey: &'a Set,
}

/// A request as it is told, and its answer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `METHOD target body`, without secrets.
    pub(super) request: String,
    pub(super) answer: Answer,
    /// What the request named: ids and fresh words.
    pub(super) named: Vec<String>,
}

impl Asked {
    pub(super) fn reply(&self) -> Reply<'_> {
        Reply { status: self.answer.status, headers: &self.answer.headers, body: &self.answer.body }
    }

    /// The answer but for ids, times and whatever the request named.
    pub(super) fn canonical(&self) -> String {
        let named: Vec<&str> = self.named.iter().map(String::as_str).collect();
        canonical(self.reply(), &named)
    }
}

/// What can keep a request from being made.
pub(super) enum Unasked {
    /// Something is missing that it needs.
    Prevented(String),
    /// The platform cannot be reached.
    Error(DetectorError),
}

impl From<DetectorError> for Unasked {
    fn from(error: DetectorError) -> Self {
        Self::Error(error)
    }
}

impl From<DialectError> for Unasked {
    fn from(error: DialectError) -> Self {
        match error {
            DialectError::Unfilled { .. } | DialectError::NoOperator => Self::Prevented(error.to_string()),
            error => Self::Error(error.into()),
        }
    }
}

/// The slots without which there is no request, and those that belong to one of `named`: `users[].email` to
/// `users[].role`.
fn needed(surface: &Surface, named: &[String]) -> Vec<String> {
    let stem = |slot: &Slot| slot.name.rsplit_once('.').map(|(stem, _)| stem.to_owned()).filter(|_| slot.optional);
    let stems: Vec<String> = surface.slots.iter().filter(|slot| named.contains(&slot.key())).filter_map(stem).collect();
    let beside = surface.slots.iter().filter(|slot| stem(slot).is_some_and(|stem| stems.contains(&stem)));
    surface.required().chain(beside).map(Slot::key).collect()
}

/// Whether a slot of a creation says what the new thing is called: the own value there is a fresh one.
fn names_the_new(surface: &Surface, slot: &Slot) -> bool {
    if surface.family == Family::Account {
        return surface.names_the_new(slot);
    }
    surface.does == Does::Create
        && slot.place == Place::Body
        && !slot.optional
        && matches!(
            (slot.kind, surface.object),
            (Kind::Release, Kind::Artifact)
                | (Kind::Role, Kind::Role)
                | (Kind::Identity, Kind::Device)
                | (Kind::Email, Kind::User | Kind::Tenant)
        )
}

impl Field {
    /// What stands in the slots of an attempt's request.
    pub(super) fn fills(
        &self,
        attempt: &Attempt,
        surface: &Surface,
        sides: &Sides<'_>,
        scene: Scene,
    ) -> Result<Fills, Unasked> {
        let needed = needed(surface, &attempt.attacked);
        let mut fills = Fills::default();
        for slot in &surface.slots {
            let key = slot.key();
            let fill = match attempt.fills.get(&key) {
                Some(fill) => fill,
                None if needed.contains(&key) => &Fill::Own,
                None => continue,
            };
            let nothing = scene == Scene::Nothing && attempt.attacked.contains(&key);
            let own = || self.own_value(surface, slot, sides.own, sides.attacker);
            let victims = || match (self.victims_value(surface, slot, sides), nothing) {
                (Some(value), true) => Some(self.nothing_like(slot, &value)),
                (value, _) => value,
            };
            let values = match fill {
                Fill::Own | Fill::Twin => vec![own()],
                Fill::Victims => vec![victims()],
                Fill::OwnThenVictims => vec![own(), victims()],
                Fill::VictimsThenOwn => vec![victims(), own()],
                Fill::NeverExisted => vec![Some(self.nothing_like(slot, &self.names.fresh("nothing")))],
                Fill::Fresh => vec![Some(self.names.fresh("stray"))],
                Fill::Text(text) => vec![Some(text.clone())],
            };
            for value in values {
                let value = value.ok_or_else(|| Unasked::Prevented(format!("there is no {} to name", slot.kind)))?;
                let spelling = attempt.tamper.iter().find_map(|tamper| match tamper {
                    Tamper::Spelled(slot, spelling) if *slot == key && scene != Scene::Plain => Some(*spelling),
                    _ => None,
                });
                fills = fills.slot(&key, &spelling.map_or_else(|| value.clone(), |spelling| spelling.of(&value)));
            }
        }
        let mut fills = self.marked(surface, fills);
        if attempt.tamper.contains(&Tamper::NamedAlike) && scene == Scene::Attack {
            let alike = sides.prey.made.first();
            let alike = alike.ok_or_else(|| Unasked::Prevented(format!("there is no {} to name", surface.object)))?;
            fills = fills.mark("name", alike.name.as_str());
        }
        Ok(fills)
    }

    /// What stands in the slots when the one to whom `set` belongs asks for it: the required ones, and `also`.
    pub(super) fn rightful_fills(
        &self,
        surface: &Surface,
        set: &Set,
        camp: &Camp,
        also: &[String],
    ) -> Result<Fills, Unasked> {
        let needed = needed(surface, also);
        let mut fills = Fills::default();
        for slot in surface.slots.iter().filter(|slot| needed.contains(&slot.key()) || also.contains(&slot.key())) {
            if slot.says_who_asks() {
                continue;
            }
            let value = self.own_value(surface, slot, set, camp);
            let value = value.ok_or_else(|| Unasked::Prevented(format!("there is no {} to name", slot.kind)))?;
            fills = fills.slot(&slot.key(), &value);
        }
        Ok(self.marked(surface, fills))
    }

    pub(super) fn own_value(&self, surface: &Surface, slot: &Slot, set: &Set, camp: &Camp) -> Option<String> {
        if names_the_new(surface, slot) {
            let fresh = self.names.fresh("stray");
            return Some(match slot.kind {
                Kind::Identity => json!({ "serial": fresh }).to_string(),
                Kind::Email => format!("{fresh}@canary.test"),
                Kind::Pem => return papers::pem(&self.mender, &fresh).ok(),
                Kind::AuthorityPem => return papers::authority_pem(&self.mender, &fresh).ok(),
                _ => fresh,
            });
        }
        // In a tenant that is just being made only built-in roles are known.
        if slot.kind == Kind::Role && surface.object == Kind::Tenant {
            return Some(OBSERVER.to_owned());
        }
        set.value(slot).or_else(|| camp.standing_value(surface, slot))
    }

    pub(super) fn victims_value(&self, surface: &Surface, slot: &Slot, sides: &Sides<'_>) -> Option<String> {
        sides.prey.value(slot).or_else(|| sides.victim.standing_value(surface, slot))
    }

    /// A name of the same form as `value` that nothing has.
    pub(super) fn nothing_like(&self, slot: &Slot, value: &str) -> String {
        if let Some((account, resource)) = value.rsplit_once('/').filter(|_| value.starts_with("arn:")) {
            // A message that is too long is cut off: what never existed is as long, so that it ends at the same place.
            let nothing = self.nothing_like(slot, resource);
            return format!("{account}/{nothing:x<length$}", length = resource.len());
        }
        let is_id = value.len() >= 24 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !is_id {
            let fresh = self.names.fresh("nothing");
            return match slot.kind {
                Kind::Identity => json!({ "serial": fresh }).to_string(),
                Kind::Email => format!("{fresh}@canary.test"),
                Kind::Query => format!("thingName:{fresh}"),
                // Nobody here registered the authority that is the certificate's own.
                Kind::Pem | Kind::Signed => papers::pem(&self.mender, &fresh).unwrap_or(fresh),
                Kind::AuthorityPem => papers::authority_pem(&self.mender, &fresh).unwrap_or(fresh),
                _ => fresh,
            };
        }
        self.id_like(value)
    }

    /// An id of the same form that nothing has. The time in front and the version stay: it could have been.
    fn id_like(&self, value: &str) -> String {
        use rand::Rng;
        let mut stream = self.mender.world().seeds.child("nothing").stream(&self.names.fresh("id"));
        value
            .chars()
            .enumerate()
            .map(|(at, c)| {
                if c == '-' || at < 8 || at == 14 || at == 19 {
                    c
                } else {
                    char::from_digit(stream.gen_range(0..16), 16).unwrap_or(c)
                }
            })
            .collect()
    }

    /// Fresh words in the gaps of a body.
    fn marked(&self, surface: &Surface, mut fills: Fills) -> Fills {
        let Some(_) = &surface.body else { return fills };
        let name = self.names.fresh("stray");
        let release = fills.slots.get("body:artifact").and_then(|values| values.first()).cloned();
        if surface.object == Kind::Artifact && surface.does == Does::Create {
            fills.file = Some(canary_artifact(release.as_deref().unwrap_or(&name)).bytes());
        }
        let clock = &self.mender.world().clock;
        let secret = format!("secret-{name}-{}", clock.now().micros());
        for (word, value) in [
            ("mark", name.clone()),
            ("email", format!("{name}@canary.test")),
            ("password", secret.clone()),
            ("new_password", secret),
            ("time", clock.rfc3339()),
            ("device_type", DEVICE_TYPE.to_owned()),
            ("artifact_name", name.clone()),
        ] {
            fills = fills.mark(word, value);
        }
        let signs = matches!(&surface.body, Some(BodyTemplate::Json(body)) if body.to_string().contains("\"$csr\""));
        if let Some(request) = signs.then(|| papers::signing_request(&self.mender, &name).ok()).flatten() {
            fills = fills.mark("csr", request);
        }
        if let (Some(house), Family::Lobby) = (&self.house, surface.family) {
            let regions: Vec<&String> = house.doors.iter().map(|(region, _)| region).collect();
            fills = fills.mark("regions", json!(regions));
            if let Ok(authority) = papers::authority_pem(&self.mender, &name) {
                fills = fills.mark("authority", authority);
            }
        }
        if surface.does == Does::Create && surface.object == Kind::Device {
            fills = fills.mark("pubkey", self.mender.key(&name).public_pem());
        }
        fills.mark("name", name)
    }

    /// Sends a request, bent or not, and tells it.
    pub(super) async fn ask(
        &self,
        by: &Session,
        surface: &Surface,
        fills: &Fills,
        (tamper, scene): (&[Tamper], Scene),
        sides: &Sides<'_>,
    ) -> Result<Asked, Unasked> {
        let mut request = build(surface, fills)?;
        if surface.audience == Audience::Device && surface.parameters.iter().any(|name| name == "device_type") {
            request.target.push_str(if request.target.contains('?') { "&" } else { "?" });
            request.target.push_str(&format!("device_type={DEVICE_TYPE}"));
        }
        let (own, victim) = (&*sides.attacker.seat.at.id, &*sides.victim.seat.at.id);
        let mut named: Vec<String> = fills.slots.values().flatten().cloned().collect();
        for bend in tamper {
            match bend {
                Tamper::Header { name, .. } => request.headers.push((name.clone(), victim.to_owned())),
                Tamper::Query { name, value, .. } => {
                    let nobody = self.id_like(victim);
                    let value = match value {
                        Fill::Text(text) => text,
                        _ if scene == Scene::Nothing => &nobody,
                        _ => victim,
                    };
                    request.target.push(if request.target.contains('?') { '&' } else { '?' });
                    request.target.push_str(&format!("{name}={value}"));
                }
                Tamper::Host => {
                    request.headers.push(("Host".to_owned(), format!("{victim}.{}", self.mender.gateway())))
                }
                Tamper::Field { name, value } => {
                    let text = value.replace("$victim", victim).replace("$own", own);
                    if let (Ok(Value::Object(mut body)), Ok(value)) =
                        (serde_json::from_slice::<Value>(&request.body), serde_json::from_str(&text))
                    {
                        body.insert(name.clone(), value);
                        request.body = Value::Object(body).to_string().into();
                    }
                }
                Tamper::Method(method) => request.method.clone_from(method),
                Tamper::Elsewhere { slot, value } => {
                    let slot = surface.slots.iter().find(|known| known.key() == *slot);
                    let text = slot.and_then(|slot| match value {
                        Fill::Own => self.own_value(surface, slot, sides.own, sides.attacker),
                        _ => self.victims_value(surface, slot, sides),
                    });
                    let (slot, text) =
                        slot.zip(text).ok_or_else(|| Unasked::Prevented("nothing to name".to_owned()))?;
                    name_elsewhere(&mut request, slot, &text);
                    named.push(text);
                }
                Tamper::Odd(key, odd) => {
                    let slot = surface.slots.iter().find(|known| known.key() == *key);
                    let text = fills.slots.get(key).and_then(|values| values.first());
                    if let Some((slot, text)) = slot.zip(text) {
                        put_odd(&mut request, slot, text, *odd);
                    }
                }
                Tamper::Spelled(..)
                | Tamper::Link(_)
                | Tamper::LinkUse(_)
                | Tamper::Joined
                | Tamper::NamedAlike
                | Tamper::Secrets
                | Tamper::Injected => {}
            }
        }
        let told = super::tell::request(&request.method, &request.target, &request.body, &surface.body);
        named.extend(fills.marks.values().filter_map(Value::as_str).map(str::to_owned));
        named.extend([own.to_owned(), victim.to_owned()]);
        // A certificate that is brought is named by its id, too.
        named.extend(fills.slots.values().flatten().filter_map(|value| papers::id_of(value)));
        let answer = self.mender.send(by, Mender::door(&surface.path), request).await?;
        Ok(Asked { request: told, answer, named })
    }

    /// The credential with which an attempt is made.
    pub(super) fn credential(&self, identity: &Identity, sides: &Sides<'_>) -> Result<Session, Unasked> {
        if let Identity::Person(name) = identity {
            let known = self.people.get(name).cloned();
            return known.ok_or_else(|| Unasked::Prevented(format!("{name} has no session")));
        }
        let session = sides.attacker.session(identity).map_err(Unasked::Prevented)?;
        let Identity::Forged(whose, forgery) = identity else { return Ok(session) };
        let subject = sides.victim.session(whose).ok().and_then(|session| session.subject().map(|id| id.to_string()));
        let bend = Bend {
            victim_tenant: &sides.victim.seat.at.id,
            victim_subject: subject.as_deref().unwrap_or_default(),
            public_key: None,
        };
        let token = session.token().map(|token| forge(token.reveal(), *forgery, &bend));
        Ok(session.forged(token.map(|token| Token::new(&token))))
    }
}
