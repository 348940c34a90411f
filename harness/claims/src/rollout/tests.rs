//! The model against rollouts that are right, and the same ones with one thing spoilt.

use super::*;
use proptest::prelude::*;

const S: u64 = 1_000_000;

fn at(time: u64) -> When {
    When { from: time, to: time + 2_000 }
}

fn report(status: &str, answer: u16, time: u64) -> Report {
    Report { status: status.to_owned(), answer, at: at(time), event: time }
}

/// Offered then, downloading at once, ended so a second later.
fn offer(time: u64, end: &str) -> Offer {
    let success = end == "success";
    let version = if success { "2.0" } else { "1.0" };
    Offer {
        at: at(time),
        event: time,
        reports: vec![report("downloading", 204, time + 10_000), report(end, 204, time + S)],
        finished: Some(Finished { success, version: version.to_owned(), between: false, event: time + S }),
    }
}

fn device(name: usize, offers: Vec<Offer>, in_vain: &[u64]) -> Device {
    Device {
        name: format!("van-{name}"),
        ran: "1.0".to_owned(),
        offers,
        in_vain: in_vain.iter().map(|time| at(*time)).collect(),
        ..Device::default()
    }
}

/// As the platform shows them.
fn shown(state: &str, devices: &[Device], statuses: &[&str]) -> Shown {
    let row = |(device, status): (&Device, &&str)| {
        (device.name.clone(), ((*status).to_owned(), Some(device.offers.len() as u64)))
    };
    Shown {
        at: at(600 * S),
        state: state.to_owned(),
        stopped_by: None,
        devices: devices.iter().zip(statuses).map(row).collect(),
    }
}

fn judged(it: &Rollout, ended: End) -> Finding {
    rollout(it, ended, "2.0")
}

/// Nothing is wrong, open or missing.
fn is_right(it: &Rollout, ended: End) {
    let finding = judged(it, ended);
    assert_eq!((&finding.breaches, &finding.open, &finding.missing), (&vec![], &vec![], &vec![]));
    assert!(!finding.evidence.is_empty());
}

/// The breaches, as they are told.
fn breaches(it: &Rollout, ended: End) -> Vec<String> {
    judged(it, ended).breaches.into_iter().map(|(_, what)| what).collect()
}

/// Four devices, two phases: the second half begins after 10 s, and asked before.
fn phased() -> Rollout {
    let devices: Vec<Device> = (0..4_u64)
        .map(|number| match number {
            0 | 1 => device(number as usize, vec![offer(S + number * 100_000, "success")], &[]),
            _ => device(number as usize, vec![offer(10 * S + number * 100_000, "success")], &[5 * S]),
        })
        .collect();
    let phases = vec![Phase { share: Some(500_000), start: None }, Phase { share: None, start: Some(10 * S) }];
    Rollout {
        rules: Rules { phases, ..Rules::default() },
        shown: shown("finished", &devices, &["success"; 4]),
        devices,
        ..Rollout::default()
    }
}

#[test]
fn phases_are_kept() {
    is_right(&phased(), End::Finished);
    let mut early = phased();
    early.devices[2] = device(2, vec![offer(6 * S, "success")], &[5 * S]);
    assert_eq!(breaches(&early, End::Finished), ["3 devices were told before phase 2 began, which leaves 2"]);
    let mut unasked = phased();
    unasked.devices[2].in_vain.clear();
    unasked.devices[3].in_vain.clear();
    assert_eq!(judged(&unasked, End::Finished).missing, ["phase 2 held nobody back: nobody asked before it"]);
    let mut never_full = phased();
    never_full.devices[1] = device(1, vec![offer(11 * S, "success")], &[5 * S]);
    assert_eq!(
        judged(&never_full, End::Finished).missing,
        ["phase 2 held nobody back: the ones before were never full"]
    );
}

/// Every 500 ms, with one that had asked too soon.
fn rated() -> Rollout {
    let devices: Vec<Device> = (0..5_u64)
        .map(|number| {
            device(number as usize, vec![offer(S + number * S / 2, "success")], &[S + number * S / 2 - 100_000])
        })
        .collect();
    Rollout {
        rules: Rules { rate: Some(Rate { devices: 120, per: 60 * S, growth: None }), ..Rules::default() },
        shown: shown("finished", &devices, &["success"; 5]),
        devices,
        ..Rollout::default()
    }
}

#[test]
fn a_rate_is_kept() {
    is_right(&rated(), End::Finished);
    let mut fast = rated();
    fast.devices[3].offers[0].at = at(2 * S + 300_000);
    assert_eq!(breaches(&fast, End::Finished), ["attempt 4 began too soon after those before it for the rate"]);
    let mut unasked = rated();
    unasked.devices.iter_mut().for_each(|device| device.in_vain.clear());
    assert_eq!(judged(&unasked, End::Finished).missing.len(), 1);
    // As fast as if it had grown with successes, and none had succeeded by then.
    let mut grown = rated();
    let growth = Growth { factor: 2_000, per: 2, succeeded: true };
    grown.rules.rate = Some(Rate { devices: 60, per: 60 * S, growth: Some(growth) });
    assert_eq!(breaches(&grown, End::Finished).len(), 1);
    for (number, time) in [S, 2 * S, 3 * S, 3 * S + S / 2, 4 * S].into_iter().enumerate() {
        grown.devices[number] = device(number, vec![offer(time, "success")], &[time - 100_000]);
        grown.devices[number].offers[0].reports[1].at = at(time + 500_000);
    }
    is_right(&grown, End::Finished);
    if let Some(rate) = &mut grown.rules.rate {
        rate.growth = Some(Growth { per: 100, ..growth });
    }
    assert_eq!(breaches(&grown, End::Finished).len(), 1, "it never grew");
}

/// Fails three times, is left alone; the other one succeeds the second time.
fn retried() -> Rollout {
    let fails = |number: u64| offer(number * 10 * S, "failure");
    let mut devices = vec![
        device(0, vec![fails(1), fails(2), fails(3)], &[40 * S]),
        device(1, vec![fails(1), offer(20 * S, "success")], &[]),
    ];
    devices[0].behaves = Behaves::RollsBack;
    Rollout {
        rules: Rules { retries: 2, retry_failed: true, ..Rules::default() },
        shown: shown("finished", &devices, &["failure", "success"]),
        devices,
        ..Rollout::default()
    }
}

#[test]
fn retries_are_counted() {
    is_right(&retried(), End::Finished);
    let mut often = retried();
    often.devices[0].offers.push(offer(50 * S, "failure"));
    often.shown = shown("finished", &often.devices, &["failure", "success"]);
    assert!(breaches(&often, End::Finished).contains(&"`van-0` began attempt 4, and may make 3".to_owned()));
    let mut forgotten = retried();
    forgotten.devices[0].offers.truncate(1);
    forgotten.shown = shown("finished", &forgotten.devices, &["failure", "success"]);
    assert_eq!(
        breaches(&forgotten, End::Finished),
        ["`van-0` failed attempt 1, may try again, and it finished without"]
    );
    let mut wrong = retried();
    wrong.rules.retry_failed = false;
    assert!(!breaches(&wrong, End::Finished).is_empty(), "only after timeouts");
    let mut unasked = retried();
    unasked.devices[0].in_vain.clear();
    assert_eq!(judged(&unasked, End::Finished).missing, ["nobody who had used up its attempts asked again"]);
    let mut miscounted = retried();
    miscounted.shown.devices.get_mut("van-0").unwrap().1 = Some(2);
    assert_eq!(breaches(&miscounted, End::Finished), ["`van-0` made 3 attempts, the platform shows 2"]);
}

/// One dies and runs out of time; one is slow and steady.
fn timed() -> Rollout {
    let mut dead = device(0, vec![Offer { finished: None, ..offer(S, "success") }], &[]);
    dead.behaves = Behaves::Dies;
    dead.offers[0].reports.truncate(1);
    let mut steady = device(1, vec![offer(S, "success")], &[]);
    steady.offers[0].reports =
        vec![report("downloading", 204, 4 * S), report("installing", 204, 8 * S), report("success", 204, 12 * S)];
    let devices = vec![dead, steady];
    Rollout {
        rules: Rules { timeout: Some(15 * S), step_timeout: Some(5 * S), ..Rules::default() },
        shown: shown("finished", &devices, &["failure", "success"]),
        devices,
        ..Rollout::default()
    }
}

#[test]
fn time_ends_attempts_and_no_others() {
    is_right(&timed(), End::Finished);
    let mut never = timed();
    never.shown = shown("finished", &never.devices, &["downloading", "success"]);
    assert_eq!(breaches(&never, End::Finished), ["it has finished, and `van-0` is shown as `downloading`"]);
    let mut late = timed();
    late.devices[0].offers[0].reports.push(report("installing", 204, 9 * S));
    assert_eq!(
        breaches(&late, End::Finished),
        ["`van-0` had run out of time, and its `installing` was still taken note of"]
    );
    let mut early = timed();
    early.devices[1].offers[0].reports[2] = report("success", 409, 12 * S);
    assert!(
        breaches(&early, End::Finished)
            .contains(&"`van-1` was told at `success` that its update is over, before its time was".to_owned())
    );
    // Cut off in time it may run either.
    let mut cut = timed();
    cut.devices[1].offers[0].reports[2] = report("success", 409, 14 * S);
    cut.shown = shown("finished", &cut.devices, &["failure", "success"]);
    cut.shown.devices.get_mut("van-1").unwrap().0 = "failure".to_owned();
    is_right(&cut, End::Finished);
}

/// Two of three have failed: more than half. The fourth was on its way, the fifth asked later.
fn stopped() -> Rollout {
    let mut devices: Vec<Device> =
        (0..5).map(|number| device(number, vec![offer(S + number as u64 * 10_000, "failure")], &[])).collect();
    devices[0] = device(0, vec![offer(S, "success")], &[]);
    devices[3].offers[0].reports[1].answer = 409;
    devices[3].offers[0].reports[1].at = at(4 * S);
    devices[4] = device(4, Vec::new(), &[9 * S]);
    devices[1].behaves = Behaves::RollsBack;
    devices[2].behaves = Behaves::RollsBack;
    Rollout {
        rules: Rules { threshold: Some(Threshold { above: 500_000, after: 3 }), ..Rules::default() },
        shown: shown("aborted", &devices, &["success", "failure", "failure", "aborted", "aborted"]),
        devices,
        ..Rollout::default()
    }
}

#[test]
fn too_many_failures_stop_it_and_no_fewer() {
    is_right(&stopped(), End::Aborted);
    let mut goes_on = stopped();
    goes_on.devices[4].offers.push(offer(10 * S, "failure"));
    assert!(breaches(&goes_on, End::Aborted)[0].starts_with("attempts began after too many had failed"));
    let mut soon = stopped();
    soon.rules.threshold = Some(Threshold { above: 700_000, after: 3 });
    assert_eq!(breaches(&soon, End::Aborted), ["it was aborted too soon: 2 of 3 that ended had failed"]);
    let mut finished = stopped();
    finished.shown = shown("finished", &finished.devices, &["success", "failure", "failure", "aborted", "aborted"]);
    let told = breaches(&finished, End::Finished);
    assert!(told.iter().any(|what| what.starts_with("it finished, and had to be aborted")), "{told:?}");
    let mut nobody = stopped();
    nobody.rules.threshold = None;
    let told = breaches(&nobody, End::Aborted);
    assert!(
        told.contains(&"it was aborted, and neither a threshold nor anybody asked for that".to_owned()),
        "{told:?}"
    );
    let mut unasked = stopped();
    unasked.devices[4].in_vain.clear();
    assert_eq!(
        judged(&unasked, End::Aborted).missing,
        ["nobody whom it still had to reach asked after it was aborted"]
    );
    assert_eq!(breaches(&stopped(), End::Finished), ["it is aborted"]);
}

#[test]
fn while_it_stands_still_nobody_begins() {
    let mut paused = phased();
    paused.rules.phases.clear();
    paused.pauses = vec![(at(2 * S), Some(at(9 * S)))];
    is_right(&paused, End::Finished);
    let mut goes_on = paused.clone();
    goes_on.devices[2] = device(2, vec![offer(6 * S, "success")], &[5 * S]);
    assert_eq!(breaches(&goes_on, End::Finished), ["1 attempts began while it was paused"]);
    paused.devices.iter_mut().for_each(|device| device.in_vain.clear());
    assert_eq!(judged(&paused, End::Finished).missing.len(), 1);
}

#[test]
fn what_is_not_over_is_open_and_what_is_shown_otherwise_is_wrong() {
    let mut running = phased();
    running.shown = Shown { state: "running".to_owned(), ..Shown::default() };
    assert_eq!(judged(&running, End::Finished).open, ["it is running"]);
    let mut busy = phased();
    busy.devices[0].offers[0].finished = None;
    assert_eq!(judged(&busy, End::Finished).open, ["`van-0` is still busy with it"]);
    let mut other = phased();
    other.shown.devices.get_mut("van-0").unwrap().0 = "failure".to_owned();
    assert_eq!(breaches(&other, End::Finished), ["`van-0` succeeded, the platform shows `failure`"]);
    let mut illegal = phased();
    illegal.devices[0].offers[0].reports.insert(1, report("rebooting", 204, S + 20_000));
    illegal.devices[0].offers[0].reports.insert(2, report("downloading", 204, S + 30_000));
    assert_eq!(
        breaches(&illegal, End::Finished),
        ["`van-0`: the platform took note of `downloading` comes before `rebooting`"]
    );
    let mut bad = phased();
    bad.devices[0].behaves = Behaves::RollsBack;
    assert_eq!(breaches(&bad, End::Finished), ["`van-0` took it and runs 2.0; it must end rolled back"]);
}

proptest! {
    /// A platform that keeps to an even rate is never found to break it, however long its answers are on their way.
    #[test]
    fn an_even_rate_is_never_found_broken(
        devices in 1_u32..6_000, gaps in proptest::collection::vec((0_u64..400_000, 0_u64..300_000, 0_u64..300_000), 1..40),
    ) {
        let step = 60 * S / u64::from(devices);
        let mut now = S;
        let all: Vec<Device> = gaps.iter().enumerate().map(|(number, (gap, before, after))| {
            now += step + 1 + gap;
            let mut offer = offer(now, "success");
            offer.at = When { from: now - before, to: now + after };
            device(number, vec![offer], &[])
        }).collect();
        let rules = Rules { rate: Some(Rate { devices, per: 60 * S, growth: None }), ..Rules::default() };
        let it = Rollout { rules, devices: all, ..Rollout::default() };
        prop_assert_eq!(breaches(&it, End::Finished), Vec::<String>::new());
    }

    /// Twice as fast as allowed is found, when answers come at once.
    #[test]
    fn twice_the_rate_is_found(devices in 60_u32..600, many in 3_u64..40) {
        let step = 30 * S / u64::from(devices);
        let all: Vec<Device> = (0..many).map(|number| device(number as usize, vec![offer(S + number * step, "success")], &[])).collect();
        let rules = Rules { rate: Some(Rate { devices, per: 60 * S, growth: None }), ..Rules::default() };
        let it = Rollout { rules, devices: all, ..Rollout::default() };
        prop_assert_eq!(breaches(&it, End::Finished).len(), 1);
    }

    /// Nothing that it is handed makes it panic.
    #[test]
    fn any_history_can_be_judged(
        offers in proptest::collection::vec((0_usize..6, 0_u64..60, 0_u64..5, 0_usize..6, prop::bool::ANY), 0..20),
        retries in 0_u32..3, timeout in proptest::option::of(1_u64..20), above in proptest::option::of(0_u32..1_000_000), state in 0_usize..5,
    ) {
        let mut devices: Vec<Device> = (0..6).map(|number| device(number, Vec::new(), &[3 * S])).collect();
        for (number, from, long, status, taken) in offers {
            let status = ["downloading", "installing", "success", "failure", "rebooting", "nonsense"][status];
            let mut offer = offer(from * S, status);
            offer.at.to += long * S;
            offer.reports[1].answer = if taken { 204 } else { 409 };
            devices[number].offers.push(offer);
        }
        let rules = Rules {
            retries, retry_failed: true, retry_timed_out: true, timeout: timeout.map(|time| time * S),
            threshold: above.map(|above| Threshold { above, after: 1 }),
            phases: vec![Phase { share: Some(300_000), start: None }, Phase { share: None, start: Some(20 * S) }],
            ..Rules::default()
        };
        let state = ["scheduled", "running", "paused", "aborted", "finished"][state];
        let it = Rollout { rules, shown: shown(state, &devices, &["failure"; 6]), devices, ..Rollout::default() };
        for ended in [End::Finished, End::Aborted] {
            let _ = judged(&it, ended);
        }
    }
}
