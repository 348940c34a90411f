//! Audit logs against the ledger of changes: each change once, in the right log, and in no other.

use std::collections::BTreeMap;

/// What an audit entry says, without its time. Also what a change is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Who did it: the actor's id.
    pub actor: String,
    /// `create`, `update`, …
    pub action: String,
    /// `tenant`, `user`, `device`, `artifact`, `deployment`.
    pub object_type: String,
    /// The object's id.
    pub object: String,
}

/// A change, and the log (by tenant) in which it must stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The tenant whose log it is.
    pub log: String,
    /// What must stand there.
    pub entry: Entry,
}

/// One way in which the logs and the ledger differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A change stands in no log.
    Missing(Change),
    /// It stands there, more than once.
    Doubled {
        /// The change.
        change: Change,
        /// How often it stands there and how often it should.
        times: (usize, usize),
    },
    /// It stands (also) in another's log.
    Misplaced {
        /// The change.
        change: Change,
        /// In whose log it stands.
        found_in: String,
    },
    /// An entry tells of a change that nobody made.
    Unexplained(Change),
}

impl Finding {
    /// The change that is not as it should be.
    #[must_use]
    pub const fn about(&self) -> &Change {
        match self {
            Self::Missing(change) | Self::Unexplained(change) => change,
            Self::Doubled { change, .. } | Self::Misplaced { change, .. } => change,
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let says = |c: &Change| {
            let e = &c.entry;
            format!("{} {} {} by {}", e.action, e.object_type, e.object, e.actor)
        };
        match self {
            Self::Missing(c) => write!(f, "`{}` is not in the log of {}", says(c), c.log),
            Self::Doubled { change: c, times: (seen, due) } => {
                write!(f, "`{}` stands {seen} times in the log of {}, due {due}", says(c), c.log)
            }
            Self::Misplaced { change: c, found_in } => {
                write!(f, "`{}` belongs into the log of {} and stands in that of {found_in}", says(c), c.log)
            }
            Self::Unexplained(c) => write!(f, "`{}` in the log of {} is nobody's change", says(c), c.log),
        }
    }
}

/// Compares the ledger with the logs of the tenants that were read. Changes due in a log that was not read are left out.
/// `explained` tells of an entry that is no change of the ledger's, but known (made before the run began, for instance).
#[must_use]
pub fn reconcile(
    due: &[Change],
    logs: &BTreeMap<String, Vec<Entry>>,
    explained: impl Fn(&str, &Entry) -> bool,
) -> Vec<Finding> {
    let mut expected: BTreeMap<(&str, &Entry), usize> = BTreeMap::new();
    for change in due {
        *expected.entry((&change.log, &change.entry)).or_default() += 1;
    }
    let mut seen: BTreeMap<(&str, &Entry), usize> = BTreeMap::new();
    for (log, entries) in logs {
        for entry in entries {
            *seen.entry((log, entry)).or_default() += 1;
        }
    }
    let change = |log: &str, entry: &Entry| Change { log: log.to_owned(), entry: entry.clone() };
    let mut findings = Vec::new();
    // Changes that stand nowhere in their log; one of them may stand in another.
    for (&(log, entry), &times) in expected.iter().filter(|((log, _), _)| logs.contains_key(*log)) {
        let found = seen.get(&(log, entry)).copied().unwrap_or(0);
        if found > times {
            findings.push(Finding::Doubled { change: change(log, entry), times: (found, times) });
        }
        for _ in found..times {
            findings.push(Finding::Missing(change(log, entry)));
        }
    }
    for (&(log, entry), &times) in &seen {
        let due_here = expected.get(&(log, entry)).copied().unwrap_or(0);
        if due_here > 0 || explained(log, entry) {
            continue;
        }
        let home = expected.keys().find(|(home, due)| *home != log && *due == entry);
        for _ in 0..times {
            findings.push(match home {
                Some((home, _)) => Finding::Misplaced { change: change(home, entry), found_in: log.to_owned() },
                None => Finding::Unexplained(change(log, entry)),
            });
        }
    }
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(n: u8) -> Entry {
        let n = n % 6;
        Entry {
            actor: format!("u{}", n % 2),
            action: "update".into(),
            object_type: "device".into(),
            object: format!("d{}", n / 2),
        }
    }

    fn logs_of(due: &[Change]) -> BTreeMap<String, Vec<Entry>> {
        let mut logs: BTreeMap<String, Vec<Entry>> = ["a", "b"].map(|log| (log.to_owned(), Vec::new())).into();
        for change in due {
            logs.entry(change.log.clone()).or_default().push(change.entry.clone());
        }
        logs
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        proptest::collection::vec((any::<bool>(), any::<u8>()), 1..20).prop_map(|all| {
            all.into_iter().map(|(b, n)| Change { log: if b { "b" } else { "a" }.into(), entry: entry(n) }).collect()
        })
    }

    proptest! {
        #[test]
        fn logs_that_are_the_ledger_in_any_order_have_no_findings(due in changes(), turn in any::<usize>()) {
            let mut logs = logs_of(&due);
            for log in logs.values_mut() {
                let by = turn % log.len().max(1);
                log.rotate_left(by);
            }
            prop_assert_eq!(reconcile(&due, &logs, |_, _| false), vec![]);
        }

        #[test]
        fn a_lost_entry_is_missing(due in changes(), pick in any::<usize>()) {
            let lost = &due[pick % due.len()];
            let mut logs = logs_of(&due);
            let log = logs.get_mut(&lost.log).unwrap();
            let at = log.iter().position(|entry| *entry == lost.entry).unwrap();
            log.remove(at);
            prop_assert_eq!(reconcile(&due, &logs, |_, _| false), vec![Finding::Missing(lost.clone())]);
        }

        #[test]
        fn an_entry_more_is_doubled(due in changes(), pick in any::<usize>()) {
            let twice = &due[pick % due.len()];
            let mut logs = logs_of(&due);
            logs.get_mut(&twice.log).unwrap().push(twice.entry.clone());
            let findings = reconcile(&due, &logs, |_, _| false);
            let doubled = matches!(&findings[..], [Finding::Doubled { change, times }] if change == twice && times.0 == times.1 + 1);
            prop_assert!(doubled);
        }

        #[test]
        fn an_entry_in_the_wrong_log_is_seen_there_and_missed_here(due in changes(), pick in any::<usize>()) {
            let moved = due[pick % due.len()].clone();
            let other = if moved.log == "a" { "b" } else { "a" };
            prop_assume!(!due.iter().any(|c| c.log == other && c.entry == moved.entry));
            let mut logs = logs_of(&due);
            let log = logs.get_mut(&moved.log).unwrap();
            let at = log.iter().position(|entry| *entry == moved.entry).unwrap();
            let entry = log.remove(at);
            logs.get_mut(other).unwrap().push(entry);
            let findings = reconcile(&due, &logs, |_, _| false);
            let both = vec![Finding::Missing(moved.clone()), Finding::Misplaced { change: moved, found_in: other.into() }];
            prop_assert_eq!(findings, both);
        }
    }

    #[test]
    fn an_entry_that_nobody_made_is_unexplained_unless_it_is_known() {
        let logs = BTreeMap::from([("a".to_owned(), vec![entry(0)])]);
        let findings = reconcile(&[], &logs, |_, _| false);
        assert_eq!(findings, vec![Finding::Unexplained(Change { log: "a".into(), entry: entry(0) })]);
        assert_eq!(findings[0].to_string(), "`update device d0 by u0` in the log of a is nobody's change");
        assert_eq!(reconcile(&[], &logs, |_, _| true), vec![]);
    }

    #[test]
    fn a_log_that_was_not_read_proves_nothing() {
        let due = [Change { log: "c".into(), entry: entry(0) }];
        assert_eq!(reconcile(&due, &BTreeMap::new(), |_, _| false), vec![]);
    }
}
