//! Records and recordings as files by type, date and hour, for query engines.

pub mod layout;
pub mod partition_key;
pub mod recording;
pub(crate) mod root_counts;
