//! Those who write at the same time: each does one thing after the other and enters what was acknowledged.

use crate::Keeps;
use crate::books::Book;
use crate::server::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use fleetproof_devices::{Key, auth_request};
use fleetproof_wire::artifact::{Spec, write};
use fleetproof_wire::http::{Multipart, Request, Response, exchange};
use fleetproof_world::{Seeds, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Somebody with a token, and where the platform is at the moment.
#[derive(Clone)]
struct Person {
    host: String,
    token: String,
}

/// The connection ended before the answer: nobody knows what became of the request.
struct Lost;

impl Person {
    async fn login(server: &Server, who: &Value) -> Self {
        let login = format!("{}:{}", who["email"].as_str().unwrap(), who["password"].as_str().unwrap());
        let basic = format!("Basic {}", BASE64.encode(login));
        let request = Request::new("POST", "/api/management/v1/useradm/auth/login").header("Authorization", basic);
        let answer = send(&server.host(), request).await.ok().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self { host: server.host(), token: answer.text() }
    }

    /// Asks, and has to be answered with `status` if at all.
    async fn ask(&self, request: Request, status: u16) -> Result<Response, Lost> {
        let (method, path) = (request.method.clone(), request.target.clone());
        let answer = send(&self.host, request.bearer(&self.token)).await?;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        Ok(answer)
    }

    async fn say(&self, method: &str, path: &str, body: Value, status: u16) -> Result<Response, Lost> {
        self.ask(Request::new(method, path).body("application/json", body.to_string()), status).await
    }

    async fn get(&self, path: &str) -> Result<Value, Lost> {
        Ok(serde_json::from_slice(&self.ask(Request::new("GET", path), 200).await?.body).unwrap())
    }
}

async fn send(host: &str, request: Request) -> Result<Response, Lost> {
    let stream = TcpStream::connect(host).await.map_err(|_| Lost)?;
    exchange(stream, host, request).await.map_err(|_| Lost)
}

/// The id at the end of a `Location`.
fn located(answer: &Response) -> String {
    answer.header("location").and_then(|at| at.rsplit('/').next()).unwrap().to_owned()
}

/// A writer: what it does, under whose name, and its book.
pub(crate) struct Writer {
    kind: Kind,
    by: Person,
    book: Book,
    made: u32,
    name: String,
}

enum Kind {
    Devices { tenant_token: String },
    Artifacts,
    Deployments { fleet: Vec<(String, String)> },
    Users,
    Tenants,
}

impl Keeps for Writer {
    fn book(&mut self) -> &mut Book {
        &mut self.book
    }
}

/// All writers, logged in once and for all.
pub(crate) async fn crew(server: &Server) -> Vec<Writer> {
    let told = &server.told;
    let (acme, globex) = (&told["tenants"]["acme"], &told["tenants"]["globex"]);
    let ada = Person::login(server, &acme["admin"]).await;
    let gus = Person::login(server, &globex["admin"]).await;
    let pia = Person::login(server, &told["provider"]["admin"]).await;
    let token = |tenant: &Value| tenant["tenant_token"].as_str().unwrap().to_owned();
    let fleet = fleet(&ada, &token(acme)).await;
    const DEVICES: &str = "select id, status, tenant_id from devices where identity like '%\"' || ?1 || '\"%'";
    let writer = |name: &str, kind, by: &Person, statement| Writer {
        kind,
        by: by.clone(),
        book: Book::new(statement),
        made: 0,
        name: name.to_owned(),
    };
    vec![
        writer("a", Kind::Devices { tenant_token: token(acme) }, &ada, DEVICES),
        writer("b", Kind::Devices { tenant_token: token(acme) }, &ada, DEVICES),
        writer("c", Kind::Devices { tenant_token: token(globex) }, &gus, DEVICES),
        writer("art", Kind::Artifacts, &gus, "select id, description, tenant_id from artifacts where name = ?1"),
        writer(
            "dep",
            Kind::Deployments { fleet },
            &ada,
            "select id, unfinished || iif(finished_at is null, '', ' over'), tenant_id from deployments where name = ?1",
        ),
        writer("use", Kind::Users, &gus, "select id, 'user', '' from users where email = ?1"),
        writer("ten", Kind::Tenants, &pia, "select id, lim || '', '' from tenants where name = ?1"),
    ]
}

/// Three devices that are in, and something to send them: who has their tokens.
async fn fleet(ada: &Person, tenant_token: &str) -> Vec<(String, String)> {
    let mut fleet = Vec::new();
    for number in 0..3 {
        let (identity, key) = device(&format!("fleet-{number}"));
        let id = preauthorize(ada, &identity, &key).await.ok().unwrap();
        let token = send(&ada.host, auth_request(&identity, &key, tenant_token)).await.ok().unwrap();
        assert_eq!(token.status, 200, "{}", token.text());
        fleet.push((id, token.text()));
    }
    upload(ada, "fleet-2.0", &packed("fleet-2.0", 3_000), "for the fleet").await.ok().unwrap();
    fleet
}

fn device(name: &str) -> (BTreeMap<String, String>, Key) {
    let key = Key::from_stream(&mut Seeds::new(7).stream(name));
    (BTreeMap::from([("mac".to_owned(), name.to_owned())]), key)
}

async fn preauthorize(by: &Person, identity: &BTreeMap<String, String>, key: &Key) -> Result<String, Lost> {
    let body = json!({ "identity_data": identity, "pubkey": key.public_pem() });
    Ok(located(&by.say("POST", "/api/management/v2/devauth/devices", body, 201).await?))
}

fn packed(name: &str, size: usize) -> Bytes {
    let content = name.bytes().cycle().take(size).collect::<Vec<_>>();
    write(&Spec {
        name: name.to_owned(),
        device_types: vec!["board".to_owned()],
        payload_type: "rootfs-image".to_owned(),
        files: vec![("image".to_owned(), content.into())],
        ..Spec::default()
    })
    .unwrap()
}

async fn upload(by: &Person, name: &str, artifact: &Bytes, description: &str) -> Result<String, Lost> {
    let (content_type, body) = Multipart::new()
        .text("size", &artifact.len().to_string())
        .text("description", description)
        .file("artifact", name, "application/octet-stream", artifact.clone())
        .finish();
    let request = Request::new("POST", "/api/management/v1/deployments/artifacts").body(&content_type, body);
    Ok(located(&by.ask(request, 201).await?))
}

/// Lets everybody write for `wait`, then kills the platform with requests under way. How much was acknowledged.
pub(crate) async fn work(crew: Vec<Writer>, server: Server, world: &World, wait: Duration) -> (Vec<Writer>, usize) {
    let before: usize = crew.iter().map(|writer| writer.book.acknowledged()).sum();
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    for mut writer in crew {
        writer.by.host = server.host();
        let stop = stop.clone();
        tasks.push(tokio::spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                never = writer.write() => match never {},
            }
            writer
        }));
    }
    world.clock.sleep(wait).await;
    // Only now are requests abandoned: on their way, in the middle, or answered and unread.
    server.kill();
    stop.cancel();
    let mut back = Vec::new();
    for task in tasks {
        back.push(task.await.unwrap());
    }
    let after: usize = back.iter().map(|writer| writer.book.acknowledged()).sum();
    (back, after - before)
}

/// The tokens of before are still good.
pub(crate) async fn still_let_in(crew: &mut [Writer], server: &Server) {
    for writer in crew {
        writer.by.host = server.host();
        writer.by.get("/api/management/v1/useradm/users/me").await.ok().unwrap();
        if let Kind::Deployments { fleet } = &writer.kind {
            for (_, token) in fleet {
                let device = Person { host: server.host(), token: token.clone() };
                let next = "/api/devices/v1/deployments/artifacts?release_name=fleet-2.0&device_type=board";
                let found = device.get(next).await.ok().unwrap();
                let link =
                    format!("/api/devices/v1/deployments/artifacts/{}/download", found[0]["id"].as_str().unwrap());
                let link = device.get(&link).await.ok().unwrap();
                let path = link["uri"].as_str().unwrap().split_once(&server.host()).unwrap().1.to_owned();
                let bytes = send(&server.host(), Request::new("GET", path)).await.ok().unwrap().body;
                assert!(bytes == packed("fleet-2.0", 3_000));
            }
        }
    }
}

enum Never {}

impl Writer {
    /// Writes until the platform is gone, and then waits to be told so.
    async fn write(&mut self) -> Never {
        loop {
            self.made += 1;
            let name = format!("{}-{}", self.name, self.made);
            let done = match &self.kind {
                Kind::Devices { .. } => self.a_device(&name).await,
                Kind::Artifacts => self.an_artifact(&name).await,
                Kind::Deployments { .. } => self.a_deployment(&name).await,
                Kind::Users => self.a_user(&format!("{name}@globex.test")).await,
                Kind::Tenants => self.a_tenant(&name).await,
            };
            if done.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Preauthorised, let in, then kept, turned down or decommissioned.
    async fn a_device(&mut self, name: &str) -> Result<(), Lost> {
        let Kind::Devices { tenant_token } = &self.kind else { return Ok(()) };
        let (identity, key) = device(name);
        self.book.ask(name, Some("preauthorized".to_owned()), Some("create"));
        let id = preauthorize(&self.by, &identity, &key).await?;
        self.book.made(name, &id);
        self.book.ask(name, Some("accepted".to_owned()), None);
        let let_in = send(&self.by.host, auth_request(&identity, &key, tenant_token)).await?;
        assert_eq!(let_in.status, 200, "{}", let_in.text());
        self.book.done(name);
        let path = format!("/api/management/v2/devauth/devices/{id}");
        match self.made % 8 {
            0 => {}
            1 | 2 => {
                let device = self.by.get(&path).await?;
                let set = device["auth_sets"][0]["id"].as_str().unwrap();
                self.book.ask(name, Some("rejected".to_owned()), Some("reject"));
                self.by.say("PUT", &format!("{path}/auth/{set}/status"), json!({ "status": "rejected" }), 204).await?;
                self.book.done(name);
            }
            _ => {
                self.book.ask(name, None, Some("decommission"));
                self.by.ask(Request::new("DELETE", path), 204).await?;
                self.book.done(name);
            }
        }
        Ok(())
    }

    async fn an_artifact(&mut self, name: &str) -> Result<(), Lost> {
        let artifact = packed(name, 200_000);
        self.book.holds(name, artifact.to_vec());
        self.book.ask(name, Some("new".to_owned()), Some("upload"));
        let id = upload(&self.by, name, &artifact, "new").await?;
        self.book.made(name, &id);
        let path = format!("/api/management/v1/deployments/artifacts/{id}");
        self.book.ask(name, Some("told".to_owned()), Some("update"));
        self.by.say("PUT", &path, json!({ "description": "told" }), 204).await?;
        self.book.done(name);
        if !self.made.is_multiple_of(4) {
            self.book.ask(name, None, Some("delete"));
            self.by.ask(Request::new("DELETE", path), 204).await?;
            self.book.done(name);
        }
        Ok(())
    }

    /// To three devices, of which one or all get there.
    async fn a_deployment(&mut self, name: &str) -> Result<(), Lost> {
        let Kind::Deployments { fleet } = &self.kind else { return Ok(()) };
        let devices: Vec<&String> = fleet.iter().map(|(id, _)| id).collect();
        let body = json!({ "name": name, "artifact_name": "fleet-2.0", "devices": devices });
        self.book.ask(name, Some("3".to_owned()), Some("create"));
        let id = located(&self.by.say("POST", "/api/management/v1/deployments/deployments", body, 201).await?);
        self.book.made(name, &id);
        let get_there = if self.made.is_multiple_of(2) { fleet.len() } else { 1 };
        for (left, (_, token)) in (0..fleet.len()).rev().zip(fleet).take(get_there) {
            let device = Person { host: self.by.host.clone(), token: token.clone() };
            let path = format!("/api/devices/v1/deployments/device/deployments/{id}/status");
            device.say("PUT", &path, json!({ "status": "downloading" }), 204).await?;
            self.book.ask(name, Some(if left == 0 { "0 over".to_owned() } else { left.to_string() }), None);
            device.say("PUT", &path, json!({ "status": "success" }), 204).await?;
            self.book.done(name);
        }
        if get_there == 1 {
            let path = format!("/api/management/v1/deployments/deployments/{id}/status");
            self.book.ask(name, Some("0 over".to_owned()), Some("abort"));
            self.by.say("PUT", &path, json!({ "status": "aborted" }), 204).await?;
            self.book.done(name);
        }
        Ok(())
    }

    async fn a_user(&mut self, email: &str) -> Result<(), Lost> {
        self.book.ask(email, Some("user".to_owned()), Some("create"));
        let body = json!({ "email": email, "password": "correct horse battery" });
        let id = located(&self.by.say("POST", "/api/management/v1/useradm/users", body, 201).await?);
        self.book.made(email, &id);
        if !self.made.is_multiple_of(3) {
            self.book.ask(email, None, Some("delete"));
            self.by.ask(Request::new("DELETE", format!("/api/management/v1/useradm/users/{id}")), 204).await?;
            self.book.done(email);
        }
        Ok(())
    }

    /// A child whose limit comes out of the provider's pool and goes back into it.
    async fn a_tenant(&mut self, name: &str) -> Result<(), Lost> {
        let admin = json!({ "email": format!("admin@{name}.test"), "password": "correct horse battery" });
        self.book.ask(name, Some("3".to_owned()), Some("create"));
        let body = json!({ "name": name, "admin": admin, "device_limit": 3 });
        self.by.say("POST", "/api/management/v2/tenantadm/tenants", body, 202).await?;
        self.book.done(name);
        let children = self.by.get("/api/management/v2/tenantadm/tenants?per_page=500").await?;
        let child = children.as_array().unwrap().iter().find(|child| child["name"] == name);
        let id = child.unwrap_or_else(|| panic!("{name} is not listed: {children}"))["id"].as_str().unwrap().to_owned();
        let path = format!("/api/management/v2/tenantadm/tenants/{id}");
        self.book.ask(name, Some("5".to_owned()), Some("update"));
        self.by.say("PUT", &format!("{path}/child"), json!({ "device_limit": 5 }), 204).await?;
        self.book.done(name);
        if !self.made.is_multiple_of(5) {
            self.book.ask(name, None, Some("delete"));
            self.by.ask(Request::new("POST", format!("{path}/remove/start")), 202).await?;
            self.book.done(name);
        }
        Ok(())
    }
}
