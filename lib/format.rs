//! File formats: ZIP archives, CSV tables, zstandard streams.

pub mod csv;
pub mod zip;
pub mod zstandard;
