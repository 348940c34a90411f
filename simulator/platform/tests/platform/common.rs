//! A platform without a network, and somebody who calls it.

use axum::Router;
use bytes::Bytes;
use fleetproof_platform::defects::DefectId;
use fleetproof_platform::registry::Regions;
use fleetproof_platform::{Founded, NewTenant, Platform, Service, Settings};
use fleetproof_world::{Runtime, World};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery";

/// A platform and its two doors.
pub struct Stage {
    pub world: World,
    pub platform: Platform,
    pub gateway: Router,
    pub door: Router,
}

/// Plays in virtual time on a fresh platform.
pub fn with_platform(defect: Option<DefectId>, play: impl AsyncFnOnce(Stage)) {
    with_service(Service::Free, defect, play);
}

/// Plays in virtual time on a fresh platform whose work takes so long.
pub fn with_service(service: Service, defect: Option<DefectId>, play: impl AsyncFnOnce(Stage)) {
    with_seed(7, service, defect, play);
}

/// The same with another seed.
pub fn with_seed(seed: u64, service: Service, defect: Option<DefectId>, play: impl AsyncFnOnce(Stage)) {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(seed);
        let settings = Settings { service, ..Settings::free(world.clone(), defect) };
        let platform = Platform::open(settings).await.unwrap();
        let (gateway, door) = (platform.gateway(), platform.operator_door());
        play(Stage { world, platform, gateway, door }).await;
    });
}

/// Plays in virtual time on a fresh platform whose accounts can be in these regions.
pub fn with_regions(regions: Regions, play: impl AsyncFnOnce(Stage)) {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(7);
        let settings = Settings { regions, ..Settings::free(world.clone(), None) };
        let platform = Platform::open(settings).await.unwrap();
        let (gateway, door) = (platform.gateway(), platform.operator_door());
        play(Stage { world, platform, gateway, door }).await;
    });
}

/// Plays on a healthy platform on every database there is: in memory, and, where the feature `postgres` is on and
/// `FLEETPROOF_TEST_POSTGRES` is a connection string, on that server in real time.
pub fn on_every_database(play: impl AsyncFn(Stage)) {
    with_platform(None, &play);
    #[cfg(feature = "postgres")]
    if let Ok(connection) = std::env::var("FLEETPROOF_TEST_POSTGRES") {
        Runtime::real_time().unwrap().block_on(async {
            let database = own_schema(&connection).await;
            let world = World::on_sockets(7);
            let settings = Settings::free(world.clone(), None);
            let platform = Platform::open_on(settings, database).await.unwrap();
            let (gateway, door) = (platform.gateway(), platform.operator_door());
            play(Stage { world, platform, gateway, door }).await;
        });
    }
}

/// A part of a server that is this test's own, and empty.
#[cfg(feature = "postgres")]
async fn own_schema(connection: &str) -> fleetproof_platform::store::Database {
    use fleetproof_platform::store::{Database, Postgres, Store, Tx};
    let name = std::thread::current().name().unwrap().replace("::", "_");
    let mut tx = Postgres::new(connection).unwrap().begin().await.unwrap();
    tx.batch(&format!("drop schema if exists {name} cascade; create schema {name}")).await.unwrap();
    tx.commit().await.unwrap();
    Database::Postgres(Postgres::new(&format!("{connection} options='-c search_path={name}'")).unwrap())
}

/// What an answer says.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text()))
    }
}

/// Somebody at a door, perhaps with a token.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    pub token: Option<String>,
}

impl Caller {
    pub fn new(router: &Router, token: Option<String>) -> Self {
        Self { router: router.clone(), token }
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Told {
        self.send_with(&[], method, path, body).await
    }

    /// The same with headers.
    pub async fn send_with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: Option<&Value>) -> Told {
        let mut request = http::Request::builder().method(method.to_uppercase().as_str()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
        ask(&self.router, request.body(axum::body::Body::from(body)).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Told {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Told {
        self.send("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Told {
        self.send("PUT", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Told {
        self.send("DELETE", path, None).await
    }
}

/// Any request at a door.
pub async fn ask(router: &Router, request: http::Request<axum::body::Body>) -> Told {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    Told { status: parts.status.as_u16(), headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

impl Stage {
    /// A tenant of its own, with `admin@<name>.example`.
    pub async fn tenant(&self, name: &str, limit: i64) -> Founded {
        self.platform.found_tenant(&new(name, limit)).await.unwrap()
    }

    /// A provider, with `admin@<name>.example`.
    pub async fn provider(&self, name: &str, pool: i64) -> Founded {
        self.platform.found_provider(&new(name, pool)).await.unwrap()
    }

    /// Somebody with an account, logged in.
    pub async fn login(&self, email: &str) -> Caller {
        let told = self.try_login(email, PASSWORD).await;
        assert_eq!(told.status, 200, "{email}: {}", told.text());
        Caller::new(&self.gateway, Some(told.text()))
    }

    pub async fn try_login(&self, email: &str, password: &str) -> Told {
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{email}:{password}"));
        let request = http::Request::post("/api/management/v1/useradm/auth/login")
            .header("authorization", format!("Basic {basic}"))
            .body(axum::body::Body::empty())
            .unwrap();
        ask(&self.gateway, request).await
    }

    /// Whoever stands at the operator's door.
    pub fn operator(&self) -> Caller {
        Caller::new(&self.door, Some(self.platform.operator_token().to_owned()))
    }
}

fn new(name: &str, limit: i64) -> NewTenant {
    NewTenant {
        name: name.to_owned(),
        device_limit: Some(limit),
        admin_email: format!("admin@{name}.example"),
        admin_password: PASSWORD.to_owned(),
    }
}
