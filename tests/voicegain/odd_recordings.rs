//! Recordings as no sound service sends them: none leaves the queue before it is proven
//! whole or refused for good.

use serde_json::json;

use crate::raw_service::{Asked, json, reply, undelimited};
use crate::voicegain::odd_replies::Odd;

const CALLS: &str = r#"[{"callId":100,"progressPhase":"DONE","mergedAudioId":"a-0"},
    {"callId":101,"progressPhase":"DONE","mergedAudioId":"a-1"},
    {"callId":102,"progressPhase":"DONE","mergedAudioId":"a-2"},
    {"callId":103,"progressPhase":"DONE","mergedAudioId":"a-3"}]"#;

/// Four calls, and whatever `audio` says of their recordings.
fn odd(audio: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Odd {
    Odd::new(move |asked| match asked.target.contains("/data/") {
        true => audio(asked),
        false if asked.target.contains("afterCallId=0&") => json(CALLS),
        false => json("[]"),
    })
}

/// A file whose header says how long it is.
fn wav(filling: u8) -> Vec<u8> {
    let mut bytes = b"RIFF\x8c\x13\0\0WAVE".to_vec();
    bytes.resize(5012, filling);
    bytes
}

fn sound(filling: u8) -> Vec<u8> {
    reply("200 OK", &["Content-Type: audio/x-wav"], wav(filling))
}

fn is(asked: &Asked, id: &str) -> bool {
    asked.target.contains(&format!("/data/{id}/"))
}

const AUDIO: [&str; 2] = ["--audio-dir", "audio"];

fn files(odd: &Odd) -> Vec<String> {
    let entries = std::fs::read_dir(odd.dir.path().join("audio")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn content(odd: &Odd, name: &str) -> Vec<u8> {
    std::fs::read(odd.dir.path().join("audio").join(name)).unwrap()
}

#[test]
fn what_is_no_recording_leaves_none_out_of_the_next_run() {
    type Answer = fn() -> Vec<u8>;
    let answers: [(Answer, i32); 9] = [
        (
            || reply("200 OK", &["Content-Type: text/html"], "<html>down</html>"),
            75,
        ),
        (
            || {
                reply(
                    "200 OK",
                    &["Content-Type: application/octet-stream"],
                    " <html>",
                )
            },
            75,
        ),
        (|| json(r#"{"status":"maintenance"}"#), 75),
        (|| reply("200 OK", &["Content-Type: audio/wav"], ""), 75),
        (|| reply("202 Accepted", &[], ""), 75),
        (|| reply("204 No Content", &[], ""), 75),
        (|| reply("503 Service Unavailable", &[], ""), 75),
        (|| reply("409 Conflict", &[], ""), 69),
        (
            || {
                undelimited(
                    "200 OK",
                    &["Content-Type: audio/mpeg"],
                    "ID3 and what comes of it",
                )
            },
            75,
        ),
    ];
    for (at, (answer, status)) in answers.into_iter().enumerate() {
        let is_down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let down = std::sync::Arc::clone(&is_down);
        let odd = odd(
            move |_| match down.load(std::sync::atomic::Ordering::SeqCst) {
                true => answer(),
                false => sound(b'x'),
            },
        );
        let first = odd.run(&AUDIO, status);
        assert_eq!(first.lines().len(), 4);
        assert_eq!(files(&odd), [""; 0], "{at}");
        is_down.store(false, std::sync::atomic::Ordering::SeqCst);
        odd.run(&AUDIO, 0);
        assert_eq!(
            files(&odd),
            ["100.wav", "101.wav", "102.wav", "103.wav"],
            "{at}"
        );
    }
}

#[test]
fn one_that_always_fails_blocks_no_other_and_waits_longer_each_time() {
    let odd = odd(|asked| match is(asked, "a-1") {
        true => reply("500 Internal Server Error", &[], ""),
        false => sound(b'x'),
    });
    let first = odd.run(&AUDIO, 75);
    assert_eq!(files(&odd), ["100.wav", "102.wav", "103.wav"]);
    assert!(
        first
            .stderr()
            .contains("recordings that failed, and that a later run requests again: 1 (call 101)"),
        "{}",
        first.stderr()
    );
    let left = &odd.read("report")["recordings_left"];
    assert_eq!(left[0]["call_id"], 101);
    assert_eq!(left[0]["attempts"], 1);
    assert!(
        left[0]["error"].as_str().unwrap().contains("HTTP 500"),
        "{left}"
    );
    odd.run(&AUDIO, 75);
    // Two failures: it is not asked for again before a minute has passed.
    let asked = odd.service.asked("/data/").len();
    odd.run(&AUDIO, 0);
    assert_eq!(odd.service.asked("/data/").len(), asked);
    let left = &odd.read("report")["recordings_left"];
    assert_eq!(
        (&left[0]["attempts"], &left[0]["error"]),
        (&json!(2), &json!(null))
    );
}

#[test]
fn one_that_is_refused_for_good_leaves_the_queue_with_a_line() {
    for (status, ends, words) in [
        (
            "403 Forbidden",
            69,
            "the recording of call 101 is refused, and is not requested again",
        ),
        (
            "404 Not Found",
            0,
            "and are not requested again: 1 (call 101)",
        ),
        ("410 Gone", 0, "and are not requested again: 1 (call 101)"),
    ] {
        let odd = odd(move |asked| match is(asked, "a-1") {
            true => reply(status, &[], ""),
            false => sound(b'x'),
        });
        let ran = odd.run(&AUDIO, ends);
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
        odd.run(&AUDIO, 0);
        assert_eq!(odd.service.asked("/data/a-1/").len(), 1, "{status}");
    }
}

#[test]
fn a_token_that_may_have_none_takes_none_out_of_the_queue() {
    let odd = odd(|_| reply("403 Forbidden", &[], ""));
    odd.run(&AUDIO, 77);
    odd.run(&AUDIO, 77);
    let queue = &odd.read("S")["data"]["audio"];
    let done = usize::try_from(queue["done"].as_u64().unwrap()).unwrap();
    let file = format!("S.audio.{}", queue["mark"]["generation"]);
    let text = std::fs::read(odd.dir.path().join(file)).unwrap();
    assert!(done == 0 || text[done - 1] == b'\n', "whole lines are done");
    assert!(odd.service.asked("/data/a-0/").len() >= 2);
}

/// The first 2000 bytes of the first version, and then the connection ends.
fn cut(version: &str) -> Vec<u8> {
    let mut bytes = reply("200 OK", &["Content-Type: audio/x-wav", version], wav(b'x'));
    bytes.truncate(bytes.len() - 3012);
    bytes
}

fn part(from: usize, to: usize, filling: u8, tag: &str) -> Vec<u8> {
    let range = format!("Content-Range: bytes {from}-{}/5012", to - 1);
    let headers = ["Content-Type: audio/x-wav", &range, tag];
    reply("206 Partial Content", &headers, &wav(filling)[from..to])
}

#[test]
fn a_recording_that_was_replaced_is_not_put_together_from_two() {
    // The service keeps to If-Range; it does not; it names no version.
    for (version, answer) in [
        ("ETag: \"v1\"", sound as fn(u8) -> Vec<u8>),
        ("ETag: \"v1\"", |filling| {
            part(2000, 5012, filling, "ETag: \"v2\"")
        }),
        ("X-Version: v1", |filling| {
            part(2000, 5012, filling, "X-Version: v2")
        }),
    ] {
        let odd = odd(move |asked| match (is(asked, "a-1"), asked.nth) {
            (false, _) => sound(b'x'),
            (true, 1) => cut(version),
            (true, _) if asked.headers.contains_key("range") => answer(b'y'),
            (true, _) => sound(b'y'),
        });
        odd.run(&[&AUDIO[..], &["--tries", "3"]].concat(), 0);
        assert_eq!(content(&odd, "101.wav"), wav(b'y'), "{version}");
        let second = &odd.service.asked("/data/a-1/")[1].headers;
        let if_range = second.get("if-range").map(String::as_str);
        assert_eq!(if_range, version.strip_prefix("ETag: "));
        assert_eq!(second.contains_key("range"), if_range.is_some());
    }
}

#[test]
fn a_part_that_is_shorter_than_the_rest_is_no_recording_yet() {
    let odd = odd(|asked| {
        let from = asked.headers.get("range").map(String::as_str);
        match (is(asked, "a-1"), from) {
            (false, _) => sound(b'x'),
            (true, None) => cut("Last-Modified: Sat, 28 Nov 2026 10:00:00 GMT"),
            (true, Some("bytes=2000-")) => part(2000, 3000, b'x', "X: y"),
            (true, Some("bytes=3000-")) => part(3000, 5012, b'x', "X: y"),
            other => panic!("{other:?}"),
        }
    });
    odd.run(&[&AUDIO[..], &["--tries", "3"]].concat(), 0);
    assert_eq!(content(&odd, "101.wav"), wav(b'x'));
    odd.run(&AUDIO, 0);
}

#[test]
fn without_a_length_only_the_format_or_the_last_chunk_is_proof() {
    let chunked = |end: &str| {
        let mut body = b"1394\r\n".to_vec();
        body.extend(wav(b'x'));
        body.extend(end.as_bytes());
        undelimited(
            "200 OK",
            &["Content-Type: audio/mpeg", "Transfer-Encoding: chunked"],
            body,
        )
    };
    let odd = odd(
        move |asked| match asked.target.rsplit('/').nth(1).unwrap() {
            "a-0" => undelimited("200 OK", &["Content-Type: audio/wav"], wav(b'x')),
            "a-1" => undelimited("200 OK", &["Content-Type: audio/wav"], &wav(b'x')[..4000]),
            "a-2" => chunked("\r\n0\r\n\r\n"),
            _ => chunked(""),
        },
    );
    odd.run(&AUDIO, 75);
    assert_eq!(files(&odd), ["100.wav", "102.mp3"]);
    let left = &odd.read("report")["recordings_left"];
    assert_eq!(
        (&left[0]["call_id"], &left[1]["call_id"]),
        (&json!(101), &json!(103))
    );
}

#[test]
fn a_redirect_that_is_written_as_it_sounds_is_followed() {
    let odd = odd(|asked| match asked.target.contains("/files/") {
        true => {
            assert_eq!(asked.target, "/v1/data/files/M%C3%BCller.wav");
            sound(b'x')
        }
        false => reply("302 Found", &["Location: /v1/data/files/Müller.wav"], ""),
    });
    odd.run(&AUDIO, 0);
    assert_eq!(files(&odd).len(), 4);
}
