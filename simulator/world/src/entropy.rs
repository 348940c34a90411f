//! Randomness as a tree of named streams: a draw never depends on what others drew before it.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::Duration;

/// A stream of random numbers. Its algorithm is fixed (`ChaCha8`), so that a seed means the same in
/// every version.
pub type Stream = ChaCha8Rng;

/// What links draw.
pub(crate) trait RandomStreamExt {
    /// Between nothing and `most`, both included, in µs; nothing is drawn when there is no choice.
    fn up_to(&mut self, most: Duration) -> Duration;

    /// Yes for `share` millionths of the draws; nothing is drawn when there is no choice.
    fn happens(&mut self, share: u32) -> bool;
}

impl RandomStreamExt for Stream {
    fn up_to(&mut self, most: Duration) -> Duration {
        match u64::try_from(most.as_micros()).unwrap_or(u64::MAX) {
            0 => Duration::ZERO,
            most => Duration::from_micros(self.gen_range(0..=most)),
        }
    }

    fn happens(&mut self, share: u32) -> bool {
        share > 0 && self.gen_range(0..1_000_000) < share
    }
}

/// A node in the tree of random streams: a seed and the path that led here.
#[derive(Clone, Debug)]
pub struct Seeds {
    seed: u64,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Path(Arc<str>),
    Secret(Secret, Arc<str>),
    System,
}

/// A root that must not be printed.
#[derive(Clone, Copy)]
struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Seeds {
    /// The root of the tree for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, source: Source::Path("".into()) }
    }

    /// Streams that come from the operating system: nothing drawn from them can be drawn again.
    #[must_use]
    pub fn from_system() -> Self {
        Self { seed: 0, source: Source::System }
    }

    /// The root of a tree that only who knows `secret` can draw from: for keys that outlive a process.
    #[must_use]
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self { seed: 0, source: Source::Secret(Secret(secret), "".into()) }
    }

    /// The seed at the root.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the same seed draws the same again.
    #[must_use]
    pub const fn is_seeded(&self) -> bool {
        !matches!(self.source, Source::System)
    }

    /// The subtree called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let source = match &self.source {
            Source::Path(path) => Source::Path(format!("{path}/{name}").into()),
            Source::Secret(secret, path) => Source::Secret(*secret, format!("{path}/{name}").into()),
            Source::System => Source::System,
        };
        Self { seed: self.seed, source }
    }

    /// The stream called `name` at this node; the same name gives the same stream from its beginning.
    ///
    /// # Panics
    /// Only when the operating system has no randomness to give.
    #[must_use]
    pub fn stream(&self, name: &str) -> Stream {
        match &self.source {
            Source::Path(path) => {
                let key = blake3::hash(&self.seed.to_le_bytes());
                let hash = blake3::keyed_hash(key.as_bytes(), format!("{path}/{name}").as_bytes());
                ChaCha8Rng::from_seed(*hash.as_bytes())
            }
            Source::Secret(secret, path) => {
                ChaCha8Rng::from_seed(*blake3::keyed_hash(&secret.0, format!("{path}/{name}").as_bytes()).as_bytes())
            }
            Source::System => {
                let mut seed = [0; 32];
                #[expect(clippy::expect_used, reason = "without randomness no key may be made")]
                getrandom::fill(&mut seed).expect("the operating system gives randomness");
                ChaCha8Rng::from_seed(seed)
            }
        }
    }

    /// The wall time at which a virtual run begins: in 2030, so that nothing real is mistaken for it.
    pub(crate) fn epoch_ms(&self) -> u64 {
        const YEAR_2030_MS: u64 = 1_893_456_000_000;
        YEAR_2030_MS + self.stream("epoch").next_u64() % (365 * 86_400) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_its_name_and_seed_only() {
        let draw = |seed, node: &str, name: &str| Seeds::new(seed).child(node).stream(name).next_u64();
        assert_eq!(draw(1, "device", "hvac-7"), draw(1, "device", "hvac-7"));
        assert_ne!(draw(1, "device", "hvac-7"), draw(1, "device", "hvac-8"));
        assert_ne!(draw(1, "device", "hvac-7"), draw(2, "device", "hvac-7"));
    }

    #[test]
    fn a_seed_means_the_same_in_every_version() {
        assert_eq!(Seeds::new(1).child("device").stream("hvac-7").next_u64(), 12_921_445_619_943_590_659);
    }

    #[test]
    fn a_secret_draws_the_same_again_and_is_never_printed() {
        let draw = |secret, name: &str| Seeds::from_secret([secret; 32]).child("key").stream(name).next_u64();
        assert_eq!(draw(1, "tokens"), draw(1, "tokens"));
        assert_ne!(draw(1, "tokens"), draw(2, "tokens"));
        assert_ne!(draw(1, "tokens"), draw(1, "operator"));
        assert!(!format!("{:?}", Seeds::from_secret([77; 32])).contains("77"));
    }

    #[test]
    fn the_system_never_draws_the_same_again() {
        let seeds = Seeds::from_system();
        assert_ne!(seeds.stream("a").next_u64(), seeds.stream("a").next_u64());
    }
}
