//! A platform with a provider and two children, served on the world's network, and somebody who watches.

use fleetproof_dialects::mender::{Mender, Session, TenantRef};
use fleetproof_dialects::{DialectError, Exchange, Token, Watch};
use fleetproof_platform::{NewTenant, Platform, Settings};
use fleetproof_world::{Runtime, World};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

pub const PASSWORD: &str = "correct horse battery";

/// Keeps all that was asked.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<Exchange>>);

impl Watch for Recorder {
    fn exchanged(&self, exchange: &Exchange) {
        self.0.lock().unwrap().push(exchange.clone());
    }
}

impl Recorder {
    pub fn all(&self) -> Vec<Exchange> {
        self.0.lock().unwrap().clone()
    }
}

/// The scene of every test: a provider with 20 devices, of which acme has 10 and globex 5.
pub struct Stage {
    pub mender: Mender,
    pub watch: Arc<Recorder>,
    pub provider: Session,
    pub acme: Session,
    pub globex: Session,
}

pub fn play(scene: impl AsyncFnOnce(Stage)) {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(11);
        let settings = Settings::free(world.clone(), None);
        let platform = Platform::open(settings).await.unwrap();
        let stop = CancellationToken::new();
        let (gateway, door) = (world.net.listen("gateway").await.unwrap(), world.net.listen("door").await.unwrap());
        let serving = Platform::serve(platform.gateway(), gateway, stop.clone());
        let operating = Platform::serve(platform.operator_door(), door, stop.clone());
        let token = Token::new(platform.operator_token());
        let founder = NewTenant {
            name: "provider".to_owned(),
            device_limit: Some(20),
            admin_email: "admin@provider.test".to_owned(),
            admin_password: PASSWORD.to_owned(),
        };
        let founded = platform.found_provider(&founder).await.unwrap();
        let acting = async {
            let watch = Arc::new(Recorder::default());
            let mender = Mender::new(world.clone(), "gateway".into(), Some(("door".into(), token)), watch.clone());
            let home = TenantRef::new("provider", &founded.tenant_id);
            mender.know_tenant(&home, None);
            let provider = mender.login("admin@provider.test", PASSWORD, Some(&home)).await.unwrap();
            let acme = child(&mender, &provider, "acme", 10).await;
            let globex = child(&mender, &provider, "globex", 5).await;
            scene(Stage { mender, watch, provider, acme, globex }).await;
            stop.cancel();
        };
        tokio::join!(acting, serving, operating);
    });
}

async fn child(mender: &Mender, provider: &Session, name: &str, limit: i64) -> Session {
    let email = format!("admin@{name}.test");
    let id = mender.create_tenant(provider, name, &email, PASSWORD, Some(limit)).await.unwrap();
    mender.login(&email, PASSWORD, Some(&TenantRef::new(name, &id))).await.unwrap()
}

/// The status with which a verb was refused.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T, DialectError>) -> u16 {
    match result {
        Err(DialectError::Refused(refused)) => refused.0.status,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn tenant(session: &Session) -> TenantRef {
    session.tenant_ref().unwrap().clone()
}
