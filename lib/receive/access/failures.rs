//! Limits wrong secrets: after 10 in a minute, an address is refused.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::os::mutex::lock;

const LIMIT: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// The most addresses whose failures are remembered, so that memory is limited.
const MOST: usize = 4096;

/// The failures of the last minute, by address.
#[derive(Debug, Default)]
pub(crate) struct AuthFailures {
    by_address: Mutex<HashMap<IpAddr, VecDeque<Instant>>>,
}

impl AuthFailures {
    /// Whether the address has failed too often in the last minute.
    pub(crate) fn are_too_many(&self, address: IpAddr, now: Instant) -> bool {
        let mut by_address = lock(&self.by_address);
        let Some(failures) = by_address.get_mut(&host(address)) else {
            return false;
        };
        forget(failures, now);
        failures.len() >= LIMIT
    }

    /// Counts a failure.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let mut by_address = lock(&self.by_address);
        if by_address.len() >= MOST {
            by_address.retain(|_, failures| {
                forget(failures, now);
                !failures.is_empty()
            });
        }
        if by_address.len() >= MOST {
            by_address.clear();
        }
        by_address.entry(host(address)).or_default().push_back(now);
    }
}

fn forget(failures: &mut VecDeque<Instant>, now: Instant) {
    while failures
        .front()
        .is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW)
    {
        failures.pop_front();
    }
}

/// The address under which failures are counted: for IPv6 the /64 network, because one host can use
/// all addresses of it.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_then_no_more_until_they_age_out() {
        let failures = AuthFailures::default();
        let now = Instant::now();
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let same_host = "2001:db8::2".parse().unwrap();
        let elsewhere = "192.0.2.1".parse().unwrap();
        for n in 0..10 {
            assert!(!failures.are_too_many(here, now));
            failures.count(here, now + Duration::from_secs(n));
        }
        let later = now + Duration::from_secs(59);
        assert!(failures.are_too_many(here, later));
        assert!(failures.are_too_many(same_host, later));
        assert!(!failures.are_too_many(elsewhere, later));
        assert!(!failures.are_too_many(here, now + Duration::from_secs(60)));
    }

    #[test]
    fn memory_is_bounded() {
        let failures = AuthFailures::default();
        let now = Instant::now();
        for n in 0..20_000_u32 {
            failures.count(IpAddr::V4(n.into()), now);
        }
        assert!(lock(&failures.by_address).len() <= MOST);
    }
}
