//! The simulator as a program: `cargo run --example vendor-sim -- --env-file sim.env`, then `.
//! ./sim.env` in the shell that runs the suite.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "test code: what cannot go on ends loudly, and nothing here must survive a crash"
)]

mod sim;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use sim::spelling::{duration, instant};
use sim::truth::{EmptyHours, Truth};
use sim::{Config, Fault, Sim, User, dialpad, voicegain};

/// Simulate Omilia's login, Exports API and Metrics API, Voicegain's calls and Dialpad's messages, on loopback.
///
/// Prints one line of JSON, {"url":…,"pid":…}, when it listens; ends on SIGTERM or SIGINT.
/// Durations: 300ms, 2s, 5m, 24h, 60d.
#[derive(Parser)]
#[command(name = "vendor-sim")]
struct Args {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where the calendar starts, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    now: Option<DateTime<Utc>>,
    /// Time from create to READY; the n-th export takes the n-th of a list, over and over
    #[arg(long, value_name = "DUR", value_delimiter = ',', value_parser = duration, default_value = "300ms")]
    processing: Vec<Duration>,
    /// ZIPs per group and window
    #[arg(long, value_name = "N", default_value_t = 5)]
    zip_limit: usize,
    /// Length of that sliding window
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "60s")]
    zip_window: Duration,
    /// How long an export stays READY
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "24h")]
    ready_life: Duration,
    /// Life of an access token
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "300s")]
    token_ttl: Duration,
    /// Life of a refresh token
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "1800s")]
    refresh_ttl: Duration,
    /// How far back data can be exported
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "60d")]
    history: Duration,
    /// How old data must be
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "2h")]
    freshness: Duration,
    /// Added to every reply
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "0s")]
    latency: Duration,
    /// Files per ZIP, at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_page_size: u64,
    /// Records per hour and type
    #[arg(long, value_name = "N", default_value_t = 20)]
    records: u64,
    /// Files per hour and type
    #[arg(long, value_name = "N", default_value_t = 2)]
    files: u64,
    /// Recordings per hour, for the type wcr
    #[arg(long, value_name = "N", default_value_t = 1)]
    recordings: u64,
    /// Hours without any file: none, some or all
    #[arg(long, value_name = "WHICH", default_value = "none")]
    empty_hours: EmptyHours,
    /// Plain ZIP headers instead of data descriptors
    #[arg(long)]
    no_descriptors: bool,
    /// ZIPs in chunks instead of with a Content-Length
    #[arg(long)]
    chunked: bool,
    /// ROLE[@SELECT]=KIND[,key=value…], such as data@2=cut or any@%5=503,retry-after=1; repeatable
    #[arg(long, value_name = "SPEC")]
    fault: Vec<Fault>,
    /// Keycloak realm that exists
    #[arg(long, value_name = "NAME", default_value = "master")]
    realm: String,
    /// The one user
    #[arg(long, value_name = "NAME", default_value = "demo")]
    user: String,
    /// The user's password, which protects nothing
    #[arg(long, value_name = "TEXT", default_value = "demo-password")]
    password: String,
    /// Second factor that the user must give
    #[arg(long, value_name = "CODE")]
    otp: Option<String>,
    /// Personal access token that is accepted as well
    #[arg(long, value_name = "TOKEN")]
    pat: Option<String>,
    /// Group that the user may export; repeatable
    #[arg(long, value_name = "NAME", default_values = ["acme", "acme-qa"])]
    group: Vec<String>,
    /// Calls of Voicegain's project
    #[arg(long, value_name = "N", default_value_t = 40)]
    calls: u64,
    /// Phrases in the word cloud of a call: what makes it big
    #[arg(long, value_name = "N", default_value_t = 3)]
    call_phrases: u64,
    /// Requests to Voicegain in a minute, and in an hour forty times as many
    #[arg(long, value_name = "N", default_value_t = 75)]
    call_quota: u64,
    /// The one token of Voicegain's project
    #[arg(long, value_name = "TEXT", default_value = "demo-jwt")]
    jwt: String,
    /// Messages of Dialpad's provider
    #[arg(long, value_name = "N", default_value_t = 300)]
    messages: u64,
    /// Days that they are spread over
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    message_days: f64,
    /// Letters that each text is filled up with
    #[arg(long, value_name = "N", default_value_t = 20)]
    message_letters: usize,
    /// Messages at a time with a limit of 0 [default: all]
    #[arg(long, value_name = "N")]
    message_cap: Option<u64>,
    /// Dialpad counts start and end in seconds
    #[arg(long)]
    epoch_seconds: bool,
    /// Dialpad counts offset in pages
    #[arg(long)]
    offset_pages: bool,
    /// Dialpad gives messages in another order for every request
    #[arg(long)]
    shuffled: bool,
    /// The one key of Dialpad's provider, which is 1020
    #[arg(long, value_name = "TEXT", default_value = "demo-key")]
    dialpad_key: String,
    /// Series of each metric of the Metrics API [default: a few]
    #[arg(long, value_name = "N")]
    metric_series: Option<usize>,
    /// Write the suite's settings there, to be sourced by a shell
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let sim = Sim::start(args.config())?;
    sim.metrics().run(1.0);
    sim.metrics().set(|knobs| knobs.many = args.metric_series);
    if let Some(path) = &args.env_file {
        write_whole(path, &args.environment(&sim.url()))?;
    }
    let mut stdout = io::stdout();
    writeln!(
        stdout,
        r#"{{"url":"{}","pid":{}}}"#,
        sim.url(),
        process::id()
    )?;
    stdout.flush()?;
    signals.forever().next();
    Ok(())
}

impl Args {
    fn config(&self) -> Config {
        let user = User {
            otp: self.otp.clone(),
            ..User::new(&self.user, &self.password)
        };
        Config {
            port: self.port,
            now: self.now.unwrap_or_else(Utc::now),
            latency: self.latency,
            faults: self.fault.clone(),
            realm: self.realm.clone(),
            users: vec![user],
            token_ttl: self.token_ttl,
            refresh_ttl: self.refresh_ttl,
            pat: self.pat.clone(),
            groups: self.group.clone(),
            processing: self.processing.clone(),
            ready_life: self.ready_life,
            history: self.history,
            freshness: self.freshness,
            max_page_size: self.max_page_size,
            zip_limit: self.zip_limit,
            zip_window: self.zip_window,
            truth: Truth {
                records: self.records,
                files: self.files,
                recordings: self.recordings,
                empty_hours: self.empty_hours,
            },
            descriptors: !self.no_descriptors,
            chunked: self.chunked,
            voicegain: voicegain::Config {
                token: self.jwt.clone(),
                calls: self.calls,
                phrases: self.call_phrases,
                quota: (self.call_quota, self.call_quota.saturating_mul(40)),
                ..voicegain::Config::default()
            },
            dialpad: dialpad::Config {
                key: self.dialpad_key.clone(),
                messages: self.messages,
                days: self.message_days,
                letters: self.message_letters,
                zero: self
                    .message_cap
                    .map_or(dialpad::Zero::All, dialpad::Zero::Cap),
                unit: match self.epoch_seconds {
                    true => dialpad::Unit::S,
                    false => dialpad::Unit::Ms,
                },
                offset: match self.offset_pages {
                    true => dialpad::Offset::Pages,
                    false => dialpad::Offset::Rows,
                },
                order: match self.shuffled {
                    true => dialpad::Order::Shuffled,
                    false => dialpad::Order::OldestFirst,
                },
                ..dialpad::Config::default()
            },
            ..Config::default()
        }
    }

    fn environment(&self, url: &str) -> String {
        let voicegain = format!("{url}/v1");
        let mut settings = vec![
            ("OCP_API_URL", url),
            ("OCP_IAM_URL", url),
            ("OCP_REALM", &self.realm),
            ("OCP_USERNAME", &self.user),
            ("OCP_PASSWORD", &self.password),
            ("VOICEGAIN_BASE_URL", &voicegain),
            ("VOICEGAIN_TOKEN", &self.jwt),
            ("DIALPAD_BASE_URL", url),
            ("DIALPAD_PROVIDER_ID", "1020"),
            ("DIALPAD_API_KEY", &self.dialpad_key),
        ];
        settings.extend(self.otp.as_deref().map(|otp| ("OCP_OTP", otp)));
        let line = |(name, value): &(&str, &str)| {
            format!("export {name}='{}'\n", value.replace('\'', r"'\''"))
        };
        settings.iter().map(line).collect()
    }
}

/// Complete or absent, for scripts that wait for the file to appear.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", process::id()));
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}
