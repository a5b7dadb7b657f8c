//! Records the changes of subscriptions, with their times, in an append-only file. After an update,
//! the vendor uses the old URL and credentials for some time. The file shows these old settings.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::subscription::{ListedSubscription, Subscription};
use crate::error;
use crate::os::clock::Clock;
use crate::os::journal::{Journal, lines};
use crate::time::Timestamp;

/// The first bytes of every subscription ledger.
const FIRST: &[u8] = br#"{"at":""#;

/// The open, locked ledger.
#[derive(Debug)]
pub struct SubscriptionLedger {
    journal: Journal,
    entries: Vec<SubscriptionEntry>,
    clock: Clock,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubscriptionEntry {
    /// When the service accepted the change.
    pub(crate) at: Timestamp,
    /// The id that the service gave the subscription.
    pub(crate) id: Option<String>,
    pub(crate) action: SubscriptionAction,
    /// The settings before the change, if any.
    pub(crate) old: Option<InUse>,
    /// The settings after the change, if any.
    pub(crate) new: Option<InUse>,
}

/// The kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SubscriptionAction {
    Create,
    /// The service already had the subscription, but the ledger did not contain its settings. The
    /// reply or the entry was lost, or somebody else changed the subscription.
    Adopt,
    Update,
    Delete,
}

/// The settings that the vendor uses for its pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InUse {
    url: Option<String>,
    pub(crate) client_id: Option<String>,
}

impl InUse {
    pub(crate) fn of(wanted: &Subscription) -> InUse {
        InUse {
            url: Some(wanted.callback_url.to_string()),
            client_id: Some(wanted.client_id.clone()),
        }
    }

    pub(crate) fn listed(listed: &ListedSubscription) -> InUse {
        InUse {
            url: listed.callback_url.clone(),
            client_id: listed.client_id.clone(),
        }
    }
}

impl SubscriptionLedger {
    /// Opens or creates the ledger. Fails with status 75 if another run has locked the ledger, and
    /// with status 65 if the file is damaged or is not a ledger.
    pub fn open(path: &Path, clock: Clock) -> anyhow::Result<SubscriptionLedger> {
        let begins = |text: &[u8]| text.starts_with(FIRST) || FIRST.starts_with(text);
        let (journal, text) = Journal::open(path, begins)?;
        let entries = parse(&text).with_context(|| path.display().to_string())?;
        Ok(SubscriptionLedger {
            journal,
            entries,
            clock,
        })
    }

    pub(crate) fn note(
        &mut self,
        id: &str,
        action: SubscriptionAction,
        old: Option<InUse>,
        new: Option<InUse>,
    ) -> anyhow::Result<()> {
        let entry = SubscriptionEntry {
            at: self.clock.now(),
            id: Some(id.to_owned()),
            action,
            old,
            new,
        };
        self.journal.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Records a subscription that differs from its last entry in the ledger. Either a run was
    /// killed between the change and its entry, or somebody else changed the subscription.
    pub(crate) fn see(&mut self, listed: &ListedSubscription) -> anyhow::Result<()> {
        let is_it = |entry: &&SubscriptionEntry| entry.id.as_ref() == Some(&listed.id);
        let last = self.entries.iter().rev().find(is_it);
        let known = last.and_then(|entry| entry.new.clone());
        let now = InUse::listed(listed);
        if known.as_ref() == Some(&now) {
            return Ok(());
        }
        self.note(&listed.id, SubscriptionAction::Adopt, known, Some(now))
    }
}

/// The entries of a ledger that another run is possibly using; empty if there is no file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<SubscriptionEntry>> {
    let place = || path.display().to_string();
    match std::fs::read(path) {
        Ok(text) => parse(&text).with_context(place),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e).with_context(place),
    }
}

fn parse(text: &[u8]) -> anyhow::Result<Vec<SubscriptionEntry>> {
    lines(text)
        .map(|(number, line)| {
            let bad = |why: String| error::bad_input(format!("line {number}: {why}"));
            let line = line.map_err(bad)?;
            serde_json::from_str(line).map_err(|e| bad(e.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use std::time::Duration;

    fn listed(client_id: &str) -> ListedSubscription {
        ListedSubscription {
            id: "s1".to_owned(),
            status: None,
            group: None,
            message_type: None,
            name: None,
            callback_url: Some("https://in.example/".to_owned()),
            token_url: None,
            client_id: Some(client_id.to_owned()),
            shown: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_change_that_nobody_noted_is_noted_once_with_what_was_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("subscriptions.ndjson");
        let clock = Clock::manual(Timestamp::from_millis(1_795_176_000_000));
        let mut ledger = SubscriptionLedger::open(&path, clock.clone()).unwrap();
        ledger.see(&listed("a")).unwrap();
        ledger.see(&listed("a")).unwrap();
        clock.advance(Duration::from_secs(60));
        ledger.see(&listed("b")).unwrap();
        let refused = SubscriptionLedger::open(&path, clock.clone()).unwrap_err();
        assert_eq!(Status::of(&refused), Status::TryLater);
        drop(ledger);
        let entries = read(&path).unwrap();
        let clients = |entry: &SubscriptionEntry| {
            let id = |one: &Option<InUse>| one.as_ref().and_then(|one| one.client_id.clone());
            (id(&entry.old), id(&entry.new))
        };
        let clients: Vec<_> = entries.iter().map(clients).collect();
        let client = |id: &str| Some(id.to_owned());
        assert_eq!(clients, [(None, client("a")), (client("a"), client("b"))]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(r#"{"at":"2026-11-20T12:00:00Z","id":"s1","action":"adopt","old":null,"new":{"url":"#), "{text}");
    }
}
