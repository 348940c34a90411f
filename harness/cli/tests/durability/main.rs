//! `serve --data` under writers, killed again and again: what was acknowledged is there, once, and so is its audit entry;
//! what was not is there or is not, but never half.
//!
//! `FLEETPROOF_KILLS` says how often (5); `ci/durability` prints the lines.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod server;
mod writers;

use books::{Book, invariants, open};
use fleetproof_world::{Runtime, Seeds, World};
use rand::Rng;
use server::{Folder, Server};
use std::time::Duration;

/// How often it is killed when nobody says.
const KILLS: u32 = 5;

#[test]
fn whatever_was_acknowledged_survives_a_kill() {
    let kills =
        std::env::var("FLEETPROOF_KILLS").map_or(KILLS, |text| text.parse().expect("FLEETPROOF_KILLS: a number"));
    Runtime::real_time().unwrap().block_on(async {
        let world = World::serving();
        let folder = Folder::new("durability");
        let mut server = Server::start(&folder);
        let told = server.told.clone();
        let mut crew = writers::crew(&server).await;
        let mut moments = Seeds::new(1).stream("moments");
        let (mut acknowledged, mut swept_in_all) = (0, 0);
        for kill in 1..=kills {
            let wait = Duration::from_millis(moments.gen_range(30..900));
            let (busy, did) = writers::work(crew, server, &world, wait).await;
            crew = busy;
            acknowledged += did;

            let (in_flight, came) = {
                let database = open(&folder);
                invariants(&database, &folder);
                let settled: Vec<_> = crew.iter_mut().map(|writer| writer.book().settle(&database, &folder)).collect();
                (settled.iter().map(|(open, _)| open).sum::<usize>(), settled.iter().map(|(_, came)| came).sum::<usize>())
            };
            let orphans = books::orphans(&folder);
            server = Server::start(&folder);
            server::same_logins(&told, &server.told);
            assert_eq!(books::orphans(&folder), 0, "bytes without an artifact are still there");
            swept_in_all += orphans;
            writers::still_let_in(&mut crew, &server).await;
            let kept: usize = crew.iter_mut().map(|writer| writer.book().entries()).sum();
            println!(
                "kill {kill:>3} after {:>3} ms: {did:>3} acknowledged, {in_flight} in flight of which {came} came to be, \
                 {orphans} files swept; {kept} things and their audit entries as they must be",
                wait.as_millis()
            );
        }
        assert!(acknowledged > kills as usize, "hardly anything was written: {acknowledged}");
        let kept: usize = crew.iter_mut().map(|writer| writer.book().entries()).sum();
        let audited: i64 = crew.iter_mut().map(|writer| writer.book().audited()).sum();
        server.end();
        println!(
            "{kills} kills: {acknowledged} changes acknowledged, none lost, none twice; {kept} things and {audited} audit \
             entries compared; {swept_in_all} files without a row swept; no row without its file"
        );
    });
}

/// A book that is kept of what one writer did.
trait Keeps {
    fn book(&mut self) -> &mut Book;
}
