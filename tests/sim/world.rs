//! Where everything meets: a request gets its role, the role's next fault if it has one, and an
//! answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::clock::Clock;
use super::config::Config;
use super::control;
use super::dialpad::Dialpad;
use super::export::State;
use super::exports::Exports;
use super::fault::{Faults, Kind};
use super::http::Request;
use super::keycloak::Keycloak;
use super::metrics::Metrics;
use super::reply::{Delivery, Reply};
use super::role::{Role, route};
use super::stats::{Log, Stats};
use super::subscriptions::Subscriptions;
use super::voicegain::Voicegain;
use super::{lock, refusal, zips};

pub struct World {
    pub config: Arc<Config>,
    pub faults: Faults,
    pub panics: Arc<AtomicU64>,
    /// The other origin, known once its listener has a port.
    pub elsewhere: OnceLock<String>,
    keycloak: Keycloak,
    exports: Exports,
    pub subscriptions: Subscriptions,
    pub voicegain: Voicegain,
    pub dialpad: Dialpad,
    pub metrics: Metrics,
    log: Mutex<Log>,
}

/// Which of the two listeners a request came to.
#[derive(Clone, Copy, PartialEq)]
pub enum Origin {
    Front,
    /// The target of redirects: it asks for no credentials, has no faults and should see no token.
    Elsewhere,
}

impl World {
    pub fn new(config: Config) -> World {
        let config = Arc::new(config);
        let clock = Clock::starting_at(config.now);
        World {
            faults: Faults::new(config.faults.clone()),
            panics: Arc::default(),
            elsewhere: OnceLock::new(),
            keycloak: Keycloak::new(Arc::clone(&config), clock),
            exports: Exports::new(Arc::clone(&config), clock),
            subscriptions: Subscriptions::new(Arc::clone(&config), clock),
            voicegain: Voicegain::new(config.voicegain.clone(), clock.now()),
            dialpad: Dialpad::new(config.dialpad.clone(), clock.now()),
            metrics: Metrics::new(config.groups.clone(), clock.now()),
            log: Mutex::default(),
            config,
        }
    }

    pub fn answer(&self, request: &Request, origin: Origin) -> Reply {
        if let Some(command) = request.path().strip_prefix("/_sim/") {
            return control::answer(self, command, request);
        }
        let translated = self
            .config
            .dialect
            .as_ref()
            .and_then(|dialect| Some((dialect, dialect.read(request)?)));
        if let Some((dialect, translated)) = translated {
            let reply = match translated {
                Err(refused) => refused,
                Ok((role, canonical)) => {
                    let (_, subject) = route(&canonical).expect("it is in the suite's spelling");
                    let mut reply = self.serve(role, subject, &canonical);
                    dialect.write(role, &mut reply);
                    reply
                }
            };
            Log::record(&self.log, request, &reply);
            return reply;
        }
        let mut reply = match (route(request), origin) {
            (None, _) => Reply::message(404, "no such endpoint"),
            (Some((role, subject)), Origin::Front) => self.serve(role, subject, request),
            (Some((role, subject)), Origin::Elsewhere) => {
                let has_header =
                    request.header("authorization").is_some() || pat(request).is_some();
                let has_key = request.query("apiKey").is_some();
                let has_form = role.is_login() && !request.body.is_empty();
                lock(&self.log).leaked_credentials += u64::from(has_header || has_form || has_key);
                self.carry_out(role, subject, request, None)
            }
        };
        if route(request).is_some_and(|(role, _)| role.is_voicegain()) {
            self.voicegain.head(&mut reply);
        }
        if route(request).is_some_and(|(role, _)| role == Role::Metrics) {
            self.metrics.head(&mut reply);
        }
        reply.delay += self.config.latency;
        Log::record(&self.log, request, &reply);
        reply
    }

    pub fn stats(&self) -> Stats {
        let login = self.keycloak.tally();
        let exports = self.exports.tally();
        let log = lock(&self.log).clone();
        Stats {
            requests: self
                .faults
                .counts()
                .map(|(role, count)| (role.name(), count))
                .into(),
            creates_accepted: log.creates_accepted,
            exports: exports.exports,
            running: exports.running,
            orphans: exports.orphans,
            downloads: exports.downloads,
            rate_violations: exports.rate_violations + self.voicegain.rate_violations(),
            logins: login.logins,
            refreshes: login.refreshes,
            logouts: login.logouts,
            live_sessions: login.live_sessions,
            leaked_credentials: log.leaked_credentials,
            unauthorised: log.unauthorised,
            panics: self.panics.load(Ordering::Relaxed),
            recent: log.recent.into(),
        }
    }

    /// Back to the start in everything but the clock, the count of panics and Voicegain's calls.
    pub fn reset(&self) {
        self.faults.reset();
        self.keycloak.reset();
        self.exports.reset();
        self.subscriptions.reset();
        *lock(&self.log) = Log::default();
    }

    fn serve(&self, role: Role, subject: &str, request: &Request) -> Reply {
        let fault = self.faults.admit(role);
        match &fault {
            Some(Kind::Refuse(refusal)) => return refusal.reply(role),
            Some(Kind::Html) => return refusal::html(200, "Sign in"),
            Some(Kind::Redirect) => return self.redirect(request),
            Some(Kind::ForgetToken) => self.keycloak.forget_access_tokens(),
            Some(Kind::Expire) => self.exports.end(subject, State::Expired),
            Some(Kind::Fail) => self.exports.end(subject, State::Failed),
            _ => {}
        }
        if role.is_voicegain() {
            if let Some(refused) = self.voicegain.admit(role, request) {
                return refused;
            }
        } else if role.is_dialpad() {
            if !self.dialpad.knows(request) {
                return Reply::message(401, "no valid API key");
            }
        } else if !role.is_login() && !self.is_authorised(request) {
            return Reply::message(401, "no valid API key");
        }
        let mut reply = self.carry_out(role, subject, request, fault.as_ref());
        if let Some(fault) = fault {
            spoil(&mut reply, &fault);
        }
        reply
    }

    fn carry_out(
        &self,
        role: Role,
        subject: &str,
        request: &Request,
        fault: Option<&Kind>,
    ) -> Reply {
        let alias = match fault {
            Some(Kind::State(name)) => Some(name.as_str()),
            _ => None,
        };
        match role {
            Role::Token => self.keycloak.token(subject, request),
            Role::Logout => self.keycloak.logout(subject, request),
            Role::Create => {
                let reply = self.exports.create(request, fault);
                let is_new = reply.status == 201 && fault != Some(&Kind::NamesRunning);
                lock(&self.log).creates_accepted += u64::from(is_new);
                reply
            }
            Role::List => self.exports.list(request.query("group").as_deref(), alias),
            Role::Status => self.exports.status(subject, alias),
            Role::Metadata => self.exports.metadata(subject, fault),
            Role::Data => self.exports.data(subject, request, fault),
            Role::SubCreate => self.subscriptions.create(request),
            Role::SubList => self.subscriptions.list(request.query("group").as_deref()),
            Role::SubGet => self.subscriptions.get(subject),
            Role::SubUpdate => self.subscriptions.update(subject, request),
            Role::SubDelete => self.subscriptions.delete(subject),
            Role::Calls => self.voicegain.calls(request),
            Role::Recording => self.voicegain.recording(subject, request),
            Role::Metrics => self.metrics.answer(request),
            Role::Messages | Role::Session => self.dialpad.answer(role, subject, request),
        }
    }

    fn is_authorised(&self, request: &Request) -> bool {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let is_pat = |token: &str| self.config.pat.as_deref() == Some(token);
        pat(request).is_some_and(is_pat)
            || bearer.is_some_and(|token| is_pat(token) || self.keycloak.is_alive(token))
    }

    fn redirect(&self, request: &Request) -> Reply {
        let base = self
            .elsewhere
            .get()
            .expect("both listeners run before the first request");
        let mut reply = Reply::empty(307);
        reply
            .headers
            .push(("Location", format!("{base}{}", request.target)));
        reply
    }
}

fn pat(request: &Request) -> Option<&str> {
    request.header("x-ocp-personal-access-token")
}

/// What happens to a reply after the request has been carried out.
fn spoil(reply: &mut Reply, fault: &Kind) {
    let is_good = reply.status == 200;
    match fault {
        Kind::Lost => reply.delivery = Delivery::Nothing,
        Kind::Cut => reply.delivery = Delivery::Half(Duration::ZERO),
        Kind::Stall(pause) => reply.delivery = Delivery::Half(*pause),
        Kind::SlowHeaders(pause) => reply.delay += *pause,
        Kind::Garbage => *reply = Reply::new(200, "application/json", r#"{"export_id": "6b1f"#),
        Kind::ListEmpty if is_good => reply.body = b"[]".to_vec(),
        Kind::Bloat(size) if is_good => reply.body.resize(reply.body.len() + size, 0),
        Kind::BadCrc if is_good => zips::damage(&mut reply.body),
        Kind::TruncatedZip if is_good => zips::truncate(&mut reply.body),
        _ => {}
    }
}
