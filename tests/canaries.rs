//! No secret and no person is where it does not belong. Every secret of every program has
//! a value of its own, and the services repeat all of them in each header, body, redirect
//! and status line, behind a proxy that asks for a password. Whatever comes of a run, its
//! messages, its report, its states and its arguments hold none of them, and its records
//! alone hold persons.

mod bucket;
mod front;
mod local;
mod receiver;
mod vendors;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bucket::service;
use crate::harness::Ran;

/// The user and the password of the proxy.
pub const PROXY_LOGIN: &str = "cn4ry-user:cn4ry-proxy-pass";

/// What stands for each secret. Some have characters that URLs and forms write otherwise.
pub const SECRETS: [(&str, &str); 14] = [
    ("OCP_PASSWORD", "cn4ry/pass+word 7"),
    ("OCP_OTP", "cn4ry-otp-814"),
    ("OCP_PAT", "cn4ry-pat=/3"),
    ("OCP_TOKEN", "cn4ry-ocp-token"),
    ("VOICEGAIN_TOKEN", "cn4ry-jwt/voice+gain"),
    ("DIALPAD_API_KEY", "cn4ry-key&of=dialpad"),
    ("RECEIVER_SECRET", "cn4ry:push/secret"),
    ("SECRET_A", "s3cret-of-a"),
    ("SECRET_B", "s3cret-of-b"),
    ("the proxy", "cn4ry-proxy-pass"),
    ("the receiver's token", "cn4ry.of-the.receiver"),
    ("a push", "cn4ry-not-a-token"),
    ("AWS_SECRET_ACCESS_KEY", service::SECRET),
    ("AWS_SESSION_TOKEN", service::TOKEN),
];

/// The personal data in the records of the simulated vendors.
pub const PERSON: [&str; 5] = [
    "Pat Doe",
    "pat@example.test",
    "+1214555",
    "****GPE****",
    "+12125550199",
];

pub fn secret(name: &str) -> &'static str {
    let mut known = SECRETS.iter().filter(|(known, _)| *known == name);
    known.next().expect("a secret").1
}

/// The secrets that a program may keep in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    /// Records.
    Persons,
    /// Tokens that a login gave.
    Tokens,
    /// It is the test's own.
    Anything,
}

/// A text, which may hold these things.
pub struct Text {
    pub name: String,
    pub text: String,
    pub kept: Kept,
}

/// The forms in which a secret can be read.
fn forms(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = |pair: &str| BASE64_STANDARD.encode(pair);
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut forms = vec![secret.to_owned(), form.clone(), percent, basic(secret)];
    for user in ["cn4ry-user", "a", "ocp"] {
        forms.push(basic(&format!("{user}:{secret}")));
        forms.push(basic(&format!("{user}:{form}")));
    }
    forms.dedup();
    forms
}

/// The secrets and personal data that are in a text.
pub fn found(text: &Text, given: &[String]) -> Vec<String> {
    let holds = |what: &str| text.text.contains(what);
    let mut found: Vec<String> = Vec::new();
    let known = SECRETS.iter().map(|(name, value)| (*name, *value));
    found.extend(
        known
            .filter(|(_, value)| forms(value).iter().any(|form| holds(form)))
            .map(|(name, _)| name.to_owned()),
    );
    if text.kept != Kept::Tokens && given.iter().any(|token| holds(token)) {
        found.push("a token".to_owned());
    }
    let persons = PERSON.iter().filter(|person| holds(person));
    if text.kept != Kept::Persons {
        found.extend(persons.map(|person| (*person).to_owned()));
    }
    found
}

/// The stderr of a program.
pub fn said(ran: &Ran) -> Text {
    Text {
        name: "stderr".to_owned(),
        text: ran.stderr(),
        kept: Kept::Nothing,
    }
}

/// Every file below a directory, names and all. `kept` says what a file may hold.
pub fn files(root: &Path, kept: fn(&str) -> Kept) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut todo: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for path in fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                todo.push(path);
            } else if kept(&name) != Kept::Anything {
                let bytes = fs::read(&path).unwrap();
                let text = format!("{name}\n{}", String::from_utf8_lossy(&bytes));
                texts.push(Text {
                    kept: kept(&name),
                    name,
                    text,
                });
            }
        }
    }
    texts
}

/// All that is where it does not belong.
pub fn leaks(label: &str, texts: &[Text], given: &[String]) -> Vec<String> {
    let mut leaks = Vec::new();
    for text in texts {
        let found = found(text, given);
        if !found.is_empty() {
            let start: String = text.text.chars().take(2000).collect();
            leaks.push(format!("{label}: {} holds {found:?}:\n{start}", text.name));
        }
    }
    leaks
}

#[track_caller]
pub fn none(leaks: &[String]) {
    assert!(
        leaks.is_empty(),
        "{} leaks: {}",
        leaks.len(),
        leaks.join("\n\n")
    );
}
