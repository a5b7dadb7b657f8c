//! File formats: ZIP archives, CSV tables, zstandard and gzip streams, OpenMetrics text.

pub mod csv;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub(crate) mod gzip;
pub(crate) mod openmetrics;
pub mod zip;
pub mod zstandard;
