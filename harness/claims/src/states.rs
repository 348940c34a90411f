//! Which way the states of a device in a deployment may move: forward, and nowhere once it is over.

/// How far along a state is. `None`: no state that the contract knows.
fn rank(state: &str) -> Option<u8> {
    Some(match state {
        "pending" => 0,
        "downloading" => 1,
        "pause_before_installing" => 2,
        "installing" => 3,
        "pause_before_rebooting" => 4,
        "rebooting" => 5,
        "pause_before_committing" => 6,
        state if is_over(state) => 7,
        _ => return None,
    })
}

/// Whether nothing may change a device's state in a deployment any more.
#[must_use]
pub fn is_over(state: &str) -> bool {
    matches!(
        state,
        "success"
            | "failure"
            | "already-installed"
            | "noartifact"
            | "aborted"
            | "decommissioned"
            | "artifact_too_big"
            | "incompatible_tier"
    )
}

/// Why a device may not move from one state to the next; `None` if it may.
///
/// `installing` comes twice: before the new image is written, and after its first boot when the device shows that it
/// still reaches the server. So it may follow `rebooting`, and nothing else goes backwards.
#[must_use]
pub fn illegal(from: &str, to: &str) -> Option<String> {
    let (Some(before), Some(after)) = (rank(from), rank(to)) else {
        let stranger = if rank(from).is_none() { from } else { to };
        return Some(format!("`{stranger}` is no state of a device in a deployment"));
    };
    if from == to {
        return None;
    }
    if is_over(from) {
        return Some(format!("`{from}` is the end, and `{to}` came after it"));
    }
    if before < after || (from == "rebooting" && to == "installing") {
        return None;
    }
    Some(format!("`{to}` comes before `{from}`"))
}

/// The first illegal move in a history, with its place (index of the state that should not have come).
#[must_use]
pub fn first_illegal<'a>(history: impl IntoIterator<Item = &'a str>) -> Option<(usize, String)> {
    let mut last: Option<&str> = None;
    for (index, state) in history.into_iter().enumerate() {
        let why = match last {
            Some(last) => illegal(last, state),
            None => illegal(state, state),
        };
        if let Some(why) = why {
            return Some((index, why));
        }
        last = Some(state);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [&str; 14] = [
        "pending",
        "downloading",
        "pause_before_installing",
        "installing",
        "pause_before_rebooting",
        "rebooting",
        "pause_before_committing",
        "success",
        "failure",
        "already-installed",
        "noartifact",
        "aborted",
        "decommissioned",
        "incompatible_tier",
    ];

    #[test]
    fn every_captured_sequence_of_a_real_client_is_legal() {
        for history in [
            "pending downloading downloading downloading installing installing success",
            "pending downloading installing rebooting installing success",
            "pending downloading installing rebooting failure",
            "downloading installing failure",
            "pending already-installed",
            "pending downloading aborted",
            "pending noartifact",
        ] {
            assert_eq!(first_illegal(history.split(' ')), None, "{history}");
        }
    }

    #[test]
    fn going_back_and_going_on_after_the_end_are_illegal() {
        let at = |history: &str| first_illegal(history.split(' '));
        assert_eq!(at("installing downloading"), Some((1, "`downloading` comes before `installing`".into())));
        assert_eq!(
            at("downloading failure success"),
            Some((2, "`failure` is the end, and `success` came after it".into()))
        );
        assert_eq!(at("aborted installing").map(|(at, _)| at), Some(1));
        assert_eq!(at("flying"), Some((0, "`flying` is no state of a device in a deployment".into())));
    }

    proptest! {
        #[test]
        fn nothing_leaves_an_end(from in 0..14_usize, to in 0..14_usize) {
            prop_assume!(is_over(ALL[from]) && from != to);
            prop_assert!(illegal(ALL[from], ALL[to]).is_some());
        }

        #[test]
        fn every_state_that_goes_on_may_end_in_any_way(from in 0..7_usize, to in 7..14_usize) {
            prop_assert_eq!(illegal(ALL[from], ALL[to]), None);
        }
    }
}
