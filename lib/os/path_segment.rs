//! Turns any name into one component of a path.

use crate::os::digest;

/// The longest result, in bytes. Common file systems allow 255 bytes, so 55 are left for a suffix.
const LONGEST: usize = 200;

/// Turns a name into one component of a path. Letters, digits and `._-` stay. All other bytes, and
/// a `.` or `-` at the start, become `%XX`. A long result is cut and ends with 16 hexadecimal
/// digits of the name's SHA-256, so that two names do not become the same component.
pub fn safe(name: &str) -> String {
    let mut safe = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if is_plain && !(at == 0 && matches!(byte, b'.' | b'-')) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    if safe.len() > LONGEST {
        safe.truncate(LONGEST - 17);
        safe.push('~');
        safe.push_str(&digest::sha256(name.as_bytes())[..16]);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable_and_inside() {
        assert_eq!(safe("acme-prod"), "acme-prod");
        assert_eq!(safe(".."), "%2E.");
        assert_eq!(safe("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(safe("a b/ü"), "a%20b%2F%C3%BC");
        assert_eq!(safe("a=\0%"), "a%3D%00%25");
        assert_eq!(safe(&"x".repeat(300)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn two_names_never_meet(a in ".{1,80}", b in ".{1,80}") {
            for name in [&a, &b] {
                let safe = safe(name);
                prop_assert!(!safe.contains(['/', '\0']) && safe != "." && safe != "..");
                prop_assert!(safe.len() <= LONGEST);
            }
            prop_assert_eq!(a == b, safe(&a) == safe(&b));
        }
    }
}
