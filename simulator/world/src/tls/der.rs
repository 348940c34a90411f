//! The little of DER (X.690) that certificates need: one value after the other, nothing copied, nothing believed.

use super::error::CertificateError;

/// The longest certificate that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// Tags of one byte.
pub(super) mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OID: u8 = 0x06;
    pub const UTF8_STRING: u8 = 0x0C;
    pub const NUMERIC_STRING: u8 = 0x12;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const TELETEX_STRING: u8 = 0x14;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const VISIBLE_STRING: u8 = 0x1A;
    pub const UNIVERSAL_STRING: u8 = 0x1C;
    pub const BMP_STRING: u8 = 0x1E;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// `[n]`, primitive.
    pub const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// `[n]`, constructed.
    pub const fn explicit(n: u8) -> u8 {
        0xA0 | n
    }
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub tag: u8,
    /// Its content.
    pub value: &'a [u8],
    /// With tag and length.
    pub whole: &'a [u8],
    /// Where the content begins in the outermost value.
    at: usize,
}

impl<'a> Item<'a> {
    /// The values inside.
    pub(super) const fn inside(&self) -> Reader<'a> {
        Reader { rest: self.value, at: self.at }
    }

    pub(super) const fn malformed(&self, what: &'static str) -> CertificateError {
        CertificateError::Malformed { what, at: self.at }
    }
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// What is inside a sequence that is all there is.
    pub(super) fn whole(der: &'a [u8], what: &'static str) -> Result<Self, CertificateError> {
        if der.len() > LONGEST {
            return Err(CertificateError::TooLong { bytes: der.len() });
        }
        let mut reader = Self { rest: der, at: 0 };
        let item = reader.expect(tag::SEQUENCE, what)?;
        reader.end(what)?;
        Ok(item.inside())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(super) const fn end(&self, what: &'static str) -> Result<(), CertificateError> {
        if self.is_empty() { Ok(()) } else { Err(CertificateError::Malformed { what, at: self.at }) }
    }

    /// The next value, which `what` names.
    pub(super) fn next(&mut self, what: &'static str) -> Result<Item<'a>, CertificateError> {
        let malformed = CertificateError::Malformed { what, at: self.at };
        let [tag, first, ..] = *self.rest else { return Err(malformed) };
        // Tags above 30 take more bytes; no certificate has one.
        if tag & 0x1F == 0x1F {
            return Err(malformed);
        }
        let (head, length) = match first {
            0..=0x7F => (2, usize::from(first)),
            // Up to three bytes of length (16 MiB), and no more of them than needed.
            0x81..=0x83 => {
                let more = usize::from(first & 0x7F);
                let Some(bytes) = self.rest.get(2..2 + more) else { return Err(malformed) };
                let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                let is_short = length < 0x80 || length >> (8 * (more - 1)) == 0;
                if is_short {
                    return Err(malformed);
                }
                (2 + more, length)
            }
            _ => return Err(malformed),
        };
        let Some(whole) = self.rest.get(..head + length) else { return Err(malformed) };
        let item = Item { tag, value: &whole[head..], whole, at: self.at + head };
        self.rest = &self.rest[whole.len()..];
        self.at += whole.len();
        Ok(item)
    }

    pub(super) fn expect(&mut self, tag: u8, what: &'static str) -> Result<Item<'a>, CertificateError> {
        let at = self.at;
        let item = self.next(what)?;
        if item.tag == tag { Ok(item) } else { Err(CertificateError::Malformed { what, at }) }
    }

    /// The next value if it has this tag.
    pub(super) fn optional(&mut self, tag: u8, what: &'static str) -> Result<Option<Item<'a>>, CertificateError> {
        if self.rest.first() == Some(&tag) { self.next(what).map(Some) } else { Ok(None) }
    }
}
