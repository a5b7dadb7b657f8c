//! Checks whether the vendor uses the new credentials. The receiver's `/v1/usage` shows when each
//! client was last seen.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ledger;
use crate::error;
use crate::net::client::{self, ApiCall, Client};
use crate::net::http::{Url, join_path};
use crate::net::retry::Attempt;
use crate::time::{Timestamp, show_duration};

/// How long the vendor can still use old settings after an update, according to its documentation.
pub const LEAST_QUIET: Duration = Duration::from_secs(5 * 60);

/// The conditions for a complete switch from old to new credentials.
#[derive(Clone, Debug)]
pub struct Switch<'a> {
    /// The client that the receiver must have seen.
    pub new_client: &'a str,
    /// The client of the old credentials.
    pub old_client: Option<&'a str>,
    /// For how long the receiver must not have seen the old client.
    pub quiet: Duration,
    /// The path of the ledger that contains the update.
    pub ledger: &'a Path,
    /// How long the old credentials stay valid after the update.
    pub keep_old: Duration,
}

/// The line that is printed: when the receiver last saw each client, and whether the switch is
/// complete.
#[derive(Debug, Serialize)]
pub struct SwitchLine {
    new_client: String,
    new_last: Option<Timestamp>,
    old_client: Option<String>,
    old_last: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    /// The receiver must keep old credentials and paths until this time.
    keep_old_until: Timestamp,
    done: bool,
    #[serde(skip)]
    why: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    uses: Vec<ClientUse>,
}

#[derive(Deserialize)]
struct ClientUse {
    client: String,
    last: Timestamp,
}

impl SwitchLine {
    /// The condition that is not met; `None` if the switch is complete.
    pub fn lacks(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

impl Switch<'_> {
    /// Asks the receiver when each client last used it, for a push, a GET or a token. `receiver` is
    /// the address of the receiver's admin listener.
    pub fn look(&self, client: &Client, receiver: &Url) -> anyhow::Result<SwitchLine> {
        let usage = usage(client, receiver)?;
        let entries = ledger::read(self.ledger)?;
        let is_new = |entry: &&ledger::SubscriptionEntry| {
            let id =
                |one: &Option<ledger::InUse>| one.as_ref().and_then(|one| one.client_id.clone());
            id(&entry.new).as_deref() == Some(self.new_client) && id(&entry.old) != id(&entry.new)
        };
        let updated_at = entries.iter().rev().find(is_new).map(|entry| entry.at);
        if updated_at.is_none() {
            log::warn!(
                "{}: this ledger has no update to client {}, so a probe with that client counts as a request of the vendor",
                self.ledger.display(),
                self.new_client
            );
        }
        Ok(self.judge(&usage, updated_at, client.retry().now()))
    }

    fn judge(&self, usage: &Usage, updated_at: Option<Timestamp>, now: Timestamp) -> SwitchLine {
        let last = |id: &str| {
            let uses = usage.uses.iter().filter(|one| one.client == id);
            uses.map(|one| one.last).max()
        };
        let new_last = last(self.new_client);
        let old_last = self.old_client.and_then(last);
        // A push before the update is possibly from our own probe, so only a push after the update
        // counts.
        let is_seen = new_last.is_some_and(|last| updated_at.is_none_or(|at| last > at));
        let quiet_for = old_last.map(|last| now.since(last));
        let why = match (is_seen, quiet_for) {
            (false, _) => Some(format!(
                "client {} has sent no request{}",
                self.new_client,
                if updated_at.is_some() {
                    " since the update"
                } else {
                    ""
                }
            )),
            (true, Some(quiet)) if quiet < self.quiet => Some(format!(
                "client {} sent a request {} ago; it must be quiet for {}",
                self.old_client.unwrap_or_default(),
                show_duration(Duration::from_secs(quiet.as_secs())),
                show_duration(self.quiet)
            )),
            _ => None,
        };
        SwitchLine {
            new_client: self.new_client.to_owned(),
            new_last,
            old_client: self.old_client.map(str::to_owned),
            old_last,
            updated_at,
            keep_old_until: updated_at.unwrap_or(now).plus(self.keep_old),
            done: why.is_none(),
            why,
        }
    }
}

fn usage(client: &Client, receiver: &Url) -> anyhow::Result<Usage> {
    let url = join_path(receiver, "/v1/usage");
    let call = ApiCall {
        follows: false,
        ..ApiCall::get(url, "application/json")
    };
    client.fetch(&call, |reply| {
        if reply.status != 200 {
            let said = reply.said(|_| None);
            let hint = "--receiver must be the admin listener of ocp-receive";
            return Err(client::refusal(&call.what, reply.status, &said, hint).into());
        }
        let text = match reply.text() {
            Ok(text) => text,
            Err(e) => return e.into_failed().map(Attempt::Again),
        };
        serde_json::from_str(&text).map(Attempt::Done).map_err(|e| {
            error::refused(format!(
                "{}: the reply is not a list of uses: {e}",
                call.what
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_complete_when_the_new_one_pushed_after_the_update_and_the_old_one_is_quiet() {
        let at = |minute: i64| Timestamp::from_millis(1_795_176_000_000 + 60_000 * minute);
        let judge = |new: Option<i64>, old: Option<i64>, updated: Option<i64>| {
            let uses = [("b", new), ("a", old)].into_iter();
            let uses = uses.filter_map(|(client, minute)| {
                Some(ClientUse {
                    client: client.to_owned(),
                    last: at(minute?),
                })
            });
            let switch = Switch {
                new_client: "b",
                old_client: Some("a"),
                quiet: Duration::from_secs(900),
                ledger: Path::new("none"),
                keep_old: Duration::from_secs(25 * 3600),
            };
            let uses = uses.collect();
            let line = switch.judge(&Usage { uses }, updated.map(at), at(60));
            line.why.unwrap_or_default()
        };
        assert_eq!(judge(Some(50), Some(45), Some(30)), "");
        assert_eq!(judge(Some(50), None, None), "");
        assert!(judge(Some(50), Some(46), Some(30)).contains("sent a request 14m ago"));
        assert!(judge(Some(29), Some(1), Some(30)).contains("since the update"));
        assert!(judge(None, None, None).contains("b has sent no request"));
    }
}
