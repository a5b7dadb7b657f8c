//! The meaning of the fields of a call detail record.

use std::borrow::Cow;

use crate::json::fields::{Record, Slot, text};
use crate::time::Timestamp;

/// The values of `message_type` that the vendor documents.
pub(crate) const RECORD_TYPES: [&str; 6] = [
    "dialog_start",
    "dialog_step",
    "dialog_end",
    "vb_enrolment",
    "vb_verification",
    "audit",
];

/// Reads the time in a field: milliseconds since 1970, as a number or as a string that contains a
/// number; or a date and time as text, for example in RFC 3339.
pub(crate) fn instant(value: &str) -> Option<Timestamp> {
    let says = text(value);
    if let Ok(millis) = says.parse::<i64>() {
        return Some(Timestamp::from_millis(millis));
    }
    match says.parse::<f64>() {
        Ok(millis) if millis.is_finite() => Some(Timestamp::from_millis(millis.floor() as i64)),
        Ok(_) => None,
        Err(_) => serde_json::from_str(value).ok(),
    }
}

/// Whether a text means that the value is unknown: `undefined`, `null`, or an empty text.
pub(crate) fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "undefined" | "null")
}

/// The value of a field as text; empty if the field is absent.
pub(crate) fn says<'l>(record: &Record<'l, '_>, slot: Slot) -> Cow<'l, str> {
    record.get(slot).map_or(Cow::Borrowed(""), text)
}

/// The value of a field as a number, also if the value is a string that contains a number. `None`
/// if the field is absent or has no number.
pub(crate) fn number(record: &Record<'_, '_>, slot: Slot) -> Option<f64> {
    says(record, slot).parse().ok()
}
