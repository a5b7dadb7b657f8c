//! The server that receives pushes.
//!
//! [`accept`] accepts connections and [`connection`] handles one; [`receiver`] answers its
//! requests; [`watch`] checks files, the disk, the clock, and paths without pushes; [`admin`]
//! answers operators; [`running`] starts and stops all of them.

pub(crate) mod accept;
pub(crate) mod admin;
pub(crate) mod body;
pub(crate) mod capacity;
pub(crate) mod certificate;
pub(crate) mod condition;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod counters;
pub(crate) mod head;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod pace;
pub(crate) mod peer;
pub(crate) mod receiver;
pub(crate) mod recording_stage;
pub(crate) mod refusal;
pub(crate) mod running;
pub(crate) mod status_page;
pub(crate) mod store_view;
pub(crate) mod timed_stream;
pub(crate) mod tls;
pub(crate) mod watch;
