//! No secret in any output but the one line of `serve`, in no encoding.
//!
//! What the secrets of a run are is not asked of the binary: they follow from its seed, and are derived here. That they are
//! the right ones is proven on a run in real time: while it lasts its platform lets in whoever shows them.

use crate::encodings::{basic, spellings, web_tokens};
use crate::signals::{listens, waiting};
use crate::tool::{Folder, Running, Said, ask, files, fleetproof, here, until};
use fleetproof_language::{Scenario, Sources};
use fleetproof_world::Seeds;
use rand::{Rng, RngCore};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is said to people and programs: where, and the text.
type Texts = Vec<(String, String)>;

/// Secrets: what they open, and the words themselves.
type Secrets = BTreeMap<String, String>;

/// Every place at which a secret stands in what must not hold one.
fn leaks(texts: &Texts, secrets: &Secrets) -> Vec<String> {
    let mut found = Vec::new();
    for (place, text) in texts {
        for (what, secret) in secrets {
            assert!(secret.len() >= 16, "{what}: too short to be told from chance");
            let spelt = spellings(secret).into_iter().filter(|(_, spelling)| text.contains(spelling.as_str()));
            found.extend(spelt.map(|(encoding, _)| format!("{place}: {what}, {encoding}")));
        }
        found.extend(web_tokens(text).into_iter().map(|token| format!("{place}: a token, {}…", &token[..12])));
        for word in ["Bearer ", "Basic ", "signature="] {
            // Cut short after a letter it opens nothing.
            let length =
                |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_+/=.".contains(*c)).count();
            let shown = text.match_indices(word).filter(|(at, _)| length(&text[at + word.len()..]) >= 6);
            found.extend(shown.map(|(at, _)| format!("{place}: {}", text[at..].chars().take(40).collect::<String>())));
        }
    }
    found
}

fn clean(texts: &Texts, secrets: &Secrets) {
    assert!(texts.iter().any(|(_, text)| !text.is_empty()) && !secrets.is_empty(), "nothing was searched");
    let found = leaks(texts, secrets);
    assert!(found.is_empty(), "{} leaks\n{}", found.len(), found.join("\n"));
}

/// All that a call said.
fn said(name: &str, said: &Said) -> Texts {
    vec![(format!("{name}, standard output"), said.out.clone()), (format!("{name}, standard error"), said.err.clone())]
}

/// All that a run left: every file, and their names.
fn left(folder: &Path) -> Texts {
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let texts: Texts = files(folder).iter().map(|path| (path.display().to_string(), read(path))).collect();
    let names = texts.iter().map(|(name, _)| format!("{name}\n")).collect();
    texts.into_iter().chain([("names of files".to_owned(), names)]).collect()
}

/// Every report of a run.
fn reported(run: &str) -> Texts {
    let kinds: [&[&str]; 3] = [&[], &["--junit"], &["--json"]];
    kinds
        .iter()
        .flat_map(|kind| said(&format!("report {kind:?}"), &fleetproof(&[&["report", run], *kind].concat())))
        .collect()
}

fn scenario(path: &str) -> Scenario {
    let mut sources = Sources::new();
    let file = sources.add(path, std::fs::read_to_string(here().join(path)).unwrap());
    fleetproof_language::read(&sources, file).unwrap().scenario().clone()
}

/// The password of a person, as a run draws it.
fn password(seeds: &Seeds, person: &str) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut stream = seeds.child("people").stream(person);
    (0..24).map(|_| char::from(LETTERS[stream.gen_range(0..LETTERS.len())])).collect()
}

/// What opens the operator's door of a run.
fn operator(seeds: &Seeds) -> String {
    let mut bytes = [0; 24];
    seeds.child("platform").stream("key/operator").fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The passwords of everybody whose address stands in `texts`, and the operator's token.
fn derived(path: &str, seed: u64, texts: &Texts) -> Secrets {
    let seeds = fleetproof_plan::seeds(&scenario(path), seed);
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    let words = texts.iter().flat_map(|(_, text)| text.split(|c| !is_letter(c)));
    let people: BTreeSet<&str> = words.filter(|word| word.contains('@') && word.ends_with(".test")).collect();
    let mut secrets: Secrets =
        people.into_iter().map(|person| (format!("the password of {person}"), password(&seeds, person))).collect();
    secrets.insert("the operator's token".to_owned(), operator(&seeds));
    secrets
}

/// Logs in, and returns the token that the platform issued.
fn login(door: &str, email: &str, password: &str) -> Option<String> {
    let shown = basic(email, password);
    let answer = ask(door, "POST", "/api/management/v1/useradm/auth/login", &[("Authorization", &shown)], "")?;
    (answer.status == 200).then_some(answer.body)
}

/// What the platform tells a tenant's admin about devices' way in.
fn tenant_token(door: &str, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    let answer =
        ask(door, "GET", "/api/management/v1/tenantadm/user/tenant", &[("Authorization", &bearer)], "").unwrap();
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    told["tenant_token"].as_str().unwrap().to_owned()
}

#[test]
fn what_must_not_be_there_is_found() {
    let secrets = Secrets::from([("the password of pia".to_owned(), "kH7wqP2mZx9sRt4vBn6cLd3f".to_owned())]);
    let found = |text: &str| leaks(&vec![("here".to_owned(), text.to_owned())], &secrets).len();
    assert_eq!(found("a run without any"), 0);
    assert_eq!(found("--password kH7wqP2mZx9sRt4vBn6cLd3f"), 1);
    assert_eq!(found("Authorization: Basic cGlhOmtIN3dxUDJtWng5c1J0NHZCbjZjTGQzZg=="), 2);
    assert_eq!(found("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLWl0"), 1);
    assert_eq!(found("https://x/download?signature=abcdef"), 1);
}

/// The derived secrets open the platform of the run, and stand nowhere in what it says and leaves.
#[test]
fn a_run_in_real_time_keeps_its_secrets() {
    let folder = Folder::new("secrets-real");
    let running = waiting(&folder);
    let seeds = fleetproof_plan::seeds(&scenario("scenarios/waits.yaml"), 1);
    let doors = listens(running.id());
    let mut secrets = Secrets::new();
    for person in ["pia@provider.test", "ada@acme.test", "ivy@acme.test"] {
        let word = password(&seeds, person);
        let token = doors.iter().find_map(|door| login(door, person, &word));
        let token = token.unwrap_or_else(|| panic!("{person} is not let in with the password that was derived"));
        if person != "ivy@acme.test" {
            let devices = doors.iter().find(|door| login(door, person, &word).is_some()).unwrap();
            secrets.insert(format!("the tenant token of {person}"), tenant_token(devices, &token));
        }
        secrets.insert(format!("the password of {person}"), word);
        secrets.insert(format!("a token of {person}"), token);
    }
    let bearer = format!("Bearer {}", operator(&seeds));
    let opened = |door: &String| {
        let answer = ask(door, "GET", "/api/internal/v1/tenantadm/tenants", &[("Authorization", &bearer)], "").unwrap();
        answer.status == 200
    };
    assert!(doors.iter().any(opened), "the operator's door does not open to the token that was derived");
    secrets.insert("the operator's token".to_owned(), operator(&seeds));
    running.signal("INT");
    let mut texts = said("run", &running.end());
    texts.extend(left(folder.path()));
    texts.extend(reported(&folder.shown("run")));
    clean(&texts, &secrets);
}

/// A run with every attempt, on a platform that is sound and on one that is not.
#[test]
fn runs_keep_their_secrets_whatever_they_find() {
    const SCENARIO: &str = "scenarios/neighbours.yaml";
    let defects: [&[&str]; 3] =
        [&[], &["--seeded-defect", "user-list-forgets-tenant"], &["--seeded-defect", "download-forgets-tenant"]];
    for defect in defects {
        let folder = Folder::new("secrets");
        let run = folder.shown("run");
        let called =
            fleetproof(&[&["run", SCENARIO, "--seed", "3", "--format", "json", "--report", &run], defect].concat());
        assert_eq!(called.code, Some(if defect.is_empty() { 0 } else { 1 }), "{defect:?}: {}", called.err);
        let mut texts = said("run", &called);
        texts.extend(left(folder.path()));
        texts.extend(reported(&run));
        let secrets = derived(SCENARIO, 3, &texts);
        assert!(secrets.len() > 4, "too few people to believe: {:?}", secrets.keys());
        clean(&texts, &secrets);
    }
}

/// `serve` tells what it made in one line, and nothing more of it later, whatever is asked.
#[test]
fn serve_tells_its_secrets_once() {
    let mut running = Running::start(&["serve", "scenarios/waits.yaml"]);
    let line = running.line();
    let told: Value = serde_json::from_str(&line).unwrap();
    let address = |value: &Value| value.as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let (door, operators) = (address(&told["http"]), address(&told["operator"]["http"]));
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mut secrets = Secrets::from([
        ("the operator's token".to_owned(), word(&told["operator"]["token"])),
        ("the tenant token".to_owned(), word(&told["tenants"]["acme"]["tenant_token"])),
    ]);
    let acme = &told["tenants"]["acme"];
    for person in [&told["provider"]["admin"], &acme["admin"], &acme["users"][0]] {
        let (email, password) = (word(&person["email"]), word(&person["password"]));
        let token = login(&door, &email, &password).unwrap_or_else(|| panic!("{email} is not let in"));
        let bearer = format!("Bearer {token}");
        let made = ask(
            &door,
            "POST",
            "/api/management/v1/useradm/settings/tokens",
            &[("Authorization", &bearer)],
            r#"{"name":"a token of mine","expires_in":3600}"#,
        );
        secrets.extend(
            made.filter(|made| made.status == 200).map(|made| (format!("a lasting token of {email}"), made.body)),
        );
        for (method, path) in [("GET", "/api/management/v1/useradm/users"), ("POST", "/nowhere"), ("PUT", "/api/%00")] {
            ask(&door, method, path, &[("Authorization", &bearer)], &format!("{{\"password\":\"{password}\"}}"));
        }
        assert!(login(&door, &email, &password.to_lowercase()).is_none(), "a wrong password");
        secrets.insert(format!("the password of {email}"), password);
        secrets.insert(format!("a token of {email}"), token);
    }
    assert!(secrets.keys().any(|what| what.starts_with("a lasting token")), "no token was made: {:?}", secrets.keys());
    let bearer = format!("Bearer {}", secrets["the operator's token"]);
    let opened = ask(&operators, "GET", "/api/internal/v1/tenantadm/tenants", &[("Authorization", &bearer)], "");
    assert_eq!(opened.map(|answer| answer.status), Some(200));
    // Whatever the platform has to say about all this, it has said by the time it answers the next request.
    until("it still serves", || ask(&door, "GET", "/openapi.json", &[], ""));
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let rest = ended.out.strip_prefix(&format!("{line}\n")).unwrap().to_owned();
    assert_eq!(rest, "");
    let texts = vec![("standard error".to_owned(), format!("{}\nwas all", ended.err))];
    clean(&texts, &secrets);
    assert!(!leaks(&vec![("the line".to_owned(), line)], &secrets).is_empty(), "this search finds what is there");
}
