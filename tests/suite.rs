//! The programs of callpipe as their users meet them: real processes, real
//! pipes, real sockets, real signals. Only the vendors are simulated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "test data needs no crash safety, and tests may look at the clock"
)]
#![allow(unreachable_pub, reason = "modules of one test program")]

mod addresses;
mod architecture;
mod archive;
mod bucket;
mod canaries;
mod ceilings;
mod cli;
mod completion;
mod dialpad;
mod differential;
mod every_step;
mod examples;
mod fetch;
mod files;
mod filter;
mod filter_leaves;
mod guarantees;
mod harness;
mod layout;
mod lines;
mod mangled;
mod metrics;
mod named_output;
mod network;
mod packaging;
mod pipeline;
mod plan;
mod progress;
mod pusher;
mod raw_service;
mod readers;
mod readme;
mod receive;
mod schema;
mod sim;
mod sim_check;
mod site;
mod subscribe;
mod threads;
mod tls;
mod token;
mod unzip;
mod voicegain;
mod zips;
