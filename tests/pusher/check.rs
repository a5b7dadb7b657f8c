//! The pusher itself, against a receiver that keeps what it took.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::canonical::canonical;
use super::{Habits, Load, Pusher, Recording, Shape, TokenForm};
use crate::sim::http::Request;
use crate::sim::reply::{Delivery, Reply};
use crate::sim::server::Server;
use crate::sim::subscriptions::{Feed, Settings};
use crate::sim::{Config, Sim, lock};

/// A receiver whose reply to a push the test chooses by its number.
struct Receiver {
    server: Server,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Receiver {
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let log = Arc::clone(&bodies);
        let server = Server::start(0, Arc::new(AtomicU64::new(0)), move |request| {
            if request.path() == "/oauth2/token" {
                return Reply::json(200, &json!({"access_token": "a.b.c", "expires_in": 3600}));
            }
            let number = {
                let mut log = lock(&log);
                log.push(request.body.clone());
                log.len()
            };
            answer(number, request)
        });
        Receiver {
            server: server.expect("a free port"),
            bodies,
        }
    }

    fn feed(&self, client: &str) -> Feed {
        let url = self.server.url();
        Feed {
            id: "s1".to_owned(),
            settings: Settings {
                group: "acme".to_owned(),
                message_type: "dialog_end".to_owned(),
                name: "acme_end".to_owned(),
                callback_url: format!("{url}/push/acme/dialog_end"),
                token_url: format!("{url}/oauth2/token"),
                client_id: client.to_owned(),
                client_secret: "x".to_owned(),
            },
            old: None,
        }
    }

    /// Each record that it took, once.
    fn records(&self) -> BTreeSet<String> {
        let bodies = lock(&self.bodies);
        let text = |body: &Vec<u8>| String::from_utf8(body.clone()).expect("text");
        let bodies: Vec<String> = bodies.iter().map(text).collect();
        bodies
            .iter()
            .flat_map(|body| {
                let members = super::canonical::members(body).expect("an envelope");
                let (_, messages) = members.into_iter().next_back().expect("messages");
                let items: Vec<Box<serde_json::value::RawValue>> =
                    serde_json::from_str(messages.get()).expect("an array");
                items
                    .into_iter()
                    .map(|item| canonical(item.get()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

fn ok() -> Reply {
    Reply::json(200, &json!({"status": "ok"}))
}

/// Twelve hours of one type, as batch has them.
fn truth() -> Vec<String> {
    let sim = Sim::start(Config::default()).expect("a free port");
    sim.truth(
        "acme",
        &["dialog_end"],
        "2026-11-10T00:00:00Z",
        "2026-11-10T12:00:00Z",
    )
}

fn canonicals(records: &[String]) -> BTreeSet<String> {
    records.iter().map(|record| canonical(record)).collect()
}

#[test]
fn the_same_seed_pushes_the_same_bytes() {
    let bodies = |seed: &str| {
        let receiver = Receiver::start(|_, _| ok());
        let pusher = Arc::new(Pusher::new(Habits {
            connections: 1,
            cuts: 10,
            repeats: 20,
            shapes: vec![
                Shape::Envelope,
                Shape::Array,
                Shape::Empty,
                Shape::Bare,
                Shape::Lines,
                Shape::Pretty,
                Shape::Garbage,
            ],
            ..Habits::seeded(seed)
        }));
        let load = Load {
            feed: receiver.feed("a"),
            records: truth(),
        };
        pusher.run(&[load]);
        lock(&receiver.bodies).clone()
    };
    let first = bodies("seven");
    assert!(first.len() > 60);
    assert!(first == bodies("seven"));
    assert!(first != bodies("eight"));
}

#[test]
fn what_was_cut_or_refused_comes_again_and_in_the_end_all_of_the_batch_is_there() {
    let receiver = Receiver::start(|number, _| match number % 7 {
        0 => Reply::message(503, "busy"),
        3 => Reply {
            delivery: Delivery::Nothing,
            ..ok()
        },
        _ => ok(),
    });
    let pusher = Arc::new(Pusher::new(Habits {
        cuts: 10,
        stalls: 5,
        repeats: 30,
        form: TokenForm::Form,
        ..Habits::seeded("repair")
    }));
    let truth = truth();
    let load = |records: &[String]| Load {
        feed: receiver.feed("a"),
        records: records.to_vec(),
    };
    let (old, new) = truth.split_at(truth.len() / 2);
    let first = pusher.run(&[load(old)]);
    assert!(!first.dropped.is_empty() && !first.delivered.is_empty());
    let second = pusher.run_beside(&[load(new)], &first.dropped);
    let last = pusher.repair(second.dropped, 50);
    assert!(last.dropped.is_empty());
    let delivered: Vec<String> = [first.delivered, second.delivered, last.delivered].concat();
    assert_eq!(canonicals(&delivered), canonicals(&truth));
    assert_eq!(delivered.len(), truth.len(), "counted as delivered once");
    assert_eq!(receiver.records(), canonicals(&truth));
}

#[test]
fn only_2xx_with_an_object_counts_and_after_so_many_401_it_stops() {
    for (status, body, is_delivered) in [
        (200, "{}", true),
        (201, "{\"a\":1}", true),
        (200, "ok", false),
        (200, "[]", false),
        (204, "", false),
        (400, "{}", false),
    ] {
        let receiver = Receiver::start(move |_, _| match body {
            "" => Reply::empty(status),
            _ => Reply::new(status, "application/json", body),
        });
        let pusher = Arc::new(Pusher::new(Habits {
            form: TokenForm::Json,
            ..Habits::seeded("counts")
        }));
        let load = Load {
            feed: receiver.feed("a"),
            records: truth(),
        };
        assert_eq!(
            pusher.run(&[load]).dropped.is_empty(),
            is_delivered,
            "{status} {body}"
        );
    }
    let receiver = Receiver::start(|_, _| Reply::message(401, "no"));
    let pusher = Arc::new(Pusher::new(Habits {
        connections: 1,
        patience: 3,
        form: TokenForm::Password,
        ..Habits::seeded("patience")
    }));
    let account = pusher.run(&[Load {
        feed: receiver.feed("a"),
        records: truth(),
    }]);
    assert_eq!((account.pushes, account.replies[&401]), (3, 3));
}

#[test]
fn a_reset_is_retried_once_in_silence_and_an_update_uses_both_settings() {
    let receiver = Receiver::start(|number, _| match number {
        2 => Reply {
            delivery: Delivery::Nothing,
            ..ok()
        },
        _ => ok(),
    });
    let pusher = Arc::new(Pusher::new(Habits {
        connections: 1,
        ..Habits::seeded("reset")
    }));
    let mut feed = receiver.feed("b");
    feed.old = Some(receiver.feed("a").settings);
    let account = pusher.run(&[Load {
        feed,
        records: truth(),
    }]);
    assert!(account.dropped.is_empty());
    assert_eq!(lock(&receiver.bodies).len() as u64, account.pushes + 1);
}

#[test]
fn a_recording_comes_in_chunks_and_breaks_off_anywhere() {
    let receiver = Receiver::start(|_, request| {
        assert_eq!(request.header("x-oml-orn"), Some("storage:x:wcr:a.wav"));
        ok()
    });
    let pusher = Pusher::new(Habits::seeded("wav"));
    let bytes: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    let mut recording = Recording {
        dialog: "a",
        bytes: &bytes,
        orn: Some("storage:x:wcr:a.wav".to_owned()),
        cut: None,
    };
    assert!(pusher.record(&receiver.feed("a"), &recording));
    for cut in [0, 1, 5, 4000, 50_000] {
        recording.cut = Some(cut);
        assert!(!pusher.record(&receiver.feed("a"), &recording));
    }
    std::thread::sleep(Duration::from_millis(20));
    let bodies = lock(&receiver.bodies);
    assert_eq!(*bodies, [bytes]);
}
