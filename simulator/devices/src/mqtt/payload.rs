//! What a device's messages say: who, which one, when, and filler up to the size that was asked for.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write;

/// How a message is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `{"device":"hvac-7","number":12,"time":1893456000123,"fill":"…"}`.
    #[default]
    Json,
    /// The same as a CBOR map of four entries (RFC 8949).
    Cbor,
    /// `FP1`, number and time in 8 bytes each, the length of the name in 2, the name, zeros. Big-endian.
    Binary,
}

/// The first bytes of a binary message.
const MAGIC: &[u8] = b"FP1";

/// Of a CBOR map with four entries.
const CBOR_MAP: u8 = 0xA4;

/// The longest name of a device that is written or read, in bytes: AWS's limit for thing names.
const LONGEST_NAME: usize = 128;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whose it is.
    pub device: Cow<'a, str>,
    /// Counted per device, from 1.
    pub number: u64,
    /// ms since 1970 by the device's clock.
    pub time: u64,
}

impl Message<'_> {
    /// The message in exactly `size` bytes; in as many as it needs where that is more.
    #[must_use]
    pub fn write(&self, format: Format, size: usize) -> Bytes {
        let mut bytes = BytesMut::with_capacity(size.max(48 + self.device.len()));
        self.append(format, size, &mut bytes);
        bytes.freeze()
    }

    fn append(&self, format: Format, size: usize, bytes: &mut BytesMut) {
        match format {
            Format::Json => {
                bytes.put_slice(b"{\"device\":");
                put_json_text(&self.device, bytes);
                // Writing to a buffer that grows cannot fail.
                let _ = write!(bytes, ",\"number\":{},\"time\":{}", self.number, self.time);
                let rest = size.saturating_sub(bytes.len() + 1);
                const FILL: &[u8] = b",\"fill\":\"\"";
                match rest.checked_sub(FILL.len()) {
                    Some(filler) => {
                        bytes.put_slice(&FILL[..FILL.len() - 1]);
                        bytes.put_bytes(b'x', filler);
                        bytes.put_u8(b'"');
                    }
                    // Too little room for a member: JSON takes blanks.
                    None => bytes.put_bytes(b' ', rest),
                }
                bytes.put_u8(b'}');
            }
            Format::Cbor => {
                bytes.put_u8(CBOR_MAP);
                put_cbor_text("device", bytes);
                put_cbor_text(&self.device, bytes);
                for (key, number) in [("number", self.number), ("time", self.time)] {
                    put_cbor_text(key, bytes);
                    bytes.put_u8(0x1B);
                    bytes.put_u64(number);
                }
                put_cbor_text("fill", bytes);
                // The length always takes four bytes: with the shortest form some sizes could not be made.
                let filler = size.saturating_sub(bytes.len() + 5).min(u32::MAX as usize);
                bytes.put_u8(0x5A);
                bytes.put_u32(u32::try_from(filler).unwrap_or(u32::MAX));
                bytes.put_bytes(0, filler);
            }
            Format::Binary => {
                let name = &self.device.as_bytes()[..self.device.len().min(usize::from(u16::MAX))];
                bytes.put_slice(MAGIC);
                bytes.put_u64(self.number);
                bytes.put_u64(self.time);
                bytes.put_u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
                bytes.put_slice(name);
                bytes.put_bytes(0, size.saturating_sub(bytes.len()));
            }
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a message of any of the formats; `None` when it is something else. Members in any order and unknown ones are
    /// fine in JSON, which platforms may have written anew; the other two must be as they were written.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let message = match bytes.first()? {
            b'{' => read_json(bytes),
            &CBOR_MAP => read_cbor(bytes),
            _ => read_binary(bytes),
        }?;
        (message.device.len() <= LONGEST_NAME).then_some(message)
    }
}

fn read_json(bytes: &[u8]) -> Option<Message<'_>> {
    #[derive(Deserialize)]
    struct Json<'a> {
        #[serde(borrow)]
        device: Cow<'a, str>,
        number: u64,
        time: u64,
    }
    let Json { device, number, time } = serde_json::from_slice(bytes).ok()?;
    Some(Message { device, number, time })
}

fn read_cbor(bytes: &[u8]) -> Option<Message<'_>> {
    let rest = cbor_key(bytes.get(1..)?, "device")?;
    let (device, rest) = cbor_text(rest)?;
    let number = |rest, key| {
        let (head, rest) = cbor_key(rest, key)?.split_first_chunk::<9>()?;
        let (major, number) = head.split_first_chunk::<1>()?;
        Some((u64::from_be_bytes(number.try_into().ok().filter(|_| major == &[0x1B])?), rest))
    };
    let (sequence, rest) = number(rest, "number")?;
    let (time, _fill) = number(rest, "time")?;
    Some(Message { device: device.into(), number: sequence, time })
}

fn cbor_key<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    cbor_text(bytes).and_then(|(text, rest)| (text == key).then_some(rest))
}

/// A text of less than 256 bytes, in the shortest form.
fn cbor_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = match bytes {
        [head @ 0x60..=0x77, rest @ ..] => (head - 0x60, rest),
        [0x78, length, rest @ ..] => (*length, rest),
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn read_binary(bytes: &[u8]) -> Option<Message<'_>> {
    let (number, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (time, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let name = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let device = std::str::from_utf8(name).ok()?.into();
    Some(Message { device, number: u64::from_be_bytes(*number), time: u64::from_be_bytes(*time) })
}

fn put_json_text(text: &str, bytes: &mut BytesMut) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        bytes.put_u8(b'"');
        bytes.put_slice(text.as_bytes());
        bytes.put_u8(b'"');
    } else {
        bytes.put_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

/// In the shortest form; texts of more than 255 bytes are cut.
fn put_cbor_text(text: &str, bytes: &mut BytesMut) {
    let text = &text[..text.floor_char_boundary(usize::from(u8::MAX))];
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    if length < 24 {
        bytes.put_u8(0x60 + length);
    } else {
        bytes.put_slice(&[0x78, length]);
    }
    bytes.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMATS: [Format; 3] = [Format::Json, Format::Cbor, Format::Binary];

    proptest! {
        #[test]
        fn what_is_written_is_read_and_as_long_as_it_should_be(device in "\\PC{0,40}", number: u64, time: u64, more in 0..400_usize) {
            let message = Message { device: device.as_str().into(), number, time };
            prop_assume!(message.device.len() <= LONGEST_NAME);
            for format in FORMATS {
                let least = message.write(format, 0).len();
                let bytes = message.write(format, least + more);
                prop_assert_eq!(bytes.len(), least + more, "{:?}", format);
                prop_assert_eq!(Message::read(&bytes), Some(message.clone()), "{:?}", format);
            }
        }

        #[test]
        fn anything_can_be_read(mut bytes: Vec<u8>, kind in 0..4_usize) {
            let begins: [&[u8]; 4] = [b"", b"{", b"\xA4\x66device", MAGIC];
            bytes.splice(0..0, begins[kind].iter().copied());
            let _ = Message::read(&bytes);
        }

        #[test]
        fn what_is_cut_off_is_not_read(cut in 1..60_usize) {
            let message = Message { device: "hvac-7".into(), number: 7, time: 1 };
            for format in FORMATS {
                let bytes = message.write(format, 0);
                // The last five bytes of CBOR are the empty filler.
                let ends = bytes.len() - if format == Format::Cbor { 5 + 5 } else { 0 };
                prop_assert_eq!(Message::read(&bytes[..ends.saturating_sub(cut)]), None);
            }
        }
    }

    #[test]
    fn json_and_cbor_are_what_other_tools_read() {
        let message = Message { device: "hvac-7".into(), number: 12, time: 1_893_456_000_123 };
        let text = message.write(Format::Json, 80);
        assert_eq!(text.len(), 80);
        assert!(text.starts_with(br#"{"device":"hvac-7","number":12,"time":1893456000123,"fill":"xxx"#));
        assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        // By the rules of RFC 8949, section 3: map(4), text(6), text(6), text(6), uint64, text(4), uint64, text(4), bytes.
        let cbor = message.write(Format::Cbor, 0);
        let expected = [
            &b"\xA4\x66device\x66hvac-7\x66number\x1B\0\0\0\0\0\0\0\x0C\x64time\x1B"[..],
            &1_893_456_000_123_u64.to_be_bytes(),
            b"\x64fill\x5A\0\0\0\0",
        ];
        assert_eq!(cbor, expected.concat());
    }

    #[test]
    fn a_name_that_is_too_long_is_nobodys() {
        let device = "a".repeat(LONGEST_NAME + 1);
        for format in FORMATS {
            assert_eq!(
                Message::read(&Message { device: (&*device).into(), number: 1, time: 1 }.write(format, 0)),
                None
            );
        }
    }
}
