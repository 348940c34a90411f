//! What requests to the services of an account come to: one after the other, so that each sees what the last one did.

use crate::jobs;
use crate::lobby;
use crate::platform::Platform;
use crate::registry::{self, Endpoint};
use crate::shadows;
use bytes::Bytes;
use fleetproof_dataplane::broker::{AccountId, Notice, Origin, Service};
use fleetproof_wire::mqtt::Qos;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// For whom something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    /// A service of the account.
    Service(Service),
    /// A rule of the account.
    Rule,
}

/// Something to be done for a client: a message to a reserved topic.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) to: Addressee,
    pub(super) origin: Origin,
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
}

/// What a service has to say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// To the client that asked, whether it listens or not, and to nobody else.
    pub(crate) replies: Vec<(String, Bytes)>,
    /// To whoever listens.
    pub(crate) pushes: Vec<(String, Bytes)>,
}

/// Works until nobody can hand anything in any more, or `stop`.
pub(super) async fn work(
    app: Platform,
    endpoint: Endpoint,
    account: AccountId,
    mut waiting: Receiver<Work>,
    stop: CancellationToken,
) {
    loop {
        let work = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            work = waiting.recv() => work,
        };
        let Some(Work { to, origin, topic, payload }) = work else { return };
        let service = match to {
            Addressee::Service(service) => service,
            Addressee::Rule => {
                lobby::hear(&app, &endpoint, &origin, &topic, &payload).await;
                continue;
            }
        };
        let said = match service {
            Service::Shadow => shadows::hear(&app, &endpoint, &topic, &payload).await,
            Service::Jobs => jobs::hear(&app, &endpoint, &topic, &payload).await,
            Service::Certificates | Service::Provisioning => {
                registry::hear_provisioning(&app, &endpoint, &origin, &topic, &payload).await
            }
            // The platform does not provide these yet: nobody answers, as where a service is not there.
            Service::Streams => Said::default(),
        };
        pass_on(&app, account, &origin, said);
    }
}

/// Says what a service has to say. What the account's quotas do not allow any more is not said.
fn pass_on(app: &Platform, account: AccountId, origin: &Origin, said: Said) {
    let notice = |(topic, payload): (String, Bytes)| Notice::new(&topic, payload, Qos::AtLeastOnce);
    app.data_plane().with(app, |broker, now| {
        for reply in said.replies {
            if let Some(connection) = origin.connection {
                broker.reply(now, connection, notice(reply));
            }
        }
        for push in said.pushes {
            let _over_quota = broker.publish(now, account, notice(push));
        }
    });
}
