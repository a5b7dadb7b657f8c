//! Telling from the bytes of a line that no record in it can be kept.
//!
//! A record with `.end_type == "FAR_HUP"` has the bytes `"FAR_HUP"` in its line,
//! unless a character of it is spelled as an escape, which `\u` and its number in
//! ASCII give away. To look for bytes costs a fraction of reading a line.

use memchr::memmem::Finder;

/// Texts of which one at least is in the line of every record that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    texts: Vec<String>,
    /// Whether they are names, which are in more lines than values are.
    names: bool,
}

/// A text as a JSON string spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelled {
    /// The text is all of a string.
    Whole,
    /// It is a part of one, or of a number.
    Part,
}

impl Clause {
    /// One of these texts is in the record; `None` if there is one that could be
    /// spelled in several ways.
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

    /// A field of this name is in the record, whatever its value.
    pub(crate) fn name(name: &str) -> Option<Clause> {
        let clause = Clause::any([name], Spelled::Whole)?;
        Some(Clause {
            names: true,
            ..clause
        })
    }

    /// Either clause holds.
    pub(crate) fn or(mut self, other: Clause) -> Clause {
        self.texts.extend(other.texts);
        self.names |= other.names;
        self
    }

    /// How much a clause tells: a value more than a name, and as much as its
    /// shortest text.
    pub(crate) fn weight(&self) -> impl Ord + use<> {
        let shortest = self.texts.iter().map(String::len).min();
        (!self.names, shortest)
    }
}

/// The longest part of a text that can be spelled otherwise only by `\u00..`.
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

/// The test of a line.
#[derive(Debug)]
pub(crate) struct Prefilter {
    clauses: Vec<Vec<Finder<'static>>>,
    escape: Finder<'static>,
}

impl Prefilter {
    /// All of the clauses hold for what is kept; `None` if there are none.
    pub(crate) fn new(mut clauses: Vec<Clause>) -> Option<Prefilter> {
        // What is found in the fewest lines first.
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

    /// Whether a record that is kept may be in the line.
    pub(crate) fn passes(&self, line: &[u8]) -> bool {
        let holds =
            |clause: &Vec<Finder<'_>>| clause.iter().any(|needle| needle.find(line).is_some());
        self.clauses.iter().all(holds) || self.spells_ascii(line)
    }

    /// Whether an escape stands for a character from space to `~`.
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
