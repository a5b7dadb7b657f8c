//! What a request to OCP carries to be let in, and how it is renewed while a
//! long job runs: a token lives five minutes, a job may take hours.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::cache::Grant;
use super::keycloak::{Login, LoginArgs};
use crate::attempts::Attempts;
use crate::error;
use crate::http::{self, Http};
use crate::secret::{self, Secret};
use crate::time::Timestamp;

/// The header that the vendor's own client sends a personal access token in.
pub const PAT_HEADER: &str = "X-OCP-PERSONAL-ACCESS-TOKEN";

/// A token is renewed when it would end within this time.
const MARGIN: Duration = Duration::from_secs(30);

/// How a personal access token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PatForm {
    /// `X-OCP-PERSONAL-ACCESS-TOKEN: …`
    Header,
    /// `Authorization: Bearer …`
    Bearer,
}

/// How to send a personal access token, for programs that may have one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Login")]
pub struct PatArgs {
    /// How OCP_PAT is sent: in the header X-OCP-PERSONAL-ACCESS-TOKEN, or as a
    /// bearer token.
    #[arg(long, value_name = "FORM", default_value = "header")]
    pub pat_form: PatForm,
}

/// Credentials for the API, in the order of precedence.
#[derive(Debug)]
pub enum Auth {
    /// A helper program prints a token (`--token-command`).
    Command {
        /// What `sh` runs.
        command: String,
        /// What it printed last.
        token: Mutex<Option<(Secret, Option<Timestamp>)>>,
    },
    /// `OCP_TOKEN`: nobody can renew it.
    Token(Secret),
    /// `OCP_PAT`.
    Pat(Secret, PatForm),
    /// Username and password, as in `ocp-token`.
    Login(Box<Login>, Mutex<Option<Grant>>),
}

/// A helper may print the JSON of `ocp-token`.
#[derive(Deserialize)]
struct Printed {
    access_token: String,
    expires_at: Option<Timestamp>,
}

impl Auth {
    /// The first of: the token command, `OCP_TOKEN`, `OCP_PAT`, a login.
    pub fn from_args(
        token_command: Option<&str>,
        pat: &PatArgs,
        login: &LoginArgs,
        http: &Http,
        cache_home: Option<PathBuf>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Auth> {
        if let Some(command) = token_command {
            return Ok(Auth::Command {
                command: command.to_owned(),
                token: Mutex::new(None),
            });
        }
        if let Some(token) = secret::from_env("OCP_TOKEN", env)? {
            return Ok(Auth::Token(token));
        }
        if let Some(token) = secret::from_env("OCP_PAT", env)? {
            return Ok(Auth::Pat(token, pat.pat_form));
        }
        match Login::from_args(login, http, cache_home, env)? {
            Some(login) => Ok(Auth::Login(Box::new(login), Mutex::new(None))),
            None => Err(error::usage(
                "no credentials: set OCP_USERNAME and OCP_PASSWORD, or OCP_PAT, or OCP_TOKEN, or give --token-command",
            )),
        }
    }

    /// The header line for the next request. `rejected` is the value that the
    /// service has just refused with 401; an error of status 77 if it cannot be
    /// replaced.
    pub fn header(
        &self,
        rejected: Option<&Secret>,
        attempts: &Attempts,
    ) -> anyhow::Result<(String, Secret)> {
        match self {
            Auth::Token(_) if rejected.is_some() => Err(error::auth(
                "the service refused OCP_TOKEN (401): it has expired, or is for another environment",
            )),
            Auth::Pat(..) if rejected.is_some() => Err(error::auth(
                "the service refused OCP_PAT (401): it is revoked or expired, or wants another --pat-form",
            )),
            Auth::Token(token) => Ok(http::bearer(token)),
            Auth::Pat(token, form) => Ok(pat_header(token, *form)),
            Auth::Command { command, token } => {
                let mut token = lock(token);
                let soon = attempts.now().plus(MARGIN);
                let good = token.as_ref().filter(|(secret, expires_at)| {
                    expires_at.is_none_or(|at| at > soon)
                        && rejected != Some(&http::bearer(secret).1)
                });
                if let Some((secret, _)) = good {
                    return Ok(http::bearer(secret));
                }
                let fresh = read_printed(&secret::from_command(command)?);
                let header = http::bearer(&fresh.0);
                *token = Some(fresh);
                Ok(header)
            }
            Auth::Login(login, grant) => {
                let mut grant = lock(grant);
                let rejected = grant
                    .as_ref()
                    .map(|grant| grant.access_token.clone())
                    .filter(|token| rejected == Some(&http::bearer(token).1));
                let soon = attempts.now().plus(MARGIN);
                if let Some(grant) = grant.as_ref()
                    && grant.expires_at > soon
                    && rejected.is_none()
                {
                    return Ok(http::bearer(&grant.access_token));
                }
                let (fresh, _) =
                    login.token(grant.as_ref(), MARGIN, rejected.as_ref(), attempts)?;
                let header = http::bearer(&fresh.access_token);
                *grant = Some(fresh);
                Ok(header)
            }
        }
    }
}

/// The header line for a personal access token.
pub fn pat_header(token: &Secret, form: PatForm) -> (String, Secret) {
    match form {
        PatForm::Header => (PAT_HEADER.to_owned(), token.clone()),
        PatForm::Bearer => http::bearer(token),
    }
}

fn read_printed(text: &Secret) -> (Secret, Option<Timestamp>) {
    match serde_json::from_str::<Printed>(text.expose()) {
        Ok(printed) => (Secret::new(printed.access_token), printed.expires_at),
        Err(_) => (text.clone(), None),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
