#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! A thing under TLS: it believes only who it must be.

mod broker;

use broker::{Endpoint, Running, Script, Seen, config, plan};
use fleetproof_devices::mqtt::{ThingConfig, ThingPlan};
use fleetproof_devices::{Body, DeviceEvent, SimulatedBody};
use fleetproof_world::tls::{Authority, TlsClient};
use fleetproof_world::{Runtime, World};
use std::sync::{Arc, Mutex};

/// What a thing that trusts the authority `trusted` sees of an endpoint that `signs` certified as `called`.
fn met(signs: &str, called: &str) -> Running {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let authority = |name: &str| Authority::new(name, &mut world.seeds.stream(name));
        let keys = &mut world.seeds.stream("server");
        let server = authority(signs).server(&[called], &[], keys, &["mqtt"], &world.clock).unwrap();
        let incoming = server.secure(world.net.listen("home.example").await.unwrap());
        let _home = Endpoint::start_on(&world, "home.example", incoming, Script::default(), &seen);
        let trusted = authority("trusted").certificate(world.clock.unix_ms()).unwrap();
        let tls = Some(TlsClient::trusting(&trusted, &world.clock).unwrap());
        let mut body = SimulatedBody::new("hvac-7".into(), "v1");
        body.keep(br#"{"home":"home.example","record":{"artifact":"factory-v1"}}"#.to_vec()).unwrap();
        let plan = ThingPlan { jobs: false, ..plan() };
        let running = Running::start_as(&world, ThingConfig { tls, ..config(plan) }, body, &seen);
        running.run(60).await;
        running
    })
}

#[test]
fn an_endpoint_that_is_certified_is_spoken_to() {
    let running = met("trusted", "home.example");
    assert_eq!(running.count("home.example: reported v1"), 1);
    assert!(running.count("home.example: ping") >= 1);
}

#[test]
fn nobody_else_is() {
    for (signs, called) in [("stranger", "home.example"), ("trusted", "other.example")] {
        let running = met(signs, called);
        assert!(running.notes().is_empty(), "{signs} {called}: {:?}", running.notes());
        let refused =
            |event: &DeviceEvent| matches!(event, DeviceEvent::Unreachable { error } if error.contains("certificate"));
        assert!(running.saw(refused) >= 3, "{:?}", running.events());
    }
}
