//! One call of a run, or one request to its bucket, and what goes wrong with it.

use std::path::{Path, PathBuf};

use super::strace::Call;
use crate::bucket::service;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program is killed before it.
    Killed,
    /// It fails once.
    Fails(&'static str),
    /// It and all others of its name fail from then on.
    FailsForGood(&'static str),
}

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub struct Injection {
    place: Place,
    /// As a message names it.
    pub label: String,
}

/// Where something goes wrong, and what.
#[derive(Clone, Debug)]
enum Place {
    Call {
        call: Call,
        /// Only in the first thread; else in whichever comes to its n-th first.
        main_only: bool,
        fault: Fault,
    },
    Request(RequestFault),
}

/// What goes wrong with the n-th request to the bucket, from 1.
#[derive(Clone, Copy, Debug)]
pub struct RequestFault {
    nth: u64,
    is_for_good: bool,
    fault: service::Fault,
}

impl RequestFault {
    pub fn of(self, number: u64) -> Option<service::Fault> {
        let is_it = number == self.nth || self.is_for_good && number > self.nth;
        is_it.then_some(self.fault)
    }
}

impl Injection {
    /// The prefix that makes it happen, if it is a call.
    pub fn prefix(&self) -> String {
        let Place::Call {
            call,
            main_only,
            fault,
        } = &self.place
        else {
            return String::new();
        };
        let (name, nth) = (&call.name, call.nth);
        let what = match fault {
            Fault::Killed => format!("signal=KILL:when={nth}"),
            Fault::Fails(error) => format!("error={error}:when={nth}"),
            Fault::FailsForGood(error) => format!("error={error}:when={nth}+"),
        };
        let threads = if *main_only { "" } else { "-f " };
        format!("strace {threads}-qq -o /dev/null -e trace={name} -e inject={name}:{what}")
    }

    /// The request to the bucket that fails, if it is one.
    pub fn request(&self) -> Option<RequestFault> {
        match &self.place {
            Place::Call { .. } => None,
            Place::Request(request) => Some(*request),
        }
    }
}

/// Every request to the bucket with everything that can go wrong with it. Kills come with the
/// calls that send.
pub fn request_injections(requests: &[String]) -> Vec<Injection> {
    use service::Fault::{Cut, Lost, Refused};
    let faults = [
        (Refused(500, "InternalError"), false),
        (Refused(503, "SlowDown"), true),
        (Cut, false),
        (Lost, false),
    ];
    let of = |(nth, request): (u64, &String)| {
        faults.map(|(fault, is_for_good)| Injection {
            label: format!("{fault:?} {request} [{nth}]"),
            place: Place::Request(RequestFault {
                nth,
                is_for_good,
                fault,
            }),
        })
    };
    (1..).zip(requests).flat_map(of).collect()
}

/// Every call of a recorded run with everything that can go wrong with it.
///
/// strace counts the calls of each thread for itself. Those of the first thread are
/// met exactly; of the others' n-th calls, each fails that is told to fail, and the
/// first to come is where the program is killed.
pub fn injections(calls: &[Call], site: &Path) -> Vec<Injection> {
    const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EDQUOT", "EROFS"];
    let main = calls.first().map(|call| call.thread);
    let mut seen = Vec::new();
    let mut injections = Vec::new();
    for call in calls.iter().filter(|call| changes(call, site)) {
        let main_only = Some(call.thread) == main;
        let key = (call.name.clone(), call.nth, main_only);
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let error = |more: usize| ERRORS[(seen.len() + more) % ERRORS.len()];
        let faults = [
            Fault::Killed,
            Fault::Fails(error(0)),
            Fault::FailsForGood(error(1)),
            Fault::Fails("EINTR"),
        ];
        let is_possible = |fault: &Fault| match call.name.as_str() {
            // That requests fail is tested where the network is.
            "sendto" => *fault == Fault::Killed,
            // The loader's opens, in the first thread, would fail before.
            "openat" => main_only || !matches!(fault, Fault::FailsForGood(_)),
            _ => true,
        };
        injections.extend(
            faults
                .into_iter()
                .filter(is_possible)
                .map(|fault| Injection {
                    label: format!("{fault:?} {}", call.label(site)),
                    place: Place::Call {
                        call: call.clone(),
                        main_only,
                        fault,
                    },
                }),
        );
    }
    injections
}

/// Whether a call is about the user's files or streams, and not about libraries.
fn changes(call: &Call, site: &Path) -> bool {
    let is_open = call.name.starts_with("open");
    let is_ours = |path: &PathBuf| path.starts_with(site);
    !is_open || call.paths.iter().any(is_ours)
}
