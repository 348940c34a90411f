//! What a simulated device costs: bytes of its future, heap while idle, time for polls and an update.
//!
//! ```text
//! fleet [DEVICES]    # 1000 when left out; in virtual time, against a platform that only answers
//! ```

use bytes::Bytes;
use fleetproof_devices::{
    DEVICE_TYPE, DeviceConfig, DeviceEvent, Image, Key, Nature, Order, Shelf, SimulatedBody, run_device,
};
use fleetproof_wire::image::update_artifact;
use fleetproof_world::{Runtime, Stamp, World};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Counted {
    requests: AtomicU64,
    finished: AtomicU64,
    offering: AtomicU64,
}

fn main() {
    let devices: u32 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let Ok(runtime) = Runtime::virtual_time() else { return };
    runtime.block_on(fleet(devices));
}

async fn fleet(devices: u32) {
    let world = World::simulated(1);
    let counted = Arc::new(Counted::default());
    let artifact = update_artifact("v2", &Image::good("v2", 1), 64 * 1024);
    let Ok(mut incoming) = world.net.listen("platform").await else { return };
    let server = counted.clone();
    tokio::spawn(async move {
        while let Some((stream, _)) = incoming.recv().await {
            let (counted, artifact) = (server.clone(), artifact.clone());
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(move |request| answer(request, counted.clone(), artifact.clone()));
                let mut http = hyper::server::conn::http1::Builder::new();
                let _ =
                    http.auto_date_header(false).serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
            });
        }
    });

    let (shelf, stop) = (Shelf::default(), CancellationToken::new());
    let mut orders = Vec::new();
    let before = resident_kib();
    let mut size = 0;
    for index in 0..devices {
        let name: Arc<str> = format!("hvac-{index}").into();
        let config = DeviceConfig {
            index,
            name: name.clone(),
            identity: BTreeMap::from([("mac".into(), format!("02:{index:010x}"))]),
            tenant_token: "tenant".into(),
            server: "platform".into(),
            device_type: DEVICE_TYPE.into(),
            version: "v1".into(),
            poll: Duration::from_secs(60),
            phase: Duration::from_millis(u64::from(index) * 60_000 / u64::from(devices)),
            jitter: 0,
            boot_time: Duration::from_secs(5),
            shelf: shelf.clone(),
            nature: Nature::default(),
        };
        let key = Key::from_stream(&mut world.seeds.stream(&name));
        let counted = counted.clone();
        let witness = move |_: Stamp, _: u32, event: DeviceEvent| {
            if matches!(event, DeviceEvent::Finished { success: true, .. }) {
                counted.finished.fetch_add(1, Ordering::Relaxed);
            }
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let body = SimulatedBody::new(name, "v1");
        let device = run_device(world.clone(), config, key, body, witness, receiver, stop.clone());
        size = size_of_val(&device);
        tokio::spawn(device);
        let _ = sender.send(Order::Knock);
        orders.push(sender);
        // One after the other, so that what is resident is not what all of them need at the same moment.
        world.clock.sleep(Duration::from_millis(20)).await;
    }
    println!("future of a device: {size} bytes");

    let requests = || counted.requests.load(Ordering::Relaxed);
    let measure = async |what: &str, minutes: u64| {
        let (cpu, asked) = (cpu_ms(), requests());
        world.clock.sleep(Duration::from_secs(60 * minutes)).await;
        let (cpu, asked) = (cpu_ms() - cpu, requests() - asked);
        println!("{what}: {asked} requests, {cpu} ms of CPU, {:.1} µs each", cpu as f64 * 1e3 / asked.max(1) as f64);
    };
    measure("authentication, inventory, first poll", 1).await;
    println!("resident per idle device: {:.1} KiB", (resident_kib() - before) as f64 / f64::from(devices));
    measure("ten minutes of polls", 10).await;
    counted.offering.store(1, Ordering::Relaxed);
    measure("an update for everybody", 3).await;
    println!("updated: {} of {devices}", counted.finished.load(Ordering::Relaxed));
    println!("resident per device after it: {:.1} KiB", (resident_kib() - before) as f64 / f64::from(devices));
    stop.cancel();
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    counted: Arc<Counted>,
    artifact: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    counted.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let offer =
        r#"{"id":"d1","artifact":{"id":"a1","artifact_name":"v2","source":{"uri":"http://platform/artifact"}}}"#;
    let (status, body) = match path.rsplit('/').next() {
        Some("auth_requests") => (200, Bytes::from_static(b"token")),
        Some("artifact") => (200, artifact),
        Some("next")
            if counted.offering.load(Ordering::Relaxed) == 1 && !body.windows(4).any(|word| word == b"\"v2\"") =>
        {
            (200, Bytes::from_static(offer.as_bytes()))
        }
        _ => (204, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

/// A number of a line in a file of `/proc/self`; 0 where there is none.
fn proc(file: &str, find: impl Fn(&str) -> Option<u64>) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    text.lines().find_map(find).unwrap_or_default()
}

fn resident_kib() -> u64 {
    proc("status", |line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// CPU time of this process: ticks of 10 ms.
fn cpu_ms() -> u64 {
    proc("stat", |line| {
        let fields: Vec<u64> = line.rsplit(") ").next()?.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        Some((fields.get(11)? + fields.get(12)?) * 10)
    })
}
