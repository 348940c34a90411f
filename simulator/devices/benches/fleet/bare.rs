//! The platform that only answers, and the loop that only asks.

use crate::Failure;
use bytes::Bytes;
use fleetproof_devices::Image;
use fleetproof_wire::http::{Connection, Request};
use fleetproof_wire::image::update_artifact;
use fleetproof_world::{Incoming, Runtime, Stamp, World};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the platform was asked, and whether it has an update for who asks.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) requests: AtomicU64,
    pub(crate) offers: AtomicBool,
}

const OFFER: &str =
    r#"{"id":"d1","artifact":{"id":"a1","artifact_name":"v2","source":{"uri":"http://platform/artifact"}}}"#;

/// A request of the same size as a device's poll.
const QUESTION: &str =
    r#"{"device_provides":{"artifact_name":"factory-v1","device_type":"fleetproof-sim"},"update_control_map":true}"#;

/// Answers whatever comes.
pub(crate) async fn serve(mut incoming: Incoming, counted: Arc<Counted>) {
    let artifact = update_artifact("v2", &Image::good("v2", 1), 64 * 1024);
    while let Some((stream, _)) = incoming.recv().await {
        let (counted, artifact) = (counted.clone(), artifact.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, counted.clone(), artifact.clone()));
            let connection =
                http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
            let _the_peers_business = connection.await;
        });
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    counted: Arc<Counted>,
    artifact: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    counted.requests.fetch_add(1, Ordering::Relaxed);
    let last = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let offers = || counted.offers.load(Ordering::Relaxed) && !body.windows(4).any(|word| word == b"\"v2\"");
    let (status, body) = match last.as_str() {
        "auth_requests" => (StatusCode::OK, Bytes::from_static(b"token")),
        "artifact" => (StatusCode::OK, artifact),
        "next" if offers() => (StatusCode::OK, Bytes::from_static(OFFER.as_bytes())),
        _ => (StatusCode::NO_CONTENT, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

/// A platform on a thread of its own.
pub(crate) struct Apart {
    pub(crate) counted: Arc<Counted>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Apart {
    pub(crate) fn end(self) {
        self.stop.cancel();
        // A platform that fell over has been noticed by who measured it.
        let _fell_over = self.thread.join();
    }
}

/// Serves over sockets, from a thread of its own; it listens once this returns.
pub(crate) fn serve_apart(world: &World) -> Result<Apart, Failure> {
    let (counted, stop, world) = (Arc::new(Counted::default()), CancellationToken::new(), world.clone());
    let (told, heard) = std::sync::mpsc::channel();
    let (counts, ends) = (counted.clone(), stop.clone());
    let runtime = Runtime::real_time()?;
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            let listening = world.net.listen("platform").await;
            let _nobody_waits = told.send(listening.as_ref().err().map(ToString::to_string));
            let Ok(incoming) = listening else { return };
            tokio::select! {
                biased;
                () = ends.cancelled() => {}
                () = serve(incoming, counts) => {}
            }
        });
    });
    match heard.recv()? {
        None => Ok(Apart { counted, stop, thread }),
        Some(error) => Err(error.into()),
    }
}

/// Asks as a device does, and thinks nothing of the answer.
pub(crate) async fn ask_forever(world: World, index: u32, first: Stamp, every: Duration) {
    let (name, server) = (format!("bare-{index}"), "platform");
    let mut next = first;
    loop {
        world.clock.sleep_until(next).await;
        next = next.after(every);
        let Ok(stream) = world.net.connect(&name, server).await else { continue };
        let Ok(mut connection) = Connection::open(stream).await else { continue };
        let question = Request::new("POST", "/api/devices/v2/deployments/device/deployments/next")
            .bearer("token")
            .body("application/json", QUESTION);
        let _answer = connection.send(server, question).await;
    }
}
