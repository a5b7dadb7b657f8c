//! Logging in to OCP's IAM, a Keycloak: password grant, refresh, logout.
//!
//! From the vendor's authentication guide: public client `ocp`, no secret, form
//! fields `username`, `password` and, where two-factor login is on, `otp`. A
//! token lives about 5 minutes and a refresh token 30: the reply says so each
//! time, and only the reply counts. Refreshing and logging out are not
//! documented; the vendor's own client does both at these paths.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::cache::{Cache, Grant, Refresh};
use super::region::Region;
use crate::cli::args::parse_line;
use crate::error::{self, Failure, Status};
use crate::net::client::{ApiCall, Client};
use crate::net::connection::Connection;
use crate::net::http::{self, RequestBody, Url, parse_url};
use crate::net::retry::{Attempt, Retry};
use crate::net::secret::{self, Secret};
use crate::time::Timestamp;

/// Where and as whom to log in. Secrets are not flags: they come from
/// `OCP_PASSWORD`, `OCP_PASSWORD_FILE` and `OCP_OTP`, or from a command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// The OCP environment: presets for --iam-url, --realm and the API's URL.
    #[arg(long, value_enum, env = "OCP_REGION")]
    pub region: Option<Region>,

    /// The IAM's base URL, for example `https://us1-m.ocp.ai`.
    #[arg(long, value_name = "URL", env = "OCP_IAM_URL", value_parser = parse_url)]
    pub iam_url: Option<Url>,

    /// The Keycloak realm: master on Swarm, ocp on Kubernetes. [default: the
    /// region's, else master]
    #[arg(long, value_name = "NAME", env = "OCP_REALM", value_parser = parse_line)]
    pub realm: Option<String>,

    /// The user who logs in. The password comes from the environment: OCP_PASSWORD, or
    /// OCP_PASSWORD_FILE with the path of a file.
    #[arg(long, value_name = "NAME", env = "OCP_USERNAME", value_parser = parse_line)]
    pub username: Option<String>,

    /// Run CMD with sh when a password is needed; its first line is the password.
    #[arg(long, value_name = "CMD")]
    pub password_command: Option<String>,

    /// Run CMD with sh when a one-time password is needed. Otherwise OCP_OTP is
    /// sent, if set.
    #[arg(long, value_name = "CMD")]
    pub otp_command: Option<String>,

    /// The form field that carries the one-time password.
    #[arg(long, value_name = "NAME", default_value = "otp")]
    pub otp_field: String,

    /// Neither read nor write the token cache.
    #[arg(long)]
    pub no_cache: bool,
}

/// How many seconds a token lives if the IAM does not say.
const UNKNOWN_LIFE: u64 = 60;

/// How far two clocks may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cache, still good.
    Cache,
    /// A refresh token.
    Refresh,
    /// A password.
    Login,
}

/// A way to log in, with everything that it needs.
#[derive(Debug)]
pub struct Login {
    client: Client,
    token_url: Url,
    logout_url: Url,
    username: String,
    password: SecretSource,
    otp: Option<SecretSource>,
    otp_field: String,
    cache: Option<Cache>,
}

#[derive(Debug)]
enum SecretSource {
    Known(Secret),
    Command(String),
    /// None is needed while a token of an earlier login is good.
    Missing,
}

impl SecretSource {
    fn get(&self, retry: &Retry) -> anyhow::Result<Secret> {
        match self {
            SecretSource::Known(secret) => Ok(secret.clone()),
            SecretSource::Command(command) => secret::from_command(command, &[], retry),
            SecretSource::Missing => Err(error::usage(
                "no password: set OCP_PASSWORD or OCP_PASSWORD_FILE, or give --password-command",
            )),
        }
    }
}

/// What the token endpoint answers when all is well.
#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    refresh_expires_in: Option<u64>,
}

/// A number of seconds, however it is spelled: a whole number, a fraction or a text.
/// `None` for null, for a negative one and for anything else.
fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    let number = match Value::deserialize(value)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // The cast ends at the largest number.
    Ok(number
        .filter(|number| *number >= 0.0)
        .map(|number| number as u64))
}

/// What Keycloak answers when something is wrong.
#[derive(Default, Deserialize)]
struct ErrorReply {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// How a token request ended, other than by an error for good.
enum TokenAnswer {
    Granted(Grant),
    Denied(ErrorReply),
}

impl Login {
    /// A login as the flags and the environment describe it; `None` if they
    /// name no user. `cache_home` is where caches live, if anywhere.
    pub fn from_args(
        args: &LoginArgs,
        connection: &Connection,
        cache_home: Option<PathBuf>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Option<Login>> {
        let Some(username) = args.username.clone().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let iam_url = match (&args.iam_url, args.region) {
            (Some(url), _) => url.clone(),
            (None, Some(region)) => parse_url(region.iam_url()).map_err(error::usage)?,
            (None, None) => {
                return Err(error::usage(
                    "no IAM address: give --region or --iam-url (OCP_IAM_URL)",
                ));
            }
        };
        let realm = args
            .realm
            .as_deref()
            .or(args.region.map(Region::realm))
            .unwrap_or("master");
        let password = match &args.password_command {
            Some(command) => SecretSource::Command(command.clone()),
            None => secret::from_env("OCP_PASSWORD", env)?
                .map_or(SecretSource::Missing, SecretSource::Known),
        };
        let otp = match &args.otp_command {
            Some(command) => Some(SecretSource::Command(command.clone())),
            None => secret::from_env("OCP_OTP", env)?.map(SecretSource::Known),
        };
        let cache = match cache_home.filter(|_| !args.no_cache) {
            None => None,
            Some(home) => Cache::open(&home, &[iam_url.as_str(), realm, &username]),
        };
        let endpoint = |name| {
            let mut url = iam_url.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend([
                    "auth",
                    "realms",
                    realm,
                    "protocol",
                    "openid-connect",
                    name,
                ]);
            }
            url
        };
        let client = connection.client(&[], Box::new(None));
        Ok(Some(Login {
            client,
            token_url: endpoint("token"),
            logout_url: endpoint("logout"),
            username,
            password,
            otp,
            otp_field: args.otp_field.clone(),
            cache,
        }))
    }

    /// Who logs in.
    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    /// A token that is good for `min_ttl` more and that nobody `refused`: from
    /// `known` or the cache if one is there, else by refreshing, else by logging in.
    pub fn token(
        &self,
        known: Option<&Grant>,
        min_ttl: Duration,
        refused: &dyn Fn(&Secret) -> bool,
    ) -> anyhow::Result<(Grant, Origin)> {
        let retry = self.client.retry();
        let good = |grant: &Grant| {
            let now = retry.now();
            // Granted in the future: the clock was set back, and the end means nothing.
            let is_believable = grant.granted_at <= now.plus(SKEW);
            is_believable && grant.expires_at >= now.plus(min_ttl) && !refused(&grant.access_token)
        };
        let Some(cache) = &self.cache else {
            return match known {
                Some(grant) if good(grant) => Ok((grant.clone(), Origin::Cache)),
                _ => self.renew(known),
            };
        };
        let cache = cache.lock(retry)?;
        let kept = cache.read();
        if let Some(grant) = kept.clone().filter(good) {
            return Ok((grant, Origin::Cache));
        }
        let (grant, origin) = self.renew(kept.as_ref().or(known))?;
        cache.write(&grant);
        Ok((grant, origin))
    }

    fn renew(&self, old: Option<&Grant>) -> anyhow::Result<(Grant, Origin)> {
        let retry = self.client.retry();
        if let Some(refresh) = old.and_then(|grant| grant.refresh.as_ref())
            && refresh.expires_at.is_none_or(|at| at > retry.now())
        {
            let form = [
                ("client_id", "ocp"),
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.token.expose()),
            ];
            match self.ask(&form) {
                Ok(TokenAnswer::Granted(mut grant)) => {
                    grant.refresh.get_or_insert_with(|| refresh.clone());
                    return Ok((grant, Origin::Refresh));
                }
                Ok(TokenAnswer::Denied(why)) => {
                    log::info!("refreshing the token: {}; logging in again", why.text());
                }
                // Whatever is wrong with refreshing, a login may do.
                Err(e)
                    if matches!(
                        Status::of(&e),
                        Status::Auth | Status::Usage | Status::Refused
                    ) =>
                {
                    log::info!("refreshing the token: {e:#}; logging in again");
                }
                Err(e) => return Err(e),
            }
        }
        let password = self
            .password
            .get(retry)
            .with_context(|| format!("login of {}", self.username))?;
        let otp = self.otp.as_ref().map(|otp| otp.get(retry)).transpose()?;
        let mut form = vec![
            ("client_id", "ocp"),
            ("grant_type", "password"),
            ("username", self.username.as_str()),
            ("password", password.expose()),
        ];
        if let Some(otp) = &otp {
            form.push((&self.otp_field, otp.expose()));
        }
        match self.ask(&form)? {
            TokenAnswer::Granted(grant) => Ok((grant, Origin::Login)),
            TokenAnswer::Denied(why) => Err(self.denied(&why, otp.is_some())),
        }
    }

    fn denied(&self, why: &ErrorReply, with_otp: bool) -> anyhow::Error {
        let hint = if why.error_description.contains("not fully set up") {
            "sign in to the console once: a password change or the set-up of two-factor login is due"
        } else if with_otp {
            "check OCP_USERNAME, OCP_PASSWORD and the one-time password, which works once"
        } else {
            "check OCP_USERNAME and OCP_PASSWORD; with two-factor login set OCP_OTP or use OCP_PAT"
        };
        error::auth(format!(
            "login of {}: {}: {hint}",
            self.username,
            why.text()
        ))
    }

    fn ask(&self, form: &[(&str, &str)]) -> anyhow::Result<TokenAnswer> {
        self.post(&self.token_url, form, |status, text| {
            self.read_answer(status, text)
        })
    }

    fn read_answer(&self, status: u16, text: &str) -> anyhow::Result<TokenAnswer> {
        let url = http::show(&self.token_url);
        if status == 200 {
            let reply: TokenReply = serde_json::from_str(text).map_err(|_| {
                error::refused(format!(
                    "{url}: not the reply of a token service: check --iam-url"
                ))
            })?;
            if reply.access_token.trim().is_empty() {
                return Err(error::auth(format!(
                    "{url}: the access token in the reply is empty"
                )));
            }
            return Ok(TokenAnswer::Granted(
                reply.into_grant(self.client.retry().now()),
            ));
        }
        let reply: ErrorReply = serde_json::from_str(text).unwrap_or_default();
        let said = if reply.error.is_empty() {
            format!("HTTP {status}")
        } else {
            format!("HTTP {status}, {}", http::shown(&reply.text()))
        };
        let (status, hint) = match (status, reply.error.as_str()) {
            // Keycloak says invalid_grant with 400 and with 401, for a wrong
            // password, an expired refresh token and an unfinished account.
            (400 | 401, "invalid_grant") => return Ok(TokenAnswer::Denied(reply)),
            (404, _) => (
                Status::Usage,
                "the realm does not exist: use --realm master (Swarm) or --realm ocp (Kubernetes)",
            ),
            (300..400, _) => (Status::Usage, "redirected: give the final URL as --iam-url"),
            (400, _) | (_, "invalid_client" | "unauthorized_client") => {
                (Status::Usage, "check --iam-url and --realm")
            }
            _ => (Status::Auth, "the login was not accepted"),
        };
        Err(Failure::new(status, format!("{url}: {said}: {hint}")).into())
    }

    fn post<T>(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        read: impl Fn(u16, &str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let body = http::form(form);
        let body = RequestBody {
            content_type: "application/x-www-form-urlencoded",
            bytes: body.as_bytes(),
        };
        let call = ApiCall::post(url.clone(), "application/json", body);
        self.client.fetch(&call, |reply| match reply.text() {
            Ok(text) => read(reply.status, &text).map(Attempt::Done),
            Err(e) => e.into_failed().map(Attempt::Again),
        })
    }

    /// Ends the session of the cached tokens at the IAM and forgets them. False
    /// if there was none.
    pub fn logout(&self) -> anyhow::Result<bool> {
        let Some(cache) = &self.cache else {
            return Ok(false);
        };
        let cache = cache.lock(self.client.retry())?;
        let Some(refresh) = cache.read().and_then(|grant| grant.refresh) else {
            cache.clear()?;
            return Ok(false);
        };
        let form = [
            ("client_id", "ocp"),
            ("refresh_token", refresh.token.expose()),
        ];
        let status = self.post(&self.logout_url, &form, |status, _| Ok(status))?;
        cache.clear()?;
        // 400: the session had ended by itself.
        match status {
            200..300 | 400 => Ok(true),
            _ => Err(error::refused(format!(
                "POST {}: HTTP {status}",
                http::show(&self.logout_url)
            ))),
        }
    }
}

impl TokenReply {
    fn into_grant(self, now: Timestamp) -> Grant {
        let in_seconds = |seconds| now.plus(Duration::from_secs(seconds));
        Grant {
            access_token: Secret::new(self.access_token),
            token_type: self.token_type.unwrap_or_else(|| "bearer".to_owned()),
            granted_at: now,
            expires_at: in_seconds(self.expires_in.unwrap_or(UNKNOWN_LIFE)),
            refresh: self.refresh_token.map(|token| Refresh {
                token: Secret::new(token),
                // Keycloak says 0 for a token that does not end by itself.
                expires_at: self
                    .refresh_expires_in
                    .filter(|seconds| *seconds > 0)
                    .map(in_seconds),
            }),
        }
    }
}

impl ErrorReply {
    fn text(&self) -> String {
        if self.error_description.is_empty() {
            self.error.clone()
        } else {
            self.error_description.clone()
        }
    }
}
