//! Which names and filters are well formed.

use std::fmt;

/// No filter has more levels than this, whatever an account's quotas say: what walks over levels may recurse.
pub const MOST_LEVELS: usize = 64;

/// How long and how deep a topic may be (a quota of the account).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a name or filter, without the prefixes that do not count.
    pub bytes: usize,
    /// Slashes in it. At most [`MOST_LEVELS`] − 1 counts.
    pub slashes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256, slashes: 7 }
    }
}

/// Why a name or a filter is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// It has no character \[MQTT-4.7.3-1\].
    Empty,
    /// It contains U+0000 \[MQTT-4.7.3-2\].
    Nul,
    /// It is a name and contains `+` or `#` \[MQTT-3.3.2-2\].
    Wildcard,
    /// A `+` is not alone in its level, or a `#` not alone in the last one \[MQTT-4.7.1-2, 4.7.1-3\].
    MisplacedWildcard,
    /// `$share/` without a group, with wildcards in its name, or without a filter \[MQTT-4.8.2-1, 4.8.2-2\].
    Share,
    /// It is longer than the account's quota.
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The quota.
        most: usize,
    },
    /// It is deeper than the account's quota.
    TooDeep {
        /// Its slashes.
        slashes: usize,
        /// The quota.
        most: usize,
    },
}

impl TopicError {
    /// Whether it is well formed and only beyond a quota.
    #[must_use]
    pub const fn is_quota(self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::TooDeep { .. })
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the topic is empty; it needs at least one character"),
            Self::Nul => f.write_str("the topic contains U+0000; leave it out"),
            Self::Wildcard => f.write_str("a message goes to one topic: + and # belong into filters"),
            Self::MisplacedWildcard => f.write_str("+ fills a whole level, # the whole last one"),
            Self::Share => f.write_str("a shared subscription is $share/<group>/<filter>, without + or # in the group"),
            Self::TooLong { bytes, most } => write!(f, "the topic has {bytes} bytes, at most {most} are allowed"),
            Self::TooDeep { slashes, most } => write!(f, "the topic has {slashes} slashes, at most {most} are allowed"),
        }
    }
}

impl std::error::Error for TopicError {}

/// The rule that a topic of Basic Ingest names, and the topic that the rule is told (empty when there is none).
#[must_use]
pub fn ingest_rule(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix("$aws/rules/")?;
    let (rule, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (!rule.is_empty()).then_some((rule, rest))
}

/// Whether a message may go there.
///
/// # Errors
///
/// What is wrong with the name.
pub fn check_name(topic: &str, limits: Limits) -> Result<(), TopicError> {
    if topic.bytes().any(|byte| byte == b'+' || byte == b'#') {
        return Err(TopicError::Wildcard);
    }
    check_text(topic)?;
    let counted = match ingest_rule(topic) {
        Some((_, rest)) => rest,
        None => topic,
    };
    check_size(counted, limits)?;
    // The rule's name does not count, but it may not be as long as it likes either.
    check_size(topic, Limits { bytes: limits.bytes.saturating_mul(2), slashes: limits.slashes.saturating_add(3) })
}

/// A filter that is well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// The group of a shared subscription.
    pub group: Option<&'a str>,
    /// Levels between `/`.
    pub path: &'a str,
}

impl<'a> Filter<'a> {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &'a str, limits: Limits) -> Result<Self, TopicError> {
        check_text(text)?;
        let filter = match text.strip_prefix("$share/") {
            None => Self { group: None, path: text },
            Some(rest) => {
                let (group, path) = rest.split_once('/').ok_or(TopicError::Share)?;
                if group.is_empty() || path.is_empty() || group.bytes().any(|byte| byte == b'+' || byte == b'#') {
                    return Err(TopicError::Share);
                }
                // The group's name is stored as often as somebody joins it: it has the quota of a topic for itself.
                check_size(group, limits)?;
                Self { group: Some(group), path }
            }
        };
        check_size(ingest_rule(filter.path).map_or(filter.path, |(_, rest)| rest), limits)?;
        check_size(filter.path, Limits { bytes: limits.bytes.saturating_mul(2), slashes: limits.slashes + 3 })?;
        let mut levels = filter.path.split('/').peekable();
        while let Some(level) = levels.next() {
            let plain = !level.bytes().any(|byte| byte == b'+' || byte == b'#');
            if !(plain || level == "+" || (level == "#" && levels.peek().is_none())) {
                return Err(TopicError::MisplacedWildcard);
            }
        }
        Ok(filter)
    }

    /// Whether it names one topic only.
    #[must_use]
    pub fn is_exact(self) -> bool {
        !self.path.bytes().any(|byte| byte == b'+' || byte == b'#')
    }
}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.bytes().any(|byte| byte == 0) {
        return Err(TopicError::Nul);
    }
    Ok(())
}

fn check_size(text: &str, limits: Limits) -> Result<(), TopicError> {
    if text.len() > limits.bytes {
        return Err(TopicError::TooLong { bytes: text.len(), most: limits.bytes });
    }
    let most = limits.slashes.min(MOST_LEVELS - 1);
    let slashes = text.bytes().filter(|byte| *byte == b'/').count();
    if slashes > most {
        return Err(TopicError::TooDeep { slashes, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bytes: 256, slashes: 7 };

    #[test]
    fn a_name_is_one_topic() {
        assert_eq!(check_name("a", LIMITS), Ok(()));
        assert_eq!(check_name("/", LIMITS), Ok(()));
        assert_eq!(check_name("a//b ", LIMITS), Ok(()));
        assert_eq!(check_name("", LIMITS), Err(TopicError::Empty));
        assert_eq!(check_name("a\0", LIMITS), Err(TopicError::Nul));
        assert_eq!(check_name("a/+", LIMITS), Err(TopicError::Wildcard));
        assert_eq!(check_name("a#", LIMITS), Err(TopicError::Wildcard));
    }

    #[test]
    fn the_quotas_hold_at_their_edge() {
        assert_eq!(check_name(&"x".repeat(256), LIMITS), Ok(()));
        assert_eq!(check_name(&"x".repeat(257), LIMITS), Err(TopicError::TooLong { bytes: 257, most: 256 }));
        assert_eq!(check_name("1/2/3/4/5/6/7/8", LIMITS), Ok(()));
        assert_eq!(check_name("1/2/3/4/5/6/7/8/9", LIMITS), Err(TopicError::TooDeep { slashes: 8, most: 7 }));
        assert_eq!(Filter::parse("+/+/+/+/+/+/+/#", LIMITS).map(|filter| filter.group), Ok(None));
        assert!(Filter::parse("+/+/+/+/+/+/+/+/#", LIMITS).is_err());
    }

    #[test]
    fn prefixes_do_not_count() {
        assert_eq!(check_name("$aws/rules/lobby/1/2/3/4/5/6/7/8", LIMITS), Ok(()));
        assert!(check_name("$aws/rules/lobby/1/2/3/4/5/6/7/8/9", LIMITS).is_err());
        assert_eq!(check_name(&format!("$aws/rules/lobby/{}", "x".repeat(256)), LIMITS), Ok(()));
        assert!(check_name(&format!("$aws/rules/lobby/{}", "x".repeat(257)), LIMITS).is_err());
        assert!(check_name(&format!("$aws/rules/{}", "x".repeat(600)), LIMITS).is_err());
        assert!(Filter::parse("$share/g/1/2/3/4/5/6/7/8", LIMITS).is_ok());
        assert!(Filter::parse("$share/g/1/2/3/4/5/6/7/8/9", LIMITS).is_err());
        assert!(Filter::parse(&format!("$share/{}/a", "g".repeat(300)), LIMITS).is_err());
    }

    #[test]
    fn wildcards_have_their_places() {
        for good in ["#", "+", "a/+/b", "a/#", "+/+", "/+", "/#", "$share/g/#"] {
            assert!(Filter::parse(good, LIMITS).is_ok(), "{good}");
        }
        for bad in ["a#", "a/#/b", "a+", "+a/b", "##", "a/+#", "#/"] {
            assert_eq!(Filter::parse(bad, LIMITS), Err(TopicError::MisplacedWildcard), "{bad}");
        }
        for bad in ["$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a"] {
            assert_eq!(Filter::parse(bad, LIMITS), Err(TopicError::Share), "{bad}");
        }
    }

    #[test]
    fn the_rule_of_basic_ingest() {
        assert_eq!(ingest_rule("$aws/rules/lobby"), Some(("lobby", "")));
        assert_eq!(ingest_rule("$aws/rules/lobby/a/b"), Some(("lobby", "a/b")));
        assert_eq!(ingest_rule("$aws/rules/"), None);
        assert_eq!(ingest_rule("aws/rules/lobby"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in ".{0,300}") {
            let _ = check_name(&text, LIMITS);
            let _ = Filter::parse(&text, LIMITS);
        }

        #[test]
        fn what_is_a_name_is_an_exact_filter(text in "[a-c/$]{1,20}") {
            let filter = Filter::parse(&text, LIMITS);
            if check_name(&text, LIMITS).is_ok() && !text.starts_with("$share/") {
                prop_assert!(filter.is_ok_and(Filter::is_exact));
            }
        }
    }
}
