//! TLS as in production: a certificate of an authority that the platform does
//! not know, in front of the simulated vendor.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::shell;
use crate::site::{Site, sorted};

/// Takes TLS on a port of its own and passes what is inside on to another.
const TERMINATOR: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("leaf.pem", "leaf.key")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)

def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def serve(plain):
    try:
        inside = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    behind = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=pump, args=(behind, inside), daemon=True).start()
    pump(inside, behind)

while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

const CERTIFICATES: &str = "
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > san
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem
";

struct Terminator {
    child: Child,
    url: String,
}

impl Terminator {
    fn start(site: &Site) -> Terminator {
        shell(CERTIFICATES)
            .dir(site.dir.path())
            .env("HOME", site.dir.path())
            .run()
            .ends(0);
        let behind = site.sim.url().rsplit(':').next().unwrap().to_owned();
        let mut child = Command::new("python3")
            .args(["-c", TERMINATOR, &behind])
            .current_dir(site.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut port).unwrap();
        let url = format!("https://localhost:{}", port.trim());
        Terminator { child, url }
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_private_authority_is_trusted_only_when_it_is_named() {
    let site = Site::new();
    let tls = Terminator::start(&site);
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let fetch = || {
        site.fetch(&plan)
            .env("OCP_API_URL", &tls.url)
            .env("OCP_IAM_URL", &tls.url)
            .args(["--tries", "2"])
    };
    // For good, at the first try.
    let said = fetch().run().ends(69).stderr();
    assert!(said.contains("the certificate is not trusted"), "{said}");
    assert!(said.contains("--ca-cert"), "{said}");
    assert!(!said.contains("trying again"), "{said}");
    assert_eq!(
        site.sim.stats().logins,
        0,
        "no password before the certificate is good"
    );

    let lines = fetch()
        .args(["--ca-cert", "ca.pem"])
        .run()
        .ends(0)
        .records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);

    for file in ["ca.key", "missing.pem"] {
        let ran = fetch().args(["--ca-cert", file]).run().ends(2);
        assert!(ran.stderr().contains("--ca-cert"), "{}", ran.stderr());
    }
}

/// As in a bare container image.
#[test]
fn a_machine_without_authorities_is_told_to_name_one() {
    let site = Site::new();
    let url = site.sim.url().replace("http://", "https://");
    for script in [
        "ocp-token --no-cache",
        "export-plan windows --group acme --type dialog_end --from -2d | export-fetch --out-dir cdrs",
        "ocp-metrics batch dialogs --group acme --from -2d",
        "ocp-subscribe list --group acme",
        "vg-consecutive",
        "dialpad-window --from -1d",
    ] {
        let ran = site
            .shell(script)
            .env("SSL_CERT_FILE", "/dev/null")
            .env("OCP_API_URL", &url)
            .env("OCP_IAM_URL", &url)
            .env("VOICEGAIN_BASE_URL", &url)
            .env("DIALPAD_BASE_URL", &url)
            .run();
        let said = ran.stderr();
        assert_eq!(ran.status(), 2, "{script}: {said}");
        assert!(said.contains("no CA certificates"), "{said}");
        assert!(said.contains("--ca-cert"), "{said}");
    }
}
