//! Where devices connect: MQTT over TLS with a certificate, at an endpoint per account and region.
//!
//! The decisions are those of [`fleetproof_dataplane::broker`]; here they meet streams, the clock and the tables. `plane` is
//! the broker and what it needs to know (accounts, certificates), `door` takes in what the network brings, `connection`
//! is one client, `worker` is what a request to a service of an account comes to, `limits` is how much an account may.
//!
//! A client reaches an account in one of two ways: on the shared door by the host that it names in its handshake, and at a
//! door of the account's own, whatever it calls it (clients of a machine that has no other name than `localhost`).
//! Whose certificate it shows is looked up there and nowhere else.
//!
//! Sessions, what they wait for and what is retained are in memory: a process that ends forgets them.

mod connection;
mod door;
mod limits;
mod plane;
mod worker;

pub(crate) use limits::{ClientLimits, read as read_limits, write as write_limits};
pub(crate) use plane::DataPlane;
pub(crate) use worker::Said;

use crate::broker_defects;
use crate::defects::DefectId;
use crate::platform::{Platform, PlatformError};
use crate::registry::Endpoint;
use fleetproof_dataplane::broker::{Quotas, Usage};
use fleetproof_world::Stream;
use fleetproof_world::tls::Peer;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Clients whose handshake is over.
pub type Clients = UnboundedReceiver<(Stream, Peer)>;

impl Platform {
    /// Keeps the data plane going until `stop`: time, what changes in the registry, and requests to services. Once for
    /// each platform that takes clients in; without it clients come in and nothing happens by itself.
    pub async fn keep_data_plane(&self, stop: CancellationToken) {
        self.data_plane().keep(self, stop).await;
    }

    /// Takes in clients of all accounts until `stop`: whose they are is told by the host that they named in their handshake.
    /// Who named none, or one that is nobody's, is turned away without a word.
    pub async fn serve_clients(&self, clients: Clients, stop: CancellationToken) {
        door::open(self, clients, None, stop).await;
    }

    /// Takes in clients of one account until `stop`, whatever they call it.
    pub async fn serve_clients_of(&self, endpoint: Endpoint, clients: Clients, stop: CancellationToken) {
        door::open(self, clients, Some(endpoint), stop).await;
    }

    /// What clients of a tenant may was set: it is in force at once, in all regions of its account.
    pub(crate) fn limits_changed(&self, tenant: &str, limits: &ClientLimits) {
        let everybody = self.defect(DefectId::ClientLimitsForAll);
        let quotas = broker_defects::told(self, limits.quotas());
        self.data_plane().limit(self, tenant, &quotas, everybody);
    }

    /// Other quotas for the data plane of an account in a region, until the process ends: for tests of what the operator
    /// cannot set.
    ///
    /// # Errors
    /// The database.
    pub async fn set_client_quotas(&self, endpoint: &Endpoint, quotas: Quotas) -> Result<(), PlatformError> {
        let account = self.data_plane().open(self, endpoint).await?;
        self.data_plane().with(self, |broker, _| broker.set_quotas(account, quotas));
        Ok(())
    }

    /// What an account uses of its quotas in a region.
    ///
    /// # Errors
    /// The database.
    pub async fn client_usage(&self, endpoint: &Endpoint) -> Result<Option<Usage>, PlatformError> {
        let account = self.data_plane().open(self, endpoint).await?;
        Ok(self.data_plane().with(self, |broker, _| broker.usage(account)))
    }
}
