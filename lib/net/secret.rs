//! Passwords and tokens: their sources, and a type that keeps them out of messages.
//!
//! A secret is read from the environment, from a file that the environment
//! names, or from a command; never from a flag's value, which every user of the
//! machine can read in the process list.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::error::{self, Failure, Status};
use crate::net::retry::Retry;
use crate::os::local_path::explain_address;
use crate::os::redaction;

/// The pause between two checks whether a helper has ended. A helper is a command that prints a
/// secret.
const GLANCE: Duration = Duration::from_millis(5);

/// The longest wait, after a helper has ended, for the thread that reads the helper's output.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The error number ECHILD (no such child process). The standard library has no name for it.
const NO_CHILD: i32 = 10;

/// The largest part of a helper's first line that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// A text that prints as `[redacted]`. It has no `Display`: to get the text, call
/// [`Secret::expose`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Stores the text, without the line end that files and commands add. From now on no message
    /// and no report shows this text, unless it is shorter than 4 bytes.
    pub fn new(text: impl Into<String>) -> Secret {
        let mut text = text.into();
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        redaction::keep_out(&text);
        Secret(text)
    }

    /// The text itself, for a request header or a request body.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Secret, Self::Err> {
        Ok(Secret::new(text))
    }
}

/// The secret in the variable `name`, or in the file that the variable `name_FILE` names.
/// An empty variable counts as unset.
pub fn from_env(
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Secret>> {
    if let Some(text) = env(name).filter(|text| !text.is_empty()) {
        return Ok(Some(Secret::new(text)));
    }
    let file_name = format!("{name}_FILE");
    match env(&file_name).filter(|path| !path.is_empty()) {
        None => Ok(None),
        Some(path) => from_file(Path::new(&path))
            .with_context(|| format!("{file_name}: {path}"))
            .map(Some),
    }
}

/// Like [`from_env`], for a token that is sent in a header. Removes a leading `Bearer `. Returns an
/// error with status 2 if the token has characters that a header cannot contain.
pub fn token_from_env(
    name: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Secret>> {
    let Some(token) = from_env(name, env)? else {
        return Ok(None);
    };
    let text = token.expose().trim();
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    if let Some(at) = text.chars().position(|c| !matches!(c, ' '..='~')) {
        return Err(error::usage(format!(
            "{name}: character {} of the token cannot be sent in a header: only printable ASCII can",
            at + 1
        )));
    }
    Ok(Some(Secret::new(text)))
}

/// The secret in a file. Returns an error with status 2 if the file cannot be read or is empty.
pub fn from_file(path: &Path) -> anyhow::Result<Secret> {
    if let Some(said) = explain_address(&path.to_string_lossy()) {
        return Err(error::usage(said));
    }
    let text = std::fs::read_to_string(path).map_err(|e| error::usage(e.to_string()))?;
    // Some editors write a byte order mark.
    let secret = Secret::new(text.strip_prefix('\u{feff}').unwrap_or(&text));
    if secret.expose().is_empty() {
        return Err(error::usage("the file is empty"));
    }
    Ok(secret)
}

/// Runs the helper `sh -c command`, with `env` added to its environment, and returns the first line
/// that it prints. The helper's stderr is passed through, so that it can explain an error; its
/// stdout is never shown. This function waits until the helper ends. It does not wait until the
/// pipe is closed, because a background process of the helper can keep the pipe open. A helper that
/// hangs is killed when a stop is requested.
pub fn from_command(
    command: &str,
    env: &[(&str, String)],
    retry: &Retry,
) -> anyhow::Result<Secret> {
    let place = || format!("running '{command}'");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(place)?;
    let (sender, line) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        // The thread is not joined, because its read can last as long as a background process of
        // the helper.
        thread::Builder::new()
            .spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut line = Vec::new();
                // After an error, the bytes read so far are the line.
                let _ = (&mut pipe).take(LONGEST).read_until(b'\n', &mut line);
                drop(sender.send(line));
                // Read the rest, so that a helper that prints more does not get a broken pipe.
                let _ = io::copy(&mut pipe, &mut io::sink());
            })
            .with_context(place)?;
    }
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) => {}
            // SIGCHLD is ignored in this process, as it was in the process that started it, so the
            // kernel does not keep the helper's status.
            Err(e) if e.raw_os_error() == Some(NO_CHILD) => break None,
            Err(e) => return Err(e).with_context(place),
        }
        if let Err(stopped) = retry.sleep(GLANCE) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(stopped);
        }
    };
    if let Some(status) = status.filter(|status| !status.success()) {
        let text = format!("'{command}' failed: {status}");
        return Err(Failure::new(status_of_helper(status.code()), text).into());
    }
    // The helper has ended, so its output is in the pipe by now.
    let line = line.recv_timeout(LAST_WORDS).unwrap_or_default();
    let Ok(text) = String::from_utf8(line) else {
        return Err(error::auth(format!(
            "'{command}' printed something that is not UTF-8 text"
        )));
    };
    if text.len() as u64 == LONGEST && !text.ends_with('\n') {
        return Err(error::auth(format!(
            "'{command}' printed a first line of {LONGEST} bytes or more: it must print only the secret"
        )));
    }
    let secret = Secret::new(text);
    if secret.expose().is_empty() {
        return Err(error::auth(format!("'{command}' printed nothing")));
    }
    Ok(secret)
}

/// The exit status for a helper that failed with `code`: `code` itself if it is 2, 69, 74 or 75,
/// otherwise 77. The helper can be a program of callpipe: then its status shows whether a retry
/// helps.
fn status_of_helper(code: Option<i32>) -> Status {
    [Status::Usage, Status::Refused, Status::Io, Status::TryLater]
        .into_iter()
        .find(|status| code == Some(i32::from(status.code())))
        .unwrap_or(Status::Auth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::retry::RetryArgs;
    use crate::os::clock::Clock;
    use crate::os::signals::Stop;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }

    #[test]
    fn the_variable_wins_over_the_file_and_empty_is_unset() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), b"from-file\r\n").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let env = |direct: &'static str| {
            let path = path.clone();
            move |name: &str| match name {
                "X" => Some(direct.to_owned()),
                "X_FILE" => Some(path.clone()),
                _ => None,
            }
        };
        let read = |direct| from_env("X", &env(direct)).unwrap().unwrap();
        assert_eq!(read("direct").expose(), "direct");
        assert_eq!(read("").expose(), "from-file");
        assert!(from_env("Y", &env("")).unwrap().is_none());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), b"\xef\xbb\xbft0ken\r\n").unwrap();
        assert_eq!(from_file(file.path()).unwrap().expose(), "t0ken");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_wrong_usage() {
        let read = |text: &'static str| token_from_env("X", &move |_| Some(text.to_owned()));
        assert_eq!(read(" Bearer t0ken ").unwrap().unwrap().expose(), "t0ken");
        let refused = read("t0k\u{2011}en").unwrap_err();
        assert_eq!(Status::of(&refused), Status::Usage);
        assert!(refused.to_string().contains("X: character 4"), "{refused}");
    }

    #[test]
    fn a_command_that_fails_is_an_authentication_failure_unless_it_says_otherwise() {
        let args = RetryArgs {
            tries: 1,
            backoff: Duration::ZERO,
            patience: Duration::ZERO,
        };
        let retry = Retry::new(&args, 1, Clock::system(), Stop::default());
        let status = |command| Status::of(&from_command(command, &[], &retry).unwrap_err());
        assert_eq!(status("echo t0ken; exit 3"), Status::Auth);
        assert_eq!(status("exit 75"), Status::TryLater);
        assert_eq!(status("true"), Status::Auth);
        assert_eq!(status("head -c 65536 /dev/zero | tr '\\0' x"), Status::Auth);
        let env = [("X", "t0ken".to_owned())];
        let secret = from_command("echo $X; echo x", &env, &retry).unwrap();
        assert_eq!(secret.expose(), "t0ken");
        // A background process keeps the pipe open.
        let secret = from_command("sleep 9 & echo t0ken", &[], &retry).unwrap();
        assert_eq!(secret.expose(), "t0ken");
    }
}
