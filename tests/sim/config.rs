//! Everything that a test or a command line can choose. The defaults are the vendor's documented
//! limits, except that exports are ready in a third of a second.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::dialect::Dialect;
use super::fault::Fault;
use super::truth::{EmptyHours, Truth};
use super::{dialpad, voicegain};

#[derive(Clone)]
pub struct Config {
    /// 0 takes any free port.
    pub port: u16,
    /// Where the simulator's calendar starts; it then goes on at the pace of real time.
    pub now: DateTime<Utc>,
    /// Added to every reply.
    pub latency: Duration,
    pub faults: Vec<Fault>,

    pub realm: String,
    pub users: Vec<User>,
    pub otp_field: String,
    pub token_ttl: Duration,
    pub refresh_ttl: Duration,
    /// Whether a refresh hands out a new refresh token and kills the old one.
    pub rotate_refresh: bool,
    pub pat: Option<String>,

    /// The groups that this user may export.
    pub groups: Vec<String>,
    /// From create to READY; the n-th export takes the n-th of these, over and over.
    /// At least one.
    pub processing: Vec<Duration>,
    pub ready_life: Duration,
    /// What metadata and data of an EXPIRED export answer: 404 or 410, nobody knows.
    pub expired_status: u16,
    pub history: Duration,
    pub freshness: Duration,
    /// How many exports the list shows, the newest first.
    pub list_limit: usize,
    /// The docs speak of request headers but write a query.
    pub page_params_in_headers: bool,
    pub max_page_size: u64,
    /// Spelled otherwise than the suite guesses.
    pub dialect: Option<Dialect>,
    /// The most ZIPs per group in any window of that length.
    pub zip_limit: usize,
    pub zip_window: Duration,
    /// Whether that is for all groups together: the docs do not say.
    pub zips_of_all_groups: bool,

    pub truth: Truth,
    /// Sizes and CRCs after the data, where a streaming writer has to put them.
    pub descriptors: bool,
    /// ZIPs come in chunks instead of with a Content-Length.
    pub chunked: bool,

    /// How long after an update the old settings of a subscription are in use beside the new ones.
    pub subscription_sync: Duration,

    pub voicegain: voicegain::Config,
    pub dialpad: dialpad::Config,
}

#[derive(Clone)]
pub struct User {
    pub name: String,
    pub password: String,
    pub otp: Option<String>,
    /// Such as having to change the password first.
    pub has_required_action: bool,
}

impl User {
    pub fn new(name: &str, password: &str) -> User {
        User {
            name: name.to_owned(),
            password: password.to_owned(),
            otp: None,
            has_required_action: false,
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            port: 0,
            now: Utc::now(),
            latency: Duration::ZERO,
            faults: Vec::new(),
            realm: "master".to_owned(),
            users: vec![User::new("demo", "demo-password")],
            otp_field: "otp".to_owned(),
            token_ttl: Duration::from_secs(300),
            refresh_ttl: Duration::from_secs(1800),
            rotate_refresh: true,
            pat: None,
            groups: vec!["acme".to_owned(), "acme-qa".to_owned()],
            processing: vec![Duration::from_millis(300)],
            ready_life: Duration::from_secs(24 * 3600),
            expired_status: 404,
            history: Duration::from_secs(60 * 24 * 3600),
            freshness: Duration::from_secs(2 * 3600),
            list_limit: usize::MAX,
            page_params_in_headers: false,
            max_page_size: 200,
            dialect: None,
            zip_limit: 5,
            zip_window: Duration::from_secs(60),
            zips_of_all_groups: false,
            truth: Truth {
                records: 20,
                files: 2,
                recordings: 1,
                empty_hours: EmptyHours::None,
            },
            descriptors: true,
            chunked: false,
            subscription_sync: Duration::from_secs(300),
            voicegain: voicegain::Config::default(),
            dialpad: dialpad::Config::default(),
        }
    }
}
