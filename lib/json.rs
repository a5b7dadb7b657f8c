//! JSON as lines and as streams.
//!
//! [`lines`] says what a line and the record in it are, and reads and writes them;
//! [`object`] is a record that a stage adds fields to; [`fields`] finds a few fields of a
//! line while it validates all of it, [`path`] is how a user names them, [`selected`] prints them and
//! [`field_watch`] notices those that no record has; `joined` makes a line of a value that stands on several; [`depth`] limits nesting; [`bad_line`] says why a line
//! is no record; [`surrogates`] mends strings that were cut in the middle of a character.
//! [`array_stream`] reads the elements of an array as it arrives, and `cursor`
//! steps through a text that is valid already. These three ways through a text stay apart:
//! the first must validate, the second must resume in the middle of a value, and the third
//! must do neither to be fast.

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
