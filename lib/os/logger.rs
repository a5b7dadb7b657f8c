//! Messages on stderr, one line each: `program: what: cause`, or the same as JSON. Only messages of
//! callpipe are written, because messages of other libraries could contain a header with a secret.

use std::io::{self, Write};
use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use serde::Serialize;

use crate::os::blocking::Blocking;
use crate::os::mutex::lock;
use crate::os::redaction;
use crate::time::Timestamp;

/// The format of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `program: message`
    Text,
    /// `{"time":…,"level":…,"program":…,"message":…}`
    Json,
}

#[derive(Serialize)]
struct LogMessage<'a> {
    time: Timestamp,
    level: &'a str,
    program: &'a str,
    message: String,
}

struct Logger {
    program: String,
    crate_name: String,
    format: LogFormat,
}

/// A function that hides the progress line, calls its argument to write a message, and shows the
/// line again.
type Hidden = Box<dyn Fn(&mut dyn FnMut()) + Send>;

static BELOW: Mutex<Option<Hidden>> = Mutex::new(None);

/// Installs the logger of this process. A second call changes nothing.
pub fn install(program: &str, format: LogFormat, level: LevelFilter) {
    let logger = Logger {
        program: program.to_owned(),
        crate_name: program.replace('-', "_"),
        format,
    };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

/// Hides the progress line while `write` writes whole lines to the terminal.
pub fn above<T>(write: impl FnOnce() -> T) -> Option<T> {
    let (mut write, mut result) = (Some(write), None);
    let mut once = || result = write.take().map(|write| write());
    match &*lock(&BELOW) {
        Some(hide) => hide(&mut once),
        None => once(),
    }
    result
}

/// Registers the function that hides the progress line while a message is written. `None` if there
/// is no progress line.
pub fn set_below(hide: Option<Hidden>) {
    *lock(&BELOW) = hide;
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let origin = metadata.target().split("::").next();
        origin == Some("callpipe") || origin == Some(&self.crate_name)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = redaction::clean(&record.args().to_string());
        let mut line = match self.format {
            LogFormat::Text => format!("{}: {message}", self.program),
            LogFormat::Json => serde_json::to_string(&LogMessage {
                time: Timestamp::now(),
                level: word(record.level()),
                program: &self.program,
                message,
            })
            .unwrap_or_default(),
        };
        line.push('\n');
        // Errors are ignored: if stderr is closed, nobody can read the messages.
        let mut write = || drop(Blocking(io::stderr()).write_all(line.as_bytes()));
        match &*lock(&BELOW) {
            Some(hide) => hide(&mut write),
            None => write(),
        }
    }

    fn flush(&self) {}
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}
