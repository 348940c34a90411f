#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! A thing under TLS: it believes only who it must be.

mod broker;

use broker::{Endpoint, Running, Script, Seen, config, plan};
use fleetproof_devices::mqtt::{ThingConfig, ThingPlan};
use fleetproof_devices::{Body, DeviceEvent, SimulatedBody};
use fleetproof_world::tls::{Authority, Names, Subject, TlsClient, TlsServer, Validity};
use fleetproof_world::{Runtime, World};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::unbounded_channel;

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

#[test]
fn it_shows_one_identity_everywhere_and_asks_for_the_endpoint_by_name() {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(1);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let servers = Authority::new("servers", &mut world.seeds.stream("servers"));
        let names = Names::new(servers, world.seeds.child("names"), &world.clock, None).unwrap();
        ["lobby.example", "home.example"].iter().for_each(|name| names.add(name).unwrap());
        let server = TlsServer::mutual(&names, false, &[], &world.clock).unwrap();
        let mut arrivals = server.secure_mutual(world.net.listen("server").await.unwrap());

        // One server, which goes by the name that is asked for.
        let ((lobby, to_lobby), (home, to_home)) = (unbounded_channel(), unbounded_channel());
        let tells = Script { tells: Some((1, "home.example".into())), ..Script::default() };
        let _lobby = Endpoint::start_on(&world, "lobby.example", to_lobby, tells, &seen);
        let _home = Endpoint::start_on(&world, "home.example", to_home, Script::default(), &seen);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let notes = shown.clone();
        tokio::spawn(async move {
            while let Some((stream, peer)) = arrivals.recv().await {
                let to = peer.server_name.clone().unwrap();
                notes.lock().unwrap().push((to.clone(), peer.certificates[0].clone()));
                let endpoint = if to == "lobby.example" { &lobby } else { &home };
                endpoint.send((stream, peer.from)).unwrap();
            }
        });

        let now = world.clock.unix_ms();
        let validity = Validity { from_ms: now, until_ms: now + 86_400_000 };
        let factory = Authority::new("factory", &mut world.seeds.stream("factory"));
        let keys = &mut world.seeds.stream("hvac-7");
        let identity = factory.issue(&Subject::named("hvac-7"), validity, keys).unwrap();
        let trusting = TlsClient::trusting(&names.trusted().unwrap(), &world.clock).unwrap();
        let tls = Some(trusting.presenting(&identity).unwrap());
        let plan = ThingPlan { lobby: "lobby.example".into(), dials: Some("server".into()), ..plan() };
        let body = SimulatedBody::new("hvac-7".into(), "v1");
        let running = Running::start_as(&world, ThingConfig { tls, ..config(plan) }, body, &seen);
        running.run(60).await;
        assert_eq!(running.count("lobby.example: announced factory default lobby.example"), 1);
        assert_eq!(running.count("home.example: reported v1"), 1);
        let leaf = || identity.chain().leaf_der().to_vec();
        assert_eq!(*shown.lock().unwrap(), [("lobby.example".into(), leaf()), ("home.example".into(), leaf())]);
    });
}
