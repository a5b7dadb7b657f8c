//! The identity server: password and refresh grants, logout, and which access tokens are alive.
//! Words and status codes are Keycloak's, including the trap that a 400 `invalid_grant` can mean an
//! expired refresh token or an account that has to change its password first.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::clock::Clock;
use super::config::{Config, User};
use super::http::Request;
use super::lock;
use super::prng::Prng;
use super::reply::Reply;

pub struct Keycloak {
    config: Arc<Config>,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    sessions: Vec<Session>,
    random: Prng,
    tally: Tally,
}

#[derive(Clone, Default)]
pub struct Tally {
    pub logins: u64,
    pub refreshes: u64,
    pub logouts: u64,
    pub live_sessions: u64,
}

struct Session {
    id: String,
    /// With the instant at which each dies: a refresh does not revoke what was given out before.
    access: Vec<(String, Duration)>,
    refresh: String,
    refresh_until: Duration,
}

#[derive(Serialize)]
struct Grant<'a> {
    access_token: &'a str,
    expires_in: u64,
    refresh_expires_in: u64,
    refresh_token: &'a str,
    token_type: &'static str,
    #[serde(rename = "not-before-policy")]
    not_before_policy: u64,
    session_state: &'a str,
    scope: &'static str,
}

impl Keycloak {
    pub fn new(config: Arc<Config>, clock: Clock) -> Keycloak {
        let state = State {
            sessions: Vec::new(),
            random: Prng::unrepeatable(),
            tally: Tally::default(),
        };
        Keycloak {
            config,
            clock,
            state: Mutex::new(state),
        }
    }

    pub fn token(&self, realm: &str, request: &Request) -> Reply {
        if let Some(refused) = self.refuse_client(realm, request) {
            return refused;
        }
        match request.form("grant_type").as_deref() {
            Some("password") => self.log_in(request),
            Some("refresh_token") => self.refresh(request),
            Some(_) => error(400, "unsupported_grant_type", "Unsupported grant_type"),
            None => error(400, "invalid_request", "Missing form parameter: grant_type"),
        }
    }

    pub fn logout(&self, realm: &str, request: &Request) -> Reply {
        if let Some(refused) = self.refuse_client(realm, request) {
            return refused;
        }
        let token = request.form("refresh_token").unwrap_or_default();
        let mut state = lock(&self.state);
        let Some(at) = state.position(&token, self.clock.elapsed()) else {
            return error(400, "invalid_grant", "Invalid refresh token");
        };
        state.sessions.remove(at);
        state.tally.logouts += 1;
        Reply::empty(204)
    }

    pub fn is_alive(&self, access_token: &str) -> bool {
        let now = self.clock.elapsed();
        let state = lock(&self.state);
        let mut tokens = state.sessions.iter().flat_map(|session| &session.access);
        tokens.any(|(token, until)| token == access_token && *until > now)
    }

    pub fn forget_access_tokens(&self) {
        for session in &mut lock(&self.state).sessions {
            session.access.clear();
        }
    }

    pub fn tally(&self) -> Tally {
        let now = self.clock.elapsed();
        let state = lock(&self.state);
        let live = state
            .sessions
            .iter()
            .filter(|session| session.refresh_until > now);
        Tally {
            live_sessions: live.count() as u64,
            ..state.tally.clone()
        }
    }

    pub fn reset(&self) {
        let mut state = lock(&self.state);
        state.sessions.clear();
        state.tally = Tally::default();
    }

    fn refuse_client(&self, realm: &str, request: &Request) -> Option<Reply> {
        let form = "application/x-www-form-urlencoded";
        let content_type = request.header("content-type").unwrap_or_default();
        if realm != self.config.realm {
            Some(Reply::json(
                404,
                &json!({ "error": "Realm does not exist" }),
            ))
        } else if !content_type.starts_with(form) {
            Some(error(415, "HTTP 415 Unsupported Media Type", form))
        } else if request.form("client_id").as_deref() != Some("ocp") {
            Some(error(401, "invalid_client", "Invalid client credentials"))
        } else {
            None
        }
    }

    fn log_in(&self, request: &Request) -> Reply {
        let otp = request.form(&self.config.otp_field);
        let matches = |user: &&User| {
            request.form("username").as_deref() == Some(&user.name)
                && request.form("password").as_deref() == Some(&user.password)
                && (user.otp.is_none() || user.otp == otp)
        };
        let Some(user) = self.config.users.iter().find(matches) else {
            return error(401, "invalid_grant", "Invalid user credentials");
        };
        if user.has_required_action {
            return error(400, "invalid_grant", "Account is not fully set up");
        }
        let mut state = lock(&self.state);
        state.tally.logins += 1;
        let session = Session {
            id: state.random.uuid(),
            access: Vec::new(),
            refresh: token("refresh", &mut state.random),
            refresh_until: Duration::ZERO,
        };
        state.sessions.push(session);
        let newest = state.sessions.len() - 1;
        self.grant(&mut state, newest)
    }

    fn refresh(&self, request: &Request) -> Reply {
        let presented = request.form("refresh_token").unwrap_or_default();
        let mut state = lock(&self.state);
        let Some(at) = state.position(&presented, self.clock.elapsed()) else {
            return error(400, "invalid_grant", "Token is not active");
        };
        state.tally.refreshes += 1;
        if self.config.rotate_refresh {
            state.sessions[at].refresh = token("refresh", &mut state.random);
        }
        self.grant(&mut state, at)
    }

    fn grant(&self, state: &mut State, at: usize) -> Reply {
        let now = self.clock.elapsed();
        let access = token("access", &mut state.random);
        let session = &mut state.sessions[at];
        session.access.retain(|(_, until)| *until > now);
        session
            .access
            .push((access.clone(), now + self.config.token_ttl));
        session.refresh_until = now + self.config.refresh_ttl;
        Reply::json(
            200,
            &Grant {
                access_token: &access,
                expires_in: self.config.token_ttl.as_secs(),
                refresh_expires_in: self.config.refresh_ttl.as_secs(),
                refresh_token: &session.refresh,
                token_type: "bearer",
                not_before_policy: 0,
                session_state: &session.id,
                scope: "openid",
            },
        )
    }
}

impl State {
    fn position(&self, refresh_token: &str, now: Duration) -> Option<usize> {
        let owns =
            |session: &Session| session.refresh == refresh_token && session.refresh_until > now;
        self.sessions.iter().position(owns)
    }
}

/// Opaque to everybody, as the vendor says its tokens are, but easy to find where one leaked.
fn token(kind: &str, random: &mut Prng) -> String {
    format!("sim-{kind}-{}", random.hex(48))
}

fn error(status: u16, error: &str, description: &str) -> Reply {
    let body = json!({ "error": error, "error_description": description });
    Reply::json(status, &body)
}
