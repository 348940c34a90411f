//! What certificates and requests are made of: names, keys, signatures and times.

use super::der::{Item, Reader, tag};
use super::error::CertificateError;
use super::key::PublicKey;

/// The most fields of a name.
const MOST: usize = 64;

/// ECDSA with SHA-256 (1.2.840.10045.4.3.2), a key on a curve (1.2.840.10045.2.1), the curve P-256 (1.2.840.10045.3.1.7).
const ECDSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const EC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// Fields of names (2.5.4.x), as the policy language calls them.
const FIELDS: [(u8, &str); 14] = [
    (3, "CommonName"),
    (4, "Surname"),
    (5, "SerialNumber"),
    (6, "Country"),
    (7, "Locality"),
    (8, "State"),
    (10, "Organization"),
    (11, "OrganizationalUnit"),
    (12, "Title"),
    (42, "GivenName"),
    (43, "Initials"),
    (44, "GenerationQualifier"),
    (46, "DistinguishedNameQualifier"),
    (65, "Pseudonym"),
];

/// A part of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is, as the policy language calls it (`CommonName`); the numbers of its kind (`2.5.4.9`) when that has no name.
    pub name: String,
    /// What it says; the bytes in hexadecimal behind a `#` when that is no text (RFC 4514).
    pub value: String,
}

/// Fields in their order. A set of several in one place is as many fields.
pub(super) fn read_name(item: &Item<'_>) -> Result<Vec<Field>, CertificateError> {
    let mut fields = Vec::new();
    let mut sets = item.inside();
    while !sets.is_empty() {
        let mut set = sets.expect(tag::SET, "a part of a name")?.inside();
        while !set.is_empty() {
            if fields.len() == MOST {
                return Err(item.malformed("so long a name"));
            }
            let mut field = set.expect(tag::SEQUENCE, "a field of a name")?.inside();
            let kind = field.expect(tag::OID, "the kind of a field")?;
            let value = field.next("the text of a field")?;
            field.end("a field of a name")?;
            fields.push(Field { name: field_name(kind.value), value: text(&value)? });
        }
    }
    Ok(fields)
}

fn field_name(kind: &[u8]) -> String {
    if let [0x55, 0x04, last] = kind
        && let Some((_, name)) = FIELDS.iter().find(|(number, _)| number == last)
    {
        return (*name).to_owned();
    }
    let Some((&first, rest)) = kind.split_first() else { return String::new() };
    let mut name = format!("{}.{}", first / 40, first % 40);
    let mut number = 0_u64;
    for byte in rest {
        // Numbers that do not fit are written wrong, and belong to nothing that has a name.
        number = number << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            name.push_str(&format!(".{number}"));
            number = 0;
        }
    }
    name
}

fn text(item: &Item<'_>) -> Result<String, CertificateError> {
    const WHAT: &str = "the text of a field";
    match item.tag {
        tag::UTF8_STRING => std::str::from_utf8(item.value).map(str::to_owned).map_err(|_| item.malformed(WHAT)),
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING
            if item.value.is_ascii() =>
        {
            Ok(item.value.iter().map(|byte| char::from(*byte)).collect())
        }
        tag::TELETEX_STRING => Ok(item.value.iter().map(|byte| char::from(*byte)).collect()),
        tag::BMP_STRING if item.value.len().is_multiple_of(2) => {
            let units = item.value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| item.malformed(WHAT))
        }
        tag::UNIVERSAL_STRING if item.value.len().is_multiple_of(4) => item
            .value
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect::<Option<_>>()
            .ok_or_else(|| item.malformed(WHAT)),
        tag::PRINTABLE_STRING
        | tag::IA5_STRING
        | tag::NUMERIC_STRING
        | tag::VISIBLE_STRING
        | tag::BMP_STRING
        | tag::UNIVERSAL_STRING => Err(item.malformed(WHAT)),
        _ => Ok(format!("#{}", hexadecimal(item.whole))),
    }
}

/// A name as messages show it.
pub(super) fn name_text(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect::<Vec<_>>().join(",")
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The point of a P-256 key (nothing for a key of another kind), and the bytes of all of it.
pub(super) fn read_key<'a>(item: &Item<'a>) -> Result<(Option<PublicKey>, &'a [u8]), CertificateError> {
    let mut parts = item.inside();
    let mut kind = parts.expect(tag::SEQUENCE, "the key's kind")?.inside();
    let algorithm = kind.expect(tag::OID, "the key's kind")?;
    let curve = kind.optional(tag::OID, "the key's curve")?;
    let bits = parts.expect(tag::BIT_STRING, "the key's bits")?;
    parts.end("the key")?;
    if algorithm.value != EC_KEY || curve.is_none_or(|curve| curve.value != P256) {
        return Ok((None, item.whole));
    }
    let [0, point @ ..] = bits.value else { return Err(bits.malformed("the key's bits")) };
    let key = PublicKey::read(point).ok_or_else(|| bits.malformed("the point of the curve"))?;
    Ok((Some(key), item.whole))
}

/// What follows the signed part: the signature, when it is ECDSA with SHA-256.
pub(super) fn ecdsa_signature<'a>(outer: &mut Reader<'a>) -> Result<Option<&'a [u8]>, CertificateError> {
    let mut kind = outer.expect(tag::SEQUENCE, "the signature's kind")?.inside();
    let algorithm = kind.expect(tag::OID, "the signature's kind")?;
    let bits = outer.expect(tag::BIT_STRING, "the signature")?;
    let [0, signature @ ..] = bits.value else { return Err(bits.malformed("the signature")) };
    Ok((algorithm.value == ECDSA_SHA256).then_some(signature))
}

/// A time in ms since 1970: `YYMMDDHHMMSSZ` between 1950 and 2049, `YYYYMMDDHHMMSSZ` otherwise.
pub(super) fn time(item: &Item<'_>) -> Result<i64, CertificateError> {
    read_time(item).ok_or_else(|| item.malformed("a time"))
}

fn read_time(item: &Item<'_>) -> Option<i64> {
    let (year, rest) = match item.tag {
        tag::UTC_TIME => {
            let (year, rest) = item.value.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = item.value.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let [a, b, c, d, e, f, g, h, i, j, b'Z'] = *rest else { return None };
    let (month, day) = (number(&[a, b])?, number(&[c, d])?);
    let (hour, minute, second) = (number(&[e, f])?, number(&[g, h])?, number(&[i, j])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=most).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970, the year beginning in March so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day
            - 1
            - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}
