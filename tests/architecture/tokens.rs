//! Splits Rust into tokens, without comments, texts and test code.

/// A word, a lifetime, `::`, or one character; a text or a character is `""`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_word_start)
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a source, without what is compiled for tests alone.
pub fn live(source: &str) -> Vec<Token> {
    without_tests(&all(source))
}

pub fn all(source: &str) -> Vec<Token> {
    let mut cursor = Cursor {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(c) = cursor.peek(0) {
        let line = cursor.line;
        let text = match (c, cursor.peek(1)) {
            ('/', Some('/')) => cursor.comment(),
            ('/', Some('*')) => cursor.block_comment(),
            ('"', _) => cursor.text(),
            ('\'', next) => match (next, cursor.peek(2)) {
                (Some('\\'), _) | (_, Some('\'')) => cursor.character(),
                _ => cursor.word(),
            },
            (':', Some(':')) => cursor.take(2),
            (c, _) if is_word_start(c) => cursor.word(),
            (c, _) if c.is_ascii_digit() => cursor.word(),
            (c, _) if c.is_whitespace() => {
                cursor.take(1);
                String::new()
            }
            _ => cursor.take(1),
        };
        if !text.is_empty() {
            tokens.push(Token { text, line });
        }
    }
    tokens
}

struct Cursor {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Cursor {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self, count: usize) -> String {
        let end = (self.at + count).min(self.chars.len());
        let taken: String = self.chars[self.at..end].iter().collect();
        self.line += taken.matches('\n').count();
        self.at = end;
        taken
    }

    fn comment(&mut self) -> String {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
        String::new()
    }

    fn block_comment(&mut self) -> String {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.take(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.take(2);
                    if depth == 0 {
                        return String::new();
                    }
                }
                (None, _) => return String::new(),
                _ => drop(self.take(1)),
            }
        }
    }

    fn text(&mut self) -> String {
        self.until_quote('"')
    }

    fn character(&mut self) -> String {
        self.until_quote('\'')
    }

    fn until_quote(&mut self, quote: char) -> String {
        self.take(1);
        while let Some(c) = self.peek(0) {
            self.take(if c == '\\' { 2 } else { 1 });
            if c == quote {
                break;
            }
        }
        "\"\"".to_owned()
    }

    /// A word, a number or a lifetime; or the text that begins with `r`, `b` or `c`.
    fn word(&mut self) -> String {
        let mut length = 1;
        while self.peek(length).is_some_and(is_word_part) {
            length += 1;
        }
        let word = self.take(length);
        match (word.as_str(), self.peek(0)) {
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw(word),
            ("b" | "c", Some('"')) => self.text(),
            ("b", Some('\'')) => self.character(),
            _ => word,
        }
    }

    fn raw(&mut self, word: String) -> String {
        let mut hashes = 0;
        while self.peek(hashes) == Some('#') {
            hashes += 1;
        }
        if self.peek(hashes) != Some('"') {
            return word;
        }
        self.take(hashes + 1);
        while self.peek(0).is_some() {
            let ends = self.peek(0) == Some('"') && (1..=hashes).all(|i| self.peek(i) == Some('#'));
            self.take(if ends { hashes + 1 } else { 1 });
            if ends {
                break;
            }
        }
        "\"\"".to_owned()
    }
}

/// Leaves out each item after `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut live = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if starts(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_item(tokens, at);
        } else {
            live.push(tokens[at].clone());
            at += 1;
        }
    }
    live
}

pub fn starts(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && texts.iter().zip(tokens).all(|(a, b)| *a == b.text)
}

/// The end of the item that begins at `at` with attributes: after its `;` or its `}`.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while starts(&tokens[at..], &["#", "["]) {
        at = end_of_group(tokens, at + 1);
    }
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" => return end_of_group(tokens, at),
            "(" | "[" => at = end_of_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Behind the bracket that closes the one at `at`.
pub fn end_of_group(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}

#[test]
fn comments_texts_and_tests_are_no_code() {
    let source = "a::b(\"fs::x \\\" y\", r#\"c \" d\"#, b'\\'', '\"', 'x'); // e\n\
                  /* f /* g */ h */ fn i<'j>() {}\n\
                  #[cfg(test)]\n#[allow(x)]\npub(super) mod tests { fn k() { l() } }\n\
                  #[cfg(test)] use m;\nfn n() {}";
    let tokens: Vec<String> = live(source).into_iter().map(|token| token.text).collect();
    assert_eq!(
        tokens.join(" "),
        "a :: b ( \"\" , \"\" , \"\" , \"\" , \"\" ) ; fn i < 'j > ( ) { } fn n ( ) { }"
    );
    assert_eq!(live(source).last().unwrap().line, 7);
}
