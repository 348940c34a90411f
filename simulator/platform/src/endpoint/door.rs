//! A door: what the network brings, each client in a task of its own.

use super::Clients;
use super::connection;
use crate::platform::Platform;
use crate::registry::Endpoint;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Takes in clients until `stop`, then waits for those that are in.
pub(super) async fn open(app: &Platform, mut clients: Clients, of: Option<Endpoint>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            arrival = clients.recv() => match arrival {
                Some((stream, peer)) => {
                    let (app, of, stop) = (app.clone(), of.clone(), stop.clone());
                    connections.spawn(async move {
                        let named = match (of, &peer.server_name) {
                            (Some(endpoint), _) => Some(endpoint),
                            // A database that does not answer is no endpoint either: the client comes again.
                            (None, Some(host)) => app.endpoint(host).await.ok().flatten(),
                            (None, None) => None,
                        };
                        if let Some(endpoint) = named {
                            connection::converse(&app, stream, &peer, &endpoint, &stop).await;
                        }
                    });
                }
                None => break,
            },
        }
    }
    connections.close();
    connections.wait().await;
}
