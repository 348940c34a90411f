//! `serve`: what it keeps in a folder, what it tells again, and that it speaks TLS.

use crate::tool::{Answer, Folder, Running, ask, fleetproof, fleetproof_in};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleetproof_world::tls::TlsClient;
use fleetproof_world::{Runtime, World};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const LOGIN: &str = "/api/management/v1/useradm/auth/login";
const ME: &str = "/api/management/v1/useradm/users/me";

pub(crate) fn serve(arguments: &[&str]) -> (Running, Value) {
    let mut running = Running::start(&[&["serve"], arguments].concat());
    let told = serde_json::from_str(&running.line()).unwrap();
    (running, told)
}

pub(crate) fn end(running: Running) {
    running.signal("TERM");
    let said = running.end();
    assert_eq!(said.code, Some(0), "{}", said.err);
}

pub(crate) fn host(told: &Value) -> String {
    told["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
}

pub(crate) fn login(told: &Value, who: &Value) -> Answer {
    let login = format!("{}:{}", who["email"].as_str().unwrap(), who["password"].as_str().unwrap());
    let basic = format!("Basic {}", BASE64.encode(login));
    ask(&host(told), "POST", LOGIN, &[("Authorization", &basic)], "").unwrap()
}

fn me(told: &Value, token: &str) -> u16 {
    ask(&host(told), "GET", ME, &[("Authorization", &format!("Bearer {token}"))], "").unwrap().status
}

/// Every text and file below a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>, u32)> {
    let read = |path: std::path::PathBuf| {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        (path.display().to_string(), std::fs::read(&path).unwrap(), mode)
    };
    crate::tool::files(folder).into_iter().map(read).collect()
}

/// What is told, without what differs from start to start: addresses, and the device that only the first start makes.
fn lasting(told: &Value) -> Value {
    let mut told = told.clone();
    for tenant in told["tenants"].as_object_mut().unwrap().values_mut() {
        for door in tenant["mqtt"].as_array_mut().unwrap() {
            for passing in ["own", "shared", "device"] {
                door.as_object_mut().unwrap().remove(passing);
            }
        }
    }
    told
}

#[test]
fn a_folder_is_gone_on_with_and_holds_no_login() {
    let folder = Folder::new("serve-data");
    let data = folder.shown("data");
    let (first, told) = serve(&["--data", &data]);
    let admin = &told["tenants"]["demo"]["admin"];
    let token = login(&told, admin);
    assert_eq!(token.status, 200, "{}", token.body);

    let second = fleetproof(&["serve", "--data", &data]);
    assert_eq!(second.code, Some(3), "{}", second.err);
    assert!(second.err.contains("another process") && second.out.is_empty(), "{}", second.err);
    end(first);

    for (name, bytes, mode) in contents(Path::new(&data)) {
        assert_eq!(mode & 0o077, 0, "{name} can be read by others");
        let key = "tenants/demo/mqtt/0/device/key";
        for secret in ["provider/admin/password", "tenants/demo/admin/password", "operator/token", key] {
            let secret = told.pointer(&format!("/{secret}")).unwrap().as_str().unwrap().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{name} holds a login");
        }
    }

    let (again, now) = serve(&["--data", &data]);
    let (then, again_told) = (lasting(&told), lasting(&now));
    for key in ["provider", "tenants", "ca_certificate"] {
        assert_eq!(then[key], again_told[key], "{key}");
    }
    let door = &now["tenants"]["demo"]["mqtt"][0];
    assert!(door["endpoint"].is_string() && door["device"].is_null(), "a key is told once: {door}");
    assert_eq!(told["operator"]["token"], now["operator"]["token"]);
    assert_eq!(me(&now, &token.body), 200, "the token of before");
    assert_eq!(login(&now, admin).status, 200);

    // Who chose a password of her own is told without.
    let (email, password) = (admin["email"].as_str().unwrap(), admin["password"].as_str().unwrap());
    let change =
        serde_json::json!({ "email": email, "password": "a password of my own", "current_password": password });
    let bearer = format!("Bearer {}", token.body);
    let id = ask(&host(&now), "GET", ME, &[("Authorization", &bearer)], "").unwrap();
    let id: Value = serde_json::from_str(&id.body).unwrap();
    let path = format!("/api/management/v1/useradm/users/{}", id["id"].as_str().unwrap());
    let changed = ask(&host(&now), "PUT", &path, &[("Authorization", &bearer)], &change.to_string()).unwrap();
    assert_eq!(changed.status, 204, "{}", changed.body);
    end(again);
    let (third, now) = serve(&["--data", &data]);
    assert!(now["tenants"]["demo"]["admin"]["password"].is_null(), "{now}");
    assert_eq!(now["provider"], told["provider"]);
    end(third);
}

#[test]
fn a_folder_is_refused_when_it_is_somebody_elses_or_for_another_file() {
    let folder = Folder::new("serve-refused");
    let data = folder.shown("data");
    let scenario = "scenarios/neighbours.yaml";
    let (first, _) = serve(&[scenario, "--data", &data]);
    end(first);
    // The same file, and no file at all.
    for arguments in [[scenario, "--data", &data].as_slice(), &["--data", &data]] {
        let (again, told) = serve(arguments);
        assert!(told["tenants"].as_object().unwrap().len() > 1, "{told}");
        end(again);
    }
    let other = fleetproof(&["serve", "scenarios/waits.yaml", "--data", &data]);
    assert_eq!(other.code, Some(2), "{}", other.err);
    assert!(other.err.contains("other tenants or people"), "{}", other.err);

    std::fs::write(folder.join("data/roster.json"), "{").unwrap();
    let damaged = fleetproof(&["serve", "--data", &data]);
    assert_eq!(damaged.code, Some(3));
    assert!(damaged.err.contains("roster.json") && damaged.err.contains("restore"), "{}", damaged.err);

    std::fs::create_dir(folder.join("mine")).unwrap();
    std::fs::write(folder.join("mine/letter"), "dear").unwrap();
    let mine = fleetproof_in(folder.path(), &["serve", "--data", "mine"]);
    assert_eq!(mine.code, Some(3));
    assert!(mine.err.contains("folder of its own"), "{}", mine.err);
}

#[test]
fn what_was_never_told_to_anybody_is_begun_anew() {
    let folder = Folder::new("serve-half");
    let data = folder.shown("data");
    let (first, _) = serve(&["--data", &data]);
    end(first);
    // As if it had been killed before it said anything.
    std::fs::write(folder.join("data/unfinished"), "").unwrap();
    std::fs::remove_file(folder.join("data/roster.json")).unwrap();
    let (again, told) = serve(&["--data", &data]);
    assert_eq!(login(&told, &told["tenants"]["demo"]["admin"]).status, 200);
    assert!(!folder.join("data/unfinished").exists());
    end(again);
}

#[test]
fn https_is_served_by_whom_the_certificate_says() {
    let (running, told) = serve(&[]);
    let address = told["https"].as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
    let file = told["ca_certificate"].as_str().unwrap().to_owned();
    let pem = std::fs::read_to_string(&file).unwrap();
    let answer = Runtime::real_time().unwrap().block_on(async {
        let client = TlsClient::trusting(&pem, &World::serving().clock).unwrap();
        let dial = async || Box::new(tokio::net::TcpStream::connect(&address).await.unwrap());
        assert!(client.connect(dial().await, "platform.example").await.is_err(), "another name");
        let stream = client.connect(dial().await, "127.0.0.1").await.unwrap();
        let request = fleetproof_wire::http::Request::new("GET", "/openapi.json");
        fleetproof_wire::http::exchange(stream, &address, request).await.unwrap()
    });
    assert_eq!(answer.status, 200);
    // Plain words at the door for TLS come to nothing, and harm nobody.
    assert!(ask(&address, "GET", "/openapi.json", &[], "").is_none_or(|answer| answer.status != 200));
    assert_eq!(ask(&host(&told), "GET", "/openapi.json", &[], "").unwrap().status, 200);
    end(running);
    assert!(!Path::new(&file).exists(), "{file} outlives its platform");
}
