//! Checks whether an empty reply means that there are no messages. The service answers `200 []`
//! also to times in the wrong unit, to a provider or session that does not exist, and perhaps to a
//! limit of 0. So as long as no request with these settings has given a message, an empty window is
//! requested again: with times in the other unit and, if `--limit` is 0, also with a limit of 1.

use super::api::{DialpadApi, SliceAnswer};
use super::query::{PageQuery, Slice};
use super::settings::LONGEST;
use crate::error::{self, Status};
use crate::export::window::Window;

/// The windows that were empty before the service sent any message.
#[derive(Debug, Default)]
pub(super) struct EmptyWindowProbe {
    asked: bool,
    empty: Option<Window>,
}

impl EmptyWindowProbe {
    /// Handles a slice whose reply had no message. Requests the first empty slice again at once.
    /// Later empty windows are collected, and up to seven days of these windows are requested again
    /// together. An error with status 2 if the settings are wrong.
    pub(super) fn empty(&mut self, api: &DialpadApi, slice: Slice<'_>) -> anyhow::Result<()> {
        if api.is_proven() {
            return Ok(());
        }
        let Some(window) = slice.window else {
            return match std::mem::replace(&mut self.asked, true) {
                true => Ok(()),
                false => self.probe(api, slice),
            };
        };
        let wider = self.empty.map_or(window, |empty| empty.span(window));
        if wider.to().since(wider.from()) > api.service().args.longest() {
            self.finish(api, slice)?;
            self.empty = Some(window);
        } else {
            self.empty = Some(wider);
        }
        match std::mem::replace(&mut self.asked, true) {
            true => Ok(()),
            false => self.finish(api, slice),
        }
    }

    /// Requests again the empty windows that were collected so far.
    pub(super) fn finish(&mut self, api: &DialpadApi, slice: Slice<'_>) -> anyhow::Result<()> {
        match self.empty.take() {
            Some(window) if !api.is_proven() => self.probe(
                api,
                Slice {
                    window: Some(window),
                    ..slice
                },
            ),
            _ => Ok(()),
        }
    }

    /// Explains why the service refused a slice. If the service accepts times in the other unit,
    /// `--epoch-unit` is wrong: milliseconds that are read as seconds make a period that is too
    /// long.
    pub(super) fn explain(
        &self,
        api: &DialpadApi,
        slice: Slice<'_>,
        e: anyhow::Error,
    ) -> anyhow::Error {
        if api.is_proven() || slice.window.is_none() || Status::of(&e) != Status::Refused {
            return e;
        }
        let ours = api.first_page();
        let unit = ours.unit.other();
        match api.ask(&slice, PageQuery { unit, ..ours }, false) {
            Ok(SliceAnswer::Rows(_)) => error::usage(format!(
                "{e:#}; times in {} are accepted: use --epoch-unit {0}",
                unit.word()
            )),
            _ => e,
        }
    }

    fn probe(&self, api: &DialpadApi, slice: Slice<'_>) -> anyhow::Result<()> {
        debug_assert!(
            slice
                .window
                .is_none_or(|w| w.to().since(w.from()) <= LONGEST)
        );
        let ours = api.first_page();
        let with_limit = PageQuery { limit: 1, ..ours };
        let other = PageQuery {
            unit: ours.unit.other(),
            ..with_limit
        };
        if slice.window.is_some() && self.finds(api, &slice, other)? {
            return Err(error::usage(format!(
                "{}: there are no messages with times in {}, but some with times in {}: use --epoch-unit {2}",
                api.service().shown(&slice),
                ours.unit.word(),
                other.unit.word()
            )));
        }
        if ours.limit == 0 && self.finds(api, &slice, with_limit)? {
            return Err(error::usage(format!(
                "{}: with a limit of 0 no message comes, but with a limit of 1 there is one: use --limit 1000",
                api.service().shown(&slice)
            )));
        }
        Ok(())
    }

    fn finds(&self, api: &DialpadApi, slice: &Slice<'_>, page: PageQuery) -> anyhow::Result<bool> {
        match api.ask(slice, page, false) {
            Ok(SliceAnswer::Rows(reading)) => Ok(reading.rows > 0),
            Ok(SliceAnswer::TooMuch) => Ok(false),
            // A refusal finds no message, and a message of another period does not count.
            Err(e) if matches!(Status::of(&e), Status::Refused | Status::BadInput) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
