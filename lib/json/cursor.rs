//! Steps through a valid JSON text without decoding it.

/// A position in a valid JSON text.
pub(crate) struct TextCursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> TextCursor<'t> {
    pub(crate) fn new(text: &'t str) -> TextCursor<'t> {
        TextCursor { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text between `start` and the current position.
    pub(crate) fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    /// The next byte that is not white space, a comma or a colon. In a valid text, a caller finds
    /// the values even if it does not see commas and colons.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':'));
        self.at += blanks.count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips one byte: a bracket.
    pub(crate) fn step(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
    }

    /// Skips a string, and returns it with its quotes.
    pub(crate) fn string(&mut self) -> &'t str {
        let start = self.at;
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &self.text.as_bytes()[self.at..]) {
            self.at += found + 1;
            if self.text.as_bytes()[self.at - 1] == b'"' {
                return self.since(start);
            }
            self.at = (self.at + 1).min(self.text.len());
        }
        self.at = self.text.len();
        self.since(start)
    }

    /// Skips a number or a word, and returns it.
    pub(crate) fn scalar(&mut self) -> &'t str {
        let start = self.at;
        // At least one byte is skipped, so that a loop of the caller ends even if the text is not
        // valid.
        self.step();
        let rest = &self.text.as_bytes()[self.at..];
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}');
        self.at += rest.iter().position(is_end).unwrap_or(rest.len());
        self.since(start)
    }
}
