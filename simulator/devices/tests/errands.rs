#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What a thing does beside its plan when it is told to.

mod broker;

use broker::{Endpoint, Running, Script, Seen, plan};
use fleetproof_devices::mqtt::{Answered, Doing, Errand, Format, Load, Publishes, ThingPlan};
use fleetproof_devices::{Body, Delivery, Order, SimulatedBody};
use fleetproof_wire::mqtt::packet::Qos;
use fleetproof_world::{Runtime, World};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn at_home(script: Script, work: impl AsyncFnOnce(&Running, &Endpoint)) {
    at_home_with(false, script, work);
}

fn at_home_with(jobs: bool, script: Script, work: impl AsyncFnOnce(&Running, &Endpoint)) {
    Runtime::virtual_time().unwrap().block_on(async {
        let (world, seen) = (World::simulated(1), Arc::<Mutex<Seen>>::default());
        let home = Endpoint::start(&world, "home", script, &seen).await;
        let publishes = Publishes {
            topic: "app/{thing}/readings".into(),
            every: Duration::from_secs(1),
            size: 100,
            qos: Qos::AtLeastOnce,
            format: Format::Json,
        };
        let plan = ThingPlan { publishes: vec![publishes], shadow: false, jobs, ..plan() };
        let mut body = SimulatedBody::new("hvac-7".into(), "v1");
        body.keep(br#"{"home":"home","record":{"artifact":"factory-v1"}}"#.to_vec()).unwrap();
        let running = Running::start(&world, plan, body, &seen);
        work(&running, &home).await;
    });
}

fn count(running: &Running, is_it: impl Fn(&Delivery) -> bool) -> usize {
    running.watched.deliveries.lock().unwrap().iter().filter(|what| is_it(what)).count()
}

fn send(running: &Running, what: Doing) -> UnboundedReceiver<Answered> {
    let (told, answer) = unbounded_channel();
    running.orders.send(Order::Errand(Box::new(Errand { what, told }))).unwrap();
    answer
}

fn say(text: &str, at_least_once: bool) -> Doing {
    Doing::Say { topic: "app/all/x".into(), text: text.into(), at_least_once, retain: false }
}

#[test]
fn a_load_is_said_beside_what_is_said_anyway_and_not_numbered() {
    at_home(Script::default(), async |running, _| {
        running.run(10).await;
        let before = running.seen.lock().unwrap().ledger.tally();
        let load = Arc::new(Load { topic: "app/{thing}/roar".into(), every: Duration::from_millis(100), size: 50 });
        running.orders.send(Order::Strain(Some((load, Duration::from_millis(30))))).unwrap();
        running.run(10).await;
        running.orders.send(Order::Strain(None)).unwrap();
        running.run(10).await;
        let roars = running.count("home: app/hvac-7/roar beside its plan: 50 bytes");
        assert_eq!(roars, 100);
        assert_eq!(count(running, |what| *what == Delivery::Strained), roars);
        assert_eq!(count(running, |what| matches!(what, Delivery::StrainAnswered { code: 0, .. })), roars);
        let after = running.seen.lock().unwrap().ledger.tally();
        assert_eq!(after.sent - before.sent, 20, "one a second, as ever");
        assert_eq!((after.duplicates, after.sent - after.received), (0, 0));
    });
}

#[test]
fn what_a_load_could_not_say_is_held_back_and_a_new_connection_is_made_when_told_so() {
    at_home(Script::default(), async |running, home| {
        running.run(5).await;
        let load = Arc::new(Load { topic: "app/{thing}/roar".into(), every: Duration::from_millis(100), size: 50 });
        running.orders.send(Order::Strain(Some((load, Duration::ZERO)))).unwrap();
        running.run(1).await;
        home.script.lock().unwrap().answers = [None, None, None].into();
        running.orders.send(Order::Reconnect).unwrap();
        running.run(5).await;
        running.orders.send(Order::Strain(None)).unwrap();
        running.run(1).await;
        assert!(running.count("home: connect clean") >= 4);
        let (said, held) =
            (count(running, |it| *it == Delivery::Strained), count(running, |it| *it == Delivery::StrainHeldBack));
        assert!(held > 0 && (59..=62).contains(&(said + held)), "{said} said, {held} held back");
    });
}

#[test]
fn who_waits_for_answers_all_the_time_hears_orders_too() {
    at_home_with(true, Script { ignores_jobs: true, ..Script::default() }, async |running, _| {
        running.run(5).await;
        let load = Arc::new(Load { topic: "app/{thing}/roar".into(), every: Duration::from_millis(100), size: 50 });
        running.orders.send(Order::Strain(Some((load, Duration::ZERO)))).unwrap();
        running.run(30).await;
        running.orders.send(Order::Strain(None)).unwrap();
        running.run(30).await;
        let said = count(running, |it| *it == Delivery::Strained);
        running.run(30).await;
        assert!(said > 100);
        assert_eq!(count(running, |it| *it == Delivery::Strained), said, "it was told to stop");
    });
}

#[test]
fn whoever_sends_a_thing_on_an_errand_is_told_what_came_of_it() {
    let script = Script { refuses_filter: Some("secret"), ..Script::default() };
    at_home(script, async |running, home| {
        // It waits until it is in.
        let mut early = send(running, say("early", true));
        running.run(5).await;
        assert_eq!(early.recv().await, Some(Answered::Code(0)));
        let mut once = send(running, say("once", false));
        assert_eq!(once.recv().await, Some(Answered::Code(0)));
        let mut open = send(running, Doing::Listen { filter: "app/all/#".into() });
        assert_eq!(open.recv().await, Some(Answered::Code(1)));
        let mut shut = send(running, Doing::Listen { filter: "secret/#".into() });
        assert_eq!(shut.recv().await, Some(Answered::Code(0x80)));
        // What was granted is asked for again on the next connection, what was refused is not.
        running.orders.send(Order::Reconnect).unwrap();
        running.run(5).await;
        assert_eq!(running.count("home: subscribe 2"), 1, "{:?}", running.notes());
        home.say("app/all/news", "heard");
        running.run(1).await;
        assert_eq!(*running.watched.heard.lock().unwrap(), ["app/all/news: heard"]);
    });
}
