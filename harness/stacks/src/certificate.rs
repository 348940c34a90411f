//! The certificate that a served platform shows, and the file with which clients are told to trust it.

use crate::StackError;
use fleetproof_platform::DataFolder;
use fleetproof_world::tls::{Authority, TlsServer};
use fleetproof_world::{Seeds, World};
use rand::RngCore;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// What the file is called in a data folder.
const FILE: &str = "ca.pem";

/// A file that clients trust; one that is in no data folder goes with this.
#[derive(Debug)]
pub(crate) struct Certificate {
    path: PathBuf,
    is_ours: bool,
}

impl Certificate {
    /// The authority's certificate in a file, and a server at `listens` that the authority certified. In a data folder the
    /// authority stays the same, so that who trusted it once still does.
    pub(crate) fn of(
        listens: IpAddr,
        authority: &Authority,
        folder: Option<&DataFolder>,
        world: &World,
    ) -> Result<(Self, TlsServer), StackError> {
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if !listens.is_unspecified() && !addresses.contains(&listens) {
            addresses.push(listens);
        }
        // A key of its own for each start: nothing keeps it.
        let mut own = world.seeds.stream("tls/server");
        let server = authority
            .server(&["localhost"], &addresses, &mut own, &["http/1.1"], &world.clock)
            .map_err(StackError::Certificate)?;
        let pem = || authority.certificate(world.clock.unix_ms()).map_err(StackError::Certificate);
        let certificate = match folder {
            Some(folder) => {
                if folder.kept(FILE).map_err(StackError::Platform)?.is_none() {
                    folder.keep(FILE, pem()?.as_bytes()).map_err(StackError::Platform)?;
                }
                Self { path: folder.path(FILE), is_ours: false }
            }
            None => Self { path: beside(&world.seeds, &pem()?).map_err(StackError::Certificate)?, is_ours: true },
        };
        Ok((certificate, server))
    }

    /// Who certifies the doors.
    pub(crate) fn authority(keys: &Seeds) -> Authority {
        Authority::new("fleetproof", &mut keys.child("tls").stream("authority"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A file of its own among the system's temporary ones. Nothing in it is secret; nobody else may have put it there.
fn beside(seeds: &Seeds, pem: &str) -> io::Result<PathBuf> {
    let name = format!("fleetproof-ca-{:016x}.pem", seeds.stream("tls/file").next_u64());
    let path = std::env::temp_dir().join(name);
    OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(pem.as_bytes())?;
    Ok(path)
}

impl Drop for Certificate {
    fn drop(&mut self) {
        if self.is_ours {
            // Somebody may have tidied up already.
            drop(fs::remove_file(&self.path));
        }
    }
}
