//! What is tried at the lobby that no single request shows: claims that prove nothing, and the role that the lobby has in every
//! tenant (here), and devices that knock there (`knocking.rs`).
//!
//! A claim is told by its end: the victim holds the label of a device, and afterwards it must get that device.

mod knocking;

use super::camp::Names;
use super::guests::House;
use super::wired::told;
use super::{DetectorError, Field, Seat};
use fleetproof_claims::feints::{Feint, Instead, Misspelling};
use fleetproof_claims::wired::{Deed, WiredAttempt, WiredRecord};
use fleetproof_dialects::aws::lobby::{self, Target};
use fleetproof_dialects::aws::{Place, guests, organisation, things};
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_dialects::{Answer, DialectError};
use fleetproof_journal::{Attempted, What};

/// An external id that nobody was given.
const GUESS: &str = "123ABC";

/// Where these attempts are made, and how everything in them is called.
pub(super) struct Porch<'a> {
    pub(super) field: &'a Field,
    seats: &'a [Seat],
    names: Names,
    /// The authority of the devices that knock, by its name.
    authority: String,
}

/// A tenant that takes part.
struct Side<'a> {
    name: &'a str,
    admin: &'a Session,
    place: Place,
}

impl Side<'_> {
    fn target(&self) -> Target<'_> {
        Target { account: &self.place.account, region: &self.place.region }
    }
}

/// Makes all attempts, and leaves nothing behind. Those that were judged before an error are in `attempted`.
pub(super) async fn all(
    porch: &Porch<'_>,
    attempts: &[WiredAttempt],
    emit: &mut (dyn FnMut(What) + Send),
    attempted: &mut Vec<Attempted>,
) -> Result<(), DetectorError> {
    let Some(house) = &porch.field.house else { return Err(DetectorError::NoSeat("provider".to_owned())) };
    let knocks = |attempt: &WiredAttempt| matches!(attempt.deed, Deed::AtLobby(feint) if feint.has_devices());
    let trusted = match attempts.iter().any(knocks) {
        true => Some(porch.trust(house).await?),
        false => None,
    };
    let mut outcome = Ok(());
    for attempt in attempts {
        match porch.attempt(house, attempt).await {
            Ok(record) => {
                let told = told(attempt, &record);
                emit(What::Attempted(told.clone()));
                attempted.push(told);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    for seat in porch.seats.iter().filter(|seat| !seat.provider) {
        outcome = outcome.and(porch.sweep(house, seat).await);
    }
    if let Some(authority) = trusted {
        outcome = outcome.and(lobby::distrust(porch.mender(), &house.operator, &authority).await.map_err(Into::into));
    }
    outcome
}

impl<'a> Porch<'a> {
    /// `label` stands in the name of everything that is made.
    pub(super) fn new(field: &'a Field, seats: &'a [Seat], label: &str) -> Self {
        Self { field, seats, names: Names::new(&format!("{label}-lobby")), authority: format!("factory-{label}") }
    }

    fn mender(&self) -> &Mender {
        &self.field.mender
    }

    async fn side<'s>(&self, name: &'s str) -> Result<Side<'s>, DetectorError>
    where
        'a: 's,
    {
        let seat = self.seats.iter().find(|seat| *seat.at.name == *name);
        let seat = seat.ok_or_else(|| DetectorError::NoSeat(name.to_owned()))?;
        let place = things::place(self.mender(), &seat.admin, None).await?;
        Ok(Side { name, admin: &seat.admin, place })
    }

    async fn attempt(&self, house: &House, attempt: &WiredAttempt) -> Result<WiredRecord, DetectorError> {
        let (attacker, victim) = (self.side(&attempt.attacker).await?, self.side(&attempt.victim).await?);
        let Deed::AtLobby(feint) = attempt.deed else {
            return Err(DetectorError::Unprepared("this is not tried at the lobby".to_owned()));
        };
        match feint {
            Feint::BareFingerprint => self.without_proof(house, &attacker, &victim, false).await,
            Feint::OtherCode => self.without_proof(house, &attacker, &victim, true).await,
            Feint::SpentLabel => self.spent(house, &attacker, &victim).await,
            Feint::Misspelt(how) => self.misspelt(house, how, &attacker, &victim).await,
            Feint::Assume(instead) => self.assume(house, instead, &attacker, &victim).await,
            Feint::Announce => self.announce(house, &attacker, &victim).await,
            Feint::Overhear => self.overhear(house, &attacker, &victim).await,
            Feint::Reset => self.reset(house, &attacker, &victim).await,
        }
    }

    /// A device that nobody has shown yet, and its label.
    async fn boxed(&self, house: &House, of: &Side<'_>) -> Result<(String, String), DetectorError> {
        let fingerprint = guests::fingerprint(self.mender(), &self.names.fresh(&format!("canary-{}", of.name)))?;
        self.names.know(fingerprint.clone());
        let label = lobby::label(self.mender(), &house.operator, &fingerprint).await?;
        Ok((fingerprint, label))
    }

    /// The tenant claims a device by its label, and has it.
    async fn takes(&self, side: &Side<'_>, device: &str, label: &str) -> Result<Result<String, String>, DetectorError> {
        let claimed = lobby::claim(self.mender(), side.admin, label, side.target()).await;
        if let Err(why) = granted(claimed)? {
            return Ok(Err(format!("{}, who holds the label, does not get the device: {why}", side.name)));
        }
        let row = lobby::device(self.mender(), side.admin, device).await?;
        Ok(match row.is_some_and(|row| row.account == side.place.account) {
            true => Ok(format!("{} gets a device by its label", side.name)),
            false => Err(format!("{} is told that it has the device, and has it not", side.name)),
        })
    }

    /// Claims a device of which only the fingerprint is known; with `coded`, by a code that is another device's.
    async fn without_proof(
        &self,
        house: &House,
        attacker: &Side<'_>,
        victim: &Side<'_>,
        coded: bool,
    ) -> Result<WiredRecord, DetectorError> {
        let (device, label) = self.boxed(house, victim).await?;
        let (_, other) = self.boxed(house, attacker).await?;
        let code = lobby::code_of(&other).filter(|_| coded);
        let with = if coded { "and the code of another label" } else { "and nothing else" };
        let mut record = WiredRecord::of(format!("ClaimDevice with the fingerprint {device} {with}"));
        if coded && code.is_none() {
            record.control = Err("labels have no code that could be another's".to_owned());
            return Ok(record);
        }
        let (plain, its_label) = self.boxed(house, victim).await?;
        record.control = self.takes(victim, &plain, &its_label).await?;
        let claimed = lobby::claim_by_hand(self.mender(), attacker.admin, &device, code, attacker.target()).await;
        let waits = matches!(&claimed, Ok(Some(_)));
        record.answered(granted(claimed.map(drop))?, if waits { "waits for the device's proof" } else { "granted" });
        record.felt = Some(self.takes(victim, &device, &label).await?.err().into_iter().collect());
        Ok(record)
    }

    /// Claims a device with the label of an ownership that is over; the victim has the next one.
    async fn spent(&self, house: &House, attacker: &Side<'_>, victim: &Side<'_>) -> Result<WiredRecord, DetectorError> {
        let (device, label) = self.boxed(house, attacker).await?;
        let mut record = WiredRecord::of(format!("ClaimDevice with a label of {device} that is spent"));
        record.control = self.takes(attacker, &device, &label).await?;
        if record.control.is_err() {
            return Ok(record);
        }
        let next = lobby::release(self.mender(), attacker.admin, &device).await?;
        let claimed = lobby::claim(self.mender(), attacker.admin, &label, attacker.target()).await;
        record.answered(granted(claimed)?, "granted");
        record.felt = Some(self.takes(victim, &device, &next).await?.err().into_iter().collect());
        Ok(record)
    }

    /// Claims a device of the victim's by its fingerprint, written otherwise.
    async fn misspelt(
        &self,
        house: &House,
        how: Misspelling,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<WiredRecord, DetectorError> {
        let (device, label) = self.boxed(house, victim).await?;
        let written = written(&device, how);
        let mut record = WiredRecord::of(format!("ClaimDevice with the fingerprint {written}"));
        if let Err(why) = self.takes(victim, &device, &label).await? {
            record.control = Err(why);
            return Ok(record);
        }
        let before = lobby::shown(self.mender(), victim.admin, &device).await?;
        let claimed = lobby::claim_by_hand(self.mender(), attacker.admin, &written, None, attacker.target()).await;
        record.answered(granted(claimed.map(drop))?, "granted");
        let after = lobby::shown(self.mender(), victim.admin, &device).await?;
        record.felt = Some(differs(victim, &before, &after));
        // Its owner may name it by its fingerprint alone, as it is written.
        let own = lobby::claim_by_hand(self.mender(), victim.admin, &device, None, victim.target()).await;
        let own = granted(own.map(drop))?;
        record.control = own.map(|()| format!("{} claims its own device by its fingerprint", victim.name));
        Ok(record)
    }

    /// Asks for the lobby's role in the victim's account, and does not show what is due.
    async fn assume(
        &self,
        house: &House,
        instead: Instead,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<WiredRecord, DetectorError> {
        let (mender, operator) = (self.mender(), &house.operator);
        let id = async |side: &Side<'_>| {
            organisation::external_id(mender, operator, &side.place.account, &side.place.region).await
        };
        let (due, others) = (id(victim).await?, id(attacker).await?);
        let (shown, told) = match instead {
            Instead::Nothing => (None, "no external id".to_owned()),
            Instead::Others => (others, format!("the external id of {}", attacker.name)),
            Instead::Guess => (Some(GUESS.to_owned()), "an external id that nobody gave".to_owned()),
        };
        let account = (victim.place.account.as_str(), victim.place.region.as_str());
        let mut record = WiredRecord::of(format!("AssumeRole in {} in {} with {told}", account.0, account.1));
        if instead == Instead::Others && shown.is_none() {
            record.control = Err(format!("{} has no external id to be shown", attacker.name));
            return Ok(record);
        }
        record.answered(granted(organisation::assume(mender, operator, account, shown.as_deref()).await)?, "granted");
        let same = id(victim).await? == due;
        let changed = (!same).then(|| format!("the external id of {} is another one", victim.name));
        record.felt = Some(changed.into_iter().collect());
        let own = granted(organisation::assume(mender, operator, account, due.as_deref()).await)?;
        record.control = own.map(|()| format!("with the external id of {} the lobby has its role", victim.name));
        Ok(record)
    }

    /// What was made here is given back, whoever has it by now.
    async fn sweep(&self, house: &House, seat: &Seat) -> Result<(), DetectorError> {
        let made = |fingerprint: &str| self.names.made(fingerprint);
        Ok(guests::sweep(self.mender(), &house.operator, &seat.admin, made).await?)
    }
}

/// What was answered, where any refusal is an answer.
trait Answered {
    fn answered(&mut self, answer: Result<(), String>, granted: &str);
}

impl Answered for WiredRecord {
    fn answered(&mut self, answer: Result<(), String>, granted: &str) {
        self.served = answer.is_ok();
        self.answer = answer.err().unwrap_or_else(|| granted.to_owned());
    }
}

/// A claim that waits for the trust of its account stands; every other refusal is told.
fn granted(result: Result<(), DialectError>) -> Result<Result<(), String>, DetectorError> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.status() == Some(424) => Ok(Ok(())),
        Err(DialectError::Refused(refused)) => Ok(Err(in_short(&refused.0))),
        Err(error) => Err(error.into()),
    }
}

/// A refusal in a line: its status and its name.
fn in_short(answer: &Answer) -> String {
    let body = answer.json().unwrap_or_default();
    let name = body.get("code").and_then(|code| code.as_str()).unwrap_or_default();
    format!("{} {name}", answer.status).trim_end().to_owned()
}

/// A fingerprint as somebody might write it.
fn written(fingerprint: &str, how: Misspelling) -> String {
    match how {
        Misspelling::Capitals => fingerprint.to_uppercase(),
        Misspelling::Prefix => format!("0x{fingerprint}"),
        Misspelling::Cut => fingerprint.chars().take(fingerprint.len().saturating_sub(8)).collect(),
        Misspelling::Colons => {
            let digits: Vec<char> = fingerprint.chars().collect();
            digits.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(":")
        }
    }
}

/// What the victim sees of its device, if that changed.
fn differs(victim: &Side<'_>, before: &serde_json::Value, after: &serde_json::Value) -> Vec<String> {
    match before == after {
        true => Vec::new(),
        false => vec![format!("{} sees its device otherwise: {before} before, {after} after", victim.name)],
    }
}
