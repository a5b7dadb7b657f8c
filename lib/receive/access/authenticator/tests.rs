//! Tests that tokens are issued, accepted, remembered and refused.

use super::*;
use crate::os::files::write_atomic;

const FORM: &[u8] = b"grant_type=client_credentials&client_id=a&client_secret=hunter2";
const WRONG: &[u8] = b"grant_type=client_credentials&client_id=a&client_secret=hunter3";

fn open(dir: &Path, clients: &str) -> (Authenticator, Clock) {
    write_atomic(&dir.join("clients.toml"), clients.as_bytes()).unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_795_176_000_000));
    let env = Box::new(|name: &str| (name == "S").then(|| "hunter2".to_owned()));
    let hour = Duration::from_secs(3600);
    let path = dir.join("clients.toml");
    let opened = Authenticator::open(&path, dir, hour, env, clock.clone());
    (opened.unwrap(), clock)
}

const CLIENT: &str = "[[client]]\nid='a'\nsecret_env='S'\npaths=['/push/g/*']\n";

fn here() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

#[test]
fn a_token_is_for_the_client_that_asked() {
    let dir = tempfile::tempdir().unwrap();
    let known = Mutex::default();
    let (authenticator, clock) = open(dir.path(), CLIENT);
    let token = authenticator.token(None, FORM, here()).unwrap();
    let bearer = format!("Bearer {}", token.text);
    assert_eq!(
        authenticator.client_of(&bearer, &known).as_deref(),
        Some("a")
    );
    assert_eq!(authenticator.client_of(&token.text, &known), None);
    assert!(authenticator.may_use("a", "/push/g/t"));
    assert!(!authenticator.may_use("a", "/push/h/t"));
    clock.advance(Duration::from_secs(3720));
    assert_eq!(authenticator.client_of(&bearer, &known), None);
}

#[test]
fn ten_wrong_secrets_close_the_endpoint_to_an_address_for_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let (authenticator, clock) = open(dir.path(), CLIENT);
    let refusal = |body| authenticator.token(None, body, here()).unwrap_err();
    for _ in 0..10 {
        assert_eq!(refusal(WRONG), TokenRefusal::InvalidClient);
    }
    assert_eq!(refusal(FORM), TokenRefusal::TooManyFailures);
    let elsewhere = "192.0.2.2".parse().unwrap();
    assert!(authenticator.token(None, FORM, elsewhere).is_ok());
    clock.advance(Duration::from_secs(60));
    assert!(authenticator.token(None, FORM, here()).is_ok());
}

#[test]
fn r08_clients_come_and_go_while_it_runs_and_a_wrong_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let known = Mutex::default();
    let (authenticator, _) = open(dir.path(), CLIENT);
    let token = authenticator.token(None, FORM, here()).unwrap();
    let bearer = format!("Bearer {}", token.text);
    let path = dir.path().join("clients.toml");
    let replace = |text: &str| {
        write_atomic(&path, text.as_bytes()).unwrap();
        authenticator.reload();
    };
    let second = "[[client]]\nid='b'\nsecret_env='S'\npaths=['/push/g/*']\n";
    replace(&format!("{CLIENT}{second}"));
    let new = b"grant_type=client_credentials&client_id=b&client_secret=hunter2";
    assert_eq!(authenticator.token(None, new, here()).unwrap().client, "b");
    assert_eq!(
        authenticator.client_of(&bearer, &known).as_deref(),
        Some("a")
    );
    replace("[[client]");
    assert_eq!(
        authenticator.client_of(&bearer, &known).as_deref(),
        Some("a")
    );
    replace(second);
    assert_eq!(
        authenticator.client_of(&bearer, &known),
        None,
        "it is listed no more"
    );
}

#[test]
fn what_a_connection_remembers_is_one_token_under_the_keys_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let (authenticator, clock) = open(dir.path(), CLIENT);
    let known = Mutex::default();
    let token = authenticator.token(None, FORM, here()).unwrap();
    let bearer = format!("Bearer {}", token.text);
    let client = |text: &str| authenticator.client_of(text, &known);
    for _ in 0..2 {
        assert_eq!(client(&bearer).as_deref(), Some("a"));
    }
    let remembered = lock(&known).as_ref().map(|token| token.end);
    let end = clock.now().plus(Duration::from_secs(3720));
    assert_eq!(remembered, Some(end));
    for other in [&bearer[..bearer.len() - 1], "Bearer ", "", &token.text] {
        assert_eq!(client(other), None, "{other}");
    }
    // A file of new keys, as after `token.keys` was removed.
    std::fs::remove_file(dir.path().join("token.keys")).unwrap();
    TokenKeys::open(dir.path(), clock.now()).unwrap();
    authenticator.reload();
    assert_eq!(client(&bearer), None);
}

#[test]
fn the_key_of_another_process_is_read_when_a_token_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let known = Mutex::default();
    let (authenticator, clock) = open(dir.path(), CLIENT);
    let hour = Duration::from_secs(3600);
    TokenKeys::rotate(dir.path(), clock.now(), hour).unwrap();
    let token = TokenKeys::read(dir.path(), clock.now())
        .unwrap()
        .issue("a", clock.now(), hour)
        .unwrap();
    let bearer = format!("Bearer {token}");
    assert_eq!(
        authenticator.client_of(&bearer, &known).as_deref(),
        Some("a")
    );
}

#[test]
fn grants_narrow_what_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let clients = format!("grants = ['client_credentials']\n{CLIENT}");
    let (authenticator, _) = open(dir.path(), &clients);
    let body = b"grant_type=password&username=a&password=hunter2";
    let refusal = authenticator.token(None, body, here()).unwrap_err();
    assert_eq!(refusal, TokenRefusal::UnsupportedGrantType);
}
