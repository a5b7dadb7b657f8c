//! JSON as lines and as streams.
//!
//! [`lines`] finds lines and records, reads and writes them; [`object`] is a record with added
//! fields; [`fields`] validates a line and finds a few fields; [`path`] parses the user's names
//! of fields, [`selected`] prints them and [`field_watch`] finds names that no record has;
//! `joined` joins values that are on several lines; [`depth`] limits nesting; [`bad_line`] is the
//! reason why a line is not a record; [`surrogates`] repairs strings that were cut in the middle
//! of a character. [`array_stream`] reads the elements of an array while it arrives, and `cursor`
//! steps through a valid text. `fields`, `array_stream` and `cursor` are separate: the first must
//! validate, the second must be able to wait in the middle of a value, and the third is fast
//! because it does neither.

pub mod array_stream;
pub mod bad_line;
pub(crate) mod cursor;
pub mod depth;
pub mod field_watch;
pub mod fields;
pub(crate) mod joined;
pub mod lines;
pub mod object;
pub mod path;
pub mod selected;
pub mod shape;
pub mod surrogates;
