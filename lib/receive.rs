//! The receiver of streamed records: a push is acknowledged when it is on disk, and
//! each record is published to the lake once.

pub(crate) mod access;
pub(crate) mod inbox;
pub(crate) mod push;
pub(crate) mod server;
