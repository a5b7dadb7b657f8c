//! Tests requests that a proxy and the receiver behind it could understand differently.

use super::*;

#[tokio::test]
async fn what_two_programs_could_understand_differently_is_refused_and_ends_the_connection() {
    let site = Site::new();
    let bearer = format!("Authorization: Bearer {}\r\n", site.token("a"));
    let post = format!("POST {PATH} HTTP/1.1\r\n");
    let host = "Host: x\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    // A server that reads on after its refusal would accept this second request.
    let second = format!("{post}{host}{bearer}{TWO}\r\n{{}}");
    let corpus: Vec<(u16, String)> = vec![
        (400, format!("{post}{bearer}{TWO}\r\n{{}}")),
        (400, format!("{post}{host}{host}{bearer}{TWO}\r\n{{}}")),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: 2, 3\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: +2\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: 0x2\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: -2\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length: 2 2\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Transfer-Encoding: identity\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            400,
            format!("{post}{host}{bearer}{chunked}{chunked}\r\n0\r\n\r\n"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            400,
            format!("{post}{host}{bearer}Content-Length : 2\r\n\r\n{{}}"),
        ),
        (
            400,
            format!("{post}{host}{bearer}X: a\r\n b\r\n{TWO}\r\n{{}}"),
        ),
        (400, format!("{post}{host}{bearer}X: a\rb\r\n{TWO}\r\n{{}}")),
        (400, format!("{post}{host}{bearer}X: a\0b\r\n{TWO}\r\n{{}}")),
        (400, format!("{post}{host}{bearer}X y: a\r\n{TWO}\r\n{{}}")),
        (
            400,
            format!("POST {PATH} HTTP/1.0\r\n{host}{bearer}{TWO}\r\n{{}}"),
        ),
        (400, format!("POST {PATH}\r\n{host}{bearer}{TWO}\r\n{{}}")),
        // No request at all: the connection is closed.
        (0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (411, format!("{post}{host}{bearer}\r\n")),
        // Heads that are too long, in any part.
        (
            431,
            format!("POST /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(70_000)),
        ),
        (
            431,
            format!(
                "{post}{host}{bearer}X: {}\r\n{TWO}\r\n{{}}",
                "x".repeat(17_000)
            ),
        ),
        (
            431,
            format!("{post}{host}{bearer}{}{TWO}\r\n{{}}", "X: y\r\n".repeat(64)),
        ),
        (
            408,
            format!("{post}{host}{bearer}{chunked}\r\nx\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            408,
            format!("{post}{host}{bearer}{chunked}\r\n-2\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            408,
            format!("{post}{host}{bearer}{chunked}\r\nffffffffffffffff2\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            408,
            format!("{post}{host}{bearer}{chunked}\r\n2\r\n{{}}x0\r\n\r\n"),
        ),
        (
            408,
            format!(
                "{post}{host}{bearer}{chunked}\r\n2;{}\r\n{{}}\r\n0\r\n\r\n",
                "x".repeat(17_000)
            ),
        ),
        (
            408,
            format!(
                "{post}{host}{bearer}{chunked}\r\n2\r\n{{}}\r\n0\r\nX: {}\r\n\r\n",
                "x".repeat(17_000)
            ),
        ),
    ];
    for (expected, sent) in corpus {
        let reply = site.reply(format!("{sent}{second}")).await;
        let shown: String = sent.chars().take(300).collect();
        assert_eq!(status(&reply), expected, "{shown:?}: {reply}");
        let heads = reply.lines().filter(|line| line.starts_with("HTTP/1."));
        assert!(heads.count() <= 1, "{shown:?}: {reply}");
        assert!(
            expected == 0
                || reply.starts_with("HTTP/1.0")
                || reply.to_lowercase().contains("connection: close"),
            "{shown:?}: {reply}"
        );
    }
    assert!(site.stored().is_empty());
}

#[tokio::test]
async fn with_both_lengths_the_chunks_count_and_nothing_behind_them_is_read() {
    let site = Site::new();
    let head = site.head(PATH, &format!("Content-Length: 4\r\n{CHUNKED}"));
    let second = site.head(PATH, TWO) + "{}";
    let reply = site
        .reply(format!("{head}2\r\n[]\r\n0\r\n\r\n{second}"))
        .await;
    assert_eq!(status(&reply), 200);
    assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{reply}");
    assert_eq!(site.stored(), [b"[]"]);
}
