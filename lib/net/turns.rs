//! Decides which of several processes that share one rate may send the next request.
//!
//! The record is a list of places, in the order in which the processes asked for them. A place is
//! the entry of one request. A place is first waiting, then granted (the request can be on its
//! way), then used (the reply began). A place is *young* if it is younger than the rate's period; a
//! waiting place is always young. A request may be sent when the number of young places before its
//! own is less than the rate's limit. So no request waits forever, and no period has more requests
//! than the limit.
//!
//! A process can be killed at any time. Its waiting place is dropped if the process does not ask
//! again within [`LEASE`]. Its granted place counts as used at the latest [`grace`] after the
//! grant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::net::rate::Rate;
use crate::os::clock::MachineTime;

/// A waiting process that does not ask again within this time counts as dead. If it asks later, it
/// gets a new place at the end of the list.
const LEASE: Duration = Duration::from_secs(6);

/// After this time, a granted request has reached the service or will never reach it.
const LONGEST_WAY: Duration = Duration::from_secs(30);

/// The record that the processes share: the list of places, and the pause.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Turns {
    /// The longest period of all rates that processes have used, in milliseconds. A used place
    /// stays in the list for this time.
    period: u64,
    closed: Option<Closed>,
    places: Vec<Place>,
}

/// A pause that the service asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Closed {
    at: MachineTime,
    millis: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    id: String,
    step: PlaceStep,
    at: MachineTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlaceStep {
    Waiting,
    Granted,
    Used,
}

impl Turns {
    /// A new record in place of a lost one. It assumes that as many requests as the rate allows
    /// were sent just now.
    pub(super) fn spent(rate: Rate, now: &MachineTime) -> Turns {
        let place = |number| Place {
            id: format!("lost-{number}"),
            step: PlaceStep::Used,
            at: now.clone(),
        };
        Turns {
            places: (0..rate.limit).map(place).collect(),
            ..Turns::default()
        }
    }

    /// Asks, perhaps again, whether the request `id` may be sent. If it may, grants its place and
    /// returns zero. Otherwise returns the expected wait.
    pub(super) fn ask(&mut self, id: &str, rate: Rate, now: &MachineTime) -> Duration {
        if let Some(own) = self.place(id) {
            own.at = now.clone();
        }
        self.tidy(rate, now);
        let at = self.places.iter().position(|place| place.id == id);
        let at = at.unwrap_or_else(|| {
            self.places.push(Place {
                id: id.to_owned(),
                step: PlaceStep::Waiting,
                at: now.clone(),
            });
            self.places.len() - 1
        });
        let wait = wait_behind(&self.places[..at], rate, now);
        if wait.is_zero() {
            self.places[at].step = PlaceStep::Granted;
        }
        wait
    }

    /// Sets the time of the granted request `id` to now, because it is sent only now. Returns false
    /// if its place is gone.
    pub(super) fn renew(&mut self, id: &str, now: &MachineTime) -> bool {
        let own = self.place(id);
        own.map(|own| own.at = now.clone()).is_some()
    }

    /// Notes that the reply to the request `id` began at the time `at`.
    pub(super) fn count(&mut self, id: &str, at: MachineTime) {
        let place = Place {
            id: id.to_owned(),
            step: PlaceStep::Used,
            at,
        };
        match self.place(id) {
            Some(own) => *own = place,
            None => self.places.push(place),
        }
    }

    /// Removes the place of the request `id`.
    pub(super) fn leave(&mut self, id: &str) {
        self.places.retain(|place| place.id != id);
    }

    /// Stops all requests for `length`, unless a pause is in progress that ends later.
    pub(super) fn close(&mut self, length: Duration, now: &MachineTime) {
        if length > self.closed_for(now) {
            self.closed = Some(Closed {
                at: now.clone(),
                millis: millis(length),
            });
        }
    }

    /// The rest of the pause that stops all requests; zero if there is none.
    pub(super) fn closed_for(&self, now: &MachineTime) -> Duration {
        let left = self.closed.as_ref().map(|closed| {
            let age = now.since(&closed.at).unwrap_or_default();
            Duration::from_millis(closed.millis).saturating_sub(age)
        });
        left.unwrap_or_default()
    }

    fn place(&mut self, id: &str) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.id == id)
    }

    /// Drops old places and places of dead processes. Replaces times in the future by `now`: such a
    /// time is from a wrong wall clock in an earlier boot of the machine.
    fn tidy(&mut self, rate: Rate, now: &MachineTime) {
        self.period = self.period.max(millis(rate.per));
        let keep = Duration::from_millis(self.period);
        self.places.retain_mut(|place| {
            let age = now.since(&place.at).unwrap_or_else(|| {
                place.at = now.clone();
                Duration::ZERO
            });
            match place.step {
                PlaceStep::Waiting => age <= LEASE,
                PlaceStep::Granted => age < keep + grace(keep),
                PlaceStep::Used => age < keep,
            }
        });
        if let Some(closed) = &mut self.closed
            && now.since(&closed.at).is_none()
        {
            closed.at = now.clone();
        }
    }
}

/// The longest time from the grant of a request to its arrival at the service. `per` is the period
/// of the rate.
fn grace(per: Duration) -> Duration {
    LONGEST_WAY.min(per / 2)
}

/// The time until `places` contains fewer [young](self) places than the rate's limit.
fn wait_behind(places: &[Place], rate: Rate, now: &MachineTime) -> Duration {
    let mut young_for: Vec<Duration> = Vec::with_capacity(places.len());
    for place in places {
        let age = now.since(&place.at).unwrap_or_default();
        young_for.push(match place.step {
            PlaceStep::Used => rate.per.saturating_sub(age),
            PlaceStep::Granted => {
                let age = age.saturating_sub(grace(rate.per));
                rate.per.saturating_sub(age)
            }
            PlaceStep::Waiting => until_free(&young_for, rate) + rate.per,
        });
    }
    until_free(&young_for, rate)
}

fn until_free(young_for: &[Duration], rate: Rate) -> Duration {
    let mut young_for = young_for.to_vec();
    young_for.sort_unstable_by(|one, other| other.cmp(one));
    let last = rate.limit.checked_sub(1).and_then(|at| young_for.get(at));
    last.copied().unwrap_or_default()
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::clock::Clock;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_burst_for_all_together_then_one_as_each_ages_out_first_come_first_served() {
        let (clock, rate) = (Clock::manual(START), rate("2/10s"));
        let mut turns = Turns::default();
        for (id, wait) in [("a", 0), ("b", 0), ("c", 10), ("d", 10), ("e", 20)] {
            let now = clock.machine_time();
            assert_eq!(turns.ask(id, rate, &now), seconds(wait), "{id}");
        }
        turns.count("a", clock.machine_time());
        clock.advance(seconds(2));
        turns.count("b", clock.machine_time());
        for _ in 0..8 {
            clock.advance(seconds(1));
            let now = clock.machine_time();
            // `e` asks before `d` and `c`, but its place is behind theirs.
            assert!(turns.ask("e", rate, &now) > Duration::ZERO);
            turns.ask("d", rate, &now);
            turns.ask("c", rate, &now);
        }
        let now = clock.machine_time();
        assert_eq!(turns.ask("c", rate, &now), Duration::ZERO, "granted stays");
        assert_eq!(turns.ask("d", rate, &now), seconds(2));
    }

    #[test]
    fn who_is_killed_while_waiting_holds_up_the_others_for_the_lease_at_most() {
        let (clock, rate) = (Clock::manual(START), rate("1/10s"));
        let mut turns = Turns::default();
        turns.ask("a", rate, &clock.machine_time());
        turns.count("a", clock.machine_time());
        assert_eq!(turns.ask("dead", rate, &clock.machine_time()), seconds(10));
        assert_eq!(turns.ask("b", rate, &clock.machine_time()), seconds(20));
        clock.advance(LEASE + Duration::from_millis(1));
        let wait = turns.ask("b", rate, &clock.machine_time());
        assert!(wait < seconds(4), "{wait:?}");
    }

    #[test]
    fn who_is_killed_with_a_request_under_way_costs_one_place_once() {
        let (clock, rate) = (Clock::manual(START), rate("1/10s"));
        let mut turns = Turns::default();
        assert!(turns.ask("dead", rate, &clock.machine_time()).is_zero());
        clock.advance(seconds(4));
        let wait = turns.ask("b", rate, &clock.machine_time());
        assert_eq!(wait, seconds(10), "it may reach the service just now");
        clock.advance(seconds(4));
        let wait = turns.ask("b", rate, &clock.machine_time());
        assert_eq!(wait, seconds(7), "5 s after it was granted at the latest");
        clock.advance(seconds(7));
        assert!(turns.ask("b", rate, &clock.machine_time()).is_zero());
    }

    #[test]
    fn a_record_that_is_lost_costs_one_period() {
        let (clock, rate) = (Clock::manual(START), rate("3/10s"));
        let mut turns = Turns::spent(rate, &clock.machine_time());
        assert_eq!(turns.ask("a", rate, &clock.machine_time()), seconds(10));
        clock.advance(seconds(10));
        for id in ["a", "b", "c"] {
            assert!(turns.ask(id, rate, &clock.machine_time()).is_zero(), "{id}");
        }
    }

    #[test]
    fn after_a_start_of_the_machine_the_wall_clock_counts_and_never_blocks() {
        let rate = rate("1/10s");
        let before = r#"{"id":"x","step":"used","at":{"boot":"old","up":99999999,"wall":WALL}}"#;
        let wait = |wall: i64| {
            let place = before.replace("WALL", &wall.to_string());
            let text = format!(r#"{{"period":10000,"closed":null,"places":[{place}]}}"#);
            let mut turns: Turns = serde_json::from_str(&text).unwrap();
            let clock = Clock::manual(START);
            let first = turns.ask("a", rate, &clock.machine_time());
            clock.advance(first);
            assert!(turns.ask("a", rate, &clock.machine_time()).is_zero());
            first
        };
        assert_eq!(wait(START.millis() - 4_000), seconds(6));
        assert_eq!(wait(START.millis() - 40_000), seconds(0));
        let a_year = 365 * 86_400_000;
        assert_eq!(wait(START.millis() + a_year), seconds(10));
    }

    #[test]
    fn a_pause_is_for_all_and_ends() {
        let clock = Clock::manual(START);
        let mut turns = Turns::default();
        turns.close(seconds(30), &clock.machine_time());
        turns.close(seconds(3), &clock.machine_time());
        clock.advance(seconds(10));
        assert_eq!(turns.closed_for(&clock.machine_time()), seconds(20));
        clock.advance(seconds(20));
        assert_eq!(turns.closed_for(&clock.machine_time()), Duration::ZERO);
    }

    proptest! {
        /// Processes ask, send, are slow and are killed, in any order. In no period are more
        /// requests sent than the limit, and no living process waits forever.
        #[test]
        fn no_period_ever_holds_more_than_the_limit(
            steps in prop::collection::vec((0_usize..6, 0_u64..3000, 0_u8..12), 1..200),
            limit in 1_usize..5,
        ) {
            let rate = Rate { limit, per: seconds(10) };
            let clock = Clock::manual(START);
            let mut turns = Turns::default();
            let mut sent: Vec<Duration> = Vec::new();
            let mut passed = Duration::ZERO;
            let mut lives = [0_u32; 6];
            for (process, pause, fate) in steps {
                let pause = Duration::from_millis(pause);
                clock.advance(pause);
                passed += pause;
                let id = format!("{process}-{}", lives[process]);
                if fate == 0 {
                    lives[process] += 1;
                } else if turns.ask(&id, rate, &clock.machine_time()).is_zero() {
                    // The request reaches the service now, but its process can die before it counts
                    // the request.
                    sent.push(passed);
                    if fate > 2 {
                        turns.count(&id, clock.machine_time());
                    }
                    lives[process] += 1;
                }
            }
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|other| **other - *first < rate.per);
                prop_assert!(within.count() <= limit);
            }
            for round in 0.. {
                let granted = turns.ask("last", rate, &clock.machine_time());
                if granted.is_zero() {
                    break;
                }
                prop_assert!(round < 200, "nobody starves");
                clock.advance(granted.min(seconds(1)));
            }
        }
    }
}
