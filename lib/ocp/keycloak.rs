//! Logs in to OCP's IAM (login service), a Keycloak server: password grant, refresh, logout.
//!
//! The vendor's authentication guide says: the public client `ocp` has no secret; the form fields
//! are `username`, `password` and, with two-factor login, `otp`. An access token is valid for about
//! 5 minutes, a refresh token for about 30 minutes. This module uses the lifetimes that each reply
//! states. The guide does not document refresh and logout. This module sends both to the same paths
//! as the vendor's own client.

mod args;
mod reply;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

pub use args::LoginArgs;

use reply::{ErrorReply, TokenReply};

use super::cache::{Cache, Grant};
use super::region::Region;
use crate::error::{self, Failure, Status};
use crate::net::client::{ApiCall, Client};
use crate::net::connection::Connection;
use crate::net::http::{self, RequestBody, Url, parse_url};
use crate::net::retry::{Attempt, Retry};
use crate::net::secret::{self, Secret};

/// A token is not used if it was granted later than now plus this time. A smaller difference is
/// normal, because machines with different clocks can share the cache.
const SKEW: Duration = Duration::from_secs(60);

/// The origin of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The token of an earlier login or refresh, which is still valid.
    Cache,
    /// A refresh: the token is new.
    Refresh,
    /// A login with a password: the token is new.
    Login,
}

/// The login of one user: addresses, secrets and the token cache.
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
    /// No password is set. A password is not needed while the token of an earlier login is valid.
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

/// The reply of the IAM to a token request.
enum TokenAnswer {
    Granted(Grant),
    Denied(ErrorReply),
}

impl Login {
    /// The login that the flags and the environment describe; `None` if they name no user. Fails
    /// with status 2 if they name a user, but do not give the address of the IAM. `cache_home` is
    /// the directory for caches, if there is one.
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

    pub(crate) fn username(&self) -> &str {
        &self.username
    }

    /// A token that is valid for at least `min_ttl` and for which `refused` is false (the service
    /// did not refuse it). Tries, in this order: the cached token (without a cache, `known`), a
    /// refresh, a new login.
    pub fn token(
        &self,
        known: Option<&Grant>,
        min_ttl: Duration,
        refused: &dyn Fn(&Secret) -> bool,
    ) -> anyhow::Result<(Grant, Origin)> {
        let retry = self.client.retry();
        let good = |grant: &Grant| {
            let now = retry.now();
            // If `granted_at` is in the future, the clock was set back, and `expires_at` cannot be
            // trusted.
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
                // A login can succeed although the refresh failed.
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
            // Keycloak answers invalid_grant, with 400 or 401, for a wrong password, an expired
            // refresh token and an unfinished account.
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

    /// Ends the session of the cached tokens at the IAM and deletes the tokens. Returns false if
    /// there was no session.
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
        // 400 means that the session had already ended.
        match status {
            200..300 | 400 => Ok(true),
            _ => Err(error::refused(format!(
                "POST {}: HTTP {status}",
                http::show(&self.logout_url)
            ))),
        }
    }
}
/// Reads fuzzed bytes as a reply of the token endpoint.
#[cfg(any(fuzzing, test))]
pub(super) fn fuzz_reply(bytes: &[u8]) {
    let now = crate::time::Timestamp::from_millis(0);
    let _ = serde_json::from_slice::<TokenReply>(bytes).map(|reply| reply.into_grant(now));
    let _ = serde_json::from_slice::<ErrorReply>(bytes).map(|reply| reply.text());
}
