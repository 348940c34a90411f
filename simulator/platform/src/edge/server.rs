//! HTTP/1.1 over whatever the world's network brings.

use axum::Router;
use fleetproof_world::{Incoming, Stream};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(75);

/// How long a peer may take for the rest of an answer once the server stops.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn serve(router: Router, mut incoming: Incoming, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            arrival = incoming.recv() => match arrival {
                Some((stream, _)) => { connections.spawn(converse(router.clone(), stream, stop.clone())); }
                None => break,
            },
        }
    }
    connections.close();
    connections.wait().await;
}

/// One connection, until either side has had enough. What goes wrong with it is the peer's business.
async fn converse(router: Router, stream: Stream, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _peers_business = tokio::time::timeout(GRACE, connection).await;
        }
        _peers_business = connection.as_mut() => {}
    }
}
