//! How much an account may, and buckets that hold it to that.

use crate::topics::Limits;

/// µs in a second.
pub(super) const SECOND: u64 = 1_000_000;

/// So many per second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What comes back in a second. 0: nothing ever does.
    pub per_second: u32,
    /// What there is after a pause. At least 1 makes sense.
    pub burst: u32,
}

impl Rate {
    /// As many at once as in a second.
    #[must_use]
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_second, burst: per_second }
    }
}

/// What is left of a [`Rate`]. Whole numbers: a unit weighs a million, a µs brings `per_second`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level: i128,
    at: u64,
}

impl Bucket {
    pub(super) const fn full(rate: Rate, now: u64) -> Self {
        Self { level: rate.burst as i128 * SECOND as i128, at: now }
    }

    fn fill(&mut self, rate: Rate, now: u64) {
        let passed = now.saturating_sub(self.at);
        let whole = i128::from(rate.burst) * i128::from(SECOND);
        self.level = whole.min(self.level + i128::from(passed) * i128::from(rate.per_second));
        self.at = self.at.max(now);
    }

    /// Takes `units` out, or nothing when there are not that many.
    pub(super) fn take(&mut self, rate: Rate, now: u64, units: u32) -> bool {
        self.fill(rate, now);
        let weight = i128::from(units) * i128::from(SECOND);
        let enough = self.level >= weight;
        if enough {
            self.level -= weight;
        }
        enough
    }

    /// Takes `units` out that need not be there.
    pub(super) fn owe(&mut self, rate: Rate, now: u64, units: usize) {
        self.fill(rate, now);
        self.level -= i128::try_from(units).unwrap_or(i128::MAX / 2).saturating_mul(i128::from(SECOND));
    }

    /// When there will be `units`: now, or later. `u64::MAX`: never.
    pub(super) fn ready_at(&mut self, rate: Rate, now: u64, units: u32) -> u64 {
        self.fill(rate, now);
        let missing = i128::from(units.min(rate.burst.max(1))) * i128::from(SECOND) - self.level;
        if missing <= 0 {
            return now;
        }
        if rate.per_second == 0 {
            return u64::MAX;
        }
        let wait = missing.unsigned_abs().div_ceil(u128::from(rate.per_second));
        now.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// When nothing is owed any more.
    pub(super) fn even_at(&mut self, rate: Rate, now: u64) -> u64 {
        self.ready_at(rate, now, 0)
    }
}

/// What an account may use. What happens beyond stands at each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Connections at a time; more are refused (0x97).
    pub connections: usize,
    /// CONNECTs of the account; more are refused (0x97).
    pub connects: Rate,
    /// CONNECTs of one client id; more are refused (0x97).
    pub connects_per_client: Rate,
    /// Bytes of a client id; longer ones are refused (0x85).
    pub client_id_bytes: usize,
    /// Messages from and to one connection. What comes in beyond is discarded without a word, what goes out beyond is
    /// discarded (`QoS` 0) or waits (`QoS` 1).
    pub publishes_per_connection: Rate,
    /// Bytes from and to one connection, each way; what is beyond is delayed.
    pub throughput: Rate,
    /// Messages into the account; more are refused (version 5, `QoS` 1: 0x97) or discarded. A shadow update counts four.
    pub inbound: Rate,
    /// Messages out of the account; more are discarded (`QoS` 0) or wait (`QoS` 1).
    pub outbound: Rate,
    /// Subscriptions of a connection; more fail in SUBACK.
    pub subscriptions_per_connection: usize,
    /// Lines of one SUBSCRIBE or UNSUBSCRIBE; with more the connection ends.
    pub filters_per_packet: usize,
    /// Subscriptions that the account may make; more fail in SUBACK.
    pub subscribes: Rate,
    /// Subscriptions of the account; more fail in SUBACK.
    pub subscriptions: usize,
    /// Messages of `QoS` 1 that a client sent and whose PUBACK is still on its way. More end a connection of version 5
    /// (0x93) and are not taken from one of 3.1.1.
    pub unacknowledged_in: u16,
    /// Messages of `QoS` 1 that a client has not acknowledged; no more are sent before.
    pub unacknowledged_out: u16,
    /// Bytes of a payload; a larger one ends the connection.
    pub payload: usize,
    /// Topics.
    pub topics: Limits,
    /// Retained messages; a new one beyond is refused (0x97).
    pub retained: usize,
    /// Bytes of retained messages; more are refused (0x97).
    pub retained_bytes: usize,
    /// Sessions, connected or not; a client that wants a new one is refused (0x97).
    pub sessions: usize,
    /// Messages stored for clients that are away; more are discarded.
    pub queued: Rate,
    /// Messages that wait for one session; more are discarded.
    pub queued_per_session: usize,
    /// Bytes that wait for one session; more are discarded.
    pub queued_bytes_per_session: usize,
    /// Bytes that wait for all sessions of the account; more are discarded.
    pub queued_bytes: usize,
    /// Stored messages that a session is sent after its return; more wait.
    pub replay: Rate,
    /// Seconds that a session of 3.1.1 outlives its connection.
    pub session_expiry: u32,
    /// Seconds that a session of version 5 may outlive its connection; less is granted than asked for.
    pub session_expiry_most: u32,
    /// Seconds of the shortest keep-alive.
    pub keep_alive_least: u16,
    /// Seconds of the longest keep-alive, which is also that of a client that wants none.
    pub keep_alive_most: u16,
    /// Topic aliases that a client may use, and that are used towards one.
    pub aliases: u16,
    /// Seconds of the longest expiry of a message; less is granted than asked for.
    pub message_expiry_most: u32,
    /// Packets that wait for a slow reader.
    pub outbox: usize,
    /// Bytes that wait for a slow reader.
    pub outbox_bytes: usize,
}

impl Default for Quotas {
    /// The defaults of AWS as of 2026-11, and, where it names none, values of our own (`retained_bytes`, `sessions`,
    /// `queued_*`, `outbox*`).
    fn default() -> Self {
        Self {
            connections: 500_000,
            connects: Rate::per_second(500),
            connects_per_client: Rate::per_second(1),
            client_id_bytes: 128,
            publishes_per_connection: Rate::per_second(100),
            throughput: Rate::per_second(512 * 1024),
            inbound: Rate::per_second(20_000),
            outbound: Rate::per_second(20_000),
            subscriptions_per_connection: 50,
            filters_per_packet: 8,
            subscribes: Rate::per_second(500),
            subscriptions: 500_000,
            unacknowledged_in: 100,
            unacknowledged_out: 100,
            payload: 128 * 1024,
            topics: Limits::default(),
            retained: 500_000,
            retained_bytes: 256 * 1024 * 1024,
            sessions: 1_000_000,
            queued: Rate::per_second(500),
            queued_per_session: 10_000,
            queued_bytes_per_session: 16 * 1024 * 1024,
            queued_bytes: 1024 * 1024 * 1024,
            replay: Rate { per_second: 10, burst: 1 },
            session_expiry: 3_600,
            session_expiry_most: 7 * 86_400,
            keep_alive_least: 30,
            keep_alive_most: 1_200,
            aliases: 8,
            message_expiry_most: 7 * 86_400,
            outbox: 1_000,
            outbox_bytes: 2 * 1024 * 1024,
        }
    }
}

/// What an account uses, and what was refused it. Read with [`Broker::usage`](super::Broker::usage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Connections now.
    pub connections: usize,
    /// Sessions now, connected or not.
    pub sessions: usize,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Retained messages now.
    pub retained: usize,
    /// Their bytes.
    pub retained_bytes: usize,
    /// Bytes waiting for sessions now.
    pub queued_bytes: usize,
    /// Since the beginning.
    pub totals: Totals,
}

/// Counted since an account's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// CONNECTs that were accepted.
    pub connects: u64,
    /// CONNECTs that were refused because of a quota.
    pub connects_throttled: u64,
    /// CONNECTs that were refused for another reason.
    pub connects_refused: u64,
    /// Messages taken from clients and services.
    pub published: u64,
    /// Messages put into outboxes.
    pub delivered: u64,
    /// Messages or subscriptions that a policy did not allow to their author.
    pub denied: u64,
    /// Messages that a policy did not allow to their receiver.
    pub withheld: u64,
    /// Messages that came in beyond a quota.
    pub discarded_in: u64,
    /// Messages that would have gone out beyond a quota.
    pub discarded_out: u64,
    /// Messages of `QoS` 0 that a slow reader did not get.
    pub discarded_slow: u64,
    /// Messages that were not stored for a client that was away.
    pub discarded_queue: u64,
    /// Messages larger than their receiver takes.
    pub oversized: u64,
    /// Messages whose time was over before they could be sent.
    pub expired: u64,
    /// Subscriptions refused because of a quota.
    pub subscriptions_refused: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_is_exact() {
        let rate = Rate { per_second: 10, burst: 1 };
        let mut bucket = Bucket::full(rate, 0);
        assert!(bucket.take(rate, 0, 1));
        assert!(!bucket.take(rate, 99_999, 1));
        assert_eq!(bucket.ready_at(rate, 99_999, 1), 100_000);
        assert!(bucket.take(rate, 100_000, 1));
        bucket.owe(rate, 100_000, 5);
        assert_eq!(bucket.even_at(rate, 100_000), 600_000);
        let never = Rate { per_second: 0, burst: 1 };
        assert!(bucket.take(never, u64::MAX, 0) || bucket.ready_at(never, u64::MAX, 1) == u64::MAX);
    }

    proptest! {
        #[test]
        fn no_more_than_burst_and_rate(rate in (1..50_u32, 1..50_u32), steps in proptest::collection::vec(0..300_000_u64, 1..200)) {
            let rate = Rate { per_second: rate.0, burst: rate.1 };
            let mut bucket = Bucket::full(rate, 0);
            let (mut now, mut taken) = (0, 0_u64);
            for step in steps {
                now += step;
                taken += u64::from(bucket.take(rate, now, 1));
                prop_assert!(taken <= u64::from(rate.burst) + now * u64::from(rate.per_second) / SECOND + 1);
                let ready = bucket.ready_at(rate, now, 1);
                let mut then = bucket;
                prop_assert!(then.take(rate, ready, 1));
            }
        }
    }
}
