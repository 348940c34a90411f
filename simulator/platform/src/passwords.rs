//! Passwords: kept as argon2id hashes.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

/// How much work a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCost {
    /// 60 µs: for runs in process.
    Fast,
    /// 40 ms: for whatever a stranger can reach.
    Strong,
}

/// The shortest password that is taken, in characters.
pub(crate) const SHORTEST: usize = 8;

impl PasswordCost {
    fn hash(self, password: &str, salt: &[u8]) -> Option<[u8; 32]> {
        let params = match self {
            Self::Fast => Params::new(8, 1, 1, None).ok()?,
            Self::Strong => Params::default(),
        };
        let mut hash = [0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password.as_bytes(), salt, &mut hash).ok()?;
        Some(hash)
    }

    /// `salt$hash`, to be kept. `None` when the password is too long for argon2.
    pub(crate) fn seal(self, password: &str, salt: [u8; 16]) -> Option<String> {
        let hash = self.hash(password, &salt)?;
        Some(format!("{}${}", BASE64.encode(salt), BASE64.encode(hash)))
    }

    /// Whether `password` is the one that was sealed. Costs the same when nothing was.
    pub(crate) fn opens(self, sealed: Option<&str>, password: &str) -> bool {
        let parts = sealed.and_then(|sealed| {
            let (salt, hash) = sealed.split_once('$')?;
            Some((BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?))
        });
        let (salt, wanted) = parts.unwrap_or((vec![0; 16], Vec::new()));
        let Some(hash) = self.hash(password, &salt) else { return false };
        wanted.len() == hash.len() && wanted.iter().zip(hash).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_opens() {
        let cost = PasswordCost::Fast;
        let sealed = cost.seal("correct horse", [7; 16]).unwrap();
        assert!(cost.opens(Some(&sealed), "correct horse"));
        assert!(!cost.opens(Some(&sealed), "correct hors"));
        assert!(!cost.opens(None, "correct horse"));
        assert!(!cost.opens(Some("$"), ""));
    }
}
