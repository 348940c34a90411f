//! `fleetproof serve` as a process of its own, and a person who speaks to it over the management interface.

use crate::bench::Bench;
use crate::process::{Process, mortal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use fleetproof_wire::http::{Multipart, Request, Response, exchange};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long `serve` may take until it says where it is.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A platform that serves until this is dropped.
pub struct Server {
    process: Option<Process>,
    told: Value,
}

/// The program as a user has it, built beside this test.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(|deps| deps.parent()).unwrap().join("fleetproof");
    assert!(program.is_file(), "{} is not built: cargo build -p fleetproof", program.display());
    program
}

impl Server {
    /// Starts `fleetproof serve` and reads the line that it prints.
    pub fn start(bench: &Bench) -> Self {
        let mut command = mortal(program().to_str().unwrap());
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(bench.path("serve.log")).unwrap());
        let mut process = Process::start("fleetproof serve", &mut command);
        let output = process.child().stdout.take().unwrap();
        let (line, lines) = channel();
        std::thread::spawn(move || {
            let mut first = String::new();
            drop(BufReader::new(output).read_line(&mut first));
            line.send(first)
        });
        let line = lines.recv_timeout(STARTS_WITHIN).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("serve printed {line:?}: {error}"));
        Self { process: Some(process), told }
    }

    /// Where users and devices come in, e.g. `http://127.0.0.1:41233`.
    pub fn url(&self) -> &str {
        self.told["http"].as_str().unwrap()
    }

    /// Where they come in with TLS.
    pub fn secure_url(&self) -> &str {
        self.told["https"].as_str().unwrap()
    }

    /// The file with the certificate of who certified the platform.
    pub fn ca_certificate(&self) -> &str {
        self.told["ca_certificate"].as_str().unwrap()
    }

    /// What devices of the tenant show to say whose they are.
    pub fn tenant_token(&self) -> &str {
        self.told["tenants"]["demo"]["tenant_token"].as_str().unwrap()
    }

    /// Where the tenant's devices connect by MQTT.
    pub fn door(&self) -> &Value {
        &self.told["tenants"]["demo"]["mqtt"][0]
    }

    /// The e-mail address and the password of the tenant's first admin.
    pub fn admin(&self) -> (&str, &str) {
        let admin = &self.told["tenants"]["demo"]["admin"];
        (admin["email"].as_str().unwrap(), admin["password"].as_str().unwrap())
    }

    /// Logs the tenant's first admin in.
    pub async fn login(&self) -> Person {
        let (email, password) = self.admin();
        let host = self.url().strip_prefix("http://").unwrap().to_owned();
        let basic = format!("Basic {}", BASE64.encode(format!("{email}:{password}")));
        let request = Request::new("POST", "/api/management/v1/useradm/auth/login").header("Authorization", basic);
        let answer = send(&host, request).await;
        assert_eq!(answer.status, 200, "login: {}", answer.text());
        Person { host, token: answer.text() }
    }

    /// Ends it as ctrl-C would, which has to be clean.
    pub fn end(mut self) {
        let status = self.process.take().unwrap().end();
        assert!(status.success(), "serve ended with {status}");
    }
}

/// Somebody with a token.
pub struct Person {
    host: String,
    token: String,
}

async fn send(host: &str, request: Request) -> Response {
    let stream = TcpStream::connect(host).await.unwrap();
    exchange(stream, host, request).await.unwrap()
}

impl Person {
    /// Any request, with the token.
    pub async fn ask(&self, request: Request) -> Response {
        send(&self.host, request.bearer(&self.token)).await
    }

    /// What a path shows, or the status of the refusal.
    pub async fn get(&self, path: &str) -> Result<Value, u16> {
        let answer = self.ask(Request::new("GET", path)).await;
        if answer.status != 200 {
            return Err(answer.status);
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text())))
    }

    /// A request with a JSON body, which has to be answered with `status`.
    pub async fn say(&self, method: &str, path: &str, body: &Value, status: u16) -> Response {
        let answer = self.ask(Request::new(method, path).body("application/json", body.to_string())).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer
    }

    /// Uploads an artifact; its id.
    pub async fn upload(&self, artifact: &Bytes) -> String {
        let (content_type, body) = Multipart::new()
            .text("size", &artifact.len().to_string())
            .text("description", "for a referee")
            .file("artifact", "update.mender", "application/octet-stream", artifact.clone())
            .finish();
        let request = Request::new("POST", "/api/management/v1/deployments/artifacts").body(&content_type, body);
        let answer = self.ask(request).await;
        assert_eq!(answer.status, 201, "upload: {}", answer.text());
        last_part(&answer)
    }

    /// What stands behind the signed link to an artifact.
    pub async fn download(&self, artifact: &str) -> Bytes {
        let link = self.get(&format!("/api/management/v1/deployments/artifacts/{artifact}/download")).await.unwrap();
        let uri = link["uri"].as_str().unwrap();
        let path = uri.strip_prefix("http://").and_then(|rest| rest.strip_prefix(&self.host));
        // A link opens by its signature: no token is shown.
        let answer = send(&self.host, Request::new("GET", path.unwrap_or_else(|| panic!("a link to {uri}")))).await;
        assert_eq!(answer.status, 200, "{uri}: {}", answer.text());
        answer.body
    }

    /// Sends one artifact to one device; the deployment's id.
    pub async fn deploy(&self, artifact_name: &str, device: &str) -> String {
        let body = serde_json::json!({ "name": artifact_name, "artifact_name": artifact_name, "devices": [device] });
        let answer = self.say("POST", "/api/management/v1/deployments/deployments", &body, 201).await;
        last_part(&answer)
    }
}

/// The id at the end of a `Location`.
fn last_part(answer: &Response) -> String {
    answer.header("location").and_then(|location| location.rsplit('/').next()).unwrap().to_owned()
}
