//! States in a bucket: what a file promises, a bucket promises, too.

mod service;
mod settings;
mod state;
