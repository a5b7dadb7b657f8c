//! `ocp-receive serve`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::serve_args::ServeArgs;
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::os::clock::Clock;
use crate::os::signals::Stop;
use crate::os::sockets;
use crate::receive::access::authenticator::Authenticator;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::inbox::Inbox;
use crate::receive::server::capacity::Capacity;
use crate::receive::server::condition::Condition;
use crate::receive::server::counters::Counters;
use crate::receive::server::receiver::Receiver;
use crate::receive::server::running::{RunningServer, ServerParts};

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive serve --listen 0.0.0.0:443 --cert fullchain.pem --key key.pem --clients clients.toml --dir ocp >> files.ndjson
  ocp-receive serve --listen 127.0.0.1:8080 --plain --clients clients.toml --dir ocp
  ocp-receive serve --listen fd:3 --plain --clients clients.toml --dir ocp --admin 127.0.0.1:9465";
