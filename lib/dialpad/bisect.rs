//! Checks whether a reply has all messages of its window. A reply has no total and no fixed order,
//! and `limit` 0 can mean all messages, none, or any number that the service chooses.
//!
//! The check assumes only that the service cuts off replies at a certain number of messages. So a
//! reply with fewer messages than an earlier reply is complete. A reply that has at least as many
//! messages as the largest earlier reply is possibly cut off. Its window is then split in two at
//! the time of its middle message. Both parts are read in the same way, and are split again if
//! their replies are possibly cut off, too. A slice cannot be split if it has no window, or if its
//! window is too short. If the reply for such a slice is possibly cut off, `pages` reads the slice.

use super::api::{DialpadApi, SliceAnswer};
use super::pages;
use super::query::{Slice, middle};
use super::spool::{SliceReading, lacking};
use crate::error;
use crate::export::window::Window;
use crate::time::Timestamp;

/// If a reply has fewer messages than this, requests with an offset cost less than reading the two
/// halves of its window.
const FEW: u64 = 10;

/// The most parts that a window is cut into at once.
const PARTS: f64 = 4096.0;

/// Reads slices until they are certainly complete.
#[derive(Debug)]
pub(super) struct Bisection<'a> {
    api: &'a DialpadApi,
    /// The number of messages in the largest reply so far.
    most: u64,
    /// The number of messages in the largest reply that was certainly cut off, because the parts of
    /// its window gave more messages.
    pub(super) cap: Option<u64>,
    /// The number of messages per millisecond in the last window.
    density: f64,
    /// How often a window was split, because its reply might have been cut off.
    pub(super) halved: u64,
}

impl<'a> Bisection<'a> {
    /// Starts without any knowledge about replies.
    pub(super) fn new(api: &'a DialpadApi) -> Bisection<'a> {
        Bisection {
            api,
            most: 0,
            cap: None,
            density: 0.0,
            halved: 0,
        }
    }

    /// All messages of a slice, and some messages around its window. An error with status 65 or 2
    /// if it is not certain that the messages are complete.
    pub(super) fn read(&mut self, slice: Slice<'_>) -> anyhow::Result<SliceReading> {
        let Some(window) = slice.window else {
            return self.read_slice(slice, true);
        };
        let length = length(window) as f64;
        let mut reading = match self.cap {
            // Each part should have half as many messages as the cap, so that a part is rarely
            // split again.
            Some(cap) if self.density * length * 2.0 > cap as f64 => {
                let parts = (self.density * length * 2.0 / cap as f64).min(PARTS).ceil();
                let size = (length / parts).ceil() as u64;
                let mut all = self.api.new_reading();
                let mut rest = Some(window);
                while let Some(part) = rest {
                    let from = part.from().millis();
                    let at = self.api.service().args.floor(from + size as i64);
                    let at = Timestamp::from_millis(at.max(from + 1000).min(part.to().millis()));
                    self.add(slice, Window::new(part.from(), at), &mut all)?;
                    rest = Window::new(at, part.to());
                }
                all
            }
            _ => self.read_slice(slice, true)?,
        };
        self.density = inside(&mut reading, window)? as f64 / length;
        Ok(reading)
    }

    fn read_slice(&mut self, slice: Slice<'_>, is_first: bool) -> anyhow::Result<SliceReading> {
        let api = self.api;
        let limit = api.service().args.limit;
        for _ in 0..2 {
            let window = slice.window.filter(|window| self.can_split(*window));
            let mut whole = match (api.ask(&slice, api.first_page(), window.is_some())?, window) {
                (SliceAnswer::Rows(reading), _) => reading,
                (SliceAnswer::TooMuch, Some(window)) => {
                    return self.parts(slice, self.halves(window));
                }
                (SliceAnswer::TooMuch, None) => {
                    return Err(error::refused(api.service().shown(&slice)));
                }
            };
            let rows = whole.rows;
            let is_suspicious = rows > 0 && rows >= self.most;
            self.most = self.most.max(rows);
            let is_to_verify = is_first && api.service().args.verify_split && window.is_some();
            if !is_suspicious && !is_to_verify {
                return Ok(whole);
            }
            let is_full = limit > 0 && rows >= limit;
            if rows < FEW && !is_full && !is_to_verify && pages::is_all(api, &slice, &mut whole)? {
                return Ok(whole);
            }
            let Some(window) = window else {
                return pages::turn(api, &slice, whole);
            };
            self.halved += 1;
            let cuts = self.cuts(window, &mut whole)?;
            let mut parts = self.parts(slice, cuts)?;
            let had = whole.identities(Some(window))?;
            let have = parts.identities(Some(window))?;
            let lost = lacking(&had, &have);
            if lost == 0 {
                let more = lacking(&have, &had);
                if more > 0 {
                    log::info!(
                        "{}: the whole window gave {rows} messages, its halves {more} more: replies are cut off",
                        api.service().shown(&slice)
                    );
                    self.cap = Some(self.cap.map_or(rows, |cap| cap.max(rows)));
                }
                return Ok(parts);
            }
            log::info!(
                "{}: its halves lack {lost} messages that the whole window gave; reading the window again",
                api.service().shown(&slice)
            );
        }
        Err(error::bad_input(format!(
            "{}: its halves lack messages that the whole window gives, in two tries: raise --overlap, in case the service leaves out the edges of a window",
            api.service().shown(&slice)
        )))
    }

    /// Whether half of a window is longer than the margin on one side of the window.
    fn can_split(&self, window: Window) -> bool {
        length(window) > self.margin() * 2 + 2 * self.unit()
    }

    /// The margin on each side of a window, in milliseconds.
    fn margin(&self) -> i64 {
        let overlap = self.api.service().args.overlap.as_millis();
        i64::try_from(overlap).unwrap_or(i64::MAX / 8) + self.unit()
    }

    fn unit(&self) -> i64 {
        self.api.service().args.epoch_unit.millis()
    }

    fn halves(&self, window: Window) -> Vec<Window> {
        let at = middle(window, self.api.service());
        cut_at(window, at.map(Timestamp::millis).as_slice())
    }

    /// Cuts a window into parts. If the messages of the window are close together, it is cut
    /// shortly before the first message and shortly after the last message, else at the time of the
    /// middle message. If neither is possible, it is cut in half.
    fn cuts(&self, window: Window, whole: &mut SliceReading) -> anyhow::Result<Vec<Window>> {
        let times = whole.times()?;
        let service = self.api.service();
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let (before, after) = (first - self.margin(), last + self.margin());
            let after = service.args.floor(after + self.unit() - 1);
            let is_close = after - before <= self.margin() * 8;
            let cuts = cut_at(window, &[service.args.floor(before), after]);
            if is_close && cuts.len() > 1 {
                return Ok(cuts);
            }
            let cuts = cut_at(window, &[service.args.floor(times[times.len() / 2])]);
            if cuts.len() > 1 {
                return Ok(cuts);
            }
        }
        Ok(self.halves(window))
    }

    fn parts(&mut self, slice: Slice<'_>, parts: Vec<Window>) -> anyhow::Result<SliceReading> {
        let mut all = self.api.new_reading();
        for part in parts {
            self.add(slice, Some(part), &mut all)?;
        }
        Ok(all)
    }

    fn add(
        &mut self,
        slice: Slice<'_>,
        part: Option<Window>,
        all: &mut SliceReading,
    ) -> anyhow::Result<()> {
        let part = Slice {
            window: part,
            ..slice
        };
        let mut reading = self.read_slice(part, false)?;
        all.append(&mut reading, part.window)
    }
}

fn length(window: Window) -> i64 {
    window.to().millis() - window.from().millis()
}

fn inside(reading: &mut SliceReading, window: Window) -> anyhow::Result<u64> {
    let mut count = 0;
    reading.each(|row| {
        count += u64::from(row.is_in(Some(window)));
        Ok(())
    })?;
    Ok(count)
}

/// Splits a window at these times. Times outside of the window are ignored.
fn cut_at(window: Window, times: &[i64]) -> Vec<Window> {
    let mut parts = Vec::new();
    let mut from = window.from();
    for at in times.iter().copied().map(Timestamp::from_millis) {
        if at > from && at < window.to() {
            parts.extend(Window::new(from, at));
            from = at;
        }
    }
    parts.extend(Window::new(from, window.to()));
    parts
}
