//! Finds lines that cannot contain a kept record, by searching for bytes.
//!
//! A record with `.end_type == "FAR_HUP"` has the bytes `"FAR_HUP"` in its line. The only exception
//! is a character that is written as an escape, with `\u` and the character's number. A search for
//! bytes takes a fraction of the time of parsing.

use memchr::memmem::Finder;

/// A list of texts. The line of every kept record contains at least one of the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    texts: Vec<String>,
    /// Whether at least one of the texts is a field name. More lines contain a field name than a
    /// value, so the search for a field name excludes fewer lines.
    names: bool,
}

/// How a text is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelled {
    /// The text is a complete string.
    Whole,
    /// The text is a part of a string or of a number.
    Part,
}

impl Clause {
    /// The clause for records that contain at least one of `texts`. `None` if there are no texts,
    /// or if one of the texts cannot be searched because JSON can write each character of this text
    /// in several ways.
    pub(crate) fn any<'t>(
        texts: impl IntoIterator<Item = &'t str>,
        spelled: Spelled,
    ) -> Option<Clause> {
        let needles: Option<Vec<String>> = texts.into_iter().map(|t| needle(t, spelled)).collect();
        let texts = needles.filter(|needles| !needles.is_empty())?;
        Some(Clause {
            texts,
            names: false,
        })
    }

    /// The clause for records that have a field of this name, with any value.
    pub(crate) fn name(name: &str) -> Option<Clause> {
        let clause = Clause::any([name], Spelled::Whole)?;
        Some(Clause {
            names: true,
            ..clause
        })
    }

    /// The clause for records for which at least one of the two clauses holds.
    pub(crate) fn or(mut self, other: Clause) -> Clause {
        self.texts.extend(other.texts);
        self.names |= other.names;
        self
    }

    /// How selective a clause is. Values are more selective than field names. Of two clauses of the
    /// same kind, the more selective clause is the one whose shortest text is longer.
    pub(crate) fn weight(&self) -> impl Ord + use<> {
        let shortest = self.texts.iter().map(String::len).min();
        (!self.names, shortest)
    }
}

/// The longest part of a text that JSON can write in only one way, apart from escapes such as
/// `\u0041`.
fn needle(text: &str, spelled: Spelled) -> Option<String> {
    let is_plain = |char: char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\' | '/');
    if spelled == Spelled::Whole && text.chars().all(is_plain) {
        return Some(format!("\"{text}\""));
    }
    let part = text
        .split(|char| !is_plain(char))
        .max_by_key(|part| part.len());
    part.filter(|part| !part.is_empty()).map(str::to_owned)
}

/// Tests whether a line can contain a kept record.
#[derive(Debug)]
pub(crate) struct Prefilter {
    clauses: Vec<Vec<Finder<'static>>>,
    escape: Finder<'static>,
}

impl Prefilter {
    /// A test whether a line fulfils these clauses, which hold for every kept record; `None` if
    /// there are no clauses.
    pub(crate) fn new(mut clauses: Vec<Clause>) -> Option<Prefilter> {
        // The most selective clause is tested first.
        clauses.sort_by_key(|clause| std::cmp::Reverse(clause.weight()));
        let finder = |needle: &String| Finder::new(needle).into_owned();
        let finders = clauses
            .iter()
            .map(|clause| clause.texts.iter().map(finder).collect());
        (!clauses.is_empty()).then(|| Prefilter {
            clauses: finders.collect(),
            escape: Finder::new(r"\u00"),
        })
    }

    /// Whether the line can contain a kept record.
    pub(crate) fn passes(&self, line: &[u8]) -> bool {
        let holds =
            |clause: &Vec<Finder<'_>>| clause.iter().any(|needle| needle.find(line).is_some());
        self.clauses.iter().all(holds) || self.spells_ascii(line)
    }

    /// Whether the line contains an escape for a character from space to `~`.
    fn spells_ascii(&self, line: &[u8]) -> bool {
        let mut escapes = self.escape.find_iter(line);
        escapes.any(|at| matches!(line.get(at + 4), Some(b'2'..=b'7')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(text: &str, spelled: Spelled) -> Clause {
        Clause::any([text], spelled).unwrap()
    }

    #[test]
    fn a_text_that_can_be_spelled_in_several_ways_is_looked_for_in_part() {
        assert_eq!(needle("FAR_HUP", Spelled::Whole).unwrap(), "\"FAR_HUP\"");
        assert_eq!(needle("FAR_HUP", Spelled::Part).unwrap(), "FAR_HUP");
        assert_eq!(needle("", Spelled::Whole).unwrap(), "\"\"");
        assert_eq!(needle("a/bc\"d", Spelled::Whole).unwrap(), "bc");
        assert_eq!(needle("a\u{e9}\tbcd\u{7f}", Spelled::Whole).unwrap(), "bcd");
        for text in ["", "é", "/\n\\\""] {
            assert_eq!(needle(text, Spelled::Part), None, "{text}");
        }
        assert_eq!(Clause::any(["a", "é"], Spelled::Part), None);
    }

    #[test]
    fn a_line_passes_with_every_clause_or_with_an_escape_that_may_spell_one() {
        let clauses = vec![
            clause("FAR_HUP", Spelled::Whole),
            clause("a", Spelled::Part).or(clause("b", Spelled::Part)),
        ];
        let prefilter = Prefilter::new(clauses).unwrap();
        for line in [
            r#"{"x":"FAR_HUP"}b"#,
            r#"{"x":"FAR\u005fHUP"}"#,
            r#"{"x":"\u00e9\u0041"}"#,
        ] {
            assert!(prefilter.passes(line.as_bytes()), "{line}");
        }
        for line in [
            r#"{"x":"FAR_HUP"}"#,
            r#"{"x":"FAR_HUPS a"}"#,
            r#"{"x":"\u00e9\u03b1\u1041\u0019"}"#,
            r#"{"x":"\u00"#,
        ] {
            assert!(!prefilter.passes(line.as_bytes()), "{line}");
        }
        assert!(Prefilter::new(Vec::new()).is_none());
    }
}
