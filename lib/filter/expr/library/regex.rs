//! Regular expressions. Like jq, they use Oniguruma.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jaq_json::{Error, Map, Val, ValR};
use onig::{MatchParam, Regex, RegexOptions, Region, SearchOptions, Syntax};

use super::super::guard;
use super::context::GrowingArray;
use super::paths::count;
use super::text::{kind, shown};

/// The most compiled patterns that are kept in memory for later records.
const MOST_COMPILED: usize = 64;

/// The most backtracking steps at one start position, as in jq.
const MOST_RETRIES: usize = 10_000_000;

/// The most backtracking steps of one search through a text. They take about a second at most.
const RETRIES_AT_ONCE: usize = 100_000_000;

/// The longest text, in bytes, that is searched in one call. For a longer text, one call would take
/// too long, because each attempt may read all of the text. But if a pattern needs the whole text,
/// a text of any length is searched in one call.
const LONGEST_AT_ONCE: usize = 64 * 1024;

/// A compiled pattern.
struct Pattern {
    regex: Regex,
    /// The name of each group; `None` if the group has no name.
    names: Vec<Option<String>>,
    is_global: bool,
    /// Whether a match depends on where the search started, or on the whole text.
    needs_whole_text: bool,
}

/// Compiled patterns. The key is the text of the pattern and its flags.
type CompiledPatterns = HashMap<(Vec<u8>, Vec<u8>), Rc<Pattern>>;

thread_local! {
    static COMPILED: RefCell<CompiledPatterns> = RefCell::default();
}

/// Compiles a pattern. The error says what is wrong with the pattern or with its flags.
pub(in crate::filter::expr) fn check(pattern: &str, flags: &str) -> Result<(), String> {
    compile(pattern, flags).map(drop)
}

fn compile(pattern: &str, flags: &str) -> Result<Pattern, String> {
    let mut options = RegexOptions::REGEX_OPTION_CAPTURE_GROUP;
    let mut is_global = false;
    for flag in flags.chars() {
        options |= match flag {
            'g' => {
                is_global = true;
                continue;
            }
            'i' => RegexOptions::REGEX_OPTION_IGNORECASE,
            'x' => RegexOptions::REGEX_OPTION_EXTEND,
            'm' => RegexOptions::REGEX_OPTION_MULTILINE,
            's' => RegexOptions::REGEX_OPTION_SINGLELINE,
            'p' => RegexOptions::REGEX_OPTION_MULTILINE | RegexOptions::REGEX_OPTION_SINGLELINE,
            'l' => RegexOptions::REGEX_OPTION_FIND_LONGEST,
            'n' => RegexOptions::REGEX_OPTION_FIND_NOT_EMPTY,
            _ => return Err(format!("there is no flag '{flag}'")),
        };
    }
    let regex = Regex::with_options(pattern, options, Syntax::perl_ng()).map_err(|e| {
        let what = e.description();
        format!("'{pattern}' is not a regular expression: {what}")
    })?;
    let mut names = vec![None; regex.captures_len()];
    regex.foreach_name(|name, groups| {
        for group in groups {
            if let Some(slot) = names.get_mut((*group as usize).wrapping_sub(1)) {
                *slot = Some(name.to_owned());
            }
        }
        true
    });
    Ok(Pattern {
        regex,
        names,
        is_global,
        needs_whole_text: pattern.contains("\\G")
            || options.contains(RegexOptions::REGEX_OPTION_FIND_LONGEST),
    })
}

fn compiled(pattern: &Val, flags: &Val) -> Result<Rc<Pattern>, Error> {
    let Val::TStr(pattern) = pattern else {
        return Err(Error::str(format_args!(
            "{} is not a string",
            shown(pattern)
        )));
    };
    let flags = match flags {
        Val::Null => Vec::new(),
        Val::TStr(flags) => flags.to_vec(),
        _ => return Err(Error::str(format_args!("{} is not a string", shown(flags)))),
    };
    let key = (pattern.to_vec(), flags);
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(pattern) = compiled.get(&key) {
            return Ok(Rc::clone(pattern));
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let pattern = Rc::new(compile(&text(&key.0), &text(&key.1)).map_err(Error::str)?);
        if compiled.len() == MOST_COMPILED {
            compiled.clear();
        }
        compiled.insert(key, Rc::clone(&pattern));
        Ok(pattern)
    })
}

fn param(retries: usize) -> MatchParam {
    let mut param = MatchParam::default();
    param.set_retry_limit_in_match(u32::try_from(retries).unwrap_or(u32::MAX));
    param
}

fn fail(error: onig::Error) -> Error {
    Error::str(error.description())
}

/// The matches of a pattern in a text.
struct Matches<'t> {
    text: &'t str,
    pattern: Rc<Pattern>,
    region: Region,
    next: Option<usize>,
    /// The position from which characters are counted: in bytes, with the number of characters
    /// before it.
    known: (usize, usize),
}

impl<'t> Matches<'t> {
    fn new(text: &'t str, pattern: Rc<Pattern>) -> Matches<'t> {
        Matches {
            text,
            pattern,
            region: Region::new(),
            next: Some(0),
            known: (0, 0),
        }
    }

    /// The start and end of the next match, in bytes; `None` after the last match.
    fn next(&mut self) -> Result<Option<(usize, usize)>, Error> {
        let Some(from) = self.next.filter(|from| *from <= self.text.len()) else {
            return Ok(None);
        };
        let at = self.search(from)?;
        self.next = at
            .filter(|_| self.pattern.is_global)
            .map(|(from, to)| match from == to {
                true => to + 1,
                false => to,
            });
        Ok(at)
    }

    /// The first match at or after a byte position. Oniguruma cannot be interrupted, so only a
    /// short text is searched in one call. In a longer text, each position is tried separately.
    fn search(&mut self, from: usize) -> Result<Option<(usize, usize)>, Error> {
        let length = self.text.len() - from;
        if self.pattern.needs_whole_text {
            return self.search_at_once(from, MOST_RETRIES);
        }
        if length <= LONGEST_AT_ONCE {
            let retries = (RETRIES_AT_ONCE / (length + 1)).clamp(1, MOST_RETRIES);
            if let Ok(found) = self.search_at_once(from, retries) {
                return Ok(found);
            }
        }
        let text = self.text;
        let rest = text[from..].char_indices().map(|(at, _)| from + at);
        for at in rest.chain([text.len()]) {
            self.region.clear();
            let found = self.pattern.regex.match_with_param(
                text,
                at,
                SearchOptions::SEARCH_OPTION_NONE,
                Some(&mut self.region),
                param(MOST_RETRIES),
            );
            if found.map_err(fail)?.is_some() {
                return Ok(self.region.pos(0));
            }
            if !guard::check() {
                return Err(Error::str("the record exceeds a limit"));
            }
        }
        Ok(None)
    }

    fn search_at_once(
        &mut self,
        from: usize,
        retries: usize,
    ) -> Result<Option<(usize, usize)>, Error> {
        self.region.clear();
        let found = self.pattern.regex.search_with_param(
            self.text,
            from,
            self.text.len(),
            SearchOptions::SEARCH_OPTION_NONE,
            Some(&mut self.region),
            param(retries),
        );
        Ok(found.map_err(fail)?.and_then(|_| self.region.pos(0)))
    }

    /// The number of characters before a byte position.
    fn characters(&self, to: usize) -> usize {
        let bytes = self.text.as_bytes();
        let begins = |byte: &&u8| !matches!(byte, 0x80..=0xbf);
        let (byte, before) = if to >= self.known.0 {
            self.known
        } else {
            (0, 0)
        };
        before + bytes[byte..to].iter().filter(begins).count()
    }

    fn part(&self, (from, to): (usize, usize)) -> Val {
        let part = self.text.as_bytes().get(from..to).unwrap_or_default();
        Val::from(String::from_utf8_lossy(part).into_owned())
    }

    /// The match as a jq object.
    fn describe(&mut self, at: (usize, usize)) -> Val {
        self.known = (at.0, self.characters(at.0));
        let groups = 1..self.region.len();
        let group = |group: usize| {
            let name = self.pattern.names.get(group - 1).cloned().flatten();
            let name = name.map_or(Val::Null, Val::from);
            let (offset, length, part) = match self.region.pos(group) {
                None => (Val::from(-1_isize), 0, Val::Null),
                // If the whole match is empty, jq reports every group as empty.
                Some(_) if at.0 == at.1 => (count(self.known.1), 0, Val::from(String::new())),
                Some(part) => (
                    count(self.characters(part.0)),
                    self.characters(part.1) - self.characters(part.0),
                    self.part(part),
                ),
            };
            let (length, offset) = (("length", count(length)), ("offset", offset));
            let (part, name) = (("string", part), ("name", name));
            // For an empty group, jq writes the fields in another order.
            match length.1 == Val::from(0_isize) {
                true => object([offset, part, length, name]),
                false => object([offset, length, part, name]),
            }
        };
        let captures: Vec<Val> = groups.map(group).collect();
        object([
            ("offset", count(self.known.1)),
            ("length", count(self.characters(at.1) - self.known.1)),
            ("string", self.part(at)),
            ("captures", Val::Arr(captures.into())),
        ])
    }

    /// The named groups of a match, as an object.
    fn named(&self, at: (usize, usize)) -> Val {
        let mut fields = Map::default();
        for (index, name) in self.pattern.names.iter().enumerate() {
            if let Some(name) = name {
                let part = match self.region.pos(index + 1) {
                    None => Val::Null,
                    Some(_) if at.0 == at.1 => Val::from(String::new()),
                    Some(part) => self.part(part),
                };
                fields.insert(Val::from(name.clone()), part);
            }
        }
        Val::obj(fields)
    }
}

fn object<const N: usize>(fields: [(&str, Val); N]) -> Val {
    let fields = fields.into_iter();
    Val::obj(
        fields
            .map(|(name, value)| (Val::from(name.to_owned()), value))
            .collect(),
    )
}

fn text<'v>(value: &'v Val) -> Result<std::borrow::Cow<'v, str>, Error> {
    match value {
        Val::TStr(text) => Ok(String::from_utf8_lossy(text)),
        _ => Err(Error::str(format_args!(
            "{} cannot be matched, as it is not a string",
            shown(value)
        ))),
    }
}

/// Whether a pattern matches.
pub(super) fn test(value: &Val, pattern: &Val, flags: &Val) -> ValR {
    let text = text(value)?;
    let mut matches = Matches::new(&text, compiled(pattern, flags)?);
    Ok(Val::Bool(matches.next()?.is_some()))
}

/// The matches of a pattern, as an array: all matches with the flag `g`, otherwise the first one.
pub(super) fn matches(value: &Val, pattern: &Val, flags: &Val) -> ValR {
    let text = text(value)?;
    let mut matches = Matches::new(&text, compiled(pattern, flags)?);
    let mut found = GrowingArray::default();
    while let Some(at) = matches.next()? {
        found.push(matches.describe(at))?;
    }
    Ok(found.into_value())
}

/// For each match a pair: the text between the previous match and this one, and the named groups of
/// this match. The last element is the text after the last match.
pub(super) fn parts(value: &Val, pattern: &Val, flags: &Val) -> ValR {
    let text = text(value)?;
    let mut matches = Matches::new(&text, compiled(pattern, flags)?);
    let (mut parts, mut rest) = (GrowingArray::default(), 0);
    while let Some((from, to)) = matches.next()? {
        let before = matches.part((rest, ceiling(&text, from).max(rest)));
        let pair = vec![before, matches.named((from, to))];
        parts.push(Val::Arr(pair.into()))?;
        rest = ceiling(&text, to).max(rest);
    }
    parts.push(matches.part((rest, text.len())))?;
    Ok(parts.into_value())
}

/// The first character boundary at or after a byte position.
fn ceiling(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The results of `sub`, as an array of texts. The input is like the result of [`parts`], but each
/// pair has an array of replacements instead of the groups. Result N has the N-th replacement of
/// each match.
pub(super) fn join(value: &Val) -> ValR {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let Val::Arr(parts) = value else {
        return Ok(Val::Null);
    };
    for part in parts.iter() {
        match part {
            Val::Arr(pair) => {
                let [Val::TStr(before), Val::Arr(replacements)] = &pair[..] else {
                    continue;
                };
                for (at, replacement) in replacements.iter().enumerate() {
                    if texts.len() == at {
                        texts.push(Vec::new());
                    }
                    texts[at].extend_from_slice(before);
                    match replacement {
                        Val::TStr(replacement) => texts[at].extend_from_slice(replacement),
                        Val::Null => {}
                        _ => {
                            let what = kind(replacement);
                            let what = format_args!("string and {what} cannot be added");
                            return Err(Error::str(what));
                        }
                    }
                }
            }
            Val::TStr(rest) => texts
                .iter_mut()
                .for_each(|text| text.extend_from_slice(rest)),
            _ => {}
        }
    }
    let texts: Vec<Val> = texts.into_iter().map(Val::utf8_str).collect();
    Ok(Val::Arr(texts.into()))
}
