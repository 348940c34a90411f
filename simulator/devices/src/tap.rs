//! A tap on the connections of a device: it counts the packets of an update, and ends a connection before one of them.
//!
//! A packet is what the two ends take as a whole above TLS: a control packet of MQTT, a request or an answer of HTTP; the body
//! of a file that comes in pieces is one more. Most devices have no tap, and pay for a look at an empty place.

use fleetproof_wire::http::Request;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the device hears of a connection that was cut: what an operating system says of one that was reset.
pub(crate) const CUT: &str = "connection reset by the network";

/// A tap. Clones of the `Arc` are the same tap: one end is with the device, the other with whoever interrupts it.
#[derive(Debug, Default)]
pub struct Tap(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_on: bool,
    /// Before which packet the connection ends, counted from 0.
    cut_at: Option<usize>,
    tapped: Tapped,
    /// The device says that the update is over.
    is_finished: bool,
    /// Packet ids of MQTT whose acknowledgement belongs to the update: those of the device's own messages (`true`), and those
    /// of the server's.
    due: BTreeSet<(bool, u16)>,
}

/// What went past a tap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// The packets in their order, by what they are; ids are left out, so that two devices that do the same show the same.
    /// Nothing is listed after a cut.
    pub packets: Vec<String>,
    /// The connection was ended before the packet that was asked for.
    pub is_cut: bool,
    /// The update is over, and the device has told what it runs.
    pub is_over: bool,
}

impl Tap {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from here on, from the first packet by which an update is asked for or told of. `cut_at`: before that packet,
    /// counted from 0, the connection ends, once.
    pub fn open(&self, cut_at: Option<usize>) {
        *self.state() = State { is_on: true, cut_at, ..State::default() };
    }

    /// What went past so far.
    #[must_use]
    pub fn tapped(&self) -> Tapped {
        self.state().tapped.clone()
    }

    /// Counts no more.
    pub fn close(&self) -> Tapped {
        let mut state = self.state();
        state.is_on = false;
        state.cut_at = None;
        state.tapped.clone()
    }

    /// A packet is about to go past; `begins`: an update can begin with it. `false`: the connection ends before it.
    pub(crate) fn passes(&self, begins: bool, what: impl FnOnce() -> String) -> bool {
        let mut state = self.state();
        if !state.is_on || state.tapped.packets.is_empty() && !begins {
            return true;
        }
        let is_cut = state.cut_at == Some(state.tapped.packets.len());
        state.tapped.packets.push(what());
        if is_cut {
            (state.tapped.is_cut, state.is_on) = (true, false);
        }
        !is_cut
    }

    /// What went past led to no update: the next packet is the first again.
    pub(crate) fn comes_to_nothing(&self) {
        let mut state = self.state();
        if state.is_on {
            state.tapped.packets.clear();
        }
    }

    /// The update is over on the device.
    pub(crate) fn finishes(&self) {
        let mut state = self.state();
        state.is_finished |= state.is_on;
    }

    /// The device has told what it runs: after an update that is over, nothing belongs to it any more.
    pub(crate) fn told(&self) {
        let mut state = self.state();
        if state.is_on && state.is_finished {
            (state.is_on, state.tapped.is_over) = (false, true);
        }
    }

    /// Whether an update is being counted: packets that begin none belong to it.
    pub(crate) fn is_counting(&self) -> bool {
        let state = self.state();
        state.is_on && !state.tapped.packets.is_empty()
    }

    /// Whether it waits for the packet with which an update begins.
    pub(crate) fn is_waiting(&self) -> bool {
        let state = self.state();
        state.is_on && state.tapped.packets.is_empty()
    }

    /// The acknowledgement of this message belongs to the update. `own`: the device sends it.
    pub(crate) fn expects(&self, own: bool, id: u16) {
        self.state().due.insert((own, id));
    }

    /// No acknowledgement is due any more: the connection that it would have come by is gone.
    pub(crate) fn expects_nothing(&self) {
        self.state().due.clear();
    }

    /// Whether this is an acknowledgement that belongs to the update.
    pub(crate) fn expected(&self, own: bool, id: u16) -> bool {
        self.state().due.remove(&(own, id))
    }
}

/// What a request is, without ids: `PUT …/status`.
pub(crate) fn request(request: &Request) -> String {
    let path = request.target.split('?').next().unwrap_or_default();
    format!("{} …/{}", request.method, path.rsplit('/').next().unwrap_or_default())
}

/// Lets a packet past the tap of a device, if it has one.
///
/// # Errors
/// The connection ends before the packet.
pub(crate) fn pass(tap: Option<&Arc<Tap>>, begins: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    match tap {
        Some(tap) if !tap.passes(begins, what) => Err(CUT.to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets packets past, and tells up to which the connection held.
    fn through(tap: &Tap, packets: &[&str]) -> usize {
        packets.iter().take_while(|what| tap.passes(what.starts_with("poll"), || (**what).to_owned())).count()
    }

    #[test]
    fn it_counts_from_the_packet_with_which_an_update_begins() {
        let tap = Tap::default();
        assert_eq!(through(&tap, &["poll", "answer"]), 2);
        assert_eq!(tap.tapped(), Tapped::default(), "it is not open");
        tap.open(None);
        assert_eq!(through(&tap, &["inventory", "poll", "answer: none"]), 3);
        tap.comes_to_nothing();
        assert!(tap.is_waiting() && !tap.is_counting());
        through(&tap, &["inventory", "poll", "answer", "status"]);
        assert_eq!(tap.tapped().packets, ["poll", "answer", "status"]);
        tap.told();
        assert!(!tap.tapped().is_over, "what runs was told, and the update is not over");
        tap.finishes();
        through(&tap, &["inventory"]);
        tap.told();
        through(&tap, &["poll"]);
        let tapped = tap.close();
        assert_eq!((tapped.packets.len(), tapped.is_over, tapped.is_cut), (4, true, false));
    }

    #[test]
    fn each_packet_can_be_cut_and_is_cut_once() {
        let all = ["poll", "answer", "status", "answer", "inventory"];
        for at in 0..all.len() {
            let tap = Tap::default();
            tap.open(Some(at));
            assert_eq!(through(&tap, &all), at);
            assert_eq!(through(&tap, &all), all.len(), "once");
            let tapped = tap.close();
            assert_eq!((tapped.packets.len(), tapped.is_cut), (at + 1, true));
        }
        let tap = Tap::default();
        tap.open(Some(all.len()));
        through(&tap, &all);
        assert!(!tap.close().is_cut, "what does not come cannot be cut");
    }
}
