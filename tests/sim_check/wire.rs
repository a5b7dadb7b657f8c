//! Connections, framing, clients that misbehave, and the second origin.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::client::{Client, FROM, TO, config, data_target, exchange, start};
use crate::sim::Config;

#[test]
fn the_other_origin_counts_leaked_credentials() {
    let sim = start(config());
    let client = Client::logged_in(&sim);
    let id = client.ready(&["dialog_end"]);
    let direct = client.data(&id, 1, 50);
    sim.fault("data@2=redirect");
    let moved = client.data(&id, 1, 50);
    assert_eq!(moved.status, 307);
    let location = moved.header("location").expect("a place to go").to_owned();
    assert!(!location.starts_with(&sim.url()));
    let origin = location.split("/exports-api").next().expect("an origin");
    let fetch = |credential: &str| {
        let target = data_target(&id, 1, 50);
        let request = format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{credential}\r\n");
        exchange(origin, &request, Duration::from_secs(10))
            .expect("a reply")
            .body
    };
    assert_eq!(fetch(""), direct.body);
    assert_eq!(sim.stats().leaked_credentials, 0);
    fetch(&client.credential);
    fetch("X-OCP-PERSONAL-ACCESS-TOKEN: sim-pat\r\n");
    assert_eq!(sim.stats().leaked_credentials, 2);
}

#[test]
fn connections_are_kept_alive_and_bodies_may_be_chunked() {
    let sim = start(Config {
        chunked: true,
        ..config()
    });
    let client = Client::logged_in(&sim);
    let id = client.ready(&["dialog_end"]);
    let chunked = client.data(&id, 1, 1);
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    assert!(chunked.body.ends_with(b"\r\n0\r\n\r\n"));

    let socket = TcpStream::connect(sim.url().trim_start_matches("http://")).expect("it listens");
    let mut input = BufReader::new(&socket);
    for _ in 0..3 {
        let order = "5\r\n{\"gro\r\n1\r\nx\r\n0\r\n\r\n";
        let head = "POST /exports-api/v1/exports HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
        write!(&socket, "{head}{}\r\n{order}", client.credential).expect("it reads");
        let mut line = String::new();
        input.read_line(&mut line).expect("a reply");
        assert!(line.starts_with("HTTP/1.1 400"), "{line}");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            input.read_line(&mut line).expect("a header");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).expect("a body");
        assert!(body.starts_with(b"{\"message\":"));
    }
}

#[test]
fn rude_clients_do_no_harm() {
    let sim = start(config());
    for rude in [
        "",
        "GET /exports-api/v1/exports HTTP/1.1\r\nHost: unfinished",
        "\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nbroken\r\n\r\n",
        "\u{fffd}",
    ] {
        exchange(&sim.url(), rude, Duration::from_millis(50));
    }
    let mut socket =
        TcpStream::connect(sim.url().trim_start_matches("http://")).expect("it listens");
    socket
        .write_all(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        .expect("it reads");
    drop(socket);
    assert_eq!(Client::anonymous(&sim).get("/").status, 404);
    assert_eq!(sim.stats().panics, 0);
}

#[test]
fn a_bug_of_the_simulator_shows_in_its_stats() {
    let sim = start(Config {
        processing: Vec::new(),
        ..config()
    });
    let client = Client::logged_in(&sim);
    assert!(client.try_create("acme", &["ALL"], FROM, TO).is_none());
    let told = client.get("/_sim/stats").json();
    assert_eq!(told["panics"], 1);
    assert_eq!(client.get("/exports-api/v1/exports").status, 200);
}
