use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

const KEY: [u8; 32] = [7; 32];
const A: &str = "111111111111";
const B: &str = "222222222222";
const EU: &str = "eu-central-1";
const US: &str = "us-east-1";

fn fingerprint() -> Fingerprint {
    Fingerprint::read(&"ab".repeat(32)).unwrap()
}

fn actor(tenant: &str) -> Actor {
    Actor { name: format!("{tenant}'s installer"), tenant: Some(tenant.to_owned()) }
}

fn operator() -> Actor {
    Actor { name: "operator".to_owned(), tenant: None }
}

fn knock(issuer: Issuer) -> Event {
    Event::Registered { pem: "PEM".to_owned(), devicename: "hvac-7".to_owned(), issuer }
}

fn announce(fields: &serde_json::Value) -> Event {
    Event::Announce { client_id: "hvac-7".to_owned(), payload: fields.to_string().into_bytes() }
}

fn hello() -> Event {
    announce(&json!({"state": "factory default", "iotep": "lobby.example", "config": "default"}))
}

fn label(ownership: u32) -> Proof {
    Label::new(&KEY, fingerprint(), ownership).proof
}

fn account_of(tenant: &str) -> &'static str {
    if tenant == "a" { A } else { B }
}

fn claim(tenant: &str, proof: Proof) -> Event {
    Event::Claim { by: actor(tenant), account: account_of(tenant).to_owned(), region: EU.to_owned(), proof }
}

fn release(tenant: &str) -> Event {
    Event::Release { by: actor(tenant) }
}

fn step(account: &str, region: &str, step: Step) -> Event {
    let iotep = (step == Step::DescribeEndpoint).then(|| host(account, region));
    Event::StepDone { account: account.to_owned(), region: region.to_owned(), step, iotep }
}

fn host(account: &str, region: &str) -> String {
    format!("a{account}-ats.iot.{region}.amazonaws.com")
}

fn undone(account: &str, region: &str, undo: Undo) -> Event {
    Event::Undone { account: account.to_owned(), region: region.to_owned(), undo }
}

/// A ledger of one row, and everything that followed.
#[derive(Clone)]
struct Bench {
    row: Option<Row>,
    now: u64,
    accounts: BTreeMap<String, AccountFacts>,
    name_taken: bool,
    defect: Option<Defect>,
    log: Vec<Entry>,
    messages: Vec<Message>,
    notices: Vec<Notice>,
    codes: u32,
}

impl Bench {
    fn new(defect: Option<Defect>) -> Self {
        let account = |tenant: &str| AccountFacts {
            tenant: tenant.to_owned(),
            regions: vec![EU.to_owned(), US.to_owned()],
            trusts: true,
        };
        Self {
            row: None,
            now: 1_700_000_000_000_000,
            accounts: [(A.to_owned(), account("a")), (B.to_owned(), account("b"))].into(),
            name_taken: false,
            defect,
            log: Vec::new(),
            messages: Vec::new(),
            notices: Vec::new(),
            codes: 0,
        }
    }

    fn decide(&self, row: Option<&Row>, event: &Event) -> Result<Change, LobbyError> {
        self.facts(|facts| decide(&fingerprint(), row, event, facts, self.now))
    }

    fn facts<T>(&self, with: impl FnOnce(&Facts<'_>) -> T) -> T {
        with(&Facts {
            label_key: &KEY,
            accounts: &self.accounts,
            pairing_code: &format!("code-{}", self.codes),
            open_preclaims: 0,
            name_taken: self.name_taken,
            lobby_region: EU,
            defect: self.defect,
        })
    }

    /// Three seconds later something happens.
    fn does(&mut self, event: &Event) -> Result<Change, LobbyError> {
        self.now += 3_000_000;
        self.codes += 1;
        let change = self.decide(self.row.as_ref(), event)?;
        self.row = Some(self.facts(|facts| commit(self.row.as_ref(), &change, facts))?);
        self.log.extend(change.entries.iter().cloned());
        self.messages.extend(change.messages.iter().cloned());
        self.notices.extend(change.notices.iter().cloned());
        Ok(change)
    }

    fn row(&self) -> &Row {
        self.row.as_ref().unwrap()
    }

    fn state(&self) -> State {
        self.row().state
    }

    /// Does everything that is outstanding.
    fn work(&mut self) {
        for _ in 0..4 {
            let (work, undo) = outstanding(self.row());
            for todo in undo {
                for undo in todo.undos {
                    let _ = self.does(&undone(&todo.binding.account, &todo.binding.region, undo));
                }
            }
            for todo in work.iter().flat_map(|work| work.steps.iter().map(move |step| (work, *step))) {
                let _ = self.does(&step(&todo.0.account, &todo.0.region, todo.1));
            }
        }
    }

    /// A device of `a`, at home.
    fn at_home(defect: Option<Defect>) -> Self {
        let mut bench = Self::new(defect);
        bench.does(&knock(Issuer::Platform)).unwrap();
        bench.does(&hello()).unwrap();
        bench.does(&claim("a", label(0))).unwrap();
        bench.work();
        assert_eq!(bench.state(), State::Commissioned);
        bench
    }
}

#[test]
fn a_device_comes_home_and_the_log_tells_it() {
    let mut bench = Bench::at_home(None);
    bench.does(&hello()).unwrap();
    bench.does(&release("a")).unwrap();
    bench.work();
    bench.does(&hello()).unwrap();
    let mut lines = String::new();
    for entry in &bench.log {
        let side = |summary: &Summary| {
            let state = summary.state.map_or("-", State::name);
            let tenant = summary.tenant.as_deref().unwrap_or("-");
            format!("{state}/{tenant}/{}/{}/{}", summary.ownership, summary.steps, summary.undoings)
        };
        let (before, after) = (side(&entry.before), side(&entry.after));
        lines.push_str(&format!("{:?} | {} | {} | {before} -> {after}\n", entry.log, entry.actor, entry.action));
    }
    for message in &bench.messages {
        lines.push_str(&format!("{:?} {} {}\n", message.via, message.topic, message.payload));
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn claimed_before_it_was_first_switched_on() {
    let mut bench = Bench::new(None);
    bench.does(&claim("a", label(0))).unwrap();
    assert_eq!(bench.state(), State::Claimed);
    let again = bench.does(&claim("a", label(0))).unwrap();
    assert!(again.entries.is_empty());
    let knocked = bench.does(&knock(Issuer::Platform)).unwrap();
    assert_eq!(bench.state(), State::Commissioning);
    let work = knocked.work.unwrap();
    assert_eq!(work.steps, Step::ALL);
    assert_eq!(work.role, format!("arn:aws:iam::{A}:role/lobby_commissioner_role"));
    assert_eq!(work.policy, format!("hvac-7{}", fingerprint()));
    // The same event again is no second knock.
    assert_eq!(bench.does(&knock(Issuer::Platform)).unwrap().row.version, bench.row().version);
}

#[test]
fn a_photo_of_the_fingerprint_is_no_proof() {
    let mut bench = Bench::new(None);
    bench.does(&knock(Issuer::Platform)).unwrap();
    let waits = bench.does(&claim("b", Proof::None)).unwrap();
    let code = waits.pairing.clone().unwrap();
    assert!(bench.row().owner.is_none());
    // A lost answer can be asked for again: the same code.
    assert_eq!(bench.does(&claim("b", Proof::None)).unwrap().pairing, Some(code.clone()));
    assert_eq!(bench.does(&claim("b", label(1))).unwrap_err(), LobbyError::WrongProof);
    let wrong = Proof::Code { ownership: 0, code: "0".repeat(20) };
    assert_eq!(bench.does(&claim("b", wrong)).unwrap_err(), LobbyError::WrongProof);
    bench.does(&announce(&json!({"pairing": "guess"}))).unwrap();
    assert!(bench.row().owner.is_none());

    let mut other = bench.clone();
    other.does(&claim("a", label(0))).unwrap();
    assert!(other.row().is_of("a"));
    assert_eq!(other.notices.len(), 1);
    assert_eq!(other.notices[0].tenant, "b");
    other.does(&announce(&json!({"pairing": code}))).unwrap();
    assert!(other.row().is_of("a"));

    bench.does(&announce(&json!({"pairing": code}))).unwrap();
    assert!(bench.row().is_of("b"));
    assert_eq!(bench.log.last().unwrap().actor, "b's installer");

    let mut late = Bench::new(None);
    late.does(&knock(Issuer::Platform)).unwrap();
    let code = late.does(&claim("b", Proof::None)).unwrap().pairing;
    late.now += 15 * 60 * 1_000_000;
    late.does(&announce(&json!({"pairing": code}))).unwrap();
    assert!(late.row().owner.is_none() && late.row().pending.is_empty());
}

#[test]
fn a_second_claim_loses() {
    let mut bench = Bench::at_home(None);
    for proof in [label(0), label(1), Proof::None] {
        assert_eq!(bench.does(&claim("b", proof)).unwrap_err(), LobbyError::Conflict);
    }
    assert!(bench.does(&claim("a", Proof::None)).unwrap().entries.is_empty());
    let elsewhere = Event::Claim { by: actor("a"), account: A.to_owned(), region: US.to_owned(), proof: label(0) };
    assert_eq!(bench.does(&elsewhere).unwrap_err(), LobbyError::BoundElsewhere);
    let of = |account: &str, region: &str| Event::Claim {
        by: actor("b"),
        account: account.to_owned(),
        region: region.to_owned(),
        proof: label(0),
    };
    assert_eq!(bench.does(&of(A, EU)).unwrap_err(), LobbyError::UnknownAccount(A.to_owned()));
    assert_eq!(bench.does(&of("9", EU)).unwrap_err(), LobbyError::UnknownAccount("9".to_owned()));
    assert_eq!(bench.does(&of(B, "mars")).unwrap_err(), LobbyError::UngovernedRegion("mars".to_owned()));
    let entry = attempt(bench.now, &actor("b"), "claim", &fingerprint(), &LobbyError::Conflict);
    assert_eq!(entry.log, Log::Tenant("b".to_owned()));
    assert_eq!(entry.action, "claim refused: The device is bound already; its owner must release it first.");
}

#[test]
fn of_two_claims_at_once_one_is_told_that_it_lost() {
    let mut bench = Bench::new(None);
    bench.does(&knock(Issuer::Platform)).unwrap();
    let read = bench.row.clone();
    let mine = bench.decide(read.as_ref(), &claim("a", label(0))).unwrap();
    let theirs = bench.decide(read.as_ref(), &claim("b", label(0))).unwrap();
    bench.row = Some(bench.facts(|facts| commit(bench.row.as_ref(), &mine, facts)).unwrap());
    assert_eq!(bench.facts(|facts| commit(bench.row.as_ref(), &theirs, facts)), Err(LobbyError::Stale));
    assert_eq!(bench.decide(bench.row.as_ref(), &claim("b", label(0))), Err(LobbyError::Conflict));
}

#[test]
fn release_is_the_owners_and_spends_the_label() {
    let mut bench = Bench::at_home(None);
    assert_eq!(bench.does(&release("b")).unwrap_err(), LobbyError::Unknown);
    assert_eq!(bench.does(&Event::Release { by: operator() }).unwrap_err(), LobbyError::Unknown);
    let released = bench.does(&release("a")).unwrap();
    assert_eq!(bench.state(), State::Releasing);
    assert_eq!(released.undo.len(), 1);
    assert_eq!(released.undo[0].undos, Undo::ALL);
    let reset = &released.messages[0];
    assert_eq!(reset.via, Via::Tenant { account: A.to_owned(), region: EU.to_owned() });
    assert_eq!(reset.payload, json!({"config": "factory reset"}));
    assert_eq!(bench.does(&claim("b", label(0))).unwrap_err(), LobbyError::Conflict);

    // A commissioner that was late makes a policy again: it is to be undone again.
    bench.does(&undone(A, EU, Undo::Policy)).unwrap();
    bench.does(&step(A, EU, Step::CreatePolicy)).unwrap();
    assert!(outstanding(bench.row()).1[0].undos.contains(&Undo::Policy));

    bench.work();
    assert_eq!(bench.state(), State::Released);
    assert!(bench.row().owner.is_none());
    assert_eq!(bench.does(&step(A, EU, Step::CreatePolicy)).unwrap_err(), LobbyError::NotItsHome);
    assert_eq!(bench.does(&claim("a", label(0))).unwrap_err(), LobbyError::SpentProof);
    let next = Label::read(&released.label.unwrap()).unwrap();
    bench.does(&claim("b", next.proof)).unwrap();
    assert!(bench.row().is_of("b"));
}

#[test]
fn a_tenants_own_devices_are_its_own() {
    let own = || knock(Issuer::Tenant("a".to_owned()));
    let mut bench = Bench::new(None);
    bench.does(&own()).unwrap();
    assert_eq!(bench.does(&claim("b", label(0))).unwrap_err(), LobbyError::ForeignAuthority);
    bench.does(&claim("a", Proof::None)).unwrap();
    assert!(bench.row().is_of("a"));

    // In advance: the claim waits for the certificate, or falls by it.
    let mut ahead = Bench::new(None);
    ahead.does(&claim("a", Proof::None)).unwrap();
    ahead.does(&claim("b", Proof::None)).unwrap();
    ahead.does(&own()).unwrap();
    assert!(ahead.row().is_of("a"));
    assert_eq!(ahead.notices.iter().filter(|notice| notice.tenant == "b").count(), 1);
    let mut wrong = Bench::new(None);
    wrong.does(&claim("b", label(0))).unwrap();
    wrong.does(&own()).unwrap();
    assert_eq!((wrong.state(), &wrong.row().owner), (State::Knocking, &None));
    assert_eq!(wrong.notices[0].tenant, "b");

    // Nor can it be handed to a stranger.
    let hand = migrate("a", "b", Some("b's installer"));
    assert_eq!(ahead.does(&hand).unwrap_err(), LobbyError::ForeignAuthority);
}

fn migrate(from: &str, to: &str, accepted_by: Option<&str>) -> Event {
    Event::Migrate {
        by: actor(from),
        tenant: to.to_owned(),
        account: account_of(to).to_owned(),
        region: US.to_owned(),
        accepted_by: accepted_by.map(ToOwned::to_owned),
    }
}

#[test]
fn a_device_moves_and_the_old_home_is_clean_before_the_new_one_begins() {
    let mut bench = Bench::at_home(None);
    assert_eq!(bench.does(&migrate("a", "b", None)).unwrap_err(), LobbyError::NotAccepted);
    assert_eq!(bench.does(&migrate("b", "b", Some("x"))).unwrap_err(), LobbyError::Unknown);
    let moved = bench.does(&migrate("a", "b", Some("x"))).unwrap();
    assert!(moved.work.is_none());
    assert!(bench.row().is_of("a"));
    for undo in Undo::ALL {
        assert_eq!(bench.state(), State::Releasing);
        bench.does(&undone(A, EU, undo)).unwrap();
    }
    assert_eq!(bench.state(), State::Commissioning);
    assert!(bench.row().is_of("b"));
    assert_eq!(bench.row().ownership, 1);
    let silent = bench.does(&hello()).unwrap();
    assert!(silent.messages.is_empty());
    bench.work();
    let told = bench.does(&hello()).unwrap().messages;
    assert_eq!(told[0].payload, json!({"iotep": host(B, US), "config": "default config"}));
    // Neither log names the other tenant.
    for entry in &bench.log {
        let Log::Tenant(log) = &entry.log else { continue };
        for side in [&entry.before, &entry.after] {
            assert!(side.tenant.as_ref().is_none_or(|tenant| tenant == log), "{entry:?}");
        }
    }
    // Within the tenant nobody needs to agree, and the label stays good for the same owner.
    let back = Event::Migrate {
        by: actor("b"),
        tenant: "b".to_owned(),
        account: B.to_owned(),
        region: EU.to_owned(),
        accepted_by: None,
    };
    bench.does(&back).unwrap();
    bench.work();
    assert_eq!((bench.state(), bench.row().ownership), (State::Commissioned, 1));
}

#[test]
fn a_lost_region_is_left_without_waiting_for_it() {
    let evacuate = |by| Event::Evacuate { by, from: EU.to_owned(), to: US.to_owned() };
    let mut bench = Bench::at_home(None);
    assert_eq!(bench.does(&evacuate(actor("b"))).unwrap_err(), LobbyError::Unknown);
    let left = bench.does(&evacuate(operator())).unwrap();
    assert_eq!(bench.state(), State::Commissioning);
    assert_eq!(left.work.unwrap().region, US);
    assert_eq!(left.undo[0].binding.region, EU);
    for todo in Step::ALL {
        bench.does(&step(A, US, todo)).unwrap();
    }
    let told = bench.does(&announce(&json!({"state": "refused", "iotep": host(A, EU)}))).unwrap();
    assert_eq!(told.messages[0].payload["iotep"], json!(host(A, US)));
    // Back before the old home was cleaned: what was to be undone there must not undo the new home.
    let back = Event::Evacuate { by: operator(), from: US.to_owned(), to: EU.to_owned() };
    bench.does(&back).unwrap();
    assert!(bench.row().cleanups.iter().all(|cleanup| cleanup.binding.region == US));
    // A release that waits for a lost region goes on without it.
    bench.does(&release("a")).unwrap();
    bench.does(&evacuate(operator())).unwrap();
    assert_eq!(bench.state(), State::Released);
    assert_eq!(bench.row().cleanups.len(), 2);
}

#[test]
fn a_device_that_its_home_refuses_keeps_its_owner() {
    let mut bench = Bench::at_home(None);
    let refused = announce(&json!({"state": "refused", "iotep": host(A, EU)}));
    let again = bench.does(&refused).unwrap();
    assert_eq!(bench.state(), State::Commissioning);
    assert!(bench.row().is_of("a") && again.messages.is_empty());
    assert_eq!(again.work.unwrap().steps, Step::ALL);
    bench.work();
    // At most once in a minute, whatever the device says.
    let soon = bench.does(&refused).unwrap();
    assert_eq!((bench.state(), soon.messages.len()), (State::Commissioned, 1));
    bench.now += 60_000_000;
    bench.does(&refused).unwrap();
    assert_eq!(bench.state(), State::Commissioning);
}

#[test]
fn without_trust_it_waits_for_trust() {
    let mut bench = Bench::new(None);
    bench.does(&knock(Issuer::Platform)).unwrap();
    bench.does(&claim("a", label(0))).unwrap();
    bench.does(&step(A, EU, Step::RegisterCertificate)).unwrap();
    let failed = |no_trust| Event::StepFailed {
        account: A.to_owned(),
        region: EU.to_owned(),
        step: Step::CreatePolicy,
        no_trust,
    };
    let throttled = bench.does(&failed(false)).unwrap();
    assert_eq!(throttled.work.unwrap().steps, Step::ALL[1..]);
    let refused = bench.does(&failed(true)).unwrap();
    assert_eq!((bench.state(), refused.work, refused.notices.len()), (State::RefusedTrust, None, 1));
    bench.does(&Event::TrustGranted { account: B.to_owned() }).unwrap();
    assert_eq!(bench.state(), State::RefusedTrust);
    let granted = bench.does(&Event::TrustGranted { account: A.to_owned() }).unwrap();
    assert_eq!(granted.work.unwrap().steps, Step::ALL[1..]);

    let mut never = Bench::new(None);
    never.accounts.get_mut(A).unwrap().trusts = false;
    never.does(&knock(Issuer::Platform)).unwrap();
    never.does(&claim("a", label(0))).unwrap();
    assert_eq!(never.state(), State::RefusedTrust);
    never.does(&release("a")).unwrap();
    assert_eq!(never.state(), State::Released);
}

#[test]
fn what_a_device_says_of_itself_is_not_believed() {
    let mut bench = Bench::new(None);
    bench.does(&knock(Issuer::Platform)).unwrap();
    bench
        .does(&announce(
            &json!({"certid": "cd".repeat(32), "devicename": "root", "iotep": "evil.example", "owner": "b"}),
        ))
        .unwrap();
    assert_eq!(bench.row().certid, fingerprint());
    assert_eq!(bench.row().devicename.as_deref(), Some("hvac-7"));
    assert!(bench.row().owner.is_none());
    let other = Event::Announce { client_id: "hvac-8".to_owned(), payload: b"{}".to_vec() };
    assert_eq!(bench.does(&other).unwrap_err(), LobbyError::NotItsName);
    for payload in [&b""[..], b"[]", b"\xff", &[b' '; 5000]] {
        let event = Event::Announce { client_id: "hvac-7".to_owned(), payload: payload.to_vec() };
        assert_eq!(bench.does(&event).unwrap_err(), LobbyError::InvalidAnnounce);
    }
    for name in ["", "a/b", "+", "#", "$aws", "ä", &"x".repeat(129)] {
        let event = Event::Registered { pem: "P".into(), devicename: name.to_owned(), issuer: Issuer::Platform };
        assert_eq!(Bench::new(None).does(&event).unwrap_err(), LobbyError::InvalidName);
    }
    assert_eq!(Bench::new(None).does(&hello()).unwrap_err(), LobbyError::Unknown);
}

#[test]
fn announces_are_counted() {
    let mut bench = Bench::new(None);
    bench.does(&knock(Issuer::Platform)).unwrap();
    let mut heard = 0;
    let refused = loop {
        bench.now -= 3_000_000;
        match bench.does(&hello()) {
            Ok(_) => heard += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((heard, refused), (5, LobbyError::Throttled(2_000_000)));
    assert_eq!(bench.row().doormancount, 5);
    bench.does(&hello()).unwrap();
}

#[test]
fn labels_are_read_with_care() {
    let print = fingerprint();
    let good = Label::new(&KEY, print.clone(), 3);
    let text = good.to_string();
    assert_eq!(Label::read(&format!(" {text}\n")), Ok(good.clone()));
    assert_eq!(Label::read(print.as_str()), Ok(Label { fingerprint: print.clone(), proof: Proof::None }));
    insta::assert_snapshot!(text);
    let hex = print.as_str();
    for (text, wrong) in [
        (String::new(), LabelError::Empty),
        (format!("0x{hex}"), LabelError::HexPrefix),
        (hex.to_uppercase(), LabelError::UpperCase),
        (hex[..63].to_owned(), LabelError::Truncated { found: 63 }),
        (format!("{hex}0"), LabelError::TooLong { found: 65 }),
        ("a".repeat(300), LabelError::TooLong { found: 300 }),
        ("AB:CD".to_owned(), LabelError::Colons),
        ("https://example.org".to_owned(), LabelError::Foreign),
        (hex.replacen('a', "ä", 1), LabelError::Foreign),
        (text.replacen(":1:", ":2:", 1), LabelError::Version("2".to_owned())),
        (text.replacen(":3:", ":4:", 1), LabelError::Check),
        (text.replacen(":3:", ":03:", 1), LabelError::Part("ownership")),
        (text[..text.len() - 1].to_owned(), LabelError::Part("check")),
        (text[..90].to_owned(), LabelError::Part("code")),
        (format!("{text}:"), LabelError::Part("end")),
        (text.replacen("abab", "baba", 1), LabelError::Check),
    ] {
        assert_eq!(Label::read(&text), Err(wrong), "{text}");
    }
}

#[test]
fn a_new_certificate_keeps_the_owner() {
    let bench = Bench::at_home(None);
    let print = Fingerprint::read(&"ef".repeat(32)).unwrap();
    let knocks = |name: &str, issuer| {
        let event = Event::Registered { pem: "NEW".to_owned(), devicename: name.to_owned(), issuer };
        bench.facts(|facts| decide(&print, None, &event, facts, bench.now)).unwrap().row
    };
    let rotates = |new: &Row, by: &Actor| bench.facts(|facts| rotate(bench.row(), new, by, facts, bench.now));
    let new = knocks("hvac-7", Issuer::Platform);
    assert_eq!(rotates(&new, &actor("b")).unwrap_err(), LobbyError::Unknown);
    assert_eq!(rotates(bench.row(), &operator()).unwrap_err(), LobbyError::Unknown);
    let other = knocks("hvac-8", Issuer::Platform);
    assert_eq!(rotates(&other, &operator()).unwrap_err(), LobbyError::NotItsName);
    let foreign = knocks("hvac-7", Issuer::Tenant("b".to_owned()));
    assert_eq!(rotates(&foreign, &operator()).unwrap_err(), LobbyError::ForeignAuthority);
    let (from, to) = rotates(&new, &actor("a")).unwrap();
    assert_eq!((from.row.state, from.row.owner.is_none(), to.row.is_of("a")), (State::Revoked, true, true));
    assert_eq!(from.undo[0].undos, [Undo::Certificate, Undo::Policy]);
    assert_eq!(to.work.unwrap().steps, Step::ALL);
    assert!(from.entries.len() == 2 && to.entries.len() == 2);
}

#[test]
fn who_sees_what() {
    let bench = Bench::at_home(None);
    let mut lobby = Bench::new(None);
    lobby.does(&knock(Issuer::Platform)).unwrap();
    let see = |bench: &Bench, viewer: &Viewer| bench.facts(|facts| shown(bench.row(), viewer, facts));
    let (a, b) = (Viewer::Tenant("a".to_owned()), Viewer::Tenant("b".to_owned()));
    assert!(see(&bench, &a).unwrap().home.is_some());
    assert_eq!(see(&bench, &b), None);
    assert_eq!((see(&lobby, &a), see(&lobby, &b)), (None, None));
    assert!(see(&lobby, &Viewer::Operator).is_some());
    lobby.does(&claim("b", Proof::None)).unwrap();
    let waits = see(&lobby, &b).unwrap();
    assert_eq!((waits.devicename, waits.home, waits.state), (None, None, State::Knocking));
    assert_eq!(see(&lobby, &a), None);
    assert_eq!(bench.facts(|facts| may_reset(bench.row(), A, facts)), Ok(()));
    assert_eq!(bench.facts(|facts| may_reset(bench.row(), B, facts)), Err(LobbyError::Unknown));
    let policy = device_policy(EU, A, "hvac-7").to_string();
    assert!(!policy.contains("/*\"") || policy.matches("/*\"").count() == policy.matches("hvac-7/*\"").count());
}

/// What comes of the attempt that a fault lets through; the same of a sound lobby differs.
fn symptom(defect: Option<Defect>, which: Defect) -> String {
    let mut bench = Bench::new(defect);
    bench.does(&knock(Issuer::Platform)).unwrap();
    let owner = |bench: &Bench| bench.row().owner.as_ref().map(|owner| owner.tenant.clone());
    match which {
        Defect::SecondClaimWins => {
            bench.does(&claim("a", label(0))).unwrap();
            let answer = bench.does(&claim("b", label(0))).is_ok();
            format!("{answer} {:?}", owner(&bench))
        }
        Defect::ClaimWithoutProof => {
            bench.does(&claim("b", Proof::None)).unwrap();
            format!("{:?}", owner(&bench))
        }
        Defect::ReleaseByStranger => {
            bench.does(&claim("a", label(0))).unwrap();
            format!("{:?}", bench.does(&release("b")).map(|change| change.row.state))
        }
        Defect::AnnounceOverridesCertid => {
            let heard = bench.does(&announce(&json!({"certid": "cd".repeat(32)}))).unwrap();
            heard.row.certid.to_string()
        }
        Defect::AuthorityIgnored => {
            let mut own = Bench::new(defect);
            own.does(&knock(Issuer::Tenant("a".to_owned()))).unwrap();
            format!("{:?}", own.does(&claim("b", label(0))).map(|change| change.row.state))
        }
        Defect::OldTenantNotCleaned => {
            let mut home = Bench::at_home(defect);
            format!("{:?}", home.does(&release("a")).unwrap().undo)
        }
        Defect::RetryForgotten => {
            bench.accounts.get_mut(A).unwrap().trusts = false;
            bench.does(&claim("a", label(0))).unwrap();
            bench.accounts.get_mut(A).unwrap().trusts = true;
            bench.does(&Event::TrustGranted { account: A.to_owned() }).unwrap();
            bench.state().name().to_owned()
        }
        Defect::StaleEndpointTold => {
            let mut home = Bench::at_home(defect);
            home.does(&migrate("a", "b", Some("x"))).unwrap();
            for undo in Undo::ALL {
                home.does(&undone(A, EU, undo)).unwrap();
            }
            format!("{:?}", home.does(&hello()).unwrap().messages)
        }
        Defect::FingerprintToEveryone => {
            format!("{:?}", bench.facts(|facts| shown(bench.row(), &Viewer::Tenant("b".to_owned()), facts)))
        }
        Defect::CompareAndSetLost => {
            let read = bench.row.clone();
            let first = bench.decide(read.as_ref(), &claim("a", label(0))).unwrap();
            let second = bench.decide(read.as_ref(), &claim("b", label(0))).unwrap();
            let first = bench.facts(|facts| commit(read.as_ref(), &first, facts)).unwrap();
            format!("{:?}", bench.facts(|facts| commit(Some(&first), &second, facts)).map(|row| row.owner))
        }
        Defect::LabelNeverSpent => {
            let mut home = Bench::at_home(defect);
            home.does(&release("a")).unwrap();
            home.work();
            format!("{:?}", home.does(&claim("a", label(0))).map(|change| change.row.state))
        }
        Defect::ResetByAnyone => {
            bench.does(&claim("a", label(0))).unwrap();
            format!("{:?}", bench.facts(|facts| may_reset(bench.row(), B, facts)))
        }
        Defect::LoserNotTold => {
            bench.does(&claim("b", Proof::None)).unwrap();
            bench.does(&claim("a", label(0))).unwrap();
            format!("{:?}", bench.notices)
        }
    }
}

#[test]
fn each_fault_can_be_seen() {
    for defect in Defect::ALL {
        assert_ne!(symptom(Some(defect), defect), symptom(None, defect), "{defect:?}");
    }
}

fn event() -> impl Strategy<Value = Event> {
    let tenant = || prop_oneof![Just("a"), Just("b")];
    let region = || prop_oneof![Just(EU), Just(US)];
    let proof = prop_oneof![Just(Proof::None), (0_u32..4).prop_map(label)];
    let by = prop_oneof![Just(actor("a")), Just(actor("b")), Just(operator())];
    prop_oneof![
        2 => prop_oneof![
            3 => Just(Issuer::Platform),
            1 => tenant().prop_map(|own| Issuer::Tenant(own.to_owned())),
        ].prop_map(knock),
        4 => Just(hello()),
        2 => (1_u32..40).prop_map(|code| announce(&json!({"pairing": format!("code-{code}")}))),
        1 => (tenant(), region()).prop_map(|(at, region)| {
            announce(&json!({"state": "refused", "iotep": host(account_of(at), region)}))
        }),
        8 => (tenant(), proof).prop_map(|(tenant, proof)| claim(tenant, proof)),
        2 => tenant().prop_map(release),
        2 => (tenant(), tenant(), any::<bool>()).prop_map(|(from, to, yes)| migrate(from, to, yes.then_some("x"))),
        1 => (by.clone(), region(), region()).prop_map(|(by, from, to)| Event::Evacuate {
            by, from: from.to_owned(), to: to.to_owned(),
        }),
        1 => (tenant(), region(), 0_usize..7, any::<bool>()).prop_map(|(at, region, which, no_trust)| Event::StepFailed {
            account: account_of(at).to_owned(), region: region.to_owned(), step: Step::ALL[which], no_trust,
        }),
        1 => tenant().prop_map(|at| Event::TrustGranted { account: account_of(at).to_owned() }),
        1 => by.clone().prop_map(|by| Event::Reject { by }),
        1 => by.clone().prop_map(|by| Event::Revoke { by }),
        2 => by.prop_map(|by| Event::Reinstate { by }),
    ]
}

/// Something happens, or a little or all of the outstanding work is done.
#[derive(Clone, Debug)]
enum Move {
    Happens(Event, bool),
    Works(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (event(), proptest::bool::weighted(0.2)).prop_map(|(event, lag)| Move::Happens(event, lag)),
        1 => (1_usize..10).prop_map(Move::Works),
    ];
    proptest::collection::vec(one, 1..40)
}

/// The next thing that is outstanding.
fn next_work(row: &Row) -> Option<Event> {
    let (work, undo) = outstanding(row);
    let undo = undo
        .into_iter()
        .find_map(|todo| todo.undos.first().map(|undo| undone(&todo.binding.account, &todo.binding.region, *undo)));
    undo.or_else(|| work.and_then(|work| work.steps.first().map(|todo| step(&work.account, &work.region, *todo))))
}

/// Homes in which the certificate opens the door, as the accounts would have it.
fn note_active(active: &mut BTreeSet<(String, String)>, event: &Event) {
    match event {
        Event::StepDone { account, region, step: Step::ActivateCertificate, .. } => {
            active.insert((account.clone(), region.clone()));
        }
        Event::Undone { account, region, undo: Undo::Certificate } => {
            active.remove(&(account.clone(), region.clone()));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn one_owner_a_whole_history_and_always_a_way_out(moves in moves()) {
        let mut bench = Bench::new(None);
        let mut active = BTreeSet::new();
        let mut older: Option<Row> = None;
        let mut evacuated = false;
        for todo in moves {
            let (events, lag) = match todo {
                Move::Happens(event, lag) => (vec![event], lag),
                Move::Works(count) => {
                    for _ in 0..count {
                        let Some(event) = bench.row.as_ref().and_then(next_work) else { break };
                        bench.does(&event).unwrap();
                        note_active(&mut active, &event);
                    }
                    (Vec::new(), false)
                }
            };
            for event in events {
                evacuated |= matches!(event, Event::Evacuate { .. });
                let before = bench.row.clone();
                // A region with an old row decides on it, and is stopped at the commit.
                if lag
                    && older.as_ref().map(|row| row.version) != before.as_ref().map(|row| row.version)
                    && let Ok(change) = bench.decide(older.as_ref(), &event)
                {
                    let written = bench.facts(|facts| commit(before.as_ref(), &change, facts));
                    prop_assert_eq!(written, Err(LobbyError::Stale));
                }
                let told = bench.notices.len();
                let decided = bench.does(&event);
                let refused = decided.is_err();
                if refused {
                    prop_assert_eq!(&bench.row, &before);
                }
                note_active(&mut active, &event);
                older = before.clone();
                let (Some(before), Some(after)) = (before, &bench.row) else { continue };

                // Nobody takes a device from its owner.
                if let (Some(from), Some(to)) = (&before.owner, &after.owner)
                    && from.tenant != to.tenant
                {
                    let agreed = matches!(&event, Event::Migrate { by, tenant, accepted_by: Some(_), .. }
                        if *tenant == to.tenant && by.tenant.as_ref() == Some(&from.tenant));
                    prop_assert!(agreed || before.next.as_ref().is_some_and(|next| next.tenant == to.tenant));
                }
                // Who waited and did not get it is told.
                for waits in before.pending.iter().filter(|waits| waits.until > bench.now) {
                    let waits_still = after.pending.iter().any(|other| other.binding.tenant == waits.binding.tenant);
                    let tenant = &waits.binding.tenant;
                    let heard = bench.notices[told..].iter().any(|notice| notice.tenant == *tenant);
                    prop_assert!(waits_still || after.is_of(tenant) || heard);
                }
                prop_assert!(after.pending.len() <= 4 && after.cleanups.len() <= 4);
            }
            let Some(row) = &bench.row else { continue };
            // The door is open at the owner's home, or where it is known that it is still to be closed.
            for (account, region) in &active {
                let at = |home: &Binding| home.account == *account && home.region == *region;
                let known = row.owner.as_ref().is_some_and(at)
                    || row.cleanups.iter().any(|left| at(&left.binding) && left.left.contains(&Undo::Certificate));
                prop_assert!(known, "{} {}: {:?}", account, region, row);
                let owner = row.owner.as_ref().map(|owner| owner.account.as_str());
                // An evacuation and a revocation leave doors behind; nothing else does.
                let excused = evacuated || row.state == State::Revoked || bench.log.iter().any(|entry| entry.action == "revoke");
                prop_assert!(excused || owner == Some(account.as_str()), "{:?}", row);
            }
            // A device at home is told its own home.
            if row.state == State::Commissioned {
                let owner = row.owner.as_ref().unwrap();
                prop_assert_eq!(owner.iotep.clone(), Some(host(&owner.account, &owner.region)));
                prop_assert_eq!(row.steps.len(), 7);
            }
            prop_assert_eq!(row.owner.is_none(), matches!(
                (row.state, &row.owner),
                (State::Knocking | State::InLobby | State::Released | State::Rejected, _) | (State::Revoked, None)
            ));
        }

        // The lobby's log is a chain without a gap.
        let mut last = Summary::default();
        for entry in bench.log.iter().filter(|entry| entry.log == Log::Lobby) {
            prop_assert_eq!(&entry.before, &last, "{:?}", entry);
            last = entry.after.clone();
        }
        if let Some(row) = &bench.row {
            prop_assert_eq!(last.state, Some(row.state));
            prop_assert_eq!(last.tenant, row.owner.as_ref().map(|owner| owner.tenant.clone()));
        }

        // And from wherever it stands the device can become nobody's, and then somebody's.
        if bench.row.is_none() {
            return Ok(());
        }
        if matches!(bench.state(), State::Rejected | State::Revoked) {
            bench.does(&Event::Reinstate { by: operator() }).unwrap();
        }
        for account in [A, B] {
            bench.does(&Event::TrustGranted { account: account.to_owned() }).unwrap();
        }
        bench.work();
        if let Some(owner) = bench.row().owner.clone() {
            bench.does(&release(&owner.tenant)).unwrap();
            bench.work();
        }
        prop_assert_eq!(&bench.row().owner, &None);
        prop_assert_eq!(outstanding(bench.row()), (None, Vec::new()));
        bench.does(&knock(Issuer::Platform)).unwrap();
        let own = match &bench.row().issuer { Some(Issuer::Tenant(own)) => own.clone(), _ => "a".to_owned() };
        if bench.row().owner.is_none() {
            let proof = label(bench.row().ownership);
            bench.does(&claim(&own, proof)).unwrap();
        }
        bench.work();
        prop_assert_eq!(bench.state(), State::Commissioned);
    }

    #[test]
    fn a_crash_between_steps_changes_nothing(crashes in proptest::collection::vec((0_usize..7, 1_usize..4), 0..12)) {
        let plain = Bench::at_home(None);
        let mut bench = Bench::new(None);
        bench.does(&knock(Issuer::Platform)).unwrap();
        bench.does(&hello()).unwrap();
        bench.does(&claim("a", label(0))).unwrap();
        for (from, count) in crashes {
            // Somebody who remembers an older stage begins again from there, and dies again.
            for todo in Step::ALL.into_iter().skip(from).take(count) {
                let early = Step::ALL.into_iter().find(|before| *before < todo && !bench.row().steps.contains(before));
                let done = bench.does(&step(A, EU, todo)).map(|_| ());
                prop_assert_eq!(done, early.map_or(Ok(()), |missing| Err(LobbyError::StepTooEarly(missing))));
            }
        }
        bench.work();
        let settled = |bench: &Bench| Row { heard_at: 0, pace: 0, ..bench.row().clone() };
        prop_assert_eq!(settled(&bench), settled(&plain));
        let told = |bench: &Bench| bench.log.iter().map(|entry| (entry.action.clone(), entry.log.clone())).collect::<Vec<_>>();
        prop_assert_eq!(told(&bench), told(&plain));
        prop_assert_eq!(&bench.messages, &plain.messages);
    }

    #[test]
    fn no_text_is_a_label_by_chance(text in "\\PC{0,120}", ownership in any::<u32>()) {
        let _ = Label::read(&text);
        let label = Label::new(&KEY, fingerprint(), ownership);
        prop_assert_eq!(Label::read(&label.to_string()), Ok(label));
    }

    #[test]
    fn one_misread_sign_is_seen(at in 0_usize..120, sign in "[0-9a-f]") {
        let text = Label::new(&KEY, fingerprint(), 0).to_string();
        let at = at % text.len();
        let mut misread = text.clone();
        misread.replace_range(at..=at, &sign);
        prop_assume!(misread != text);
        prop_assert!(Label::read(&misread).is_err());
    }
}
