//! Tests bodies that are cut off, slow, too large or compressed, and bodies for which there is no
//! room.

use super::*;

#[tokio::test]
async fn r16_a_recording_counts_at_its_last_chunk_only() {
    let site = Site::new();
    let head = site.head(PATH, &format!("{WAV}{CHUNKED}"));
    for cut in ["", "4\r\nRIFF\r\n", "4\r\nRIFF\r\n0\r\n", "9\r\nRIFF"] {
        let reply = site.reply(format!("{head}{cut}")).await;
        assert!(
            ["", "408"].contains(&reply.get(9..12).unwrap_or("")),
            "{cut:?}: {reply}"
        );
        assert_eq!(site.files(), 0, "{cut:?}");
    }
    let reply = site
        .reply(format!("{head}4\r\nRIFF\r\n1\r\nx\r\n0\r\n\r\n"))
        .await;
    assert_eq!(status(&reply), 200);
    assert_eq!(site.stored(), [b"RIFFx"]);
    assert_eq!(site.files(), 1);
    let stored = lock(&site.inbox.stored);
    let PushContent::Recording { bytes, sha256, .. } = &stored[0].content else {
        panic!("no recording");
    };
    assert_eq!(*bytes, 5);
    assert_eq!(
        crate::os::digest::hex(sha256),
        crate::os::digest::sha256(b"RIFFx")
    );
    assert_eq!(stored[0].orn.as_deref(), Some("storage:x/a.wav"));
}

#[tokio::test]
async fn r15_bodies_are_bounded_whatever_they_announce() {
    let site = Site::with(ServerLimits {
        max_push: 100,
        max_recording: 200,
        ..ServerLimits::default()
    });
    let long = format!("c8\r\n{}\r\n0\r\n\r\n", "x".repeat(200));
    let json = site.head(PATH, CHUNKED) + &long;
    assert_eq!(status(&site.reply(json).await), 413);
    let wav = site.head(PATH, &format!("{WAV}{CHUNKED}"));
    assert_eq!(status(&site.reply(format!("{wav}{long}")).await), 200);
    let longer = format!("c9\r\n{}\r\n0\r\n\r\n", "x".repeat(201));
    assert_eq!(status(&site.reply(format!("{wav}{longer}")).await), 413);
    assert_eq!(site.files(), 1);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn r27_gzip_is_inflated_up_to_the_cap_and_kept_where_it_is_none() {
    let site = Site::with(ServerLimits {
        max_push: 1 << 20,
        max_recording: 1 << 20,
        ..ServerLimits::default()
    });
    let send = async |more: &str, body: &[u8]| {
        let length = body.len();
        let more = format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n{more}");
        let head = site.head(PATH, &more);
        status(&site.reply([head.as_bytes(), body].concat()).await)
    };
    assert_eq!(send("", &gzip(b"{}")).await, 200);
    assert_eq!(send("", b"not gzip").await, 200);
    assert_eq!(send(WAV, &gzip(b"RIFF")).await, 200);
    let bomb = gzip(&vec![0; 64 << 20]);
    assert_eq!(send("", &bomb).await, 413);
    assert_eq!(send(WAV, &bomb).await, 413);
    assert_eq!(site.stored(), [&b"{}"[..], b"not gzip", b"RIFF"]);
    let other = site.head(PATH, "Content-Encoding: br\r\nContent-Length: 2\r\n") + "{}";
    assert_eq!(status(&site.reply(other).await), 415);
}

/// Sends a request without its body, and returns how long the reply took.
async fn slow(site: &Site, more: &str) -> Duration {
    let mut client = site.connect();
    let head = site.head(PATH, &format!("{more}Content-Length: 1000\r\n"));
    client.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let reply = one(&mut client).await;
    assert_eq!(status(&reply), 408);
    assert!(reply.contains("connection: close\r\n"));
    let notes = lock(&site.inbox.notes);
    let is_refused = |note: &CoverageNote| matches!(note, CoverageNote::Refused { .. });
    assert!(notes.iter().any(is_refused));
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn r23_a_slow_body_is_answered_408() {
    assert_eq!(slow(&Site::new(), "").await.as_secs(), 5);
}

/// This test runs in real time: a paused clock does not advance while a thread writes.
#[tokio::test]
async fn r23_a_slow_recording_is_answered_408() {
    let most = Duration::from_millis(200);
    let site = Site::with(ServerLimits {
        recording: (most, most),
        ..ServerLimits::default()
    });
    assert!(slow(&site, WAV).await >= most);
}

#[tokio::test(start_paused = true)]
async fn without_room_for_two_seconds_the_status_is_429() {
    let site = Site::with(ServerLimits {
        in_flight: 100_000,
        recordings: 1,
        ..ServerLimits::default()
    });
    let until = Instant::now() + Duration::from_secs(1);
    let bytes = site.receiver.capacity.reserve(99_999, until).await.unwrap();
    let recording = site
        .receiver
        .capacity
        .reserve_recording(until)
        .await
        .unwrap();
    for more in ["", WAV] {
        let began = Instant::now();
        let sent = site.head(PATH, &format!("{more}{TWO}")) + "{}";
        let reply = site.reply(sent).await;
        assert_eq!(status(&reply), 429);
        assert!(reply.contains("retry-after: 5\r\n"), "{reply}");
        assert_eq!(began.elapsed().as_secs(), 2);
    }
    drop((bytes, recording));
    *lock(&site.inbox.fate) = Fate::Full;
    let sent = site.head(PATH, TWO) + "{}";
    assert_eq!(status(&site.reply(&sent).await), 429);
    *lock(&site.inbox.fate) = Fate::Stored;
    assert_eq!(status(&site.reply(&sent).await), 200);
    assert_eq!(site.receiver.capacity.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_503() {
    let site = Site::new();
    let refused = CommitFailure::Refused("disk full".to_owned());
    for fate in [Fate::Waits, Fate::Fails(refused)] {
        *lock(&site.inbox.fate) = fate;
        let reply = site.reply(site.head(PATH, TWO) + "{}").await;
        assert_eq!(status(&reply), 503);
        assert!(reply.contains("retry-after: 60\r\n"), "{reply}");
        assert_eq!(site.stop.requested(), None);
    }
    let broken = CommitFailure::Broken("fdatasync".to_owned());
    *lock(&site.inbox.fate) = Fate::Fails(broken);
    let sent = site.head(PATH, TWO) + "{}";
    assert_eq!(status(&site.reply(&sent).await), 503);
    assert_eq!(site.stop.requested(), Some(Status::Io));
    *lock(&site.inbox.fate) = Fate::Stored;
    assert_eq!(
        status(&site.reply(sent).await),
        503,
        "nothing is taken any more"
    );
}
