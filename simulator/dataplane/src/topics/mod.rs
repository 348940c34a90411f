//! Topics: which names and filters are well formed, what matches what, and who subscribed to what.
//!
//! MQTT 3.1.1 and 5, section 4.7, with the differences of AWS: `a/#` does not match `a`, a name has at most 256 bytes and
//! 7 slashes, and neither the prefix of Basic Ingest (`$aws/rules/<rule>/`) nor that of a shared subscription
//! (`$share/<group>/`) counts.

mod index;
mod matching;
mod names;

pub use index::{Found, Group, Index, Reach};
pub use matching::matches;
pub use names::{Filter, Limits, MOST_LEVELS, TopicError, check_name, ingest_rule};
