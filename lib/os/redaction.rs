//! Cleans texts for stderr and reports: removes tokens and the secrets of this process, and escapes
//! control characters.
//!
//! A service can return a token in a title, a status word, a redirect or a header. A file name can
//! contain an escape sequence. So this module remembers the secrets that the process reads, and the
//! logger and the report use it to clean each text before they write the text.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Mutex;

use crate::os::mutex::lock;

/// This many texts (secrets and their URL-encoded forms) are redacted until the run ends. They are
/// the first texts of the run, so passwords and keys are among them.
const LASTING: usize = 512;

/// How many later texts are also redacted. In a long run, newer tokens replace older ones.
const PASSING: usize = 64;

/// The shortest secret to redact, in bytes. A shorter secret would occur in most messages.
const SHORTEST: usize = 4;

/// A word of at least this many bytes that begins like the base64 of `{"` counts as a JSON Web
/// Token.
const SHORTEST_JWT: usize = 16;

const REDACTED: &str = "[redacted]";

static SECRETS: Mutex<Secrets> = Mutex::new(Secrets {
    lasting: Vec::new(),
    passing: VecDeque::new(),
});

struct Secrets {
    lasting: Vec<String>,
    passing: VecDeque<String>,
}

impl Secrets {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.lasting.iter().chain(&self.passing)
    }

    fn note(&mut self, secret: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret, &encoded] {
            if self.all().any(|known| known == form) {
                continue;
            }
            if self.lasting.len() < LASTING {
                self.lasting.push(form.to_owned());
                continue;
            }
            self.passing.push_back(form.to_owned());
            if self.passing.len() > PASSING {
                self.passing.pop_front();
            }
        }
    }
}

/// Remembers a secret, as it is and in URL-encoded form. Secrets of less than 4 bytes are ignored.
pub fn keep_out(secret: &str) {
    if secret.len() >= SHORTEST {
        lock(&SECRETS).note(secret);
    }
}

/// Cleans a text for one line of a log: removes secrets and tokens, and escapes control
/// characters.
pub fn clean(text: &str) -> String {
    visible(&without_tokens(&without_secrets(text)))
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for secret in lock(&SECRETS).all() {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), REDACTED));
        }
    }
    text
}

fn without_tokens(text: &str) -> Cow<'_, str> {
    if !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "._~+/=-".contains(c);
        let length = rest[at..].find(|c| !is_token(c)).unwrap_or(rest.len() - at);
        clean.push_str(&rest[..at]);
        clean.push_str(match length >= SHORTEST_JWT {
            true => REDACTED,
            false => &rest[at..at + length],
        });
        rest = &rest[at + length..];
    }
    Cow::Owned(clean + rest)
}

/// Turns each line end and tab into a space. Escapes other control characters, also those that
/// reverse the direction of text.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => visible.push(' '),
            '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                visible.extend(c.escape_unicode());
            }
            c if c.is_control() => visible.extend(c.escape_unicode()),
            c => visible.push(c),
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_secret_is_redacted_in_every_form() {
        keep_out("p@ss/w0rd");
        keep_out("x");
        assert_eq!(
            clean("login p@ss/w0rd x, form p%40ss%2Fw0rd"),
            "login [redacted] x, form [redacted]"
        );
    }

    #[test]
    fn the_first_secrets_stay_and_the_last_tokens_replace_each_other() {
        let mut secrets = Secrets {
            lasting: Vec::new(),
            passing: VecDeque::new(),
        };
        secrets.note("the password");
        for token in 0..10_000 {
            secrets.note(&format!("token{token}"));
        }
        let holds = |text: &str| secrets.all().any(|known| known == text);
        assert!(holds("the password") && holds("the+password"));
        assert!(holds("token9999") && holds("token9936"));
        assert!(!holds("token9935"));
        assert_eq!(secrets.all().count(), LASTING + PASSING);
    }

    #[test]
    fn what_looks_like_a_token_is_redacted() {
        assert_eq!(
            clean("JWT 'eyJhbGciOi.eyJzdWIi.sig' is no good; eyJ is short"),
            "JWT '[redacted]' is no good; eyJ is short"
        );
        assert_eq!(clean("JWT eyJhbGciOi.eyJzdWIi.sig"), "JWT [redacted]");
        assert_eq!(clean("it ends in eyJ"), "it ends in eyJ");
    }

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\u{202e}d\u{7}ü"),
            "a\\u{1b}[31mb c\\u{202e}d\\u{7}ü"
        );
    }
}
