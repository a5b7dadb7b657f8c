//! One line on the terminal with the progress of a run. Messages appear above it, and it vanishes
//! at the end. Log files do not contain it.

use std::fmt::Display;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::os::logger;

/// The line, or nothing if it is not shown.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    bar: Option<ProgressBar>,
}

impl ProgressLine {
    /// A line on stderr if `shown`, with the time since now.
    pub(crate) fn new(shown: bool) -> ProgressLine {
        let bar = shown.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            let below = bar.clone();
            logger::set_below(Some(Box::new(move |write| below.suspend(write))));
            bar
        });
        ProgressLine { bar }
    }

    /// Whether the line is shown.
    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Replaces the text of the line.
    pub(crate) fn say(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
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

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> impl Display {
    HumanBytes(count)
}
