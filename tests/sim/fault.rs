//! Faults on demand, in one line of text that tests and the command line share:
//!
//! ```text
//! ROLE[@SELECT]=KIND[,key=value…]
//! data@2=cut    any@%5=503,retry-after=1    status@1-3=state=QUEUED
//! ```
//!
//! SELECT is `3`, `2-4`, `3+` or `%5` (every fifth), on the running number of that role's requests
//! (of all requests for `any`), which starts at 1 when the simulator does; without it the fault
//! strikes always. If several faults match one request, the first given wins.

use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use super::refusal::Refusal;
use super::role::Role;
use super::spelling::{Misspelt, duration};

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `404`, `503,retry-after=2`: answered with that status, not carried out.
    Refuse(Refusal),
    /// `html`: a proxy's page with status 200; not carried out.
    Html,
    /// `busy`: a create meets somebody else's export.
    Busy,
    /// `names-running`: a create is answered with the running export of the group, as if it were new.
    NamesRunning,
    /// `size=N`: the metadata state N bytes.
    Size(u64),
    /// `bloat=N`: N bytes more than there should be.
    Bloat(usize),
    /// `redirect`: 307 to another origin, which serves the real body to anybody.
    Redirect,
    /// `forget-token`: every access token dies before this request is looked at.
    ForgetToken,
    /// `expire`, `fail`: the export ends that way before this request is looked at.
    Expire,
    Fail,
    /// `state=NAME`: pending exports have a status that nobody has heard of.
    State(String),
    /// `same-page`: whatever page is asked for, the first comes.
    SamePage,
    /// `short-zip`: one member fewer than promised.
    ShortZip,
    /// `bad-crc`: one damaged byte in a member's data, central directory intact.
    BadCrc,
    /// `truncated-zip`: half a ZIP, with a Content-Length that agrees.
    TruncatedZip,
    /// `list-empty`: 200 and no exports at all.
    ListEmpty,
    /// `garbage`: carried out, and answered 200 with broken JSON.
    Garbage,
    /// `lost`: carried out, and the connection closes without a word.
    Lost,
    /// `cut`: half the promised body, then the end of the connection.
    Cut,
    /// `stall[,for=30s]`: half the promised body, then silence.
    Stall(Duration),
    /// `slow-headers[,for=30s]`
    SlowHeaders(Duration),
}

impl Kind {
    fn parse(text: &str) -> Result<Kind, Misspelt> {
        let mut words = text.split(',');
        let name = words.next().unwrap_or_default();
        let mut options = Options(
            words
                .map(|w| w.split_once('=').unwrap_or((w, "")))
                .collect(),
        );
        let kind = match name {
            "html" => Kind::Html,
            "busy" => Kind::Busy,
            "names-running" => Kind::NamesRunning,
            "redirect" => Kind::Redirect,
            "forget-token" => Kind::ForgetToken,
            "expire" => Kind::Expire,
            "fail" => Kind::Fail,
            "same-page" => Kind::SamePage,
            "short-zip" => Kind::ShortZip,
            "bad-crc" => Kind::BadCrc,
            "truncated-zip" => Kind::TruncatedZip,
            "list-empty" => Kind::ListEmpty,
            "garbage" => Kind::Garbage,
            "lost" => Kind::Lost,
            "cut" => Kind::Cut,
            "stall" => Kind::Stall(options.pause()?),
            "slow-headers" => Kind::SlowHeaders(options.pause()?),
            _ => match name.split_once('=') {
                Some(("state", state)) => Kind::State(state.to_owned()),
                Some(("size", size)) => Kind::Size(number(size)?),
                Some(("bloat", size)) => Kind::Bloat(number(size)? as usize),
                _ => Kind::Refuse(Refusal::parse(name, &mut options)?),
            },
        };
        match options.0.first() {
            Some((key, _)) => Err(Misspelt::new(key, "an option that this kind of fault has")),
            None => Ok(kind),
        }
    }

    /// Whether the fault means anything to such a request; `None` stands for requests of any role.
    fn fits(&self, role: Option<Role>) -> bool {
        match self {
            Kind::Busy | Kind::NamesRunning => role == Some(Role::Create),
            Kind::Size(_) => role == Some(Role::Metadata),
            Kind::ListEmpty => matches!(role, Some(Role::List | Role::SubList)),
            Kind::State(_) => matches!(role, Some(Role::Status | Role::List)),
            Kind::Expire | Kind::Fail => role.is_some_and(Role::has_export),
            Kind::SamePage
            | Kind::ShortZip
            | Kind::BadCrc
            | Kind::TruncatedZip
            | Kind::Bloat(_) => role == Some(Role::Data),
            _ => true,
        }
    }
}

fn number(text: &str) -> Result<u64, Misspelt> {
    text.parse().map_err(|_| Misspelt::new(text, "a number"))
}

/// What follows the kind, taken out key by key so that what is left over is known to be misspelt.
pub struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    pub fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(found, _)| *found == key)?;
        Some(self.0.remove(at).1)
    }

    fn pause(&mut self) -> Result<Duration, Misspelt> {
        self.take("for")
            .map_or(Ok(Duration::from_secs(30)), duration)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Select {
    Between(u64, u64),
    Every(u64),
}

impl Select {
    fn parse(text: &str) -> Result<Select, Misspelt> {
        let misspelt = || Misspelt::new(text, "which requests: 3, 2-4, 3+ or %5, counted from 1");
        let number = |digits: &str| digits.parse().ok().filter(|n| *n > 0).ok_or_else(misspelt);
        if let Some(step) = text.strip_prefix('%') {
            Ok(Select::Every(number(step)?))
        } else if let Some(first) = text.strip_suffix('+') {
            Ok(Select::Between(number(first)?, u64::MAX))
        } else {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(misspelt());
            }
            Ok(Select::Between(first, last))
        }
    }

    fn matches(self, nth: u64) -> bool {
        match self {
            Select::Between(first, last) => (first..=last).contains(&nth),
            Select::Every(step) => nth.is_multiple_of(step),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    role: Option<Role>,
    select: Select,
    kind: Kind,
}

impl FromStr for Fault {
    type Err = Misspelt;

    fn from_str(text: &str) -> Result<Fault, Misspelt> {
        let expected = "ROLE[@SELECT]=KIND, such as data@2=cut";
        let (target, effect) = text
            .split_once('=')
            .ok_or_else(|| Misspelt::new(text, expected))?;
        let (role, select) = match target.split_once('@') {
            Some((role, select)) => (role, Select::parse(select)?),
            None => (target, Select::Between(1, u64::MAX)),
        };
        let role = if role == "any" {
            None
        } else {
            Some(role.parse()?)
        };
        let kind = Kind::parse(effect)?;
        if !kind.fits(role) {
            return Err(Misspelt::new(
                text,
                "a role that this kind of fault can strike",
            ));
        }
        Ok(Fault { role, select, kind })
    }
}

/// The faults in force and the counts they select on. Both are under one lock: a count is taken and
/// compared in a single step, so that `data@2=cut` strikes exactly one of many concurrent requests.
pub struct Faults(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    faults: Vec<Fault>,
    total: u64,
    by_role: [u64; Role::ALL.len()],
}

impl Faults {
    pub fn new(faults: Vec<Fault>) -> Faults {
        Faults(Mutex::new(Counted {
            faults,
            ..Counted::default()
        }))
    }

    pub fn add(&self, fault: Fault) {
        lock(&self.0).faults.push(fault);
    }

    pub fn reset(&self) {
        *lock(&self.0) = Counted::default();
    }

    /// Counts one request and says what is to go wrong with it.
    pub fn admit(&self, role: Role) -> Option<Kind> {
        let mut counted = lock(&self.0);
        counted.total += 1;
        counted.by_role[role as usize] += 1;
        let (total, of_role) = (counted.total, counted.by_role[role as usize]);
        let strikes = |fault: &&Fault| match fault.role {
            None => fault.select.matches(total),
            Some(wanted) => wanted == role && fault.select.matches(of_role),
        };
        counted
            .faults
            .iter()
            .find(strikes)
            .map(|fault| fault.kind.clone())
    }

    pub fn counts(&self) -> [(Role, u64); Role::ALL.len()] {
        let counted = lock(&self.0);
        Role::ALL.map(|role| (role, counted.by_role[role as usize]))
    }
}
