//! Pushes, mangled: each has an answer, and the receiver goes on.

use super::mangled;
use crate::receive::served::Place;
use crate::receive::steps::{push_all, pushes};

#[test]
fn to_a_receiver() {
    let mut place = Place::new();
    let mut served = place.serve();
    for seed in 0..60 {
        let bodies: Vec<_> = pushes()
            .into_iter()
            .zip(seed..)
            .map(|((kind, body), seed)| (kind, mangled(&body, seed)))
            .collect();
        for status in push_all(served.port, &bodies) {
            let is_answer = status.is_some_and(|status| (200..500).contains(&status));
            assert!(is_answer, "seed {seed}: {status:?}");
        }
    }
    assert!(!served.has_ended());
    let good = push_all(served.port, &pushes());
    assert_eq!(good[0], Some(200));
    served.stop();
    // What is no record is set aside; what has another time or type is a record of its own.
    let mut again = place.serve();
    assert!(!again.has_ended());
    again.stop();
}
