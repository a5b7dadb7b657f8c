//! One line on the terminal with the progress of a run. It appears after 2 s, below the messages,
//! and vanishes at the end. Log files do not contain it.

use std::fmt::{Display, Write};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::os::mutex::lock;
use crate::os::{logger, waiting};

/// A run that ends before this time shows no line.
const DELAY: Duration = Duration::from_secs(2);

const TICK: Duration = Duration::from_millis(120);

/// The progress line. The default value shows no line.
#[derive(Debug, Default)]
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    delay: Mutex<Option<Delay>>,
}

/// The thread that shows the line after the delay. Dropping `end` ends the thread.
#[derive(Debug)]
struct Delay {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl ProgressLine {
    /// A progress line on stderr if `shown`. It shows the time since this call.
    pub fn new(shown: bool) -> ProgressLine {
        if !shown {
            return ProgressLine::default();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wait}{wide_msg}") {
            bar.set_style(style.with_key("wait", write_reason));
        }
        let below = bar.clone();
        logger::set_below(Some(Box::new(move |write| below.suspend(write))));
        ProgressLine {
            delay: Mutex::new(show_later(bar.clone())),
            bar: Some(bar),
        }
    }

    /// Whether the progress line is turned on. It is shown only after 2 s.
    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Replaces the text of the line. `text` is called only if the line is turned on.
    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text());
        }
    }

    /// Removes the line.
    pub fn finish(&self) {
        if let Some(Delay { end, thread }) = lock(&self.delay).take() {
            drop(end);
            let _ = thread.join();
        }
        if let Some(bar) = &self.bar {
            logger::set_below(None);
            bar.finish_and_clear();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.finish();
    }
}

fn write_reason(_: &ProgressState, line: &mut dyn Write) {
    if let Some(reason) = waiting::reason() {
        // Writing to a `String` cannot fail.
        let _ = write!(line, "waiting for {reason}; ");
    }
}

fn show_later(bar: ProgressBar) -> Option<Delay> {
    let (end, ended) = mpsc::channel();
    let show = move || {
        if ended.recv_timeout(DELAY) == Err(RecvTimeoutError::Timeout) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    };
    let thread = thread::Builder::new().name("progress".to_owned());
    let thread = thread.spawn(show).ok()?;
    Some(Delay { end, thread })
}

/// A number of bytes as text for people.
pub(crate) fn bytes(count: u64) -> impl Display {
    HumanBytes(count)
}
