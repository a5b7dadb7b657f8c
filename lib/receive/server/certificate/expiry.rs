//! When a certificate expires. Of X.509 (RFC 5280 §4.1) only the way to this field is read.

use crate::time::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The `notAfter` of a certificate in DER; `None` if this is not a certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let mut rest = certificate;
    let mut outer = take(&mut rest, SEQUENCE)?;
    let mut fields = take(&mut outer, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        take(&mut fields, VERSION)?;
    }
    take(&mut fields, INTEGER)?;
    let (_algorithm, _issuer) = (take(&mut fields, SEQUENCE)?, take(&mut fields, SEQUENCE)?);
    let mut validity = take(&mut fields, SEQUENCE)?;
    time(&mut validity)?;
    time(&mut validity)
}

/// The content of the next element, if it has this tag. `rest` is then behind it.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[found, short], mut behind) = rest.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let length = match short {
        0..=0x7f => usize::from(short),
        // The low bits count the bytes of the length: 16 MiB are enough.
        0x81..=0x83 => {
            let (bytes, tail) = behind.split_at_checked(usize::from(short & 0x7f))?;
            behind = tail;
            bytes
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
        }
        _ => return None,
    };
    let (content, tail) = behind.split_at_checked(length)?;
    *rest = tail;
    Some(content)
}

/// Both spellings of a time. Years of two digits mean 1950 to 2049.
fn time(rest: &mut &[u8]) -> Option<Timestamp> {
    let text = match *rest.first()? {
        UTC_TIME => {
            let text = str::from_utf8(take(rest, UTC_TIME)?).ok()?;
            let century = if text < "50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        _ => str::from_utf8(take(rest, GENERALIZED_TIME)?)
            .ok()?
            .to_owned(),
    };
    let digits = text
        .strip_suffix('Z')
        .filter(|digits| digits.len() == 14 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let part = |from: usize| digits.get(from..from + 2);
    let (hour, minute, second) = (part(8)?, part(10)?, part(12)?);
    let (year, month, day) = (digits.get(..4)?, part(4)?, part(6)?);
    Timestamp::parse_instant(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = match content.len() {
            0..=0x7f => vec![tag, length[1]],
            0x80..=0xff => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        [head, content].concat()
    }

    /// A certificate up to the field that is read, with an issuer of this length.
    fn certificate(version: &[u8], issuer: usize, end: &[u8]) -> Vec<u8> {
        let validity = element(SEQUENCE, &[&element(UTC_TIME, &[b"260101000000Z"]), end]);
        let (serial, algorithm) = (element(INTEGER, &[&[7]]), element(SEQUENCE, &[]));
        let issuer = element(SEQUENCE, &[&vec![0; issuer]]);
        let fields = element(
            SEQUENCE,
            &[version, &serial, &algorithm, &issuer, &validity],
        );
        element(SEQUENCE, &[&fields, b"key and signature"])
    }

    #[test]
    fn the_end_is_found_in_each_spelling() {
        let version = element(VERSION, &[&element(INTEGER, &[&[2]])]);
        let [utc, general] = [UTC_TIME, GENERALIZED_TIME];
        for (tag, end, wanted) in [
            (utc, "261231235959Z", "2026-12-31T23:59:59Z"),
            (utc, "491231000000Z", "2049-12-31T00:00:00Z"),
            (utc, "500101000000Z", "1950-01-01T00:00:00Z"),
            (general, "20500101000000Z", "2050-01-01T00:00:00Z"),
            (general, "99991231235959Z", "9999-12-31T23:59:59Z"),
        ] {
            let end = element(tag, &[end.as_bytes()]);
            for (version, issuer) in [(&[][..], 0), (&version, 130), (&version, 300)] {
                let found = not_after(&certificate(version, issuer, &end)).unwrap();
                assert_eq!(found, Timestamp::parse_instant(wanted).unwrap());
            }
        }
    }

    #[test]
    fn something_else_has_no_end() {
        let whole = certificate(&[], 200, &element(UTC_TIME, &[b"261231235959Z"]));
        let end = whole.len() - b"key and signature".len();
        for length in 0..end {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
        for time in [
            "261331000000Z",
            "2612310000Z",
            "26123100000\u{e9}Z",
            "261231000000",
            "Z",
        ] {
            let end = element(UTC_TIME, &[time.as_bytes()]);
            assert_eq!(not_after(&certificate(&[], 3, &end)), None, "{time}");
        }
        assert_eq!(not_after(&[SEQUENCE, 0x84, 0, 0, 0, 0]), None);
    }
}
