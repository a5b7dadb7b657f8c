//! JSON as lines and as streams: the one walker, the one line splitter, the one
//! limit of depth.
//!
//! [`lines`] reads and writes newline-delimited JSON, [`array_stream`] reads the
//! elements of an array as it arrives, [`fields`] finds a few fields of a line while
//! it validates all of it, [`depth`] limits nesting, [`bad_line`] says why a line is
//! no record, [`surrogates`] mends strings that were cut in the middle of a character.

pub mod array_stream;
pub mod bad_line;
pub mod depth;
pub mod fields;
pub mod lines;
pub mod surrogates;
