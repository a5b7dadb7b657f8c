//! JSON as lines and as streams.
//!
//! [`lines`] reads and writes lines and records; [`object`] is a JSON object to which a program can
//! add fields; [`fields`] validates a line and finds a few fields; [`path`] parses the paths of
//! fields that a user types, [`selected`] prints these fields, and [`field_watch`] finds names that
//! no record has; `joined` turns a value that is printed on several lines into one line; [`depth`]
//! limits nesting; [`shape`] shows keys and types without values; [`bad_line`] is the reason why a
//! line is not a record; [`surrogates`] repairs strings that were cut in the middle of a character.
//! [`array_stream`] reads the elements of an array while it arrives, and `cursor` steps through a
//! valid text. There are three readers of JSON for three purposes: `fields` must validate,
//! `array_stream` must be able to wait in the middle of a value, and `cursor` is fast because it
//! neither validates nor waits.

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
