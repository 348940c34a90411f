//! `simulate`: fleets against a platform that serves, and `label`.

use crate::serve::{end, host, login, serve};
use crate::tool::{Folder, ask, command, fleetproof};
use serde_json::{Value, json};

const ACCOUNT: &str = "/api/management/v1/iot";

/// A certificate of the tenant's account that may come in under every name; its files.
fn certificate(told: &Value, folder: &Folder) -> (String, String) {
    let token = login(told, &told["tenants"]["demo"]["admin"]).body;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let say = |method: &str, path: &str, body: Value| {
        let answer = ask(&host(told), method, &format!("{ACCOUNT}{path}"), &headers, &body.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap_or_default()
    };
    let made = say("POST", "/keys-and-certificate?setAsActive=true", json!({}));
    let all =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }] });
    say("POST", "/policies/all", json!({ "policyDocument": all.to_string() }));
    say("PUT", "/target-policies/all", json!({ "target": made["certificateArn"] }));
    let file = |name: &str, path: &str| {
        std::fs::write(folder.join(name), made.pointer(path).unwrap().as_str().unwrap()).unwrap();
        folder.shown(name)
    };
    (file("fleet.crt", "/certificatePem"), file("fleet.key", "/keyPair/PrivateKey"))
}

#[test]
fn devices_that_speak_mqtt_get_in_and_are_heard() {
    let folder = Folder::new("simulate-mqtt");
    let (running, told) = serve(&[]);
    let (certificate, key) = certificate(&told, &folder);
    let at = told.pointer("/tenants/demo/mqtt/0/own").unwrap().as_str().unwrap();
    let ca = told["ca_certificate"].as_str().unwrap();
    let fleet = ["--at", at, "--host", "localhost", "--ca", ca, "--key", &key, "--for", "3s"];
    let speak = ["--certificate", &certificate, "--devices", "20", "--publishes", "app/{thing}/x", "--every", "200ms"];
    let said = fleetproof(&[&["simulate", "mqtt"], &fleet[..], &speak].concat());
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(
        said.out.starts_with("devices      20, of which 20 were in and 20 are\nall in       after "),
        "{}",
        said.out
    );
    assert!(said.out.contains("0 times refused, 0 times nobody there; 0 connections lost"), "{}", said.out);
    let messages = said.out.lines().find(|line| line.starts_with("messages")).unwrap();
    let count: u64 =
        messages.split(|c: char| !c.is_ascii_digit()).find(|word| !word.is_empty()).unwrap().parse().unwrap();
    assert!(count >= 20, "{messages}");

    // Somebody else's key is no use, and the file is named.
    let other = folder.shown("nobody.crt");
    let said = fleetproof(&[&["simulate", "mqtt"], &fleet[..], &["--certificate", &other, "--devices", "1"]].concat());
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--certificate") && said.err.contains("nobody.crt"), "{}", said.err);
    end(running);
}

#[test]
fn devices_that_poll_wait_until_somebody_takes_them_in() {
    let (running, told) = serve(&[]);
    let at = host(&told);
    let fleet = ["simulate", "mender", "--at", &at, "--devices", "3", "--poll", "500ms", "--for", "2s"];
    let missing = fleetproof(&[&fleet[..], &["--tenant-token-env", "FLEETPROOF_NO_SUCH_TOKEN"]].concat());
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("FLEETPROOF_NO_SUCH_TOKEN"), "{}", missing.err);

    let token = told["tenants"]["demo"]["tenant_token"].as_str().unwrap();
    let mut knocking = command(&[&fleet[..], &["--tenant-token-env", "FLEETPROOF_TEST_TOKEN"]].concat());
    let output = knocking.env("FLEETPROOF_TEST_TOKEN", token).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "nobody accepts them: {text}");
    assert!(text.starts_with("devices      3, of which 0 were in and 0 are\nall in       never\n"), "{text}");
    assert!(!text.contains(token) && !text.contains("not let in   0 times"), "{text}");
    end(running);
}

#[test]
fn a_label_is_drawn_of_whatever_names_the_device() {
    let print = "0123456789abcdef".repeat(4);
    let small = fleetproof(&["label", &print]);
    assert_eq!(small.code, Some(0), "{}", small.err);
    assert!(small.out.starts_with("<svg") && small.out.ends_with("</svg>\n"), "{}", small.out);
    assert_eq!(fleetproof(&["label", &print.to_uppercase()]).out, small.out, "as OpenSSL prints it");
    let folder = Folder::new("label");
    let file = folder.shown("label.svg");
    assert_eq!(fleetproof(&["label", &print, "--output", &file]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), small.out);
    let neither = fleetproof(&["label", &print[1..]]);
    assert_eq!(neither.code, Some(2));
    assert!(neither.err.contains("64 hexadecimal digits"), "{}", neither.err);
}
