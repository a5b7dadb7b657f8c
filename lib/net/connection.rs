//! The setup before the first request: the HTTP client, the signals that end waits, the deadline,
//! the schedule of tries.

use std::time::Duration;

use clap::Args;

use crate::net::budget::Budget;
use crate::net::client::{Access, Client};
use crate::net::http::{Http, HttpArgs};
use crate::net::rate::Rate;
use crate::net::retry::{Retry, RetryArgs};
use crate::net::shared_budget::RateShare;
use crate::os::clock::Clock;
use crate::os::signals::Stop;

/// The flags of a program that sends requests.
#[derive(Args, Clone, Debug)]
pub struct NetArgs {
    /// The flags for HTTP.
    #[command(flatten)]
    pub http: HttpArgs,

    /// The flags for retries.
    #[command(flatten)]
    pub retry: RetryArgs,
}

/// Everything that the clients of one program share.
#[derive(Clone, Debug)]
pub struct Connection {
    http: Http,
    retry: Retry,
}

impl Connection {
    /// Sets up HTTP and the schedule of tries. After this call, SIGINT, SIGTERM and the end of
    /// `deadline` (status 75) end waits and requests. `seed` is for the jitter. Returns an error
    /// with status 2 if a proxy or a certificate cannot be used.
    pub fn open(
        args: &NetArgs,
        deadline: Option<Duration>,
        seed: u64,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Connection> {
        let connection = Connection::with_stop(args, seed, env, Stop::on_signals()?)?;
        let stop = connection.retry.stop();
        connection.http.end_on(stop);
        if let Some(deadline) = deadline {
            stop.request_after(deadline)?;
        }
        Ok(connection)
    }

    /// Like [`Connection::open`], but signals do not end waits and requests. A signal ends the
    /// program at once, unless something else in the program handles signals.
    pub fn without_signals(
        args: &NetArgs,
        seed: u64,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Connection> {
        Connection::with_stop(args, seed, env, Stop::default())
    }

    fn with_stop(
        args: &NetArgs,
        seed: u64,
        env: &dyn Fn(&str) -> Option<String>,
        stop: Stop,
    ) -> anyhow::Result<Connection> {
        let clock = Clock::system();
        let http = Http::new(&args.http, env, clock.clone())?;
        let retry = Retry::new(&args.retry, seed, clock, stop);
        Ok(Connection { http, retry })
    }

    /// A connection for tests, without retries and signals. Its clock is a manual one.
    #[cfg(test)]
    pub(crate) fn manual(now: crate::time::Timestamp) -> Connection {
        let http = HttpArgs {
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            ca_cert: None,
        };
        let retry = RetryArgs {
            tries: 1,
            backoff: Duration::ZERO,
            patience: Duration::ZERO,
        };
        let clock = Clock::manual(now);
        Connection {
            http: Http::new(&http, &|_| None, clock.clone()).unwrap(),
            retry: Retry::new(&retry, 1, clock, crate::os::signals::Stop::default()),
        }
    }

    /// The schedule, the clock, the jitter and the request to stop.
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// A client for one service, limited by `rates`.
    pub fn client(&self, rates: &[Rate], access: Box<dyn Access>) -> Client {
        self.client_within(self.budget(rates), access)
    }

    /// A client for one service, limited by `rate`. With `share`, several processes share the rate.
    pub fn sharing_client(
        &self,
        rate: Rate,
        share: Option<RateShare>,
        access: Box<dyn Access>,
    ) -> Client {
        let budget = self.budget(&[rate]);
        let budget = match share {
            Some(share) => budget.shared(share),
            None => budget,
        };
        self.client_within(budget, access)
    }

    /// A client for a last request after a stop was requested. It tries the request once.
    pub(crate) fn last_client(&self, access: Box<dyn Access>) -> Client {
        let retry = self.retry.once();
        let budget = Budget::new(&[], Duration::ZERO, retry.clock().clone());
        Client::new(self.http.anew(), retry, budget, access)
    }

    fn budget(&self, rates: &[Rate]) -> Budget {
        let (patience, clock) = (self.retry.patience(), self.retry.clock().clone());
        Budget::new(rates, patience, clock)
    }

    fn client_within(&self, budget: Budget, access: Box<dyn Access>) -> Client {
        Client::new(self.http.clone(), self.retry.clone(), budget, access)
    }
}
