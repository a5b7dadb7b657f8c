//! The credentials of a request to OCP. They are renewed during a long job, because a token is
//! valid for five minutes and a job can take hours.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::cache::Grant;
use super::keycloak::{Login, LoginArgs};
use crate::error;
use crate::net::client::{Access, Credential};
use crate::net::connection::{Connection, NetArgs};
use crate::net::http;
use crate::net::retry::Retry;
use crate::net::secret::{self, Secret};
use crate::os::digest;
use crate::os::mutex::lock;
use crate::time::Timestamp;

/// The header in which the vendor's own client sends a personal access token.
pub const PAT_HEADER: &str = "X-OCP-PERSONAL-ACCESS-TOKEN";

/// The environment variable that tells a token command that the service refused the last token of
/// this command. The value is the SHA-256 of the refused token. `ocp-token` then renews the token
/// although it has not expired.
pub const REJECTED: &str = "OCP_REJECTED_SHA256";

/// A token that expires within this time is renewed. A token of a login is renewed later if a third
/// of its lifetime is less than this time.
const MARGIN: Duration = Duration::from_secs(30);

/// How a personal access token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PatForm {
    /// `X-OCP-PERSONAL-ACCESS-TOKEN: …`
    Header,
    /// `Authorization: Bearer …`
    Bearer,
}

/// The login flags of every program that uses OCP.
#[derive(Args, Clone, Debug)]
pub struct AccessArgs {
    /// The login.
    #[command(flatten)]
    pub login: LoginArgs,

    /// How OCP_PAT is sent: in the header X-OCP-PERSONAL-ACCESS-TOKEN, or as a
    /// bearer token.
    #[arg(
        long,
        value_name = "FORM",
        default_value = "header",
        help_heading = "Login"
    )]
    pub pat_form: PatForm,

    /// The flags for the connection.
    #[command(flatten)]
    pub net: NetArgs,
}

/// Credentials for the API. The order of the variants is the order of priority: the first variant
/// that is set is used.
#[derive(Debug)]
pub enum Auth {
    /// A command that prints a token (`--token-command`).
    Command {
        /// The command for `sh`.
        command: String,
        /// The token that the command printed last.
        printed: Mutex<Option<Printed>>,
    },
    /// `OCP_TOKEN`, which cannot be renewed.
    Token(Secret),
    /// `OCP_PAT`.
    Pat(Secret, PatForm),
    /// A login with username and password, and the last token that it got.
    Login(Box<Login>, Mutex<Option<Grant>>),
}

/// The output of a token command: a token, or the JSON of `ocp-token`.
#[derive(Debug)]
pub struct Printed {
    token: Secret,
    expires_at: Option<Timestamp>,
}

impl Printed {
    fn read(text: &Secret) -> Printed {
        #[derive(Deserialize)]
        struct Json {
            access_token: String,
            expires_at: Option<Timestamp>,
        }
        match serde_json::from_str::<Json>(text.expose()) {
            Ok(json) => Printed {
                token: Secret::new(json.access_token),
                expires_at: json.expires_at,
            },
            Err(_) => Printed {
                token: text.clone(),
                expires_at: None,
            },
        }
    }
}

impl Auth {
    /// The first of these credentials that is set: the token command, `OCP_TOKEN`, `OCP_PAT`, a
    /// login. Fails with status 2 if none of them is set.
    pub fn from_args(
        token_command: Option<&str>,
        args: &AccessArgs,
        connection: &Connection,
        cache_home: Option<PathBuf>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Auth> {
        if let Some(command) = token_command {
            return Ok(Auth::Command {
                command: command.to_owned(),
                printed: Mutex::new(None),
            });
        }
        if let Some(token) = secret::token_from_env("OCP_TOKEN", env)? {
            return Ok(Auth::Token(token));
        }
        if let Some(token) = secret::token_from_env("OCP_PAT", env)? {
            return Ok(Auth::Pat(token, args.pat_form));
        }
        match Login::from_args(&args.login, connection, cache_home, env)? {
            Some(login) => Ok(Auth::Login(Box::new(login), Mutex::new(None))),
            None => Err(error::usage(
                "no credentials: set OCP_USERNAME and OCP_PASSWORD, or OCP_PAT, or OCP_TOKEN, or give --token-command",
            )),
        }
    }
}

impl Auth {
    /// A name that distinguishes accounts and contains no secret. All tokens of a command or of
    /// `OCP_TOKEN` count as one account, because such tokens change while the account stays the
    /// same.
    pub fn account(&self) -> String {
        match self {
            Auth::Command { .. } | Auth::Token(_) => "token".to_owned(),
            Auth::Pat(token, _) => format!("pat {}", digest::sha256(token.expose().as_bytes())),
            Auth::Login(login, _) => format!("user {}", login.username()),
        }
    }
}

impl Access for Auth {
    fn credential(
        &self,
        rejected: Option<&Secret>,
        retry: &Retry,
    ) -> anyhow::Result<Option<Credential>> {
        match self {
            Auth::Token(_) if rejected.is_some() => Err(error::auth(
                "the service refused OCP_TOKEN (401): it has expired, or is for another environment",
            )),
            Auth::Pat(..) if rejected.is_some() => Err(error::auth(
                "the service refused OCP_PAT (401): it is revoked or expired, or needs another \
                 --pat-form",
            )),
            Auth::Token(token) => Ok(Some(http::bearer(token))),
            Auth::Pat(token, form) => Ok(Some(pat_header(token, *form))),
            Auth::Command { command, printed } => {
                let mut printed = lock(printed);
                let soon = retry.now().plus(MARGIN);
                let mut env = Vec::new();
                if let Some(Printed { token, expires_at }) = &*printed {
                    let header = http::bearer(token);
                    if rejected == Some(&header.1) {
                        env.push((REJECTED, digest::sha256(token.expose().as_bytes())));
                    } else if expires_at.is_none_or(|at| at > soon) {
                        return Ok(Some(header));
                    }
                }
                let fresh = Printed::read(&secret::from_command(command, &env, retry)?);
                let header = http::bearer(&fresh.token);
                *printed = Some(fresh);
                Ok(Some(header))
            }
            Auth::Login(login, grant) => {
                let mut grant = lock(grant);
                let mut refused = None;
                let mut margin = MARGIN;
                if let Some(grant) = &*grant {
                    let header = http::bearer(&grant.access_token);
                    margin = margin.min(grant.expires_at.since(grant.granted_at) / 3);
                    if rejected == Some(&header.1) {
                        refused = Some(grant.access_token.clone());
                    } else if grant.expires_at > retry.now().plus(margin) {
                        return Ok(Some(header));
                    }
                }
                let is_refused = |token: &Secret| refused.as_ref() == Some(token);
                let (fresh, _) = login.token(grant.as_ref(), margin, &is_refused)?;
                let header = http::bearer(&fresh.access_token);
                *grant = Some(fresh);
                Ok(Some(header))
            }
        }
    }

    fn can_renew(&self) -> bool {
        true
    }
}

/// The name and value of the header line for a personal access token.
pub fn pat_header(token: &Secret, form: PatForm) -> (String, Secret) {
    match form {
        PatForm::Header => (PAT_HEADER.to_owned(), token.clone()),
        PatForm::Bearer => http::bearer(token),
    }
}
