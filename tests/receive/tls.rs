//! TLS of a receiver that runs: versions, exchange of the certificate, client certificates.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::process::{Host, wait_for};
use crate::harness::{program, shell};

/// An authority, and a certificate of it with its key.
const AUTHORITY: &str = "
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \"$@\" 2> log; }
leaf() {
    new -keyout $1.key -out $1.csr -subj /CN=$1
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > san
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $2 -extfile san -out $1.pem 2> log
}
[ -e ca.pem ] || new -x509 -keyout ca.key -out ca.pem -days 40 -subj /CN=test-ca
";

fn make(host: &Host, script: &str) {
    shell(&format!("{AUTHORITY}\n{script}"))
        .dir(host.0.path())
        .env("HOME", host.0.path())
        .run()
        .ends(0);
}

/// What openssl's client says of a connection.
fn client(host: &Host, url: &str, args: &[&str]) -> String {
    let address = url.replace("https://", "");
    let ran = program("openssl")
        .args(["s_client", "-connect", &address, "-CAfile", "ca.pem"])
        .args(args)
        .dir(host.0.path())
        .run();
    format!("{}{}", ran.stdout(), ran.stderr())
}

#[test]
fn tls_is_1_2_or_1_3_and_http_1_1() {
    let host = Host::new();
    make(&host, "leaf leaf 40");
    let running = host.tls(&[]);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = client(&host, &running.url, &[version, "-alpn", "h2,http/1.1"]);
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains(name), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    let said = client(
        &host,
        &running.url,
        &["-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
    );
    assert!(
        !said.contains("Verify return code: 0 (ok)") || said.contains("alert"),
        "{said}"
    );
    let said = client(&host, &running.url, &["-alpn", "h2"]);
    assert!(said.contains("no application protocol"), "{said}");
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &[]), "200");
    running.stop();
}

#[test]
fn r17_a_certificate_is_exchanged_under_load_without_a_failed_push() {
    let host = Host::new();
    make(&host, "leaf leaf 40\nleaf second 30\nleaf third 3");
    let running = host.tls(&[]);
    let token = host.token(&running);
    let subject = || client(&host, &running.url, &[]);
    assert!(subject().contains("CN = leaf"), "{}", subject());
    let is_over = AtomicBool::new(false);
    let put = |cert: &str, key: &str| {
        for (from, to) in [(cert, "leaf.pem"), (key, "leaf.key")] {
            fs::copy(host.path(from), host.path("put")).unwrap();
            fs::rename(host.path("put"), host.path(to)).unwrap();
        }
        running.signal("-HUP");
    };
    let pushed: usize = thread::scope(|scope| {
        let loads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        assert_eq!(host.push(&running, &token, &[]), "200");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        // Whatever goes wrong here, the pushers end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            put("second.pem", "second.key");
            wait_for("the second one is shown", || {
                subject().contains("CN = second").then_some(())
            });
            // A pair that does not match, and one that is half written.
            put("third.pem", "second.key");
            let kept = || running.after("the old certificate stays in use, valid for 29 days");
            wait_for("it says so", kept);
            let half = fs::read(host.path("third.pem")).unwrap();
            fs::write(host.path("half.pem"), &half[..half.len() / 2]).unwrap();
            put("half.pem", "third.key");
            thread::sleep(std::time::Duration::from_millis(200));
            assert!(subject().contains("CN = second"), "{}", subject());
            put("third.pem", "third.key");
            wait_for("the third one is shown", || {
                subject().contains("CN = third").then_some(())
            });
        }));
        is_over.store(true, Ordering::Relaxed);
        let pushed = loads.into_iter().map(|load| load.join().unwrap()).sum();
        outcome.unwrap();
        pushed
    });
    assert!(pushed > 3, "{pushed}");
    let days = wait_for("the end is near", || {
        running.after("the certificate expires in ")
    });
    assert_eq!(days, "2 days");
    running.stop();
}

#[test]
fn a_pair_that_cannot_be_used_ends_the_start_with_2() {
    let host = Host::new();
    make(&host, "leaf leaf 40\nleaf second 40\nleaf old 0");
    let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    host.write("broken.pem", broken);
    for (cert, key, what) in [
        (
            "old.pem",
            "old.key",
            "old.pem: the certificate has expired at 20",
        ),
        (
            "broken.pem",
            "leaf.key",
            "broken.pem: the certificate cannot be read: BadEncoding",
        ),
        ("leaf.pem", "second.key", "leaf.pem and second.key"),
        ("missing.pem", "leaf.key", "missing.pem"),
        ("leaf.key", "leaf.key", "it contains no certificate"),
    ] {
        let flags = [
            "--clients",
            "clients.toml",
            "--dir",
            "ocp",
            "--cert",
            cert,
            "--key",
            key,
        ];
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let ran = host.receive(&[&serve[..], &flags].concat()).run().ends(2);
        assert!(ran.stderr().contains(what), "{}", ran.stderr());
    }
}

#[test]
fn a_client_certificate_may_be_required() {
    let host = Host::new();
    make(&host, "leaf leaf 40\nleaf client 40");
    let running = host.tls(&["--client-ca", "ca.pem"]);
    let url = format!("{}/oauth2/token", running.url);
    let ask = [
        "-u",
        "a:s3cret-of-a",
        "-d",
        "grant_type=client_credentials",
        &url,
    ];
    assert_eq!(host.curl(&ask), " 000", "no connection");
    let shown = ["--cert", "client.pem", "--key", "client.key"];
    assert!(host.curl(&[&shown[..], &ask].concat()).ends_with(" 200"));
    running.stop();
    let running = host.tls(&["--client-ca", "ca.pem", "--mtls", "optional"]);
    let token = host.token(&running);
    assert_eq!(host.push(&running, &token, &shown), "200");
    running.stop();
}
