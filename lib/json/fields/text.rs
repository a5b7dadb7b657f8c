//! The text of a JSON value.

use std::borrow::Cow;

/// The text of a value of any type: a string without quotes and escapes, any other value as it is
/// written.
pub fn text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        // Half of a surrogate pair is valid JSON, but cannot be decoded.
        Some(_) => serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned),
        None => Cow::Borrowed(value),
    }
}
