//! File formats: ZIP archives, CSV tables, zstandard and gzip streams, OpenMetrics text.

pub mod csv;
pub(crate) mod gzip;
pub(crate) mod openmetrics;
pub mod zip;
pub mod zstandard;
