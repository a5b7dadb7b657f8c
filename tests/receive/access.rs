//! Tokens and clients of a receiver that runs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::process::{CLIENT, Host, SECRET, wait_for};

const GRANT: &str = "grant_type=client_credentials";

#[test]
fn each_of_the_four_forms_gives_a_token_that_pushes() {
    let host = Host::new();
    let running = host.plain(&[]);
    let json = format!(
        "{{\"grant_type\":\"client_credentials\",\"client_id\":\"a\",\"client_secret\":\"{SECRET}\"}}"
    );
    let form = format!("{GRANT}&client_id=a&client_secret={SECRET}");
    let password = format!("grant_type=password&username=a&password={SECRET}");
    let forms: [&[&str]; 4] = [
        &["-u", "a:s3cret-of-a", "-d", GRANT],
        &["-d", &form],
        &["-H", "Content-Type: application/json", "-d", &json],
        &["-d", &password],
    ];
    for form in forms {
        let token = host.token_by(&running, form);
        assert_eq!(host.push(&running, &token, &[]), "200", "{form:?}");
    }
    running.stop();
}

#[test]
fn r09_r10_a_token_outlives_a_restart_and_a_new_key() {
    let host = Host::new();
    let running = host.plain(&[]);
    let token = host.token(&running);
    running.stop();
    let running = host.plain(&[]);
    assert_eq!(host.push(&running, &token, &[]), "200");
    let rotated = host.receive(&["rotate-key", "--dir", "ocp"]).run().ends(0);
    let line = &rotated.records()[0];
    let kid = line["kid"].as_str().unwrap();
    assert!(line["old_keys_until"].is_string());
    running.signal("-HUP");
    wait_for("tokens have the new key", || {
        use base64::Engine;
        let new = host.token(&running);
        let head = new.split('.').next().unwrap();
        let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head);
        let head = String::from_utf8(head.unwrap()).unwrap();
        assert_eq!(host.push(&running, &new, &[]), "200");
        head.contains(kid).then_some(())
    });
    assert_eq!(host.push(&running, &token, &[]), "200");
    running.stop();
}

#[test]
fn r08_two_clients_overlap_and_the_old_one_goes() {
    let host = Host::new();
    let running = host.plain(&["--admin", "127.0.0.1:0"]);
    let old = host.token(&running);
    let second = CLIENT.replace("\"a\"", "\"b\"").replace("_A", "_B");
    let url = format!("{}/oauth2/token", running.url);
    let ask = ["-u", "b:s3cret-of-b", "-d", GRANT, &url];
    assert!(host.curl(&ask).ends_with(" 401"));
    host.write("clients.toml", &format!("{CLIENT}{second}"));
    running.signal("-HUP");
    wait_for("the new client is known", || {
        host.curl(&ask).ends_with(" 200").then_some(())
    });
    let new = host.token_by(&running, &ask[..4]);
    for token in [&old, &new] {
        assert_eq!(host.push(&running, token, &[]), "200");
    }
    let usage = format!("{}v1/usage", running.admin());
    wait_for("both are in the usage", || {
        let usage = host.curl(&[&usage]);
        let has = |client: &str| usage.contains(&format!("\"client\":\"{client}\""));
        (has("a") && has("b")).then_some(())
    });
    // What cannot be read changes nothing.
    host.write("clients.toml", "[[client]");
    running.signal("-HUP");
    wait_for("it says so", || {
        running.after("the previous clients stay valid")
    });
    assert_eq!(host.push(&running, &old, &[]), "200");
    host.write("clients.toml", &second);
    running.signal("-HUP");
    wait_for("the old one is unknown", || {
        (host.push(&running, &old, &[]) == "401").then_some(())
    });
    assert_eq!(host.push(&running, &new, &[]), "200");
    running.stop();
}

#[test]
fn r22_no_message_has_a_secret_or_a_token() {
    let host = Host::new();
    let running = host.plain(&["-v"]);
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    assert_eq!(host.push(&running, &format!("{token}x"), &[]), "401");
    let url = format!("{}/oauth2/token", running.url);
    for _ in 0..10 {
        let reply = host.curl(&["-u", "a:s3cret-but-wrong", "-d", GRANT, &url]);
        assert!(reply.ends_with(" 401"), "{reply}");
    }
    let reply = host.curl(&["-u", "a:s3cret-of-a", "-d", GRANT, &url]);
    assert!(reply.ends_with(" 429"), "{reply}");
    running.signal("-TERM");
    let (_, said) = running.ended();
    assert!(said.contains("401"), "{said}");
    for secret in [SECRET, "s3cret-but-wrong", &token[..20]] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn an_address_that_is_not_allowed_gets_nothing() {
    let host = Host::new();
    // Behind a proxy it is the address that the proxy added last.
    let running = host.plain(&["--allow", "192.0.2.0/24"]);
    let url = format!("{}/oauth2/token", running.url);
    let ask = ["-u", "a:s3cret-of-a", "-d", GRANT, &url];
    assert!(host.curl(&ask).ends_with(" 403"));
    let from = |list| [&["-H", list], &ask[..]].concat();
    let inside = from("X-Forwarded-For: 198.51.100.1, 192.0.2.7");
    assert!(host.curl(&inside).ends_with(" 200"));
    let outside = from("X-Forwarded-For: 192.0.2.7, 198.51.100.1");
    assert!(host.curl(&outside).ends_with(" 403"));
    running.stop();
}

#[test]
fn r23_strangers_give_way_and_take_no_place_of_a_client() {
    let host = Host::new();
    let running = host.plain(&[]);
    let token = host.token(&running);
    let address = running.url.replace("http://localhost", "127.0.0.1");
    let strangers: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    for stranger in &strangers {
        let wait = Some(Duration::from_secs(20));
        stranger.set_read_timeout(wait).unwrap();
    }
    assert_eq!((&strangers[0]).read(&mut [0; 1]).unwrap(), 0, "closed");
    assert_eq!(host.push(&running, &token, &[]), "200");
    // The newest ones are still there.
    let mut newest = &strangers[299];
    newest
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    newest.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    newest.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 404"), "{reply}");
    running.stop();
}
